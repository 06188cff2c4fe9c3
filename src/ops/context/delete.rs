//! `delete_context`: take an entry away; its history stays.

use crate::error::Result;
use crate::model::context;
use crate::model::context::VERSIONS_KEPT;
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

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteContext {
    key: String,
    /// Only this version
    expect_version: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextDeleted")]
pub struct Deleted {
    key: String,
    /// There was something to delete.
    deleted: bool,
}

impl Operation for DeleteContext {
    const NAME: &'static str = "delete_context";
    const ABOUT: &'static str = "Delete a shared entry";
    const NOUN: Noun = Noun::Context;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["key"];
    type Output = Deleted;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Deleted> {
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let current = tx.context(&self.key)?;
        let there = current.as_ref().is_some_and(|entry| entry.value.is_some());
        if there || self.expect_version.is_some() {
            let (entry, event) =
                context::write(current.as_ref(), &self.key, None, self.expect_version, me.as_ref(), tx.now().at)?;
            if there {
                tx.put_context(&entry, VERSIONS_KEPT)?;
                tx.append_event(event)?;
            }
        }
        Ok(Deleted { key: self.key.clone(), deleted: there })
    }
}

impl Answer for Deleted {
    fn ids(&self) -> Vec<String> {
        vec![self.key.clone()]
    }
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deleted { writeln!(f, "{} is deleted", self.key) } else { writeln!(f, "there was no {}", self.key) }
    }
}
