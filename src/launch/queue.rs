//! Which branches are finished, and in which order they land: a task's once it is completed, a worker's own while it holds
//! no task.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::launch::team::Team;
use crate::launch::team::task_of;
use crate::launch::team::text;
use crate::model::id::TaskId;
use crate::model::task::State;
use crate::repo::cleanup;
use crate::repo::git::Git;
use crate::repo::holdings;
use crate::repo::holdings::Status;
use crate::repo::holdings::named;
use crate::repo::landed;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::PREFIX;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;
use crate::repo::worktree::slug;
use serde_json::Value;

/// A branch that may land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    pub branch: String,
    pub tip: String,
    /// Whose work it is; the branch of a worker holds that of many.
    pub task: Option<TaskId>,
    pub title: String,
    pub role: Option<String>,
    /// Those that have not arrived.
    pub commits: usize,
    /// Where all have: whether it ever had one of its own.
    pub had_commits: bool,
    /// Where all have: what its worktree holds that is in no commit.
    pub left: Vec<String>,
}

impl Queued {
    /// What is to be said of one of which every commit has arrived.
    pub fn when_there(&self) -> (&'static str, Option<String>) {
        let left = named(&self.left);
        match (self.had_commits, self.left.is_empty()) {
            (true, true) => ("already_there", None),
            (true, false) => ("already_there", Some(format!("its worktree holds what is in no commit: {left}"))),
            (false, true) => ("no_commits", None),
            (false, false) => ("nothing_committed", Some(format!("all of its work is in no commit: {left}"))),
        }
    }
}

#[derive(Debug, Default)]
pub struct Queue {
    pub ready: Vec<Queued>,
    /// Branches that wait, and for what.
    pub waiting: Vec<(String, String)>,
}

/// Says why the work of a task is none of this repository, where that is so.
pub type About<'a> = &'a dyn Fn(&Value) -> Option<String>;

/// What may land of all that is there.
pub fn finished(team: &Team, trees: &Trees, target: &str, about: About) -> Result<Queue> {
    let git = trees.git();
    let workers = team.workers()?;
    let mut queue = Queue::default();
    let mut ready: Vec<(String, Queued)> = Vec::new();
    for branch in git.lines(&["for-each-ref", "--format=%(refname:lstrip=2)", &format!("refs/heads/{PREFIX}")])? {
        let name = branch.strip_prefix(PREFIX).unwrap_or_default().to_owned();
        if name == LANDING {
            continue;
        }
        let name = match trees.made_for(&name) {
            Ok(name) => name.to_owned(),
            Err(foreign) => {
                queue.waiting.push((branch, foreign));
                continue;
            }
        };
        let task = match task_of(&name) {
            Some(task) => team.task(task)?.map(|told| (task, told)),
            None => None,
        };
        let elsewhere = task.as_ref().and_then(|(_, told)| about(told));
        match elsewhere.or_else(|| waits_for(task.as_ref().map(|(_, told)| told), worker_of(&workers, &name))) {
            Some(why) => queue.waiting.push((branch, why)),
            None => {
                let finished_at = task.as_ref().map_or("~", |(_, told)| text(told, "finished_at")).to_owned();
                let role = worker_of(&workers, &name).map(|worker| text(worker, "role").to_owned());
                let queued = queued(trees, target, branch, task)?;
                ready.push((finished_at, Queued { role: queued.role.clone().or(role), ..queued }));
            }
        }
    }
    // What was finished first lands first: what was built upon it comes later. Workers' own come last.
    ready.sort_by(|(one_at, one), (other_at, other)| (one_at, &one.branch).cmp(&(other_at, &other.branch)));
    queue.ready = ready.into_iter().map(|(_, queued)| queued).collect();
    Ok(queue)
}

/// The branches of these tasks, in this order. One that is not finished is refused.
pub fn of_tasks(team: &Team, trees: &Trees, target: &str, tasks: &[TaskId], about: About) -> Result<Queue> {
    let workers = team.workers()?;
    let mut queue = Queue::default();
    for task in tasks {
        let told = team.task(*task)?.ok_or_else(|| Error::not_found(format!("there is no task `{task}`")))?;
        if let Some(why) = about(&told) {
            return Err(Error::new(Kind::Refused, format!("the work of {task} is not here: {why}")));
        }
        let branch = branch_of_task(trees, *task, &told);
        let slug = branch.strip_prefix(PREFIX).unwrap_or_default();
        let name = trees
            .made_for(slug)
            .map_err(|why| Error::new(Kind::Refused, format!("`{branch}` does not land: {why}")))?;
        let name = name.to_owned();
        // Nobody vouches for the work of others by naming their branch.
        let other = task_of(&name).filter(|other| other != task);
        let others = match other {
            Some(other) => {
                team.task(other)?.map_or(Some(format!("there is no task {other}")), |told| waits_for(Some(&told), None))
            }
            None => None,
        };
        // The branch of its worker may hold another task by now.
        let worker = worker_of(&workers, &name).filter(|worker| text(worker, "task_id") != task.to_string());
        if let Some(why) = waits_for(Some(&told), None).or(others).or_else(|| waits_for(Some(&told), worker)) {
            let error = Error::new(Kind::Refused, format!("`{branch}` is not finished: {why}"));
            return Err(error.hint("`orch-mcp land` without a task lands whatever is finished"));
        }
        if queue.ready.iter().all(|one: &Queued| one.branch != branch) {
            queue.ready.push(queued(trees, target, branch, Some((*task, told)))?);
        }
    }
    Ok(queue)
}

/// That of its evidence, if it is one of ours; else the one that is made for a task.
pub(super) fn branch_of_task(trees: &Trees, task: TaskId, told: &Value) -> String {
    branch_said(told).unwrap_or_else(|| branch_of(&trees.slug(&task.to_string())))
}

pub(super) fn branch_said(told: &Value) -> Option<String> {
    let said = text(&told["evidence"], "branch");
    let landing = branch_of(LANDING);
    (said.starts_with(PREFIX) && said != landing).then(|| said.to_owned())
}

fn worker_of<'a>(workers: &'a [Value], name: &str) -> Option<&'a Value> {
    workers.iter().find(|worker| slug(text(worker, "name")) == name)
}

/// Why a branch is not finished.
fn waits_for(task: Option<&Value>, worker: Option<&Value>) -> Option<String> {
    match (task, worker) {
        (_, Some(worker)) => match text(worker, "task_id") {
            "" => None,
            task => Some(format!("{} works on {task}", text(worker, "name"))),
        },
        (Some(task), None) => match text(task, "status") {
            status if status == State::Completed.word() => None,
            status => Some(format!("{} is {status}", text(task, "id"))),
        },
        (None, None) => Some("no task and no worker of this team is called so".to_owned()),
    }
}

fn queued(trees: &Trees, target: &str, branch: String, task: Option<(TaskId, Value)>) -> Result<Queued> {
    let git = trees.git();
    let tip = git.branch_there(&branch)?;
    let (task, told) = task.map_or((None, Value::Null), |(task, told)| (Some(task), told));
    let commits = arrives(&git, trees, target, &tip)?;
    let (had_commits, left) = match commits {
        0 => (has_moved(&git, &branch)?, not_committed(trees, &branch)?),
        _ => (true, Vec::new()),
    };
    Ok(Queued {
        commits,
        had_commits,
        left,
        branch,
        tip,
        task,
        title: text(&told, "title").to_owned(),
        role: told["role"].as_str().map(str::to_owned),
    })
}

/// Has it ever stood elsewhere than where it was made? Where nobody kept books of that, it may have.
fn has_moved(git: &Git, branch: &str) -> Result<bool> {
    let stood = git.lines(&["log", "-g", "--format=%H", &format!("refs/heads/{branch}"), "--"])?;
    Ok(stood.is_empty() || stood.iter().any(|commit| *commit != stood[0]))
}

fn not_committed(trees: &Trees, branch: &str) -> Result<Vec<String>> {
    let all = trees.all()?;
    match all.iter().find(|tree| tree.branch.as_deref() == Some(branch) && tree.is_there()) {
        Some(tree) => Ok(Status::of(&Git::top(&tree.path))?.not_committed()),
        None => Ok(Vec::new()),
    }
}

/// Which of two branches has all that landed: the one that waits beside the target, unless that has gone on without it, or
/// somebody else moved it.
pub fn newest(trees: &Trees, target: &str, onto: &str) -> Result<String> {
    let git = trees.git();
    let tip = git.branch_there(target)?;
    let aside = if onto == branch_of(LANDING) { landed::tip(trees)? } else { git.branch(onto)? };
    let is_ahead = match aside {
        Some(aside) => git.is_so(&["merge-base", "--is-ancestor", &tip, &aside])?,
        None => false,
    };
    Ok(if is_ahead { onto } else { target }.to_owned())
}

/// How many commits have not landed yet.
fn arrives(git: &Git, trees: &Trees, target: &str, tip: &str) -> Result<usize> {
    let targets = cleanup::targets(trees, target)?;
    Ok(holdings::unmerged_of(git, [tip.to_owned()].into_iter(), &targets)?.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_branch_waits_for_its_task_or_for_its_worker_to_be_done() {
        let task = |status: &str| json!({ "id": "task-0000000001", "status": status });
        assert_eq!(waits_for(Some(&task("completed")), None), None);
        assert_eq!(waits_for(Some(&task("failed")), None).as_deref(), Some("task-0000000001 is failed"));
        assert_eq!(waits_for(None, Some(&json!({ "name": "docs-1" }))), None);
        let busy = json!({ "name": "docs-1", "task_id": "task-0000000002" });
        assert_eq!(waits_for(None, Some(&busy)).as_deref(), Some("docs-1 works on task-0000000002"));
        assert!(waits_for(None, None).is_some());
    }

    #[test]
    fn the_branch_that_the_evidence_names_counts_if_it_is_ours() {
        let branch = |said: &str| branch_said(&json!({ "evidence": { "branch": said } }));
        assert_eq!(branch("orch/docs-1").as_deref(), Some("orch/docs-1"));
        for other in ["main", "orch/landing", ""] {
            assert_eq!(branch(other), None, "{other}");
        }
    }
}
