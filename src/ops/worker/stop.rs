//! `stop_workers`: they are not wanted any more.

use crate::error;
use crate::error::Error;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::nearest::nearest;
use crate::model::question::Kind;
use crate::model::worker::State;
use crate::model::worker::Worker;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::question::withdraw_open;
use crate::ops::worker::existing;
use crate::ops::worker::hand_back_between_runs;
use crate::ops::worker::unless_supervised;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const NAMES_MAX: usize = 100;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StopWorkers {
    /// By name
    #[schemars(length(max = NAMES_MAX))]
    workers: Option<Vec<String>>,
    role: Option<String>,
    all: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "WorkersStopped")]
pub struct Stopped {
    /// The first of them, if they are many.
    stopped: Vec<String>,
    count: usize,
    /// Nobody looks after workers, and so nobody does this yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Operation for StopWorkers {
    const NAME: &'static str = "stop_workers";
    const ABOUT: &'static str = "End workers; what they hold goes back to the queue";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["workers"];
    type Output = Stopped;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Stopped> {
        let names = self.workers.as_deref().unwrap_or_default();
        let all = self.all.unwrap_or(false);
        if usize::from(!names.is_empty()) + usize::from(self.role.is_some()) + usize::from(all) != 1
            || names.len() > NAMES_MAX
        {
            return Err(Error::new(
                error::Kind::Refused,
                "`stop_workers` takes the names of workers, a `role`, or `all`",
            )
            .hint("give one of them; `list_workers` shows who there is"));
        }
        let me = caller.known_instance(tx)?;
        self.role.iter().try_for_each(|role| some_have(tx, role))?;
        let found = match names.is_empty() {
            true => tx
                .workers()?
                .into_iter()
                .filter(|one| self.role.as_ref().is_none_or(|role| one.role == *role))
                .collect(),
            false => names.iter().map(|name| named(tx, name)).collect::<Result<Vec<_>>>()?,
        };
        let mut stopped = Vec::new();
        let runs = found.iter().any(|worker| worker.run.is_some());
        for mut worker in found.into_iter().filter(|worker| worker.wanted) {
            (worker.wanted, worker.order, worker.allowance.asked) = (false, None, None);
            hand_back_between_runs(&worker, "its worker was stopped", tx)?;
            if let Some(instance) = &worker.instance {
                withdraw_open(tx, instance, &Kind::ALL)?;
            }
            tx.append_event(NewEvent::new("worker.unwanted", &worker.name, me.as_ref().map(|me| &me.id)))?;
            if worker.run.is_none() {
                is_stopped(tx, &mut worker)?;
            }
            tx.put_worker(&worker)?;
            stopped.push(worker.name);
        }
        let count = stopped.len();
        stopped.truncate(NAMES_MAX);
        let note = if runs { unless_supervised(tx, caller)? } else { None };
        Ok(Stopped { stopped, count, note })
    }
}

/// Of a role that is misspelt there is nobody to stop.
fn some_have(tx: &mut dyn Tx, role: &str) -> Result<()> {
    let known = tx.workers()?;
    if known.iter().any(|one| one.role == role) {
        return Ok(());
    }
    let error = Error::not_found(format!("no worker has the role `{role}`"));
    Err(match nearest(role, known.iter().map(|one| one.role.as_str())) {
        Some(near) => error.hint(format!("did you mean `{near}`? `list_workers` shows all")),
        None => error.hint("`list_workers` shows who there is"),
    })
}

fn named(tx: &mut dyn Tx, name: &str) -> Result<Worker> {
    let found = existing(tx, name);
    if name == "all" { found.map_err(|error| error.hint("give `all` instead: it ends all of them")) } else { found }
}

/// One that does not run has ended already: nobody need come to see that.
fn is_stopped(tx: &mut dyn Tx, worker: &mut Worker) -> Result<()> {
    let now = tx.now();
    if worker.shows(State::Stopped, None, now) {
        let event = NewEvent::new("worker.state", &worker.name, worker.instance.as_ref());
        tx.append_event(event.with("state", State::Stopped.word()))?;
    }
    Ok(())
}

impl Answer for Stopped {
    fn ids(&self) -> Vec<String> {
        self.stopped.clone()
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => writeln!(f, "nothing to stop"),
            _ => writeln!(f, "to stop: {}", self.stopped.join(", ")),
        }?;
        self.note.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
