//! What a task demands to be shown: looked for outside of the store by whoever can, and held against the claim that says it is
//! done.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::model::demand::DEMANDS_MAX;
use crate::model::demand::Demand;
use crate::model::demand::Finding;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::task::Evidence;
use crate::model::task::Link;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::Caller;
use crate::ops::render;
use crate::ops::rights;
use crate::ops::worker::workers_behind;
use crate::store::TaskFilter;
use crate::store::Tx;
use crate::store::doorbell::Hangup;
use serde_json::Value;

const WHY_BYTES: usize = 600;
const TITLE_WIDTH: usize = 100;
/// Parts of one task that are looked at.
const PARTS_MAX: u32 = 200;

/// Looks at files and runs commands, which may take long: never inside of a transaction.
pub trait Witness: Send + Sync {
    /// One finding for each demand. After a hang-up nobody asks for them.
    fn look(&self, wanted: &Wanted, hangup: &Hangup) -> Vec<Finding>;

    /// The roles that are written down, if that is known.
    fn roles(&self) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// An error, where the team has a registry of repositories, and none is called so.
    fn knows_repository(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    /// The names in that registry, if it is known.
    fn repositories(&self) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// The text of a pipeline that the team keeps under this name, if it does.
    fn pipeline(&self, _name: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// What is to be looked for, and where it was done.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub task: TaskId,
    pub token: u64,
    pub demands: Vec<Demand>,
    /// What whoever did it says.
    pub told: Evidence,
    pub expected_outputs: Vec<String>,
    pub branch: Option<String>,
    /// The repository that the task names.
    pub repo: Option<String>,
    /// The worker, with the number of its run, that did it for us.
    pub run: Option<(String, u64)>,
    /// Of others: the directory that they work in, as they name it.
    pub work_dir: Option<String>,
}

impl Wanted {
    /// Nothing, where the store alone can tell.
    pub fn of(
        task: &Task,
        me: &Instance,
        told: Option<&Evidence>,
        tx: &mut dyn Tx,
        caller: &Caller,
    ) -> Result<Option<Wanted>> {
        let demands: Vec<Demand> = task.body.demands.iter().filter(|one| **one != Demand::Review).cloned().collect();
        if demands.is_empty() {
            return Ok(None);
        }
        let worker = tx.worker(&me.name)?.filter(|worker| worker.instance.as_ref() == Some(&me.id));
        let here = caller.worktree.clone().or_else(|| caller.work_dir.clone());
        Ok(Some(Wanted {
            task: task.id,
            token: task.token,
            demands,
            told: told.cloned().unwrap_or_default(),
            expected_outputs: task.body.expected_outputs.clone(),
            branch: task.branch.clone(),
            repo: task.repo.clone(),
            run: worker.and_then(|worker| Some((worker.name, worker.run?.number))),
            work_dir: here.or_else(|| me.work_dir.clone()),
        }))
    }
}

/// What was found, if all of it is there.
pub fn check(task: &Task, me: &Instance, tx: &mut dyn Tx, caller: &Caller) -> Result<Vec<Finding>> {
    // What was found for another claim says nothing of this one.
    let found = caller.found.as_ref().filter(|found| (found.task, found.token) == (task.id, task.token));
    let mut findings = Vec::new();
    for demand in &task.body.demands {
        let known = || found?.findings.iter().find(|finding| finding.demand == *demand).cloned();
        let mut finding = match demand {
            Demand::Review => review(task, me, tx)?,
            _ => known().unwrap_or_else(|| Finding::not_met(demand, "nobody here could look for it")),
        };
        if let Some(other) = shown_before(&finding, task.id, tx)? {
            finding = Finding::not_met(
                demand,
                format!("`{other}` was completed with that commit: commit what was done for this one, too"),
            );
        }
        finding.why = render::short(&finding.why, WHY_BYTES);
        findings.push(finding);
    }
    let missing: Vec<String> = findings.iter().filter(|one| !one.is_met).map(Finding::to_string).collect();
    if missing.is_empty() {
        return Ok(findings);
    }
    let message =
        format!("task `{}` is not completed, as it demands what is not there: {}", task.id, missing.join("; "));
    Err(Error::new(Kind::Refused, message)
        .hint("see to that, then call `complete_task` again; if it cannot be, `block_task` with the reason"))
}

/// One commit shows the work of one task.
fn shown_before(finding: &Finding, task: TaskId, tx: &mut dyn Tx) -> Result<Option<TaskId>> {
    let Some(commit) = finding.commit.as_deref().filter(|_| finding.is_met) else { return Ok(None) };
    Ok(tx.task_of_commit(commit)?.filter(|other| *other != task))
}

/// Somebody else completed a part of it that is a review, since it was claimed, and knew what they approved.
fn review(task: &Task, me: &Instance, tx: &mut dyn Tx) -> Result<Finding> {
    let parts = TaskFilter { standings: vec![Standing::Completed], parent: Some(task.id), ..TaskFilter::default() };
    let counts = |part: &Task| {
        part.link == Some(Link::Review)
            && part.holder.as_ref().is_some_and(|holder| *holder != me.id)
            && part.finished_at >= task.claimed_at
    };
    for part in tx.list_tasks(&parts, PARTS_MAX)?.into_iter().filter(counts) {
        let Some(part) = tx.task(part.id)? else { continue };
        if is_about(&part, task.id, part.body.result.as_deref(), part.body.result_json.as_ref()) {
            return Ok(Finding::met(&Demand::Review, format!("`{}` approved it", part.id)));
        }
    }
    let how = format!("`push_task` with `parent` `{}` and `link` `review` asks for one", task.id);
    Ok(Finding::not_met(
        &Demand::Review,
        format!("nobody else has completed a review of it since it was claimed; {how}"),
    ))
}

/// Whoever wants a review may push it, and call it what they like: so whoever did it says what it was about. Whoever pushed it
/// by themselves has said so.
fn is_about(part: &Task, reviewed: TaskId, result: Option<&str>, json: Option<&Value>) -> bool {
    let is_own = part.created_by.is_some() && part.created_by == part.holder;
    is_own
        || result.is_some_and(|text| names(text, reviewed))
        || json.is_some_and(|json| names(&json.to_string(), reviewed))
}

fn names(text: &str, task: TaskId) -> bool {
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    words.any(|word| word.starts_with("task-") && word.trim_end_matches('-').parse() == Ok(task))
}

/// To complete a review that a task demands is to approve that task: not without its name, and not by whose work it is under
/// another name.
pub fn check_approves(
    part: &Task,
    result: Option<&str>,
    json: Option<&Value>,
    tx: &mut dyn Tx,
    caller: &Caller,
) -> Result<()> {
    let reviewed = match (part.link, part.parent) {
        (Some(Link::Review), Some(parent)) => tx.task(parent)?,
        _ => None,
    };
    let Some(reviewed) = reviewed else { return Ok(()) };
    if !reviewed.state.is_held() || !reviewed.body.demands.contains(&Demand::Review) {
        return Ok(());
    }
    let (part_id, id) = (part.id, reviewed.id);
    let behind = workers_behind(tx, caller)?;
    if part.holder != reviewed.holder && behind.iter().any(|worker| worker.instance == reviewed.holder) {
        let message = format!("`{part_id}` is a review of `{id}`, which you hold under another name");
        return Err(Error::new(Kind::Forbidden, message).hint("`release_task` it: somebody else does it"));
    }
    if is_about(part, id, result, json) {
        return Ok(());
    }
    let title = render::one_line(&reviewed.title, TITLE_WIDTH);
    let message = format!("`{part_id}` is a review of `{id}` ({title}), which its result does not name");
    Err(Error::new(Kind::Refused, message).hint(format!(
        "if you looked at that and approve it, name `{id}` in `result`; else `fail_task`, or `release_task`, with the reason"
    )))
}

/// The demands of that list, each once.
pub fn read(texts: &[String]) -> Result<Vec<Demand>> {
    let mut demands = Vec::new();
    for text in texts {
        let demand = text.parse::<Demand>();
        let demand = demand
            .map_err(|wanted| Error::invalid(format!("`evidence`: `{}`: {wanted}", render::one_line(text, 100))))?;
        if !demands.contains(&demand) {
            demands.push(demand);
        }
    }
    match demands.len() <= DEMANDS_MAX {
        true => Ok(demands),
        false => Err(Error::invalid(format!("`evidence` may have {DEMANDS_MAX} entries"))),
    }
}

/// A command runs on the machine of the store, and past all permissions. What was demanded is not for those to drop who must
/// show it.
pub fn check_may_demand(before: &[Demand], wanted: &[Demand], tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let runs = |demand: &&Demand| matches!(demand, Demand::Check(_)) && !before.contains(demand);
    let new = wanted.iter().find(runs);
    let gone = before.iter().find(|demand| !wanted.contains(demand));
    let what = match (new, gone) {
        (Some(new), _) => format!("`{new}` is a command, which only the human demands"),
        (None, Some(gone)) => format!("`{gone}` was demanded, and only the human drops that"),
        (None, None) => return Ok(()),
    };
    let is_human = caller.principal.as_ref().is_none_or(|principal| principal.access >= Access::Human)
        && rights::check_speaks_for_the_human(tx, caller).is_ok();
    match is_human {
        true => Ok(()),
        false => {
            Err(Error::new(Kind::Forbidden, what)
                .hint("demand `tests`, which runs the team's own command, or `ask_human`"))
        }
    }
}
