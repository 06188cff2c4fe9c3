//! What a session is about to run or write is held against the rules of safety before anything else is asked: by the words alone
//! and without the store, so that neither its trouble nor its absence lets anything through.

use crate::cli::hook::heard::Heard;
use crate::cli::hook::heard::Unheard;
use crate::cli::rules::Rules;
use crate::config::Config;
use crate::error::Error;
use crate::model::policy::COMMAND;
use crate::model::policy::RUNS_COMMANDS;
use crate::model::safety::Breach;
use std::path::Path;

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
    let rules = Rules::around(config, heard.path("cwd").or_else(|| config.claude.project.clone()));
    let breach = match (command, file) {
        (Some(command), _) => rules.judge(command),
        (None, Some(file)) => rules.judge_file(Path::new(file)),
        (None, None) => None,
    };
    breach.map(|breach| said(&breach, rules.trouble.as_ref()))
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

fn said(breach: &Breach, trouble: Option<&Error>) -> Verdict {
    let (decision, reason) = match breach.is_denied {
        true => ("deny", breach.refusal()),
        false => ("ask", breach.question()),
    };
    let trouble = trouble.map(|error| format!(" (The rules of this team cannot be read: {}.)", error.message));
    Verdict { decision, reason: reason + &trouble.unwrap_or_default() }
}
