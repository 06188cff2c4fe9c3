//! `retry_failed`: what failed of a job is tried once more, each task under its own id.

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Refusal;
use crate::model::task::Standing;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::short_ids;
use crate::ops::job::view::JobLine;
use crate::ops::refusals::Told;
use crate::ops::task::existing_job;
use crate::ops::task::take_up;
use crate::ops::task::wake_assignee;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const BATCH: u32 = 500;
/// Named one by one in the answer.
const NAMED_MAX: usize = 50;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RetryFailed {
    job_id: JobId,
    /// What was called off as well
    cancelled: Option<bool>,
    /// Beyond max_attempts
    force: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobRetried")]
pub struct Retried {
    job: JobLine,
    retried: u64,
    /// The first of them.
    tasks: Vec<TaskId>,
    /// Left as they are: their attempts are used up, and only `force` tries them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used_up: Vec<TaskId>,
}

impl Operation for RetryFailed {
    const NAME: &'static str = "retry_failed";
    const ABOUT: &'static str = "Try what failed of a job once more";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["job_id"];
    type Output = Retried;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Retried> {
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let job = existing_job(tx, self.job_id)?;
        let mut standings = vec![Standing::Failed];
        if self.cancelled == Some(true) {
            standings.push(Standing::Cancelled);
        }
        let mut filter = TaskFilter { job: Some(job.id), standings, ..TaskFilter::default() };
        let (mut retried, mut tasks, mut used_up) = (0, Vec::new(), Vec::new());
        loop {
            let found = tx.list_tasks(&filter, BATCH)?;
            let Some(last) = found.last() else { break };
            filter.before = Some(last.id);
            for mut task in found {
                let event = match task.retry(me.as_ref(), self.force == Some(true), tx.now()) {
                    Err(Refusal::AttemptsUsedUp { .. }) => {
                        used_up.push(task.id);
                        continue;
                    }
                    event => event.told(tx)?,
                };
                tx.update_task(&mut task)?;
                tx.append_event(event)?;
                wake_assignee(tx, &task, me.as_ref())?;
                retried += 1;
                tasks.push(task.id);
            }
        }
        for ids in [&mut tasks, &mut used_up] {
            ids.sort();
            ids.truncate(NAMED_MAX);
        }
        if retried > 0 {
            take_up(tx, job.id)?;
        }
        let job = existing_job(tx, self.job_id)?;
        Ok(Retried { job: JobLine::of(&job, tx)?, retried, tasks, used_up })
    }
}

impl Answer for Retried {
    fn ids(&self) -> Vec<String> {
        self.tasks.iter().map(TaskId::to_string).collect()
    }
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.job.words())?;
        match self.retried {
            0 => writeln!(f, "  nothing to try again")?,
            1 => writeln!(f, "  1 task is tried again")?,
            many => writeln!(f, "  {many} tasks are tried again")?,
        }
        if !self.used_up.is_empty() {
            writeln!(f, "  their attempts are used up; --force tries them again: {}", short_ids(&self.used_up))?;
        }
        Ok(())
    }
}
