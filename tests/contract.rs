//! The surface as it is: a change of a tool, a profile or a help page shows in review.
//!
//! `just snapshots` writes the pictures anew.

use orch_mcp::mcp;
use orch_mcp::mcp::Profile;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const OLDER_NAMES: &[&str] = &[
    "register_instance",
    "heartbeat",
    "list_instances",
    "push_task",
    "claim_task",
    "complete_task",
    "list_tasks",
    "send_message",
    "poll_messages",
    "wait_for_message",
    "mark_read",
    "dismiss_message",
    "request_help",
    "set_context",
    "get_context",
    "delete_context",
    "list_context_keys",
    "server_status",
];

fn bytes(profile: Profile) -> usize {
    mcp::listed(profile).into_iter().map(mcp::tool_bytes).sum()
}

#[test]
fn profiles_keep_to_their_budgets() {
    for (profile, tools_max, bytes_max) in [(Profile::Worker, 14, 6 * 1024), (Profile::Lead, 24, 12 * 1024)] {
        let tools = mcp::listed(profile);
        assert!(tools.len() <= tools_max, "{} lists {} tools", profile.word(), tools.len());
        let bytes = bytes(profile);
        let largest: Vec<_> = tools.iter().map(|entry| (mcp::tool_bytes(entry), entry.name)).collect();
        assert!(bytes <= bytes_max, "{} takes {bytes} bytes: {largest:?}", profile.word());
    }
}

#[test]
fn everybody_who_knew_the_older_tools_finds_them() {
    for profile in [Profile::Lead, Profile::Full] {
        let listed: Vec<_> = mcp::listed(profile).into_iter().map(|entry| entry.name).collect();
        for name in OLDER_NAMES {
            assert!(listed.contains(name), "{} does not list {name}", profile.word());
        }
    }
    assert_eq!(mcp::listed(Profile::Full).len(), OPERATIONS.len());
}

#[test]
fn tools_and_profiles_are_as_pictured() {
    let mut picture = String::new();
    for profile in Profile::ALL {
        let names: Vec<_> = mcp::listed(profile).into_iter().map(|entry| entry.name).collect();
        writeln!(picture, "{} ({} tools): {}\n", profile.word(), names.len(), names.join(" ")).unwrap();
    }
    for entry in OPERATIONS {
        let schema = serde_json::to_string_pretty(entry.input_schema()).unwrap();
        writeln!(picture, "{} [{:?}] {}\n{schema}\n", entry.name, entry.effect, entry.about).unwrap();
    }
    compare("tools.txt", &picture);
}

/// A schema that is a mere `true` makes the official TypeScript client, older major, refuse the whole list of tools.
#[test]
fn every_property_is_described_by_an_object() {
    for entry in OPERATIONS {
        objects_only(entry.name, &Value::Object(entry.input_schema().clone()));
    }
}

fn objects_only(place: &str, schema: &Value) {
    assert!(schema.is_object(), "{place}: {schema}");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        objects_only(&format!("{place}.{name}"), property);
    }
    if let Some(items) = schema.get("items") {
        objects_only(&format!("{place}[]"), items);
    }
}

#[test]
fn help_is_as_pictured() {
    let mut picture = help(&["--help"]);
    for entry in OPERATIONS {
        let command = entry.name.replace('_', "-");
        writeln!(picture, "\n$ orch-mcp {command} --help\n{}", help(&[&command, "--help"])).unwrap();
    }
    compare("help.txt", &picture);
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_orch-mcp"))
        .args(arguments)
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails where the picture differs, unless `ORCH_WRITE_SNAPSHOTS` asks to write it anew.
fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("ORCH_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let pictured = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = pictured.lines().zip(found.lines()).enumerate().find(|(_, (pictured, found))| pictured != found);
    if let Some((line, (pictured, found))) = differing {
        panic!("{name}:{}: pictured `{pictured}`, found `{found}`; `just snapshots` writes it anew", line + 1);
    }
    assert_eq!(
        pictured.lines().count(),
        found.lines().count(),
        "{name} has another length; `just snapshots` writes it anew"
    );
}
