//! A session joins by itself: it knows who it is before its first word, and works with the tools it is shown.

use crate::e2e::script::calls;
use crate::e2e::script::held;
use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Request;
use crate::e2e::stage::Stage;
use crate::e2e::stage::commands_of_readme;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::process::Command;

const IN_PLUGIN: &str = "mcp__plugin_orch-mcp_orch-mcp__";

/// One task, from push to completion.
fn a_days_work(uses: impl Fn(&str, Value) -> Value) -> [Value; 4] {
    [
        uses("push_task", json!({ "title": "Write the parser" })),
        uses("claim_task", json!({})),
        uses("complete_task", json!({ "task_id": "${last.structured.task.id}", "result": "12 tests" })),
        says("done"),
    ]
}

/// All of it was done, and nobody had to register for it.
#[track_caller]
fn done_by_one_who_joined(stage: &Stage, name: &str, prefix: &str) {
    let first = stage.request("the first words", |request| request.step() == Some(0));
    assert!(first.brief().contains(name), "{}", first.words());
    for tool in ["push_task", "claim_task", "complete_task", "send_message", "reserve_files"] {
        assert!(first.offers(&format!("{prefix}{tool}")), "{tool}: {}", first.words());
    }
    for request in stage.requests().into_iter().filter(|request| request.step() > Some(0)) {
        assert!(request.results().iter().all(|result| result["is_error"] == false), "{:#?}", request.results());
    }
    let instances = stage.ok(&["list-instances"]);
    assert_eq!((&instances["total"], &instances["instances"][0]["name"]), (&json!(1), &json!(name)), "{instances}");
    let tasks = stage.ok(&["list-tasks"]);
    assert_eq!((&tasks["total"], &tasks["tasks"][0]["status"]), (&json!(1), &json!("completed")), "{tasks}");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn after_setup_a_session_is_registered_and_pushes_claims_and_completes() {
    let Some(stage) = Stage::set([role("GO", a_days_work(uses))]) else { return };
    stage.wire();
    let session = stage.print(stage.claude(&[]), "GO");
    assert_eq!(session.last_result()["result"], "done", "{}", session.told());
    let instances = stage.ok(&["list-instances"]);
    let name = instances["instances"][0]["name"].as_str().expect("a made-up name").to_owned();
    done_by_one_who_joined(&stage, &name, "mcp__orch-mcp__");
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn the_plugin_does_the_same() {
    let Some(stage) = Stage::set([role("GO", a_days_work(|tool, input| calls(&format!("{IN_PLUGIN}{tool}"), input)))])
    else {
        return;
    };
    stage.print(plugged(&stage, "amy"), "GO");
    done_by_one_who_joined(&stage, "amy", IN_PLUGIN);
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn with_setup_and_the_plugin_a_session_registers_once() {
    let Some(stage) = Stage::set([role("GO", a_days_work(uses))]) else { return };
    stage.wire();
    stage.print(plugged(&stage, "amy"), "GO");
    done_by_one_who_joined(&stage, "amy", "mcp__orch-mcp__");
    let first = stage.request("the first words", |request| request.step() == Some(0)).words();
    assert_eq!(first.matches("SessionStart hook additional context: ").count(), 1, "{first}");
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn the_plugin_is_valid_and_is_installed_as_readme_says() {
    let steps = a_days_work(|tool, input| calls(&format!("{IN_PLUGIN}{tool}"), input));
    let Some(stage) = Stage::set([role("GO", steps), role("AGAIN", [says("done")])]) else { return };
    // A clone as it comes, since the client copies all that lies in it.
    let clone = stage.path("clone").display().to_string();
    let root = env!("CARGO_MANIFEST_DIR");
    stage.shell(&format!("mkdir {clone} && cd '{root}' && cp -R .claude-plugin hooks skills README.md {clone}"));
    stage.shell(&format!("claude plugin validate --strict {clone}"));
    // There it stands for this repository.
    let commands = commands_of_readme("claude plugin ").into_iter();
    let commands = commands.map(|command| command.replace(" orch-mcp/orch-mcp", &format!(" {clone}")));
    let (undo, install): (Vec<String>, Vec<String>) =
        commands.partition(|command| command.contains(" uninstall ") || command.contains(" remove "));
    for command in install {
        stage.shell(&command);
    }
    let mut claude = stage.claude(&["--allowedTools", IN_PLUGIN.trim_end_matches('_')]);
    claude.env("ORCH_INSTANCE", "amy");
    stage.print(claude, "GO");
    done_by_one_who_joined(&stage, "amy", IN_PLUGIN);
    let skill = "orch-mcp:orchestrating-work";
    let first = stage.request("the first words", |request| request.step() == Some(0));
    assert!(first.words().contains(skill), "no `{skill}` in: {}", first.words());

    for command in undo {
        stage.shell(&command);
    }
    let id = stage.print(stage.claude(&[]), "AGAIN").id();
    let after = stage.request("the session after it", |request| request.session() == id);
    assert!(!after.words().contains("orch-mcp"), "{}", after.words());
}

/// What an agent under a session does is done by the session, and the session's mail stays the session's.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_subagent_is_nobody_of_its_own() {
    let task = json!({ "description": "look", "prompt": "UNDER", "run_in_background": false });
    let above = [held("written", calls("Agent", task)), says("done")];
    let under = [runs("echo one"), uses("push_task", json!({ "title": "Found by the agent" })), says("looked")];
    let Some(stage) = Stage::set([role("UNDER", under), role("GO", above)]) else { return };
    stage.wire();
    let mut claude = stage.claude(&["--allowedTools", "Bash", "Agent"]);
    claude.env("ORCH_INSTANCE", "amy");
    let mut session = stage.begin(claude, "GO");
    stage.request("the session at work", |request| request.step() == Some(0));
    stage.ok(&["register-instance", "bob"]);
    stage.ok(&["send-message", "-i", "bob", "--to-name", "amy", "the parser is in"]);
    stage.release("written");
    session.ends();
    assert_eq!(session.last_result()["result"], "done", "{}", session.told());
    let (of_agent, own): (Vec<Request>, Vec<Request>) = stage.requests().into_iter().partition(Request::is_of_agent);
    assert!(!of_agent.is_empty() && of_agent.iter().all(|request| !request.words().contains("the parser is in")));
    assert_eq!(own.last().unwrap().words().matches("the parser is in").count(), 1);
    let instances = stage.ok(&["list-instances"]);
    assert_eq!(instances["total"], 2, "amy and bob: {instances}");
    let amy = stage.ok(&["get-instance", "amy"]);
    assert_eq!(stage.ok(&["get-task", "1"])["task"]["created_by"], amy["instance"]["id"]);
}

/// The client with the plugin that the root of the repository is, and a session that says who it is.
fn plugged(stage: &Stage, name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(root.join(".claude-plugin/plugin.json").exists(), "the repository is no plugin");
    let allowed = IN_PLUGIN.trim_end_matches('_');
    let mut claude = stage.claude(&["--plugin-dir", root.to_str().unwrap(), "--allowedTools", allowed]);
    claude.env("ORCH_INSTANCE", name);
    claude
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_project_that_does_not_use_us_stays_as_it_was() {
    let Some(stage) = Stage::set([role("GO", [says("done")])]) else { return };
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(".claude-plugin/plugin.json").exists());
    let session = stage.print(stage.claude(&["--plugin-dir", env!("CARGO_MANIFEST_DIR")]), "GO");
    assert_eq!(session.last_result()["result"], "done");
    let request = stage.request("the first words", |request| request.step() == Some(0));
    assert!(!request.words().contains("SessionStart hook additional context"), "{}", request.words());
    assert!(!stage.path("project/.orch").exists() && !stage.path("home/.local").exists());
}
