//! Nobody acts, reads or waits as somebody else by knowing their names, ids and sessions.

use crate::http::roles::caller;
use crate::http::roles::own_call;
use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::eventually;
use crate::support::web::Ask;
use crate::support::web::Mcp;
use crate::support::web::Server;
use crate::support::web::Sse;
use serde_json::Value;
use serde_json::json;

const MAIL: &str = "between the two of us";

/// Amy, who has mail, a claim and a reservation; Eve, who knows all of her names.
struct Stage {
    server: Server,
    amy: String,
    eve: String,
    id: String,
    message: String,
}

fn stage() -> Stage {
    let server = Server::start();
    let (amy, eve) = (server.token("worker", "amy"), server.token("lead", "eve"));
    let made = server.ok(&amy, "register_instance", json!({ "name": "amy-1" }));
    let id = made["instance"]["id"].as_str().unwrap().to_owned();
    server.ok(&amy, "register_instance", json!({ "name": "amy-2" }));
    server.ok(&eve, "register_instance", json!({ "name": "eve-1" }));
    let letter = json!({ "to_name": "amy-1", "content": MAIL, "instance_id": "amy-2" });
    let sent = server.ok(&amy, "send_message", letter);
    let message = sent["message_id"].as_str().or(sent["id"].as_str()).unwrap_or_else(|| panic!("{sent}")).to_owned();
    server.ok(&amy, "push_task", json!({ "title": "hers", "instance_id": "amy-1" }));
    server.ok(&amy, "claim_task", json!({ "instance_id": "amy-1" }));
    server.ok(&amy, "reserve_files", json!({ "patterns": ["srv/src/**"], "instance_id": "amy-1" }));
    Stage { server, amy, eve, id, message }
}

#[track_caller]
fn must_be_forbidden(what: &str, told: &str) {
    assert!(told.contains("\"forbidden\"") || told.contains("\"not_found\""), "{what}: {told}");
    assert!(!told.contains(MAIL), "{what}: {told}");
}

#[test]
fn to_know_somebodys_names_is_not_to_be_them() {
    let Stage { server, amy, eve, id, message } = stage();
    let before = server.newest_event();
    let calls = [
        ("poll_messages", json!({})),
        ("peek_messages", json!({})),
        ("wait_for_message", json!({ "timeout_seconds": 0 })),
        ("get_message", json!({ "message_id": message })),
        ("get_thread", json!({ "message_id": message })),
        ("list_receipts", json!({ "message_id": message })),
        ("mark_read", json!({ "message_id": message })),
        ("acknowledge_message", json!({ "message_id": message })),
        ("dismiss_message", json!({ "message_id": message })),
        ("send_message", json!({ "to_name": "amy-2", "content": "x" })),
        ("heartbeat", json!({})),
        ("unregister_instance", json!({})),
        ("claim_task", json!({})),
        ("start_task", json!({ "task_id": "task-0000000001" })),
        ("renew_task", json!({ "task_id": "task-0000000001" })),
        ("complete_task", json!({ "task_id": "task-0000000001", "result": "x" })),
        ("release_task", json!({ "task_id": "task-0000000001" })),
        ("reserve_files", json!({ "patterns": ["srv/x"] })),
        ("release_files", json!({})),
        ("set_context", json!({ "key": "x", "value": 1 })),
        ("push_task", json!({ "title": "x" })),
    ];
    for (operation, arguments) in &calls {
        for name in ["amy-1", "@amy-1", &id] {
            let mut named = arguments.clone();
            named["instance_id"] = json!(name);
            let post = |arguments: &Value| Ask::post(&format!("/api/v1/{operation}"), arguments).token(&eve);
            let mut told = vec![
                server.ask(&post(&named)).text(),
                server.ask(&post(arguments).header("X-Orch-Instance", name)).text(),
                server
                    .ask(&own_call(operation, arguments.clone(), with(json!({ "explicit": name }))).token(&eve))
                    .text(),
                server
                    .ask(&own_call(operation, arguments.clone(), with(json!({ "from_environment": name }))).token(&eve))
                    .text(),
            ];
            let bearing = json!({ "registered": { "instance": id, "incarnation": 1 } });
            told.push(server.ask(&own_call(operation, arguments.clone(), with(bearing)).token(&eve)).text());
            told.push(server.ask(&post(arguments).header("X-Instance-Name", "amy-1")).text());
            for told in told {
                must_be_forbidden(operation, &told);
            }
        }
    }
    // As herself she has nothing of what is between others.
    for (operation, arguments) in &calls[3..9] {
        let mut named = arguments.clone();
        named["instance_id"] = json!("eve-1");
        must_be_forbidden(operation, &server.call(&eve, operation, named).text());
    }
    assert_eq!(server.newest_event(), before, "nothing happened");
    let mail = server.ok(&amy, "peek_messages", json!({ "instance_id": "amy-1" }));
    assert_eq!(mail["messages"][0]["content"], MAIL);
    assert_eq!(mail["messages"][0]["state"], "queued", "nobody had taken it out");
}

fn with(more: Value) -> Value {
    let mut caller = caller();
    for (name, value) in more.as_object().unwrap() {
        caller[name] = value.clone();
    }
    caller
}

#[test]
fn a_name_is_taken_over_only_by_whose_it_is() {
    let Stage { server, amy, eve, id, .. } = stage();
    server.ok(&amy, "unregister_instance", json!({ "instance_id": "amy-1" }));
    let before = server.newest_event();
    for arguments in [
        json!({ "name": "amy-1" }),
        json!({ "name": "amy-1", "instance_id": id }),
        json!({ "name": "eve-2", "instance_id": id }),
    ] {
        must_be_forbidden("register_instance", &server.call(&eve, "register_instance", arguments.clone()).text());
        for forged in
            [json!({}), json!({ "registered": { "instance": id, "incarnation": 1 } }), json!({ "session": "s-amy" })]
        {
            let told = server.ask(&own_call("register_instance", arguments.clone(), with(forged)).token(&eve)).text();
            must_be_forbidden("register_instance", &told);
        }
    }
    assert_eq!(server.newest_event(), before);
    assert_eq!(server.ok(&amy, "register_instance", json!({ "name": "amy-1" }))["instance"]["id"], json!(id));
}

#[test]
fn what_hooks_ask_for_is_theirs_alone_who_own_the_session() {
    let Stage { server, amy, eve, .. } = stage();
    let client = json!({ "process": "her client", "inbox": null });
    let hers = with(json!({ "session": "s-amy", "client": client }));
    let ask = own_call("join_session", json!({ "source": "startup", "name": "amy-1" }), hers.clone()).token(&amy);
    let joined = server.ask(&ask).json();
    assert_eq!(joined["done"]["reply"]["data"]["name"], "amy-1", "{joined}");
    let id = joined["done"]["reply"]["data"]["instance"].clone();
    let eves = server.ok(&eve, "get_instance", json!({ "instance": "eve-1" }))["instance"]["id"].clone();
    let before = server.newest_event();
    let own = json!({ "instance": eves, "incarnation": 1 });
    let forged = [
        with(json!({ "session": "s-amy" })),
        with(json!({ "session": "s-amy", "client": client })),
        with(json!({ "session": "s-amy", "registered": { "instance": id, "incarnation": 1 } })),
        with(json!({ "explicit": "amy-1" })),
    ];
    for (operation, arguments) in [
        ("take_news", json!({})),
        ("stop_session", json!({})),
        ("note_session", json!({ "activity": "idle" })),
        ("keep_progress", json!({ "note": "x" })),
        ("end_session", json!({ "grace_secs": 0 })),
        ("keep_present", json!({ "instance": id, "incarnation": 1 })),
        ("depart", json!({ "instance": id, "incarnation": 1 })),
        ("take_back", json!({ "instance": id, "process": "there~amy", "call": "1" })),
        ("news_printed", json!({ "instance": id, "process": "there~amy", "call": "1" })),
        ("join_session", json!({ "source": "resume" })),
    ] {
        for caller in &forged {
            let told = server.ask(&own_call(operation, arguments.clone(), caller.clone()).token(&eve)).text();
            let names_her = !caller["explicit"].is_null() || !caller["registered"].is_null();
            match names_her || arguments.get("instance").is_some() {
                true => must_be_forbidden(operation, &told),
                // A session or a client of the same name is one of Eve's own, of which nothing is known.
                false => assert!(!told.contains(id.as_str().unwrap()) && !told.contains(MAIL), "{operation}: {told}"),
            }
        }
    }
    // Somebody who is known beside that, and only says that the session is theirs, gets a session of their own.
    let sly = with(json!({ "session": "s-amy", "registered": own }));
    let told = server.ask(&own_call("join_session", json!({ "source": "resume" }), sly.clone()).token(&eve)).json();
    assert_ne!(told["done"]["reply"]["data"]["instance"], id, "{told}");
    let register = own_call("register_instance", json!({ "name": "amy-1" }), sly.clone()).token(&eve);
    must_be_forbidden("register_instance", &server.ask(&register).text());
    // Her client is another machine's: nobody else's process has the same name.
    for (operation, arguments) in [
        ("take_ring", json!({ "client": "her client", "rung": "inbox", "timeout_seconds": 0 })),
        ("arm_rung", json!({ "client": "her client~amy", "rung": "inbox", "process": "x" })),
    ] {
        let told = server.ask(&own_call(operation, arguments, with(json!({ "registered": own }))).token(&eve)).text();
        assert!(!told.contains(id.as_str().unwrap()) && !told.contains("\"armed\":true"), "{operation}: {told}");
    }
    let events = server.ok(&server.token, "list_events", json!({ "cursor": before })).to_string();
    assert!(!events.contains(id.as_str().unwrap()), "nothing happened to her: {events}");
    let news = server.ask(&own_call("take_news", json!({}), hers).token(&amy)).text();
    assert!(news.contains(MAIL), "{news}");
}

#[test]
fn a_session_that_is_over_is_resumed_by_whose_it_was_and_nobody_else() {
    let Stage { server, amy, eve, .. } = stage();
    let eves = server.ok(&eve, "get_instance", json!({ "instance": "eve-1" }))["instance"]["id"].clone();
    let hers = with(json!({ "session": "s-amy", "client": { "process": "her client", "inbox": null } }));
    let join = |caller: &Value, token: &str| {
        let arguments = json!({ "source": "resume", "name": "amy-1" });
        server.ask(&own_call("join_session", arguments, caller.clone()).token(token)).json()["done"]["reply"]["data"]
            .clone()
    };
    let id = join(&hers, &amy)["instance"].clone();
    assert!(id.is_string());
    server.ask(&own_call("end_session", json!({ "grace_secs": 0 }), hers.clone()).token(&amy));
    let sly = with(json!({ "session": "s-amy", "registered": { "instance": eves, "incarnation": 1 } }));
    let joined = join(&sly, &eve);
    assert_ne!(joined["instance"], id, "{joined}");
    assert_eq!(join(&hers, &amy)["instance"], id);
}

#[test]
fn a_cancelled_call_takes_back_nothing_that_somebody_else_was_told() {
    let Stage { server, amy, eve, message, .. } = stage();
    let letter = json!({ "to_name": "eve-1", "content": "to take back", "instance_id": "amy-2" });
    server.ok(&amy, "send_message", letter);
    // Both count from one, and Eve says that she is the same process.
    let own = with(json!({ "explicit": "eve-1" }));
    let told = server.ask(&own_call("poll_messages", json!({}), own.clone()).token(&eve)).json();
    assert_ne!(told["done"]["me"], Value::Null, "{told}");
    let hers = with(json!({ "explicit": "amy-1" }));
    let told = server.ask(&own_call("poll_messages", json!({}), hers).token(&amy)).text();
    assert!(told.contains(MAIL), "{told}");
    // She leaves a wait of the same number, which takes back what it returned.
    let mut wait = server.link();
    wait.send(&own_call("wait_for_message", json!({ "timeout_seconds": 200 }), own).token(&eve));
    wait.head().unwrap();
    server.home.until_waiting(1);
    drop(wait);
    let taken_back = "orch_calls_total{operation=\"take_back\",outcome=\"done\"} 1";
    eventually("something is taken back", || {
        server.ask(&Ask::get("/metrics").token(&server.token)).text().contains(taken_back).then_some(())
    });
    // Asked by the sender, who proves nothing of the receiver.
    let receipts = server.ok(&amy, "list_receipts", json!({ "instance_id": "amy-2", "message_id": message }));
    assert_eq!(receipts["receipts"][0]["state"], "returned", "{receipts}");
}

#[test]
fn inboxes_are_no_resources_of_others() {
    let Stage { server, eve, id, .. } = stage();
    let mut clients = BOTH_ERAS.map(|era| Mcp::open(server.port, &eve, era));
    for client in &mut clients {
        for name in ["amy-1", "%40amy-1", &id] {
            for uri in [format!("orch://inbox/{name}"), format!("orchestrator://messages/{name}")] {
                let told = client.ask(1, "resources/read", json!({ "uri": uri })).to_string();
                must_be_forbidden(&uri, &told);
            }
        }
    }
    let mut sse = Sse::open(server.port, &eve);
    let params = json!({ "uri": "orch://inbox/amy-1" });
    sse.post(&json!({ "jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": params }));
    must_be_forbidden("sse", &sse.response(3).to_string());
}

#[test]
fn keys_of_one_are_not_those_of_another() {
    let Stage { server, amy, eve, .. } = stage();
    let push = |token: &str, title: &str, name: &str| {
        let arguments = json!({ "title": title, "instance_id": name, "idempotency_key": "1" });
        server.ok(token, "push_task", arguments)["task"]["id"].clone()
    };
    let first = push(&amy, "same", "amy-1");
    let second = push(&eve, "same", "eve-1");
    assert_ne!(first, second, "each has a task of their own");
    assert_eq!((push(&amy, "same", "amy-1"), push(&eve, "same", "eve-1")), (first, second), "and gets it again");
    // Nobody who only chose the same key learns what it was used for.
    let other = json!({ "title": "other", "instance_id": "eve-1", "idempotency_key": "amy/1" });
    assert_eq!(server.call(&eve, "push_task", other).status, 200);
}

#[test]
fn sessions_belong_to_whoever_began_them() {
    let Stage { server, amy, eve, .. } = stage();
    let mut hers = Mcp::open(server.port, &amy, Era::Handshake("2025-11-25"));
    let session = hers.session.clone().unwrap();
    for ask in [
        Ask::post("/mcp", &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })),
        Ask::get("/mcp"),
        Ask::new("DELETE", "/mcp"),
    ] {
        let ask = ask.header("Accept", crate::support::web::ACCEPT).header("Mcp-Session-Id", &session);
        for token in [&eve, &server.token] {
            let told = server.ask(&ask.clone().token(token));
            assert_eq!((told.status, told.code().as_str()), (404, "not_found"), "{ask:?}");
        }
    }
    assert!(hers.ask(2, "ping", json!({})).get("result").is_some(), "it lives on");
    let mut sse = Sse::open(server.port, &amy);
    let ping = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" });
    for token in [&eve, &server.token] {
        let told = server.ask(&Ask::post(&sse.target, &ping).token(token));
        assert_eq!((told.status, told.code().as_str()), (404, "not_found"));
    }
    sse.post(&ping);
    sse.response(7);
    let ids = [session, sse.target.split_once('=').unwrap().1.to_owned()];
    assert!(ids.iter().all(|id| id.chars().filter(char::is_ascii_hexdigit).count() >= 32), "{ids:?}");
}
