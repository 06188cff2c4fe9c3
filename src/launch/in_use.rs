//! Who still needs a worktree: its task that is not over, its worker that is wanted, or a session that works in it.

use crate::error::Result;
use crate::host::Host;
use crate::keep::run;
use crate::keep::run::Standing;
use crate::launch::queue::About;
use crate::launch::team::Team;
use crate::launch::team::task_of;
use crate::launch::team::text;
use crate::model::task::State;
use crate::repo::worktree::Tree;
use crate::repo::worktree::Trees;
use crate::repo::worktree::slug;
use serde_json::Value;
use std::path::Path;

/// Everybody who may need one.
pub struct Users<'a> {
    pub team: &'a Team<'a>,
    pub host: &'a Host,
    pub state_dir: &'a Path,
    pub trees: &'a Trees,
    /// A task of another repository uses no worktree of this one, and says nothing of what is called like it.
    pub about: About<'a>,
}

impl Users<'_> {
    /// Why somebody needs it. Asked anew each time, as a worker may begin at any moment.
    pub fn of(&self, tree: &Tree) -> Option<String> {
        self.look(tree)
            .unwrap_or_else(|error| Some(format!("nobody could be asked whether it is used: {}", error.message)))
    }

    fn look(&self, tree: &Tree) -> Result<Option<String>> {
        if let Some(worker) = self.works_in(&tree.path) {
            return Ok(Some(format!("{worker} works in it")));
        }
        let name = match self.trees.made_for(&tree.slug) {
            Ok(name) => name,
            Err(foreign) => return Ok(Some(foreign)),
        };
        if let Some(task) = task_of(name) {
            return Ok(match self.team.task(task)? {
                None => Some(format!("{task} is no task of this team, so nobody here can say that it is over")),
                Some(told) if is_over(&told) => (self.about)(&told),
                Some(told) => Some(format!("{task} is {}", text(&told, "status"))),
            });
        }
        let workers = self.team.workers()?;
        let worker = workers.iter().find(|worker| slug(text(worker, "name")) == name);
        Ok(match worker {
            None => Some("no task and no worker of this team is called so".to_owned()),
            Some(worker) if worker["wanted"] == true => Some(format!("{} is wanted", text(worker, "name"))),
            Some(_) => None,
        })
    }

    /// The worker whose run goes on below that directory.
    fn works_in(&self, path: &Path) -> Option<String> {
        let is_there = |start: &run::Start| start.cwd.starts_with(path);
        let works = |run: &run::RunDir| match run.standing(self.host) {
            Ok(Standing::Runs(_) | Standing::Elsewhere(_)) => run.start().is_ok_and(|start| is_there(&start)),
            _ => false,
        };
        let mut all = run::all(self.state_dir).into_iter();
        all.find(|(_, runs)| runs.iter().any(|(_, run)| works(run))).map(|(worker, _)| worker)
    }
}

fn is_over(task: &Value) -> bool {
    let over = [State::Completed, State::Failed, State::Cancelled];
    over.iter().any(|state| state.word() == text(task, "status"))
}
