//! `poll_messages` and `peek_messages`: what is in the inbox, handed out or only looked at.

use crate::error::Result;
use crate::model::id::MessageId;
use crate::model::instance::Instance;
use crate::model::message::Delivery;
use crate::model::rung::Rung;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::named_instance;
use crate::ops::message::view::MessageView;
use crate::ops::session;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 10;
const LIMIT_MAX: u32 = 50;

/// An answer holds no more text than this; what is left comes with the next call.
const ANSWER_BYTES: usize = 8_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PollMessages {
    /// Old ones too
    all: Option<bool>,
    limit: Option<u32>,
    cursor: Option<MessageId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Mail {
    pub messages: Vec<MessageView>,
    /// There are more: call again.
    pub more: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<MessageId>,
}

impl Operation for PollMessages {
    const NAME: &'static str = "poll_messages";
    const ABOUT: &'static str = "Your new messages";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Mark;
    type Output = Mail;

    fn nothing_to_mark(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Mail>> {
        let me = caller.instance(tx)?;
        if !tx.inbox(&me.id, false, None, 1)?.is_empty() {
            return Ok(None);
        }
        collect(tx, &me, &self.part(), |_, _| Ok(())).map(Some)
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Mail> {
        let me = caller.instance(tx)?;
        hand_out(tx, caller, &me, &self.part(), Rung::Call)
    }
}

impl PollMessages {
    fn part(&self) -> Part {
        Part::of_answer(self.all.unwrap_or(false), self.cursor, self.limit)
    }
}

/// What of an inbox is wanted, and how much of it.
pub struct Part {
    /// Old ones too.
    pub all: bool,
    pub after: Option<MessageId>,
    pub limit: Option<u32>,
    /// What one adds to the answer, of which there is room for `room`. There is for the first, whatever it adds.
    pub weigh: fn(&MessageView) -> usize,
    pub room: usize,
}

impl Part {
    pub fn of_answer(all: bool, after: Option<MessageId>, limit: Option<u32>) -> Part {
        Part { all, after, limit, weigh: MessageView::weight, room: ANSWER_BYTES }
    }
}

/// Takes from the inbox what fits into one answer, and notes that this call returned it.
pub fn hand_out(tx: &mut dyn Tx, caller: &Caller, me: &Instance, part: &Part, how: Rung) -> Result<Mail> {
    let at = tx.now().at;
    let mut returned = Vec::new();
    let mail = collect(tx, me, part, |tx, delivery| {
        if delivery.returned.is_none() {
            delivery.return_in(at, &caller.process, &caller.call);
            tx.update_delivery(delivery)?;
            returned.push(delivery.message);
        }
        Ok(())
    })?;
    session::told(tx, &me.id, &returned, how)?;
    Ok(mail)
}

fn collect(
    tx: &mut dyn Tx,
    me: &Instance,
    part: &Part,
    mut each: impl FnMut(&mut dyn Tx, &mut Delivery) -> Result<()>,
) -> Result<Mail> {
    let limit = part.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let mut found = tx.inbox(&me.id, part.all, part.after, limit + 1)?;
    let mut more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let mut messages = Vec::new();
    let mut weight = 0;
    for (message, mut delivery) in found {
        let mut view = MessageView::of(message, None);
        weight += (part.weigh)(&view);
        if weight > part.room && !messages.is_empty() {
            more = true;
            break;
        }
        each(tx, &mut delivery)?;
        view.state = Some(delivery.state());
        messages.push(view);
    }
    let cursor = messages.last().filter(|_| more).map(|last| last.id);
    Ok(Mail { messages, more, cursor })
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeekMessages {
    /// Id or name; without it, your own
    instance: Option<String>,
    limit: Option<u32>,
    cursor: Option<MessageId>,
}

impl Operation for PeekMessages {
    const NAME: &'static str = "peek_messages";
    const ABOUT: &'static str = "Look at an inbox without taking anything out";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["instance"];
    type Output = Mail;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Mail> {
        let owner = match &self.instance {
            Some(named) => {
                let owner = named_instance(tx, named)?;
                caller.must_be_able_to_be(&owner)?;
                owner
            }
            None => caller.instance(tx)?,
        };
        collect(tx, &owner, &Part::of_answer(true, self.cursor, self.limit), |_, _| Ok(()))
    }
}

impl Answer for Mail {
    fn ids(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.id.to_string()).collect()
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.messages.is_empty() {
            return writeln!(f, "no messages");
        }
        self.messages.iter().try_for_each(|message| message.fmt(f))?;
        if self.more { writeln!(f, "(there are more)") } else { Ok(()) }
    }
}
