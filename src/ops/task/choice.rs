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
use crate::model::worker::Mode;
use crate::ops::file;
use crate::store::Tx;
use crate::store::Wanted;
use std::cmp::Reverse;

/// Tasks that are ready, and wait for what somebody keeps.
struct Behind {
    wanted: Wanted,
    by: Reservation,
    rank: usize,
}

/// From where somebody is served, and what is left out of that. What all tasks of a queue want is looked at once: this costs a
/// look for each different wish of what is ready, however many have it, and nothing where nobody has any.
pub struct Choice {
    queues: Vec<Vec<String>>,
    behind: Vec<Behind>,
}

/// As it is now, for whoever only looks.
pub fn next(tx: &mut dyn Tx, claimer: Claimer) -> Result<Option<Task>> {
    let wanted = tx.wanted()?;
    let held = match wants_anything(&wanted) {
        true => tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?,
        false => Vec::new(),
    };
    let choice = of(claimer, wanted, &held, tx)?;
    tx.next_ready(&choice.queues)
}

/// For whoever claims: what lapsed is taken back for good.
pub fn for_claim(tx: &mut dyn Tx, claimer: Claimer) -> Result<(Option<Task>, Choice)> {
    let wanted = tx.wanted()?;
    let held = if wants_anything(&wanted) { file::reserved_now(tx)? } else { Vec::new() };
    let choice = of(claimer, wanted, &held, tx)?;
    Ok((tx.next_ready(&choice.queues)?, choice))
}

fn wants_anything(wanted: &[Wanted]) -> bool {
    wanted.iter().any(|one| !one.reserves.is_empty())
}

fn of(claimer: Claimer, wanted: Vec<Wanted>, held: &[Reservation], tx: &mut dyn Tx) -> Result<Choice> {
    let mut choice = Choice { queues: lanes_for(claimer), behind: Vec::new() };
    let elsewhere = if wanted.iter().any(|one| one.repo.is_some()) { elsewhere(claimer.id, tx)? } else { Vec::new() };
    for wanted in wanted {
        let lane = lane_of_queue(&wanted.queue);
        let is_there = |lanes: &Vec<String>| lanes.iter().any(|one| one == lane);
        let Some(rank) = choice.queues.iter().position(is_there) else { continue };
        if wanted.repo.as_ref().is_some_and(|repo| elsewhere.contains(repo)) {
            continue;
        }
        match in_the_way(&wanted.reserves, Some(claimer.id), held) {
            Some(by) => choice.behind.push(Behind { by: by.clone(), wanted, rank }),
            None => choice.queues[rank].push(wanted.queue),
        }
    }
    Ok(choice)
}

/// The repositories in which they cannot work: a session that stays is where it was begun.
fn elsewhere(me: &InstanceId, tx: &mut dyn Tx) -> Result<Vec<String>> {
    let Some(instance) = tx.instance(me)? else { return Ok(Vec::new()) };
    let worker = tx.worker(&instance.name)?.filter(|worker| worker.instance.as_ref() == Some(me));
    match worker {
        Some(worker) if worker.mode != Mode::Task => Ok(tx.fleet()?.caps.elsewhere),
        _ => Ok(Vec::new()),
    }
}

/// One that is named may be about another repository than that in which they are.
pub fn check_is_here(tx: &mut dyn Tx, me: &InstanceId, task: &Task) -> Result<()> {
    let Some(repo) = &task.repo else { return Ok(()) };
    match elsewhere(me, tx)?.contains(repo) {
        false => Ok(()),
        true => {
            let message = format!("task `{}` is about the repository `{repo}`, and you stay in another", task.id);
            Err(Error::new(Kind::Conflict, message)
                .hint("leave it to a worker that is started for each task, or claim another"))
        }
    }
}

/// Of those that were passed over so many are told.
const PASSED_TOLD_MAX: usize = 3;
/// And of so many queues it is asked what stands first.
const PASSED_LOOKED_AT: usize = 20;
/// Dependants of which it is asked whether they would be ready.
const FREED_LOOKED_AT: u32 = 1_000;

impl Choice {
    /// Why this one, in a line; nothing where there is nothing to say of it.
    pub fn why(&self, chosen: Option<&Task>, claimer: Claimer, tx: &mut dyn Tx) -> Result<Option<String>> {
        let mut parts = Vec::new();
        if let Some(task) = chosen {
            let lane = task.lane();
            match self.queues.iter().position(|lanes| lanes.contains(&lane)) {
                Some(0) => parts.push("meant for you".to_owned()),
                Some(1) => parts.push(format!("for {}", claimer.role)),
                _ => {}
            }
            if task.height > 0 {
                let freed = tx.count_freed_by(task.id, FREED_LOOKED_AT)?;
                if task.height > 1 || freed == 0 {
                    parts.push(format!("a chain of {} waits for it", task.height));
                }
                if freed > 0 {
                    parts.push(format!("frees {freed} at once"));
                }
            }
        }
        let place = |task: &Task| (task.priority, Reverse(task.height), task.id);
        let ranked =
            |lanes: &[Vec<String>], queue: &str| lanes.iter().position(|rank| rank.iter().any(|one| one == queue));
        let chosen = chosen.map(|task| (ranked(&self.queues, &task.queue()).unwrap_or_default(), place(task)));
        let mut passed = Vec::new();
        for behind in self.behind.iter().take(PASSED_LOOKED_AT) {
            let Some(head) = tx.ready_in_queue(&behind.wanted.queue, 1)?.pop() else { continue };
            let would_be = (behind.rank, place(&head));
            if chosen.is_none_or(|chosen| would_be < chosen) {
                passed.push((would_be, head.id, behind));
            }
        }
        passed.sort_by_key(|(would_be, ..)| *would_be);
        for (_, id, behind) in passed.iter().take(PASSED_TOLD_MAX) {
            let holder =
                tx.instance(&behind.by.holder)?.map_or_else(|| behind.by.holder.to_string(), |holder| holder.name);
            parts.push(format!("passed over {id}, as {holder} has `{}`", behind.by.pattern));
        }
        Ok((!parts.is_empty()).then(|| parts.join("; ")))
    }
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
    if !wants_anything(&wanted) {
        return Ok(0);
    }
    let held = tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?;
    let behind = wanted.iter().filter(|one| in_the_way(&one.reserves, me, &held).is_some());
    Ok(behind.map(|one| one.ready).sum())
}

/// When something is free again for which a task waits, if nobody hands it back or renews it before.
pub fn next_freed(tx: &mut dyn Tx) -> Result<Option<Tick>> {
    if !wants_anything(&tx.wanted()?) {
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
