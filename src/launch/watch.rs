//! What a run shows of itself, from outside: what it printed, when it last did, and what its processes use.

use crate::claude::limit::Here;
use crate::claude::stream;
use crate::claude::stream::How;
use crate::claude::stream::Told as Line;
use crate::claude::telemetry::Request;
use crate::descendants::below;
use crate::descendants::processor_used;
use crate::host::Host;
use crate::keep::run::Record;
use crate::keep::run::RunDir;
use crate::keep::tail::Heard;
use crate::keep::tail::Tail;
use crate::launch::liveness::Verdict;
use crate::launch::nudge::Told;
use crate::launch::plan::Life;
use crate::launch::traces::Traces;
use crate::model::spending::Cost;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::model::worker::Order;
use crate::model::worker::Worker;
use jiff::tz::TimeZone;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What may pass from one look to the next and still counts as watched. After a longer pause the machine slept, or whoever
/// looks did: nobody was seen to be silent then.
const BETWEEN_LOOKS_MS_MAX: i64 = 60_000;

/// Whether somebody stalls is a matter of minutes.
const PROCESSOR_EVERY_MS: i64 = 10_000;
/// What a process may use in that time that only waits.
const IDLE_USE_MS: u64 = 100;

/// Is a session that stays at work?
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Turn {
    #[default]
    UnderWay,
    /// It ended with a result, and waits for what it is told next.
    Over,
}

/// What its output told until now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub session: Option<String>,
    pub model: Option<String>,
    /// The newest result, and whether it was a good one.
    pub result: Option<(bool, String)>,
    /// The service takes no more: until then, where that was told.
    pub limited: Option<Option<Timestamp>>,
    /// By its results.
    pub cost: Option<Cost>,
    /// By what it told on the way.
    pub told: Option<Cost>,
    /// Its client ended the turn because it had used up what it was given.
    pub is_used_up: bool,
    pub last_words: Option<String>,
    pub turn: Turn,
}

impl Facts {
    /// What it has cost until now, as far as anybody told. Both count the same; a result comes late, and what is told on the
    /// way may miss its end.
    pub fn cost(&self) -> Option<Cost> {
        match (self.cost, self.told) {
            (Some(cost), Some(told)) => Some(cost.or_more(told)),
            (cost, told) => cost.or(told),
        }
    }

    fn hear(&mut self, line: &str, here: &Here) {
        match stream::tell(line, here) {
            Line::Began { session, model } => {
                self.session = Some(session);
                self.model = Some(model);
                self.goes_on();
            }
            Line::Works { said, .. } => {
                self.last_words = said.or(self.last_words.take());
                self.goes_on();
            }
            Line::Limited { until } => self.limited = Some(until),
            Line::Ended(outcome) => self.ended(outcome),
            _ => {}
        }
    }

    /// Whatever it was told of a limit before: it works.
    fn goes_on(&mut self) {
        (self.turn, self.limited) = (Turn::UnderWay, None);
    }

    fn ended(&mut self, outcome: stream::Outcome) {
        self.turn = Turn::Over;
        self.is_used_up = matches!(outcome.how, How::BudgetMax | How::TurnsMax);
        if let How::Limited { until } = &outcome.how {
            // A result has words alone, and those have no seconds: what was told before it to the second holds.
            self.limited = Some(self.limited.flatten().or(*until));
        } else if outcome.how == How::Done {
            // It went on all the same.
            self.limited = None;
        }
        if let Some(spent) = outcome.spent {
            let tokens = [spent.input_tokens, spent.output_tokens, spent.cache_read_tokens, spent.cache_write_tokens];
            self.cost.get_or_insert_default().add(Cost {
                dollars: spent.usd,
                tokens: tokens.into_iter().fold(0, u64::saturating_add),
                turns: outcome.turns.unwrap_or_default(),
            });
        }
        self.model = outcome.model.or(self.model.take());
        self.result = Some((outcome.how == How::Done, outcome.words));
    }

    fn pays(&mut self, request: Request) {
        let Request { dollars, tokens, is_turn, .. } = request;
        self.told.get_or_insert_default().add(Cost { dollars, tokens, turns: is_turn.into() });
        if self.model.is_none() && request.is_turn {
            self.model = Some(request.model);
        }
    }
}

/// What of it was written down before the run has ended.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    pub session: Option<String>,
    pub cost: Option<Cost>,
    /// When that was.
    pub at: Option<Tick>,
    pub limit: bool,
}

/// Follows one run. Its own clock stands still while nobody looks: all that it says of silence was watched.
pub struct Watch {
    pub run: RunDir,
    pub number: u64,
    pub facts: Facts,
    printed: Tail,
    spent: Tail,
    /// The last look, by the clock of the store.
    seen: Option<Tick>,
    /// How many milliseconds were watched until then: the clock of all that follows.
    watched: i64,
    /// How many of them at the last look.
    passed: i64,
    /// In how many of them it was at work, since it waited for work.
    at_work: i64,
    /// Since when it has not held the task that it was begun for.
    without: Option<i64>,
    grew: i64,
    /// When its claim was renewed for it, by the clock on which that claim runs.
    pub kept: Option<Tick>,
    /// What was wanted of it when it was asked to end, or to end its turn.
    pub order: Option<Order>,
    /// Its hooks have told of a turn.
    pub has_worked: bool,
    /// What it was told while it waited.
    pub told: Told,
    /// The session, the cost and the limit that were written down.
    pub noted: Noted,
    used: Option<u64>,
    worked: i64,
    /// What its keeper kept when that was looked at last: what has lost its mark as well is known by nothing else, once the
    /// keeper is gone.
    pub kin: Vec<String>,
    /// When the processor's use was looked at: that means to read of every process there is.
    looked: Option<i64>,
    /// When its process was first seen to run.
    began: Option<i64>,
    waited: Option<i64>,
    /// Once it was in doubt; nothing where there is nothing to look at.
    traces: Option<Option<Traces>>,
    transcript: Option<(u64, u64)>,
}

impl Watch {
    pub fn new(run: RunDir, number: u64) -> Watch {
        let [newest, before] = run.stream();
        Watch {
            number,
            facts: Facts::default(),
            printed: Tail::of(newest, Some(before)),
            spent: Tail::of(run.spent(), None),
            run,
            seen: None,
            watched: 0,
            passed: 0,
            at_work: 0,
            without: None,
            grew: 0,
            kept: None,
            order: None,
            has_worked: false,
            told: Told::default(),
            noted: Noted::default(),
            used: None,
            worked: 0,
            kin: Vec::new(),
            looked: None,
            began: None,
            waited: None,
            traces: None,
            transcript: None,
        }
    }

    /// It is looked at now.
    pub fn passes(&mut self, now: Tick) {
        let since = self.seen.replace(now).map_or(0, |seen| now.since(seen));
        self.passed = since.clamp(0, BETWEEN_LOOKS_MS_MAX);
        self.watched += self.passed;
        self.kept.get_or_insert(now);
    }

    fn ago(&self, then: i64) -> i64 {
        self.watched - then
    }

    /// How long its process has been seen running.
    pub fn runs(&mut self, life: Life) -> i64 {
        match life {
            Life::None | Life::Prepared | Life::Closing => 0,
            Life::Alive | Life::Gone => {
                let began = *self.began.get_or_insert(self.watched);
                self.ago(began)
            }
        }
    }

    /// How long ago it printed, and how long ago its processes used the processor, where that can be told.
    pub fn signs(&mut self, host: &Host, record: Option<&Record>) -> (i64, Option<i64>) {
        if self.looked.is_none_or(|looked| self.ago(looked) >= PROCESSOR_EVERY_MS) {
            self.looked = Some(self.watched);
            let used = record.and_then(|record| record.child.as_deref()).and_then(processor_ms);
            // What a process uses that only waits is less than that.
            if used.is_some_and(|used| self.used.is_none_or(|before| used > before + IDLE_USE_MS)) {
                self.worked = self.watched;
            }
            self.used = used;
            if let Some((keeper, number)) = record.and_then(|record| Some((&record.keeper, pid(&record.keeper)?))) {
                let kin = below(number).into_iter().filter_map(|pid| host.process_of(pid as u32)).collect();
                // Of one that was killed meanwhile nobody is below it any more.
                if host.lives(keeper) == Some(true) {
                    self.kin = kin;
                }
            }
        }
        (self.ago(self.grew), self.used.map(|_| self.ago(self.worked)))
    }

    /// How long ago something changed where it works, as far as that says something of it.
    pub fn files(&mut self, worker: &Worker, state_dir: &Path) -> Option<i64> {
        let traces = self.traces.get_or_insert_with(|| Traces::of(&self.run, worker, state_dir)).as_mut()?;
        traces.look(self.watched);
        traces.changed_ago(self.watched)
    }

    /// How long ago it waited: not at all, if it does now.
    pub fn waited(&mut self, waits: bool) -> Option<i64> {
        if waits {
            self.waited = Some(self.watched);
        }
        self.waited.map(|then| self.ago(then))
    }

    /// How long it has been at work. Whoever waits for a person, or for the service, is not.
    pub fn works(&mut self, waits: Option<&Verdict>) -> i64 {
        match waits {
            None => self.at_work += self.passed,
            Some(Verdict::Idle) => self.at_work = 0,
            Some(_) => {}
        }
        self.at_work
    }

    /// How long ago its task was let go, if it was.
    pub fn is_without(&mut self, is_without: bool) -> Option<i64> {
        self.without = is_without.then(|| self.without.unwrap_or(self.watched));
        self.without.map(|then| self.ago(then))
    }

    /// It was told something, and has a turn from now on.
    pub fn hears_from_us(&mut self) {
        (self.facts.turn, self.facts.limited) = (Turn::UnderWay, None);
        self.grew = self.watched;
    }

    /// Has what its client writes down of it grown? Says whether there is such a file at all.
    pub fn look_at_transcript(&mut self, path: &Path) -> bool {
        let Some(found) = path.metadata().ok().filter(Metadata::is_file) else { return false };
        let length = Some((found.ino(), found.len()));
        if self.transcript != length {
            (self.transcript, self.grew) = (length, self.watched);
        }
        true
    }

    /// Reads on in what was printed, and in what was told of costs.
    pub fn look(&mut self, host: &Host) {
        let (now, zone) = (host.wall(), TimeZone::system());
        let facts = &mut self.facts;
        // Of what was written before we came "3pm" is not that of today.
        let here = |written: i64| Here { now: now.min(Timestamp::from_millis(written)), zone: zone.clone() };
        let hear = |heard: Heard| {
            // The rest of a line that was cut is no line of the client's.
            if !heard.goes_on {
                facts.hear(heard.text, &here(heard.written));
            }
        };
        if self.printed.read(hear) {
            self.grew = self.watched;
        }
        self.spent.read(|heard| {
            let _ = serde_json::from_str(heard.text).map(|request| facts.pays(request));
        });
    }
}

fn pid(process: &str) -> Option<i32> {
    process.split(['.', '@']).next()?.parse().ok()
}

/// Milliseconds of the processor that a process and all below it have used.
fn processor_ms(process: &str) -> Option<u64> {
    let pid = pid(process)?;
    Some(processor_used(pid)? + below(pid).into_iter().filter_map(processor_used).sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Facts {
        let here = Here { now: Timestamp::from_millis(1_000_000), zone: TimeZone::UTC };
        let mut facts = Facts::default();
        lines.iter().for_each(|line| facts.hear(line, &here));
        facts
    }

    const REJECTED: &str =
        r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1700000000}}"#;
    const WORKS: &str = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"I go on"}]}}"#;

    #[test]
    fn whoever_works_is_not_limited_any_more() {
        assert!(heard(&[REJECTED]).limited.is_some());
        let facts = heard(&[REJECTED, WORKS]);
        assert_eq!((facts.limited, facts.last_words.as_deref()), (None, Some("I go on")));
    }

    #[test]
    fn what_nothing_can_cost_is_not_believed() {
        let much = r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,
            "model_usage_since_last_result":{"a":{"inputTokens":18446744073709551615,"costUSD":1e308},
            "b":{"inputTokens":18446744073709551615,"outputTokens":9,"costUSD":1e308}}}"#;
        let cost = heard(&[&much.replace('\n', ""), &much.replace('\n', "")]).cost().unwrap();
        assert_eq!((cost.dollars, cost.tokens, cost.turns), (1e6, 1_000_000_000_000, 2));
        let mut told = Facts::default();
        for _ in 0..2 {
            told.pays(Request { model: String::new(), dollars: 1e308, tokens: u64::MAX, is_turn: true });
        }
        assert_eq!(told.cost(), Some(Cost { turns: 2, ..cost }));
    }

    /// The client tells of the limit of a subscription three times, and twice of them in words that have no seconds.
    #[test]
    fn a_limit_holds_until_the_moment_that_was_told_best() {
        let here = Here { now: "2026-11-22T11:02:53Z".parse().unwrap(), zone: TimeZone::UTC };
        let info = r#"{"status":"rejected","resetsAt":1795345378,"overageStatus":"rejected"}"#;
        let words = "You've hit your limit · resets 11:02am (UTC)";
        let result = format!(
            r#"{{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"{words}"}}"#
        );
        let mut facts = Facts::default();
        facts.hear(&format!(r#"{{"type":"rate_limit_event","rate_limit_info":{info}}}"#), &here);
        facts.hear(&result, &here);
        assert_eq!(facts.limited, Some(Some(Timestamp::from_millis(1_795_345_378_000))));
        let mut facts = Facts::default();
        facts.hear(&result, &here);
        assert_eq!(facts.limited, Some(Some("2026-11-22T11:03:00Z".parse().unwrap())), "the end of that minute");
    }
}
