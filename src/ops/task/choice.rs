//! Which task somebody would be given: the next that is ready, and of which nobody else keeps what it wants to itself.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::registry::is_of_forge;
use crate::model::reservation::Reservation;
use crate::model::task::Claimer;
use crate::model::task::Priority;
use crate::model::task::Task;
use crate::model::task::lane_of_queue;
use crate::model::task::lanes_for;
use crate::model::time::Tick;
use crate::model::worker::Mode;
use crate::ops::file;
use crate::ops::task::kept;
use crate::ops::task::kept::InTheWay;
use crate::ops::task::kept::Kept;
use crate::ops::task::kept::WISHES_MAX;
use crate::ops::task::kept::WaitedFor;
use crate::store::Tx;
use crate::store::Wanted;
use std::cmp::Reverse;
use std::collections::HashSet;

/// Tasks that are ready, and wait for what somebody keeps.
struct Behind {
    queue: String,
    by: InTheWay,
    rank: usize,
}

/// From where somebody is served, and what is left out of that.
pub struct Choice {
    lanes: Vec<Vec<String>>,
    behind: Vec<Behind>,
    /// What has waited long for all that it wants went before what would have been next.
    is_overdue: bool,
}

/// As it is now, for whoever only looks.
pub fn next(tx: &mut dyn Tx, claimer: Claimer) -> Result<Option<Task>> {
    let wanted = tx.wanted(WISHES_MAX + 1)?;
    let held = match wanted.is_empty() {
        true => Vec::new(),
        false => tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?,
    };
    choose(claimer, wanted, &held, tx).map(|(task, _)| task)
}

/// For whoever claims: what lapsed is taken back for good.
pub fn for_claim(tx: &mut dyn Tx, claimer: Claimer) -> Result<(Option<Task>, Choice)> {
    let wanted = tx.wanted(WISHES_MAX + 1)?;
    let held = if wanted.is_empty() { Vec::new() } else { file::reserved_now(tx)? };
    choose(claimer, wanted, &held, tx)
}

fn choose(
    claimer: Claimer,
    wanted: Vec<Wanted>,
    held: &[Reservation],
    tx: &mut dyn Tx,
) -> Result<(Option<Task>, Choice)> {
    let mut choice = Choice { lanes: lanes_for(claimer), behind: Vec::new(), is_overdue: false };
    if wanted.is_empty() {
        return Ok((tx.next_ready(&choice.lanes)?, choice));
    }
    let kept = Kept::of(held);
    let overdue = kept::overdue(&wanted, &kept, tx)?;
    let waited_for = WaitedFor::of(&overdue, &kept, tx)?;
    let view = View { claimer, stays: stays(claimer.id, tx)?, kept: &kept, waited_for };
    let best = match wanted.len() <= WISHES_MAX as usize {
        true => choice.by_wish(&view, wanted, tx)?,
        false => choice.by_task(&view, tx)?,
    };
    // By this alone it is told who goes first; those that waited longest stand before the others.
    let urgency = |task: &Task| Some((choice.rank(&task.queue())?, task.priority));
    let overdue = overdue.into_iter().filter(|task| view.may_begin(task) && urgency(task).is_some());
    match overdue.min_by_key(urgency) {
        Some(task) if best.as_ref().is_none_or(|best| urgency(&task) <= urgency(best)) => {
            choice.is_overdue = true;
            Ok((Some(task), choice))
        }
        _ => Ok((best, choice)),
    }
}

/// What somebody who claims finds in the way.
struct View<'a> {
    claimer: Claimer<'a>,
    stays: bool,
    kept: &'a Kept<'a>,
    waited_for: Option<WaitedFor>,
}

impl View<'_> {
    fn may_begin(&self, task: &Task) -> bool {
        self.is_for_here(&task.reserves, task.repo.as_deref()) && self.in_the_way(task).is_none()
    }

    /// They could do it where they are, were nothing in the way.
    fn is_for_here(&self, reserves: &[String], repo: Option<&str>) -> bool {
        !(self.stays && repo.is_some_and(|repo| !is_of_forge(repo))) && self.kept.has_room_for(reserves)
    }

    fn kept_by(&self, reserves: &[String]) -> Option<InTheWay> {
        self.kept.in_the_way(reserves, Some(self.claimer.id)).map(InTheWay::from)
    }

    fn in_the_way(&self, task: &Task) -> Option<InTheWay> {
        self.kept_by(&task.reserves).or_else(|| self.waited_for.as_ref()?.goes_before(task))
    }
}

impl Choice {
    fn by_wish(&mut self, view: &View, wanted: Vec<Wanted>, tx: &mut dyn Tx) -> Result<Option<Task>> {
        let mut queues = self.lanes.clone();
        for wanted in wanted {
            let Some(rank) = self.rank(&wanted.queue) else { continue };
            if !view.is_for_here(&wanted.reserves, wanted.repo.as_deref()) {
                continue;
            }
            let by = match (view.kept_by(&wanted.reserves), &view.waited_for) {
                (None, Some(first)) => first.goes_before_all_in(&wanted, tx)?,
                (by, _) => by,
            };
            match by {
                Some(by) => self.behind.push(Behind { queue: wanted.queue, by, rank }),
                None => queues[rank].push(wanted.queue),
            }
        }
        tx.next_ready(&queues)
    }

    fn by_task(&mut self, view: &View, tx: &mut dyn Tx) -> Result<Option<Task>> {
        for (rank, lanes) in self.lanes.iter().enumerate() {
            let mut first = tx.next_ready(std::slice::from_ref(lanes))?;
            for lane in lanes {
                // What was found out of one that wants the same need not be asked again.
                let mut unfit: HashSet<String> = HashSet::new();
                let mut fits = None;
                let behind = &mut self.behind;
                tx.walk_wishing(lane, &mut |task| {
                    if first.as_ref().is_some_and(|first| place(first) < place(task)) {
                        return false;
                    }
                    let queue = task.queue();
                    if unfit.contains(&queue) {
                        return true;
                    }
                    let by = view.in_the_way(task);
                    if by.is_none() && view.is_for_here(&task.reserves, task.repo.as_deref()) {
                        fits = Some(task.id);
                        return false;
                    }
                    if let Some(by) = by.filter(|_| behind.len() < PASSED_LOOKED_AT) {
                        behind.push(Behind { queue: queue.clone(), by, rank });
                    }
                    unfit.insert(queue);
                    true
                })?;
                if let Some(id) = fits {
                    first = tx.task(id)?;
                }
            }
            if first.is_some() {
                return Ok(first);
            }
        }
        Ok(None)
    }

    /// The earlier goes first.
    fn rank(&self, queue: &str) -> Option<usize> {
        let lane = lane_of_queue(queue);
        self.lanes.iter().position(|lanes| lanes.iter().any(|one| one == lane))
    }
}

/// By what one of a rank goes before another.
fn place(task: &Task) -> (Priority, Reverse<u32>, TaskId) {
    (task.priority, Reverse(task.height), task.id)
}

/// A session that stays is where it was begun, and all that it does lands from one branch: what names a repository is not for it.
fn stays(me: &InstanceId, tx: &mut dyn Tx) -> Result<bool> {
    let Some(instance) = tx.instance(me)? else { return Ok(false) };
    let worker = tx.worker(&instance.name)?.filter(|worker| worker.instance.as_ref() == Some(me));
    Ok(worker.is_some_and(|worker| worker.mode != Mode::Task))
}

/// One that is named may be about another repository than that in which they are.
pub fn check_is_here(tx: &mut dyn Tx, me: &InstanceId, task: &Task) -> Result<()> {
    let Some(repo) = task.repo.as_ref().filter(|repo| !is_of_forge(repo)) else { return Ok(()) };
    match stays(me, tx)? {
        false => Ok(()),
        true => {
            let message = format!(
                "task `{}` is about the repository `{repo}`, and a session that stays does only what names none",
                task.id
            );
            Err(Error::new(Kind::Conflict, message)
                .hint("leave it to a worker that is started for each task, or claim another"))
        }
    }
}

/// Of those that were passed over so many are told.
const PASSED_TOLD_MAX: usize = 3;
/// Different wishes that are counted.
const COUNTED_MAX: u32 = 500;
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
            match self.rank(&lane) {
                Some(0) => parts.push("meant for you".to_owned()),
                Some(1) => parts.push(format!("for {}", claimer.role)),
                _ => {}
            }
            if self.is_overdue {
                parts.push("it has waited long for all that it wants".to_owned());
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
        let chosen = chosen.map(|task| (self.rank(&task.queue()).unwrap_or_default(), place(task)));
        let mut passed = Vec::new();
        for behind in self.behind.iter().take(PASSED_LOOKED_AT) {
            let Some(head) = tx.ready_in_queue(&behind.queue, 1)?.pop() else { continue };
            let would_be = (behind.rank, place(&head));
            if chosen.is_none_or(|chosen| would_be < chosen) {
                passed.push((would_be, head.id, behind));
            }
        }
        passed.sort_by_key(|(would_be, ..)| *would_be);
        for (_, id, behind) in passed.iter().take(PASSED_TOLD_MAX) {
            parts.push(format!("passed over {id}, as {}", behind.by.words(tx)?));
        }
        Ok((!parts.is_empty()).then(|| parts.join("; ")))
    }
}

/// How many tasks are ready, for whomever, and wait for what somebody keeps; of very many different wishes, some.
pub fn count_behind(tx: &mut dyn Tx, me: Option<&InstanceId>) -> Result<u64> {
    let wanted = tx.wanted(COUNTED_MAX)?;
    if wanted.is_empty() {
        return Ok(0);
    }
    let held = tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?;
    let kept = Kept::of(&held);
    let (behind, free): (Vec<&Wanted>, Vec<&Wanted>) =
        wanted.iter().partition(|one| kept.in_the_way(&one.reserves, me).is_some());
    let mut count: u64 = behind.iter().map(|one| one.ready).sum();
    let overdue = kept::overdue(&wanted, &kept, tx)?;
    if let Some(first) = WaitedFor::of(&overdue, &kept, tx)? {
        for one in free {
            if first.goes_before_all_in(one, tx)?.is_some() {
                count += one.ready;
            }
        }
    }
    Ok(count)
}

/// When something is free again for which a task waits, if nobody hands it back or renews it before.
pub fn next_freed(tx: &mut dyn Tx) -> Result<Option<Tick>> {
    if tx.wanted(1)?.is_empty() {
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
    if let Some(other) = Kept::of(&held).in_the_way(&task.reserves, Some(me)) {
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
