//! A pipeline with workers of the real client: a review sends work back with its words, and the whole comes to its end.

use crate::e2e::crew::Crew;
use crate::e2e::script::completes;
use crate::e2e::script::rules;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::launch::fleet::code;
use serde_json::Value;
use serde_json::json;
use std::fs;

const STAGES: &str = r#"
description = "build, review, release"
[[stage]]
name = "build"
role = "executor"
prompt = "STAGE build: {{title}}"
[[stage]]
name = "review"
role = "executor"
prompt = "STAGE review: {{title}}"
verdict = true
on_rejection = { stage = "build", times = 2 }
[[stage]]
name = "release"
role = "executor"
prompt = "STAGE release: {{title}}"
inputs = ["build", "review"]
"#;

/// The task of a session, as its prompt names it.
const ITS_TASK: &str = "${find:DO (task-\\d+)}";

fn judges(verdict: Value) -> Value {
    uses("complete_task", json!({ "task_id": ITS_TASK, "result": "judged", "result_json": verdict }))
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_review_sends_work_back_with_its_words_and_the_pipeline_comes_to_its_end() {
    let over = || (r"complete_task\]", says("done"));
    let builds = rules("STAGE build", [over(), ("", completes(ITS_TASK, "as well as I can"))]);
    let feedback = json!({ "verdict": "feedback", "feedback": "the door is missing" });
    let reviews = rules(
        "STAGE review",
        [
            over(),
            // What it is told of the work says of which round that is.
            (r"build \(round 2\)", judges(json!({ "verdict": "activate_next" }))),
            ("", judges(feedback)),
        ],
    );
    let releases = rules("STAGE release", [over(), ("", completes(ITS_TASK, "it is out"))]);
    let Some(crew) = Crew::set([builds, reviews, releases]) else { return };
    crew.role("executor", "isolation: worktree-per-task\n", "DO {{task_id}}: {{task_description}}\n{{notes}}");
    let dir = crew.team.home.state_dir().join("pipelines");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("own.toml"), STAGES).unwrap();
    let ran = crew.team.home.ok(&["run-pipeline", "own", "the house"]);
    let mut launch = crew.start(&["--workers", "2", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    let job = crew.team.home.ok(&["get-job", ran["job"]["id"].as_str().unwrap()]);
    assert_eq!((&job["state"], &job["completed"]), (&json!("completed"), &json!(4)), "build twice, review, release");
    let first_words = |stage: &str| {
        let requests = crew.stage.requests().into_iter();
        let of_stage = requests.filter(|request| request.step() == Some(0)).map(|request| request.words());
        of_stage.filter(|words| words.contains(stage)).collect::<Vec<String>>()
    };
    let builds = first_words("STAGE build");
    let again = builds.iter().filter(|words| words.contains("> the door is missing")).count();
    assert_eq!((builds.len(), again), (2, 1), "{builds:#?}");
    assert!(first_words("STAGE release").iter().any(|words| words.contains("> as well as I can")));
    crew.leaves_nothing();
}
