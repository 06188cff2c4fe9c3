//! A worker: what is wanted of it, and what was last seen of it.

use crate::model::demand::Demand;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::spending::Allowance;
use crate::model::spending::Cost;
use crate::model::spending::Limits;
use crate::model::spending::Spent;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// How its sessions run.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WorkerMode")]
pub enum Mode {
    /// A session for each task, which was claimed for it.
    #[default]
    Task,
    /// One session that stays, and is told what to do over its standard input.
    Long,
    /// One session in a terminal, which a person may look at and take over.
    Terminal,
}

impl Mode {
    pub const WORDS: [(&'static str, Mode); 3] =
        [("task", Mode::Task), ("long", Mode::Long), ("terminal", Mode::Terminal)];

    pub fn word(self) -> &'static str {
        word(&Mode::WORDS, self)
    }
}

/// The word of a meaning, in a list that has all of them.
pub(super) fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], meaning: T) -> &'static str {
    words.iter().find(|(_, other)| *other == meaning).map_or("", |(word, _)| word)
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WorkerState")]
pub enum State {
    /// Nobody has started it yet.
    Wanted,
    /// It runs, and has not been heard of.
    Starting,
    Busy,
    Idle,
    /// It waits for the human.
    NeedsInput,
    /// The service takes no more of it for now.
    Limited,
    /// A cap was reached: the human is asked whether it may go on.
    Paused,
    /// Every sign of it is silent.
    Stalled,
    /// It ended, and will be started again.
    Restarting,
    /// It was given up, for the reason that is told.
    Failed,
    Stopping,
    Stopped,
}

impl State {
    pub const ALL: [State; 12] = [
        State::Wanted,
        State::Starting,
        State::Busy,
        State::Idle,
        State::NeedsInput,
        State::Limited,
        State::Paused,
        State::Stalled,
        State::Restarting,
        State::Failed,
        State::Stopping,
        State::Stopped,
    ];

    pub fn word(self) -> &'static str {
        match self {
            State::Wanted => "wanted",
            State::Starting => "starting",
            State::Busy => "busy",
            State::Idle => "idle",
            State::NeedsInput => "needs_input",
            State::Limited => "limited",
            State::Paused => "paused",
            State::Stalled => "stalled",
            State::Restarting => "restarting",
            State::Failed => "failed",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
        }
    }
}

/// What somebody wants done to it once.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WorkerOrder")]
pub enum Order {
    /// End its turn; the session stays.
    Interrupt,
    /// End its session, and begin another that goes on with its thread.
    Restart,
}

pub const RESTARTS_DEFAULT: u32 = 3;

/// One life of its process.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "WorkerRun")]
pub struct Run {
    /// It rises with each start of this worker.
    pub number: u64,
    pub began: Tick,
    pub began_at: Timestamp,
    /// The task that was claimed for it.
    pub task: Option<TaskId>,
    /// Its last call, as it was known when its presence was renewed for it: from then on its presence does not tell.
    pub called: Option<Tick>,
    /// It was asked to end.
    pub ending: Option<Ending>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "RunEnding")]
pub struct Ending {
    pub since: Tick,
    /// What was wrong with it; nothing where somebody just wanted it to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Run {
    /// `fault`: it is not somebody's wish alone. What was wrong first is what was wrong.
    pub fn is_asked_to_end(&mut self, fault: Option<String>, now: Now) {
        let before = self.ending.take().and_then(|ending| ending.fault);
        self.ending = Some(Ending { since: now.tick, fault: before.or(fault) });
    }

    /// Somebody wanted it to end, and there was nothing wrong with it.
    pub fn is_unwanted(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.fault.is_none())
    }

    pub fn fault(&self) -> Option<&str> {
        self.ending.as_ref()?.fault.as_deref()
    }
}

/// What is kept of each run for those who count.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    pub worker: String,
    pub number: u64,
    pub role: String,
    pub model: Option<String>,
    pub task: Option<TaskId>,
    pub session: Option<String>,
    pub began_at: Timestamp,
    pub ended: Option<Ended>,
    /// What it cost, if anybody told.
    pub cost: Option<Cost>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub at: Timestamp,
    pub outcome: String,
}

/// Whatever depends on where it works and what its role says. Kept as it was when the worker was wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WorkerTerms")]
pub struct Terms {
    /// How its sessions run, if that was said; else its role says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The directory of its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    pub limits: Limits,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Worker {
    /// What its instance is called, too.
    pub name: String,
    pub role: String,
    pub mode: Mode,
    pub terms: Terms,
    /// What its terms leave open was read from its role.
    pub settled: bool,
    /// How far it may go, by both.
    #[serde(default)]
    pub limits: Limits,
    /// Is it to run? One that is not is stopped, and stays known.
    pub wanted: bool,
    pub wanted_at: Timestamp,
    /// Who wanted it: nobody for the human.
    pub wanted_by: Option<InstanceId>,
    /// How many workers stand between it and the human.
    pub depth: u32,
    pub order: Option<Order>,
    pub instance: Option<InstanceId>,
    pub state: State,
    pub reason: Option<String>,
    pub since: Timestamp,
    pub run: Option<Run>,
    /// The number of its newest run.
    pub runs: u64,
    /// The session that its next run goes on with.
    pub session: Option<String>,
    /// The task that it is about, of a worker with a session for each.
    pub thread: Option<TaskId>,
    /// What its role demands of each task that it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Demand>,
    /// Starts in a row that brought nothing.
    pub failures: u32,
    /// The task that it held at each of their ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub felled_by: Option<TaskId>,
    /// It is not started before that.
    pub not_before: Option<Tick>,
    pub restarts: u32,
    pub completed: u32,
    pub spent: Spent,
    /// When its presence was renewed for it, which is no sign of its own.
    pub kept: Option<Tick>,
    /// How far beyond its limits the human let it go.
    pub allowance: Allowance,
    /// The newest task that it completed in this life.
    pub latest: Option<TaskId>,
}

/// The first pause between two starts, and the longest.
const PAUSE_MS: i64 = 2_000;
const PAUSE_MS_MAX: i64 = 300_000;

/// How a run ended, for the worker that it was one of.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RunEnd")]
pub enum End {
    /// It did something, or had nothing to do.
    Well,
    /// The service took no more of it.
    Limited {
        until: Option<Timestamp>,
    },
    /// Somebody wanted it to end.
    Asked,
    Badly {
        reason: String,
    },
    /// So did others before it, and what they held is set aside: that is the fault of the task, and not of the worker.
    SetAside {
        reason: String,
    },
}

impl End {
    pub fn word(&self) -> &'static str {
        match self {
            End::Well => "well",
            End::Limited { .. } => "limited",
            End::Asked => "asked",
            End::Badly { .. } | End::SetAside { .. } => "badly",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            End::Badly { reason } | End::SetAside { reason } => Some(reason),
            End::Well | End::Limited { .. } | End::Asked => None,
        }
    }
}

impl Worker {
    pub fn new(name: String, role: String, mode: Mode, terms: Terms, now: Now) -> Worker {
        Worker {
            name,
            role,
            mode,
            terms,
            settled: false,
            limits: Limits::default(),
            wanted: true,
            wanted_at: now.at,
            wanted_by: None,
            depth: 0,
            order: None,
            instance: None,
            state: State::Wanted,
            reason: None,
            since: now.at,
            run: None,
            runs: 0,
            session: None,
            thread: None,
            evidence: Vec::new(),
            failures: 0,
            felled_by: None,
            not_before: None,
            restarts: 0,
            completed: 0,
            spent: Spent::default(),
            kept: None,
            allowance: Allowance::default(),
            latest: None,
        }
    }

    /// Says whether that is news.
    pub fn shows(&mut self, state: State, reason: Option<String>, now: Now) -> bool {
        if (self.state, &self.reason) == (state, &reason) {
            return false;
        }
        // A reason may count down; how long it has been so does not begin anew with each of its words.
        if self.state != state {
            self.since = now.at;
        }
        (self.state, self.reason) = (state, reason);
        true
    }

    pub fn begins(&mut self, task: Option<TaskId>, now: Now) -> u64 {
        self.runs += 1;
        (self.not_before, self.latest) = (None, None);
        self.session = self.session_for(task).map(str::to_owned);
        self.thread = task;
        let (began, began_at) = (now.tick, now.at);
        self.run = Some(Run { number: self.runs, began, began_at, task, called: None, ending: None });
        self.shows(State::Starting, None, now);
        self.runs
    }

    /// The session that goes on at that task, or at any, of one that stays.
    pub fn session_for(&self, task: Option<TaskId>) -> Option<&str> {
        self.session.as_deref().filter(|_| self.mode != Mode::Task || self.thread == task)
    }

    /// When it called last. `renewed` is when its presence was: by whoever looks after it, that is no sign of its own.
    pub fn called(&self, renewed: Option<Tick>) -> Option<Tick> {
        let by_itself = renewed.filter(|at| self.kept.is_none_or(|kept| *at > kept));
        by_itself.max(self.run.as_ref().and_then(|run| run.called))
    }

    /// Its presence, last renewed then, is renewed for it.
    pub fn is_kept(&mut self, renewed: Option<Tick>, now: Tick) {
        let called = self.called(renewed);
        self.run.iter_mut().for_each(|run| run.called = called);
        self.kept = Some(now);
    }

    /// Its process is gone. `luck` is between 0 and 1: workers that fell together do not get up together.
    pub fn ends(&mut self, end: &End, held: Option<TaskId>, luck: f64, now: Now) {
        self.run = None;
        self.not_before = None;
        match end {
            End::Well | End::SetAside { .. } => self.failures = 0,
            // Neither its fault nor a try.
            End::Asked | End::Limited { .. } => {}
            End::Badly { .. } => {
                self.felled_by = held.filter(|_| self.may_be_felled_by(held));
                self.failures += 1;
                self.restarts += 1;
                let pause = PAUSE_MS.saturating_mul(1 << (self.failures - 1).min(20)).min(PAUSE_MS_MAX);
                let pause = pause / 2 + (pause as f64 / 2.0 * luck) as i64;
                self.not_before = Some(Tick::from_millis(now.tick.millis() + pause));
            }
        }
        match end {
            End::Badly { reason } if self.is_given_up() => self.shows(State::Failed, Some(reason.clone()), now),
            End::Badly { reason } => self.shows(State::Restarting, Some(reason.clone()), now),
            End::Limited { until } => {
                let until = until.map(|until| format!("until {until}"));
                self.shows(State::Limited, until, now)
            }
            End::Well | End::Asked | End::SetAside { .. } => false,
        };
    }

    /// Whoever was stopped is of the past.
    pub fn is_shown(&self) -> bool {
        self.wanted || self.state != State::Stopped
    }

    /// What its terms leave open is as its role says it.
    pub fn settles(&mut self, mode: Mode, limits: Limits, evidence: Vec<Demand>) {
        self.evidence = evidence;
        self.mode = mode;
        self.limits = limits;
        self.settled = true;
    }

    /// It completed a task, and its session goes on: what failed before counts no more.
    pub fn completes(&mut self, task: TaskId) {
        self.latest = Some(task);
        self.completed += 1;
        self.failures = 0;
    }

    /// Did it hold that at the end of each start that brought nothing?
    pub fn may_be_felled_by(&self, task: Option<TaskId>) -> bool {
        task.is_some() && (self.failures == 0 || self.felled_by == task)
    }

    /// It failed more often in a row than it may.
    pub fn is_given_up(&self) -> bool {
        self.failures > self.restarts_max()
    }

    pub fn restarts_max(&self) -> u32 {
        self.limits.restarts.unwrap_or(RESTARTS_DEFAULT)
    }

    /// Somebody wants it once more, whatever became of it.
    pub fn is_wanted_again(&mut self, now: Now) {
        (self.wanted, self.order, self.failures, self.not_before) = (true, None, 0, None);
        // Its role may say something else by now.
        self.settled = false;
        if self.run.is_none() {
            self.shows(State::Wanted, None, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(millis: i64) -> Now {
        Now { at: Timestamp::from_millis(millis), tick: Tick::from_millis(millis) }
    }

    fn worker() -> Worker {
        Worker::new("w".to_owned(), "builder".to_owned(), Mode::Task, Terms::default(), now(0))
    }

    fn badly() -> End {
        End::Badly { reason: "exit code 1".to_owned() }
    }

    #[test]
    fn pauses_between_failures_grow_and_a_run_that_brings_something_ends_them() {
        let mut worker = worker();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            worker.begins(None, now(0));
            worker.ends(&badly(), None, 1.0, now(0));
            pauses.push(worker.not_before.map(Tick::millis));
        }
        assert_eq!(pauses, [Some(2_000), Some(4_000), Some(8_000)]);
        assert_eq!((worker.state, worker.is_given_up()), (State::Restarting, false));
        worker.ends(&End::Well, None, 1.0, now(0));
        assert_eq!((worker.failures, worker.not_before), (0, None));
    }

    #[test]
    fn no_pause_is_shorter_than_half_and_none_is_endless() {
        let mut worker = worker();
        worker.ends(&badly(), None, 0.0, now(0));
        assert_eq!(worker.not_before, Some(Tick::from_millis(1_000)));
        worker.failures = 60;
        worker.ends(&badly(), None, 1.0, now(0));
        assert_eq!(worker.not_before, Some(Tick::from_millis(PAUSE_MS_MAX)));
    }

    #[test]
    fn after_so_many_failures_it_is_given_up_with_the_reason_until_somebody_wants_it_again() {
        let mut worker = worker();
        (0..=RESTARTS_DEFAULT).for_each(|_| worker.ends(&badly(), None, 0.5, now(7)));
        assert_eq!((worker.state, worker.reason.as_deref()), (State::Failed, Some("exit code 1")));
        assert!(worker.is_given_up());
        worker.is_wanted_again(now(9));
        assert_eq!((worker.state, worker.is_given_up(), worker.not_before), (State::Wanted, false, None));
    }

    /// Else whoever is renewed would seem never to have joined.
    #[test]
    fn what_it_called_is_not_forgotten_when_its_presence_is_renewed_for_it() {
        let tick = |millis| Some(Tick::from_millis(millis));
        let mut worker = worker();
        worker.begins(None, now(10));
        assert_eq!(worker.called(tick(20)), tick(20));
        worker.is_kept(tick(20), Tick::from_millis(90));
        assert_eq!((worker.called(tick(90)), worker.called(tick(95))), (tick(20), tick(95)));
        worker.is_kept(tick(90), Tick::from_millis(150));
        assert_eq!(worker.called(tick(150)), tick(20));
        worker.begins(None, now(200));
        assert_eq!(worker.called(tick(150)), None);
    }

    #[test]
    fn a_session_is_gone_on_with_at_its_own_task_only() {
        let task = |number| Some(TaskId::from_number(number));
        let mut worker = worker();
        worker.begins(task(1), now(0));
        worker.session = Some("s-1".to_owned());
        assert_eq!((worker.session_for(task(1)), worker.session_for(task(2))), (Some("s-1"), None));
        worker.begins(task(2), now(0));
        assert_eq!(worker.session, None);
        worker.mode = Mode::Long;
        worker.session = Some("s-2".to_owned());
        worker.begins(None, now(0));
        assert_eq!(worker.session.as_deref(), Some("s-2"));
    }

    #[test]
    fn a_fault_stays_one_whoever_wants_the_run_to_end_besides() {
        let mut worker = worker();
        worker.begins(None, now(0));
        let run = worker.run.as_mut().unwrap();
        run.is_asked_to_end(None, now(1));
        assert!(run.is_unwanted());
        run.is_asked_to_end(Some("it hangs".to_owned()), now(2));
        run.is_asked_to_end(None, now(3));
        assert_eq!((run.is_unwanted(), run.fault()), (false, Some("it hangs")));
    }

    #[test]
    fn a_limit_is_no_failure() {
        let mut worker = worker();
        worker.ends(&End::Limited { until: Some(Timestamp::from_millis(0)) }, None, 0.5, now(7));
        assert_eq!((worker.state, worker.failures, worker.restarts), (State::Limited, 0, 0));
    }

    #[test]
    fn since_when_does_not_move_with_the_words_of_a_reason() {
        let mut worker = worker();
        assert!(worker.shows(State::Restarting, Some("in 2 s".to_owned()), now(5)));
        assert!(worker.shows(State::Restarting, Some("in 1 s".to_owned()), now(6)));
        assert!(!worker.shows(State::Restarting, Some("in 1 s".to_owned()), now(7)));
        assert_eq!(worker.since, now(5).at);
    }

    #[test]
    fn every_word_is_another() {
        let words: std::collections::BTreeSet<_> = State::ALL.into_iter().map(State::word).collect();
        assert_eq!(words.len(), State::ALL.len());
        assert_eq!(Mode::WORDS.map(|(_, mode)| mode.word()), ["task", "long", "terminal"]);
    }
}
