//! What changed in the main worktree since somebody was told last, as git knows it.

use crate::error::Result;
use crate::model::digest::digest;
use crate::repo::git::Git;
use crate::repo::holdings::Status;
use crate::repo::worktree::Trees;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// How it stands at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub commit: Option<String>,
    /// Of the commit and of all that is not committed: alike while nothing changes.
    pub print: String,
    /// What is not committed, and not ignored.
    open: Vec<String>,
}

pub fn main_worktree(work_dir: &Path) -> Result<Option<PathBuf>> {
    let all = Trees::of(work_dir, None)?.all()?;
    Ok(all.into_iter().next().map(|main| main.path).filter(|main| main.join(".git").exists()))
}

pub fn look(root: &Path) -> Result<Look> {
    let git = Git::top(root);
    let commit = git.commit("HEAD")?;
    let mut open = Status::of(&git)?.not_committed();
    open.sort();
    let mut told = format!("{commit:?}");
    for file in &open {
        let about = root.join(file).symlink_metadata();
        let about = about.map(|about| (about.len(), about.mtime(), about.mtime_nsec())).ok();
        told.push_str(&format!("\n{file:?} {about:?}"));
    }
    Ok(Look { commit, print: format!("{:016x}", digest(&told)), open })
}

/// The files that differ since `before`, and those that are not committed yet. `own`: from where to where commits reach of
/// whoever is told, which are no news to them.
pub fn since(root: &Path, before: Option<&str>, now: &Look, own: &[(String, String)]) -> Vec<String> {
    let mut files: BTreeSet<String> = now.open.iter().cloned().collect();
    if let (Some(before), Some(commit)) = (before, &now.commit) {
        let git = Git::top(root);
        // The commit of before may be gone, if history was written anew.
        let mut differ = names(&git, &[before, commit]);
        if let Some(others) = of_others(&git, before, commit, own) {
            let by_others: BTreeSet<String> =
                others.iter().flat_map(|one| names(&git, &["--root", "-c", one])).collect();
            differ.retain(|file| by_others.contains(file));
        }
        files.extend(differ);
    }
    files.into_iter().collect()
}

fn names(git: &Git, what: &[&str]) -> Vec<String> {
    let words =
        ["diff-tree", "-r", "-z", "--no-commit-id", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv"];
    git.names(&[&words[..], what].concat()).unwrap_or_default()
}

/// The commits since `before` that others made; nothing where all of them are.
fn of_others(git: &Git, before: &str, commit: &str, own: &[(String, String)]) -> Option<Vec<String>> {
    let commits = |from: &str, to: &str| git.lines(&["rev-list", to, &format!("^{from}")]).unwrap_or_default();
    let mut all = if own.is_empty() { Vec::new() } else { commits(before, commit) };
    let count = all.len();
    for (from, to) in own {
        // Most landed long ago.
        if all.contains(to) {
            let own = commits(from, to);
            all.retain(|one| !own.contains(one));
        }
    }
    (all.len() < count).then_some(all)
}
