//! The Claude session behind an instance, as its hooks tell of it: what it does, and by what it can be woken.

use crate::model::id::InstanceId;
use crate::model::rung::Rung;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SessionActivity")]
pub enum Activity {
    /// It has no hooks, or none of them spoke yet.
    Unknown,
    Working,
    /// It ended its turn and waits for the next.
    Idle,
    /// A dialog is open that only a person can answer.
    NeedsInput,
    /// The service takes no more of it for now.
    Limited,
    /// Its last turn broke off with an error.
    Failed,
    Ended,
}

impl Activity {
    pub const ALL: [Activity; 7] = [
        Activity::Unknown,
        Activity::Working,
        Activity::Idle,
        Activity::NeedsInput,
        Activity::Limited,
        Activity::Failed,
        Activity::Ended,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Activity::Unknown => "unknown",
            Activity::Working => "working",
            Activity::Idle => "idle",
            Activity::NeedsInput => "needs_input",
            Activity::Limited => "limited",
            Activity::Failed => "failed",
            Activity::Ended => "ended",
        }
    }

    pub fn of_word(word: &str) -> Option<Activity> {
        Activity::ALL.into_iter().find(|activity| activity.word() == word)
    }
}

/// One for each instance that a Claude session ever spoke for.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub instance: InstanceId,
    /// The process of the client, as the host names it: it stays the same when the session gets another id, by `/clear`.
    pub client: Option<String>,
    /// The socket at which the client takes messages for this session. Whoever writes to it must look at it first.
    pub inbox: Option<String>,
    /// The file in which the client writes down what happens in it.
    pub transcript: Option<String>,
    /// Who else waits to ring at it, and by what: a process each.
    pub ringers: BTreeMap<Rung, String>,
    pub activity: Activity,
    /// Why, for those who look: the words of an error or of a dialog.
    pub detail: Option<String>,
    pub since: Timestamp,
    /// Its last sign of life.
    pub alive_at: Tick,
    /// The brief it was given last: for which beginning, and when.
    pub briefed: Option<(String, Tick)>,
    /// What it was already told of when it wanted to stop.
    pub told: Vec<String>,
    /// Agents that work under it: their kind by their id.
    pub subagents: BTreeMap<String, String>,
    /// The events that its hooks told of, in the order in which each came first.
    pub hooks: Vec<String>,
}

/// Two wirings of one session, such as a plugin beside settings, tell of the same beginning at about the same time.
const SAME_BEGINNING_MS: i64 = 10_000;

/// A sign of life is written down again only after so long: it comes with every step.
const ALIVE_EVERY_MS: i64 = 15_000;

/// What is remembered of subagents: a client that tells of no end must not fill the store.
const SUBAGENTS_MAX: usize = 50;
const HOOKS_MAX: usize = 50;

impl Session {
    pub fn new(instance: InstanceId, now: Now) -> Session {
        Session {
            instance,
            client: None,
            inbox: None,
            transcript: None,
            ringers: BTreeMap::new(),
            activity: Activity::Unknown,
            detail: None,
            since: now.at,
            alive_at: now.tick,
            briefed: None,
            told: Vec::new(),
            subagents: BTreeMap::new(),
            hooks: Vec::new(),
        }
    }

    pub fn hears(&mut self, hook: &str) {
        if self.hooks.len() < HOOKS_MAX && !self.hooks.iter().any(|known| known == hook) {
            self.hooks.push(hook.to_owned());
        }
    }

    /// By what it can be rung at, in their order.
    pub fn rungs(&self) -> impl Iterator<Item = Rung> {
        let has = |rung: &Rung| match rung {
            Rung::Inbox => self.inbox.is_some(),
            rung => self.ringers.contains_key(rung),
        };
        Rung::RINGING.into_iter().filter(has)
    }

    /// A hook of it spoke: so it lives, and does this.
    pub fn shows(&mut self, activity: Activity, detail: Option<String>, now: Now) {
        if (self.activity, &self.detail) != (activity, &detail) {
            (self.activity, self.detail, self.since) = (activity, detail, now.at);
        }
        self.alive_at = now.tick;
    }

    /// It waits for its user, which is no news of one that can do nothing else.
    pub fn waits(&mut self, now: Now) {
        match self.activity {
            Activity::Limited => self.alive_at = now.tick,
            _ => self.shows(Activity::Idle, None, now),
        }
    }

    /// Would that tell anything new?
    pub fn is_known_to_be(&self, activity: Activity, now: Now) -> bool {
        self.activity == activity && now.tick.since(self.alive_at) < ALIVE_EVERY_MS
    }

    pub fn ends(&mut self, now: Now) {
        self.shows(Activity::Ended, None, now);
        (self.client, self.inbox, self.transcript) = (None, None, None);
        self.ringers.clear();
        self.subagents.clear();
    }

    /// Is this beginning to be told of? The second wiring of the same session finds it told.
    pub fn begins(&mut self, beginning: &str, now: Now) -> bool {
        let told = self.briefed.as_ref();
        if told.is_some_and(|(what, when)| what == beginning && now.tick.since(*when) < SAME_BEGINNING_MS) {
            return false;
        }
        self.briefed = Some((beginning.to_owned(), now.tick));
        true
    }

    /// It wants to stop. Each reason to go on is told once, so that it never goes round in circles.
    pub fn goes_on_for(&mut self, reasons: Vec<String>) -> bool {
        let news = reasons.iter().any(|reason| !self.told.contains(reason));
        self.told = reasons;
        news
    }

    pub fn subagent_begins(&mut self, id: &str, kind: &str) {
        if self.subagents.len() < SUBAGENTS_MAX {
            self.subagents.insert(id.to_owned(), kind.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(millis: i64) -> Now {
        Now { at: Timestamp::from_millis(millis), tick: Tick::from_millis(millis) }
    }

    fn session() -> Session {
        Session::new(InstanceId::from_random(1), now(0))
    }

    #[test]
    fn a_beginning_is_told_once_however_many_tell_it() {
        let mut session = session();
        assert!(session.begins("s1 startup", now(1)));
        assert!(!session.begins("s1 startup", now(900)));
        assert!(session.begins("s1 compact", now(901)));
        assert!(session.begins("s1 compact", now(901 + SAME_BEGINNING_MS)));
    }

    #[test]
    fn a_reason_to_go_on_is_given_once() {
        let mut session = session();
        assert!(!session.goes_on_for(vec![]));
        assert!(session.goes_on_for(vec!["a".to_owned()]));
        assert!(!session.goes_on_for(vec!["a".to_owned()]));
        assert!(session.goes_on_for(vec!["a".to_owned(), "b".to_owned()]));
        assert!(!session.goes_on_for(vec!["b".to_owned()]));
    }

    #[test]
    fn since_when_it_does_something_does_not_move_while_it_does_it() {
        let mut session = session();
        session.shows(Activity::Working, None, now(5));
        session.shows(Activity::Working, None, now(9));
        assert_eq!((session.since, session.alive_at), (now(5).at, now(9).tick));
        assert!(session.is_known_to_be(Activity::Working, now(10)));
        assert!(!session.is_known_to_be(Activity::Idle, now(10)));
        assert!(!session.is_known_to_be(Activity::Working, now(9 + ALIVE_EVERY_MS)));
    }

    #[test]
    fn to_wait_for_its_user_is_the_end_of_no_limit() {
        let mut session = session();
        session.shows(Activity::Limited, Some("until 10:00".to_owned()), now(1));
        session.waits(now(2));
        assert_eq!((session.activity, session.detail.as_deref()), (Activity::Limited, Some("until 10:00")));
        session.shows(Activity::Working, None, now(3));
        session.waits(now(4));
        assert_eq!((session.activity, session.alive_at), (Activity::Idle, now(4).tick));
    }

    #[test]
    fn every_activity_is_read_back_from_its_word() {
        for activity in Activity::ALL {
            assert_eq!(Activity::of_word(activity.word()), Some(activity));
        }
    }
}
