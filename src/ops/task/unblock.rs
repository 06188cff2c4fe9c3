//! `unblock_task`: what it waited for is there.

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
use crate::ops::task::given::wake_assignee;
use crate::ops::task::passage;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnblockTask {
    task_id: TaskId,
    /// What changed
    #[schemars(length(max = NOTE_CHARS_MAX))]
    note: Option<String>,
}

impl Operation for UnblockTask {
    const NAME: &'static str = "unblock_task";
    const ABOUT: &'static str = "Make a blocked task claimable again";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id", "note"];
    type Output = Changed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Changed> {
        check_note("note", self.note.as_deref())?;
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        if task.is_at_gate() {
            passage::leaves_gate(tx, &task)?;
        }
        let reason = task.reason.clone();
        let event = task.unblock(me.as_ref(), self.note.as_deref(), now).told(tx)?;
        passage::is_unblocked(&mut task, reason.as_deref(), self.note.as_deref())?;
        tx.update_task(&mut task)?;
        tx.update_task_body(&task)?;
        tx.append_event(event)?;
        wake_assignee(tx, &task, me.as_ref())?;
        Changed::of(&task, tx)
    }
}
