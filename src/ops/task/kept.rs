//! What is kept from tasks that want something to themselves: what somebody has reserved, and what a task is to find free that
//! has waited long.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::reservation::Reservation;
use crate::model::reservation::is_resource;
use crate::model::reservation::overlap;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::ops::file;
use crate::store::InstanceFilter;
use crate::store::Tx;
use crate::store::Wanted;
use std::collections::HashMap;

/// A task that wants several things might never find all of them free at once, as those who want one come in between. When it
/// has been ready for so long, they wait for it.
const PATIENCE_MILLIS: i64 = 15 * 60 * 1_000;

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

    /// Nothing is in its way but what others work at, which comes to an end. What somebody keeps by hand may stay for a day.
    fn waits_for_tasks(&self, reserves: &[String]) -> bool {
        let each = reserves.iter().flat_map(|pattern| {
            self.about(pattern).iter().filter(move |one| one.excludes(pattern, false)).map(|one| one.task.is_some())
        });
        each.reduce(|all, one| all && one).unwrap_or(false)
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
    /// The most urgent of those that have waited long, then the one that waited longest; of no more than what any of `free`
    /// would take from it.
    pub fn of<'w>(
        wanted: &[Wanted],
        free: impl Iterator<Item = &'w Wanted> + Clone,
        kept: &Kept,
        tx: &mut dyn Tx,
    ) -> Result<Option<First>> {
        let now = tx.now().at;
        let mut first: Option<First> = None;
        for one in wanted {
            let is_concerned = |pattern: &String| free.clone().any(|free| wants(&free.reserves, pattern));
            // A single resource is free for it, or it is not.
            let may_starve = one.reserves.len() > 1 || one.reserves.iter().any(|pattern| !is_resource(pattern));
            if !may_starve || !kept.waits_for_tasks(&one.reserves) || !one.reserves.iter().any(is_concerned) {
                continue;
            }
            let Some(head) = tx.ready_in_queue(&one.queue, 1)?.pop() else { continue };
            let Some(patient) = First::if_patient(&head, kept, now) else { continue };
            let place = |First(task): &First| (task.priority, task.updated_at, task.id);
            if first.as_ref().is_none_or(|first| place(&patient) < place(first)) && somebody_may_take(&head, tx)? {
                first = Some(patient);
            }
        }
        Ok(first)
    }

    /// It has waited long for nothing but the end of what others do.
    pub fn if_patient(task: &Task, kept: &Kept, now: Timestamp) -> Option<First> {
        let has_waited = now.millis() - task.updated_at.millis();
        (has_waited >= PATIENCE_MILLIS && kept.waits_for_tasks(&task.reserves)).then(|| First(task.clone()))
    }

    /// What is more urgent waits for nobody who is less.
    pub fn goes_before(&self, wanted: &Wanted, tx: &mut dyn Tx) -> Result<Option<InTheWay>> {
        let Some(by) = self.wants_some_of(&wanted.reserves) else { return Ok(None) };
        let head = tx.ready_in_queue(&wanted.queue, 1)?.pop();
        Ok(head.is_some_and(|head| head.priority >= self.0.priority && head.id != self.0.id).then_some(by))
    }

    pub fn wants_some_of(&self, reserves: &[String]) -> Option<InTheWay> {
        let pattern = reserves.iter().find(|pattern| wants(&self.0.reserves, pattern))?;
        Some(InTheWay::WaitedFor { pattern: pattern.clone(), by: self.0.id })
    }
}

fn wants(reserves: &[String], pattern: &str) -> bool {
    reserves.iter().any(|one| overlap(one, pattern))
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
