//! `get_overview`: how everything stands, in one look at the store, for a screen that shows it all and waits for more.

use crate::error::Result;
use crate::model::event::Event;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::spending::Spent;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::event;
use crate::ops::event::EventLine;
use crate::ops::event::shown;
use crate::ops::instance::InstanceView;
use crate::ops::patience;
use crate::ops::question::QuestionView;
use crate::ops::render;
use crate::ops::task::TaskLine;
use crate::ops::task::WaitsFor;
use crate::ops::task::waits_for;
use crate::ops::worker::WorkerView;
use crate::store::EventFilter;
use crate::store::InstanceFilter;
use crate::store::QuestionFilter;
use crate::store::SpentFilter;
use crate::store::Tally;
use crate::store::TaskFilter;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Of each list so many: a screen has room for no more.
const ROWS_MAX: u32 = 50;
const WORKERS_MAX: usize = 200;
const EVENTS_MAX: u32 = 200;
/// Messages are looked for among so many of the newest events.
const SEARCHED_MAX: u64 = 5_000;
const TEXT_BYTES: usize = 300;
const WAITS_FOR_MAX: usize = 3;

/// That somebody went away without a word is nobody's event.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Each of so many kinds of work (anybody's, a role's, one session's) is looked at for what is taken next.
const LANES_MAX: usize = 50;

/// What somebody who looks after the team wants to see of it, the most urgent first.
const QUEUE: [Standing; 6] =
    [Standing::InProgress, Standing::Claimed, Standing::Blocked, Standing::Failed, Standing::Ready, Standing::Waiting];

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetOverview {
    /// `newest_event` of the look before: wait for something newer
    seen: Option<u64>,
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Overview {
    pub at: Timestamp,
    pub newest_event: u64,
    /// How many tasks stand where.
    pub tasks: BTreeMap<String, u64>,
    pub supervised: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_until: Option<Timestamp>,
    /// In the last 24 hours.
    pub spent: Spent,
    pub questions: Vec<QuestionView>,
    pub workers: Vec<WorkerView>,
    /// Whoever is online and no worker.
    pub sessions: Vec<InstanceView>,
    pub queue: Vec<QueueLine>,
    /// Newest last, like the events.
    pub messages: Vec<MessageLine>,
    pub events: Vec<EventLine>,
}

/// A task of which somebody may want to know why it is not done yet.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct QueueLine {
    pub task: TaskLine,
    #[schemars(with = "String")]
    pub standing: String,
    /// Which tasks it waits for: the first of them, and before those what will not come by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<WaitsFor>,
    /// How many it waits for besides.
    #[serde(default)]
    pub waits_for_more: usize,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct MessageLine {
    pub id: MessageId,
    pub at: Timestamp,
    pub from: String,
    pub to: String,
    pub text: String,
}

impl Operation for GetOverview {
    const NAME: &'static str = "get_overview";
    const ABOUT: &'static str = "How everything stands, at one look";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Read;
    type Output = Overview;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Overview> {
        let now = tx.now();
        let (_, newest) = tx.event_bounds()?;
        let tally = tx.tally()?;
        let count = |standing| tally.iter().filter(|one| one.standing == standing).map(|one| one.count).sum::<u64>();
        let fleet = tx.fleet()?;
        let open = QuestionFilter::open();
        let all = tx.workers()?;
        let named: Vec<Option<InstanceId>> = all.iter().map(|worker| worker.instance.clone()).collect();
        let mut workers = Vec::new();
        for worker in all.into_iter().filter(|worker| worker.is_shown()).take(WORKERS_MAX) {
            workers.push(WorkerView::of(worker, tx)?);
        }
        let online = InstanceFilter { online_at: Some(now.tick), ..InstanceFilter::default() };
        let mut sessions = Vec::new();
        for instance in tx.list_instances(&online, ROWS_MAX)? {
            if !named.contains(&Some(instance.id.clone())) {
                sessions.push(InstanceView::of(instance, tx)?);
            }
        }
        Ok(Overview {
            at: now.at,
            newest_event: newest,
            tasks: Standing::ALL.into_iter().map(|one| (one.word().to_owned(), count(one))).collect(),
            supervised: fleet.is_led(|process| caller.host.is_gone(process), now),
            limited_until: fleet.limited_until.filter(|_| fleet.is_limited(now)),
            spent: tx.spent(&SpentFilter { since: Some(now.at), ..SpentFilter::default() })?,
            questions: tx.questions(&open, ROWS_MAX)?.into_iter().map(QuestionView::whole).collect(),
            workers,
            sessions,
            queue: queue(tx, &tally)?,
            messages: messages(tx, newest)?,
            events: events(tx, newest)?,
        })
    }

    fn awaits(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        let (_, newest) = tx.event_bounds()?;
        if self.seen.is_none_or(|seen| newest != seen) {
            return Ok(None);
        }
        Ok(Some(Wait { topics: vec![Topic::Events], look_again_after: None }))
    }

    fn patience(&self) -> Option<Duration> {
        // A first look waits for nobody.
        self.seen.map(|_| patience(self.timeout_seconds).min(LOOK_AGAIN))
    }
}

fn queue(tx: &mut dyn Tx, tally: &[Tally]) -> Result<Vec<QueueLine>> {
    let mut queue = Vec::new();
    for standing in QUEUE {
        let tasks = match standing {
            Standing::Ready => taken_next(tx, tally)?,
            _ => tx.list_tasks(&TaskFilter { standings: vec![standing], ..TaskFilter::default() }, ROWS_MAX)?,
        };
        for task in tasks {
            let mut waits_for = match standing {
                Standing::Waiting => waits_for(&task, tx)?,
                _ => Vec::new(),
            };
            waits_for.sort_by_key(|one| !one.has_ended());
            let waits_for_more = waits_for.len().saturating_sub(WAITS_FOR_MAX);
            waits_for.truncate(WAITS_FOR_MAX);
            let (task, standing) = (TaskLine::of(&task, tx)?, standing.word().to_owned());
            queue.push(QueueLine { task, standing, waits_for, waits_for_more });
        }
    }
    Ok(queue)
}

/// What is ready, as it is handed out: by priority, then by how much waits for it, then by age.
fn taken_next(tx: &mut dyn Tx, tally: &[Tally]) -> Result<Vec<Task>> {
    let mut ready = Vec::new();
    let stocked = tally.iter().filter(|one| one.standing == Standing::Ready && one.count > 0);
    let wanted = tx.wanted(LANES_MAX as u32)?.into_iter().map(|wanted| wanted.queue);
    for queue in stocked.map(|one| one.lane.clone()).chain(wanted).take(LANES_MAX) {
        ready.extend(tx.ready_in_queue(&queue, ROWS_MAX)?);
    }
    ready.sort_by_key(|task| (task.priority, std::cmp::Reverse(task.height), task.id));
    ready.truncate(ROWS_MAX as usize);
    Ok(ready)
}

fn messages(tx: &mut dyn Tx, newest: u64) -> Result<Vec<MessageLine>> {
    let after = newest.saturating_sub(SEARCHED_MAX);
    let filter = EventFilter { after, kind: Some("message.sent".to_owned()), subject: None, newest_first: true };
    let mut messages = Vec::new();
    for event in tx.events(&filter, ROWS_MAX)?.into_iter().rev() {
        let Ok(id) = event.subject.parse::<MessageId>() else { continue };
        if let Some(message) = tx.message(id)? {
            let text = render::short(&message.body, TEXT_BYTES);
            messages.push(MessageLine { id, at: message.sent_at, from: message.from.name, to: message.to, text });
        }
    }
    Ok(messages)
}

fn events(tx: &mut dyn Tx, newest: u64) -> Result<Vec<EventLine>> {
    let after = newest.saturating_sub(EVENTS_MAX.into());
    let filter = EventFilter { after, kind: None, subject: None, newest_first: false };
    let events: Vec<Event> = tx.events(&filter, EVENTS_MAX)?.into_iter().map(shown).collect();
    event::lines(&events, tx)
}

impl Answer for Overview {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} workers, {} questions", self.workers.len(), self.questions.len())
    }
}
