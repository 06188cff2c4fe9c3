//! What a session may leave behind when it stops: nothing that somebody waits for, without having been told so once.

use crate::e2e::script::held;
use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Request;
use crate::e2e::stage::Stage;
use serde_json::json;
use std::process::Command;

fn amy(stage: &Stage) -> Command {
    let mut claude = stage.claude(&["--allowedTools", "Bash"]);
    claude.env("ORCH_INSTANCE", "amy");
    claude
}

/// What the model was asked, without what the client asks on the side.
fn turns(stage: &Stage) -> Vec<Request> {
    stage.requests().into_iter().filter(|request| request.step().is_some()).collect()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn with_a_claimed_task_it_goes_on_once() {
    let steps = [uses("claim_task", json!({})), says("that is all"), says("really all")];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    stage.wire();
    stage.ok(&["push-task", "Write the parser"]);
    let session = stage.print(amy(&stage), "GO");
    assert_eq!(session.last_result()["result"], "really all", "{}", session.told());
    let turns = turns(&stage);
    assert_eq!(turns.len(), 3, "{turns:#?}");
    let news = turns[2].news();
    assert!(news.contains("Stop hook feedback") && news.contains("task-0000000001"), "{news}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn told_to_finish_it_can_complete_the_task() {
    let steps = [
        uses("claim_task", json!({})),
        says("that is all"),
        uses("complete_task", json!({ "task_id": 1, "result": "12 tests" })),
        says("now it is"),
    ];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    stage.wire();
    stage.ok(&["push-task", "Write the parser"]);
    let session = stage.print(amy(&stage), "GO");
    assert_eq!(session.last_result()["result"], "now it is", "{}", session.told());
    assert_eq!(stage.ok(&["get-task", "1"])["task"]["status"], "completed");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn with_an_unread_question_it_goes_on_once() {
    let steps = [held("asked", says("that is all")), uses("poll_messages", json!({})), says("really all")];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    stage.wire();
    let mut session = stage.begin(amy(&stage), "GO");
    stage.request("amy at work", |request| request.step() == Some(0));
    stage.ok(&["register-instance", "bob"]);
    stage.ok(&["send-message", "-i", "bob", "--to-name", "amy", "--needs-answer", "Which format?"]);
    stage.release("asked");
    session.ends();
    let turns = turns(&stage);
    assert_eq!(turns.len(), 3, "{turns:#?}");
    let told = turns[1].news();
    assert!(told.contains("Stop hook feedback") && told.contains("bob"), "{told}");
    let whole = turns[2].words();
    assert_eq!(whole.matches("Which format?").count(), 1, "{whole}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_limit_and_an_error_are_written_down() {
    for (status, written) in [(429, "limited"), (500, "error")] {
        let fails = json!({ "error": { "status": status }, "times": 9 });
        let Some(stage) = Stage::set([role("GO", [fails])]) else { return };
        stage.wire();
        let mut session = stage.stream({
            let mut claude = amy(&stage);
            claude.env("CLAUDE_CODE_MAX_RETRIES", "1");
            claude
        });
        session.say("GO");
        assert_eq!(session.result()["api_error_status"], status);
        let looks = || stage.ok(&["get-instance", "amy"]).to_string().contains(written).then_some(());
        stage.eventually(&format!("amy is {written}"), looks);
        // It ends with an error of its own.
        session.close_input();
        session.ends();
    }
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn with_nothing_to_do_it_ends() {
    let Some(stage) = Stage::set([role("GO", [runs("echo one"), says("that is all")])]) else { return };
    stage.wire();
    stage.ok(&["push-task", "Somebody else's", "--role", "reviewer"]);
    let session = stage.print(amy(&stage), "GO");
    assert_eq!(session.last_result()["result"], "that is all", "{}", session.told());
    assert_eq!(turns(&stage).len(), 2);
    stage.until_empty();
}
