//! Clients that use equal ids each get what is theirs, whatever they speak; and what one of them cancels is its own.

use crate::support::program::Era;
use crate::support::web::Ask;
use crate::support::web::Mcp;
use crate::support::web::Server;
use crate::support::web::Sse;
use serde_json::Value;
use serde_json::json;
use std::sync::Barrier;
use std::thread;

const CLIENTS: usize = 32;
const CALLS: u64 = 25;

enum Voice {
    Mcp(Mcp),
    Sse(Sse),
}

impl Voice {
    fn open(server: &Server, token: &str, kind: usize) -> Voice {
        match kind % 4 {
            0 => Voice::Mcp(Mcp::open(server.port, token, Era::Handshake("2025-11-25"))),
            1 => Voice::Mcp(Mcp::open(server.port, token, Era::Stateless)),
            2 => Voice::Mcp(Mcp::open(server.port, token, Era::Handshake("2025-03-26"))),
            _ => Voice::Sse(Sse::open(server.port, token)),
        }
    }

    #[track_caller]
    fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        match self {
            Voice::Mcp(client) => client.call(id, tool, arguments),
            Voice::Sse(client) => client.call(id, tool, arguments),
        }
    }
}

#[test]
fn clients_that_use_equal_ids_each_get_what_is_theirs() {
    let server = Server::start();
    let tokens: Vec<String> = (0..4).map(|n| server.token("worker", &format!("p{n}"))).collect();
    let together = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (server, tokens, together) = (&server, &tokens, &together);
            scope.spawn(move || {
                let me = format!("client-{n}");
                let mut voice = Voice::open(server, &tokens[n % tokens.len()], n / tokens.len());
                voice.call(1, "register_instance", json!({ "name": me }));
                together.wait();
                for id in 1..=CALLS {
                    let mark = format!("{me} call {id}");
                    let set = json!({ "key": format!("{me}/{id}"), "value": mark, "instance_id": me });
                    let set = voice.call(id, "set_context", set);
                    assert_eq!(set["key"], format!("{me}/{id}"), "{set}");
                    let got = voice.call(id, "get_context", json!({ "key": format!("{me}/{id}"), "instance_id": me }));
                    assert_eq!(got["value"], mark, "{got}");
                    voice.call(id, "send_message", json!({ "to_name": me, "content": mark, "instance_id": me }));
                    let mail = voice.call(id, "wait_for_message", json!({ "timeout_seconds": 20, "instance_id": me }));
                    assert!(mail.to_string().contains(&mark), "{me}: {mail}");
                    assert!(mail["messages"].as_array().is_some_and(|all| all.len() == 1), "{me}: {mail}");
                }
            });
        }
    });
}

#[test]
fn who_cancels_a_number_cancels_their_own_call_of_it() {
    let server = Server::start();
    let (amy, eve) = (server.token("worker", "amy"), server.token("worker", "eve"));
    let mut waits: Vec<Voice> = (0..4).map(|kind| Voice::open(&server, &amy, kind)).collect();
    for (n, voice) in waits.iter_mut().enumerate() {
        voice.call(1, "register_instance", json!({ "name": format!("amy-{n}") }));
        let wait = json!({ "timeout_seconds": 200, "instance_id": format!("amy-{n}") });
        let params = json!({ "name": "wait_for_message", "arguments": wait });
        match voice {
            Voice::Mcp(client) => {
                let message = client.message(7, "tools/call", params);
                let ask = client.asks(&message);
                client.link.send(&ask);
            }
            Voice::Sse(client) => {
                client.post(&json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }));
            }
        }
    }
    server.home.until_waiting(waits.len());
    // By whatever way, and also under the same token.
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    for (kind, token) in [(0, &eve), (1, &eve), (2, &amy), (3, &eve), (3, &amy), (1, &amy)] {
        match Voice::open(&server, token, kind) {
            Voice::Mcp(mut client) => drop(client.post(&cancel)),
            Voice::Sse(mut client) => client.post(&cancel),
        }
    }
    // All that was cancelled has been by the time that another call is answered.
    server.ok(&amy, "register_instance", json!({ "name": "amy" }));
    assert_eq!(server.home.waiting(), waits.len(), "all of them wait on");
    for n in 0..waits.len() {
        let letter = json!({ "to_name": format!("amy-{n}"), "content": format!("for {n}"), "instance_id": "amy" });
        server.ok(&amy, "send_message", letter);
    }
    for (n, voice) in waits.iter_mut().enumerate() {
        let answer = match voice {
            Voice::Mcp(client) => {
                let told = client.link.told().expect("an answer");
                crate::support::web::response_in(&told, 7)
            }
            Voice::Sse(client) => client.response(7),
        };
        assert!(answer.to_string().contains(&format!("for {n}")), "{answer}");
    }
}

#[test]
fn who_stops_reading_an_answer_gets_it_again_and_nobody_else_does() {
    let server = Server::start();
    let amy = server.token("worker", "amy");
    for name in ["amy-1", "amy-2"] {
        server.ok(&amy, "register_instance", json!({ "name": name }));
    }
    let wait = |name: &str| {
        let arguments = json!({ "timeout_seconds": 200, "instance_id": name });
        Ask::post("/api/v1/wait_for_message", &arguments).token(&amy)
    };
    let (mut stays, mut leaves) = (server.link(), server.link());
    stays.send(&wait("amy-1"));
    leaves.send(&wait("amy-2"));
    server.home.until_waiting(2);
    drop(leaves);
    server.home.until_waiting(1);
    for name in ["amy-1", "amy-2"] {
        let letter = json!({ "to_name": name, "content": format!("for {name}"), "instance_id": "amy-1" });
        server.ok(&amy, "send_message", letter);
    }
    assert!(stays.told().unwrap().text().contains("for amy-1"));
    let mail = server.ok(&amy, "poll_messages", json!({ "instance_id": "amy-2" }));
    assert_eq!(mail["messages"][0]["content"], "for amy-2");
}
