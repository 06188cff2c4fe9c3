//! `cancel_job`: the goal is not wanted any more, nor is what is left of its tasks.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::view::JobLine;
use crate::ops::task::NOTE_CHARS_MAX;
use crate::ops::task::check_note;
use crate::ops::task::existing_job;
use crate::ops::task::passage;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Read and called off together.
const BATCH: u32 = 500;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CancelJob {
    job_id: JobId,
    #[schemars(length(max = NOTE_CHARS_MAX))]
    reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobCancelled")]
pub struct Cancelled {
    job: JobLine,
    /// Tasks that were called off with it, also those that somebody held.
    called_off: u64,
}

impl Operation for CancelJob {
    const NAME: &'static str = "cancel_job";
    const ABOUT: &'static str = "Call a job off, and what is left of its tasks";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["job_id", "reason"];
    type Output = Cancelled;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Cancelled> {
        check_note("reason", self.reason.as_deref())?;
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let mut job = existing_job(tx, self.job_id)?;
        if job.ended_at.is_some() {
            let how = job.ended_as().map_or("over", |state| state.word());
            return Err(Error::new(Kind::Conflict, format!("job `{}` has ended: it is {how}", job.id))
                .hint("there is nothing left to call off; `get_results` shows what came of it"));
        }
        let event = job.cancel(me.as_ref(), self.reason.as_deref(), tx.now());
        tx.update_job(&mut job)?;
        tx.append_event(event)?;
        let reason = match &self.reason {
            Some(reason) => format!("{} was called off: {reason}", job.id.short()),
            None => format!("{} was called off", job.id.short()),
        };
        let mut called_off = 0;
        // What others wait for came before them, and goes first: so nobody is asked anew how much still waits for it.
        let mut filter = TaskFilter {
            job: Some(job.id),
            standings: Standing::OPEN.to_vec(),
            after: Some(TaskId::from_number(0)),
            ..TaskFilter::default()
        };
        loop {
            let tasks = tx.list_tasks(&filter, BATCH)?;
            let Some(last) = tasks.last() else { break };
            filter.after = Some(last.id);
            for mut task in tasks {
                passage::call_off(tx, &mut task, me.as_ref(), Some(&reason))?;
                called_off += 1;
            }
        }
        let job = existing_job(tx, self.job_id)?;
        Ok(Cancelled { job: JobLine::of(&job, tx)?, called_off })
    }
}

impl Answer for Cancelled {
    fn ids(&self) -> Vec<String> {
        vec![self.job.id.to_string()]
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.job.words())?;
        let tasks = if self.called_off == 1 { "task was" } else { "tasks were" };
        writeln!(f, "  {} {tasks} called off", self.called_off)
    }
}
