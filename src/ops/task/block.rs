//! `block_task`: the task waits for something that no task can do.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::refusals::Told;
use crate::ops::task::Changed;
use crate::ops::task::NOTE_CHARS_MAX;
use crate::ops::task::check_note;
use crate::ops::task::existing;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockTask {
    task_id: TaskId,
    #[schemars(length(max = NOTE_CHARS_MAX))]
    reason: String,
    token: Option<u64>,
}

impl Operation for BlockTask {
    const NAME: &'static str = "block_task";
    const ABOUT: &'static str = "Your task cannot go on: hand it back blocked, with the reason";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id", "reason"];
    type Output = Changed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Changed> {
        check_note("reason", Some(&self.reason))?;
        let me = caller.instance(tx)?;
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        let event = task.block(&me.id, self.token, &self.reason, now).told(tx)?;
        tx.update_task(&mut task)?;
        tx.append_event(event)?;
        Changed::of(&task, tx)
    }
}
