//! Idempotency: a call repeated with its key is carried out once, and answered alike ever after.

use super::*;
use orch_mcp::ops::Effect;
use orch_mcp::ops::OPERATIONS;

/// Something that each changing operation can do on this stage: bob holds tasks 1 to 7, task 8 is blocked, 9 failed,
/// message 1 is in his inbox, and the questions are his: 1 is open, and nobody answered 2 in time. builder-1 runs.
pub fn stage() -> (World, Process) {
    stage_in(World::new())
}

pub fn stage_in(world: World) -> (World, Process) {
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for number in 1..=12 {
        let id = bob.push(&number.to_string(), json!({}));
        if number <= 9 {
            bob.steps(&["claim_task"], &id);
        }
    }
    bob.steps(&["block_task"], "8");
    bob.steps(&["fail_task"], "9");
    let plan = json!([{ "title": "failed" }, { "title": "left" }]);
    let made = bob.ok("create_job", json!({ "goal": "g", "tasks": plan }));
    bob.steps(&["claim_task", "fail_task"], &text(&made["pushed"]["tasks"][0]["id"]));
    amy.send("bob", "m");
    bob.ok("ask_human", json!({ "question": "Which?" }));
    bob.ok("ask_human", json!({ "question": "Soon?", "deadline_secs": 1 }));
    bob.ok("launch_workers", json!({ "role": "builder" }));
    let view = bob.ok("lead_fleet", json!({ "process": "stage", "timeout_seconds": 0 }));
    let begins = json!([["builder-1", { "is": { "instance": "i-bob" } }], ["builder-1", { "begins": {} }]]);
    bob.ok("note_fleet", json!({ "term": view["fleet"]["term"], "notes": begins }));
    world.pass_secs(1);
    (world, bob)
}

pub fn arguments(operation: &str) -> Value {
    match operation {
        "start_task" => json!({ "task_id": "1" }),
        "renew_task" => json!({ "task_id": "2" }),
        "complete_task" => {
            json!({ "task_id": "3", "result": "r", "result_json": { "n": 1 }, "evidence": { "commit": "c" } })
        }
        "block_task" => json!({ "task_id": "4", "reason": "r" }),
        "fail_task" => json!({ "task_id": "5", "reason": "r" }),
        "release_task" => json!({ "task_id": "6" }),
        "update_task" => {
            json!({ "task_id": "7", "progress": "half", "labels": ["x"], "description": "x".repeat(9_000) })
        }
        "unblock_task" => json!({ "task_id": "8" }),
        "retry_task" => json!({ "task_id": "9" }),
        "cancel_task" => json!({ "task_id": "12" }),
        "send_message" => json!({ "to_instance": "@zoe", "content": "m" }),
        "set_context" => json!({ "key": "k", "value": { "a": 1 } }),
        "push_task" => {
            json!({ "title": "t", "metadata": { "k": 1.5 }, "not_before": "2999-01-01T00:00:00Z", "assignee": "@zoe" })
        }
        "push_tasks" => json!({ "tasks": [{ "title": "a", "ref": "a" }, { "title": "b", "depends_on": ["a"] }] }),
        "create_job" => {
            json!({ "goal": "g", "tasks": [{ "title": "a", "ref": "a" }, { "title": "b", "depends_on": ["a"] }] })
        }
        "add_subtask" => json!({ "job_id": "1", "prompt": "p", "priority": 9 }),
        "retry_failed" | "cancel_job" => json!({ "job_id": "1" }),
        "wait_for_job" => json!({ "job_id": "1", "timeout_seconds": 0 }),
        "decompose" => json!({ "goal": "g" }),
        "run_pipeline" => json!({ "pipeline": "chain", "title": "t" }),
        "quick_delegate" => json!({ "prompts": ["p", "q"], "timeout_seconds": 0 }),
        "wait_for_answer" => json!({ "question_id": "2", "timeout_seconds": 0 }),
        operation => caller::arguments(operation),
    }
}

fn changing() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().filter(|entry| entry.effect == Effect::Write).map(|entry| entry.name)
}

fn with_key(operation: &str, key: &str) -> Value {
    let mut arguments = arguments(operation);
    arguments["idempotency_key"] = json!(key);
    arguments
}

pub fn events(process: &Process) -> Value {
    process.ok("server_status", json!({}))["newest_event"].take()
}

#[test]
fn every_changing_operation_is_carried_out_once_and_answered_alike() {
    for operation in changing() {
        let (_world, bob) = stage();
        let first =
            bob.reply(operation, with_key(operation, "key")).unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        let before = events(&bob);
        for _ in 0..2 {
            // Who has left is nobody any more, and has to say again who calls.
            let again = bob
                .reply(operation, with_key(operation, "key"))
                .unwrap_or_else(|error| panic!("{operation}: {error:?}"));
            assert_eq!(again.data, first.data, "{operation}");
            assert_eq!((again.outcome, again.text()), (first.outcome, first.text()), "{operation}");
            assert_eq!(again.ids, first.ids, "{operation}");
        }
        assert_eq!(events(&bob), before, "{operation} was carried out again");
    }
}

/// The state of the world may be another by then; the answer is the first one all the same.
#[test]
fn the_first_answer_stands_across_processes_and_whatever_happened_since() {
    let (world, bob) = stage();
    let first = bob.ok("claim_task", json!({ "idempotency_key": "key" }));
    let id = text(&first["task"]["id"]);
    bob.steps(&["complete_task"], &id);
    drop(bob);
    let again = world.process("new");
    let answer = again.ok("claim_task", json!({ "instance_id": "bob", "idempotency_key": "key" }));
    assert_eq!(answer, first);
    assert_eq!(again.task(&id)["status"], "completed");
}

#[test]
fn a_retried_registration_gives_the_same_identity() {
    let world = World::new();
    let first = world.process("p").ok("register_instance", json!({ "name": "bob", "idempotency_key": "key" }));
    let process = world.process("q");
    let again = process.ok("register_instance", json!({ "name": "bob", "idempotency_key": "key" }));
    assert_eq!(again, first);
    assert_eq!(process.ok("server_status", json!({}))["you"], first["instance"]["id"]);
}

#[test]
fn the_same_key_with_other_arguments_or_for_another_operation_is_refused() {
    let world = World::new();
    let bob = world.joined("bob");
    bob.ok("push_task", json!({ "title": "a", "idempotency_key": "key" }));
    for (operation, arguments) in [
        ("push_task", json!({ "title": "b", "idempotency_key": "key" })),
        ("push_task", json!({ "title": "a", "description": "more", "idempotency_key": "key" })),
        ("set_context", json!({ "key": "k", "value": "a", "idempotency_key": "key" })),
    ] {
        let error = bob.refused("conflict", operation, arguments);
        assert!(error.message.contains("`key`") && error.message.contains("push_task"), "{error:?}");
        assert!(error.hint.is_some());
    }
    assert_eq!(bob.ok("list_tasks", json!({}))["total"], 1);
}

/// Were it given to them, two instances would believe that they hold one task.
#[test]
fn a_key_gives_nobody_the_answer_of_somebody_else() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    bob.push("t", json!({}));
    assert_eq!(bob.ok("claim_task", json!({ "idempotency_key": "1" }))["claimed"], true);
    let answer = amy.call("claim_task", json!({ "idempotency_key": "1" }));
    assert!(answer.as_ref().is_err_and(|error| error.kind.code() == "conflict"), "{answer:?}");
}

#[test]
fn a_refusal_is_no_answer_and_may_be_tried_again() {
    let world = World::new();
    let bob = world.joined("bob");
    bob.refused("not_found", "claim_task", json!({ "task_id": "1", "idempotency_key": "key" }));
    let id = bob.push("t", json!({}));
    assert_eq!(bob.ok("claim_task", json!({ "task_id": "1", "idempotency_key": "key" }))["task"]["id"], *id);
}

#[test]
fn a_key_has_bounds_and_reading_takes_none() {
    let world = World::new();
    let bob = world.joined("bob");
    for key in ["", &"x".repeat(201)] {
        bob.refused("invalid", "push_task", json!({ "title": "t", "idempotency_key": key }));
    }
    bob.ok("push_task", json!({ "title": "t", "idempotency_key": "ü".repeat(200) }));
    bob.refused("invalid", "list_tasks", json!({ "idempotency_key": "key" }));
}

#[test]
fn of_many_that_repeat_one_call_at_once_one_is_carried_out() {
    let world = World::new();
    world.joined("bob");
    let repeat = |number: usize| {
        let mut process = world.process(&number.to_string());
        process.caller.from_environment = Some("bob".to_owned());
        process.ok("push_task", json!({ "title": "t", "idempotency_key": "key" }))
    };
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|number| scope.spawn(move || repeat(number))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(world.nobody().ok("list_tasks", json!({}))["total"], 1);
}
