//! Exit codes, each brought about by what it stands for.

use crate::support::program::Ended;
use crate::support::program::Home;
use serde_json::Value;
use std::os::unix::fs::symlink;

/// Two instances, a task that bob holds, one that is ready, and one that has failed as often as it may.
fn team() -> Home {
    let home = Home::new();
    for command in [
        &["register-instance", "bob"][..],
        &["register-instance", "amy"],
        &["push-task", "Held"],
        &["push-task", "Hopeless", "--max-attempts", "1"],
        &["claim-task", "1", "-i", "bob"],
        &["claim-task", "2", "-i", "bob"],
        &["fail-task", "2", "-i", "bob", "--reason", "no way"],
        &["set-context", "k", "v", "-i", "bob"],
    ] {
        home.ok(command);
    }
    home
}

fn code(error: &Value) -> &str {
    error["code"].as_str().unwrap()
}

#[test]
fn each_exit_code_means_one_thing() {
    let home = team();
    // 0: done. What was done already is done as well.
    home.ok(&["complete-task", "1", "-i", "bob"]);
    assert_eq!(home.ok(&["complete-task", "1", "-i", "bob"])["already"], true);
    // 3 can be an answer, too: what is not there is no error to look for.
    assert_eq!(home.run(&["get-context", "nothing/there"]).expect(3).data()["found"], false);

    // 5 and 7 are answers, not errors: nothing ready, nothing yet.
    let nothing = home.run(&["claim-task", "-i", "amy"]).expect(5);
    assert_eq!((nothing.data()["claimed"].as_bool(), nothing.err.as_str()), (Some(false), ""));
    for wait in ["wait-for-message", "wait-for-task", "watch-context", "watch-events"] {
        let ended = home.run(&[wait, "--timeout-seconds", "0", "-i", "amy"]).expect(7);
        assert_eq!((ended.data()["timed_out"].as_bool(), ended.err.as_str()), (Some(true), ""), "{wait}");
    }

    for (exit, named, command) in [
        (2, "invalid", &["push-task"][..]),
        (2, "invalid", &["push-task", "x", "--priority", "urgent"]),
        (2, "invalid", &["frobnicate"]),
        (2, "invalid", &["set-context", "k", "v", "--expect-version", "x", "-i", "amy"]),
        (2, "no_identity", &["claim-task"]),
        (3, "not_found", &["get-task", "77"]),
        (3, "not_found", &["get-instance", "nobody"]),
        (3, "not_found", &["get-message", "77", "-i", "amy"]),
        (3, "not_found", &["man", "nonsense"]),
        (4, "conflict", &["register-instance", "bob"]),
        (4, "conflict", &["set-context", "k", "w", "--expect-version", "7", "-i", "amy"]),
        (4, "conflict", &["claim-task", "1", "-i", "amy"]),
        (4, "stale_claim", &["fail-task", "1", "-i", "amy", "--reason", "mine"]),
        (8, "refused", &["retry-task", "2", "-i", "amy"]),
    ] {
        let error = home.run(command).expect(exit).error();
        assert_eq!(code(&error), named, "{command:?}: {error}");
    }
}

#[test]
fn a_claim_that_is_lost_is_4_and_says_who_holds_the_task_now() {
    let home = team();
    home.ok(&["release-task", "1", "-i", "bob"]);
    home.ok(&["claim-task", "1", "-i", "amy"]);
    for command in ["complete-task", "start-task", "renew-task", "release-task"] {
        let error = home.run(&[command, "1", "-i", "bob", "--token", "1"]).expect(4).error();
        assert_eq!(code(&error), "stale_claim", "{command}: {error}");
        let amy = home.ok(&["get-instance", "amy"])["instance"]["id"].clone();
        let holder = format!("`amy` ({}) holds it until ", amy.as_str().unwrap());
        assert!(error["message"].as_str().unwrap().contains(&holder), "{error}");
    }
    let lost = home.run(&["complete-task", "1", "-i", "amy", "--token", "1"]).expect(4).error();
    assert_eq!(code(&lost), "stale_claim", "an older token of one's own: {lost}");
}

#[test]
fn a_cursor_that_is_too_old_is_4() {
    let home = Home::new();
    let limited = |arguments: &[&str]| -> Ended {
        crate::support::program::finish(home.program(arguments).env("ORCH_EVENTS_MAX", "5"), "")
    };
    let tasks = vec![serde_json::json!({ "title": "t" }); 2_000];
    std::fs::write(home.path("work/plan.json"), serde_json::json!(tasks).to_string()).unwrap();
    limited(&["push-tasks", "--tasks", "@plan.json"]).expect(0);
    limited(&["push-task", "One more"]).expect(0);
    let error = limited(&["list-events", "--cursor", "1"]).expect(4).error();
    assert_eq!(code(&error), "cursor_expired", "{error}");
    assert!(error["hint"].is_string(), "{error}");
}

#[test]
fn a_store_that_cannot_be_used_is_6() {
    let home = Home::new();
    std::fs::write(home.path("work/file"), "not a directory").unwrap();
    std::fs::create_dir(home.path("work/real")).unwrap();
    symlink(home.path("work/real"), home.path("work/link")).unwrap();
    for dir in ["file", "link"] {
        for command in [&["list-tasks"][..], &["push-task", "x"]] {
            let error = home.run(&[command, &["--state-dir", dir]].concat()).expect(6).error();
            assert_eq!(code(&error), "unavailable", "{dir} {command:?}: {error}");
            assert!(error["message"].as_str().unwrap().contains(dir), "{error}");
            assert!(error["hint"].as_str().unwrap().contains("--state-dir"), "{error}");
        }
    }
    home.ok(&["push-task", "x"]);
    std::fs::write(home.state_dir().join("orch.db"), "this is no database, and never was one").unwrap();
    for file in ["orch.db-wal", "orch.db-shm"] {
        let _ = std::fs::remove_file(home.state_dir().join(file));
    }
    let error = home.run(&["list-tasks"]).expect(6).error();
    assert_eq!(code(&error), "unavailable", "{error}");
    let kept = std::fs::read_to_string(home.state_dir().join("orch.db")).unwrap();
    assert_eq!(kept, "this is no database, and never was one", "it is left as it is");
}

/// An answer that nobody got is no success, though what was asked is done.
#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_printed_is_1() {
    use std::fs::File;
    use std::process::Stdio;

    let home = Home::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = home.program(&["push-task", "x", "--json"]);
    let mut running =
        crate::support::program::Running::start(command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()));
    let mut err = String::new();
    std::io::Read::read_to_string(&mut running.child.stderr.take().unwrap(), &mut err).unwrap();
    assert_eq!(running.ends().code(), Some(1), "{err}");
    let error: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(code(&error["error"]), "internal");
    assert_eq!(home.ok(&["list-tasks"])["total"], 1);
}
