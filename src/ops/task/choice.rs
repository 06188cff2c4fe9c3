//! Which task somebody would be given: the next that is ready, and of which nobody else keeps what it wants to itself.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::reservation::Reservation;
use crate::model::task::Claimer;
use crate::model::task::Task;
use crate::model::task::lane_of_queue;
use crate::model::task::lanes_for;
use crate::model::time::Tick;
use crate::ops::file;
use crate::store::Tx;
use crate::store::Wanted;

/// As it is now, for whoever only looks.
pub fn next(tx: &mut dyn Tx, claimer: Claimer) -> Result<Option<Task>> {
    let wanted = tx.wanted()?;
    let held = match wanted.is_empty() {
        true => Vec::new(),
        false => tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?,
    };
    tx.next_ready(&queues(claimer, wanted, &held))
}

/// For whoever claims: what lapsed is taken back for good.
pub fn next_for_claim(tx: &mut dyn Tx, claimer: Claimer) -> Result<Option<Task>> {
    let wanted = tx.wanted()?;
    let held = if wanted.is_empty() { Vec::new() } else { file::reserved_now(tx)? };
    tx.next_ready(&queues(claimer, wanted, &held))
}

/// From where somebody is served, without what others keep. What all tasks of a queue want is looked at once: this costs a look
/// for each different wish of what is ready, however many have it, and nothing where nobody has any.
fn queues(claimer: Claimer, wanted: Vec<Wanted>, held: &[Reservation]) -> Vec<Vec<String>> {
    let mut queues = lanes_for(claimer);
    for wanted in wanted {
        let lane = lane_of_queue(&wanted.queue);
        let Some(rank) = queues.iter_mut().find(|rank| rank.iter().any(|one| one == lane)) else { continue };
        if in_the_way(&wanted.reserves, Some(claimer.id), held).is_none() {
            rank.push(wanted.queue);
        }
    }
    queues
}

fn in_the_way<'a>(reserves: &[String], me: Option<&InstanceId>, held: &'a [Reservation]) -> Option<&'a Reservation> {
    held.iter().find(|one| {
        reserves.iter().any(|pattern| match me {
            Some(me) => one.stands_against(pattern, me),
            None => one.excludes(pattern, false),
        })
    })
}

/// How many tasks are ready, for whomever, and wait for what somebody keeps.
pub fn count_behind(tx: &mut dyn Tx, me: Option<&InstanceId>) -> Result<u64> {
    let wanted = tx.wanted()?;
    if wanted.is_empty() {
        return Ok(0);
    }
    let held = tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?;
    let behind = wanted.iter().filter(|one| in_the_way(&one.reserves, me, &held).is_some());
    Ok(behind.map(|one| one.ready).sum())
}

/// When something is free again for which a task waits, if nobody hands it back or renews it before.
pub fn next_freed(tx: &mut dyn Tx) -> Result<Option<Tick>> {
    if tx.wanted()?.is_empty() {
        return Ok(None);
    }
    tx.next_reservation_lapse(tx.now().tick)
}

/// What the task wants to itself is its claimer's as long as the claim lasts; or somebody has some of it, and it is not claimed.
pub fn reserve(tx: &mut dyn Tx, me: &InstanceId, task: &Task) -> Result<()> {
    if task.reserves.is_empty() {
        return Ok(());
    }
    let held = file::reserved_now(tx)?;
    if let Some(other) = in_the_way(&task.reserves, Some(me), &held) {
        let why = file::standing_against(other, tx)?;
        return Err(Error::new(Kind::Conflict, format!("task `{}` wants something to itself: {why}", task.id)).hint(
            "call `claim_task` without an id for another, or wait with `wait_for_task` until something is ready",
        ));
    }
    file::check_room(held.len(), task.reserves.len())?;
    let now = tx.now();
    for pattern in &task.reserves {
        let mut reservation = Reservation {
            // Given by the store.
            id: 0,
            pattern: pattern.clone(),
            holder: me.clone(),
            task: Some(task.id),
            shared: false,
            reason: Some(task.title.clone()),
            made_at: now.at,
            lease_until: task.lease_until.unwrap_or(now.tick),
        };
        tx.insert_reservation(&mut reservation)?;
    }
    Ok(())
}
