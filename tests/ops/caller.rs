//! Who is calling: found in a fixed order, or else the caller is told how to say it.

use super::*;

/// Operations that mean nothing without somebody who calls them.
const NEED_A_CALLER: &[&str] = &[
    "heartbeat",
    "unregister_instance",
    "claim_task",
    "start_task",
    "renew_task",
    "complete_task",
    "block_task",
    "fail_task",
    "release_task",
    "send_message",
    "request_help",
    "ask_human",
    "request_permission",
    "poll_messages",
    "wait_for_message",
    "get_message",
    "get_thread",
    "mark_read",
    "acknowledge_message",
    "dismiss_message",
    "list_receipts",
    "get_instance",
    "peek_messages",
    "reserve_files",
    "release_files",
];

/// The fewest arguments that an operation takes.
pub fn arguments(operation: &str) -> Value {
    match operation {
        "push_task" => json!({ "title": "t" }),
        "push_tasks" => json!({ "tasks": [{ "title": "t" }] }),
        "register_instance" => json!({ "name": "new" }),
        "send_message" => json!({ "content": "m", "broadcast": true }),
        "request_help" => json!({ "question": "q" }),
        "launch_workers" => json!({ "role": "builder" }),
        "restart_worker" | "interrupt_worker" => json!({ "worker": "builder-1" }),
        "stop_workers" => json!({ "all": true }),
        "ask_human" => json!({ "question": "q" }),
        "get_question" | "withdraw_question" => json!({ "question_id": "1" }),
        "request_permission" => {
            json!({ "tool_name": "Bash", "input": { "command": "x" }, "tool_use_id": "t", "timeout_seconds": 0 })
        }
        "wait_for_answer" => json!({ "question_id": "1", "timeout_seconds": 0 }),
        "answer_question" => json!({ "question": "1", "answer": "a" }),
        "set_context" => json!({ "key": "k", "value": "v" }),
        "get_context" | "delete_context" => json!({ "key": "k" }),
        "block_task" | "fail_task" => json!({ "task_id": "1", "reason": "r" }),
        "reserve_files" => json!({ "patterns": ["/a", "/b/**"] }),
        "wait_for_task" | "wait_for_message" | "watch_context" | "watch_events" => json!({ "timeout_seconds": 0 }),
        operation if operation.ends_with("_task") && operation != "claim_task" => json!({ "task_id": "1" }),
        "get_message" | "get_thread" | "mark_read" | "acknowledge_message" | "dismiss_message" => {
            json!({ "message_id": "1" })
        }
        _ => json!({}),
    }
}

fn you(process: &Process, arguments: Value) -> Value {
    process.ok("server_status", arguments)["you"].take()
}

#[test]
fn the_caller_is_the_argument_then_the_registered_then_the_environments_then_the_sessions() {
    let world = World::new();
    for name in ["explicit", "of environment"] {
        world.joined(name);
    }
    let mut of_session = world.process("p");
    of_session.caller.session = Some("s1".to_owned());
    of_session.ok("register_instance", json!({ "name": "of session", "instance_id": "i-of session" }));

    let mut process = world.process("q");
    assert_eq!(you(&process, json!({})), Value::Null);
    process.caller.session = Some("s1".to_owned());
    assert_eq!(you(&process, json!({})), "i-of session");
    process.caller.from_environment = Some("of environment".to_owned());
    assert_eq!(you(&process, json!({})), "i-of environment");
    process.ok("register_instance", json!({ "name": "registered", "instance_id": "i-registered" }));
    assert_eq!(you(&process, json!({})), "i-registered");
    for explicit in ["i-explicit", "explicit", "@explicit"] {
        assert_eq!(you(&process, json!({ "instance_id": explicit })), "i-explicit");
    }
    assert_eq!(you(&process, json!({ "instance_id": "" })), "i-registered", "an empty argument names nobody");
}

#[test]
fn an_environment_that_names_nobody_is_not_taken_for_the_session() {
    let world = World::new();
    let mut process = world.process("p");
    process.caller.session = Some("s1".to_owned());
    process.ok("register_instance", json!({ "name": "bob", "instance_id": "i-bob" }));
    let mut later = world.process("q");
    later.caller.session = Some("s1".to_owned());
    assert_eq!(you(&later, json!({})), "i-bob");
    later.caller.from_environment = Some("nobody".to_owned());
    assert_eq!(you(&later, json!({})), Value::Null);
}

#[test]
fn who_cannot_be_known_is_told_how_to_say_it() {
    let world = World::new();
    let nobody = world.nobody();
    for operation in NEED_A_CALLER {
        let error = nobody.refused("no_identity", operation, arguments(operation));
        let hint = error.hint.unwrap();
        for way in ["register_instance", "instance_id", "ORCH_INSTANCE"] {
            assert!(hint.contains(way), "{operation}: {hint}");
        }
    }
    let mut stranger = world.nobody();
    stranger.caller.from_environment = Some("@zoe".to_owned());
    let error = stranger.refused("no_identity", "heartbeat", json!({}));
    assert!(error.message.contains("zoe") && error.hint.unwrap().contains("`zoe`"));
    // Whoever registered an id as a name would bear one that looks like somebody else.
    stranger.caller.from_environment = Some("i-0123456789".to_owned());
    let hint = stranger.refused("no_identity", "heartbeat", json!({})).hint.unwrap();
    assert!(hint.contains("list_instances") && !hint.contains("register_instance"), "{hint}");
}

/// A list that nobody keeps is soon wrong.
#[test]
fn every_other_operation_works_for_anybody() {
    let world = World::new();
    world.joined("bob").push("t", json!({}));
    for entry in orch_mcp::ops::OPERATIONS.iter().filter(|entry| !NEED_A_CALLER.contains(&entry.name)) {
        if let Err(error) = world.nobody().call(entry.name, arguments(entry.name)) {
            assert_ne!(error.kind.code(), "no_identity", "{}: {error:?}", entry.name);
        }
    }
}

#[test]
fn an_argument_that_names_nobody_is_an_error_with_the_nearest_name() {
    let world = World::new();
    world.joined("bob");
    let error = world.nobody().refused("not_found", "heartbeat", json!({ "instance_id": "bpb" }));
    assert!(error.hint.unwrap().contains("`bob`"));
}

#[test]
fn no_argument_of_a_message_says_who_sent_it() {
    let world = World::new();
    let (amy, bob) = (world.joined_as("amy", "tester"), world.joined("bob"));
    for field in ["from", "sender", "origin", "role"] {
        amy.refused("invalid", "send_message", json!({ "to_name": "bob", "content": "m", field: "bob" }));
    }
    amy.send("bob", "m");
    let mail = bob.ok("poll_messages", json!({}));
    assert_eq!(
        mail["messages"][0]["from"],
        json!({ "instance": "i-amy", "name": "amy", "role": "tester", "origin": "agent" })
    );
}

#[test]
fn a_person_without_an_instance_may_send_under_their_own_name() {
    let world = World::new();
    let bob = world.joined("bob");
    let mut person = world.nobody();
    person.caller.origin = orch_mcp::ops::caller::Origin::Human;
    person.caller.person = Some("Zoe".to_owned());
    person.send("bob", "m");
    let mail = bob.ok("poll_messages", json!({}));
    assert_eq!(mail["messages"][0]["from"], json!({ "name": "Zoe", "origin": "human" }));
}
