//! `list_events`: what happened, oldest first, from a cursor on.

use crate::error::Result;
use crate::model::event::Event;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::event::after;
use crate::ops::event::names_of;
use crate::ops::names::Names;
use crate::ops::render;
use crate::store::EventFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 30;

/// Kinds have no index: without a cursor, only among this many newest events is one looked for.
const SEARCHED_MAX: u64 = 100_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListEvents {
    /// After this number; without it, the newest
    cursor: Option<u64>,
    /// A kind, or its beginning: "task."
    kind: Option<String>,
    /// An id or a context key
    subject: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct EventList {
    pub events: Vec<Event>,
    /// Go on from here.
    pub cursor: u64,
    pub oldest: u64,
    #[serde(skip)]
    names: Names,
}

impl Operation for ListEvents {
    const NAME: &'static str = "list_events";
    const ABOUT: &'static str = "What happened, oldest first";
    const NOUN: Noun = Noun::Events;
    const EFFECT: Effect = Effect::Read;
    type Output = EventList;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<EventList> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let (oldest, newest) = tx.event_bounds()?;
        let Some(from) = self.cursor else { return self.newest(tx, limit) };
        let filter = self.filter(from, false);
        let events = after(tx, &filter, true, limit)?;
        let full = events.len() == limit as usize;
        let (events, cut) = render::fit(events, render::ANSWER_BYTES_MAX);
        let cursor = events.last().filter(|_| full || cut).map_or(newest.max(from), |last| last.seq);
        let names = names_of(&events, tx)?;
        Ok(EventList { events, cursor, oldest, names })
    }
}

impl ListEvents {
    fn filter(&self, after: u64, newest_first: bool) -> EventFilter {
        EventFilter { after, kind: self.kind.clone(), subject: self.subject.clone(), newest_first }
    }

    /// The newest that fit together, oldest first.
    fn newest(&self, tx: &mut dyn Tx, limit: u32) -> Result<EventList> {
        let (oldest, newest) = tx.event_bounds()?;
        let from = match self.subject {
            Some(_) => 0,
            None => newest.saturating_sub(SEARCHED_MAX).max(oldest.saturating_sub(1)),
        };
        let found = after(tx, &self.filter(from, true), false, limit)?;
        let (mut events, _) = render::fit(found, render::ANSWER_BYTES_MAX);
        events.reverse();
        let names = names_of(&events, tx)?;
        Ok(EventList { events, cursor: newest, oldest, names })
    }
}

pub fn rows(f: &mut fmt::Formatter<'_>, events: &[Event], names: &Names) -> fmt::Result {
    let rows: Vec<_> = events
        .iter()
        .map(|event| {
            let actor = names.of_some(event.actor.as_ref()).to_owned();
            let subject = render::short_id(&event.subject);
            [event.seq.to_string(), render::age(event.at), event.kind.clone(), subject, actor]
        })
        .collect();
    render::table(f, ["SEQ", "AGE", "KIND", "SUBJECT", "BY"], &rows)
}

impl Answer for EventList {
    fn ids(&self) -> Vec<String> {
        self.events.iter().map(|event| event.seq.to_string()).collect()
    }
}

impl fmt::Display for EventList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events.is_empty() { writeln!(f, "nothing happened") } else { rows(f, &self.events, &self.names) }
    }
}
