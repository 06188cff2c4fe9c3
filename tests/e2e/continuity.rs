//! A session that forgets keeps its name and its task: `/clear`, `/compact`, and one that is resumed.

use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Request;
use crate::e2e::stage::Stage;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use serde_json::json;

/// Claims the one task there is, and says so.
fn claims() -> Value {
    role("CLAIM", [uses("claim_task", json!({})), says("claimed"), says("I go on"), says("I go on"), says("I go on")])
}

fn goes_on() -> Value {
    role("AGAIN", [says("I go on"), says("I go on")])
}

/// What a session is told that begins anew has the task in it, and the number that proves the claim.
#[track_caller]
fn knows_its_task(request: &Request, source: &str) {
    let brief = request.brief();
    for part in ["amy", "Write the parser", "task-0000000001", "token"] {
        assert!(brief.contains(part), "after {source}, no `{part}` in: {brief}");
    }
}

/// One instance, one claim, one attempt: nothing was done twice.
#[track_caller]
fn is_still_the_same(stage: &Stage, before: &Value) {
    let instances = stage.ok(&["list-instances"]);
    assert_eq!(instances["total"], 1, "{instances}");
    assert_eq!(instances["instances"][0]["id"], before["holder"], "{instances}");
    let task = stage.ok(&["get-task", "1"])["task"].take();
    for field in ["status", "holder", "token", "attempt", "claimed_at"] {
        assert_eq!(task[field], before[field], "{field}: {task}");
    }
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn clear_compact_and_resume_leave_it_who_it_is_with_the_task_it_has() {
    let Some(stage) = Stage::set([claims(), goes_on()]) else { return };
    stage.wire();
    stage.ok(&["push-task", "Write the parser"]);
    let claude = || {
        let mut claude = stage.claude(&[]);
        claude.env("ORCH_INSTANCE", "amy");
        claude
    };
    let mut amy = stage.stream(claude());
    amy.say("CLAIM");
    amy.result();
    let first = amy.id();
    let before = stage.ok(&["get-task", "1"])["task"].take();
    assert_eq!((&before["status"], &before["holder_name"]), (&json!("claimed"), &json!("amy")), "{before}");

    amy.say("/clear");
    amy.result();
    amy.say("AGAIN");
    amy.result();
    let second = amy.id();
    assert_ne!(first, second);
    let asked = |what: &str, wanted: &dyn Fn(&Request) -> bool| stage.request(what, wanted);
    knows_its_task(&asked("the cleared session", &|request| request.session() == second), "/clear");
    is_still_the_same(&stage, &before);

    amy.say("/compact");
    amy.line("the end of the compaction", |line| line["subtype"] == "compact_boundary");
    amy.result();
    let summarized = stage.requests().len();
    amy.say("and now?");
    amy.result();
    knows_its_task(&stage.requests()[summarized], "/compact");
    is_still_the_same(&stage, &before);
    let history = stage.ok(&["get-task", "1", "--history"])["history"].take();
    assert!(history.to_string().contains("compacted"), "{history}");
    amy.close();
    stage.until_empty();
    is_still_the_same(&stage, &before);

    let asked_before = stage.requests().len();
    let mut resumed = claude();
    resumed.args(["--resume", &second]);
    stage.print(resumed, "and once more");
    knows_its_task(&stage.requests()[asked_before], "a resume");
    is_still_the_same(&stage, &before);
}

/// Without a name of its own in the environment it is known by its session.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_was_given_a_name_keeps_it_without_saying_so_again() {
    let Some(stage) = Stage::set([role("GO", [says("one"), says("two")]), goes_on()]) else { return };
    stage.wire();
    let mut session = stage.stream(stage.claude(&[]));
    session.say("GO");
    session.result();
    let before = stage.ok(&["list-instances"])["instances"][0].take();
    session.say("/clear");
    session.result();
    session.say("AGAIN");
    session.result();
    let id = session.id();
    session.close();
    stage.print(stage.claude(&["--resume", &id]), "and once more");
    let after = stage.ok(&["list-instances"]);
    assert_eq!(after["total"], 1, "{after}");
    assert_eq!(after["instances"][0]["id"], before["id"]);
    assert_eq!(after["instances"][0]["name"], before["name"]);
}

/// The client starts it again at the next call.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_server_that_was_killed_comes_back_as_the_same() {
    let steps =
        [uses("server_status", json!({})), says("one"), uses("claim_task", json!({})), says("two"), says("three")];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    stage.wire();
    stage.ok(&["push-task", "Write the parser"]);
    let mut session = stage.stream(stage.claude(&[]));
    session.say("GO");
    session.result();
    let before = stage.ok(&["list-instances"])["instances"][0]["id"].take();
    let servers = stage.processes().into_iter().filter(|(_, command)| command.contains("orch-mcp serve"));
    let servers: Vec<Pid> = servers.map(|(pid, _)| pid).collect();
    assert_eq!(servers.len(), 1);
    kill_process(servers[0], Signal::KILL).unwrap();
    stage.eventually("the end of the server", || {
        (!stage.processes().iter().any(|(pid, _)| *pid == servers[0])).then_some(())
    });
    session.say("and now?");
    session.result();
    let after = stage.ok(&["list-instances"]);
    assert_eq!((&after["total"], &after["instances"][0]["id"]), (&json!(1), &before), "{after}");
    assert_eq!(stage.ok(&["get-task", "1"])["task"]["holder"], before);
    session.close();
    stage.until_empty();
}

/// The shell that a session has knows who it is, also after `/clear`.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn the_shell_of_a_session_speaks_in_its_name() {
    let looks = || runs("orch-mcp server-status --format json; echo I am $ORCH_INSTANCE");
    let Some(stage) = Stage::set([role("GO", [looks(), says("one")]), role("AGAIN", [looks(), says("two")])]) else {
        return;
    };
    stage.wire();
    let mut session = stage.stream(stage.claude(&["--allowedTools", "Bash"]));
    session.say("GO");
    session.result();
    session.say("/clear");
    session.result();
    session.say("AGAIN");
    session.result();
    session.close();
    let id = stage.ok(&["list-instances"])["instances"][0]["id"].as_str().unwrap().to_owned();
    let seen = stage.requests().into_iter().filter(|request| request.news().contains(&format!("I am {id}"))).count();
    assert_eq!(seen, 2, "before and after");
}
