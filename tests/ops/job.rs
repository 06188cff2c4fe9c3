//! Jobs: a goal and its tasks, from one call to one answer, and never told better than they are.

use super::wait::woken_by;
use super::*;
use orch_mcp::model::id::TaskId;
use orch_mcp::store::EventFilter;
use orch_mcp::store::Mode;
use orch_mcp::store::Store;
use orch_mcp::store::sqlite::SqliteStore;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

#[track_caller]
fn created(process: &Process, tasks: Value) -> (String, BTreeMap<String, String>) {
    let made = process.ok("create_job", json!({ "goal": "Ship it", "tasks": tasks }));
    let ids = made["pushed"]["tasks"].as_array().into_iter().flatten();
    (text(&made["job"]["id"]), ids.map(|task| (text(&task["title"]), text(&task["id"]))).collect())
}

#[track_caller]
fn job(process: &Process, id: &str) -> Value {
    process.ok("get_job", json!({ "job_id": id }))
}

#[track_caller]
fn state(process: &Process, id: &str) -> String {
    text(&job(process, id)["state"])
}

#[track_caller]
fn done(process: &Process, id: &str, result: &str) {
    process.ok("claim_task", json!({ "task_id": id }));
    process.ok("complete_task", json!({ "task_id": id, "result": result }));
}

#[test]
fn a_job_and_its_plan_come_in_one_call_or_not_at_all() {
    let world = World::new();
    let amy = world.joined("amy");
    let plan = json!([
        { "title": "last", "depends_on": ["b"], "priority": 9 },
        { "title": "part of a", "parent": "a", "priority": "3" },
        { "title": "middle", "ref": "b", "depends_on": ["a"], "priority": "high" },
        { "title": "first", "ref": "a" },
    ]);
    let (id, tasks) = created(&amy, plan);
    let task = |title: &str| amy.task(&tasks[title]);
    assert_eq!(task("last")["depends_on"], json!([tasks["middle"]]));
    assert_eq!(task("part of a")["parent"], tasks["first"], "a parent may be of the plan too");
    assert_eq!(task("part of a")["ready"], true, "and need not be done first, unless it is depended on");
    let priorities = ["last", "part of a", "middle", "first"].map(|title| text(&task(title)["priority"]));
    assert_eq!(priorities, ["9", "3", "high", "medium"]);
    assert_eq!((task("last")["job"].clone(), task("last")["goal"].clone()), (json!(id), json!("Ship it")));
    let seen = job(&amy, &id);
    assert_eq!(seen["by_status"], json!({ "ready": 2, "waiting": 2 }));
    assert_eq!(seen["critical_path"]["length"], 3);
    let jobs = || amy.ok("list_jobs", json!({}))["total"].clone();
    let before = jobs();
    for (arguments, wanted) in [
        (json!({ "goal": "  " }), "`goal` must have 1 to 2000 characters"),
        (json!({ "goal": "g", "budget": { "turns": 0 } }), "turns"),
        (
            json!({ "goal": "g", "tasks": [{ "title": "a", "ref": "a", "depends_on": ["b"] },
            { "title": "b", "ref": "b", "depends_on": ["a"] }] }),
            "a -> b -> a",
        ),
        (
            json!({ "goal": "g", "tasks": [{ "title": "fine" }, { "title": "a", "priority": 11 }] }),
            "`tasks[1].priority` must be",
        ),
        (json!({ "goal": "g", "tasks": [{ "title": "a", "priority": 0 }] }), "`tasks[0].priority`"),
        (json!({ "goal": "g", "tasks": [{ "title": "a", "depends_on": ["nothing"] }] }), "nothing"),
    ] {
        let error = amy.refused("invalid", "create_job", arguments);
        assert!(error.message.contains(wanted), "{} is not about {wanted}", error.message);
    }
    let past = json!({ "goal": "g", "deadline": "2001-01-01T00:00:00Z" });
    assert!(amy.refused("refused", "create_job", past).message.contains("`deadline` has passed"));
    assert_eq!(jobs(), before, "none was made");
}

#[test]
fn a_subtask_is_told_as_a_prompt_and_a_child_waits_for_its_parent() {
    let world = World::new();
    let amy = world.joined("amy");
    let (id, _) = created(&amy, json!([]));
    assert_eq!(state(&amy, &id), "empty");
    let add = |prompt: &str, more: Value| {
        let mut arguments = json!({ "job_id": id, "prompt": prompt });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        amy.call("add_subtask", arguments)
    };
    let parent = add("\n  Write the parser\nwith care", json!({ "priority": 1, "context_files": ["a.md"] })).unwrap();
    let told = &parent["task"];
    assert_eq!(
        (&told["title"], &told["description"]),
        (&json!("Write the parser"), &json!("Write the parser\nwith care"))
    );
    assert_eq!((&told["priority"], &told["context_files"]), (&json!("1"), &json!(["a.md"])));
    let short = add("Short", json!({ "title": "Named", "priority": "critical" })).unwrap();
    assert_eq!((&short["task"]["title"], &short["task"]["description"]), (&json!("Named"), &json!("Short")));
    let child = add("Child", json!({ "parent": told["id"], "priority": 10 })).unwrap()["task"].take();
    assert_eq!((&child["ready"], &child["parent"]), (&json!(false), &told["id"]));
    assert_eq!(child["description"], Value::Null, "the title says it all");
    let (other, _) = created(&amy, json!([]));
    let elsewhere = amy.ok("add_subtask", json!({ "job_id": other, "prompt": "p" }));
    let error = add("p", json!({ "parent": elsewhere["task"]["id"] })).unwrap_err();
    assert!(error.message.contains("is no part of job"), "{error:?}");
    for priority in [json!(0), json!(11), json!("urgent")] {
        assert!(add("p", json!({ "priority": priority })).is_err(), "{priority}");
    }
    let order: Vec<String> = std::iter::from_fn(|| amy.claim()).map(|id| text(&amy.task(&id)["title"])).collect();
    assert_eq!(order, ["Named", "p", "Write the parser"], "the more urgent first");
}

#[test]
fn ten_levels_of_urgency_are_handed_out_in_their_order() {
    let world = World::new();
    let amy = world.joined("amy");
    for urgency in [3, 10, 1, 7, 5, 9, 2, 8, 4, 6] {
        amy.push(&urgency.to_string(), json!({ "urgency": urgency }));
    }
    let order: Vec<String> = std::iter::from_fn(|| amy.claim()).map(|id| text(&amy.task(&id)["title"])).collect();
    assert_eq!(order, ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1"]);
    amy.refused("refused", "push_task", json!({ "title": "t", "urgency": 3, "priority": "high" }));
}

#[test]
fn how_it_stands_follows_from_its_tasks_and_its_end_is_told_truly() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined("bob");
    let (id, tasks) = created(&amy, json!([{ "title": "a", "ref": "a" }, { "title": "b", "depends_on": ["a"] }]));
    assert_eq!(state(&amy, &id), "ready");
    bob.ok("claim_task", json!({ "task_id": tasks["a"] }));
    assert_eq!(state(&amy, &id), "running");
    bob.steps(&["fail_task"], &tasks["a"]);
    let stuck = job(&amy, &id);
    assert_eq!((&stuck["state"], &stuck["percent"]), (&json!("stuck"), &json!(0)));
    let held_up = &stuck["held_up_by"];
    assert_eq!((&held_up[0]["task"], &held_up[0]["waiting"]), (&json!(tasks["a"]), &json!(1)), "{stuck}");
    assert!(amy.poll()[0].contains("is stuck"), "whoever made it hears of it");
    let retried = amy.ok("retry_failed", json!({ "job_id": id }));
    assert_eq!((&retried["retried"], &retried["job"]["state"]), (&json!(1), &json!("ready")));
    done(&bob, &tasks["a"], "A");
    bob.steps(&["claim_task", "fail_task"], &tasks["b"]);
    assert_eq!(state(&amy, &id), "failed", "not all is well because all is over");
    assert!(amy.poll()[0].contains("has ended: failed. 1 of 2 tasks are completed, 1 failed"));
    let grown = amy.ok("add_subtask", json!({ "job_id": id, "prompt": "what the failure taught" }));
    assert_eq!(state(&amy, &id), "running", "its plan may grow");
    amy.ok("cancel_task", json!({ "task_id": grown["task"]["id"] }));
    assert_eq!(state(&amy, &id), "failed");
    amy.ok("retry_failed", json!({ "job_id": id }));
    done(&bob, &tasks["b"], "B");
    let over = job(&amy, &id);
    assert_eq!((&over["state"], &over["percent"], &over["left"]), (&json!("completed"), &json!(100), &json!(0)));
    assert!(over["ended_at"].is_string());
    let events = each(&amy.ok("list_events", json!({ "kind": "job.", "limit": 50 }))["events"], "kind");
    let expected = ["created", "stuck", "goes_on", "ended", "goes_on", "ended", "goes_on", "ended"];
    assert_eq!(events, expected.map(|kind| format!("job.{kind}")));
}

#[test]
fn what_another_job_keeps_it_from_is_told_and_so_is_that_it_goes_on() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let (_, base) = created(&bob, json!([{ "title": "base" }]));
    let (id, _) = created(&amy, json!([{ "title": "top", "depends_on": [base["base"]] }]));
    let told = || each(&amy.ok("list_events", json!({ "kind": "job.", "subject": id, "limit": 9 }))["events"], "kind");
    amy.poll();
    assert_eq!(state(&amy, &id), "ready");
    bob.ok("claim_task", json!({ "task_id": base["base"] }));
    bob.ok("block_task", json!({ "task_id": base["base"], "reason": "no key" }));
    assert_eq!(
        (state(&amy, &id), told()),
        ("stuck".to_owned(), ["job.created", "job.stuck"].map(str::to_owned).into())
    );
    assert!(amy.poll()[0].contains("is stuck"), "whoever made it hears of it");
    bob.ok("unblock_task", json!({ "task_id": base["base"] }));
    assert_eq!(told().last().unwrap(), "job.goes_on");
    bob.ok("cancel_task", json!({ "task_id": base["base"] }));
    assert_eq!(told().last().unwrap(), "job.stuck");
}

/// However many jobs lie between.
#[test]
fn what_holds_up_a_job_through_others_is_told_with_its_reason() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let (_, base) = created(&bob, json!([{ "title": "x" }, { "title": "y", "ref": "y" }]));
    bob.ok("update_task", json!({ "task_id": base["x"], "depends_on": [base["y"]] }));
    let (id, _) = created(&amy, json!([{ "title": "top", "depends_on": [base["x"]] }]));
    assert_eq!(state(&amy, &id), "ready");
    bob.steps(&["claim_task"], &base["y"]);
    bob.ok("fail_task", json!({ "task_id": base["y"], "reason": "no key" }));
    let stuck = job(&amy, &id);
    assert_eq!((&stuck["state"], &stuck["held_up_by"][0]["task"]), (&json!("stuck"), &json!(base["x"])), "{stuck}");
    let told = each(&amy.ok("list_events", json!({ "kind": "job.", "subject": id, "limit": 9 }))["events"], "kind");
    assert_eq!(told.last().unwrap(), "job.stuck");
    bob.ok("retry_task", json!({ "task_id": base["y"] }));
    assert_eq!(state(&amy, &id), "ready");
}

#[test]
fn a_job_that_waits_for_what_the_human_is_asked_about_another_is_not_stuck() {
    let world = World::new();
    let amy = world.joined("amy");
    let plan = amy.ok(
        "decompose",
        json!({ "goal": "g", "approve": true, "tasks": [
        { "key": "a", "title": "t", "acceptance": ["x"] }] }),
    );
    let (id, _) = created(&amy, json!([{ "title": "top", "depends_on": [plan["task_id"]] }]));
    let waits = job(&amy, &id);
    assert_eq!((&waits["state"], &waits["held_up_by"][0]["task"]), (&json!("ready"), &plan["task_id"]), "{waits}");
    amy.ok("answer_question", json!({ "question": plan["question_id"], "decision": "approve" }));
    assert_eq!(job(&amy, &id)["by_status"], json!({ "ready": 1 }));
}

#[test]
fn a_task_of_a_job_that_was_called_off_takes_it_up_again() {
    let world = World::new();
    let amy = world.joined("amy");
    let (id, tasks) = created(&amy, json!([{ "title": "a" }]));
    amy.ok("cancel_job", json!({ "job_id": id, "reason": "too dear" }));
    amy.ok("retry_task", json!({ "task_id": tasks["a"] }));
    assert_eq!(state(&amy, &id), "ready");
    done(&amy, &tasks["a"], "A");
    assert_eq!(state(&amy, &id), "completed");
}

#[test]
fn when_it_ends_is_told_as_a_band_once_that_was_measured() {
    let world = World::new();
    let amy = world.joined("amy");
    let tasks: Vec<Value> = (0..6).map(|number| json!({ "title": number.to_string() })).collect();
    let (id, tasks) = created(&amy, json!(tasks));
    let unknown = || job(&amy, &id)["eta_unknown"].clone();
    assert_eq!(unknown(), "nobody works at it");
    for number in 0..2 {
        amy.ok("claim_task", json!({ "task_id": tasks[&number.to_string()] }));
        assert_eq!(unknown(), "too few of its tasks are done to tell how long they take");
        world.pass_secs(60);
        amy.steps(&["complete_task"], &tasks[&number.to_string()]);
    }
    assert_eq!(unknown(), "nobody works at it");
    amy.steps(&["claim_task"], &tasks["2"]);
    let eta = job(&amy, &id)["eta"].take();
    assert_eq!(eta, json!({ "from_seconds": 240, "to_seconds": 240 }), "four of a minute each, at one pair of hands");
    amy.steps(&["complete_task"], &tasks["2"]);
    amy.ok("cancel_job", json!({ "job_id": id }));
    assert_eq!(unknown(), "it has ended");
}

#[test]
fn a_wait_ends_with_the_job_or_with_what_one_wants_to_hear_of() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined("bob");
    let (id, tasks) = created(&amy, json!([{ "title": "a" }, { "title": "b" }, { "title": "c" }]));
    let wait = |until: &str, change: &dyn Fn()| {
        woken_by(&amy, "wait_for_job", json!({ "job_id": id, "until": until, "timeout_seconds": 120 }), change)
    };
    let at_once = |until: &str| {
        let news = amy.ok("wait_for_job", json!({ "job_id": id, "until": until, "timeout_seconds": 0 }));
        assert_eq!(news["timed_out"] == true, news["because"].is_null());
        news["because"].clone()
    };
    assert_eq!(wait("progress", &|| done(&bob, &tasks["a"], "A"))["because"], "progress");
    for until in ["ended", "failure", "question", "trouble", "progress"] {
        assert_eq!(at_once(until), Value::Null, "{until}");
    }
    bob.ok("claim_task", json!({ "task_id": tasks["b"] }));
    let asks = || drop(bob.ok("ask_human", json!({ "question": "Which?" })));
    assert_eq!(wait("question", &asks)["because"], "question");
    assert_eq!((at_once("trouble"), at_once("failure")), (json!("question"), Value::Null));
    assert_eq!(job(&amy, &id)["questions"][0]["text"], "Which?");
    assert_eq!(wait("failure", &|| bob.steps(&["fail_task"], &tasks["b"]))["because"], "failure");
    let collected =
        woken_by(&amy, "wait_for_job", json!({ "job_id": id, "collect": true, "timeout_seconds": 120 }), || {
            done(&bob, &tasks["c"], "C")
        });
    assert_eq!((&collected["because"], &collected["job"]["state"]), (&json!("ended"), &json!("failed")));
    assert_eq!(each(&collected["results"], "status"), ["completed", "failed", "completed"]);
}

#[test]
fn a_deadline_that_passes_is_trouble_and_changes_nothing_else() {
    let world = World::new();
    let amy = world.joined("amy");
    let now = amy.ok("server_status", json!({}));
    let made = amy.ok("create_job", json!({ "goal": "g", "tasks": [{ "title": "t" }], "deadline": in_an_hour(&amy) }));
    let id = text(&made["job"]["id"]);
    let late = |until: &str| {
        amy.ok("wait_for_job", json!({ "job_id": id, "until": until, "timeout_seconds": 0 }))["because"].clone()
    };
    assert_eq!((late("trouble"), &job(&amy, &id)["overdue"]), (Value::Null, &Value::Null), "{now}");
    world.pass_secs(3_601);
    assert_eq!(
        (late("trouble"), late("ended"), &job(&amy, &id)["overdue"]),
        (json!("late"), Value::Null, &json!(true))
    );
}

/// An hour from the world's now, which an event tells.
fn in_an_hour(process: &Process) -> String {
    let pushed = process.ok("push_task", json!({ "title": "clock" }));
    let at: orch_mcp::model::time::Timestamp = text(&pushed["task"]["created_at"]).parse().unwrap();
    process.ok("cancel_task", json!({ "task_id": pushed["task"]["id"] }));
    at.plus_millis(3_600_000).to_string()
}

#[test]
fn results_come_page_by_page_and_also_while_it_runs() {
    let world = World::new();
    let amy = world.joined("amy");
    let tasks: Vec<Value> = (0..7).map(|number| json!({ "title": number.to_string() })).collect();
    let (id, tasks) = created(&amy, json!(tasks));
    let results = |which: &str| {
        let arguments = json!({ "job_id": id, "which": which, "limit": 2 });
        all_pages(&amy, "get_results", "results", "title", arguments)
    };
    assert_eq!(results("all"), Vec::<String>::new());
    for number in [5, 0, 3] {
        done(&amy, &tasks[&number.to_string()], "done");
    }
    amy.steps(&["claim_task", "fail_task"], &tasks["1"]);
    amy.steps(&["cancel_task"], &tasks["2"]);
    assert_eq!(results("all"), ["0", "1", "2", "3", "5"], "in the order in which they were made");
    assert_eq!(results("completed"), ["0", "3", "5"]);
    assert_eq!(results("failed"), ["1"]);
    amy.steps(&["claim_task"], &tasks["4"]);
    let long = json!({ "task_id": tasks["4"], "result": "x".repeat(60_000), "result_json": { "n": 1 } });
    amy.ok("complete_task", long);
    let page = amy.ok("get_results", json!({ "job_id": id, "cursor": tasks["3"] }));
    let result = &page["results"][0];
    assert_eq!((&result["is_cut"], &result["result_json"]), (&json!(true), &json!({ "n": 1 })));
    assert!(text(&result["result"]).len() <= 2_000);
    assert_eq!(page["job"]["left"], 1, "and how much is still to come");
}

#[test]
fn what_failed_is_tried_again_as_often_as_it_may_be() {
    let world = World::new();
    let amy = world.joined("amy");
    let (id, tasks) =
        created(&amy, json!([{ "title": "once", "max_attempts": 1 }, { "title": "again" }, { "title": "off" }]));
    for title in ["once", "again"] {
        amy.steps(&["claim_task", "fail_task"], &tasks[title]);
    }
    amy.steps(&["cancel_task"], &tasks["off"]);
    let retried = amy.ok("retry_failed", json!({ "job_id": id }));
    assert_eq!(retried["tasks"], json!([tasks["again"]]));
    assert_eq!(retried["used_up"], json!([tasks["once"]]));
    let retried = amy.ok("retry_failed", json!({ "job_id": id, "force": true, "cancelled": true }));
    assert_eq!(retried["tasks"], json!([tasks["once"], tasks["off"]]));
    assert_eq!(amy.ok("retry_failed", json!({ "job_id": id }))["retried"], 0);
}

#[test]
fn a_job_that_is_called_off_takes_what_is_left_with_it_and_can_be_taken_up_again() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined("bob");
    let plan = json!([
        { "title": "done" }, { "title": "held" }, { "title": "blocked" }, { "title": "ready" },
        { "title": "waiting", "ref": "w", "depends_on": [] }, { "title": "behind", "depends_on": ["w"] },
    ]);
    let (id, tasks) = created(&amy, plan);
    done(&bob, &tasks["done"], "kept");
    bob.steps(&["claim_task", "block_task"], &tasks["blocked"]);
    bob.steps(&["claim_task"], &tasks["held"]);
    let off = amy.ok("cancel_job", json!({ "job_id": id, "reason": "the market changed" }));
    assert_eq!(
        (&off["called_off"], &off["job"]["state"], &off["job"]["percent"]),
        (&json!(5), &json!("cancelled"), &json!(16))
    );
    assert_eq!(off["job"]["reason"], "the market changed");
    let held = amy.task(&tasks["held"]);
    assert_eq!(
        (&held["status"], text(&held["reason"])),
        (&json!("cancelled"), "job-1 was called off: the market changed".to_owned())
    );
    bob.refused("stale_claim", "complete_task", json!({ "task_id": tasks["held"] }));
    assert!(amy.poll().is_empty(), "whoever calls it off knows");
    amy.refused("conflict", "cancel_job", json!({ "job_id": id }));
    for operation in ["add_subtask", "push_task", "push_tasks"] {
        let more = json!({ "job_id": id, "job": id, "prompt": "p", "title": "t", "tasks": [{ "title": "t" }] });
        let fields: &[&str] = match operation {
            "add_subtask" => &["job_id", "prompt"],
            "push_task" => &["job", "title"],
            _ => &["job", "tasks"],
        };
        let arguments: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), more[*field].clone())).collect();
        amy.refused("conflict", operation, Value::Object(arguments));
    }
    assert_eq!(amy.ok("get_results", json!({ "job_id": id, "which": "completed" }))["results"][0]["result"], "kept");
    let again = amy.ok("retry_failed", json!({ "job_id": id, "cancelled": true }));
    assert_eq!(
        (&again["retried"], &again["job"]["state"], &again["job"]["reason"]),
        (&json!(5), &json!("running"), &Value::Null)
    );
    amy.ok("add_subtask", json!({ "job_id": id, "prompt": "and one more" }));
    let (empty, _) = created(&amy, json!([]));
    assert_eq!(amy.ok("cancel_job", json!({ "job_id": empty }))["job"]["state"], "cancelled");
}

#[test]
fn prompts_go_in_and_results_come_out() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined_as("bob", "builder");
    let prompts = json!({ "prompts": ["one", "two"], "role": "builder", "timeout_seconds": 120 });
    let results = std::thread::scope(|scope| {
        let delegating = scope.spawn(|| amy.ok("quick_delegate", prompts.clone()));
        for result in ["first", "second"] {
            let task = bob.ok("wait_for_task", json!({ "timeout_seconds": 120 }));
            assert_eq!(task["ready"], true);
            let id = bob.claim().unwrap();
            bob.ok("complete_task", json!({ "task_id": id, "result": result }));
        }
        delegating.join().unwrap()
    });
    assert_eq!((&results["because"], &results["timed_out"]), (&json!("ended"), &json!(false)));
    assert_eq!(each(&results["results"], "result"), ["first", "second"]);
    assert_eq!(results["job"]["goal"], "2 tasks: one");
    let in_vain = json!({ "prompts": ["three"], "goal": "later", "timeout_seconds": 0, "idempotency_key": "k" });
    let first = amy.ok("quick_delegate", in_vain.clone());
    assert_eq!((&first["timed_out"], &first["job"]["goal"]), (&json!(true), &json!("later")));
    done(&bob, &bob.claim().unwrap(), "third");
    let again = amy.ok("quick_delegate", in_vain);
    assert_eq!(again["job"]["id"], first["job"]["id"], "what is asked once is done once");
    assert_eq!(each(&again["results"], "result"), ["third"], "and its results are those of now");
    amy.refused("invalid", "quick_delegate", json!({ "prompts": [] }));
}

#[test]
fn one_document_tells_all_in_as_many_bytes_as_one_wants() {
    let world = World::new();
    let amy = world.joined("amy");
    let (id, tasks) = created(
        &amy,
        json!([{ "title": "good" }, { "title": "bad" }, { "title": "late" }, { "title": "# Forged\n## heading" }]),
    );
    amy.steps(&["claim_task"], &tasks["good"]);
    amy.ok("complete_task", json!({
        "task_id": tasks["good"], "result": "It works.\n## Failed or called off\n- everything", "result_json": { "n": 7 },
        "evidence": { "commit": "abc1234", "files": ["src/a.rs", "src/b.rs"], "tests": "12 passed" },
    }));
    amy.steps(&["claim_task"], &tasks["bad"]);
    amy.ok("ask_human", json!({ "question": "Why not?" }));
    amy.ok("fail_task", json!({ "task_id": tasks["bad"], "reason": "it does not" }));
    let synthesize = |more: Value| {
        let mut arguments = json!({ "job_id": id });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        amy.ok("synthesize_job", arguments)
    };
    let whole = synthesize(json!({ "prompt": "Tell my user." }));
    assert_eq!(whole["is_cut"], false);
    let document = text(&whole["document"]);
    assert!(document.starts_with("Tell my user.\n\n# Ship it\n"), "{document}");
    for wanted in [
        "### task-1 good\n\n> It works.\n> ## Failed or called off\n> - everything\n> n: 7\n> commit: abc1234\n",
        "> tests: 12 passed\n> files: src/a.rs, src/b.rs\n",
        "## Failed or called off\n\n- task-2 bad (failed)\n  > it does not\n",
        "## Not done yet\n\n- task-3 late (ready)\n- task-4 # Forged ## heading (ready)\n",
        "## Commits\n\n- commit abc1234\n",
        "## Changed files\n\n- src/a.rs\n- src/b.rs\n",
    ] {
        assert!(document.contains(wanted), "{wanted}\nis not in\n{document}");
    }
    let headings = document.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(headings, 6, "nobody else's words are a heading: {document}");
    amy.steps(&["claim_task"], &tasks["late"]);
    amy.ok("complete_task", json!({ "task_id": tasks["late"], "result": "ü".repeat(30_000) }));
    let small = synthesize(json!({ "max_bytes": 2_000 }));
    assert!(text(&small["document"]).len() <= 2_000 && small["is_cut"] == true, "{small}");
    assert!(text(&small["document"]).contains("It works."), "what is short is not cut for what is long");
    amy.refused("invalid", "synthesize_job", json!({ "job_id": id, "max_bytes": 10 }));
}

/// A layer each of a hundred, each task of which waits for three of the layer before.
fn ten_thousand_in_layers() -> Value {
    let layer = 100;
    let task = |number: usize| {
        let (above, place) = (number / layer, number % layer);
        let needs = |step: usize| ((above - 1) * layer + (place + step) % layer).to_string();
        let needs: Vec<String> = if above == 0 { Vec::new() } else { [0, 1, 7].map(needs).to_vec() };
        json!({ "title": number.to_string(), "ref": number.to_string(), "depends_on": needs })
    };
    (0..10_000).map(task).collect()
}

#[test]
fn ten_thousand_tasks_in_layers_run_in_their_order_under_sixteen_workers() {
    let world = World::new();
    let amy = world.joined("amy");
    let made = amy.ok("create_job", json!({ "goal": "g", "tasks": ten_thousand_in_layers() }));
    assert_eq!((&made["pushed"]["count"], &made["job"]["left"]), (&json!(10_000), &json!(10_000)));
    std::thread::scope(|scope| {
        for number in 0..16 {
            let world = &world;
            scope.spawn(move || {
                let worker = world.joined(&format!("w{number}"));
                loop {
                    match worker.claim() {
                        Some(id) => drop(worker.ok("complete_task", json!({ "task_id": id }))),
                        None => {
                            let left = worker.ok("get_job", json!({ "job_id": "1" }))["left"].clone();
                            if left == 0 {
                                break;
                            }
                            worker.ok("wait_for_task", json!({ "timeout_seconds": 1 }));
                        }
                    }
                }
            });
        }
    });
    let over = job(&amy, "1");
    assert_eq!(
        (&over["state"], &over["completed"], &over["percent"]),
        (&json!("completed"), &json!(10_000), &json!(100))
    );
    let mut store = SqliteStore::open(&world.place(), world.host.clone(), &world.options).unwrap();
    let mut tx = store.begin(Mode::Read).unwrap();
    let events = tx.events(&EventFilter { kind: Some("task.".to_owned()), ..EventFilter::default() }, 100_000).unwrap();
    let (mut done, mut claimed) = (BTreeSet::new(), 0);
    for event in events {
        let id: TaskId = event.subject.parse().unwrap();
        match event.kind.as_str() {
            "task.claimed" => {
                claimed += 1;
                let needs = tx.dependencies_of(id).unwrap();
                assert!(needs.iter().all(|(needed, _)| done.contains(needed)), "{id} was begun before {needs:?}");
            }
            "task.completed" => assert!(done.insert(id), "{id} was completed twice"),
            _ => {}
        }
    }
    assert_eq!((done.len(), claimed), (10_000, 10_000), "each once");
}

#[test]
fn a_job_that_is_not_there_is_told_with_the_way_on() {
    let world = World::new();
    let amy = world.joined("amy");
    for operation in ["get_job", "get_results", "retry_failed", "cancel_job", "synthesize_job", "wait_for_job"] {
        let error = amy.refused("not_found", operation, json!({ "job_id": "job-9" }));
        assert!(error.hint.unwrap().contains("create_job"), "{operation}");
    }
    amy.refused("not_found", "push_task", json!({ "title": "t", "job": "job-9" }));
    amy.refused("not_found", "push_tasks", json!({ "tasks": [{ "title": "t" }], "job": "9" }));
    created(&amy, json!([]));
    let error = amy.refused("not_found", "add_subtask", json!({ "job_id": "job-9", "prompt": "p" }));
    assert!(error.hint.unwrap().contains("job-0000000001"));
}
