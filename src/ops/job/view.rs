//! Jobs as callers see them: a line of a list, or all of one.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::job::Job;
use crate::model::job::State;
use crate::model::task::Standing;
use crate::model::time::Timestamp;
use crate::ops::job::open_questions;
use crate::ops::job::settle;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

const GOAL_BYTES: usize = 600;
const REASON_BYTES: usize = 600;
/// Whoever is asked more sees it in `list_questions`.
const ASKS_SHOWN: u32 = 3;

/// A job in a list.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct JobLine {
    pub id: JobId,
    pub goal: String,
    #[schemars(with = "State")]
    pub state: String,
    pub total: u64,
    pub completed: u64,
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub failed: u64,
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub cancelled: u64,
    /// Somebody works at so many.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub at_work: u64,
    /// Those that may still be done.
    pub left: u64,
    /// Completed, of those that were not called off.
    pub percent: u64,
    /// What the human is asked about it, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<QuestionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
    /// Why it was called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<InstanceId>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

fn is_none_of_them(count: &u64) -> bool {
    *count == 0
}

/// As `, q-1 and q-2 ask you`.
pub fn asks(questions: impl Iterator<Item = String>) -> String {
    let questions: Vec<String> = questions.collect();
    match questions.len() {
        0 => String::new(),
        1 => format!(", {} asks you", questions[0]),
        _ => format!(", {} ask you", questions.join(" and ")),
    }
}

impl JobLine {
    pub fn of(job: &Job, tx: &mut dyn Tx) -> Result<JobLine> {
        let counts = &job.counts;
        let asked = if job.ended_at.is_none() { open_questions(tx, job.id, ASKS_SHOWN)? } else { Vec::new() };
        Ok(JobLine {
            id: job.id,
            goal: render::short(&job.goal, GOAL_BYTES),
            state: settle::state(tx, job)?.word().to_owned(),
            total: counts.total(),
            completed: counts.of(Standing::Completed),
            failed: counts.of(Standing::Failed),
            cancelled: counts.of(Standing::Cancelled),
            at_work: counts.at_work(),
            left: counts.left(),
            percent: job.percent(),
            asks: asked.into_iter().map(|question| question.id).collect(),
            deadline: job.deadline,
            overdue: job.is_overdue(tx.now()),
            reason: job.reason.as_ref().map(|reason| render::short(&render::one_line(reason, 200), REASON_BYTES)),
            created_by: job.created_by.clone(),
            created_at: job.created_at,
            ended_at: job.ended_at,
        })
    }

    pub fn has_ended(&self) -> bool {
        State::of_word(&self.state).is_some_and(State::has_ended)
    }

    /// As `3 of 8 done, 1 failed`.
    pub fn counted(&self) -> String {
        let mut told = format!("{} of {} done", self.completed, self.total);
        for (count, what) in [(self.failed, "failed"), (self.cancelled, "cancelled")] {
            if count > 0 {
                told.push_str(&format!(", {count} {what}"));
            }
        }
        told
    }

    /// In a line: what it is, how it stands and how far it is.
    pub fn words(&self) -> String {
        let late = if self.overdue { ", past its deadline" } else { "" };
        let goal = render::one_line(&self.goal, 80);
        let asks = asks(self.asks.iter().map(|id| id.short()));
        format!("{} is {}{late}{asks}: {} ({} %): {goal}", self.id, self.state, self.counted(), self.percent)
    }
}
