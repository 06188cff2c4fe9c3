//! `restart_worker` and `interrupt_worker`: what is done to it once.

use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::worker::Order;
use crate::model::worker::Worker;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::Origin;
use crate::ops::worker::WorkerView;
use crate::ops::worker::check_room;
use crate::ops::worker::existing;
use crate::ops::worker::unless_supervised;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RestartWorker {
    worker: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptWorker {
    worker: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "WorkerOrdered")]
pub struct Ordered {
    worker: WorkerView,
    /// Absent where it does not run, and so needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<Order>,
    /// Nobody looks after workers, and so nobody does this yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Operation for RestartWorker {
    const NAME: &'static str = "restart_worker";
    const ABOUT: &'static str = "End a worker's session and begin one that goes on with its thread";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["worker"];
    type Output = Ordered;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Ordered> {
        let mut worker = existing(tx, &self.worker)?;
        let runs = worker.run.is_some();
        let mut fleet = tx.fleet()?;
        if !worker.wanted && !runs {
            check_room(&fleet, &tx.workers()?, 1)?;
        }
        if caller.origin == Origin::Human && fleet.limited_until.take().is_some() {
            tx.put_fleet(&fleet)?;
        }
        worker.is_wanted_again(tx.now());
        worker.order = runs.then_some(Order::Restart);
        ordered(tx, caller, worker, Order::Restart, "worker.restarted")
    }
}

impl Operation for InterruptWorker {
    const NAME: &'static str = "interrupt_worker";
    const ABOUT: &'static str = "End a worker's turn; its session stays where it can";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["worker"];
    type Output = Ordered;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Ordered> {
        let mut worker = existing(tx, &self.worker)?;
        if worker.run.is_none() {
            return Ok(Ordered { worker: WorkerView::of(worker, tx)?, order: None, note: None });
        }
        worker.order = Some(Order::Interrupt);
        ordered(tx, caller, worker, Order::Interrupt, "worker.interrupted")
    }
}

fn ordered(tx: &mut dyn Tx, caller: &Caller, worker: Worker, order: Order, event: &'static str) -> Result<Ordered> {
    let me = caller.known_instance(tx)?;
    tx.put_worker(&worker)?;
    tx.append_event(NewEvent::new(event, &worker.name, me.as_ref().map(|me| &me.id)))?;
    let note = unless_supervised(tx, caller)?;
    Ok(Ordered { worker: WorkerView::of(worker, tx)?, order: Some(order), note })
}

impl Answer for Ordered {
    fn ids(&self) -> Vec<String> {
        vec![self.worker.name.clone()]
    }
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.order {
            Some(Order::Restart) => writeln!(f, "{} is to begin anew", self.worker.name),
            Some(Order::Interrupt) => writeln!(f, "{} is to end its turn", self.worker.name),
            None => writeln!(f, "{} does not run: it is {}", self.worker.name, self.worker.state.word()),
        }?;
        self.note.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
