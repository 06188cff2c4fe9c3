//! `wait_for_message`: until there is mail.

use crate::error::Result;
use crate::model::rung::Rung;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::message::poll::Mail;
use crate::ops::message::poll::Part;
use crate::ops::message::poll::hand_out;
use crate::ops::patience;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WaitForMessage {
    /// 50; at most 280
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct MailOrNot {
    #[serde(flatten)]
    mail: Mail,
    /// Nothing yet: call again, or do something else.
    timed_out: bool,
}

impl Operation for WaitForMessage {
    const NAME: &'static str = "wait_for_message";
    const ABOUT: &'static str = "Your new messages, as soon as there is one";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Mark;
    type Output = MailOrNot;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<MailOrNot> {
        let me = caller.instance(tx)?;
        let mail = hand_out(tx, caller, &me, &Part::of_answer(false, None, None), Rung::Call)?;
        Ok(MailOrNot { timed_out: mail.messages.is_empty(), mail })
    }

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let me = caller.instance(tx)?;
        if !tx.inbox(&me.id, false, None, 1)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(Wait { topics: vec![Topic::Inbox(me.id)], look_again_after: None }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl Answer for MailOrNot {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        self.mail.ids()
    }
}

impl fmt::Display for MailOrNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out { writeln!(f, "no messages yet") } else { self.mail.fmt(f) }
    }
}
