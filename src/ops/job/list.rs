//! `list_jobs`: all goals, newest first.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::JobId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::view::JobLine;
use crate::ops::job::view::asks;
use crate::ops::render;
use crate::store::JobFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 40;
/// A total is counted no further than this.
const COUNTED_MAX: u64 = 1_000;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Which {
    Open,
    Ended,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListJobs {
    which: Option<Which>,
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    cursor: Option<JobId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct JobList {
    jobs: Vec<JobLine>,
    total: u64,
    /// There are more than `total`; nobody counted on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    total_is_at_least: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<JobId>,
    /// Nothing was chosen among them.
    #[serde(skip)]
    is_of_all: bool,
}

impl Operation for ListJobs {
    const NAME: &'static str = "list_jobs";
    const ABOUT: &'static str = "Jobs, newest first, and how far each is";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Read;
    type Output = JobList;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<JobList> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("`limit` must be between 1 and {LIMIT_MAX}"))
                .hint("go on with the answer's `cursor` for more"));
        }
        let ended = self.which.map(|which| matches!(which, Which::Ended));
        let mut filter = JobFilter { ended, before: None };
        let total = tx.count_jobs(&filter, COUNTED_MAX + 1)?;
        filter.before = self.cursor;
        let mut found = tx.list_jobs(&filter, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let lines = found.iter().map(|job| JobLine::of(job, tx)).collect::<Result<Vec<_>>>()?;
        let (jobs, cut) = render::fit(lines, render::ANSWER_BYTES_MAX);
        Ok(JobList {
            is_of_all: self.which.is_none() && self.cursor.is_none(),
            cursor: jobs.last().filter(|_| more || cut).map(|last| last.id),
            jobs,
            total: total.min(COUNTED_MAX),
            total_is_at_least: total > COUNTED_MAX,
        })
    }
}

impl Answer for JobList {
    fn ids(&self) -> Vec<String> {
        self.jobs.iter().map(|job| job.id.to_string()).collect()
    }
}

impl fmt::Display for JobList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.jobs.is_empty() {
            return match self.is_of_all {
                true => {
                    writeln!(f, "no jobs yet; `create-job \"…\"` makes one, `decompose \"…\"` has its tasks planned")
                }
                false => writeln!(f, "no such jobs"),
            };
        }
        let rows: Vec<_> = self
            .jobs
            .iter()
            .map(|job| {
                let late = if job.overdue { ", late" } else { "" };
                [
                    job.id.short(),
                    format!("{}{late}{}", job.state, asks(job.asks.iter().map(|id| id.short()))),
                    format!("{} %", job.percent),
                    job.counted(),
                    job.goal.clone(),
                ]
            })
            .collect();
        render::table(f, ["ID", "STATE", "DONE", "TASKS", "GOAL"], &rows)?;
        let at_least = if self.total_is_at_least { "at least " } else { "" };
        match &self.cursor {
            Some(cursor) => {
                writeln!(f, "{} of {at_least}{}; go on with --cursor {}", self.jobs.len(), self.total, cursor.short())
            }
            None => Ok(()),
        }
    }
}
