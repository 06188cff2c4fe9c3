//! Sessions that are started here: want them, look at them, stop them. What makes it so is `launch`.

mod caps;
mod cost;
mod follow;
mod lead;
mod list;
mod note;
mod order;
mod purse;
mod stop;
mod team;
mod want;

pub use caps::SetCaps;
pub use cost::ListCosts;
pub use follow::FollowWorker;
pub use follow::Followed;
pub use lead::FleetView;
pub use lead::LeadFleet;
pub use lead::Stays;
pub use lead::WorkerSeen;
pub use list::ListWorkers;
pub use note::Note;
pub use note::NoteFleet;
pub use order::InterruptWorker;
pub use order::RestartWorker;
pub use stop::StopWorkers;
pub use team::LaunchTeam;
pub use want::LaunchWorkers;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::demand::Demand;
use crate::model::fleet::Fleet;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::nearest::nearest;
use crate::model::spending::Spent;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::model::worker::Mode;
use crate::model::worker::State;
use crate::model::worker::Worker;
use crate::ops::Caller;
use crate::ops::question::in_words;
use crate::ops::refusals::Told;
use crate::ops::render;
use crate::ops::task;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

const REASON_BYTES: usize = 400;
const PERMISSIONS_SHOWN: u32 = 5;
const PERMISSION_BYTES: usize = 100;
const TITLE_WIDTH: usize = 40;

/// A worker as callers see it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct WorkerView {
    pub name: String,
    pub role: String,
    pub mode: Mode,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// It is to run.
    pub wanted: bool,
    pub completed: u32,
    pub restarts: u32,
    pub spent: Spent,
    /// What the human allowed it for good, newest first; of many, the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub always_allowed: Vec<String>,
    /// What its task is called.
    #[serde(skip)]
    title: Option<String>,
}

impl WorkerView {
    pub fn of(worker: Worker, tx: &mut dyn Tx) -> Result<WorkerView> {
        let held = match &worker.instance {
            Some(instance) => tx.held_tasks(instance, 1)?.pop().map(|task| task.id),
            None => None,
        };
        let standing = match &worker.instance {
            Some(instance) => tx.standing_permissions(instance, PERMISSIONS_SHOWN)?,
            None => Vec::new(),
        };
        let always_allowed = standing.iter().map(|one| {
            let words = render::short(&in_words(one), PERMISSION_BYTES);
            format!("{}: {words}", one.id)
        });
        let task_id = held.or(worker.run.as_ref().and_then(|run| run.task));
        let title = task_id.map(|task| tx.task(task)).transpose()?.flatten().map(|task| task.title);
        Ok(WorkerView {
            always_allowed: always_allowed.collect(),
            task_id,
            title,
            name: worker.name,
            role: worker.role,
            mode: worker.mode,
            state: worker.state,
            reason: worker.reason.map(|reason| render::short(&reason, REASON_BYTES)),
            since: worker.since,
            wanted: worker.wanted,
            completed: worker.completed,
            restarts: worker.restarts,
            spent: worker.spent,
        })
    }

    fn row(&self) -> [String; 8] {
        let title = self.title.as_ref().map(|title| format!(" {}", render::one_line(title, TITLE_WIDTH)));
        let task = self.task_id.map(|task| format!("{}{}", task.short(), title.unwrap_or_default()));
        let doing = [task, self.reason.clone()];
        [
            self.name.clone(),
            self.role.clone(),
            self.state.word().to_owned(),
            render::age(self.since),
            self.completed.to_string(),
            self.restarts.to_string(),
            self.spent.words(),
            doing.into_iter().flatten().collect::<Vec<_>>().join(": "),
        ]
    }
}

fn existing(tx: &mut dyn Tx, name: &str) -> Result<Worker> {
    let name = name.trim_start_matches('@');
    if let Some(worker) = tx.worker(name)? {
        return Ok(worker);
    }
    let error = Error::not_found(format!("no worker `{name}`"));
    let known = tx.workers()?;
    Err(match nearest(name, known.iter().map(|worker| worker.name.as_str())) {
        Some(near) => error.hint(format!("did you mean `{near}`? `list_workers` shows all")),
        None => error.hint("`list_workers` shows all; `launch` starts some"),
    })
}

/// A worker whose session goes on after the task counts what it completed by itself; of one with a session for each task the
/// end of the session tells.
pub(in crate::ops) fn worker_completes(tx: &mut dyn Tx, me: &Instance, task: TaskId) -> Result<()> {
    let worker = tx.worker(&me.name)?.filter(|worker| worker.instance.as_ref() == Some(&me.id));
    let Some(mut worker) = worker.filter(|worker| worker.mode != Mode::Task) else { return Ok(()) };
    worker.completes(task);
    tx.put_worker(&worker)
}

/// A worker whose role demands something of each task demands it of this one, from now on.
pub(in crate::ops) fn demand_of_role(tx: &mut dyn Tx, me: &Instance, task: &mut Task) -> Result<()> {
    let worker = tx.worker(&me.name)?.filter(|worker| worker.instance.as_ref() == Some(&me.id));
    let Some(worker) = worker.filter(|worker| !worker.evidence.is_empty()) else { return Ok(()) };
    // Whoever claims has not read its texts.
    *task = task::existing(tx, task.id)?;
    let missing: Vec<Demand> = worker.evidence.into_iter().filter(|one| !task.body.demands.contains(one)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    task.body.demands.extend(missing);
    tx.update_task_body(task)
}

/// Nobody holds more.
const HELD_MAX: u32 = 100;

/// While it runs, the end of its run says what becomes of what it holds; before the next one nobody does.
pub(in crate::ops) fn hand_back_between_runs(worker: &Worker, why: &str, tx: &mut dyn Tx) -> Result<()> {
    let Some(instance) = worker.instance.as_ref().filter(|_| worker.run.is_none()) else { return Ok(()) };
    let now = tx.now();
    for mut task in task::held_by(tx, instance, HELD_MAX)? {
        let event = task.release(instance, None, Some(why), now).told(tx)?;
        tx.update_task(&mut task)?;
        tx.append_event(event)?;
    }
    Ok(())
}

/// What whoever wants something of workers is told while nobody looks after them.
fn unless_supervised(tx: &mut dyn Tx, caller: &Caller) -> Result<Option<String>> {
    let is_led = tx.fleet()?.is_led(|process| caller.host.is_gone(process), tx.now());
    Ok((!is_led)
        .then(|| "nobody looks after workers now: it is done once a person runs `orch-mcp launch --wanted`".to_owned()))
}

/// Is there room for so many more of them? Whoever still runs takes a place, wanted or not.
pub(in crate::ops) fn check_room(fleet: &Fleet, known: &[Worker], more: usize) -> Result<()> {
    let there = known.iter().filter(|worker| worker.wanted || worker.run.is_some()).count();
    if there + more <= fleet.caps.workers as usize {
        return Ok(());
    }
    let message =
        format!("there are {there} workers, and {more} more would be beyond the cap of {}", fleet.caps.workers);
    Err(Error::new(Kind::Refused, message)
        .hint("stop some with `stop_workers`, or ask the human, who sets `workers_max` in orch.toml"))
}

/// Our own workers that stand behind a call: to name somebody else makes nobody somebody else.
pub(in crate::ops) fn workers_behind(tx: &mut dyn Tx, caller: &Caller) -> Result<Vec<Worker>> {
    let mut workers = Vec::new();
    for instance in caller.all_named(tx)? {
        workers.extend(worker_of(tx, &instance)?);
    }
    Ok(workers)
}

pub(in crate::ops) fn worker_of(tx: &mut dyn Tx, instance: &Instance) -> Result<Option<Worker>> {
    let worker = tx.worker(&instance.name)?;
    Ok(worker.filter(|worker| worker.instance.as_ref().is_none_or(|id| *id == instance.id)))
}
