//! Clients that are gone before they read their answer: nothing that was for them is lost, and nothing of theirs stays.

use crate::support::program::Era;
use crate::support::program::eventually;
use crate::support::program::eventually_within;
use crate::support::web::Mcp;
use crate::support::web::PATIENCE;
use crate::support::web::Server;
use crate::support::web::Sse;
use serde_json::Value;
use serde_json::json;

const OLDER: Era = Era::Handshake("2025-11-25");

/// Amy writes to Bob, who is known to the server whatever session speaks for him.
struct Stage {
    server: Server,
    amy: String,
    bob: String,
}

impl Stage {
    fn new() -> Stage {
        let server = Server::start();
        let (amy, bob) = (server.token("worker", "amy"), server.token("worker", "bob"));
        server.ok(&amy, "register_instance", json!({ "name": "amy" }));
        server.ok(&bob, "register_instance", json!({ "name": "bob" }));
        Stage { server, amy, bob }
    }

    fn send(&self, content: &str) -> Value {
        let letter = json!({ "to_name": "bob", "content": content, "instance_id": "amy" });
        self.server.ok(&self.amy, "send_message", letter)["message_id"].take()
    }

    fn state(&self, message: &Value) -> String {
        let asked = json!({ "message_id": message, "instance_id": "amy" });
        let receipts = self.server.ok(&self.amy, "list_receipts", asked);
        receipts["receipts"][0]["state"].as_str().unwrap_or_else(|| panic!("{receipts}")).to_owned()
    }

    fn until(&self, message: &Value, state: &str) {
        eventually(state, || (self.state(message) == state).then_some(()));
    }
}

fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

fn wait() -> Value {
    json!({ "instance_id": "bob", "timeout_seconds": 120 })
}

/// What the next session of Bob finds, and what its sender hears of it.
#[track_caller]
fn comes_again(stage: &Stage, message: &Value, content: &str) {
    let mut next = Sse::open(stage.server.port, &stage.bob);
    let mut id = 1;
    let found = eventually("the mail comes again", || {
        id += 1;
        let found = next.call(id, "poll_messages", json!({ "instance_id": "bob" }))["messages"].get(0).cloned();
        found.filter(Value::is_object)
    });
    assert_eq!(found["content"], content, "{found}");
    assert_eq!(stage.state(message), "returned");
    next.call(0, "acknowledge_message", json!({ "instance_id": "bob", "message_id": message }));
}

#[test]
fn mail_in_an_answer_that_nobody_read_comes_again_in_the_next_session() {
    let stage = Stage::new();
    for (tool, arguments) in [("poll_messages", json!({ "instance_id": "bob" })), ("wait_for_message", wait())] {
        let message = stage.send(tool);
        let mut sse = Sse::open(stage.server.port, &stage.bob);
        sse.post(&call(1, tool, &arguments));
        stage.until(&message, "returned");
        drop(sse);
        comes_again(&stage, &message, tool);
    }
}

#[test]
fn it_comes_again_to_whoever_registers_under_that_name_in_the_next_session() {
    let stage = Stage::new();
    let mut sse = Sse::open(stage.server.port, &stage.bob);
    sse.call(1, "register_instance", json!({ "name": "nora" }));
    let letter = json!({ "to_name": "nora", "content": "to nora", "instance_id": "amy" });
    let message = stage.server.ok(&stage.amy, "send_message", letter)["message_id"].take();
    sse.post(&call(2, "poll_messages", &json!({})));
    stage.until(&message, "returned");
    drop(sse);
    let mut next = Sse::open(stage.server.port, &stage.bob);
    let mut id = 0;
    let found = eventually("the mail comes again", || {
        id += 2;
        next.call(id, "register_instance", json!({ "name": "nora" }));
        let found = next.call(id + 1, "poll_messages", json!({}))["messages"][0].take();
        found.is_object().then_some(found)
    });
    assert_eq!(found["content"], "to nora");
    assert_eq!(stage.state(&message), "returned");
}

#[test]
fn whoever_waits_in_the_next_session_is_woken_by_mail_that_comes_again() {
    let stage = Stage::new();
    let message = stage.send("for whoever waits");
    let mut sse = Sse::open(stage.server.port, &stage.bob);
    sse.post(&call(1, "poll_messages", &json!({ "instance_id": "bob" })));
    stage.until(&message, "returned");
    let mut next = Sse::open(stage.server.port, &stage.bob);
    next.post(&call(1, "wait_for_message", &wait()));
    stage.server.home.until_waiting(1);
    drop(sse);
    let found = next.response(1)["result"]["structuredContent"]["messages"][0].take();
    assert_eq!(found["content"], "for whoever waits", "{found}");
}

#[test]
fn no_mail_is_lost_however_late_its_reader_leaves() {
    let stage = Stage::new();
    for round in 0..12 {
        let mut sse = Sse::open(stage.server.port, &stage.bob);
        sse.post(&call(1, "wait_for_message", &wait()));
        stage.server.home.until_waiting(1);
        let content = format!("round {round}");
        let (message, _) = if round % 2 == 0 {
            let message = stage.send(&content);
            (message, drop(sse))
        } else {
            drop(sse.stream);
            (stage.send(&content), ())
        };
        comes_again(&stage, &message, &content);
    }
}

#[test]
fn what_a_later_call_shows_to_be_read_does_not_come_again() {
    let stage = Stage::new();
    let message = stage.send("read");
    let mut sse = Sse::open(stage.server.port, &stage.bob);
    let found = sse.call(1, "poll_messages", json!({ "instance_id": "bob" }))["messages"][0].take();
    assert_eq!(found["content"], "read");
    sse.call(2, "set_context", json!({ "instance_id": "bob", "key": "k", "value": 1 }));
    assert_eq!(stage.state(&message), "seen");
    drop(sse);
    eventually("the session is over", || (stage.server.metric("orch_mcp_sessions") == 0.0).then_some(()));
    let mut next = Sse::open(stage.server.port, &stage.bob);
    assert_eq!(next.call(1, "poll_messages", json!({ "instance_id": "bob" }))["messages"], json!([]));
    assert_eq!(stage.state(&message), "seen");
}

/// The request of the metrics themselves is one.
#[track_caller]
fn until_under_way(server: &Server, calls: f64) {
    eventually("calls under way", || (server.metric("orch_calls_under_way") == calls + 1.0).then_some(()));
}

#[test]
fn a_call_of_the_older_transport_is_under_way_until_it_is_answered() {
    let stage = Stage::new();
    let server = &stage.server;
    let mut sse = Sse::open(server.port, &stage.bob);
    (1..=5).for_each(|id| sse.post(&call(id, "wait_for_message", &wait())));
    server.home.until_waiting(5);
    until_under_way(server, 5.0);
    let cancelled = json!({ "requestId": 1 });
    sse.post(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }));
    until_under_way(server, 4.0);
    drop(sse);
    until_under_way(server, 0.0);
}

/// By the protocol that is no cancellation: the client may come back for the answer, and so the call goes on for a while.
#[test]
fn a_call_in_a_session_whose_reader_left_ends_soon_and_gives_back_what_it_took() {
    let stage = Stage::new();
    let server = &stage.server;
    let leave = || {
        let mut client = Mcp::open(server.port, &stage.bob, OLDER);
        let ask = client.asks(&call(5, "wait_for_message", &wait()));
        client.link.send(&ask);
        server.home.until_waiting(1);
        assert!(server.metric("orch_calls_under_way") == 2.0);
        drop(client);
        // The page itself is asked for on a connection.
        let known = "orch_connections{known=\"yes\"}";
        eventually("the server knows that it left", || (server.metric(known) <= 1.0).then_some(()));
    };
    leave();
    let message = stage.send("to nobody");
    comes_again(&stage, &message, "to nobody");
    leave();
    assert_eq!(server.metric("orch_calls_under_way"), 2.0, "it may come back");
    eventually_within(PATIENCE, "it waits no more", || (server.metric("orch_waits") == 0.0).then_some(()));
    until_under_way(server, 0.0);
}

#[test]
fn whoever_comes_back_in_time_gets_the_answer() {
    let stage = Stage::new();
    let mut client = Mcp::open(stage.server.port, &stage.bob, OLDER);
    let ask = client.asks(&call(5, "wait_for_message", &wait()));
    client.link.send(&ask);
    stage.server.home.until_waiting(1);
    assert_eq!(client.link.head().expect("headers come at once").status, 200);
    let chunk = client.link.chunk().expect("how to come back");
    let text = String::from_utf8(chunk).unwrap();
    let last = text.lines().find_map(|line| line.strip_prefix("id:")).unwrap_or_else(|| panic!("{text}")).trim();
    client.link = stage.server.link();
    let session = client.session.clone().unwrap();
    let back = crate::support::web::Ask::get("/mcp").token(&stage.bob).header("Accept", crate::support::web::ACCEPT);
    client.link.send(&back.header("Mcp-Session-Id", &session).header("Last-Event-ID", last));
    assert_eq!(client.link.head().unwrap().status, 200);
    stage.send("late");
    let answer = loop {
        let event = client.link.event().expect("the answer comes");
        if event.data.contains("\"id\":5") {
            break event.data;
        }
    };
    assert!(answer.contains("late"), "{answer}");
}
