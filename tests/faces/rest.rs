//! The operations over HTTP: resources, conditions and the description, as a script uses them. Rules have their tests below.

use crate::support::program::Home;
use crate::support::program::Running;
use serde_json::Value;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

/// A server, and the owner who asks it over its socket.
struct Server {
    socket: PathBuf,
    _process: Running,
    _home: Home,
}

struct Told {
    status: u16,
    headers: String,
    body: Value,
}

impl Server {
    fn start() -> Server {
        let home = Home::new();
        let mut serve = home.program(&["serve", "--http", "127.0.0.1:0", "--format", "json"]);
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Running::start(&mut serve);
        let mut said = String::new();
        BufReader::new(process.child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        Server { socket: said["data"]["socket"].as_str().unwrap().into(), _process: process, _home: home }
    }

    /// `headers`: each a line of its own, ended.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, headers: &str, body: Value) -> Told {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: local\r\nConnection: close\r\n{kind}{headers}");
        let mut link = UnixStream::connect(&self.socket).unwrap();
        link.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut told = String::new();
        link.read_to_string(&mut told).unwrap();
        let (headers, body) = told.split_once("\r\n\r\n").unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Told { status, headers: headers.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
    }

    #[track_caller]
    fn get(&self, path: &str) -> Told {
        self.ask("GET", path, "", Value::Null)
    }
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[track_caller]
    fn expect(self, status: u16) -> Told {
        assert_eq!(self.status, status, "{} {}", self.headers, self.body);
        self
    }
}

/// A job that runs again must not make a second task, and two who edit one must not undo each other's work.
#[test]
fn a_task_is_made_once_and_changed_over_the_version_that_was_read() {
    let server = Server::start();
    let push =
        || server.ask("POST", "/tasks", "Idempotency-Key: issue-7\r\n", json!({ "title": "Fix it" })).expect(201);
    let (first, again) = (push(), push());
    let place = first.header("location").unwrap();
    assert_eq!((place, again.header("location")), ("/tasks/task-0000000001", Some(place)));
    assert_eq!(again.body["data"], first.body["data"]);
    assert_eq!(server.get("/tasks?status=open").expect(200).body["data"]["total"], 1);

    let read = server.get(place).expect(200);
    let condition = format!("If-Match: {}\r\n", read.header("etag").unwrap());
    let changed = server.ask("PATCH", place, &condition, json!({ "priority": "high" })).expect(200);
    let late = server.ask("PATCH", place, &condition, json!({ "priority": "low" })).expect(412);
    assert_eq!(late.body["error"]["code"], "conflict");
    let current = late.body["error"]["current_version"].to_string();
    assert_eq!(changed.header("etag"), Some(format!("\"{current}\"").as_str()));
    assert_eq!(server.get(place).expect(200).body["data"]["task"]["priority"], "high");
}

/// As a script goes from a goal to its results.
#[test]
fn a_job_has_an_address_and_so_has_what_is_done_with_it() {
    let server = Server::start();
    let plan = json!({ "goal": "g", "tasks": [{ "ref": "a", "title": "a" }, { "title": "b", "depends_on": ["a"] }] });
    let key = "Idempotency-Key: once\r\n";
    let made = server.ask("POST", "/jobs", key, plan.clone()).expect(201);
    assert_eq!(made.header("location"), Some("/jobs/job-0000000001"));
    server.ask("POST", "/jobs", key, plan).expect(201);
    assert_eq!(server.get("/jobs").expect(200).body["data"]["total"], 1, "a rerun makes no second one");
    let more = json!({ "prompt": "and that", "priority": 9 });
    assert_eq!(
        server.ask("POST", "/jobs/1/subtasks", "", more).expect(201).body["data"]["task"]["job"],
        "job-0000000001"
    );
    let seen = server.get("/jobs/1").expect(200).body["data"].take();
    assert_eq!((&seen["total"], &seen["critical_path"]["length"]), (&json!(3), &json!(2)));
    server.ask("POST", "/instances", "", json!({ "name": "bob" })).expect(201);
    let as_bob = "X-Orch-Instance: bob\r\n";
    server.ask("POST", "/tasks/claim", as_bob, json!({ "task_id": "1" })).expect(200);
    server.ask("POST", "/tasks/1/fail", as_bob, json!({ "reason": "no" })).expect(200);
    assert_eq!(server.ask("POST", "/jobs/1/retry", "", json!({})).expect(200).body["data"]["retried"], 1);
    server.ask("POST", "/tasks/claim", as_bob, json!({ "task_id": "1" })).expect(200);
    server.ask("POST", "/tasks/1/complete", as_bob, json!({ "result": "done" })).expect(200);
    let results = server.get("/jobs/1/results?which=completed").expect(200).body["data"].take();
    assert_eq!(results["results"][0]["result"], "done");
    assert_eq!(server.ask("POST", "/jobs/1/cancel", "", json!({})).expect(200).body["data"]["called_off"], 2);
    let document = server.get("/jobs/1/document?prompt=Sum%20it%20up").expect(200).body["data"]["document"].take();
    assert!(document.as_str().unwrap().starts_with("Sum it up\n\n# g\n"), "{document}");
    server.get("/jobs/9").expect(404);
}

#[test]
fn an_entry_is_kept_under_a_key_with_slashes_and_can_be_made_only_once() {
    let server = Server::start();
    let new = "If-None-Match: *\r\n";
    server.ask("PUT", "/context/api/a%20b", new, json!({ "value": [1] })).expect(201);
    server.ask("PUT", "/context/api%2Fa%20b", new, json!({ "value": [2] })).expect(412);
    let entry = server.get("/context/api/a%20b").expect(200);
    assert_eq!((&entry.body["data"]["value"], entry.header("etag")), (&json!([1]), Some("\"1\"")));
    server.ask("DELETE", "/context/api/a%20b", "If-Match: \"1\"\r\n", Value::Null).expect(200);
    assert_eq!(server.get("/context/api/a%20b").expect(404).body["error"]["code"], "not_found");
    // As an operation it answers, as everywhere: to find nothing is no error.
    let found = server.ask("POST", "/api/v1/get_context", "", json!({ "key": "api/a b" })).expect(200);
    assert_eq!(found.body["data"]["found"], false);
}

#[test]
fn mail_and_presence_are_those_of_whom_the_path_or_the_header_names() {
    let server = Server::start();
    for name in ["ann", "bob"] {
        server.ask("POST", "/instances", "", json!({ "name": name })).expect(201);
    }
    let ann = "X-Orch-Instance: ann\r\n";
    let sent = server.ask("POST", "/messages", ann, json!({ "to_instance": "@bob", "content": "hello" })).expect(201);
    assert_eq!(server.get(sent.header("location").unwrap()).expect(400).body["error"]["code"], "no_identity");
    let bob = "X-Orch-Instance: bob\r\n";
    let mail = server.ask("POST", "/messages/poll", bob, Value::Null).expect(200);
    let message = &mail.body["data"]["messages"][0];
    assert_eq!((&message["from"]["name"], &message["content"]), (&json!("ann"), &json!("hello")));
    let step = format!("{}/acknowledge", sent.header("location").unwrap());
    server.ask("POST", &step, bob, Value::Null).expect(200);
    let receipts = server.ask("GET", "/receipts", ann, Value::Null).expect(200);
    assert_eq!(receipts.body["data"]["receipts"][0]["state"], "acknowledged");
    server.ask("POST", "/instances/bob/heartbeat", ann, json!({ "current_task": "this" })).expect(200);
    assert_eq!(server.get("/instances/bob").expect(200).body["data"]["instance"]["current_task"], "this");
    server.ask("DELETE", "/instances/bob", ann, Value::Null).expect(405);
    server.ask("POST", "/instances/bob/unregister", ann, Value::Null).expect(200);
    assert_eq!(server.get("/instances/bob").expect(200).body["data"]["instance"]["status"], "offline");
}

#[test]
fn what_cannot_be_asked_for_is_refused_with_what_can() {
    let server = Server::start();
    for (method, path, headers, body, status, told) in [
        ("GET", "/nothing", "", Value::Null, 404, "`/openapi.json` tells what there is"),
        ("PUT", "/tasks", "", json!({}), 405, "use GET, HEAD, POST"),
        ("GET", "/tasks?staus=open", "", Value::Null, 400, "did you mean `status`?"),
        ("GET", "/tasks?limit=five", "", Value::Null, 400, "must be a whole number"),
        ("POST", "/tasks", "", json!([]), 400, "the body must be a JSON object"),
        ("POST", "/api/v1/push_taks", "", json!({}), 404, "did you mean `/api/v1/push_task`?"),
        ("GET", "/tasks/task-9", "", Value::Null, 404, "no task `task-0000000009`"),
        ("POST", "/tasks", "If-Match: \"1\"\r\n", json!({ "title": "t" }), 400, "If-Match has no meaning"),
        ("GET", "/tasks", "X-Instance-Role: all\r\n", Value::Null, 400, "`X-Instance-Role` cannot be `all`"),
        ("GET", "/tasks", "X-Orch-Instance: a\r\nX-Orch-Instance: b\r\n", Value::Null, 400, "must stand there once"),
    ] {
        let refused = server.ask(method, path, headers, body).expect(status);
        let error = refused.body["error"].to_string();
        assert!(error.contains(told), "{method} {path}: {error}");
    }
    assert_eq!(server.ask("PUT", "/tasks", "", json!({})).header("allow"), Some("GET, HEAD, POST"));
    let head = server.ask("HEAD", "/tasks", "", Value::Null).expect(200);
    assert!(head.body.is_null() && head.header("content-length").is_some(), "{}", head.headers);
}

#[test]
fn the_description_is_served_as_it_is_made() {
    let server = Server::start();
    assert_eq!(server.get("/openapi.json").expect(200).body, orch_mcp::http::openapi::document("/"));
}
