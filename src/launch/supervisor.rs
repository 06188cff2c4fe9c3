//! The one that looks after the workers: it asks what there is, plans, and acts, until nobody wants it any more.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Stopwatch;
use crate::keep::run::Cause;
use crate::keep::run::Record;
use crate::keep::run::RunDir;
use crate::keep::run::Standing;
use crate::launch::bell::Bell;
use crate::launch::bell::Wish;
use crate::launch::closings::Closings;
use crate::launch::hands::Hands;
use crate::launch::in_hand::InHand;
use crate::launch::liveness;
use crate::launch::liveness::Doing;
use crate::launch::liveness::Signs;
use crate::launch::nudge::Subject;
use crate::launch::plan;
use crate::launch::plan::Life;
use crate::launch::plan::Seen;
use crate::launch::plan::Step;
use crate::launch::staying;
use crate::launch::team::Team;
use crate::launch::teller::Teller;
use crate::launch::teller::Wanted;
use crate::launch::watch::Watch;
use crate::model::id::QuestionId;
use crate::model::session::Activity;
use crate::model::spending::Purse;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::worker::Mode;
use crate::model::worker::Worker;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::question::QuestionView;
use crate::ops::table::own_request;
use crate::ops::worker::FleetView;
use crate::ops::worker::Note;
use crate::ops::worker::WorkerSeen;
use crate::store::doorbell::Hangup;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::thread::Scope;
use std::time::Duration;

/// What nobody tells is looked for so often: a process of an earlier supervisor that has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two tries at something that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// A store that cannot be used for so long is given up.
const DOWN_MAX: Duration = Duration::from_secs(15 * 60);
/// The same for one that somebody wants to end.
const DOWN_AT_END_MAX: Duration = Duration::from_secs(10);
/// Nobody has heard of a worker of another machine for so long: it is gone.
const ELSEWHERE_GONE_MS: i64 = 20 * 60 * 1000;
/// A claim lasts longer.
const KEEP_EVERY_MS: i64 = 60_000;

pub struct Supervisor<'a> {
    pub desk: &'a dyn Desk,
    pub hands: Hands,
    pub in_hand: InHand,
    pub closings: Closings,
    /// This process, as the host names it to others: who waits to take over asks whether it lives.
    pub process: String,
    pub caller: Caller,
    pub bell: Bell,
    /// End when nobody is wanted and nobody runs.
    pub ends_when_done: bool,
    /// See only to the end of those that are not wanted: as soon as anybody is, somebody else has to look after them.
    pub only_ends: bool,
    /// Learns which roles are wanted, to tell them of what happens.
    pub teller: Teller,
    /// Hears what is done, in words: of which worker, and what.
    pub tell: &'a (dyn Fn(&str, &str) + Sync),
    /// Hears whether it leads, at the first look and whenever that changes.
    pub takes_part: &'a (dyn Fn(Part) + Sync),
}

/// Only one looks after the workers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    Leads,
    StandsBy {
        /// The number of the process that leads.
        leader: String,
        /// How many workers are wanted.
        workers: usize,
    },
}

impl Part {
    fn of(view: &FleetView) -> Part {
        if view.leads {
            return Part::Leads;
        }
        let leader = view.fleet.leader_number().unwrap_or_default();
        let workers = view.workers.iter().filter(|one| one.worker.wanted).count();
        Part::StandsBy { leader: leader.to_owned(), workers }
    }
}

/// How it came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finish {
    Done,
    /// Somebody wanted it to end at once: another one may go on with what runs.
    Left,
    /// Somebody wanted it to end while another one looked after the workers.
    StoodBy,
}

/// What it knows from look to look.
#[derive(Default)]
struct Tending {
    watches: BTreeMap<String, Watch>,
    /// Does it lead, by the last look?
    leads: Option<bool>,
    /// What the last look saw.
    seen: Option<String>,
    wait: Duration,
    /// Somebody wants it to end, and it has heard that.
    ends: bool,
    /// What was told last of each that something is wrong with.
    troubles: BTreeMap<String, String>,
    /// What is asked, and was told.
    asked: BTreeSet<QuestionId>,
    /// Since when nothing at all could be done.
    down: Option<Stopwatch>,
}

impl<'a> Supervisor<'a> {
    /// One that goes on until nobody wants it any more, and tells nobody what it does.
    pub fn new(desk: &'a dyn Desk, hands: Hands, caller: Caller) -> Supervisor<'a> {
        Supervisor {
            desk,
            process: hands.host.this_process(),
            hands,
            in_hand: InHand::default(),
            closings: Closings::default(),
            caller,
            bell: Bell::default(),
            ends_when_done: false,
            only_ends: false,
            teller: Teller::default(),
            tell: &|_, _| {},
            takes_part: &|_| {},
        }
    }
}

impl Supervisor<'_> {
    pub fn run(&self) -> Result<Finish> {
        thread::scope(|scope| {
            let mut tending = Tending::default();
            loop {
                match self.turn(scope, &mut tending) {
                    Ok(Some(finish)) => return Ok(finish),
                    Ok(None) => tending.down = None,
                    Err(error) => self.weathers(error, &mut tending)?,
                }
            }
        })
    }

    /// One look, and what follows from it.
    fn turn<'s>(&'s self, scope: &'s Scope<'s, '_>, tending: &mut Tending) -> Result<Option<Finish>> {
        // Whatever rings from here on ends the wait.
        let hangup = self.bell.hangup();
        if self.bell.wish() == Wish::EndAtOnce {
            return Ok(Some(if tending.leads == Some(false) { Finish::StoodBy } else { Finish::Left }));
        }
        let ends = self.bell.wish() >= Wish::End;
        if ends && !tending.ends {
            // Nobody waits for news before that is done.
            (tending.ends, tending.wait) = (true, Duration::ZERO);
        }
        let view = self.look(tending.seen.take(), tending.wait, &hangup)?;
        let led = tending.leads.replace(view.leads);
        if led != Some(view.leads) {
            (self.takes_part)(Part::of(&view));
        }
        if !view.leads {
            tending.watches.clear();
            self.teller.wants(Wanted::new());
            tending.wait = Duration::from_secs(60);
            // Those that somebody else looks after go on.
            return Ok(ends.then_some(if led == Some(true) { Finish::Left } else { Finish::StoodBy }));
        }
        let is_wanted = view.workers.iter().any(|one| one.worker.wanted);
        if self.only_ends && is_wanted {
            self.resign(view.fleet.term)?;
            self.bell.leave();
            return Ok(Some(Finish::Left));
        }
        if ends && is_wanted {
            self.ask("stop_workers", json!({ "all": true }))?;
            tending.wait = Duration::ZERO;
            return Ok(None);
        }
        tending.seen = Some(view.seen.clone());
        let wanted = view.workers.iter().map(|one| &one.worker).filter(|worker| worker.wanted);
        self.teller.wants(wanted.map(|worker| (worker.role.clone(), worker.terms.work_dir.clone())).collect());
        let mut pairs = Vec::new();
        let mut standing_of = BTreeMap::new();
        for one in &view.workers {
            let (standing, found) = self.observe(&mut tending.watches, one, view.tick);
            standing_of.insert(one.worker.name.clone(), standing);
            pairs.push((one.worker.clone(), found));
        }
        let plan = plan::plan(&view.fleet, &pairs, Now { at: view.at, tick: view.tick });
        let is_quiet = plan.steps.is_empty();
        let term = view.fleet.term;
        let mut troubled = false;
        for (name, step) in plan.steps {
            let Some(one) = view.workers.iter().find(|one| one.worker.name == name) else { continue };
            let standing = standing_of.get(&name).cloned().flatten();
            let done = self.act(scope, term, one, standing, step, &mut tending.watches);
            troubled |= self.is_trouble(done, &name, tending)?;
        }
        for one in &view.workers {
            let watches = &mut tending.watches;
            let asked = &mut tending.asked;
            let done = self
                .tell_what_is_asked(one, asked)
                .and_then(|()| self.keep(term, view.tick, one, watches))
                .and_then(|()| self.write_down(term, view.tick, one, watches))
                .and_then(|()| self.arm(one));
            troubled |= self.is_trouble(done, &one.worker.name, tending)?;
        }
        if troubled {
            self.pause();
            tending.wait = Duration::ZERO;
            return Ok(None);
        }
        tending.troubles.clear();
        let runs = pairs.iter().any(|(worker, _)| worker.run.is_some());
        let is_done = |(worker, seen): &(Worker, Seen)| plan::has_nothing_left(worker, seen, view.tick);
        if self.ends_when_done && is_quiet && !ends && !view.comes_later && pairs.iter().all(is_done) {
            self.bell.stop();
            return Ok(None);
        }
        let is_over = pairs.iter().all(|(worker, _)| !worker.wanted && worker.run.is_none());
        if is_over && is_quiet {
            self.resign(term)?;
            return Ok(Some(Finish::Done));
        }
        let by_time = plan.look_again_ms.map_or(Duration::from_secs(60), |ms| Duration::from_millis(ms as u64));
        tending.wait = match (is_quiet, runs) {
            (false, _) => Duration::ZERO,
            (true, true) => by_time.min(LOOK_EVERY),
            (true, false) => by_time,
        };
        Ok(None)
    }

    /// What is wrong with one of them is told once, and keeps nobody from the others. Whoever leads no more does nothing more.
    fn is_trouble(&self, done: Result<()>, name: &str, tending: &mut Tending) -> Result<bool> {
        let Err(error) = done else { return Ok(false) };
        if error.kind == Kind::StaleClaim {
            return Err(error);
        }
        if tending.troubles.get(name) != Some(&error.message) {
            (self.tell)(name, &error.message);
            tending.troubles.insert(name.to_owned(), error.message);
        }
        Ok(true)
    }

    /// A full disk may have room again, and a store that is busy time: workers that nobody looks after are worse than a
    /// supervisor that waits.
    fn weathers(&self, error: Error, tending: &mut Tending) -> Result<()> {
        tending.seen = None;
        tending.wait = Duration::ZERO;
        if error.kind == Kind::StaleClaim {
            tending.watches.clear();
            return Ok(());
        }
        let is_for_good =
            matches!(error.kind, Kind::Invalid | Kind::Forbidden | Kind::Internal) || !self.hands.state_dir.exists();
        let down = *tending.down.get_or_insert_with(Stopwatch::start);
        let down_max = if tending.ends { DOWN_AT_END_MAX } else { DOWN_MAX };
        if is_for_good || down.so_far() >= down_max {
            return Err(match tending.ends {
                true => {
                    error.hint("no worker could be told to end: once this is mended, `orch-mcp stop --all` does it")
                }
                false => error,
            });
        }
        self.is_trouble(Err(error), "supervisor", tending)?;
        self.pause();
        Ok(())
    }

    fn resign(&self, term: u64) -> Result<()> {
        self.ask("note_fleet", json!({ "term": term, "notes": [], "resign": true })).map(drop)
    }

    fn pause(&self) {
        thread::park_timeout(PAUSE);
    }

    pub(super) fn ask(&self, operation: &str, arguments: Value) -> Result<Value> {
        self.team().ask(operation, arguments)
    }

    pub(super) fn team(&self) -> Team<'_> {
        Team { desk: self.desk, caller: &self.caller }
    }

    /// Waits no longer than that for something new.
    fn look(&self, seen: Option<String>, wait: Duration, hangup: &Hangup) -> Result<FleetView> {
        let request = own_request(
            "lead_fleet",
            json!({ "process": self.process, "seen": seen, "timeout_seconds": wait.as_secs_f64().ceil() as u64 }),
        )?;
        let reply = self.desk.execute(&request, &self.caller, hangup)?;
        FleetView::deserialize(&reply.data).map_err(Error::internal)
    }

    fn observe(&self, watches: &mut BTreeMap<String, Watch>, one: &WorkerSeen, now: Tick) -> (Option<Standing>, Seen) {
        let worker = &one.worker;
        let told_lately: Vec<Subject> = watches.values().flat_map(|watch| watch.told.lately()).collect();
        let standing = worker.run.as_ref().map(|run| {
            let dir = self.hands.run_dir(worker, run.number);
            let standing = self.standing(worker, &dir, run.number);
            let watch = watches.entry(worker.name.clone()).or_insert_with(|| Watch::new(dir.clone(), run.number));
            if watch.number != run.number {
                *watch = Watch::new(dir, run.number);
            }
            watch.passes(now);
            watch.look(&self.hands.host);
            standing
        });
        let life = match &standing {
            None => Life::None,
            Some(Standing::NotBegun) => Life::Prepared,
            Some(Standing::Runs(_)) if !watches[&worker.name].run.is_ready() => Life::Prepared,
            Some(Standing::Elsewhere(_)) if one.called_ms.is_none_or(|ago| ago >= ELSEWHERE_GONE_MS) => Life::Gone,
            Some(Standing::Runs(_) | Standing::Elsewhere(_)) => Life::Alive,
            Some(Standing::Ended(_) | Standing::Lost(_)) if self.closings.is_under_way(worker) => Life::Closing,
            Some(Standing::Ended(_) | Standing::Lost(_)) => Life::Gone,
        };
        let record = standing.as_ref().and_then(Standing::record);
        let (runs_ms, mut signs) = match watches.get_mut(&worker.name).filter(|_| standing.is_some()) {
            Some(watch) => {
                // What stands on a screen is not copied, but its client writes it down.
                let is_told = match worker.mode {
                    Mode::Task | Mode::Long => true,
                    Mode::Terminal => {
                        let transcript = one.stays.as_ref().and_then(|stays| stays.transcript.as_ref());
                        transcript.is_some_and(|transcript| watch.look_at_transcript(Path::new(transcript)))
                    }
                };
                let (output, processor) = watch.signs(&self.hands.host, record);
                let output = Some(output).filter(|_| is_told);
                (watch.runs(life), Signs { output, calls: one.called_ms, processor, ..Signs::default() })
            }
            None => (0, Signs::default()),
        };
        let mut watch = watches.get_mut(&worker.name).filter(|_| standing.is_some());
        if let Some(watch) = &mut watch {
            watch.has_worked |= !matches!(one.activity, Activity::Unknown | Activity::Idle);
        }
        let activity = watch.as_ref().map_or(one.activity, |watch| staying::activity(one, &watch.facts, &signs));
        let doing = Doing { activity, asks: one.asks, needs_leave: one.needs_leave };
        let (mut works_ms, mut without_ms) = (0, None);
        if let Some(watch) = watch.as_mut().filter(|_| life == Life::Alive) {
            let waits = liveness::waits(&doing, &signs);
            signs.waited = watch.waited(waits.is_some());
            works_ms = watch.works(waits.as_ref());
            without_ms = watch.is_without(one.is_without());
        }
        if let Some(watch) = watch.as_mut().filter(|_| liveness::is_in_doubt(&doing, &signs)) {
            signs.files = watch.files(worker, &self.hands.state_dir);
        }
        let watch = watch.as_deref();
        let seen = Seen {
            life,
            runs_ms,
            works_ms,
            joined: one.joined,
            is_lost: one.is_lost,
            without_ms,
            doing,
            signs,
            has_work: one.has_work,
            reached: one.reached.clone(),
            due: watch.map(|watch| staying::due(one, activity, watch, runs_ms, &told_lately)).unwrap_or_default(),
            rings: one.stays.as_ref().is_some_and(|stays| stays.rings && stays.client.is_some()),
        };
        (standing, seen)
    }

    fn standing(&self, worker: &Worker, dir: &RunDir, number: u64) -> Standing {
        let look = || dir.standing(&self.hands.host).unwrap_or(Standing::NotBegun);
        match look() {
            // Whoever was to begin it has ended.
            Standing::NotBegun if !self.in_hand.holds(&worker.name, number) => {
                let reason = "the one who was to start it ended first".to_owned();
                let _ = self.hands.give_up(dir, reason, Cause::Starter);
                look()
            }
            standing => standing,
        }
    }

    pub(super) fn note(&self, term: u64, worker: &str, note: Note) -> Result<Value> {
        self.note_all(term, worker, vec![note])
    }

    /// All of it or nothing.
    pub(super) fn note_all(&self, term: u64, worker: &str, notes: Vec<Note>) -> Result<Value> {
        let notes: Vec<(&str, Note)> = notes.into_iter().map(|note| (worker, note)).collect();
        self.ask("note_fleet", json!({ "term": term, "notes": notes }))
    }

    fn act<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        term: u64,
        one: &WorkerSeen,
        standing: Option<Standing>,
        step: Step,
        watches: &mut BTreeMap<String, Watch>,
    ) -> Result<()> {
        let worker = &one.worker;
        let name = worker.name.as_str();
        let number = worker.run.as_ref().map_or(0, |run| run.number);
        let record = standing.as_ref().and_then(Standing::record);
        if let Some(words) = words(&step) {
            (self.tell)(name, &words);
        }
        match step {
            Step::Settle => return self.settle_terms(term, one),
            Step::Start => return self.start(term, one),
            Step::Say(subject) => return self.say(one, subject, watches),
            Step::Ring => return self.ring(one, watches),
            Step::HandBack(task) => return self.hand_back(one, task, watches),
            Step::Reap => {
                let watch = watches.remove(name);
                return self.reap(scope, term, one, standing, watch);
            }
            Step::Interrupt => {
                watches.get_mut(name).into_iter().for_each(|watch| watch.order = worker.order);
                // One that has just ended needs no interruption.
                record.iter().for_each(|record| drop(self.hands.interrupt(worker, record)));
                self.note(term, name, Note::Interrupted)?;
            }
            // First it is told, and then that is noted.
            Step::End(why) => {
                watches.get_mut(name).into_iter().for_each(|watch| watch.order = worker.order);
                self.end(worker, record, why);
                self.note(term, name, Note::Ending { number, fault: None })?;
            }
            // A keeper that works would have ended everything by now. What outlives it has its mark.
            Step::Kill(why) => {
                match record {
                    Some(record) => drop(self.hands.kill(record)),
                    None => self.end(worker, None, why),
                }
                self.note(term, name, Note::Ending { number, fault: None })?;
            }
            Step::Fault(why) => {
                self.end(worker, record, why.clone());
                self.note(term, name, Note::Ending { number, fault: Some(why) })?;
            }
            Step::Show(state, reason) => drop(self.note(term, name, Note::Shows { state, reason })?),
            Step::Ask(purse, beyond) => drop(self.note(term, name, Note::Asks { purse, beyond })?),
            Step::Extend(purse) => drop(self.note(term, name, Note::Extended { purse })?),
            Step::Refuse(purse, why) => {
                let reason = format!("{why}, and you did not let it go on");
                // Either may be over by now, and is then nobody's to end.
                match (purse, &worker.instance) {
                    (Purse::Task(task), Some(instance)) => {
                        let set_aside = json!({ "task_id": task, "reason": reason });
                        let _ = self.ask_as(instance.as_str(), "block_task", set_aside);
                    }
                    (Purse::Job(job), _) => drop(self.ask("cancel_job", json!({ "job_id": job, "reason": reason }))),
                    _ => {}
                }
                self.note(term, name, Note::Refused { purse })?;
            }
        }
        Ok(())
    }

    /// Whoever reads lines is to know it at once, with what to type.
    fn tell_what_is_asked(&self, one: &WorkerSeen, told: &mut BTreeSet<QuestionId>) -> Result<()> {
        for id in one.asked.iter().filter(|id| !told.contains(id)).copied().collect::<Vec<_>>() {
            let question = self.ask("get_question", json!({ "question_id": id }))?["question"].take();
            let question = QuestionView::deserialize(&question).map_err(Error::internal)?;
            (self.tell)(&one.worker.name, &question.in_a_line());
            told.insert(id);
        }
        Ok(())
    }

    fn end(&self, worker: &Worker, record: Option<&Record>, why: String) {
        match (record, &worker.run) {
            (Some(record), _) => drop(self.hands.end(record)),
            (None, Some(run)) => drop(self.hands.give_up(&self.hands.run_dir(worker, run.number), why, Cause::Program)),
            (None, None) => {}
        }
    }

    /// In the name of a worker.
    pub(super) fn ask_as(&self, instance: &str, operation: &str, mut arguments: Value) -> Result<Value> {
        arguments["instance_id"] = instance.into();
        self.ask(operation, arguments)
    }

    /// A worker that works and says nothing keeps its claim, and its place; so does one between two sessions.
    fn keep(&self, term: u64, now: Tick, one: &WorkerSeen, watches: &mut BTreeMap<String, Watch>) -> Result<()> {
        let worker = &one.worker;
        let kept_ms = worker.kept.map_or(i64::MAX, |kept| now.since(kept));
        // Whoever is limited, paused, or about to begin again goes on with it.
        if worker.run.is_none()
            && worker.wanted
            && !worker.is_given_up()
            && one.holds.is_some()
            && kept_ms >= KEEP_EVERY_MS
        {
            return self.note(term, &worker.name, Note::Keeps).map(drop);
        }
        let Some(watch) = watches.get_mut(&one.worker.name).filter(|_| one.worker.run.is_some()) else { return Ok(()) };
        if watch.kept.is_none_or(|kept| now.since(kept) < KEEP_EVERY_MS)
            || one.called_ms.is_some_and(|ago| ago < KEEP_EVERY_MS)
        {
            return Ok(());
        }
        watch.kept = Some(now);
        self.note(term, &one.worker.name, Note::Keeps).map(drop)
    }
}

/// What a person is told of it.
fn words(step: &Step) -> Option<String> {
    Some(match step {
        Step::Show(state, None) => state.word().to_owned(),
        Step::Show(state, Some(reason)) => format!("{}: {reason}", state.word()),
        Step::End(why) | Step::Fault(why) => format!("is asked to end: {why}"),
        Step::Kill(why) => format!("is ended: {why}"),
        Step::Ask(_, beyond) => format!("asks you: {beyond}; may it go on?"),
        Step::Refuse(_, beyond) => format!("does not go on: {beyond}"),
        Step::Interrupt => "is interrupted".to_owned(),
        Step::Say(subject) => format!("is told: {}", subject.words()),
        Step::Ring => "is told of its mail".to_owned(),
        Step::HandBack(task) => format!("hands back {task}, with which it does nothing"),
        // What comes of it is told when it is known.
        Step::Settle | Step::Start | Step::Reap | Step::Extend(_) => return None,
    })
}
