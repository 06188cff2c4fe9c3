//! `unregister_instance`: say goodbye and hand everything back.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::question::Kind;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::file;
use crate::ops::question::withdraw_open;
use crate::ops::refusals::Told;
use crate::ops::task::held_by;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Claims handed back in one batch; more batches follow until none is left.
const BATCH: u32 = 100;
/// Told one by one in the answer.
const TOLD_MAX: usize = 200;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnregisterInstance {}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Unregistered {
    instance_id: InstanceId,
    /// Tasks that were handed back and may be claimed by others now; the first of them, if they are many.
    released: Vec<TaskId>,
    count: usize,
}

impl Operation for UnregisterInstance {
    const NAME: &'static str = "unregister_instance";
    const ABOUT: &'static str = "Leave: your claims go back at once, your name and inbox wait for you";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Write;
    type Output = Unregistered;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Unregistered> {
        let mut me = caller.instance(tx)?;
        let now = tx.now();
        let mut released = Vec::new();
        loop {
            let held = held_by(tx, &me.id, BATCH)?;
            if held.is_empty() {
                break;
            }
            for mut task in held {
                let event = task.release(&me.id, None, Some("its holder left"), now).told(tx)?;
                tx.update_task(&mut task)?;
                tx.append_event(event)?;
                released.push(task.id);
            }
        }
        for reservation in file::reserved_by(tx, &me.id)? {
            tx.remove_reservation(reservation.id)?;
        }
        withdraw_open(tx, &me.id, &[Kind::Permission])?;
        // The hooks of its session call on with every step, and no call after this one is its call any more.
        if let Some(mut session) = tx.session(&me.id)? {
            session.ends(now);
            tx.put_session(&session)?;
        }
        let event = me.leaves();
        me.session = None;
        tx.update_instance(&mut me)?;
        tx.append_event(event)?;
        let count = released.len();
        released.truncate(TOLD_MAX);
        Ok(Unregistered { instance_id: me.id, released, count })
    }
}

impl Answer for Unregistered {
    fn ids(&self) -> Vec<String> {
        vec![self.instance_id.to_string()]
    }
}

impl fmt::Display for Unregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} left", self.instance_id)?;
        self.released.iter().try_for_each(|task| writeln!(f, "handed back {task}"))?;
        match self.count - self.released.len() {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}
