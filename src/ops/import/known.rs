//! What came of the same sources before, as an import is held against it.

use crate::error::Kind;
use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::State;
use crate::model::task::Task;
use crate::ops::Caller;
use crate::ops::evidence;
use crate::ops::import::names::Names;
use crate::ops::import::names::task_of;
use crate::ops::import::whose;
use crate::ops::import::whose::Alike;
use crate::ops::import::whose::Proof;
use crate::ops::import::whose::Whose;
use crate::ops::rights;
use crate::ops::task::check_may_change;
use crate::ops::task::existing;
use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Fault;
use crate::plan::Plan;
use crate::plan::Status;
use crate::plan::difference::Known;
use crate::plan::difference::says_the_same;
use crate::store::Tx;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;

const HELD: &str = "somebody works at it";
const NOT_PENDING: &str = "it is not pending";
const OF_STAGE: &str = "it is a stage of a pipeline";
const DEMANDS: &str = "it demands evidence, which `complete_task` is shown";
const OF_WORKER: &str = "a worker completes what it holds and no more";
const FOR_LEADS: &str = "only a lead or the human says so";
const FOR_HUMANS: &str = "only the human says so";

/// What an import is held against.
#[derive(Default)]
pub(super) struct Ground {
    /// Of each entry that is known, and of what the sources told before and do not tell any more.
    pub(super) known: Vec<Known>,
    /// Nobody knows whose tasks these entries mean.
    pub(super) doubts: Vec<Fault>,
    /// The files that called them so first, as far as whoever calls has not said that they are gone.
    pub(super) elsewhere: BTreeSet<String>,
    /// The keys of what another file tells as well, in the same words, with that file: nothing is remembered of them.
    pub(super) copies: BTreeMap<String, String>,
    /// The keys of what a file told that is called otherwise now.
    pub(super) moved: HashSet<String>,
}

pub(super) struct Asked<'a> {
    pub(super) plan: &'a Plan,
    /// Of each entry.
    pub(super) sources: &'a [String],
    pub(super) whose: &'a [Whose],
    pub(super) all_sources: &'a [&'a String],
    /// Those that are not there any more.
    pub(super) gone: &'a [String],
}

impl Asked<'_> {
    pub(super) fn ground(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Ground> {
        let by_worker = rights::is_worker(tx, caller)?;
        let mut names = Names::default();
        let mut ground = Ground::default();
        for (at, (entry, source)) in self.plan.entries.iter().zip(self.sources).enumerate() {
            let draft = &entry.draft;
            let Some(id) = task_of(&draft.key, tx)? else { continue };
            let task = existing(tx, id)?;
            let locked = locked(&task, draft, by_worker, tx, caller)?;
            let mut known = one(tx, &mut names, &task, source, locked)?;
            if let Whose::Elsewhere(home) = &self.whose[at] {
                known = self.prove(entry, source, home, known, (&task, &mut names, &mut ground), tx)?;
            }
            ground.known.push(known);
        }
        let told: HashSet<&str> = self.plan.drafts().map(|draft| draft.key.as_str()).collect();
        let mut gone: HashSet<TaskId> = HashSet::new();
        for source in self.all_sources {
            for (key, _) in tx.told_by(source)?.into_iter().filter(|(key, _)| !told.contains(key.as_str())) {
                let Some(id) = task_of(&key, tx)?.filter(|id| gone.insert(*id)) else { continue };
                let task = existing(tx, id)?;
                // What is over leaves a list of what is to be done.
                if !task.state.is_final() {
                    ground.known.push(one(tx, &mut names, &task, source, Vec::new())?);
                }
            }
        }
        Ok(ground)
    }

    /// Is the task of another file the one that the entry means? Then it is held against what that file said.
    fn prove(
        &self,
        entry: &Entry,
        source: &str,
        home: &str,
        known: Known,
        (task, names, ground): (&Task, &mut Names, &mut Ground),
        tx: &mut dyn Tx,
    ) -> Result<Known> {
        let (draft, key) = (&entry.draft, &entry.draft.key);
        let mut held = Vec::new();
        for imported in tx.told_of(key)? {
            let now = names.draft(task, Some(&imported), tx)?;
            held.push(Known { imported, now, ..known.clone() });
        }
        held.push(known);
        let same = held.iter().position(|known| says_the_same(self.plan.kind, draft, known));
        let alike = Alike {
            says_the_same: same.is_some(),
            has_title: task.title == draft.title || held.iter().any(|known| known.imported.title == draft.title),
            is_told_here: tx.told(source, key)?.is_some_and(|(_, is_own)| is_own),
        };
        match whose::proof(self.plan.kind, source, home, self.gone, entry, alike) {
            Proof::IsThatFile => drop(ground.moved.insert(key.clone())),
            Proof::NamesIt => {}
            Proof::SaysTheSame => {
                ground.copies.insert(key.clone(), home.to_owned());
                ground.elsewhere.insert(home.to_owned());
            }
            Proof::None => {
                ground.doubts.push(whose::doubt(entry, home, task));
                ground.elsewhere.insert(home.to_owned());
            }
        }
        Ok(held.swap_remove(same.unwrap_or(0)))
    }
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
