//! Evidence: what was demanded is held against what is there, and each answer says why.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::write;
use orch_mcp::model::demand::Demand;
use orch_mcp::repo::bounded::Ended;
use orch_mcp::repo::guarded::Guard;
use orch_mcp::repo::proof;
use orch_mcp::repo::proof::Claim;
use orch_mcp::repo::proof::Finding;
use orch_mcp::repo::proof::Scene;
use orch_mcp::repo::worktree::Tree;
use orch_mcp::store::doorbell::Hangup;
use std::fs;
use std::time::Duration;

fn scene(ground: &Ground, tree: &Tree) -> Scene {
    Scene {
        worktree: tree.path.clone(),
        branch: tree.branch.clone(),
        target: "main".to_owned(),
        guard: Guard::default(),
        tests: None,
        patience: Duration::from_secs(60),
        log: ground.path("check.log"),
    }
}

/// A demand, with the files that are named where it is for files.
type Wanted = (Demand, Vec<String>);

fn look(ground: &Ground, tree: &Tree, (demand, files): Wanted, commit: Option<&str>) -> Finding {
    let claim = Claim { commit: commit.map(str::to_owned), files, tests: None };
    proof::look(&scene(ground, tree), &[demand], &claim, &Hangup::new()).pop().unwrap()
}

fn a_commit() -> Wanted {
    (Demand::Commit, Vec::new())
}

fn check(command: &str) -> Wanted {
    (Demand::Check(command.to_owned()), Vec::new())
}

#[track_caller]
fn refused(ground: &Ground, tree: &Tree, demand: Wanted, commit: Option<&str>, why: &str) {
    let found = look(ground, tree, demand, commit);
    assert!(!found.is_met && found.why.contains(why), "{found:?} does not say `{why}`");
}

fn files(patterns: &[&str]) -> Wanted {
    (Demand::Files, patterns.iter().map(|pattern| (*pattern).to_owned()).collect())
}

#[test]
fn a_commit_counts_if_it_is_on_the_branch_and_changes_something() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    refused(&ground, &tree, a_commit(), None, "is in `main` already, so it shows no work of this task");
    git(&tree.path, &["commit", "--quiet", "--allow-empty", "-m", "done!"]);
    refused(&ground, &tree, a_commit(), None, "is on `orch/t` and changes nothing against `main`");
    let done = commit(&tree.path, "new.txt", "x");
    for claim in [None, Some(done.as_str()), Some(&done[..10])] {
        let found = look(&ground, &tree, a_commit(), claim);
        assert!(found.is_met && found.why.contains("and changes `new.txt` against `main`"), "{found:?}");
    }
    refused(&ground, &tree, a_commit(), Some(&ground.tip("main")), "is in `main` already");
    let elsewhere = ground.work("other", "other.txt", "x");
    refused(
        &ground,
        &tree,
        a_commit(),
        Some(&ground.tip(&elsewhere.branch)),
        "is a commit, and not on the branch `orch/t`: `evidence.branch` names the one",
    );
    refused(&ground, &tree, a_commit(), Some("0123456789abcdef"), "there is no commit `0123456789abcdef`");
    git(&tree.path, &["revert", "--no-edit", "HEAD"]);
    refused(&ground, &tree, a_commit(), None, "changes nothing");
}

#[test]
fn a_commit_that_can_never_land_shows_nothing() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    write(&tree.path, ".orch/roles/x.md", "x");
    git(&tree.path, &["add", "--force", "."]);
    git(&tree.path, &["commit", "--quiet", "-m", "a role"]);
    refused(&ground, &tree, a_commit(), None, "touches `.orch/roles/x.md`, and can never land");
}

#[test]
fn a_claim_is_a_number_and_nothing_else() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    for hostile in
        ["HEAD", "--all", "main", "--output=pwned", "", "HEAD~0", "abc", "$(touch pwned)", "a\nb", ":/change"]
    {
        refused(&ground, &tree, a_commit(), Some(hostile), "is no number of a commit");
    }
    assert!(!tree.path.join("pwned").exists());
    let tree_of_files = git(&tree.path, &["rev-parse", "HEAD^{tree}"]);
    refused(&ground, &tree, a_commit(), Some(&tree_of_files), "there is no commit");
}

#[test]
fn a_file_counts_if_it_is_there_and_was_changed() {
    let ground = Ground::new();
    ground.write("src/old.rs", "x");
    git(&ground.repo, &["add", "."]);
    git(&ground.repo, &["commit", "--quiet", "-m", "more"]);
    let tree = ground.work("t", "src/new file.rs", "x");
    write(&tree.path, "docs/open.md", "not committed");
    for met in [&["src/new file.rs"][..], &["src"], &["src/*.rs", "docs/**"], &["docs/open.md"]] {
        let found = look(&ground, &tree, files(met), None);
        assert!(found.is_met, "{met:?}: {found:?}");
    }
    for missing in ["base.txt", "src/old.rs", "nothing", "../repo/base.txt", "/etc/passwd", "--all", "docs/*.rs"] {
        refused(
            &ground,
            &tree,
            files(&["src", missing]),
            None,
            &format!("not there, or not changed against `main`: `{missing}`"),
        );
    }
    git(&tree.path, &["rm", "--quiet", "base.txt"]);
    git(&tree.path, &["commit", "--quiet", "-m", "gone"]);
    refused(&ground, &tree, files(&["base.txt"]), None, "not there");
    refused(&ground, &tree, files(&["src"]), Some("HEAD"), "is no number of a commit");
}

#[test]
fn a_check_counts_if_it_ends_well_in_the_worktree() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    let found = look(&ground, &tree, check("cat new.txt; pwd; echo done >&2"), None);
    assert!(found.is_met && found.why.contains("` passed in 0."), "{found:?}");
    assert_eq!(found.outcome.unwrap().tail, format!("x{}\ndone", tree.path.display()));
    write(&tree.path, "draft", "");
    let found = look(&ground, &tree, check("echo no; exit 3"), None);
    assert!(!found.is_met && found.why.starts_with("`echo no; exit 3` ended with 3 after 0."), "{found:?}");
    assert!(found.why.ends_with(" s, with changes in the worktree that are not committed: `draft`"), "{found:?}");
    let scene = Scene { patience: Duration::from_millis(200), ..scene(&ground, &tree) };
    let endless = [Demand::Check("while :; do echo y; done".to_owned())];
    let found = proof::look(&scene, &endless, &Claim::default(), &Hangup::new()).pop().unwrap();
    assert_eq!(found.outcome.unwrap().ended, Ended::TooLong);
    assert!(fs::metadata(ground.path("check.log")).unwrap().len() < 17 << 20);
    refused(&ground, &tree, check("kill -9 $$"), None, "was ended by signal 9");
}

#[test]
fn what_cannot_be_looked_at_is_not_met() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    let demands = [Demand::Commit, Demand::Files, Demand::Check("true".to_owned())];
    let claim = Claim { files: vec!["new.txt".to_owned()], ..Claim::default() };
    let met = |scene: &Scene| {
        let found = proof::look(scene, &demands, &claim, &Hangup::new());
        found.iter().map(|finding| (finding.is_met, finding.why.clone())).collect::<Vec<_>>()
    };
    assert!(met(&scene(&ground, &tree)).iter().all(|(is_met, _)| *is_met));
    let nobody = Scene { branch: "orch/nobody".to_owned(), ..scene(&ground, &tree) };
    assert_eq!(met(&nobody)[0], (false, "there is no branch `orch/nobody` with a commit".to_owned()));
    // A worktree without its link lies in the user's checkout, which is not what was meant.
    fs::remove_file(tree.path.join(".git")).unwrap();
    assert!(met(&scene(&ground, &tree)).iter().all(|(is_met, why)| !is_met && why.contains("not a git repository")));
    fs::remove_dir_all(&tree.path).unwrap();
    assert!(met(&scene(&ground, &tree)).iter().all(|(is_met, _)| !is_met));
}
