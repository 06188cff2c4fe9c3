//! `list_receipts`: what became of the messages I sent.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::instance::Instance;
use crate::model::message::Delivery;
use crate::model::message::ReceiptState;
use crate::model::time::Timestamp;
use crate::model::wake::Try;
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
    #[schemars(regex(pattern = r"^(msg-)?[0-9]{1,18}/"))]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Receipts {
    receipts: Vec<Receipt>,
    /// There are more: pass it to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
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
    /// How the receiver's session was told that it has mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake: Option<WakeView>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
struct WakeView {
    /// Each ring, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tries: Vec<Try>,
    /// The first sign of life after the last ring; or how it heard of it without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered: Option<Try>,
}

impl WakeView {
    fn text(&self) -> String {
        match (&self.answered, self.tries.last()) {
            (Some(answered), _) => format!("by {}", answered.rung.word()),
            (None, Some(last)) => format!("not yet, rang {}", last.rung.word()),
            (None, None) => "not yet".to_owned(),
        }
    }
}

impl Receipt {
    fn of(delivery: Delivery, tx: &mut dyn Tx) -> Result<Receipt> {
        let recipient = InstanceId::from_stored(delivery.recipient.clone());
        let wake = tx.wake(&recipient, &delivery.message.to_string())?;
        Ok(Receipt {
            recipient_name: tx.instance(&recipient)?.map(|one| one.name),
            wake: wake.map(|wake| WakeView { tries: wake.tries, answered: wake.answered }),
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
        let after = self.cursor.as_deref().map(Position::parse).transpose()?;
        let messages = self.messages(tx, &me, after.as_ref(), limit)?;
        let mut receipts = Vec::new();
        for message in messages {
            // One more than fits tells that there are more.
            let left = limit + 1 - receipts.len() as u32;
            let seen = after.as_ref().filter(|after| after.message == message).map(|after| after.recipient.as_str());
            for delivery in tx.deliveries(message, seen, left)? {
                receipts.push(Receipt::of(delivery, tx)?);
            }
            if receipts.len() > limit as usize {
                break;
            }
        }
        let more = receipts.len() > limit as usize;
        receipts.truncate(limit as usize);
        let (receipts, cut) = render::fit(receipts, render::ANSWER_BYTES_MAX);
        let last = receipts.last().filter(|_| more || cut);
        let cursor =
            last.map(|last| Position { message: last.message_id, recipient: last.recipient.clone() }.to_string());
        Ok(Receipts { receipts, cursor })
    }
}

impl ListReceipts {
    /// Those to look at, newest first; the one that the page before ended in comes once more.
    fn messages(&self, tx: &mut dyn Tx, me: &Instance, after: Option<&Position>, limit: u32) -> Result<Vec<MessageId>> {
        let mut mine = |id| -> Result<bool> {
            Ok(tx.message(id)?.is_some_and(|message| message.from.instance.as_ref() == Some(&me.id)))
        };
        if let Some(id) = self.message_id {
            return match mine(id)? {
                true => Ok(vec![id]),
                false => Err(Error::not_found(format!("`{}` sent no message `{id}`", me.name))
                    .hint("`list_receipts` without an id shows what you sent")),
            };
        }
        let mut messages = Vec::new();
        if let Some(begun) = after.map(|after| after.message)
            && mine(begun)?
        {
            messages.push(begun);
        }
        let older = tx.sent(&me.id, after.map(|after| after.message), limit + 1)?;
        messages.extend(older.into_iter().map(|message| message.id));
        Ok(messages)
    }
}

/// A receipt's place in the list.
struct Position {
    message: MessageId,
    recipient: String,
}

impl Position {
    fn parse(cursor: &str) -> Result<Position> {
        let parts = cursor.split_once('/').and_then(|(message, recipient)| Some((message.parse().ok()?, recipient)));
        let (message, recipient) = parts.ok_or_else(|| {
            Error::invalid(format!("`cursor` is `{cursor}`, not one of `list_receipts`"))
                .hint("leave it out to begin with the newest")
        })?;
        Ok(Position { message, recipient: recipient.to_owned() })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.message, self.recipient)
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
                    render::local(since),
                    one.wake.as_ref().map(WakeView::text).unwrap_or_default(),
                ]
            })
            .collect();
        render::table(f, ["MESSAGE", "RECIPIENT", "STATE", "SINCE", "WOKEN"], &rows)?;
        self.cursor.iter().try_for_each(|cursor| writeln!(f, "there are more; go on with --cursor '{cursor}'"))
    }
}
