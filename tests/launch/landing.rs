//! Landing: one after the other, checked, and never at the cost of what the user has.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::try_git;
use crate::launch::ground::write;
use crate::support::again;
use crate::support::again::Again;
use crate::support::program::eventually;
use orch_mcp::error::Kind;
use orch_mcp::error::Result;
use orch_mcp::host::Host;
use orch_mcp::repo::cleanup;
use orch_mcp::repo::guarded::Guard;
use orch_mcp::repo::land;
use orch_mcp::repo::land::Landed;
use orch_mcp::repo::land::Landing;
use orch_mcp::repo::land::Outcome;
use orch_mcp::repo::shell::Errand;
use orch_mcp::repo::stack::How;
use orch_mcp::repo::worktree::Trees;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// For another landing, or a check.
const PATIENCE: Duration = Duration::from_secs(60);

fn wanted(branches: &[&str], check: Option<Errand>) -> Landing {
    Landing {
        target: "main".to_owned(),
        branches: branches.iter().map(|name| (*name).to_owned()).collect(),
        how: How::Rebase,
        check,
        guard: Guard::default(),
        under_way: Arc::default(),
    }
}

fn try_to_land(ground: &Ground, branches: &[&str], check: Option<Errand>) -> Result<Landed> {
    land_within(&ground.trees(), &wanted(branches, check), PATIENCE)
}

fn land_within(trees: &Trees, landing: &Landing, patience: Duration) -> Result<Landed> {
    land::land(trees, landing, land::turn(trees, patience)?)
}

/// Lands, and the user's checkout is as it was.
#[track_caller]
fn land(ground: &Ground, branches: &[&str], check: Option<&str>) -> Landed {
    let before = ground.checkout();
    let landed = try_to_land(ground, branches, check.map(|check| ground.errand(check))).unwrap();
    assert!(before == ground.checkout());
    assert_eq!(git(&ground.repo.join(".orch/trees/landing"), &["status", "--porcelain"]), "");
    landed
}

/// One word for each.
fn words(landed: &Landed) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Landed { .. } => "landed".to_owned(),
        Outcome::AlreadyThere => "there".to_owned(),
        Outcome::NoBranch => "no branch".to_owned(),
        Outcome::Conflict(_) => "conflict".to_owned(),
        Outcome::Failed(failure) if failure.only_with.is_empty() => "failed".to_owned(),
        Outcome::Failed(failure) => format!("failed with {}", failure.only_with.join(" ")),
        Outcome::TargetFails(_) => "target fails".to_owned(),
        Outcome::Protected(paths) => format!("protected {}", paths.join(" ")),
        Outcome::Stuck(why) => format!("stuck: {why}"),
    };
    landed.each.iter().map(|(name, outcome)| format!("{name}: {}", word(outcome))).collect()
}

fn files_of(ground: &Ground, branch: &str) -> String {
    git(&ground.repo, &["ls-tree", "-r", "--name-only", branch]).replace('\n', " ")
}

#[test]
fn branches_land_one_upon_the_other() {
    let ground = Ground::new();
    let tree = ground.work("a", "a.txt", "x");
    ground.work("b", "b.txt", "x");
    ground.leave_main();
    let tips = [ground.tip("orch/a"), ground.tip("orch/b")];
    write(&tree.path, "draft", "going on");
    let landed = land(&ground, &["orch/a", "orch/b", "orch/a"], Some("test -e a.txt"));
    assert_eq!(words(&landed), ["orch/a: landed", "orch/b: landed"]);
    assert_eq!((landed.onto.as_str(), landed.checks), ("main", 1));
    assert_eq!(land::to_take_it(&ground.trees(), "main").unwrap(), None);
    assert_eq!(landed.to, Some(ground.tip("main")));
    assert_eq!(files_of(&ground, "main"), ".gitignore a.txt b.txt base.txt");
    assert_eq!(git(&ground.repo, &["rev-list", "--count", "--merges", "main"]), "0");
    assert_eq!([ground.tip("orch/a"), ground.tip("orch/b")], tips, "the branches stay where they were");
    assert_eq!(fs::read_to_string(tree.path.join("draft")).unwrap(), "going on");
    let again = land(&ground, &["orch/b", "orch/a"], None);
    assert_eq!(words(&again), ["orch/b: there", "orch/a: there"]);
    assert_eq!(again.from, again.to);
    let gone = cleanup::plan(&ground.trees(), "main", &|_| None).unwrap();
    assert_eq!(gone.iter().map(|verdict| verdict.goes()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_target_that_is_checked_out_is_left_alone_and_the_work_waits_beside_it() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.work("b", "b.txt", "x");
    ground.write("base.txt", "the user is at work");
    let main = ground.tip("main");
    let landed = land(&ground, &["orch/a"], None);
    assert_eq!((landed.onto.as_str(), landed.from, ground.tip("main")), ("orch/landing", None, main));
    let take = land::to_take_it(&ground.trees(), "main").unwrap();
    assert_eq!(take.as_deref(), Some("git merge --ff-only orch/landing"));
    // What waits is what the next one is put on.
    land(&ground, &["orch/b"], None);
    assert_eq!(files_of(&ground, "orch/landing"), ".gitignore a.txt b.txt base.txt");
    assert_eq!(git(&ground.repo, &["status", "--porcelain"]), " M base.txt");
    git(&ground.repo, &["merge", "--quiet", "--ff-only", "orch/landing"]);
    assert_eq!(files_of(&ground, "main"), ".gitignore a.txt b.txt base.txt");
    assert_eq!(fs::read_to_string(ground.repo.join("base.txt")).unwrap(), "the user is at work");
}

#[test]
fn what_waits_beside_the_target_is_joined_with_what_the_user_did_since() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.work("b", "b.txt", "x");
    land(&ground, &["orch/a"], None);
    commit(&ground.repo, "mine.txt", "x");
    let landed = land(&ground, &["orch/b"], None);
    assert_eq!(words(&landed), ["orch/b: landed"]);
    git(&ground.repo, &["merge", "--quiet", "--ff-only", "orch/landing"]);
    assert_eq!(files_of(&ground, "main"), ".gitignore a.txt b.txt base.txt mine.txt");
    // Taken, and the user went on: the next one begins there.
    commit(&ground.repo, "mine.txt", "y");
    ground.work("c", "c.txt", "x");
    assert_eq!(
        land(&ground, &["orch/c"], None).to.map(|to| git(&ground.repo, &["rev-parse", &format!("{to}~1")])),
        Some(ground.tip("main"))
    );
}

#[test]
fn what_waits_and_conflicts_with_what_the_user_did_is_said() {
    let ground = Ground::new();
    ground.work("a", "base.txt", "theirs\n");
    ground.work("b", "b.txt", "x");
    land(&ground, &["orch/a"], None);
    commit(&ground.repo, "base.txt", "mine\n");
    let before = (ground.checkout(), ground.tip("orch/landing"));
    let error = try_to_land(&ground, &["orch/b"], None).unwrap_err();
    assert_eq!(error.message, "`orch/landing` and `main` conflict in `base.txt`");
    assert!(before == (ground.checkout(), ground.tip("orch/landing")));
    git(&ground.repo, &["switch", "--quiet", "orch/landing"]);
    git(&ground.repo, &["worktree", "add", "--quiet", ground.path("another").to_str().unwrap(), "main"]);
    let error = try_to_land(&ground, &["orch/b"], None).unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    assert!(error.message.starts_with("`main` is checked out, and so is `orch/landing`, in `"), "{error}");
}

#[test]
fn the_culprit_of_a_batch_is_found_and_the_rest_land() {
    let ground = Ground::new();
    let names: Vec<String> = (0..8).map(|n| format!("w{n}")).collect();
    names.iter().for_each(|name| drop(ground.work(name, &format!("{name}.txt"), "x")));
    ground.leave_main();
    let branches: Vec<String> = names.iter().map(|name| format!("orch/{name}")).collect();
    let branches: Vec<&str> = branches.iter().map(String::as_str).collect();
    let landed = land(&ground, &branches, Some("echo looking; test ! -e w5.txt"));
    let wanted: Vec<String> = branches
        .iter()
        .map(|name| format!("{name}: {}", if *name == "orch/w5" { "failed" } else { "landed" }))
        .collect();
    assert_eq!(words(&landed), wanted);
    assert_eq!(files_of(&ground, "main"), ".gitignore base.txt w0.txt w1.txt w2.txt w3.txt w4.txt w6.txt w7.txt");
    assert!(landed.checks <= 8, "{} checks", landed.checks);
    let Some((_, Outcome::Failed(failure))) = landed.each.iter().find(|(name, _)| name == "orch/w5") else { panic!() };
    assert_eq!(failure.check.tail, "looking");
    assert!(ground.log().contains("\n(ended with 1 after "));
}

#[test]
fn two_that_fail_only_together_are_told_apart_from_one_that_fails_alone() {
    let ground = Ground::new();
    ["a", "b", "c", "d"].iter().for_each(|name| drop(ground.work(name, &format!("{name}.txt"), "x")));
    ground.leave_main();
    let branches = ["orch/a", "orch/b", "orch/c", "orch/d"];
    let landed = land(&ground, &branches, Some("test ! -e a.txt || test ! -e c.txt"));
    let wanted = ["orch/a: landed", "orch/b: landed", "orch/c: failed with orch/a orch/b", "orch/d: landed"];
    assert_eq!(words(&landed), wanted);
    assert_eq!(files_of(&ground, "main"), ".gitignore a.txt b.txt base.txt d.txt");
}

#[test]
fn what_met_only_the_culprit_lands() {
    let ground = Ground::new();
    ground.work("bad", "base.txt", "bad\n");
    ground.work("good", "base.txt", "good\n");
    ground.leave_main();
    let landed = land(&ground, &["orch/bad", "orch/good"], Some("! grep bad base.txt"));
    assert_eq!(words(&landed), ["orch/bad: failed", "orch/good: landed"]);
}

#[test]
fn a_check_that_fails_on_the_target_blames_nobody() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.leave_main();
    let main = ground.tip("main");
    let landed = land(&ground, &["orch/a"], Some("exit 7"));
    assert_eq!((words(&landed), ground.tip("main")), (vec!["orch/a: target fails".to_owned()], main));
}

#[test]
fn a_check_that_never_ends_is_ended_and_lands_nothing() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.leave_main();
    let main = ground.tip("main");
    let errand = Errand { patience: Duration::from_millis(100), ..ground.errand("test ! -e a.txt || sleep 60") };
    let landed = try_to_land(&ground, &["orch/a"], Some(errand)).unwrap();
    assert_eq!((words(&landed), ground.tip("main")), (vec!["orch/a: failed".to_owned()], main));
}

#[test]
fn a_conflict_is_told_with_both_sides() {
    let ground = Ground::new();
    let tree = ground.work("a", "base.txt", "one\ntheirs\nthree\n");
    commit(&tree.path, "gone.txt", "x");
    commit(&ground.repo, "base.txt", "one\nours\nthree\n");
    ground.leave_main();
    ground.work("b", "b.txt", "x");
    let landed = land(&ground, &["orch/a", "orch/b"], None);
    assert_eq!(words(&landed), ["orch/a: conflict", "orch/b: landed"]);
    let Outcome::Conflict(conflict) = &landed.each[0].1 else { panic!() };
    let text = conflict.to_string();
    assert!(text.starts_with("`orch/a` cannot be put on `main`: its commit `"), "{text}");
    assert!(text.contains(" change base.txt` conflicts\n\n`base.txt`: both changed it\n"), "{text}");
    assert!(text.ends_with("<<<<<<< target\nours\n=======\ntheirs\n>>>>>>> orch/a"), "{text}");
}

#[test]
fn a_file_that_one_deleted_and_the_other_changed_is_told_as_such() {
    let ground = Ground::new();
    let tree = ground.trees().ready("a", "main").unwrap();
    git(&tree.path, &["rm", "--quiet", "base.txt"]);
    git(&tree.path, &["commit", "--quiet", "-m", "away with it"]);
    commit(&ground.repo, "base.txt", "ours\n");
    ground.leave_main();
    let landed = land(&ground, &["orch/a"], None);
    let Outcome::Conflict(conflict) = &landed.each[0].1 else { panic!() };
    assert_eq!(conflict.files[0].how, "the target changed it, the branch deleted it");
}

#[test]
fn a_branch_with_merges_of_its_own_is_merged() {
    let ground = Ground::new();
    let tree = ground.work("a", "base.txt", "theirs\n");
    commit(&ground.repo, "base.txt", "ours\n");
    assert!(!try_git(&tree.path, &["merge", "main"]).0);
    commit(&tree.path, "base.txt", "both\n");
    ground.leave_main();
    git(&ground.repo, &["branch", "--quiet", "--force", "main", "mine"]);
    let landed = land(&ground, &["orch/a"], None);
    assert_eq!(words(&landed), ["orch/a: landed"]);
    assert_eq!(git(&ground.repo, &["show", "main:base.txt"]), "both");
    git(&ground.repo, &["merge-base", "--is-ancestor", "orch/a", "main"]);
}

#[test]
fn merging_is_for_whoever_wants_it() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.leave_main();
    let landing = Landing { how: How::Merge, ..wanted(&["orch/a"], None) };
    let landed = land_within(&ground.trees(), &landing, PATIENCE).unwrap();
    assert_eq!(words(&landed), ["orch/a: landed"]);
    assert_eq!(git(&ground.repo, &["show", "--no-patch", "--format=%s", "main"]), "Merge branch 'orch/a'");
}

#[test]
fn hostile_names_are_branches_that_are_not_there() {
    let ground = Ground::new();
    ground.leave_main();
    let names =
        ["--upload-pack=touch pwned", "orch/a b", "main~1", "$(touch pwned)", "../../x", "", "-", "a\nb", "nobody"];
    let landed = land(&ground, &names, Some("true"));
    assert_eq!(words(&landed), names.map(|name| format!("{name}: no branch")));
    for (branches, target) in
        [(&["main"][..], "main"), (&["orch/landing"], "main"), (&["a"], "--all"), (&["a"], "main~0")]
    {
        let mut wanted = wanted(branches, None);
        wanted.target = target.to_owned();
        assert!(land_within(&ground.trees(), &wanted, PATIENCE).is_err(), "{branches:?} on {target}");
    }
}

#[test]
fn two_landings_at_once_both_land() {
    let ground = Ground::new();
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| drop(ground.work(name, &format!("{name}.txt"), "x")));
    ground.leave_main();
    thread::scope(|scope| {
        for name in names {
            let ground = &ground;
            scope.spawn(move || {
                let landed = try_to_land(ground, &[&format!("orch/{name}")], Some(ground.errand("test -e base.txt")));
                assert_eq!(words(&landed.unwrap()), [format!("orch/{name}: landed")]);
            });
        }
    });
    assert_eq!(files_of(&ground, "main"), ".gitignore a.txt b.txt base.txt c.txt d.txt");
    assert_eq!(git(&ground.repo, &["rev-list", "--count", "main"]), "5");
}

#[test]
fn a_landing_that_has_no_time_to_wait_says_so() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.leave_main();
    thread::scope(|scope| {
        let command = format!("touch {0}; while test -e {0}; do sleep 0.01; done", ground.path("goes-on").display());
        let errand = ground.errand(&command);
        let first = scope.spawn(|| try_to_land(&ground, &["orch/a"], Some(errand)));
        eventually("the check runs", || ground.path("goes-on").exists().then_some(()));
        let error = land_within(&ground.trees(), &wanted(&["orch/a"], None), Duration::ZERO).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (Kind::Busy, "another landing is under way"));
        fs::remove_file(ground.path("goes-on")).unwrap();
        assert_eq!(words(&first.join().unwrap().unwrap()), ["orch/a: landed"]);
    });
}

#[test]
fn a_target_that_moves_meanwhile_loses_nothing() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.work("b", "b.txt", "x");
    ground.leave_main();
    // The check is where somebody else is quicker: once.
    let flag = ground.path("quicker");
    let command =
        format!("test -e {flag} || {{ touch {flag}; git update-ref refs/heads/main orch/b; }}", flag = flag.display());
    let landed = land(&ground, &["orch/a"], Some(&command));
    assert_eq!(words(&landed), ["orch/a: landed"]);
    assert_eq!(files_of(&ground, "main"), ".gitignore a.txt b.txt base.txt");
    // Always: that is given up.
    ground.work("c", "c.txt", "x");
    let always = format!(
        "export GIT_INDEX_FILE={}; git read-tree main
        file=$(date +%s%N | git hash-object -w --stdin)
        git update-index --add --cacheinfo 100644,$file,moves.txt
        git update-ref refs/heads/main $(git commit-tree -p main -m again $(git write-tree))",
        ground.path("index").display()
    );
    let given_up = try_to_land(&ground, &["orch/c"], Some(ground.errand(&always))).unwrap_err();
    assert_eq!(
        (given_up.kind, given_up.message.as_str()),
        (Kind::Busy, "`main` was moved by others 3 times meanwhile")
    );
}

#[test]
fn a_target_that_is_checked_out_meanwhile_is_left_alone() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.leave_main();
    let main = ground.tip("main");
    let command = format!("git -C {} switch --quiet main", ground.repo.display());
    let landed = try_to_land(&ground, &["orch/a"], Some(ground.errand(&command))).unwrap();
    assert_eq!((landed.onto.as_str(), ground.tip("main")), ("orch/landing", main));
    assert_eq!(git(&ground.repo, &["status", "--porcelain"]), "");
}

#[test]
fn a_landing_that_was_cut_short_is_taken_back() {
    let ground = Ground::new();
    ground.work("a", "base.txt", "theirs\n");
    ground.work("b", "b.txt", "x");
    commit(&ground.repo, "base.txt", "ours\n");
    ground.leave_main();
    land(&ground, &[], None);
    // As a kill leaves it: in a rebase, with files, with locks, and with the check still running.
    let yard = ground.repo.join(".orch/trees/landing");
    git(&yard, &["checkout", "--quiet", "--detach", "orch/a"]);
    assert!(!try_git(&yard, &["rebase", "main"]).0);
    write(&yard, "left/over.txt", "x");
    ground.write(".git/worktrees/landing/index.lock", "");
    let mut check = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
    ground.write(".git/orch/landing.check", &Host::System.process_of(check.id()).unwrap());
    let landed = land(&ground, &["orch/b"], Some("test ! -e left/over.txt"));
    assert!(landed.took_back);
    assert_eq!(words(&landed), ["orch/b: landed"]);
    let ended = eventually("the check ends", || check.try_wait().unwrap());
    assert!(!ended.success());
    assert!(!land(&ground, &["orch/b"], None).took_back);
}

/// Another process lands `orch/a` and `orch/b`, and is killed by what runs in its landing.
fn kill_a_landing(ground: &Ground, check: &str) {
    let work =
        json!({ "repo": ground.repo, "check": check, "log": ground.path("check.log"), "pid": ground.path("pid") });
    let mut other = Again::start("launch::landing::lands_until_it_is_killed", &work);
    assert_eq!(other.hear_all(), ["begins"]);
}

#[test]
#[ignore = "run in a process of its own by the tests below"]
fn lands_until_it_is_killed() {
    let Some(work) = again::work() else { return };
    let path = |name: &str| Path::new(work[name].as_str().unwrap()).to_owned();
    fs::write(path("pid"), std::process::id().to_string()).unwrap();
    again::say("begins");
    let errand = Errand {
        command: work["check"].as_str().unwrap().to_owned(),
        patience: Duration::from_secs(60),
        log: path("log"),
    };
    let trees = Trees::of(&path("repo"), None).unwrap();
    land_within(&trees, &wanted(&["orch/a", "orch/b"], Some(errand)), PATIENCE).unwrap();
    again::say("was not killed");
}

#[test]
fn killed_in_its_check_a_landing_is_taken_back_and_the_check_ended() {
    let ground = Ground::new();
    ["a", "b"].iter().for_each(|name| drop(ground.work(name, &format!("{name}.txt"), "x")));
    ground.leave_main();
    let main = ground.tip("main");
    let check = ground.path("check");
    let command = format!(
        "echo $$ >{}; touch left; kill -9 $(cat {}); sleep 60; true",
        check.display(),
        ground.path("pid").display()
    );
    kill_a_landing(&ground, &command);
    let landed = land(&ground, &["orch/a", "orch/b"], Some("test ! -e left"));
    assert!(landed.took_back);
    assert_eq!(
        (words(&landed), landed.from),
        (vec!["orch/a: landed".to_owned(), "orch/b: landed".to_owned()], Some(main))
    );
    let check: u32 = fs::read_to_string(check).unwrap().trim().parse().unwrap();
    eventually("the check ends", || Host::System.process_of(check).is_none().then_some(()));
}

#[test]
fn killed_in_its_rebase_a_landing_is_taken_back_once_git_has_ended() {
    let ground = Ground::new();
    ground.work("a", "base.txt", "theirs\n");
    ground.work("b", "b.txt", "x");
    commit(&ground.repo, "base.txt", "ours\n");
    ground.leave_main();
    ground.write(".git/info/attributes", "*.txt merge=killer\n");
    // Git goes on when whoever ran it is gone.
    let goes_on = ground.path("goes-on");
    fs::write(&goes_on, "").unwrap();
    let (pid, goes_on_too) = (ground.path("pid"), goes_on.display());
    let driver = format!("kill -9 $(cat {}); while test -e {goes_on_too}; do sleep 0.01; done; false", pid.display());
    git(&ground.repo, &["config", "merge.killer.driver", &driver]);
    kill_a_landing(&ground, "true");
    let impatient = land_within(&ground.trees(), &wanted(&["orch/b"], None), Duration::from_millis(200));
    assert_eq!(impatient.map(|landed| words(&landed)).unwrap_err().kind, Kind::Busy);
    fs::remove_file(goes_on).unwrap();
    git(&ground.repo, &["config", "merge.killer.driver", "false"]);
    let landed = land(&ground, &["orch/a", "orch/b"], Some("true"));
    assert!(landed.took_back);
    assert_eq!(words(&landed), ["orch/a: conflict", "orch/b: landed"]);
}

#[test]
fn whoever_works_where_branches_land_loses_nothing() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.leave_main();
    land(&ground, &[], None);
    let draft = ground.repo.join(".orch/trees/landing/draft");
    fs::write(&draft, "somebody's").unwrap();
    let error = try_to_land(&ground, &["orch/a"], None).unwrap_err();
    assert!(error.message.ends_with("is where branches land, and somebody left `draft` there"), "{error}");
    assert_eq!(fs::read_to_string(&draft).unwrap(), "somebody's");
}

#[test]
fn no_setting_of_the_user_gets_in_between() {
    let ground = Ground::new();
    for (setting, value) in [
        ("rebase.updateRefs", "true"),
        ("rebase.autoStash", "true"),
        ("rerere.enabled", "true"),
        ("merge.ff", "only"),
        ("core.editor", "false"),
        ("color.ui", "always"),
        ("status.short", "true"),
        ("merge.conflictStyle", "diff3"),
        ("checkout.guess", "false"),
        ("core.fsmonitor", "false"),
        ("diff.noprefix", "true"),
        ("rebase.instructionFormat", "%b"),
        ("log.showSignature", "true"),
        ("rebase.abbreviateCommands", "true"),
        ("commit.verbose", "true"),
    ] {
        git(&ground.repo, &["config", setting, value]);
    }
    for hook in
        ["pre-rebase", "post-checkout", "post-rewrite", "reference-transaction", "post-commit", "prepare-commit-msg"]
    {
        let path = ground.repo.join(".git/hooks").join(hook);
        fs::write(&path, format!("#!/bin/sh\ntouch {}\nexit 1\n", ground.path("ran").display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let tree = ground.work("a", "a.txt", "x");
    let middle = ground.tip("orch/a");
    git(&ground.repo, &["branch", "users-own", "orch/a"]);
    commit(&tree.path, "a2.txt", "x");
    commit(&ground.repo, "mine.txt", "x");
    ground.leave_main();
    for entry in fs::read_dir(ground.repo.join(".git/hooks")).unwrap().flatten() {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let landed = land(&ground, &["orch/a"], Some("true"));
    assert_eq!(words(&landed), ["orch/a: landed"]);
    fs::remove_dir_all(ground.repo.join(".git/hooks")).unwrap();
    assert_eq!(ground.tip("users-own"), middle);
    assert!(!ground.path("ran").exists());
}
