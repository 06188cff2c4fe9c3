//! What waits for what: which tasks are in the picture, and what it says of them.

use super::*;

fn nodes(picture: &Value) -> Vec<(String, String)> {
    let nodes = picture["graph"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| (text(&node["id"]), text(&node["state"]))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn the_open_tasks_are_drawn_with_whatever_holds_them_up() {
    let world = World::new();
    let amy = world.joined("amy");
    let done = amy.push("done", json!({}));
    let failed = amy.push("failed", json!({}));
    amy.steps(&["claim_task", "complete_task"], &done);
    amy.steps(&["claim_task", "fail_task"], &failed);
    let first = amy.push("first", json!({ "depends_on": [done] }));
    amy.push("second", json!({ "depends_on": [first, failed], "role": "builder" }));
    let picture = amy.ok("get_graph", json!({ "form": "json" }));
    // What is done holds up nobody; what failed does, and nobody would see why without it.
    assert_eq!(nodes(&picture), pairs(&[("task-3", "ready"), ("task-4", "waiting"), ("task-2", "failed")]));
    assert_eq!(
        picture["graph"]["edges"],
        json!([{ "from": "task-3", "to": "task-4" }, { "from": "task-2", "to": "task-4" }])
    );
    let drawn = text(&amy.ok("get_graph", json!({}))["drawing"]);
    assert!(drawn.starts_with("3 tasks in 2 steps: 1 ready, 1 waiting, 1 failed\n"), "{drawn}");
    assert!(drawn.contains("second  [builder]  <- task-3, task-2"), "{drawn}");
}

#[test]
fn a_job_is_drawn_whole_and_what_it_waits_for_elsewhere_says_so() {
    let world = World::new();
    let amy = world.joined("amy");
    let outside = amy.push("outside", json!({}));
    let plan = json!([{ "ref": "a", "title": "A" }, { "title": "B", "depends_on": ["a", outside] }]);
    let job = text(&amy.ok("create_job", json!({ "goal": "g", "tasks": plan }))["job"]["id"]);
    amy.steps(&["claim_task", "complete_task"], "task-0000000002");
    let picture = amy.ok("get_graph", json!({ "job": job, "form": "json" }));
    assert_eq!(nodes(&picture), pairs(&[("task-2", "completed"), ("task-3", "waiting"), ("task-1", "ready")]));
    assert_eq!(picture["graph"]["nodes"][2]["title"], "outside (of no job)");
    assert_eq!(picture["graph"]["critical_path"], json!(["task-1", "task-3"]));
    amy.refused("not_found", "get_graph", json!({ "job": "job-9" }));
    let nothing = amy.ok("create_job", json!({ "goal": "empty" }));
    assert_eq!(amy.ok("get_graph", json!({ "job": nothing["job"]["id"] }))["drawing"], "no tasks\n");
}

/// Who is lost in a long list asks for its picture: every time it must be there at once.
#[test]
fn of_very_many_tasks_as_many_are_told_as_a_picture_may_have() {
    let world = World::new();
    let amy = world.joined("amy");
    let task = |at: usize| json!({ "ref": at.to_string(), "title": "t", "depends_on": if at == 0 { json!([]) } else { json!([(at - 1).to_string()]) } });
    amy.ok("push_tasks", json!({ "tasks": (0..10_000).map(task).collect::<Vec<_>>() }));
    amy.push("one more", json!({ "depends_on": ["task-10000"] }));
    let picture = amy.ok("get_graph", json!({}));
    assert_eq!((&picture["tasks"], &picture["left_out"]), (&json!(10_000), &json!(1)));
    let whole = amy.ok("get_whole_graph", json!({}));
    assert_eq!((whole["tasks"].as_array().unwrap().len(), &whole["left_out"]), (10_000, &json!(1)));
}
