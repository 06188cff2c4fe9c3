//! Where the branch of a task begins: at the newest of what has landed, with the work of the tasks that it depends on.

use crate::error::Result;
use crate::launch::queue;
use crate::model::id::TaskId;
use crate::repo::guarded::Guard;
use crate::repo::holdings;
use crate::repo::holdings::named;
use crate::repo::trial;
use crate::repo::trial::Trial;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::Made;
use crate::repo::worktree::PREFIX;
use crate::repo::worktree::Tree;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;

/// Whoever begins with settings or hooks that nobody looked at is decided about by whoever wrote them.
const GUARD: Guard = Guard { state_dir: None, allows_protected: false };

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// On which branch the work will land.
    pub target: String,
    /// A commit, or what names one.
    pub begins_at: String,
    /// The newest of what has landed.
    pub landed: String,
    /// Of the work that it depends on, what could not be brought along: a sentence for each.
    pub apart: Vec<String>,
    /// What is to be known of the repository: a sentence for each.
    pub notes: Vec<String>,
}

/// A task that another one depends on.
#[derive(Clone, Debug)]
pub struct Needed {
    pub task: TaskId,
    /// The branch that its evidence names.
    pub said: Option<String>,
    /// Who did it.
    pub by: Option<String>,
}

impl Needed {
    /// The first branch that may have it, with its tip. `None` where all of it has landed, or nothing was ever there. What another team
    /// made is called like the work of ours, and is not.
    fn found(&self, trees: &Trees) -> Result<Option<(String, String)>> {
        let of_task = self.said.clone().unwrap_or_else(|| branch_of(&trees.slug(&self.task.to_string())));
        let of_worker = self.by.as_ref().map(|name| branch_of(&trees.slug(name)));
        for branch in [of_task].into_iter().chain(of_worker) {
            let is_ours = branch.strip_prefix(PREFIX).is_some_and(|slug| trees.made_for(slug).is_ok());
            if let Some(tip) = trees.git().branch(&branch)?.filter(|_| is_ours) {
                return Ok(Some((branch, tip)));
            }
        }
        Ok(None)
    }

    fn apart(&self, branch: &str, why: &str) -> String {
        format!("{}{why}. Merge it first (`git merge {branch}`) if you build upon it.", self.is_apart(branch))
    }

    fn protected(&self, branch: &str, paths: &[String]) -> String {
        let is_apart = self.is_apart(branch);
        format!("{is_apart}: it touches {}, which a person has to look at and land first. Do without it.", named(paths))
    }

    fn is_apart(&self, branch: &str) -> String {
        format!("The work of {}, on which this depends, is on `{branch}` and not on your branch", self.task)
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
        let (landed, target) = (begins_at.clone(), said.unwrap_or_default().to_owned());
        return Ok(Base { target, begins_at, landed, apart: Vec::new(), notes: Vec::new() });
    };
    let newest = queue::newest(trees, &target, &branch_of(LANDING))?;
    let landed = git.branch_there(&newest)?;
    let mut base = Base { begins_at: landed.clone(), landed, target, apart: Vec::new(), notes: Vec::new() };
    for one in needed {
        base.bring(trees, one)?;
    }
    Ok(base)
}

impl Base {
    fn bring(&mut self, trees: &Trees, needed: &Needed) -> Result<()> {
        let Some((branch, tip)) = needed.found(trees)? else { return Ok(()) };
        let (git, branch) = (&trees.git(), branch.as_str());
        if holdings::missing(git, &tip, &self.begins_at)?.is_empty() {
            return Ok(());
        }
        let is_ahead = git.is_so(&["merge-base", "--is-ancestor", &self.begins_at, &tip])?;
        let mut with_it = self.begins_at.clone();
        self.apart.push(match trial::land(git, &mut with_it, &tip, &GUARD)? {
            Trial::Lands => {
                self.begins_at = if is_ahead { tip } else { with_it };
                return Ok(());
            }
            Trial::Conflicts(files) => needed.apart(branch, &format!(": it conflicts in {}", named(&files))),
            Trial::Protected(paths) => needed.protected(branch, &paths),
            Trial::Stuck(why) => needed.apart(branch, &format!(": git could not merge it ({why})")),
        });
        Ok(())
    }

    /// The worktree that is called so, where it is there already; else made here. Where git cannot check out what was brought
    /// along, it is made without.
    pub fn worktree(&mut self, trees: &Trees, name: &str, needed: &[Needed]) -> Result<Tree> {
        let (tree, why) = match trees.ready(name, &self.begins_at) {
            Err(_) if self.begins_at != self.landed => {
                self.begins_at.clone_from(&self.landed);
                (trees.ready(name, &self.begins_at)?, ": git could not check out a worktree with it")
            }
            tree => (tree?, ""),
        };
        if tree.made != Made::New || !why.is_empty() {
            self.look_again(trees, &tree.branch, needed, why)?;
        }
        Ok(tree)
    }

    /// The same for a branch that began before, and goes on where it stands.
    fn look_again(&mut self, trees: &Trees, own: &str, needed: &[Needed], why: &str) -> Result<()> {
        self.apart.clear();
        let git = &trees.git();
        let Some(here) = git.branch(own)? else { return Ok(()) };
        for one in needed {
            if let Some((branch, tip)) = one.found(trees)?
                && !holdings::missing(git, &tip, &here)?.is_empty()
            {
                let touched = GUARD.touched(git, &tip, &here)?;
                self.apart.push(match touched.is_empty() {
                    true => one.apart(&branch, why),
                    false => one.protected(&branch, &touched),
                });
            }
        }
        Ok(())
    }
}
