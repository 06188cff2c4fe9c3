//! A server elsewhere in the place of a store: is it reached, does it take the token, is it of our version?

use crate::cli::desk;
use crate::cli::doctor::Doctor;
use crate::cli::doctor::check::Check;
use crate::cli::doctor::place::said;
use crate::cli::doctor::store::call;
use crate::config::Server;
use crate::config::Source;
use crate::error::Error;
use crate::error::Kind;
use crate::host::Stopwatch;
use crate::ops::server::Examination;
use crate::remote::Patience;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

const SERVER: &str = "server";
const TOKEN: &str = "token";
const VERSION: &str = "version";

/// A server that takes longer is told from one that is not there all the same.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) fn checks(doctor: &Doctor, server: &Server) -> (Vec<Check>, Option<Examination>) {
    let url = server.url();
    let why = match doctor.config.server.source {
        Source::Flag(name) | Source::Variable(name) => name,
        Source::File(_) | Source::Default => "default",
    };
    let token = match doctor.config.token() {
        Ok(token) => token,
        Err(error) => return (vec![unusable(&error)], None),
    };
    let desk = match desk::elsewhere(&doctor.config, Patience::of(PATIENCE)) {
        Ok(Some(desk)) => desk,
        Ok(None) => return (Vec::new(), None),
        Err(error) => return (vec![Check::error(SERVER, said(&error))], None),
    };
    let began = Stopwatch::start();
    let reached = |ms: u128| Check::ok(SERVER, format!("{url} (by {why}), answers within {ms} ms"));
    let status = match call(&desk, "server_status", json!({})) {
        Ok(status) => status,
        Err(error) if matches!(error.kind, Kind::Unauthorized | Kind::Forbidden) => {
            let ms = began.so_far().as_millis();
            return (vec![reached(ms), Check::error(TOKEN, said(&error))], None);
        }
        Err(error) => {
            return (vec![Check::error(SERVER, said(&error)).fix("orch-mcp config")], None);
        }
    };
    let shown = match &token {
        Some(token) => format!("from {}, is good", token.from),
        None => "none is needed at this socket".to_owned(),
    };
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = status["version"].as_str().unwrap_or("unknown");
    let version = match theirs == ours {
        true => Check::ok(VERSION, format!("{ours}, here and there")),
        false => {
            let found = format!("{ours} here, {theirs} there: they may not understand each other's calls");
            Check::warning(VERSION, found).fix("cargo install --locked orch-mcp")
        }
    };
    let checks = vec![reached(began.so_far().as_millis()), Check::ok(TOKEN, shown), version];
    // Only a person's token may see it.
    let examination = call(&desk, "examine_team", json!({})).ok();
    (checks, examination.and_then(|found| Examination::deserialize(found).ok()))
}

/// A token that others can read is mended by the command that its error proposes.
fn unusable(error: &Error) -> Check {
    match error.hint.as_deref().filter(|hint| hint.starts_with("chmod ")) {
        Some(command) => Check::error(TOKEN, &error.message).fix(command),
        None => Check::error(TOKEN, said(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::LOOKS_WITHIN;

    #[test]
    fn there_is_time_left_to_say_so() {
        assert!(PATIENCE * 2 < LOOKS_WITHIN);
    }
}
