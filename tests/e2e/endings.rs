//! However a session ends, its claims come back as they should, and no process of it or of ours is left.

use crate::e2e::script::held;
use crate::e2e::script::role;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::session::Session;
use crate::e2e::session::Terminal;
use crate::e2e::stage::Stage;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use serde_json::json;

/// How long an ended session keeps its claims here, in seconds; none says that they go back at once.
fn at_work(stage: &Stage, grace: &str) -> Session {
    stage.wire();
    stage.ok(&["push-task", "Write the parser"]);
    let mut claude = stage.claude(&[]);
    claude.env("ORCH_INSTANCE", "amy").env("ORCH_GRACE_SECS", grace);
    let session = stage.begin(claude, "GO");
    stage.request("a session at work", |request| request.step() == Some(1));
    session
}

/// Claims, and then thinks for as long as the test wants.
fn thinks() -> Value {
    role("GO", [uses("claim_task", json!({})), held("thought", says("done")), says("done")])
}

fn task(stage: &Stage) -> Value {
    stage.ok(&["get-task", "1"])["task"].take()
}

#[track_caller]
fn is_given_back(stage: &Stage) {
    stage.until_empty();
    stage.eventually("a task that is ready again", || (task(stage)["status"] == "pending").then_some(()));
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn at_its_end_claims_go_back_at_once_where_so_set() {
    let Some(stage) = Stage::set([thinks()]) else { return };
    let mut session = at_work(&stage, "0");
    stage.release("thought");
    assert!(session.ends().success());
    is_given_back(&stage);
    let amy = stage.ok(&["get-instance", "amy"]);
    assert_eq!(amy["instance"]["status"], "offline", "{amy}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn else_they_are_kept_for_a_while() {
    let Some(stage) = Stage::set([thinks()]) else { return };
    let mut session = at_work(&stage, "600");
    stage.release("thought");
    assert!(session.ends().success());
    stage.until_empty();
    let kept = task(&stage);
    assert_eq!((&kept["status"], &kept["holder_name"]), (&json!("claimed"), &json!("amy")), "{kept}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn whatever_signal_ends_it_its_claims_go_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let Some(stage) = Stage::set([thinks()]) else { return };
        let mut session = at_work(&stage, "0");
        session.signal(signal);
        session.ends();
        is_given_back(&stage);
    }
}

/// It cannot say anything any more; its server notices.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_killed_session_gives_its_claims_back() {
    let Some(stage) = Stage::set([thinks()]) else { return };
    let mut session = at_work(&stage, "0");
    session.signal(Signal::KILL);
    session.ends();
    is_given_back(&stage);
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_killed_session_that_is_resumed_in_time_goes_on_with_its_task() {
    let Some(stage) = Stage::set([thinks()]) else { return };
    let mut session = at_work(&stage, "600");
    let before = task(&stage);
    session.signal(Signal::KILL);
    session.ends();
    stage.until_empty();
    stage.release("thought");
    let asked = stage.requests().len();
    let mut claude = stage.claude(&["--resume", &session.id()]);
    claude.env("ORCH_INSTANCE", "amy");
    stage.print(claude, "go on");
    let told = stage.requests()[asked].brief();
    assert!(told.contains("task-0000000001") && told.contains("token 1"), "{told}");
    let after = task(&stage);
    for field in ["status", "holder", "token", "attempt"] {
        assert_eq!(after[field], before[field], "{after}");
    }
}

/// What a session in a terminal has waiting for mail is more than its server.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn of_a_killed_terminal_session_nothing_is_left() {
    let Some(stage) = Stage::set([role("GO", [says("I am here")])]) else { return };
    stage.wire();
    let mut claude = stage.claude(&[]);
    claude.env("ORCH_INSTANCE", "amy");
    let amy = Terminal::open(&stage, "amy", &claude);
    amy.types("GO");
    amy.until_shows("I am here");
    kill_process(amy.client(), Signal::KILL).unwrap();
    drop(amy);
    stage.until_empty();
}

/// The same when somebody closes the window.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn of_a_closed_terminal_nothing_is_left() {
    let Some(stage) = Stage::set([role("GO", [says("I am here")])]) else { return };
    stage.wire();
    let amy = Terminal::open(&stage, "amy", &stage.claude(&[]));
    amy.types("GO");
    amy.until_shows("I am here");
    drop(amy);
    stage.until_empty();
    let ended = stage.ok(&["list-instances"])["instances"][0].take();
    assert_eq!(ended["status"], "offline", "{ended}");
}
