//! The repository as a plugin of Claude Code, a bundle for Claude Desktop and an entry of the registry: what their files name is there, and no version drifts.

use crate::support::program::PROGRAM;
use orch_mcp::claude::wiring::HANDLERS;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

const PLUGIN: &str = ".claude-plugin/plugin.json";
const MARKETPLACE: &str = ".claude-plugin/marketplace.json";
const HOOKS: &str = "hooks/hooks.json";
const SCRIPT: &str = "hooks/run";
const BUNDLE: &str = "packaging/mcpb/manifest.json";
const BUNDLE_SCRIPT: &str = "packaging/mcpb/build";
const REGISTRY: &str = "server.json";

/// The registry refuses a longer description.
const REGISTRY_DESCRIPTION_CHARS_MAX: usize = 100;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn read(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn is_executable(name: &str) -> bool {
    path(name).metadata().unwrap().permissions().mode() & 0o111 == 0o111
}

/// The script of the hooks, where nothing but `bin` is on PATH, in the directory `bin`.
fn run_script(bin: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut script = Command::new(path(SCRIPT));
    script.args(arguments).env_clear().env("PATH", bin).current_dir(bin);
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading.
    let _ = script.stdin.take().unwrap().write_all(stdin.as_bytes());
    script.wait_with_output().unwrap()
}

#[test]
fn every_version_is_the_one_of_the_program() {
    let plugin = read(PLUGIN);
    let marketplace = read(MARKETPLACE);
    let bundle = read(BUNDLE);
    let registry = read(REGISTRY);
    for (file, version) in [
        (PLUGIN, &plugin["version"]),
        (MARKETPLACE, &marketplace["plugins"][0]["version"]),
        (BUNDLE, &bundle["version"]),
        (REGISTRY, &registry["version"]),
        (REGISTRY, &registry["packages"][0]["version"]),
    ] {
        assert_eq!(version, VERSION, "{file}");
    }
}

#[test]
fn the_plugin_brings_the_server_the_hooks_and_the_skills() {
    let plugin = read(PLUGIN);
    assert_eq!(plugin["name"], "orch-mcp");
    assert_eq!(plugin["repository"], REPOSITORY);
    assert_eq!(
        plugin["mcpServers"],
        json!({ "orch-mcp": { "command": "orch-mcp", "args": ["serve", "--profile", "full"] } })
    );
    // Hooks and skills are found where every plugin has them; said twice, they would be there twice.
    assert!(plugin.get("hooks").is_none() && plugin.get("skills").is_none());
    assert!(path(HOOKS).is_file() && path("skills").is_dir());
    // It would make the server one of this project, for everybody who works on it.
    assert!(!path(".mcp.json").exists());
}

#[test]
fn the_repository_is_a_marketplace_that_offers_itself() {
    let marketplace = read(MARKETPLACE);
    assert_eq!(marketplace["name"], "orch-mcp");
    let plugins = marketplace["plugins"].as_array().unwrap();
    assert_eq!(plugins.len(), 1);
    assert_eq!(plugins[0]["source"], "./");
    for field in ["name", "description", "license"] {
        assert_eq!(plugins[0][field], read(PLUGIN)[field], "{field}");
    }
}

#[test]
fn the_plugin_hooks_exactly_the_events_that_it_should() {
    let hooks = read(HOOKS);
    let mut found = Vec::new();
    for (event, groups) in hooks["hooks"].as_object().unwrap() {
        for group in groups.as_array().unwrap() {
            let matcher = group.get("matcher");
            for handler in group["hooks"].as_array().unwrap() {
                let mut handler = handler.as_object().unwrap().clone();
                let args = handler.remove("args").unwrap();
                let timeout = handler.remove("timeout").unwrap();
                let rewakes = handler.remove("asyncRewake").unwrap_or(json!(false));
                found.push(json!([event, matcher, args, timeout, rewakes]));
                let command = format!("${{CLAUDE_PLUGIN_ROOT}}/{SCRIPT}");
                assert_eq!(Value::Object(handler), json!({ "type": "command", "command": command }), "{event}");
            }
        }
    }
    let wanted: Vec<Value> = HANDLERS
        .iter()
        .map(|one| json!([one.event(), one.matcher, [one.word()], one.timeout_secs, one.wakes()]))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_hook_says_nothing_where_orch_mcp_is_not_installed() {
    assert!(is_executable(SCRIPT));
    let empty = tempfile::tempdir().unwrap();
    for arguments in HANDLERS.map(|handler| [handler.word()]) {
        let output = run_script(empty.path(), &arguments, r#"{"session_id":"s"}"#);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

/// The exit code is the program's own: with 2 it wakes a session.
#[test]
fn a_hook_is_the_program_where_it_is_installed() {
    let bin = tempfile::tempdir().unwrap();
    // A shell in its place reads the file `hook`. A program written just now could be busy: somebody who forks at
    // that moment has it open.
    symlink("/bin/sh", bin.path().join("orch-mcp")).unwrap();
    fs::write(bin.path().join("hook"), "echo \"$@\"\nread -r line && echo \"$line\"\nexit 2\n").unwrap();
    let output = run_script(bin.path(), &["stop", "--name", "two words"], "{}\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stop --name two words\n{}\n", "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_bundle_asks_for_no_more_than_it_uses() {
    let bundle = read(BUNDLE);
    let manifest = text(BUNDLE);
    let server = &bundle["server"];
    assert_eq!(server["type"], "binary");
    let configuration = &server["mcp_config"];
    // There is no shell beside Claude Desktop: a tool that is not listed could not be called at all.
    assert_eq!(configuration["args"], json!(["serve", "--profile", "full"]));
    let entry_point = server["entry_point"].as_str().unwrap();
    assert_eq!(configuration["command"], format!("${{__dirname}}/{entry_point}"));
    for asked in bundle["user_config"].as_object().unwrap().keys() {
        assert!(manifest.contains(&format!("${{user_config.{asked}}}")), "nothing uses `{asked}`");
    }
    for used in manifest.split("${user_config.").skip(1) {
        let name = used.split('}').next().unwrap();
        assert!(bundle["user_config"].get(name).is_some(), "nobody asks for `{name}`");
        // Left empty, it must not reach the program as the text of a variable.
        assert!(bundle["user_config"][name].get("default").is_some(), "`{name}` has no default");
    }
    let settings = text("src/config/environment.rs");
    for variable in configuration["env"].as_object().unwrap().keys() {
        assert!(settings.contains(&format!("\"{variable}\"")), "the program reads no `{variable}`");
    }
}

/// A bundle holds the binary of one system, and says so.
#[test]
fn the_bundle_can_be_narrowed_to_one_system() {
    assert!(is_executable(BUNDLE_SCRIPT));
    let bundle = read(BUNDLE);
    assert_eq!(bundle["compatibility"]["platforms"], json!(["darwin", "linux"]));
    let manifest = text(BUNDLE);
    for line in ["\"platforms\": [", "\"entry_point\": \"server/linux/"] {
        assert_eq!(manifest.matches(line).count(), 1, "the recipe looks for `{line}`");
    }
    let overrides = &bundle["server"]["mcp_config"]["platform_overrides"];
    assert_eq!(*overrides, json!({ "darwin": { "command": "${__dirname}/server/darwin/orch-mcp" } }));
}

#[test]
fn the_registry_is_told_of_packages_that_a_release_makes() {
    let registry = read(REGISTRY);
    let owner_and_name = REPOSITORY.strip_prefix("https://github.com/").unwrap();
    assert_eq!(registry["name"], format!("io.github.{owner_and_name}"));
    assert_eq!(registry["repository"]["url"], REPOSITORY);
    assert!(registry["description"].as_str().unwrap().chars().count() <= REGISTRY_DESCRIPTION_CHARS_MAX);
    let packages = registry["packages"].as_array().unwrap();
    let (cargo, bundles) = packages.split_first().unwrap();
    assert_eq!((&cargo["registryType"], &cargo["identifier"]), (&json!("cargo"), &json!(env!("CARGO_PKG_NAME"))));
    assert_eq!(cargo["packageArguments"], json!([{ "type": "positional", "value": "serve" }]));
    assert!(!bundles.is_empty());
    for bundle in bundles {
        assert_eq!(bundle["registryType"], "mcpb");
        let address = bundle["identifier"].as_str().unwrap();
        let release = format!("{REPOSITORY}/releases/download/v{VERSION}/orch-mcp-{VERSION}-");
        assert!(address.starts_with(&release) && address.ends_with(".mcpb"), "{address}");
        // Only the recipe that made the file knows its checksum.
        assert!(bundle.get("fileSha256").is_none());
    }
    for package in packages {
        assert_eq!(package["transport"], json!({ "type": "stdio" }));
    }
}

#[test]
fn what_all_of_them_start_is_there() {
    let help = Command::new(PROGRAM).args(["help", "serve"]).env_clear().output().unwrap();
    assert!(help.status.success(), "{help:?}");
}
