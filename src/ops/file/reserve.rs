//! `reserve_files`: others keep their hands off these files, or off a resource that is no file.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::reservation::RESERVED_SECS_DEFAULT;
use crate::model::reservation::RESERVED_SECS_MAX;
use crate::model::reservation::Reservation;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::file;
use crate::ops::file::PATTERN_CHARS_MAX;
use crate::ops::file::PATTERNS_MAX;
use crate::ops::file::ReservationView;
use crate::ops::render;
use crate::ops::task::NOTE_CHARS_MAX;
use crate::ops::task::check_note;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveFiles {
    /// Paths, folders or globs (* ? **); @name is a resource that is no file
    #[schemars(length(min = 1, max = PATTERNS_MAX), inner(length(min = 1, max = PATTERN_CHARS_MAX)))]
    patterns: Vec<String>,
    /// Others may share it
    shared: Option<bool>,
    #[schemars(length(max = NOTE_CHARS_MAX))]
    reason: Option<String>,
    #[schemars(range(min = 1, max = RESERVED_SECS_MAX))]
    lease_secs: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Reserved {
    /// The first of them, if they are many.
    reservations: Vec<ReservationView>,
    count: usize,
}

impl Operation for ReserveFiles {
    const NAME: &'static str = "reserve_files";
    const ABOUT: &'static str = "Keep others from editing files for a while (an hour); all of them or none";
    const NOUN: Noun = Noun::Files;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["patterns"];
    type Output = Reserved;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Reserved> {
        check_note("reason", self.reason.as_deref())?;
        let secs = self.lease_secs.unwrap_or(RESERVED_SECS_DEFAULT);
        if !(1..=RESERVED_SECS_MAX).contains(&secs) {
            return Err(Error::invalid(format!("`lease_secs` must be between 1 and {RESERVED_SECS_MAX}")));
        }
        let me = caller.instance(tx)?;
        let mut patterns = file::team_patterns(&self.patterns, caller)?;
        self.patterns.iter().try_for_each(|pattern| file::must_be_the_teams_name("patterns", pattern, caller))?;
        patterns.sort();
        patterns.dedup();
        let now = tx.now();
        let shared = self.shared.unwrap_or(false);
        let held = file::reserved_now(tx)?;
        let (mine, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|one| one.holder == me.id);
        if let Some(other) = others.iter().find(|other| patterns.iter().any(|mine| other.excludes(mine, shared))) {
            return Err(file::refused(other, tx)?);
        }
        let others_of_mine = mine.iter().filter(|one| one.task.is_none() && !patterns.contains(&one.pattern)).count();
        if others_of_mine + patterns.len() > file::RESERVATIONS_OF_ONE_MAX {
            let most = file::RESERVATIONS_OF_ONE_MAX;
            return Err(Error::new(Kind::Refused, format!("you would have more than {most} reservations"))
                .hint("reserve folders rather than single files, and `release_files` what is no longer needed"));
        }
        let again = mine.iter().filter(|one| one.task.is_none() && patterns.contains(&one.pattern));
        for one in again.clone() {
            tx.remove_reservation(one.id)?;
        }
        file::check_room(mine.len() + others.len() - again.count(), patterns.len())?;
        let mut reservations = Vec::new();
        for pattern in &patterns {
            let mut reservation = Reservation {
                // Given by the store.
                id: 0,
                pattern: pattern.clone(),
                holder: me.id.clone(),
                task: None,
                shared,
                reason: self.reason.clone(),
                made_at: now.at,
                lease_until: now.tick.plus_secs(secs),
            };
            tx.insert_reservation(&mut reservation)?;
            reservations.push(ReservationView::of(reservation, tx)?);
        }
        let patterns: Vec<Value> = patterns.into_iter().map(Value::from).collect();
        tx.append_event(
            NewEvent::new("files.reserved", &me.id, Some(&me.id)).with("patterns", patterns).with("shared", shared),
        )?;
        let count = reservations.len();
        let (reservations, _) = render::fit(reservations, file::TOLD_BYTES);
        Ok(Reserved { reservations, count })
    }
}

impl Answer for Reserved {
    fn ids(&self) -> Vec<String> {
        self.reservations.iter().map(|one| one.id.to_string()).collect()
    }
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reservations.iter().try_for_each(|one| {
            let how = if one.shared { "shared" } else { "yours alone" };
            writeln!(f, "{} is {how} until {}", one.pattern, render::local(one.until))
        })?;
        match self.count - self.reservations.len() {
            0 => Ok(()),
            more => writeln!(f, "and {more} more: `list-reservations` shows them"),
        }
    }
}
