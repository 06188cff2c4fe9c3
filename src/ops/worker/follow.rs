//! `follow_worker`: all that is known of one worker, and what happened to it and by it.

use crate::error::Error;
use crate::error::Result;
use crate::model::event::Event;
use crate::model::worker::Worker;
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
use crate::ops::patience;
use crate::ops::worker::existing;
use crate::store::EventFilter;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Among so many of all events its own are looked for at once.
const SEARCHED_MAX: u32 = 5_000;
const LIMIT_MAX: u32 = 1_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FollowWorker {
    /// Without it, whatever happens to anybody
    worker: Option<String>,
    /// Of the answer before; without it, the newest
    cursor: Option<u64>,
    limit: Option<u32>,
    /// With a cursor: how long to wait for news
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Followed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Worker>,
    /// Oldest first.
    pub events: Vec<Event>,
    /// The same for people.
    pub lines: Vec<EventLine>,
    /// Go on from here.
    pub cursor: u64,
}

impl Followed {
    /// The worker, of whom one asked by name.
    pub fn known(&self) -> Result<Worker> {
        self.worker.clone().ok_or_else(|| Error::internal("an answer about one worker has none"))
    }
}

impl FollowWorker {
    fn look(&self, tx: &mut dyn Tx) -> Result<Followed> {
        let (worker, found, cursor) = self.find(tx)?;
        let events: Vec<Event> = found.into_iter().map(shown).collect();
        let lines = event::lines(&events, tx)?;
        Ok(Followed { worker, events, lines, cursor })
    }

    fn find(&self, tx: &mut dyn Tx) -> Result<(Option<Worker>, Vec<Event>, u64)> {
        let worker = self.worker.as_ref().map(|name| existing(tx, name)).transpose()?;
        let (_, newest) = tx.event_bounds()?;
        let newest_first = self.cursor.is_none();
        let filter = EventFilter { after: self.cursor.unwrap_or(0), newest_first, ..EventFilter::default() };
        let mut found = tx.events(&filter, SEARCHED_MAX)?;
        let mut is_all = found.len() < SEARCHED_MAX as usize;
        let mut read_to = found.last().map(|last| last.seq);
        found.retain(|event| worker.as_ref().is_none_or(|worker| is_about(event, worker)));
        let limit = self.limit.unwrap_or(LIMIT_MAX).min(LIMIT_MAX) as usize;
        if found.len() > limit {
            found.truncate(limit);
            (is_all, read_to) = (false, found.last().map(|last| last.seq));
        }
        let cursor = read_to.filter(|_| !is_all && !newest_first).unwrap_or(newest);
        if newest_first {
            found.reverse();
        }
        Ok((worker, found, cursor))
    }
}

fn is_about(event: &Event, worker: &Worker) -> bool {
    let instance = worker.instance.as_ref();
    let is_of_it = event.actor.is_some() && event.actor.as_ref() == instance;
    let task = worker.run.as_ref().and_then(|run| run.task).map(|task| task.to_string());
    let names = [Some(worker.name.as_str()), instance.map(|id| id.as_str()), task.as_deref()];
    is_of_it || names.contains(&Some(event.subject.as_str()))
}

impl Operation for FollowWorker {
    const NAME: &'static str = "follow_worker";
    const ABOUT: &'static str = "What a worker is, and what happened to it";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["worker"];
    type Output = Followed;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Followed> {
        self.look(tx)
    }

    fn awaits(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        if self.cursor.is_none() || !self.find(tx)?.1.is_empty() {
            return Ok(None);
        }
        Ok(Some(Wait { topics: vec![Topic::Events], look_again_after: None }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl Answer for Followed {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worker = self.worker.as_ref().map(|worker| format!("{} is {}; ", worker.name, worker.state.word()));
        writeln!(f, "{}{} events", worker.unwrap_or_default(), self.events.len())
    }
}
