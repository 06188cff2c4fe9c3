//! `push_task`: put work into the queue.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::demand::DEMANDS_MAX;
use crate::model::demand::PATTERN;
use crate::model::id::BEARER;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::NAME_OR_EMPTY;
use crate::model::id::TaskId;
use crate::model::id::check_name;
use crate::model::message::address_of_name;
use crate::model::spending::Budget;
use crate::model::stage::Stage;
use crate::model::task::ATTEMPTS_DEFAULT;
use crate::model::task::Body;
use crate::model::task::DEPENDENCIES_MAX;
use crate::model::task::LEASE_SECS_DEFAULT;
use crate::model::task::LEASE_SECS_MAX;
use crate::model::task::LIST_MAX;
use crate::model::task::Link;
use crate::model::task::Priority;
use crate::model::task::RESERVES_MAX;
use crate::model::task::State;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::TITLE_CHARS_MAX;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::find_instance;
use crate::ops::evidence;
use crate::ops::file;
use crate::ops::file::PATTERN_CHARS_MAX;
use crate::ops::task::TaskView;
use crate::ops::task::check_lease_secs;
use crate::ops::task::given::wake_assignee;
use crate::ops::task::of_job::check_takes_more;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

pub const ITEM_CHARS_MAX: usize = 500;
pub(super) const LABEL_CHARS_MAX: usize = 64;
pub(super) const ATTEMPTS_MAX: u32 = 100;
/// Dependencies named in a note; the task itself shows all that it waits for.
const STUCK_NAMED_MAX: usize = 5;

#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushTask {
    #[schemars(length(max = TITLE_CHARS_MAX), regex(pattern = r"\S"))]
    pub(super) title: String,
    #[schemars(length(max = TEXT_BYTES_MAX))]
    description: Option<String>,
    priority: Option<Priority>,
    /// Instead of priority: 1 to 10, 10 goes first
    #[schemars(range(min = 1, max = Priority::URGENCY_MAX))]
    urgency: Option<u8>,
    /// Only this role claims it
    #[schemars(regex(pattern = NAME_OR_EMPTY))]
    role: Option<String>,
    /// Id or @name: only they claim it
    #[schemars(regex(pattern = BEARER))]
    assignee: Option<String>,
    /// Task ids to wait for
    #[schemars(length(max = DEPENDENCIES_MAX), with = "Option<Vec<TaskId>>")]
    pub(super) depends_on: Option<Vec<String>>,
    link: Option<Link>,
    #[schemars(length(max = ITEM_CHARS_MAX))]
    chain_id: Option<String>,
    pub(super) parent: Option<TaskId>,
    /// The job it is part of
    pub(super) job: Option<JobId>,
    #[schemars(length(max = LIST_MAX), inner(length(max = ITEM_CHARS_MAX)))]
    context_files: Option<Vec<String>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = ITEM_CHARS_MAX)))]
    expected_outputs: Option<Vec<String>>,
    /// What must hold when it is done
    #[schemars(length(max = LIST_MAX), inner(length(max = ITEM_CHARS_MAX)))]
    acceptance: Option<Vec<String>>,
    /// To complete it: commit, tests, files, review, `check: COMMAND`
    #[schemars(length(max = DEMANDS_MAX), inner(regex(pattern = PATTERN)))]
    evidence: Option<Vec<String>>,
    /// Whoever claims it has these to itself: paths, globs, @resource
    #[schemars(length(max = RESERVES_MAX), inner(length(min = 1, max = PATTERN_CHARS_MAX)))]
    reserves: Option<Vec<String>>,
    #[schemars(length(max = ITEM_CHARS_MAX))]
    repo: Option<String>,
    #[schemars(length(max = ITEM_CHARS_MAX))]
    branch: Option<String>,
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = LABEL_CHARS_MAX)))]
    labels: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    /// At which the human is asked
    budget: Option<Budget>,
    /// RFC 3339
    not_before: Option<Timestamp>,
    #[schemars(range(min = 1, max = ATTEMPTS_MAX))]
    max_attempts: Option<u32>,
    #[schemars(range(min = 1, max = LEASE_SECS_MAX))]
    lease_secs: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskPushed")]
pub struct Pushed {
    task: TaskView,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Operation for PushTask {
    const NAME: &'static str = "push_task";
    const ABOUT: &'static str = "Put a task into the queue";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["title"];
    type Output = Pushed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Pushed> {
        let by = caller.known_instance(tx)?.map(|me| me.id);
        let dependencies: Vec<Task> =
            self.depends_on.iter().flatten().map(|id| existing_dependency(tx, id)).collect::<Result<_>>()?;
        self.check_may_demand(tx, caller)?;
        if let Some(job) = self.job {
            check_takes_more(tx, job)?;
        }
        let task =
            self.push(tx, caller, by.as_ref(), Place::after(dependencies.iter().map(|task| task.id).collect()))?;
        let unborne = task
            .assignee
            .as_ref()
            .filter(|assignee| assignee.starts_with('@'))
            .map(|name| format!("nobody bears the name `{name}` yet; the task waits for them"));
        let notes: Vec<String> = unborne.into_iter().chain(stuck_on(&dependencies)).collect();
        Ok(Pushed { task: TaskView::of(task, tx)?, note: (!notes.is_empty()).then(|| notes.join("; ")) })
    }
}

/// Where a task stands among others.
#[derive(Default)]
pub(super) struct Place {
    pub depends_on: Vec<TaskId>,
    /// How many tasks the longest chain has of those that will wait for it and come in the same transaction.
    pub height: u32,
    /// What a pipeline says of it.
    pub stage: Option<Stage>,
}

impl Place {
    fn after(depends_on: Vec<TaskId>) -> Place {
        Place { depends_on, ..Place::default() }
    }
}

impl PushTask {
    pub(super) fn check_may_demand(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
        evidence::check_may_demand(&[], &evidence::read(self.evidence.as_deref().unwrap_or_default())?, tx, caller)
    }

    pub(super) fn push(&self, tx: &mut dyn Tx, caller: &Caller, by: Option<&InstanceId>, place: Place) -> Result<Task> {
        let mut task = self.task(tx, caller, by, place)?;
        tx.insert_task(&mut task)?;
        tx.append_event(task.pushed())?;
        wake_assignee(tx, &task, by)?;
        Ok(task)
    }

    fn task(&self, tx: &mut dyn Tx, caller: &Caller, by: Option<&InstanceId>, place: Place) -> Result<Task> {
        let now = tx.now();
        check_lease_secs(self.lease_secs)?;
        if place.depends_on.len() > DEPENDENCIES_MAX {
            return Err(Error::invalid(format!("`depends_on` may name {DEPENDENCIES_MAX} tasks")));
        }
        if let Some(parent) = self.parent {
            super::existing(tx, parent)?;
        }
        let assignee = match self.assignee.as_deref().filter(|assignee| !assignee.is_empty()) {
            Some(assignee) => Some(resolve_assignee(tx, assignee)?),
            None => None,
        };
        Ok(Task {
            // Given by the store.
            id: TaskId::from_number(0),
            title: checked_title(&self.title)?,
            state: State::Pending,
            priority: self.checked_priority()?,
            role: self.role.as_deref().filter(|role| !role.is_empty()).map(checked_role).transpose()?,
            assignee,
            link: self.link,
            chain_id: checked_short("chain_id", self.chain_id.as_deref())?,
            parent: self.parent,
            job: self.job,
            repo: checked_short("repo", self.repo.as_deref())?,
            branch: checked_short("branch", self.branch.as_deref())?,
            labels: checked_labels(self.labels.as_deref().unwrap_or_default())?,
            reserves: file::of_task(self.reserves.as_deref().unwrap_or_default(), caller)?,
            not_before: self.not_before,
            due: self.not_before.is_none_or(|not_before| not_before <= now.at),
            depends_on: place.depends_on,
            unmet: 0,
            height: place.height,
            max_attempts: checked_attempts(self.max_attempts.unwrap_or(ATTEMPTS_DEFAULT))?,
            attempt: 0,
            lease_secs: self.lease_secs.unwrap_or(LEASE_SECS_DEFAULT),
            token: 0,
            holder: None,
            lease_until: None,
            reason: None,
            created_by: by.cloned(),
            created_at: now.at,
            claimed_at: None,
            started_at: None,
            finished_at: None,
            updated_at: now.at,
            body: Body {
                description: checked_description(self.description.as_deref().unwrap_or_default())?,
                context_files: checked_list("context_files", self.context_files.as_deref())?,
                expected_outputs: checked_list("expected_outputs", self.expected_outputs.as_deref())?,
                acceptance: checked_list("acceptance", self.acceptance.as_deref())?,
                metadata: checked_metadata(self.metadata.as_ref())?,
                demands: evidence::read(self.evidence.as_deref().unwrap_or_default())?,
                budget: self.checked_budget()?,
                stage: place.stage,
                ..Body::default()
            },
            version: 0,
        })
    }

    fn checked_budget(&self) -> Result<Option<Budget>> {
        check_budget(self.budget.as_ref())?;
        Ok(self.budget.clone().filter(|budget| *budget != Budget::default()))
    }

    fn checked_priority(&self) -> Result<Priority> {
        let Some(urgency) = self.urgency else { return Ok(self.priority.unwrap_or_default()) };
        if self.priority.is_some() {
            return Err(Error::new(Kind::Refused, "`urgency` stands in place of `priority`: give one of them"));
        }
        let most = Priority::URGENCY_MAX;
        Priority::of_urgency(urgency)
            .ok_or_else(|| Error::invalid(format!("`urgency` must be between 1 and {most}, not {urgency}")))
    }
}

pub(super) fn existing_dependency(tx: &mut dyn Tx, id: &str) -> Result<Task> {
    let id: TaskId = id.parse().map_err(|wanted| Error::invalid(format!("`depends_on`: `{id}` is {wanted}")))?;
    super::existing(tx, id)
}

/// Told whoever pushes a task behind others that will not be completed as things are.
fn stuck_on(dependencies: &[Task]) -> Option<String> {
    let mut over: Vec<&Task> =
        dependencies.iter().filter(|task| matches!(task.state, State::Failed | State::Cancelled)).collect();
    over.sort_by_key(|task| task.id);
    over.dedup_by_key(|task| task.id);
    let mut named: Vec<String> =
        over.iter().take(STUCK_NAMED_MAX).map(|task| format!("`{}` is {}", task.id, task.state.word())).collect();
    match over.len().checked_sub(STUCK_NAMED_MAX) {
        None | Some(0) => {}
        Some(more) => named.push(format!("so are {more} more")),
    }
    let what = if over.len() == 1 { "that is retried" } else { "these are retried" };
    (!named.is_empty())
        .then(|| format!("{}: the task waits until {what} or its dependencies are changed", named.join(", ")))
}

/// Who an assignee is: an instance, or a name for whoever will bear it.
pub fn resolve_assignee(tx: &mut dyn Tx, assignee: &str) -> Result<String> {
    if let Some(instance) = find_instance(tx, assignee)? {
        return Ok(instance.id.to_string());
    }
    check_name("assignee", assignee.strip_prefix('@').unwrap_or(assignee))?;
    Ok(address_of_name(assignee))
}

pub fn checked_title(title: &str) -> Result<String> {
    // One line, whatever it was written as: a title is shown in rows.
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = title.chars().count();
    if (1..=TITLE_CHARS_MAX).contains(&length) {
        return Ok(title);
    }
    let hint = if length == 0 { "say in a line what is to be done" } else { "put the rest into `description`" };
    Err(Error::invalid(format!("`title` must have 1 to {TITLE_CHARS_MAX} characters, not {length}")).hint(hint))
}

pub fn checked_role(role: &str) -> Result<String> {
    check_name("role", role).map(|()| role.to_owned())
}

pub fn checked_description(text: &str) -> Result<String> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(format!("`description` has {} bytes; it may have {TEXT_BYTES_MAX}", text.len()))
        .hint("write it to a file and name the file in `context_files`"))
}

pub fn checked_attempts(attempts: u32) -> Result<u32> {
    if (1..=ATTEMPTS_MAX).contains(&attempts) {
        return Ok(attempts);
    }
    Err(Error::invalid(format!("`max_attempts` must be between 1 and {ATTEMPTS_MAX}")))
}

pub fn checked_list(field: &str, items: Option<&[String]>) -> Result<Vec<String>> {
    let items = items.unwrap_or_default();
    if items.len() > LIST_MAX || items.iter().any(|item| item.chars().count() > ITEM_CHARS_MAX) {
        return Err(Error::invalid(format!("`{field}` may have {LIST_MAX} entries of {ITEM_CHARS_MAX} characters")));
    }
    Ok(items.to_vec())
}

pub fn checked_labels(labels: &[String]) -> Result<Vec<String>> {
    let fits = |label: &String| (1..=LABEL_CHARS_MAX).contains(&label.chars().count());
    if labels.len() > LIST_MAX || !labels.iter().all(fits) {
        return Err(Error::invalid(format!(
            "`labels` may have {LIST_MAX} entries of 1 to {LABEL_CHARS_MAX} characters"
        )));
    }
    let mut labels = labels.to_vec();
    labels.sort();
    labels.dedup();
    Ok(labels)
}

pub fn checked_metadata(metadata: Option<&Map<String, Value>>) -> Result<Option<Map<String, Value>>> {
    match metadata {
        Some(map) if Value::Object(map.clone()).to_string().len() > TEXT_BYTES_MAX => {
            Err(Error::invalid(format!("`metadata` may have {TEXT_BYTES_MAX} bytes of JSON")))
        }
        metadata => Ok(metadata.cloned()),
    }
}

pub fn check_budget(budget: Option<&Budget>) -> Result<()> {
    match budget.and_then(|budget| budget.limits().senseless()) {
        Some((what, least)) => Err(Error::invalid(format!("`budget.{what}` must be at least {least}"))),
        None => Ok(()),
    }
}

/// A short text; an empty one is none.
pub fn checked_short(field: &str, text: Option<&str>) -> Result<Option<String>> {
    match text {
        Some(text) if text.chars().count() > ITEM_CHARS_MAX => {
            Err(Error::invalid(format!("`{field}` may have {ITEM_CHARS_MAX} characters")))
        }
        text => Ok(text.filter(|text| !text.is_empty()).map(str::to_owned)),
    }
}

impl Answer for Pushed {
    fn version(&self) -> Option<u64> {
        self.task.line.version
    }

    fn ids(&self) -> Vec<String> {
        vec![self.task.line.id.to_string()]
    }
}

impl fmt::Display for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)?;
        self.note.iter().try_for_each(|note| writeln!(f, "  {note}"))
    }
}
