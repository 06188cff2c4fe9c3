//! All workers together: who looks after them, and how far they may go.

use crate::model::spending::Allowance;
use crate::model::spending::Limits;
use crate::model::spending::Purse;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use thiserror::Error;

/// How long whoever looks after them may be silent, unless its process is known to be gone.
pub const LEAD_SECS: u32 = 15;

/// More than one person looks after.
pub const WORKERS_MAX_DEFAULT: u32 = 8;
/// Each task is a session of its own.
pub const SPAWNS_PER_MINUTE_DEFAULT: u32 = 60;
/// The human's workers may have workers; those may not.
pub const DEPTH_MAX_DEFAULT: u32 = 1;

/// How far all of them may go. What is absent is not limited.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "FleetCaps")]
pub struct Caps {
    pub workers: u32,
    pub spawns_per_minute: u32,
    pub depth: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars_per_day: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns_per_day: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars_per_task: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_task: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns_per_task: Option<u32>,
}

impl Caps {
    /// Of a day, and of a task.
    pub fn limits_of(&self, purse: Purse) -> Limits {
        match purse {
            Purse::Day(_) => Limits {
                dollars: self.dollars_per_day,
                tokens: self.tokens_per_day,
                turns: self.turns_per_day,
                ..Limits::default()
            },
            Purse::Task(_) => Limits {
                dollars: self.dollars_per_task,
                tokens: self.tokens_per_task,
                turns: self.turns_per_task,
                ..Limits::default()
            },
            // Each of these has terms of its own.
            Purse::Job(_) | Purse::Worker => Limits::default(),
        }
    }
}

impl Default for Caps {
    fn default() -> Caps {
        Caps {
            workers: WORKERS_MAX_DEFAULT,
            spawns_per_minute: SPAWNS_PER_MINUTE_DEFAULT,
            depth: DEPTH_MAX_DEFAULT,
            dollars_per_day: None,
            tokens_per_day: None,
            turns_per_day: None,
            dollars_per_task: None,
            tokens_per_task: None,
            turns_per_task: None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Fleet {
    /// It rises whenever somebody else begins to look after them: what an earlier one still says is refused.
    pub term: u64,
    /// The process that looks after them, as the host names it.
    pub leader: Option<String>,
    pub lease_until: Tick,
    pub caps: Caps,
    /// The service takes no more of anybody before that.
    pub limited_until: Option<Timestamp>,
    /// When workers were started in the last minute.
    pub spawns: Vec<Tick>,
    /// Days and tasks that reached their limit: how far beyond it the human let them go.
    pub purses: Vec<Opened>,
}

/// A day or a task about which the human was asked.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Opened {
    pub purse: Purse,
    pub allowance: Allowance,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    #[error("another supervisor has looked after the workers since term {term}")]
    OtherLeader { term: u64 },
}

const MINUTE_MS: i64 = 60_000;

impl Fleet {
    /// Does anybody look after them? `gone` says whether a process is known to have ended.
    pub fn is_led(&self, gone: impl Fn(&str) -> bool, now: Now) -> bool {
        self.leader.as_deref().is_some_and(|leader| self.lease_until > now.tick && !gone(leader))
    }

    /// The number of the process that looks after them, or did.
    pub fn leader_number(&self) -> Option<&str> {
        self.leader.as_deref()?.split('.').next()
    }

    /// Whoever asks looks after them from now on, if nobody else does. Says whether they do.
    pub fn lead(&mut self, process: &str, gone: impl Fn(&str) -> bool, now: Now) -> bool {
        if self.leader.as_deref() != Some(process) {
            if self.is_led(gone, now) {
                return false;
            }
            self.term += 1;
            self.leader = Some(process.to_owned());
        }
        self.lease_until = now.tick.plus_secs(LEAD_SECS);
        true
    }

    /// May whoever began with this term still act?
    pub fn check_term(&self, term: u64) -> Result<(), Refusal> {
        if self.term == term && self.leader.is_some() { Ok(()) } else { Err(Refusal::OtherLeader { term: self.term }) }
    }

    pub fn resign(&mut self, term: u64) {
        if self.check_term(term).is_ok() {
            (self.leader, self.lease_until) = (None, Tick::NEVER);
        }
    }

    /// When the next worker may be started.
    pub fn next_spawn(&self, now: Now) -> Tick {
        let recent: Vec<Tick> = self.spawns.iter().copied().filter(|at| now.tick.since(*at) < MINUTE_MS).collect();
        match recent.len().checked_sub(self.caps.spawns_per_minute.max(1) as usize) {
            None => now.tick,
            Some(at) => Tick::from_millis(recent[at].millis() + MINUTE_MS),
        }
    }

    pub fn spawns_one(&mut self, now: Now) {
        self.spawns.retain(|at| now.tick.since(*at) < MINUTE_MS);
        self.spawns.push(now.tick);
    }

    pub fn allowance(&self, purse: Purse) -> Allowance {
        self.purses.iter().find(|one| one.purse == purse).map(|one| one.allowance.clone()).unwrap_or_default()
    }

    pub fn set_allowance(&mut self, purse: Purse, allowance: Allowance) {
        self.purses.retain(|one| one.purse != purse);
        if allowance != Allowance::default() {
            self.purses.push(Opened { purse, allowance });
        }
    }

    pub fn is_limited(&self, now: Now) -> bool {
        self.limited_until.is_some_and(|until| until > now.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(secs: i64) -> Now {
        Now { at: Timestamp::from_millis(secs * 1000), tick: Tick::from_millis(secs * 1000) }
    }

    fn alive(_: &str) -> bool {
        false
    }

    #[test]
    fn one_looks_after_them_until_it_is_gone_or_silent() {
        let mut fleet = Fleet::default();
        assert!(fleet.lead("a", alive, now(1)));
        assert!(!fleet.lead("b", alive, now(2)));
        assert!(fleet.lead("a", alive, now(10)));
        assert!(!fleet.lead("b", alive, now(24)));
        assert!(fleet.lead("b", alive, now(25)), "15 s without a word");
        assert!(fleet.lead("c", |process| process == "b", now(26)), "its process is gone");
        assert_eq!(fleet.term, 3);
    }

    #[test]
    fn what_an_earlier_one_says_is_refused() {
        let mut fleet = Fleet::default();
        fleet.lead("a", alive, now(1));
        let term = fleet.term;
        fleet.lead("b", alive, now(30));
        assert_eq!(fleet.check_term(term), Err(Refusal::OtherLeader { term: 2 }));
        fleet.resign(term);
        assert!(fleet.is_led(alive, now(31)), "only whoever leads resigns");
        fleet.resign(fleet.term);
        assert!(!fleet.is_led(alive, now(31)));
        assert!(fleet.check_term(2).is_err());
    }

    #[test]
    fn so_many_are_started_in_a_minute_and_no_more() {
        let mut fleet = Fleet { caps: Caps { spawns_per_minute: 2, ..Caps::default() }, ..Fleet::default() };
        fleet.spawns_one(now(10));
        assert_eq!(fleet.next_spawn(now(11)), now(11).tick);
        fleet.spawns_one(now(12));
        assert_eq!(fleet.next_spawn(now(13)), now(70).tick);
        assert_eq!(fleet.next_spawn(now(70)), now(70).tick);
        fleet.spawns_one(now(71));
        assert_eq!(fleet.spawns.len(), 2, "what is past is forgotten");
    }
}
