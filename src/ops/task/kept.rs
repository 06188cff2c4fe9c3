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
use std::collections::BTreeSet;
use std::collections::HashMap;

/// A task that wants several things might never find all of them free at once, as those who want one come in between. When it
/// has been ready for so long, whoever may take it takes it first, and those wait for it.
const PATIENCE_MILLIS: i64 = 15 * 60 * 1_000;
/// Of so many different wishes each is looked at by itself, so that it makes no difference how many tasks have it; where there
/// are more, the tasks are looked at in the order in which they are taken, until one has what it wants.
pub const WISHES_MAX: u32 = 64;
/// Of those that have waited so long, where there are very many different wishes.
const OVERDUE_LOOKED_AT: u32 = 64;

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

/// What stands first in its queue, wants much, and has waited long for no more than the end of what others work at.
pub fn overdue(wanted: &[Wanted], kept: &Kept, tx: &mut dyn Tx) -> Result<Vec<Task>> {
    let now = tx.now().at;
    let since = now.plus_millis(-PATIENCE_MILLIS);
    let queues: BTreeSet<String> = match wanted.len() <= WISHES_MAX as usize {
        true => wanted.iter().filter(|one| wants_much(&one.reserves)).map(|one| one.queue.clone()).collect(),
        false => tx.ready_for_much(since, OVERDUE_LOOKED_AT)?.iter().map(Task::queue).collect(),
    };
    let mut overdue = Vec::new();
    for queue in queues {
        let head = tx.ready_in_queue(&queue, 1)?.pop().filter(|head| head.updated_at <= since);
        overdue.extend(head.filter(|head| !kept.is_kept_by_hand(&head.reserves)));
    }
    // Those that waited longest first, of what is equally urgent.
    overdue.sort_by_key(|task| (task.priority, task.updated_at, task.id));
    Ok(overdue)
}

/// A single resource is free, or it is not.
fn wants_much(reserves: &[String]) -> bool {
    reserves.len() > 1 || reserves.iter().any(|pattern| !is_resource(pattern))
}

/// The one for which others wait. There is one at a time, and that in each second quarter of an hour only, so that little stays
/// unused where it waits for long, and nobody waits for ever.
pub struct WaitedFor(Task);

impl WaitedFor {
    pub fn of(overdue: &[Task], kept: &Kept, tx: &mut dyn Tx) -> Result<Option<WaitedFor>> {
        let now = tx.now().at;
        for task in overdue {
            let is_its_quarter = (now.millis() - task.updated_at.millis()) / PATIENCE_MILLIS % 2 == 1;
            let is_in_vain = kept.in_the_way(&task.reserves, None).is_none() || !somebody_may_take(task, tx)?;
            if is_its_quarter && !is_in_vain {
                return Ok(Some(WaitedFor(task.clone())));
            }
        }
        Ok(None)
    }

    /// What is more urgent waits for nobody who is less, and what has waited longer itself for nobody who came later.
    pub fn goes_before(&self, task: &Task) -> Option<InTheWay> {
        let WaitedFor(first) = self;
        let waited_longer = wants_much(&task.reserves) && task.updated_at < first.updated_at;
        if task.priority < first.priority || (task.priority == first.priority && waited_longer) {
            return None;
        }
        let pattern = task.reserves.iter().find(|pattern| self.wants(pattern))?;
        Some(InTheWay::WaitedFor { pattern: pattern.clone(), by: first.id })
    }

    /// The same of what stands first in a queue.
    pub fn goes_before_all_in(&self, queue: &Wanted, tx: &mut dyn Tx) -> Result<Option<InTheWay>> {
        if !queue.reserves.iter().any(|pattern| self.wants(pattern)) {
            return Ok(None);
        }
        Ok(tx.ready_in_queue(&queue.queue, 1)?.pop().and_then(|head| self.goes_before(&head)))
    }

    fn wants(&self, pattern: &str) -> bool {
        self.0.reserves.iter().any(|one| overlap(one, pattern))
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
