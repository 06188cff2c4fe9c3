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

/// The files that differ since `before`, and those that are not committed yet.
pub fn since(root: &Path, before: Option<&str>, now: &Look) -> Vec<String> {
    let mut files: BTreeSet<String> = now.open.iter().cloned().collect();
    if let (Some(before), Some(commit)) = (before, &now.commit) {
        let words = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv"];
        // The commit of before may be gone, if history was written anew.
        let differ = Git::top(root).names(&[&words[..], &[before, commit]].concat());
        files.extend(differ.unwrap_or_default());
    }
    files.into_iter().collect()
}
