//! What somebody tried who wanted `land` and `cleanup` to lose work, or to bring in what nobody allowed.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::write;
use crate::launch::tidy::complete_from;
use crate::launch::tidy::completed;
use crate::launch::tidy::held;
use crate::launch::tidy::outcome;
use crate::launch::tidy::run;
use crate::launch::tidy::team;
use crate::launch::tidy::typed;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use orch_mcp::repo::worktree::Trees;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What is said of a task's branch besides its outcome.
fn why(answer: &Value, task: &str) -> String {
    let all = answer["branches"].as_array().or(answer["things"].as_array()).unwrap();
    let is_it = |one: &&Value| one["branch"] == format!("orch/{task}") || one["name"] == task;
    all.iter().find(is_it).map(|one| one["why"].to_string()).unwrap_or_default()
}

fn is_there(team: &Team, branch: &str) -> bool {
    !git(&team.repo(), &["for-each-ref", &format!("refs/heads/{branch}")]).is_empty()
}

/// Completes a task that amy holds.
fn complete(team: &Team, task: &str) {
    team.home.ok(&["complete-task", task, "done", "-i", "amy"]);
}

#[test]
fn a_branch_that_brings_what_decides_about_the_team_is_held() {
    let team = team();
    let (store, tree) = held(&team, "the store");
    write(&tree, ".orch/orch.db", "not a store");
    write(&tree, "ok.txt", "x");
    git(&tree, &["add", "--force", "."]);
    git(&tree, &["commit", "--quiet", "-m", "both"]);
    complete(&team, &store);
    let (role, tree) = held(&team, "a role that is taken back");
    write(&tree, ".orch/roles/executor.md", "---\npermission_mode: bypassPermissions\n---\n");
    git(&tree, &["add", "--force", "."]);
    git(&tree, &["commit", "--quiet", "-m", "a role"]);
    git(&tree, &["rm", "--quiet", "-r", ".orch"]);
    git(&tree, &["commit", "--quiet", "-m", "none"]);
    commit(&tree, "fine.txt", "x");
    complete(&team, &role);
    let (settings, _) = completed(&team, "sub/.Claude/settings.json", "{}");
    let (good, _) = completed(&team, "good.txt", "x");
    let landed = run(&team, &["land"]).expect(8).data();
    assert_eq!(
        [&store, &role, &settings, &good].map(|task| outcome(&landed, task)),
        ["protected", "protected", "protected", "landed"]
    );
    assert!(why(&landed, &store).contains("`.orch/orch.db`") && !why(&landed, &store).contains("ok.txt"));
    assert!(why(&landed, &settings).contains("`sub/.Claude/settings.json`"), "{landed}");
    assert_eq!(git(&team.repo(), &["ls-tree", "-r", "--name-only", "orch/landing"]), "base.txt\ngood.txt");
    assert!(landed["branches"][0]["opened"].is_null());
    // By the word of a person one that only changes settings lands, and never one that touches the state directory.
    let allowed = run(&team, &["land", &store, &role, &settings, "--allow-protected"]).expect(8).data();
    assert_eq!([&store, &role, &settings].map(|task| outcome(&allowed, task)), ["protected", "protected", "landed"]);
    run(&team, &["land", "--allow-protected"]).expect(2);
}

#[test]
fn a_target_of_ours_makes_no_branch_look_merged() {
    let team = team();
    let (task, tree) = completed(&team, "a.txt", "x");
    let branch = format!("orch/{task}");
    let refused = run(&team, &["cleanup", "--onto", &branch]).expect(2).error();
    assert!(refused["message"].as_str().unwrap().contains("is a branch of ours"), "{refused}");
    write(&team.repo(), "orch.toml", &format!("[land]\ntarget = \"{branch}\"\n"));
    run(&team, &["cleanup"]).expect(2);
    write(&team.repo(), "orch.toml", "");
    // The same branch by another name.
    git(&team.repo(), &["symbolic-ref", "refs/heads/other", &format!("refs/heads/{branch}")]);
    let kept = run(&team, &["cleanup", "--onto", "other"]).expect(0).data();
    assert_eq!(outcome(&kept, &task), "kept");
    git(&team.repo(), &["worktree", "remove", tree.to_str().unwrap()]);
    let kept = run(&team, &["cleanup", "--onto", "other"]).expect(0).data();
    assert_eq!(kept["things"][0]["outcome"], "kept", "{kept}");
    assert!(is_there(&team, &branch));
}

#[test]
fn a_branch_that_is_another_name_for_one_of_the_user_is_left_alone() {
    let team = team();
    git(&team.repo(), &["switch", "--quiet", "-c", "mine"]);
    git(&team.repo(), &["branch", "precious"]);
    git(&team.repo(), &["symbolic-ref", "refs/heads/orch/gone", "refs/heads/precious"]);
    let (task, tree) = completed(&team, "a.txt", "x");
    git(&tree, &["reset", "--quiet", "--hard", "main"]);
    git(&tree, &["symbolic-ref", &format!("refs/heads/orch/{task}"), "refs/heads/main"]);
    let kept = run(&team, &["cleanup", "--onto", "main"]).expect(0).data();
    assert!(is_there(&team, "main") && is_there(&team, "precious"), "{kept}");
    assert_eq!(outcome(&kept, &task), "kept");
    assert!(kept.to_string().contains("1 other name of a branch: `precious`"), "{kept}");
    assert!(why(&kept, &task).contains("1 other name of a branch: `main`"), "{kept}");
}

#[test]
fn a_target_that_is_another_name_for_what_is_checked_out_does_not_move() {
    let team = team();
    git(&team.repo(), &["branch", "--move", "main", "trunk"]);
    git(&team.repo(), &["symbolic-ref", "refs/heads/main", "refs/heads/trunk"]);
    let (task, _) = completed(&team, "a.txt", "x");
    let before = git(&team.repo(), &["rev-parse", "trunk"]);
    let landed = run(&team, &["land", "--onto", "main"]).expect(0).data();
    assert_eq!((outcome(&landed, &task).as_str(), landed["onto"].as_str()), ("landed", Some("orch/landing")));
    assert_eq!(git(&team.repo(), &["rev-parse", "trunk"]), before);
    assert_eq!(git(&team.repo(), &["status", "--porcelain"]), "");
    // Where nobody has it, it moves, and stays another name.
    git(&team.repo(), &["switch", "--quiet", "-c", "mine"]);
    let (task, _) = completed(&team, "b.txt", "x");
    let landed = run(&team, &["land", &task, "--onto", "main"]).expect(0).data();
    assert_eq!((outcome(&landed, &task).as_str(), landed["onto"].as_str()), ("landed", Some("main")));
    assert_eq!(git(&team.repo(), &["symbolic-ref", "refs/heads/main"]), "refs/heads/trunk");
    assert_eq!(git(&team.repo(), &["show", "trunk:b.txt"]), "x");
}

#[test]
fn the_branch_of_the_landing_moves_no_branch_of_the_user() {
    let team = team();
    completed(&team, "a.txt", "x");
    git(&team.repo(), &["symbolic-ref", "refs/heads/orch/landing", "refs/heads/main"]);
    let before = git(&team.repo(), &["rev-parse", "main"]);
    run(&team, &["land"]).expect(8);
    assert_eq!(git(&team.repo(), &["rev-parse", "main"]), before);
}

#[test]
fn what_differs_only_in_blanks_is_work_of_its_own() {
    let team = team();
    let (task, tree) = held(&team, "blanks");
    commit(&tree, "Makefile", "all:\n\techo a b\n");
    complete(&team, &task);
    commit(&team.repo(), "Makefile", "all:\n        echo a  b\n");
    let (squashed, tree) = held(&team, "squashed");
    commit(&tree, "one.py", "if x:\n    y()\n");
    commit(&tree, "two.py", "z\n");
    complete(&team, &squashed);
    write(&team.repo(), "one.py", "if x:\ny()\n");
    commit(&team.repo(), "two.py", "z\n");
    git(&team.repo(), &["add", "one.py"]);
    git(&team.repo(), &["commit", "--quiet", "--amend", "-m", "squashed"]);
    let kept = run(&team, &["cleanup"]).expect(0).data();
    assert_eq!([&task, &squashed].map(|task| outcome(&kept, task)), ["kept", "kept"]);
    assert!(why(&kept, &task).contains("1 commit that is not merged"), "{kept}");
    let landed = run(&team, &["land"]).expect(4).data();
    assert_eq!([&task, &squashed].map(|task| outcome(&landed, task)), ["conflict", "conflict"]);
}

/// A client that is the stand-in, with something before and after it.
fn with_client(team: &mut Team, before: &str, after: &str) {
    let script = team.home.path("client");
    let text = format!("#!/bin/sh\n{before}\n{} \"$@\"\nended=$?\n{after}\nexit $ended\n", team.client);
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    team.client = script.to_str().unwrap().to_owned();
}

#[test]
fn a_result_that_is_too_long_for_its_task_is_kept_whole_where_the_task_says() {
    let mut team = team();
    let task = team.task("t", "sim: say it is all in the file");
    let lengthen =
        format!("{{ echo begun; yes 'much to say' | head -c 200000; echo THE END; }} > outputs/{task}_result.md");
    with_client(&mut team, "", &lengthen);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    let told = team.home.ok(&["get-task", &task])["task"].clone();
    let whole = team.home.state_dir().join("results").join(format!("{task}.md"));
    let result = team.home.ok(&["get-task", &task, "--part", "result"])["text"].as_str().unwrap().to_owned();
    let bytes = fs::metadata(&whole).unwrap().len();
    assert!(result.starts_with(&format!("All of it ({bytes} bytes): {}\n\nbegun\n", whole.display())), "{told}");
    assert!(fs::read_to_string(&whole).unwrap().ends_with("THE END\n"));
}

#[test]
fn a_repository_deep_in_what_git_ignores_keeps_its_worktree() {
    let team = team();
    commit(&team.repo(), ".gitignore", "/build/\n");
    let (task, tree) = completed(&team, "a.txt", "x");
    git(&team.repo(), &["merge", "--quiet", &format!("orch/{task}")]);
    fs::create_dir_all(tree.join("build/deep/er")).unwrap();
    write(&tree, "build/output", "x");
    git(&tree.join("build/deep"), &["init", "--quiet", "er"]);
    commit(&tree.join("build/deep/er"), "work.txt", "x");
    let kept = run(&team, &["cleanup"]).expect(0).data();
    assert_eq!(outcome(&kept, &task), "kept", "{kept}");
    assert!(why(&kept, &task).contains("`build/deep/er/`"), "{kept}");
    assert!(tree.join("build/deep/er/work.txt").exists());
    fs::remove_dir_all(tree.join("build/deep/er")).unwrap();
    git(&tree.join("build"), &["init", "--quiet", "--bare", "deep/bare.git"]);
    let kept = run(&team, &["cleanup"]).expect(0).data();
    assert!(why(&kept, &task).contains("`build/deep/bare.git/`"), "{kept}");
}

#[test]
fn evidence_that_names_the_branch_of_another_task_does_not_land_it() {
    let team = team();
    let (open, tree) = held(&team, "open");
    commit(&tree, "half.txt", "x");
    let (task, _) = held(&team, "done");
    let words = ["complete-task", &task, "done", "-i", "amy", "--evidence", &format!("{{\"branch\":\"orch/{open}\"}}")];
    team.home.ok(&words);
    let refused = run(&team, &["land", &task]).expect(8).error();
    assert!(refused["message"].as_str().unwrap().contains(&format!("{open} is claimed")), "{refused}");
    assert!(!is_there(&team, "orch/landing"));
}

/// A git for the program that does something else in the end.
fn with_git(team: &Team, words: &[&str], script: &str) -> std::process::Command {
    let bin = team.home.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let git =
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|dir| dir.join("git")).find(|git| git.exists());
    let real = git.unwrap();
    fs::write(bin.join("git"), format!("#!/bin/sh\nreal={}\n{script}\nexec $real \"$@\"\n", real.display())).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut program = typed(team, words);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    program.env("PATH", path);
    program
}

#[test]
fn what_landed_is_told_though_the_landing_could_not_be_cleared_away() {
    let team = team();
    let (task, _) = completed(&team, "a.txt", "x");
    git(&team.repo(), &["switch", "--quiet", "-c", "mine"]);
    let moved = team.home.path("moved");
    let script = format!(
        "case \"$*\" in *update-ref*) touch {0};; *reset*) if test -e {0}; then echo no room >&2; exit 1; fi;; esac",
        moved.display()
    );
    let ended = finish_within(PATIENCE, &mut with_git(&team, &["land"], &script), "");
    let landed = ended.expect(0).data();
    assert_eq!(outcome(&landed, &task), "landed");
    assert!(landed["left"].as_str().unwrap().contains("no room"), "{landed}");
    let again = completed(&team, "b.txt", "x").0;
    let landed = run(&team, &["land"]).expect(0).data();
    assert_eq!((outcome(&landed, &again).as_str(), landed["took_back"].as_bool()), ("landed", Some(true)));
}

#[test]
fn what_landed_is_told_though_no_task_could_be_opened_for_the_rest() {
    let team = team();
    let target = "t".repeat(200);
    git(&team.repo(), &["branch", &target]);
    let (bad, _) = completed(&team, "base.txt", "theirs\n");
    let (good, _) = completed(&team, "a.txt", "x");
    git(&team.repo(), &["switch", "--quiet", &target]);
    commit(&team.repo(), "base.txt", "ours\n");
    git(&team.repo(), &["switch", "--quiet", "main"]);
    // The store is gone by the time that a task is to be opened.
    let store = team.home.state_dir().join("orch.db");
    let script =
        format!("case \"$*\" in *update-ref*) echo nonsense > {0}; rm -f {0}-wal {0}-shm;; esac", store.display());
    let ended = finish_within(PATIENCE, &mut with_git(&team, &["land", "--onto", &target], &script), "");
    let landed = ended.expect(4).data();
    assert_eq!([&bad, &good].map(|task| outcome(&landed, task)), ["conflict", "landed"]);
    assert!(why(&landed, &bad).contains("no task could be opened"), "{landed}");
}

#[test]
fn a_task_that_is_completed_without_a_commit_is_told_apart() {
    let team = team();
    let (dirty, tree) = held(&team, "dirty");
    write(&tree, "new.txt", "x");
    write(&tree, "base.txt", "y");
    complete(&team, &dirty);
    let (nothing, _) = held(&team, "nothing");
    complete(&team, &nothing);
    let told = run(&team, &["land"]).expect(3).data();
    assert_eq!([&dirty, &nothing].map(|task| outcome(&told, task)), ["nothing_committed", "no_commits"]);
    assert!(why(&told, &dirty).contains("`new.txt`") && why(&told, &dirty).contains("`base.txt`"), "{told}");
    assert_eq!(run(&team, &["land", &nothing]).expect(0).data()["branches"][0]["outcome"], "no_commits");
    commit(&tree, "new.txt", "x");
    let landed = run(&team, &["land"]).expect(0).data();
    assert_eq!(outcome(&landed, &dirty), "landed");
}

#[test]
fn what_would_conflict_is_not_promised_to_land() {
    let team = team();
    let (bad, _) = completed(&team, "base.txt", "theirs\n");
    let (good, _) = completed(&team, "a.txt", "x");
    commit(&team.repo(), "base.txt", "ours\n");
    let would = run(&team, &["land", "--dry-run"]).expect(0).data();
    assert_eq!([&bad, &good].map(|task| outcome(&would, task)), ["would_conflict", "would_land"]);
    assert!(why(&would, &bad).contains("`base.txt`"), "{would}");
}

#[test]
fn a_conflict_that_was_not_resolved_is_opened_again() {
    let team = team();
    let (task, _) = completed(&team, "base.txt", "theirs\n");
    commit(&team.repo(), "base.txt", "ours\n");
    let opened = |landed: &Value| landed["branches"][0]["opened"].clone();
    let first = opened(&run(&team, &["land", &task]).expect(4).data());
    let mends = first["task"].as_str().unwrap();
    let told = team.home.ok(&["get-task", mends])["task"].clone();
    assert!(told["wanted_evidence"].to_string().contains("commit"), "{told}");
    // Whoever takes it does something else.
    let tree = Trees::of(&team.repo(), None).unwrap().ready(mends, "main").unwrap().path;
    commit(&tree, "else.txt", "x");
    complete_from(&team, mends, &tree);
    let second = opened(&run(&team, &["land", &task]).expect(4).data());
    assert_eq!(second["new"], true, "{second}");
    let again = second["task"].as_str().unwrap();
    assert_ne!(again, mends);
    let told = team.home.ok(&["get-task", again])["task"].clone();
    assert!(told["title"].as_str().unwrap().ends_with("(2)"), "{told}");
    assert_eq!(opened(&run(&team, &["land", &task]).expect(4).data())["new"], false);
}

#[test]
fn who_cleans_up_from_within_a_worktree_keeps_it() {
    let team = team();
    let (task, tree) = completed(&team, "a.txt", "x");
    git(&team.repo(), &["merge", "--quiet", &format!("orch/{task}")]);
    fs::create_dir(tree.join("sub")).unwrap();
    let mut within = typed(&team, &["cleanup"]);
    let kept = finish_within(PATIENCE, within.current_dir(tree.join("sub")), "").expect(0).data();
    assert_eq!(outcome(&kept, &task), "kept", "{kept}");
    assert!(why(&kept, &task).contains("you are in it") && tree.join("sub").exists());
    assert_eq!(outcome(&run(&team, &["cleanup"]).expect(0).data(), &task), "removed");
}

#[test]
fn a_checkout_whose_repository_lies_elsewhere_has_worktrees_too() {
    let team = Team::new();
    let store = team.home.path("store.git");
    let words = ["init", "--quiet", "--initial-branch=main", "--separate-git-dir", store.to_str().unwrap()];
    git(&team.repo(), &words);
    commit(&team.repo(), "base.txt", "x");
    let tree = Trees::of(&team.repo(), None).unwrap().ready("t", "main").unwrap();
    assert_eq!(tree.path, team.repo().join(".orch/trees/t"));
    let again = Trees::of(&tree.path, None).unwrap().ready("t", "main").unwrap();
    assert_eq!(again.path, tree.path);
}

#[test]
fn a_submodule_has_a_checkout_too() {
    let team = team();
    let library = team.home.path("library");
    git(&team.repo(), &["clone", "--quiet", ".", library.to_str().unwrap()]);
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.to_str().unwrap(), "lib"];
    git(&team.repo(), &add);
    let lib = team.repo().join("lib");
    let tree = Trees::of(&lib, None).unwrap().ready("t", "main").unwrap();
    assert_eq!(tree.path, lib.join(".orch/trees/t"));
    assert_eq!(Trees::of(&tree.path, None).unwrap().root(), lib.join(".orch/trees"));
}

#[test]
fn a_branch_that_is_called_as_all_of_ours_begin_is_named() {
    let team = team();
    git(&team.repo(), &["branch", "orch"]);
    let error = Trees::of(&team.repo(), None).unwrap().ready("t", "main").unwrap_err();
    assert!(
        error.message.contains("branch `orch`") && error.hint.unwrap().contains("git branch -m orch "),
        "{}",
        error.message
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_check_sent_away_ends_with_the_landing() {
    let team = team();
    let (task, _) = completed(&team, "a.txt", "x");
    let pid = team.home.path("pid");
    let check =
        format!("setsid sh -c 'echo $$ > {0}; exec sleep 306' & while ! test -s {0}; do :; done", pid.display());
    let landed = run(&team, &["land", "--check", &check]).expect(0).data();
    assert_eq!(outcome(&landed, &task), "landed");
    let pid = fs::read_to_string(&pid).unwrap();
    let lives = || Path::new(&format!("/proc/{}/stat", pid.trim())).exists();
    eventually_within(PATIENCE, "it has ended", || (!lives()).then_some(()));
}

#[test]
fn a_result_is_read_though_its_worker_swept_its_worktree() {
    let mut team = team();
    let task = team.task("t", "sim: write outputs/{task}_result.md made it");
    with_client(&mut team, "git clean -fdxq; mkdir -p outputs", "");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    let told = team.home.ok(&["get-task", &task])["task"].clone();
    assert_eq!((told["result"].as_str(), told["status"].as_str()), (Some("made it"), Some("completed")));
}

#[test]
fn whoever_builds_upon_the_work_of_another_task_has_it_though_it_has_not_landed() {
    let mut team = team();
    write(&team.repo(), "mine.txt", "x");
    let landed = completed(&team, "landed.txt", "x").0;
    run(&team, &["land"]).expect(0);
    let one = completed(&team, "one.txt", "x").0;
    let two = completed(&team, "two.txt", "x").0;
    let odd = completed(&team, "one.txt", "odd").0;
    let task = team.task_after("t", "sim: complete done", &[landed, one, two, odd.clone()]);
    with_client(&mut team, "ls > outputs/seen", "");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    let tree = team.repo().join(".orch/trees").join(&task);
    let seen: Vec<&str> = vec!["base.txt", "landed.txt", "one.txt", "two.txt"];
    assert!(seen.iter().all(|file| tree.join(file).exists()), "{:?}", fs::read_to_string(tree.join("outputs/seen")));
    let prompt = fs::read_to_string(team.runs()[0].prompt()).unwrap();
    assert!(prompt.contains("lands on `main`"), "{prompt}");
    assert!(prompt.contains(&format!("The work of {odd}, on which this depends, is on `orch/{odd}`")), "{prompt}");
    assert!(prompt.contains("it conflicts in `one.txt`") && prompt.contains("change two.txt"), "{prompt}");
}

#[test]
fn a_branch_that_goes_on_from_task_to_task_is_told_what_it_lacks_of_what_the_next_one_depends_on() {
    let team = team();
    fs::create_dir_all(team.home.state_dir().join("roles")).unwrap();
    let role = "---\ndescription: Stays\nisolation: worktree-per-worker\n---\nDo {{task_id}}. {{notes}}\n";
    fs::write(team.home.state_dir().join("roles/stays.md"), role).unwrap();
    let before = team.task("before", "sim: complete done");
    assert_eq!(code(&mut team.start(&["--role", "stays=1", "--until-done"])), Some(0));
    assert_eq!(team.status(&before), "completed");
    let one = completed(&team, "one.txt", "x").0;
    let after = team.task_after("after", "sim: complete done", std::slice::from_ref(&one));
    assert_eq!(code(&mut team.start(&["--role", "stays=1", "--until-done"])), Some(0));
    let mut prompts = team.runs().into_iter().map(|run| fs::read_to_string(run.prompt()).unwrap());
    let prompt = prompts.find(|prompt| prompt.contains(&after)).unwrap();
    let words = format!("The work of {one}, on which this depends, is on `orch/{one}` and not on your branch. Merge");
    assert!(prompt.contains(&words), "{prompt}");
}

#[test]
fn a_rule_for_files_holds_for_where_a_link_leads() {
    let team = team();
    write(&team.repo(), "other/x.txt", "x");
    fs::create_dir(team.repo().join("src")).unwrap();
    std::os::unix::fs::symlink("../other", team.repo().join("src/link")).unwrap();
    std::os::unix::fs::symlink("../nowhere", team.repo().join("src/gone")).unwrap();
    git(&team.repo(), &["add", "."]);
    git(&team.repo(), &["commit", "--quiet", "-m", "a link"]);
    let file = team.home.state_dir().join("orch.toml");
    let rules = "[[policy.rules]]\ndeny = \"Write\"\npath = \"other/**\"\nsay = \"Not there.\"\n\
                 [[policy.rules]]\nallow = \"Write\"\npath = \"src/**\"\n";
    fs::write(&file, format!("{}\n{rules}", fs::read_to_string(&file).unwrap())).unwrap();
    let wants = |path: &str| format!("sim: permit Write {{\"file_path\": \"{path}\", \"content\": \"\"}}\n");
    let script = ["src/new/a.txt", "src/link/x.txt", "src/link/new.txt", "src/gone/x.txt"].map(wants).concat();
    let task = team.task("t", &format!("{script}sim: complete done"));
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until_state("executor-1", "needs_input");
    team.home.ok(&["deny", "executor-1", "who knows"]);
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
    let printed = fs::read_to_string(&team.runs()[0].stream()[0]).unwrap();
    assert_eq!(printed.matches("Write is allowed").count(), 1, "{printed}");
    assert_eq!(printed.matches("Write is denied: Not there.").count(), 2, "{printed}");
    assert!(printed.contains("who knows"), "{printed}");
}

#[test]
fn a_target_that_never_stands_still_is_no_other_landing() {
    let team = team();
    completed(&team, "a.txt", "x");
    git(&team.repo(), &["switch", "--quiet", "-c", "mine"]);
    let script = "case \"$*\" in *'update-ref --no-deref -m'*) \
                  $real update-ref refs/heads/main $($real commit-tree main^{tree} -p main -m x);; esac";
    let ended = finish_within(PATIENCE, &mut with_git(&team, &["land", "--onto", "main"], script), "").expect(6);
    assert!(!ended.err.contains("this one begins"), "{}", ended.err);
    let error = ended.error();
    assert_eq!(error["message"], "`main` was moved by others 3 times meanwhile", "{error}");
}
