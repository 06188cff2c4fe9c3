//! An operation as a tool, and its answer as a tool's result.

use crate::error::Error;
use crate::error::Result;
use crate::model::nearest::nearest;
use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::OPERATIONS;
use crate::ops::render;
use crate::ops::table::Reply;
use rmcp::ErrorData;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use rmcp::model::MetaObject;
use rmcp::model::Tool;
use rmcp::model::ToolAnnotations;
use serde_json::Value;
use serde_json::json;

/// The longest answer. The operations page by themselves and stay far below; this is for what they overlooked.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Tools that a client which loads tools on demand should hold ready from the start.
const HOT: &[&str] = &["claim_task", "complete_task", "send_message", "wait_for_message"];

/// Longer than that no answer of a tool can be declared to be.
pub(super) const PERMISSION_CHARS_MAX: usize = 500_000;

/// What a session pays for seeing the tool.
pub fn tool_bytes(entry: &Entry) -> usize {
    entry.name.len() + entry.about.len() + json!(entry.input_schema()).to_string().len()
}

pub(super) fn tool(entry: &Entry) -> Tool {
    let tool = Tool::new(entry.name, entry.about, entry.input_schema().clone()).with_annotations(annotations(entry));
    let mut meta = MetaObject::new();
    if HOT.contains(&entry.name) {
        meta.insert("anthropic/alwaysLoad".to_owned(), Value::Bool(true));
    }
    if entry.asks_permission() {
        // What it allows it gives back whole, and the client reads no answer that it found too long.
        meta.insert("anthropic/maxResultSizeChars".to_owned(), PERMISSION_CHARS_MAX.into());
    }
    if meta.is_empty() { tool } else { tool.with_meta(meta) }
}

/// Receipts and presence do not count as changes here: a client runs only what it believes to be reading side by
/// side, and a wait must not hold up its other calls.
fn annotations(entry: &Entry) -> ToolAnnotations {
    let hints = ToolAnnotations::new().open_world(false);
    if entry.waits() || entry.effect != Effect::Write {
        return hints.read_only(true);
    }
    let ends_something =
        ["cancel_", "delete_", "dismiss_", "unregister_"].iter().any(|verb| entry.name.starts_with(verb));
    hints.read_only(false).destructive(ends_something)
}

pub(super) fn answer(reply: Result<Reply>) -> CallToolResult {
    match reply {
        Ok(reply) => success(reply),
        Err(error) => failure(&error),
    }
}

fn success(reply: Reply) -> CallToolResult {
    let mut data = reply.data;
    if let (Some(unread), Some(fields)) = (reply.unread, data.as_object_mut()) {
        fields.entry("unread").or_insert(json!(unread));
    }
    let (data, text) = clamped(data, ANSWER_BYTES_MAX);
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(data);
    result
}

/// An error that the model reads and can act upon.
pub(super) fn failure(error: &Error) -> CallToolResult {
    let (data, text) = clamped(json!({ "error": error }), ANSWER_BYTES_MAX);
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(data);
    result
}

/// The call cannot be routed, which the protocol treats as an error of the client.
pub(super) fn unknown(tool: &str) -> ErrorData {
    let meant = nearest(tool, OPERATIONS.iter().map(|entry| entry.name));
    let advice =
        meant.map_or_else(|| "list the tools to see them".to_owned(), |name| format!("did you mean `{name}`?"));
    let shown: String = tool.chars().take(64).collect();
    ErrorData::invalid_params(
        format!("there is no tool `{shown}`; {advice}"),
        meant.map(|name| json!({ "did_you_mean": name })),
    )
}

/// The value, shortened where it must be, with its JSON text of at most `most` bytes.
fn clamped(value: Value, most: usize) -> (Value, String) {
    let text = value.to_string();
    if text.len() <= most {
        return (value, text);
    }
    let mut value = value;
    for longest in [4096, 1024, 256, 64] {
        render::shorten_texts(&mut value, longest);
        let text = value.to_string();
        if text.len() <= most {
            return (value, text);
        }
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert("cut".to_owned(), json!("lists were cut, ask for less at a time"));
    }
    while let Some(list) = longest_list(&mut value) {
        list.truncate(list.len() / 2);
        let text = value.to_string();
        if text.len() <= most {
            return (value, text);
        }
    }
    let stub = json!({ "cut": "the answer was too long to be shown; ask for less at a time" });
    let text = stub.to_string();
    (stub, text)
}

/// The list with the most items anywhere inside, unless all are empty.
fn longest_list(value: &mut Value) -> Option<&mut Vec<Value>> {
    match value {
        Value::Array(items) => {
            let own = items.len();
            let inner = items.iter().map(most_items).max().unwrap_or(0);
            if inner > own {
                return items.iter_mut().filter_map(longest_list).max_by_key(|list| list.len());
            }
            Some(items).filter(|items| !items.is_empty())
        }
        Value::Object(fields) => fields.values_mut().filter_map(longest_list).max_by_key(|list| list.len()),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => None,
    }
}

fn most_items(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(most_items).max().unwrap_or(0).max(items.len()),
        Value::Object(fields) => fields.values().map(most_items).max().unwrap_or(0),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_answer_stays_as_it_is() {
        let value = json!({ "tasks": [1, 2], "text": "ü" });
        assert_eq!(clamped(value.clone(), 100).0, value);
    }

    #[test]
    fn a_long_answer_is_shortened_where_it_is_longest_and_says_so() {
        let value = json!({ "id": "task-1", "result": "ü".repeat(20_000), "rows": ["short"] });
        let (value, text) = clamped(value, ANSWER_BYTES_MAX);
        assert!(text.len() <= ANSWER_BYTES_MAX);
        assert_eq!(value["id"], "task-1");
        assert_eq!(value["rows"][0], "short");
        assert!(value["result"].as_str().is_some_and(|text| text.ends_with("characters cut]")));
    }

    #[test]
    fn no_shape_of_answer_escapes_the_limit() {
        let many_fields: serde_json::Map<_, _> = (0..5000).map(|n| (format!("field{n}"), json!(n))).collect();
        let escaped = json!({ "text": "\u{1}".repeat(10_000) });
        let nested = json!({ "rows": vec![json!({ "list": vec![json!("x".repeat(50)); 300] }); 20] });
        for value in [Value::Object(many_fields), escaped, nested, json!([vec![1; 20_000]])] {
            let (value, text) = clamped(value, ANSWER_BYTES_MAX);
            assert!(text.len() <= ANSWER_BYTES_MAX, "{}", text.len());
            assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
        }
    }

    #[test]
    fn a_misspelt_tool_is_recognised() {
        assert!(unknown("claim_tasks").message.contains("did you mean `claim_task`"));
        assert!(unknown("Send-Mesage").message.contains("did you mean `send_message`"));
        assert!(unknown("frobnicate").message.contains("list the tools"));
        assert!(unknown(&"x".repeat(10_000)).message.len() < 200);
    }

    #[test]
    fn a_wait_never_looks_like_a_change() {
        for entry in OPERATIONS.iter().filter(|entry| entry.waits()) {
            assert_eq!(annotations(entry).read_only_hint, Some(true), "{}", entry.name);
        }
    }

    #[test]
    fn the_tools_to_hold_ready_exist_and_are_few() {
        assert!(HOT.len() <= 4);
        for tool in HOT {
            assert!(OPERATIONS.iter().any(|entry| entry.name == *tool), "{tool}");
        }
    }
}
