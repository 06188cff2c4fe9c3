//! Messages whose answer the client threw away: they come again, and nobody is told they were seen.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::Session;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;

const FOREVER: u32 = 280;

/// A receiver, and a sender in a process of its own.
fn two(home: &Home, era: Era) -> (Session, Session) {
    (home.member("bob", era), home.member("amy", era))
}

fn send(amy: &mut Session, content: &str) -> Value {
    amy.call("send_message", json!({ "to_name": "bob", "content": content }))["message_id"].clone()
}

fn state(amy: &mut Session, message: &Value) -> Value {
    amy.call("list_receipts", json!({ "message_id": message }))["receipts"][0]["state"].clone()
}

fn contents(mail: &Value) -> Vec<&str> {
    mail["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[test]
fn a_wait_that_was_cancelled_takes_nothing_out_of_the_inbox() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let (mut bob, mut amy) = two(&home, era);
        let wait = bob.begin_call("wait_for_message", json!({ "timeout_seconds": FOREVER }));
        home.until_waiting(1);
        bob.cancel(wait);
        home.until_waiting(0);
        let message = send(&mut amy, "For later");
        assert_eq!(state(&mut amy, &message), "queued");
        assert_eq!(contents(&bob.call("poll_messages", json!({}))), ["For later"]);
        let unasked = bob.end();
        assert!(unasked.iter().all(|answer| answer["id"] != wait), "nobody wants it any more: {unasked:?}");
    }
}

/// A cancellation and an answer cross on their way.
#[test]
fn a_cancellation_after_the_answer_makes_the_message_come_again() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let (mut bob, mut amy) = two(&home, era);
        let message = send(&mut amy, "Read me");
        let wait = bob.begin_call("wait_for_message", json!({ "timeout_seconds": FOREVER }));
        assert_eq!(contents(&bob.answer(wait)), ["Read me"]);
        assert_eq!(state(&mut amy, &message), "returned");
        bob.cancel(wait);
        // The next call could be taken for the proof that the answer was read.
        let again = bob.call("poll_messages", json!({}));
        assert_eq!(contents(&again), ["Read me"]);
        assert_eq!(state(&mut amy, &message), "returned");
        assert_eq!(bob.call("poll_messages", json!({}))["messages"], json!([]));
        assert_eq!(state(&mut amy, &message), "seen");
    }
}

/// Whichever of the two comes first, the message is there afterwards.
#[test]
fn a_message_that_meets_a_cancellation_is_not_lost() {
    let home = Home::new();
    let (mut bob, mut amy) = two(&home, Era::Stateless);
    for round in 0..30 {
        let content = format!("Round {round}");
        let wait = bob.begin_call("wait_for_message", json!({ "timeout_seconds": FOREVER }));
        let sending = amy.begin_call("send_message", json!({ "to_name": "bob", "content": content }));
        if round % 3 == 0 {
            amy.answer(sending);
        }
        bob.cancel(wait);
        if round % 3 != 0 {
            amy.answer(sending);
        }
        let mail = bob.call("poll_messages", json!({}));
        assert_eq!(contents(&mail), [content]);
        assert_eq!(bob.call("poll_messages", json!({}))["messages"], json!([]), "once it is read it comes no more");
    }
}

#[test]
fn a_message_whose_server_was_killed_with_the_answer_comes_again() {
    let home = Home::new();
    let (mut bob, mut amy) = two(&home, Era::Stateless);
    let message = send(&mut amy, "Was it read?");
    let poll = bob.begin_call("poll_messages", json!({}));
    bob.answer(poll);
    bob.process.signal(Signal::KILL);
    bob.process.ends();
    let mut next = home.session(Era::Stateless);
    let mail = next.call("poll_messages", json!({ "instance_id": "bob" }));
    assert_eq!(contents(&mail), ["Was it read?"]);
    assert_ne!(state(&mut amy, &message), "seen");
}
