//! What lives on from one command to the next, and what a command that was interrupted leaves.

use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::eventually;
use crate::support::program::finish;
use rustix::process::Signal;
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

#[test]
fn a_claim_lives_on_after_the_command_that_made_it() {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    home.ok(&["register-instance", "amy"]);
    home.ok(&["push-task", "One"]);
    let claim = home.ok(&["claim-task", "-i", "bob"]);
    assert_eq!(home.run(&["claim-task", "-i", "amy"]).expect(5).data()["waiting"]["claimed"], 1);
    let error = home.run(&["claim-task", "1", "-i", "amy"]).expect(4).error();
    assert_eq!(error["code"], "conflict");
    let again = home.ok(&["claim-task", "1", "-i", "bob"]);
    assert_eq!(again["token"], claim["token"], "asking again for what one holds is no new claim");
    assert_eq!(home.ok(&["start-task", "1", "-i", "bob"])["task"]["status"], "in_progress");
    assert_eq!(home.ok(&["complete-task", "1", "done", "-i", "bob"])["task"]["status"], "completed");
}

#[test]
fn a_command_speaks_for_whom_the_flag_the_variable_or_the_session_names() {
    let home = Home::new();
    let session = ("CLAUDE_CODE_SESSION_ID", "5a4e2f0e-77b1-4d1a-9c3e-0d5be2f6a001");
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        finish(home.program(arguments).envs(variables.iter().copied()), "").expect(0).data()
    };
    for name in ["ann", "bob"] {
        home.ok(&["register-instance", name]);
    }
    run(&["register-instance", "cleo"], &[session]);
    let name_of = |status: serde_json::Value| match status["you"].as_str() {
        Some(id) => home.ok(&["get-instance", id])["instance"]["name"].clone(),
        None => serde_json::Value::Null,
    };
    let variable = ("ORCH_INSTANCE", "bob");
    assert_eq!(name_of(run(&["server-status", "-i", "ann"], &[variable, session])), "ann");
    assert_eq!(name_of(run(&["server-status"], &[variable, session])), "bob");
    assert_eq!(name_of(run(&["server-status"], &[("ORCH_INSTANCE", "@bob")])), "bob");
    assert_eq!(name_of(run(&["server-status"], &[session])), "cleo");
    assert_eq!(name_of(run(&["server-status"], &[])), serde_json::Value::Null);

    run(&["send-message", "--to-name", "ann", "hi"], &[variable]);
    let mail = home.ok(&["poll-messages", "-i", "ann"]);
    assert_eq!(
        (&mail["messages"][0]["from"]["name"], &mail["messages"][0]["from"]["origin"]),
        (&json!("bob"), &json!("agent"))
    );
    // A printed answer cannot be thrown away by a client any more: the next command proves that it was read.
    assert_eq!(home.ok(&["poll-messages", "-i", "ann"])["messages"], json!([]));
    assert_eq!(run(&["list-receipts"], &[variable])["receipts"][0]["state"], "seen");
    let error = finish(home.program(&["claim-task"]).env("ORCH_INSTANCE", "ghost"), "").expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("`ghost`"), "{error}");
}

#[test]
fn a_key_makes_a_repeated_command_act_once() {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    let push = ["push-task", "Once", "--idempotency-key", "nightly-1"];
    let first = home.ok(&push);
    assert_eq!(home.ok(&push)["task"]["id"], first["task"]["id"]);
    assert_eq!(home.ok(&["list-tasks"])["total"], 1);
    let claim = ["claim-task", "-i", "bob", "--idempotency-key", "claim-1"];
    let token = home.ok(&claim)["token"].clone();
    assert_eq!(home.ok(&claim)["token"], token);
    let error = home.run(&["push-task", "Twice", "--idempotency-key", "nightly-1"]).expect(4).error();
    assert_eq!(error["code"], "conflict");
}

/// Ctrl-C in a shell: the command is gone as the shell expects, and nobody trips over what it left.
#[test]
fn a_wait_that_was_interrupted_hinders_nobody() {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    for signal in [Signal::INT, Signal::KILL] {
        let mut wait = home.program(&["wait-for-message", "-i", "bob", "--timeout-seconds", "280"]);
        let wait = wait.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running::start(wait);
        let doorbell = home.state_dir().join("wake").join(format!("{}-0.sock", running.child.id()));
        eventually("its doorbell", || doorbell.exists().then_some(()));
        // What the one before it left behind was cleared away.
        assert_eq!(home.waiting(), 1);
        running.signal(signal);
        assert_eq!(running.ends().signal(), Some(signal.as_raw()));
        home.ok(&["send-message", "-i", "bob", "--to-name", "bob", "still here"]);
        let mail = home.ok(&["wait-for-message", "-i", "bob", "--timeout-seconds", "280"]);
        assert_eq!(mail["messages"].as_array().unwrap().len(), 1, "{mail}");
    }
}

/// By it a script decides what to do next.
#[test]
fn whoever_waits_for_a_job_waits_as_long_as_it_takes_and_exits_by_how_it_ended() {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    let ends = |step: &[&str], code: i32| {
        let job = home.ok(&["create-job", "g", "--tasks", r#"[{"title":"t"}]"#]);
        let (id, task) = (job["job"]["id"].as_str().unwrap(), job["pushed"]["first"].as_str().unwrap());
        std::thread::scope(|scope| {
            let wait = scope.spawn(|| home.run(&["wait-for-job", id, "--collect"]));
            home.until_waiting(1);
            home.ok(&["claim-task", task, "-i", "bob"]);
            home.ok(&[&[step[0], task][..], &step[1..], &["-i", "bob"]].concat());
            wait.join().unwrap().expect(code).data()
        })
    };
    assert_eq!(ends(&["complete-task", "done"], 0)["results"][0]["result"], "done");
    assert_eq!(ends(&["fail-task", "no"], 1)["job"]["state"], "failed");
    assert_eq!(ends(&["block-task", "no"], 1)["because"], "stuck");
    assert_eq!(home.run(&["wait-for-job", "3", "--timeout-seconds", "0"]).expect(1).data()["because"], "stuck");
    home.ok(&["add-subtask", "3", "more"]);
    assert_eq!(home.run(&["wait-for-job", "3", "--timeout-seconds", "0"]).expect(7).data()["timed_out"], true);
    let prompts = r#"["one"]"#;
    let delegated = std::thread::scope(|scope| {
        let wait = scope.spawn(|| home.run(&["quick-delegate", prompts, "--role", "none"]));
        home.until_waiting(1);
        home.ok(&["claim-task", "5", "-i", "bob", "--force"]);
        home.ok(&["complete-task", "5", "first", "-i", "bob"]);
        wait.join().unwrap()
    });
    assert_eq!(delegated.expect(0).data()["results"][0]["result"], "first");
}

#[test]
fn a_command_that_waits_is_woken_by_another() {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    let wait = std::thread::scope(|scope| {
        let wait = scope.spawn(|| home.run(&["wait-for-task", "--timeout-seconds", "280"]));
        home.until_waiting(1);
        home.ok(&["push-task", "Now"]);
        wait.join().unwrap()
    });
    assert_eq!(wait.expect(0).data()["ready"], true);
}
