//! No clean-up ever costs work: whatever a worktree or a branch holds keeps it, and is said.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::try_git;
use crate::launch::ground::write;
use orch_mcp::repo::cleanup;
use orch_mcp::repo::cleanup::Thing;
use orch_mcp::repo::cleanup::Verdict;
use orch_mcp::repo::worktree::Removal;
use orch_mcp::repo::worktree::Tree;
use std::fs;
use std::path::Path;

fn plan(ground: &Ground) -> Vec<Verdict> {
    cleanup::plan(&ground.trees(), "main", &|_| None).unwrap()
}

/// Plans and carries out. What is said of the one thing that is there, where it stays.
#[track_caller]
fn clean_up(ground: &Ground) -> Vec<String> {
    let plan = plan(ground);
    assert_eq!(plan.len(), 1, "{plan:?}");
    let done = cleanup::carry_out(&ground.trees(), "main", plan.clone(), &|_| None).unwrap();
    assert_eq!(plan, done);
    done.into_iter().flat_map(|verdict| verdict.stays).collect()
}

/// A worktree with something in it, what is said of it, and that it is all still there.
#[track_caller]
fn stays(begin: impl FnOnce(&Ground, &Tree), wanted: &str) {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    begin(&ground, &tree);
    let before = (files(&tree.path), ground.checkout());
    let said = clean_up(&ground).join("; ");
    assert!(said.contains(wanted), "`{said}` does not say `{wanted}`");
    assert!(before == (files(&tree.path), ground.checkout()));
    assert!(ground.has_branch("orch/t"));
    assert!(git(&ground.repo, &["worktree", "list"]).contains("trees/t "));
    assert!(matches!(ground.trees().remove(&tree, &["main".to_owned()], &|_| None).unwrap(), Removal::Kept(_)));
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

#[track_caller]
fn goes(begin: impl FnOnce(&Ground, &Tree)) {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    begin(&ground, &tree);
    let before = ground.checkout();
    assert_eq!(clean_up(&ground), [""; 0]);
    assert!(!tree.path.exists() && !ground.has_branch("orch/t"));
    assert!(before == ground.checkout());
    assert_eq!(plan(&ground), []);
}

#[test]
fn a_dirty_worktree_stays() {
    stays(|_, tree| write(&tree.path, "base.txt", "x"), "1 change that is not committed: `base.txt`");
    stays(|_, tree| fs::remove_file(tree.path.join("base.txt")).unwrap(), "1 change that is not committed: `base.txt`");
    let stage = |_: &Ground, tree: &Tree| {
        write(&tree.path, "a b.txt", "x");
        git(&tree.path, &["add", "."]);
    };
    stays(stage, "1 staged change: `a b.txt`");
}

#[test]
fn a_file_that_git_does_not_know_stays_whatever_the_settings_hide() {
    stays(|_, tree| write(&tree.path, "draft", "x"), "1 file that git does not know: `draft`");
    let hide = |_: &Ground, tree: &Tree| {
        git(&tree.path, &["config", "status.showUntrackedFiles", "no"]);
        (0..7).for_each(|n| write(&tree.path, &format!("draft-{n}"), "x"));
    };
    stays(hide, "7 files that git does not know: `draft-0`, `draft-1`, `draft-2`, `draft-3`, `draft-4` and 2 more");
    stays(|_, tree| write(&tree.path, "a\nb\u{1b}[2J", "x"), "`a\\nb\\u{1b}[2J`");
}

#[test]
fn a_change_that_git_was_told_to_pass_by_stays() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let hide = |_: &Ground, tree: &Tree| {
            git(&tree.path, &["update-index", flag, "base.txt"]);
            write(&tree.path, "base.txt", "mine");
            assert_eq!(git(&tree.path, &["status", "--porcelain"]), "");
        };
        stays(hide, "1 changed file that git was told to pass by: `base.txt`");
        goes(|_, tree| drop(git(&tree.path, &["update-index", flag, "base.txt"])));
    }
}

#[test]
fn a_stash_keeps_the_worktree_of_its_branch() {
    let stash = |_: &Ground, tree: &Tree| {
        write(&tree.path, "base.txt", "x");
        git(&tree.path, &["stash"]);
    };
    stays(stash, "1 stash: `WIP on orch/t: ");
    let with_words = |_: &Ground, tree: &Tree| {
        write(&tree.path, "base.txt", "x");
        git(&tree.path, &["stash", "push", "-m", "for later: maybe"]);
    };
    stays(with_words, "1 stash: `On orch/t: for later: maybe`");
    let on_no_branch = |ground: &Ground, tree: &Tree| {
        git(&tree.path, &["switch", "--quiet", "--detach"]);
        stash(ground, tree);
    };
    stays(on_no_branch, "1 stash: `WIP on (no branch): ");
    goes(|ground, _| {
        ground.write("base.txt", "the user's own");
        git(&ground.repo, &["stash"]);
    });
}

#[test]
fn a_commit_that_is_not_merged_keeps_its_worktree() {
    stays(|_, tree| drop(commit(&tree.path, "new.txt", "x")), "1 commit that is not merged: `");
    let then_away = |_: &Ground, tree: &Tree| {
        commit(&tree.path, "new.txt", "x");
        git(&tree.path, &["switch", "--quiet", "--detach", "main"]);
    };
    stays(then_away, " change new.txt`");
}

#[test]
fn commits_on_no_branch_keep_their_worktree() {
    let detached = |_: &Ground, tree: &Tree| {
        git(&tree.path, &["switch", "--quiet", "--detach"]);
        commit(&tree.path, "new.txt", "x");
    };
    stays(detached, "1 commit that is not merged: `");
    let deleted_by_hand = |ground: &Ground, tree: &Tree| {
        detached(ground, tree);
        fs::remove_dir_all(&tree.path).unwrap();
    };
    stays(deleted_by_hand, "1 commit that is not merged: `");
    let staged_and_deleted = |_: &Ground, tree: &Tree| {
        write(&tree.path, "staged.txt", "x");
        git(&tree.path, &["add", "."]);
        fs::remove_dir_all(&tree.path).unwrap();
    };
    stays(staged_and_deleted, "1 staged change: `staged.txt`");
}

#[test]
fn what_is_under_way_stays() {
    let against = |words: &'static [&'static str]| {
        move |ground: &Ground, tree: &Tree| {
            commit(&tree.path, "base.txt", "theirs\n");
            commit(&ground.repo, "base.txt", "ours\n");
            assert!(!try_git(&tree.path, words).0);
        }
    };
    stays(against(&["rebase", "main"]), "1 thing under way: `a rebase`");
    stays(against(&["merge", "main"]), "1 file with a conflict: `base.txt`");
    stays(against(&["merge", "main"]), "1 thing under way: `a merge`");
    stays(against(&["cherry-pick", "main"]), "1 thing under way: `a cherry-pick`");
    stays(|_, tree| drop(git(&tree.path, &["bisect", "start"])), "1 thing under way: `a bisection`");
    let at_work = |ground: &Ground, _: &Tree| ground.write(".git/worktrees/t/index.lock", "");
    stays(at_work, "1 sign that git is at work in it: `index.lock`");
}

#[test]
fn a_lock_keeps_its_worktree() {
    let lock = |ground: &Ground, tree: &Tree| {
        git(&ground.repo, &["worktree", "lock", "--reason", "on a stick", tree.path.to_str().unwrap()]);
    };
    stays(lock, "1 lock: `on a stick`");
    let silently = |ground: &Ground, tree: &Tree| {
        git(&ground.repo, &["worktree", "lock", tree.path.to_str().unwrap()]);
    };
    stays(silently, "1 lock: `no reason given`");
}

#[test]
fn repositories_inside_keep_their_worktree() {
    let submodule = |ground: &Ground, tree: &Tree| {
        let library = ground.path("library");
        git(&ground.repo, &["clone", "--quiet", ".", library.to_str().unwrap()]);
        let library = library.to_str().unwrap();
        git(&tree.path, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library, "lib"]);
        git(&tree.path, &["commit", "--quiet", "-m", "a library"]);
        git(&ground.repo, &["merge", "--quiet", "--ff-only", "orch/t"]);
    };
    stays(submodule, "1 submodule, which git removes with no worktree: `lib`");
    let changed_submodule = |ground: &Ground, tree: &Tree| {
        submodule(ground, tree);
        write(&tree.path, "lib/base.txt", "x");
    };
    stays(changed_submodule, "1 submodule, which git removes with no worktree: `lib`");
    let in_ignored = |_: &Ground, tree: &Tree| {
        git(&tree.path, &["init", "--quiet", "build"]);
    };
    stays(in_ignored, "1 repository of its own, in what git ignores: `build/`");
    let another = |_: &Ground, tree: &Tree| {
        git(&tree.path, &["worktree", "add", "--quiet", "-b", "inner", "build/inner"]);
    };
    stays(another, "1 worktree below it: `");
}

#[test]
fn a_worktree_whose_work_has_arrived_goes() {
    goes(|_, _| {});
    goes(|_, tree| write(&tree.path, "build/output", "x"));
    goes(|ground, tree| {
        commit(&tree.path, "new.txt", "x");
        git(&ground.repo, &["merge", "--quiet", "--ff-only", "orch/t"]);
    });
    goes(|_, tree| fs::remove_dir_all(&tree.path).unwrap());
}

#[test]
fn work_that_was_rebased_or_squashed_has_arrived_too() {
    goes(|ground, tree| {
        commit(&tree.path, "new.txt", "x");
        commit(&tree.path, "new.txt", "y");
        commit(&ground.repo, "other.txt", "x");
        git(&ground.repo, &["cherry-pick", "main..orch/t"]);
    });
    goes(|ground, tree| {
        commit(&tree.path, "new.txt", "x");
        commit(&tree.path, "new.txt", "y");
        commit(&ground.repo, "other.txt", "x");
        git(&ground.repo, &["merge", "--quiet", "--squash", "orch/t"]);
        git(&ground.repo, &["commit", "--quiet", "-m", "squashed"]);
        commit(&ground.repo, "new.txt", "went on");
    });
    let half = |ground: &Ground, tree: &Tree| {
        commit(&tree.path, "new.txt", "x");
        commit(&ground.repo, "other.txt", "x");
        git(&ground.repo, &["cherry-pick", "orch/t"]);
        commit(&tree.path, "more.txt", "y");
    };
    stays(half, "1 commit that is not merged: `");
}

#[test]
fn an_experiment_that_was_undone_in_the_end_is_work_too() {
    let undone = |_: &Ground, tree: &Tree| {
        commit(&tree.path, "new.txt", "x");
        git(&tree.path, &["revert", "--no-edit", "HEAD"]);
    };
    stays(undone, "2 commits that are not merged: `");
}

#[test]
fn how_a_conflict_was_resolved_is_work_too() {
    let resolved = |ground: &Ground, tree: &Tree| {
        commit(&ground.repo, "base.txt", "ours\n");
        commit(&tree.path, "base.txt", "theirs\n");
        let theirs = ground.tip("orch/t");
        assert!(!try_git(&tree.path, &["merge", "main"]).0);
        commit(&tree.path, "base.txt", "both\n");
        // Both sides arrive, and the resolution does not.
        git(&ground.repo, &["revert", "--no-edit", "HEAD"]);
        git(&ground.repo, &["cherry-pick", &theirs]);
    };
    stays(resolved, "1 commit that is not merged: `");
}

#[test]
fn what_begins_between_plan_and_deed_stays() {
    let ground = Ground::new();
    let [dirty, ahead] = ["dirty", "ahead"].map(|name| ground.trees().ready(name, "main").unwrap());
    git(&ground.repo, &["branch", "orch/alone"]);
    let plan = plan(&ground);
    assert_eq!(plan.iter().filter(|verdict| verdict.goes()).count(), 3);
    write(&dirty.path, "draft", "x");
    commit(&ahead.path, "new.txt", "x");
    git(&ground.repo, &["branch", "--force", "orch/alone", "orch/ahead"]);
    let done = cleanup::carry_out(&ground.trees(), "main", plan, &|_| None).unwrap();
    assert!(done.iter().all(|verdict| !verdict.goes()), "{done:?}");
    assert!(dirty.path.join("draft").exists() && ahead.path.exists() && ground.has_branch("orch/alone"));
}

#[test]
fn only_branches_of_ours_go_and_only_if_nothing_is_lost() {
    let ground = Ground::new();
    git(&ground.repo, &["branch", "feature"]);
    git(&ground.repo, &["branch", "orch/landed"]);
    git(&ground.repo, &["branch", "orch/landing"]);
    let tree = ground.work("open", "new.txt", "x");
    git(&ground.repo, &["worktree", "remove", tree.path.to_str().unwrap()]);
    let done = cleanup::carry_out(&ground.trees(), "main", plan(&ground), &|_| None).unwrap();
    let told: Vec<(Thing, bool)> = done.iter().map(|verdict| (verdict.thing.clone(), verdict.goes())).collect();
    let branch = |name: &str| Thing::Branch(name.to_owned());
    assert_eq!(told, [(branch("orch/landed"), true), (branch("orch/open"), false)]);
    assert!(ground.has_branch("feature") && ground.has_branch("orch/landing") && ground.has_branch("orch/open"));
    assert!(!ground.has_branch("orch/landed"));
}

#[test]
fn a_worktree_in_use_stays_and_what_is_not_ours_is_not_even_looked_at() {
    let ground = Ground::new();
    ground.trees().ready("t", "main").unwrap();
    let users = ground.path("users-own");
    git(&ground.repo, &["worktree", "add", "--quiet", "-b", "own", users.to_str().unwrap()]);
    let in_use = |tree: &Tree| (tree.slug == "t").then(|| "worker `w` is in it".to_owned());
    let plan = cleanup::plan(&ground.trees(), "main", &in_use).unwrap();
    assert_eq!(plan.iter().map(|verdict| verdict.stays.join("")).collect::<Vec<_>>(), ["worker `w` is in it"]);
    cleanup::carry_out(&ground.trees(), "main", plan, &|_| None).unwrap();
    assert!(users.exists() && ground.has_branch("own"));
}

#[test]
fn work_that_landed_aside_has_arrived() {
    let ground = Ground::new();
    ground.work("t", "new.txt", "x");
    git(&ground.repo, &["branch", "orch/landing", "orch/t"]);
    assert!(!plan(&ground)[0].goes(), "no landing put it there");
    ground.write(".git/orch/landed", &ground.tip("orch/t"));
    assert!(plan(&ground)[0].goes());
}
