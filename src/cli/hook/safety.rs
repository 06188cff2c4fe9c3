//! What a session is about to run or write is held against the rules of safety before anything else is asked: by the words alone
//! and without the store, so that neither its trouble nor its absence lets anything through.

use crate::cli::hook::heard::Heard;
use crate::cli::hook::heard::Unheard;
use crate::cli::true_path::true_path;
use crate::config::Config;
use crate::error::Error;
use crate::error::Result;
use crate::model::policy::COMMAND;
use crate::model::policy::RUNS_COMMANDS;
use crate::model::safety::At;
use crate::model::safety::Breach;
use crate::model::safety::Safety;
use crate::store::place;
use std::path::Path;
use std::path::PathBuf;

/// The decision of a hook, with its reason.
pub(super) struct Verdict {
    pub(super) decision: &'static str,
    pub(super) reason: String,
}

/// `None` where the rules have nothing against it, or bind nobody here.
pub(super) fn verdict(config: &Config, heard: &Heard) -> Option<Verdict> {
    let input = heard.get("tool_input")?;
    let text = |field: &str| input.get(field).and_then(|value| value.as_str());
    let tool = heard.text("tool_name").unwrap_or_default();
    let command = text(COMMAND).filter(|_| RUNS_COMMANDS.contains(&tool));
    let file = text("file_path").or_else(|| text("notebook_path"));
    let is_unsaid = command.is_none() && RUNS_COMMANDS.contains(&tool);
    if command.or(file).is_none() && !is_unsaid || !binds(config) {
        return None;
    }
    if is_unsaid {
        return Some(not_known(config, &format!("`{tool}` was given no text to run")));
    }
    let (safety, trouble) = match rules(config) {
        Ok(safety) => (safety, None),
        Err(error) => (Safety::unread(), Some(error)),
    };
    let state = config.place().ok().map(|place| true_path(place.dir()));
    let dir = heard.path("cwd").or_else(|| config.claude.project.clone());
    let tops = tops(config, dir.as_deref());
    let tops: Vec<&str> = tops.iter().map(String::as_str).collect();
    let at = At {
        dir: dir.as_deref().and_then(Path::to_str),
        tops: &tops,
        home: config.home(),
        state: state.as_deref().and_then(Path::to_str),
        is_worker: config.is_of_run(),
    };
    let breach = match (command, file) {
        (Some(command), _) => safety.judge(command, &at),
        (None, Some(file)) => judge_file(&safety, &dir.clone().unwrap_or_default().join(file), &at),
        (None, None) => None,
    };
    breach.map(|breach| said(&breach, trouble.as_ref()))
}

/// What is to be done nobody heard. `None` where the rules bind nobody.
pub(super) fn unheard(config: &Config, unheard: Unheard) -> Option<Verdict> {
    binds(config).then(|| not_known(config, &format!("what the client told of it could not be read: {unheard}")))
}

fn not_known(config: &Config, why: &str) -> Verdict {
    let reason = format!("no rule of safety could be held against this, as {why}.");
    match config.is_of_run() {
        true => Verdict { decision: "deny", reason: format!("{reason} Try it again, in fewer or plainer words.") },
        false => Verdict { decision: "ask", reason },
    }
}

/// Whoever takes part in a team: what orch-mcp started, and the sessions in a repository that has one.
fn binds(config: &Config) -> bool {
    let is_of_a_team = || config.place().is_ok_and(|place| place.exists()) && config.is_in_repository();
    config.is_of_run() || config.asks_to_join() || is_of_a_team()
}

fn rules(config: &Config) -> Result<Safety> {
    config.safety(&config.file()?)
}

/// The worktree around the session, and the main one.
fn tops(config: &Config, dir: Option<&Path>) -> Vec<String> {
    let around = [dir, config.surroundings().cwd].into_iter().flatten().filter_map(place::repository);
    let mut tops: Vec<String> =
        around.flat_map(|found| [found.top, found.main]).filter_map(|top| top.to_str().map(str::to_owned)).collect();
    tops.dedup();
    tops
}

/// A new file overwrites nothing, but may say how sessions work.
fn judge_file(safety: &Safety, named: &Path, at: &At) -> Option<Breach> {
    let ways = [named.to_owned(), true_path(named)];
    if let Some(breach) = ways.iter().find_map(|path| safety.judge_own(path.to_str()?, at)) {
        return Some(breach);
    }
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    ways.iter().filter(|path| is_there(path)).find_map(|path| safety.judge_file(path.to_str()?, at))
}

fn said(breach: &Breach, trouble: Option<&Error>) -> Verdict {
    let (decision, reason) = match breach.is_denied {
        true => ("deny", breach.refusal()),
        false => ("ask", breach.question()),
    };
    let trouble = trouble.map(|error| format!(" (The rules of this team cannot be read: {}.)", error.message));
    Verdict { decision, reason: reason + &trouble.unwrap_or_default() }
}
