//! A goal becomes tasks by a plan that holds, told by whoever calls or by a planner, and agreed to by the human where that is wanted.

use super::*;

fn plan() -> Value {
    json!([
        { "key": "api", "title": "The route answers", "acceptance": ["GET /export gives CSV"], "role": "builder" },
        { "key": "ui", "title": "A button calls it", "acceptance": ["a click saves a file"], "depends_on": ["api"], "priority": 8 },
        { "key": "docs", "title": "The manual tells of it", "acceptance": ["`just docs` passes"], "depends_on": ["ui"], "parent": "api" },
    ])
}

fn titles(amy: &Process, job: &Value) -> Vec<String> {
    let tasks = amy.ok("list_tasks", json!({ "job": job, "limit": 40 }));
    each(&tasks["tasks"], "title")
}

#[test]
fn a_plan_that_holds_becomes_a_job_and_can_be_looked_at_first() {
    let world = World::new();
    let amy = world.joined("amy");
    let drawn = amy.ok("decompose", json!({ "goal": "Export", "tasks": plan(), "dry_run": true }));
    let drawing = text(&drawn["drawing"]);
    assert!(drawing.contains("The route answers") && drawing.contains("A button calls it"), "{drawing}");
    assert_eq!(amy.ok("list_jobs", json!({}))["jobs"], json!([]), "only drawn");
    let made = amy.ok("decompose", json!({ "goal": "Export", "tasks": plan() }));
    assert_eq!((&made["pushed"]["count"], &made["job"]["goal"]), (&json!(3), &json!("Export")));
    let ids = each(&made["pushed"]["tasks"], "id");
    let ui = amy.task(&ids[1]);
    assert_eq!((&ui["depends_on"], &ui["priority"]), (&json!([ids[0]]), &json!("high")));
    assert_eq!(amy.task(&ids[0])["acceptance"], json!(["GET /export gives CSV"]));
    assert_eq!(amy.task(&ids[2])["parent"], ids[0]);
    let more = json!([{ "key": "x", "title": "And that", "acceptance": ["y"], "depends_on": [ids[2]] }]);
    let grown = amy.ok("decompose", json!({ "goal": "more", "job": made["job"]["id"], "tasks": more }));
    assert_eq!((&grown["job"]["total"], &grown["job"]["goal"]), (&json!(4), &json!("Export")), "a plan may grow");
    let again = json!({ "goal": "more", "job": made["job"]["id"], "tasks": more });
    let error = amy.refused("invalid", "decompose", again);
    let there = text(&grown["pushed"]["tasks"][0]["id"]);
    assert!(error.message.contains(&format!("tasks[0]: {there} of this job has this title")), "{error:?}");
}

#[test]
fn all_that_is_wrong_with_a_plan_is_told_at_once_and_nothing_is_made() {
    let world = World::new();
    let amy = world.joined("amy");
    let wrong = json!([
        { "key": "a", "title": "One", "acceptance": ["x"], "depends_on": ["b"] },
        { "key": "b", "title": "Two", "acceptance": ["x"], "depends_on": ["a"] },
        { "key": "c", "title": "One", "acceptance": ["x"] },
        { "key": "d", "title": "Three" },
        { "key": "e", "title": "Four", "acceptance": ["x"], "depends_on": ["task-99"] },
    ]);
    let refused = |wrong: &Value, all: &[&str]| {
        let error = amy.refused("invalid", "decompose", json!({ "goal": "g", "tasks": wrong }));
        for wanted in all {
            assert!(error.message.contains(wanted), "{wanted}: {}", error.message);
        }
    };
    let also = ["tasks[0]: ", "these tasks wait for each other: a -> b -> a", "tasks[2]: ", "the first is tasks[0]"];
    refused(&wrong, &also);
    refused(&wrong, &["tasks[3]: ", "acceptance", "tasks[4]: ", "task-99"]);
    // What cannot be read hides nothing but what it may be itself.
    let mut unread = wrong.clone();
    unread[4]["priority"] = json!(99);
    refused(&unread, &also);
    refused(&unread, &["tasks[4]: `priority`"]);
    for (task, wanted) in [
        (json!({ "key": "a", "titel": "t", "acceptance": ["x"] }), "did you mean `title`?"),
        (json!({ "key": "a", "title": "t", "acceptance": ["x"], "status": "completed" }), "is for what is done"),
        (json!({ "title": "t", "acceptance": ["x"] }), "a task without `key`"),
        (json!({ "key": "a", "title": "t", "acceptance": "x" }), "a list of texts"),
        (json!({ "key": "a", "title": "t\u{1b}[2J", "acceptance": ["x"] }), "tasks[0]"),
    ] {
        let error = amy.refused("invalid", "decompose", json!({ "goal": "g", "tasks": [task] }));
        assert!(error.message.contains(wanted), "{wanted}: {}", error.message);
    }
    let many: Vec<Value> = (0..500).map(|key| json!({ "key": key.to_string(), "title": "t".repeat(400) })).collect();
    let error = amy.refused("invalid", "decompose", json!({ "goal": "g", "tasks": many }));
    assert!(error.message.contains("tasks[20]") && error.message.len() < 7_000, "{}", error.message);
    assert!(error.message.starts_with("the plan has ") && error.message.contains("\nand "), "{}", error.message);
    amy.refused("invalid", "decompose", json!({ "goal": "g", "tasks": [] }));
    assert_eq!(amy.ok("list_jobs", json!({}))["jobs"], json!([]));
}

/// The planner is told how, mends what is refused, and what it tells is the plan.
#[test]
fn a_planner_tells_the_plan_as_its_result() {
    let world = World::new();
    let amy = world.joined("amy");
    let kim = world.joined_as("kim", "planner");
    let asked = amy.ok("decompose", json!({ "goal": "Export as CSV", "context": "we use axum" }));
    let task = text(&asked["task_id"]);
    let claim = kim.ok("claim_task", json!({}));
    assert_eq!(claim["task"]["id"], task);
    let told = text(&claim["task"]["description"]);
    assert!(told.contains("Export as CSV") && told.contains("we use axum") && told.contains("`acceptance`"), "{told}");
    let done = |plan: Value| json!({ "task_id": task, "result": "nothing worries me", "result_json": plan });
    for (wrong, wanted) in [
        (json!({ "verdict": "activate_next" }), "holds no `tasks`"),
        (json!({ "tasks": [{ "key": "a", "title": "t" }] }), "tasks[0]"),
        (json!({ "tasks": [] }), "tasks"),
    ] {
        let error = kim.refused("invalid", "complete_task", done(wrong));
        assert!(error.message.contains(wanted), "{error:?}");
        assert_eq!(kim.task(&task)["status"], "claimed", "it mends its plan");
    }
    let completed = kim.ok("complete_task", done(json!({ "tasks": plan() })));
    assert_eq!((&completed["planned"]["count"], &completed["task"]["status"]), (&json!(3), &json!("completed")));
    let job = &asked["job"]["id"];
    assert_eq!(titles(&amy, job).len(), 4);
    let again = kim.ok("complete_task", done(json!({ "tasks": plan() })));
    assert_eq!((&again["already"], titles(&amy, job).len()), (&json!(true), 4), "a repeated call makes nothing twice");
    assert_eq!(amy.ok("get_job", json!({ "job_id": job }))["state"], "running");
}

#[test]
fn the_human_sees_the_plan_first_sends_it_back_and_agrees() {
    let world = World::new();
    let amy = world.joined("amy");
    let kim = world.joined_as("kim", "planner");
    let asked = amy.ok("decompose", json!({ "goal": "Export", "approve": true }));
    let (task, job) = (text(&asked["task_id"]), asked["job"]["id"].clone());
    let tell = || {
        kim.ok("claim_task", json!({ "task_id": task }));
        kim.ok("complete_task", json!({ "task_id": task, "result_json": { "tasks": plan() } }))
    };
    tell();
    assert_eq!(titles(&amy, &job).len(), 1, "nothing is made of it yet");
    let question = || amy.ok("list_questions", json!({}))["questions"][0].clone();
    assert!(text(&question()["text"]).contains("A button calls it"), "{}", question());
    amy.ok("answer_question", json!({ "question": job, "decision": "deny", "answer": "no button" }));
    assert!(text(&kim.task(&task)["description"]).contains("> no button"));
    tell();
    amy.ok("answer_question", json!({ "question": job, "decision": "approve" }));
    assert_eq!(titles(&amy, &job).len(), 4);
    let ready = amy.ok("claim_task", json!({}));
    assert_eq!(ready["claimed"], false, "the first is for builders: {ready}");
}

#[test]
fn a_session_that_has_a_plan_shows_it_to_the_human_before_it_holds() {
    let world = World::new();
    let amy = world.joined("amy");
    let asked = amy.ok("decompose", json!({ "goal": "Export", "tasks": plan(), "approve": true }));
    let (question, job) = (&asked["question_id"], &asked["job"]["id"]);
    assert_eq!((question.is_string(), titles(&amy, job).len()), (true, 1), "{asked}");
    amy.ok("cancel_job", json!({ "job_id": job }));
    amy.refused("conflict", "answer_question", json!({ "question": question, "decision": "approve" }));
    // Denied, it is theirs again with the words, and the next plan takes its place.
    let asked = amy.ok("decompose", json!({ "goal": "Export", "tasks": plan(), "approve": true }));
    amy.ok("answer_question", json!({ "question": asked["question_id"], "decision": "deny", "answer": "no button" }));
    let mine = amy.ok("claim_task", json!({}))["task"].take();
    assert_eq!((&mine["id"], mine["description"].as_str().unwrap().contains("> no button")), (&asked["task_id"], true));
    let job = asked["job"]["id"].clone();
    let better = json!({ "goal": "Export", "tasks": plan(), "job": job });
    // While she holds it, while it waits for the human, and while nobody holds it.
    let mut next = Value::Null;
    for round in 0..3 {
        if round == 2 {
            amy.ok("answer_question", json!({ "question": next["question_id"], "decision": "deny", "answer": "no" }));
        }
        next = amy.ok("decompose", better.clone());
        assert_eq!((&next["task_id"], titles(&amy, &job).len()), (&asked["task_id"], 1), "{next}");
        assert_eq!(amy.ok("list_questions", json!({}))["questions"].as_array().unwrap().len(), 1, "{next}");
    }
    let other = amy.ok("decompose", json!({ "goal": "Import", "tasks": plan(), "job": job, "approve": true }));
    assert_ne!(other["task_id"], next["task_id"], "that is another plan");
    amy.ok("cancel_task", json!({ "task_id": other["task_id"] }));
    amy.ok("answer_question", json!({ "question": next["question_id"], "decision": "approve" }));
    assert_eq!(titles(&amy, &job).len(), 5);
    let asked = amy.ok("decompose", json!({ "goal": "Export", "tasks": plan(), "approve": true }));
    amy.ok("answer_question", json!({ "question": asked["question_id"], "decision": "approve" }));
    assert_eq!(titles(&amy, &asked["job"]["id"]).len(), 4);
}

/// The second plan of a job is no newer round of the first.
#[test]
fn each_plan_of_a_job_has_a_gate_of_its_own() {
    let world = World::new();
    let amy = world.joined("amy");
    let kim = world.joined_as("kim", "planner");
    let asked = amy.ok("decompose", json!({ "goal": "A", "approve": true }));
    let job = asked["job"]["id"].clone();
    let second = amy.ok("decompose", json!({ "goal": "B", "approve": true, "job": job }));
    for task in [&asked["task_id"], &second["task_id"]] {
        kim.ok("claim_task", json!({ "task_id": task }));
        let told = json!({ "tasks": [{ "key": "a", "title": "t", "acceptance": ["x"] }] });
        let completed = kim.ok("complete_task", json!({ "task_id": task, "result_json": told }));
        assert!(completed["question_id"].is_string(), "{completed}");
    }
    assert_eq!(titles(&amy, &job).len(), 2, "neither is a plan before somebody agreed to it");
    let first = amy.ok("list_questions", json!({}))["questions"].as_array().unwrap().last().unwrap()["id"].clone();
    amy.ok("answer_question", json!({ "question": first, "decision": "deny", "answer": "no" }));
    assert!(titles(&amy, &job).iter().all(|title| !title.contains("round")), "it goes on under its own id");
}
