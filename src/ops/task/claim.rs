//! `claim_task`: take the next ready task, or the one named, so that nobody else works on it.

use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::rung::Rung;
use crate::model::task::Claimer;
use crate::model::task::LEASE_SECS_MAX;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::attend;
use crate::ops::file;
use crate::ops::refusals::Told;
use crate::ops::render;
use crate::ops::rights;
use crate::ops::session;
use crate::ops::task::TaskView;
use crate::ops::task::check_lease_secs;
use crate::ops::task::choice;
use crate::ops::task::existing;
use crate::ops::task::lapse::free_lapsed;
use crate::ops::worker::demand_of_role;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const STUCK_COUNTED_MAX: u64 = 1_000;
const HELD_SHOWN: u32 = 20;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimTask {
    /// This one, not the next
    task_id: Option<TaskId>,
    /// With task_id: even if meant for others
    force: Option<bool>,
    #[schemars(range(min = 1, max = LEASE_SECS_MAX))]
    lease_secs: Option<u32>,
    /// Take nothing: only say which, and why
    dry_run: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskClaim")]
pub struct Claim {
    claimed: bool,
    /// Why this one, and what was passed over; left out where there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskView>,
    /// Proves this claim; it may be left out by the instance that claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<u64>,
    /// Other tasks that the caller holds already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also_holding: Vec<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
}

/// Why there is nothing to claim: how many tasks wait, and for what.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TasksWaiting")]
pub struct Waiting {
    /// Ready, but for another role or another instance.
    ready_for_others: u64,
    /// Ready, and for what somebody keeps to themselves: `list_reservations` tells who.
    #[serde(default, skip_serializing_if = "is_none")]
    behind_reserved: u64,
    /// For a dependency, or for a time to come.
    waiting: u64,
    /// Of these, how many for a dependency that failed or was cancelled.
    stuck: u64,
    claimed: u64,
    blocked: u64,
    /// When the next claim lapses or the next task falls due, if nothing happens before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Operation for ClaimTask {
    const NAME: &'static str = "claim_task";
    const ABOUT: &'static str =
        "Take the next ready task (mine, my role's, then by priority, what waits for it, and age)";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id"];
    type Output = Claim;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Claim> {
        check_lease_secs(self.lease_secs)?;
        let me = caller.instance(tx)?;
        free_lapsed(tx)?;
        let claimer = Claimer { id: &me.id, role: &me.role };
        let (chosen, why) = match self.task_id {
            Some(id) => (Some(existing(tx, id)?), None),
            None => {
                let (chosen, choice) = choice::for_claim(tx, claimer)?;
                let why = choice.why(chosen.as_ref(), claimer, tx)?;
                (chosen, why)
            }
        };
        let Some(mut task) = chosen else {
            return Ok(Claim { why, ..Claim::nothing(Waiting::now(tx, &me.id)?) });
        };
        // Asking again for what one holds is no new claim: the first answer may have been lost.
        let is_mine = task.state.is_held() && task.holder.as_ref() == Some(&me.id);
        if self.dry_run.unwrap_or(false) {
            let why = match why {
                None if self.task_id.is_none() => Some(why_next(&task, tx)?),
                why => why,
            };
            if !is_mine {
                // What a claim would be refused for. Of what it would take nothing is kept.
                let mut copy = task.clone();
                self.take(&mut copy, claimer, tx, caller)?;
                unreserve(copy.id, tx)?;
            }
            return Ok(Claim { why, ..Claim::would_be(task, tx)? });
        }
        if !is_mine {
            let event = self.take(&mut task, claimer, tx, caller)?;
            tx.update_task(&mut task)?;
            tx.append_event(event)?;
            attend::cover(tx, &me, &task)?;
            demand_of_role(tx, &me, &mut task)?;
            if task.assignee.as_deref() == Some(me.id.as_str()) {
                session::told(tx, &me.id, &[task.id], Rung::Call)?;
            }
        }
        Ok(Claim { why, ..Claim::of(task, &me, tx)? })
    }
}

impl ClaimTask {
    /// It is theirs, and so is what it wants to itself; or they are told why not.
    fn take(&self, task: &mut Task, me: Claimer, tx: &mut dyn Tx, caller: &Caller) -> Result<NewEvent> {
        let force = self.force.unwrap_or(false) && self.task_id.is_some();
        if force && task.body.stage.as_ref().is_some_and(|stage| stage.verdict) {
            rights::check_is_no_worker(tx, caller)?;
        }
        let event = task.claim(me, force, self.lease_secs, tx.now()).told(tx)?;
        if !force {
            choice::check_is_here(tx, me.id, task)?;
        }
        choice::reserve(tx, me.id, task)?;
        Ok(event)
    }
}

fn unreserve(task: TaskId, tx: &mut dyn Tx) -> Result<()> {
    let held = tx.reservations(Tick::from_millis(0), 0, file::RESERVATIONS_MAX)?;
    held.iter().filter(|one| one.task == Some(task)).try_for_each(|one| tx.remove_reservation(one.id))
}

/// Where nothing but the order of the queue decided: a claim spends no word on that.
fn why_next(task: &Task, tx: &mut dyn Tx) -> Result<String> {
    let next = tx.ready_in_queue(&task.queue(), 2)?.into_iter().find(|next| next.id != task.id);
    Ok(match next {
        Some(next) if next.priority == task.priority => "the oldest",
        Some(_) => "by priority",
        None => "the first by priority and age",
    }
    .to_owned())
}

impl Claim {
    fn of(task: Task, me: &Instance, tx: &mut dyn Tx) -> Result<Claim> {
        let held = tx.held_tasks(&me.id, HELD_SHOWN)?;
        let also_holding = held.iter().map(|held| held.id).filter(|id| *id != task.id).collect();
        let token = Some(task.token);
        Ok(Claim { claimed: true, why: None, token, also_holding, waiting: None, task: Some(TaskView::of(task, tx)?) })
    }

    fn would_be(task: Task, tx: &mut dyn Tx) -> Result<Claim> {
        let task = Some(TaskView::of(task, tx)?);
        Ok(Claim { claimed: false, why: None, task, token: None, also_holding: Vec::new(), waiting: None })
    }

    fn nothing(waiting: Waiting) -> Claim {
        Claim { claimed: false, why: None, task: None, token: None, also_holding: Vec::new(), waiting: Some(waiting) }
    }
}

impl Waiting {
    fn now(tx: &mut dyn Tx, me: &InstanceId) -> Result<Waiting> {
        let mut waiting = Waiting::default();
        for tally in tx.tally()? {
            match tally.standing {
                Standing::Ready => waiting.ready_for_others += tally.count,
                Standing::Waiting => waiting.waiting += tally.count,
                Standing::Claimed | Standing::InProgress => waiting.claimed += tally.count,
                Standing::Blocked => waiting.blocked += tally.count,
                Standing::Completed | Standing::Failed | Standing::Cancelled => {}
            }
        }
        waiting.behind_reserved = choice::count_behind(tx, Some(me))?;
        waiting.ready_for_others = waiting.ready_for_others.saturating_sub(waiting.behind_reserved);
        if waiting.waiting > 0 {
            waiting.stuck = tx.count_stuck(STUCK_COUNTED_MAX)?;
        }
        let now = tx.now();
        let lapse = tx.next_lapse()?.map(|tick| now.wall_of(tick));
        let freed = choice::next_freed(tx)?.map(|tick| now.wall_of(tick));
        waiting.next_at = [lapse, tx.next_due()?, freed].into_iter().flatten().min();
        Ok(waiting)
    }
}

impl Answer for Claim {
    fn version(&self) -> Option<u64> {
        self.task.as_ref()?.line.version
    }

    fn outcome(&self) -> Outcome {
        if self.task.is_some() { Outcome::Done } else { Outcome::NothingReady }
    }

    fn ids(&self) -> Vec<String> {
        self.task.iter().map(|task| task.line.id.to_string()).collect()
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = &self.task {
            task.fmt(f)?;
            if let Some(why) = &self.why {
                writeln!(f, "  why this one: {why}")?;
            }
            return self.also_holding.iter().try_for_each(|id| writeln!(f, "  you also hold {id}"));
        }
        writeln!(f, "nothing is ready for you")?;
        if let Some(why) = &self.why {
            writeln!(f, "  {why}")?;
        }
        let Some(waiting) = &self.waiting else { return Ok(()) };
        for (count, what) in [
            (waiting.ready_for_others, "ready for others"),
            (waiting.behind_reserved, "ready, and waiting for what somebody has reserved"),
            (waiting.waiting, "waiting for a dependency or a time"),
            (waiting.stuck, "of these waiting for a dependency that failed or was cancelled"),
            (waiting.claimed, "claimed"),
            (waiting.blocked, "blocked"),
        ] {
            if count > 0 {
                writeln!(f, "  {count} {what}")?;
            }
        }
        match waiting.next_at {
            Some(at) => writeln!(f, "  look again at {}, or wait with `wait-for-task`", render::local(at)),
            None => Ok(()),
        }
    }
}
