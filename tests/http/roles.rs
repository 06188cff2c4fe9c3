//! How far each role reaches: for every operation, by both ways in.

use crate::support::web::Ask;
use crate::support::web::Server;
use orch_mcp::ops::table;
use serde_json::Value;
use serde_json::json;

const ROLES: [&str; 4] = ["read", "worker", "lead", "human"];

/// What each needs at least. Written down once more here, so that a change of the table shows.
const READS: [&str; 19] = [
    "compare_plan",
    "export_tasks",
    "get_context",
    "get_graph",
    "get_instance",
    "get_job",
    "get_results",
    "get_task",
    "get_whole_graph",
    "list_context_keys",
    "list_events",
    "list_instances",
    "list_jobs",
    "list_reservations",
    "list_tasks",
    "list_workers",
    "may_edit",
    "server_status",
    "synthesize_job",
];
const WAITS_TO_READ: [&str; 2] = ["watch_context", "watch_events"];
const LEADS: [&str; 12] = [
    "cancel_job",
    "cancel_task",
    "import_plan",
    "interrupt_worker",
    "launch_team",
    "launch_workers",
    "list_costs",
    "list_questions",
    "restart_worker",
    "retry_failed",
    "retry_task",
    "stop_workers",
];
const HUMAN: [&str; 15] = [
    "add_token",
    "answer_question",
    "examine_team",
    "follow_worker",
    "get_overview",
    "gather_report",
    "lead_fleet",
    "note_fleet",
    "list_tokens",
    "revoke_token",
    "set_caps",
    "note_landing",
    "set_policy",
    "tidy_team",
    "vouch_for_human",
];

fn needs(operation: &str) -> &'static str {
    match operation {
        name if READS.contains(&name) || WAITS_TO_READ.contains(&name) => "read",
        name if LEADS.contains(&name) => "lead",
        name if HUMAN.contains(&name) => "human",
        _ => "worker",
    }
}

/// Arguments that are none of anything that is there, so that whoever may call is refused for that.
fn arguments(operation: &str) -> Value {
    let schema = table::find_own(operation).unwrap().input_schema();
    let mut arguments = json!({});
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        let property = schema["properties"][name].to_string();
        arguments[name] = match name {
            "task_id" | "tasks" if property.contains("array") => json!([]),
            "task_id" => json!("task-0000009999"),
            "job_id" => json!("job-0000009999"),
            "question_id" => json!("q-0000009999"),
            "message_id" => json!("msg-0000009999"),
            "rung" => json!("inbox"),
            "role" => json!("worker"),
            "hash" => json!("0".repeat(64)),
            "notes" | "team" | "files" => json!([]),
            "caps" | "input" => json!({}),
            "policy" => json!({ "rules": [] }),
            _ if property.contains("array") => json!(["x"]),
            _ if property.contains("integer") => json!(1),
            _ => json!("x"),
        };
    }
    if schema.get("properties").is_some_and(|all| all.get("timeout_seconds").is_some()) {
        arguments["timeout_seconds"] = json!(0);
    }
    arguments
}

pub fn caller() -> Value {
    let mut caller = json!({ "origin": "agent", "process": "there", "call": "1" });
    for absent in [
        "explicit",
        "registered",
        "from_environment",
        "client",
        "hook",
        "session",
        "person",
        "role",
        "work_dir",
        "worktree",
    ] {
        caller[absent] = Value::Null;
    }
    caller
}

pub fn own_call(operation: &str, arguments: Value, caller: Value) -> Ask {
    Ask::post("/call", &json!({ "operation": operation, "arguments": arguments, "key": null, "caller": caller }))
}

#[test]
fn each_role_does_what_it_may_and_nothing_else() {
    let server = Server::start();
    let mut wrong = Vec::new();
    for (at, role) in ROLES.iter().enumerate() {
        let token = server.token(role, role);
        for entry in table::all() {
            let may = ROLES[..=at].contains(&needs(entry.name));
            let mut codes = Vec::new();
            if table::find(entry.name).is_some() {
                let told = server.call(&token, entry.name, arguments(entry.name));
                codes.push(told.text());
            }
            let told = server.ask(&own_call(entry.name, arguments(entry.name), caller()).token(&token));
            codes.push(told.text());
            for told in codes {
                let is_forbidden = told.contains("\"forbidden\"") && told.contains("takes a token of role");
                if is_forbidden == may {
                    wrong.push(format!("{role} {}: {told}", entry.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_owners_own_machine_makes_tokens_in_the_owners_name() {
    let server = Server::start();
    let human = server.token("human", "anne");
    let wanted = json!({ "id": "0011223344", "hash": "0".repeat(64), "role": "human", "name": "owner" });
    let told = server.ask(&own_call("add_token", wanted, caller()).token(&human)).text();
    assert!(told.contains("\"forbidden\""), "{told}");
}

#[test]
fn who_only_reads_comes_to_be_nobody() {
    let server = Server::start();
    let token = server.token("read", "eve");
    let before = server.newest_event();
    for operation in ["list_tasks", "poll_messages", "push_task"] {
        let arguments = if operation == "push_task" { json!({ "title": "x" }) } else { json!({}) };
        let ask = Ask::post(&format!("/api/v1/{operation}"), &arguments).token(&token);
        server.ask(&ask.header("X-Instance-Name", "eve-1").header("X-Instance-Role", "lead"));
    }
    assert_eq!(server.newest_event(), before);
}
