//! `watch_events`: until something happens.

use crate::error::Result;
use crate::model::event::Event;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::event::after;
use crate::ops::event::list::rows;
use crate::ops::event::names_of;
use crate::ops::names::Names;
use crate::ops::patience;
use crate::ops::render;
use crate::store::EventFilter;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 30;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchEvents {
    /// Of the answer before; without it, from now on
    cursor: Option<u64>,
    /// A kind, or its beginning: "task."
    kind: Option<String>,
    subject: Option<String>,
    limit: Option<u32>,
    timeout_seconds: Option<u32>,
    /// The newest event at the first look.
    #[serde(skip)]
    first_seen: OnceLock<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "EventNews")]
pub struct News {
    events: Vec<Event>,
    /// Give it back to miss nothing.
    cursor: u64,
    timed_out: bool,
    #[serde(skip)]
    names: Names,
}

impl Operation for WatchEvents {
    const NAME: &'static str = "watch_events";
    const ABOUT: &'static str = "Wait until something happens";
    const NOUN: Noun = Noun::Events;
    const EFFECT: Effect = Effect::Read;
    type Output = News;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<News> {
        let since = self.since(tx)?;
        let (_, newest) = tx.event_bounds()?;
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let events = after(tx, &self.filter(since), true, limit)?;
        let full = events.len() == limit as usize;
        let (events, cut) = render::fit(events, render::ANSWER_BYTES_MAX);
        let cursor = events.last().filter(|_| full || cut).map_or(newest.max(since), |last| last.seq);
        let names = names_of(&events, tx)?;
        Ok(News { timed_out: events.is_empty(), events, cursor, names })
    }

    fn awaits(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        let since = self.since(tx)?;
        if !after(tx, &self.filter(since), true, 1)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(Wait { topics: vec![Topic::Events], look_again_after: None }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl WatchEvents {
    fn filter(&self, after: u64) -> EventFilter {
        EventFilter { after, kind: self.kind.clone(), subject: self.subject.clone(), newest_first: false }
    }

    fn since(&self, tx: &mut dyn Tx) -> Result<u64> {
        if let Some(cursor) = self.cursor.or_else(|| self.first_seen.get().copied()) {
            return Ok(cursor);
        }
        let (_, newest) = tx.event_bounds()?;
        Ok(*self.first_seen.get_or_init(|| newest))
    }
}

impl Answer for News {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        self.events.iter().map(|event| event.seq.to_string()).collect()
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out { writeln!(f, "nothing happened yet") } else { rows(f, &self.events, &self.names) }
    }
}
