//! `renew_task`: I am still at it.

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
pub struct RenewTask {
    task_id: TaskId,
    token: Option<u64>,
}

impl Operation for RenewTask {
    const NAME: &'static str = "renew_task";
    const ABOUT: &'static str = "Keep your claim";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id"];
    type Output = Held;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Held> {
        let me = caller.instance(tx)?;
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        task.renew(&me.id, self.token, now).told(tx)?;
        tx.update_task(&mut task)?;
        attend::cover(tx, &me, &task)?;
        Held::of(&task, tx)
    }
}
