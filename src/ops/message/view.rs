//! Messages as their readers see them: who sent it in fields of its own, the body as a preview.

use crate::model::id::MessageId;
use crate::model::id::TaskId;
use crate::model::message::Delivery;
use crate::model::message::Message;
use crate::model::message::MessageKind;
use crate::model::message::ReceiptState;
use crate::model::message::Sender;
use crate::model::time::Timestamp;
use crate::ops::render;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// What is shown of a long body in a list; `get_message` has the rest.
const PREVIEW_BYTES: usize = 1_500;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct MessageView {
    pub id: MessageId,
    pub kind: MessageKind,
    pub from: Sender,
    pub to: String,
    pub content: String,
    /// The content is cut; it has this many characters in all, and `get_message` reads on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_chars: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_answer: bool,
    pub sent_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ReceiptState>,
}

impl MessageView {
    pub fn of(message: Message, delivery: Option<&Delivery>) -> MessageView {
        let (content, total_chars) = render::clip(&message.body, PREVIEW_BYTES);
        MessageView {
            id: message.id,
            kind: message.kind,
            from: message.from,
            to: message.to,
            content,
            total_chars,
            thread: message.thread,
            reply_to: message.reply_to,
            task_id: message.task_id,
            needs_answer: message.needs_answer,
            sent_at: message.sent_at,
            state: delivery.map(Delivery::state),
        }
    }

    /// What this adds to an answer, whatever its state will be.
    pub fn weight(&self) -> usize {
        render::size(self) + 30
    }
}

impl fmt::Display for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.from.role.as_ref().map(|role| format!(" ({role})")).unwrap_or_default();
        write!(f, "{}  {}{role} to {}, {}", self.id, self.from.name, self.to, render::local(self.sent_at))?;
        if self.needs_answer {
            write!(f, ", wants an answer")?;
        }
        if let Some(state) = self.state {
            write!(f, ", {}", state.word())?;
        }
        writeln!(f)?;
        // Indented, so that no body can look like the head of another message.
        self.content.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        match self.total_chars {
            Some(total) => writeln!(f, "    ({total} characters in all: get-message {})", self.id),
            None => Ok(()),
        }
    }
}
