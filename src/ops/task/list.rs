//! `list_tasks`: the queue, newest first, page by page.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::BEARER_NAMED;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::named_instance;
use crate::ops::names::Names;
use crate::ops::render;
use crate::ops::task::Behind;
use crate::ops::task::TaskLine;
use crate::ops::task::push::resolve_assignee;
use crate::ops::task::waits_for;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 40;

/// Of a title beside which stands what the task waits for.
const TITLE_BESIDE: usize = 30;

/// A total is counted no further than this: beyond, it says "at least".
const COUNTED_MAX: u64 = 1_000;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Status {
    Open,
    Pending,
    Ready,
    Waiting,
    Claimed,
    InProgress,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    fn standings(self) -> Vec<Standing> {
        use Standing::*;
        match self {
            Status::Open => Standing::OPEN.to_vec(),
            Status::Pending => vec![Ready, Waiting],
            Status::Ready => vec![Ready],
            Status::Waiting => vec![Waiting],
            Status::Claimed => vec![Claimed],
            Status::InProgress => vec![InProgress],
            Status::Blocked => vec![Blocked],
            Status::Completed => vec![Completed],
            Status::Failed => vec![Failed],
            Status::Cancelled => vec![Cancelled],
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListTasks {
    status: Option<Status>,
    role: Option<String>,
    #[schemars(regex(pattern = BEARER_NAMED))]
    assignee: Option<String>,
    holder: Option<String>,
    chain_id: Option<String>,
    parent: Option<TaskId>,
    job: Option<JobId>,
    label: Option<String>,
    repo: Option<String>,
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    cursor: Option<TaskId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct TaskList {
    tasks: Vec<TaskLine>,
    total: u64,
    /// There are more than `total`; nobody counted on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    total_is_at_least: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<TaskId>,
    /// Nothing was chosen among them.
    #[serde(skip)]
    is_of_all: bool,
    #[serde(skip)]
    names: Names,
    /// What waits for something that will not come by itself, and for what.
    #[serde(skip)]
    stuck: BTreeMap<TaskId, String>,
}

impl Operation for ListTasks {
    const NAME: &'static str = "list_tasks";
    const ABOUT: &'static str = "Tasks, newest first";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Read;
    type Output = TaskList;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<TaskList> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("`limit` must be between 1 and {LIMIT_MAX}"))
                .hint("go on with the answer's `cursor` for more"));
        }
        let mut filter = self.filter(tx)?;
        let total = self.total(tx, &filter)?;
        let is_of_all = self.cursor.is_none() && filter == TaskFilter::default();
        filter.before = self.cursor;
        let mut found = tx.list_tasks(&filter, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let lines = found.iter().map(|task| TaskLine::of(task, tx)).collect::<Result<_>>()?;
        let mut stuck = BTreeMap::new();
        for task in found.iter().filter(|task| task.standing() == Standing::Waiting) {
            if let Some(ended) = waits_for(task, tx)?.iter().find(|one| one.has_ended()) {
                stuck.insert(task.id, ended.words());
            }
        }
        let (tasks, cut) = render::fit::<TaskLine>(lines, render::ANSWER_BYTES_MAX);
        let names = Names::read(tasks.iter().filter_map(|task| task.assignee.as_deref()), tx)?;
        Ok(TaskList {
            is_of_all,
            names,
            stuck,
            cursor: tasks.last().filter(|_| more || cut).map(|last| last.id),
            tasks,
            total: total.min(COUNTED_MAX),
            total_is_at_least: total > COUNTED_MAX,
        })
    }
}

impl ListTasks {
    fn filter(&self, tx: &mut dyn Tx) -> Result<TaskFilter> {
        let holder = self.holder.as_deref().map(|holder| named_instance(tx, holder)).transpose()?.map(|one| one.id);
        let assignee = self.assignee.as_deref().map(|assignee| resolve_assignee(tx, assignee)).transpose()?;
        Ok(TaskFilter {
            standings: self.status.map(Status::standings).unwrap_or_default(),
            role: self.role.clone(),
            assignee,
            holder,
            chain_id: self.chain_id.clone(),
            parent: self.parent,
            job: self.job,
            label: self.label.clone(),
            repo: self.repo.clone(),
            before: None,
            after: None,
        })
    }

    /// Counted where a filter is set; without one the store knows the numbers by heart.
    fn total(&self, tx: &mut dyn Tx, filter: &TaskFilter) -> Result<u64> {
        tx.count_tasks(filter, COUNTED_MAX + 1)
    }
}

impl Answer for TaskList {
    fn ids(&self) -> Vec<String> {
        self.tasks.iter().map(|task| task.id.to_string()).collect()
    }
}

impl fmt::Display for TaskList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tasks.is_empty() {
            return match self.is_of_all {
                true => writeln!(f, "no tasks yet; `push-task \"…\"` makes the first"),
                false => writeln!(f, "no such tasks"),
            };
        }
        let rows: Vec<_> = self
            .tasks
            .iter()
            .map(|task| {
                let assignee = task.assignee.as_deref().map(|assignee| self.names.of(assignee).to_owned());
                let meant_for = assignee.or(task.role.clone()).or(task.link.clone()).unwrap_or_default();
                [
                    task.id.short(),
                    task.standing().to_owned(),
                    task.priority.clone(),
                    meant_for,
                    task.holder(),
                    match self.stuck.get(&task.id).cloned().or(task.behind.as_ref().map(Behind::words)) {
                        // What is said of it must not be cut with it.
                        Some(what) => format!("{} (waits for {what})", render::one_line(&task.title, TITLE_BESIDE)),
                        None => task.title.clone(),
                    },
                ]
            })
            .collect();
        render::table(f, ["ID", "STATUS", "PRIORITY", "FOR", "HOLDER", "TITLE"], &rows)?;
        let at_least = if self.total_is_at_least { "at least " } else { "" };
        match &self.cursor {
            Some(cursor) => {
                writeln!(f, "{} of {at_least}{}; go on with --cursor {cursor}", self.tasks.len(), self.total)
            }
            None => Ok(()),
        }
    }
}
