//! `news_printed`: what a hook took out of the inbox stands on its standard output now.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Without this word the messages come again: a hook that was killed in between has told nobody. Not said in the name of
/// the session, whose next call alone proves that it has read them.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewsPrinted {
    instance: InstanceId,
    /// The process that took them
    process: String,
    call: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Printed {
    messages: usize,
}

impl Operation for NewsPrinted {
    const NAME: &'static str = "news_printed";
    const ABOUT: &'static str = "The news were printed";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Mark;
    type Output = Printed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Printed> {
        if let Some(instance) = tx.instance(&self.instance)? {
            caller.must_be_able_to_be(&instance)?;
        }
        let taken = tx.returned_by(&self.instance, &self.process, &self.call)?;
        for delivery in &taken {
            let mut delivery = delivery.clone();
            delivery.is_printed();
            tx.update_delivery(&delivery)?;
        }
        Ok(Printed { messages: taken.len() })
    }
}

impl Answer for Printed {}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} messages were printed", self.messages)
    }
}
