//! What the rules of safety stand against is not run by the real client, however much it may do, unless the human says so.

use crate::e2e::crew::Crew;
use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Stage;
use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::code;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use serde_json::json;
use std::process::Command;

const MAKES: &str = "mkdir -p src && touch src/a";
const REMOVES: &str = "rm -rf src";

/// A client that asks nobody before it does something. It lets root do this only in a sandbox.
fn unasked(stage: &Stage) -> Command {
    let mut claude = stage.claude(&["--permission-mode", "bypassPermissions"]);
    claude.env("ORCH_INSTANCE", "amy").env("IS_SANDBOX", "1");
    claude
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_session_that_may_do_everything_neither_pushes_nor_destroys() {
    let steps = [
        runs(MAKES),
        runs("cd . && git push --force origin main"),
        runs(REMOVES),
        runs("git -c alias.p=push p origin main"),
        runs("echo 'git push' > note"),
        says("done"),
    ];
    let Some(stage) = Stage::set([role("AMY", steps)]) else { return };
    stage.wire();
    let amy = stage.print(unasked(&stage), "AMY");
    assert_eq!(amy.last_result()["result"], "done", "{}", amy.told());
    let result = |step: u64| stage.request("amy", |request| request.step() == Some(step)).results()[0].take();
    for (step, rule) in [(2, "`force-push`"), (3, "`destructive`"), (4, "`push`")] {
        let refused = result(step);
        assert_eq!(refused["is_error"], true, "{step}: {refused:#}");
        assert!(refused["text"].as_str().unwrap().contains(rule), "{step}: {refused:#}");
    }
    for step in [1, 5] {
        assert_eq!(result(step)["is_error"], false, "{step}: {:#}", result(step));
    }
    assert!(stage.path("project/src/a").exists());
    assert_eq!(stage.read("project/note"), "git push\n");
}

/// Nobody sits before it, so what is to be asked comes to the human, who sees why.
fn worker_in(permission_mode: &str) {
    let done = uses("complete_task", json!({ "task_id": "task-0000000001", "result": "done" }));
    let steps = [runs(MAKES), runs("git push origin main"), runs(REMOVES), runs(REMOVES), done, says("done")];
    let Some(crew) = Crew::set([role("CLEAN", steps)]) else { return };
    let front = format!("permission_mode: {permission_mode}\nisolation: none\ntools: [Bash]\n");
    crew.role("cleaner", &front, "CLEAN {{task_id}}.");
    let team = &crew.team;
    assert_eq!(team.task("clean up", ""), "task-0000000001");
    let mut launch = crew.launch(&["--role", "cleaner=1", "--until-done"]);
    let mut launch = Running::start(launch.env("IS_SANDBOX", "1"));
    let asked = |text: &str| {
        let first = || team.home.ok(&["list-questions"])["questions"].as_array().and_then(|all| all.first().cloned());
        let question = eventually_within(PATIENCE, text, first);
        let words = question["text"].as_str().unwrap().to_owned();
        assert!(words.contains("`destructive`") && words.contains(REMOVES), "{words}");
        question["id"].as_str().unwrap().to_owned()
    };
    team.home.ok(&["deny", &asked("the first"), "not yet"]);
    let again = || {
        let id = asked("the second");
        team.repo().join("src/a").exists().then_some(id)
    };
    team.home.ok(&["approve", &eventually_within(PATIENCE, "what was denied is still there", again)]);
    team.until("task-0000000001", "completed");
    assert_eq!(code(&mut launch), Some(0));
    assert!(!team.repo().join("src").exists());
    let result =
        |step: u64| crew.stage.request("the worker", |request| request.step() == Some(step)).results()[0].take();
    assert!(result(2)["text"].as_str().unwrap().contains("`push`"), "{:#}", result(2));
    assert!(result(3)["text"].as_str().unwrap().contains("not yet"), "{:#}", result(3));
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_worker_that_may_do_everything_asks_the_human_before_it_destroys() {
    worker_in("bypassPermissions");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_worker_whose_role_allows_its_shell_asks_the_human_before_it_destroys() {
    worker_in("acceptEdits");
}
