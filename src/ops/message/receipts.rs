//! `list_receipts`: what became of the messages I sent.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::message::Delivery;
use crate::model::message::ReceiptState;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 50;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListReceipts {
    /// Without it: your newest messages
    message_id: Option<MessageId>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Receipts {
    receipts: Vec<Receipt>,
    /// Some did not fit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Receipt {
    message_id: MessageId,
    recipient: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient_name: Option<String>,
    state: ReceiptState,
    queued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returned_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<Timestamp>,
}

impl Receipt {
    fn of(delivery: Delivery, tx: &mut dyn Tx) -> Result<Receipt> {
        let recipient_name = tx.instance(&InstanceId::from_stored(delivery.recipient.clone()))?.map(|one| one.name);
        Ok(Receipt {
            recipient_name,
            message_id: delivery.message,
            state: delivery.state(),
            queued_at: delivery.queued_at,
            returned_at: delivery.returned.map(|returned| returned.at),
            seen_at: delivery.seen_at,
            acknowledged_at: delivery.acknowledged_at,
            recipient: delivery.recipient,
        })
    }
}

impl Operation for ListReceipts {
    const NAME: &'static str = "list_receipts";
    const ABOUT: &'static str = "What became of messages you sent: queued, returned, seen, acknowledged";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["message_id"];
    type Output = Receipts;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Receipts> {
        let me = caller.instance(tx)?;
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let messages = match self.message_id {
            None => tx.sent(&me.id, None, limit)?.into_iter().map(|message| message.id).collect(),
            Some(id) => match tx.message(id)? {
                Some(message) if message.from.instance.as_ref() == Some(&me.id) => vec![id],
                _ => {
                    return Err(Error::not_found(format!("`{}` sent no message `{id}`", me.name))
                        .hint("`list_receipts` without an id shows what you sent"));
                }
            },
        };
        let mut receipts = Vec::new();
        for message in messages {
            let left = limit - receipts.len() as u32;
            for delivery in tx.deliveries(message, left)? {
                receipts.push(Receipt::of(delivery, tx)?);
            }
            if receipts.len() >= limit as usize {
                break;
            }
        }
        let (receipts, more) = render::fit(receipts, render::ANSWER_BYTES_MAX);
        Ok(Receipts { receipts, more })
    }
}

impl Answer for Receipts {
    fn ids(&self) -> Vec<String> {
        self.receipts.iter().map(|receipt| receipt.message_id.to_string()).collect()
    }
}

impl fmt::Display for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.receipts.is_empty() {
            return writeln!(f, "no messages sent");
        }
        let rows: Vec<_> = self
            .receipts
            .iter()
            .map(|one| {
                let since = one.acknowledged_at.or(one.seen_at).or(one.returned_at).unwrap_or(one.queued_at);
                [
                    one.message_id.to_string(),
                    one.recipient_name.clone().unwrap_or_else(|| one.recipient.clone()),
                    one.state.word().to_owned(),
                    since.to_string(),
                ]
            })
            .collect();
        render::table(f, ["MESSAGE", "RECIPIENT", "STATE", "SINCE"], &rows)
    }
}
