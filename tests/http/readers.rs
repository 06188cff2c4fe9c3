//! Readers that never read. That they are hung up on in time, `http::stall` shows with a clock of its own.

use crate::support::program::Era;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Mcp;
use crate::support::web::Server;
use crate::support::web::Sse;
use serde_json::json;

const EVENTS: usize = 400;

#[test]
fn who_never_reads_keeps_nobody_from_reading() {
    let server = Server::start();
    let (amy, eve) = (server.token("worker", "amy"), server.token("worker", "eve"));
    let before = server.resident_mib();
    // Eve opens all there is to open, and reads nothing of it.
    let mut never_read: Vec<Link> = Vec::new();
    for _ in 0..20 {
        let mut feed = server.link();
        feed.send(&Ask::get("/events").token(&eve));
        let mut session = Mcp::open(server.port, &eve, Era::Handshake("2025-11-25"));
        for uri in ["orch://events", "orchestrator://tasks/pending", "orchestrator://instances"] {
            session.ask(1, "resources/subscribe", json!({ "uri": uri }));
        }
        let mut stream = server.link();
        let ask = Ask::get("/mcp").token(&eve).header("Accept", "text/event-stream");
        stream.send(&ask.header("Mcp-Session-Id", session.session.as_ref().unwrap()));
        let mut sse = Sse::open(server.port, &eve);
        let params = json!({ "uri": "orch://events" });
        sse.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": params }));
        never_read.extend([feed, session.link, stream, sse.stream, sse.posts]);
    }
    let mut feed = server.link();
    feed.send(&Ask::get("/events").token(&amy));
    assert_eq!(feed.head().unwrap().status, 200);
    let mut sse = Sse::open(server.port, &amy);
    let mut writer = server.link();
    for n in 0..EVENTS {
        let arguments = json!({ "title": format!("task {n}"), "description": "x".repeat(2_000) });
        assert_eq!(writer.ask(&Ask::post("/api/v1/push_task", &arguments).token(&amy)).status, 200);
        let event = feed.event().expect("the feed goes on");
        assert!(event.name == "task.pushed" && event.data.contains(&format!("\"task {n}\"")), "{event:?}");
    }
    // One that was silent for as long as all that may take is closed.
    sse.posts = server.link();
    assert!(sse.call(9, "list_tasks", json!({})).get("tasks").is_some());
    assert!(server.resident_mib() < before + 100, "{} MiB, before {before}", server.resident_mib());
}

#[test]
fn who_asks_and_does_not_read_the_answers_is_soon_not_read_either() {
    let server = Server::start();
    let (amy, eve) = (server.token("worker", "amy"), server.token("worker", "eve"));
    server.ok(&amy, "set_context", json!({ "key": "long", "value": "x".repeat(60_000) }));
    let before = server.resident_mib();
    let mut links: Vec<Link> = Vec::new();
    for _ in 0..16 {
        let stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        // A write that cannot go on is what is to be seen here.
        stream.set_nonblocking(true).unwrap();
        let mut link = Link::over(Box::new(stream), format!("127.0.0.1:{}", server.port));
        let ask = Ask::post("/api/v1/get_context", &json!({ "key": "long" })).token(&eve);
        assert!((0..100_000).any(|_| !link.send(&ask)), "it reads on and on");
        links.push(link);
    }
    assert_eq!(server.call(&amy, "list_tasks", json!({})).status, 200);
    assert!(server.resident_mib() < before + 100, "{} MiB, before {before}", server.resident_mib());
}
