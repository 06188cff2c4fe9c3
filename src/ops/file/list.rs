//! `list_reservations`: who keeps which files.

use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::file;
use crate::ops::file::PATTERN_CHARS_MAX;
use crate::ops::file::ReservationView;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 50;
const CURSOR_BYTES: usize = 100;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListReservations {
    /// Only those that cover this file
    #[schemars(length(min = 1, max = PATTERN_CHARS_MAX))]
    file: Option<String>,
    limit: Option<u32>,
    cursor: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct ReservationList {
    reservations: Vec<ReservationView>,
    total: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<u64>,
}

impl Operation for ListReservations {
    const NAME: &'static str = "list_reservations";
    const ABOUT: &'static str = "Who keeps which files, and until when";
    const NOUN: Noun = Noun::Files;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["file"];
    type Output = ReservationList;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<ReservationList> {
        let file = self.file.as_deref().map(|file| file::team_name("file", file, caller)).transpose()?;
        self.file.iter().try_for_each(|file| file::must_be_the_teams_name("file", file, caller))?;
        let mut found = tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?;
        found.retain(|one| file.as_ref().is_none_or(|file| one.covers(file)));
        let total = found.len();
        found.retain(|one| self.cursor.is_none_or(|cursor| one.id > cursor));
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        let views = found.into_iter().map(|one| ReservationView::of(one, tx)).collect::<Result<Vec<_>>>()?;
        let (reservations, cut) = render::fit(views, render::ANSWER_BYTES_MAX - CURSOR_BYTES);
        let cursor = reservations.last().filter(|_| more || cut).map(|last| last.id);
        Ok(ReservationList { reservations, total, cursor })
    }
}

impl Answer for ReservationList {
    fn ids(&self) -> Vec<String> {
        self.reservations.iter().map(|one| one.id.to_string()).collect()
    }
}

impl fmt::Display for ReservationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reservations.is_empty() {
            return writeln!(f, "nobody has reserved anything");
        }
        let row = |one: &ReservationView| {
            [
                one.pattern.clone(),
                one.holder().to_owned(),
                if one.shared { "shared" } else { "alone" }.to_owned(),
                render::local(one.until),
                one.reason.clone().unwrap_or_default(),
            ]
        };
        let rows: Vec<_> = self.reservations.iter().map(row).collect();
        render::table(f, ["FILES", "HOLDER", "HOW", "UNTIL", "WHY"], &rows)?;
        match &self.cursor {
            Some(cursor) => writeln!(f, "{} of {}; go on with --cursor {cursor}", self.reservations.len(), self.total),
            None => Ok(()),
        }
    }
}
