//! What no table knows: sentences, examples, and which answer leads to which next question.

use crate::http::routes::ROUTES;
use crate::http::routes::Route;
use crate::ops::Entry;
use crate::ops::Noun;
use crate::ops::WAIT_SECS_DEFAULT;
use crate::ops::WAIT_SECS_MAX;
use crate::ops::question::PERMISSION_SECS_DEFAULT;
use crate::ops::question::PERMISSION_SECS_MAX;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub(super) const DESCRIPTION: &str = "\
Every operation has an address of its own, `POST /api/v1/<operation>`, with its arguments as a JSON object; what people \
script by hand has a resource besides. Both do the same.

An answer is `{\"schema_version\":1,\"data\":{…},\"warnings\":[]}`; a refusal is `{\"error\":{\"code\",\"message\",\"hint\"}}`, and \
its code is what scripts compare. In a body, null is the same as absent. No text may hold the character NUL.

Lists come in pages: give the answer's `cursor` back for the next one. Where a thing has versions, its answers have an \
`ETag`; with `If-Match` a change is made only over that version. With an `Idempotency-Key` a change is made once, however \
often it is asked for. `HEAD` is answered wherever `GET` is, but for `/events`.

Each operation names the least role that a token must have for it: `read`, `worker`, `lead`, `human`; each may do what those \
before it may.

MCP is spoken at `/mcp` (streamable HTTP) and at `/sse` with `/messages?sessionId=` (the older transport), and is no part \
of this description.";

pub(super) fn tag(noun: Noun) -> &'static str {
    match noun {
        Noun::Instances => "instances",
        Noun::Tasks => "tasks",
        Noun::Jobs => "jobs",
        Noun::Messages => "messages",
        Noun::Questions => "questions",
        Noun::Workers => "workers",
        Noun::Context => "context",
        Noun::Files => "files",
        Noun::Events => "events",
        Noun::Server => "server",
    }
}

pub(super) fn tags() -> Value {
    json!([
        { "name": "tasks", "description": "What is to be done" },
        { "name": "jobs", "description": "Goals, and the tasks that reach them" },
        { "name": "instances", "description": "Who is here, in what role, doing what" },
        { "name": "messages", "description": "Mail between instances, and its receipts" },
        { "name": "questions", "description": "What only the human can decide" },
        { "name": "workers", "description": "Sessions that are started and looked after" },
        { "name": "context", "description": "What all should know, by key" },
        { "name": "files", "description": "Files that somebody keeps to themselves for a while" },
        { "name": "events", "description": "What happened" },
        { "name": "server", "description": "The server itself" },
    ])
}

pub(super) fn more(entry: &Entry) -> Option<String> {
    if entry.asks_permission() {
        return Some(format!(
            "Waits for `timeout_seconds` at most: {PERMISSION_SECS_DEFAULT} if it is not given, and never more than \
             {PERMISSION_SECS_MAX}. Who asks again with the same `tool_use_id` waits on."
        ));
    }
    if entry.waits() {
        return Some(format!(
            "Waits for `timeout_seconds` at most: {WAIT_SECS_DEFAULT} if it is not given, and never more than {WAIT_SECS_MAX}."
        ));
    }
    let more = match entry.name {
        "unregister_instance" => {
            "The instance is offline from now on. It stays known: its name and inbox wait for it, and messages to it are kept."
        }
        "get_context" => "A value that is long comes as pages of text; `offset` reads on.",
        "push_task" => "`Idempotency-Key` keeps a CI job that runs again from pushing the task again.",
        _ => return None,
    };
    Some(more.to_owned())
}

/// Arguments that mean something, for operations that cannot do without.
pub(super) fn example(entry: &Entry, route: Option<&Route>) -> Option<Value> {
    let task = "task-0000000001";
    let job = "job-0000000001";
    let message = "msg-0000000001";
    let mut example = match entry.name {
        "register_instance" => json!({ "name": "ann", "role": "builder" }),
        "heartbeat" => json!({ "current_task": "task-0000000001" }),
        "push_task" => {
            json!({ "title": "Fix the login", "description": "It fails with an empty password", "labels": ["bug"] })
        }
        "push_tasks" => json!({ "tasks": [
            { "ref": "plan", "title": "Plan the login" },
            { "title": "Build the login", "depends_on": ["plan"] },
        ] }),
        "claim_task" => json!({ "lease_secs": 900 }),
        "complete_task" => {
            json!({ "task_id": task, "result": "Empty passwords are refused", "evidence": { "commit": "1f0c2d4" } })
        }
        "block_task" | "fail_task" => json!({ "task_id": task, "reason": "The test server is down" }),
        "release_task" | "cancel_task" => json!({ "task_id": task, "reason": "Not needed any more" }),
        "unblock_task" => json!({ "task_id": task, "note": "The test server is up again" }),
        "start_task" | "renew_task" | "retry_task" | "get_task" => json!({ "task_id": task }),
        "update_task" => json!({ "task_id": task, "priority": "high" }),
        "wait_for_task" => json!({ "task_id": task, "timeout_seconds": 0 }),
        "create_job" => json!({ "goal": "A login that works", "tasks": [
            { "ref": "plan", "title": "Plan the login" },
            { "title": "Build the login", "depends_on": ["plan"], "priority": 8 },
        ] }),
        "add_subtask" => json!({ "job_id": job, "prompt": "Document the login", "priority": 3 }),
        "get_job" | "get_results" | "retry_failed" | "synthesize_job" => json!({ "job_id": job }),
        "cancel_job" => json!({ "job_id": job, "reason": "Not needed any more" }),
        "wait_for_job" => json!({ "job_id": job, "timeout_seconds": 0 }),
        "decompose" => json!({ "goal": "A login that works", "tasks": [
            { "key": "plan", "title": "Plan the login", "acceptance": ["every screen is drawn"] },
            { "key": "build", "title": "Build the login", "depends_on": ["plan"], "acceptance": ["`just test` passes"] },
        ] }),
        "run_pipeline" => json!({ "pipeline": "bugfix", "title": "The login fails", "body": "With an empty password" }),
        "quick_delegate" => json!({ "prompts": ["Summarise README", "List what is slow"], "timeout_seconds": 0 }),
        "send_message" => json!({ "to_instance": "@ann", "content": "The login is fixed" }),
        "request_help" => json!({ "question": "Who knows the test server?" }),
        "get_message" | "get_thread" | "mark_read" | "acknowledge_message" | "dismiss_message" => {
            json!({ "message_id": message })
        }
        "ask_human" => json!({ "question": "Which database?", "options": ["SQLite", "PostgreSQL"] }),
        "get_question" | "withdraw_question" => json!({ "question_id": "q-0000000001" }),
        "request_permission" => json!({
            "tool_name": "Bash", "input": { "command": "cargo publish" }, "tool_use_id": "toolu_01", "timeout_seconds": 0,
        }),
        "wait_for_answer" => json!({ "question_id": "q-0000000001", "timeout_seconds": 0 }),
        "answer_question" => json!({ "question": "q-0000000001", "answer": "SQLite" }),
        "launch_workers" => json!({ "role": "executor", "count": 2 }),
        "restart_worker" | "interrupt_worker" => json!({ "worker": "executor-1" }),
        "stop_workers" => json!({ "workers": ["executor-1"] }),
        "set_context" => json!({ "key": "api/style", "value": "snake_case" }),
        "get_context" | "delete_context" => json!({ "key": "api/style" }),
        "watch_context" => json!({ "prefix": "api/", "timeout_seconds": 0 }),
        "wait_for_message" | "watch_events" => json!({ "timeout_seconds": 0 }),
        "reserve_files" => json!({ "patterns": ["src/**"], "lease_secs": 3600 }),
        _ => return None,
    };
    if let (Some(named), Some(fields)) = (route.and_then(|route| route.named), example.as_object_mut()) {
        fields.remove(named);
        if fields.is_empty() {
            return None;
        }
    }
    Some(example)
}

/// Which answer names what another operation asks for: the field of the answer, and the operations of that resource.
const LEADS: &[(&str, &str, &[&str])] = &[
    ("create_job", "/job/id", &["get_job", "add_subtask", "cancel_job"]),
    ("push_task", "/task/id", &["get_task", "update_task", "cancel_task"]),
    (
        "claim_task",
        "/task/id",
        &["get_task", "start_task", "renew_task", "complete_task", "block_task", "release_task", "fail_task"],
    ),
    ("block_task", "/task/id", &["unblock_task"]),
    ("fail_task", "/task/id", &["retry_task"]),
    ("cancel_task", "/task/id", &["retry_task"]),
    ("register_instance", "/instance/id", &["get_instance", "heartbeat"]),
    ("send_message", "/message_id", &["get_message", "get_thread"]),
    ("poll_messages", "/messages/0/id", &["mark_read", "acknowledge_message", "dismiss_message"]),
    ("ask_human", "/question_id", &["get_question", "answer_question", "withdraw_question"]),
    ("set_context", "/key", &["get_context", "delete_context"]),
];

pub(super) fn links(entry: &Entry, route: Option<&Route>) -> Map<String, Value> {
    let leads = LEADS.iter().filter(|(from, ..)| route.is_some() && *from == entry.name);
    let link = |(field, to): (&str, &&'static str)| {
        let target = ROUTES.iter().find(|route| route.operation == *to)?;
        let name = crate::http::openapi::parts::name_in(target.pattern)?;
        let link = json!({ "operationId": to, "parameters": { name: format!("$response.body#/data{field}") } });
        Some(((*to).to_owned(), link))
    };
    leads.flat_map(|(_, field, all)| all.iter().filter_map(move |to| link((*field, to)))).collect()
}
