//! `create_job`: a goal, with or without the tasks that reach it.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::job::GOAL_CHARS_MAX;
use crate::model::job::Job;
use crate::model::spending::Budget;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::view::JobLine;
use crate::ops::task::BATCH_MAX;
use crate::ops::task::Plan;
use crate::ops::task::PushedMany;
use crate::ops::task::check_budget;
use crate::ops::task::checked_metadata;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    #[schemars(length(max = GOAL_CHARS_MAX), regex(pattern = r"\S"))]
    goal: String,
    /// Its tasks, as for push_tasks; more may come
    #[schemars(length(max = BATCH_MAX))]
    tasks: Option<Vec<Map<String, Value>>>,
    /// At which the human is asked
    budget: Option<Budget>,
    /// RFC 3339
    deadline: Option<Timestamp>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobCreated")]
pub struct Created {
    job: JobLine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed: Option<PushedMany>,
}

impl Operation for CreateJob {
    const NAME: &'static str = "create_job";
    const ABOUT: &'static str = "A goal, and the tasks that reach it: one thing to watch, wait for and bring back";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["goal"];
    type Output = Created;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Created> {
        let job = self.make(tx, caller)?;
        let pushed = match self.tasks.as_deref().filter(|tasks| !tasks.is_empty()) {
            Some(tasks) => Some(Plan::read(tasks, Some(job.id))?.push(tx, caller)?),
            None => None,
        };
        let job = tx.job(job.id)?.unwrap_or(job);
        Ok(Created { job: JobLine::of(&job, tx)?, pushed })
    }
}

impl CreateJob {
    pub fn of_goal(goal: String) -> CreateJob {
        CreateJob { goal, tasks: None, budget: None, deadline: None, metadata: None }
    }

    pub fn within(self, budget: Option<Budget>, deadline: Option<Timestamp>) -> CreateJob {
        CreateJob { budget, deadline, ..self }
    }

    /// What a rehearsal refuses, too.
    pub fn check(&self, now: Timestamp) -> Result<()> {
        let length = self.goal.trim().chars().count();
        if !(1..=GOAL_CHARS_MAX).contains(&length) {
            return Err(Error::invalid(format!("`goal` must have 1 to {GOAL_CHARS_MAX} characters, not {length}"))
                .hint("what is longer belongs into the description of a task, or into a file"));
        }
        check_budget(self.budget.as_ref())?;
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(
                Error::new(Kind::Refused, "`deadline` has passed already").hint("leave it out, or give a later one")
            );
        }
        checked_metadata(self.metadata.as_ref()).map(drop)
    }

    pub fn make(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Job> {
        let now = tx.now();
        self.check(now.at)?;
        let by = caller.known_instance(tx)?.map(|me| me.id);
        let mut job = Job {
            budget: self.budget.clone().unwrap_or_default(),
            deadline: self.deadline,
            metadata: checked_metadata(self.metadata.as_ref())?,
            ..Job::new(self.goal.trim().to_owned(), by, now)
        };
        tx.insert_job(&mut job)?;
        tx.append_event(job.created())?;
        Ok(job)
    }
}

impl Answer for Created {
    fn ids(&self) -> Vec<String> {
        vec![self.job.id.to_string()]
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.job.words())?;
        self.pushed.iter().try_for_each(|pushed| pushed.fmt(f))
    }
}
