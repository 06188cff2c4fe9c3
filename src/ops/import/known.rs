//! What came of the same sources before, as an import is held against it.

use crate::error::Kind;
use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::State;
use crate::model::task::Task;
use crate::ops::Caller;
use crate::ops::evidence;
use crate::ops::import::names::Names;
use crate::ops::rights;
use crate::ops::task::check_may_change;
use crate::ops::task::existing;
use crate::plan::Draft;
use crate::plan::Plan;
use crate::plan::Status;
use crate::plan::difference::Known;
use crate::store::Tx;
use std::collections::HashSet;

const HELD: &str = "somebody works at it";
const NOT_PENDING: &str = "it is not pending";
const OF_STAGE: &str = "it is a stage of a pipeline";
const DEMANDS: &str = "it demands evidence, which `complete_task` is shown";
const OF_WORKER: &str = "a worker completes what it holds and no more";
const FOR_LEADS: &str = "only a lead or the human says so";
const FOR_HUMANS: &str = "only the human says so";

/// Of each entry that is known, and of what the sources told before and do not tell any more.
pub(super) fn known(
    tx: &mut dyn Tx,
    caller: &Caller,
    plan: &Plan,
    sources: &[String],
    all_sources: &[&String],
) -> Result<Vec<Known>> {
    let by_worker = rights::is_worker(tx, caller)?;
    let mut names = Names::default();
    let mut known = Vec::new();
    for (draft, source) in plan.drafts().zip(sources) {
        let Some(id) = tx.task_of_key(&draft.key)? else { continue };
        let task = existing(tx, id)?;
        let locked = locked(&task, draft, by_worker, tx, caller)?;
        known.push(one(tx, &mut names, &task, source, locked)?);
    }
    let told: HashSet<&str> = plan.drafts().map(|draft| draft.key.as_str()).collect();
    let mut gone: HashSet<TaskId> = HashSet::new();
    for source in all_sources {
        for (key, _) in tx.told_by(source)?.into_iter().filter(|(key, _)| !told.contains(key.as_str())) {
            let Some(id) = tx.task_of_key(&key)?.filter(|id| gone.insert(*id)) else { continue };
            let task = existing(tx, id)?;
            // What is over leaves a list of what is to be done.
            if !task.state.is_final() {
                known.push(one(tx, &mut names, &task, source, Vec::new())?);
            }
        }
    }
    Ok(known)
}

type Locks = Vec<(&'static str, &'static str)>;

fn one(tx: &mut dyn Tx, names: &mut Names, task: &Task, source: &str, locked: Locks) -> Result<Known> {
    let key = names.key(task.id, tx)?;
    let told = tx.told(source, &key)?;
    let now = names.draft(task, told.as_ref().map(|(draft, _)| draft), tx)?;
    let (imported, is_own) = told.unwrap_or_else(|| (now.clone(), false));
    Ok(Known { key, task: task.id.short(), imported, is_own, now, standing: task.standing(), locked })
}

/// What no file changes about it, and why: what `update_task` would refuse to whoever brings the file, and what it has no
/// word for.
fn locked(task: &Task, said: &Draft, by_worker: bool, tx: &mut dyn Tx, caller: &Caller) -> Result<Locks> {
    let mut locked = Locks::new();
    if task.state.is_held() {
        locked.extend(["status", "depends_on", "lease_secs", "reserves"].map(|field| (field, HELD)));
    }
    if task.state != State::Pending {
        locked.push(("depends_on", NOT_PENDING));
    }
    if task.body.stage.is_some() {
        locked.extend(["status", "depends_on"].map(|field| (field, OF_STAGE)));
    }
    if !is_allowed(check_may_change(task, None, tx, caller))? {
        let why = match task.body.stage {
            _ if task.state.is_held() => HELD,
            Some(_) => OF_STAGE,
            None => FOR_LEADS,
        };
        locked.extend(Draft::FIELDS.iter().map(|field| (*field, why)));
    }
    if by_worker {
        locked.push(("status", OF_WORKER));
    }
    // What it is a part of says what it proves: a review of one task must not become that of another.
    if by_worker || rights::check_beyond_own("to move a task", caller).is_err() {
        locked.extend(["link", "parent", "chain_id"].map(|field| (field, FOR_LEADS)));
    }
    if said.status == Status::Completed && !task.body.demands.is_empty() {
        locked.push(("status", DEMANDS));
    }
    if !is_allowed(evidence::check_may_demand(&task.body.demands, &said.evidence, tx, caller))? {
        locked.push(("evidence", FOR_HUMANS));
    }
    Ok(locked)
}

/// A refusal leaves the field as it is; anything else that goes wrong is no answer.
fn is_allowed(checked: Result<()>) -> Result<bool> {
    match checked {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind, Kind::Forbidden | Kind::NoIdentity | Kind::StaleClaim) => Ok(false),
        Err(error) => Err(error),
    }
}
