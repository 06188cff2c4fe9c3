//! Evidence of a task: what was demanded held against what is there. Looked at outside of any transaction, as it may take long.

use crate::error::Result;
use crate::model::demand::Demand;
use crate::model::glob;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::holdings::Status;
use crate::repo::holdings::named;
use crate::repo::shell;
use crate::repo::shell::Errand;
use crate::store::doorbell::Hangup;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// A commit is claimed by its number, as nothing else means the same tomorrow.
const COMMIT_DIGITS_MIN: usize = 7;
const COMMIT_DIGITS_MAX: usize = 64;

/// What whoever did the task says of it.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Without one the branch is looked at as it stands.
    pub commit: Option<String>,
    /// Files, or patterns, each of which was changed and is there.
    pub files: Vec<String>,
    /// How it was tested, in words.
    pub tests: Option<String>,
}

/// Where to look.
#[derive(Clone, Debug)]
pub struct Scene {
    pub worktree: PathBuf,
    pub branch: String,
    pub target: String,
    pub guard: Guard,
    /// The command that stands for the team's tests.
    pub tests: Option<String>,
    /// How long a command may take, and where what it says is kept.
    pub patience: Duration,
    pub log: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub is_met: bool,
    /// One sentence.
    pub why: String,
    /// The commit that shows it.
    pub commit: Option<String>,
    /// Of a command.
    pub outcome: Option<shell::Outcome>,
}

impl Finding {
    fn met(why: String) -> Finding {
        Finding { is_met: true, why, commit: None, outcome: None }
    }

    fn not_met(why: String) -> Finding {
        Finding { is_met: false, ..Finding::met(why) }
    }
}

/// One finding for each demand, in its order. What cannot be looked at is not met, and says why.
pub fn look(scene: &Scene, demands: &[Demand], claim: &Claim, hangup: &Hangup) -> Vec<Finding> {
    let judge = |demand: &Demand| match demand {
        Demand::Commit => commit(scene, claim),
        Demand::Files => files(scene, &claim.files, claim),
        Demand::Tests => match &scene.tests {
            Some(command) => check(scene, command, hangup),
            None => Ok(told_tests(claim)),
        },
        Demand::Check(command) => check(scene, command, hangup),
        Demand::Review => Ok(Finding::not_met("a review is told by its task, and not by files".to_owned())),
    };
    demands.iter().map(|demand| judge(demand).unwrap_or_else(|error| Finding::not_met(error.message))).collect()
}

/// Where the team has no command for it, somebody has to say at least what they ran.
fn told_tests(claim: &Claim) -> Finding {
    match claim.tests.as_deref().map(str::trim).filter(|told| !told.is_empty()) {
        Some(told) => Finding::met(format!("orch.toml names no `check`; whoever did it says: {told}")),
        None => Finding::not_met(
            "orch.toml names no `check` to run, and `evidence.tests` does not say what was run, and how it ended"
                .to_owned(),
        ),
    }
}

/// A commit that counts, or why none does.
enum Claimed {
    Commit(String),
    None(String),
}

fn commit(scene: &Scene, claim: &Claim) -> Result<Finding> {
    let git = Git::top(&scene.worktree);
    let commit = match claimed(&git, scene, claim)? {
        Claimed::Commit(commit) => commit,
        Claimed::None(why) => return Ok(Finding::not_met(why)),
    };
    let (short, Scene { branch, target, .. }) = (&commit[..12], scene);
    let tip = git.branch_there(target)?;
    if git.is_so(&["merge-base", "--is-ancestor", &commit, &tip])? {
        let why = format!(
            "`{short}` is in `{target}` already, so it shows no work of this task: it counts on a branch that is to land there"
        );
        return Ok(Finding::not_met(why));
    }
    let never = scene.guard.touched_never(&git, &commit, &tip)?;
    if !never.is_empty() {
        let why = format!(
            "`{short}` on `{branch}` touches {}, and can never land: take that out of its commits",
            named(&never)
        );
        return Ok(Finding::not_met(why));
    }
    Ok(match changed(&git, &tip, &commit)?.as_slice() {
        [] => Finding::not_met(format!("`{short}` is on `{branch}` and changes nothing against `{target}`")),
        files => {
            let why = format!("`{short}` is on `{branch}` and changes {} against `{target}`", named(files));
            Finding { commit: Some(commit), ..Finding::met(why) }
        }
    })
}

fn claimed(git: &Git, scene: &Scene, claim: &Claim) -> Result<Claimed> {
    let branch = &scene.branch;
    let tip = git.branch_there(branch)?;
    let Some(words) = &claim.commit else { return Ok(Claimed::Commit(tip)) };
    let is_number = (COMMIT_DIGITS_MIN..=COMMIT_DIGITS_MAX).contains(&words.len())
        && words.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_number {
        let words = words.escape_debug();
        return Ok(Claimed::None(format!(
            "`{words}` is no number of a commit: give at least {COMMIT_DIGITS_MIN} hex digits"
        )));
    }
    let Some(commit) = git.commit(words)? else {
        return Ok(Claimed::None(format!("there is no commit `{words}` in this repository, or more than one")));
    };
    match git.is_so(&["merge-base", "--is-ancestor", &commit, &tip])? {
        true => Ok(Claimed::Commit(commit)),
        false => Ok(Claimed::None(format!(
            "`{words}` is a commit, and not on the branch `{branch}`: `evidence.branch` names the one that it is on"
        ))),
    }
}

/// What lies between a commit and where it left the target.
fn changed(git: &Git, target: &str, commit: &str) -> Result<Vec<String>> {
    let base = git.find(&["merge-base", target, commit])?.unwrap_or_else(|| target.to_owned());
    let words = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv"];
    git.names(&[&words[..], &["--ignore-submodules=none", &base, commit]].concat())
}

/// Changed by a commit or not yet committed, and there.
fn files(scene: &Scene, patterns: &[String], claim: &Claim) -> Result<Finding> {
    if patterns.is_empty() {
        let why = "nobody named a file: `expected_outputs` of the task does, or `evidence.files` of its completion";
        return Ok(Finding::not_met(why.to_owned()));
    }
    let git = Git::top(&scene.worktree);
    let commit = match claimed(&git, scene, claim)? {
        Claimed::Commit(commit) => commit,
        Claimed::None(why) => return Ok(Finding::not_met(why)),
    };
    let tip = git.branch_there(&scene.target)?;
    let committed = changed(&git, &tip, &commit)?;
    let listed = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", &commit];
    let in_commit: HashSet<String> = git.names(&listed)?.into_iter().collect();
    let status = Status::of(&git)?;
    let untracked = git.names(&["ls-files", "--others", "--exclude-standard", "-z"])?;
    let open = [status.staged, status.changed, untracked].concat();
    let in_worktree = |file: &String| is_below(&scene.worktree, file);
    let there: Vec<&String> = committed
        .iter()
        .filter(|file| in_commit.contains(*file))
        .chain(open.iter().filter(|file| in_worktree(file)))
        .collect();
    let is_there = |pattern: &&String| there.iter().any(|file| glob::covers(pattern, file));
    let missing: Vec<String> = patterns.iter().filter(|pattern| !is_there(pattern)).cloned().collect();
    let target = &scene.target;
    Ok(match missing.as_slice() {
        [] => Finding::met(format!("{} is there and changed against `{target}`", named(patterns))),
        missing => Finding::not_met(format!("not there, or not changed against `{target}`: {}", named(missing))),
    })
}

/// Git's own names lead nowhere else; a link may stand for a file, and where it leads is not asked.
fn is_below(worktree: &Path, file: &str) -> bool {
    worktree.join(file).symlink_metadata().is_ok()
}

fn check(scene: &Scene, command: &str, hangup: &Hangup) -> Result<Finding> {
    let before = Status::of(&Git::top(&scene.worktree))?.not_committed();
    let errand = &Errand { command: command.to_owned(), patience: scene.patience, log: scene.log.clone() };
    let outcome = shell::run(errand, &scene.worktree, hangup, &mut |_| {})?;
    let with = match before.as_slice() {
        [] => String::new(),
        changes => format!(", with changes in the worktree that are not committed: {}", named(changes)),
    };
    let why = format!("`{}` {outcome}{with}", errand.command.escape_debug());
    Ok(Finding { is_met: outcome.passed(), outcome: Some(outcome), ..Finding::met(why) })
}
