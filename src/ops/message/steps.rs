//! `mark_read`, `acknowledge_message` and `dismiss_message`: what the receiver says of a message.

use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::MessageId;
use crate::model::message::Delivery;
use crate::model::message::ReceiptState;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::message::received;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "MessageStep")]
pub struct Step {
    message_id: MessageId,
    state: ReceiptState,
}

impl Answer for Step {
    fn ids(&self) -> Vec<String> {
        vec![self.message_id.to_string()]
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is {}", self.message_id, self.state.word())
    }
}

fn step(
    tx: &mut dyn Tx,
    caller: &Caller,
    id: MessageId,
    take: impl FnOnce(&mut Delivery, Timestamp),
    event: Option<&'static str>,
) -> Result<Step> {
    let me = caller.instance(tx)?;
    let (_, mut delivery) = received(tx, id, &me)?;
    let before = delivery.clone();
    take(&mut delivery, tx.now().at);
    if delivery != before {
        tx.update_delivery(&delivery)?;
        if let Some(kind) = event {
            tx.append_event(NewEvent::new(kind, id, Some(&me.id)))?;
        }
    }
    Ok(Step { message_id: id, state: delivery.state() })
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MarkRead {
    message_id: MessageId,
}

impl Operation for MarkRead {
    const NAME: &'static str = "mark_read";
    const ABOUT: &'static str = "You have seen this message";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["message_id"];
    type Output = Step;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Step> {
        step(tx, caller, self.message_id, |delivery, at| delivery.see(at), None)
    }
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeMessage {
    message_id: MessageId,
}

impl Operation for AcknowledgeMessage {
    const NAME: &'static str = "acknowledge_message";
    const ABOUT: &'static str = "Tell the sender that you took note and will act";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["message_id"];
    type Output = Step;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Step> {
        step(tx, caller, self.message_id, |delivery, at| delivery.acknowledge(at), Some("message.acknowledged"))
    }
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DismissMessage {
    message_id: MessageId,
}

impl Operation for DismissMessage {
    const NAME: &'static str = "dismiss_message";
    const ABOUT: &'static str = "Take a message out of your inbox";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["message_id"];
    type Output = Step;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Step> {
        step(tx, caller, self.message_id, |delivery, at| delivery.dismiss(at), Some("message.dismissed"))
    }
}
