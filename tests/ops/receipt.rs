//! Receipts: never more than the evidence, and nothing is lost that nobody saw.

use super::*;
use orch_mcp::ops::Desk;
use orch_mcp::ops::table::own_request;
use orch_mcp::store::doorbell::Hangup;

/// The state of one message's only receipt, as its sender finds it.
fn state(sender: &Process, id: &str) -> String {
    text(&sender.ok("list_receipts", json!({ "message_id": id }))["receipts"][0]["state"])
}

#[test]
fn each_state_is_seen_by_the_sender_with_its_time() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = amy.send("bob", "m");
    let receipt = || amy.ok("list_receipts", json!({ "message_id": id }))["receipts"][0].take();
    let mut times = vec![receipt()["queued_at"].clone()];
    assert_eq!(receipt()["state"], "queued");
    type Step<'a> = (&'a str, &'a str, &'a str, Value);
    let steps: [Step; 4] = [
        ("returned", "returned_at", "poll_messages", json!({})),
        ("seen", "seen_at", "list_tasks", json!({})),
        ("acknowledged", "acknowledged_at", "acknowledge_message", json!({ "message_id": id })),
        ("dismissed", "acknowledged_at", "dismiss_message", json!({ "message_id": id })),
    ];
    for (wanted, time, operation, arguments) in steps {
        world.pass_secs(1);
        bob.ok(operation, arguments);
        let receipt = receipt();
        assert_eq!(receipt["state"], wanted);
        assert_eq!((&receipt["recipient"], &receipt["recipient_name"]), (&json!("i-bob"), &json!("bob")));
        times.push(receipt[time].clone());
    }
    assert!(times[..4].windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()), "{times:?}");
}

#[test]
fn returned_becomes_seen_with_the_receivers_next_call_of_any_kind() {
    for (operation, arguments) in [
        ("heartbeat", json!({})),
        ("server_status", json!({})),
        ("poll_messages", json!({})),
        ("wait_for_message", json!({ "timeout_seconds": 0 })),
        ("push_task", json!({ "title": "t" })),
        ("get_context", json!({ "key": "k" })),
        ("get_task", json!({ "task_id": "99" })),
        ("register_instance", json!({ "name": "bob" })),
    ] {
        let world = World::new();
        let (amy, bob) = (world.joined("amy"), world.joined("bob"));
        let id = amy.send("bob", "m");
        bob.poll();
        amy.ok("heartbeat", json!({}));
        assert_eq!(state(&amy, &id), "returned", "only the receiver's own call shows that it arrived");
        bob.call(operation, arguments).ok();
        assert_eq!(state(&amy, &id), "seen", "{operation}");
        assert_eq!(bob.poll(), [] as [String; 0], "{operation}");
    }
}

/// The client cancelled the call, so it threw the answer away.
#[test]
fn an_answer_that_was_thrown_away_comes_again() {
    for next_call_comes_first in [false, true] {
        let world = World::new();
        let amy = world.joined("amy");
        let mut bob = world.joined("bob");
        let id = amy.send("bob", "m");
        bob.caller.call = "7".to_owned();
        assert_eq!(bob.poll(), ["m"]);
        let cancelled = bob.caller.clone();
        bob.caller.call = "8".to_owned();
        if next_call_comes_first {
            bob.ok("list_tasks", json!({}));
            assert_eq!(state(&amy, &id), "seen");
        }
        bob.desk.take_back(&cancelled).unwrap();
        assert_eq!(state(&amy, &id), "queued");
        assert_eq!(bob.poll(), ["m"]);
        bob.ok("list_tasks", json!({}));
        assert_eq!(state(&amy, &id), "seen");
    }
}

#[test]
fn only_the_call_that_was_cancelled_is_taken_back() {
    let world = World::new();
    let amy = world.joined("amy");
    let mut bob = world.joined("bob");
    bob.caller.call = "7".to_owned();
    amy.send("bob", "first");
    bob.poll();
    bob.caller.call = "8".to_owned();
    amy.send("bob", "second");
    bob.poll();
    let cancelled = bob.caller.clone();
    bob.caller.call = "9".to_owned();
    bob.desk.take_back(&cancelled).unwrap();
    assert_eq!(bob.poll(), ["second"]);
}

/// Of a server for many, others make thousands of calls until a client is known to be gone.
#[test]
fn however_much_others_do_meanwhile_a_call_is_taken_back() {
    let world = World::new();
    let mut amy = world.joined("amy");
    let mut bob = world.joined("bob");
    amy.send("bob", "m");
    bob.caller.call = "7".to_owned();
    bob.poll();
    (amy.caller.call, amy.caller.from_environment) = ("1".to_owned(), Some("amy".to_owned()));
    for n in 0..1100 {
        let request = own_request("set_context", json!({ "key": "k", "value": n })).unwrap();
        bob.desk.execute(&request, &amy.caller, &Hangup::new()).unwrap();
    }
    bob.desk.take_back(&bob.caller).unwrap();
    bob.caller.call = "8".to_owned();
    assert_eq!(bob.poll(), ["m"]);
}

#[test]
fn what_was_acknowledged_is_never_taken_back() {
    let world = World::new();
    let amy = world.joined("amy");
    let mut bob = world.joined("bob");
    bob.caller.call = "7".to_owned();
    let id = amy.send("bob", "m");
    bob.poll();
    let cancelled = bob.caller.clone();
    bob.caller.call = "8".to_owned();
    bob.ok("acknowledge_message", json!({ "message_id": id }));
    bob.desk.take_back(&cancelled).unwrap();
    assert_eq!(state(&amy, &id), "acknowledged");
    assert_eq!(bob.poll(), [] as [String; 0]);
}

/// It may have died before its answer was out.
#[test]
fn what_a_process_returned_that_crashed_comes_again() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = amy.send("bob", "m");
    assert_eq!(bob.poll(), ["m"]);
    world.host.set(|host| host.dead.insert("bob".to_owned()));
    drop(bob);
    let mut resumed = world.process("resumed");
    resumed.caller.from_environment = Some("bob".to_owned());
    assert_eq!(resumed.reply("list_tasks", json!({})).unwrap().unread, Some(1));
    assert_eq!(resumed.poll(), ["m"]);
    resumed.ok("list_tasks", json!({}));
    assert_eq!(state(&amy, &id), "seen");
}

/// A command that printed its answer and ended has shown it.
#[test]
fn what_a_command_printed_is_seen_with_the_next_one() {
    let world = World::new();
    let amy = world.joined("amy");
    world.joined("bob");
    let id = amy.send("bob", "m");
    let command = || {
        let mut command = world.process("");
        command.caller.from_environment = Some("bob".to_owned());
        command
    };
    assert_eq!(command().poll(), ["m"]);
    assert_eq!(state(&amy, &id), "returned");
    assert_eq!(command().poll(), [] as [String; 0]);
    assert_eq!(state(&amy, &id), "seen");
}

#[test]
fn marks_are_kept_whatever_their_order_and_repeated_without_harm() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for (steps, expected) in [
        ("mark_read", "seen"),
        ("mark_read mark_read", "seen"),
        ("acknowledge_message", "acknowledged"),
        ("acknowledge_message mark_read", "acknowledged"),
        ("dismiss_message", "dismissed"),
        ("dismiss_message acknowledge_message", "dismissed"),
    ] {
        let id = amy.send("bob", steps);
        for step in steps.split_whitespace() {
            bob.ok(step, json!({ "message_id": id }));
        }
        assert_eq!(state(&amy, &id), expected, "{steps}");
        assert!(!bob.poll().contains(&steps.to_owned()) || steps.is_empty(), "what was named was seen: {steps}");
    }
}

#[test]
fn what_was_dismissed_leaves_the_inbox() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let ids = ["a", "b"].map(|content| amy.send("bob", content));
    bob.poll();
    bob.ok("dismiss_message", json!({ "message_id": ids[0] }));
    assert_eq!(contents(&bob.ok("poll_messages", json!({ "all": true }))), ["b"]);
}

#[test]
fn each_recipient_of_a_broadcast_has_a_receipt() {
    let world = World::new();
    let amy = world.joined("amy");
    let others = ["bob", "cid", "dan"].map(|name| world.joined(name));
    let id = text(&amy.ok("send_message", json!({ "broadcast": true, "content": "m" }))["message_id"]);
    others[1].poll();
    others[2].ok("acknowledge_message", json!({ "message_id": id }));
    let receipts = amy.ok("list_receipts", json!({ "message_id": id }));
    assert_eq!(each(&receipts["receipts"], "state"), ["queued", "returned", "acknowledged"]);
    amy.send("bob", "later");
    let newest = amy.ok("list_receipts", json!({}));
    assert_eq!(newest["receipts"].as_array().unwrap().len(), 4);
    assert_ne!(newest["receipts"][0]["message_id"], *id, "newest first");
}

#[test]
fn receipts_are_read_page_by_page() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined("bob");
    let _others = ["cid", "dan"].map(|name| world.joined(name));
    let broadcast = text(&amy.ok("send_message", json!({ "broadcast": true, "content": "m" }))["message_id"]);
    amy.send("bob", "later");
    let place = |receipt: &Value| (text(&receipt["message_id"]), text(&receipt["recipient_name"]));
    for only in [None, Some(&broadcast)] {
        let list = |limit: u32, cursor: &Value| {
            let mut arguments = json!({ "limit": limit });
            if let Some(id) = only {
                arguments["message_id"] = json!(id);
            }
            if !cursor.is_null() {
                arguments["cursor"] = cursor.clone();
            }
            amy.ok("list_receipts", arguments)
        };
        let whole = list(50, &Value::Null);
        let all: Vec<_> = whole["receipts"].as_array().unwrap().iter().map(place).collect();
        assert_eq!((all.len(), &whole["cursor"]), (if only.is_some() { 3 } else { 4 }, &Value::Null));
        for limit in 1..4 {
            let (mut pages, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let page = list(limit, &cursor);
                pages.extend(page["receipts"].as_array().unwrap().iter().map(place));
                cursor = page["cursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            assert_eq!(pages, all, "{limit} at a time");
        }
    }
    let first = amy.ok("list_receipts", json!({ "limit": 1 }))["cursor"].clone();
    assert_eq!(bob.ok("list_receipts", json!({ "cursor": first }))["receipts"], json!([]), "of others nothing is told");
    amy.refused("invalid", "list_receipts", json!({ "cursor": "here" }));
}
