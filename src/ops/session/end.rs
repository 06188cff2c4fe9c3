//! `end_session`: the session is over; its claims wait a while for it to come back.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::question::Kind;
use crate::model::session::Session;
use crate::model::time::Tick;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::question::withdraw_open;
use crate::ops::refusals::Told;
use crate::ops::session;
use crate::ops::task::held_by;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const TASKS_MAX: u32 = 1_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// How long its claims wait for it; 0 hands them back at once
    grace_secs: u32,
}

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Ended {
    released: Vec<TaskId>,
    kept: Vec<TaskId>,
}

impl Operation for EndSession {
    const NAME: &'static str = "end_session";
    const ABOUT: &'static str = "A session is over";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Write;
    type Output = Ended;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Ended> {
        match session::here(tx, caller)? {
            Some((me, session)) => end(tx, me, session, self.grace_secs),
            None => Ok(Ended::default()),
        }
    }
}

/// The session of this instance is over, whoever found that out.
pub fn end(tx: &mut dyn Tx, mut me: Instance, mut session: Session, grace_secs: u32) -> Result<Ended> {
    let now = tx.now();
    let mut ended = Ended::default();
    for mut task in held_by(tx, &me.id, TASKS_MAX)? {
        if grace_secs > 0 {
            task.is_left_for(grace_secs, now);
            tx.update_task(&mut task)?;
            ended.kept.push(task.id);
        } else if let Ok(event) = task.release(&me.id, None, Some("its session ended"), now).told(tx) {
            tx.update_task(&mut task)?;
            tx.append_event(event)?;
            ended.released.push(task.id);
        }
    }
    withdraw_open(tx, &me.id, &[Kind::Permission])?;
    session.ends(now);
    tx.put_session(&session)?;
    if me.lease_until != Tick::NEVER {
        let event = me.leaves();
        tx.update_instance(&mut me)?;
        tx.append_event(event)?;
    }
    Ok(ended)
}

impl Answer for Ended {}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ended; {} tasks released, {} kept for a while", self.released.len(), self.kept.len())
    }
}
