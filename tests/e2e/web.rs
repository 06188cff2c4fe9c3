//! The real client by URL: over streamable HTTP and over the older transport, with a token and a name in its headers.

use crate::e2e::script::role;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Stage;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Stdio;

/// A server beside the stage's project, and what its door wants.
struct Server {
    _running: Running,
    url: String,
    token: String,
}

impl Server {
    fn start(stage: &Stage) -> Server {
        let mut program = Command::new(PROGRAM);
        stage.dress(program.args(["serve", "--http", "127.0.0.1:0", "--json"]));
        let mut running = Running::start(program.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut heard = String::new();
        BufReader::new(running.child.stdout.as_mut().unwrap()).read_line(&mut heard).unwrap();
        let heard: Value = serde_json::from_str(&heard).unwrap();
        let token = fs::read_to_string(heard["data"]["token_file"].as_str().unwrap()).unwrap();
        Server {
            _running: running,
            url: heard["data"]["url"].as_str().unwrap().to_owned(),
            token: token.trim().to_owned(),
        }
    }
}

/// What the client was told about a server at this address, by the way README shows it.
fn entry(kind: &str, url: &str) -> String {
    let headers = json!({ "Authorization": "Bearer ${ORCH_TOKEN}", "X-Instance-Name": "${ORCH_INSTANCE}" });
    json!({ "mcpServers": { "orch-mcp": { "type": kind, "url": url, "headers": headers } } }).to_string()
}

fn works_by_url(kind: &str, path: &str) {
    let steps = [
        uses("push_task", json!({ "title": "Write the parser" })),
        uses("claim_task", json!({ "task_id": "${last.structured.task.id}" })),
        uses("wait_for_message", json!({ "timeout_seconds": 60 })),
        uses("complete_task", json!({ "task_id": "1", "result": "done, 12 tests" })),
        says("done"),
    ];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    let server = Server::start(&stage);
    stage.write("project/.mcp.json", &entry(kind, &format!("{}{path}", server.url)));
    let mut claude = stage.claude(&["--allowedTools", "mcp__orch-mcp"]);
    claude.env("ORCH_TOKEN", &server.token).env("ORCH_INSTANCE", "amy");
    let mut session = stage.begin(claude, "GO");
    // Somebody on the same store, who needs no server.
    stage.eventually("amy claims it", || {
        let tasks = stage.ok(&["list-tasks"]);
        (tasks["tasks"][0]["status"] == "claimed").then_some(())
    });
    stage.orch(&["register-instance", "bob"]).expect(0);
    stage.orch(&["send-message", "-i", "bob", "--to-name", "amy", "go on"]).expect(0);
    session.ends();
    assert_eq!(session.last_result()["result"], "done", "{}", session.told());
    let task = stage.ok(&["get-task", "1"])["task"].take();
    assert_eq!((&task["status"], &task["result"]), (&json!("completed"), &json!("done, 12 tests")), "{task}");
    let heard = stage.request("the message", |request| request.step() == Some(3));
    assert_eq!(heard.result()["messages"][0]["content"], "go on");
    assert_eq!(heard.result()["messages"][0]["from"]["name"], "bob");
    let here = stage.ok(&["list-instances"]);
    let names: Vec<&Value> = here["instances"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["amy", "bob"], "whoever the headers name is registered, and nobody else: {here}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn over_streamable_http() {
    works_by_url("http", "/mcp");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn over_the_older_transport() {
    works_by_url("sse", "/sse");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_wrong_token_is_shown_as_a_server_that_cannot_be_used() {
    let Some(stage) = Stage::set([role("GO", [says("done")])]) else { return };
    let server = Server::start(&stage);
    stage.write("project/.mcp.json", &entry("http", &format!("{}/mcp", server.url)));
    let mut claude = stage.claude(&[]);
    claude.env("ORCH_TOKEN", "orch_0000000000_nothing").env("ORCH_INSTANCE", "amy");
    let session = stage.print(claude, "GO");
    let told = session.told();
    assert!(!told.contains("mcp__orch-mcp__claim_task"), "{told}");
    assert_eq!(session.last_result()["result"], "done", "{told}");
}
