//! Prompts that still work by files: the task is found in one, a result or a question is read back from another.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::ground::write;
use crate::support::program::eventually_within;
use rustix::process::Signal;
use std::fs;

fn team_in_a_repository() -> Team {
    let team = Team::new();
    init(&team.repo());
    commit(&team.repo(), "base.txt", "one\n");
    team
}

/// All that the user has and could see.
fn of_the_user(team: &Team) -> (String, String, Option<String>) {
    let status = git(&team.repo(), &["status", "--porcelain", "--ignored"]);
    let settings = git(&team.repo(), &["config", "--local", "--list"]);
    (status, settings, fs::read_to_string(team.repo().join(".git/info/exclude")).ok())
}

fn result(team: &Team, task: &str) -> String {
    team.home.ok(&["get-task", task])["task"]["result"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_result_that_stands_in_a_file_completes_the_task_and_git_sees_none_of_it() {
    let team = team_in_a_repository();
    let (status, settings, exclude) = of_the_user(&team);
    let long = format!("sim: write outputs/{{task}}_result.md made it\n{}THE END", "much is to be said. ".repeat(1000));
    let task = team.task("t", &long);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!((team.status(&task).as_str(), result(&team, &task).as_str()), ("completed", "made it"));
    let tree = team.repo().join(".orch/trees").join(&task);
    let page = fs::read_to_string(tree.join("tasks/current_task.md")).unwrap();
    assert!(page.contains("# Task: t\n") && page.contains("THE END"), "all of it: {page}");
    assert_eq!(git(&tree, &["status", "--porcelain"]), "");
    git(&tree, &["add", "--all"]);
    assert_eq!(git(&tree, &["status", "--porcelain"]), "");
    let now = of_the_user(&team);
    assert_eq!((now.0.replace("!! .orch/\n", "").replace("!! .orch/", ""), now.1, now.2), (status, settings, exclude));
    let told = team.home.ok(&["get-task", &task])["task"].clone();
    assert_eq!(told["evidence"]["branch"], format!("orch/{task}"));
    assert_eq!(told["evidence"]["commit"], serde_json::Value::Null, "it made none");
}

#[test]
fn a_question_that_stands_in_a_file_is_asked_once_and_its_answer_goes_on_with_the_session() {
    let team = team_in_a_repository();
    let script = "sim: first write outputs/{task}_question.md Which one?\nsim: write outputs/{task}_result.md done\n";
    let task = team.task("t", script);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until_state("executor-1", "needs_input");
    let asked = team.home.ok(&["questions"]);
    assert_eq!(asked["questions"].as_array().unwrap().len(), 1, "{asked}");
    assert_eq!(
        (asked["questions"][0]["text"].as_str(), asked["questions"][0]["task_id"].as_str()),
        (Some("Which one?"), Some(task.as_str()))
    );
    eventually_within(PATIENCE, "its session has ended", || team.living().is_empty().then_some(()));
    assert_eq!(team.status(&task), "in_progress", "it keeps its task");
    team.home.ok(&["respond", "executor-1", "the second"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!((team.status(&task).as_str(), result(&team, &task).as_str()), ("completed", "done"));
    assert_eq!(team.events("task.claimed").len(), 1, "the same claim");
    let page = fs::read_to_string(team.repo().join(".orch/trees").join(&task).join("tasks/current_task.md")).unwrap();
    assert!(page.contains("Asked: Which one?\n\nAnswered: the second\n"), "{page}");
    let prompts: Vec<String> = team.runs().iter().map(|run| fs::read_to_string(run.prompt()).unwrap()).collect();
    assert_eq!(prompts.len(), 2);
    assert!(prompts.iter().any(|prompt| prompt.contains("answered: the second")), "{prompts:?}");
}

#[test]
fn without_a_worktree_the_files_stand_beside_the_run_and_never_in_the_users_checkout() {
    let team = Team::new();
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    let role = "---\ndescription: Old\n---\nRead {{files_dir}}/tasks/current_task.md of {{task_id}}.\n";
    fs::write(team.home.state_dir().join("roles/old.md"), role).unwrap();
    let task = team.task("t", "sim: complete done");
    let mut launch = team.start(&["--role", "old=1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    team.until(&task, "completed");
    let run = team.runs().pop().unwrap();
    let page = run.dir().join("tasks/current_task.md");
    assert!(fs::read_to_string(&page).unwrap().contains(&task));
    assert!(fs::read_to_string(run.prompt()).unwrap().contains(page.to_str().unwrap()));
    assert_eq!(fs::read_dir(team.home.path("work")).unwrap().count(), 0);
}

#[test]
fn a_repository_with_files_of_these_names_keeps_them() {
    let team = team_in_a_repository();
    write(&team.repo(), "tasks/current_task.md", "the project's own");
    git(&team.repo(), &["add", "."]);
    git(&team.repo(), &["commit", "--quiet", "-m", "tasks"]);
    let task = team.task("t", "sim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    team.until(&task, "completed");
    let tree = team.repo().join(".orch/trees").join(&task);
    assert_eq!(fs::read_to_string(tree.join("tasks/current_task.md")).unwrap(), "the project's own");
    assert!(!tree.join("outputs").exists() && team.runs()[0].dir().join("tasks/current_task.md").exists());
}

/// Its result is in a file, and the check of that takes as long as it takes.
#[test]
fn who_leaves_during_the_check_of_a_result_leaves_at_once_and_the_next_one_checks_it() {
    let team = team_in_a_repository();
    let (begun, go) = (team.home.path("begun"), team.home.path("go"));
    let check = format!("check: echo >> {}; while ! test -e {}; do sleep 0.05; done", begun.display(), go.display());
    let script = "sim: write outputs/{task}_result.md done";
    let pushed = team.home.ok(&["push-task", "t", "--description", script, "--evidence", &check]);
    let task = pushed["task"]["id"].as_str().unwrap().to_owned();
    let checks = || fs::read_to_string(&begun).unwrap_or_default().lines().count();
    let mut launch = team.start(&["--workers", "1"]);
    eventually_within(PATIENCE, "the check has begun", || (checks() == 1).then_some(()));
    launch.signal(Signal::INT);
    eventually_within(PATIENCE, "nobody is wanted", || {
        (team.home.ok(&["list-workers"])["workers"][0]["wanted"] == false).then_some(())
    });
    // One that follows at once counts as the same one.
    eventually_within(PATIENCE, "it leaves", || {
        launch.signal(Signal::INT);
        launch.child.try_wait().unwrap()
    });
    assert_eq!((checks(), team.status(&task).as_str()), (1, "in_progress"));
    fs::write(&go, "").unwrap();
    let mut next = team.start(&["--wanted", "--until-done"]);
    assert_eq!(code(&mut next), Some(0));
    assert_eq!((checks(), team.status(&task).as_str(), result(&team, &task).as_str()), (2, "completed", "done"));
}
