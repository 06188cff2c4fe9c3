//! What each event of a session leads to, and what the session is told of it.

use crate::claude::event::Event;
use crate::claude::frame;
use crate::claude::transcript;
use crate::cli::hook::work::Work;
use crate::cli::setup::quoted;
use crate::cli::true_path::true_path;
use crate::error::Result;
use crate::model::safe;
use crate::model::session::Activity;
use crate::ops::Caller;
use crate::store::place;
use serde_json::Value;
use serde_json::json;
use std::borrow::Cow;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

/// What the client gives the model is no longer than this; the rest it would put into a file.
const CONTEXT_CHARS_MAX: usize = 9_500;

/// What was cut off counts as handed out.
const CUT: &str =
    "\n(Cut off here. poll_messages with `all` set has the rest of the mail, claim_task what is assigned to you.)";

/// What a hook says to its client.
pub struct Said {
    pub json: Value,
    /// Whose mail it is, which counts as handed out only once it is printed.
    pub mail_of: Option<String>,
}

impl Said {
    fn context(event: Event, text: &str) -> Said {
        let text = for_model(text);
        let text = within(text.trim_end(), CONTEXT_CHARS_MAX);
        let json = json!({ "hookSpecificOutput": { "hookEventName": event.name(), "additionalContext": text } });
        Said { json, mail_of: None }
    }

    /// About a tool that is to be used.
    pub fn decision(event: Event, decision: &str, reason: &str) -> Said {
        let json = json!({ "hookSpecificOutput": {
            "hookEventName": event.name(),
            "permissionDecision": decision,
            "permissionDecisionReason": format!("orch-mcp: {}", for_model(reason)),
        } });
        Said { json, mail_of: None }
    }
}

/// The text, or as much of its beginning as leaves room for saying where the rest is.
fn within(text: &str, chars: usize) -> Cow<'_, str> {
    if text.chars().nth(chars).is_none() {
        return Cow::Borrowed(text);
    }
    let room = chars - CUT.chars().count();
    Cow::Owned(text.chars().take(room).chain(CUT.chars()).collect())
}

/// What others wrote stands in there: it can neither steer a terminal nor leave the frame that the client gives it.
fn for_model(text: &str) -> String {
    frame::kept_within(&safe::for_people(text))
}

pub fn take(work: &Work) -> Result<Option<Said>> {
    // An agent under the session sees nothing of its mail and ends nothing for it.
    let is_own = !work.heard.is_of_subagent();
    match work.event {
        Event::SessionStart if is_own => session_start(work),
        Event::UserPromptSubmit | Event::PostToolBatch if is_own => news(work),
        Event::PreToolUse => edit(work),
        Event::Stop if is_own => stop(work),
        Event::StopFailure if is_own => stop_failure(work),
        Event::Notification if is_own => notification(work),
        Event::PreCompact if is_own => pre_compact(work),
        Event::SubagentStart | Event::SubagentStop => subagent(work),
        Event::SessionEnd if is_own => session_end(work),
        _ => Ok(None),
    }
}

fn session_start(work: &Work) -> Result<Option<Said>> {
    if !work.may_join && !is_known(work)? {
        return Ok(None);
    }
    let source = work.heard.text("source").unwrap_or("startup");
    let wish = &work.wish;
    let name = wish.name.as_ref().or(work.config.instance.value.as_ref());
    let transcript = work.heard.path("transcript_path");
    let joins = json!({ "source": source, "name": name, "role": wish.role, "transcript": transcript });
    let reply = work.call("join_session", joins)?;
    if let (Some(file), Some(id)) = (&work.config.claude.env_file, reply.data["instance"].as_str())
        && let Err(error) = export(file, &for_shells(work, id))
    {
        tracing::warn!("hook: cannot write to `{}`: {error}", file.display());
    }
    Ok(reply.data["brief"].as_str().map(|brief| Said::context(work.event, brief)))
}

/// Does the store know this session, also where nothing else says that it takes part?
fn is_known(work: &Work) -> Result<bool> {
    let reply = work.call("server_status", json!({}))?;
    Ok(reply.data["you"].is_string())
}

/// Every shell of the session says by itself who calls, and asks where the session does.
fn for_shells(work: &Work, id: &str) -> String {
    let who = ("ORCH_INSTANCE", id.to_owned());
    let all = [who].into_iter().chain(work.config.variables_of_server());
    all.map(|(name, value)| format!("export {name}={}\n", quoted(&value))).collect()
}

fn export(file: &Path, lines: &str) -> io::Result<()> {
    let before = fs::read(file).unwrap_or_default();
    if before.ends_with(lines.as_bytes()) {
        return Ok(());
    }
    // What another hook wrote may lack its end.
    let end = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(format!("{end}{lines}").as_bytes())
}

fn news(work: &Work) -> Result<Option<Said>> {
    let reply = work.call("take_news", json!({}))?;
    let nothing = |list: &str| reply.data[list].as_array().is_none_or(Vec::is_empty);
    if nothing("messages") && nothing("tasks") {
        return Ok(None);
    }
    let said = Said::context(work.event, &reply.text());
    Ok(Some(Said { mail_of: reply.data["instance"].as_str().map(str::to_owned), ..said }))
}

fn edit(work: &Work) -> Result<Option<Said>> {
    let input = work.heard.get("tool_input");
    let named = ["file_path", "notebook_path"].iter().find_map(|field| input?.get(*field)?.as_str());
    let Some(named) = named else { return Ok(None) };
    let dir = work.heard.path("cwd").or_else(|| work.config.claude.project.clone()).unwrap_or_default();
    let named = dir.join(named);
    let file = true_path(&named);
    // Somebody may have reserved it by a way that leads over a link, as it is named now.
    let other_name = Some(named).filter(|named| *named != file);
    for file in [Some(file), other_name].into_iter().flatten() {
        if let Some(reason) = refused(work, &file)? {
            return Ok(Some(Said::decision(work.event, "deny", &reason)));
        }
    }
    Ok(None)
}

fn refused(work: &Work, file: &Path) -> Result<Option<String>> {
    let project = work.config.surroundings().cwd.map(true_path);
    let worktree = worktree_of(file, project.as_deref()).and_then(|top| top.to_str().map(str::to_owned));
    let Some(file) = file.to_str() else { return Ok(None) };
    let caller = Caller { worktree, ..work.caller.clone() };
    let reply = work.call_as(&caller, "may_edit", json!({ "file": file }), &Default::default())?;
    Ok(reply.data["refused"].as_str().map(str::to_owned))
}

/// The worktree from which the team tells the file: another one of the project's repository, if it lies there. A file of another
/// repository is none of this one, though it may have the same name there.
fn worktree_of(file: &Path, project: Option<&Path>) -> Option<PathBuf> {
    let ours = project.and_then(place::repository)?;
    let around = file.parent().and_then(place::repository).filter(|around| around.main == ours.main);
    Some(around.unwrap_or(ours).top)
}

fn stop(work: &Work) -> Result<Option<Said>> {
    let in_background = work.heard.get("background_tasks").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    let reply = work.call("stop_session", json!({ "in_background": in_background }))?;
    Ok(reply.data["go_on"]
        .as_str()
        .map(|reason| Said { json: json!({ "decision": "block", "reason": for_model(reason) }), mail_of: None }))
}

fn note(work: &Work, activity: Activity, detail: Option<&str>) -> Result<Option<Said>> {
    work.call("note_session", json!({ "activity": activity.word(), "detail": detail }))?;
    Ok(None)
}

fn stop_failure(work: &Work) -> Result<Option<Said>> {
    let error = work.heard.text("error").unwrap_or("error");
    let is_limit = ["rate_limit", "usage_limit", "billing", "quota"].iter().any(|word| error.contains(word));
    let detail = match work.heard.text("last_assistant_message") {
        Some(words) => format!("{error}: {words}"),
        None => error.to_owned(),
    };
    note(work, if is_limit { Activity::Limited } else { Activity::Failed }, Some(&detail))
}

fn notification(work: &Work) -> Result<Option<Said>> {
    let message = work.heard.text("message");
    match work.heard.text("notification_type") {
        Some("permission_prompt" | "elicitation_dialog" | "worker_permission_prompt") => {
            note(work, Activity::NeedsInput, message)
        }
        Some("idle_prompt") => note(work, Activity::Idle, None),
        _ => Ok(None),
    }
}

fn pre_compact(work: &Work) -> Result<Option<Said>> {
    let words = work.heard.path("transcript_path").and_then(|path| transcript::last_words(&path));
    let trigger = work.heard.text("trigger").unwrap_or("auto");
    let note = match words {
        Some(words) => format!("the session was compacted ({trigger}); its last words: {words}"),
        None => format!("the session was compacted ({trigger})"),
    };
    work.call("keep_progress", json!({ "note": note }))?;
    Ok(None)
}

fn subagent(work: &Work) -> Result<Option<Said>> {
    let Some(id) = work.heard.text("agent_id") else { return Ok(None) };
    let ended = work.event == Event::SubagentStop;
    let kind = work.heard.text("agent_type");
    work.call("note_session", json!({ "subagent": id, "subagent_kind": kind, "subagent_ended": ended }))?;
    Ok(None)
}

fn session_end(work: &Work) -> Result<Option<Said>> {
    // The client goes on at once with a new session, which tells so itself.
    if work.heard.text("reason") != Some("clear") {
        work.call("end_session", json!({ "grace_secs": work.config.grace_secs.value }))?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_said_to_be() {
        assert_eq!(within("zwölf", 5), "zwölf");
        let long = "ö".repeat(200);
        let cut = within(&long, 199);
        assert_eq!(cut.chars().count(), 199);
        assert!(cut.starts_with('ö') && cut.ends_with(CUT));
    }
}
