//! `orch-mcp graph`: in every form, for people and for other programs.

use crate::support::program::Home;
use serde_json::Value;
use serde_json::json;

const HOSTILE: &str = "\"]; end --> <script>alert(1)</script> {{x}} \\\" `$(id)` \u{202e}";

fn home() -> Home {
    let home = Home::new();
    let tasks = json!([{ "ref": "a", "title": "First" }, { "title": HOSTILE, "depends_on": ["a"] }]);
    home.ok(&["create-job", "A goal", "--tasks", &tasks.to_string()]);
    home
}

#[test]
fn it_is_drawn_as_asked_and_no_title_breaks_out_of_it() {
    let home = home();
    let out = |form: &str| home.run(&["graph", "--format", form]).expect(0).out;
    assert!(out("text").starts_with("2 tasks in 2 steps: 1 ready, 1 waiting\n"), "{}", out("text"));
    assert_eq!(out("table"), out("text"));
    assert!(!out("text").contains('\u{202e}'));
    let mermaid = out("mermaid");
    assert!(mermaid.contains("flowchart TD") && !mermaid.contains("<script>"), "{mermaid}");
    let dot = out("dot");
    assert!(dot.starts_with("digraph") && dot.trim_end().ends_with('}'), "{dot}");
    let svg = out("svg");
    assert!(svg.starts_with("<svg") && svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
    assert_eq!(out("ids"), "task-1\ntask-2\n");
    let told = home.ok(&["graph", "job-1"]);
    assert_eq!(told["critical_path"], json!(["task-1", "task-2"]));
    assert_eq!(home.ok(&["graph", "--format", "json"]), told);
    assert_eq!(home.run(&["graph", "7"]).expect(3).error()["code"], "not_found");
    assert_eq!(home.run(&["graph", "--format", "png"]).expect(2).error()["code"], "invalid");
}

#[test]
fn a_thousand_tasks_are_all_in_the_picture() {
    let home = Home::new();
    let needs = |at: usize| (1..=2).filter(move |back| at >= back * 3).map(move |back| (at - back * 3).to_string());
    let task = |at: usize| json!({ "ref": at.to_string(), "title": format!("Task {at}"), "depends_on": needs(at).collect::<Vec<_>>() });
    let tasks: Vec<Value> = (0..1_000).map(task).collect();
    let file = home.path("tasks.json");
    std::fs::write(&file, json!(tasks).to_string()).unwrap();
    home.ok(&["push-tasks", "--tasks", &format!("@{}", file.display())]);
    for form in ["text", "mermaid", "dot", "svg", "json"] {
        let drawn = home.run(&["graph", "--format", form]).expect(0).out;
        assert!((0..1_000).all(|at| drawn.contains(&format!("Task {at}"))), "{form}");
    }
}
