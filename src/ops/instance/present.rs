//! `keep_present` and `depart`: what the process that speaks for an instance says of it, when it lives on though nobody
//! called, and when it ends.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::time::Tick;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::worker::worker_of;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Its presence is renewed, and nothing else.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeepPresent {
    instance: InstanceId,
    incarnation: u32,
}

/// Its name is free from now on. Its claims last as long as their leases, so that a session that is resumed goes on with
/// them.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Depart {
    instance: InstanceId,
    incarnation: u32,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Presence {
    /// Somebody else bears the name by now, or it left: there was nothing to say.
    too_late: bool,
}

impl Operation for KeepPresent {
    const NAME: &'static str = "keep_present";
    const ABOUT: &'static str = "The process that speaks for an instance lives on";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Mark;
    type Output = Presence;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Presence> {
        let Some(instance) = still_borne(tx, caller, &self.instance, self.incarnation)? else {
            return Ok(Presence { too_late: true });
        };
        let now = tx.now();
        tx.renew_presence(&instance.id, now)?;
        // That its server lives is no call of a worker, which may hang all the same.
        if let Some(mut worker) = worker_of(tx, &instance)?.filter(|worker| worker.run.is_some()) {
            worker.is_kept(Some(instance.renewed), now.tick);
            tx.put_worker(&worker)?;
        }
        Ok(Presence { too_late: false })
    }
}

impl Operation for Depart {
    const NAME: &'static str = "depart";
    const ABOUT: &'static str = "The process that spoke for an instance ends";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Mark;
    type Output = Presence;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Presence> {
        // A hook of it may have said so already.
        let Some(mut instance) = still_borne(tx, caller, &self.instance, self.incarnation)? else {
            return Ok(Presence { too_late: true });
        };
        let left = instance.leaves();
        tx.update_instance(&mut instance)?;
        tx.append_event(left)?;
        Ok(Presence { too_late: false })
    }
}

/// What a process does or does not do says nothing about another bearer of the name.
fn still_borne(tx: &mut dyn Tx, caller: &Caller, id: &InstanceId, incarnation: u32) -> Result<Option<Instance>> {
    let Some(instance) = tx.instance(id)? else { return Ok(None) };
    caller.must_be_able_to_be(&instance)?;
    let here = instance.incarnation == incarnation && instance.lease_until != Tick::NEVER;
    Ok(here.then_some(instance))
}

impl Answer for Presence {}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.too_late { "too late" } else { "noted" })
    }
}
