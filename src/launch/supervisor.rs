//! The one that looks after the workers: it asks what there is, plans, and acts, until nobody wants it any more.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Stopwatch;
use crate::launch::hands::Beginning;
use crate::launch::hands::Hands;
use crate::launch::liveness::Doing;
use crate::launch::liveness::Signs;
use crate::launch::outcome;
use crate::launch::outcome::Outcome;
use crate::launch::plan;
use crate::launch::plan::Life;
use crate::launch::plan::Seen;
use crate::launch::plan::Step;
use crate::launch::run::End as Ended;
use crate::launch::run::Standing;
use crate::launch::watch::Watch;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::time::Now;
use crate::model::worker::End;
use crate::model::worker::State;
use crate::model::worker::Worker;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::table::own_request;
use crate::ops::worker::FleetView;
use crate::ops::worker::Note;
use crate::ops::worker::WorkerSeen;
use crate::store::doorbell::Hangup;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// What nobody tells is looked for so often: a process of an earlier supervisor that has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A claim lasts longer.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// Wakes the supervisor: a process of its has ended, or somebody wants it to end.
#[derive(Clone, Default)]
pub struct Bell(Arc<Mutex<Rope>>);

#[derive(Default)]
struct Rope {
    hangup: Hangup,
    stops: u32,
}

impl Bell {
    pub fn ring(&self) {
        self.rope().hangup.hang_up();
    }

    /// The first time politely, the second time at once.
    pub fn stop(&self) {
        let mut rope = self.rope();
        rope.stops += 1;
        rope.hangup.hang_up();
    }

    fn stops(&self) -> u32 {
        self.rope().stops
    }

    /// For the next wait.
    fn hangup(&self) -> Hangup {
        let mut rope = self.rope();
        if rope.hangup.is_hung_up() {
            rope.hangup = Hangup::new();
        }
        rope.hangup.clone()
    }

    fn rope(&self) -> std::sync::MutexGuard<'_, Rope> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Supervisor<'a> {
    pub desk: &'a dyn Desk,
    pub hands: Hands,
    /// This process, as the host names it.
    pub process: String,
    pub caller: Caller,
    pub bell: Bell,
    /// End when nobody is wanted and nobody runs.
    pub ends_when_done: bool,
    /// Hears what is done, in words: of which worker, and what.
    pub tell: &'a dyn Fn(&str, &str),
}

/// How it came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finish {
    Done,
    /// Somebody wanted it to end at once: another one may go on with what runs.
    Left,
}

impl Supervisor<'_> {
    pub fn run(&self) -> Result<Finish> {
        let mut watches: BTreeMap<String, Watch> = BTreeMap::new();
        let mut seen: Option<String> = None;
        let mut stopping = false;
        let mut wait = Duration::ZERO;
        loop {
            if self.bell.stops() >= 2 {
                return Ok(Finish::Left);
            }
            if self.bell.stops() == 1 && !stopping {
                stopping = true;
                self.ask("stop_workers", json!({ "all": true }))?;
            }
            let view = self.look(seen.take(), wait)?;
            if !view.leads {
                watches.clear();
                if stopping {
                    return Ok(Finish::Left);
                }
                wait = Duration::from_secs(60);
                continue;
            }
            seen = Some(view.seen.clone());
            let now = self.now(&view);
            let mut pairs = Vec::new();
            let mut life_of = BTreeMap::new();
            for one in &view.workers {
                let (standing, found) = self.observe(&mut watches, one);
                life_of.insert(one.worker.name.clone(), standing);
                pairs.push((one.worker.clone(), found));
            }
            let plan = plan::plan(&view.fleet, &pairs, now);
            let is_quiet = plan.steps.is_empty();
            let term = view.fleet.term;
            for (name, step) in plan.steps {
                let Some(one) = view.workers.iter().find(|one| one.worker.name == name) else { continue };
                let standing = life_of.get(&name).cloned().flatten();
                self.act(term, one, standing, step, &mut watches)?;
            }
            for one in &view.workers {
                self.keep(term, one, &mut watches)?;
            }
            let runs = pairs.iter().any(|(worker, _)| worker.run.is_some());
            let nobody_works = |(worker, seen): &(Worker, Seen)| {
                let rests = worker.not_before.is_none() && !seen.has_work && !seen.doing.asks;
                worker.run.is_none() && (rests || worker.is_given_up())
            };
            if self.ends_when_done && is_quiet && !stopping && pairs.iter().all(nobody_works) {
                self.bell.stop();
                continue;
            }
            let is_over = pairs.iter().all(|(worker, _)| !worker.wanted && worker.run.is_none());
            if is_over && is_quiet {
                self.ask("note_fleet", json!({ "term": term, "notes": [], "resign": true }))?;
                return Ok(Finish::Done);
            }
            let by_time = plan.look_again_ms.map_or(Duration::from_secs(60), |ms| Duration::from_millis(ms as u64));
            wait = match (is_quiet, runs) {
                (false, _) => Duration::ZERO,
                (true, true) => by_time.min(LOOK_EVERY),
                (true, false) => by_time,
            };
        }
    }

    fn ask(&self, operation: &str, arguments: Value) -> Result<Value> {
        let request = own_request(operation, arguments)?;
        self.desk.execute(&request, &self.caller, &Hangup::new()).map(|reply| reply.data)
    }

    /// Waits no longer than that for something new.
    fn look(&self, seen: Option<String>, wait: Duration) -> Result<FleetView> {
        let request = own_request(
            "lead_fleet",
            json!({ "process": self.process, "seen": seen, "timeout_seconds": wait.as_secs_f64().ceil() as u64 }),
        )?;
        let hangup = self.bell.hangup();
        let reply = self.desk.execute(&request, &self.caller, &hangup)?;
        FleetView::deserialize(&reply.data).map_err(Error::internal)
    }

    fn now(&self, view: &FleetView) -> Now {
        Now { at: view.at, tick: view.tick }
    }

    fn observe(&self, watches: &mut BTreeMap<String, Watch>, one: &WorkerSeen) -> (Option<Standing>, Seen) {
        let worker = &one.worker;
        let standing = worker.run.as_ref().map(|run| {
            let dir = self.hands.run_dir(worker, run.number);
            let standing = dir.standing(&self.hands.host).unwrap_or(Standing::NotBegun);
            let watch = watches.entry(worker.name.clone()).or_insert_with(|| Watch::new(dir.clone(), run.number));
            if watch.number != run.number {
                *watch = Watch::new(dir, run.number);
            }
            watch.look(&self.hands.host);
            standing
        });
        let life = match &standing {
            None => Life::None,
            Some(Standing::Runs(_) | Standing::NotBegun | Standing::Elsewhere(_)) => Life::Alive,
            Some(Standing::Ended(_) | Standing::Lost(_)) => Life::Gone,
        };
        let record = match &standing {
            Some(Standing::Runs(record)) => Some(record),
            _ => None,
        };
        let signs = match watches.get_mut(&worker.name).filter(|_| standing.is_some()) {
            Some(watch) => {
                let (output, processor) = watch.signs(record);
                Signs { output: Some(output), calls: one.called_ms, processor, files: None }
            }
            None => Signs::default(),
        };
        let doing = Doing { activity: one.activity, asks: one.asks, holds: one.holds.is_some() };
        (standing, Seen { life, joined: one.joined, doing, signs, has_work: one.has_work, leave: one.leave })
    }

    fn note(&self, term: u64, worker: &str, note: Note) -> Result<Value> {
        self.ask("note_fleet", json!({ "term": term, "notes": [[worker, note]] }))
    }

    fn act(
        &self,
        term: u64,
        one: &WorkerSeen,
        standing: Option<Standing>,
        step: Step,
        watches: &mut BTreeMap<String, Watch>,
    ) -> Result<()> {
        let worker = &one.worker;
        let name = worker.name.as_str();
        let number = worker.run.as_ref().map_or(0, |run| run.number);
        let record = match &standing {
            Some(Standing::Runs(record)) => Some(record),
            _ => None,
        };
        if let Some(words) = words(&step) {
            (self.tell)(name, &words);
        }
        match step {
            Step::Start => return self.start(term, one),
            Step::Reap => {
                let watch = watches.remove(name);
                return self.reap(term, one, standing, watch);
            }
            Step::Interrupt => {
                // One that has just ended needs no interruption.
                record.iter().for_each(|record| drop(self.hands.interrupt(record)));
                self.note(term, name, Note::Interrupted)?;
            }
            Step::End(why) => {
                record.iter().for_each(|record| drop(self.hands.end(record)));
                self.note(term, name, Note::Ending { number })?;
                tracing::info!(worker = name, why, "asked to end");
            }
            Step::Kill(why) => {
                record.iter().for_each(|record| drop(self.hands.end(record)));
                self.note(term, name, Note::Ending { number })?;
                tracing::warn!(worker = name, why, "ended");
            }
            Step::Show(state, reason) => drop(self.note(term, name, Note::Shows { state, reason })?),
            Step::Ask(text) => drop(self.note(term, name, Note::Asks { text })?),
            Step::Extend => drop(self.note(term, name, Note::Extended)?),
            Step::Dismiss => drop(self.note(term, name, Note::Dismissed)?),
        }
        Ok(())
    }

    /// In the name of a worker.
    fn ask_as(&self, instance: &str, operation: &str, mut arguments: Value) -> Result<Value> {
        arguments["instance_id"] = instance.into();
        self.ask(operation, arguments)
    }

    fn start(&self, term: u64, one: &WorkerSeen) -> Result<()> {
        match self.try_to_start(term, one) {
            Err(error) if error.kind == Kind::StaleClaim => Err(error),
            Err(error) => {
                // It is tried again later, and shown until then.
                let reason = Some(error.message.clone());
                self.note(term, &one.worker.name, Note::Shows { state: State::Restarting, reason }).map(drop)
            }
            Ok(()) => Ok(()),
        }
    }

    fn try_to_start(&self, term: u64, one: &WorkerSeen) -> Result<()> {
        let worker = &one.worker;
        let instance = self.instance(worker)?;
        let task = match one.holds {
            Some(task) => task,
            None => {
                let claim = self.ask_as(instance.as_str(), "claim_task", json!({}))?;
                match claim["task"]["id"].as_str().and_then(|id| id.parse::<TaskId>().ok()) {
                    Some(task) => task,
                    // Somebody was quicker.
                    None => return Ok(()),
                }
            }
        };
        let told = self.ask("get_task", json!({ "task_id": task, "history": true }))?;
        let begins = Note::Begins { task: Some(task), instance };
        let noted = self.note(term, &worker.name, begins)?;
        let number = noted["runs"][&worker.name].as_u64().unwrap_or_default();
        let beginning = Beginning { worker, number, task: &told, goes_on: one.holds.is_some() };
        let bell = self.bell.clone();
        match self.hands.begin(&beginning, move || bell.ring()) {
            Ok(()) => Ok(()),
            Err(error) => {
                let end = End::Badly { reason: error.message };
                self.note(term, &worker.name, Note::Ended { number, end, cost: None, completed: false, forget: false })
                    .map(drop)
            }
        }
    }

    /// The instance that it works as.
    fn instance(&self, worker: &Worker) -> Result<InstanceId> {
        if let Some(instance) = &worker.instance {
            return Ok(instance.clone());
        }
        let joined = self.ask("register_instance", json!({ "name": worker.name, "role": worker.role }))?;
        let id = joined["instance"]["id"].as_str().ok_or_else(|| Error::internal("a registration without an id"))?;
        Ok(InstanceId::from_stored(id.to_owned()))
    }

    /// What came of a run whose process is gone.
    fn reap(&self, term: u64, one: &WorkerSeen, standing: Option<Standing>, watch: Option<Watch>) -> Result<()> {
        let worker = &one.worker;
        let Some(run) = &worker.run else { return Ok(()) };
        let mut watch = watch.unwrap_or_else(|| Watch::new(self.hands.run_dir(worker, run.number), run.number));
        watch.look(&self.hands.host);
        let ended: Option<Ended> = match standing {
            Some(Standing::Ended(end)) => Some(end),
            _ => None,
        };
        let task = match run.task {
            Some(task) => Some(self.ask("get_task", json!({ "task_id": task }))?),
            None => None,
        };
        let outcome = outcome::of(ended.as_ref(), &watch.facts, task.as_ref(), one);
        self.settle(term, one, run.number, &watch, outcome)
    }

    fn settle(&self, term: u64, one: &WorkerSeen, number: u64, watch: &Watch, outcome: Outcome) -> Result<()> {
        let worker = &one.worker;
        let name = worker.name.as_str();
        let facts = &watch.facts;
        if let Some(session) = &facts.session {
            let session = Note::Session { number, session: session.clone(), model: facts.model.clone() };
            self.note(term, name, session)?;
        }
        if let Some(until) = outcome.limited {
            self.note(term, name, Note::Limited { until })?;
        }
        let instance = worker.instance.as_ref().map(InstanceId::to_string).unwrap_or_default();
        if let (Some(task), Some((operation, reason))) = (outcome.task, &outcome.hands_back) {
            // It may be over by now, and is then nobody's to hand back.
            let _ = self.ask_as(&instance, operation, json!({ "task_id": task, "reason": reason }));
        }
        (self.tell)(name, &ended(&outcome));
        let end = Note::Ended {
            number,
            end: outcome.end,
            cost: facts.cost,
            completed: outcome.completed,
            forget: outcome.forget,
        };
        self.note(term, name, end).map(drop)
    }

    /// A worker that works and says nothing keeps its claim, and its place.
    fn keep(&self, term: u64, one: &WorkerSeen, watches: &mut BTreeMap<String, Watch>) -> Result<()> {
        let Some(watch) = watches.get_mut(&one.worker.name).filter(|_| one.worker.run.is_some()) else { return Ok(()) };
        if watch.kept.so_far() < KEEP_EVERY || one.called_ms.is_some_and(|ago| ago < KEEP_EVERY.as_millis() as i64) {
            return Ok(());
        }
        watch.kept = Stopwatch::start();
        self.note(term, &one.worker.name, Note::Keeps).map(drop)
    }
}

fn ended(outcome: &Outcome) -> String {
    let task = outcome.task.map(|task| format!(" {task}")).unwrap_or_default();
    match (&outcome.end, &outcome.hands_back) {
        (_, Some((_, reason))) => format!("hands back{task}: {reason}"),
        (End::Badly { reason }, None) => format!("ended: {reason}"),
        (End::Limited { until: Some(until) }, None) => format!("is limited until {until}"),
        (End::Limited { until: None }, None) => "is limited".to_owned(),
        (End::Asked, None) => "ended as it was asked to".to_owned(),
        (End::Well, None) if outcome.completed => format!("completed{task}"),
        (End::Well, None) => format!("ended with{task}"),
    }
}

/// What a person is told of it.
fn words(step: &Step) -> Option<String> {
    Some(match step {
        Step::Start => "starts".to_owned(),
        Step::Show(state, None) => state.word().to_owned(),
        Step::Show(state, Some(reason)) => format!("{}: {reason}", state.word()),
        Step::End(why) => format!("is asked to end: {why}"),
        Step::Kill(why) => format!("is ended: {why}"),
        Step::Ask(text) => format!("asks you: {text}"),
        Step::Interrupt => "is interrupted".to_owned(),
        Step::Reap | Step::Extend | Step::Dismiss => return None,
    })
}
