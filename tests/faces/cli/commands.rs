//! Commands: one for each operation, the older verbs, and help for who mistypes.

use crate::support::program::Ended;
use crate::support::program::Home;
use crate::support::program::finish;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use serde_json::json;

const OLDER_VERBS: &[(&str, &str)] = &[
    ("add-task", "push-task"),
    ("tasks", "list-tasks"),
    ("poll-task", "list-tasks"),
    ("task-block", "block-task"),
    ("task-fail", "fail-task"),
    ("task-retry", "retry-task"),
    ("poll-message", "poll-messages"),
    ("delete-message", "dismiss-message"),
    ("watch-tasks", "watch-events"),
    ("status", "server-status"),
];

fn help(home: &Home, arguments: &[&str]) -> String {
    let ended = home.run(arguments).expect(0);
    assert_eq!(ended.err, "", "{arguments:?}");
    ended.out
}

/// A newcomer with a shell on the first day.
#[test]
fn the_first_steps_lead_from_nothing_to_a_finished_task() {
    let home = Home::new();
    let status = home.ok(&["server-status"]);
    assert_eq!((&status["status"], &status["instances"]), (&json!("running"), &json!(0)));
    assert_eq!(home.ok(&["register-instance", "bob", "--role", "builder"])["instance"]["status"], "idle");
    let task = home.ok(&["push-task", "Write the parser", "--priority", "high", "--role", "builder"]);
    assert_eq!(task["task"]["id"], "task-0000000001");
    let claim = home.ok(&["claim-task", "-i", "bob"]);
    assert_eq!((&claim["task"]["title"], &claim["token"]), (&json!("Write the parser"), &json!(1)));
    home.ok(&["complete-task", "1", "It parses", "-i", "bob", "--evidence", r#"{"commit":"abc"}"#]);
    home.ok(&["set-context", "build/status", "green", "-i", "bob"]);
    let task = home.ok(&["get-task", "1", "--history"]);
    assert_eq!((&task["task"]["status"], &task["task"]["result"]), (&json!("completed"), &json!("It parses")));
    let kinds: Vec<&Value> = task["history"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["task.pushed", "task.claimed", "task.completed"]);
    let table = home.run(&["list-tasks", "--format", "table"]).expect(0).out;
    assert!(table.starts_with("ID ") && table.contains("completed") && table.contains("Write the parser"), "{table}");
}

#[test]
fn every_command_tells_what_it_does_whichever_way_it_is_spelled() {
    let home = Home::new();
    for entry in OPERATIONS {
        let command = entry.name.replace('_', "-");
        // `contract` pictures the page itself.
        let page = help(&home, &["help", &command]);
        assert!(page.contains(entry.about), "{page}");
        assert!(page.contains(&format!("orch-mcp {command}")), "{page}");
        if entry.name.contains('_') {
            assert_eq!(help(&home, &[entry.name, "--help"]), page);
        }
    }
    for (older, now) in OLDER_VERBS {
        let page = help(&home, &[older, "--help"]);
        assert!(page.contains(&format!("older name of `{now}")), "{page}");
    }
    for own in ["serve", "config", "completions", "man"] {
        assert!(help(&home, &[own, "--help"]).contains(&format!("Usage: orch-mcp {own}")));
    }
    assert_eq!(help(&home, &["--version"]), format!("orch-mcp {}\n", env!("CARGO_PKG_VERSION")));
    let ended = home.run(&[]).expect(2);
    assert!(ended.out.is_empty() && ended.err.contains("Usage: orch-mcp <COMMAND>"), "a script forgot its command");
}

/// Scripts for older tools of this kind go on working: their verbs, and their flags.
#[test]
fn the_older_verbs_work_as_they_did() {
    let home = Home::new();
    home.ok(&["register", "--name", "bob"]);
    let bob = |arguments: &[&str]| home.ok(&[&["-i", "bob"], arguments].concat());
    bob(&["add-task", "--title", "One", "--description", "first", "--priority", "0"]);
    assert_eq!(bob(&["tasks"])["tasks"][0]["priority"], "high");
    assert_eq!(bob(&["poll-task", "--status", "pending"])["total"], 1);
    let claim = |id| assert_eq!(bob(&["claim-task", "--task-id", id])["claimed"], true);
    claim("1");
    assert_eq!(bob(&["task-block", "--task-id", "1", "--reason", "no disk"])["task"]["status"], "blocked");
    bob(&["unblock-task", "1"]);
    claim("1");
    assert_eq!(bob(&["task-fail", "--task-id", "1", "--reason", "no disk"])["task"]["status"], "failed");
    assert_eq!(bob(&["task-retry", "--task-id", "1"])["task"]["status"], "pending");
    bob(&["push-task", "--title", "Two", "--blocked-by", "1"]);
    assert_eq!(bob(&["get-task", "2"])["task"]["depends_on"], json!(["task-0000000001"]));

    bob(&["send-message", "--to", "bob", "--content", "hi"]);
    assert_eq!(bob(&["poll-message"])["messages"][0]["content"], "hi");
    assert_eq!(bob(&["delete-message", "--message-id", "1"])["state"], "dismissed");
    let nothing = home.run(&["wait-for-message", "-i", "bob", "--timeout", "0"]).expect(7);
    assert_eq!(nothing.data()["timed_out"], true);
    bob(&["set-context", "--key", "k", "--value", "v"]);

    let seen = home.ok(&["list-events", "--kind", "task.", "--limit", "1"])["cursor"].to_string();
    let watched = bob(&["watch-tasks", "--cursor", &seen]);
    assert_eq!(watched["events"].as_array().unwrap().len(), 1, "{watched}");
    assert!(watched["events"][0]["kind"].as_str().unwrap().starts_with("task."), "{watched}");

    assert_eq!(home.ok(&["status"])["you"], Value::Null);
    let config = home.ok(&["config", "-i", "bob"]);
    let setting = |name: &str| {
        let found = config["settings"].as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap();
        (found["value"].clone(), found["source"].clone())
    };
    assert_eq!(setting("instance"), (json!("bob"), json!("--instance-id")));
    assert_eq!(setting("state_dir"), (json!(home.state_dir().to_str()), json!("ORCH_STATE_DIR")));
    assert_eq!(setting("profile"), (json!("lead"), json!("default")));
    assert_eq!(setting("role"), (Value::Null, json!("not set")));
}

/// Each line: what was typed, what the message names, and what the hint offers instead.
#[test]
fn whoever_mistypes_is_told_what_they_may_have_meant() {
    let home = Home::new();
    home.ok(&["register-instance", "robin"]);
    home.ok(&["push-task", "One"]);
    home.ok(&["set-context", "build/status", "green", "-i", "robin"]);
    for (typed, code, named, offered) in [
        (&["clam-task"][..], 2, "`clam-task`", "did you mean `orch-mcp claim-task`?"),
        (&["claim-task", "--forc"], 2, "`--forc`", "did you mean `--force`?"),
        (&["list-tasks", "--status", "redy"], 2, "`redy`", "did you mean `ready`?"),
        (&["list-tasks", "--format", "jsonk"], 2, "`jsonk`", "did you mean `json"),
        (&["get-instance", "robbin"], 3, "`robbin`", "did you mean `robin`?"),
        (&["claim-task", "-i", "robbin"], 3, "`robbin`", "did you mean `robin`?"),
        (&["send-message", "-i", "robin", "--to", "robbin", "hi"], 3, "`robbin`", "did you mean `robin`?"),
        (&["get-task", "task-7"], 3, "`task-0000000007`", "`task-0000000001`"),
        (&["push-task"], 2, "<TITLE>", "help push-task"),
        (&["get-task", "first"], 2, "task-0000000012", ""),
    ] {
        let error = home.run(typed).expect(code).error();
        assert!(error["message"].as_str().unwrap().contains(named), "{typed:?}: {error}");
        assert!(error["hint"].as_str().unwrap_or_default().contains(offered), "{typed:?}: {error}");
    }
}

#[test]
fn values_come_from_standard_input_and_from_files_too() {
    let home = Home::new();
    let piped = |arguments: &[&str], input: &str| -> Ended { finish(&mut home.program(arguments), input).expect(0) };
    let text = "--first line\n\"second\" line\n";
    let pushed = piped(&["push-task", "One", "--description", "-"], text).data();
    assert_eq!(pushed["task"]["description"], text.trim_end());
    let plan = r#"[{"ref": "a", "title": "A"}, {"title": "B", "depends_on": ["a"]}]"#;
    assert_eq!(piped(&["push-tasks", "--tasks", "-"], plan).data()["count"], 2);
    std::fs::write(home.path("work/value.json"), r#"{"deep": [1, 2]}"#).unwrap();
    let pushed = home.ok(&["push-task", "Deep", "--metadata", "@value.json"]);
    assert_eq!(pushed["task"]["metadata"], json!({ "deep": [1, 2] }));
    // Text may come from others, and must not read our files.
    home.ok(&["set-context", "k", "@value.json"]);
    assert_eq!(home.ok(&["get-context", "k"])["value"], "@value.json");
    let ids = home.run(&["list-tasks", "--format", "ids"]).expect(0).out;
    let after_all = piped(&["push-task", "Last", "--depends-on", "-"], &ids).data();
    assert_eq!(after_all["task"]["depends_on"].as_array().unwrap().len(), 4);
    let error = home.run(&["push-task", "x", "--metadata", "@nothing.json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("`nothing.json`"), "{error}");
}
