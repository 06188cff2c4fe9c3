//! A server that is killed while many write, and comes again.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::eventually;
use crate::support::web::Ask;
use crate::support::web::Mcp;
use crate::support::web::PATIENCE;
use crate::support::web::Server;
use crate::support::web::Told;
use orch_mcp::host::Deadline;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

const WRITERS: usize = 8;
const TASKS: usize = 60;
/// How often it is killed in between.
const KILLS: usize = 3;

/// An answer, if the server lives as long as that takes.
fn try_ask(port: u16, ask: &Ask) -> Option<Told> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut link = crate::support::web::Link::over(Box::new(stream), format!("127.0.0.1:{port}"));
    link.try_ask(ask)
}

/// Asks again and again until there is an answer.
#[track_caller]
fn ask_until_told(port: u16, ask: &Ask) -> Told {
    let deadline = Deadline::after(PATIENCE);
    loop {
        if let Some(told) = try_ask(port, ask).filter(|told| told.status != 503) {
            return told;
        }
        assert!(!deadline.passed(), "no answer to {ask:?}");
        thread::yield_now();
    }
}

fn id_in(told: &Told) -> String {
    assert_eq!(told.status, 200, "{told:?}");
    told.json()["data"]["task"]["id"].as_str().unwrap_or_else(|| panic!("{told:?}")).to_owned()
}

#[test]
fn what_was_acknowledged_is_there_once_however_often_the_server_is_killed() {
    let server = Server::start();
    let (port, token) = (server.port, server.token.clone());
    let acknowledged = AtomicUsize::new(0);
    let told: Mutex<BTreeMap<String, String>> = Mutex::default();
    let push = |title: &str| {
        let ask = Ask::post("/api/v1/push_task", &json!({ "title": title })).token(&token);
        ask.header("Idempotency-Key", title)
    };
    let server = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (acknowledged, told, push) = (&acknowledged, &told, &push);
            scope.spawn(move || {
                for n in 0..TASKS {
                    let title = format!("writer-{writer}-task-{n}");
                    let id = id_in(&ask_until_told(port, &push(&title)));
                    told.lock().unwrap().insert(title, id);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut server = server;
        for kill in 1..=KILLS {
            let enough = WRITERS * TASKS * kill / (KILLS + 1);
            crate::support::program::eventually_within(PATIENCE, "enough was written", || {
                (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
            });
            server = server.killed_and_started_again();
        }
        server
    });
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), WRITERS * TASKS);
    for (title, id) in told.iter().step_by(7) {
        assert_eq!(id_in(&server.ask(&push(title))), *id, "a key gives the first answer");
    }
    let mut found: Vec<(String, String)> = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut arguments = json!({ "limit": 40 });
        if !cursor.is_null() {
            arguments["cursor"] = cursor.clone();
        }
        let mut page = server.ok(&token, "list_tasks", arguments);
        let Value::Array(tasks) = page["tasks"].take() else { panic!("{page}") };
        let text = |task: &Value, field: &str| task[field].as_str().unwrap().to_owned();
        found.extend(tasks.iter().map(|task| (text(task, "title"), text(task, "id"))));
        cursor = page["cursor"].take();
        if cursor.is_null() || tasks.is_empty() {
            break;
        }
    }
    found.sort();
    assert_eq!(found, told.into_iter().collect::<Vec<_>>(), "each is there, and once");
}

#[test]
fn no_session_outlives_its_server_and_clients_begin_anew() {
    let server = Server::start();
    let token = server.token("worker", "amy");
    let mut clients = BOTH_ERAS.map(|era| Mcp::open(server.port, &token, era));
    clients[0].call(1, "register_instance", json!({ "name": "amy-1" }));
    let wait = json!({ "name": "wait_for_message", "arguments": { "timeout_seconds": 200, "instance_id": "amy-1" } });
    for client in &mut clients {
        let message = client.message(5, "tools/call", wait.clone());
        let ask = client.asks(&message);
        client.link.send(&ask);
    }
    server.home.until_waiting(2);
    let server = server.killed_and_started_again();
    for client in &mut clients {
        while client.link.chunk().is_some() {}
        client.link = server.link();
    }
    let [session, stateless] = &mut clients;
    let told = session.post(&json!({ "jsonrpc": "2.0", "id": 6, "method": "ping" }));
    assert_eq!((told.status, told.code().as_str()), (404, "not_found"));
    assert_eq!(session.era, Era::Handshake("2025-11-25"));
    session.session = None;
    session.greet();
    // Whoever waited waits again, and what comes then comes to them.
    let message = session.message(7, "tools/call", wait.clone());
    let ask = session.asks(&message);
    session.link.send(&ask);
    eventually("a wait", || (server.home.waiting() > 0).then_some(()));
    let letter = json!({ "to_name": "amy-1", "content": "welcome back", "instance_id": "amy-1" });
    let sent = stateless.call(8, "send_message", letter);
    assert!(sent.get("error").is_none(), "{sent}");
    let told = session.link.told().expect("an answer");
    let answer = crate::support::web::response_in(&told, 7);
    assert!(answer.to_string().contains("welcome back"), "{answer}");
}
