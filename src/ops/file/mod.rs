//! Files, and resources that are none, that somebody keeps to themselves for a while: reserve, release, list.

mod list;
mod release;
mod reserve;

pub use list::ListReservations;
pub use release::ReleaseFiles;
pub use reserve::ReserveFiles;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::glob;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::path::team_path;
use crate::model::reservation::Reservation;
use crate::model::reservation::is_resource;
use crate::model::task::RESERVES_MAX;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::ops::Caller;
use crate::ops::render;
use crate::ops::task::free_lapsed;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

pub(in crate::ops) const PATTERN_CHARS_MAX: usize = 512;
const PATTERNS_MAX: usize = 50;
/// More than a team needs: each is looked at when somebody reserves, and at each edit.
pub(in crate::ops) const RESERVATIONS_MAX: u32 = 2_000;
/// By hand: of what comes with tasks each claim has few.
const RESERVATIONS_OF_ONE_MAX: usize = 200;
const REASON_BYTES: usize = 300;
/// Whose name never shows.
const ANY_WORKTREE: &str = "/worktree";
/// Told one by one in an answer.
const TOLD_BYTES: usize = 12_000;

/// A reservation as callers see it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct ReservationView {
    pub id: u64,
    pub pattern: String,
    pub holder: InstanceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_name: Option<String>,
    /// With whose claim it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    pub shared: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub until: Timestamp,
}

impl ReservationView {
    fn of(reservation: Reservation, tx: &mut dyn Tx) -> Result<ReservationView> {
        let now = tx.now();
        Ok(ReservationView {
            id: reservation.id,
            holder_name: tx.instance(&reservation.holder)?.map(|holder| holder.name),
            pattern: reservation.pattern,
            holder: reservation.holder,
            task: reservation.task,
            shared: reservation.shared,
            reason: reservation.reason.map(|reason| render::short(&reason, REASON_BYTES)),
            until: now.wall_of(reservation.lease_until),
        })
    }

    fn holder(&self) -> &str {
        self.holder_name.as_deref().unwrap_or(self.holder.as_str())
    }
}

/// What one instance keeps by itself, and not with a task.
pub(in crate::ops) fn reserved_by(tx: &mut dyn Tx, holder: &InstanceId) -> Result<Vec<Reservation>> {
    let mut held = tx.reservations(tx.now().tick, 0, RESERVATIONS_MAX)?;
    held.retain(|one| one.holder == *holder && one.task.is_none());
    Ok(held)
}

/// All that is in the way of a write, with what lapsed taken back for good: whoever came back later would find it gone.
pub(in crate::ops) fn reserved_now(tx: &mut dyn Tx) -> Result<Vec<Reservation>> {
    free_lapsed(tx)?;
    tx.forget_lapsed_reservations(tx.now().tick)?;
    tx.reservations(Tick::from_millis(0), 0, RESERVATIONS_MAX)
}

pub(in crate::ops) fn check_room(held: usize, more: usize) -> Result<()> {
    match held + more > RESERVATIONS_MAX as usize {
        true => Err(Error::new(Kind::Refused, "there are too many reservations")
            .hint("reserve folders rather than single files, and `release_files` what is no longer needed")),
        false => Ok(()),
    }
}

/// What a task is to have to itself, as the whole team calls it, each once and in order.
pub(in crate::ops) fn of_task(reserves: &[String], caller: &Caller) -> Result<Vec<String>> {
    if reserves.len() > RESERVES_MAX {
        return Err(Error::invalid(format!("`reserves` may have {RESERVES_MAX} patterns, not {}", reserves.len()))
            .hint("reserve folders rather than single files"));
    }
    let mut patterns = Vec::new();
    for pattern in reserves {
        must_be_the_teams_name("reserves", pattern, caller)?;
        patterns.push(team_pattern("reserves", pattern, caller)?);
    }
    patterns.sort();
    patterns.dedup();
    Ok(patterns)
}

/// The patterns as the whole team calls them.
fn team_patterns(patterns: &[String], caller: &Caller) -> Result<Vec<String>> {
    if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
        return Err(Error::invalid(format!("`patterns` takes 1 to {PATTERNS_MAX} patterns, not {}", patterns.len())));
    }
    patterns.iter().map(|pattern| team_pattern("patterns", pattern, caller)).collect()
}

/// What lies below the worktree goes by other names than what lies outside: a pattern that is about both says neither.
fn team_pattern(field: &str, pattern: &str, caller: &Caller) -> Result<String> {
    if is_resource(pattern) {
        return Ok(pattern.to_owned());
    }
    if pattern == "@" {
        return Err(Error::new(Kind::Refused, format!("`{field}`: `@` is the beginning of a name, and none follows"))
            .hint("name the resource, as in `@staging-db`; a file of that name is `./@`"));
    }
    let named = team_name(field, pattern, caller)?;
    if is_resource(&named) {
        // Said as `./@x`, and meant as a folder: its name alone would be a resource.
        return Ok(format!("{named}/{}", glob::ANY_NAMES));
    }
    let Some(top) = caller.worktree.as_deref().and_then(|top| team_path(top, None, None)) else { return Ok(named) };
    if named == top {
        return Ok(glob::ANY_NAMES.to_owned());
    }
    if named.starts_with('/') && glob::overlap(&named, &top) {
        return Err(Error::invalid(format!(
            "`{field}`: `{pattern}` begins above the worktree `{top}` and covers files in it"
        ))
        .hint("give a path in it, such as `src`, or `**` for all of it"));
    }
    Ok(named)
}

/// A file that is there, however long its name is.
pub(in crate::ops) fn team_file(file: &str, caller: &Caller) -> Result<String> {
    named("file", file, caller)
}

pub(in crate::ops) fn team_name(field: &str, path: &str, caller: &Caller) -> Result<String> {
    if path.is_empty() || path.chars().count() > PATTERN_CHARS_MAX {
        return Err(Error::invalid(format!("`{field}` must have 1 to {PATTERN_CHARS_MAX} characters each"))
            .hint("give a path such as `src/main.rs`, a folder, or a pattern such as `src/**/*.rs`"));
    }
    named(field, path, caller)
}

fn named(field: &str, path: &str, caller: &Caller) -> Result<String> {
    // What they call a file who stand nowhere is what the team calls it.
    let is_team_path = stands_nowhere(caller) && !path.starts_with('/');
    let top = if is_team_path { Some(ANY_WORKTREE) } else { caller.worktree.as_deref() };
    let name = team_path(path, caller.work_dir.as_deref().or(top), top).ok_or_else(|| {
        Error::invalid(format!("`{field}`: `{path}` is relative, and it is not known to what"))
            .hint("give an absolute path")
    })?;
    match is_team_path && name.starts_with('/') {
        true if name == ANY_WORKTREE => Ok(glob::ANY_NAMES.to_owned()),
        true => Err(Error::invalid(format!("`{field}`: `{path}` begins above the top of the repository"))
            .hint("give a path in it, such as `src`, or `**` for all of it")),
        false => Ok(name),
    }
}

/// Whoever came through the door by themselves tells of no directory in which they work.
fn stands_nowhere(caller: &Caller) -> bool {
    caller.principal.is_some() && caller.work_dir.is_none() && caller.worktree.is_none()
}

/// An absolute path may lie in a worktree, where the team calls the file by another name: it would be kept from nobody, and
/// nobody found who keeps it. Only whoever tells where they work has that looked at.
fn must_be_the_teams_name(field: &str, path: &str, caller: &Caller) -> Result<()> {
    if !stands_nowhere(caller) || !path.starts_with('/') {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{field}`: `{path}` is absolute, and this call does not tell where its repository begins"
    ))
    .hint("give the path from the top of the repository, such as `src/main.rs`"))
}

/// What somebody keeps of that which a task wants to itself, and the name of who does. For those who only look.
pub(in crate::ops) fn kept_of(reserves: &[String], tx: &mut dyn Tx) -> Result<Option<(String, String)>> {
    if reserves.is_empty() {
        return Ok(None);
    }
    let held = tx.reservations(tx.now().tick, 0, RESERVATIONS_MAX)?;
    let other = held.into_iter().find(|one| reserves.iter().any(|pattern| one.excludes(pattern, false)));
    let Some(other) = other else { return Ok(None) };
    let name = tx.instance(&other.holder)?.map_or_else(|| other.holder.to_string(), |holder| holder.name);
    Ok(Some((other.pattern, name)))
}

/// Who keeps the files, how long still, and why: for whoever is refused.
pub(in crate::ops) fn standing_against(other: &Reservation, tx: &mut dyn Tx) -> Result<String> {
    let name = tx.instance(&other.holder)?.map_or_else(|| other.holder.to_string(), |holder| holder.name);
    let why = other.reason.as_deref().map(|reason| format!(": {}", render::one_line(reason, 120))).unwrap_or_default();
    let long = match other.task {
        Some(task) => format!("with {task}"),
        None => format!("for another {}", left(other, tx.now())),
    };
    Ok(format!("`{}` is reserved by {name} {long}{why}", other.pattern))
}

fn left(reservation: &Reservation, now: Now) -> String {
    let secs = reservation.lease_until.since(now.tick).max(0) / 1000;
    match secs {
        0..=90 => format!("{secs} seconds"),
        91..=5_400 => format!("{} minutes", (secs + 30) / 60),
        _ => format!("{} hours", (secs + 1_800) / 3_600),
    }
}

fn refused(other: &Reservation, tx: &mut dyn Tx) -> Result<Error> {
    let message = standing_against(other, tx)?;
    Ok(Error::new(Kind::Conflict, message).hint(
        "work on something else meanwhile, or ask for it with `send_message`; `list_reservations` shows them all",
    ))
}
