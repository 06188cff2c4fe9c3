//! A token opens the door, and only the whole of a good one does, as long as it is good.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::files_below;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Mcp;
use crate::support::web::Server;
use crate::support::web::Sse;
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;

const CLOSED: [(&str, &str); 10] = [
    ("GET", "/mcp"),
    ("POST", "/mcp"),
    ("DELETE", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages?sessionId=1"),
    ("GET", "/events"),
    ("GET", "/metrics"),
    ("POST", "/call"),
    ("POST", "/api/v1/list_tasks"),
    ("GET", "/no/such/route"),
];

fn asks() -> impl Iterator<Item = Ask> {
    CLOSED.iter().map(|(method, route)| match *method {
        "POST" => Ask::post(route, &json!({})),
        _ => Ask::new(method, route),
    })
}

#[track_caller]
fn must_be_unknown(server: &Server, ask: &Ask) {
    let told = server.ask(ask);
    assert!(matches!(told.status, 401 | 429), "{ask:?}: {told:?}");
    assert_eq!(told.code(), "unauthorized", "{told:?}");
    match told.status {
        401 => assert!(told.header("www-authenticate").is_some_and(|how| how.starts_with("Bearer")), "{told:?}"),
        _ => assert!(told.header("retry-after").is_some(), "{told:?}"),
    }
}

#[test]
fn nobody_comes_in_without_the_whole_of_a_good_token() {
    let server = Server::start();
    let (good, other) = (server.token("worker", "amy"), server.token("worker", "bob"));
    let parts: Vec<&str> = good.split('_').collect();
    let other_parts: Vec<&str> = other.split('_').collect();
    let wrong = [
        String::new(),
        "x".to_owned(),
        format!("{}_{}_{}", parts[0], parts[1], other_parts[2]),
        format!("{}_{}_{}", parts[0], other_parts[1], parts[2]),
        format!("{}_{}", parts[0], parts[1]),
        format!("{}_{}_", parts[0], parts[1]),
        parts[2].to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        format!("{good},{good}"),
        good.to_uppercase(),
        good.replacen("orch_", "ORCH_", 1),
        format!("\"{good}\""),
        format!("orch_' or 1=1 --_{}", parts[2]),
    ];
    for ask in asks() {
        must_be_unknown(&server, &ask);
        for wrong in &wrong {
            must_be_unknown(&server, &ask.clone().token(wrong));
        }
        for scheme in ["Basic", "Token", "Bearer:", ""] {
            must_be_unknown(&server, &ask.clone().header("Authorization", &format!("{scheme} {good}")));
        }
        must_be_unknown(&server, &ask.clone().token(&good).token(&good));
        must_be_unknown(&server, &ask.clone().token(&other).token(&good));
        must_be_unknown(&server, &ask.clone().header("X-Api-Key", &good).header("Cookie", &format!("token={good}")));
        let joint = if ask.target.contains('?') { '&' } else { '?' };
        let in_query = format!("{}{joint}token={good}&access_token={good}&key={good}", ask.target);
        must_be_unknown(&server, &Ask { target: in_query, ..ask });
    }
    assert_eq!(server.metric("orch_mcp_sessions"), 0.0);
    assert_eq!(server.call(&good, "list_tasks", json!({})).status, 200, "the wrong ones kept nobody else out");
}

#[test]
fn who_was_wrong_gets_no_second_try_on_a_connection() {
    let server = Server::start();
    let mut link = server.link();
    assert_eq!(link.ask(&Ask::get("/metrics").token("wrong")).status, 401);
    assert_eq!(link.until_closed(), b"");
}

#[test]
fn a_revoked_token_opens_nothing_from_that_moment_on() {
    let server = Server::start();
    let token = server.token("worker", "amy");
    let mut kept = server.link();
    let ask = Ask::post("/api/v1/list_tasks", &json!({})).token(&token);
    assert_eq!(kept.ask(&ask).status, 200);
    server.home.ok(&["token", "revoke", "amy", "--json"]);
    assert_eq!(kept.ask(&ask).status, 401, "a connection is no token");
    for ask in asks() {
        must_be_unknown(&server, &ask.token(&token));
    }
}

#[test]
fn an_expired_token_opens_nothing() {
    let server = Server::start();
    let made = server.home.ok(&["token", "create", "--role", "worker", "--expires", "1s", "--json"]);
    let token = made["token"].as_str().unwrap();
    let mut link = server.link();
    link.send(&Ask::get("/events").token(token));
    // The stream is the clock: it ends with the token.
    if link.head().is_some_and(|head| head.status == 200) {
        while link.event().is_some() {}
    }
    assert_eq!(server.call(token, "list_tasks", json!({})).status, 401);
}

#[test]
fn what_is_open_under_a_revoked_token_ends() {
    let server = Server::start();
    let (token, stays) = (server.token("worker", "amy"), server.token("worker", "amy"));
    let id = token.split('_').nth(1).unwrap().to_owned();
    let open = |token: &str, target: &str| {
        let mut link = server.link();
        link.send(&Ask::get(target).token(token).header("Accept", "text/event-stream"));
        assert_eq!(link.head().unwrap().status, 200, "{target}");
        link
    };
    let (mut events, mut others) = (open(&token, "/events"), open(&stays, "/events"));
    let mut sse = Sse::open(server.port, &token);
    let mut session = Mcp::open(server.port, &token, Era::Handshake("2025-11-25"));
    let mut stream = server.link();
    let ask = Ask::get("/mcp").token(&token).header("Accept", "text/event-stream");
    stream.send(&ask.header("Mcp-Session-Id", session.session.as_ref().unwrap()));
    assert_eq!(stream.head().unwrap().status, 200);
    let wait = json!({ "timeout_seconds": 200, "instance_id": "amy-1" });
    server.ok(&token, "register_instance", json!({ "name": "amy-1" }));
    let mut waiting = server.link();
    waiting.send(&Ask::post("/api/v1/wait_for_message", &wait).token(&token));
    let mut waiting_in_mcp: Vec<Link> = BOTH_ERAS
        .map(|era| {
            let mut client = Mcp::open(server.port, &token, era);
            let message = client.message(5, "tools/call", json!({ "name": "wait_for_message", "arguments": wait }));
            let ask = client.asks(&message);
            client.link.send(&ask);
            client.link
        })
        .into();
    // And the server itself, for its feed.
    server.home.until_waiting(4);
    server.home.ok(&["token", "revoke", &id, "--json"]);
    while events.event().is_some() {}
    while sse.stream.event().is_some() {}
    while stream.event().is_some() {}
    let told = waiting.told().expect("an answer");
    assert_eq!((told.status, told.code().as_str()), (401, "unauthorized"));
    for link in &mut waiting_in_mcp {
        link.head();
        while link.event().is_some() {}
    }
    server.home.until_waiting(1);
    let ask = session.asks(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }));
    assert_eq!(session.link.ask(&ask).status, 401);
    // What another token of the same name opened goes on.
    while others.event().expect("the feed goes on").name != "token.revoked" {}
    server.ok(&stays, "push_task", json!({ "title": "still here" }));
    assert_eq!(others.event().unwrap().name, "task.pushed");
}

#[test]
fn no_token_stands_anywhere_but_in_its_file() {
    let server = Server::at(crate::support::program::Home::new(), "127.0.0.1:0", &[], "trace");
    let amy = server.token("worker", "amy");
    let gone = server.token("worker", "gone");
    server.home.ok(&["token", "revoke", "gone", "--json"]);
    let all = [server.token.clone(), amy.clone(), gone];
    for token in &all {
        for ask in asks() {
            let with_query = Ask { target: format!("{}?token={token}", ask.target), ..ask.clone() };
            for ask in [ask.clone().token(token), with_query.token(token), ask.token(token).token(token)] {
                let mut link = server.link();
                link.send(&ask);
                let head = link.head().unwrap();
                assert!(!head.headers.iter().any(|(_, value)| value.contains(token)), "{head:?}");
            }
        }
    }
    for era in BOTH_ERAS {
        Mcp::open(server.port, &amy, era).call(1, "register_instance", json!({ "name": "amy-1" }));
    }
    let told = server.call(&amy, "no_such_operation", json!({ "token": 1 })).text();
    let events = server.ok(&server.token, "list_events", json!({ "limit": 30 })).to_string();
    let own = std::fs::read(format!("/proc/{}/cmdline", server.process.child.id())).unwrap();
    let said = [told, events, String::from_utf8_lossy(&own).into_owned()];
    let file = server.home.state_dir().join("owner.token");
    let kept: Vec<Vec<u8>> = files_below(&server.home.state_dir())
        .into_iter()
        .filter(|path| path.is_file() && *path != file)
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert!(!kept.is_empty());
    for secret in all.iter().map(|token| token.split('_').nth(2).unwrap()) {
        assert!(!said.iter().any(|text| text.contains(secret)));
        assert!(!server.log().contains(secret), "{}", server.log());
        for bytes in &kept {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        }
    }
}

#[test]
fn the_owners_token_is_in_a_file_that_nobody_else_reads_and_follows_no_link() {
    let server = Server::start();
    let file = server.home.state_dir().join("owner.token");
    let mode = |path: &std::path::Path| path.symlink_metadata().unwrap().mode();
    assert_eq!(mode(&file) & 0o777, 0o600);
    assert_eq!(mode(&server.home.state_dir()) & 0o777, 0o700);
    assert_eq!(mode(&server.home.state_dir().join("http.sock")) & 0o777, 0o600);
    let first = server.token.clone();
    let server = server.killed_and_started_again();
    assert_eq!(server.token, first, "what is good is kept");
    // Somebody put a link where it was: what it leads to is neither believed nor written to.
    let elsewhere = server.home.path("elsewhere");
    std::fs::write(&elsewhere, &first).unwrap();
    std::fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let server = server.killed_and_started_again();
    assert_ne!(server.token, first);
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), first);
    assert!(file.symlink_metadata().unwrap().is_file() && mode(&file) & 0o777 == 0o600);
    // One that others could read is made anew, too.
    let open = server.token.clone();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let server = server.killed_and_started_again();
    assert_ne!(server.token, open);
    assert_eq!(server.call(&open, "server_status", json!({})).status, 401, "what others may have read opens nothing");
    assert_eq!(mode(&file) & 0o777, 0o600);
}

#[test]
fn the_socket_needs_no_token_and_one_that_a_killed_server_left_is_in_nobodys_way() {
    let server = Server::start();
    let socket = server.home.state_dir().join("http.sock");
    let status = Ask::post("/api/v1/server_status", &json!({}));
    assert_eq!(Link::to_socket(&socket).ask(&status).status, 200);
    assert_eq!(Link::to_socket(&socket).ask(&status.clone().token("wrong")).status, 401, "a wrong one is wrong");
    let server = server.killed_and_started_again();
    assert_eq!(Link::to_socket(&socket).ask(&status).status, 200);
    // A link in its place leads nowhere, and what it led to is left alone.
    let elsewhere = server.home.path("elsewhere");
    std::fs::write(&elsewhere, "kept").unwrap();
    std::fs::remove_file(&socket).unwrap();
    symlink(&elsewhere, &socket).unwrap();
    let _server = server.killed_and_started_again();
    assert_eq!(Link::to_socket(&socket).ask(&status).status, 200);
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "kept");
}
