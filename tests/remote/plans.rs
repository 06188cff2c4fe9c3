//! Files here, the store elsewhere: what is read on this machine becomes tasks there.

use crate::remote::team::Team;
use serde_json::Value;
use serde_json::json;
use std::fs;

#[test]
fn files_of_this_machine_are_a_plan_of_the_team_elsewhere() {
    let team = Team::new();
    let user = team.user();
    let work = user.home.path("work");
    fs::create_dir_all(work.join("tasks/specs")).unwrap();
    fs::write(work.join("tasks/specs/lexer.md"), "# Task: Write the lexer\n").unwrap();
    fs::write(work.join("tasks/specs/parser.md"), "# Task: Write the parser\n- **Depends On**: lexer\n").unwrap();
    let told = user.ok(&["import", "tasks/specs"]);
    assert_eq!((&told["add"], &told["kind"]), (&json!(2), &json!("specification")));
    assert_eq!(user.ok(&["import", "tasks/specs"])["is_nothing"], true);
    assert_eq!(team.home.ok(&["list-tasks"])["total"], 2, "they are where the store is");
    user.run(&["sync", "tasks"]).expect(0);
    let backlog = fs::read_to_string(work.join("tasks/backlog.md")).unwrap();
    assert!(backlog.contains("### [spec:parser] Write the parser"), "{backlog}");
    user.run(&["export", "--out", "plan.json"]).expect(0);
    let before = team.home.ok(&["list-events", "--limit", "1"])["events"][0]["seq"].clone();
    assert_eq!(user.ok(&["import", "plan.json"])["unchanged"], 2);
    assert_eq!(team.home.ok(&["list-events", "--limit", "1"])["events"][0]["seq"], before);
    assert_eq!(user.ok(&["graph"])["critical_path"], json!(["task-1", "task-2"]));
    fs::write(work.join("tasks/specs/parser.md"), "# Task: Write the parser\n- **Dpends On**: lexer\n").unwrap();
    let refused = user.run(&["import", "tasks/specs", "--format", "table"]).expect(2);
    assert!(refused.err.starts_with("tasks/specs/parser.md:2: "), "{}", refused.err);
    // More than one call takes is said here, and not by somebody who would have had to read it first.
    let long = "x".repeat(60_000);
    let task = |at: usize| json!({ "title": format!("T{at}"), "description": long });
    let tasks: Vec<Value> = (0..80).map(task).collect();
    fs::write(work.join("long.json"), json!({ "tasks": tasks }).to_string()).unwrap();
    let error = user.run(&["import", "long.json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("a server elsewhere takes"), "{error}");
}
