//! The real client and our server understand each other, in both eras of the protocol and as README wires them by hand.

use crate::e2e::script::role;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Stage;
use crate::e2e::stage::readme;
use crate::support::program::PROGRAM;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

/// Registers, pushes a task and claims it, with a server behind `tap.py`: all that the client said to it.
fn said_to_a_server(kind: &str) -> Option<Vec<Value>> {
    let steps = [
        uses("register_instance", json!({ "name": "amy" })),
        uses("push_task", json!({ "title": "Write the parser" })),
        uses("claim_task", json!({ "task_id": "${last.structured.task.id}" })),
        says("done"),
    ];
    let stage = Stage::set([role("GO", steps)])?;
    let tap = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/tap.py");
    let server = json!({ "command": "python3", "args": [tap, stage.path("model/said.jsonl"), kind, PROGRAM, "serve"] });
    stage.write("project/.mcp.json", &json!({ "mcpServers": { "orch-mcp": server } }).to_string());
    let session = stage.print(stage.claude(&["--allowedTools", "mcp__orch-mcp"]), "GO");
    assert_eq!(session.last_result()["result"], "done", "{}", session.told());
    assert_eq!(stage.ok(&["list-tasks"])["tasks"][0]["status"], "claimed");
    let said = stage.read("model/said.jsonl");
    Some(said.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn methods(said: &[Value]) -> Vec<&str> {
    said.iter().filter_map(|line| line["method"].as_str()).collect()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_server_that_answers_the_newer_greeting_is_spoken_to_without_a_handshake() {
    let Some(said) = said_to_a_server("modern") else { return };
    assert_eq!(said[0]["method"], "server/discover", "{said:#?}");
    assert!(!methods(&said).contains(&"initialize"), "{said:#?}");
    let calls = said.iter().filter(|line| line["method"] == "tools/call");
    let versions: Vec<&Value> =
        calls.map(|call| &call["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]).collect();
    assert_eq!(versions, ["2026-07-28"; 3]);
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_server_that_does_not_is_spoken_to_with_one() {
    let Some(said) = said_to_a_server("old") else { return };
    assert_eq!(methods(&said)[..3], ["server/discover", "initialize", "notifications/initialized"]);
    assert_eq!(said[1]["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(methods(&said).iter().filter(|method| **method == "tools/call").count(), 3);
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn the_commands_of_readme_wire_it_by_hand() {
    let readme = readme();
    let commands = readme.match_indices("claude mcp add ").map(|(at, _)| &readme[at..]);
    let commands: Vec<&str> = commands.map(|rest| rest.split(['`', '\n']).next().unwrap()).collect();
    // Those by URL are for a server elsewhere: `web.rs` tells of that.
    let commands: Vec<&str> = commands.into_iter().filter(|command| command.ends_with("orch-mcp serve")).collect();
    assert!(!commands.is_empty(), "README does not say how");
    for command in commands {
        let steps = [uses("push_task", json!({ "title": "Write the parser" })), says("done")];
        let Some(stage) = Stage::set([role("GO", steps)]) else { return };
        stage.shell(command);
        let listed = stage.shell("claude mcp list");
        let ours = listed.lines().find(|line| line.starts_with("orch-mcp: "));
        assert!(ours.is_some_and(|line| line.contains("orch-mcp serve") && line.ends_with("Connected")), "{listed}");
        let session = stage.print(stage.claude(&["--allowedTools", "mcp__orch-mcp"]), "GO");
        assert_eq!(session.last_result()["result"], "done", "{command}: {}", session.told());
        let request = stage.request("the answer of the tool", |request| request.step() == Some(1));
        assert_eq!(request.result()["task"]["title"], "Write the parser", "{command}");
    }
}
