//! A team over several repositories: each task is done, shown, landed and cleaned up in the repository that it names.

use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::stalls::in_repository;
use crate::launch::tidy::outcome;
use crate::launch::tidy::run;
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
    let mut settings = OpenOptions::new().append(true).open(team.home.state_dir().join("orch.toml")).unwrap();
    settings.write_all(registry.as_bytes()).unwrap();
    let api = api.canonicalize().unwrap();
    (team, api)
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
    assert_eq!(worked, [api.join(".orch/trees").join(&there), team.repo().join(".orch/trees").join(&here)]);
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
    assert_eq!((branches(&api), branches(&team.repo())), (format!("orch/{there}"), format!("orch/{here}")));

    // A branch that is only called like its task lands nowhere.
    git(&team.repo(), &["branch", &format!("orch/{there}"), &format!("orch/{here}")]);
    let landed = run(&team, &["land"]).expect(0).data();
    assert_eq!([&there, &here].map(|task| outcome(&landed, task)), ["not_finished", "landed"], "{landed}");
    assert!(landed.to_string().contains("orch-mcp land --repo api"), "{landed}");
    run(&team, &["land", &there]).expect(8);
    git(&api, &["branch", &format!("orch/{here}"), &format!("orch/{there}")]);
    let landed = run(&team, &["land", "--repo", "api"]).expect(0).data();
    assert_eq!([&there, &here].map(|task| outcome(&landed, task)), ["landed", "not_finished"], "{landed}");
    assert_eq!(landed["checks"], 1, "what shows that it is good there is the workflow `test`: {landed}");
    assert_eq!(git(&api, &["ls-tree", "--name-only", "develop", "new"]), "new");
    assert_eq!(git(&api, &["ls-tree", "--name-only", "main", "new"]), "");
    let cleaned = run(&team, &["cleanup", "--repo", "api"]).expect(0).data();
    assert_eq!(outcome(&cleaned, &there), "removed", "{cleaned}");
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
    let trees = team.repo().join(".orch/trees").join(&there);
    assert!(!trees.exists(), "never in another one");
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
    assert!(team.home.run(&by_name).expect(4).error().to_string().contains("you stay in another"));
    launch.signal(rustix::process::Signal::TERM);
    code(&mut launch);
    let mut launch = team.start(&["--workers", "1", "--role", "builder=1", "--until-done"]);
    code(&mut launch);
    assert!(!api.join(".orch/trees/executor-1").exists());
}
