//! The patterns of jobs as the skill tells them: each example is played by the real client, call by call, and comes to its end.

use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Stage;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

/// The calls under a heading of the skill's page.
fn example(heading: &str) -> Vec<(String, Value)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills/orchestrating-work/references/jobs.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once(&format!("\n## {heading}\n")).expect("the page has that pattern");
    let block = after.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let (mut calls, mut rest) = (Vec::new(), block.trim());
    while !rest.is_empty() {
        let (tool, after) = rest.split_once(' ').expect("a tool and its arguments");
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let arguments = values.next().expect("arguments").expect("arguments in JSON");
        rest = after[values.byte_offset()..].trim();
        calls.push((tool.to_owned(), arguments));
    }
    calls
}

/// Somebody who takes whatever there is while the lead plays. The first try at what has this in its title fails.
fn works(stage: &Stage, fails_at: Option<&str>, over: &AtomicBool) {
    stage.ok(&["register-instance", "worker"]);
    let mut fails_at = fails_at;
    while !over.load(Ordering::Relaxed) {
        stage.orch(&["wait-for-task", "--timeout-seconds", "1", "-i", "worker"]);
        let claim = stage.orch(&["claim-task", "-i", "worker"]).data();
        let Some(id) = claim["task"]["id"].as_str() else { continue };
        let title = claim["task"]["title"].as_str().unwrap();
        match fails_at.take_if(|words| title.contains(*words)) {
            Some(_) => stage.ok(&["fail-task", id, "it is not that easy", "-i", "worker"]),
            None => stage.ok(&["complete-task", id, &format!("result of: {title}"), "-i", "worker"]),
        };
    }
}

/// What each call of the example answered.
fn played(heading: &str, fails_at: Option<&str>) -> Option<Vec<(String, Value)>> {
    let calls = example(heading);
    let played = calls.iter().map(|(tool, arguments)| uses(tool, arguments.clone()));
    let steps: Vec<Value> = played.chain([says("done")]).collect();
    let stage = Stage::set([json!({ "match": "GO", "steps": steps })])?;
    stage.wire();
    let over = AtomicBool::new(false);
    let session = thread::scope(|scope| {
        let working = scope.spawn(|| works(&stage, fails_at, &over));
        let session = stage.print(stage.claude(&[]), "GO");
        over.store(true, Ordering::Relaxed);
        working.join().unwrap();
        session
    });
    assert_eq!(session.last_result()["result"], "done", "{}", session.told());
    let answer = |step: usize| {
        let answered = stage.request("what a call answered", |request| request.step() == Some(step as u64 + 1));
        (calls[step].0.clone(), answered.result())
    };
    let answers = (0..calls.len()).map(answer).collect();
    stage.until_empty();
    Some(answers)
}

fn of<'a>(answers: &'a [(String, Value)], tool: &str) -> Vec<&'a Value> {
    answers.iter().filter(|(of, _)| of == tool).map(|(_, answer)| answer).collect()
}

fn titles(results: &Value) -> Vec<&str> {
    results["results"].as_array().into_iter().flatten().filter_map(|result| result["title"].as_str()).collect()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn parts_that_need_nothing_of_each_other_are_collected_and_told_as_one() {
    let Some(answers) = played("Parallel", None) else { return };
    let collected = of(&answers, "wait_for_job")[0];
    assert_eq!((&collected["because"], &collected["job"]["state"]), (&json!("ended"), &json!("completed")));
    assert_eq!(collected["results"][1]["result"], "result of: Write store/README.md");
    let document = of(&answers, "synthesize_job")[0]["document"].as_str().unwrap();
    assert!(document.starts_with("Tell the user in five lines"), "{document}");
    assert_eq!(document.matches("> result of: Write ").count(), 3, "{document}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_child_waits_for_its_parent_until_all_is_done() {
    let Some(answers) = played("Hierarchical", None) else { return };
    let waited = of(&answers, "wait_for_job")[0];
    assert_eq!((&waited["because"], &waited["job"]["completed"]), (&json!("ended"), &json!(4)));
    let results = of(&answers, "get_results")[0];
    assert_eq!(titles(results)[0], "Decide where keys are kept.");
    assert_eq!(titles(results).len(), 4);
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn what_comes_out_decides_what_comes_next_and_what_failed_is_tried_again() {
    let Some(answers) = played("Adaptive", Some("slowest of them")) else { return };
    assert_eq!(titles(of(&answers, "get_results")[0]), ["Find the three slowest tests"]);
    assert_eq!(titles(of(&answers, "get_results")[1]), ["Make the slowest of them fast."], "what failed");
    assert_eq!(of(&answers, "retry_failed")[0]["retried"], 1);
    let last = of(&answers, "wait_for_job")[2];
    assert_eq!((&last["job"]["state"], &last["job"]["completed"]), (&json!("completed"), &json!(2)));
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn prompts_go_in_and_results_come_out_in_one_call() {
    let Some(answers) = played("Quick", None) else { return };
    let results = of(&answers, "quick_delegate")[0];
    assert_eq!(results["timed_out"], false);
    assert_eq!(titles(results), ["Summarize docs/api.md in ten lines.", "List every place that parses dates."]);
}
