//! `get_overview`: how everything stands, in one look at the store, for a screen that shows it all and waits for more.

use crate::error::Result;
use crate::model::event::Event;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::id::TaskId;
use crate::model::question;
use crate::model::spending::Spent;
use crate::model::task::Standing;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::event::shown;
use crate::ops::instance::InstanceView;
use crate::ops::names::Names;
use crate::ops::patience;
use crate::ops::question::QuestionView;
use crate::ops::render;
use crate::ops::task::TaskLine;
use crate::ops::worker::WorkerView;
use crate::store::EventFilter;
use crate::store::InstanceFilter;
use crate::store::QuestionFilter;
use crate::store::SpentFilter;
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
    /// Which tasks it waits for: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<TaskId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct MessageLine {
    pub id: MessageId,
    pub at: Timestamp,
    pub from: String,
    pub to: String,
    pub text: String,
}

/// An event with names in the place of ids.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct EventLine {
    pub seq: u64,
    pub at: Timestamp,
    pub kind: String,
    pub subject: String,
    /// What its subject is called, or says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whose doing it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What changed, or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
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
        let open = QuestionFilter { state: Some(question::State::Open), ..QuestionFilter::default() };
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
            questions: tx.questions(&open, ROWS_MAX)?.into_iter().map(QuestionView::of).collect(),
            workers,
            sessions,
            queue: queue(tx)?,
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

fn queue(tx: &mut dyn Tx) -> Result<Vec<QueueLine>> {
    let mut queue = Vec::new();
    for standing in QUEUE {
        let filter = TaskFilter { standings: vec![standing], ..TaskFilter::default() };
        for task in tx.list_tasks(&filter, ROWS_MAX)? {
            let open = |(_, standing): &(TaskId, Standing)| *standing != Standing::Completed;
            let waits_for = match standing {
                Standing::Waiting => tx.dependencies_of(task.id)?.into_iter().filter(open).map(|(id, _)| id).collect(),
                _ => Vec::new(),
            };
            let waits_for = waits_for.into_iter().take(WAITS_FOR_MAX).collect();
            queue.push(QueueLine { task: TaskLine::of(&task, tx)?, standing: standing.word().to_owned(), waits_for });
        }
    }
    Ok(queue)
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
    let ids =
        events.iter().flat_map(|event| [Some(event.subject.as_str()), event.actor.as_ref().map(InstanceId::as_str)]);
    let names = Names::read(ids.flatten().filter(|id| id.starts_with("i-")), tx)?;
    let mut titles: BTreeMap<TaskId, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for event in events {
        let title = match event.subject.parse::<TaskId>() {
            Ok(id) => match titles.get(&id) {
                Some(title) => Some(title.clone()),
                None => {
                    tx.task(id)?.map(|task| titles.entry(id).or_insert(render::short(&task.title, TEXT_BYTES)).clone())
                }
            },
            Err(_) => None,
        };
        let text = |key: &str| event.data.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let details: Vec<String> =
            ["state", "how", "reason", "note", "to", "text"].into_iter().filter_map(text).collect();
        lines.push(EventLine {
            title,
            who: event.actor.as_ref().map(|who| names.of(who.as_str()).to_owned()),
            detail: Some(details.join(": ")).filter(|detail| !detail.is_empty()),
            subject: names.of(&event.subject).to_owned(),
            seq: event.seq,
            at: event.at,
            kind: event.kind,
        });
    }
    Ok(lines)
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
