//! A team over several repositories: each task is done, shown, landed and cleaned up in the repository that it names.

use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::stalls::in_repository;
use crate::launch::tidy::outcome;
use crate::launch::tidy::run;
use orch_mcp::repo::owner::Owner;
use orch_mcp::repo::worktree::Trees;
use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

const SCRIPT: &str = "sim: run echo x > new && git add new && git commit --quiet -m new\nsim: complete done";

/// Beside the team's own repository there is `api`, in which `main` is checked out, and `develop` is where work lands.
fn with_api() -> (Team, PathBuf) {
    let team = in_repository();
    let api = team.home.path("api");
    fs::create_dir(&api).unwrap();
    init(&api);
    commit(&api, "first", "x\n");
    git(&api, &["switch", "--quiet", "-c", "develop"]);
    commit(&api, "only-there", "x\n");
    commit(&api, "CLAUDE.md", "Be kind.\n");
    git(&api, &["switch", "--quiet", "main"]);
    let registry = "[repos.api]\npath = \"~/api\"\ndefault_branch = \"develop\"\nsequential = [\"test\"]\n\
                    notes = \"never run `make clean`\"\ncommands.test = { shell = \"test -e new && test -e only-there\" }\n";
    register(&team, registry);
    let api = api.canonicalize().unwrap();
    (team, api)
}

fn register(team: &Team, registry: &str) {
    let mut settings = OpenOptions::new().append(true).open(team.home.state_dir().join("orch.toml")).unwrap();
    settings.write_all(registry.as_bytes()).unwrap();
}

fn forget_all(team: &Team) {
    let file = team.home.state_dir().join("orch.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.split("[repos.").next().unwrap()).unwrap();
}

/// What the worktree of a task is called in a repository that it names.
fn slug(team: &Team, task: &str) -> String {
    let trees = Trees::of(&team.repo(), None).unwrap().of_team(Owner::as_guest(&team.home.state_dir()));
    trees.slug(task)
}

fn done(team: &Team) {
    code(&mut team.start(&["--workers", "1", "--until-done"]));
}

fn pushed(team: &Team, words: &[&str]) -> String {
    let words = [&["push-task", "t", "--description", SCRIPT], words].concat();
    team.home.ok(&words)["task"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_repository_that_nobody_knows_is_refused_with_the_one_that_may_be_meant() {
    let (team, _) = with_api();
    for words in
        [&["push-task", "t", "--repo", "apo"][..], &["push-tasks", r#"[{"title":"a"},{"title":"b","repo":"apo"}]"#]]
    {
        let error = team.home.run(words).expect(3).error();
        assert_eq!(error["message"], "there is no repository `apo`", "{words:?}");
        assert!(error["hint"].as_str().unwrap().starts_with("did you mean `api`?"), "{error}");
    }
    let task = pushed(&team, &["--repo", "api"]);
    team.home.run(&["update-task", &task, "--repo", "apo"]).expect(3);
    pushed(&team, &["--repo", "somebody/elsewhere"]);
}

#[test]
fn each_task_is_done_shown_landed_and_cleaned_up_in_its_own_repository() {
    let (team, api) = with_api();
    let there = pushed(&team, &["--repo", "api", "--evidence", "commit", "--evidence", "tests", "--priority", "high"]);
    let here = pushed(&team, &[]);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!([&there, &here].map(|task| team.status(task)), ["completed", "completed"]);
    let mut runs = team.runs();
    runs.sort_by_key(|run| run.dir().to_owned());
    let worked: Vec<PathBuf> = runs.iter().map(|run| run.start().unwrap().cwd).collect();
    let marked = slug(&team, &there);
    assert_eq!(worked, [api.join(".orch/trees").join(&marked), team.repo().join(".orch/trees").join(&here)]);
    let prompt = fs::read_to_string(runs[0].prompt()).unwrap();
    for words in [
        "You work in the repository api",
        "Its work lands on `develop`",
        "test with `test -e new && test -e only-there`",
        "`orch-mcp repos run WORKFLOW api --here`",
        "`@repo:api`",
        "Read its CLAUDE.md first",
        "never run `make clean`",
    ] {
        assert!(prompt.contains(words), "{words}: {prompt}");
    }
    assert!(!fs::read_to_string(runs[1].prompt()).unwrap().contains("CLAUDE.md first"));
    let branches = |repo: &PathBuf| git(repo, &["branch", "--list", "orch/*", "--format=%(refname:short)"]);
    assert_eq!((branches(&api), branches(&team.repo())), (format!("orch/{marked}"), format!("orch/{here}")));

    // A branch that is only called like its task lands nowhere.
    git(&team.repo(), &["branch", &format!("orch/{there}"), &format!("orch/{here}")]);
    let landed = run(&team, &["land"]).expect(0).data();
    assert_eq!([&there, &here].map(|task| outcome(&landed, task)), ["not_finished", "landed"], "{landed}");
    assert!(landed["next"].to_string().contains("orch-mcp land --repo api"), "{landed}");
    run(&team, &["land", &there]).expect(8);
    git(&api, &["branch", &format!("orch/{here}"), &format!("orch/{marked}")]);
    let landed = run(&team, &["land", "--repo", "api"]).expect(0).data();
    assert_eq!([&marked, &here].map(|task| outcome(&landed, task)), ["landed", "not_finished"], "{landed}");
    assert_eq!(landed["checks"], 1, "what shows that it is good there is the workflow `test`: {landed}");
    assert_eq!(git(&api, &["ls-tree", "--name-only", "develop", "new"]), "new");
    assert_eq!(git(&api, &["ls-tree", "--name-only", "main", "new"]), "");
    let cleaned = run(&team, &["cleanup", "--dry-run"]).expect(0).data();
    assert_eq!(cleaned["next"][0], "orch-mcp cleanup --repo api", "{cleaned}");
    let cleaned = run(&team, &["cleanup", "--repo", "api"]).expect(0).data();
    assert_eq!(outcome(&cleaned, &marked), "removed", "{cleaned}");
    assert!(!worked[0].exists() && worked[1].exists());
    run(&team, &["land", "--repo", "apo"]).expect(3);
}

#[test]
fn a_repository_that_is_not_there_sets_its_task_aside_and_no_other() {
    let (team, api) = with_api();
    fs::rename(&api, api.with_extension("away")).unwrap();
    let there = pushed(&team, &["--repo", "api", "--max-attempts", "1"]);
    let here = pushed(&team, &[]);
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&here, "completed");
    team.until(&there, "blocked");
    assert!(team.reason(&there).contains("there is no git repository at"), "{}", team.reason(&there));
    launch.signal(rustix::process::Signal::TERM);
    code(&mut launch);
    assert!(
        team.runs().iter().all(|run| run.start().is_ok_and(|start| start.cwd.ends_with(&here)) || run.start().is_err())
    );
}

/// It works where it was begun: what is about another repository is left to those that are begun for each task.
#[test]
fn a_session_that_stays_takes_no_task_of_another_repository() {
    let (team, api) = with_api();
    let there = pushed(&team, &["--repo", "api", "--priority", "high"]);
    let here = pushed(&team, &["--priority", "low"]);
    let mut launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until(&here, "completed");
    assert_eq!(team.status(&there), "pending");
    let by_name = ["claim-task", "--task-id", &there, "-i", "executor-1"];
    assert!(
        team.home
            .run(&by_name)
            .expect(4)
            .error()
            .to_string()
            .contains("a session that stays does only what names none")
    );
    launch.signal(rustix::process::Signal::TERM);
    code(&mut launch);
    let mut launch = team.start(&["--workers", "1", "--role", "builder=1", "--until-done"]);
    code(&mut launch);
    assert!(!api.join(".orch/trees/executor-1").exists());
}

/// Each team counts its tasks from one, so the first of both are called alike.
#[test]
fn two_teams_in_one_repository_share_no_branch_and_no_worktree() {
    let (guest, host) = (in_repository(), in_repository());
    register(&guest, &format!("[repos.b]\npath = \"{}\"\n", host.repo().display()));
    let script = |file: &str| {
        format!("sim: run echo x > {file} && git add {file} && git commit --quiet -m {file}\nsim: complete done")
    };
    let push = |team: &Team, file: &str, words: &[&str]| {
        let script = script(file);
        let words = [&["push-task", "t", "--description", &script], words].concat();
        team.home.ok(&words)["task"]["id"].as_str().unwrap().to_owned()
    };
    let theirs = push(&guest, "theirs", &["--repo", "b"]);
    let own = push(&host, "own", &[]);
    assert_eq!(theirs, own, "called alike");
    done(&guest);
    done(&host);
    let marked = slug(&guest, &theirs);
    let files = |branch: &str| git(&host.repo(), &["ls-tree", "-r", "--name-only", branch]);
    assert_eq!(files(&format!("orch/{marked}")), "theirs");
    assert_eq!(files(&format!("orch/{own}")), "own");

    let landed = run(&host, &["land"]).expect(0).data();
    assert_eq!([&own, &marked].map(|name| outcome(&landed, name)), ["landed", "not_finished"], "{landed}");
    git(&host.repo(), &["merge", "--quiet", "--ff-only", "orch/landing"]);
    assert_eq!(files("main"), "own");
    let cleaned = run(&host, &["cleanup"]).expect(0).data();
    assert_eq!([&own, &marked].map(|name| outcome(&cleaned, name)), ["removed", "kept"], "{cleaned}");

    let other = push(&host, "other", &[]);
    done(&host);
    let landed = run(&guest, &["land", "--repo", "b"]).expect(0).data();
    assert_eq!([&marked, &other].map(|name| outcome(&landed, name)), ["landed", "not_finished"], "{landed}");
    git(&host.repo(), &["merge", "--quiet", "--ff-only", "orch/landing"]);
    let cleaned = run(&guest, &["cleanup", "--repo", "b"]).expect(0).data();
    assert_eq!([&marked, &other].map(|name| outcome(&cleaned, name)), ["removed", "kept"], "{cleaned}");
}

/// Both are at home there: only what is written down of each branch tells them apart.
#[test]
fn a_team_that_shares_its_repository_with_another_takes_nothing_of_that() {
    let team = in_repository();
    let task = pushed(&team, &[]);
    let other = Trees::of(&team.repo(), None).unwrap().of_team(Owner::at_home(std::path::Path::new("/other/.orch")));
    other.ready(&task, "main").unwrap();
    done(&team);
    assert_eq!(team.status(&task), "blocked");
    assert!(team.reason(&task).contains("it is of the team at `/other/.orch`"), "{}", team.reason(&task));
    for command in ["land", "cleanup"] {
        let told = run(&team, &[command]).out;
        assert!(told.contains("it is of the team at `/other/.orch`"), "{told}");
    }
    assert!(team.repo().join(".orch/trees").join(&task).exists());
}

#[test]
fn a_repository_that_was_registered_after_the_launch_is_where_its_task_is_done() {
    let team = in_repository();
    let mut launch = team.start(&["--workers", "1"]);
    let first = pushed(&team, &[]);
    team.until(&first, "completed");
    let late = team.home.path("late");
    fs::create_dir(&late).unwrap();
    init(&late);
    commit(&late, "first", "x\n");
    register(&team, "[repos.late]\npath = \"~/late\"\n");
    let task = pushed(&team, &["--repo", "late"]);
    team.until(&task, "completed");
    launch.signal(rustix::process::Signal::TERM);
    code(&mut launch);
    assert!(late.join(".orch/trees").join(slug(&team, &task)).join("new").exists());
}

#[test]
fn what_names_a_repository_that_is_registered_no_more_is_neither_done_nor_landed_at_home() {
    let (team, _) = with_api();
    let task = pushed(&team, &["--repo", "api"]);
    let finished = pushed(&team, &["--repo", "api"]);
    team.home.ok(&["register-instance", "amy"]);
    team.home.ok(&["claim-task", "--task-id", &finished, "-i", "amy"]);
    team.home.ok(&["complete-task", &finished, "done", "-i", "amy"]);
    let tree = Trees::of(&team.repo(), None).unwrap().ready(&finished, "main").unwrap();
    commit(&tree.path, "new", "x");
    forget_all(&team);
    done(&team);
    assert_eq!(team.status(&task), "blocked");
    assert!(team.reason(&task).contains("there is no repository `api`"), "{}", team.reason(&task));
    assert!(!team.repo().join(".orch/trees").join(&task).exists());
    let landed = run(&team, &["land"]).expect(5).data();
    assert_eq!(outcome(&landed, &finished), "not_finished", "{landed}");
    run(&team, &["land", &finished]).expect(8);
    git(&team.repo(), &["merge", "--quiet", &tree.branch]);
    let cleaned = run(&team, &["cleanup"]).expect(0).data();
    assert_eq!(outcome(&cleaned, &finished), "kept", "{cleaned}");
    team.home.run(&["push-task", "t", "--repo", "api"]).expect(3);
}

/// One path may have many names, and the team's own one: each with a target and a check of its own.
#[test]
fn each_name_of_one_repository_lands_by_itself() {
    let team = in_repository();
    git(&team.repo(), &["branch", "develop"]);
    register(
        &team,
        "[repos.rel]\npath = \"~/work\"\ndefault_branch = \"main\"\n\
         [repos.next]\npath = \"~/work\"\ndefault_branch = \"develop\"\ncommands.test = { shell = \"test -e new\" }\n",
    );
    let task = pushed(&team, &["--repo", "next", "--evidence", "tests"]);
    done(&team);
    assert_eq!(team.status(&task), "completed", "{}", team.reason(&task));
    let marked = slug(&team, &task);
    for words in [&["land"][..], &["land", "--repo", "rel"]] {
        let landed = run(&team, words).expect(5).data();
        assert_eq!(outcome(&landed, &marked), "not_finished", "{landed}");
        assert!(landed.to_string().contains("orch-mcp land --repo next"), "{landed}");
    }
    for words in [&["cleanup"][..], &["cleanup", "--repo", "rel"]] {
        assert_eq!(outcome(&run(&team, words).expect(0).data(), &marked), "kept");
    }
    let landed = run(&team, &["land", "--repo", "next"]).expect(0).data();
    assert_eq!(outcome(&landed, &marked), "landed", "{landed}");
    assert_eq!((landed["checks"].as_u64(), landed["target"].as_str()), (Some(1), Some("develop")));
    assert_eq!(git(&team.repo(), &["ls-tree", "--name-only", "develop", "new"]), "new");
    assert_eq!(git(&team.repo(), &["ls-tree", "--name-only", "main", "new"]), "");
}

#[test]
fn a_repository_in_which_nobody_can_work_sets_its_tasks_aside_and_uses_up_no_worker() {
    let (team, api) = with_api();
    let bare = team.home.path("bare.git");
    git(&api, &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let colon = team.home.path("a:b");
    fs::create_dir(&colon).unwrap();
    init(&colon);
    commit(&colon, "first", "x\n");
    register(
        &team,
        "[repos.bare]\npath = \"~/bare.git\"\n[repos.colon]\npath = \"~/a:b\"\n[repos.gone]\npath = \"~/api\"\ndefault_branch = \"no-such\"\n",
    );
    let bad = ["bare", "colon", "gone"].map(|name| pushed(&team, &["--repo", name, "--priority", "high"]));
    let here = pushed(&team, &[]);
    done(&team);
    assert_eq!(team.status(&here), "completed");
    let claims = team.events("task.claimed");
    for (task, words) in bad.iter().zip(["has no checkout", "without `:`", "no-such"]) {
        assert_eq!(team.status(task), "blocked");
        assert!(team.reason(task).contains(words), "{}", team.reason(task));
        assert_eq!(claims.iter().filter(|event| event["subject"] == task.as_str()).count(), 1);
    }
}

#[test]
fn whoever_works_in_no_worktree_does_nothing_of_another_repository() {
    let (team, _) = with_api();
    let roles = team.home.state_dir().join("roles");
    fs::create_dir_all(&roles).unwrap();
    let role = "---\ndescription: Looks\nisolation: none\n---\nDo {{task_id}}.\n";
    fs::write(roles.join("looker.md"), role).unwrap();
    let there = pushed(&team, &["--repo", "api"]);
    code(&mut team.start(&["--role", "looker=1", "--until-done"]));
    assert_eq!(team.status(&there), "blocked");
    assert!(team.reason(&there).contains("works in the team's own directory"), "{}", team.reason(&there));
    assert!(!team.repo().join("new").exists());
}
