//! What the log says of requests: one line of each, and nothing that they carry.

use crate::support::program::eventually;
use crate::support::web::Ask;
use crate::support::web::Server;
use serde_json::json;
use std::collections::BTreeSet;

fn lines(server: &Server, wanted: usize) -> Vec<String> {
    eventually("as many lines as there were requests", || {
        let log = server.log();
        let lines: Vec<String> = log.lines().filter(|line| line.contains("request=")).map(str::to_owned).collect();
        (lines.len() >= wanted).then_some(lines)
    })
}

#[test]
fn each_request_is_one_line_by_the_number_that_its_answer_bears() {
    let server = Server::start();
    let amy = server.token("worker", "amy");
    let asks = [
        Ask::post("/api/v1/push_task", &json!({ "title": "very private" })).token(&amy),
        Ask::get("/no/such/private?route=private").token(&amy),
        Ask::get("/metrics"),
        Ask::get("/health").header("Host", "private.example"),
        Ask::post("/api/v1/get_task", &json!({ "task_id": "private" })).token(&amy),
        Ask::new("PRIVATE", "/mcp").token(&amy),
    ];
    let numbers: Vec<String> =
        asks.iter().map(|ask| server.ask(ask).header("x-request-id").unwrap().to_owned()).collect();
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), asks.len(), "each has its own");
    let lines = lines(&server, asks.len());
    assert_eq!(lines.len(), asks.len(), "{lines:#?}");
    for (line, number) in lines.iter().zip(&numbers) {
        for field in [format!("request=\"{number}\""), "method=".to_owned(), "route=".to_owned(), "status=".to_owned()]
        {
            assert!(line.contains(&field), "no {field} in {line}");
        }
        assert!(line.contains("ms="), "{line}");
    }
    assert!(lines[0].contains("principal=\"amy\"") && lines[0].contains("status=200"), "{}", lines[0]);
    assert!(!server.log().to_lowercase().contains("very private"));
    assert!(!server.log().contains("private.example") && !server.log().contains("such/private"), "{}", server.log());
}

#[test]
fn a_callers_own_number_is_kept_where_it_is_sane() {
    let server = Server::start();
    let ask = |id: &str| server.ask(&Ask::get("/health").header("X-Request-Id", id));
    assert_eq!(ask("ci-42.a_B").header("x-request-id"), Some("ci-42.a_B"));
    for wild in ["a b", "\"", "a\u{1b}[31m", "\u{9b}31m", "<b>", "a;b", "a\tb", &"x".repeat(65), "", "ü"] {
        let told = ask(wild);
        assert!(told.status == 400 || told.header("x-request-id").is_some_and(|id| id.len() == 16), "{wild}: {told:?}");
    }
    let twice = Ask::get("/health").header("X-Request-Id", "a").header("X-Request-Id", "b");
    assert_eq!(server.ask(&twice).header("x-request-id").map(str::len), Some(16));
}

#[test]
fn nothing_in_a_request_makes_a_line_or_moves_a_cursor() {
    let server = Server::at(crate::support::program::Home::new(), "127.0.0.1:0", &[], "trace");
    let wild = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let title = format!("{wild}\r\n2026-01-01T00:00:00Z INFO request=\"forged\"");
    server.call(&server.token, "push_task", json!({ "title": title, "nonsense": title }));
    server.call(&server.token, "push_task", json!({ "title": title }));
    server.call(&server.token, "get_task", json!({ "task_id": title }));
    server.call(&server.token, "register_instance", json!({ "name": title }));
    for ask in [
        Ask::get("/%1b%5d0;owned%07%0d%0a2026 INFO"),
        Ask::get("/%0a%0downed").token(&server.token),
        Ask::get(&format!("/{wild}")).token(&server.token),
        Ask::get("/metrics").header("Authorization", &format!("Bearer {wild}")),
        Ask::get("/metrics").token(&server.token).header("X-Instance-Name", "\u{9b}31m"),
        Ask::get("/metrics").token(&server.token).header("User-Agent", wild),
        Ask::new("OWNED\u{1b}", "/metrics").token(&server.token),
        Ask::get("/health").header("Host", wild),
        Ask::get("/health").header("Origin", wild),
    ] {
        let mut link = server.link();
        link.send(&ask);
        link.head();
    }
    lines(&server, 6);
    let log = server.log();
    let strange = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    for line in log.lines() {
        assert!(!line.contains(strange), "{line:?}");
        assert!(line.starts_with("20") && !line.contains("owned"), "{line:?}");
    }
    assert!(!log.contains("forged"), "{log}");
}
