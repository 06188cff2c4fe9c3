//! Resources: the team's state by URI, made of what the operations answer.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::mcp::calls::Call;
use crate::model::id::TaskId;
use crate::model::percent;
use rmcp::ErrorData;
use rmcp::model::MetaObject;
use rmcp::model::ReadResourceResult;
use rmcp::model::Resource;
use rmcp::model::ResourceContents;
use rmcp::model::ResourceTemplate;
use serde_json::Value;
use serde_json::json;

/// The longest resource: below the 50,000 characters that the best-known client hands over whole.
const RESOURCE_BYTES_MAX: usize = 48 * 1024;

/// How many of the latest events are shown.
const EVENTS_SHOWN: u64 = 20;

/// What a URI names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Instances,
    TasksPending,
    TasksInProgress,
    /// Somebody's inbox as the older resource shows it: the messages and nothing else.
    Messages(String),
    Context(String),
    Task(TaskId),
    Inbox(String),
    Events,
}

const JSON: &str = "application/json";
pub(super) const MESSAGES: &str = "orchestrator://messages/{instance_id}";
pub(super) const CONTEXT: &str = "orchestrator://context/{key}";
pub(super) const TASK: &str = "orch://task/{id}";
pub(super) const INBOX: &str = "orch://inbox/{instance}";

pub(super) fn all() -> Vec<Resource> {
    let resource =
        |uri: &str, name: &str, about: &str| Resource::new(uri, name).with_description(about).with_mime_type(JSON);
    vec![
        resource("orchestrator://instances", "instances", "Everyone who registered: role, status, when last seen"),
        resource("orchestrator://tasks/pending", "pending tasks", "Tasks that nobody has claimed"),
        resource("orchestrator://tasks/in-progress", "tasks in progress", "Tasks that somebody holds"),
        resource("orch://events", "events", "The latest changes, newest last"),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, about: &str| {
        ResourceTemplate::new(uri, name).with_description(about).with_mime_type(JSON)
    };
    vec![
        template(MESSAGES, "messages", "The inbox of an instance; reading it marks nothing as read"),
        template(CONTEXT, "context entry", "A value that the team shares, by its key"),
        template(TASK, "task", "A task with all of its fields"),
        template(INBOX, "inbox", "The inbox of an instance, a page with its cursor; reading it marks nothing as read"),
    ]
}

impl Place {
    pub(super) fn of(uri: &str) -> Option<Place> {
        match uri {
            "orchestrator://instances" => return Some(Place::Instances),
            "orchestrator://tasks/pending" => return Some(Place::TasksPending),
            "orchestrator://tasks/in-progress" => return Some(Place::TasksInProgress),
            "orch://events" => return Some(Place::Events),
            _ => {}
        }
        if let Some(instance) = uri.strip_prefix("orchestrator://messages/") {
            return segment(instance).map(Place::Messages);
        }
        if let Some(instance) = uri.strip_prefix("orch://inbox/") {
            return segment(instance).map(Place::Inbox);
        }
        if let Some(id) = uri.strip_prefix("orch://task/") {
            return segment(id)?.parse().ok().map(Place::Task);
        }
        // Keys may have slashes, and not everyone encodes them.
        decoded(uri.strip_prefix("orchestrator://context/")?).map(Place::Context)
    }

    /// Whose inbox this is.
    pub(super) fn recipient(&self) -> Option<&str> {
        match self {
            Place::Messages(instance) | Place::Inbox(instance) => Some(instance),
            _ => None,
        }
    }
}

/// One decoded segment of a path.
fn segment(text: &str) -> Option<String> {
    if text.contains('/') { None } else { decoded(text) }
}

fn decoded(text: &str) -> Option<String> {
    percent::decoded(text, false).filter(|text| !text.is_empty())
}

/// A resource's content, and how much of it is shown where that is not all.
struct Content {
    value: Value,
    cut: Option<MetaObject>,
}

impl From<Value> for Content {
    fn from(value: Value) -> Content {
        Content { value, cut: None }
    }
}

pub(super) fn read(call: &Call<'_>, place: &Place, uri: &str) -> Result<ReadResourceResult> {
    let content = match place {
        Place::Instances => records(call, &[("list_instances", json!({}))], "instances")?,
        Place::TasksPending => records(call, &[("list_tasks", json!({ "status": "pending" }))], "tasks")?,
        Place::TasksInProgress => {
            let held = ["claimed", "in_progress"].map(|status| ("list_tasks", json!({ "status": status })));
            records(call, &held, "tasks")?
        }
        Place::Messages(instance) => records(call, &[("peek_messages", json!({ "instance": instance }))], "messages")?,
        Place::Inbox(instance) => call.ask("peek_messages", json!({ "instance": instance }))?.into(),
        Place::Context(key) => entry(call, key)?.into(),
        Place::Task(id) => call.ask("get_task", json!({ "task_id": id }))?["task"].take().into(),
        Place::Events => {
            let newest = newest_event(call)?.as_u64().unwrap_or(0);
            call.ask("list_events", json!({ "cursor": newest.saturating_sub(EVENTS_SHOWN) }))?.into()
        }
    };
    let mut contents = ResourceContents::text(content.value.to_string(), uri).with_mime_type(JSON);
    if let Some(cut) = content.cut {
        contents = contents.with_meta(cut);
    }
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The cursor behind the newest event: watching from now on, and hanging up before it has begun.
pub(super) fn newest_event(call: &Call<'_>) -> Result<Value> {
    Ok(call.hung_up().ask("watch_events", json!({}))?["cursor"].take())
}

/// All pages of some lists as one list, as far as there is room.
fn records(call: &Call<'_>, lists: &[(&str, Value)], field: &str) -> Result<Content> {
    let mut records = Vec::new();
    let mut room = RESOURCE_BYTES_MAX;
    for (operation, arguments) in lists {
        let mut arguments = arguments.clone();
        loop {
            let mut page = call.ask(operation, arguments.clone())?;
            let Value::Array(items) = page[field].take() else { break };
            let last = items.is_empty() || page["more"] == false;
            for item in items {
                let bytes = item.to_string().len() + 1;
                if bytes > room {
                    return Ok(cut_short(records));
                }
                room -= bytes;
                records.push(item);
            }
            match page.get_mut("cursor") {
                Some(cursor) if !last && !cursor.is_null() => arguments["cursor"] = cursor.take(),
                _ => break,
            }
        }
    }
    Ok(Value::Array(records).into())
}

fn cut_short(records: Vec<Value>) -> Content {
    let mut cut = MetaObject::new();
    cut.insert("shown".to_owned(), json!(records.len()));
    cut.insert("more".to_owned(), json!(true));
    Content { value: Value::Array(records), cut: Some(cut) }
}

/// `{key, value}`, with null for a value that is not there, and long texts put together again.
fn entry(call: &Call<'_>, key: &str) -> Result<Value> {
    let mut answer = call.ask("get_context", json!({ "key": key }))?;
    let mut value = answer["value"].take();
    while let (Value::String(text), Some(offset)) = (&mut value, answer["next_offset"].as_u64()) {
        if text.len() > RESOURCE_BYTES_MAX {
            return Ok(json!({ "key": key, "value": value, "next_offset": offset }));
        }
        answer = call.ask("get_context", json!({ "key": key, "offset": offset }))?;
        text.push_str(answer["value"].as_str().unwrap_or_default());
    }
    Ok(json!({ "key": key, "value": value }))
}

/// There is nothing at this URI; rmcp gives the error the code that the client's revision of the protocol has for it.
pub(super) fn missing(uri: &str, why: &str) -> ErrorData {
    ErrorData::resource_not_found(why.to_owned(), Some(json!({ "uri": uri })))
}

pub(super) fn unreadable(uri: &str, error: &Error) -> ErrorData {
    match error.kind {
        Kind::NotFound | Kind::Invalid => missing(uri, &error.message),
        Kind::NoIdentity
        | Kind::Conflict
        | Kind::StaleClaim
        | Kind::CursorExpired
        | Kind::Unauthorized
        | Kind::Forbidden
        | Kind::Refused
        | Kind::Busy
        | Kind::Unavailable
        | Kind::Internal => {
            ErrorData::internal_error(error.message.clone(), Some(json!({ "uri": uri, "error": error })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_place_or_none() {
        for (uri, place) in [
            ("orchestrator://instances", Some(Place::Instances)),
            ("orchestrator://messages/i-1", Some(Place::Messages("i-1".to_owned()))),
            ("orch://inbox/%40night%20shift", Some(Place::Inbox("@night shift".to_owned()))),
            ("orch://task/12", Some(Place::Task(TaskId::from_number(12)))),
            ("orch://task/task-0000000012", Some(Place::Task(TaskId::from_number(12)))),
            ("orchestrator://context/a/b%2Fc", Some(Place::Context("a/b/c".to_owned()))),
            ("orchestrator://context/%C3%BC", Some(Place::Context("ü".to_owned()))),
            ("orch://task/twelve", None),
            ("orch://inbox/", None),
            ("orch://inbox/a/b", None),
            ("orchestrator://context/%zz", None),
            ("orchestrator://context/%+1", None),
            ("orchestrator://context/%ff", None),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(Place::of(uri), place, "{uri}");
        }
    }

    #[test]
    fn what_is_listed_can_be_named() {
        assert!(all().iter().all(|resource| Place::of(&resource.uri).is_some()));
        assert!(templates().iter().all(|template| Place::of(&template.uri_template.replace("{id}", "1")).is_some()));
    }
}
