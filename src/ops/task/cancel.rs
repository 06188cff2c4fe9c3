//! `cancel_task`: it is not wanted any more.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::task::Changed;
use crate::ops::task::NOTE_CHARS_MAX;
use crate::ops::task::check_note;
use crate::ops::task::existing;
use crate::ops::task::passage;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CancelTask {
    task_id: TaskId,
    #[schemars(length(max = NOTE_CHARS_MAX))]
    reason: Option<String>,
}

impl Operation for CancelTask {
    const NAME: &'static str = "cancel_task";
    const ABOUT: &'static str = "Call a task off, whoever holds it";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id", "reason"];
    type Output = Changed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Changed> {
        check_note("reason", self.reason.as_deref())?;
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let mut task = existing(tx, self.task_id)?;
        passage::call_off(tx, &mut task, me.as_ref(), self.reason.as_deref())?;
        Changed::of(&task, tx)
    }
}
