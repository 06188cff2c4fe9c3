//! What happened: every change of the store appends one event, and everyone who watches hears it.

use crate::model::id::InstanceId;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

/// An event as it is kept. `seq` only rises; it is the cursor of everyone who watches.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Event {
    pub seq: u64,
    pub at: Timestamp,
    /// Noun and what happened to it: `task.claimed`.
    pub kind: String,
    /// What it happened to: an id, or the key of a context entry.
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<InstanceId>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

/// An event on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    pub kind: &'static str,
    pub subject: String,
    pub actor: Option<InstanceId>,
    pub data: Map<String, Value>,
}

impl NewEvent {
    pub fn new(kind: &'static str, subject: impl ToString, actor: Option<&InstanceId>) -> NewEvent {
        NewEvent { kind, subject: subject.to_string(), actor: actor.cloned(), data: Map::new() }
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> NewEvent {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// Adds the fact only where there is one.
    pub fn with_some<V: Into<Value>>(self, key: &str, value: Option<V>) -> NewEvent {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}
