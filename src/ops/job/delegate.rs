//! `quick_delegate`: prompts in, results out: a job of them, waited for and collected.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::NAME_OR_EMPTY;
use crate::model::job::GOAL_CHARS_MAX;
use crate::model::task::TEXT_BYTES_MAX;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Next;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::CreateJob;
use crate::ops::job::WaitForJob;
use crate::ops::job::add;
use crate::ops::job::wait::JobNews;
use crate::ops::task::BATCH_MAX;
use crate::ops::task::Plan;
use crate::ops::task::existing_job;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;

const GOAL_WIDTH: usize = 120;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuickDelegate {
    /// A task each; none waits for another
    #[schemars(length(min = 1, max = BATCH_MAX), inner(length(max = TEXT_BYTES_MAX), regex(pattern = r"\S")))]
    prompts: Vec<String>,
    #[schemars(length(max = GOAL_CHARS_MAX))]
    goal: Option<String>,
    #[schemars(regex(pattern = NAME_OR_EMPTY))]
    role: Option<String>,
    /// Then `wait_for_job` with `collect` goes on
    timeout_seconds: Option<u32>,
}

/// The job was made, which is done whatever comes of it; what its caller waits for then has the same form.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct Delegated(JobNews);

impl Answer for Delegated {
    fn ids(&self) -> Vec<String> {
        self.0.ids()
    }
}

impl fmt::Display for Delegated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Operation for QuickDelegate {
    const NAME: &'static str = "quick_delegate";
    const ABOUT: &'static str = "Prompts in, results out: a task for each, done by whoever is free";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["prompts"];
    type Output = Delegated;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Delegated> {
        if self.prompts.is_empty() {
            return Err(Error::invalid("`prompts` must hold at least one"));
        }
        let goal = self.goal.clone().filter(|goal| !goal.trim().is_empty());
        let job = CreateJob::of_goal(goal.unwrap_or_else(|| self.first_words())).make(tx, caller)?;
        let tasks: Vec<Map<String, Value>> = self.prompts.iter().map(|prompt| self.task(prompt)).collect();
        Plan::read(&tasks, Some(job.id))?.push(tx, caller)?;
        let job = existing_job(tx, job.id)?;
        JobNews::of(&job, None, tx).map(Delegated)
    }

    fn next(&self, data: &Value) -> Option<Next> {
        let mut arguments = json!({ "job_id": data["job"]["id"], "collect": true });
        if let Some(seconds) = self.timeout_seconds {
            arguments["timeout_seconds"] = seconds.into();
        }
        Some(Next { operation: WaitForJob::NAME, arguments })
    }
}

impl QuickDelegate {
    fn task(&self, prompt: &str) -> Map<String, Value> {
        let mut task = add::told(prompt, None);
        if let Some(role) = &self.role {
            task.insert("role".to_owned(), role.as_str().into());
        }
        task
    }

    fn first_words(&self) -> String {
        let first = self.prompts.first().map(String::as_str).unwrap_or_default();
        let first = add::beginning(first, GOAL_WIDTH);
        match self.prompts.len() {
            1 => first,
            many => format!("{many} tasks: {first}"),
        }
    }
}
