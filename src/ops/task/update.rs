//! `update_task`: change what a task says, or note how far it is.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::demand::DEMANDS_MAX;
use crate::model::demand::PATTERN;
use crate::model::event::NewEvent;
use crate::model::graph;
use crate::model::graph::Walk;
use crate::model::id::BEARER;
use crate::model::id::NAME_OR_EMPTY;
use crate::model::id::TaskId;
use crate::model::task::DEPENDENCIES_MAX;
use crate::model::task::LEASE_SECS_MAX;
use crate::model::task::LIST_MAX;
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
use crate::ops::evidence;
use crate::ops::file;
use crate::ops::file::PATTERN_CHARS_MAX;
use crate::ops::refusals::Told;
use crate::ops::rights;
use crate::ops::task::NOTE_CHARS_MAX;
use crate::ops::task::TaskView;
use crate::ops::task::check_lease_secs;
use crate::ops::task::check_note;
use crate::ops::task::existing;
use crate::ops::task::given::wake_assignee;
use crate::ops::task::push;
use crate::store::Tx;
use schemars::JsonSchema;
use schemars::Schema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(transform = something_to_change)]
pub struct UpdateTask {
    task_id: TaskId,
    /// How far you are
    #[schemars(length(max = NOTE_CHARS_MAX))]
    progress: Option<String>,
    #[schemars(length(max = TITLE_CHARS_MAX), regex(pattern = r"\S"))]
    title: Option<String>,
    #[schemars(length(max = TEXT_BYTES_MAX))]
    description: Option<String>,
    priority: Option<Priority>,
    #[schemars(regex(pattern = NAME_OR_EMPTY))]
    role: Option<String>,
    #[schemars(regex(pattern = BEARER))]
    assignee: Option<String>,
    #[schemars(length(max = DEPENDENCIES_MAX))]
    depends_on: Option<Vec<TaskId>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = push::ITEM_CHARS_MAX)))]
    context_files: Option<Vec<String>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = push::ITEM_CHARS_MAX)))]
    expected_outputs: Option<Vec<String>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = push::ITEM_CHARS_MAX)))]
    acceptance: Option<Vec<String>>,
    #[schemars(length(max = DEMANDS_MAX), inner(regex(pattern = PATTERN)))]
    evidence: Option<Vec<String>>,
    #[schemars(length(max = RESERVES_MAX), inner(length(min = 1, max = PATTERN_CHARS_MAX)))]
    reserves: Option<Vec<String>>,
    #[schemars(length(max = push::ITEM_CHARS_MAX))]
    repo: Option<String>,
    #[schemars(length(max = push::ITEM_CHARS_MAX))]
    branch: Option<String>,
    #[schemars(length(max = LIST_MAX), inner(length(min = 1, max = push::LABEL_CHARS_MAX)))]
    labels: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    not_before: Option<Timestamp>,
    #[schemars(range(min = 1, max = push::ATTEMPTS_MAX))]
    max_attempts: Option<u32>,
    #[schemars(range(min = 1, max = LEASE_SECS_MAX))]
    lease_secs: Option<u32>,
    token: Option<u64>,
}

/// Which task it is and who holds it are no change.
const NO_CHANGE: &[&str] = &["task_id", "token"];

/// In words of a schema: at least one field beside those.
fn something_to_change(schema: &mut Schema) {
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let changes = fields.map(|(field, _)| field).filter(|field| !NO_CHANGE.contains(&field.as_str()));
    let ways: Vec<Value> = changes
        .map(|field| json!({ "required": [field], "properties": { field.as_str(): { "not": { "type": "null" } } } }))
        .collect();
    schema.insert("anyOf".to_owned(), ways.into());
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskUpdated")]
pub struct Updated {
    task: TaskView,
    /// The fields that were changed.
    changed: Vec<String>,
}

impl Operation for UpdateTask {
    const NAME: &'static str = "update_task";
    const ABOUT: &'static str = "Note progress, or change a task's fields (\"\" empties role, assignee)";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id", "progress"];
    type Output = Updated;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Updated> {
        check_note("progress", self.progress.as_deref())?;
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        self.check_something_is_given()?;
        check_may_change(&task, self.token, tx, caller)?;
        // What a stage waits for is what holds it at a gate.
        if task.body.stage.is_some() && self.depends_on.is_some() {
            rights::check_is_no_worker(tx, caller)?;
        }
        if let Some(wanted) = &self.evidence {
            evidence::check_may_demand(&task.body.demands, &evidence::read(wanted)?, tx, caller)?;
        }
        let changed = self.apply(&mut task, tx, caller)?;
        if !changed.is_empty() {
            task.updated_at = now.at;
            tx.update_task_fields(&mut task)?;
            if self.depends_on.is_some() {
                tx.set_dependencies(&mut task)?;
            }
            if let (Some(_), Some(me)) = (self.lease_secs, task.holder.clone().filter(|_| task.state.is_held())) {
                // A lease of another length begins now: when it was renewed must always follow from when it ends.
                task.renew(&me, None, now).told(tx)?;
                tx.update_task(&mut task)?;
                tx.renew_presence(&me, now)?;
            }
            let fields: Vec<Value> = changed.iter().map(|field| Value::from(*field)).collect();
            tx.append_event(NewEvent::new("task.updated", task.id, me.as_ref()).with("fields", fields))?;
            if self.assignee.is_some() {
                wake_assignee(tx, &task, me.as_ref())?;
            }
        }
        if let Some(progress) = &self.progress {
            let note = NewEvent::new("task.progress", task.id, me.as_ref()).with("note", progress.as_str());
            tx.append_event(note.with("token", task.token))?;
        }
        let changed = changed.into_iter().map(str::to_owned).collect();
        Ok(Updated { task: TaskView::of(task, tx)?, changed })
    }
}

impl UpdateTask {
    fn check_something_is_given(&self) -> Result<()> {
        let fields = match serde_json::to_value(self).map_err(Error::internal)? {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let changes: Vec<(String, Value)> =
            fields.into_iter().filter(|(field, _)| !NO_CHANGE.contains(&field.as_str())).collect();
        if changes.iter().any(|(_, value)| !value.is_null()) {
            return Ok(());
        }
        let names: Vec<String> = changes.iter().map(|(field, _)| format!("`{field}`")).collect();
        Err(Error::invalid(format!("`{}` was given nothing to change", UpdateTask::NAME))
            .hint(format!("give at least one of {}", names.join(", "))))
    }

    /// Puts every field that was given into the task, and says which those were.
    fn apply(&self, task: &mut Task, tx: &mut dyn Tx, caller: &Caller) -> Result<Vec<&'static str>> {
        let mut changed = Vec::new();
        macro_rules! set {
            ($field:ident, $place:expr, $value:expr) => {
                if let Some($field) = &self.$field {
                    $place = $value;
                    changed.push(stringify!($field));
                }
            };
        }
        check_lease_secs(self.lease_secs)?;
        set!(title, task.title, push::checked_title(title)?);
        set!(description, task.body.description, push::checked_description(description)?);
        set!(priority, task.priority, *priority);
        set!(role, task.role, if role.is_empty() { None } else { Some(push::checked_role(role)?) });
        set!(
            assignee,
            task.assignee,
            match assignee.as_str() {
                "" => None,
                assignee => Some(push::resolve_assignee(tx, assignee)?),
            }
        );
        set!(context_files, task.body.context_files, push::checked_list("context_files", Some(context_files))?);
        set!(
            expected_outputs,
            task.body.expected_outputs,
            push::checked_list("expected_outputs", Some(expected_outputs))?
        );
        set!(acceptance, task.body.acceptance, push::checked_list("acceptance", Some(acceptance))?);
        set!(evidence, task.body.demands, evidence::read(evidence)?);
        set!(reserves, task.reserves, checked_reserves(task, reserves, caller)?);
        set!(repo, task.repo, push::checked_short("repo", Some(repo))?);
        set!(branch, task.branch, push::checked_short("branch", Some(branch))?);
        set!(labels, task.labels, push::checked_labels(labels)?);
        set!(metadata, task.body.metadata, push::checked_metadata(Some(metadata))?);
        set!(not_before, task.not_before, Some(*not_before));
        set!(max_attempts, task.max_attempts, checked_attempts(task, *max_attempts)?);
        set!(lease_secs, task.lease_secs, *lease_secs);
        if let Some(not_before) = self.not_before {
            task.due = not_before <= tx.now().at;
        }
        if let Some(depends_on) = &self.depends_on {
            task.depends_on = checked_dependencies(task, depends_on, tx)?;
            changed.push("depends_on");
        }
        Ok(changed)
    }
}

/// What somebody holds is theirs to change; what nobody holds is everybody's. An import goes by this, too.
pub fn check_may_change(task: &Task, token: Option<u64>, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    if task.state.is_held() || token.is_some() {
        let me = caller.instance(tx)?;
        return task.check_held(&me.id, token, tx.now()).told(tx);
    }
    rights::check_beyond_own("to change a task that one does not hold", caller)?;
    // Whoever waits for a verdict must not write what is judged.
    if task.body.stage.is_some() { rights::check_is_no_worker(tx, caller) } else { Ok(()) }
}

/// Those that it may wait for without waiting for itself.
pub fn checked_dependencies(task: &Task, wanted: &[TaskId], tx: &mut dyn Tx) -> Result<Vec<TaskId>> {
    if task.state != State::Pending {
        return Err(Error::new(
            Kind::Conflict,
            format!("task `{}` is {}; dependencies change only while it is pending", task.id, task.state.word()),
        )
        .hint("`release_task` first, or push a new task"));
    }
    if wanted.len() > DEPENDENCIES_MAX {
        return Err(Error::invalid(format!("`depends_on` may name {DEPENDENCIES_MAX} tasks")));
    }
    for id in wanted {
        existing(tx, *id)?;
    }
    let walk = graph::walk([task.id], |id| {
        if id == task.id {
            return Ok(wanted.to_vec());
        }
        Ok::<_, Error>(tx.dependencies_of(id)?.into_iter().map(|(id, _)| id).collect())
    })?;
    match walk {
        Walk::Order(_) => Ok(wanted.to_vec()),
        Walk::Cycle(path) => {
            let path: Vec<String> = path.iter().map(TaskId::to_string).collect();
            Err(Error::invalid(format!("these tasks would wait for each other: {}", path.join(" -> ")))
                .hint("take one of these dependencies out"))
        }
    }
}

/// What a claim brought with it goes with that claim, and nothing else comes meanwhile.
fn checked_reserves(task: &Task, wanted: &[String], caller: &Caller) -> Result<Vec<String>> {
    let wanted = file::of_task(wanted, caller)?;
    if task.state.is_held() && wanted != task.reserves {
        let message =
            format!("task `{}` is {}; `reserves` changes only while nobody holds it", task.id, task.state.word());
        return Err(Error::new(Kind::Conflict, message)
            .hint("`reserve_files` keeps more for you alone, or `release_task` first"));
    }
    Ok(wanted)
}

/// A task cannot have had more attempts than it may have, and what waits to be claimed has one more to come.
fn checked_attempts(task: &Task, wanted: u32) -> Result<u32> {
    let to_come = u32::from(matches!(task.state, State::Pending | State::Blocked));
    let least = task.attempt + to_come;
    if wanted < least {
        let made = task.attempt;
        return Err(Error::invalid(format!("`max_attempts` must be at least {least}: the task had {made} attempts")));
    }
    push::checked_attempts(wanted)
}

impl Answer for Updated {
    fn version(&self) -> Option<u64> {
        self.task.line.version
    }

    fn ids(&self) -> Vec<String> {
        vec![self.task.line.id.to_string()]
    }
}

impl fmt::Display for Updated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}
