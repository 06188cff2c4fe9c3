//! Dependencies: nothing starts before what it needs is completed, and what can never start says so.

use super::*;

#[test]
fn whoever_pushes_a_task_behind_one_that_is_over_is_told_that_it_waits() {
    let world = World::new();
    let amy = world.joined("amy");
    let note =
        |depends_on: &[&String]| amy.ok("push_task", json!({ "title": "t", "depends_on": depends_on }))["note"].take();
    let (done, failed, cancelled) = (amy.push("a", json!({})), amy.push("b", json!({})), amy.push("c", json!({})));
    assert_eq!(note(&[&done, &failed, &cancelled]), Value::Null, "nothing is lost yet");
    amy.steps(&["claim_task", "complete_task"], &done);
    amy.steps(&["claim_task", "fail_task"], &failed);
    amy.steps(&["cancel_task"], &cancelled);
    assert_eq!(note(&[&done]), Value::Null);
    assert_eq!(
        note(&[&done, &failed]),
        format!("`{failed}` is failed: the task waits until that is retried or its dependencies are changed")
    );
    assert_eq!(
        note(&[&cancelled, &failed, &failed]),
        format!(
            "`{failed}` is failed, `{cancelled}` is cancelled: \
             the task waits until these are retried or its dependencies are changed"
        )
    );
    let both = json!({ "title": "t", "depends_on": [failed], "assignee": "zoe" });
    let both = text(&amy.ok("push_task", both)["note"]);
    assert!(both.contains("`@zoe`") && both.contains(&failed), "{both}");

    let many: Vec<String> = (0..7).map(|_| amy.push("t", json!({}))).collect();
    many.iter().for_each(|id| amy.steps(&["cancel_task"], id));
    let told = text(&note(&many.iter().collect::<Vec<_>>()));
    assert!(told.contains(&many[4]) && !told.contains(&many[5]) && told.contains("so are 2 more"), "{told}");
}

fn plan(process: &Process, tasks: Value) -> Result<Value, orch_mcp::error::Error> {
    process.call("push_tasks", json!({ "tasks": tasks }))
}

#[test]
fn a_plan_may_depend_on_itself_in_any_order_and_on_what_is_there() {
    let world = World::new();
    let bob = world.joined("bob");
    let there = bob.push("there", json!({}));
    let pushed = plan(
        &bob,
        json!([
            { "title": "last", "ref": "c", "depends_on": ["b", "a"] },
            { "title": "middle", "ref": "b", "depends_on": ["a", there] },
            { "title": "first", "ref": "a" },
        ]),
    )
    .unwrap();
    assert_eq!(pushed["count"], 3);
    assert_eq!(each(&pushed["tasks"], "title"), ["last", "middle", "first"], "told in the order they were given");
    assert_eq!(each(&pushed["tasks"], "ref"), ["c", "b", "a"]);
    let mut order = Vec::new();
    while let Some(id) = bob.claim() {
        order.push(text(&bob.task(&id)["title"]));
        bob.steps(&["complete_task"], &id);
    }
    assert_eq!(order, ["there", "first", "middle", "last"]);
}

#[test]
fn cycles_are_refused_with_the_path_shown_and_push_nothing() {
    let world = World::new();
    let bob = world.joined("bob");
    for (tasks, path) in [
        (json!([{ "title": "t", "ref": "a", "depends_on": ["a"] }]), "a -> a"),
        (
            json!([{ "title": "t", "ref": "a", "depends_on": ["b"] }, { "title": "t", "ref": "b", "depends_on": ["a"] }]),
            "a -> b -> a",
        ),
        (
            json!([
                { "title": "good" },
                { "title": "t", "ref": "x", "depends_on": ["a"] },
                { "title": "t", "ref": "a", "depends_on": ["b"] },
                { "title": "t", "ref": "b", "depends_on": ["c"] },
                { "title": "t", "ref": "c", "depends_on": ["a"] },
            ]),
            "a -> b -> c -> a",
        ),
    ] {
        let error = plan(&bob, tasks).unwrap_err();
        assert_eq!(error.kind.code(), "invalid");
        assert!(error.message.contains(path), "{}", error.message);
    }
    assert_eq!(bob.ok("list_tasks", json!({}))["total"], 0);
}

#[test]
fn a_cycle_made_later_is_refused_with_the_path_shown_and_changes_nothing() {
    let world = World::new();
    let bob = world.joined("bob");
    let a = bob.push("a", json!({}));
    let b = bob.push("b", json!({ "depends_on": [a] }));
    let c = bob.push("c", json!({ "depends_on": [b] }));
    let before = bob.task(&a);
    for (needs, path) in [(&a, format!("{a} -> {a}")), (&c, format!("{a} -> {c} -> {b} -> {a}"))] {
        let error = bob.refused("invalid", "update_task", json!({ "task_id": a, "depends_on": [needs] }));
        assert!(error.message.contains(&path), "{}", error.message);
        assert_eq!(bob.task(&a), before);
    }
}

#[test]
fn unknown_ids_are_refused_and_push_nothing() {
    let world = World::new();
    let bob = world.joined("bob");
    let error = bob.refused("not_found", "push_task", json!({ "title": "t", "depends_on": ["task-9"] }));
    assert!(error.message.contains("task-0000000009"), "{}", error.message);
    let error = plan(&bob, json!([{ "title": "good" }, { "title": "t", "depends_on": ["9"] }])).unwrap_err();
    assert!(error.message.contains("tasks[1]") && error.message.contains("task-0000000009"), "{}", error.message);
    let error = plan(&bob, json!([{ "title": "t", "ref": "a" }, { "title": "t", "depends_on": ["aa"] }])).unwrap_err();
    assert!(error.message.contains("`aa`"), "{}", error.message);
    let error = plan(&bob, json!([{ "title": "t", "ref": "a" }, { "title": "t", "ref": "a" }])).unwrap_err();
    assert!(error.message.contains("two tasks are called `a`"), "{}", error.message);
    assert_eq!(bob.ok("list_tasks", json!({}))["total"], 0);
}

#[test]
fn a_dependency_that_ended_badly_leaves_its_dependants_waiting_and_they_say_so() {
    let world = World::new();
    let bob = world.joined("bob");
    for (steps, status) in [(&["claim_task", "fail_task"][..], "failed"), (&["cancel_task"], "cancelled")] {
        let needed = bob.push("needed", json!({}));
        let waiting = bob.push("waiting", json!({ "depends_on": [needed] }));
        bob.steps(steps, &needed);
        let task = bob.task(&waiting);
        assert_eq!((&task["status"], &task["ready"]), (&json!("pending"), &json!(false)));
        assert_eq!(task["waiting_for"], json!([{ "id": needed, "status": status }]));
        assert_eq!(bob.ok("claim_task", json!({}))["waiting"]["stuck"], 1);
        bob.steps(&["retry_task", "claim_task", "complete_task"], &needed);
        assert_eq!(bob.claim().as_ref(), Some(&waiting), "once it is done after all, they go on");
        bob.steps(&["complete_task"], &waiting);
    }
}

#[test]
fn completing_says_how_many_became_ready() {
    let world = World::new();
    let bob = world.joined("bob");
    let [a, b] = ["a", "b"].map(|title| bob.push(title, json!({})));
    bob.push("one", json!({ "depends_on": [a] }));
    bob.push("two", json!({ "depends_on": [a, b] }));
    bob.steps(&["claim_task"], &a);
    assert_eq!(bob.ok("complete_task", json!({ "task_id": a }))["unblocked"], 1);
    bob.steps(&["claim_task"], &b);
    assert_eq!(bob.ok("complete_task", json!({ "task_id": b }))["unblocked"], 1);
}

#[test]
fn what_a_task_needs_may_change_while_it_is_pending_and_only_then() {
    let world = World::new();
    let bob = world.joined("bob");
    let [a, b] = ["a", "b"].map(|title| bob.push(title, json!({})));
    let task = bob.push("t", json!({ "depends_on": [a] }));
    bob.ok("update_task", json!({ "task_id": task, "depends_on": [b] }));
    assert_eq!(bob.task(&task)["waiting_for"], json!([{ "id": b, "status": "ready" }]));
    bob.ok("update_task", json!({ "task_id": task, "depends_on": [] }));
    assert_eq!(bob.task(&task)["ready"], true);
    bob.steps(&["claim_task"], &task);
    bob.refused("conflict", "update_task", json!({ "task_id": task, "depends_on": [a] }));
}

#[test]
fn a_task_may_need_a_thousand_others_and_no_more() {
    let world = World::new();
    let bob = world.joined("bob");
    let tasks: Vec<Value> = (0..1_001).map(|_| json!({ "title": "t" })).collect();
    bob.ok("push_tasks", json!({ "tasks": tasks }));
    let needs = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>();
    bob.refused("invalid", "push_task", json!({ "title": "t", "depends_on": needs(1_001) }));
    let id = bob.push("t", json!({ "depends_on": needs(1_000) }));
    let before = bob.task(&id);
    bob.refused("invalid", "update_task", json!({ "task_id": id, "depends_on": needs(1_001) }));
    assert_eq!(bob.task(&id), before);
    assert_eq!(before["truncated"]["depends_on"], 1_000, "not all of them are shown");
}

/// The largest plan there may be: no recursion that could run out, no step that grows with the square.
#[test]
fn a_chain_of_ten_thousand_is_pushed_at_once_and_a_larger_plan_is_refused() {
    let world = World::new();
    let bob = world.joined("bob");
    let chain = |length: usize| -> Value {
        (0..length)
            .map(|number| {
                let needs: Vec<String> = if number + 1 < length { vec![(number + 1).to_string()] } else { Vec::new() };
                json!({ "title": "t", "ref": number.to_string(), "depends_on": needs })
            })
            .collect()
    };
    assert_eq!(plan(&bob, chain(10_000)).unwrap()["count"], 10_000);
    let status = bob.ok("server_status", json!({}));
    assert_eq!((&status["tasks"]["ready"], &status["tasks"]["waiting"]), (&json!(1), &json!(9_999)));
    assert_eq!(plan(&bob, chain(10_001)).unwrap_err().kind.code(), "invalid");
    assert_eq!(plan(&bob, json!([])).unwrap_err().kind.code(), "invalid");
}

#[test]
fn whoever_goes_on_is_told_what_was_done_before() {
    let world = World::new();
    let amy = world.joined("amy");
    let (first, silent, failed) =
        (amy.push("first", json!({})), amy.push("silent", json!({})), amy.push("no", json!({})));
    let next = amy.push("next", json!({ "depends_on": [first, silent] }));
    let inputs = || amy.task(&next)["inputs"].take();
    assert_eq!(inputs(), Value::Null);
    amy.steps(&["claim_task"], &first);
    let done = json!({ "task_id": first, "result": "as planned\nin b.rs", "result_json": { "n": 1 },
        "evidence": { "commit": "abc1234", "branch": "b" } });
    amy.ok("complete_task", done);
    amy.steps(&["claim_task", "complete_task"], &silent);
    amy.steps(&["claim_task", "fail_task"], &failed);
    let expected = json!([{ "task": first, "title": "first", "result": "as planned\nin b.rs", "result_json": { "n": 1 },
        "commit": "abc1234", "branch": "b" }]);
    assert_eq!(inputs(), expected, "of what brought nothing nothing is told");
    assert_eq!(amy.ok("claim_task", json!({ "task_id": next }))["task"]["inputs"], expected);
    let (long, after) = (amy.push("long", json!({})), "after");
    let after = amy.push(after, json!({ "depends_on": [long] }));
    amy.steps(&["claim_task"], &long);
    amy.ok("complete_task", json!({ "task_id": long, "result": "x".repeat(50_000) }));
    let told = &amy.task(&after)["inputs"][0];
    assert_eq!((text(&told["result"]).len(), &told["is_cut"]), (1_500, &json!(true)));
}
