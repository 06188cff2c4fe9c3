//! `note_fleet`: whoever looks after the workers writes down what it saw and did, and only while it still does.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::demand::Demand;
use crate::model::event::NewEvent;
use crate::model::fleet;
use crate::model::fleet::Fleet;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::question;
use crate::model::spending::Account;
use crate::model::spending::Cost;
use crate::model::spending::Limits;
use crate::model::spending::Purse;
use crate::model::spending::Spent;
use crate::model::time::Timestamp;
use crate::model::worker::End;
use crate::model::worker::Ended;
use crate::model::worker::Mode;
use crate::model::worker::Order;
use crate::model::worker::RunRecord;
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
use crate::ops::worker::purse;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// One thing that was seen or done.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "FleetNote")]
pub enum Note {
    /// The instance that it works as from now on.
    Is {
        instance: InstanceId,
    },
    /// A process is about to be started for it, which is counted against the spawns.
    Begins {
        task: Option<TaskId>,
    },
    /// It could not be started.
    NotStarted {
        reason: String,
    },
    /// What its role says where its launch said nothing.
    Settles {
        mode: Mode,
        limits: Limits,
        #[serde(default)]
        evidence: Vec<Demand>,
    },
    /// It works and says nothing: its claim and its presence are renewed.
    Keeps,
    /// What its session is called, and which model it has.
    Session {
        number: u64,
        session: String,
        model: Option<String>,
    },
    Shows {
        state: State,
        reason: Option<String>,
    },
    /// What a run that goes on has cost until now.
    Costs {
        number: u64,
        cost: Cost,
    },
    /// It was asked to end. `fault`: what is wrong with it, if that is why.
    Ending {
        number: u64,
        #[serde(default)]
        fault: Option<String>,
    },
    Interrupted,
    /// Its process is gone. `forget`: its session cannot be gone on with.
    Ended {
        number: u64,
        end: End,
        cost: Option<Cost>,
        completed: bool,
        forget: bool,
    },
    /// A limit is reached: may it go on?
    Asks {
        purse: Purse,
        beyond: String,
    },
    Extended {
        purse: Purse,
    },
    /// The human does not let it go on.
    Refused {
        purse: Purse,
    },
    /// The service takes no more of anybody.
    Limited {
        until: Option<Timestamp>,
    },
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoteFleet {
    /// With which whoever notes this began to lead
    term: u64,
    /// Each with the worker it is about
    notes: Vec<(String, Note)>,
    /// It looks after them no more
    resign: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Noted {
    /// The numbers of the runs that begin.
    pub runs: BTreeMap<String, u64>,
}

/// A limit of which nobody says when it ends is looked at again after so long.
const LIMITED_FOR_MS: i64 = 5 * 60 * 1000;

impl Operation for NoteFleet {
    const NAME: &'static str = "note_fleet";
    const ABOUT: &'static str = "Write down what became of workers";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    type Output = Noted;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Noted> {
        let mut fleet = tx.fleet()?;
        fleet.check_term(self.term)?;
        let before = fleet.clone();
        let mut runs = BTreeMap::new();
        for (name, note) in &self.notes {
            let mut worker = existing(tx, name)?;
            if let Some(number) = take_down(tx, &mut fleet, &mut worker, note)? {
                runs.insert(name.clone(), number);
                fleet.spawns_one(tx.now());
            }
            if let Note::Limited { until } = note {
                let now = tx.now().at;
                let until = until.filter(|until| *until > now).unwrap_or(now.plus_millis(LIMITED_FOR_MS));
                if fleet.limited_until.is_none_or(|before| before < until) {
                    fleet.limited_until = Some(until);
                    tx.append_event(NewEvent::new("fleet.limited", "fleet", None).with("until", until.to_string()))?;
                }
            }
            tx.put_worker(&worker)?;
        }
        if self.resign == Some(true) {
            fleet.resign(self.term);
        }
        if fleet != before {
            tx.put_fleet(&fleet)?;
        }
        Ok(Noted { runs })
    }
}

/// Says the number of a run that begins.
fn take_down(tx: &mut dyn Tx, fleet: &mut Fleet, worker: &mut Worker, note: &Note) -> Result<Option<u64>> {
    let now = tx.now();
    match note {
        Note::Is { instance } => worker.instance = Some(instance.clone()),
        Note::Begins { task } => {
            if worker.run.is_some() {
                return Err(Error::new(Kind::Conflict, format!("worker `{}` runs already", worker.name)));
            }
            let number = worker.begins(*task, now);
            tx.put_run(&RunRecord {
                worker: worker.name.clone(),
                number,
                role: worker.role.clone(),
                model: worker.terms.model.clone(),
                task: *task,
                session: worker.session.clone(),
                began_at: now.at,
                ended: None,
                cost: None,
            })?;
            tx.append_event(event("worker.began", worker).with("run", number))?;
            return Ok(Some(number));
        }
        Note::NotStarted { reason } => {
            let (luck, end) = (luck(tx), End::Badly { reason: reason.clone() });
            worker.ends(&end, None, luck, now);
            tx.append_event(event("worker.failed", worker).with("reason", reason.as_str()))?;
            tell_if_given_up(tx, worker, &end)?;
        }
        Note::Settles { mode, limits, evidence } => worker.settles(*mode, limits.clone(), evidence.clone()),
        Note::Keeps => {
            if let Some(instance) = worker.instance.clone() {
                let renewed = tx.instance(&instance)?.map(|instance| instance.renewed);
                tx.renew_claims(&instance, now.tick)?;
                tx.renew_presence(&instance, now)?;
                worker.is_kept(renewed, now.tick);
            }
        }
        Note::Session { number, session, model } => {
            worker.session = Some(session.clone());
            worker.thread = worker.run.as_ref().and_then(|run| run.task);
            if let Some(mut run) = tx.run(&worker.name, *number)? {
                run.session = Some(session.clone());
                run.model = model.clone().or(run.model);
                tx.put_run(&run)?;
            }
        }
        Note::Shows { state, reason } => {
            if worker.state != *state {
                let told = event("worker.state", worker);
                tx.append_event(told.with("state", state.word()).with_some("reason", reason.clone()))?;
            }
            worker.shows(*state, reason.clone(), now);
        }
        Note::Costs { number, cost } => {
            if let Some(mut run) = tx.run(&worker.name, *number)? {
                count(tx, worker, &mut run, Some(*cost))?;
                tx.put_run(&run)?;
            }
        }
        Note::Ending { number, fault } => {
            worker.order = worker.order.filter(|order| *order != Order::Restart);
            if let Some(run) = worker.run.as_mut().filter(|run| run.number == *number) {
                run.is_asked_to_end(fault.clone(), now);
            }
        }
        Note::Interrupted => {
            worker.order = None;
            // A session for one task has one turn.
            if let Some(run) = worker.run.as_mut().filter(|_| worker.mode == Mode::Task) {
                run.is_asked_to_end(None, now);
            }
        }
        Note::Ended { number, end, cost, completed, forget } => {
            if worker.run.as_ref().is_none_or(|run| run.number != *number) {
                return Ok(None);
            }
            if *forget {
                worker.session = None;
            }
            // Who asked for it is gone. What it asked in words, the next session may want to know as well.
            if let Some(instance) = &worker.instance {
                let all: &[question::Kind] =
                    if worker.wanted { &[question::Kind::Permission] } else { &question::Kind::ALL };
                withdraw_open(tx, instance, all)?;
            }
            leaves(tx, worker)?;
            worker.completed += u32::from(*completed);
            // Whatever was wanted of this run is over with it.
            worker.order = None;
            let (held, luck) = (task_held(tx, worker)?, luck(tx));
            worker.ends(end, held, luck, now);
            if let Some(mut run) = tx.run(&worker.name, *number)? {
                run.ended = Some(Ended { at: now.at, outcome: end.word().to_owned() });
                count(tx, worker, &mut run, *cost)?;
                tx.put_run(&run)?;
            }
            let told = event("worker.ended", worker).with("run", *number).with("how", end.word());
            tx.append_event(told.with_some("reason", end.reason().map(str::to_owned)))?;
            tell_if_given_up(tx, worker, end)?;
        }
        Note::Asks { purse, beyond } => purse::ask(fleet, worker, *purse, beyond, tx)?,
        Note::Extended { purse } => purse::extend(fleet, worker, *purse, tx)?,
        Note::Refused { purse } => {
            purse::refuse(fleet, worker, *purse);
            if *purse == Purse::Worker {
                worker.wanted = false;
                hand_back_between_runs(worker, "it may not go on beyond its limit", tx)?;
            }
        }
        Note::Limited { .. } => {}
    }
    Ok(None)
}

fn tell_if_given_up(tx: &mut dyn Tx, worker: &Worker, end: &End) -> Result<()> {
    let Some(reason) = end.reason().filter(|_| worker.is_given_up()) else { return Ok(()) };
    tx.append_event(event("worker.given_up", worker).with("reason", reason)).map(drop)
}

/// Of one that is not to run again nobody need think that it is here.
fn leaves(tx: &mut dyn Tx, worker: &Worker) -> Result<()> {
    let Some(id) = worker.instance.as_ref().filter(|_| !worker.wanted) else { return Ok(()) };
    let now = tx.now().tick;
    if let Some(mut instance) = tx.instance(id)?.filter(|one| one.online(now)) {
        let event = instance.leaves();
        tx.update_instance(&mut instance)?;
        tx.append_event(event)?;
    }
    Ok(())
}

/// Between 0 and 1.
fn luck(tx: &mut dyn Tx) -> f64 {
    tx.host().random() as f64 / u64::MAX as f64
}

fn event(kind: &'static str, worker: &Worker) -> NewEvent {
    NewEvent::new(kind, &worker.name, worker.instance.as_ref())
}

/// Puts into the ledger what a run has cost since it was looked at last; and that it has ended, if it has.
fn count(tx: &mut dyn Tx, worker: &mut Worker, run: &mut RunRecord, cost: Option<Cost>) -> Result<()> {
    let before = run.cost;
    // A client that was killed before it told all may have told more before.
    run.cost = cost.map(|cost| cost.believed().or_more(before.unwrap_or_default())).or(before);
    let mut spent = Spent::since(before.unwrap_or_default(), run.cost.unwrap_or_default());
    if run.ended.is_some() {
        (spent.runs, spent.unknown) = (1, u32::from(run.cost.is_none()));
    }
    if spent.is_nothing() {
        return Ok(());
    }
    worker.spent.add(&spent);
    let account = Account {
        day: tx.now().at.day(),
        worker: run.worker.clone(),
        role: run.role.clone(),
        model: run.model.clone(),
        task: match run.task {
            Some(task) => Some(task),
            None => task_at_hand(tx, worker)?,
        },
    };
    tx.add_spent(&account, &spent)
}

/// What a session that stays was told of last is of the task that it holds, or else of the one before.
fn task_at_hand(tx: &mut dyn Tx, worker: &Worker) -> Result<Option<TaskId>> {
    Ok(task_held(tx, worker)?.or(worker.latest))
}

fn task_held(tx: &mut dyn Tx, worker: &Worker) -> Result<Option<TaskId>> {
    Ok(match &worker.instance {
        Some(instance) => tx.held_tasks(instance, 1)?.pop().map(|task| task.id),
        None => None,
    })
}

impl From<fleet::Refusal> for Error {
    fn from(refusal: fleet::Refusal) -> Error {
        Error::new(Kind::StaleClaim, refusal.to_string()).hint("leave the workers to it")
    }
}

impl Answer for Noted {}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "noted")
    }
}
