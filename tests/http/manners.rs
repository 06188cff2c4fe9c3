//! Clients that leave without a word, that wait by the hundreds, that say more than is heard: what becomes of them, and of
//! everybody else.

use crate::support::program::Era;
use crate::support::program::eventually;
use crate::support::web::ACCEPT;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Mcp;
use crate::support::web::Server;
use crate::support::web::Sse;
use crate::support::web::initialize;
use serde_json::json;
use std::thread;

const OLDER: Era = Era::Handshake("2025-11-25");

#[test]
fn of_sessions_that_were_left_the_one_that_was_longest_idle_makes_room() {
    let server = Server::start();
    let eve = server.token("worker", "eve");
    let mut first = Mcp::open(server.port, &eve, OLDER);
    let mut in_use = Mcp::open(server.port, &eve, OLDER);
    let session = in_use.session.clone().unwrap();
    let mut stream = server.link();
    stream.send(&Ask::get("/mcp").token(&eve).header("Accept", ACCEPT).header("Mcp-Session-Id", &session));
    assert_eq!(stream.head().unwrap().status, 200);
    let mut link = server.link();
    for _ in 0..100 {
        let begin = Ask::post("/mcp", &initialize("2025-11-25")).token(&eve).header("Accept", ACCEPT);
        assert_eq!(link.ask(&begin).status, 200);
    }
    assert!(server.metric("orch_mcp_sessions") <= 64.0);
    let gone = first.message(1, "ping", json!({}));
    assert_eq!(first.post(&gone).status, 404, "its client begins another");
    assert!(in_use.ask(1, "ping", json!({})).get("result").is_some(), "what somebody reads is not idle");
}

#[test]
fn whoever_ends_a_session_frees_the_name_that_it_registered() {
    let server = Server::start();
    let amy = server.token("worker", "amy");
    let mut client = Mcp::open(server.port, &amy, OLDER);
    client.call(1, "register_instance", json!({ "name": "nora" }));
    let session = client.session.clone().unwrap();
    let told = client.link.ask(&Ask::new("DELETE", "/mcp").token(&amy).header("Mcp-Session-Id", &session));
    assert_eq!(told.status, 204);
    let mut next = Mcp::open(server.port, &amy, OLDER);
    // The end is told on a thread of its own.
    let mut id = 1;
    eventually("the name is free", || {
        id += 1;
        let told = next.call(id, "register_instance", json!({ "name": "nora" }));
        told["instance"]["name"].as_str().map(|name| assert_eq!(name, "nora"))
    });
    let mut sse = Sse::open(server.port, &amy);
    sse.call(1, "register_instance", json!({ "name": "vera" }));
    drop(sse);
    let mut sse = Sse::open(server.port, &amy);
    eventually("that name too", || {
        id += 1;
        sse.call(id, "register_instance", json!({ "name": "vera" })).get("instance").map(|_| ())
    });
}

#[test]
fn a_request_without_a_session_that_registers_is_told_how_to_go_on() {
    let server = Server::start();
    let mut client = Mcp::open(server.port, &server.token, Era::Stateless);
    let told = client.call(1, "register_instance", json!({ "name": "amy" }));
    let id = told["instance"]["id"].as_str().unwrap();
    assert!(told["note"].as_str().unwrap().contains(id), "{told}");
    let told = client.call(2, "poll_messages", json!({}));
    assert_eq!(told["error"]["code"], "no_identity");
    assert_eq!(client.call(3, "poll_messages", json!({ "instance_id": id }))["messages"], json!([]));
    assert_eq!(server.ok(&server.token, "get_instance", json!({ "instance": "amy" }))["instance"]["status"], "idle");
}

#[test]
fn however_many_wait_there_is_room_for_calls() {
    let server = Server::start();
    let eve = server.token("worker", "eve");
    let client = Mcp { link: server.link(), token: eve.clone(), era: Era::Stateless, session: None };
    server.ok(&eve, "register_instance", json!({ "name": "eve" }));
    let wait = json!({ "name": "wait_for_message", "arguments": { "instance_id": "eve", "timeout_seconds": 120 } });
    let waits: Vec<Link> = (0..200)
        .map(|id| {
            let mut link = server.link();
            link.send(&client.asks(&client.message(id, "tools/call", wait.clone())));
            link
        })
        .collect();
    eventually("as many wait as may", || (server.metric("orch_waits") >= 160.0).then_some(()));
    let told = server.call(&eve, "wait_for_message", json!({ "instance_id": "eve", "timeout_seconds": 120 }));
    assert_eq!((told.status, told.code().as_str()), (429, "busy"));
    assert!(told.header("retry-after").is_some());
    server.ok(&eve, "set_context", json!({ "key": "k", "value": 1 }));
    server.ok(&server.token, "register_instance", json!({ "name": "amy" }));
    server.ok(&server.token, "wait_for_message", json!({ "instance_id": "amy", "timeout_seconds": 0 }));
    drop(waits);
    eventually("who left waits no more", || (server.metric("orch_waits") == 0.0).then_some(()));
}

#[test]
fn who_is_refused_while_they_still_speak_hears_why() {
    let server = Server::start();
    let long = Ask::new("POST", "/mcp").header("Content-Type", "application/json").body(vec![b' '; 9_000_000]);
    for _ in 0..20 {
        assert_eq!(server.ask(&long.clone().token(&server.token)).status, 413);
        assert_eq!(server.ask(&long).status, 401);
    }
}

#[test]
fn a_burst_of_connections_is_served_to_the_last() {
    let server = Server::start();
    let (port, token) = (server.port, server.token.clone());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..300)
            .map(|_| {
                let mut link = Link::open(port);
                let ask = Ask::post("/api/v1/server_status", &json!({})).token(&token);
                scope.spawn(move || link.try_ask(&ask).map(|told| told.status))
            })
            .collect();
        for client in clients {
            assert_eq!(client.join().unwrap(), Some(200));
        }
    });
}

#[test]
fn a_file_is_called_over_http_as_in_any_worktree() {
    let server = Server::start();
    let (amy, eve) = (server.token("worker", "amy"), server.token("worker", "eve"));
    for (token, name) in [(&amy, "amy"), (&eve, "eve")] {
        server.ok(token, "register_instance", json!({ "name": name }));
    }
    let reserve = |name: &str| json!({ "instance_id": name, "patterns": ["src/a.rs"] });
    let told = server.ok(&amy, "reserve_files", reserve("amy"));
    assert!(told.to_string().contains("\"src/a.rs\""), "{told}");
    let told = server.call(&eve, "reserve_files", reserve("eve"));
    assert_eq!((told.status, told.code().as_str()), (409, "conflict"));
}

#[test]
fn what_token_create_printed_is_a_token_and_so_is_what_it_wrote() {
    let server = Server::start();
    let file = server.home.path("token");
    server.home.ok(&["token", "create", "--role", "read", "--out", file.to_str().unwrap()]);
    let printed = server.home.run(&["token", "create", "--role", "read"]).expect(0).out;
    let kept = server.home.path("printed");
    std::fs::write(&kept, printed).unwrap();
    std::fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    for path in [&file, &kept] {
        let asked = ["--server", &url, "--token-file", path.to_str().unwrap(), "list-tasks"];
        assert_eq!(server.home.program_without_state_dir(&asked).output().unwrap().status.code(), Some(0), "{path:?}");
    }
    let again = server.home.run(&["token", "create", "--role", "read", "--out", file.to_str().unwrap()]);
    again.expect(6);
    assert_eq!(server.home.ok(&["token", "list"])["tokens"].as_array().unwrap().len(), 3, "none was made in vain");
}

#[test]
fn many_first_requests_of_one_name_at_once_are_all_answered() {
    let server = Server::start();
    let (port, token) = (server.port, server.token("worker", "ci"));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let ask = Ask::post("/tasks", &json!({ "title": "x" })).token(&token).header("X-Instance-Name", "ci-1");
                scope.spawn(move || Link::open(port).ask(&ask).status)
            })
            .collect();
        for client in clients {
            assert_eq!(client.join().unwrap(), 201);
        }
    });
}

#[test]
fn a_worker_changes_the_task_that_it_holds_and_no_other() {
    let server = Server::start();
    let bob = server.token("worker", "bob");
    server.ok(&bob, "register_instance", json!({ "name": "bob" }));
    for title in ["mine", "nobody's"] {
        server.ok(&bob, "push_task", json!({ "title": title }));
    }
    server.ok(&bob, "claim_task", json!({ "instance_id": "bob", "task_id": "1" }));
    let says = |task: &str| json!({ "instance_id": "bob", "task_id": task, "progress": "half of it" });
    server.ok(&bob, "update_task", says("1"));
    let told = server.call(&bob, "update_task", says("2"));
    assert_eq!((told.status, told.code().as_str()), (403, "forbidden"));
    server.ok(&server.token("lead", "lea"), "update_task", json!({ "task_id": "2", "priority": "high" }));
    server.ok(&bob, "block_task", json!({ "instance_id": "bob", "task_id": "1", "reason": "no test server" }));
    server.ok(&bob, "unblock_task", json!({ "instance_id": "bob", "task_id": "1" }));
}

#[test]
fn a_session_of_the_older_transport_cannot_shut_itself_out_by_waiting() {
    let server = Server::start();
    let mut client = Sse::open(server.port, &server.token);
    client.call(1, "register_instance", json!({ "name": "nora" }));
    for id in 100..170 {
        let params = json!({ "name": "wait_for_message", "arguments": { "timeout_seconds": 120 } });
        client.post(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }));
    }
    assert_eq!(client.call(2, "set_context", json!({ "key": "k", "value": 1 }))["version"], 1);
}
