//! What a person is told of a worker: its lines and its events on one clock, what comes next, and how to take it over.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::File;
use std::process::Stdio;

fn lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A command that goes on, with what it prints in a file.
fn following(team: &Team, words: &[&str], name: &str) -> Running {
    let out = File::create(team.home.path(name)).unwrap();
    let running = Running::start(team.home.program(words).stdin(Stdio::null()).stdout(out).stderr(Stdio::null()));
    team.home.until_waiting(1);
    running
}

fn printed(team: &Team, name: &str) -> Vec<Value> {
    lines(&std::fs::read_to_string(team.home.path(name)).unwrap())
}

#[test]
fn a_log_has_output_errors_and_events_on_one_clock_and_nothing_in_it_steers_a_terminal() {
    let team = Team::new();
    let task = team.task("t", "sim: say \u{1b}[31mred \u{202e}here\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"));
    let told = lines(&team.home.run(&["logs", "executor-1", "--json"]).expect(0).out);
    let text = |one: &Value| one["text"].as_str().unwrap().to_owned();
    let place = |source: &str, words: &str| {
        let found = told.iter().position(|one| one["source"] == source && text(one).contains(words));
        found.unwrap_or_else(|| panic!("no {words} of {source}: {told:#?}"))
    };
    let order = [
        place("event", "worker began         executor-1"),
        place("output", "red "),
        place("event", "task completed"),
        place("event", "worker ended         executor-1"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    let times: Vec<&str> = told.iter().map(|one| one["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let shown = team.home.run(&["logs", "@executor-1", "--format", "table", "--lines", "200"]).expect(0).out;
    assert!(shown.contains("red here") && !shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    let two = team.home.run(&["logs", "executor-1", "-n", "2", "--json"]).expect(0).out;
    assert_eq!(lines(&two), told[told.len() - 2..]);
    assert_eq!(team.home.run(&["logs", "executor-9"]).status.code(), Some(3));
}

#[test]
fn a_log_that_is_followed_goes_on_over_every_run_until_ctrl_c() {
    let team = Team::new();
    let first = team.task("t", "sim: say the first\nsim: complete done");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&first, "completed");
    team.until_state("executor-1", "idle");
    let mut follows = following(&team, &["logs", "executor-1", "-f", "-n", "0"], "followed");
    let _second = team.task("u", "sim: say the second\nsim: complete done");
    let said = |words: &str| {
        let words = words.to_owned();
        let team = &team;
        move || printed(team, "followed").iter().any(|one| one["text"].as_str().unwrap().contains(&words)).then_some(())
    };
    eventually_within(PATIENCE, "what the next run says", said("the second"));
    eventually_within(PATIENCE, "and what came of it", said("worker ended"));
    assert!(said("the first")().is_none(), "it began with nothing that was");
    follows.signal(Signal::INT);
    assert_eq!(follows.ends().code(), Some(0));
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

/// What its client tells of its hooks, ours and others', stands among the rest under a name of its own.
#[test]
fn a_log_has_the_hooks_of_a_session_among_what_it_prints_and_our_events() {
    let team = Team::new();
    let task = team.task("t", "sim: say I am at it\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--mode", "long", "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"));
    let told = lines(&team.home.run(&["logs", "executor-1", "--json", "-n", "1000"]).expect(0).out);
    let place = |source: &str, words: &str| {
        let is = |one: &Value| one["source"] == source && one["text"].as_str().unwrap().contains(words);
        told.iter().position(is).unwrap_or_else(|| panic!("no {words} of {source}: {told:#?}"))
    };
    let order = [
        place("event", "worker began         executor-1"),
        place("hook", "SessionStart success"),
        place("hook", "UserPromptSubmit success"),
        place("output", "I am at it"),
        place("hook", "Stop success"),
        place("event", "worker ended         executor-1"),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

/// Were the newest run enough to fill the page, what the one before it printed would be missing among its events.
#[test]
fn a_log_is_the_end_of_a_longer_one_over_all_runs() {
    let team = Team::new();
    let says =
        |word: &str| (1..=30).map(|n| format!("sim: say {word} {n}\n")).collect::<String>() + "sim: complete done";
    let mut launch = team.start(&["--workers", "1"]);
    for word in ["first", "second"] {
        let task = team.task(word, &says(word));
        team.until(&task, "completed");
        team.until_state("executor-1", "idle");
    }
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
    let told = |count: &str| lines(&team.home.run(&["logs", "executor-1", "--json", "-n", count]).expect(0).out);
    let all = told("1000");
    for count in [20, 40, 50, 60] {
        let some = told(&count.to_string());
        assert_eq!(some, all[all.len() - count..], "the newest {count}");
    }
}

#[test]
fn a_monitor_prints_what_happens_until_ctrl_c() {
    let team = Team::new();
    team.task("before", "sim: complete done");
    let mut monitor = following(&team, &["monitor"], "monitored");
    let task = team.task("t", "sim: complete done");
    let pushed = || printed(&team, "monitored").into_iter().find(|one| one["event"]["kind"] == "task.pushed");
    let told = eventually_within(PATIENCE, "a task", pushed);
    assert_eq!((told["event"]["subject"].as_str(), printed(&team, "monitored").len()), (Some(task.as_str()), 1));
    team.home.ok(&["register-instance", "amy"]);
    team.home.ok(&["reserve-files", "src/a.rs", "-i", "amy"]);
    let reserved = || printed(&team, "monitored").into_iter().find(|one| one["event"]["kind"] == "files.reserved");
    let told = eventually_within(PATIENCE, "a file", reserved);
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("files reserved       amy: ") && text.ends_with("/src/a.rs"), "{told}");
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.ends().code(), Some(0));
}

#[test]
fn whoever_has_no_terminal_is_told_how_to_take_the_session_over() {
    let team = Team::new();
    let mut launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until_state("executor-1", "idle");
    let told = team.home.ok(&["attach", "executor-1"]);
    let session = eventually_within(PATIENCE, "its session", || {
        team.home.ok(&["attach", "executor-1"])["session"].as_str().map(str::to_owned)
    });
    let over = team.home.ok(&["attach", "executor-1"])["take_over"].as_str().unwrap().to_owned();
    assert!(over.starts_with("cd ") && over.ends_with(&format!("--resume {session}")), "{over}");
    assert_eq!((&told["runs"], told["follow"].as_str()), (&true.into(), Some("orch-mcp logs executor-1 -f")));
    assert_eq!(team.home.run(&["attach", "executor-9"]).status.code(), Some(3));
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

/// Its session is in no record of the worker, which has another one for each task.
#[test]
fn the_session_of_a_single_task_can_be_taken_over_too() {
    let team = Team::new();
    ground::init(&team.repo());
    ground::git(&team.repo(), &["commit", "--quiet", "--allow-empty", "-m", "first"]);
    team.task("t", "sim: say I look for it\nsim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until_state("executor-1", "busy");
    let over = eventually_within(PATIENCE, "its session", || {
        team.home.ok(&["attach", "executor-1"])["take_over"].as_str().map(str::to_owned)
    });
    assert!(over.starts_with("cd ") && over.contains(" --resume "), "{over}");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
    let dir = team.home.ok(&["attach", "executor-1"])["directory"].as_str().unwrap().to_owned();
    ground::git(&team.repo(), &["worktree", "remove", "--force", &dir]);
    let told = team.home.run(&["attach", "executor-1", "--format", "table"]).expect(0).out;
    assert!(told.contains(&format!("its directory {dir} is gone")) && !told.contains("--resume"), "{told}");
}
