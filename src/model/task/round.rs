//! The rounds of a stage: what is done waits at its gate, passes, is sent back, or is overtaken by a newer round.

use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::task::Completion;
use crate::model::task::Refusal;
use crate::model::task::State;
use crate::model::task::Task;
use crate::model::time::Now;
use std::borrow::Cow;

/// Why a task is blocked that is done and waits to be let pass.
const AT_GATE: &str = "it is done, and waits for the human to let it pass";
const OVERTAKEN: &str = "a newer round of it is under way";

impl Task {
    /// It is done, and somebody must let it pass. The claim ends; what came of it is kept.
    pub fn wait_at_gate(
        &mut self,
        me: &InstanceId,
        token: Option<u64>,
        done: Completion,
        now: Now,
    ) -> Result<NewEvent, Refusal> {
        self.stop(me, token, AT_GATE, now)?;
        self.keep(done);
        Ok(self.event("task.at_gate", Some(me)).with("token", self.token))
    }

    pub fn is_at_gate(&self) -> bool {
        self.state == State::Blocked && self.reason.as_deref() == Some(AT_GATE)
    }

    /// What came of it is let pass.
    pub fn pass_gate(&mut self, now: Now) -> NewEvent {
        self.end(State::Completed, None, now);
        self.completed(None)
    }

    /// It found a stage wanting, or was itself found so: that one is done once more, and then this one, too.
    pub fn sends_back(&mut self, actor: Option<&InstanceId>, to: &str, words: &str, now: Now) -> NewEvent {
        self.is_to_be_done_again(now);
        if let Some(stage) = &mut self.body.stage {
            stage.sent_back += 1;
        }
        self.event("task.sent_back", actor).with("to", to).with("reason", words)
    }

    /// What nobody needs done any more, as a newer round of it is under way, is neither done again nor a failure.
    pub(super) fn ends_overtaken(&mut self, actor: Option<&InstanceId>, now: Now) -> Option<NewEvent> {
        if !self.is_overtaken_round() {
            return None;
        }
        self.end(State::Cancelled, Some(OVERTAKEN), now);
        Some(self.event("task.cancelled", actor).with("reason", OVERTAKEN))
    }

    pub fn is_overtaken_round(&self) -> bool {
        self.body.stage.as_ref().is_some_and(|stage| stage.overtaken)
    }

    /// It waited at its gate, and what it went on from is done once more.
    pub fn is_overtaken(&mut self, now: Now) -> NewEvent {
        self.is_to_be_done_again(now);
        self.event("task.overtaken", None)
    }

    /// Nobody sends it back any more.
    pub fn stays_blocked(&mut self, actor: Option<&InstanceId>, reason: String, now: Now) -> NewEvent {
        let event = self.event("task.blocked", actor).with("token", self.token).with("reason", reason.as_str());
        self.reason = Some(reason);
        self.updated_at = now.at;
        event
    }

    /// In another round, which is no attempt of its own.
    pub fn is_to_be_done_again(&mut self, now: Now) {
        if self.state.is_held() {
            self.attempt = self.attempt.saturating_sub(1);
        }
        self.back_to_pending(now);
        (self.body.result, self.body.result_json) = (None, None);
        (self.body.evidence, self.body.findings) = (None, Vec::new());
        if let Some(stage) = &mut self.body.stage {
            stage.round += 1;
        }
    }
}

/// By its reason it is known what stands at a gate, so nobody says that by themselves.
pub(super) fn in_their_words(reason: &str) -> Cow<'_, str> {
    if reason == AT_GATE { Cow::Owned(format!("\"{reason}\"")) } else { Cow::Borrowed(reason) }
}
