//! What came of a run: from how its process ended, what it printed, and how its task stands.

use crate::keep::run::Cause;
use crate::keep::run::End as Ended;
use crate::launch::papers::Left;
use crate::launch::team::text;
use crate::launch::watch::Facts;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use crate::model::worker::End;
use crate::model::worker::Run;
use crate::ops::worker::WorkerSeen;
use serde_json::Value;

/// What is kept of a run's last words.
const WORDS_CHARS: usize = 500;

#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub end: End,
    pub task: Option<TaskId>,
    pub completed: bool,
    /// Why it failed, if it did.
    pub failed: Option<String>,
    /// The text of a file that is its result.
    pub completes: Option<String>,
    /// The text of a file that asks the human.
    pub asks: Option<String>,
    /// The operation by which its task goes back, and why.
    pub hands_back: Option<(&'static str, String)>,
    pub limited: Option<Option<Timestamp>>,
    /// Its session cannot be gone on with, or need not be.
    pub forget: bool,
}

pub fn of(ended: Option<&Ended>, facts: &Facts, task: Option<&Value>, one: &WorkerSeen, left: Left) -> Outcome {
    let worker = &one.worker;
    let status = task.and_then(|task| task["task"]["status"].as_str()).unwrap_or_default();
    let id = worker.run.as_ref().and_then(|run| run.task);
    let is_held = matches!(status, "claimed" | "in_progress") && id == one.holds;
    let said = || {
        let words = facts.result.as_ref().map(|(_, words)| words).or(facts.last_words.as_ref());
        words.map(|words| words.chars().take(WORDS_CHARS).collect::<String>()).unwrap_or_else(|| "nothing".to_owned())
    };
    let mut outcome = Outcome {
        end: End::Well,
        task: id,
        completed: status == "completed",
        failed: task.filter(|_| status == "failed").map(|task| text(&task["task"], "reason").to_owned()),
        completes: None,
        asks: None,
        hands_back: None,
        limited: None,
        // A task that is over takes its session with it; and it may be the session itself that cannot be gone on with.
        forget: !is_held || is_lost(ended, facts, one),
    };
    let run = worker.run.as_ref();
    if !is_held {
        // Whatever became of the process, the task is over by its own word.
    } else if !worker.wanted && (left.result.is_none() || failure(ended, facts).is_some()) {
        // What had been done by then is not done again by somebody else.
        outcome.end = End::Asked;
        outcome.forget = true;
        outcome.hands_back = Some(("release_task", format!("{} was stopped; last it said: {}", worker.name, said())));
    } else if let Some(until) = facts.limited {
        (outcome.end, outcome.limited) = (End::Limited { until }, Some(until));
    } else if run.is_some_and(Run::is_unwanted) {
        outcome.end = End::Asked;
    } else if let Some(fault) = run.and_then(Run::fault) {
        outcome.end = End::Badly { reason: fault.to_owned() };
    } else if facts.is_used_up && facts.cost().is_some() {
        // The human is asked next, and whoever may go on goes on where it was.
        outcome.end = End::Asked;
    } else if is_blameless(ended, facts, one) {
        outcome.end = End::Asked;
    } else if let Some(reason) = failure(ended, facts) {
        outcome.end = End::Badly { reason };
    } else if one.asks {
        // The answer begins its next session.
    } else if left.question.is_some() {
        outcome.asks = left.question;
    } else if left.result.is_some() {
        (outcome.completes, outcome.forget) = (left.result, true);
    } else {
        let reason = format!("{} ended without completing it; it said: {}", worker.name, said());
        outcome.end = End::Badly { reason: "it ended without completing its task".to_owned() };
        outcome.forget = true;
        outcome.hands_back = Some(("release_task", reason));
    }
    // Whoever fails again and again leaves the task: to the human if it is the task, to the next if it is the worker.
    if let End::Badly { reason } = &outcome.end
        && worker.failures >= worker.restarts_max()
        && is_held
    {
        let told = format!("after {} starts: {reason}; last it said: {}", worker.failures + 1, said());
        outcome.forget = true;
        if one.joined || ended.is_some_and(|ended| ended.cause == Cause::Place) {
            outcome.hands_back = Some(("block_task", format!("set aside {told}")));
            outcome.end = End::SetAside { reason: reason.clone() };
        } else {
            outcome.hands_back = Some(("release_task", format!("{} was given up {told}", worker.name)));
        }
    }
    outcome
}

/// Of a session that stays: that it has ended is the end of no task, and goes on with the next one unless somebody wanted
/// it to end for good.
pub fn of_staying(ended: Option<&Ended>, facts: &Facts, one: &WorkerSeen) -> Outcome {
    let worker = &one.worker;
    let said = facts.last_words.as_ref().map(|words| words.chars().take(WORDS_CHARS).collect::<String>());
    let said = said.map(|words| format!("; last it said: {words}")).unwrap_or_default();
    let mut outcome = Outcome {
        end: End::Asked,
        task: one.holds,
        completed: false,
        failed: None,
        completes: None,
        asks: None,
        hands_back: None,
        limited: None,
        forget: is_lost(ended, facts, one),
    };
    let hands_back = |why: String| one.holds.map(|_| ("release_task", why));
    if !worker.wanted {
        outcome.forget = true;
        outcome.hands_back = hands_back(format!("{} was stopped{said}", worker.name));
    } else if worker.run.as_ref().is_some_and(Run::is_unwanted) {
        // Somebody wanted it to begin anew.
    } else if let Some(until) = facts.limited {
        (outcome.end, outcome.limited) = (End::Limited { until }, Some(until));
    } else {
        let by_itself = ended.is_some_and(|ended| ended.code == Some(0));
        let failure = failure(ended, facts).filter(|_| !by_itself);
        let fault = worker.run.as_ref().and_then(Run::fault).map(str::to_owned);
        if fault.is_none() && is_blameless(ended, facts, one) {
            return outcome;
        }
        let reason = fault.or(failure).unwrap_or_else(|| "its session was ended, and not by us".to_owned());
        if worker.failures >= worker.restarts_max() {
            outcome.forget = true;
            let starts = worker.failures + 1;
            // It is the task then, which would fell the next one as well.
            if worker.may_be_felled_by(one.holds) {
                outcome.hands_back =
                    one.holds.map(|_| ("block_task", format!("set aside after {starts} starts: {reason}{said}")));
                outcome.end = End::SetAside { reason };
                return outcome;
            }
            outcome.hands_back =
                hands_back(format!("{} was given up after {starts} starts: {reason}{said}", worker.name));
        }
        outcome.end = End::Badly { reason };
    }
    outcome
}

/// It was to go on with a session, and never came: nor will the next.
fn is_lost(ended: Option<&Ended>, facts: &Facts, one: &WorkerSeen) -> bool {
    let began = ended.is_none_or(|ended| ended.not_started.is_none());
    began && one.worker.session.is_some() && !one.joined && facts.session.is_none()
}

/// No session of its own was there that could have failed: there was nobody to start it, or there was nothing to go on
/// with. The latter happens to it once, as the next one begins anew.
fn is_blameless(ended: Option<&Ended>, facts: &Facts, one: &WorkerSeen) -> bool {
    ended.is_some_and(|ended| ended.cause == Cause::Starter || is_lost(Some(ended), facts, one))
}

/// Why the process did not end well, if it did not.
fn failure(ended: Option<&Ended>, facts: &Facts) -> Option<String> {
    let Some(ended) = ended else { return Some("its process was killed together with its keeper".to_owned()) };
    if let Some(why) = &ended.not_started {
        return Some(format!("it could not be started: {why}"));
    }
    if let Some(signal) = ended.signal {
        return Some(format!("it was ended by signal {signal}"));
    }
    match (ended.code, &facts.result) {
        (Some(0), Some((true, _))) => None,
        (Some(0), Some((false, words))) => Some(format!("it failed: {words}")),
        (Some(0), None) => Some("it ended without a result".to_owned()),
        (Some(code), Some((_, words))) => Some(format!("it ended with {code}: {words}")),
        (code, None) => Some(format!("it ended with {}", code.unwrap_or(-1))),
        (None, Some(_)) => Some("nobody knows how it ended".to_owned()),
    }
}
