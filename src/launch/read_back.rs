//! What a session left in its files is done for it: its question is asked, its result completes its task.

use crate::error::Result;
use crate::launch::outcome::Outcome;
use crate::launch::papers::Papers;
use crate::launch::team::Team;
use crate::model::worker::End;
use crate::model::worker::Worker;
use crate::repo::git::Git;
use crate::repo::worktree::PREFIX;
use crate::repo::worktree::Trees;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

/// As the worker, and by the same operations as it would have called. What is refused hands its task back, with the reason.
/// `None` after a hang-up: whoever comes next does it.
pub fn carry_out(
    team: &Team,
    worker: &Worker,
    run: u64,
    papers: &Papers,
    mut outcome: Outcome,
    hangup: &Hangup,
) -> Option<Outcome> {
    let Some(task) = outcome.task else { return Some(outcome) };
    let me = worker.instance.as_ref().map(ToString::to_string).unwrap_or_default();
    let refused = match (outcome.asks.take(), outcome.completes.take()) {
        (Some(question), _) => {
            // Whoever takes over from a supervisor that was killed right here asks nothing twice.
            let once = format!("{} {run} asked by a file", worker.name);
            let words = json!({ "instance_id": me, "question": question, "task_id": task, "idempotency_key": once });
            let asked = team.ask("ask_human", words);
            if asked.is_ok() {
                papers.question_is_asked();
            }
            asked.err()
        }
        (None, Some(result)) => {
            let mut words = json!({ "instance_id": me, "task_id": task, "result": result });
            if let Ok(Some(evidence)) = evidence(papers.dir()) {
                words["evidence"] = evidence;
            }
            let completed = team.ask_unless(hangup, "complete_task", words);
            outcome.completed = completed.is_ok();
            completed.err()
        }
        (None, None) => None,
    };
    if hangup.is_hung_up() && refused.is_some() {
        return None;
    }
    if let Some(error) = refused {
        let reason = format!("what {} left in a file was refused: {}", worker.name, error.message);
        outcome.end = End::Badly { reason: reason.clone() };
        outcome.forget = true;
        outcome.hands_back = Some(("release_task", reason));
    }
    Some(outcome)
}

/// What its worktree shows: its branch, and its commit if that is none of the user's own.
fn evidence(dir: &Path) -> Result<Option<Value>> {
    let git = Git::top(dir);
    let branch = git.find(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    let Some(branch) = branch.filter(|branch| branch.starts_with(PREFIX)) else { return Ok(None) };
    let mut evidence = json!({ "branch": branch });
    let target = Trees::of(dir, None)?.checked_out()?;
    if let (Some(commit), Some(target)) = (git.commit("HEAD")?, target)
        && !git.is_so(&["merge-base", "--is-ancestor", &commit, &git.branch_there(&target)?])?
    {
        evidence["commit"] = commit.into();
    }
    Ok(Some(evidence))
}
