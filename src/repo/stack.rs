//! One branch put upon a commit, by rebase or merge, in the worktree of the landing; the branch itself stays where it is.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::repo::conflict;
use crate::repo::conflict::Conflict;
use crate::repo::git::Answer;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::holdings;
use std::fs;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A branch with merges of its own is merged all the same: to flatten it would ask for its conflicts once more.
    Rebase,
    Merge,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// At this commit.
    On(String),
    /// All of it is there already.
    Nothing,
    Conflict(Conflict),
    /// What would come of it differs in these, which nobody has allowed.
    Protected(Vec<String>),
    /// Git cannot put it on, and says why.
    Stuck(String),
}

/// A branch and the commit at which it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub name: String,
    pub tip: String,
}

/// The worktree in which it happens, and what keeps a branch out.
pub struct Site<'a> {
    pub git: &'a Git,
    pub guard: &'a Guard,
    pub records: &'a Path,
}

/// `onto_name` is what people call `onto`.
pub fn put(site: &Site, branch: &Branch, onto: &str, onto_name: &str, how: How) -> Result<Put> {
    let git = site.git;
    if holdings::unmerged(git, &branch.tip, onto)?.is_empty() {
        return Ok(Put::Nothing);
    }
    let merges = git.ask(&["rev-list", "--merges", "--max-count=1", &format!("{onto}..{}", branch.tip)])?;
    let answer = match how == How::Rebase && merges.is_empty() {
        true => rebase(git, branch, onto)?,
        false => merge(git, branch, onto)?,
    };
    if answer.is_yes() {
        let commit = git.ask(&["rev-parse", "HEAD"])?;
        let differing = site.guard.differing(git, onto, &commit)?;
        return Ok(match differing.is_empty() {
            _ if commit == onto => Put::Nothing,
            true => Put::On(commit),
            false => Put::Protected(differing),
        });
    }
    let found = conflict::look(git, &branch.name, onto_name)?;
    take_back(site)?;
    Ok(found.map_or_else(|| Put::Stuck(answer.complaint().to_owned()), Put::Conflict))
}

fn rebase(git: &Git, branch: &Branch, onto: &str) -> Result<Answer> {
    // What cannot even be checked out is as it is because of the branch.
    let answer = git.attempt(&["checkout", "--quiet", "--detach", &branch.tip])?;
    if !answer.is_yes() {
        return Ok(answer);
    }
    // Other branches that stand at one of these commits are left alone, whatever the settings say.
    let mut words = vec!["rebase", "--quiet", "--no-update-refs", "--no-fork-point", "--no-stat", "--empty=drop"];
    if holdings::has_look_alike(git, &branch.tip, onto)? {
        // It would be left out, as git passes by blanks.
        words.push("--reapply-cherry-picks");
    }
    words.push(onto);
    git.attempt(&words)
}

fn merge(git: &Git, branch: &Branch, onto: &str) -> Result<Answer> {
    git.make(&["checkout", "--quiet", "--detach", onto])?;
    let message = format!("Merge branch '{}'", branch.name);
    git.attempt(&["merge", "--quiet", "--no-ff", "--no-edit", "--no-stat", "-m", &message, &branch.tip])
}

/// As clean as it was made, but for what git ignores: that makes the next check faster. What was not finished is given up.
pub fn take_back(site: &Site) -> Result<()> {
    // Left by a git that was killed: nobody else works here, and whoever does holds the lock of the landing.
    for lock in ["index.lock", "HEAD.lock"] {
        let _ = fs::remove_file(site.records.join(lock));
    }
    for (sign, operation) in [
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
    ] {
        // Half written down, it cannot be aborted, only forgotten.
        if site.records.join(sign).exists() && !site.git.attempt(&[operation, "--abort"])?.is_yes() {
            site.git.attempt(&[operation, "--quit"])?;
        }
    }
    site.git.make(&["reset", "--quiet", "--hard"])?;
    site.git.make(&["clean", "--quiet", "-ffd"])?;
    match holdings::under_way(site.records).as_slice() {
        [] => Ok(()),
        left => {
            let message = format!("`{}` still has {} under way", site.git.dir().display(), left.join(", "));
            Err(Error::new(Kind::Unavailable, message).hint("end it there by hand, then try again"))
        }
    }
}
