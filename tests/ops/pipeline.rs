//! Pipelines: stages in their order, results handed on, verdicts that do what they say, gates that hold.

use super::*;
use orch_mcp::error::Kind;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::table::find;
use orch_mcp::store::doorbell::Hangup;
use std::collections::BTreeMap;

const STAGES: &str = r#"
description = "plan, build, verify, review, accept"
[[stage]]
name = "plan"
role = "planner"
prompt = "Plan {{title}}"
[[stage]]
name = "build"
role = "builder"
prompt = "Build {{title}}: {{body}}"
retries = 1
[[stage]]
name = "verify"
role = "verifier"
prompt = "Verify {{title}}"
[[stage]]
name = "review"
role = "reviewer"
prompt = "Review {{title}}"
verdict = true
on_rejection = { stage = "build", times = 2 }
[[stage]]
name = "accept"
role = "accepter"
prompt = "Accept {{title}}"
inputs = ["build", "review"]
gate = "human"
on_rejection = { stage = "build", times = 1 }
"#;

struct Line {
    world: World,
    amy: Process,
    job: String,
}

/// Two judge the same side by side, and somebody writes of it meanwhile.
const SIDE_BY_SIDE: &str = r#"
description = "build, judged by two"
[[stage]]
name = "build"
role = "builder"
prompt = "Build {{title}}"
[[stage]]
name = "docs"
role = "docs"
prompt = "Write of {{title}}"
inputs = ["build"]
[[stage]]
name = "safe"
role = "guard"
prompt = "Is {{title}} safe?"
inputs = ["build"]
verdict = true
on_rejection = { stage = "build", times = 3 }
[[stage]]
name = "fast"
role = "racer"
prompt = "Is {{title}} fast?"
inputs = ["build"]
verdict = true
on_rejection = { stage = "build", times = 3 }
[[stage]]
name = "ship"
role = "shipper"
prompt = "Ship {{title}}"
inputs = ["safe", "fast", "docs"]
"#;

impl Line {
    fn new() -> Line {
        Line::through(STAGES)
    }

    fn through(stages: &str) -> Line {
        let world = World::new();
        let amy = world.joined("amy");
        let issue = json!({ "pipeline": "own", "definition": stages, "title": "the login", "body": "it {{fails}}" });
        let ran = amy.ok("run_pipeline", issue);
        let job = text(&ran["job"]["id"]);
        Line { world, amy, job }
    }

    /// The task of a stage in its newest round.
    fn stage(&self, name: &str) -> Value {
        let all = self.amy.ok("list_tasks", json!({ "job": self.job, "limit": 40 }));
        let of_stage = |task: &&Value| text(&task["title"]).contains(&format!(": {name}"));
        let id = all["tasks"].as_array().unwrap().iter().find(of_stage).unwrap_or_else(|| panic!("{name}: {all}"));
        self.amy.task(&text(&id["id"]))
    }

    /// Somebody does the stage that is ready, which must be this one.
    #[track_caller]
    fn does(&self, name: &str, more: Value) -> Value {
        let task = self.stage(name);
        assert_eq!(task["ready"], true, "{name}: {task}");
        let id = text(&task["id"]);
        self.amy.ok("claim_task", json!({ "task_id": id, "force": true }));
        let mut arguments = json!({ "task_id": id, "result": format!("{name} is done") });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.amy.ok("complete_task", arguments)
    }

    fn begins(&self, name: &str) -> String {
        let id = text(&self.stage(name)["id"]);
        self.amy.ok("claim_task", json!({ "task_id": id, "force": true }));
        id
    }

    fn ends(&self, id: &str, verdict: Value) -> Value {
        self.amy.ok("complete_task", json!({ "task_id": id, "result": "looked", "result_json": verdict }))
    }

    /// Called by a session that was started here.
    fn by_worker(&self, name: &str, arguments: &Value) -> Result<Value, orch_mcp::error::Error> {
        let worker = Caller { of_run: true, ..self.amy.caller.clone() };
        let request = find(name).unwrap().request(arguments.as_object().unwrap().clone()).unwrap();
        self.amy.desk.execute(&request, &worker, &Hangup::new()).map(|reply| reply.data)
    }

    fn verdict(&self, verdict: Value) -> Value {
        self.does("review", json!({ "result_json": verdict }))
    }

    fn state(&self) -> String {
        text(&self.amy.ok("get_job", json!({ "job_id": self.job }))["state"])
    }

    /// What the human is asked.
    fn gate(&self) -> Value {
        self.amy.ok("list_questions", json!({}))["questions"][0].clone()
    }
}

fn feedback(words: &str) -> Value {
    json!({ "verdict": "feedback", "feedback": words })
}

#[test]
fn each_stage_gets_what_those_before_it_brought_and_the_human_lets_the_last_one_pass() {
    let line = Line::new();
    let told = text(&line.stage("build")["description"]);
    assert!(told.starts_with("Build the login: it {{fails}}\n"), "nobody's words are a template: {told}");
    line.does("plan", json!({}));
    assert_eq!(line.stage("build")["inputs"][0]["result"], "plan is done");
    line.does("build", json!({}));
    line.does("verify", json!({}));
    line.verdict(json!({ "verdict": "activate_next" }));
    let inputs = line.stage("accept")["inputs"].take();
    assert_eq!(each(&inputs, "title"), ["the login: build", "the login: review"]);
    let held = line.does("accept", json!({}));
    assert_eq!((&held["task"]["status"], line.state()), (&json!("blocked"), "running".to_owned()));
    let waits = line.amy.ok("wait_for_job", json!({ "job_id": line.job, "timeout_seconds": 0 }));
    assert_eq!(waits["timed_out"], true, "it goes on once the human says a word: {waits}");
    let gate = line.gate();
    assert_eq!((&gate["id"], &gate["kind"]), (&held["question_id"], &json!("gate")));
    assert!(text(&gate["text"]).contains("accept is done"), "{gate}");
    line.amy.ok("answer_question", json!({ "question": gate["id"], "decision": "approve" }));
    assert_eq!(
        (line.state(), line.stage("accept")["result"].clone()),
        ("completed".to_owned(), json!("accept is done"))
    );
}

#[test]
fn feedback_goes_back_with_its_words_and_all_between_is_done_anew() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    let back = line.verdict(feedback("it fails\n## at noon"));
    assert_eq!((&back["sent_back_to"], &back["round"]), (&json!("build"), &json!(2)));
    assert_eq!(back["again"].as_array().unwrap().len(), 2, "build and verify");
    let again = line.stage("build");
    assert_eq!(again["title"], "the login: build (round 2)");
    let told = text(&again["description"]);
    assert!(
        told.contains("Build the login") && told.contains("> it fails\n> ## at noon\n> \n> review is done"),
        "{told}"
    );
    assert_eq!(again["inputs"].as_array().unwrap().len(), 2, "the plan, and what was built: {again}");
    assert_eq!(
        (line.stage("review")["ready"].clone(), line.stage("verify")["ready"].clone()),
        (json!(false), json!(false))
    );
    ["build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "activate_next" }));
    let inputs = line.stage("accept")["inputs"].take();
    assert_eq!(each(&inputs, "title"), ["the login: review", "the login: build (round 2)"], "of the newest round");
}

#[test]
fn after_so_many_times_it_is_sent_back_no_more() {
    let line = Line::new();
    line.does("plan", json!({}));
    for round in 1..=3 {
        ["build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
        let back = line.verdict(feedback("no"));
        assert_eq!(back["sent_back_to"].is_string(), round < 3, "round {round}");
    }
    let review = line.stage("review");
    assert_eq!(review["status"], "blocked");
    assert!(text(&review["reason"]).contains("sent back 2 times"), "{review}");
    assert_eq!(line.state(), "stuck");
}

/// The stages after it have gone on by then.
#[test]
fn a_verdict_is_said_once() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    let review = text(&line.stage("review")["id"]);
    line.verdict(json!({ "verdict": "activate_next" }));
    let again = |verdict: &str| json!({ "task_id": review, "result_json": { "verdict": verdict, "feedback": "no" } });
    let same = json!({ "task_id": review, "result_json": { "verdict": "activate_next" } });
    assert_eq!(line.amy.ok("complete_task", same)["already"], true);
    let error = line.amy.refused("conflict", "complete_task", again("feedback"));
    assert!(error.message.contains("another verdict"), "{error:?}");
}

#[test]
fn somebody_else_does_it_and_what_is_closed_goes_no_further() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "reassign", "to": "expert", "feedback": "too hard" }));
    assert_eq!(line.stage("build")["role"], "expert");
    ["build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    let to_zoe = json!({ "verdict": "reassign", "to": "@zoe", "feedback": "again" });
    let review = text(&line.stage("review")["id"]);
    line.amy.ok("claim_task", json!({ "task_id": review, "force": true }));
    let complete = |verdict: &Value| json!({ "task_id": review, "result_json": verdict });
    let error = line.amy.refused("refused", "complete_task", complete(&to_zoe));
    assert!(error.message.contains("nobody bears the name `@zoe`"), "{error:?}");
    line.world.joined("zoe");
    line.amy.ok("complete_task", complete(&to_zoe));
    assert_eq!(line.stage("build")["assignee"], "i-zoe");
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "close", "reason": "not worth it" }));
    let accept = line.stage("accept");
    assert_eq!((&accept["status"], line.state()), (&json!("cancelled"), "cancelled".to_owned()));
    assert!(text(&accept["reason"]).contains("not worth it"), "{accept}");
}

#[test]
fn a_verdict_that_is_none_changes_nothing() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    let id = text(&line.stage("review")["id"]);
    line.amy.ok("claim_task", json!({ "task_id": id, "force": true }));
    for wrong in [
        json!(null),
        json!({ "verdict": "fine" }),
        json!({ "verdict": "feedback" }),
        json!({ "verdict": "close", "x": 1 }),
    ] {
        let error = line.amy.refused("invalid", "complete_task", json!({ "task_id": id, "result_json": wrong }));
        assert!(error.hint.is_some(), "{error:?}");
    }
    assert_eq!(line.stage("review")["status"], "claimed");
}

#[test]
fn the_human_sends_it_back_with_words_or_it_leaves_the_gate_by_another_way() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "activate_next" }));
    line.does("accept", json!({}));
    let deny = json!({ "question": line.gate()["id"], "decision": "deny", "answer": "the button is red" });
    line.amy.ok("answer_question", deny);
    let again = line.stage("build");
    assert!(text(&again["description"]).contains("> the button is red"), "{again}");
    assert_eq!(again["ready"], true);
    for name in ["build", "verify"] {
        line.does(name, json!({}));
    }
    line.verdict(json!({ "verdict": "activate_next" }));
    line.does("accept", json!({}));
    line.amy.ok("unblock_task", json!({ "task_id": line.stage("accept")["id"] }));
    assert_eq!(line.gate(), Value::Null, "nobody needs the answer any more");
    line.does("accept", json!({}));
    line.amy.ok("cancel_task", json!({ "task_id": line.stage("accept")["id"] }));
    assert_eq!(line.gate(), Value::Null);
}

#[test]
fn a_stage_that_fails_is_tried_again_as_often_as_it_may_be() {
    let line = Line::new();
    line.does("plan", json!({}));
    let id = text(&line.stage("build")["id"]);
    for expected in ["pending", "failed"] {
        line.amy.ok("claim_task", json!({ "task_id": id, "force": true }));
        let failed = line.amy.ok("fail_task", json!({ "task_id": id, "reason": "no" }));
        assert_eq!(failed["task"]["status"], expected);
    }
}

#[test]
fn many_issues_are_independent_and_a_dry_run_makes_nothing() {
    let world = World::new();
    let amy = world.joined("amy");
    let issues: Vec<Value> = (0..20)
        .map(|n| json!({ "key": format!("#{n}"), "title": format!("issue {n}"), "priority": 1 + n % 10 }))
        .collect();
    let run = |dry: bool| {
        amy.ok("run_pipeline", json!({ "pipeline": "own", "definition": STAGES, "issues": issues, "dry_run": dry }))
    };
    let drawn = run(true);
    assert_eq!((&drawn["tasks"], &drawn["job"]), (&json!(100), &Value::Null));
    assert!(text(&drawn["drawing"]).contains("issue 0: plan"), "{drawn}");
    assert_eq!(amy.ok("list_tasks", json!({}))["total"], 0);
    let ran = run(false);
    assert_eq!(ran["pushed"]["count"], 100);
    let seen = amy.ok("get_job", json!({ "job_id": ran["job"]["id"] }));
    assert_eq!(
        (&seen["by_status"], &seen["critical_path"]["length"]),
        (&json!({ "ready": 20, "waiting": 80 }), &json!(5))
    );
    for name in ["chain", "proof", "feature", "bugfix", "review", "release"] {
        let ran = amy.ok("run_pipeline", json!({ "pipeline": name, "title": "t" }));
        assert!(ran["pushed"]["count"].as_u64() >= Some(2), "{name}");
    }
    for (arguments, wanted) in [
        (json!({ "pipeline": "own", "definition": STAGES }), "needs an issue"),
        (json!({ "pipeline": "own", "definition": "x = 1", "title": "t" }), "own.toml"),
        (json!({ "pipeline": "chain", "issues": [{ "titel": "t" }] }), "issues[0]"),
        (json!({ "pipeline": "chain", "issues": [{ "title": "t", "priority": 11 }] }), "1 to 10"),
    ] {
        let error = amy.refused("invalid", "run_pipeline", arguments);
        assert!(error.message.contains(wanted), "{error:?}");
    }
    let error = amy.refused("not_found", "run_pipeline", json!({ "pipeline": "chian", "title": "t" }));
    assert!(error.hint.unwrap().contains("chain"));
}

/// That a later stage sends work back is no rejection of the one in between.
#[test]
fn each_that_sends_back_has_its_own_count() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "activate_next" }));
    line.does("accept", json!({}));
    line.amy.ok("answer_question", json!({ "question": line.gate()["id"], "decision": "deny", "answer": "no" }));
    for _ in 0..2 {
        ["build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
        assert_eq!(line.verdict(feedback("nor I"))["sent_back_to"], "build", "twice is what it may");
    }
    ["build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    assert_eq!(line.verdict(feedback("nor I"))["sent_back_to"], Value::Null);
}

#[test]
fn no_worker_takes_a_stage_past_a_gate_by_what_it_waits_for() {
    let line = Line::new();
    let accept = text(&line.stage("accept")["id"]);
    let past = json!({ "task_id": accept, "depends_on": [] });
    let error = line.by_worker("update_task", &past).unwrap_err();
    assert_eq!(error.kind, Kind::Forbidden, "{error:?}");
    line.amy.ok("update_task", past);
}

#[test]
fn no_worker_writes_what_judges_it_nor_takes_it_from_whoever_is_to_judge() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    let review = text(&line.stage("review")["id"]);
    for change in [json!({ "description": "all is well" }), json!({ "role": "builder" }), json!({ "evidence": [] })] {
        let mut change = change;
        change["task_id"] = json!(review);
        let error = line.by_worker("update_task", &change).unwrap_err();
        assert_eq!(error.kind, Kind::Forbidden, "{change}: {error:?}");
    }
    let error =
        line.by_worker("claim_task", &json!({ "task_id": review, "force": true, "instance_id": "i-amy" })).unwrap_err();
    assert_eq!(error.kind, Kind::Forbidden, "{error:?}");
    line.verdict(json!({ "verdict": "activate_next" }));
}

/// A question that outlived its round would let a later one pass that nobody has seen.
#[test]
fn whatever_is_called_off_at_its_gate_asks_nobody_any_more() {
    let at_the_gate = || {
        let line = Line::new();
        ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
        line.verdict(json!({ "verdict": "activate_next" }));
        line.does("accept", json!({}));
        assert!(line.gate().is_object());
        line
    };
    let line = at_the_gate();
    let question = line.gate()["id"].clone();
    line.amy.ok("cancel_job", json!({ "job_id": line.job }));
    assert_eq!(line.gate(), Value::Null);
    let accept = line.stage("accept")["id"].clone();
    line.amy.ok("retry_task", json!({ "task_id": accept, "force": true }));
    line.does("accept", json!({}));
    let late = json!({ "question": question, "decision": "approve" });
    line.amy.refused("conflict", "answer_question", late);
    assert_eq!(line.stage("accept")["status"], "blocked", "the round that nobody has seen waits");
}

#[test]
fn one_document_tells_what_stands_and_what_was_sent_back() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(feedback("no"));
    let document = || text(&line.amy.ok("synthesize_job", json!({ "job_id": line.job }))["document"]);
    assert!(document().contains("### task-2 the login: build\n"), "nothing has taken its place yet: {}", document());
    line.does("build", json!({}));
    let told = document();
    let (results, earlier) = told.split_once("## Sent back, and done anew").expect("what was sent back");
    assert!(results.contains("### task-6 the login: build (round 2)\n") && !results.contains("task-2 "), "{told}");
    assert!(earlier.contains("- task-2 the login: build\n"), "{told}");
}

#[test]
fn the_human_answers_a_gate_by_whatever_name_it_goes() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "activate_next" }));
    line.does("accept", json!({}));
    let seen = line.amy.ok("get_job", json!({ "job_id": line.job }));
    assert_eq!((&seen["state"], &seen["asks"]), (&json!("running"), &json!([line.gate()["id"]])));
    let accept = text(&line.stage("accept")["id"]);
    for name in ["amy", line.job.as_str(), accept.as_str()] {
        let error = line.amy.refused("refused", "answer_question", json!({ "question": name, "decision": "deny" }));
        assert!(error.hint.unwrap().contains("say why"), "whoever does it again must know what was wrong");
    }
    line.amy.ok("answer_question", json!({ "question": accept, "decision": "approve" }));
    assert_eq!(line.state(), "completed");
    let error = line.amy.refused("not_found", "answer_question", json!({ "question": accept, "decision": "approve" }));
    assert!(error.message.contains("waits at a gate"), "{error:?}");
}

/// What was made of work that was sent back is worth no more than that work.
#[test]
fn whatever_went_on_from_what_is_sent_back_is_done_anew() {
    let line = Line::through(SIDE_BY_SIDE);
    line.does("build", json!({}));
    line.does("docs", json!({}));
    line.does("fast", json!({ "result_json": { "verdict": "activate_next" } }));
    let back = line.does("safe", json!({ "result_json": feedback("a hole") }));
    assert_eq!(back["again"].as_array().unwrap().len(), 3, "build, docs and fast: {back}");
    for waits in ["docs", "safe", "fast", "ship"] {
        assert_eq!(line.stage(waits)["ready"], false, "{waits}");
    }
    line.does("build", json!({}));
    assert_eq!(each(&line.stage("fast")["inputs"], "title"), ["the login: fast", "the login: build (round 2)"]);
    line.does("docs", json!({}));
    for judge in ["safe", "fast"] {
        line.does(judge, json!({ "result_json": { "verdict": "activate_next" } }));
    }
    let inputs = line.stage("ship")["inputs"].take();
    let last = ["the login: safe", "the login: docs (round 2)", "the login: fast (round 2)"];
    assert_eq!(each(&inputs, "title"), last);
    line.does("ship", json!({}));
    assert_eq!(line.state(), "completed");
}

/// Whoever still judged the former round says what that round was worth, and nothing of the next one.
#[test]
fn two_who_send_back_the_same_work_at_once_are_both_heard_and_it_is_done_anew_once() {
    let line = Line::through(SIDE_BY_SIDE);
    line.does("build", json!({}));
    let (safe, fast) = (line.begins("safe"), line.begins("fast"));
    line.ends(&safe, feedback("a hole"));
    let late = line.ends(&fast, feedback("too slow"));
    assert_eq!((&late["task"]["status"], &late["sent_back_to"]), (&json!("completed"), &json!("build")), "{late}");
    let again = line.stage("build");
    let told = text(&again["description"]);
    assert!(told.contains("> a hole") && told.contains("> too slow"), "{told}");
    assert_eq!(again["title"], "the login: build (round 2)");
    assert_eq!(line.stage("fast")["title"], "the login: fast (round 2)");
    line.does("build", json!({}));
    line.does("docs", json!({}));
    for judge in ["safe", "fast"] {
        line.does(judge, json!({ "result_json": { "verdict": "activate_next" } }));
    }
    line.does("ship", json!({}));
    assert_eq!(line.state(), "completed");
}

#[test]
fn words_that_come_while_the_next_round_is_under_way_are_for_the_round_after_it() {
    let line = Line::through(SIDE_BY_SIDE);
    line.does("build", json!({}));
    let (safe, fast) = (line.begins("safe"), line.begins("fast"));
    line.ends(&safe, feedback("a hole"));
    line.begins("build");
    line.ends(&fast, feedback("too slow"));
    assert_eq!(
        line.stage("build")["title"],
        "the login: build (round 2)",
        "it is judged again before it is done again"
    );
    let told = text(&line.stage("fast")["description"]);
    assert!(told.contains("> too slow"), "so it is for whoever judges then: {told}");
}

#[test]
fn a_judge_that_lets_the_former_round_pass_lets_no_later_one_pass() {
    let line = Line::through(SIDE_BY_SIDE);
    line.does("build", json!({}));
    let (safe, fast) = (line.begins("safe"), line.begins("fast"));
    line.ends(&safe, feedback("a hole"));
    line.ends(&fast, json!({ "verdict": "activate_next" }));
    line.does("build", json!({}));
    line.does("docs", json!({}));
    line.does("safe", json!({ "result_json": { "verdict": "activate_next" } }));
    assert_eq!(line.stage("ship")["ready"], false, "whether round 2 is fast nobody has said");
    line.does("fast", json!({ "result_json": { "verdict": "activate_next" } }));
    line.does("ship", json!({}));
}

#[test]
fn that_nothing_moves_any_more_is_told_when_the_human_says_the_last_no() {
    let line = Line::new();
    line.amy.poll();
    let to_the_gate = || {
        ["build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
        line.verdict(json!({ "verdict": "activate_next" }));
        line.does("accept", json!({}));
    };
    let told = |kind: &str| line.amy.ok("list_events", json!({ "kind": kind }))["events"].as_array().unwrap().len();
    line.does("plan", json!({}));
    to_the_gate();
    let no = |words: &str| {
        let deny = json!({ "question": line.gate()["id"], "decision": "deny", "answer": words });
        line.amy.ok("answer_question", deny);
    };
    no("no");
    let build = text(&line.stage("build")["description"]);
    assert!(build.contains("accept is done"), "what came of the stage at the gate is not lost: {build}");
    to_the_gate();
    assert_eq!((line.state(), told("job.stuck")), ("running".to_owned(), 0));
    no("never");
    assert_eq!((line.state(), told("job.stuck")), ("stuck".to_owned(), 1));
    assert!(text(&line.stage("accept")["reason"]).contains("never"));
}

#[test]
fn the_time_that_the_human_takes_says_nothing_of_how_long_a_stage_takes() {
    let line = Line::new();
    let step = |name: &str, more: Value| {
        line.begins(name);
        line.world.pass_secs(60);
        let mut arguments = json!({ "task_id": line.stage(name)["id"] });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.amy.ok("complete_task", arguments);
    };
    ["plan", "build", "verify"].iter().for_each(|name| step(name, json!({})));
    step("review", json!({ "result_json": { "verdict": "activate_next" } }));
    step("accept", json!({}));
    line.world.pass_secs(40_000);
    line.amy.ok("answer_question", json!({ "question": line.gate()["id"], "decision": "deny", "answer": "no" }));
    line.begins("build");
    let seen = line.amy.ok("get_job", json!({ "job_id": line.job }));
    assert_eq!(seen["eta"], json!({ "from_seconds": 240, "to_seconds": 240 }), "{seen}");
}

#[test]
fn many_tasks_of_the_same_chain_hide_no_stage() {
    let line = Line::new();
    let chain = line.stage("plan")["chain_id"].clone();
    let ids = BTreeMap::from(["plan", "build", "verify", "review"].map(|name| (name, text(&line.stage(name)["id"]))));
    let beside: Vec<Value> = (0..2_100).map(|_| json!({ "title": "t", "chain_id": chain, "job": line.job })).collect();
    line.amy.ok("push_tasks", json!({ "tasks": beside }));
    for name in ["plan", "build", "verify"] {
        line.amy.ok("claim_task", json!({ "task_id": ids[name], "force": true }));
        line.amy.ok("complete_task", json!({ "task_id": ids[name] }));
    }
    line.amy.ok("claim_task", json!({ "task_id": ids["review"], "force": true }));
    let back = line.ends(&ids["review"], feedback("no"));
    assert_eq!((&back["sent_back_to"], back["again"].as_array().unwrap().len()), (&json!("build"), 2));
}

/// Two judge round 1, one sends it back, and this is what the other one does then.
fn late(does: impl Fn(&Line, &str)) -> Line {
    let line = Line::through(SIDE_BY_SIDE);
    line.does("build", json!({}));
    let (safe, fast) = (line.begins("safe"), line.begins("fast"));
    line.ends(&safe, feedback("a hole"));
    does(&line, &fast);
    ["build", "docs"].iter().for_each(|name| drop(line.does(name, json!({}))));
    for judge in ["safe", "fast"] {
        line.does(judge, json!({ "result_json": { "verdict": "activate_next" } }));
    }
    line.does("ship", json!({}));
    line
}

#[test]
fn what_becomes_of_a_round_that_nobody_needs_any_more_is_no_failure() {
    for end in ["fail_task", "release_task", "block_task"] {
        let line = late(|line, fast| drop(line.amy.ok(end, json!({ "task_id": fast, "reason": "no time" }))));
        assert_eq!(line.state(), "completed", "{end}");
    }
    let lapsed = late(|line, _| {
        line.world.pass_secs(1_000);
        line.world.joined("bob").ok("claim_task", json!({ "dry_run": true }));
    });
    assert_eq!(lapsed.state(), "completed", "nor is one whose holder died");
    let left = late(|line, _| {
        line.amy.ok("unregister_instance", json!({}));
        line.amy.ok("register_instance", json!({ "name": "amy" }));
    });
    assert_eq!(left.state(), "completed");
}

#[test]
fn who_would_close_a_round_that_was_sent_back_already_says_so_to_the_next_one() {
    let line = late(|line, fast| {
        let close = line.ends(fast, json!({ "verdict": "close", "reason": "it cannot be fast" }));
        assert_eq!(close["task"]["status"], "completed", "{close}");
        assert!(text(&line.stage("build")["description"]).contains("> it cannot be fast"));
    });
    assert_eq!(line.state(), "completed");
}

#[test]
fn a_job_of_one_issue_that_was_closed_was_called_off_and_not_done() {
    let line = Line::new();
    ["plan", "build", "verify"].iter().for_each(|name| drop(line.does(name, json!({}))));
    line.verdict(json!({ "verdict": "close", "reason": "it cannot be done" }));
    let job = line.amy.ok("get_job", json!({ "job_id": line.job }));
    assert_eq!(job["state"], "cancelled");
    assert!(text(&job["reason"]).contains("it cannot be done"), "{job}");
}

#[test]
fn whoever_waits_beside_the_issue_waits_for_the_newest_round_too() {
    let line = Line::through(SIDE_BY_SIDE);
    line.does("build", json!({}));
    let (safe, fast) = (line.begins("safe"), line.begins("fast"));
    let beside = line.amy.ok("push_task", json!({ "title": "tell the world", "depends_on": [fast] }));
    line.ends(&safe, feedback("a hole"));
    line.ends(&fast, feedback("too slow"));
    let beside = text(&beside["task"]["id"]);
    assert_eq!(line.amy.task(&beside)["ready"], false);
    assert_eq!(line.amy.task(&beside)["depends_on"], json!([line.stage("fast")["id"]]));
}
