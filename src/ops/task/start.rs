//! `start_task`: from claimed to in progress.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::ops::refusals::Told;
use crate::ops::task::Held;
use crate::ops::task::existing;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StartTask {
    task_id: TaskId,
    token: Option<u64>,
}

impl Operation for StartTask {
    const NAME: &'static str = "start_task";
    const ABOUT: &'static str = "Say that you began";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id"];
    type Output = Held;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Held> {
        let me = caller.instance(tx)?;
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        let event = task.start(&me.id, self.token, now).told(tx)?;
        tx.update_task(&mut task)?;
        attend::cover(tx, &me, &task)?;
        if let Some(event) = event {
            tx.append_event(event)?;
        }
        Held::of(&task, tx)
    }
}
