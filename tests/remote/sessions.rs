//! `orch-mcp serve` on standard input and output, with everything it does carried out elsewhere.

use crate::remote::proxy::Fate;
use crate::remote::proxy::Proxy;
use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::program::BOTH_ERAS;
use crate::support::program::Session;
use serde_json::Value;
use serde_json::json;

fn contents(mail: &Value) -> Vec<&str> {
    mail["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[test]
fn a_session_works_as_it_does_beside_the_store() {
    for era in BOTH_ERAS {
        let team = Team::new();
        let user = team.user();
        let mut session = Session::open(&mut user.program(&["serve", "--profile", "full"]), era);
        let me = session.call("register_instance", json!({ "name": "amy" }))["instance"]["id"].clone();
        assert_eq!(session.call("server_status", json!({}))["you"], me);
        session.refused("not_found", "get_task", json!({ "task_id": "99" }));
        session.call("push_task", json!({ "title": "Work" }));
        assert_eq!(session.call("claim_task", json!({}))["claimed"], true);
        let wait = session.begin_call("wait_for_message", json!({ "timeout_seconds": 60 }));
        team.home.until_waiting(1);
        assert_eq!(session.call("list_tasks", json!({}))["total"], 1, "a wait holds up nobody");
        team.home.ok(&["register-instance", "bob"]);
        team.home.ok(&["send-message", "Hello", "--to-name", "amy", "-i", "bob"]);
        assert_eq!(contents(&session.answer(wait)), ["Hello"]);
        session.call("heartbeat", json!({}));
        let receipts = team.home.ok(&["list-receipts", "-i", "bob"]);
        assert_eq!(receipts["receipts"][0]["state"], "seen", "{receipts}");
        session.end();
        let amy = team.home.ok(&["get-instance", "amy"]);
        assert_eq!(amy["instance"]["status"], "offline", "it said that it left: {amy}");
    }
}

#[test]
fn what_a_cancelled_call_took_comes_again() {
    for era in BOTH_ERAS {
        let team = Team::new();
        let mut session = Session::open(&mut team.user().program(&["serve"]), era);
        session.call("register_instance", json!({ "name": "amy" }));
        let wait = session.begin_call("wait_for_message", json!({ "timeout_seconds": 60 }));
        team.home.until_waiting(1);
        session.cancel(wait);
        team.home.until_waiting(0);
        team.home.ok(&["send-message", "Again", "--to-name", "amy", "-i", "amy"]);
        let poll = session.begin_call("poll_messages", json!({}));
        session.response(poll);
        // The client cancels what was answered already.
        session.cancel(poll);
        assert_eq!(contents(&session.call("poll_messages", json!({}))), ["Again"]);
        session.end();
    }
}

#[test]
fn a_session_outlives_its_server_and_every_break_of_the_line() {
    let mut team = Team::new();
    let proxy = Proxy::to(team.address());
    let user = User::at(&proxy.url, &team.token);
    let mut session = Session::open(&mut user.program(&["serve", "--profile", "full"]), BOTH_ERAS[0]);
    session.call("register_instance", json!({ "name": "amy" }));
    for fate in [Fate::Swallowed, Fate::Answered(0), Fate::Answered(150)] {
        proxy.next(&[fate]);
        session.call("push_task", json!({ "title": "Work" }));
        team.home.ok(&["send-message", "Hello", "--to-name", "amy", "-i", "amy"]);
        proxy.next(&[fate]);
        assert_eq!(contents(&session.call("poll_messages", json!({}))), ["Hello"], "{fate:?}");
        assert_eq!(contents(&session.call("poll_messages", json!({}))), [""; 0], "{fate:?}");
    }
    assert_eq!(session.call("list_tasks", json!({}))["total"], 3);
    team.restart();
    proxy.lead_to(team.address());
    assert_eq!(session.call("claim_task", json!({}))["claimed"], true);
    session.end();
}

/// Calls of one session come from several processes: its server, its hooks, its shells.
#[test]
fn what_one_process_of_a_session_took_comes_to_no_other_again() {
    let team = Team::new();
    let made = team.home.ok(&["token", "create", "--role", "lead", "--name", "amy"]);
    let user = User::at(&team.url, made["token"].as_str().unwrap());
    let mut session = Session::open(&mut user.program(&["serve"]), BOTH_ERAS[0]);
    session.call("register_instance", json!({ "name": "amy" }));
    team.home.ok(&["send-message", "Once", "--to-name", "amy", "-i", "amy"]);
    assert_eq!(contents(&session.call("poll_messages", json!({}))), ["Once"]);
    for _ in 0..2 {
        assert_eq!(contents(&user.ok(&["poll-messages", "-i", "amy"])), [""; 0]);
    }
    assert_eq!(contents(&session.call("poll_messages", json!({}))), [""; 0]);
    // Whom somebody else registered, nobody can be.
    team.home.ok(&["register-instance", "bob"]);
    session.refused("forbidden", "poll_messages", json!({ "instance_id": "bob" }));
    session.end();
}
