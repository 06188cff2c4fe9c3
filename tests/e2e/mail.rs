//! Mail reaches a session whatever it does: at work, idle, in a terminal, or only when it comes back.

use crate::e2e::script::held;
use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::session::Terminal;
use crate::e2e::stage::Request;
use crate::e2e::stage::Stage;
use serde_json::Value;
use serde_json::json;
use std::process::Command;

const WORDS: &str = "the parser is in";

/// The bell itself says no more than that.
const BELL: &str = "you have mail";

fn named(stage: &Stage, name: &str, arguments: &[&str]) -> Command {
    let mut claude = stage.claude(arguments);
    claude.env("ORCH_INSTANCE", name);
    claude
}

/// Bob, in one turn of his own, writes to amy.
fn bob_writes() -> Value {
    role("BOB", [uses("send_message", json!({ "to_name": "amy", "content": WORDS })), says("sent")])
}

#[track_caller]
fn bob_has_written(stage: &Stage) {
    let session = stage.print(named(stage, "bob", &[]), "BOB");
    assert_eq!(session.last_result()["result"], "sent", "{}", session.told());
}

/// The words, their sender, and that nobody's authority comes with them.
#[track_caller]
fn is_delivered(request: &Request) {
    let news = request.news();
    for part in [WORDS, "bob", "authority"] {
        assert!(news.contains(part), "no `{part}` in: {news}");
    }
}

/// However long the conversation is, the words are in it once.
#[track_caller]
fn is_there_once(stage: &Stage, session: &str) {
    let requests = stage.requests();
    let last = requests.iter().rfind(|request| request.session() == session).expect("it was asked something").words();
    assert_eq!(last.matches(WORDS).count(), 1, "{last}");
}

/// What became of the one message that bob sent.
fn receipt(stage: &Stage) -> Value {
    stage.ok(&["list-receipts", "-i", "bob"])["receipts"][0].take()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_is_at_work_reads_it_after_the_next_tool() {
    let steps = [held("written", runs("echo one")), runs("echo two"), says("done")];
    let Some(stage) = Stage::set([role("AMY", steps), bob_writes()]) else { return };
    stage.wire();
    let mut amy = stage.begin(named(&stage, "amy", &["--allowedTools", "Bash"]), "AMY");
    let first = stage.request("amy at work", |request| request.step() == Some(0));
    bob_has_written(&stage);
    stage.release("written");
    assert!(amy.ends().success());
    assert_eq!(amy.heard.iter().filter(|line| line["type"] == "result").count(), 1, "it was not rung at as well");
    let of_amy = |step| stage.request("amy", |it| it.session() == first.session() && it.step() == Some(step));
    is_delivered(&of_amy(1));
    assert!(!of_amy(2).news().contains(WORDS));
    is_there_once(&stage, first.session());
    assert_ne!(receipt(&stage)["state"], "queued");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_is_idle_with_an_open_input_is_woken() {
    let Some(stage) = Stage::set([role("AMY", [says("here"), says("woken")]), bob_writes()]) else { return };
    stage.wire();
    let mut amy = stage.stream(named(&stage, "amy", &[]));
    amy.say("AMY");
    assert_eq!(amy.result()["result"], "here");
    bob_has_written(&stage);
    assert_eq!(amy.result()["result"], "woken");
    let id = amy.id();
    is_delivered(&stage.request("amy again", |request| request.session() == id && request.step() == Some(1)));
    is_there_once(&stage, &id);
    amy.close();
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_is_given_a_task_is_woken() {
    let steps = [says("here"), uses("claim_task", json!({})), says("claimed"), says("that is all")];
    let Some(stage) = Stage::set([role("AMY", steps)]) else { return };
    stage.wire();
    let mut amy = stage.stream(named(&stage, "amy", &[]));
    amy.say("AMY");
    assert_eq!(amy.result()["result"], "here");
    stage.ok(&["push-task", "Write the parser", "--assignee", "@amy"]);
    amy.result();
    let woken = stage.request("amy again", |request| request.step() == Some(1)).news();
    assert!(woken.contains("assigned to you") && woken.contains("Write the parser"), "{woken}");
    assert_eq!(stage.ok(&["get-task", "1"])["task"]["holder_name"], "amy");
    amy.close();
}

/// No tool comes any more after which it could be told.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_speaks_the_last_words_of_a_turn_is_woken_after_them() {
    let steps = [held("written", says("here")), says("woken")];
    let Some(stage) = Stage::set([role("AMY", steps), bob_writes()]) else { return };
    stage.wire();
    let mut amy = stage.stream(named(&stage, "amy", &[]));
    amy.say("AMY");
    stage.request("amy at work", |request| request.step() == Some(0));
    bob_has_written(&stage);
    stage.release("written");
    assert_eq!(amy.result()["result"], "here");
    assert_eq!(amy.result()["result"], "woken");
    let id = amy.id();
    is_delivered(&stage.request("amy again", |request| request.session() == id && request.step() == Some(1)));
    amy.close();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_is_idle_in_a_terminal_is_woken() {
    let Some(stage) = Stage::set([role("AMY", [says("I am here"), says("I am woken")]), bob_writes()]) else { return };
    stage.wire();
    let amy = Terminal::open(&stage, "amy", &named(&stage, "amy", &[]));
    amy.types("AMY");
    amy.until_shows("I am here");
    bob_has_written(&stage);
    amy.until_shows("I am woken");
    let woken = stage.request("amy again", |it| it.step() == Some(1) && it.words().contains("I am here"));
    is_delivered(&woken);
    is_there_once(&stage, woken.session());
    amy.types("/exit");
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_cleared_terminal_session_is_woken_once() {
    let Some(stage) = Stage::set([bob_writes(), role("AMY", [says("I am here")]), role(BELL, [says("I am woken")])])
    else {
        return;
    };
    stage.wire();
    let amy = Terminal::open(&stage, "amy", &named(&stage, "amy", &[]));
    amy.types("AMY");
    amy.until_shows("I am here");
    amy.types("/clear");
    stage.eventually("a cleared screen", || (!amy.screen().contains("I am here")).then_some(()));
    bob_has_written(&stage);
    amy.until_shows("I am woken");
    amy.types("/exit");
    stage.until_empty();
    let woken = stage.requests().into_iter().filter(|request| request.words().contains(WORDS)).collect::<Vec<_>>();
    let own = woken.iter().filter(|request| !request.words().contains("BOB"));
    assert_eq!(own.count(), 1, "{woken:#?}");
}

/// Her client takes nothing at its socket; what waits beside it wakes her.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_does_not_hear_the_first_ring_hears_the_next() {
    let Some(stage) = Stage::set([role("AMY", [says("I am here"), says("I am woken")]), bob_writes()]) else { return };
    stage.wire();
    let claude = named(&stage, "amy", &["--settings", r#"{"crossSessionInbound":"refuse"}"#]);
    let amy = Terminal::open(&stage, "amy", &claude);
    amy.types("AMY");
    amy.until_shows("I am here");
    bob_has_written(&stage);
    amy.until_shows("I am woken");
    is_delivered(&stage.request("amy again", |it| it.step() == Some(1) && it.words().contains("I am here")));
    let wake = receipt(&stage)["wake"].take();
    let rungs: Vec<&Value> = wake["tries"].as_array().unwrap().iter().map(|tried| &tried["rung"]).collect();
    assert_eq!((json!(rungs), &wake["answered"]["rung"]), (json!(["inbox", "rewake"]), &json!("rewake")), "{wake}");
}

/// A client that may do everything is choosy about the messages it takes.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_may_do_everything_is_woken_as_well() {
    let Some(stage) = Stage::set([role("AMY", [says("here"), says("woken")]), bob_writes()]) else { return };
    stage.wire();
    let mut claude = named(&stage, "amy", &["--permission-mode", "bypassPermissions"]);
    // The client lets root do this only in a sandbox.
    claude.env("IS_SANDBOX", "1");
    let mut amy = stage.stream(claude);
    amy.say("AMY");
    assert_eq!(amy.result()["result"], "here");
    bob_has_written(&stage);
    assert_eq!(amy.result()["result"], "woken");
    amy.close();
}

/// Nobody has said anything to her yet: the doorbell was hung up when the session began.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_has_just_sat_down_at_a_terminal_is_woken() {
    let Some(stage) = Stage::set([bob_writes(), role(BELL, [says("I am woken")])]) else { return };
    stage.wire();
    let amy = Terminal::open(&stage, "amy", &named(&stage, "amy", &[]));
    stage.eventually("amy among those who are here", || {
        let here = stage.orch(&["get-instance", "amy"]);
        here.status.success().then_some(())
    });
    bob_has_written(&stage);
    stage.eventually("what bob wrote before the model", || {
        stage
            .requests()
            .into_iter()
            .find(|it| it.session() != "" && it.words().contains(WORDS) && !it.words().contains("BOB"))
    });
    drop(amy);
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_has_ended_finds_it_in_the_next_session_of_that_name() {
    let Some(stage) = Stage::set([role("FIRST", [says("done")]), role("SECOND", [says("done")]), bob_writes()]) else {
        return;
    };
    stage.wire();
    let first = stage.print(named(&stage, "amy", &[]), "FIRST");
    bob_has_written(&stage);
    assert_eq!(receipt(&stage)["state"], "queued");
    let second = stage.print(named(&stage, "amy", &[]), "SECOND");
    assert_ne!(first.id(), second.id());
    let id = second.id();
    let request = stage.request("the second session", |request| request.session() == id);
    is_delivered(&request);
    is_there_once(&stage, &id);
    assert_ne!(receipt(&stage)["state"], "queued");
    let total = stage.ok(&["list-instances", "--json"])["total"].take();
    assert_eq!(total, 2, "amy is one, whether here or not, and bob is the other");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn the_receipt_says_what_woke_whom() {
    let Some(stage) = Stage::set([role("AMY", [says("here"), says("woken")]), bob_writes()]) else { return };
    stage.wire();
    let mut amy = stage.stream(named(&stage, "amy", &[]));
    amy.say("AMY");
    amy.result();
    bob_has_written(&stage);
    amy.result();
    let wake = receipt(&stage)["wake"].take();
    assert_eq!((&wake["tries"][0]["rung"], &wake["answered"]["rung"]), (&json!("inbox"), &json!("inbox")), "{wake}");
    amy.close();
}
