//! Completions and manual pages.

use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::files_below;
use crate::support::program::finish;
use orch_mcp::ops::OPERATIONS;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

fn offered(home: &Home, line: &[&str]) -> Vec<String> {
    let ended = home.run(&[&["__complete", "zsh", "--", "orch-mcp"], line].concat()).expect(0);
    assert_eq!(ended.err, "");
    ended.out.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

fn filled() -> Home {
    let home = Home::new();
    for command in [
        &["register-instance", "bob"][..],
        &["register-instance", "night shift"],
        &["push-task", "One"],
        &["push-task", "$(touch owned)"],
        &["send-message", "-i", "bob", "--to", "bob", "hi"],
        &["set-context", "-i", "bob", "build/status", "green"],
        &["set-context", "-i", "bob", "build/$(touch owned)", "x"],
    ] {
        home.ok(command);
    }
    home
}

#[test]
fn what_there_is_now_is_offered() {
    let home = filled();
    for (line, expected) in [
        (&["claim-task", ""][..], &["task-0000000002", "task-0000000001"][..]),
        (&["push-task", "x", "--depends-on", "task-"], &["task-0000000002", "task-0000000001"]),
        (&["-i", "b"], &["bob"]),
        (&["send-message", "hi", "--to-instance", "@b"], &["@bob"]),
        (&["get-message", ""], &["msg-0000000001"]),
        (&["get-context", "build/"], &["build/status"]),
        (&["list-tasks", "--status", "comp"], &["completed"]),
        (&["clai"], &["claim-task"]),
        (&["claim-task", "--forc"], &["--force"]),
        (&["completions", "f"], &["fish"]),
    ] {
        assert_eq!(offered(&home, line), expected, "{line:?}");
    }
    // A flag that was typed before counts.
    let elsewhere = home.path("elsewhere");
    assert_eq!(offered(&home, &["--state-dir", elsewhere.to_str().unwrap(), "claim-task", ""]), [] as [&str; 0]);
    assert!(!elsewhere.exists());
}

#[test]
fn completing_makes_nothing_and_complains_of_nothing() {
    let home = Home::new();
    for line in [&["claim-task", ""][..], &["-i", ""], &["get-message", ""], &["get-context", ""], &["zzz", "--x"], &[]]
    {
        assert_eq!(offered(&home, line), [] as [&str; 0], "{line:?}");
    }
    assert_eq!(files_below(&home.path("")), [home.path("work")]);
    symlink(home.path("nowhere"), home.state_dir()).unwrap();
    assert_eq!(offered(&home, &["claim-task", ""]), [] as [&str; 0]);
    let ended = finish(home.program(&["__complete", "zsh", "--", "orch-mcp", "cla"]).env("ORCH_LOG", "loud"), "");
    assert!(ended.expect(0).out.starts_with("claim-task\t"));
}

#[test]
fn each_shell_gets_its_script() {
    let home = Home::new();
    for (shell, part) in [("bash", "complete -o"), ("zsh", "#compdef orch-mcp"), ("fish", "complete -c orch-mcp")] {
        let script = home.run(&["completions", shell]).expect(0).out;
        assert!(script.contains(part) && script.contains("orch-mcp __complete"), "{script}");
    }
    home.run(&["completions", "powershell"]).expect(2);
}

/// The script in the shell itself, where there is one: what is offered, and what is not carried out.
#[test]
fn bash_completes_live_ids_and_runs_nothing_of_them() {
    if !Path::new("/bin/bash").exists() {
        return;
    }
    let home = filled();
    let bin = home.path("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(PROGRAM, bin.join("orch-mcp")).unwrap();
    let press_tab = |line: &str| {
        let script = r#"
            eval "$(orch-mcp completions bash)"
            COMP_LINE=$1 COMP_POINT=${#1}
            read -ra COMP_WORDS <<< "$1"
            [[ $1 == *' ' ]] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            compopt() { :; }
            _orch_mcp orch-mcp "${COMP_WORDS[COMP_CWORD]}" ""
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let mut bash = Command::new("/bin/bash");
        bash.args(["--norc", "-c", script, "bash", line]).env_clear().env("HOME", home.path(""));
        bash.env("PATH", &bin).env("ORCH_STATE_DIR", home.state_dir()).current_dir(home.path("work"));
        let ended = finish(&mut bash, "").expect(0);
        assert_eq!(ended.err, "");
        ended.out
    };
    assert_eq!(press_tab("orch-mcp claim-task task-"), "task-0000000002\ntask-0000000001\n");
    assert_eq!(press_tab("orch-mcp get-context build/"), "build/status\n");
    assert_eq!(press_tab("orch-mcp list-task"), "list-tasks\n");
    assert_eq!(files_below(&home.path("work")), [] as [&Path; 0]);
}

#[test]
fn every_command_has_its_page_in_the_manual() {
    let home = Home::new();
    let dir = home.path("man");
    let ended = home.run(&["man", "--out", dir.to_str().unwrap()]).expect(0);
    assert_eq!(ended.out, "");
    assert!(dir.join("orch-mcp.1").is_file() && dir.join("orch-mcp-serve.1").is_file());
    for entry in OPERATIONS {
        let path = dir.join(format!("orch-mcp-{}.1", entry.name.replace('_', "-")));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(home.run(&["man"]).expect(0).out.contains(".TH orch-mcp 1"));
    assert!(home.run(&["man", "claim-task"]).expect(0).out.contains("claim"));
    std::fs::write(home.path("file"), "").unwrap();
    let error = home.run(&["man", "--out", home.path("file/man").to_str().unwrap()]).expect(6).error();
    assert_eq!(error["code"], "unavailable");
}
