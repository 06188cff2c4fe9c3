//! `get_context`: read what somebody wrote down, now or in an earlier version.

use crate::error::Result;
use crate::model::context::Entry;
use crate::model::context::VERSIONS_KEPT;
use crate::model::id::InstanceId;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// A value up to this many bytes is given whole, as it was set; a longer one as pages of text.
const VALUE_BYTES_WHOLE: usize = 8_000;
const HISTORY_BYTES: usize = 5_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetContext {
    key: String,
    /// An older one
    version: Option<u64>,
    /// Who wrote which version
    history: Option<bool>,
    /// Read on in a long value
    offset: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextEntry")]
pub struct Found {
    key: String,
    found: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Where the version that was asked for is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest_version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_by: Option<InstanceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    /// The value is a page of the text: JSON, if it was set as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total_chars: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<Version>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextVersion")]
struct Version {
    version: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_by: Option<InstanceId>,
    updated_at: Timestamp,
}

impl Operation for GetContext {
    const NAME: &'static str = "get_context";
    const ABOUT: &'static str = "Read a shared entry";
    const NOUN: Noun = Noun::Context;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["key"];
    type Output = Found;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Found> {
        let versions = match (self.history.unwrap_or(false), self.version) {
            (false, None) => Vec::new(),
            _ => tx.context_history(&self.key, VERSIONS_KEPT)?,
        };
        let entry = match self.version {
            None => tx.context(&self.key)?,
            Some(version) => versions.iter().find(|entry| entry.version == version).cloned(),
        };
        let history =
            if self.history.unwrap_or(false) { versions.into_iter().map(Version::of).collect() } else { Vec::new() };
        let mut found = self.found(entry, history);
        if !found.found && self.version.is_some() {
            found.newest_version = tx.context(&self.key)?.map(|entry| entry.version);
        }
        Ok(found)
    }
}

impl GetContext {
    fn found(&self, entry: Option<Entry>, history: Vec<Version>) -> Found {
        let mut found = Found {
            key: self.key.clone(),
            found: false,
            value: None,
            version: None,
            newest_version: None,
            updated_by: None,
            updated_at: None,
            total_chars: None,
            next_offset: None,
            history,
        };
        // Beside the longest value there is room for the newest of them.
        found.history = render::fit(found.history, HISTORY_BYTES).0;
        let Some(Entry { value: Some(value), version, author, written_at, .. }) = entry else { return found };
        found.found = true;
        found.version = Some(version);
        found.updated_by = author;
        found.updated_at = Some(written_at);
        if self.offset.is_none() && value.to_string().len() <= VALUE_BYTES_WHOLE {
            found.value = Some(value);
            return found;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let page = render::text_page(&text, self.offset.unwrap_or(0));
        found.value = Some(Value::from(page.text));
        found.total_chars = Some(page.total_chars);
        found.next_offset = page.next_offset;
        found
    }
}

impl Version {
    fn of(entry: Entry) -> Version {
        Version {
            version: entry.version,
            deleted: entry.value.is_none(),
            updated_by: entry.author,
            updated_at: entry.written_at,
        }
    }
}

impl Answer for Found {
    fn version(&self) -> Option<u64> {
        self.version
    }

    fn outcome(&self) -> Outcome {
        if self.found { Outcome::Done } else { Outcome::Absent }
    }

    fn ids(&self) -> Vec<String> {
        if self.found { vec![self.key.clone()] } else { Vec::new() }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => match self.newest_version {
                Some(newest) => writeln!(f, "that version of {} is not kept; the newest is {newest}", self.key)?,
                None => writeln!(f, "nothing is written under {}", self.key)?,
            },
            Some(Value::String(text)) => writeln!(f, "{text}")?,
            Some(value) => writeln!(f, "{value:#}")?,
        }
        self.next_offset.iter().try_for_each(|next| writeln!(f, "(more: --offset {next})"))?;
        self.history.iter().try_for_each(|one| {
            let by = one.updated_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let what = if one.deleted { "deleted" } else { "set" };
            writeln!(f, "  version {}, {what}{by} at {}", one.version, render::local(one.updated_at))
        })
    }
}
