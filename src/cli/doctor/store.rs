//! What stands in the store, and whether it is whole: asked through the store's own module, and changing nothing.

use crate::cli::doctor::Doctor;
use crate::cli::doctor::check::Check;
use crate::cli::doctor::check::counted;
use crate::cli::doctor::place::said;
use crate::cli::setup::quoted;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::server::Examination;
use crate::ops::server::NewestSession;
use crate::ops::table;
use crate::store::Options;
use crate::store::Soundness;
use crate::store::doorbell::Hangup;
use crate::store::open;
use crate::store::open::Looked;
use crate::store::place::Place;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

/// Clocks of one machine agree better than that; a clock that is set moves by more.
const CLOCK_DIFFERS_MS: i64 = 2_000;

/// Without these a session does not join, hear of its mail, or go on with what it holds.
const HOOKS_NEEDED: [&str; 4] = ["SessionStart", "UserPromptSubmit", "PostToolBatch", "Stop"];

const STORE: &str = "store";
const SCHEMA: &str = "schema";
const CLAIMS: &str = "claims";
const SESSIONS: &str = "sessions";
const CLOCK: &str = "clock";
const HOOKS: &str = "hooks seen";

/// The checks of a store, and what was found in it.
pub(super) fn checks(doctor: &Doctor, place: &Place, patience: Duration) -> (Vec<Check>, Option<Examination>) {
    if !place.exists() {
        return (vec![Check::ok(STORE, "nothing is kept yet")], None);
    }
    let store = match open::look(place.clone(), Host::System, Options::default()) {
        Ok(Looked::Store(store)) => store,
        Ok(Looked::Behind { schema }) => {
            let found = format!("{schema}, and this program writes {}: the next command brings it on", open::SCHEMA);
            return (vec![Check::warning(SCHEMA, found).fix(doctor.command("server-status"))], None);
        }
        Err(error) => return (vec![refused(place, &error)], None),
    };
    let desk = LocalDesk::new(store);
    let mut checks = vec![
        match desk.soundness(patience) {
            Ok(soundness) => sound(place, &soundness),
            Err(error) => refused(place, &error),
        },
        Check::ok(SCHEMA, format!("{}, which this program writes", open::SCHEMA)),
    ];
    match examine(&desk) {
        Ok(examination) => {
            checks.extend([claims(doctor, &examination), sessions(doctor, &examination), clock(&examination)]);
            (checks, Some(examination))
        }
        Err(error) => {
            checks.push(refused(place, &error));
            (checks, None)
        }
    }
}

fn examine(desk: &LocalDesk) -> Result<Examination> {
    Examination::deserialize(call(desk, "examine_team", json!({}))?).map_err(Error::internal)
}

/// In nobody's name: that somebody looks proves nothing about anybody.
pub(super) fn call(desk: &dyn Desk, operation: &str, arguments: Value) -> Result<Value> {
    let request = table::own_request(operation, arguments)?;
    Ok(desk.execute(&request, &Caller::anonymous(Host::System), &Hangup::new())?.data)
}

fn refused(place: &Place, error: &Error) -> Check {
    let check = Check::error(STORE, said(error));
    if error.message.contains("damaged") {
        return check.fix(move_away(place));
    }
    if error.message.contains("has schema") {
        return check.fix("cargo install --locked orch-mcp");
    }
    check
}

fn move_away(place: &Place) -> String {
    let dir = place.dir().to_string_lossy();
    format!("mv {} {}", quoted(&dir), quoted(&format!("{dir}.damaged")))
}

fn sound(place: &Place, soundness: &Soundness) -> Check {
    match soundness {
        Soundness::Sound => Check::ok(STORE, "whole"),
        Soundness::NotTold => Check::note(STORE, "no damage seen, but there was too much to look at all of it"),
        Soundness::Damaged(faults) => {
            let found = format!("damaged: {}; restore a backup, or begin a new one", faults.join("; "));
            Check::error(STORE, found).fix(move_away(place))
        }
    }
}

fn claims(doctor: &Doctor, found: &Examination) -> Check {
    let Some(first) = found.lapsed.first() else { return Check::ok(CLAIMS, "none has lapsed") };
    let by = first.holder.as_ref().map(|holder| format!(", held by {holder}")).unwrap_or_default();
    let more = if found.lapsed.len() > 1 { " and others" } else { "" };
    let what = counted(found.lapsed.len(), "claim");
    let found =
        format!("{what} lapsed, such as {} at {}{by}{more}: the next claim frees them", first.task, first.lapsed_at);
    Check::warning(CLAIMS, found).fix(doctor.mending())
}

fn sessions(doctor: &Doctor, found: &Examination) -> Check {
    if found.lost.is_empty() {
        return Check::ok(SESSIONS, "none is lost");
    }
    let held: usize = found.lost.iter().map(|lost| lost.holds.len()).sum();
    let names: Vec<&str> = found.lost.iter().take(5).map(|lost| lost.name.as_str()).collect();
    let what = counted(found.lost.len(), "session");
    let holding = if held > 0 { format!(", and they hold {}", counted(held, "task")) } else { String::new() };
    let found = format!("{what} ended without a word ({}){holding}", names.join(", "));
    Check::warning(SESSIONS, found).fix(doctor.mending())
}

fn clock(found: &Examination) -> Check {
    let seconds = |millis: i64| millis / 1_000;
    if found.wall_behind_ms > CLOCK_DIFFERS_MS {
        let behind = seconds(found.wall_behind_ms);
        let text = format!("the clock is {behind} s behind the newest event: times that are shown will mislead");
        return Check::warning(CLOCK, text).fix(if cfg!(target_os = "macos") {
            "sudo sntp -sS time.apple.com"
        } else {
            "sudo timedatectl set-ntp true"
        });
    }
    if found.leases_behind_ms > CLOCK_DIFFERS_MS {
        let behind = seconds(found.leases_behind_ms);
        let text = format!("the lease clock is {behind} s behind a renewal, as if the state came from another machine");
        return Check::warning(CLOCK, text);
    }
    Check::ok(CLOCK, "not before the newest event; leases count on")
}

/// Have the hooks spoken? `wired`: files or a plugin say that they should.
pub(super) fn hooks(newest: Option<&NewestSession>, wired: bool) -> Check {
    let Some(newest) = newest else {
        return match wired {
            true => Check::ok(HOOKS, "no session yet"),
            false => Check::note(HOOKS, "no hooks are wired, so sessions register themselves").fix(SETUP),
        };
    };
    let missing: Vec<&str> =
        HOOKS_NEEDED.into_iter().filter(|needed| !newest.hooks.iter().any(|seen| seen == needed)).collect();
    let name = &newest.name;
    if missing.is_empty() {
        return Check::ok(HOOKS, format!("all that are needed, in the session of {name}"));
    }
    let never = missing.join(", ");
    if newest.hooks.is_empty() {
        let found = format!("none in the session of {name}, the last that was seen: one begun before `setup` has none");
        let check = if wired { Check::warning(HOOKS, found) } else { Check::note(HOOKS, found) };
        return check.fix(if wired { "claude --continue" } else { SETUP });
    }
    if missing.contains(&"SessionStart") {
        let found = format!("never {never} in the session of {name}: one begun before `setup` tells only some");
        return Check::warning(HOOKS, found).fix("claude --continue");
    }
    Check::note(HOOKS, format!("no {never} in the session of {name} yet, as it should be before its first tool call"))
}

const SETUP: &str = "orch-mcp setup claude-code";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::Activity;

    fn newest(hooks: &[&str]) -> NewestSession {
        let hooks = hooks.iter().map(|hook| (*hook).to_owned()).collect();
        NewestSession { name: "amy".to_owned(), activity: Activity::Idle, hooks }
    }

    #[test]
    fn hooks_that_never_spoke_are_named() {
        let told = |hooks: &[&str], wired| {
            let check = hooks_of(hooks, wired);
            (check.verdict.word(), check.found)
        };
        assert_eq!(told(&HOOKS_NEEDED, true).0, "ok");
        assert_eq!(told(&[], true).0, "warning");
        assert_eq!(told(&[], false).0, "note");
        let (verdict, found) = told(&["SessionStart"], true);
        assert_eq!(verdict, "note");
        assert!(found.contains("UserPromptSubmit, PostToolBatch, Stop"), "{found}");
        let (verdict, found) = told(&["Stop"], true);
        assert_eq!(verdict, "warning");
        assert!(found.contains("before `setup`"), "{found}");
        assert_eq!(hooks(None, true).verdict.word(), "ok");
        assert_eq!(hooks(None, false).fix.as_deref(), Some(SETUP));
    }

    fn hooks_of(seen: &[&str], wired: bool) -> Check {
        hooks(Some(&newest(seen)), wired)
    }

    #[test]
    fn clocks_that_went_back_are_told() {
        let told = |wall_behind_ms, leases_behind_ms| {
            clock(&Examination { wall_behind_ms, leases_behind_ms, ..Examination::default() })
        };
        assert_eq!(told(CLOCK_DIFFERS_MS, CLOCK_DIFFERS_MS).verdict.word(), "ok");
        assert!(told(60_000, 0).found.contains("60 s behind the newest event"));
        assert!(told(0, 60_000).found.contains("lease clock"));
    }

    #[test]
    fn damage_is_moved_away_and_never_mended() {
        let place = Place::at("/a b/state");
        let check = sound(&place, &Soundness::Damaged(vec!["page 3".to_owned()]));
        assert_eq!(check.verdict.word(), "error");
        assert_eq!(check.fix.as_deref(), Some("mv '/a b/state' '/a b/state.damaged'"));
        assert_eq!(sound(&place, &Soundness::NotTold).verdict.word(), "note");
    }
}
