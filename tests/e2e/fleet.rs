//! A fleet of the real client: many workers, many tasks, and anything killed at any moment.

use crate::e2e::crew::Crew;
use crate::e2e::script::completes;
use crate::e2e::script::rules;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::code;
use crate::launch::stubborn::Victim;
use crate::launch::stubborn::kills;
use crate::support::dice::Dice;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;

/// A session that takes task after task, and whose every step follows from the one before, whoever took that.
fn taker() -> Value {
    let claims = || uses("claim_task", json!({}));
    rules(
        "TAKE TASKS",
        [
            (r#"claim_task\] .*"claimed":true.*?"id":"(task-\d+)""#, completes("${1}", "done")),
            (r#"claim_task\] .*"claimed":false"#, says("nothing more")),
            (r"[Yy]ou hold (task-\d+)", completes("${1}", "done")),
            ("", claims()),
        ],
    )
}

/// A session of one task.
fn single() -> Value {
    rules(
        "DO task-",
        [
            (r#"complete_task\] .*"completed""#, says("done")),
            (r"(task-\d+)", completes("${1}", "done")),
            ("", says("what?")),
        ],
    )
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_fleet_of_eight_completes_a_hundred_tasks_each_once_whoever_is_killed_in_between() {
    let Some(crew) = Crew::set([taker(), single()]) else { return };
    crew.role("taker", "mode: long\nisolation: worktree-per-worker\n", "TAKE TASKS.");
    crew.role("single", "isolation: worktree-per-task\n", "DO {{task_id}}.\n{{notes}}");
    let team = &crew.team;
    let mut ids: Vec<String> = Vec::new();
    for number in 0..100 {
        // Ten chains of ten, so that there is always something to wait for.
        let needs: Vec<String> = ids.len().checked_sub(10).map(|at| ids[at].clone()).into_iter().collect();
        ids.push(team.task_after(&format!("t{number}"), "", &needs));
    }
    let mut dice = Dice::new(7);
    let mut launch = crew.start(&["--role", "taker=6", "--role", "single=2"]);
    for kill in 1..=16 {
        // One after another, over the whole of the work.
        let done = || team.events("task.completed").len();
        eventually_within(PATIENCE, "some are done", || (done() >= kill * 5).then_some(()));
        let victim = [None, Some(Victim::Client), Some(Victim::Server), Some(Victim::Keeper)][kill % 4];
        match victim {
            Some(victim) => {
                eventually_within(PATIENCE, "somebody to be killed", || kills(team, &mut dice, victim));
            }
            None => {
                launch.signal(Signal::KILL);
                launch = Running::start(&mut crew.launch(&["--wanted"]));
            }
        }
    }
    drop(launch);
    let mut last = crew.start(&["--wanted", "--until-done"]);
    let code = code(&mut last);
    let open: Vec<_> = ids.iter().filter(|id| team.status(id) != "completed").collect();
    if let Some(id) = open.first() {
        let history = team.home.ok(&["get-task", id, "--history"]);
        let mut ends = team.events("worker.ended");
        ends.retain(|end| end["data"]["how"] == "badly");
        panic!("{open:?}: {history}\nfaults: {ends:?}\nnot started: {:?}", team.events("worker.failed"));
    }
    assert_eq!(code, Some(0));
    assert_eq!(team.events("task.completed").len(), ids.len(), "each once");
    crew.leaves_nothing();
}
