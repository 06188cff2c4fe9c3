//! Where workers work: one worktree for each worker, or one for each task, found again over tasks and restarts.

use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::git;
use crate::launch::stalls::in_repository;
use std::fs;
use std::path::PathBuf;

/// In order: where each run of the team worked.
fn worked(team: &Team) -> Vec<PathBuf> {
    let mut runs = team.runs();
    runs.sort_by_key(|run| run.dir().to_owned());
    runs.iter().map(|run| run.start().unwrap().cwd).collect()
}

/// What stands on a branch beyond `main`, oldest first.
fn commits(team: &Team, branch: &str) -> Vec<String> {
    let range = format!("main..{branch}");
    git(&team.repo(), &["log", "--reverse", "--format=%s", &range, "--"]).lines().map(str::to_owned).collect()
}

#[test]
fn a_worker_with_a_worktree_of_its_own_does_one_task_after_the_other_in_it_on_one_branch() {
    let team = in_repository();
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    let role = "---\ndescription: Settles\nisolation: worktree-per-worker\n---\nDo {{task_id}}.\n";
    fs::write(team.home.state_dir().join("roles/settler.md"), role).unwrap();
    let leaves = |file: &str| format!("sim: run echo x > {file} && git add {file} && git commit --quiet -m {file}");
    let first = team.task("one", &format!("{}\nsim: run echo draft > draft\nsim: complete done", leaves("one")));
    // It finds all that the first left: what was committed, and what was not.
    let finds = "sim: run test -f one && test -f draft && git add draft && git commit --quiet -m draft";
    let needs = [first.clone()];
    let second = team.task_after("two", &format!("{finds}\n{}\nsim: complete done", leaves("two")), &needs);
    let mut launch = team.start(&["--role", "settler=1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!([&first, &second].map(|task| team.status(task)), ["completed", "completed"]);
    let tree = team.repo().join(".orch/trees/settler-1");
    assert_eq!(worked(&team), [tree.clone(), tree.clone()]);
    assert_eq!(git(&tree, &["symbolic-ref", "--short", "HEAD"]), "orch/settler-1");
    assert_eq!(commits(&team, "orch/settler-1"), ["one", "draft", "two"]);
    assert_eq!(git(&team.repo(), &["branch", "--list", "orch/*", "--format=%(refname:short)"]), "orch/settler-1");
}

#[test]
fn who_begins_anew_finds_the_worktree_of_its_task_as_it_left_it() {
    let team = in_repository();
    let script = "sim: first run echo x > one && git add one && git commit --quiet -m one && echo draft > draft\n\
                  sim: first crash\n\
                  sim: run test -f one && git add draft && git commit --quiet -m two\n\
                  sim: complete done";
    let task = team.task("t", script);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"));
    let (tree, branch) = (team.repo().join(".orch/trees").join(&task), format!("orch/{task}"));
    assert_eq!(worked(&team), [tree.clone(), tree.clone()]);
    assert_eq!(commits(&team, &branch), ["one", "two"]);
    assert_eq!(git(&tree, &["status", "--porcelain"]), "");
    assert_eq!(git(&team.repo(), &["branch", "--list", "orch/*", "--format=%(refname:short)"]), branch);
}

#[test]
fn who_begins_anew_is_told_how_far_the_one_before_was_and_what_it_committed() {
    let team = in_repository();
    let script = "sim: first run git commit --quiet --allow-empty -m 'the first half'\nsim: first work 4\n\
                  sim: first exit 3\nsim: complete done";
    let task = team.task("t", script);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"));
    let mut runs = team.runs();
    runs.sort_by_key(|run| run.dir().to_owned());
    let prompts = runs.iter().map(|run| fs::read_to_string(run.prompt()).unwrap()).collect::<Vec<_>>();
    let [first, second] = &prompts[..] else { panic!("{prompts:?}") };
    assert!(!first.contains("An earlier session"), "{first}");
    for words in [
        format!("An earlier session of executor-1 worked on {task} and ended before it was done"),
        "the first half".to_owned(),
        "It ended so: it ended with 3".to_owned(),
        "Its last word on how far it was: 100 %.".to_owned(),
    ] {
        assert!(second.contains(&words), "{words}: {second}");
    }
}
