//! What was promised and is not written in the store itself: until when claims are good, and first answers.

use crate::sim::call::Call;
use crate::sim::check::Checked;
use crate::sim::check::Outcome;
use crate::sim::check::Step;
use crate::sim::check::must;
use crate::sim::seen::Seen;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::instance::PRESENCE_SECS;
use orch_mcp::model::task::Task;
use orch_mcp::ops::Effect;
use orch_mcp::ops::table::find;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;

/// Times in it are milliseconds of lease time.
#[derive(Default)]
pub struct Truth {
    pub(super) awake: i64,
    /// Since the machine was started, nobody has written: lease time stands still until somebody does, as nobody may
    /// have been able to.
    resting: bool,
    leases: BTreeMap<TaskId, Lease>,
    /// What of it a power cut cannot take back.
    durable_leases: BTreeMap<TaskId, Lease>,
    pub(super) durable_event: u64,
    /// When each instance last called.
    called: BTreeMap<InstanceId, i64>,
    answers: BTreeMap<String, Given>,
}

/// A claim as its holder may count on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    token: u64,
    /// Before this nobody else may have the task.
    pub(super) safe_until: i64,
    /// After this it must be free for the next claim.
    pub(super) free_after: i64,
}

/// The first answer under an idempotency key.
pub(super) struct Given {
    call: Call,
    me: Option<InstanceId>,
    data: Value,
}

impl Truth {
    /// A call that was answered before, to be made again.
    pub fn answered(&self, number: usize) -> Option<&Call> {
        let count = self.answers.len().max(1);
        self.answers.values().nth(number % count).map(|given| &given.call)
    }

    pub(super) fn lease(&self, task: &Task) -> Option<&Lease> {
        self.leases.get(&task.id).filter(|lease| lease.token == task.token)
    }

    pub fn time_passed(&mut self, before: &Seen, after: &Seen, millis: i64) -> Checked {
        let passed = after.tick.since(before.tick);
        must!(passed == millis || (self.resting && passed == 0), "{millis} ms passed, and {passed} of lease time");
        self.awake += passed;
        Ok(())
    }

    pub fn left(&mut self, instance: &InstanceId) {
        self.called.remove(instance);
    }

    pub fn after_a_reboot(&mut self, seen: &Seen) {
        self.resting = true;
        for (id, lease) in &mut self.leases {
            // Lease time goes on from the last renewal of anybody, so nobody has more than a whole lease again.
            if let Some(task) = seen.tasks.get(id) {
                lease.free_after = lease.free_after.max(self.awake + i64::from(task.lease_secs) * 1000);
            }
        }
        self.durable_leases = self.leases.clone();
    }

    pub fn after_a_power_cut(&mut self, found: &Seen) {
        self.leases = std::mem::take(&mut self.durable_leases);
        let held: Vec<&Task> = found.tasks.values().filter(|task| task.state.is_held()).collect();
        self.leases.retain(|id, lease| held.iter().any(|task| task.id == *id && task.token == lease.token));
        self.called.clear();
        self.durable_event = self.durable_event.min(found.events.1);
        self.after_a_reboot(found);
    }

    /// Whoever called lately is online, however the clocks were moved.
    pub fn check_presence(&self, seen: &Seen) -> Checked {
        for (id, called) in &self.called {
            let lately = self.awake - called < i64::from(PRESENCE_SECS) * 750;
            let online = seen.instances.get(id).is_some_and(|one| one.online(seen.tick));
            must!(!lately || online, "`{id}` called {} ms ago and is offline", self.awake - called);
        }
        Ok(())
    }
}

impl Step<'_> {
    pub(super) fn given_before<'t>(&self, truth: &'t Truth) -> Option<&'t Given> {
        self.call.text("idempotency_key").and_then(|key| truth.answers.get(key))
    }

    pub(super) fn check_answer(&self, truth: &Truth) -> Checked {
        if let Outcome::Done { unread, .. } = self.outcome
            && self.given_before(truth).is_none()
        {
            let wanted = self.me_now(truth).map(|me| self.after.unread(&me) as u32);
            // Whoever left may be nobody any more.
            let left = unread.is_none() && self.operation() == "unregister_instance";
            must!(*unread == wanted || left, "unread {unread:?}, not {wanted:?}");
        }
        let Some(given) = self.given_before(truth) else { return Ok(()) };
        // Whoever registers is nobody yet.
        let by_the_same = given.me == self.me || self.operation() == "register_instance";
        let same = given.call.operation == self.call.operation && of_call(&given.call) == of_call(self.call);
        match self.outcome {
            Outcome::Done { data, .. } => {
                must!(same && by_the_same, "the key was used by {:?} for {}", given.me, given.call);
                must!(*data == given.data, "another answer than the first: {}", given.data);
            }
            Outcome::Refused(error) => {
                // Who somebody is may be asked before the key is.
                let known = self.me.is_some();
                must!(!(same && by_the_same && known), "{error:?}, not the first answer: {}", given.data);
            }
            Outcome::Malformed(_) => {}
        }
        Ok(())
    }

    pub(super) fn learn(&self, truth: &mut Truth) {
        // To mark where there is nothing to mark writes nothing.
        if self.done().is_some() && find(self.operation()).is_some_and(|entry| entry.effect == Effect::Write) {
            truth.resting = false;
        }
        let anew = self.done_anew(truth).is_some();
        let renewed_whole = anew && self.is(&["heartbeat", "register_instance"]);
        for me in [&self.me, &self.me_now(truth)].into_iter().flatten() {
            truth.called.insert(me.clone(), truth.awake);
            for task in self.after.tasks.values().filter(|task| task.holder.as_ref() == Some(me)) {
                let whole = i64::from(task.lease_secs) * 1000;
                let before = self.before.tasks.get(&task.id).map_or(0, |was| i64::from(was.lease_secs) * 1000);
                let target = anew && self.is(&["renew_task", "start_task"]);
                let renewed_whole = renewed_whole
                    || (target && self.call.task() == Some(task.id))
                    || self.before.tasks.get(&task.id).is_none_or(|was| was.token != task.token);
                // Less than a quarter of a lease after the last renewal, a call does not renew it again.
                let safe_for = if renewed_whole { whole } else { whole.min(before) / 4 * 3 };
                let known = truth.lease(task).copied();
                // Whoever shortens their lease counts on less from then on.
                let counted_on = known.filter(|_| whole >= before).map_or(0, |known| known.safe_until);
                let lease = Lease {
                    token: task.token,
                    safe_until: counted_on.max(truth.awake + safe_for),
                    free_after: known.map_or(0, |known| known.free_after).max(truth.awake + whole),
                };
                truth.leases.insert(task.id, lease);
            }
        }
        if self.operation() == "unregister_instance"
            && self.done().is_some()
            && let Some(me) = &self.me
            && self.after.instances.get(me).is_some_and(|me| !me.online(self.after.tick))
        {
            truth.left(me);
        }
        let durable = find(self.operation()).is_some_and(|entry| entry.effect == Effect::Write);
        if durable && self.done().is_some() && self.after.events.1 > self.before.events.1 {
            truth.durable_leases = truth.leases.clone();
            truth.durable_event = self.after.events.1;
        }
        if let Outcome::Done { data, .. } = self.outcome
            && let Some(key) = self.call.text("idempotency_key")
            && !truth.answers.contains_key(key)
            && find(self.operation()).is_some_and(|entry| entry.effect == Effect::Write)
            // To have found nothing is no answer to keep.
            && data["claimed"] != json!(false)
        {
            let given = Given { call: self.call.clone(), me: self.me.clone(), data: data.clone() };
            truth.answers.insert(key.to_owned(), given);
        }
    }
}

/// The arguments that tell a call from another one.
fn of_call(call: &Call) -> Map<String, Value> {
    let mut arguments = call.arguments.clone();
    arguments.remove("idempotency_key");
    if call.operation != "register_instance" {
        arguments.remove("instance_id");
    }
    arguments
}
