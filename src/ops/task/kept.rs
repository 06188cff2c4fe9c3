//! What is kept from tasks that want something to themselves: what somebody has reserved, and what a task is to find free that
//! has waited long.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::reservation::Reservation;
use crate::model::reservation::is_resource;
use crate::model::reservation::overlap;
use crate::model::task::Task;
use crate::ops::file;
use crate::store::InstanceFilter;
use crate::store::Tx;
use crate::store::Wanted;
use std::collections::HashMap;

/// A task that wants several things might never find all of them free at once, as those who want one come in between. When it
/// has been ready for so long, they wait for it.
const PATIENCE_MILLIS: i64 = 15 * 60 * 1_000;
/// Of those that have waited so long.
const PATIENT_LOOKED_AT: u32 = 16;

/// What is reserved, as it is asked for.
pub struct Kept<'a> {
    resources: HashMap<&'a str, Vec<&'a Reservation>>,
    files: Vec<&'a Reservation>,
    count: usize,
}

impl<'a> Kept<'a> {
    pub fn of(held: &'a [Reservation]) -> Kept<'a> {
        let (resources, files): (Vec<_>, Vec<_>) = held.iter().partition(|one| is_resource(&one.pattern));
        let mut named: HashMap<&str, Vec<&Reservation>> = HashMap::new();
        for one in resources {
            named.entry(&one.pattern).or_default().push(one);
        }
        Kept { resources: named, files, count: held.len() }
    }

    /// What keeps this instance, or anybody, from having all of that to itself.
    pub fn in_the_way(&self, reserves: &[String], me: Option<&InstanceId>) -> Option<&'a Reservation> {
        let stands = |one: &Reservation, pattern: &str| match me {
            Some(me) => one.stands_against(pattern, me),
            None => one.excludes(pattern, false),
        };
        reserves.iter().find_map(|pattern| self.about(pattern).iter().copied().find(|one| stands(one, pattern)))
    }

    pub fn has_room_for(&self, reserves: &[String]) -> bool {
        reserves.is_empty() || file::check_room(self.count, reserves.len()).is_ok()
    }

    /// Something in its way may stay for a day: what others work at comes to an end, and what is kept by hand need not.
    fn is_kept_by_hand(&self, reserves: &[String]) -> bool {
        let in_the_way =
            |pattern: &String| self.about(pattern).iter().any(|one| one.task.is_none() && one.excludes(pattern, false));
        reserves.iter().any(in_the_way)
    }

    /// Those that may stand against it.
    fn about(&self, pattern: &str) -> &[&'a Reservation] {
        match is_resource(pattern) {
            true => self.resources.get(pattern).map_or(&[], Vec::as_slice),
            false => &self.files,
        }
    }
}

/// Why a task is passed over.
pub enum InTheWay {
    Reserved(Reservation),
    /// It is to be free for this one.
    WaitedFor {
        pattern: String,
        by: TaskId,
    },
}

impl From<&Reservation> for InTheWay {
    fn from(one: &Reservation) -> InTheWay {
        InTheWay::Reserved(one.clone())
    }
}

impl InTheWay {
    pub fn words(&self, tx: &mut dyn Tx) -> Result<String> {
        Ok(match self {
            InTheWay::Reserved(one) => {
                let holder = tx.instance(&one.holder)?.map_or_else(|| one.holder.to_string(), |holder| holder.name);
                format!("{holder} has `{}`", one.pattern)
            }
            InTheWay::WaitedFor { pattern, by } => format!("`{pattern}` is kept free for {by}, which has waited long"),
        })
    }
}

/// The one for which others wait. There is one at a time, so that little stays unused.
pub struct First(Task);

impl First {
    /// The most urgent of those that have waited long, then the one that waited longest. One that could be begun now is waited for
    /// only by those to whom it could be given.
    pub fn of(mine: impl Fn(&Task) -> bool, kept: &Kept, tx: &mut dyn Tx) -> Result<Option<First>> {
        let since = tx.now().at.plus_millis(-PATIENCE_MILLIS);
        let mut first: Option<Task> = None;
        for task in tx.ready_for_much(since, PATIENT_LOOKED_AT)? {
            let place = |task: &Task| (task.priority, task.updated_at, task.id);
            if first.as_ref().is_some_and(|first| place(first) < place(&task)) || kept.is_kept_by_hand(&task.reserves) {
                continue;
            }
            let is_for_somebody = match kept.in_the_way(&task.reserves, None) {
                None => mine(&task),
                Some(_) => somebody_may_take(&task, tx)?,
            };
            if is_for_somebody {
                first = Some(task);
            }
        }
        Ok(first.map(First))
    }

    /// Does this one wait for it? What is more urgent waits for nobody who is less.
    pub fn goes_before(&self, task: &Task) -> Option<InTheWay> {
        let First(first) = self;
        if task.id == first.id || task.priority < first.priority {
            return None;
        }
        let pattern = task.reserves.iter().find(|pattern| first.reserves.iter().any(|one| overlap(one, pattern)))?;
        Some(InTheWay::WaitedFor { pattern: pattern.clone(), by: first.id })
    }

    /// The same of what stands first in a queue.
    pub fn goes_before_all_in(&self, queue: &Wanted, tx: &mut dyn Tx) -> Result<Option<InTheWay>> {
        if !queue.reserves.iter().any(|pattern| self.0.reserves.iter().any(|one| overlap(one, pattern))) {
            return Ok(None);
        }
        Ok(tx.ready_in_queue(&queue.queue, 1)?.pop().and_then(|head| self.goes_before(&head)))
    }
}

/// Nobody waits for what nobody is here to do.
fn somebody_may_take(task: &Task, tx: &mut dyn Tx) -> Result<bool> {
    let now = tx.now().tick;
    if let Some(assignee) = &task.assignee {
        let assignee = tx.instance(&InstanceId::from_stored(assignee.clone()))?;
        return Ok(assignee.is_some_and(|one| one.online(now)));
    }
    let Some(role) = task.role.clone() else { return Ok(true) };
    let filter = InstanceFilter { role: Some(role), online_at: Some(now), ..InstanceFilter::default() };
    Ok(tx.count_instances(&filter)? > 0)
}
