//! Worktrees are made once, found again, restored, and never anybody else's.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::try_git;
use crate::launch::ground::write;
use orch_mcp::error::Kind;
use orch_mcp::repo::bounded::Ended;
use orch_mcp::repo::worktree::Made;
use orch_mcp::repo::worktree::Trees;
use orch_mcp::repo::worktree::slug;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

#[test]
fn a_worktree_is_made_once_and_found_again() {
    let ground = Ground::new();
    let before = ground.checkout();
    let trees = ground.trees();
    let made = trees.ready("task-0000000001", "main").unwrap();
    assert_eq!((made.made, made.branch.as_str()), (Made::New, "orch/task-0000000001"));
    assert_eq!(made.path, ground.repo.join(".orch/trees/task-0000000001"));
    write(&made.path, "draft", "work");
    let found = trees.ready("task-0000000001", "main").unwrap();
    assert_eq!((found.made, &found.path), (Made::Found, &made.path));
    assert_eq!(fs::read_to_string(made.path.join("draft")).unwrap(), "work");
    assert!(before == ground.checkout());
    assert_eq!(git(&ground.repo, &["status", "--porcelain"]), "");
    assert_eq!(trees.list().unwrap().len(), 1);
}

#[test]
fn worktrees_may_lie_elsewhere_and_are_found_from_any_of_them() {
    let ground = Ground::new();
    let elsewhere = ground.path("state/trees");
    let trees = Trees::of(&ground.repo, Some(&elsewhere)).unwrap();
    let tree = trees.ready("w", "main").unwrap();
    assert_eq!(tree.path, elsewhere.join("w"));
    assert!(!ground.repo.join(".orch").exists());
    let again = Trees::of(&tree.path, Some(&elsewhere)).unwrap().ready("w", "main").unwrap();
    assert_eq!(again.made, Made::Found);
    assert_eq!(Trees::of(&tree.path, None).unwrap().root(), ground.repo.join(".orch/trees"));
    assert_eq!(Trees::of(&ground.repo, Some(&ground.path("a:b"))).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn a_branch_without_a_worktree_gets_one_and_keeps_its_commits() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    let tip = ground.tip("orch/t");
    git(&ground.repo, &["worktree", "remove", tree.path.to_str().unwrap()]);
    let again = ground.trees().ready("t", "main").unwrap();
    assert_eq!(again.made, Made::ForBranch);
    assert_eq!(git(&again.path, &["rev-parse", "HEAD"]), tip);
    // A tag of the same name changes nothing.
    git(&ground.repo, &["worktree", "remove", again.path.to_str().unwrap()]);
    git(&ground.repo, &["tag", "orch/t", "main"]);
    assert_eq!(git(&ground.trees().ready("t", "main").unwrap().path, &["rev-parse", "HEAD"]), tip);
}

#[test]
fn a_directory_deleted_by_hand_comes_back_with_what_was_staged() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    write(&tree.path, "staged.txt", "not committed");
    git(&tree.path, &["add", "staged.txt"]);
    fs::remove_dir_all(&tree.path).unwrap();
    let again = ground.trees().ready("t", "main").unwrap();
    assert_eq!(again.made, Made::Restored);
    assert_eq!(fs::read_to_string(tree.path.join("staged.txt")).unwrap(), "not committed");
    assert_eq!(git(&tree.path, &["status", "--porcelain"]), "A  staged.txt");
}

#[test]
fn a_rebase_that_was_under_way_is_found_again() {
    let ground = Ground::new();
    let tree = ground.work("t", "base.txt", "theirs\n");
    commit(&ground.repo, "base.txt", "ours\n");
    assert!(!try_git(&tree.path, &["rebase", "main"]).0);
    assert_eq!(ground.trees().ready("t", "main").unwrap().made, Made::Found);
    fs::remove_dir_all(&tree.path).unwrap();
    assert_eq!(ground.trees().ready("t", "main").unwrap().made, Made::Restored);
    assert!(git(&tree.path, &["status"]).contains("rebase in progress"));
}

#[test]
fn a_worktree_that_lost_its_link_never_leads_to_the_users_checkout() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    ground.write("precious", "not committed");
    write(&tree.path, "draft", "work");
    fs::remove_file(tree.path.join(".git")).unwrap();
    let before = ground.checkout();
    // Git itself would take it for a part of the checkout around it.
    assert_eq!(git(&tree.path, &["rev-parse", "--show-toplevel"]), ground.repo.to_str().unwrap());
    assert_eq!(ground.trees().ready("t", "main").unwrap().made, Made::Restored);
    assert_eq!(git(&tree.path, &["status", "--porcelain"]), "?? draft");
    assert!(before == ground.checkout());
}

#[test]
fn a_worktree_on_another_branch_is_refused() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    git(&tree.path, &["switch", "--quiet", "-c", "other"]);
    let error = ground.trees().ready("t", "main").unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.message.ends_with("is on `other` and should be on `orch/t`"), "{error}");
    git(&tree.path, &["switch", "--quiet", "--detach"]);
    assert!(
        ground.trees().ready("t", "main").unwrap_err().message.ends_with("is on no branch and should be on `orch/t`")
    );
}

#[test]
fn what_is_not_ours_is_in_the_way_and_stays() {
    let ground = Ground::new();
    write(&ground.repo, ".orch/trees/t/notes", "mine");
    let error = ground.trees().ready("t", "main").unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert_eq!(fs::read_to_string(ground.repo.join(".orch/trees/t/notes")).unwrap(), "mine");
    git(&ground.repo, &["switch", "--quiet", "-c", "orch/u"]);
    let error = ground.trees().ready("u", "main").unwrap_err();
    assert!(error.message.contains("`orch/u` is checked out in"), "{error}");
    let error = ground.trees().ready("v", "no-such-branch").unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    assert_eq!(ground.trees().ready("v", "--detach").unwrap_err().kind, Kind::NotFound);
}

#[test]
fn a_link_that_was_checked_out_leads_nowhere() {
    let ground = Ground::new();
    fs::create_dir(ground.path("outside")).unwrap();
    symlink(ground.path("outside"), ground.repo.join(".orch")).unwrap();
    let error = Trees::of(&ground.repo, None).unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
}

#[test]
fn many_at_once_make_one_worktree() {
    let ground = Ground::new();
    let made: Vec<Made> = thread::scope(|scope| {
        let ready = || ground.trees().ready("t", "main").unwrap().made;
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(ready)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| **made == Made::New).count(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|made| **made == Made::Found).count(), 5, "{made:?}");
}

#[test]
fn a_worktree_that_was_cut_short_is_finished() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    let records = ground.repo.join(".git/worktrees/t");
    fs::write(records.join("locked"), "orch-mcp is making it\n").unwrap();
    fs::remove_file(tree.path.join("base.txt")).unwrap();
    fs::remove_file(records.join("index")).unwrap();
    assert_eq!(ground.trees().ready("t", "main").unwrap().made, Made::Restored);
    assert_eq!(git(&tree.path, &["status", "--porcelain"]), "");
    assert!(!records.join("locked").exists());
}

#[test]
fn hostile_names_stay_below_the_root_and_share_nothing() {
    let ground = Ground::new();
    let trees = ground.trees();
    let before = ground.checkout();
    let long = "x".repeat(300);
    let names = [
        "../../etc/passwd",
        "-rf",
        "--force",
        "a b",
        "a-b",
        "$(touch pwned)",
        "`touch pwned`",
        "Bob",
        "bob",
        "BOB",
        "landing",
        "",
        ".",
        "..",
        "x.lock",
        "x",
        "HEAD",
        "head",
        "a\nb",
        "a\0b",
        "é",
        "e",
        "@",
        "@{-1}",
        "refs/heads/main",
        ":(top)",
        "a~1",
        ".gitignore",
        ".git",
        "CON",
        &long,
        "\u{202e}gpj",
        "a;b",
        "*",
    ];
    let mut seen = HashSet::new();
    for name in names {
        let slug = slug(name);
        assert!(
            !slug.contains(['/', '\0', ' ']) && !slug.starts_with(['-', '.']) && slug.len() < 80,
            "{name:?}: {slug}"
        );
        assert!(seen.insert(slug.to_lowercase()), "{name:?}: {slug}");
        let tree = trees.ready(name, "main").unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(tree.path.parent().unwrap(), trees.root(), "{name:?}");
        assert_eq!(git(&tree.path, &["symbolic-ref", "HEAD"]), format!("refs/heads/{}", tree.branch));
    }
    assert_eq!(trees.list().unwrap().len(), names.len());
    assert!(before == ground.checkout());
    assert_eq!(slug("task-0000000012"), "task-0000000012");
}

#[test]
fn no_hook_of_the_user_runs() {
    let ground = Ground::new();
    for hook in
        ["post-checkout", "reference-transaction", "pre-rebase", "post-rewrite", "commit-msg", "pre-merge-commit"]
    {
        let path = ground.repo.join(".git/hooks").join(hook);
        fs::write(&path, format!("#!/bin/sh\ntouch {}\nexit 1\n", ground.path("ran").display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    ground.trees().ready("t", "main").unwrap();
    assert!(!ground.path("ran").exists());
}

#[test]
fn set_up_runs_until_it_has_succeeded_once() {
    let ground = Ground::new();
    let trees = ground.trees();
    let tree = trees.ready("t", "main").unwrap();
    let errand = ground.errand("echo setting up; test -e ready-to-go && touch build-is-set-up");
    assert_eq!(trees.set_up(&tree.path, &errand).unwrap().unwrap().ended, Ended::Code(1));
    write(&tree.path, "ready-to-go", "");
    assert!(trees.set_up(&tree.path, &errand).unwrap().unwrap().passed());
    assert!(trees.set_up(&tree.path, &errand).unwrap().is_none());
    assert!(tree.path.join("build-is-set-up").exists());
    assert_eq!(ground.log().matches("\nsetting up\n").count(), 2);
    let another = ground.errand("sleep 60");
    let another = orch_mcp::repo::shell::Errand { patience: Duration::from_millis(50), ..another };
    assert_eq!(trees.set_up(&tree.path, &another).unwrap().unwrap().ended, Ended::TooLong);
}
