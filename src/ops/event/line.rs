//! An event as a person reads it: with names in the place of ids, and what is most worth knowing of it.

use crate::error::Result;
use crate::model::event::Event;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use crate::ops::names::Names;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

const TITLE_BYTES: usize = 300;

/// What is told of what an event says, in this order.
const TOLD: [&str; 11] =
    ["state", "how", "reason", "note", "to", "patterns", "progress", "result", "question", "text", "until"];

/// An event with names in the place of ids.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct EventLine {
    pub seq: u64,
    pub at: Timestamp,
    pub kind: String,
    pub subject: String,
    /// What its subject is called, or says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whose doing it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What changed, or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl EventLine {
    /// What happened to what, why, and whose doing it was.
    pub fn words(&self) -> String {
        let kind = self.kind.replace(['.', '_'], " ");
        let title = self.title.as_deref().map(|title| format!(" {title}")).unwrap_or_default();
        let detail = self.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        let by = self.who.as_deref().filter(|who| *who != self.subject);
        let by = by.map(|who| format!(" ({who})")).unwrap_or_default();
        let subject = render::short_id(&self.subject);
        format!("{kind:<20} {subject}{title}{detail}{by}")
    }
}

pub(in crate::ops) fn lines(events: &[Event], tx: &mut dyn Tx) -> Result<Vec<EventLine>> {
    let ids =
        events.iter().flat_map(|event| [Some(event.subject.as_str()), event.actor.as_ref().map(InstanceId::as_str)]);
    let names = Names::read(ids.flatten().filter(|id| id.starts_with("i-")), tx)?;
    let mut titles: BTreeMap<TaskId, Option<String>> = BTreeMap::new();
    let mut lines = Vec::new();
    for event in events {
        let title = match event.subject.parse::<TaskId>() {
            Ok(id) if titles.contains_key(&id) => titles[&id].clone(),
            Ok(id) => {
                let title = tx.task(id)?.map(|task| render::short(&task.title, TITLE_BYTES));
                titles.insert(id, title.clone());
                title
            }
            Err(_) => match event.subject.parse::<JobId>() {
                Ok(id) => tx.job(id)?.map(|job| render::short(&render::one_line(&job.goal, 100), TITLE_BYTES)),
                Err(_) => None,
            },
        };
        let details: Vec<String> = TOLD.into_iter().filter_map(|key| told(event.data.get(key)?)).collect();
        lines.push(EventLine {
            title,
            who: event.actor.as_ref().map(|who| names.of(who.as_str()).to_owned()),
            detail: Some(details.join(": ")).filter(|detail| !detail.is_empty()),
            subject: names.of(&event.subject).to_owned(),
            seq: event.seq,
            at: event.at,
            kind: event.kind.clone(),
        });
    }
    Ok(lines)
}

fn told(value: &Value) -> Option<String> {
    let words = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => return None,
    };
    (!words.is_empty()).then_some(words)
}
