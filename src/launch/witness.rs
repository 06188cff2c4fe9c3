//! Who looks for the evidence of a task: in the worktree of the worker that did it, or where the session works that says so.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::keep::run::RunDir;
use crate::launch::repository::Known;
use crate::model::demand::Demand;
use crate::model::demand::Finding;
use crate::ops::evidence::Wanted;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::proof;
use crate::repo::proof::Claim;
use crate::repo::proof::Scene;
use crate::repo::worktree;
use crate::repo::worktree::Trees;
use crate::store::doorbell::Hangup;
use crate::store::place;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Shorter than the lease of a claim, and longer than most tests take.
pub const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Where what the commands said is kept, below the state directory.
pub const LOGS: &str = "evidence";

/// What the team's settings say of it.
#[derive(Clone, Debug)]
pub struct Ground {
    pub state_dir: PathBuf,
    pub check: Option<String>,
    pub target: Option<String>,
    pub patience: Duration,
    /// The repository that the task names, with a target and a check of its own.
    pub named: Option<Known>,
}

/// One finding for each demand. Where nothing can be looked at, none is met, and each says why.
pub fn look(wanted: &Wanted, ground: &Ground, hangup: &Hangup) -> Vec<Finding> {
    let scene = match scene(wanted, ground) {
        Ok(scene) => scene,
        Err(error) => return wanted.demands.iter().map(|one| Finding::not_met(one, error.message.clone())).collect(),
    };
    let named = if wanted.expected_outputs.is_empty() { &wanted.told.files } else { &wanted.expected_outputs };
    let claim = Claim { commit: wanted.told.commit.clone(), files: named.clone(), tests: wanted.told.tests.clone() };
    let found = proof::look(&scene, &wanted.demands, &claim, hangup);
    wanted.demands.iter().zip(found).map(|(demand, found)| told(demand, found)).collect()
}

fn told(demand: &Demand, found: proof::Finding) -> Finding {
    // What a command said last is what its caller has to know of its failure.
    let last = found.outcome.filter(|_| !found.is_met).map(|outcome| outcome.tail).unwrap_or_default();
    let last: Vec<&str> = last.lines().rev().take(5).collect();
    let said = match last.is_empty() {
        true => String::new(),
        false => format!("; last it said: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / ")),
    };
    Finding { demand: demand.clone(), is_met: found.is_met, why: format!("{}{said}", found.why), commit: found.commit }
}

fn scene(wanted: &Wanted, ground: &Ground) -> Result<Scene> {
    let dir = dir(wanted, ground)?;
    vouch_for(&dir)?;
    let Some(repository) = place::repository(&dir) else {
        return Err(Error::new(Kind::Refused, format!("`{}` is in no git repository", dir.display())));
    };
    // Of a worktree that we made: whatever is checked out there, only its own branch counts.
    let branch = match worktree::slug_at(&repository.top) {
        Some(slug) => worktree::branch_of(slug),
        None => {
            let said = wanted.branch.clone().or_else(|| wanted.told.branch.clone());
            said.map_or_else(|| checked_out(&repository.top), Ok)?
        }
    };
    let (target, tests) = match &ground.named {
        Some(known) if known.main != repository.main => return Err(done_elsewhere(known, &dir)),
        Some(known) => (known.repo.default_branch.clone(), known.check()),
        None => (ground.target.clone(), ground.check.clone()),
    };
    let target = target.map_or_else(|| checked_out(&repository.main), Ok)?;
    let logs = ground.state_dir.join(LOGS);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&logs)
        .map_err(|cause| Error::new(Kind::Unavailable, format!("cannot make `{}`: {cause}", logs.display())))?;
    let guard = Guard { state_dir: worktree::path_below(&repository.main, &ground.state_dir), ..Guard::default() };
    Ok(Scene {
        guard,
        worktree: repository.top,
        branch,
        target,
        tests,
        patience: ground.patience,
        log: logs.join(format!("{}.log", wanted.task)),
    })
}

fn done_elsewhere(known: &Known, dir: &Path) -> Error {
    let (name, main) = (&known.repo.name, known.main.display());
    let message = format!("it is about the repository {name} at `{main}`, and `{}` is not there", dir.display());
    Error::new(Kind::Refused, message)
}

/// Whoever works in a worktree of ours can put another repository in its place, in which there is all that was demanded.
fn vouch_for(dir: &Path) -> Result<()> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let tree = dir.ancestors().find(|dir| worktree::slug_at(dir).is_some());
    match tree.and_then(|tree| Some((tree, tree.ancestors().nth(3)?))) {
        Some((tree, main)) => Trees::of(main, None)?.vouch_for(tree),
        None => Ok(()),
    }
}

/// A worker is believed nothing of where it worked: we began its run there.
fn dir(wanted: &Wanted, ground: &Ground) -> Result<PathBuf> {
    if let Some((worker, number)) = &wanted.run {
        let start = RunDir::of(&ground.state_dir, worker, &number.to_string()).start();
        let cannot = |cause| Error::new(Kind::Unavailable, format!("nobody knows where `{worker}` works: {cause}"));
        return Ok(start.map_err(cannot)?.cwd);
    }
    let refused = |what: String| Err(Error::new(Kind::Refused, what));
    match wanted.work_dir.as_deref().map(Path::new) {
        Some(dir) if dir.is_absolute() && dir.is_dir() => Ok(dir.to_owned()),
        Some(dir) => refused(format!(
            "it is looked for on the machine of the store, where there is no directory `{}`",
            dir.display()
        )),
        None => {
            refused("nobody said in which directory it was done: `register_instance` with `work_dir` does".to_owned())
        }
    }
}

fn checked_out(top: &Path) -> Result<String> {
    let branch = Git::top(top).find(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    branch.ok_or_else(|| Error::new(Kind::Refused, format!("no branch is checked out in `{}`", top.display())))
}
