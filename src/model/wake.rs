//! Waking somebody for something: the rungs of a ladder, one after the other, until there is a sign of life.

use crate::model::id::InstanceId;
use crate::model::rung::Rung;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// How long a rung has for a sign of life, before the next one's turn.
pub const SILENCE_MS: i64 = 10_000;

/// A client may drop a line, as Claude Code does of whoever sends many in a short time, and not tell: then it is rung again,
/// a few times.
pub const AGAIN_MS: i64 = 60_000;
const TRIES_MAX: usize = 3;

/// Whoever works hears it at its next step. That a step takes longer is likely; that the work was broken off without a
/// word is possible.
pub const STEP_MS: i64 = 60_000;

/// One ring.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "WakeTry")]
pub struct Try {
    pub rung: Rung,
    pub at: Timestamp,
}

/// What somebody is to be woken for: a message, or a task that was given to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Wake {
    pub recipient: InstanceId,
    /// The id of the message or of the task.
    pub subject: String,
    pub wanted_at: Timestamp,
    pub wanted: Tick,
    pub tries: Vec<Try>,
    pub answered: Option<Try>,
}

impl Wake {
    pub fn new(recipient: InstanceId, subject: impl ToString, now: Now) -> Wake {
        Wake {
            recipient,
            subject: subject.to_string(),
            wanted_at: now.at,
            wanted: now.tick,
            tries: Vec::new(),
            answered: None,
        }
    }

    /// From when on it is this rung's turn. `None` while it is not its business.
    pub fn turn(&self, rung: Rung, session: &Session) -> Option<Tick> {
        let tries = || self.tries.iter().filter(|tried| tried.rung == rung);
        if self.answered.is_some() || tries().count() >= TRIES_MAX {
            return None;
        }
        let begins = match session.activity {
            Activity::Idle | Activity::Failed | Activity::Unknown => self.wanted,
            Activity::Working | Activity::NeedsInput => plus(self.wanted.max(session.alive_at), STEP_MS),
            // To wake it would cost a turn that fails, or there is nobody to wake.
            Activity::Limited | Activity::Ended => return None,
        };
        let before = session.rungs().position(|one| one == rung)?;
        let first = plus(begins, SILENCE_MS * before as i64);
        let again = |last: &Try| plus(self.wanted, last.at.millis() - self.wanted_at.millis() + AGAIN_MS);
        Some(tries().next_back().map_or(first, |last| first.max(again(last))))
    }

    pub fn rings(&mut self, rung: Rung, now: Now) {
        self.tries.push(Try { rung, at: now.at });
    }

    /// There is a sign of life: what rang last has worked.
    pub fn shows_life(&mut self, now: Now) -> bool {
        match self.tries.last() {
            Some(last) if self.answered.is_none() => {
                self.answered = Some(Try { rung: last.rung, at: now.at });
                true
            }
            _ => false,
        }
    }

    /// It was told: by what rang last, or else by `how`.
    pub fn is_told(&mut self, how: Rung, now: Now) {
        if !self.shows_life(now) && self.answered.is_none() {
            self.answered = Some(Try { rung: how, at: now.at });
        }
    }
}

/// A bell that rang just now rings for all that has come since: whoever it wakes is told of everything. `open` is what
/// nobody has answered yet.
pub fn quiet_until(open: &[Wake], rung: Rung, now: Now) -> Tick {
    let rang = open.iter().flat_map(|wake| &wake.tries).filter(|tried| tried.rung == rung).map(|tried| tried.at);
    // Somebody may have set the wall clock; the bell is not to be silent for that.
    match rang.max().map(|at| now.at.millis() - at.millis()) {
        Some(ago) if (0..SILENCE_MS).contains(&ago) => plus(now.tick, SILENCE_MS - ago),
        _ => now.tick,
    }
}

fn plus(tick: Tick, millis: i64) -> Tick {
    Tick::from_millis(tick.millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: i64 = 1_000_000;

    fn now(millis: i64) -> Now {
        Now { at: Timestamp::from_millis(millis), tick: Tick::from_millis(millis) }
    }

    /// `activity rungs alive -> inbox's turn, rewake's turn`, in milliseconds after it was wanted.
    #[track_caller]
    fn check(line: &str) {
        let (given, expected) = line.split_once("->").unwrap();
        let [activity, rungs, alive] = given.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        let mut session = Session::new(InstanceId::from_random(1), now(WANTED + alive.parse::<i64>().unwrap()));
        session.activity = Activity::of_word(activity).unwrap();
        session.inbox = rungs.contains("inbox").then(|| "/s".to_owned());
        session.ringers = [Rung::Rewake, Rung::Channel]
            .into_iter()
            .filter(|rung| rungs.contains(rung.word()))
            .map(|rung| (rung, "1.1".to_owned()))
            .collect();
        let wake = Wake::new(session.instance.clone(), "msg-1", now(WANTED));
        let turn = |rung| match wake.turn(rung, &session) {
            Some(tick) => (tick.millis() - WANTED).to_string(),
            None => "never".to_owned(),
        };
        let turns = format!("{}, {}", turn(Rung::Inbox), turn(Rung::Rewake));
        assert_eq!(turns, expected.trim(), "{line}");
    }

    #[test]
    fn each_rung_has_its_turn() {
        check("idle        inbox+rewake -9000  -> 0, 10000");
        check("idle        inbox        -9000  -> 0, never");
        check("idle        rewake       -9000  -> never, 0");
        check("idle        none         -9000  -> never, never");
        check("idle        channel+inbox+rewake -9000  -> 10000, 20000");
        check("unknown     inbox        -9000  -> 0, never");
        check("failed      inbox+rewake -9000  -> 0, 10000");
        check("working     inbox+rewake -9000  -> 60000, 70000");
        check("working     inbox+rewake 5000   -> 65000, 75000");
        check("needs_input inbox        -9000  -> 60000, never");
        check("limited     inbox+rewake -9000  -> never, never");
        check("ended       inbox+rewake -9000  -> never, never");
    }

    #[test]
    fn a_rung_that_nobody_heard_rings_again_a_few_times() {
        let mut session = Session::new(InstanceId::from_random(1), now(0));
        (session.activity, session.inbox) = (Activity::Idle, Some("/s".to_owned()));
        let mut wake = Wake::new(session.instance.clone(), "msg-1", now(WANTED));
        for round in 0..TRIES_MAX as i64 {
            let turn = now(WANTED + round * AGAIN_MS);
            assert_eq!(wake.turn(Rung::Inbox, &session), Some(turn.tick));
            wake.rings(Rung::Inbox, turn);
        }
        assert_eq!(wake.turn(Rung::Inbox, &session), None);
    }

    #[test]
    fn what_rang_last_has_worked() {
        let mut session = Session::new(InstanceId::from_random(1), now(0));
        (session.activity, session.inbox) = (Activity::Idle, Some("/s".to_owned()));
        session.ringers.insert(Rung::Rewake, "1.1".to_owned());
        let mut wake = Wake::new(session.instance.clone(), "msg-1", now(WANTED));
        wake.rings(Rung::Inbox, now(WANTED));
        assert_eq!(wake.turn(Rung::Inbox, &session), Some(now(WANTED + AGAIN_MS).tick), "not at once");
        assert_eq!(wake.turn(Rung::Rewake, &session), Some(now(WANTED + SILENCE_MS).tick));
        wake.rings(Rung::Rewake, now(WANTED + 10_000));
        wake.is_told(Rung::Hook, now(WANTED + 10_500));
        assert_eq!(wake.answered, Some(Try { rung: Rung::Rewake, at: now(WANTED + 10_500).at }));
        assert!(!wake.shows_life(now(WANTED + 99_000)));
    }

    #[test]
    fn a_bell_that_rang_just_now_is_quiet_for_a_while() {
        let mut rung = Wake::new(InstanceId::from_random(1), "msg-1", now(WANTED));
        let quiet = |open: &[Wake], at: i64| quiet_until(open, Rung::Inbox, now(WANTED + at)).millis() - WANTED;
        assert_eq!(quiet(&[rung.clone()], 5), 5);
        rung.rings(Rung::Rewake, now(WANTED));
        assert_eq!(quiet(&[rung.clone()], 5), 5, "another one rang");
        rung.rings(Rung::Inbox, now(WANTED + 10));
        assert_eq!(quiet(&[rung.clone()], 20), 10 + SILENCE_MS);
        assert_eq!(quiet(&[rung.clone()], 10 + SILENCE_MS), 10 + SILENCE_MS);
        assert_eq!(quiet(&[rung], 5), 5, "the wall clock was set back");
    }

    #[test]
    fn a_sign_of_life_proves_nothing_where_nobody_rang() {
        let mut wake = Wake::new(InstanceId::from_random(1), "msg-1", now(WANTED));
        assert!(!wake.shows_life(now(WANTED + 1)));
        wake.is_told(Rung::Hook, now(WANTED + 2));
        assert_eq!(wake.answered.unwrap().rung, Rung::Hook);
    }
}
