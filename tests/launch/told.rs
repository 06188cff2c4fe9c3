//! A role that is told of what happens: of completed tasks and of changed files, by one task at a time.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::ground::write;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

/// With a role that is told after a second, and whose one worker is busy with something else for ever.
fn team() -> (Team, Running) {
    let team = Team::new();
    init(&team.repo());
    write(&team.repo(), ".gitignore", "/target/\n*.tmp\n");
    commit(&team.repo(), "src/base.txt", "one\n");
    git(&team.repo(), &["add", "."]);
    git(&team.repo(), &["commit", "--quiet", "-m", "ignore"]);
    write(&team.repo(), "target/debug/out", "x");
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    let role = "---\ndescription: Is told\ntold_of: [completed, changes]\nquiet_secs: 1\n---\nDo {{task_id}}.\n";
    fs::write(team.home.state_dir().join("roles/scribe.md"), role).unwrap();
    team.home.ok(&["register-instance", "amy"]);
    let busy = team.home.ok(&["push-task", "busy", "--role", "scribe", "--description", "sim: hang"]);
    let launch = team.start(&["--role", "scribe=1"]);
    team.until(busy["task"]["id"].as_str().unwrap(), "in_progress");
    (team, launch)
}

fn complete(team: &Team, title: &str) -> String {
    let task = team.home.ok(&["push-task", title, "--assignee", "amy"])["task"]["id"].as_str().unwrap().to_owned();
    team.home.ok(&["claim-task", "--task-id", &task, "-i", "amy"]);
    team.home.ok(&["complete-task", &task, "done", "-i", "amy"]);
    task
}

/// The tasks by which it was told, the newest first.
fn told(team: &Team) -> Vec<Value> {
    let found = team.home.ok(&["list-tasks", "--label", "told-scribe"]);
    let ids = found["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned());
    ids.map(|id| team.home.ok(&["get-task", &id])["task"].clone()).collect()
}

#[track_caller]
fn is_told(team: &Team, times: usize) -> (String, String) {
    let newest = eventually_within(PATIENCE, "it is told", || {
        let told = told(team);
        (told.len() >= times).then_some(told)
    });
    assert_eq!(newest.len(), times, "{newest:?}");
    let word = |field: &str| newest[0][field].as_str().unwrap().to_owned();
    assert_eq!(word("role"), "scribe");
    (word("id"), word("description"))
}

#[test]
fn it_is_told_of_completed_tasks_and_changed_files_one_task_at_a_time() {
    let (team, mut launch) = team();
    let task = complete(&team, "Add the export");
    write(&team.repo(), "target/debug/out", "noise");
    write(&team.repo(), "src/deep/new.txt", "x");
    write(&team.repo(), "src/noise.tmp", "x");
    let (first, text) = is_told(&team, 1);
    assert!(text.contains(&format!("- {task}: Add the export\n")) && text.contains("- `src/deep/"), "{text}");
    assert!(!text.contains("target") && !text.contains("noise") && !text.contains("base.txt"), "{text}");
    // As long as that is open there is no other.
    let later = complete(&team, "Later");
    commit(&team.repo(), "src/base.txt", "two\n");
    let last = complete(&team, "Last");
    team.home.ok(&["cancel-task", &first]);
    let (_, text) = is_told(&team, 2);
    for part in [later.as_str(), last.as_str(), "- `src/base.txt`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(&task), "{text}");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn a_change_of_a_file_alone_is_noticed_also_in_a_directory_that_is_new() {
    let (team, mut launch) = team();
    write(&team.repo(), "docs/a.md", "x");
    let (first, text) = is_told(&team, 1);
    assert!(text.contains("- `docs/") && !text.contains("Completed"), "{text}");
    git(&team.repo(), &["add", "."]);
    git(&team.repo(), &["commit", "--quiet", "-m", "docs"]);
    write(&team.repo(), "docs/b.md", "x");
    team.home.ok(&["cancel-task", &first]);
    let (_, text) = is_told(&team, 2);
    assert!(text.contains("- `docs/b.md`"), "{text}");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn what_happened_while_nobody_looked_is_told_by_the_next_who_looks() {
    let (team, launch) = team();
    write(&team.repo(), "src/a.txt", "x");
    let (first, _) = is_told(&team, 1);
    launch.signal(Signal::KILL);
    drop(launch);
    team.home.ok(&["cancel-task", &first]);
    let task = complete(&team, "In between");
    commit(&team.repo(), "src/b.txt", "x");
    let mut launch = team.start(&[]);
    let (_, text) = is_told(&team, 2);
    assert!(text.contains(&task) && text.contains("- `src/b.txt`"), "{text}");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn what_landed_of_its_own_is_no_news_to_it() {
    let (team, launch) = team();
    write(&team.repo(), "src/a.txt", "x");
    let (first, _) = is_told(&team, 1);
    // Nobody looks until all of it has landed: what is only completed is news by itself.
    launch.signal(Signal::KILL);
    drop(launch);
    let tree = |name: &str, file: &str| {
        let dir = team.home.path(name);
        let branch = format!("orch/{name}");
        git(&team.repo(), &["worktree", "add", "--quiet", "-b", &branch, dir.to_str().unwrap()]);
        commit(&dir, file, "x\n");
    };
    let task = |role: &str| {
        let pushed = team.home.ok(&["push-task", "t", "--role", role]);
        let id = pushed["task"]["id"].as_str().unwrap().to_owned();
        team.home.ok(&["claim-task", "--task-id", &id, "--force", "-i", "amy"]);
        id
    };
    let lands = |id: &str| {
        team.home.ok(&["complete-task", id, "done", "-i", "amy"]);
        let landed = finish_within(PATIENCE, &mut team.home.program(&["land", "--onto", "main", "--json"]), "");
        landed.expect(0);
        git(&team.repo(), &["merge", "--quiet", "--ff-only", "orch/landing"]);
    };
    let own = task("scribe");
    tree(&own, "docs/own.md");
    lands(&own);
    let other = task("builder");
    tree(&other, "src/other.rs");
    lands(&other);
    team.home.ok(&["cancel-task", &first]);
    let mut launch = team.start(&[]);
    let (second, text) = is_told(&team, 2);
    assert!(text.contains(&format!("- {other}: t\n")) && text.contains("- `src/other.rs`"), "{text}");
    assert!(!text.contains("own"), "{text}");
    let again = task("scribe");
    tree(&again, "docs/again.md");
    lands(&again);
    let last = complete(&team, "Last");
    team.home.ok(&["cancel-task", &second]);
    let (_, text) = is_told(&team, 3);
    assert!(text.contains(&last) && !text.contains("again.md"), "{text}");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}
