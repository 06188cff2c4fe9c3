//! A message, and its receipt: queued, returned, seen, acknowledged.

use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// Longest message. What is longer belongs into a file, a task or a context entry that the message names.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Did a person or an agent speak? Known from how the call came in, never from an argument.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "MessageOrigin")]
pub enum Origin {
    Human,
    Agent,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum MessageKind {
    Direct,
    Broadcast,
    Help,
    Question,
    Reply,
}

/// Who sent a message: set by the server from the call, never from its arguments, and kept apart from the body.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "MessageSender")]
pub struct Sender {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub kind: MessageKind,
    pub from: Sender,
    /// The address as the sender wrote it.
    pub to: String,
    pub body: String,
    /// The first message of the conversation, for all but that one.
    pub thread: Option<MessageId>,
    pub reply_to: Option<MessageId>,
    pub task_id: Option<TaskId>,
    pub needs_answer: bool,
    pub sent_at: Timestamp,
}

impl Message {
    /// The conversation this belongs to: its first message.
    pub fn root(&self) -> MessageId {
        self.thread.unwrap_or(self.id)
    }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    Queued,
    Returned,
    Seen,
    Acknowledged,
    Dismissed,
}

impl ReceiptState {
    pub fn word(self) -> &'static str {
        match self {
            ReceiptState::Queued => "queued",
            ReceiptState::Returned => "returned",
            ReceiptState::Seen => "seen",
            ReceiptState::Acknowledged => "acknowledged",
            ReceiptState::Dismissed => "dismissed",
        }
    }
}

/// One message on its way to one recipient. A step is taken only on evidence, and the sender can look at each.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub message: MessageId,
    /// An instance's id, or an address (`@name`, `role:x`) that nobody bears yet.
    pub recipient: String,
    pub queued_at: Timestamp,
    pub returned: Option<Returned>,
    pub seen_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub dismissed_at: Option<Timestamp>,
}

/// The call by which a hook takes mail: what it took counts once it is printed, and not before.
pub const CALL_OF_HOOK: &str = "hook";

/// A call that handed the message out: until the recipient calls again, that proves nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Returned {
    pub at: Timestamp,
    /// The process that answered, as the host names it; empty for a command that printed its answer and ended.
    pub process: String,
    pub call: String,
}

impl Delivery {
    pub fn state(&self) -> ReceiptState {
        if self.dismissed_at.is_some() {
            ReceiptState::Dismissed
        } else if self.acknowledged_at.is_some() {
            ReceiptState::Acknowledged
        } else if self.seen_at.is_some() {
            ReceiptState::Seen
        } else if self.returned.is_some() {
            ReceiptState::Returned
        } else {
            ReceiptState::Queued
        }
    }

    pub fn return_in(&mut self, at: Timestamp, process: &str, call: &str) {
        self.returned = Some(Returned { at, process: process.to_owned(), call: call.to_owned() });
    }

    /// The recipient's next call arrived. If the process that returned the message still lives, its answer got
    /// through; if it died, nobody knows, and the message comes again; where nobody can say (`None`), nothing is said. A hook that still lives may die before it prints:
    /// its session does one thing beside the other, and that another hook or an agent calls proves nothing about it.
    pub fn next_call_arrived(&mut self, at: Timestamp, lives: impl FnOnce(&str) -> Option<bool>) {
        let Some(returned) = &self.returned else { return };
        if self.seen_at.is_some() {
            return;
        }
        if returned.process.is_empty() {
            self.seen_at = Some(at);
            return;
        }
        match lives(&returned.process) {
            Some(true) if returned.call != CALL_OF_HOOK => self.seen_at = Some(at),
            Some(false) => self.returned = None,
            Some(true) | None => {}
        }
    }

    /// What the call returned stands where the recipient reads it: that its process ends now means nothing.
    pub fn is_printed(&mut self) {
        if let Some(returned) = &mut self.returned {
            returned.process.clear();
        }
    }

    /// The client cancelled the call that returned this, so nobody saw it, whatever a later call made us believe.
    pub fn take_back(&mut self, process: &str, call: &str) -> bool {
        let mine = self.returned.as_ref().is_some_and(|returned| returned.process == process && returned.call == call);
        if !mine || self.acknowledged_at.is_some() || self.dismissed_at.is_some() {
            return false;
        }
        self.returned = None;
        self.seen_at = None;
        true
    }

    /// The recipient names the message, so it has seen it.
    pub fn see(&mut self, at: Timestamp) {
        self.seen_at.get_or_insert(at);
        self.returned.get_or_insert(Returned { at, process: String::new(), call: String::new() });
    }

    pub fn acknowledge(&mut self, at: Timestamp) {
        self.see(at);
        self.acknowledged_at.get_or_insert(at);
    }

    pub fn dismiss(&mut self, at: Timestamp) {
        self.see(at);
        self.dismissed_at.get_or_insert(at);
    }
}

/// Whom a message is for, as the sender wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An id or a name; names may carry `@`.
    One(String),
    Role(String),
    Everyone,
}

impl Target {
    pub fn parse(text: &str) -> Target {
        let text = text.trim();
        if let Some(role) = text.strip_prefix("role:") {
            return Target::Role(role.trim().to_owned());
        }
        let bare = text.strip_prefix('@').unwrap_or(text);
        if bare.eq_ignore_ascii_case("all") || bare.eq_ignore_ascii_case("everyone") {
            return Target::Everyone;
        }
        Target::One(text.to_owned())
    }
}

/// The address under which messages and tasks wait for a name that nobody bears yet.
pub fn address_of_name(name: &str) -> String {
    format!("@{}", name.strip_prefix('@').unwrap_or(name))
}

/// The address under which messages wait for a role that nobody has yet.
pub fn address_of_role(role: &str) -> String {
    format!("role:{}", role.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued() -> Delivery {
        Delivery {
            message: MessageId::from_number(1),
            recipient: "i-1".to_owned(),
            queued_at: Timestamp::from_millis(0),
            returned: None,
            seen_at: None,
            acknowledged_at: None,
            dismissed_at: None,
        }
    }

    /// Each line: what happens in turn, then the state in which the sender finds the receipt.
    fn check(line: &str) {
        let (steps, expected) = line.split_once("->").unwrap();
        let mut delivery = queued();
        let at = Timestamp::from_millis(1);
        for step in steps.split_whitespace() {
            match step {
                "returned" => delivery.return_in(at, "7.1", "c1"),
                "printed" => delivery.return_in(at, "", ""),
                "taken-by-hook" => delivery.return_in(at, "7.1", CALL_OF_HOOK),
                "hook-printed" => delivery.is_printed(),
                "next-call" => delivery.next_call_arrived(at, |_| Some(true)),
                "next-call-after-crash" => delivery.next_call_arrived(at, |_| Some(false)),
                "next-call-of-who-knows" => delivery.next_call_arrived(at, |_| None),
                "cancelled" => drop(delivery.take_back("7.1", "c1")),
                "other-cancelled" => drop(delivery.take_back("7.1", "c2")),
                "read" => delivery.see(at),
                "acknowledged" => delivery.acknowledge(at),
                "dismissed" => delivery.dismiss(at),
                other => panic!("unknown step {other}"),
            }
        }
        assert_eq!(delivery.state().word(), expected.trim(), "{line}");
    }

    #[test]
    fn a_receipt_never_says_more_than_the_evidence() {
        check("                                        -> queued");
        check("next-call                               -> queued");
        check("returned                                -> returned");
        check("returned next-call                      -> seen");
        check("returned cancelled next-call            -> queued");
        check("returned other-cancelled next-call      -> seen");
        check("returned next-call cancelled            -> queued");
        check("returned next-call-after-crash          -> queued");
        check("returned next-call-of-who-knows         -> returned");
        check("printed next-call-after-crash           -> seen");
        check("taken-by-hook next-call                 -> returned");
        check("taken-by-hook next-call next-call-after-crash -> queued");
        check("taken-by-hook next-call hook-printed next-call-after-crash -> seen");
        check("read                                    -> seen");
        check("returned acknowledged                   -> acknowledged");
        check("returned acknowledged cancelled         -> acknowledged");
        check("acknowledged dismissed                  -> dismissed");
    }

    #[test]
    fn targets_are_read_as_people_write_them() {
        assert_eq!(Target::parse("@All"), Target::Everyone);
        assert_eq!(Target::parse("everyone"), Target::Everyone);
        assert_eq!(Target::parse("role:builder"), Target::Role("builder".to_owned()));
        assert_eq!(Target::parse("@bob"), Target::One("@bob".to_owned()));
    }
}
