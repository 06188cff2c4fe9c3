//! Names and pages of somebody else's get nothing, whatever they ask for; and to look changes nothing.

use crate::support::web::Ask;
use crate::support::web::LEFT_OUT;
use crate::support::web::Server;
use orch_mcp::ops::OPERATIONS;
use serde_json::json;

const ROUTES: [&str; 16] = [
    "/",
    "/health",
    "/ready",
    "/mcp",
    "/sse",
    "/messages",
    "/messages?sessionId=1",
    "/events",
    "/metrics",
    "/call",
    "/register",
    "/unregister",
    "/openapi.json",
    "/api/v1/list_tasks",
    "/tasks",
    "/no/such/route",
];

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

const SECRET: &str = "the title that nobody else may read";

/// A server with something to tell, and all that could be asked of it.
fn with_something_to_tell() -> (Server, Vec<Ask>) {
    let server = Server::start();
    server.ok(&server.token, "push_task", json!({ "title": SECRET }));
    let all = METHODS.iter().flat_map(|method| ROUTES.iter().map(|route| Ask::new(method, route)));
    let all = all.map(|ask| match ask.method.as_str() {
        "POST" | "PUT" => ask.header("Content-Type", "application/json").body("{}"),
        _ => ask,
    });
    let asks = all.map(|ask| ask.token(&server.token)).collect();
    (server, asks)
}

#[track_caller]
fn must_be_refused(server: &Server, ask: &Ask, statuses: &[u16]) {
    let told = server.ask(ask);
    assert!(statuses.contains(&told.status), "{ask:?}: {told:?}");
    assert!(!told.text().contains(SECRET) && told.text().len() < 400, "{ask:?}: {told:?}");
    assert_eq!(told.header("access-control-allow-origin"), None, "{ask:?}");
}

#[test]
fn another_name_that_leads_here_gets_nothing_on_any_route() {
    let (server, asks) = with_something_to_tell();
    let before = server.newest_event();
    let port = server.port;
    let foreign = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("localhost@evil.example:{port}"),
        "localhost".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("0.0.0.0:{port}"),
        format!("[::]:{port}"),
        format!("127.0.0.1:{port},evil.example"),
        format!("http://127.0.0.1:{port}"),
        String::new(),
    ];
    for ask in &asks {
        for host in &foreign {
            must_be_refused(&server, &ask.clone().header("Host", host), &[400, 403]);
        }
    }
    assert_eq!(server.newest_event(), before);
}

#[test]
fn a_request_names_one_host_and_means_it() {
    let (server, asks) = with_something_to_tell();
    let before = server.newest_event();
    let own = format!("127.0.0.1:{}", server.port);
    for ask in &asks {
        must_be_refused(&server, &ask.clone().header("Host", LEFT_OUT), &[400]);
        let twice = ask.clone().header("Host", &own).header("Host", "evil.example");
        must_be_refused(&server, &twice, &[400]);
        let twice = ask.clone().header("Host", &own).header("Host", &own);
        must_be_refused(&server, &twice, &[400]);
        let elsewhere = Ask { target: format!("http://evil.example{}", ask.target), ..ask.clone() };
        must_be_refused(&server, &elsewhere.header("Host", &own), &[400, 403]);
    }
    assert_eq!(server.newest_event(), before);
    let here = Ask::get(&format!("http://{own}/health"));
    assert_eq!(server.ask(&here).status, 200, "a target may name us in full");
}

#[test]
fn pages_of_other_origins_get_nothing_on_any_route() {
    let (server, asks) = with_something_to_tell();
    let before = server.newest_event();
    let foreign = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        "http://localhost".to_owned(),
        format!("http://localhost:{}", server.port ^ 1),
        format!("https://localhost:{}", server.port),
        format!("http://localhost:{}.evil.example", server.port),
        "file://".to_owned(),
        String::new(),
    ];
    for ask in &asks {
        for origin in &foreign {
            must_be_refused(&server, &ask.clone().header("Origin", origin), &[403]);
        }
        let both = ask.clone().header("Origin", &format!("http://localhost:{}", server.port));
        must_be_refused(&server, &both.header("Origin", "https://evil.example"), &[403]);
        for site in ["cross-site", "same-site"] {
            must_be_refused(&server, &ask.clone().header("Sec-Fetch-Site", site), &[403]);
        }
    }
    assert_eq!(server.newest_event(), before);
    let own = Ask::get("/metrics").token(&server.token).header("Origin", &format!("http://localhost:{}", server.port));
    assert_eq!(server.ask(&own).status, 200, "a page of ours may call");
    assert_eq!(server.ask(&own.header("Sec-Fetch-Site", "same-origin")).status, 200);
}

#[test]
fn what_a_form_could_send_changes_nothing() {
    let server = Server::start();
    let before = server.newest_event();
    for route in ["/api/v1/push_task", "/register", "/mcp", "/call", "/messages?sessionId=1", "/tasks"] {
        for kind in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "text/plain; charset=application/json",
            "multipart/form-data; boundary=application/json",
            "application/jsonp",
            "text/plain, application/json",
            "",
        ] {
            let ask = Ask::new("POST", route).token(&server.token).header("Content-Type", kind);
            let told = server.ask(&ask.body(json!({ "title": "x", "name": "x" }).to_string()));
            assert_eq!(told.status, 415, "{route} {kind}: {told:?}");
        }
        let told = server.ask(&Ask::new("POST", route).token(&server.token).body(json!({ "title": "x" }).to_string()));
        assert_eq!(told.status, 415, "{route} without a kind: {told:?}");
    }
    assert_eq!(server.newest_event(), before);
}

#[test]
fn to_look_changes_nothing_on_any_route() {
    let server = Server::start();
    let before = server.newest_event();
    let calls = OPERATIONS.iter().map(|entry| format!("/api/v1/{}?title=x&name=x&key=x&value=1", entry.name));
    let routes = ROUTES.iter().map(|route| (*route).to_owned()).chain(calls);
    for route in routes.filter(|route| route != "/sse" && route != "/events") {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            // Not even the sender comes to be by it.
            let ask = Ask::new(method, &route).token(&server.token).header("X-Instance-Name", "amy");
            server.ask(&ask);
        }
    }
    for stream in ["/sse", "/events"] {
        let mut link = server.link();
        link.send(&Ask::get(stream).token(&server.token).header("X-Instance-Name", "amy"));
        assert_eq!(link.head().unwrap().status, 200);
    }
    assert_eq!(server.newest_event(), before);
}

#[test]
fn every_answer_is_guarded_and_numbered() {
    let (server, asks) = with_something_to_tell();
    let variants = |ask: &Ask| {
        [ask.clone(), ask.clone().header("Host", "evil.example"), ask.clone().header("Authorization", "Bearer x")]
    };
    for ask in asks.iter().flat_map(variants) {
        let mut link = server.link();
        link.send(&ask);
        let told = link.head().unwrap();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(told.header(name), Some(value), "{ask:?}: {told:?}");
        }
        let policy = told.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{told:?}");
        assert!(told.header("x-request-id").is_some_and(|id| id.len() == 16), "{told:?}");
        assert_eq!(told.header("server"), None, "nobody is told what we are made of");
    }
}
