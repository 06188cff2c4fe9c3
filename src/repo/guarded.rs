//! What no branch brings in: the state directory of the team, and, unless somebody allows it, what decides about workers.

use crate::error::Result;
use crate::model::policy::is_protected_path;
use crate::repo::git::Git;
use crate::repo::holdings;
use std::collections::BTreeSet;

/// The name of every state directory that nobody gave another place.
const STATE_DIR: &str = ".orch";

/// Looked at by one call of git.
const COMMITS_PER_CALL: usize = 200;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Where the state directory is, from the top of the checkout, if it lies there.
    pub state_dir: Option<String>,
    /// A person has said that these branches may change what is protected.
    pub allows_protected: bool,
}

impl Guard {
    /// The paths that commits of `tip` touch which have not arrived in `onto`, and which keep them from landing. One that is
    /// put in and taken out again counts: whoever goes back to that commit has it.
    pub fn touched(&self, git: &Git, tip: &str, onto: &str) -> Result<Vec<String>> {
        Ok(paths(git, tip, onto)?.into_iter().filter(|path| self.holds(path)).collect())
    }

    /// The paths in which a result differs from what it was made of, and which keep it from landing. Commits alone do not tell:
    /// what `base` once had and took back comes again by one that has long arrived.
    pub fn differing(&self, git: &Git, base: &str, result: &str) -> Result<Vec<String>> {
        let words =
            ["diff-tree", "-r", "--name-only", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "-z"];
        let paths = git.names(&[&words[..], &[base, result]].concat())?;
        Ok(paths.into_iter().filter(|path| self.holds(path)).collect())
    }

    /// Those that nobody can allow.
    pub fn touched_never(&self, git: &Git, tip: &str, onto: &str) -> Result<Vec<String>> {
        Ok(paths(git, tip, onto)?.into_iter().filter(|path| self.is_never(path)).collect())
    }

    fn holds(&self, path: &str) -> bool {
        self.is_never(path) || !self.allows_protected && is_protected_path(path)
    }

    /// In small letters, as there are disks that tell no other.
    pub fn is_never(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        let is_below = |dir: &String| path.strip_prefix(&dir.to_lowercase()).is_some_and(is_end);
        path.split('/').any(|name| name == STATE_DIR) || self.state_dir.as_ref().is_some_and(is_below)
    }
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

fn paths(git: &Git, tip: &str, onto: &str) -> Result<BTreeSet<String>> {
    let commits = holdings::missing(git, tip, onto)?;
    let mut found = BTreeSet::new();
    for some in commits.chunks(COMMITS_PER_CALL) {
        // Of a merge, what it says beyond its sides: these are looked at by themselves, or have arrived.
        let words = ["log", "--no-walk", "--cc", "--root", "--name-only", "--no-renames", "--no-ext-diff", "-z"];
        // Whatever `.gitmodules` says of one is said by whoever brings it.
        let words = words.into_iter().chain(["--ignore-submodules=none", "--format="]);
        let words: Vec<&str> = words.chain(some.iter().map(String::as_str)).chain(["--"]).collect();
        found.extend(git.names(&words)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_known_wherever_it_is_and_however_it_is_spelled() {
        let guard = Guard { state_dir: Some("var/Team".to_owned()), allows_protected: true };
        for path in [
            ".orch/orch.db",
            ".ORCH",
            "sub/.Orch/roles/x.md",
            ".orch/pipelines/chain.toml",
            "var/team/orch.db",
            "VAR/TEAM",
        ] {
            assert!(guard.is_never(path), "{path}");
        }
        for path in [".orchard/x", "var/teams/x", "team/x", "x.orch", "orch.toml"] {
            assert!(!guard.is_never(path), "{path}");
        }
    }
}
