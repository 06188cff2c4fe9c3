//! Where the last landing put `orch/landing`: noted down, as whoever works in a worktree can move a branch.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;
use std::fs;
use std::io;
use std::path::Path;

/// The commits, a line each. While the branch is moved there are two: where it stood, and where it will stand.
const NOTE: &str = "landed";

/// The commit that `orch/landing` stands at, if a landing put it there.
pub fn tip(trees: &Trees) -> Result<Option<String>> {
    match trees.git().branch(&branch_of(LANDING))? {
        Some(tip) if is_noted(trees, &tip)? => Ok(Some(tip)),
        _ => Ok(None),
    }
}

pub(super) fn is_noted(trees: &Trees, commit: &str) -> Result<bool> {
    Ok(noted(trees)?.iter().any(|line| line == commit))
}

/// Where the last landing put it, wherever it is now.
pub(super) fn last(trees: &Trees) -> Result<Option<String>> {
    match noted(trees)?.pop() {
        Some(commit) => trees.git().commit(&commit),
        None => Ok(None),
    }
}

fn noted(trees: &Trees) -> Result<Vec<String>> {
    let path = trees.records()?.join(NOTE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(unusable(&path, &cause)),
    }
}

/// Whole or not at all.
pub(super) fn note(trees: &Trees, commits: &[&str]) -> Result<()> {
    let path = trees.records()?.join(NOTE);
    let new = path.with_extension("new");
    let text: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
    fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(|cause| unusable(&path, &cause))
}

fn unusable(path: &Path, cause: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("`{}` cannot be used: {cause}", path.display()))
}
