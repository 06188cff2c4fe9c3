//! How repositories stand is told of all of them, whatever is wrong with one.

use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::ground::try_git;
use crate::launch::ground::write;
use crate::repos::world::Gate;
use crate::repos::world::World;
use crate::repos::world::each;
use crate::repos::world::words;
use crate::support::program::eventually;
use rustix::process::Signal;
use serde_json::json;
use std::fs;

#[test]
fn all_repositories_are_shown_side_by_side() {
    let world = World::with_three();
    let told = world.run(&["repos", "status"]).expect(0).data()["repositories"].take();
    assert_eq!(each(&told, "state"), [("api", json!("clean")), ("web", json!("dirty")), ("lib", json!("clean"))]);
    assert_eq!(each(&told, "behind"), [("api", json!(1)), ("web", json!(0)), ("lib", json!(0))]);
    assert_eq!(each(&told, "ahead"), [("api", json!(0)), ("web", json!(0)), ("lib", json!(1))]);
    assert_eq!(each(&told, "stashes"), [("api", json!(0)), ("web", json!(1)), ("lib", json!(0))]);
    let web = &told[1];
    assert_eq!((&web["changed"], &web["untracked"], &web["branch"]), (&json!(1), &json!(1), &json!("main")));
    assert_eq!(web["last_commit"]["subject"], "change file");
    assert_eq!(told[0]["path"], world.dir("api").to_str().unwrap());
    let shown = world.run(&["repos", "--format", "table"]).expect(0).out;
    for words in ["REPO  BRANCH  UPSTREAM  STATE", "1 behind", "dirty: 1 changed, 1 unknown to git", "change broken"] {
        assert!(shown.contains(words), "no `{words}` in\n{shown}");
    }
    assert_eq!(world.run(&["repos", "status", "--tag", "backend", "--format", "ids"]).expect(0).out, "api\nlib\n");
    assert!(!world.home.state_dir().exists(), "to look writes nothing");
}

#[test]
fn one_that_is_missing_or_no_repository_is_shown_as_such_and_hides_no_other() {
    let world = World::with_three();
    fs::create_dir(world.dir("plain")).unwrap();
    fs::create_dir_all(world.dir("damaged/.git")).unwrap();
    let empty = world.dir("empty");
    fs::create_dir(&empty).unwrap();
    init(&empty);
    let detached = world.clone_of("detached");
    git(&detached, &["switch", "--quiet", "--detach"]);
    // What lies around it is not taken for it.
    let inner = world.dir("api/inner");
    fs::create_dir(&inner).unwrap();
    let names = ["gone", "plain", "damaged", "empty", "detached", "inner"];
    let path = |name: &str| if name == "inner" { "api/inner".to_owned() } else { name.to_owned() };
    let more: String = names.iter().map(|name| format!("[repos.{name}]\npath = \"~/src/{}\"\n", path(name))).collect();
    world.write_settings(&format!("{more}{}", world.settings()));
    let told = world.run(&["repos", "status"]).expect(1).data()["repositories"].take();
    let states = words(&told, "state");
    let wanted =
        ["missing", "no_repository", "unreadable", "clean", "clean", "no_repository", "clean", "dirty", "clean"];
    assert_eq!(states, wanted, "{told}");
    assert!(told[0]["why"].as_str().unwrap().starts_with("nothing is at `"), "{told}");
    assert_eq!((&told[3]["branch"], &told[3]["last_commit"]), (&json!("main"), &json!(null)));
    assert_eq!(told[4]["branch"], json!(null));
    let shown = world.run(&["repos", "--format", "table"]).expect(1).out;
    assert!(shown.contains("no repository") && shown.contains("none yet") && shown.contains("(no branch)"), "{shown}");
}

#[test]
fn one_that_git_hangs_at_is_given_up_in_time() {
    let world = World::with_three();
    let index = world.dir("web/.git/index");
    fs::remove_file(&index).unwrap();
    let _gate = Gate::at(index);
    let told = world.run(&["repos", "status", "--within", "1"]).expect(1).data()["repositories"].take();
    assert_eq!(told[1]["state"], "timed_out");
}

#[test]
fn a_scan_is_written_down_whole_and_tells_of_all_of_them() {
    let world = World::with_three();
    let told = world.run(&["repos", "scan"]).expect(0).data();
    let kept = world.record("repo-status.json");
    assert!(kept["scanned_at"].is_string());
    assert_eq!(kept["repositories"], told["repositories"]);
    commit(&world.dir("api"), "x", "y");
    // By its older name, and of one of them.
    let told = world.run(&["scan", "web"]).expect(0).data()["repositories"].take();
    assert_eq!(told.as_array().unwrap().len(), 1);
    let kept = world.record("repo-status.json")["repositories"].take();
    assert_eq!(each(&kept, "ahead"), [("api", json!(1)), ("web", json!(0)), ("lib", json!(1))]);
    let left: Vec<_> = fs::read_dir(world.home.state_dir().join("repos")).unwrap().flatten().collect();
    assert_eq!(left.len(), 3, "{left:?}");
    // A store that is made later finds nothing strange there.
    world.home.ok(&["push-task", "x"]);
}

/// File watchers, filters and hooks that somebody wrote into the settings of a repository are programs, and run by nobody here.
#[test]
fn to_look_runs_nothing_that_the_repository_names() {
    for setting in ["core.fsmonitor", "filter.evil.clean", "filter.evil.process", "hooks"] {
        let world = World::with_three();
        let pwned = world.home.path("pwned");
        let web = world.dir("web");
        world.tool("evil", &format!("touch {}\ncat\n", pwned.display()));
        let evil = world.home.path("bin/evil");
        match setting {
            "hooks" => drop(fs::copy(&evil, web.join(".git/hooks/post-index-change")).unwrap()),
            setting => drop(git(&web, &["config", setting, evil.to_str().unwrap()])),
        }
        write(&web, ".git/info/attributes", "file filter=evil\n");
        write(&web, "file", "changed again\n");
        let told = world.run(&["repos", "scan"]).expect(0).data()["repositories"].take();
        assert_eq!(told[1]["state"], "dirty");
        assert!(!pwned.exists(), "{setting}");
        // A person's own git does as it is told.
        try_git(&web, &["add", "file"]);
        assert!(pwned.exists(), "{setting} would not have been run by anybody");
    }
}

/// A repository may say that its objects are elsewhere, and how they are fetched.
#[test]
fn to_look_fetches_nothing() {
    let world = World::with_three();
    let web = world.dir("web");
    let pwned = world.home.path("pwned");
    world.tool("evil", &format!("touch {}\n", pwned.display()));
    for (name, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "evil"),
        ("remote.evil.promisor", "true"),
        ("remote.evil.url", world.home.path("origin-web").to_str().unwrap()),
        ("remote.evil.uploadpack", world.home.path("bin/evil").to_str().unwrap()),
    ] {
        git(&web, &["config", name, value]);
    }
    git(&web, &["add", "file"]);
    let tree = git(&web, &["rev-parse", "HEAD^{tree}"]);
    fs::remove_file(web.join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
    let told = world.run(&["repos"]).expect(1).data()["repositories"].take();
    assert_eq!(words(&told, "state"), ["clean", "unreadable", "clean"]);
    assert!(!pwned.exists());
    try_git(&web, &["status"]);
    assert!(pwned.exists(), "it would not have been run by anybody");
}

#[test]
fn one_whose_files_are_elsewhere_is_no_way_to_write_there() {
    let world = World::with_three();
    let elsewhere = world.home.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    git(&world.dir("api"), &["config", "core.worktree", elsewhere.to_str().unwrap()]);
    git(&world.dir("api"), &["checkout", "--quiet", "--force"]);
    let told = world.run(&["repos", "pull", "api"]).expect(1).data()["repositories"].take();
    assert_eq!(told[0]["outcome"], "unreadable");
    assert!(told[0]["why"].as_str().unwrap().starts_with("its files are elsewhere, at `"), "{told}");
    assert!(!elsewhere.join("newer").exists());
}

/// It has a process group of its own, so the terminal does not tell it.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_git_too() {
    let world = World::with_three();
    let web = world.dir("web");
    git(&web, &["checkout", "--quiet", "."]);
    fs::remove_file(web.join("draft")).unwrap();
    let head = world.home.path("origin-web/HEAD");
    fs::remove_file(&head).unwrap();
    let _gate = Gate::at(head);
    let (mut running, _) = world.start(&["repos", "pull", "web"], "said");
    let below = || orch_mcp::descendants::below(running.child.id() as i32);
    let is_fetching = |pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("upload-pack")
    };
    let all = eventually("a fetch that hangs", || Some(below()).filter(|pids| pids.iter().any(is_fetching)));
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    eventually("the end of git", || (!all.iter().any(is_fetching)).then_some(()));
}

#[test]
fn what_is_misspelt_is_told_with_what_there_is() {
    let world = World::with_three();
    for (words, message, hint) in [
        (&["repos", "status", "wbe"][..], "there is no repository `wbe`", "did you mean `web`?"),
        (&["repos", "scan", "--tag", "bakend"], "no repository has the tag `bakend`", "did you mean `backend`?"),
        (&["repos", "run", "tset"], "there is no workflow `tset`", "did you mean `test`?"),
    ] {
        let error = world.run(words).expect(3).error();
        assert_eq!(error["message"], message);
        assert!(error["hint"].as_str().unwrap().starts_with(hint), "{error}");
    }
    world.write_settings("");
    assert_eq!(world.run(&["repos"]).expect(3).error()["message"], "no repository is registered");
    world.write_settings("[repos.api]\npth = \"x\"\n");
    let error = world.run(&["repos"]).expect(2).error();
    assert_eq!(error["message"], "orch.toml line 2: a repository has no key `pth`");
    let doctor = world.run(&["doctor"]).expect(1).data();
    assert!(doctor.to_string().contains("orch.toml line 2: a repository has no key `pth`"), "{doctor}");
}
