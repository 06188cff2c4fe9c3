//! What somebody forged in the repository itself, where git believes it, so that `land`, `cleanup` or a new worktree would.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::write;
use orch_mcp::error::Kind;
use orch_mcp::error::Result;
use orch_mcp::launch::base;
use orch_mcp::launch::base::Needed;
use orch_mcp::launch::queue;
use orch_mcp::repo::cleanup;
use orch_mcp::repo::guarded::Guard;
use orch_mcp::repo::land;
use orch_mcp::repo::land::Landed;
use orch_mcp::repo::land::Landing;
use orch_mcp::repo::land::Outcome;
use orch_mcp::repo::stack::How;
use orch_mcp::repo::trial;
use orch_mcp::repo::trial::Trial;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn try_to_land(ground: &Ground, branches: &[&str], how: How) -> Result<Landed> {
    let landing = Landing {
        target: "main".to_owned(),
        branches: branches.iter().map(|name| (*name).to_owned()).collect(),
        how,
        check: None,
        guard: Guard::default(),
        under_way: Arc::default(),
    };
    land::land(&ground.trees(), &landing, land::turn(&ground.trees(), Duration::from_secs(60))?)
}

/// The first words of what came of each.
#[track_caller]
fn land(ground: &Ground, branches: &[&str]) -> Vec<String> {
    words(&try_to_land(ground, branches, How::Rebase).unwrap())
}

fn words(landed: &Landed) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Landed { .. } => "landed".to_owned(),
        Outcome::Protected(paths) => format!("protected {}", paths.join(" ")),
        Outcome::Stuck(why) => format!("stuck: {why}"),
        other => format!("{other:?}"),
    };
    landed.each.iter().map(|(_, outcome)| word(outcome)).collect()
}

/// Why the first thing stays that `cleanup` looks at.
fn stays(ground: &Ground) -> String {
    cleanup::plan(&ground.trees(), "main", &|_| None).unwrap()[0].stays.join("; ")
}

/// A commit with these files more, on top of `parents`.
fn made(ground: &Ground, files: &[&str], parents: &[&str]) -> String {
    let blob = git(&ground.repo, &["hash-object", "-w", "base.txt"]);
    let index = ground.path("an-index");
    let with_index = |words: &[&str]| {
        let output = std::process::Command::new("git")
            .args(words)
            .current_dir(&ground.repo)
            .env("GIT_INDEX_FILE", &index)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    match parents.first() {
        Some(parent) => with_index(&["read-tree", parent]),
        None => with_index(&["read-tree", "--empty"]),
    };
    for file in files {
        with_index(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{file}")]);
    }
    let tree = with_index(&["write-tree"]);
    let parents = parents.iter().flat_map(|parent| ["-p", parent]);
    git(&ground.repo, &["commit-tree", &tree, "-m", "made"].into_iter().chain(parents).collect::<Vec<_>>())
}

#[test]
fn a_link_in_the_place_of_a_worktree_leads_nobody_into_the_checkout() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    let (landing, task) = (ground.repo.join(".orch/trees/landing"), ground.repo.join(".orch/trees/t"));
    ground.trees().ready_to_land("main").unwrap();
    ground.trees().ready("t", "main").unwrap();
    git(&ground.repo, &["worktree", "lock", "--reason", "orch-mcp is making it", task.to_str().unwrap()]);
    ground.write("base.txt", "not committed\n");
    let before = ground.checkout();
    for tree in [&landing, &task] {
        fs::rename(tree, ground.path("elsewhere")).unwrap();
        fs::create_dir(ground.path("empty")).unwrap();
        for leads_to in [ground.repo.clone(), ground.path("elsewhere"), ground.path("empty"), ground.path("nowhere")] {
            symlink(&leads_to, tree).unwrap();
            let refused = match tree == &landing {
                true => try_to_land(&ground, &["orch/a"], How::Rebase).map(drop),
                false => ground.trees().ready("t", "main").map(drop),
            };
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind, Kind::Refused, "{}: {refused}", leads_to.display());
            assert!(before == ground.checkout(), "{refused}");
            fs::remove_file(tree).unwrap();
        }
        assert!(!ground.path("nowhere").exists() && fs::read_dir(ground.path("empty")).unwrap().next().is_none());
        fs::rename(ground.path("elsewhere"), tree).unwrap();
        fs::remove_dir(ground.path("empty")).unwrap();
    }
    assert_eq!(land(&ground, &["orch/a"]), ["landed"]);
}

#[test]
fn records_that_lead_into_the_checkout_are_not_followed() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    let landing = ground.trees().ready_to_land("main").unwrap().path;
    let records = ground.repo.join(".git/worktrees/landing");
    ground.write("base.txt", "not committed\n");
    #[track_caller]
    fn refuses(ground: &Ground) {
        let before = ground.checkout();
        let refused = try_to_land(ground, &["orch/a"], How::Rebase).unwrap_err();
        assert_eq!(refused.kind, Kind::Refused, "{refused}");
        assert!(before == ground.checkout(), "{refused}");
    }
    // Its `.git` names the repository itself.
    let link = fs::read_to_string(landing.join(".git")).unwrap();
    write(&landing, ".git", &format!("gitdir: {}\n", ground.repo.join(".git").display()));
    refuses(&ground);
    fs::remove_file(landing.join(".git")).unwrap();
    symlink(ground.repo.join(".git"), landing.join(".git")).unwrap();
    refuses(&ground);
    fs::remove_file(landing.join(".git")).unwrap();
    write(&landing, ".git", &link);
    // Its index is that of the checkout.
    fs::rename(records.join("index"), ground.path("index")).unwrap();
    symlink(ground.repo.join(".git/index"), records.join("index")).unwrap();
    refuses(&ground);
    fs::rename(ground.path("index"), records.join("index")).unwrap();
    // Its files are those of the checkout.
    git(&ground.repo, &["config", "extensions.worktreeConfig", "true"]);
    git(&landing, &["config", "--worktree", "core.worktree", ground.repo.to_str().unwrap()]);
    refuses(&ground);
    fs::rename(&landing, ground.path("landing")).unwrap();
    fs::remove_file(ground.repo.join(".gitignore")).unwrap();
    refuses(&ground);
    fs::remove_dir_all(&landing).unwrap();
    fs::rename(ground.path("landing"), &landing).unwrap();
    fs::remove_file(records.join("config.worktree")).unwrap();
    // All that git has of it is what it has of the checkout.
    fs::rename(&records, ground.path("records")).unwrap();
    symlink("..", &records).unwrap();
    fs::copy(ground.path("records/gitdir"), ground.repo.join(".git/gitdir")).unwrap();
    refuses(&ground);
    fs::remove_file(&records).unwrap();
    fs::remove_file(ground.repo.join(".git/gitdir")).unwrap();
    fs::rename(ground.path("records"), &records).unwrap();
    assert_eq!(land(&ground, &["orch/a"]), ["landed"]);
    assert_eq!(fs::read_to_string(ground.repo.join("base.txt")).unwrap(), "not committed\n");
}

#[test]
fn a_worktree_that_leads_elsewhere_is_kept_and_not_looked_into() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    write(&tree.path, "draft", "x");
    // Where it leads all is clean.
    git(&ground.repo, &["config", "extensions.worktreeConfig", "true"]);
    git(&tree.path, &["config", "--worktree", "core.worktree", ground.repo.to_str().unwrap()]);
    assert!(stays(&ground).contains("leads elsewhere"), "{}", stays(&ground));
}

/// Were it made anew, a draft in it would be gone.
#[test]
fn a_worktree_that_is_whole_is_not_made_again_whatever_its_lock_says() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap();
    write(&tree.path, "base.txt", "a draft\n");
    git(&tree.path, &["worktree", "lock", "--reason", "orch-mcp is making it", tree.path.to_str().unwrap()]);
    ground.trees().ready("t", "main").unwrap();
    assert_eq!(fs::read_to_string(tree.path.join("base.txt")).unwrap(), "a draft\n");
    assert!(!ground.repo.join(".git/worktrees/t/locked").exists());
}

#[test]
fn what_git_was_told_to_take_for_something_else_is_seen_as_it_is() {
    let ground = Ground::new();
    ground.work("t", "t.txt", "x");
    let bad = made(&ground, &[".orch/roles/executor.md"], &["main"]);
    let good = made(&ground, &["good.txt"], &["main"]);
    git(&ground.repo, &["branch", "orch/bad", &bad]);
    git(&ground.repo, &["replace", &bad, &good]);
    assert_eq!(land(&ground, &["orch/bad"]), ["protected .orch/roles/executor.md"]);
    let judged = |ground: &Ground| {
        let plan = cleanup::plan(&ground.trees(), "main", &|_| None).unwrap();
        plan.iter().map(|verdict| verdict.goes()).collect::<Vec<_>>()
    };
    assert_eq!(judged(&ground), [false, false]);
    git(&ground.repo, &["replace", "--graft", "main", "orch/t"]);
    assert_eq!(judged(&ground), [false, false]);
    git(&ground.repo, &["replace", "-d", "main"]);
    ground.write(".git/info/grafts", &format!("{} {}\n", ground.tip("main"), ground.tip("orch/t")));
    assert_eq!(judged(&ground), [false, false]);
}

#[test]
fn a_module_that_is_to_be_ignored_is_seen_where_it_is_protected() {
    let ground = Ground::new();
    let modules = "[submodule \"x\"]\n\tpath = .claude\n\turl = ./x\n\tignore = all\n\
                   [submodule \"y\"]\n\tpath = .orch/roles\n\turl = ./y\n\tignore = all\n";
    commit(&ground.repo, ".gitmodules", modules);
    for (name, path) in [("x", ".claude"), ("y", ".orch/roles")] {
        let tree = ground.trees().ready(name, "main").unwrap().path;
        let module = format!("160000,{},{path}", ground.tip("main"));
        git(&tree, &["update-index", "--add", "--cacheinfo", &module]);
        git(&tree, &["commit", "--quiet", "-m", "a module"]);
    }
    assert_eq!(land(&ground, &["orch/x", "orch/y"]), ["protected .claude", "protected .orch/roles"]);
    let guard = Guard::default();
    let mut top = ground.tip("main");
    let tried = trial::land(&ground.trees().git(), &mut top, "orch/x", &guard).unwrap();
    assert_eq!(tried, Trial::Protected(vec![".claude".to_owned()]));
    assert!(stays(&ground).contains("1 commit that is not merged"));
}

#[test]
fn what_the_target_took_back_does_not_come_again_by_itself() {
    let ground = Ground::new();
    let tree = ground.work("t", "fine.txt", "x").path;
    let bad = commit(&ground.repo, ".claude/settings.json", "{}");
    git(&ground.repo, &["rm", "--quiet", ".claude/settings.json"]);
    git(&ground.repo, &["commit", "--quiet", "-m", "taken back"]);
    git(&tree, &["cherry-pick", &bad]);
    ground.work("good", "good.txt", "x");
    let protected = "protected .claude/settings.json";
    let landed = try_to_land(&ground, &["orch/t", "orch/good"], How::Merge).unwrap();
    assert_eq!(words(&landed), [protected, "landed"]);
    assert_eq!(git(&ground.repo, &["ls-tree", "-r", "--name-only", "orch/landing"]), ".gitignore\nbase.txt\ngood.txt");
    let mut top = ground.tip("main");
    let tried = trial::land(&ground.trees().git(), &mut top, &ground.tip("orch/t"), &Guard::default()).unwrap();
    assert_eq!(tried, Trial::Protected(vec![".claude/settings.json".to_owned()]));
    assert_eq!(top, ground.tip("main"));
}

#[test]
fn the_branch_of_the_landing_is_believed_only_where_a_landing_put_it() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    let evil = ground.work("evil", ".claude/settings.json", "{}").path;
    land(&ground, &["orch/a"]);
    let landed = ground.tip("orch/landing");
    git(&evil, &["branch", "--force", "orch/landing", "HEAD"]);
    // Nobody begins there, nothing has arrived there, and nothing lands there.
    assert_eq!(queue::newest(&ground.trees(), "main", "orch/landing").unwrap(), "main");
    assert_eq!(base::of(&ground.trees(), Some("main"), &[]).unwrap().begins_at, ground.tip("main"));
    assert_eq!(cleanup::targets(&ground.trees(), "main").unwrap(), ["main"]);
    ground.work("b", "b.txt", "x");
    let refused = try_to_land(&ground, &["orch/b"], How::Rebase).unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    assert!(refused.message.contains("no landing put it there"), "{refused}");
    // What landed may be nowhere else by now. It is put back, or taken away, or merged by the user who looked at it.
    let words = format!("`git branch --force orch/landing {landed}`");
    assert!(refused.hint.as_ref().unwrap().contains(&words), "{:?}", refused.hint);
    git(&evil, &["branch", "--force", "orch/landing", &landed]);
    assert_eq!(land(&ground, &["orch/b"]), ["landed"]);
    git(&ground.repo, &["branch", "-D", "orch/landing"]);
    assert_eq!(land(&ground, &["orch/a", "orch/b"]), ["landed", "landed"]);
    git(&evil, &["branch", "--force", "orch/landing", "HEAD"]);
    git(&ground.repo, &["merge", "--quiet", "orch/landing"]);
    assert_eq!(land(&ground, &["orch/b"]), ["landed"]);
}

fn needs(ground: &Ground, names: &[&str]) -> base::Base {
    let needed = names.iter().enumerate().map(|(number, name)| Needed {
        task: format!("task-{number:010}").parse().unwrap(),
        said: Some((*name).to_owned()),
        by: None,
    });
    base::of(&ground.trees(), Some("main"), &needed.collect::<Vec<_>>()).unwrap()
}

#[test]
fn nobody_begins_with_what_decides_about_workers_as_long_as_nobody_looked_at_it() {
    let ground = Ground::new();
    ground.work("a", "a.txt", "x");
    ground.work("hooks", ".claude/settings.json", "{}");
    for names in [["orch/hooks", "orch/a"], ["orch/a", "orch/hooks"]] {
        let base = needs(&ground, &names);
        assert_eq!(base.begins_at, ground.tip("orch/a"));
        assert_eq!(base.apart.len(), 1);
        let words = "is on `orch/hooks` and not on your branch: it touches `.claude/settings.json`";
        assert!(base.apart[0].contains(words) && !base.apart[0].contains("git merge"), "{:?}", base.apart);
    }
    // Nor does whoever goes on where they stand.
    let mut base = needs(&ground, &["orch/hooks"]);
    base.worktree(&ground.trees(), "a", &needs_of("orch/hooks")).unwrap();
    assert!(!base.apart[0].contains("git merge"), "{:?}", base.apart);
}

#[test]
fn what_git_cannot_put_on_keeps_no_other_branch_back() {
    let ground = Ground::new();
    let root = made(&ground, &["alone.txt"], &[]);
    let orphan = made(&ground, &["two.txt"], &[&root, &made(&ground, &["three.txt"], &[&root])]);
    git(&ground.repo, &["branch", "orch/orphan", &orphan]);
    let long = made(&ground, &["x".repeat(300).as_str()], &["main"]);
    git(&ground.repo, &["branch", "orch/long", &long]);
    ground.write(".git/info/attributes", "*.secret filter=none\n");
    git(&ground.repo, &["config", "filter.none.smudge", "false"]);
    git(&ground.repo, &["config", "filter.none.required", "true"]);
    git(&ground.repo, &["branch", "orch/filtered", &made(&ground, &["a.secret"], &["main"])]);
    ground.work("a", "a.txt", "x");
    let all = ["orch/orphan", "orch/long", "orch/filtered", "orch/a"];
    for how in [How::Rebase, How::Merge] {
        let landed = words(&try_to_land(&ground, &all, how).unwrap());
        assert!(landed[0].starts_with("stuck") && landed[0].contains("unrelated histories"), "{landed:?}");
        assert!(landed[1].starts_with("stuck") && landed[1].contains("too long"), "{landed:?}");
        assert!(landed[2].starts_with("stuck") && landed[2].contains("filter"), "{landed:?}");
        assert_eq!(landed[3], "landed");
        git(&ground.repo, &["branch", "-D", "orch/landing"]);
    }
    // Who depends on them begins without, and is told so.
    for (name, words) in
        [("orphan", "unrelated histories"), ("long", "could not check"), ("filtered", "could not check")]
    {
        let needed = needs_of(&format!("orch/{name}"));
        let mut base = base::of(&ground.trees(), Some("main"), &needed).unwrap();
        let tree = base.worktree(&ground.trees(), &format!("after-{name}"), &needed).unwrap();
        assert_eq!(git(&tree.path, &["rev-parse", "HEAD"]), ground.tip("main"));
        assert!(base.apart.len() == 1 && base.apart[0].contains(words), "{:?}", base.apart);
    }
}

fn needs_of(branch: &str) -> Vec<Needed> {
    vec![Needed { task: "task-0000000001".parse().unwrap(), said: Some(branch.to_owned()), by: None }]
}

#[test]
fn commits_that_only_the_worktree_knows_keep_it() {
    let ground = Ground::new();
    let tree = ground.trees().ready("t", "main").unwrap().path;
    let reset = |tree: &Path| git(tree, &["reset", "--quiet", "--hard", "main"]);
    // What was amended, rebased or dropped on the branch was its own to give up.
    commit(&tree, "a.txt", "x");
    git(&tree, &["commit", "--quiet", "--amend", "-m", "in other words"]);
    reset(&tree);
    assert_eq!(stays(&ground), "");
    git(&tree, &["update-ref", "refs/worktree/mine", &made(&ground, &["mine.txt"], &["main"])]);
    assert!(stays(&ground).contains("1 commit that is not merged"), "{}", stays(&ground));
    let blob = git(&tree, &["hash-object", "-w", "base.txt"]);
    git(&tree, &["update-ref", "refs/worktree/mine", &blob]);
    assert!(stays(&ground).contains("`refs/worktree/mine`"), "{}", stays(&ground));
    git(&tree, &["update-ref", "-d", "refs/worktree/mine"]);
    git(&tree, &["checkout", "--quiet", "--detach"]);
    commit(&tree, "lost.txt", "x");
    commit(&tree, "lost-too.txt", "x");
    git(&tree, &["switch", "--quiet", "orch/t"]);
    let why = stays(&ground);
    assert!(why.contains("2 commits that are not merged") && why.contains("change lost.txt"), "{why}");
    git(&ground.repo, &["merge", "--quiet", &git(&tree, &["rev-parse", "HEAD@{1}"])]);
    assert_eq!(stays(&ground), "");
}
