//! How a server begins, and how it ends.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Mcp;
use crate::support::web::Server;
use crate::support::web::Sse;
use orch_mcp::host::Host;
use orch_mcp::store::Mode;
use orch_mcp::store::Options;
use orch_mcp::store::Store;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use rustix::process::Signal;
use serde_json::json;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

/// From the signal to the end of the process, with all that is open.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

fn end_by(signal: Signal) {
    let mut server = Server::start();
    let token = server.token("worker", "amy");
    let names = ["amy-0", "amy-1", "amy-2", "amy-3", "amy-4"];
    for name in names {
        server.ok(&token, "register_instance", json!({ "name": name }));
    }
    let wait = |name: &str| json!({ "timeout_seconds": 200, "instance_id": name });
    let rest = Ask::post("/api/v1/wait_for_message", &wait(names[0])).token(&token);
    let (mut plain, mut streamed) = (server.link(), server.link());
    plain.send(&rest);
    let rest = Ask::post("/api/v1/wait_for_message", &wait(names[1])).token(&token);
    streamed.send(&rest.header("Accept", "text/event-stream"));
    let mut in_mcp: Vec<Mcp> = BOTH_ERAS.map(|era| Mcp::open(server.port, &token, era)).into();
    for (client, name) in in_mcp.iter_mut().zip(&names[2..]) {
        let params = json!({ "name": "wait_for_message", "arguments": wait(name) });
        let message = client.message(5, "tools/call", params);
        let ask = client.asks(&message);
        client.link.send(&ask);
    }
    let mut sse = Sse::open(server.port, &token);
    let params = json!({ "name": "wait_for_message", "arguments": wait(names[4]) });
    sse.post(&json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params }));
    let mut events = server.link();
    events.send(&Ask::get("/events").token(&token));
    assert_eq!(events.head().unwrap().status, 200);
    let mut stream = server.link();
    let ask = Ask::get("/mcp").token(&token).header("Accept", "text/event-stream");
    stream.send(&ask.header("Mcp-Session-Id", in_mcp[0].session.as_ref().unwrap()));
    assert_eq!(stream.head().unwrap().status, 200);
    let _idle: Vec<Link> = (0..20).map(|_| server.link()).collect();
    // And the server itself, for its feed.
    server.home.until_waiting(6);
    server.process.signal(signal);
    let status = server.process.ends_within(ENDS_WITHIN).expect("it ends in time");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    let told = plain.told().expect("an answer");
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.json()["data"]["timed_out"], true, "{told:?}");
    assert_eq!(streamed.head().unwrap().status, 200);
    let answer = streamed.event().expect("an answer");
    assert!(answer.name == "answer" && answer.data.contains("\"timed_out\":true"), "{answer:?}");
    for client in &mut in_mcp {
        let told = client.link.told().expect("an answer");
        let answer = crate::support::web::response_in(&told, 5);
        assert_eq!(answer["result"]["structuredContent"]["timed_out"], true, "{answer}");
    }
    let answer = sse.response(5);
    assert_eq!(answer["result"]["structuredContent"]["timed_out"], true, "{answer}");
    assert_eq!(events.event(), None, "and streams end");
    assert!(!server.home.state_dir().join("http.sock").exists());
    assert_eq!(server.home.waiting(), 0);
}

#[test]
fn who_waits_gets_their_answer_when_the_server_ends() {
    end_by(Signal::TERM);
}

#[test]
fn an_interrupt_ends_it_as_well() {
    end_by(Signal::INT);
}

#[test]
fn a_client_that_reads_nothing_does_not_keep_the_server_alive() {
    let mut server = Server::start();
    for n in 0..20 {
        server.ok(&server.token, "set_context", json!({ "key": format!("k{n}"), "value": "x".repeat(60_000) }));
    }
    let mut links: Vec<Link> = (0..2).map(|_| server.link()).collect();
    for link in &mut links {
        for n in 0..200 {
            link.send(
                &Ask::post("/api/v1/get_context", &json!({ "key": format!("k{}", n % 20) })).token(&server.token),
            );
        }
    }
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.ends_within(ENDS_WITHIN).expect("it ends in time").code(), Some(0));
}

#[test]
fn it_ends_as_soon_while_somebody_holds_the_store_and_others_listen() {
    let mut server = Server::start();
    server.ok(&server.token, "push_task", json!({ "title": "x" }));
    let mut events = server.link();
    events.send(&Ask::get("/events").token(&server.token));
    assert_eq!(events.head().unwrap().status, 200);
    server.home.until_waiting(1);
    let place = Place::at(server.home.state_dir());
    let mut store = SqliteStore::open(&place, Host::System, &Options::default()).unwrap();
    let _held = store.begin(Mode::Relaxed).unwrap();
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.ends_within(ENDS_WITHIN).expect("it ends in time").code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Home::new().run(&["serve", "--http", &address, "--json"]).expect(6);
    let error = ended.error();
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(error["message"].as_str().unwrap().contains(&address), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--http"), "{error}");
}

#[test]
fn what_others_can_reach_wants_a_name_and_a_token() {
    let home = Home::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ended = home.run(&["serve", "--http", address, "--json"]);
        assert_ne!(ended.status.code(), Some(0));
        assert!(ended.error()["hint"].as_str().unwrap().contains("--host"), "{ended:?}");
        let ended = home.run(&["serve", "--http", address, "--host", "team.example", "--json"]);
        assert!(ended.error()["hint"].as_str().unwrap().contains("token create"), "{ended:?}");
    }
    let gone = home.ok(&["token", "create", "--role", "worker", "--name", "gone", "--json"]);
    home.ok(&["token", "revoke", gone["id"].as_str().unwrap(), "--json"]);
    let ended = home.run(&["serve", "--http", "0.0.0.0:0", "--host", "team.example", "--json"]);
    assert!(ended.error()["hint"].as_str().unwrap().contains("token create"), "a revoked one is none: {ended:?}");
    home.ok(&["token", "create", "--role", "worker", "--json"]);
    let server = Server::at(home, "0.0.0.0:0", &["--host", "team.example"], "info");
    let named = Ask::get("/health").header("Host", "team.example");
    assert_eq!(server.ask(&named).status, 200);
    assert_eq!(server.ask(&named.clone().header("Origin", "https://team.example")).status, 200);
    assert_eq!(server.ask(&Ask::get("/health").header("Host", "evil.example")).status, 403);
}

/// Nobody could be told where it is heard.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_cannot_say_that_it_listens_leaves_nothing_behind() {
    let home = Home::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = home.program(&["serve", "--http", "127.0.0.1:0", "--json"]);
    let mut running = Running::start(command.stdin(Stdio::null()).stdout(full).stderr(Stdio::null()));
    assert_eq!(running.ends().code(), Some(1));
    assert!(home.state_dir().join("owner.token").exists(), "it had begun");
    assert!(!home.state_dir().join("http.sock").exists());
}
