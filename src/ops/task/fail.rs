//! `fail_task`: it was tried and does not work.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::State;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::refusals::Told;
use crate::ops::task::Changed;
use crate::ops::task::NOTE_CHARS_MAX;
use crate::ops::task::check_note;
use crate::ops::task::existing;
use crate::ops::task::given::wake_assignee;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FailTask {
    task_id: TaskId,
    #[schemars(length(max = NOTE_CHARS_MAX))]
    reason: String,
    token: Option<u64>,
}

impl Operation for FailTask {
    const NAME: &'static str = "fail_task";
    const ABOUT: &'static str = "Your task failed for good";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id", "reason"];
    type Output = Changed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Changed> {
        check_note("reason", Some(&self.reason))?;
        let me = caller.instance(tx)?;
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        let event = task.fail(&me.id, self.token, &self.reason, now).told(tx)?;
        tx.update_task(&mut task)?;
        tx.append_event(event)?;
        // A pipeline says how often a stage is tried again by itself.
        if task.state == State::Failed && task.body.stage.is_some() && task.attempt < task.max_attempts {
            let event = task.retry(Some(&me.id), false, now).told(tx)?;
            tx.update_task(&mut task)?;
            tx.append_event(event)?;
            wake_assignee(tx, &task, Some(&me.id))?;
        }
        Changed::of(&task, tx)
    }
}
