//! A branch that could not land becomes a task for somebody who mends it: once for each state that it is in.

use crate::error::Kind;
use crate::error::Result;
use crate::launch::queue::Queued;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::digest::digest;
use crate::ops::render;
use crate::repo::land::Failure;
use crate::repo::land::Outcome;
use serde_json::Value;
use serde_json::json;

/// Whoever mends it has the branches for the rest.
const DESCRIPTION_BYTES: usize = 16 << 10;

/// Where it was to land.
pub struct Landing<'a> {
    pub target: &'a str,
    /// The branch that has all that landed: the target, or the one that waits beside it.
    pub newest: &'a str,
    pub check: Option<&'a str>,
}

#[derive(Debug)]
pub struct Opened {
    pub task: String,
    pub status: String,
    /// Nobody had opened it before.
    pub is_new: bool,
}

/// `None` where nothing is to be mended in the branch itself.
pub fn open(team: &Team, queued: &Queued, landing: &Landing, outcome: &Outcome) -> Result<Option<Opened>> {
    let (title, what, files) = match outcome {
        Outcome::Conflict(conflict) => (
            format!("Resolve the conflict of {} with {}", queued.branch, landing.target),
            format!("so that both sides keep what they are for.\n\n{conflict}"),
            conflict.files.iter().map(|file| file.path.clone()).collect(),
        ),
        Outcome::Failed(failure) => (
            format!("Mend {}: with it the check fails", queued.branch),
            format!("so that the check passes.\n\n{}", check_failed(failure, landing.check.unwrap_or_default())),
            Vec::new(),
        ),
        Outcome::Landed { .. } | Outcome::AlreadyThere | Outcome::NoBranch | Outcome::TargetFails(_) => {
            return Ok(None);
        }
    };
    let kind = if files.is_empty() { "check" } else { "conflict" };
    let mark = format!("land-{:016x}", digest(&format!("{} {} {} {kind}", landing.target, queued.branch, queued.tip)));
    if let Some(opened) = opened(team, &mark)? {
        return Ok(Some(opened));
    }
    let arguments = task(queued, landing, &title, &what, files, &mark);
    match team.ask("push_task", arguments) {
        Ok(pushed) => Ok(Some(of(&pushed["task"], true))),
        // Somebody else landed at the same moment, and found the check to take a little longer.
        Err(error) if error.kind == Kind::Conflict => opened(team, &mark),
        Err(error) => Err(error),
    }
}

fn task(queued: &Queued, landing: &Landing, title: &str, what: &str, files: Vec<String>, mark: &str) -> Value {
    let Queued { branch, task, role, .. } = queued;
    let whose = match task {
        Some(task) => format!("the work of {task} ({})", queued.title),
        None => "finished work".to_owned(),
    };
    let Landing { target, newest, check } = landing;
    let description = format!(
        "`{branch}` holds {whose} and did not land on `{target}`. On a branch of your own: `git merge {newest}` (what has landed), \
         `git merge {branch}`, then mend it {what}"
    );
    let mut acceptance =
        vec![format!("Your branch holds all of `{newest}` and all of `{branch}`, merged and committed")];
    acceptance.extend(check.map(|check| format!("`{check}` passes there")));
    acceptance.push("Complete it with the branch in the evidence: `orch-mcp land` then lands both".to_owned());
    json!({
        "title": title, "description": render::short(&description, DESCRIPTION_BYTES), "acceptance": acceptance,
        "context_files": files, "parent": task, "role": role, "branch": branch, "labels": ["landing", mark],
        "idempotency_key": mark,
    })
}

fn opened(team: &Team, mark: &str) -> Result<Option<Opened>> {
    let found = team.ask("list_tasks", json!({ "label": mark, "limit": 1 }))?;
    Ok(found["tasks"].as_array().and_then(|tasks| tasks.first()).map(|task| of(task, false)))
}

fn of(task: &Value, is_new: bool) -> Opened {
    Opened { task: text(task, "id").to_owned(), status: text(task, "status").to_owned(), is_new }
}

fn check_failed(failure: &Failure, check: &str) -> String {
    let only = match failure.only_with.as_slice() {
        [] => String::new(),
        with => format!(", only together with `{}`, which landed", with.join("`, `")),
    };
    format!("`{check}` {}{only}:\n\n{}", failure.check, failure.check.tail)
}
