//! The whole store as an onlooker sees it at one moment.

use orch_mcp::model::context;
use orch_mcp::model::event::Event;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::id::MessageId;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::instance::Instance;
use orch_mcp::model::message::Delivery;
use orch_mcp::model::message::Message;
use orch_mcp::model::reservation::Reservation;
use orch_mcp::model::task::Standing;
use orch_mcp::model::task::Task;
use orch_mcp::model::time::Tick;
use orch_mcp::store::EventFilter;
use orch_mcp::store::InstanceFilter;
use orch_mcp::store::Mode;
use orch_mcp::store::Store;
use orch_mcp::store::TaskFilter;
use std::collections::BTreeMap;

/// Keys that a simulation writes to.
pub const KEYS: [&str; 4] = ["a", "a/b", "a/c", "d"];

/// More than a simulation makes of anything.
const ALL: u32 = 100_000;

#[derive(Clone, Default)]
pub struct Seen {
    pub tick: Tick,
    pub wall: i64,
    pub tasks: BTreeMap<TaskId, Task>,
    pub tally: BTreeMap<(String, &'static str), u64>,
    /// Those that hold at this moment.
    pub reservations: Vec<Reservation>,
    pub instances: BTreeMap<InstanceId, Instance>,
    pub messages: BTreeMap<MessageId, Message>,
    pub mail: BTreeMap<(MessageId, String), Letter>,
    pub context: BTreeMap<String, context::Entry>,
    /// The number of the oldest event that is kept, and of the newest.
    pub events: (u64, u64),
    /// What was appended since the look before this one.
    pub new_events: Vec<Event>,
}

/// How far a message has come on its way to one recipient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Letter {
    /// By which process, in which call.
    pub returned: Option<(String, String)>,
    pub seen: bool,
    pub acknowledged: bool,
    pub dismissed: bool,
}

impl Letter {
    fn of(delivery: Delivery) -> Letter {
        Letter {
            returned: delivery.returned.map(|returned| (returned.process, returned.call)),
            seen: delivery.seen_at.is_some(),
            acknowledged: delivery.acknowledged_at.is_some(),
            dismissed: delivery.dismissed_at.is_some(),
        }
    }
}

impl Seen {
    /// Look again; what has not changed since `before` is taken from there.
    pub fn look(store: &mut dyn Store, before: &Seen) -> Seen {
        let mut tx = store.begin(Mode::Read).unwrap();
        let mut seen = Seen { tick: tx.now().tick, wall: tx.now().at.millis(), ..Seen::default() };
        for mut task in tx.list_tasks(&TaskFilter::default(), ALL).unwrap() {
            match before.tasks.get(&task.id).filter(|known| known.version == task.version) {
                Some(known) => {
                    task.body = known.body.clone();
                    task.depends_on = known.depends_on.clone();
                }
                None => task = tx.task(task.id).unwrap().expect("it was listed"),
            }
            seen.tasks.insert(task.id, task);
        }
        seen.tally = tx.tally().unwrap().into_iter().map(|one| ((one.lane, one.standing.word()), one.count)).collect();
        seen.reservations = tx.reservations(seen.tick, 0, ALL).unwrap();
        let instances = tx.list_instances(&InstanceFilter::default(), ALL).unwrap();
        seen.instances = instances.into_iter().map(|one| (one.id.clone(), one)).collect();
        seen.messages = before.messages.clone();
        let mut next = seen.messages.keys().last().map_or(1, |last| last.number() + 1);
        while let Some(message) = tx.message(MessageId::from_number(next)).unwrap() {
            seen.messages.insert(message.id, message);
            next += 1;
        }
        for id in seen.messages.keys() {
            for delivery in tx.deliveries(*id, None, ALL).unwrap() {
                seen.mail.insert((*id, delivery.recipient.clone()), Letter::of(delivery));
            }
        }
        for key in KEYS {
            if let Some(entry) = tx.context(key).unwrap() {
                seen.context.insert(key.to_owned(), entry);
            }
        }
        seen.events = tx.event_bounds().unwrap();
        let new = EventFilter { after: before.events.1, ..EventFilter::default() };
        seen.new_events = tx.events(&new, ALL).unwrap();
        seen
    }

    pub fn instance(&self, named: &str) -> Option<&Instance> {
        let bare = named.strip_prefix('@');
        let by_name = self.instances.values().find(|one| one.name == bare.unwrap_or(named));
        match bare {
            Some(_) => by_name,
            None => self.instances.get(&InstanceId::from_stored(named.to_owned())).or(by_name),
        }
    }

    /// Who would hear a call to everyone, or to all of a role.
    pub fn others<'a>(
        &'a self,
        me: Option<&'a InstanceId>,
        role: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Instance> {
        let fits = move |one: &&Instance| role.is_none_or(|role| one.role.eq_ignore_ascii_case(role));
        self.instances.values().filter(move |one| me != Some(&one.id)).filter(fits)
    }

    /// What is not seen in an inbox.
    pub fn unread(&self, of: &InstanceId) -> usize {
        self.mail.iter().filter(|((_, recipient), letter)| recipient == of.as_str() && !letter.seen).count()
    }

    /// What must hold at every moment, whatever happened.
    pub fn check(&self) -> Result<(), String> {
        let mut recount: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
        for task in self.tasks.values() {
            let id = task.id;
            *recount.entry((task.lane(), task.standing().word())).or_default() += 1;
            let completed = |id: &TaskId| self.tasks.get(id).is_some_and(|task| task.standing() == Standing::Completed);
            let unmet = task.depends_on.iter().filter(|needs| !completed(needs)).count();
            if unmet != task.unmet as usize {
                return Err(format!("{id} waits for {unmet}, and {} are counted", task.unmet));
            }
            if task.state.is_held() && unmet > 0 {
                return Err(format!("{id} is held, and waits for {unmet}"));
            }
            if task.state.is_held() != task.lease_until.is_some() || (task.state.is_held() && task.holder.is_none()) {
                return Err(format!("{id} is half held: {task:?}"));
            }
            if task.attempt > task.max_attempts || u64::from(task.attempt) > task.token {
                return Err(format!("{id} had {} of {} attempts", task.attempt, task.max_attempts));
            }
        }
        if recount != self.tally {
            return Err(format!("tally {:?}, counted {recount:?}", self.tally));
        }
        for (index, one) in self.reservations.iter().enumerate() {
            let holds = |task: &Task| task.holder.as_ref() == Some(&one.holder) && task.reserves.contains(&one.pattern);
            if let Some(id) =
                one.task.filter(|id| !self.tasks.get(id).is_some_and(|task| task.state.is_held() && holds(task)))
            {
                return Err(format!("{one:?} outlived the claim of {id}"));
            }
            for other in &self.reservations[index + 1..] {
                let by_one_claim = one.holder == other.holder && (one.task.is_none() || other.task.is_none());
                if one.excludes(&other.pattern, other.shared) && !by_one_claim {
                    return Err(format!("{one:?} and {other:?} hold at once"));
                }
            }
        }
        for task in self.tasks.values().filter(|task| task.lease_until.is_some_and(|until| until > self.tick)) {
            let has = |pattern: &String| {
                self.reservations.iter().any(|one| one.task == Some(task.id) && one.pattern == *pattern)
            };
            if !task.reserves.iter().all(has) {
                return Err(format!("{} is held without what it wants: {:?}", task.id, self.reservations));
            }
        }
        for (index, event) in self.new_events.iter().enumerate() {
            let last = self.events.1 - (self.new_events.len() - 1 - index) as u64;
            if event.seq != last {
                return Err(format!("event {} stands where {last} should", event.seq));
            }
        }
        Ok(())
    }
}
