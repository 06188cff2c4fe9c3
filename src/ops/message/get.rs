//! `get_message`: one message, its text page by page.

use crate::error::Result;
use crate::model::id::MessageId;
use crate::model::message::Sender;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::message::readable;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetMessage {
    message_id: MessageId,
    offset: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct MessageText {
    message_id: MessageId,
    from: Sender,
    to: String,
    text: String,
    offset: u64,
    total_chars: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

impl Operation for GetMessage {
    const NAME: &'static str = "get_message";
    const ABOUT: &'static str = "The whole text of a message, page by page";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["message_id"];
    type Output = MessageText;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<MessageText> {
        let me = caller.instance(tx)?;
        let message = readable(tx, self.message_id, &me)?;
        let offset = self.offset.unwrap_or(0);
        let page = render::text_page(&message.body, offset);
        Ok(MessageText {
            message_id: message.id,
            from: message.from,
            to: message.to,
            text: page.text,
            offset,
            total_chars: page.total_chars,
            next_offset: page.next_offset,
        })
    }
}

impl Answer for MessageText {
    fn ids(&self) -> Vec<String> {
        vec![self.message_id.to_string()]
    }
}

impl fmt::Display for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {} to {}", self.message_id, self.from.name, self.to)?;
        self.text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        self.next_offset.iter().try_for_each(|next| writeln!(f, "    (more: --offset {next})"))
    }
}
