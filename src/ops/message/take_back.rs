//! `take_back`: a call was cancelled, so what it returned did not arrive.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeBack {
    /// For whom the call was made; without it, whoever calls
    instance: Option<InstanceId>,
    /// The process that answered it
    process: String,
    call: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct TakenBack {
    messages: usize,
}

impl Operation for TakeBack {
    const NAME: &'static str = "take_back";
    const ABOUT: &'static str = "What a cancelled call returned comes again";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Mark;
    type Output = TakenBack;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<TakenBack> {
        let mut messages = 0;
        let instance = match &self.instance {
            Some(id) => tx.instance(id)?,
            None => attend::present(tx, caller)?,
        };
        let Some(instance) = instance else { return Ok(TakenBack { messages }) };
        caller.must_be_able_to_be(&instance)?;
        for mut delivery in tx.returned_by(&instance.id, &self.process, &self.call)? {
            if delivery.take_back(&self.process, &self.call) {
                tx.update_delivery(&delivery)?;
                messages += 1;
            }
        }
        Ok(TakenBack { messages })
    }
}

impl Answer for TakenBack {}

impl fmt::Display for TakenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} messages come again", self.messages)
    }
}
