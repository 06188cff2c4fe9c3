//! `list_workers`: what is wanted, and what is seen of it.

use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::model::time::Timestamp;
use crate::model::worker::State;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render;
use crate::ops::worker::WorkerView;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;
const CURSOR_BYTES: usize = 600;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListWorkers {
    role: Option<String>,
    /// Also those that were stopped
    all: Option<bool>,
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct WorkerList {
    workers: Vec<WorkerView>,
    total: usize,
    /// Somebody looks after them.
    supervised: bool,
    /// The process that does, by its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supervisor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limited_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// How many are not shown, as they were stopped.
    #[serde(skip)]
    stopped: usize,
}

impl Operation for ListWorkers {
    const NAME: &'static str = "list_workers";
    const ABOUT: &'static str = "The workers that were launched: state, task, cost";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Read;
    type Output = WorkerList;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<WorkerList> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("`limit` must be between 1 and {LIMIT_MAX}"))
                .hint("go on with the answer's `cursor` for more"));
        }
        let now = tx.now();
        let fleet = tx.fleet()?;
        let mut found = tx.workers()?;
        found.retain(|one| self.role.as_ref().is_none_or(|role| one.role == *role));
        let known = found.len();
        found.retain(|one| self.all == Some(true) || one.is_shown());
        let total = found.len();
        found.retain(|one| self.cursor.as_ref().is_none_or(|cursor| one.name > *cursor));
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let views = found.into_iter().map(|one| WorkerView::of(one, tx)).collect::<Result<_>>()?;
        let (workers, cut) = render::fit::<WorkerView>(views, render::ANSWER_BYTES_MAX - CURSOR_BYTES);
        let cursor = workers.last().filter(|_| more || cut).map(|last| last.name.clone());
        let supervised = fleet.is_led(|process| caller.host.is_gone(process), now);
        Ok(WorkerList {
            workers,
            total,
            supervised,
            supervisor: fleet.leader_number().filter(|_| supervised).map(str::to_owned),
            limited_until: fleet.limited_until.filter(|_| fleet.is_limited(now)),
            cursor,
            stopped: known - total,
        })
    }
}

impl Answer for WorkerList {
    fn ids(&self) -> Vec<String> {
        self.workers.iter().map(|one| one.name.clone()).collect()
    }
}

impl fmt::Display for WorkerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.workers.is_empty() {
            return match self.stopped {
                0 => writeln!(f, "no workers; orch-mcp launch starts some"),
                1 => writeln!(f, "no workers now; 1 was stopped: orch-mcp workers --all"),
                many => writeln!(f, "no workers now; {many} were stopped: orch-mcp workers --all"),
            };
        }
        let rows: Vec<_> = self.workers.iter().map(WorkerView::row).collect();
        render::table(f, ["WORKER", "ROLE", "STATE", "FOR", "DONE", "RESTARTS", "COST", "DOING"], &rows)?;
        for worker in &self.workers {
            worker
                .always_allowed
                .iter()
                .try_for_each(|one| writeln!(f, "{} may always: {}", worker.name, render::one_line(one, 100)))?;
        }
        if let Some(until) = self.limited_until {
            writeln!(
                f,
                "the service takes no more until {}; all of them go on then by themselves",
                render::moment(until, Host::System.wall())
            )?;
        }
        let is_over = |one: &WorkerView| !one.wanted && one.state == State::Stopped;
        if !self.supervised && !self.workers.iter().all(is_over) {
            writeln!(f, "nobody looks after them; `launch` does")?;
        }
        match &self.cursor {
            Some(cursor) => writeln!(f, "{} of {}; go on with --cursor '{cursor}'", self.workers.len(), self.total),
            None => Ok(()),
        }
    }
}
