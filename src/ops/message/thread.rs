//! `get_thread`: a conversation from its beginning.

use crate::error::Result;
use crate::model::id::MessageId;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::message::poll::Mail;
use crate::ops::message::readable;
use crate::ops::message::view::MessageView;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

const LIMIT_DEFAULT: u32 = 5;
const LIMIT_MAX: u32 = 8;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetThread {
    /// Any message of it
    message_id: MessageId,
    limit: Option<u32>,
    cursor: Option<MessageId>,
}

impl Operation for GetThread {
    const NAME: &'static str = "get_thread";
    const ABOUT: &'static str = "A conversation from its first message on";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["message_id"];
    type Output = Mail;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Mail> {
        let me = caller.instance(tx)?;
        let root = readable(tx, self.message_id, &me)?.root();
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let mut found = tx.thread(root, self.cursor, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let mut cursor = found.last().filter(|_| more).map(|last| last.id);
        let mut messages = Vec::new();
        for message in found {
            // A reply between two others is theirs alone, though it stands in the same conversation.
            let delivery = tx.delivery(message.id, &me.id)?;
            if delivery.is_some() || message.from.instance.as_ref() == Some(&me.id) {
                messages.push(MessageView::of(message, delivery.as_ref()));
            }
        }
        let (messages, cut) = render::fit::<MessageView>(messages, render::ANSWER_BYTES_MAX);
        if cut {
            cursor = messages.last().map(|last| last.id);
        }
        Ok(Mail { messages, more: more || cut, cursor })
    }
}
