//! A branch that could not land becomes a task for somebody who mends it: once for each state that it is in.

use crate::error::Kind;
use crate::error::Result;
use crate::launch::queue;
use crate::launch::queue::Queued;
use crate::launch::team::Team;
use crate::launch::team::task_of;
use crate::launch::team::text;
use crate::model::digest::digest;
use crate::model::task::State;
use crate::ops::render;
use crate::repo::holdings;
use crate::repo::land::Failure;
use crate::repo::land::Outcome;
use crate::repo::worktree::Trees;
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
    /// The name of the repository, where it is not the team's own.
    pub repo: Option<&'a str>,
}

#[derive(Debug)]
pub struct Opened {
    pub task: String,
    pub status: String,
    /// Nobody had opened it before.
    pub is_new: bool,
}

/// `None` where nothing is to be mended in the branch itself.
pub fn open(
    team: &Team,
    trees: &Trees,
    queued: &Queued,
    landing: &Landing,
    outcome: &Outcome,
) -> Result<Option<Opened>> {
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
        Outcome::Landed { .. }
        | Outcome::AlreadyThere
        | Outcome::NoBranch
        | Outcome::Protected(_)
        | Outcome::Stuck(_)
        | Outcome::TargetFails(_) => return Ok(None),
    };
    let kind = if files.is_empty() { "check" } else { "conflict" };
    let mark = format!("land-{:016x}", digest(&format!("{} {} {} {kind}", landing.target, queued.branch, queued.tip)));
    let (before, open) = opened(team, trees, queued, &mark)?;
    if open.is_some() {
        return Ok(open);
    }
    let title = if before == 0 { title } else { format!("{title} ({})", before + 1) };
    let mut arguments = task(queued, landing, &title, &what, files, &mark);
    arguments["idempotency_key"] = format!("{mark}-{}", before + 1).into();
    match team.ask("push_task", arguments) {
        Ok(pushed) => Ok(Some(of(&pushed["task"], true))),
        // Somebody else landed at the same moment, and found the check to take a little longer.
        Err(error) if error.kind == Kind::Conflict => Ok(opened(team, trees, queued, &mark)?.1),
        Err(error) => Err(error),
    }
}

fn task(queued: &Queued, landing: &Landing, title: &str, what: &str, files: Vec<String>, mark: &str) -> Value {
    let Queued { branch, task, role, .. } = queued;
    let whose = match task {
        Some(task) => format!("the work of {task} ({})", queued.title),
        None => "finished work".to_owned(),
    };
    let Landing { target, newest, check, repo } = landing;
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
        "context_files": files, "parent": task, "role": role, "repo": repo, "branch": branch, "labels": ["landing", mark],
        "evidence": ["commit"],
    })
}

/// How many there were, and the one of which something may still come.
fn opened(team: &Team, trees: &Trees, queued: &Queued, mark: &str) -> Result<(usize, Option<Opened>)> {
    let found = team.every("list_tasks", json!({ "label": mark }), "tasks")?;
    for task in &found {
        if !is_dead_end(team, trees, queued, task)? {
            return Ok((found.len(), Some(of(task, false))));
        }
    }
    Ok((found.len(), None))
}

/// Whoever completed it has not brought the branch along that was to be mended.
fn is_dead_end(team: &Team, trees: &Trees, queued: &Queued, task: &Value) -> Result<bool> {
    let Some(id) = task_of(text(task, "id")).filter(|_| text(task, "status") == State::Completed.word()) else {
        return Ok(false);
    };
    let git = trees.git();
    let told = team.task(id)?.unwrap_or_default();
    match git.branch(&queue::branch_of_task(trees, id, &told))? {
        Some(tip) => Ok(!holdings::missing(&git, &queued.tip, &tip)?.is_empty()),
        None => Ok(true),
    }
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
