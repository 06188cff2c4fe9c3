//! What sessions use up, and how far they may go before the human is asked.

use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Many small sums are not quite what their total is.
const ROUNDING: f64 = 1e-9;

/// A cent.
const DOLLARS_MIN: f64 = 0.01;

/// How far a worker, a task or a day may go before the human is asked. What is absent is not limited.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WorkerLimits")]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub turns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = DOLLARS_MIN))]
    pub dollars: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub minutes: Option<u32>,
    /// Starts in a row that bring nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
}

impl Limits {
    /// One with which nothing could ever begin, and what it is at least.
    pub fn senseless(&self) -> Option<(&'static str, f64)> {
        let dollars = self.dollars.is_some_and(|most| !most.is_finite() || most < DOLLARS_MIN);
        let nothing = [
            ("dollars", dollars, DOLLARS_MIN),
            ("turns", self.turns == Some(0), 1.0),
            ("tokens", self.tokens == Some(0), 1.0),
            ("minutes", self.minutes == Some(0), 1.0),
        ];
        nothing.into_iter().find(|(_, is_nothing, _)| *is_nothing).map(|(name, _, least)| (name, least))
    }

    /// Each as this says, else as the other does.
    pub fn or(&self, other: &Limits) -> Limits {
        Limits {
            turns: self.turns.or(other.turns),
            tokens: self.tokens.or(other.tokens),
            dollars: self.dollars.or(other.dollars),
            minutes: self.minutes.or(other.minutes),
            restarts: self.restarts.or(other.restarts),
        }
    }

    /// Each as this says, but no further than the other goes.
    pub fn within(&self, other: &Limits) -> Limits {
        fn least<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(if other < one { other } else { one }),
                (one, other) => one.or(other),
            }
        }
        Limits {
            turns: least(self.turns, other.turns),
            tokens: least(self.tokens, other.tokens),
            dollars: least(self.dollars, other.dollars),
            minutes: least(self.minutes, other.minutes),
            restarts: least(self.restarts, other.restarts),
        }
    }
}

/// What all sessions together may use up for a task or a job before the human is asked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Budget {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = DOLLARS_MIN))]
    pub dollars: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub turns: Option<u32>,
}

impl Budget {
    pub fn limits(&self) -> Limits {
        Limits { dollars: self.dollars, tokens: self.tokens, turns: self.turns, ..Limits::default() }
    }
}

/// What a client told of its own costs.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "RunCost")]
pub struct Cost {
    pub dollars: f64,
    pub tokens: u64,
    pub turns: u64,
}

/// What one run can cost at most. Whoever tells of more errs, or lies, and is believed so much.
const OF_RUN_MAX: Cost = Cost { dollars: 1e6, tokens: 1_000_000_000_000, turns: 1_000_000 };

impl Cost {
    pub fn add(&mut self, more: Cost) {
        let sum = Cost {
            dollars: self.dollars + more.dollars,
            tokens: self.tokens.saturating_add(more.tokens),
            turns: self.turns.saturating_add(more.turns),
        };
        *self = sum.believed();
    }

    /// As far as it can be.
    pub fn believed(self) -> Cost {
        let dollars = if self.dollars.is_nan() { 0.0 } else { self.dollars };
        Cost {
            dollars: dollars.clamp(0.0, OF_RUN_MAX.dollars),
            tokens: self.tokens.min(OF_RUN_MAX.tokens),
            turns: self.turns.min(OF_RUN_MAX.turns),
        }
    }

    /// Of two who count the same from its beginning, each may have missed something.
    pub fn or_more(self, other: Cost) -> Cost {
        Cost {
            dollars: self.dollars.max(other.dollars),
            tokens: self.tokens.max(other.tokens),
            turns: self.turns.max(other.turns),
        }
    }
}

/// What was used up, as far as anybody told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
#[schemars(rename = "WorkerSpent")]
pub struct Spent {
    pub dollars: f64,
    pub tokens: u64,
    pub turns: u64,
    /// Runs that have ended.
    pub runs: u32,
    /// Those of them of which nobody told what they cost.
    pub unknown: u32,
}

impl Spent {
    /// What a run has cost until now, of which `before` is counted already.
    pub fn since(before: Cost, cost: Cost) -> Spent {
        Spent {
            dollars: (cost.dollars - before.dollars).max(0.0),
            tokens: cost.tokens.saturating_sub(before.tokens),
            turns: cost.turns.saturating_sub(before.turns),
            ..Spent::default()
        }
    }

    pub fn add(&mut self, more: &Spent) {
        self.dollars += more.dollars;
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.turns = self.turns.saturating_add(more.turns);
        self.runs = self.runs.saturating_add(more.runs);
        self.unknown = self.unknown.saturating_add(more.unknown);
    }

    pub fn is_nothing(&self) -> bool {
        *self == Spent::default()
    }

    /// Dollars, with a mark where some of it is not known.
    pub fn words(&self) -> String {
        let is_told = self.dollars > 0.0 || self.tokens > 0;
        match (self.runs, self.unknown) {
            (0, _) if !is_told => "-".to_owned(),
            (runs, unknown) if runs == unknown && !is_told => "unknown".to_owned(),
            (_, 0) => format!("${:.2}", self.dollars),
            _ => format!("${:.2}+?", self.dollars),
        }
    }

    /// The limit that is used up, in words.
    pub fn beyond(&self, limits: &Limits) -> Option<String> {
        if let Some(most) = limits.dollars.filter(|most| self.dollars + ROUNDING >= *most) {
            return Some(format!("${:.2} of ${most:.2} are spent", self.dollars));
        }
        if let Some(most) = limits.tokens.filter(|most| self.tokens >= *most) {
            return Some(format!("{} of {most} tokens are used", self.tokens));
        }
        let most = limits.turns.filter(|most| self.turns >= u64::from(*most))?;
        Some(format!("{} of {most} turns are taken", self.turns))
    }
}

/// A line of the ledger: what was used up on a day, by whom, with what and for what.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// When the day began.
    pub day: Timestamp,
    pub worker: String,
    pub role: String,
    pub model: Option<String>,
    pub task: Option<TaskId>,
}

/// By what the ledger is added up.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum By {
    #[default]
    Worker,
    Task,
    Job,
    Role,
    Model,
    Day,
}

/// What has a limit of its own.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purse {
    /// All workers together, on the day that began then.
    Day(Timestamp),
    /// All sessions that worked at it.
    Task(TaskId),
    /// All sessions that worked at any of its tasks.
    Job(JobId),
    /// All sessions of the worker that it is said of.
    Worker,
}

/// What the human said to one that reached its limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    #[default]
    NotAsked,
    Asked,
    Given,
    Refused,
}

/// A purse that is used up.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Reached {
    pub purse: Purse,
    /// In words.
    pub beyond: String,
    pub leave: Leave,
}

/// How far beyond its limit something was let go, and what the human was asked when it got there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Allowance {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended: Option<Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<QuestionId>,
}

impl Allowance {
    /// How far it may go by now. A limit that was raised meanwhile counts, too.
    pub fn of(&self, limits: &Limits) -> Limits {
        let Some(extended) = &self.extended else { return limits.clone() };
        Limits {
            dollars: limits.dollars.map(|most| most.max(extended.dollars.unwrap_or_default())),
            tokens: limits.tokens.map(|most| most.max(extended.tokens.unwrap_or_default())),
            turns: limits.turns.map(|most| most.max(extended.turns.unwrap_or_default())),
            ..limits.clone()
        }
    }

    /// The human lets it go on: as far again from where it is.
    pub fn is_extended(&mut self, limits: &Limits, spent: &Spent) {
        self.asked = None;
        self.extended = Some(Limits {
            dollars: limits.dollars.map(|most| spent.dollars + most),
            tokens: limits.tokens.map(|most| spent.tokens.saturating_add(most)),
            turns: limits.turns.map(|most| spent.turns.saturating_add(most.into()).min(u32::MAX.into()) as u32),
            ..Limits::default()
        });
    }
}

/// What is left until the first of several limits.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default)]
pub struct Left {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
}

impl Left {
    pub fn reaches(&mut self, allowed: &Limits, spent: &Spent) {
        let dollars = allowed.dollars.map(|most| (most - spent.dollars).max(0.0));
        let turns = allowed.turns.map(|most| u64::from(most).saturating_sub(spent.turns));
        self.dollars = self.dollars.into_iter().chain(dollars).min_by(f64::total_cmp);
        self.turns = self.turns.into_iter().chain(turns).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(most: f64) -> Limits {
        Limits { dollars: Some(most), ..Limits::default() }
    }

    #[test]
    fn what_is_used_up_is_told_in_words() {
        let spent = Spent { dollars: 1.5, tokens: 10, turns: 4, ..Spent::default() };
        let beyond = |limits: Limits| spent.beyond(&limits);
        assert_eq!(beyond(Limits::default()), None);
        assert_eq!(beyond(Limits { dollars: Some(2.0), tokens: Some(11), ..Limits::default() }), None);
        assert_eq!(beyond(dollars(1.5)).unwrap(), "$1.50 of $1.50 are spent");
        assert_eq!(beyond(Limits { turns: Some(4), ..Limits::default() }).unwrap(), "4 of 4 turns are taken");
    }

    #[test]
    fn unknown_is_said_to_be_unknown() {
        let spent = |dollars: f64, runs, unknown| Spent { dollars, runs, unknown, ..Spent::default() }.words();
        assert_eq!(spent(0.0, 0, 0), "-");
        assert_eq!(spent(0.0, 2, 2), "unknown");
        assert_eq!(spent(0.0, 1, 0), "$0.00");
        assert_eq!(spent(0.5, 2, 1), "$0.50+?");
        assert_eq!(spent(0.5, 0, 0), "$0.50", "of one that goes on");
    }

    #[test]
    fn whoever_is_let_go_on_goes_as_far_again_and_a_limit_that_was_raised_counts() {
        let mut allowance = Allowance { asked: Some(QuestionId::from_number(7)), ..Allowance::default() };
        assert_eq!(allowance.of(&dollars(2.0)), dollars(2.0));
        allowance.is_extended(&dollars(2.0), &Spent { dollars: 2.25, ..Spent::default() });
        assert_eq!((allowance.asked, allowance.of(&dollars(2.0))), (None, dollars(4.25)));
        assert_eq!(allowance.of(&dollars(9.0)), dollars(9.0));
        assert_eq!(allowance.of(&Limits::default()), Limits::default(), "a limit that was dropped holds no more");
    }

    #[test]
    fn the_first_of_several_limits_is_what_is_left() {
        let spent = Spent { dollars: 1.0, turns: 3, ..Spent::default() };
        let mut left = Left::default();
        left.reaches(&Limits::default(), &spent);
        assert_eq!(left, Left::default());
        left.reaches(&dollars(3.0), &spent);
        left.reaches(&Limits { dollars: Some(0.5), turns: Some(5), ..Limits::default() }, &spent);
        assert_eq!(left, Left { dollars: Some(0.0), turns: Some(2) });
    }
}
