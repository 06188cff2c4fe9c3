//! What is mended without asking: only what any call would mend, and what nobody stands behind.

use crate::cli::desk;
use crate::cli::doctor::Doctor;
use crate::cli::doctor::check::counted;
use crate::cli::doctor::store::call;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::ops::server::Tidied;
use crate::store::doorbell;
use crate::store::open;
use crate::store::open::Looked;
use crate::store::place::Place;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

/// A log that is shorter than that is left to the next commits.
const LOG_WORTH_WRITING_BACK: u64 = 1_024 * 1_024;

/// Does all of it, and says what was done. What cannot be done is found by the checks that come after.
pub(super) fn all(doctor: &Doctor) -> Vec<String> {
    // What is elsewhere is mended there.
    let Some(place) = doctor.config.place().ok().filter(|_| doctor.config.server.value.is_none()) else {
        return Vec::new();
    };
    let mut done = Vec::new();
    for step in [close, hide, sweep, tidy, shorten] {
        match step(doctor, &place) {
            Ok(said) => done.extend(said),
            Err(error) => tracing::warn!("doctor: {error}"),
        }
    }
    done
}

fn close(_: &Doctor, place: &Place) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for open in place.open_to_others()? {
        if place.close(&open)? {
            done.push(format!("`{}` has mode {:04o} now, and had {:04o}", open.path.display(), open.wanted, open.mode));
        }
    }
    Ok(done)
}

fn hide(_: &Doctor, place: &Place) -> Result<Vec<String>> {
    if place.is_hidden_from_git() || place.check().is_err() {
        return Ok(Vec::new());
    }
    place.hide_from_git()?;
    Ok(vec!["git passes over the state directory again".to_owned()])
}

fn sweep(_: &Doctor, place: &Place) -> Result<Vec<String>> {
    let dir = place.doorbells();
    let dead = doorbell::dead(&dir).len();
    doorbell::sweep(&dir);
    let left = doorbell::dead(&dir).len();
    let gone = dead.saturating_sub(left);
    Ok(if gone > 0 { vec![format!("took down {}", counted(gone, "dead doorbell"))] } else { Vec::new() })
}

fn tidy(doctor: &Doctor, place: &Place) -> Result<Vec<String>> {
    if !is_sound(place)? {
        return Ok(Vec::new());
    }
    let desk = desk::local(&doctor.config, Host::System)?;
    let found = call(&desk, "examine_team", json!({}))?;
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    // Nothing is written where there is nothing to mend.
    if is_empty(&found["lapsed"]) && is_empty(&found["lost"]) {
        return Ok(Vec::new());
    }
    let grace = doctor.config.grace_secs.value;
    let Tidied { freed, ended } =
        Tidied::deserialize(call(&desk, "tidy_team", json!({ "grace_secs": grace }))?).map_err(Error::internal)?;
    let mut done = Vec::new();
    if !freed.is_empty() {
        let tasks: Vec<String> = freed.iter().map(ToString::to_string).collect();
        done.push(format!("took back {}: {}", counted(freed.len(), "lapsed claim"), tasks.join(", ")));
    }
    if !ended.is_empty() {
        let held = format!("what they hold waits for them another {grace} s");
        done.push(format!("ended {}: {}; {held}", counted(ended.len(), "lost session"), ended.join(", ")));
    }
    Ok(done)
}

fn shorten(doctor: &Doctor, place: &Place) -> Result<Vec<String>> {
    let before = place.log_bytes()?;
    if before < LOG_WORTH_WRITING_BACK || !is_sound(place)? {
        return Ok(Vec::new());
    }
    desk::local(&doctor.config, Host::System)?.write_back()?;
    let after = place.log_bytes()?;
    Ok(if after < before { vec!["wrote the log back into the store".to_owned()] } else { Vec::new() })
}

/// Nothing is written into a store that may be damaged, and none is made.
fn is_sound(place: &Place) -> Result<bool> {
    Ok(place.exists() && matches!(open::look(place.clone(), Host::System, Default::default())?, Looked::Store(_)))
}
