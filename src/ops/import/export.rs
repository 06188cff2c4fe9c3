//! `export_tasks`: tasks as plans tell them, for whoever writes the files.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::import::names::Names;
use crate::ops::render;
use crate::ops::task::existing;
use crate::ops::task::existing_job;
use crate::plan::Draft;
use crate::plan::ENTRIES_MAX;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use std::collections::HashSet;
use std::fmt;

/// Of all drafts together: half of what a program takes from a server elsewhere.
const BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExportTasks {
    job: Option<JobId>,
    /// The file or folder that is going to tell of them, as an import names it
    source: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TasksExported")]
pub struct Exported {
    /// The oldest first: an import makes them in the order in which a file tells them, so that another store has the same.
    pub drafts: Vec<Value>,
    /// Which tasks they are, in that order.
    pub tasks: Vec<TaskId>,
    /// How many tasks they wait for, or are parts of, that are not among them.
    pub left_out: u64,
}

impl Operation for ExportTasks {
    const NAME: &'static str = "export_tasks";
    const ABOUT: &'static str = "Tasks as plans tell them, by the keys that they were imported by";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Read;
    type Output = Exported;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Exported> {
        if let Some(job) = self.job {
            existing_job(tx, job)?;
        }
        let source = self.source.as_deref().unwrap_or_default();
        let filter = TaskFilter { job: self.job, after: Some(TaskId::from_number(0)), ..TaskFilter::default() };
        let found = tx.list_tasks(&filter, ENTRIES_MAX as u32 + 1)?;
        if found.len() > ENTRIES_MAX {
            return Err(Error::new(Kind::Refused, format!("more than {ENTRIES_MAX} tasks"))
                .hint("export one job after the other"));
        }
        let tasks = found.iter().map(|task| existing(tx, task.id)).collect::<Result<Vec<Task>>>()?;
        let is_here: HashSet<TaskId> = tasks.iter().map(|task| task.id).collect();
        let mut names = Names::default();
        let (mut drafts, mut ids, mut bytes, mut left_out) = (Vec::new(), Vec::new(), 0, 0);
        for mut task in tasks {
            let all = task.depends_on.len();
            task.depends_on.retain(|id| is_here.contains(id));
            left_out += all - task.depends_on.len();
            left_out += usize::from(task.parent.take_if(|id| !is_here.contains(id)).is_some());
            let key = names.key(task.id, tx)?;
            let told = tx.told(source, &key)?.map(|(draft, _)| draft);
            let draft: Draft = Draft { key, ..names.draft(&task, told.as_ref(), tx)? };
            let draft = json!(draft);
            bytes += render::size(&draft);
            if bytes > BYTES_MAX {
                return Err(Error::new(Kind::Refused, format!("more than {BYTES_MAX} bytes of tasks"))
                    .hint("export one job after the other"));
            }
            drafts.push(draft);
            ids.push(task.id);
        }
        Ok(Exported { drafts, tasks: ids, left_out: left_out as u64 })
    }
}

impl Answer for Exported {
    fn ids(&self) -> Vec<String> {
        self.tasks.iter().map(TaskId::to_string).collect()
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} tasks", self.tasks.len())
    }
}
