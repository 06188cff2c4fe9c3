//! What is no request, or two at once, or more than there is room for.

use crate::support::program::eventually;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Server;
use crate::support::web::Told;
use serde_json::json;

const BODY_MAX: usize = 4 * 1024 * 1024;

/// The first line and the headers of a request that could be one, for what follows to break.
fn post(server: &Server, more: &str) -> String {
    format!(
        "POST /api/v1/push_task HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\n{more}",
        server.port, server.token
    )
}

/// Writes all of it: the answers, up to the end of the connection.
#[track_caller]
fn answers(server: &Server, parts: &[&[u8]]) -> Vec<Told> {
    let mut link = server.link();
    for part in parts {
        link.write(part);
    }
    std::iter::from_fn(|| link.told()).inspect(is_like_all_others).collect()
}

#[track_caller]
fn statuses(server: &Server, bytes: &[u8]) -> Vec<u16> {
    answers(server, &[bytes]).iter().map(|told| told.status).collect()
}

/// No answer goes without these, whoever made it.
#[track_caller]
fn is_like_all_others(told: &Told) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(told.header(name), Some(value), "{name} in {told:?}");
    }
    assert!(told.header("x-request-id").is_some_and(|id| !id.is_empty()), "{told:?}");
    if told.status >= 400 {
        assert!(!told.code().is_empty(), "{told:?}");
    }
}

#[test]
fn where_a_request_ends_is_not_in_doubt() {
    let server = Server::start();
    let before = server.newest_event();
    let body = "{\"title\":\"x\"}";
    let smuggled = format!("{}\r\n", post(&server, "Content-Length: 0\r\n"));
    for (more, status) in [
        (format!("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Content-Length: {}\r\nContent-Length: 0\r\n\r\n{body}{smuggled}", body.len()), 400),
        (format!("Content-Length: 0, {}\r\n\r\n{body}{smuggled}", body.len()), 400),
        (format!("Content-Length: +{}\r\n\r\n{body}{smuggled}", body.len()), 400),
        (format!("Content-Length: -1\r\n\r\n{body}{smuggled}"), 400),
        (format!("Content-Length: 0x0\r\n\r\n{body}{smuggled}"), 400),
        (format!("Content-Length: 99999999999999999999999\r\n\r\n{body}{smuggled}"), 400),
        (format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Transfer-Encoding: chunked\r\n\r\n-1\r\n{body}\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{body}\r\n0\r\n\r\n{smuggled}"), 400),
        (format!("Transfer-Encoding: chunked\r\n\r\n1\r\n{body}\r\n0\r\n\r\n{smuggled}"), 400),
    ] {
        let answers = statuses(&server, post(&server, &more).as_bytes());
        assert_eq!(answers, [status], "{more:?}");
    }
    assert_eq!(server.newest_event(), before, "none of it was carried out");
}

#[test]
fn nothing_that_follows_a_body_in_chunks_is_a_request() {
    let server = Server::start();
    let chunks = "d\r\n{\"title\":\"x\"}\r\n0\r\n\r\n";
    let follows = format!("{}\r\n", post(&server, "Content-Length: 0\r\n"));
    for how in [
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
        "Transfer-Encoding: CHUNKED\r\n\r\n",
    ] {
        let before = server.newest_event();
        let answers = statuses(&server, format!("{}{chunks}{follows}", post(&server, how)).as_bytes());
        assert_eq!(answers, [200], "{how:?}");
        assert_eq!(server.newest_event(), before + 1, "{how:?}");
    }
}

#[test]
fn requests_one_after_the_other_are_answered_in_their_order() {
    let server = Server::start();
    let mut link = server.link();
    let asks: Vec<Ask> = (0..40)
        .map(|n| match n % 3 {
            0 => Ask::get("/health"),
            1 => Ask::post("/api/v1/push_task", &json!({ "title": format!("task {n}") })).token(&server.token),
            _ => Ask::get(&format!("/no/such/{n}")).token(&server.token),
        })
        .map(|ask| ask.header("X-Request-Id", "r"))
        .collect();
    let host = format!("127.0.0.1:{}", server.port);
    let all: Vec<u8> = asks.iter().flat_map(|ask| ask.bytes(&host)).collect();
    assert!(link.write(&all));
    for (n, _) in asks.iter().enumerate() {
        let told = link.told().unwrap_or_else(|| panic!("no answer to {n}"));
        match n % 3 {
            0 => assert_eq!(told.status, 200),
            1 => assert!(told.text().contains(&format!("task {n}")), "{told:?}"),
            _ => assert!(told.text().contains(&format!("/no/such/{n}")), "{told:?}"),
        }
    }
}

#[test]
fn headers_are_headers_and_not_too_many() {
    let server = Server::start();
    let before = server.newest_event();
    let body = "{\"title\":\"x\"}";
    let whole = |more: &str| post(&server, &format!("{more}Content-Length: {}\r\n\r\n{body}", body.len()));
    let many: String = (0..70).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (more, wanted) in [
        ("X-A: b\r\n c\r\n".to_owned(), 400),
        ("X-A: b\0c\r\n".to_owned(), 400),
        ("X-A: b\rX-B: c\r\n".to_owned(), 400),
        ("X-A : b\r\n".to_owned(), 400),
        (": b\r\n".to_owned(), 400),
        ("X-A\r\n".to_owned(), 400),
        ("X\u{e4}: b\r\n".to_owned(), 400),
        (many, 431),
    ] {
        assert_eq!(statuses(&server, whole(&more).as_bytes()), [wanted], "{more:.40}");
    }
    // What is not even read may cost the answer: the connection is gone.
    let told = statuses(&server, whole(&format!("X-A: {}\r\n", "a".repeat(400_000))).as_bytes());
    assert!(told.is_empty() || told == [431], "{told:?}");
    for first in ["GARBAGE", "GET", "GET /", "GET / HTTP/9.9", "GET / HTTP/1.1 x", "\x16\x03\x01\x02\0\x01"] {
        let told = statuses(&server, format!("{first}\r\nHost: 127.0.0.1:{}\r\n\r\n", server.port).as_bytes());
        assert!(told.is_empty() || told == [400], "{first:?}: {told:?}");
    }
    assert_eq!(server.newest_event(), before);
}

#[test]
fn what_is_no_request_is_answered_as_fully_as_one() {
    let server = Server::start();
    let host = format!("Host: 127.0.0.1:{}\r\n", server.port);
    let long = format!("GET / HTTP/1.1\r\n{host}X-A: {}\r\n\r\n", "a".repeat(70_000));
    let many: String = (0..70).map(|n| format!("X-{n}: 1\r\n")).collect();
    let rest = format!("{host}\r\n");
    for (head, status) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        ("\0\0\0\0\0\0\0\0\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".to_owned(), 400),
        (format!("G(T / HTTP/1.1\r\n{rest}"), 400),
        (format!("GET / HTTP/9.9\r\n{rest}"), 400),
        (format!("GET / HTTP/1.1 x\r\n{rest}"), 400),
        (format!("GET /\x7f HTTP/1.1\r\n{rest}"), 400),
        (format!("GET / HTTP/1.0\r\nX-A : b\r\n{rest}"), 400),
        (format!("GET / HTTP/1.1\r\n{many}{rest}"), 431),
        (long, 431),
        (post(&server, "Content-Length: 1\r\nContent-Length: 0\r\n\r\nx"), 400),
        (post(&server, "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400),
        (post(&server, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), 400),
    ] {
        let shown: String = head.chars().take(80).collect();
        // At once, and byte by byte as far as that is worth the time.
        let bytes = head.as_bytes();
        let (first, last) = bytes.split_at(bytes.len().min(300));
        let in_pieces: Vec<&[u8]> = first.chunks(1).chain([last]).collect();
        for parts in [vec![bytes], in_pieces] {
            let told = answers(&server, &parts);
            assert_eq!(told.iter().map(|told| told.status).collect::<Vec<_>>(), [status], "{shown:?}");
            assert_eq!(told[0].header("connection"), Some("close"), "{shown:?}");
            assert_eq!(told[0].code(), "invalid", "{shown:?}");
        }
    }
    let id = answers(&server, &[b"GARBAGE\r\n\r\n"])[0].header("x-request-id").map(str::to_owned).unwrap();
    eventually("the log speaks of it by the same name", || server.log().contains(&id).then_some(()));
}

#[test]
fn what_follows_good_requests_and_is_none_leaves_their_answers_alone() {
    let server = Server::start();
    let good = |version: &str| format!("GET /health HTTP/{version}\r\nHost: 127.0.0.1:{}\r\n", server.port);
    let whole = format!("{}\r\n", good("1.1"));
    let kept_open = format!("{}Connection: keep-alive\r\n\r\n", good("1.0"));
    let listed = format!("{}Content-Length: 0\r\n\r\n", post(&server, "").replace("push_task", "server_status"));
    for (before, count) in [(whole.repeat(3), 3), (kept_open, 1), (format!("{whole}{listed}"), 2)] {
        let told = answers(&server, &[format!("{before}GARBAGE\r\n\r\n").as_bytes()]);
        let (last, others) = told.split_last().expect("some answers");
        assert_eq!((last.status, others.len()), (400, count), "{told:?}");
        assert!(others.iter().all(|told| told.status == 200), "{told:?}");
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = Server::start();
    for route in ["/api/v1/push_task", "/mcp", "/call", "/messages?sessionId=1"] {
        let mut link = server.link();
        let ask = Ask::new("POST", route).token(&server.token).header("Content-Type", "application/json");
        link.send(&ask.header("Content-Length", &(BODY_MAX + 1).to_string()));
        let told = link.told().expect("an answer, though not a byte of the body came");
        assert_eq!(told.status, 413, "{told:?}");
        link.until_closed();
    }
}

#[test]
fn a_body_without_end_is_cut_off_where_there_is_no_more_room() {
    let server = Server::start();
    let before = server.resident_mib();
    for route in ["/api/v1/push_task", "/mcp", "/call"] {
        let mut link = server.link();
        let ask = Ask::new("POST", route).token(&server.token).header("Content-Type", "application/json");
        link.send(&ask.header("Transfer-Encoding", "chunked"));
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).into_bytes();
        let mut sent = 0;
        // It hangs up in the middle of it.
        while sent < 64 * BODY_MAX && link.write(&chunk) {
            sent += chunk.len();
        }
        assert!(sent < 16 * BODY_MAX, "{sent} bytes were taken");
    }
    assert!(server.resident_mib() < before + 64, "{} MiB, before {before}", server.resident_mib());
    assert_eq!(server.ask(&Ask::get("/health")).status, 200);
}

#[test]
fn deep_and_broken_bodies_are_refused_and_harm_nobody() {
    let server = Server::start();
    let before = server.newest_event();
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let deep_object = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    let bodies = [
        deep(10_000),
        deep(1_000_000),
        deep_object(10_000),
        format!("{{\"title\":\"x\",\"description\":{}}}", deep(10_000)),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}}}", deep(10_000)),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"initialize\"}}", deep(10_000)),
        "[".repeat(1_000_000),
        "{\"title\":".to_owned(),
        "\"\\ud800\"".to_owned(),
        "1e999999".to_owned(),
        "nul".to_owned(),
        "\u{feff}{}".to_owned(),
        format!("[{}]", vec!["{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}"; 100].join(",")),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"initialize\"}".to_owned(),
    ];
    for body in &bodies {
        for route in ["/api/v1/push_task", "/mcp", "/call", "/register"] {
            let ask = Ask::new("POST", route).token(&server.token).header("Content-Type", "application/json");
            let ask = ask.header("Accept", crate::support::web::ACCEPT).body(body.as_str());
            let told = server.ask(&ask);
            assert_eq!(told.status, 400, "{route} {body:.60}: {told:?}");
        }
    }
    let invalid = [b"{\"title\":\"\xff\xfe\"}".to_vec(), b"\xff\xff".to_vec(), vec![0; 100]];
    for body in invalid {
        let ask = Ask::new("POST", "/api/v1/push_task").token(&server.token);
        assert_eq!(server.ask(&ask.header("Content-Type", "application/json").body(body)).status, 400);
    }
    assert_eq!(server.newest_event(), before);
    assert_eq!(server.metric("orch_mcp_sessions"), 0.0, "none of these began a session");
}

#[test]
fn a_body_that_ends_too_soon_is_no_request() {
    let server = Server::start();
    let before = server.newest_event();
    let mut link: Link = server.link();
    let whole = post(&server, "Content-Length: 100\r\n\r\n{\"title\":\"x\"}");
    link.write(whole.as_bytes());
    drop(link);
    assert_eq!(server.newest_event(), before);
}
