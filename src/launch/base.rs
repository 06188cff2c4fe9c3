//! Where the branch of a task begins: at the newest of what has landed, with the work of the tasks that it depends on.

use crate::error::Result;
use crate::launch::queue;
use crate::model::id::TaskId;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::holdings;
use crate::repo::holdings::named;
use crate::repo::trial;
use crate::repo::trial::Trial;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;

/// Nobody has to allow what is only built upon.
const GUARD: Guard = Guard { state_dir: None, allows_protected: true };

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// On which branch the work will land.
    pub target: String,
    /// A commit, or what names one.
    pub begins_at: String,
    /// Of the work that it depends on, what could not be brought along: a sentence for each.
    pub apart: Vec<String>,
}

/// A task that another one depends on, and the branches on which its work may be: the first that is there has it.
#[derive(Clone, Debug)]
pub struct Needed {
    pub task: TaskId,
    pub branches: Vec<String>,
}

impl Needed {
    /// The branch with its tip. `None` where all of it has landed, or nothing was ever there.
    fn found(&self, git: &Git) -> Result<Option<(&str, String)>> {
        for branch in &self.branches {
            if let Some(tip) = git.branch(branch)? {
                return Ok(Some((branch, tip)));
            }
        }
        Ok(None)
    }

    fn apart(&self, branch: &str, why: &str) -> String {
        format!(
            "The work of {}, on which this depends, is on `{branch}` and not on your branch{why}. Merge it first \
             (`git merge {branch}`) if you build upon it.",
            self.task
        )
    }
}

/// `said` is the branch on which the role, or the team, wants its work to land.
pub fn of(trees: &Trees, said: Option<&str>, needed: &[Needed]) -> Result<Base> {
    let git = trees.git();
    let target = match said {
        Some(said) => Some(said.to_owned()),
        None => trees.checked_out()?,
    };
    let Some(target) = target.filter(|target| git.branch(target).is_ok_and(|tip| tip.is_some())) else {
        let begins_at = said.unwrap_or("HEAD").to_owned();
        return Ok(Base { target: said.unwrap_or_default().to_owned(), begins_at, apart: Vec::new() });
    };
    let newest = queue::newest(trees, &target, &branch_of(LANDING))?;
    let mut base = Base { begins_at: git.branch_there(&newest)?, target, apart: Vec::new() };
    for one in needed {
        base.bring(&git, one)?;
    }
    Ok(base)
}

impl Base {
    fn bring(&mut self, git: &Git, needed: &Needed) -> Result<()> {
        let Some((branch, tip)) = needed.found(git)? else { return Ok(()) };
        if holdings::missing(git, &tip, &self.begins_at)?.is_empty() {
            return Ok(());
        }
        if git.is_so(&["merge-base", "--is-ancestor", &self.begins_at, &tip])? {
            self.begins_at = tip;
            return Ok(());
        }
        let why = match trial::land(git, &mut self.begins_at, &tip, &GUARD)? {
            Trial::Lands => return Ok(()),
            Trial::Conflicts(files) => format!(": it conflicts in {}", named(&files)),
            Trial::Protected(paths) => format!(": it touches {}", named(&paths)),
        };
        self.apart.push(needed.apart(branch, &why));
        Ok(())
    }

    /// The same for a branch that began before, and goes on where it stands.
    pub fn look_again(&mut self, git: &Git, own: &str, needed: &[Needed]) -> Result<()> {
        self.apart.clear();
        let Some(here) = git.branch(own)? else { return Ok(()) };
        for one in needed {
            if let Some((branch, tip)) = one.found(git)?
                && !holdings::missing(git, &tip, &here)?.is_empty()
            {
                self.apart.push(one.apart(branch, ""));
            }
        }
        Ok(())
    }
}
