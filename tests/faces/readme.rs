//! README and the example as a newcomer follows them: what stands there is typed in, and answers as it is printed.

use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::Session;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn printed(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The blocks of README that are fenced as this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = printed("README.md");
    let fence = format!("```{language}\n");
    let ends = readme.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
    ends.collect()
}

/// A shell that finds the program, and what it prints as a terminal would show it.
fn shell(home: &Home, script: &str) -> Command {
    let bin = home.path("bin");
    let program = bin.join("orch-mcp");
    if !program.exists() {
        fs::create_dir(&bin).unwrap();
        let wrapper = format!(
            "#!/bin/sh\ncase \"$*\" in *--format*) exec {PROGRAM} \"$@\" ;; esac\nexec {PROGRAM} --format table \"$@\"\n"
        );
        fs::write(&program, wrapper).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    }
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).env_clear().env("HOME", home.path("")).env("PATH", &bin);
    shell.env("ORCH_STATE_DIR", home.state_dir()).current_dir(home.path("work"));
    shell
}

/// Without what differs from run to run: random ids and times.
fn steady(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = bare.len() == 12 && bare.starts_with("i-");
        let is_of = |length: usize, between: char| {
            bare.len() == length
                && bare.split(between).count() == 3
                && bare.split(between).all(|part| part.parse::<u32>().is_ok())
        };
        let is_time = is_of(10, '-') || is_of(8, ':');
        if is_id || is_time { "…".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| {
        line.split(' ')
            .map(|part| part.split('=').map(word).collect::<Vec<_>>().join("="))
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_first_ten_minutes_go_as_readme_says() {
    let home = Home::new();
    let sessions = blocks("console");
    assert!(sessions.len() >= 2, "README shows two terminals");
    let mut compared = 0;
    for session in sessions {
        let mut exports = String::new();
        for step in session.split("$ ").skip(1) {
            let (command, expected) = step.split_once('\n').unwrap_or((step, ""));
            if command.starts_with("export ") {
                exports.push_str(&format!("{command}; "));
                continue;
            }
            let ended = finish(&mut shell(&home, &format!("{exports}{command}")), "").expect(0);
            if !expected.trim().is_empty() {
                assert_eq!(steady(ended.out.trim_end()), steady(expected.trim_end()), "$ {command}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 5, "{compared}");
    let mut last = shell(&home, "ORCH_INSTANCE=amy orch-mcp wait-for-message --timeout-seconds 1");
    assert!(finish(&mut last, "").expect(0).out.contains("The parser is in"));
}

/// The loop of a worker, with work that succeeds and work that does not.
#[test]
fn the_loop_for_scripts_takes_every_task_and_then_stops() {
    let home = Home::new();
    for title in ["One", "Two", "Three"] {
        home.ok(&["push-task", title]);
    }
    let script = blocks("sh").into_iter().find(|block| block.contains("claim-task --format ids")).unwrap();
    let work = home.path("bin/do-the-work");
    let mut shell = shell(&home, &script);
    fs::write(&work, "#!/bin/sh\ncase $1 in *2) exit 1 ;; esac\n").unwrap();
    fs::set_permissions(&work, Permissions::from_mode(0o700)).unwrap();
    finish(&mut shell, "").expect(0);
    let states = home.ok(&["list-tasks"])["tasks"].take();
    let states: Vec<&Value> = states.as_array().unwrap().iter().map(|task| &task["status"]).collect();
    assert_eq!(states, ["completed", "failed", "completed"]);
}

#[test]
fn a_plan_in_files_goes_in_and_out_as_readme_shows() {
    let readme = printed("README.md");
    let section = readme.split("\n### Plans in files\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let block = |language: &str| {
        let block = section.split(&format!("```{language}\n")).nth(1).unwrap();
        format!("{}\n", block.split("\n```").next().unwrap())
    };
    let home = Home::new();
    let work = home.path("work");
    fs::create_dir_all(work.join("tasks/specs")).unwrap();
    fs::write(work.join("tasks/specs/parser.md"), block("markdown")).unwrap();
    let commands = block("sh");
    for line in commands.lines() {
        finish(&mut shell(&home, line), "").expect(0);
    }
    assert!(commands.lines().count() >= 7, "{commands}");
    let exported: Value = serde_json::from_str(&fs::read_to_string(work.join("plan.json")).unwrap()).unwrap();
    assert_eq!(exported["tasks"][0]["key"], "spec:parser");
    assert!(fs::read_to_string(work.join("tasks/backlog.md")).unwrap().contains("Every example of the grammar parses"));
    assert_eq!(fs::read_dir(work.join("plan")).unwrap().count(), 1);
}

/// What an example tells a client to run: the program, and its arguments.
fn example(file: &str) -> (String, Vec<String>) {
    let example: Value = serde_json::from_str(&printed(file)).unwrap();
    let server = &example["mcpServers"]["orch-mcp"];
    assert_eq!(server["type"], "stdio");
    let arguments = server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap().to_owned());
    (server["command"].as_str().unwrap().to_owned(), arguments.collect())
}

#[test]
fn the_example_for_clients_starts_a_server() {
    let (command, arguments) = example("mcp.example.json");
    assert_eq!(command, Path::new(PROGRAM).file_name().unwrap().to_str().unwrap());
    let home = Home::new();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut session = Session::open(&mut home.program(&arguments), Era::Handshake("2025-11-25"));
    assert_eq!(session.call("server_status", json!({}))["status"], "running");
}

/// With a shell in the place of the other machine, which runs what it is handed as one there would.
#[test]
fn the_example_for_a_team_elsewhere_starts_a_server_there() {
    let (command, arguments) = example("mcp.elsewhere.example.json");
    assert_eq!(command, "ssh");
    let host = arguments.iter().position(|argument| argument == "team-host").unwrap();
    let home = Home::new();
    let team = home.path("team/.orch");
    let there = arguments[host + 1..].join(" ").replace("/srv/team/.orch", team.to_str().unwrap());
    let mut session = Session::open(&mut shell(&home, &there), Era::Handshake("2025-11-25"));
    session.call("register_instance", json!({ "name": "amy" }));
    assert!(team.join("orch.db").exists());
}
