//! What is shown of a change: our own lines. The rest of these files is full of secrets, and nobody asked for it.

use crate::claude::event::Event;
use crate::cli::setup::edit::one_line;
use crate::cli::setup::merge::Change;
use crate::cli::setup::wanted;
use serde_json::Map;
use serde_json::Value;

const HIDDEN: &str = "…";

/// Names whose values we know to be harmless.
const OPEN: &[&str] = &[
    "type",
    "command",
    "timeout",
    "matcher",
    "asyncRewake",
    "ORCH_STATE_DIR",
    "ORCH_SERVER",
    "ORCH_CA",
    "ORCH_PLAIN_HTTP",
    "ORCH_INSTANCE",
    "ORCH_ROLE",
    "ORCH_PROFILE",
    "ORCH_LOG",
];
/// Names of what holds such values.
const HOLDERS: &[&str] = &["hooks", "env", wanted::SERVER];
const FLAGS: &[&str] = &["--state-dir", "--server", "--ca", "--name", "--role", "--profile"];

/// A unified diff that leaves out whatever is not ours.
pub(super) fn unified(path: &str, existed: bool, remains: bool, changes: &[Change]) -> String {
    let name = |there: bool| if there { path } else { "/dev/null" };
    let mut text = format!("--- {}\n+++ {}\n", name(existed), name(remains));
    let mut place = None;
    for change in changes {
        if place != Some(&change.place) {
            text.push_str(&format!("@@ {} @@\n", change.place));
            place = Some(&change.place);
        }
        for (mark, value) in [('-', &change.before), ('+', &change.after)] {
            if let Some(value) = value {
                text.push_str(&format!("{mark}{}\n", line(value)));
            }
        }
    }
    text
}

/// The difference as one would say it: what is wrong, and where.
pub(super) fn said(change: &Change) -> String {
    let what = match (&change.before, &change.after) {
        (None, Some(_)) => "is missing",
        (Some(_), None) => "is too much",
        _ => "is not as wanted",
    };
    let whose = change.after.as_ref().or(change.before.as_ref()).map(subject).unwrap_or_default();
    format!("{}: {whose} {what}", change.place)
}

/// What a value is about, in a word or two.
fn subject(value: &Value) -> String {
    let handler = &value["hooks"][0];
    match value {
        Value::String(rule) => format!("`{rule}`"),
        _ if handler.is_object() => format!("`hook {}`", wanted::word_of(handler).unwrap_or_default()),
        _ => format!("the server `{}`", wanted::SERVER),
    }
}

fn line(value: &Value) -> String {
    match value.get(wanted::SERVER) {
        Some(entry) => format!("\"{}\": {}", wanted::SERVER, one_line(&masked(entry))),
        None => one_line(&masked(value)),
    }
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.iter().map(masked_member).collect::<Map<_, _>>()),
        Value::Array(elements) => elements.iter().map(masked).collect(),
        other => other.clone(),
    }
}

fn masked_member((name, value): (&String, &Value)) -> (String, Value) {
    let shown = match name.as_str() {
        "args" => masked_arguments(value),
        open if OPEN.contains(&open) && !value.is_object() && !value.is_array() => value.clone(),
        holder if HOLDERS.contains(&holder) && (value.is_object() || value.is_array()) => masked(value),
        _ => Value::from(HIDDEN),
    };
    (name.clone(), shown)
}

/// Words that we know, paths, flags, and what follows our own flags.
fn masked_arguments(value: &Value) -> Value {
    let Some(arguments) = value.as_array() else { return Value::from(HIDDEN) };
    let words: Vec<&str> = arguments.iter().map(|argument| argument.as_str().unwrap_or_default()).collect();
    let known = |word: &str| {
        matches!(word, "serve" | "--profile" | "full" | "hook") || Event::words().any(|known| known == word)
    };
    let is_open = |at: usize| {
        let word = words[at];
        let is_flag = word.starts_with("--") && !word.contains('=');
        known(word) || is_flag || word.starts_with('/') || at > 0 && FLAGS.contains(&words[at - 1])
    };
    (0..words.len()).map(|at| if is_open(at) { words[at] } else { HIDDEN }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_our_own_lines_are_shown() {
        let entry = json!({"orch-mcp": {
            "type": "http",
            "url": "https://me:pass@host",
            "command": "/x",
            "args": ["--state-dir", "/s", "serve", "--token", "hunter2", "--key=hunter2"],
            "env": {"API_KEY": "hunter2", "ORCH_ROLE": "lead"},
            "headers": {"Authorization": "Bearer hunter2"},
        }});
        let changes = [
            Change { place: "mcpServers".to_owned(), before: Some(entry), after: None },
            Change { place: "hooks.Stop".to_owned(), before: None, after: Some(json!({"hooks": [{"command": "/o"}]})) },
            Change { place: "hooks.Stop".to_owned(), before: None, after: Some(json!("x")) },
        ];
        let diff = unified("/f", false, true, &changes);
        assert!(!diff.contains("hunter2") && !diff.contains("pass"), "{diff}");
        let args = r#""args": ["--state-dir", "/s", "serve", "--token", "…", "…"]"#;
        assert!(diff.contains(args) && diff.contains(r#""ORCH_ROLE": "lead""#), "{diff}");
        assert!(diff.starts_with("--- /dev/null\n+++ /f\n@@ mcpServers @@\n-\"orch-mcp\": {"), "{diff}");
        assert!(diff.ends_with("@@ hooks.Stop @@\n+{\"hooks\": [{\"command\": \"/o\"}]}\n+\"x\"\n"), "{diff}");
    }

    #[test]
    fn a_difference_is_said_in_words() {
        let change =
            |before: Option<Value>, after: Option<Value>| said(&Change { place: "p".to_owned(), before, after });
        let hook = json!({"hooks": [{"command": "/x/orch-mcp", "args": ["hook", "stop"]}]});
        assert_eq!(change(None, Some(hook.clone())), "p: `hook stop` is missing");
        assert_eq!(change(Some(hook), None), "p: `hook stop` is too much");
        let server = json!({"orch-mcp": {}});
        assert_eq!(change(Some(server.clone()), Some(server)), "p: the server `orch-mcp` is not as wanted");
        assert_eq!(change(None, Some(json!("mcp__orch-mcp"))), "p: `mcp__orch-mcp` is missing");
    }
}
