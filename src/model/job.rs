//! A goal, and the tasks that reach it: how far they are, how it ends, and when that may be.

use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::spending::Budget;
use crate::model::spending::Spent;
use crate::model::task::Standing;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

/// Longest goal, in characters. What is longer is the description of a task.
pub const GOAL_CHARS_MAX: usize = 2_000;

/// How many of its tasks stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [u64; Standing::ALL.len()]);

impl Counts {
    pub fn of(&self, standing: Standing) -> u64 {
        self.0[standing as usize]
    }

    pub fn sum(&self, standings: &[Standing]) -> u64 {
        standings.iter().map(|standing| self.of(*standing)).sum()
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Nothing more happens to them by itself.
    pub fn ended(&self) -> u64 {
        self.sum(&[Standing::Completed, Standing::Failed, Standing::Cancelled])
    }

    pub fn left(&self) -> u64 {
        self.total() - self.ended()
    }

    /// Somebody works at them.
    pub fn at_work(&self) -> u64 {
        self.sum(&[Standing::Claimed, Standing::InProgress])
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobState")]
pub enum State {
    /// It has no tasks yet.
    Empty,
    /// Nobody has begun.
    Ready,
    Running,
    /// Nothing of it moves by itself any more, though not all has ended.
    Stuck,
    /// Every task that was not called off is done.
    Completed,
    /// All has ended, and something failed.
    Failed,
    /// All has ended, and nothing was done; or it was called off.
    Cancelled,
}

impl State {
    pub const ALL: [State; 7] =
        [State::Empty, State::Ready, State::Running, State::Stuck, State::Completed, State::Failed, State::Cancelled];

    pub fn word(self) -> &'static str {
        match self {
            State::Empty => "empty",
            State::Ready => "ready",
            State::Running => "running",
            State::Stuck => "stuck",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    pub fn of_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }

    pub fn has_ended(self) -> bool {
        matches!(self, State::Completed | State::Failed | State::Cancelled)
    }
}

/// How long its tasks took that are done, from claim to completion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    pub tasks: u64,
    pub millis: f64,
    /// The sum of the squares.
    pub squares: f64,
}

/// Of fewer tasks nobody can tell how long others take.
const MEASURED_MIN: u64 = 2;
/// Nine of ten: so many standard deviations to either side.
const SPREAD: f64 = 1.64;

impl Pace {
    pub fn add(&mut self, millis: i64) {
        let millis = millis.max(0) as f64;
        self.tasks += 1;
        self.millis += millis;
        self.squares += millis * millis;
    }

    /// How long so many tasks take one after another: at least, and at most.
    fn of_many(&self, count: u64) -> (f64, f64) {
        let measured = self.tasks as f64;
        let mean = self.millis / measured;
        // Of a few measurements the spread is worth less than it seems.
        let variance = ((self.squares / measured - mean * mean) * measured / (measured - 1.0)).max(0.0);
        let around = SPREAD * (variance * count as f64 * (1.0 + count as f64 / measured)).sqrt();
        let all = mean * count as f64;
        ((all - around).max(0.0), all + around)
    }
}

/// When it may end, in seconds from now.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[schemars(rename = "JobEta")]
pub struct Eta {
    pub from_seconds: u64,
    pub to_seconds: u64,
}

/// Nobody plans further ahead than a hundred years.
const ETA_MILLIS_MAX: f64 = 100.0 * 365.0 * 86_400_000.0;

/// From how long tasks took: `left` of them, of which `path` wait for one another, at the hands of `at_work`. Whoever works
/// is never idle while something is ready, so it takes no less than either the longest chain or an equal share of all, and
/// no more than both together.
pub fn eta(pace: &Pace, left: u64, path: u64, at_work: u64) -> Option<Eta> {
    if pace.tasks < MEASURED_MIN || at_work == 0 {
        return None;
    }
    let hands = at_work as f64;
    let (path, all) = (pace.of_many(path.max(1)), pace.of_many(left));
    let from = path.0.max(all.0 / hands);
    let to = all.1 / hands + path.1 * (1.0 - 1.0 / hands);
    let seconds = |millis: f64| (millis.min(ETA_MILLIS_MAX) / 1000.0).ceil() as u64;
    Some(Eta { from_seconds: seconds(from), to_seconds: seconds(to.max(from)) })
}

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub goal: String,
    pub metadata: Option<Map<String, Value>>,
    pub budget: Budget,
    pub deadline: Option<Timestamp>,
    pub created_by: Option<InstanceId>,
    pub created_at: Timestamp,
    /// Somebody called it off.
    pub cancelled_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Since when it has ended. More tasks may come, and then it goes on.
    pub ended_at: Option<Timestamp>,
    /// What was told of it last: how it ended, or that it is stuck. Nothing while it moves.
    pub told: Option<State>,
    /// Kept with each change of a task.
    pub counts: Counts,
    pub pace: Pace,
    /// Some of its tasks wait for tasks that are none of its own.
    pub waits_for_others: bool,
    /// What sessions used up for it.
    pub spent: Spent,
    pub version: u64,
}

impl Job {
    pub fn new(goal: String, by: Option<InstanceId>, now: Now) -> Job {
        Job {
            // Given by the store.
            id: JobId::from_number(0),
            goal,
            metadata: None,
            budget: Budget::default(),
            deadline: None,
            created_by: by,
            created_at: now.at,
            cancelled_at: None,
            reason: None,
            ended_at: None,
            told: None,
            counts: Counts::default(),
            pace: Pace::default(),
            waits_for_others: false,
            spent: Spent::default(),
            version: 0,
        }
    }

    /// How it stands. `moves`: something of it becomes ready by itself, which is asked only where nothing is under way.
    pub fn state<E>(&self, moves: impl FnOnce() -> Result<bool, E>) -> Result<State, E> {
        let counts = &self.counts;
        Ok(match self.ended_as() {
            Some(state) => state,
            None if counts.total() == 0 => State::Empty,
            None if counts.at_work() > 0 => State::Running,
            None if counts.of(Standing::Ready) == 0 && !moves()? => State::Stuck,
            None if counts.ended() == 0 => State::Ready,
            None => State::Running,
        })
    }

    /// How it ended, if it has. One that was called off before anything was planned has ended, too.
    pub fn ended_as(&self) -> Option<State> {
        let counts = &self.counts;
        if counts.left() > 0 || (counts.total() == 0 && self.cancelled_at.is_none()) {
            return None;
        }
        Some(if self.cancelled_at.is_some() {
            State::Cancelled
        } else if counts.of(Standing::Failed) > 0 {
            State::Failed
        } else if counts.of(Standing::Completed) == 0 {
            State::Cancelled
        } else {
            State::Completed
        })
    }

    /// How much is done of what is wanted, in percent: all of it only when nothing is left and nothing failed.
    pub fn percent(&self) -> u64 {
        let called_off = if self.cancelled_at.is_some() { 0 } else { self.counts.of(Standing::Cancelled) };
        let wanted = self.counts.total() - called_off;
        (self.counts.of(Standing::Completed) * 100).checked_div(wanted).unwrap_or_default()
    }

    pub fn is_overdue(&self, now: Now) -> bool {
        self.ended_as().is_none() && self.deadline.is_some_and(|deadline| deadline <= now.at)
    }

    fn event(&self, kind: &'static str, actor: Option<&InstanceId>) -> NewEvent {
        NewEvent::new(kind, self.id, actor)
    }

    pub fn created(&self) -> NewEvent {
        self.event("job.created", self.created_by.as_ref()).with("goal", self.goal.as_str())
    }

    /// It is not wanted any more. Its tasks are called off beside.
    pub fn cancel(&mut self, me: Option<&InstanceId>, reason: Option<&str>, now: Now) -> NewEvent {
        self.cancelled_at = Some(now.at);
        self.reason = reason.map(str::to_owned);
        self.event("job.cancelled", me).with_some("reason", reason)
    }

    /// It is wanted again.
    pub fn is_taken_up(&mut self) {
        (self.cancelled_at, self.reason) = (None, None);
    }

    /// Its tasks were changed, and this is how it stands by that: what is there to tell?
    pub fn settle(&mut self, state: State, now: Now) -> Option<NewEvent> {
        let tells = (state.has_ended() || state == State::Stuck).then_some(state);
        if tells == self.told {
            return None;
        }
        self.told = tells;
        self.ended_at = state.has_ended().then_some(now.at);
        let kind = match tells {
            None => return Some(self.event("job.goes_on", None)),
            Some(State::Stuck) => "job.stuck",
            Some(_) => "job.ended",
        };
        let count = |standing| self.counts.of(standing);
        Some(
            self.event(kind, None)
                .with("state", state.word())
                .with("completed", count(Standing::Completed))
                .with("failed", count(Standing::Failed))
                .with("cancelled", count(Standing::Cancelled))
                .with("left", self.counts.left()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Tick;
    use std::convert::Infallible;

    fn now() -> Now {
        Now { at: Timestamp::from_millis(1_000), tick: Tick::from_millis(1_000) }
    }

    /// `ready=2 failed=1` and the like; `cancelled_job` was called off, `moves` something does by itself.
    fn job(words: &str) -> (Job, bool) {
        let mut job = Job::new("goal".to_owned(), None, now());
        let mut moves = false;
        for word in words.split_whitespace() {
            match word.split_once('=') {
                Some((standing, count)) => {
                    let standing: Standing = standing.parse().unwrap();
                    job.counts.0[standing as usize] = count.parse().unwrap();
                }
                None if word == "cancelled_job" => job.cancelled_at = Some(now().at),
                None => moves = true,
            }
        }
        (job, moves)
    }

    #[test]
    fn what_becomes_of_its_tasks_says_how_it_stands() {
        for (words, expected) in [
            ("", "empty"),
            ("cancelled_job", "cancelled"),
            ("ready=3", "ready"),
            ("ready=1 waiting=2", "ready"),
            ("waiting=2 moves", "ready"),
            ("waiting=2", "stuck"),
            ("blocked=1", "stuck"),
            ("blocked=1 ready=1", "ready"),
            ("claimed=1 waiting=2", "running"),
            ("in_progress=1 failed=1", "running"),
            ("completed=1 ready=1", "running"),
            ("completed=1 waiting=1 moves", "running"),
            ("completed=1 failed=1 waiting=1", "stuck"),
            ("completed=3", "completed"),
            ("completed=3 cancelled=1", "completed"),
            ("completed=3 failed=1", "failed"),
            ("failed=1 cancelled=1", "failed"),
            ("cancelled=2", "cancelled"),
            ("completed=1 cancelled=2 cancelled_job", "cancelled"),
        ] {
            let (job, moves) = job(words);
            let Ok(state) = job.state(|| Ok::<_, Infallible>(moves));
            assert_eq!(state.word(), expected, "{words}");
            assert_eq!(state.has_ended(), job.ended_as().is_some(), "{words}");
            assert_eq!(State::of_word(expected), Some(state));
        }
    }

    #[test]
    fn progress_is_full_only_when_all_that_is_wanted_is_done() {
        for (words, percent) in [
            ("", 0),
            ("ready=3", 0),
            ("completed=1 ready=2", 33),
            ("completed=999 failed=1", 99),
            ("completed=2 cancelled=5", 100),
            ("cancelled=5", 0),
            ("completed=3 cancelled=1 cancelled_job", 75),
        ] {
            assert_eq!(job(words).0.percent(), percent, "{words}");
        }
    }

    #[test]
    fn its_end_is_told_once_and_so_is_that_it_goes_on() {
        let (mut job, _) = job("completed=1");
        let mut told = |state| job.settle(state, now()).map(|event| event.kind);
        for (state, expected) in [
            (State::Running, None),
            (State::Completed, Some("job.ended")),
            (State::Completed, None),
            (State::Ready, Some("job.goes_on")),
            (State::Running, None),
            (State::Stuck, Some("job.stuck")),
            (State::Failed, Some("job.ended")),
        ] {
            assert_eq!(told(state), expected, "{state:?}");
        }
        assert_eq!(job.ended_at, Some(now().at));
    }

    fn pace(seconds: &[i64]) -> Pace {
        let mut pace = Pace::default();
        seconds.iter().for_each(|secs| pace.add(secs * 1000));
        pace
    }

    #[test]
    fn nobody_knows_when_it_ends_before_something_was_measured_or_while_nobody_works() {
        assert_eq!(eta(&pace(&[]), 10, 2, 3), None);
        assert_eq!(eta(&pace(&[60]), 10, 2, 3), None);
        assert_eq!(eta(&pace(&[60, 60]), 10, 2, 0), None);
    }

    #[test]
    fn when_it_ends_lies_between_what_must_be_and_what_can_be() {
        let band = |pace: &Pace, left, path, hands| {
            let eta = eta(pace, left, path, hands).unwrap();
            (eta.from_seconds, eta.to_seconds)
        };
        let steady = pace(&[60, 60, 60]);
        assert_eq!(band(&steady, 10, 1, 1), (600, 600), "one after another");
        assert_eq!(band(&steady, 10, 10, 5), (600, 600 / 5 + 480), "a chain is not shortened by more hands");
        assert_eq!(band(&steady, 10, 2, 5), (120, 216));
        let (from, to) = band(&pace(&[30, 60, 90]), 10, 2, 5);
        assert!(from < 120 && to > 216, "{from}..{to}: what varies is less sure");
        let (few, many) = (band(&pace(&[30, 90]), 10, 2, 5), band(&pace(&[30, 90, 30, 90, 30, 90, 30, 90]), 10, 2, 5));
        assert!(few.1 - few.0 > many.1 - many.0, "{few:?} {many:?}: who has measured more knows more");
        assert_eq!(band(&pace(&[i64::MAX / 2000, 0]), 10, 2, 1).1, (ETA_MILLIS_MAX / 1000.0) as u64);
    }
}
