//! `land` and `cleanup` as people type them: what a team finished lands, what holds nothing goes, and both say why.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::ground::write;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use orch_mcp::host::Host;
use orch_mcp::keep::run::End;
use orch_mcp::keep::run::RunDir;
use orch_mcp::repo::worktree::Trees;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::test_kill_process;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

/// A team whose work is a repository, in which the user is on `main`.
pub fn team() -> Team {
    let team = Team::new();
    init(&team.repo());
    commit(&team.repo(), "base.txt", "one\n");
    team.home.ok(&["register-instance", "amy"]);
    team
}

pub fn typed(team: &Team, words: &[&str]) -> Command {
    let mut program = team.home.program(words);
    program.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    program
}

#[track_caller]
pub fn run(team: &Team, words: &[&str]) -> Ended {
    finish_within(PATIENCE, &mut typed(team, words), "")
}

/// A task that amy holds, with its worktree.
pub fn held(team: &Team, title: &str) -> (String, PathBuf) {
    let task = team.task(title, "");
    let claim = team.home.ok(&["claim-task", "--task-id", &task, "-i", "amy"]);
    assert_eq!(claim["task"]["id"], task.as_str());
    let tree = Trees::of(&team.repo(), None).unwrap().ready(&task, "main").unwrap();
    (task, tree.path)
}

/// One that is completed, with a commit.
pub fn completed(team: &Team, file: &str, text: &str) -> (String, PathBuf) {
    let (task, tree) = held(team, &format!("write {file}"));
    commit(&tree, file, text);
    team.home.ok(&["complete-task", &task, "done", "-i", "amy"]);
    (task, tree)
}

/// By ben, who works there, so that what was done is looked for there.
pub fn complete_from(team: &Team, task: &str, tree: &Path) {
    team.home.ok(&["register-instance", "ben", "--work-dir", tree.to_str().unwrap()]);
    team.home.ok(&["claim-task", "--task-id", task, "-i", "ben"]);
    team.home.ok(&["complete-task", task, "merged", "-i", "ben"]);
}

/// What is said of one of the things that a command lists.
pub fn outcome(answer: &Value, name: &str) -> String {
    let all = answer["branches"].as_array().or(answer["things"].as_array()).unwrap();
    let is_it = |one: &&Value| one["branch"] == format!("orch/{name}") || one["name"] == name;
    all.iter().find(is_it).map(|one| one["outcome"].as_str().unwrap().to_owned()).unwrap_or_default()
}

fn files_of(team: &Team, branch: &str) -> String {
    git(&team.repo(), &["ls-tree", "-r", "--name-only", branch]).replace('\n', " ")
}

#[test]
fn what_is_completed_lands_and_what_is_not_waits() {
    let team = team();
    let (first, _) = completed(&team, "a.txt", "x");
    let (second, _) = completed(&team, "b.txt", "x");
    let (open, tree) = held(&team, "open");
    commit(&tree, "c.txt", "x");
    let would = run(&team, &["land", "--dry-run"]).expect(0).data();
    assert_eq!(
        [&first, &second, &open].map(|task| outcome(&would, task)),
        ["would_land", "would_land", "not_finished"]
    );
    assert!(!team.repo().join(".orch/trees/landing").exists());
    let landed = run(&team, &["land", "--check", "test -e a.txt"]).expect(0).data();
    assert_eq!([&first, &second, &open].map(|task| outcome(&landed, task)), ["landed", "landed", "not_finished"]);
    assert_eq!((landed["onto"].as_str(), landed["checks"].as_u64()), (Some("orch/landing"), Some(1)));
    assert_eq!(landed["next"][0], "git merge --ff-only orch/landing");
    assert_eq!(
        (files_of(&team, "orch/landing").as_str(), files_of(&team, "main").as_str()),
        ("a.txt b.txt base.txt", "base.txt")
    );
    let again = run(&team, &["land"]).expect(5).data();
    assert_eq!(outcome(&again, &first), "already_there");
    assert_eq!(again["next"][0], "git merge --ff-only orch/landing", "nobody has taken it yet");
    completed(&team, "a.txt", "otherwise");
    let conflicts = run(&team, &["land"]).expect(4).data();
    assert_eq!(conflicts["next"][0], "git merge --ff-only orch/landing", "nor now");
    let refused = run(&team, &["land", &open]).expect(8).error();
    assert_eq!(refused["code"], "refused");
    assert!(refused["message"].as_str().unwrap().contains(&format!("{open} is claimed")), "{refused}");
}

#[test]
fn a_conflict_becomes_one_task_and_whoever_resolves_it_lands_both() {
    let team = team();
    let (task, _) = completed(&team, "base.txt", "theirs\n");
    commit(&team.repo(), "base.txt", "ours\n");
    let landed = run(&team, &["land"]).expect(4).data();
    let opened = &landed["branches"][0]["opened"];
    assert_eq!((landed["branches"][0]["outcome"].as_str(), opened["new"].as_bool()), (Some("conflict"), Some(true)));
    let mends = opened["task"].as_str().unwrap();
    let told = team.home.ok(&["get-task", mends])["task"].clone();
    assert_eq!((told["parent"].as_str(), told["context_files"][0].as_str()), (Some(task.as_str()), Some("base.txt")));
    let text = told["description"].as_str().unwrap();
    assert!(text.contains("\nours\n=======\ntheirs\n"), "both sides: {text}");
    // The target moved on, and the text with it: the same task all the same.
    commit(&team.repo(), "mine.txt", "x");
    let again = run(&team, &["land", &task]).expect(4).data();
    assert_eq!(
        (again["branches"][0]["opened"]["task"].as_str(), again["branches"][0]["opened"]["new"].as_bool()),
        (Some(mends), Some(false))
    );
    let shown = run(&team, &["land", &task, "--format", "table"]).expect(4).out;
    assert!(shown.contains(&format!("conflicts with `main` in base.txt; {mends} for it is pending")), "{shown}");
    // Somebody does it, as it is written there.
    let tree = Trees::of(&team.repo(), None).unwrap().ready(mends, "main").unwrap().path;
    let merge =
        Command::new("git").args(["merge", "--quiet", &format!("orch/{task}")]).current_dir(&tree).output().unwrap();
    assert!(!merge.status.success());
    write(&tree, "base.txt", "both\n");
    git(&tree, &["commit", "--quiet", "-a", "--no-edit"]);
    complete_from(&team, mends, &tree);
    let landed = run(&team, &["land"]).expect(0).data();
    assert_eq!([task.as_str(), mends].map(|task| outcome(&landed, task)), ["already_there", "landed"]);
    assert_eq!(git(&team.repo(), &["show", "orch/landing:base.txt"]), "both");
}

#[test]
fn whoever_fails_the_check_of_the_team_is_named_and_keeps_nobody_back() {
    let team = team();
    write(&team.repo(), "orch.toml", "[land]\ntarget = \"main\"\ncheck = \"! test -e bad.txt\"\n");
    let (bad, _) = completed(&team, "bad.txt", "x");
    let (good, _) = completed(&team, "good.txt", "x");
    git(&team.repo(), &["switch", "--quiet", "-c", "mine"]);
    let landed = run(&team, &["land"]).expect(1).data();
    assert_eq!([&bad, &good].map(|task| outcome(&landed, task)), ["check_failed", "landed"]);
    assert_eq!((landed["onto"].as_str(), files_of(&team, "main").as_str()), (Some("main"), "base.txt good.txt"));
    let mends = landed["branches"][0]["opened"]["task"].as_str().unwrap();
    let told = team.home.ok(&["get-task", mends])["task"].clone();
    assert_eq!(
        (told["parent"].as_str(), told["branch"].as_str()),
        (Some(bad.as_str()), Some(format!("orch/{bad}").as_str()))
    );
    assert!(told["description"].as_str().unwrap().contains("`! test -e bad.txt` ended with 1"));
    assert_eq!(run(&team, &["land"]).expect(1).data()["branches"][0]["opened"]["task"], mends);
}

#[test]
fn ctrl_c_ends_the_check_and_the_next_landing_goes_on() {
    let team = team();
    let (task, _) = completed(&team, "a.txt", "x");
    let pid = team.home.path("pid");
    let check = format!("echo $$ > {}; exec sleep 1000", pid.display());
    let mut landing =
        Running::start(typed(&team, &["land", "--check", &check]).stdin(Stdio::null()).stdout(Stdio::null()));
    let read = || fs::read_to_string(&pid).ok()?.strip_suffix('\n')?.parse().ok().and_then(Pid::from_raw);
    let running = eventually_within(PATIENCE, "the check runs", read);
    landing.signal(Signal::INT);
    assert_eq!(landing.ends_within(PATIENCE).expect("it ends").code(), None);
    eventually_within(PATIENCE, "the check has ended", || test_kill_process(running).is_err().then_some(()));
    let landed = run(&team, &["land", "--check", "true"]).expect(0).data();
    assert_eq!((outcome(&landed, &task), landed["took_back"].as_bool()), ("landed".to_owned(), Some(true)));
}

#[test]
fn clean_up_removes_what_holds_nothing_and_says_of_the_rest_why_it_stays() {
    let team = team();
    let (landed, landed_tree) = completed(&team, "a.txt", "x");
    run(&team, &["land"]).expect(0);
    let (dirty, dirty_tree) = completed(&team, "b.txt", "x");
    write(&dirty_tree, "draft", "x");
    let (open, open_tree) = held(&team, "open");
    let before = || [&landed_tree, &dirty_tree, &open_tree].map(|tree| tree.exists());
    let would = run(&team, &["cleanup", "--dry-run"]).expect(0).data();
    assert_eq!([&landed, &dirty, &open].map(|task| outcome(&would, task)), ["would_be_removed", "kept", "kept"]);
    assert_eq!(before(), [true; 3]);
    let done = run(&team, &["cleanup"]).expect(0).data();
    assert_eq!([&landed, &dirty, &open].map(|task| outcome(&done, task)), ["removed", "kept", "kept"]);
    assert_eq!(before(), [false, true, true]);
    assert!(done["bytes"].as_u64().unwrap() > 0);
    let shown = run(&team, &["cleanup", "--format", "table"]).expect(0).out;
    assert!(
        shown.contains(&format!("{dirty}: 1 file that git does not know: `draft`; 1 commit that is not merged")),
        "{shown}"
    );
    assert!(shown.contains(&format!("{open}: {open} is claimed")), "{shown}");
    let elsewhere = Trees::of(&team.repo(), None).unwrap().ready("somebody", "main").unwrap();
    let shown = run(&team, &["cleanup", "--format", "table"]).expect(0).out;
    assert!(shown.contains("no task and no worker of this team is called so") && elsewhere.path.exists(), "{shown}");
}

#[test]
fn clean_up_never_takes_what_a_live_worker_has() {
    let team = team();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    let run_dir = team.living().pop().unwrap();
    // Older runs of the same worker, all over, and one whose keeper lives.
    for number in 100..110 {
        let old = RunDir::of(&team.home.state_dir(), "executor-1", &number.to_string());
        old.make().unwrap();
        old.tell_end(&End::not_started(&Host::System, "old".to_owned())).unwrap();
    }
    let tree = team.repo().join(".orch/trees").join(&task);
    let done = run(&team, &["cleanup"]).expect(0).data();
    assert_eq!((outcome(&done, &task), outcome(&done, "executor-1")), ("kept".to_owned(), "removed".to_owned()));
    assert_eq!(done["things"][0]["why"][0], "executor-1 works in it");
    assert!(run_dir.dir().exists() && is_worktree(&tree));
    assert_eq!(team.runs().len(), 6, "the newest five, and the one that lives");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

fn is_worktree(path: &Path) -> bool {
    path.join(".git").is_file()
}
