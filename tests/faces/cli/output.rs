//! What is printed: for programs and for people, and nothing in it that steers a terminal.

use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::process::Stdio;

fn home_with_tasks(count: usize) -> Home {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    let tasks: Vec<Value> = (1..=count).map(|number| json!({ "title": format!("Task {number}") })).collect();
    home.ok(&["push-tasks", "--tasks", &json!(tasks).to_string()]);
    home
}

#[test]
fn where_no_terminal_shows_it_an_answer_is_one_line_of_json() {
    let home = home_with_tasks(1);
    for flags in [&[][..], &["--json"], &["--format", "json"]] {
        let ended = home.run(&[&["list-tasks", "-i", "bob"], flags].concat()).expect(0);
        assert_eq!(ended.err, "");
        let envelope = ended.json();
        let keys: Vec<&String> = envelope.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["schema_version", "data", "warnings", "unread"]);
        assert_eq!((&envelope["schema_version"], &envelope["warnings"]), (&json!(1), &json!([])));
        assert_eq!((&envelope["data"]["total"], &envelope["unread"]), (&json!(1), &json!(0)));
    }
    assert!(home.run(&["list-tasks"]).json().get("unread").is_none(), "nobody is known to be calling");
}

#[test]
fn ids_and_lines_are_made_for_pipes() {
    let home = home_with_tasks(12);
    let ended = home.run(&["list-tasks", "--format", "ids", "--limit", "10"]).expect(0);
    let ids: Vec<&str> = ended.out.lines().collect();
    assert_eq!((ids.len(), ids[0], ids[9]), (10, "task-0000000012", "task-0000000003"));
    // The form has no place for it, so it is said beside the data.
    assert!(ended.err.contains("--cursor task-0000000003"), "{}", ended.err);
    let quiet = home.run(&["list-tasks", "--format", "ids", "--limit", "10", "-q"]).expect(0);
    assert_eq!((quiet.out, quiet.err), (ended.out, String::new()));

    let lines = home.run(&["list-tasks", "--format", "jsonl", "--limit", "40"]).expect(0);
    let titles: Vec<Value> =
        lines.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["title"].clone()).collect();
    assert_eq!((titles.len(), &titles[11]), (12, &json!("Task 1")));
    assert_eq!(lines.err, "");

    assert_eq!(home.run(&["push-task", "More", "--format", "ids"]).expect(0).out, "task-0000000013\n");
    assert_eq!(home.run(&["list-tasks", "--status", "failed", "--format", "ids"]).expect(0).out, "");
    assert_eq!(home.run(&["claim-task", "-i", "bob", "--format", "ids"]).expect(0).out, "task-0000000001\n");
}

#[test]
fn an_error_is_json_for_programs_and_words_for_people_and_never_on_standard_output() {
    let home = home_with_tasks(1);
    for flags in [&[][..], &["--json"], &["--format", "jsonl"], &["--format", "ids"]] {
        let error = home.run(&[&["get-task", "7"], flags].concat()).expect(3).error();
        assert_eq!((&error["code"], &error["message"]), (&json!("not_found"), &json!("no task `task-0000000007`")));
        assert!(error["hint"].as_str().unwrap().contains("`orch-mcp list-tasks`"), "it names commands here: {error}");
    }
    // A key that is called like a command is a key all the same.
    let error = home.run(&["set-context", "heartbeat", "1", "--expect-version", "4"]).expect(4).error();
    assert!(error["hint"].as_str().unwrap().contains("`orch-mcp get-context` `heartbeat`"), "{error}");
    for (command, in_message, in_hint) in [
        (&["push-task", "x", "--max-attempts", "0"][..], "`--max-attempts` must be between", ""),
        (&["send-message", "-i", "bob", "hi"], "`orch-mcp send-message` needs", "give `--to-instance` ("),
        (
            &["complete-task", "1"],
            "",
            "call `orch-mcp register-instance` with a `<NAME>` first, or pass `--instance-id`",
        ),
    ] {
        let error = home.run(command).expect(2).error();
        assert!(error["message"].as_str().unwrap().contains(in_message), "{error}");
        assert!(error["hint"].as_str().unwrap_or_default().contains(in_hint), "{error}");
    }
    let ended = home.run(&["get-task", "7", "--format", "table"]).expect(3);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(ended.out, "");
    assert_eq!(lines[..2], ["error: get-task failed (not_found)", "  no task `task-0000000007`"]);
    assert!(lines[2].starts_with("  hint: "), "{lines:?}");
}

/// A clear of the screen, a title for the window, a line over another, a bell, eight-bit controls, words turned round.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\rover\u{8}\u{9b}31m\u{85}\u{7f}\u{202e}txet\u{2066}\u{200b}\nnext";

fn is_harmless(text: &str) -> bool {
    let harmful = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{2066}\u{200b}".contains(c);
    !text.contains(harmful)
}

#[test]
fn no_text_that_somebody_wrote_steers_a_terminal() {
    let home = Home::new();
    for command in [
        &["register-instance", "bob", "--work-dir", HOSTILE][..],
        &["heartbeat", "-i", "bob", HOSTILE],
        &["push-task", HOSTILE, "--description", HOSTILE, "--labels", HOSTILE, "--acceptance", HOSTILE],
        &["claim-task", "-i", "bob"],
        &["block-task", "1", "-i", "bob", "--reason", HOSTILE],
        &["send-message", "-i", "bob", "--to", "bob", HOSTILE],
        &["set-context", "-i", "bob", "k\u{202e}y", HOSTILE],
    ] {
        home.ok(command);
    }
    let mut printed = 0;
    for command in [
        &["list-instances"][..],
        &["get-instance", "bob"],
        &["list-tasks"],
        &["get-task", "1", "--history"],
        &["peek-messages", "bob"],
        &["get-message", "1", "-i", "bob"],
        &["list-context-keys"],
        &["get-context", "k\u{202e}y"],
        &["list-events", "--limit", "30"],
    ] {
        for format in ["table", "ids"] {
            let ended = home.run(&[command, &["--format", format]].concat()).expect(0);
            assert!(is_harmless(&ended.out) && is_harmless(&ended.err), "{command:?}: {ended:?}");
            printed += ended.out.matches("owned").count();
        }
        for format in ["json", "jsonl"] {
            let ended = home.run(&[command, &["--format", format]].concat()).expect(0);
            assert!(is_harmless(&ended.out), "{command:?}: {ended:?}");
        }
    }
    assert!(printed >= 6, "the texts are shown, only tamed: {printed}");
    assert_eq!(home.ok(&["get-task", "1"])["task"]["description"], HOSTILE, "whoever parses gets what was written");
    for command in [&["get-task", HOSTILE][..], &["get-instance", HOSTILE], &[HOSTILE], &["list-tasks", "--\u{1b}[2J"]]
    {
        for format in ["table", "json"] {
            let ended = home.run(&[command, &["--format", format]].concat());
            assert!(!ended.status.success());
            assert!(is_harmless(&ended.out) && is_harmless(&ended.err), "{command:?}: {ended:?}");
        }
    }
}

#[test]
fn style_is_only_where_it_is_wanted() {
    let home = home_with_tasks(1);
    let styled = |variables: &[(&str, &str)], flags: &[&str]| {
        let arguments = [&["list-tasks", "--format", "table"], flags].concat();
        let ended = finish(home.program(&arguments).envs(variables.iter().copied()), "").expect(0);
        ended.out.contains('\u{1b}')
    };
    assert!(!styled(&[], &[]), "no terminal, no style");
    assert!(styled(&[], &["--color", "always"]));
    assert!(styled(&[("CLICOLOR_FORCE", "1")], &[]));
    assert!(!styled(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[]));
    assert!(!styled(&[("CLICOLOR_FORCE", "1")], &["--color", "never"]));
}

/// `| head -1`
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let home = home_with_tasks(3);
    for arguments in [&["list-tasks"][..], &["list-tasks", "--format", "table"], &["--help"], &["man"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = home.program(arguments);
        let program = program.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let mut running = Running::start(program);
        let mut err = String::new();
        std::io::Read::read_to_string(&mut running.child.stderr.take().unwrap(), &mut err).unwrap();
        assert_eq!((running.ends().code(), err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
