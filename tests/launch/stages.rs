//! A pipeline with workers: stages follow one another, are sent back and done anew, and the whole comes to its end.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::eventually_within;
use serde_json::json;
use std::fs;

/// What its workers do stands in the prompts.
const STAGES: &str = r#"
description = "build, check, review, release"
[[stage]]
name = "build"
role = "executor"
prompt = "sim: complete built {{title}}"
[[stage]]
name = "check"
role = "executor"
prompt = "sim: complete checked"
[[stage]]
name = "review"
role = "executor"
prompt = "sim: judge 3"
inputs = ["build", "check"]
verdict = true
on_rejection = { stage = "build", times = 5 }
[[stage]]
name = "release"
role = "executor"
prompt = "sim: complete released"
gate = "human"
on_rejection = { stage = "release" }
"#;

#[test]
fn a_pipeline_with_rejections_runs_to_its_end_and_each_hears_what_was_done_before() {
    let team = Team::new();
    let dir = team.home.state_dir().join("pipelines");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("own.toml"), STAGES).unwrap();
    let issues = json!([{ "key": "a", "title": "one" }, { "key": "b", "title": "other" }]).to_string();
    let ran = team.home.ok(&["run-pipeline", "own", "--issues", &issues]);
    let job = ran["job"]["id"].as_str().unwrap().to_owned();
    let mut launch = team.start(&["--workers", "3"]);
    // Each issue: three rounds of build and check, three reviews of them, and a release that waits for the human.
    for _ in 0..2 {
        let gate = eventually_within(PATIENCE, "a gate", || {
            team.home.ok(&["questions"])["questions"].as_array().unwrap().first().cloned()
        });
        assert_eq!(gate["kind"], "gate", "{gate}");
        team.home.ok(&["approve", gate["id"].as_str().unwrap()]);
    }
    let done = team.home.run(&["wait-for-job", &job, "--timeout-seconds", "60"]).expect(0).data();
    assert_eq!((&done["job"]["state"], &done["job"]["completed"]), (&json!("completed"), &json!(16)));
    let back = team.events("task.sent_back");
    assert_eq!(back.len(), 4, "each review sent it back twice: {back:?}");
    let prompts: Vec<String> = team.runs().iter().filter_map(|run| fs::read_to_string(run.prompt()).ok()).collect();
    let heard = prompts.iter().filter(|prompt| prompt.contains("> built one") && prompt.contains("> checked")).count();
    assert!(heard >= 3, "each review of it heard what was built and checked: {heard} of {}", prompts.len());
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
}
