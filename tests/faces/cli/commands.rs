//! Commands: one for each operation, the older verbs, and help for who mistypes.

use crate::support::program::Ended;
use crate::support::program::Home;
use crate::support::program::finish;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

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

    let seen = home.ok(&["list-events", "--kind", "task.", "--cursor", "0", "--limit", "1"])["cursor"].to_string();
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

/// The team's file, its roles and the older names of the environment are all there, and where each is from.
#[test]
fn config_shows_what_launch_goes_by() {
    let home = Home::new();
    let work = home.path("work");
    let write = |path: &str, text: &str| {
        let path = work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let rows = |variables: &[(&str, &str)]| {
        let config = finish(home.program(&["config"]).envs(variables.iter().copied()), "").expect(0).data();
        let here = work.canonicalize().unwrap().to_str().unwrap().to_owned();
        let row = |row: &Value| {
            let text = |field: &str| row[field].as_str().unwrap_or("-").replace(&here, "");
            (text("name"), (text("value"), text("source")))
        };
        config["settings"].as_array().unwrap().iter().map(row).collect::<BTreeMap<_, _>>()
    };
    let is = |value: &str, source: &str| (value.to_owned(), source.to_owned());
    let plain = rows(&[]);
    assert_eq!(plain["file"], is("-", "not set"));
    assert_eq!(plain["launch.client"], is("claude", "default"));
    assert_eq!(plain["launch.workers.executor"], is("3", "default"));
    assert_eq!(plain["roles.docs"], is("long, isolation worktree-per-worker", "(built-in) docs.md"));
    assert_eq!(plain["policy"], is("-", "not set"));
    assert!(!plain.contains_key("launch.poll_interval"));

    write(".git/HEAD", "");
    write(
        "orch.toml",
        "[launch]\ndollars_per_day = 2.5\n[roles.docs]\nmode = \"task\"\n[[policy.rules]]\nallow = \"Read\"\n",
    );
    write(".orch/roles/tester.md", "---\ndescription: d\n---\np");
    let set = rows(&[("ORCHESTRATOR_MAX_EXECUTORS", "5"), ("ORCHESTRATOR_POLL_INTERVAL", "2")]);
    assert_eq!(set["file"], is("/orch.toml", "found"));
    assert_eq!(set["launch.dollars_per_day"], is("2.5", "/orch.toml line 2"));
    assert_eq!(set["launch.workers.executor"], is("5", "ORCHESTRATOR_MAX_EXECUTORS"));
    assert_eq!(set["launch.poll_interval"].0, "2");
    assert!(set["launch.poll_interval"].1.contains("nothing polls any more"));
    assert_eq!(set["roles.docs"].1, "(built-in) docs.md, orch.toml line 3");
    assert_eq!(set["roles.tester"], is("task, isolation none", "/.orch/roles/tester.md"));
    assert_eq!(set["policy"], is("1 rule", "/orch.toml"));

    write(".orch/roles/broken.md", "---\ndescription: d\n---\n{{wroker}}");
    let broken = rows(&[]);
    for name in ["roles.broken", "launch.workers"] {
        assert_eq!(broken[name].0, "(unusable)");
        assert!(broken[name].1.contains("broken.md line 4: column 1: `{{wroker}}` is none of the names"), "{broken:?}");
    }
    assert_eq!(broken["roles.tester"], set["roles.tester"], "one that is broken breaks no other");

    write("orch.toml", "[lunch]\n");
    let broken = rows(&[]);
    assert_eq!(broken["file"].0, "(unusable)");
    assert!(broken["file"].1.contains("orch.toml line 1: orch.toml has no key `lunch`; did you mean `launch`?"));
    home.ok(&["push-task", "What nobody launches needs no file"]);
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
    fs::write(home.path("work/value.json"), r#"{"deep": [1, 2]}"#).unwrap();
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

#[test]
fn the_pipelines_are_listed_and_one_of_them_may_begin_ones_own() {
    let home = Home::new();
    let chain = home.run(&["pipelines", "chain"]).expect(0).out;
    assert_eq!(home.ok(&["pipelines", "chain", "--json"])["text"], chain, "the file itself, unless JSON was asked for");
    let own = home.state_dir().join("pipelines");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("ours.toml"), &chain).unwrap();
    let listed = home.run(&["pipelines", "--format", "table"]).expect(0).out;
    let stages = "plan > build > verify > review (judges) > accept (judges)";
    assert_eq!(listed.matches(stages).count(), 2, "{listed}");
    assert!(listed.contains("right, safe, tested, clear > synthesis"), "{listed}");
    assert!(listed.contains(&format!("\n  {}", own.join("ours.toml").display())), "{listed}");
    assert_eq!(listed.matches("pipelines/").count(), 1, "where ours come from nobody needs to know: {listed}");
    let missed = home.run(&["run-pipeline", "orus", "--title", "t"]);
    assert!(missed.err.contains("did you mean `ours`?"), "{missed:?}");
    fs::write(own.join("ours.toml"), "titel = 1\n").unwrap();
    let broken = home.run(&["pipelines", "--format", "table"]);
    assert!(broken.status.code() == Some(1) && broken.out.contains("ours: cannot be used: "), "{broken:?}");
}

/// Roles are files, which the store knows nothing of.
#[test]
fn work_for_a_role_that_nobody_can_have_is_refused_with_the_one_that_was_meant() {
    let home = Home::new();
    home.ok(&["register-instance", "amy"]);
    let plan = |role: &str| json!([{ "key": "a", "title": "t", "acceptance": ["x"], "role": role }]).to_string();
    let whole = json!({ "tasks": serde_json::from_str::<Value>(&plan("builder")).unwrap() }).to_string();
    home.ok(&["decompose", "g", "--tasks", &whole, "--dry-run", "-i", "amy"]);
    let refused = home.run(&["decompose", "g", "--tasks", &plan("bilder"), "-i", "amy"]).expect(2).err;
    assert!(refused.contains("tasks[0]: ") && refused.contains("did you mean `builder`?"), "{refused}");
    home.ok(&["decompose", "g", "--tasks", &plan("builder"), "-i", "amy"]);
    home.ok(&["register-instance", "wim", "--role", "welder"]);
    home.ok(&["decompose", "g", "--tasks", &plan("welder"), "-i", "amy"]);
    assert!(home.run(&["decompose", "g", "--role", "planer"]).expect(8).err.contains("did you mean `planner`?"));
    let stage =
        |role: &str| format!("description = \"d\"\n[[stage]]\nname = \"a\"\nrole = \"{role}\"\nprompt = \"p\"\n");
    let wrong = stage("bilder");
    for dry in [&["--dry-run"][..], &[]] {
        let words = [&["run-pipeline", "own", "t", "--definition", &wrong], dry].concat();
        let refused = home.run(&words).expect(8).err;
        assert!(refused.contains("stage `a`: nobody has the role `bilder`"), "{refused}");
    }
    home.ok(&["run-pipeline", "own", "t", "--definition", &stage("welder")]);
    home.ok(&["run-pipeline", "review", "t"]);
    let chain = home.ok(&["run-pipeline", "bugfix", "t"]);
    let ids = chain["pushed"]["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap());
    let ids: Vec<String> = ids.map(str::to_owned).collect();
    home.ok(&["update-task", &ids[3], "--depends-on", "[]"]);
    home.ok(&["claim-task", &ids[3], "--force", "-i", "amy"]);
    let verdict = |to: &str| json!({ "verdict": "reassign", "to": to, "feedback": "once more" }).to_string();
    let complete = |to: &str| home.run(&["complete-task", &ids[3], "--result-json", &verdict(to), "-i", "amy"]);
    let refused = complete("bulder").expect(8).err;
    assert!(
        refused.contains("nobody has the role `bulder`") && refused.contains("did you mean `builder`?"),
        "{refused}"
    );
    complete("welder").expect(0);
}

#[test]
fn a_plan_is_read_where_one_is_told_that_all_of_it_stands() {
    let home = Home::new();
    home.ok(&["register-instance", "amy"]);
    let plan = r#"[{"key": "a", "title": "Write it", "description": "in\ntwo lines", "acceptance": ["it shines"]}]"#;
    let asked = home.ok(&["decompose", "Export", "--tasks", plan, "--approve", "-i", "amy"]);
    let text = home.ok(&["questions"])["questions"][0]["text"].as_str().unwrap().to_owned();
    let task = asked["task_id"].as_str().unwrap();
    assert!(text.starts_with("Plan: Export is ready. May its tasks be made?"), "{text}");
    let told = home.run(&["get-task", task, "--format", "table"]).expect(0).out;
    let plan = "    tasks:\n      - key: a\n        title: Write it\n        description:\n          in\n          two lines\n        \
                acceptance:\n          - it shines\n";
    assert!(told.contains(plan), "{told}");
    let allowed = home.run(&["approve", "job-1", "--format", "table"]).expect(0).out;
    assert_eq!(allowed.lines().count(), 1, "{allowed}");
    assert!(allowed.ends_with("(Plan: Export is ready. May its tasks be made? …)\n"), "{allowed}");
}

#[test]
fn what_a_command_below_another_misses_is_told_by_both_words() {
    let home = Home::new();
    let refused = home.run(&["repos", "test"]).expect(2).error();
    assert_eq!(refused["message"], "`orch-mcp repos test` needs <NAME>...");
    assert_eq!(refused["hint"], "see `orch-mcp help repos test`");
    let refused = home.run(&["repos", "test", "api", "--format", "table"]);
    assert!(refused.err.starts_with("error: repos test failed"), "{}", refused.err);
}
