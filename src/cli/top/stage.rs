//! A team for tests of the screen.

use crate::ops::server::Overview;
use serde_json::Value;
use serde_json::json;

/// Two questions and three workers.
pub(super) fn seen() -> Overview {
    let at = "2026-11-22T12:00:00.000Z";
    let spent = json!({ "dollars": 1.5, "tokens": 10, "turns": 2, "runs": 2, "unknown": 1 });
    let worker = |name: &str, role: &str, state: &str, task: Value| {
        json!({ "name": name, "role": role, "mode": "task", "state": state, "since": at, "wanted": true,
                "completed": 0, "restarts": 0, "spent": spent, "task_id": task })
    };
    let question = |id: &str, kind: &str, options: &[&str]| {
        json!({ "id": id, "kind": kind, "state": "open", "from": "docs-1", "text": "Which\none?", "asked_at": at,
                "options": options })
    };
    let task = |id: &str, title: &str, standing: &str, waits_for: &[&str]| {
        json!({ "task": { "id": id, "title": title, "status": "pending", "priority": "medium", "updated_at": at },
                "standing": standing, "waits_for": waits_for.iter().map(|id| json!({ "id": id, "status": "ready" })).collect::<Vec<_>>() })
    };
    let event = json!({ "seq": 7, "at": at, "kind": "task.claimed", "subject": "task-0000000001",
                        "title": "\u{1b}[2JAdd export", "who": "builder-1" });
    serde_json::from_value(json!({
        "at": at, "newest_event": 7, "tasks": { "in_progress": 1, "waiting": 1, "ready": 0 }, "supervised": true,
        "spent": spent,
        "questions": [question("q-0000000001", "question", &["red", "blue"]), question("q-0000000002", "permission", &[])],
        "workers": [
            worker("builder-1", "builder", "busy", "task-0000000001".into()),
            worker("docs-1", "docs", "needs_input", Value::Null),
            worker("docs-2", "docs", "stalled", Value::Null),
        ],
        "sessions": [],
        "queue": [
            task("task-0000000001", "\u{1b}[2JAdd export", "in_progress", &[]),
            task("task-0000000002", "Describe it", "waiting", &["task-0000000001"]),
        ],
        "messages": [], "events": [event]
    }))
    .expect("a picture as the store tells it")
}
