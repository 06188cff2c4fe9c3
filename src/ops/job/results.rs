//! `get_results`: what came of the tasks of a job, page by page, also while it runs.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::model::task::State;
use crate::model::task::Task;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::view::JobLine;
use crate::ops::outline::outline;
use crate::ops::render;
use crate::ops::task::existing_job;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;
const TITLE_BYTES: usize = 300;
const RESULT_BYTES: usize = 2_000;
const JSON_BYTES: usize = 1_500;
const REASON_BYTES: usize = 600;
/// A page leaves room for the line of the job.
const PAGE_BYTES: usize = render::ANSWER_BYTES_MAX - 3_000;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Which {
    #[default]
    All,
    Completed,
    Failed,
}

impl Which {
    fn standings(self) -> Vec<Standing> {
        use Standing::*;
        match self {
            Which::All => vec![Completed, Failed, Cancelled],
            Which::Completed => vec![Completed],
            Which::Failed => vec![Failed],
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetResults {
    job_id: JobId,
    /// all (default) that has ended, completed, failed
    which: Option<Which>,
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    cursor: Option<TaskId>,
}

/// What came of one task.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobResult")]
pub struct ResultLine {
    pub task: TaskId,
    pub title: String,
    #[schemars(with = "State")]
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_json: Option<Value>,
    /// Why it failed, or was called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Something of it is longer; `get_task` with `part` reads on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

impl ResultLine {
    pub fn of(task: Task) -> ResultLine {
        let (result, whole) = match &task.body.result {
            Some(result) => {
                let (text, whole) = render::clip(result, RESULT_BYTES);
                (Some(text), whole)
            }
            None => (None, None),
        };
        let json = task.body.result_json.as_ref().map(|json| render::clip_json(json, JSON_BYTES));
        ResultLine {
            task: task.id,
            title: render::short(&task.title, TITLE_BYTES),
            status: task.state.word().to_owned(),
            is_cut: whole.is_some() || matches!(json, Some(Err(_))),
            result,
            result_json: json.and_then(|json| json.ok()),
            reason: task.reason.as_ref().map(|reason| render::short(&render::one_line(reason, 300), REASON_BYTES)),
        }
    }

    /// A heading, and what came of it, so that no text can look like a heading.
    pub fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}) {}", self.task.short(), self.status, render::one_line(&self.title, 100))?;
        let json = self.result_json.as_ref().map(outline);
        for text in [&self.result, &json, &self.reason].into_iter().flatten() {
            text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        if self.is_cut {
            writeln!(f, "    (cut; `get-task {} --part result` shows all)", self.task.short())?;
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobResults")]
pub struct Results {
    job: JobLine,
    /// In the order in which the tasks were made.
    results: Vec<ResultLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<TaskId>,
}

impl Operation for GetResults {
    const NAME: &'static str = "get_results";
    const ABOUT: &'static str = "What came of a job's tasks, also while it runs";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["job_id"];
    type Output = Results;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Results> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("`limit` must be between 1 and {LIMIT_MAX}"))
                .hint("go on with the answer's `cursor` for more"));
        }
        let job = existing_job(tx, self.job_id)?;
        let (results, cursor) = page(tx, self.job_id, self.which.unwrap_or_default(), self.cursor, limit)?;
        Ok(Results { job: JobLine::of(&job, tx)?, results, cursor })
    }
}

/// What has ended of a job, after a task, and where to go on if there is more.
pub fn page(
    tx: &mut dyn Tx,
    job: JobId,
    which: Which,
    after: Option<TaskId>,
    limit: u32,
) -> Result<(Vec<ResultLine>, Option<TaskId>)> {
    let filter = TaskFilter {
        job: Some(job),
        standings: which.standings(),
        after: Some(after.unwrap_or(TaskId::from_number(0))),
        ..TaskFilter::default()
    };
    let found = tx.list_tasks(&filter, limit + 1)?;
    let more = found.len() > limit as usize;
    let mut lines = Vec::new();
    for task in found.into_iter().take(limit as usize) {
        lines.extend(tx.task(task.id)?.map(ResultLine::of));
    }
    let (lines, cut) = render::fit(lines, PAGE_BYTES);
    let cursor = lines.last().filter(|_| more || cut).map(|last| last.task);
    Ok((lines, cursor))
}

impl Answer for Results {
    fn ids(&self) -> Vec<String> {
        self.results.iter().map(|result| result.task.to_string()).collect()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.job.words())?;
        self.results.iter().try_for_each(|result| result.write(f))?;
        match &self.cursor {
            Some(cursor) => writeln!(f, "go on with --cursor {}", cursor.short()),
            None => Ok(()),
        }
    }
}
