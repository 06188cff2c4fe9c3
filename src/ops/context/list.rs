//! `list_context_keys`: what is written down, by prefix.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::names::Names;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 50;
/// A key.
const CURSOR_BYTES: usize = 1_200;
const COUNTED_MAX: u64 = 10_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListContextKeys {
    prefix: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextKeys")]
pub struct Keys {
    keys: Vec<Key>,
    total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip)]
    names: Names,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextKey")]
struct Key {
    key: String,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_by: Option<InstanceId>,
    updated_at: Timestamp,
}

impl Operation for ListContextKeys {
    const NAME: &'static str = "list_context_keys";
    const ABOUT: &'static str = "Keys of the shared entries";
    const NOUN: Noun = Noun::Context;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["prefix"];
    type Output = Keys;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Keys> {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let mut found = tx.list_context(prefix, self.cursor.as_deref(), limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let keys: Vec<Key> = found
            .into_iter()
            .map(|entry| Key {
                key: entry.key,
                version: entry.version,
                updated_by: entry.author,
                updated_at: entry.written_at,
            })
            .collect();
        let (keys, cut) = render::fit(keys, render::ANSWER_BYTES_MAX - CURSOR_BYTES);
        let cursor = keys.last().filter(|_| more || cut).map(|last| last.key.clone());
        let names = Names::read(keys.iter().filter_map(|key| key.updated_by.as_ref()).map(InstanceId::as_str), tx)?;
        Ok(Keys { keys, total: tx.count_context(prefix, COUNTED_MAX)?, cursor, names })
    }
}

impl Answer for Keys {
    fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.key.clone()).collect()
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return writeln!(f, "nothing is written down");
        }
        let rows: Vec<_> = self
            .keys
            .iter()
            .map(|key| {
                let by = self.names.of_some(key.updated_by.as_ref()).to_owned();
                [key.key.clone(), key.version.to_string(), by, key.updated_at.to_string()]
            })
            .collect();
        render::table(f, ["KEY", "VERSION", "BY", "AT"], &rows)?;
        self.cursor
            .iter()
            .try_for_each(|cursor| writeln!(f, "{} of {}; go on with --cursor '{cursor}'", self.keys.len(), self.total))
    }
}
