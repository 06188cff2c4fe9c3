//! `set_policy`: which requests for permission need no human, as the human's file says.

use crate::error::Result;
use crate::model::policy::Policy;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::rights;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    policy: Policy,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct PolicySet {
    rules: usize,
}

impl Operation for SetPolicy {
    const NAME: &'static str = "set_policy";
    const ABOUT: &'static str = "Say which requests for permission need no human";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Write;
    type Output = PolicySet;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<PolicySet> {
        rights::check_is_no_worker(tx, caller)?;
        if tx.policy()? != self.policy {
            tx.put_policy(&self.policy)?;
        }
        Ok(PolicySet { rules: self.policy.len() })
    }
}

impl Answer for PolicySet {}

impl fmt::Display for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rules", self.rules)
    }
}
