//! Evidence: what was demanded is held against what is there, and each answer says why.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::write;
use orch_mcp::launch::bounded::Ended;
use orch_mcp::launch::proof;
use orch_mcp::launch::proof::Claim;
use orch_mcp::launch::proof::Demand;
use orch_mcp::launch::proof::Finding;
use orch_mcp::launch::proof::Scene;
use orch_mcp::launch::worktree::Tree;
use std::fs;
use std::time::Duration;

fn scene(tree: &Tree) -> Scene {
    Scene { worktree: tree.path.clone(), branch: tree.branch.clone(), target: "main".to_owned() }
}

fn look(tree: &Tree, demand: Demand, commit: Option<&str>) -> Finding {
    let claim = Claim { commit: commit.map(str::to_owned) };
    proof::look(&scene(tree), &[demand], &claim).pop().unwrap()
}

#[track_caller]
fn refused(tree: &Tree, demand: Demand, commit: Option<&str>, why: &str) {
    let found = look(tree, demand, commit);
    assert!(!found.is_met && found.why.contains(why), "{found:?} does not say `{why}`");
}

fn files(patterns: &[&str]) -> Demand {
    Demand::Files(patterns.iter().map(|pattern| (*pattern).to_owned()).collect())
}

#[test]
fn a_commit_counts_if_it_is_on_the_branch_and_changes_something() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    refused(&tree, Demand::Commit, None, "is in `main` already, so it shows no work of this task");
    git(&tree.path, &["commit", "--quiet", "--allow-empty", "-m", "done!"]);
    refused(&tree, Demand::Commit, None, "is on `orch/t` and changes nothing against `main`");
    let done = commit(&tree.path, "new.txt", "x");
    for claim in [None, Some(done.as_str()), Some(&done[..10])] {
        let found = look(&tree, Demand::Commit, claim);
        assert!(found.is_met && found.why.contains("and changes `new.txt` against `main`"), "{found:?}");
    }
    refused(&tree, Demand::Commit, Some(&ground.tip("main")), "is in `main` already");
    let elsewhere = ground.work("other", "other.txt", "x");
    refused(&tree, Demand::Commit, Some(&ground.tip(&elsewhere.branch)), "is a commit, and not on the branch `orch/t`");
    refused(&tree, Demand::Commit, Some("0123456789abcdef"), "there is no commit `0123456789abcdef`");
    git(&tree.path, &["revert", "--no-edit", "HEAD"]);
    refused(&tree, Demand::Commit, None, "changes nothing");
}

#[test]
fn a_claim_is_a_number_and_nothing_else() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    for hostile in
        ["HEAD", "--all", "main", "--output=pwned", "", "HEAD~0", "abc", "$(touch pwned)", "a\nb", ":/change"]
    {
        refused(&tree, Demand::Commit, Some(hostile), "is no number of a commit");
    }
    assert!(!tree.path.join("pwned").exists());
    let tree_of_files = git(&tree.path, &["rev-parse", "HEAD^{tree}"]);
    refused(&tree, Demand::Commit, Some(&tree_of_files), "there is no commit");
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
        let found = look(&tree, files(met), None);
        assert!(found.is_met, "{met:?}: {found:?}");
    }
    for missing in ["base.txt", "src/old.rs", "nothing", "../repo/base.txt", "/etc/passwd", "--all", "docs/*.rs"] {
        refused(
            &tree,
            files(&["src", missing]),
            None,
            &format!("not there, or not changed against `main`: `{missing}`"),
        );
    }
    git(&tree.path, &["rm", "--quiet", "base.txt"]);
    git(&tree.path, &["commit", "--quiet", "-m", "gone"]);
    refused(&tree, files(&["base.txt"]), None, "not there");
    refused(&tree, files(&["src"]), Some("HEAD"), "is no number of a commit");
}

#[test]
fn a_check_counts_if_it_ends_well_in_the_worktree() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    let found = look(&tree, Demand::Check(ground.errand("cat new.txt; pwd; echo done >&2")), None);
    assert!(found.is_met && found.why.contains("` passed in 0."), "{found:?}");
    assert_eq!(found.outcome.unwrap().tail, format!("x{}\ndone", tree.path.display()));
    write(&tree.path, "draft", "");
    let found = look(&tree, Demand::Check(ground.errand("echo no; exit 3")), None);
    assert!(!found.is_met && found.why.starts_with("`echo no; exit 3` ended with 3 after 0."), "{found:?}");
    assert!(found.why.ends_with(" s, with changes in the worktree that are not committed: `draft`"), "{found:?}");
    let mut endless = ground.errand("while :; do echo y; done");
    endless.patience = Duration::from_millis(200);
    let found = look(&tree, Demand::Check(endless), None);
    assert_eq!(found.outcome.unwrap().ended, Ended::TooLong);
    assert!(fs::metadata(ground.path("check.log")).unwrap().len() < 17 << 20);
    refused(&tree, Demand::Check(ground.errand("kill -9 $$")), None, "was ended by signal 9");
}

#[test]
fn what_cannot_be_looked_at_is_not_met() {
    let ground = Ground::new();
    let tree = ground.work("t", "new.txt", "x");
    let demands = [Demand::Commit, files(&["new.txt"]), Demand::Check(ground.errand("true"))];
    let met = |scene: &Scene| {
        let found = proof::look(scene, &demands, &Claim::default());
        found.iter().map(|finding| (finding.is_met, finding.why.clone())).collect::<Vec<_>>()
    };
    assert!(met(&scene(&tree)).iter().all(|(is_met, _)| *is_met));
    let nobody = Scene { branch: "orch/nobody".to_owned(), ..scene(&tree) };
    assert_eq!(met(&nobody)[0], (false, "there is no branch `orch/nobody` with a commit".to_owned()));
    // A worktree without its link lies in the user's checkout, which is not what was meant.
    fs::remove_file(tree.path.join(".git")).unwrap();
    assert!(met(&scene(&tree)).iter().all(|(is_met, why)| !is_met && why.contains("not a git repository")));
    fs::remove_dir_all(&tree.path).unwrap();
    assert!(met(&scene(&tree)).iter().all(|(is_met, _)| !is_met));
}
