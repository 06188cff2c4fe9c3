//! `watch_context`: until a key, or anything below a prefix, is written.

use crate::error::Error;
use crate::error::Result;
use crate::model::context::Entry;
use crate::model::id::InstanceId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::patience;
use crate::ops::render;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

const CHANGES_MAX: u32 = 20;
const VALUE_BYTES_SHOWN: usize = 600;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "properties": { "key": { "type": "null" } } }, { "properties": { "prefix": { "type": "null" } } }]))]
pub struct WatchContext {
    key: Option<String>,
    /// Instead of a key: all below, ending in /
    #[schemars(regex(pattern = r"^([\s\S]*/)?$"))]
    prefix: Option<String>,
    /// Of the answer before; without it, from now on
    cursor: Option<u64>,
    timeout_seconds: Option<u32>,
    /// The revision at the first look.
    #[serde(skip)]
    first_seen: OnceLock<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextChanges")]
pub struct Changes {
    changes: Vec<Change>,
    cursor: u64,
    timed_out: bool,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextChange")]
struct Change {
    key: String,
    version: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    /// Left out where it is long: `get_context` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_by: Option<InstanceId>,
}

impl Operation for WatchContext {
    const NAME: &'static str = "watch_context";
    const ABOUT: &'static str = "Wait until a shared entry is written";
    const NOUN: Noun = Noun::Context;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["key"];
    type Output = Changes;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Changes> {
        let since = self.since(tx)?;
        let changed = self.changed(tx, since, CHANGES_MAX)?;
        let revisions: Vec<u64> = changed.iter().map(|entry| entry.revision).collect();
        let (changes, _) =
            render::fit::<Change>(changed.into_iter().map(Change::of).collect(), render::ANSWER_BYTES_MAX);
        let cursor = changes.len().checked_sub(1).map_or(since, |last| revisions[last]);
        Ok(Changes { timed_out: changes.is_empty(), changes, cursor })
    }

    fn awaits(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        let topic = self.topic()?;
        let since = self.since(tx)?;
        if !self.changed(tx, since, 1)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(Wait { topics: vec![topic], look_again_after: None }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl WatchContext {
    fn topic(&self) -> Result<Topic> {
        match (&self.key, &self.prefix) {
            (Some(key), None) => Ok(Topic::Context(key.clone())),
            (None, prefix) => {
                let prefix = prefix.clone().unwrap_or_default();
                if prefix.is_empty() || prefix.ends_with('/') {
                    return Ok(Topic::ContextBelow(prefix));
                }
                Err(Error::invalid(format!("`prefix` must end in `/`, not `{}`", render::one_line(&prefix, 40))))
            }
            (Some(_), Some(_)) => Err(Error::invalid("`key` and `prefix` exclude each other").hint("give one of them")),
        }
    }

    fn since(&self, tx: &mut dyn Tx) -> Result<u64> {
        if let Some(cursor) = self.cursor.or_else(|| self.first_seen.get().copied()) {
            return Ok(cursor);
        }
        let newest = tx.context_revision()?;
        Ok(*self.first_seen.get_or_init(|| newest))
    }

    fn changed(&self, tx: &mut dyn Tx, since: u64, limit: u32) -> Result<Vec<Entry>> {
        match &self.key {
            Some(key) => Ok(tx.context(key)?.filter(|entry| entry.revision > since).into_iter().collect()),
            None => tx.context_since(self.prefix.as_deref().unwrap_or_default(), since, limit),
        }
    }
}

impl Change {
    fn of(entry: Entry) -> Change {
        Change {
            key: entry.key,
            version: entry.version,
            deleted: entry.value.is_none(),
            value: entry.value.and_then(|value| render::clip_json(&value, VALUE_BYTES_SHOWN).ok()),
            updated_by: entry.author,
        }
    }
}

impl Answer for Changes {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        self.changes.iter().map(|change| change.key.clone()).collect()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out {
            return writeln!(f, "nothing was written yet");
        }
        self.changes.iter().try_for_each(|change| {
            let what = if change.deleted { "was deleted" } else { "was set" };
            writeln!(f, "{} {what}, version {}", change.key, change.version)
        })
    }
}
