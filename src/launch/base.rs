//! Where the branch of a task begins: at the newest of what has landed, with the work of the tasks that it depends on.

use crate::error::Result;
use crate::launch::queue;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::holdings;
use crate::repo::holdings::named;
use crate::repo::trial;
use crate::repo::trial::Trial;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;
use crate::repo::worktree::slug;
use serde_json::Value;

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

/// `said` is the branch on which the role, or the team, wants its work to land.
pub fn of(trees: &Trees, said: Option<&str>, task: &Value) -> Result<Base> {
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
    for needed in task["task"]["depends_on"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        base.bring(&git, needed)?;
    }
    Ok(base)
}

impl Base {
    fn bring(&mut self, git: &Git, task: &str) -> Result<()> {
        let branch = branch_of(&slug(task));
        let Some(tip) = git.branch(&branch)? else { return Ok(()) };
        if holdings::missing(git, &tip, &self.begins_at)?.is_empty() {
            return Ok(());
        }
        if git.is_so(&["merge-base", "--is-ancestor", &self.begins_at, &tip])? {
            self.begins_at = tip;
            return Ok(());
        }
        let why = match trial::land(git, &mut self.begins_at, &tip, &GUARD)? {
            Trial::Lands => return Ok(()),
            Trial::Conflicts(files) => format!("it conflicts in {}", named(&files)),
            Trial::Protected(paths) => format!("it touches {}", named(&paths)),
        };
        self.apart.push(format!(
            "The work of {task}, on which this depends, is on `{branch}` and not on your branch: {why}. Merge it first \
             (`git merge {branch}`) if you build upon it."
        ));
        Ok(())
    }
}
