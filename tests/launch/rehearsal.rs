//! The words of `launch`: which team they start, what is checked before, and what a role says where a launch does not.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::process::Stdio;

fn rehearse(team: &Team, words: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut launch = team.launch(&[&["--dry-run"], words].concat());
    launch.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish_within(PATIENCE, &mut launch, "")
}

fn names(plan: &Value) -> Vec<String> {
    plan["workers"].as_array().unwrap().iter().map(|one| one["worker"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_rehearsal_checks_all_prints_the_plan_and_starts_nothing() {
    let team = Team::new();
    let plan = rehearse(&team, &["--workers", "2", "--planner", "--role", "docs=1"], &[]).expect(0).data();
    assert_eq!(plan["ready"], true, "{plan}");
    assert_eq!(names(&plan), ["planner-1", "executor-1", "executor-2", "docs-1"]);
    let docs = &plan["workers"][3];
    assert_eq!(docs["mode"], "long");
    let command = docs["command"].as_array().unwrap();
    assert!(command[0].as_str().unwrap().ends_with("simulated-claude"), "{command:?}");
    assert!(command.contains(&json!("--input-format=stream-json")) && command.contains(&json!("--name=docs-1")));
    let client = plan["checks"].as_array().unwrap().iter().find(|check| check["what"] == "client").unwrap();
    assert!(client["found"].as_str().unwrap().contains("(simulated)"), "{client}");
    assert_eq!((team.worker("executor-1"), team.runs().len()), (Value::Null, 0));
}

#[test]
fn a_rehearsal_names_what_is_wrong_and_ends_with_its_code() {
    let team = Team::new();
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    fs::write(team.home.state_dir().join("roles/odd.md"), "---\ndescription: d\n---\n{{task_idd}}\n").unwrap();
    let odd = rehearse(&team, &["--role", "odd=1", "--workers", "9"], &[]);
    let plan: Value = odd.data();
    assert_ne!(odd.status.code(), Some(0));
    let wrong: Vec<&Value> = plan["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(wrong.iter().map(|check| check["what"].as_str().unwrap()).collect::<Vec<_>>(), ["caps", "role odd"]);
    assert!(wrong[0]["found"].as_str().unwrap().contains("10 more would be beyond the cap of 8"), "{wrong:?}");
    assert!(wrong[1]["found"].as_str().unwrap().contains("task_idd"), "{wrong:?}");
    let words = ["launch", "--dry-run", "--workers", "1", "--client", "/no/such/client"];
    let nowhere = team.home.run(&words).expect(6).data();
    assert_eq!(nowhere["ready"], false);
}

/// What is said twice of a role is one order, to the rehearsal as to the launch; two flags for one count would be two orders.
#[test]
fn what_is_asked_of_a_role_is_added_up_and_two_words_for_one_count_are_refused() {
    let team = Team::new();
    let plan = |words: &[&str]| names(&rehearse(&team, words, &[]).expect(0).data());
    let twice = ["--role", "executor=1", "--workers", "1", "--role", "docs", "--docs"];
    assert_eq!(plan(&twice), ["docs-1", "docs-2", "executor-1", "executor-2"]);
    assert_eq!(plan(&["--role", "reviewer=2", "--role", "reviewer=1"]), ["reviewer-1", "reviewer-2", "reviewer-3"]);
    assert_eq!(plan(&["--role", "docs", "--docs", "--role", "reviewer=0"]), ["docs-1", "docs-2"]);
    let refused = rehearse(&team, &["--workers", "2", "--executors", "3"], &[]).expect(2);
    assert!(refused.err.contains("--executors") && refused.err.contains("--workers"), "{refused:?}");
    let refused = rehearse(&team, &["--role", "executor=4294967295", "--workers", "1"], &[]).expect(2);
    assert!(refused.err.contains("executor"), "{refused:?}");
    let mut launch = team.start(&twice);
    team.until_state("executor-2", "idle");
    let all = team.home.ok(&["list-workers"]);
    let known: Vec<&str> = all["workers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(known, ["docs-1", "docs-2", "executor-1", "executor-2"]);
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn without_a_count_the_team_of_the_settings_is_started_under_older_names_too() {
    let team = Team::new();
    let roles = |ended: Ended| names(&ended.expect(0).data());
    let default = ["docs-1", "executor-1", "executor-2", "executor-3", "planner-1"];
    assert_eq!(roles(rehearse(&team, &[], &[])), default);
    assert_eq!(
        roles(rehearse(&team, &["--no-planner"], &[("ORCHESTRATOR_MAX_EXECUTORS", "1")])),
        ["docs-1", "executor-1"]
    );
    let settings = "[launch]\nspawns_per_minute = 1000\n[launch.workers]\nverifier = 1\n";
    fs::write(team.home.state_dir().join("orch.toml"), settings).unwrap();
    assert_eq!(roles(rehearse(&team, &[], &[])), ["verifier-1"]);
    let other = team.home.path("other");
    fs::create_dir(&other).unwrap();
    let variables = [("ORCHESTRATOR_WORKSPACE", other.to_str().unwrap()), ("ORCHESTRATOR_POLL_INTERVAL", "2")];
    let plan = rehearse(&team, &[], &variables).expect(0).data();
    assert_eq!(plan["workers"][0]["where"], other.to_str().unwrap());
    let mut launch = team.start(&[]);
    team.until_state("verifier-1", "idle");
    // Those that are wanted are looked after, and nobody is started beside them.
    assert_eq!(rehearse(&team, &[], &[]).expect(0).data()["workers"], json!([]));
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn a_role_says_how_its_workers_run_and_how_far_and_its_prompt_which_tools_they_see() {
    let team = Team::new();
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    let role = "---\ndescription: d\nmode: long\nturns_max: 1\n---\nTake tasks. Say `update_task` and `no_tool`.\n";
    fs::write(team.home.state_dir().join("roles/taker.md"), role).unwrap();
    let task = team.task("t", "sim: complete done");
    let mut launch: Running = team.start(&["--role", "taker=1"]);
    team.until(&task, "completed");
    let run = team.runs().pop().unwrap();
    let config: Value = serde_json::from_str(&fs::read_to_string(run.mcp()).unwrap()).unwrap();
    let words = config["mcpServers"]["orch-mcp"]["args"].as_array().unwrap().clone();
    let also: Vec<&Value> = words.windows(2).filter(|pair| pair[0] == "--also").map(|pair| &pair[1]).collect();
    assert!(also.contains(&&json!("update_task")) && also.contains(&&json!("release_task")), "{also:?}");
    assert!(!also.contains(&&json!("no_tool")), "{also:?}");
    // One turn is all that it may take without a word from the human, once there is something to do.
    let more = team.task("more", "sim: complete done");
    team.until_state("taker-1", "paused");
    let asked = eventually_within(PATIENCE, "a question", || {
        team.home.ok(&["questions"])["questions"].as_array().unwrap().first().cloned()
    });
    assert!(asked["text"].as_str().unwrap().contains("turns are taken"), "{asked}");
    team.home.ok(&["approve", asked["id"].as_str().unwrap()]);
    team.until(&more, "completed");
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
}
