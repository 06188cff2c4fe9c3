//! How far workers may go: a worker, a task, a day, each held while a session goes on, and what the human says then.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::eventually_within;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

fn team(settings: &str) -> Team {
    let team = Team::new();
    let settings = format!("[launch]\nspawns_per_minute = 1000\n{settings}\n");
    fs::write(team.home.state_dir().join("orch.toml"), settings).unwrap();
    team
}

fn asked(team: &Team) -> Value {
    let open = || team.home.ok(&["questions"])["questions"].as_array().unwrap().first().cloned();
    eventually_within(PATIENCE, "a question", open)
}

/// Nothing is spent meanwhile. Whoever is paused is asked to end next.
fn until_nobody_runs(team: &Team) {
    eventually_within(PATIENCE, "nobody runs", || team.living().is_empty().then_some(()));
}

fn id(question: &Value) -> &str {
    question["id"].as_str().unwrap()
}

#[test]
fn at_its_cap_a_worker_waits_for_the_humans_yes_and_goes_no_further_without() {
    let team = team("dollars_per_worker = 0.02");
    let tasks: Vec<String> = (0..5).map(|n| team.task(&format!("t{n}"), "sim: complete done")).collect();
    let done = || tasks.iter().filter(|task| team.status(task) == "completed").count();
    let mut launch = team.start(&["--workers", "1"]);
    let first = asked(&team);
    team.until_state("executor-1", "paused");
    assert_eq!(done(), 2, "two cents are two tasks");
    team.home.ok(&["approve", id(&first)]);
    eventually_within(PATIENCE, "as far again", || (done() == 4).then_some(()));
    let second =
        eventually_within(PATIENCE, "another question", || Some(asked(&team)).filter(|one| id(one) != id(&first)));
    team.home.ok(&["deny", id(&second)]);
    assert_eq!((code(&mut launch), done()), (Some(0), 4));
}

/// The client tells of each request while it goes on: nobody waits for the end of a session that would never come.
#[test]
fn a_task_that_costs_more_than_one_may_is_paused_in_the_middle_and_goes_on_or_is_set_aside() {
    let team = team("dollars_per_task = 1.0");
    let dear = team.task("dear", "sim: first spend 1.25\nsim: first hang\nsim: complete done");
    let endless = team.task("endless", "sim: spend 1.25\nsim: hang");
    let cheap = team.task("cheap", "sim: spend 0.5\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let first = asked(&team);
    assert_eq!((first["task_id"].as_str(), first["from"].as_str()), (Some(&*dear), Some("executor-1")));
    assert_eq!(first["text"], format!("$1.25 of $1.00 are spent on {dear}. May it go on, as far again?"));
    team.until_state("executor-1", "paused");
    until_nobody_runs(&team);
    team.home.ok(&["approve", id(&first)]);
    team.until(&dear, "completed");
    let second = eventually_within(PATIENCE, "the other asks", || {
        Some(asked(&team)).filter(|one| one["task_id"].as_str() == Some(&*endless))
    });
    team.home.ok(&["deny", id(&second)]);
    assert_eq!(code(&mut launch), Some(1), "one was set aside");
    assert_eq!([&dear, &endless, &cheap].map(|task| team.status(task)), ["completed", "blocked", "completed"]);
    assert!(team.reason(&endless).contains("$1.25 of $1.00 are spent"), "{}", team.reason(&endless));
    let by_task = team.home.ok(&["costs", "--by", "task"]);
    let of =
        |task: &str| by_task["costs"].as_array().unwrap().iter().find(|line| line["what"] == *task).unwrap().clone();
    assert_eq!(of(&endless)["spent"]["dollars"], 1.25);
}

#[test]
fn a_day_that_costs_more_than_one_may_pauses_all_of_them_and_one_question_asks_for_all() {
    // All of them must have spent before it is too much: whoever began after the yes would hang for ever.
    let team = team("dollars_per_day = 1.5");
    let tasks: Vec<String> = (0..3)
        .map(|n| team.task(&format!("t{n}"), "sim: first spend 0.6\nsim: first hang\nsim: complete done"))
        .collect();
    let mut launch = team.start(&["--workers", "3", "--until-done"]);
    let question = asked(&team);
    assert_eq!(question["from"], "all workers");
    for worker in ["executor-1", "executor-2", "executor-3"] {
        team.until_state(worker, "paused");
    }
    assert_eq!(team.home.ok(&["questions"])["questions"].as_array().unwrap().len(), 1);
    until_nobody_runs(&team);
    team.home.ok(&["approve", id(&question)]);
    assert_eq!(code(&mut launch), Some(0));
    assert!(tasks.iter().all(|task| team.status(task) == "completed"));
}

#[test]
fn what_nothing_can_cost_is_held_to_the_cap_and_stops_nobody_else() {
    let team = team("dollars_per_task = 1.0\ntokens_per_day = 1000000");
    let mad = team.task("mad", "sim: spend 1e308\nsim: spend 1e308\nsim: hang");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let question = asked(&team);
    team.home.ok(&["deny", id(&question)]);
    assert_eq!(code(&mut launch), Some(1));
    assert_eq!((team.status(&mad).as_str(), team.living().len()), ("blocked", 0));
    assert_eq!(team.home.ok(&["costs"])["total"]["dollars"], 1e6);
}

#[test]
fn what_a_worker_spent_before_it_was_launched_again_is_of_the_past() {
    let team = team("dollars_per_worker = 0.02");
    for _ in 0..2 {
        let tasks: Vec<String> = (0..2).map(|n| team.task(&format!("t{n}"), "sim: complete done")).collect();
        assert_eq!(code(&mut team.start(&["--workers", "1", "--until-done"])), Some(0));
        assert!(tasks.iter().all(|task| team.status(task) == "completed"));
    }
    assert_eq!(team.home.ok(&["questions"])["questions"].as_array().map(Vec::len), Some(0));
    assert_eq!(team.home.ok(&["costs"])["total"]["runs"], 4);
}

#[test]
fn who_is_restarted_goes_by_what_its_role_says_by_then() {
    let team = team("");
    let role = |dollars: &str| {
        let header = format!("description: Pays\ndollars_max: {dollars}");
        let dir = team.home.state_dir().join("roles");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("payer.md"), format!("---\n{header}\n---\nDo {{{{task_id}}}}.\n")).unwrap();
    };
    role("2.0");
    let task = team.task("t", "sim: first spend 2.5\nsim: first hang\nsim: complete done");
    let mut launch = team.start(&["--role", "payer=1", "--until-done"]);
    asked(&team);
    role("20.0");
    team.home.ok(&["restart", "payer-1"]);
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
}

/// In the middle of its first session it has used up what it may: nothing runs any more until the human lets it go on, and
/// then it goes on.
fn pauses_in_the_middle(settings: &str, uses: &[&str], from: &str, asks: impl Fn(&str) -> String) {
    let team = team(settings);
    let script: String = uses.iter().map(|step| format!("sim: first {step}\n")).collect();
    let task = team.task("t", &format!("{script}sim: first hang\nsim: complete done"));
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let question = asked(&team);
    assert_eq!((question["text"].as_str(), question["from"].as_str()), (Some(&*asks(&task)), Some(from)));
    team.until_state("executor-1", "paused");
    until_nobody_runs(&team);
    assert_eq!(team.runs().len(), 1, "and nobody begins");
    assert_eq!(team.status(&task), "in_progress", "it keeps what it has");
    team.home.ok(&["approve", id(&question)]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!((team.status(&task).as_str(), team.runs().len()), ("completed", 2));
}

#[test]
fn a_task_that_uses_more_tokens_than_one_may_is_paused_in_the_middle() {
    let asks = |task: &str| format!("6000 of 5000 tokens are used on {task}. May it go on, as far again?");
    pauses_in_the_middle("tokens_per_task = 5000", &["spend 0 6000"], "executor-1", asks);
}

#[test]
fn a_day_that_uses_more_tokens_than_one_may_pauses_in_the_middle() {
    let asks = |_: &str| "6000 of 5000 tokens are used today. May they go on, as far again?".to_owned();
    pauses_in_the_middle("tokens_per_day = 5000", &["spend 0 6000"], "all workers", asks);
}

#[test]
fn a_worker_that_uses_more_tokens_than_it_may_is_paused_in_the_middle() {
    let asks = |_: &str| "6000 of 5000 tokens are used. May executor-1 go on, as far again?".to_owned();
    let role = "[roles.executor]\ntokens_max = 5000";
    pauses_in_the_middle(role, &["spend 0 6000"], "executor-1", asks);
}

#[test]
fn a_worker_that_costs_more_than_it_may_is_paused_in_the_middle() {
    let asks = |_: &str| "$1.25 of $1.00 are spent. May executor-1 go on, as far again?".to_owned();
    pauses_in_the_middle("dollars_per_worker = 1.0", &["spend 1.25"], "executor-1", asks);
}

#[test]
fn a_task_that_takes_more_turns_than_one_may_is_paused_in_the_middle() {
    let asks = |task: &str| format!("2 of 2 turns are taken on {task}. May it go on, as far again?");
    pauses_in_the_middle("turns_per_task = 2", &["spend 0", "spend 0"], "executor-1", asks);
}

#[test]
fn a_day_that_takes_more_turns_than_one_may_pauses_in_the_middle() {
    let asks = |_: &str| "2 of 2 turns are taken today. May they go on, as far again?".to_owned();
    pauses_in_the_middle("turns_per_day = 2", &["spend 0", "spend 0"], "all workers", asks);
}

/// Each asks as a process of its own, and some at the same time; the store counts in the transaction that wants them.
#[test]
fn the_cap_holds_whichever_processes_ask_at_once() {
    const REQUESTS: usize = 50;
    const AT_ONCE: usize = 8;
    let team = team("workers_max = 5");
    let mut launch = team.start(&["--workers", "1"]);
    team.until_state("executor-1", "idle");
    let next = AtomicUsize::new(0);
    let ask = || {
        let mut granted = 0;
        while next.fetch_add(1, Ordering::SeqCst) < REQUESTS {
            let ended = team.home.run(&["launch-workers", "executor", "1", "--json"]);
            match ended.status.code() {
                Some(0) => granted += 1,
                _ => assert!(ended.error()["message"].as_str().unwrap().contains("beyond the cap of 5"), "{ended:?}"),
            }
        }
        granted
    };
    let granted: usize = thread::scope(|scope| {
        let asking: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asks| asks.join().unwrap()).sum()
    });
    assert_eq!(granted, 4, "one of five was there before");
    let all = team.home.ok(&["list-workers", "--all"]);
    let wanted = all["workers"].as_array().unwrap().iter().filter(|one| one["wanted"] == json!(true)).count();
    assert_eq!(wanted, 5, "{all}");
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
}

/// A job of such tasks, with so many dollars for all of them.
fn job(team: &Team, dollars: f64, scripts: &[&str]) -> (String, Vec<String>) {
    let plan: Vec<Value> = scripts.iter().map(|script| json!({ "title": "t", "description": script })).collect();
    let (plan, budget) = (Value::from(plan).to_string(), json!({ "dollars": dollars }).to_string());
    let made = team.home.ok(&["create-job", "goal", "--tasks", &plan, "--budget", &budget]);
    let ids = made["pushed"]["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned());
    (made["job"]["id"].as_str().unwrap().to_owned(), ids.collect())
}

#[test]
fn a_job_that_costs_more_than_its_budget_pauses_whoever_works_at_it_and_nobody_else() {
    let team = team("");
    let dear = "sim: first spend 0.6\nsim: first hang\nsim: complete done";
    let (id_of_job, tasks) = job(&team, 1.0, &[dear, dear]);
    let mut launch = team.start(&["--workers", "2", "--until-done"]);
    let question = asked(&team);
    assert_eq!(question["from"], "all workers");
    assert_eq!(question["text"], format!("$1.20 of $1.00 are spent on {id_of_job}. May they go on, as far again?"));
    for worker in ["executor-1", "executor-2"] {
        team.until_state(worker, "paused");
    }
    assert_eq!(team.home.ok(&["questions"])["questions"].as_array().unwrap().len(), 1, "one asks for all");
    until_nobody_runs(&team);
    let seen = team.home.ok(&["get-job", &id_of_job]);
    assert_eq!((&seen["spent"]["dollars"], &seen["budget"]), (&json!(1.2), &json!({ "dollars": 1.0 })));
    team.home.ok(&["approve", id(&question)]);
    assert_eq!(code(&mut launch), Some(0));
    assert!(tasks.iter().all(|task| team.status(task) == "completed"));
    let by_job = team.home.ok(&["costs", "--by", "job"]);
    assert_eq!(by_job["costs"][0]["what"], *id_of_job);
    let of_job = team.home.ok(&["costs", "--by", "task", "--job", &id_of_job]);
    assert_eq!(of_job["total"], by_job["costs"][0]["spent"], "by task it is the same sum");
}

#[test]
fn a_job_that_may_not_go_on_beyond_its_budget_is_called_off_and_others_go_on() {
    let team = team("");
    let (id_of_job, _) = job(&team, 1.0, &["sim: complete done", "sim: spend 1.25\nsim: hang", "sim: complete done"]);
    let other = team.task("other", "sim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let question = asked(&team);
    team.home.ok(&["deny", id(&question)]);
    assert_eq!(code(&mut launch), Some(0));
    let seen = team.home.ok(&["get-job", &id_of_job]);
    assert_eq!((&seen["state"], &seen["completed"], &seen["cancelled"]), (&json!("cancelled"), &json!(1), &json!(2)));
    assert!(seen["reason"].as_str().unwrap().contains("$1.26 of $1.00 are spent"), "{seen}");
    assert_eq!((team.status(&other).as_str(), team.living().len()), ("completed", 0));
}
