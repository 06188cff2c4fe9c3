//! Plans in: what an import does to tasks that others wait for, hold, or changed.

use super::*;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::table::own_request;
use orch_mcp::store::doorbell::Hangup;

fn given(tasks: Value) -> Value {
    json!({ "files": [{ "name": "p.json", "source": "/p.json", "text": json!({ "tasks": tasks }).to_string() }] })
}

fn states(process: &Process) -> Vec<String> {
    let all = process.ok("list_tasks", json!({ "limit": 40 }));
    all["tasks"].as_array().unwrap().iter().rev().map(|task| text(&task["status"])).collect()
}

/// The one change that a step tells of this field.
#[track_caller]
fn outcome(told: &Value, field: &str) -> (String, String) {
    let fields = told["steps"][0]["fields"].as_array().unwrap_or_else(|| panic!("{told}"));
    let change = fields.iter().find(|change| change["field"] == field).unwrap_or_else(|| panic!("{told}"));
    (text(&change["outcome"]), change["why"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_task_stands_as_its_plan_says_and_whoever_waits_for_it_goes_on() {
    let world = World::new();
    let amy = world.joined("amy");
    let plan = |status: &str| {
        given(json!([
            { "key": "done", "title": "Done", "status": "completed", "summary": "It works", "finished_at": "2026-01-02T03:04:05Z" },
            { "key": "a", "title": "A", "status": status, "summary": "why" },
            { "key": "b", "title": "B", "depends_on": ["done"] },
            { "key": "c", "title": "C", "depends_on": ["a"] },
            { "key": "elsewhere", "title": "Elsewhere", "status": "in_progress" },
        ]))
    };
    amy.ok("import_plan", plan("blocked"));
    assert_eq!(states(&amy), ["completed", "blocked", "pending", "pending", "pending"]);
    let done = amy.task("task-1");
    assert_eq!((&done["result"], &done["finished_at"]), (&json!("It works"), &json!("2026-01-02T03:04:05.000Z")));
    assert_eq!((&amy.task("task-3")["ready"], &amy.task("task-4")["ready"]), (&json!(true), &json!(false)));
    assert_eq!(amy.task("task-2")["reason"], "why");
    // What others work at is told as it was, until somebody here takes it.
    assert_eq!(amy.ok("export_tasks", json!({}))["drafts"][4]["status"], "in_progress");
    amy.ok("import_plan", plan("open"));
    assert_eq!(amy.task("task-2")["ready"], true);
    amy.ok("import_plan", plan("completed"));
    assert_eq!(amy.task("task-4")["ready"], true);
    amy.ok("import_plan", plan("open"));
    assert_eq!(states(&amy)[1], "completed", "what is over stays so");
    let nothing = amy.ok("compare_plan", plan("open"));
    assert_eq!(nothing["is_nothing"], true, "{nothing}");
}

#[test]
fn a_job_counts_what_came_in_done() {
    let world = World::new();
    let amy = world.joined("amy");
    let job = text(&amy.ok("create_job", json!({ "goal": "g" }))["job"]["id"]);
    let mut plan = given(json!([
        { "key": "a", "title": "A", "status": "completed" },
        { "key": "b", "title": "B", "status": "cancelled" },
        { "key": "c", "title": "C", "status": "failed", "depends_on": ["b"], "parent": "a" },
        { "key": "d", "title": "D", "depends_on": ["a"] },
    ]));
    plan["job"] = json!(job);
    amy.ok("import_plan", plan);
    let told = amy.ok("get_job", json!({ "job_id": job }));
    assert_eq!(told["by_status"], json!({ "completed": 1, "cancelled": 1, "failed": 1, "ready": 1 }));
    amy.ok("claim_task", json!({}));
    amy.ok("complete_task", json!({ "task_id": "4" }));
    assert_eq!(amy.ok("get_job", json!({ "job_id": job }))["state"], "failed");
}

#[test]
fn what_somebody_holds_or_what_must_be_shown_is_not_done_by_a_file() {
    let world = World::new();
    let amy = world.joined("amy");
    let plan = |status: &str, more: Value| {
        let mut task = json!({ "key": "a", "title": "A", "status": status, "evidence": ["commit"] });
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        given(json!([task, { "key": "b", "title": "B" }]))
    };
    amy.ok("import_plan", plan("open", json!({})));
    let demanded = amy.ok("import_plan", plan("completed", json!({})));
    assert_eq!(outcome(&demanded, "status").0, "locked", "{demanded}");
    assert_eq!(demanded["conflicts"], 1);
    amy.ok("claim_task", json!({ "task_id": "1" }));
    let held =
        amy.ok("import_plan", plan("cancelled", json!({ "title": "Another", "depends_on": ["b"], "lease_secs": 9 })));
    for field in ["depends_on", "lease_secs"] {
        assert_eq!(outcome(&held, field), ("locked".to_owned(), "somebody works at it".to_owned()));
    }
    assert_eq!(outcome(&held, "status").0, "conflict");
    assert_eq!(outcome(&held, "title").0, "set");
    let task = amy.task("1");
    assert_eq!(
        (&task["status"], &task["title"], &task["lease_secs"]),
        (&json!("claimed"), &json!("Another"), &json!(900))
    );
    amy.ok("renew_task", json!({ "task_id": "1" }));
}

/// Who holds a task decides what it says, and a review of one task must not become that of another.
#[test]
fn a_file_changes_of_a_task_what_whoever_brings_it_may_change() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let someone = |name: &str| Caller { from_environment: Some(name.to_owned()), ..amy.caller.clone() };
    let worker = |name: &str| Caller { of_run: true, ..someone(name) };
    world.joined("carl");
    let (lead, carl) = (someone("amy"), worker("carl"));
    let plan = |more: Value| {
        let mut task = json!({ "key": "a", "title": "A" });
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        given(json!([task, { "key": "mine", "title": "Mine" }]))
    };
    let by = |caller: &Caller, more: Value| {
        let request = own_request("import_plan", plan(more)).unwrap();
        amy.desk.execute(&request, caller, &Hangup::new()).unwrap().data
    };
    amy.ok("import_plan", plan(json!({})));
    let anew = json!({
        "title": "B", "description": "d", "notes": "n", "priority": "low", "role": "r", "assignee": "@carl",
        "labels": ["l"], "parent": "mine", "acceptance": ["c"], "context_files": ["f"], "expected_outputs": ["o"],
        "evidence": ["files"], "repo": "r", "branch": "b", "link": "review", "chain_id": "ch",
        "not_before": "2999-01-01T00:00:00.000Z", "max_attempts": 1, "metadata": { "k": 1 },
    });
    bob.ok("claim_task", json!({ "task_id": "1" }));
    let before = bob.task("1");
    let nobody = amy.caller.clone();
    for stranger in [&carl, &lead, &nobody] {
        let told = by(stranger, anew.clone());
        let fields = told["steps"][0]["fields"].as_array().unwrap();
        assert!(fields.len() >= anew.as_object().unwrap().len(), "{told}");
        assert!(fields.iter().all(|change| change["outcome"] == "locked"), "{told}");
        assert_eq!(bob.task("1"), before);
        // What was said is known by now; it is said anew.
        by(stranger, json!({}));
    }
    let moved = json!({ "title": "Bob's word", "parent": "mine", "link": "review", "chain_id": "ch" });
    let told = by(&worker("bob"), moved.clone());
    assert_eq!(outcome(&told, "title").0, "set", "{told}");
    for field in ["parent", "link", "chain_id"] {
        assert_eq!(outcome(&told, field), ("locked".to_owned(), "only a lead or the human says so".to_owned()));
    }
    bob.ok("release_task", json!({ "task_id": "1" }));
    by(&lead, json!({ "title": "Bob's word" }));
    assert_eq!(outcome(&by(&carl, moved.clone()), "parent").0, "locked", "nor while nobody holds it");
    by(&lead, json!({ "title": "Bob's word" }));
    let told = by(&lead, moved);
    assert_eq!((&told["conflicts"], &bob.task("1")["link"]), (&json!(0), &json!("review")), "{told}");
}

#[test]
fn a_worker_moves_no_task_by_a_file() {
    let world = World::new();
    let amy = world.joined("amy");
    let plan = |status: &str| given(json!([{ "key": "a", "title": "A", "status": status }]));
    amy.ok("import_plan", plan("open"));
    let worker = Caller { of_run: true, ..amy.caller.clone() };
    let request = own_request("import_plan", plan("completed")).unwrap();
    let told = amy.desk.execute(&request, &worker, &Hangup::new()).unwrap().data;
    assert_eq!(outcome(&told, "status").0, "locked", "{told}");
    assert_eq!(states(&amy), ["pending"]);
    let new = own_request("import_plan", given(json!([{ "key": "n", "title": "N" }]))).unwrap();
    assert_eq!(amy.desk.execute(&new, &worker, &Hangup::new()).unwrap().data["add"], 1);
}

#[test]
fn every_field_that_a_file_tells_is_set_and_emptied_by_it() {
    let world = World::new();
    let amy = world.joined("amy");
    let bare = json!({ "key": "a", "title": "A" });
    let other = json!({ "key": "b", "title": "B" });
    amy.ok("import_plan", given(json!([bare, other])));
    let full = json!({
        "key": "a", "title": "A2", "description": "d", "notes": "n", "priority": "critical", "role": "builder",
        "assignee": "@amy", "labels": ["x"], "depends_on": ["b"], "parent": "b", "acceptance": ["c"],
        "context_files": ["f"], "expected_outputs": ["o"], "evidence": ["files"], "repo": "r", "branch": "br",
        "link": "build", "chain_id": "ch", "not_before": "2999-01-01T00:00:00.000Z", "max_attempts": 9, "lease_secs": 60,
        "metadata": { "k": 1 },
    });
    let exported = |amy: &Process| amy.ok("export_tasks", json!({}))["drafts"].as_array().unwrap().clone();
    for said in [full, bare] {
        let told = amy.ok("import_plan", given(json!([said, other])));
        assert_eq!((&told["change"], &told["conflicts"]), (&json!(1), &json!(0)), "{told}");
        let mut draft = exported(&amy)[0].clone();
        draft["key"] = json!("a");
        for reference in ["parent", "depends_on"] {
            let bare = draft[reference].to_string().replace("plan:", "");
            if draft.get(reference).is_some() {
                draft[reference] = serde_json::from_str(&bare).unwrap();
            }
        }
        assert_eq!(draft, said);
        assert_eq!(amy.ok("compare_plan", given(json!([said, other])))["is_nothing"], true);
    }
}

#[test]
fn what_would_make_tasks_wait_for_each_other_is_refused_whole() {
    let world = World::new();
    let amy = world.joined("amy");
    amy.ok("import_plan", given(json!([{ "key": "a", "title": "A" }, { "key": "b", "title": "B" }])));
    amy.ok("update_task", json!({ "task_id": "2", "depends_on": ["1"] }));
    let plan = given(json!([{ "key": "a", "title": "A", "depends_on": ["b"] }, { "key": "b", "title": "B2" }]));
    let error = amy.refused("invalid", "import_plan", plan);
    assert!(error.message.contains("wait for each other"), "{error:?}");
    assert_eq!(amy.task("2")["title"], "B");
}

/// A board is three files, and who moves a task from one to the next has not made another.
#[test]
fn a_task_that_goes_from_board_to_board_is_done() {
    let world = World::new();
    let amy = world.joined("amy");
    let entry = "### [task-007] Fix the login\n";
    let boards = |backlog: &str, completed: &str| {
        let file = |name: &str, text: &str| json!({ "name": name, "source": format!("/t/{name}"), "text": text });
        json!({ "files": [file("backlog.md", backlog), file("completed.md", completed)] })
    };
    amy.ok("import_plan", boards(entry, ""));
    let told = amy.ok("import_plan", boards("", entry));
    assert_eq!((&told["change"], &told["gone"]), (&json!(1), &json!(0)), "{told}");
    assert_eq!(states(&amy), ["completed"]);
}
