//! `setup` and its undo beside the real client: what it writes is understood, and what it takes back leaves no trace.

use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Stage;
use crate::e2e::stage::commands_of_readme;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const SCOPES: [&str; 3] = ["project", "local", "user"];

/// Settings in a form that no program would write.
const SETTINGS: &str = "{\n    \"permissions\": { \"allow\": [\"Bash(ls:*)\"] },\n\n  \"hooks\": {\"Stop\": [ ]}\n}\n";
const SERVERS: &str = "{ \"mcpServers\": { \"other\" : {\"command\":\"true\",\"args\":[]} } }";

/// Where the client keeps what it knows of servers, and much else that it changes by itself.
const STATE: &str = "home/.claude.json";

/// Every file of the client that is there, by its content.
fn files(stage: &Stage) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for below in [STATE, "home/.claude/settings.json", "project/.mcp.json"] {
        if let Ok(text) = fs::read_to_string(stage.path(below)) {
            found.insert(stage.path(below), text);
        }
    }
    for entry in fs::read_dir(stage.path("project/.claude")).into_iter().flatten() {
        let path = entry.unwrap().path();
        found.insert(path.clone(), fs::read_to_string(path).unwrap());
    }
    found
}

fn setup(stage: &Stage, scope: &str, more: &str) -> String {
    stage.shell(&format!("orch-mcp setup claude-code --scope {scope} {more}"))
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn undone_it_leaves_every_file_as_it_was() {
    for has_settings in [false, true] {
        let Some(stage) = Stage::set([]) else { return };
        if has_settings {
            for below in ["project/.claude/settings.json", "project/.claude/settings.local.json"] {
                stage.write(below, SETTINGS);
            }
            stage.write("home/.claude/settings.json", SETTINGS);
            stage.write("project/.mcp.json", SERVERS);
        }
        // What the client puts in order at its first start is not our doing.
        stage.shell("claude mcp list");
        for scope in SCOPES {
            let before = files(&stage);
            setup(&stage, scope, "");
            assert_ne!(before, files(&stage), "{scope}");
            setup(&stage, scope, "--undo");
            assert_eq!(before, files(&stage), "{scope}");

            setup(&stage, scope, "");
            setup(&stage, scope, "--check");
            let known = stage.shell("claude mcp get orch-mcp");
            assert!(known.contains("orch-mcp") && known.contains("serve"), "{scope}: {known}");
            setup(&stage, scope, "--undo");
            let (mut before, mut after) = (before, files(&stage));
            before.remove(&stage.path(STATE));
            let state = after.remove(&stage.path(STATE)).unwrap();
            assert_eq!(before, after, "{scope}, with the client between");
            assert!(!state.contains("\"serve\""), "{scope}: {state}");
        }
    }
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn in_each_scope_sessions_join_until_it_is_undone() {
    for scope in SCOPES {
        let steps = [uses("push_task", json!({ "title": "Write the parser" })), says("done")];
        let Some(stage) = Stage::set([role("GO", steps), role("AGAIN", [says("done")])]) else { return };
        setup(&stage, scope, "--name amy");
        if scope == "user" {
            // Elsewhere it keeps out of the way: this project uses us.
            stage.ok(&["register-instance", "bob"]);
        }
        let session = stage.print(stage.claude(&[]), "GO");
        assert_eq!(session.last_result()["result"], "done", "{}", session.told());
        let amy = stage.ok(&["get-instance", "amy"])["instance"].take();
        assert_eq!(stage.ok(&["get-task", "1"])["task"]["created_by"], amy["id"], "{scope}");

        setup(&stage, scope, "--undo");
        let session = stage.print(stage.claude(&[]), "AGAIN");
        let id = session.id();
        let request = stage.request("the session after it", |request| request.session() == id);
        assert!(!request.words().contains("orch-mcp"), "{scope}: {}", request.words());
    }
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn it_goes_as_readme_says() {
    let Some(stage) =
        Stage::set([role("GO", [uses("push_task", json!({ "title": "Write the parser" })), says("done")])])
    else {
        return;
    };
    // Where a server elsewhere is, is tried without a client: `remote::settings`.
    let commands = commands_of_readme("orch-mcp setup claude-code").into_iter();
    for command in commands.filter(|command| !command.contains("--server")) {
        stage.shell(&command);
    }
    stage.shell("orch-mcp setup claude-code --check");
    let session = stage.print(stage.claude(&[]), "GO");
    assert_eq!(session.last_result()["result"], "done", "{}", session.told());
    let instances = stage.ok(&["list-instances"]);
    assert_eq!(stage.ok(&["get-task", "1"])["task"]["created_by"], instances["instances"][0]["id"], "{instances}");
}

/// What a doctor says who is asked within a session and after it.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn doctor_finds_all_well() {
    let steps = [runs("orch-mcp doctor --json"), says("done")];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    stage.wire();
    stage.print(stage.claude(&["--allowedTools", "Bash"]), "GO");
    let within = stage.request("what doctor said", |request| request.step() == Some(1)).result()["data"].take();
    let after = stage.ok(&["doctor"]);
    for said in [&within, &after] {
        let checks = said["checks"].as_array().unwrap();
        let verdict = |name: &str| checks.iter().find(|check| check["name"] == name).map(|check| &check["verdict"]);
        for name in ["claude", "wiring", "wired program", "store", "sessions", "inbox"] {
            assert_eq!(verdict(name), Some(&json!("ok")), "{name}: {said:#}");
        }
        assert!(checks.iter().all(|check| ["ok", "note"].contains(&check["verdict"].as_str().unwrap())), "{said:#}");
    }
    let hooks = after["checks"].as_array().unwrap().iter().find(|check| check["name"] == "hooks seen");
    assert_eq!(hooks.unwrap()["verdict"], "ok", "{after:#}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_broken_settings_file_is_left_alone() {
    let Some(stage) = Stage::set([role("GO", [says("one")])]) else { return };
    let broken = "{ \"hooks\": { \"Stop\": [ }";
    stage.write("project/.claude/settings.json", broken);
    let refused = stage.orch(&["setup", "claude-code", "--scope", "project"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.err.contains("settings.json"), "{refused:?}");
    assert_eq!(stage.read("project/.claude/settings.json"), broken);
    assert!(!stage.path("project/.mcp.json").exists(), "half of it is worse than nothing");
    let session = stage.print(stage.claude(&[]), "GO");
    assert_eq!(session.last_result()["result"], "one");
}
