//! Workers whose session stays from task to task: they take what there is, are told when there is more, and hold the same
//! thread over every restart.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::eventually_within;
use orch_mcp::host::Host;
use orch_mcp::keep::keeper;
use orch_mcp::keep::run::RunDir;
use orch_mcp::keep::run::Standing;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::fs;

/// All that the sessions of the team printed.
pub fn printed(team: &Team) -> String {
    let mut runs = team.runs();
    runs.sort_by_key(|run| run.dir().to_owned());
    runs.iter().map(|run| fs::read_to_string(&run.stream()[0]).unwrap_or_default()).collect()
}

fn said(team: &Team, words: &str) {
    eventually_within(PATIENCE, words, || printed(team).contains(words).then_some(()));
}

#[test]
fn one_session_works_off_what_there_is_and_is_told_when_there_is_more() {
    let team = Team::new();
    let first: Vec<String> = (0..3).map(|n| team.task(&format!("t{n}"), "sim: complete done")).collect();
    let mut launch = team.start(&["--workers", "1", "--mode", "long"]);
    first.iter().for_each(|task| team.until(task, "completed"));
    team.until_state("executor-1", "idle");
    let more = team.task("more", "sim: complete done");
    team.until(&more, "completed");
    team.until_state("executor-1", "idle");
    let worker = team.worker("executor-1");
    assert_eq!((&worker["mode"], &worker["completed"], &worker["restarts"]), (&json!("long"), &json!(4), &json!(0)));
    assert!(worker["spent"]["dollars"].as_f64().unwrap() > 0.0, "it is known before the session ends: {worker}");
    let run = &team.runs()[0];
    team.home.ok(&["stop", "--all"]);
    assert_eq!((code(&mut launch), team.runs().len()), (Some(0), 1));
    let Ok(Standing::Ended(end)) = run.standing(&Host::System) else { panic!("{:?}", run.standing(&Host::System)) };
    assert_eq!((end.code, end.asked), (Some(0), true), "the end of its input was enough");
}

#[test]
fn many_of_them_share_the_work_and_end_when_nothing_is_left() {
    let team = Team::new();
    let mut ids: Vec<String> = Vec::new();
    for number in 0..20 {
        let needs: Vec<String> = ids.len().checked_sub(4).map(|at| ids[at].clone()).into_iter().collect();
        ids.push(team.task_after(&format!("t{number}"), "sim: complete done", &needs));
    }
    let mut launch = team.start(&["--workers", "3", "--mode", "long", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert!(ids.iter().all(|id| team.status(id) == "completed"));
    assert_eq!((team.events("task.completed").len(), team.living().len()), (20, 0));
    let done: u64 = (1..=3).map(|n| team.worker(&format!("executor-{n}"))["completed"].as_u64().unwrap()).sum();
    assert_eq!((done, team.runs().len()), (20, 3));
}

#[test]
fn mail_wakes_a_session_that_waits() {
    let team = Team::new();
    let _launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until_state("executor-1", "idle");
    team.home.ok(&["register-instance", "lead"]);
    team.home.ok(&["send-message", "--to", "executor-1", "the blue one", "-i", "lead"]);
    said(&team, "the blue one");
}

fn kill_client(run: &RunDir) {
    let child = run.record().unwrap().unwrap().child.unwrap();
    let pid = child.split('.').next().unwrap().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_session_that_died_goes_on_with_its_thread_and_its_task() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until(&task, "in_progress");
    let first = team.living().pop().unwrap();
    kill_client(&first);
    let next = eventually_within(PATIENCE, "another run", || {
        team.living().into_iter().find(|run| run.dir() != first.dir() && run.record().unwrap().unwrap().child.is_some())
    });
    said(&team, &task);
    let session = |run: &RunDir| {
        let text = fs::read_to_string(&run.stream()[0]).ok()?;
        let line: Value = serde_json::from_str(text.lines().next()?).ok()?;
        line["session_id"].as_str().map(str::to_owned)
    };
    let of_next = eventually_within(PATIENCE, "its first line", || session(&next));
    assert_eq!(session(&first), Some(of_next), "the same thread");
    let prompt = fs::read_to_string(next.prompt()).unwrap();
    assert!(prompt.contains(&format!("You hold {task}")) && prompt.contains("signal 9"), "{prompt}");
    launch.signal(Signal::INT);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "pending"));
}

/// As a client that was killed before it had written its first words down.
#[test]
fn a_conversation_that_is_nowhere_to_be_found_is_begun_anew_and_that_is_no_fault() {
    for mode in ["long", "task"] {
        let team = Team::new();
        let settings = "[roles.executor]\nrestarts_max = 1\n";
        fs::write(team.home.state_dir().join("orch.toml"), settings).unwrap();
        let task = team.task("t", "sim: hang");
        let mut launch = team.start(&["--workers", "1", "--mode", mode]);
        team.until(&task, "in_progress");
        let first = team.living().pop().unwrap();
        for entry in fs::read_dir(first.dir()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("session-") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        kill_client(&first);
        eventually_within(PATIENCE, "a run that joins", || {
            let worker = team.worker("executor-1");
            (worker["restarts"] == 1 && worker["state"] == "busy" && team.runs().len() == 3).then_some(())
        });
        assert_eq!(team.status(&task), "in_progress", "{mode}");
        launch.signal(Signal::INT);
        assert_eq!(code(&mut launch), Some(0));
    }
}

#[test]
fn a_turn_is_ended_and_the_session_stays() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let _launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until(&task, "in_progress");
    let run = team.living().pop().unwrap();
    team.home.ok(&["interrupt", "executor-1"]);
    said(&team, "error_during_execution");
    assert!(matches!(run.standing(&Host::System), Ok(Standing::Runs(_))), "{:?}", run.standing(&Host::System));
}

#[test]
fn a_usage_limit_is_waited_for_and_then_it_goes_on_by_itself() {
    let team = Team::new();
    let until = Host::System.wall().millis() / 1000 + 9;
    let task = team.task("t", &format!("sim: limit {until}\nsim: complete done"));
    let _launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until_state("executor-1", "limited");
    assert_eq!(team.worker("executor-1")["restarts"], 0);
    team.until(&task, "completed");
    assert_eq!(team.runs().len(), 1, "the same session");
}

#[test]
fn a_supervisor_that_is_killed_is_followed_by_one_that_speaks_to_the_same_session() {
    let team = Team::new();
    let first = team.start(&["--workers", "1", "--mode", "long"]);
    team.until_state("executor-1", "idle");
    first.signal(Signal::KILL);
    drop(first);
    let mut second = team.start(&["--until-done"]);
    let task = team.task("t", "sim: complete done");
    team.until(&task, "completed");
    assert_eq!((code(&mut second), team.runs().len()), (Some(0), 1));
}

#[test]
fn who_is_killed_with_its_keeper_is_begun_anew() {
    let team = Team::new();
    let _launch = team.start(&["--workers", "1", "--mode", "long"]);
    team.until_state("executor-1", "idle");
    let run = team.living().pop().unwrap();
    keeper::tell(&Host::System, &run.record().unwrap().unwrap(), Signal::KILL).unwrap();
    let task = team.task("t", "sim: complete done");
    team.until(&task, "completed");
    assert_eq!(team.runs().len(), 2);
}

#[test]
fn a_task_that_fells_a_session_again_and_again_is_set_aside_and_fells_no_other() {
    let team = Team::new();
    let settings = "[launch]\nspawns_per_minute = 1000\n[roles.executor]\nrestarts_max = 1\n";
    fs::write(team.home.state_dir().join("orch.toml"), settings).unwrap();
    let deadly = team.home.ok(&["push-task", "deadly", "--priority", "critical", "--description", "sim: crash"]);
    let deadly = deadly["task"]["id"].as_str().unwrap().to_owned();
    let others: Vec<String> = (0..3).map(|n| team.task(&format!("t{n}"), "sim: complete done")).collect();
    let mut launch = team.start(&["--workers", "2", "--mode", "long", "--until-done"]);
    assert_eq!(code(&mut launch), Some(1), "one was set aside");
    assert_eq!(team.status(&deadly), "blocked");
    assert!(team.reason(&deadly).contains("set aside after 2 starts"), "{}", team.reason(&deadly));
    assert!(others.iter().all(|task| team.status(task) == "completed"));
    assert_eq!(team.events("worker.given_up").len(), 0);
}
