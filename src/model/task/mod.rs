//! A task and its life: push, claim, renew, start, complete, block, fail, release, lapse, retry, cancel.
//!
//! ```text
//! pending --claim--> claimed --start--> in_progress --complete--> completed
//!    ^                  |  \______________/   |  \------fail-----> failed --retry--> pending
//!    |<--release, lapse-+---------------------+   \-----cancel---> cancelled --retry--> pending
//!    |<--unblock-- blocked <--block-----------+   (cancel: from every state that is not final)
//! ```

mod body;
mod lane;
mod refusal;
mod round;
mod words;

use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::lane::lane_of_role;
use crate::model::task::round::in_their_words;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;

pub use body::Body;
pub use body::Completion;
pub use body::Evidence;
pub use lane::WANTS;
pub use lane::lane_of_queue;
pub use lane::lanes_for;
pub use refusal::Holding;
pub use refusal::Party;
pub use refusal::Refusal;
pub use words::Link;
pub use words::Priority;
pub use words::Standing;
pub use words::State;

pub const TITLE_CHARS_MAX: usize = 300;
/// Longest description or result. What is longer belongs into a file that the task names.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most entries of any list a task carries, and of its dependencies.
pub const LIST_MAX: usize = 100;
pub const DEPENDENCIES_MAX: usize = 1000;
/// Patterns that a task keeps to itself: each is a row that its claim writes.
pub const RESERVES_MAX: usize = 20;
pub const ATTEMPTS_DEFAULT: u32 = 3;
/// A claim unheard of for this long is anybody's again. Every call of its holder renews it.
pub const LEASE_SECS_DEFAULT: u32 = 900;
pub const LEASE_SECS_MAX: u32 = 7 * 24 * 3600;

#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub id: TaskId,
    pub title: String,
    pub state: State,
    pub priority: Priority,
    pub role: Option<String>,
    /// An instance's id, or `@name` for a name that nobody bears yet.
    pub assignee: Option<String>,
    pub link: Option<Link>,
    pub chain_id: Option<String>,
    pub parent: Option<TaskId>,
    /// The goal that it helps to reach.
    pub job: Option<JobId>,
    pub repo: Option<String>,
    pub branch: Option<String>,
    pub labels: Vec<String>,
    /// What its holder has to itself: files and named resources, in order.
    pub reserves: Vec<String>,
    pub not_before: Option<Timestamp>,
    /// Has `not_before` passed? Kept, so that the store can find what is ready without asking the time of each.
    pub due: bool,
    pub depends_on: Vec<TaskId>,
    /// How many dependencies are not completed yet.
    pub unmet: u32,
    /// How many tasks the longest chain has of those that wait for it.
    pub height: u32,
    pub max_attempts: u32,
    /// How many claims were made that were not handed back.
    pub attempt: u32,
    pub lease_secs: u32,
    /// The fencing token of the newest claim. It only rises.
    pub token: u64,
    /// Who holds it; once it is over or blocked, who held it last.
    pub holder: Option<InstanceId>,
    /// Until when the claim is good. Present exactly while somebody holds it.
    pub lease_until: Option<Tick>,
    /// Why it is blocked, failed or cancelled.
    pub reason: Option<String>,
    pub created_by: Option<InstanceId>,
    pub created_at: Timestamp,
    pub claimed_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    /// Present exactly in a final state.
    pub finished_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub body: Body,
    pub version: u64,
}

/// Who asks for a claim: what the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Claimer<'a> {
    pub id: &'a InstanceId,
    pub role: &'a str,
}

impl Task {
    pub fn standing(&self) -> Standing {
        match self.state {
            State::Pending if self.unmet == 0 && self.due => Standing::Ready,
            State::Pending => Standing::Waiting,
            State::Claimed => Standing::Claimed,
            State::InProgress => Standing::InProgress,
            State::Blocked => Standing::Blocked,
            State::Completed => Standing::Completed,
            State::Failed => Standing::Failed,
            State::Cancelled => Standing::Cancelled,
        }
    }

    fn event(&self, kind: &'static str, actor: Option<&InstanceId>) -> NewEvent {
        NewEvent::new(kind, self.id, actor)
    }

    pub fn pushed(&self) -> NewEvent {
        self.event("task.pushed", self.created_by.as_ref())
            .with("title", self.title.as_str())
            .with("priority", self.priority.word())
            .with_some("role", self.role.as_deref())
            .with_some("assignee", self.assignee.as_deref())
    }

    /// Take the task: from here on its token tells this claim from all others.
    ///
    /// `force` takes what is meant for somebody else, never what somebody holds or what is not ready.
    pub fn claim(&mut self, me: Claimer, force: bool, lease_secs: Option<u32>, now: Now) -> Result<NewEvent, Refusal> {
        match self.state {
            State::Pending => {}
            State::Claimed | State::InProgress => return Err(self.claimed_by_other(now)),
            State::Blocked | State::Completed | State::Failed | State::Cancelled => {
                return Err(Refusal::NotOpen { task: self.id, state: self.state.word() });
            }
        }
        if !force {
            self.check_meant_for(me)?;
        }
        if self.unmet > 0 {
            let waits_for = format!("{} of its dependencies", self.unmet);
            return Err(Refusal::NotReady { task: self.id, waits_for });
        }
        if let Some(not_before) = self.not_before.filter(|_| !self.due) {
            return Err(Refusal::NotReady { task: self.id, waits_for: format!("{not_before}") });
        }
        self.state = State::Claimed;
        self.holder = Some(me.id.clone());
        self.lease_secs = lease_secs.unwrap_or(self.lease_secs);
        self.lease_until = Some(now.tick.plus_secs(self.lease_secs));
        self.token += 1;
        self.attempt += 1;
        self.reason = None;
        self.claimed_at = Some(now.at);
        self.started_at = None;
        self.updated_at = now.at;
        let event = self.event("task.claimed", Some(me.id)).with("token", self.token).with("attempt", self.attempt);
        let reserves = Some(self.reserves.clone()).filter(|reserves| !reserves.is_empty());
        Ok(event.with_some("reserves", reserves))
    }

    fn claimed_by_other(&self, now: Now) -> Refusal {
        match (&self.holder, self.lease_until) {
            (Some(by), Some(until)) => Refusal::Claimed { task: self.id, by: Party::of(by), until: now.wall_of(until) },
            _ => Refusal::NotOpen { task: self.id, state: self.state.word() },
        }
    }

    /// Would `claim_task` without an id ever hand this to them?
    fn check_meant_for(&self, me: Claimer) -> Result<(), Refusal> {
        match (&self.assignee, &self.role) {
            (Some(assignee), _) if assignee != me.id.as_str() => {
                let assignee = Party::of(&InstanceId::from_stored(assignee.clone()));
                Err(Refusal::MeantForOthers { task: self.id, assignee })
            }
            (None, Some(role)) if lane_of_role(role) != lane_of_role(me.role) => {
                Err(Refusal::MeantForRole { task: self.id, role: role.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Is it held by this instance, by this claim? Every change by a holder begins with this question.
    pub fn check_held(&self, me: &InstanceId, token: Option<u64>, now: Now) -> Result<(), Refusal> {
        let mine = self.holder.as_ref() == Some(me) && token.is_none_or(|token| token == self.token);
        if self.state.is_held() && mine { Ok(()) } else { Err(self.not_held(now)) }
    }

    fn not_held(&self, now: Now) -> Refusal {
        let (state, token) = (self.state.word(), self.token);
        let holding = match (&self.holder, self.lease_until) {
            (Some(by), Some(until)) => Holding::Now { by: Party::of(by), until: now.wall_of(until), token },
            (Some(by), None) => Holding::Before { by: Party::of(by), state, token },
            (None, _) => Holding::Nobody { state },
        };
        Refusal::NotHeld { task: self.id, now: holding }
    }

    pub fn renew(&mut self, me: &InstanceId, token: Option<u64>, now: Now) -> Result<(), Refusal> {
        self.check_held(me, token, now)?;
        self.lease_until = Some(now.tick.plus_secs(self.lease_secs));
        Ok(())
    }

    pub fn start(&mut self, me: &InstanceId, token: Option<u64>, now: Now) -> Result<Option<NewEvent>, Refusal> {
        self.renew(me, token, now)?;
        if self.state == State::InProgress {
            return Ok(None);
        }
        self.state = State::InProgress;
        self.started_at = Some(now.at);
        self.updated_at = now.at;
        Ok(Some(self.event("task.started", Some(me)).with("token", self.token)))
    }

    /// `None`: this claim had completed it before, and the first answer stands.
    pub fn complete(
        &mut self,
        me: &InstanceId,
        token: Option<u64>,
        done: Completion,
        now: Now,
    ) -> Result<Option<NewEvent>, Refusal> {
        let mine = self.holder.as_ref() == Some(me) && token.is_none_or(|token| token == self.token);
        if self.state == State::Completed && mine {
            return Ok(None);
        }
        self.check_held(me, token, now)?;
        self.end(State::Completed, None, now);
        self.keep(done);
        Ok(Some(self.completed(Some(me))))
    }

    fn keep(&mut self, done: Completion) {
        self.body.result = done.result;
        self.body.result_json = done.result_json;
        self.body.evidence = done.evidence;
        self.body.findings = done.findings;
    }

    fn completed(&self, actor: Option<&InstanceId>) -> NewEvent {
        let commit = self.body.evidence.as_ref().and_then(|evidence| evidence.commit.clone());
        self.event("task.completed", actor).with("token", self.token).with_some("commit", commit)
    }

    /// It cannot go on until somebody unblocks it. The claim ends; the attempt does not count.
    pub fn block(&mut self, me: &InstanceId, token: Option<u64>, reason: &str, now: Now) -> Result<NewEvent, Refusal> {
        self.stop(me, token, &in_their_words(reason), now)
    }

    fn stop(&mut self, me: &InstanceId, token: Option<u64>, reason: &str, now: Now) -> Result<NewEvent, Refusal> {
        self.check_held(me, token, now)?;
        if let Some(event) = self.ends_overtaken(Some(me), now) {
            return Ok(event);
        }
        self.state = State::Blocked;
        self.lease_until = None;
        self.attempt = self.attempt.saturating_sub(1);
        self.reason = Some(reason.to_owned());
        self.updated_at = now.at;
        Ok(self.event("task.blocked", Some(me)).with("token", self.token).with("reason", reason))
    }

    pub fn unblock(&mut self, me: Option<&InstanceId>, note: Option<&str>, now: Now) -> Result<NewEvent, Refusal> {
        if self.state != State::Blocked {
            return Err(self.wrong_state("a blocked task", "unblocked"));
        }
        self.back_to_pending(now);
        Ok(self.event("task.unblocked", me).with_some("note", note))
    }

    pub fn fail(&mut self, me: &InstanceId, token: Option<u64>, reason: &str, now: Now) -> Result<NewEvent, Refusal> {
        self.check_held(me, token, now)?;
        if let Some(event) = self.ends_overtaken(Some(me), now) {
            return Ok(event);
        }
        self.end(State::Failed, Some(reason), now);
        Ok(self.event("task.failed", Some(me)).with("token", self.token).with("reason", reason))
    }

    /// Hand it back unharmed: somebody else may claim it at once, and the attempt does not count.
    pub fn release(
        &mut self,
        me: &InstanceId,
        token: Option<u64>,
        reason: Option<&str>,
        now: Now,
    ) -> Result<NewEvent, Refusal> {
        self.check_held(me, token, now)?;
        if let Some(event) = self.ends_overtaken(Some(me), now) {
            return Ok(event);
        }
        self.attempt = self.attempt.saturating_sub(1);
        let event = self.event("task.released", Some(me)).with("token", self.token).with_some("reason", reason);
        self.back_to_pending(now);
        Ok(event)
    }

    /// Its holder left and may come back: it keeps the claim for so long, but no longer than a lease.
    pub fn is_left_for(&mut self, grace_secs: u32, now: Now) {
        if self.lease_until.is_some() {
            self.lease_until = Some(now.tick.plus_secs(grace_secs.min(self.lease_secs)));
        }
    }

    /// Its lease ended without a word: it is anybody's again, or failed if that happened too often.
    /// Not for a task whose lease is still good; the store asks only for those that lapsed.
    pub fn lapse(&mut self, now: Now) -> NewEvent {
        if let Some(event) = self.ends_overtaken(None, now) {
            return event;
        }
        let holder = self.holder.clone();
        let event = self
            .event("task.lapsed", None)
            .with("token", self.token)
            .with("attempt", self.attempt)
            .with_some("holder", holder.as_ref().map(InstanceId::as_str));
        if self.attempt >= self.max_attempts {
            let holder = holder.map(|holder| holder.to_string()).unwrap_or_default();
            let reason = format!(
                "the lease lapsed on attempt {} of {}, last held by `{holder}`",
                self.attempt, self.max_attempts
            );
            self.end(State::Failed, Some(&reason), now);
            return event.with("failed", true);
        }
        self.back_to_pending(now);
        event
    }

    /// Once more, under the same id and with its history; only the ceiling on attempts stands against it.
    pub fn retry(&mut self, me: Option<&InstanceId>, force: bool, now: Now) -> Result<NewEvent, Refusal> {
        if !matches!(self.state, State::Failed | State::Cancelled) {
            return Err(self.wrong_state("a failed or cancelled task", "retried"));
        }
        if self.attempt >= self.max_attempts {
            if !force {
                return Err(Refusal::AttemptsUsedUp { task: self.id, attempt: self.attempt, max: self.max_attempts });
            }
            self.max_attempts = self.attempt + 1;
        }
        self.back_to_pending(now);
        Ok(self.event("task.retried", me).with("attempt", self.attempt))
    }

    pub fn cancel(&mut self, me: Option<&InstanceId>, reason: Option<&str>, now: Now) -> Result<NewEvent, Refusal> {
        if self.state.is_final() {
            return Err(self.wrong_state("an unfinished task", "cancelled"));
        }
        let event = self.event("task.cancelled", me).with_some("reason", reason);
        self.end(State::Cancelled, reason, now);
        Ok(event)
    }

    /// Did nobody here ever do anything about it?
    pub fn is_untouched(&self) -> bool {
        self.state == State::Pending && self.token == 0
    }

    /// It is over, as the plan says that it came from: nobody here did it.
    pub fn is_told_over(
        &mut self,
        state: State,
        words: Option<&str>,
        at: Option<Timestamp>,
        by: Option<&InstanceId>,
        now: Now,
    ) -> Result<NewEvent, Refusal> {
        if self.state.is_held() || self.state.is_final() || !state.is_final() {
            return Err(self.wrong_state("a task that nobody holds", "ended by a plan"));
        }
        let is_completed = state == State::Completed;
        self.end(state, words.filter(|_| !is_completed), now);
        self.finished_at = at.or(self.finished_at);
        if is_completed {
            self.body.result = words.map(str::to_owned);
        }
        let kind = match state {
            State::Failed => "task.failed",
            State::Cancelled => "task.cancelled",
            _ => "task.completed",
        };
        let reason = words.filter(|_| !is_completed);
        Ok(self.event(kind, by).with("token", self.token).with("told", true).with_some("reason", reason))
    }

    /// It cannot go on, as the plan says that it came from.
    pub fn is_told_blocked(&mut self, reason: &str, by: Option<&InstanceId>, now: Now) -> Result<NewEvent, Refusal> {
        if self.state != State::Pending {
            return Err(self.wrong_state("a pending task", "blocked by a plan"));
        }
        let reason = in_their_words(reason);
        self.state = State::Blocked;
        self.reason = Some(reason.clone().into_owned());
        self.updated_at = now.at;
        Ok(self.event("task.blocked", by).with("token", self.token).with("told", true).with("reason", reason))
    }

    fn wrong_state(&self, wanted: &'static str, verb: &'static str) -> Refusal {
        Refusal::WrongState { task: self.id, state: self.state.word(), wanted, verb }
    }

    fn end(&mut self, state: State, reason: Option<&str>, now: Now) {
        self.state = state;
        self.lease_until = None;
        self.reason = reason.map(str::to_owned);
        self.finished_at = Some(now.at);
        self.updated_at = now.at;
    }

    fn back_to_pending(&mut self, now: Now) {
        self.state = State::Pending;
        self.holder = None;
        self.lease_until = None;
        self.reason = None;
        self.claimed_at = None;
        self.started_at = None;
        self.finished_at = None;
        self.updated_at = now.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: u32 = 100;

    fn now(secs: u32) -> Now {
        Now { at: Timestamp::from_millis(i64::from(secs) * 1000), tick: Tick::from_millis(1).plus_secs(secs) }
    }

    fn pending() -> Task {
        Task {
            id: TaskId::from_number(1),
            title: "t".to_owned(),
            state: State::Pending,
            priority: Priority::MEDIUM,
            role: None,
            assignee: None,
            link: None,
            chain_id: None,
            parent: None,
            job: None,
            repo: None,
            branch: None,
            labels: Vec::new(),
            reserves: Vec::new(),
            not_before: None,
            due: true,
            depends_on: Vec::new(),
            unmet: 0,
            height: 0,
            max_attempts: 2,
            attempt: 0,
            lease_secs: LEASE,
            token: 0,
            holder: None,
            lease_until: None,
            reason: None,
            created_by: None,
            created_at: Timestamp::from_millis(0),
            claimed_at: None,
            started_at: None,
            finished_at: None,
            updated_at: Timestamp::from_millis(0),
            body: Body::default(),
            version: 0,
        }
    }

    /// Play `steps` on a task, the last of which is judged: `-> state attempt token`, or `-> refused: code`.
    ///
    /// `claim a` is instance a; `a#1` acts with token 1. `lapse` is what the store does once the lease ended.
    fn check(line: &str) {
        let (steps, expected) = line.rsplit_once("->").unwrap();
        let mut task = pending();
        let mut answer = String::new();
        for step in steps.split(',') {
            let mut words = step.split_whitespace();
            let (verb, who) = (words.next().unwrap(), words.next().unwrap_or(""));
            let (name, token) = who.split_once('#').map_or((who, None), |(name, token)| (name, token.parse().ok()));
            let me = InstanceId::from_stored(name.to_owned());
            let some = (!name.is_empty()).then_some(&me);
            let now = now(10);
            let result = match verb {
                "claim" => task.claim(Claimer { id: &me, role: "builder" }, false, None, now).map(drop),
                "force" => task.claim(Claimer { id: &me, role: "builder" }, true, None, now).map(drop),
                "renew" => task.renew(&me, token, now),
                "start" => task.start(&me, token, now).map(drop),
                "complete" => task.complete(&me, token, Completion::default(), now).map(drop),
                "block" => task.block(&me, token, "r", now).map(drop),
                "unblock" => task.unblock(some, None, now).map(drop),
                "fail" => task.fail(&me, token, "r", now).map(drop),
                "release" => task.release(&me, token, None, now).map(drop),
                "lapse" => {
                    task.lapse(now);
                    Ok(())
                }
                "retry" => task.retry(some, false, now).map(drop),
                "retry!" => task.retry(some, true, now).map(drop),
                "cancel" => task.cancel(some, None, now).map(drop),
                "told" => {
                    let state = name.parse::<Standing>().map(|standing| match standing {
                        Standing::Completed => State::Completed,
                        Standing::Failed => State::Failed,
                        _ => State::Cancelled,
                    });
                    task.is_told_over(state.unwrap(), Some("r"), None, None, now).map(drop)
                }
                "told-blocked" => task.is_told_blocked("r", None, now).map(drop),
                "unmet" => {
                    task.unmet = 1;
                    Ok(())
                }
                "later" => {
                    (task.due, task.not_before) = (false, Some(now.at));
                    Ok(())
                }
                "for" => {
                    task.assignee = Some(name.to_owned());
                    Ok(())
                }
                "role" => {
                    task.role = Some(name.to_owned());
                    Ok(())
                }
                other => panic!("unknown step {other}"),
            };
            answer = match result {
                Ok(()) => format!("{} {} {}", task.state.word(), task.attempt, task.token),
                Err(refusal) => format!("refused: {}", format!("{refusal:?}").split([' ', '{']).next().unwrap()),
            };
            assert_eq!(task.lease_until.is_some(), task.state.is_held(), "{line}: a lease exactly while held");
            assert_eq!(task.finished_at.is_some(), task.state.is_final(), "{line}: an end exactly when final");
        }
        assert_eq!(answer, expected.trim(), "{line}");
    }

    #[test]
    fn the_life_of_a_task() {
        // Claiming.
        check("claim a                                   -> claimed 1 1");
        check("claim a, claim b                          -> refused: Claimed");
        check("claim a, lapse, claim b                   -> claimed 2 2");
        check("unmet, claim a                            -> refused: NotReady");
        check("unmet, force a                            -> refused: NotReady");
        check("later, claim a                            -> refused: NotReady");
        check("for b, claim a                            -> refused: MeantForOthers");
        check("for b, force a                            -> claimed 1 1");
        check("for a, claim a                            -> claimed 1 1");
        check("role reviewer, claim a                    -> refused: MeantForRole");
        check("role Builder, claim a                     -> claimed 1 1");
        check("claim a, complete a, claim b              -> refused: NotOpen");
        check("claim a, block a, claim b                 -> refused: NotOpen");
        // Only the holder of the newest claim acts.
        check("complete a                                -> refused: NotHeld");
        check("claim a, complete b                       -> refused: NotHeld");
        check("claim a, complete a#2                     -> refused: NotHeld");
        check("claim a, complete b#1                     -> refused: NotHeld");
        check("claim a, lapse, complete a#1              -> refused: NotHeld");
        check("claim a, lapse, claim a, complete a#1     -> refused: NotHeld");
        check("claim a, lapse, claim a, complete a#2     -> completed 2 2");
        check("claim a, lapse, claim b, fail a           -> refused: NotHeld");
        check("claim a, lapse, claim b, block a          -> refused: NotHeld");
        check("claim a, lapse, claim b, release a        -> refused: NotHeld");
        check("claim a, lapse, claim b, renew a          -> refused: NotHeld");
        check("claim a, lapse, claim b, start a          -> refused: NotHeld");
        check("claim a, cancel, complete a               -> refused: NotHeld");
        // Completing twice is the same success, for the claim that did it.
        check("claim a, complete a, complete a           -> completed 1 1");
        check("claim a, complete a, complete a#1         -> completed 1 1");
        check("claim a, complete a, complete a#9         -> refused: NotHeld");
        check("claim a, complete a, complete b           -> refused: NotHeld");
        check("claim a, complete a, fail a               -> refused: NotHeld");
        // Ways on and back.
        check("claim a, start a, start a                 -> in_progress 1 1");
        check("claim a, start a, complete a              -> completed 1 1");
        check("claim a, release a                        -> pending 0 1");
        check("claim a, start a, lapse                   -> pending 1 1");
        check("claim a, lapse, claim a, lapse            -> failed 2 2");
        check("claim a, block a                          -> blocked 0 1");
        check("claim a, block a, unblock                 -> pending 0 1");
        check("unblock                                   -> refused: WrongState");
        check("claim a, fail a                           -> failed 1 1");
        check("claim a, fail a, retry                    -> pending 1 1");
        check("claim a, fail a, retry, claim b, fail b   -> failed 2 2");
        check("claim a, fail a, retry, claim b, fail b, retry  -> refused: AttemptsUsedUp");
        check("claim a, fail a, retry, claim b, fail b, retry! -> pending 2 2");
        check("retry                                     -> refused: WrongState");
        check("claim a, complete a, retry                -> refused: WrongState");
        check("cancel, retry                             -> pending 0 0");
        check("cancel, cancel                            -> refused: WrongState");
        check("claim a, block a, cancel                  -> cancelled 0 1");
        // What its plan says of a task that nobody here holds.
        check("told completed                            -> completed 0 0");
        check("told failed, retry                        -> pending 0 0");
        check("told cancelled, told completed            -> refused: WrongState");
        check("claim a, told completed                   -> refused: WrongState");
        check("claim a, release a, told completed        -> completed 0 1");
        check("told-blocked, told completed              -> completed 0 0");
        check("told-blocked, unblock, claim a            -> claimed 1 1");
        check("claim a, told-blocked                     -> refused: WrongState");
    }

    #[test]
    fn a_stale_holder_is_told_who_holds_the_task_now() {
        let (a, b) = (InstanceId::from_stored("a".into()), InstanceId::from_stored("b".into()));
        let mut task = pending();
        task.claim(Claimer { id: &a, role: "x" }, false, None, now(0)).unwrap();
        task.lapse(now(LEASE));
        task.claim(Claimer { id: &b, role: "x" }, false, None, now(LEASE)).unwrap();
        let before = task.clone();
        let refusal = task.complete(&a, Some(1), Completion::default(), now(LEASE)).unwrap_err();
        assert!(refusal.to_string().contains("`b` holds it until"), "{refusal}");
        assert_eq!(task, before, "a refusal changes nothing");
    }

    #[test]
    fn ranks_go_from_mine_over_my_role_to_the_rest() {
        let me = InstanceId::from_stored("i-1".into());
        let ranks = lanes_for(Claimer { id: &me, role: "Builder" });
        assert_eq!(ranks[0], [">i-1"]);
        assert_eq!(ranks[1], ["=builder", "/build"]);
        assert_eq!(ranks[2], ["/", "/plan", "/verify", "/review", "/accept"]);
        assert_eq!(lanes_for(Claimer { id: &me, role: "general" })[2].len(), 6);
    }
}
