//! `retry_task`: once more, under the same id.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::refusals::Told;
use crate::ops::task::Changed;
use crate::ops::task::existing;
use crate::ops::task::given::wake_assignee;
use crate::ops::task::of_job::take_up;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RetryTask {
    task_id: TaskId,
    /// Beyond max_attempts
    force: Option<bool>,
}

impl Operation for RetryTask {
    const NAME: &'static str = "retry_task";
    const ABOUT: &'static str = "Make a failed or cancelled task claimable again";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id"];
    type Output = Changed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Changed> {
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        let event = task.retry(me.as_ref(), self.force.unwrap_or(false), now).told(tx)?;
        tx.update_task(&mut task)?;
        tx.append_event(event)?;
        if let Some(job) = task.job {
            take_up(tx, job)?;
        }
        wake_assignee(tx, &task, me.as_ref())?;
        Changed::of(&task, tx)
    }
}
