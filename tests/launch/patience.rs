//! What time alone brings about, in a time that the test lets pass: who never comes is given up, who is not answered is denied,
//! who started too many waits, and who commits does not hang.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::ground::git;
use crate::launch::stalls::Clocks;
use crate::launch::stalls::in_repository;
use crate::launch::stalls::task_for;
use crate::launch::stalls::watched;
use crate::launch::staying::printed;
use crate::support::program::eventually_within;
use orch_mcp::host::Host;
use orch_mcp::model::time::Timestamp;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::table::own_request;
use orch_mcp::store::Options;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::mknodat;
use rustix::fs::open;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Stands in for a client that comes up, and never says a word to anybody.
fn silent_client(team: &Team) -> String {
    let file = team.home.path("silent");
    fs::write(&file, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// When it happened, in milliseconds, by the clock of whoever looks after the workers.
fn at_ms(event: &Value) -> i64 {
    event["at"].as_str().unwrap().parse::<Timestamp>().unwrap().millis()
}

fn never_joins(mode: &str) {
    let mut team = in_repository();
    team.client = silent_client(&team);
    let task = task_for(&team, "helper", "sim: complete done");
    watched(&team, &["helper"], mode, |clocks: &Clocks| {
        team.until_state("helper-1", "starting");
        let given_up = (0..30).any(|_| {
            clocks.pass(1);
            team.worker("helper-1")["state"] == "failed"
        });
        let worker = team.worker("helper-1");
        assert!(given_up, "{mode}: {worker}");
        assert_eq!(worker["reason"], "its session did not join the team within 30 s", "{mode}");
        let (began, ended) = (team.events("worker.began"), team.events("worker.ended"));
        assert_eq!((began.len(), ended.len(), team.runs().len()), (4, 4, 4), "{mode}");
        for (began, ended) in began.iter().zip(&ended) {
            assert_eq!((&ended["data"]["how"], &ended["data"]["reason"]), (&json!("badly"), &worker["reason"]));
            assert!(at_ms(ended) - at_ms(began) >= 30_000, "{mode}: not before its time: {began} {ended}");
        }
        assert_eq!((team.living().len(), team.status(&task).as_str()), (0, "pending"), "{mode}");
        assert!(clocks.stalls().is_empty(), "{mode}");
    });
    if mode == "task" {
        let released = &team.events("task.released")[0]["data"]["reason"];
        let why = "helper-1 was given up after 4 starts: its session did not join the team within 30 s";
        assert!(released.as_str().unwrap().starts_with(why), "{released}");
    }
}

#[test]
fn who_never_joins_is_ended_in_time_tried_again_and_then_given_up_with_the_reason() {
    never_joins("task");
}

#[test]
fn a_session_that_is_to_stay_and_never_joins_is_given_up_likewise() {
    never_joins("long");
}

#[test]
fn who_is_not_answered_in_time_may_not_and_goes_on_without() {
    let team = Team::new();
    let task = task_for(&team, "builder", "sim: permit Bash {\"command\": \"make\"}\nsim: complete done");
    watched(&team, &["builder"], "task", |clocks| {
        team.until_state("builder-1", "needs_input");
        clocks.jump(3_000_000);
        team.until_state("builder-1", "needs_input");
        assert_eq!(team.home.ok(&["questions"])["total"], 1, "fifty minutes are not an hour");
        clocks.jump(700_000);
        team.until(&task, "completed");
    });
    assert!(printed(&team).contains("Bash is denied: Nobody answered in time"), "{}", printed(&team));
    let all = team.home.ok(&["questions", "--status", "all"]);
    assert_eq!((&all["total"], &all["questions"][0]["state"]), (&json!(1), &json!("lapsed")), "{all}");
    assert_eq!(team.runs().len(), 1, "the same session");
}

/// As the human's settings do it.
fn set_caps(team: &Team, caps: Value) {
    let place = Place::at(team.home.state_dir());
    let desk = LocalDesk::new(LazyStore::new(place, Host::System, Options::default()));
    let request = own_request("set_caps", json!({ "caps": caps })).unwrap();
    desk.execute(&request, &Caller::anonymous(Host::System), &Hangup::new()).unwrap();
}

#[test]
fn no_more_are_started_in_a_minute_than_may_be_and_the_others_wait_and_are_told_why() {
    let team = Team::new();
    set_caps(&team, json!({ "spawns_per_minute": 2 }));
    let tasks: Vec<String> = (0..5).map(|_| task_for(&team, "helper", "sim: complete done")).collect();
    let done = || tasks.iter().filter(|task| team.status(task) == "completed").count();
    watched(&team, &["helper"; 3], "task", |clocks| {
        for most in [2, 4, 5] {
            eventually_within(PATIENCE, "as many as may be", || (done() >= most).then_some(()));
            if most < tasks.len() {
                let waits = |name: &&str| {
                    let worker = team.worker(name);
                    worker["state"] == "wanted" && worker["reason"] == "2 were started in the last minute"
                };
                let one_waits = || ["helper-1", "helper-2", "helper-3"].iter().any(waits).then_some(());
                eventually_within(PATIENCE, "the others wait, and say why", one_waits);
                clocks.pass(1);
            }
        }
    });
    let began: Vec<i64> = team.events("worker.began").iter().map(at_ms).collect();
    assert_eq!(began.len(), 5, "{began:?}");
    assert!(began.windows(3).all(|three| three[2] - three[0] >= 60_000), "{began:?}");
}

/// Once somebody listens at the gate.
fn tell(gate: &Path, words: &str) {
    let file = eventually_within(PATIENCE, "somebody at the gate", || {
        open(gate, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
    });
    assert_eq!(rustix::io::write(&file, words.as_bytes()), Ok(words.len()));
}

#[test]
fn a_commit_is_a_sign_of_life_of_who_commits_and_of_nobody_else() {
    let team = in_repository();
    mknodat(CWD, team.gate(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let gate = team.gate().display().to_string();
    // It changes no file, and commits when it is told to.
    let commits = format!(
        "while read -r line < {gate} && test \"$line\" = on; do git commit --quiet --allow-empty -m step; done"
    );
    let busy = task_for(&team, "executor", &format!("sim: run {commits}\nsim: complete done"));
    watched(&team, &["executor"], "task", |clocks| {
        team.until(&busy, "in_progress");
        let hangs = task_for(&team, "builder", "sim: hang");
        team.home.ok(&[
            "launch-workers",
            "builder",
            "1",
            "--mode",
            "task",
            "--work-dir",
            team.repo().to_str().unwrap(),
        ]);
        team.until(&hangs, "in_progress");
        let tree = team.repo().join(".orch/trees").join(&busy);
        for count in 1..=13 {
            tell(&team.gate(), "on\n");
            let committed = || git(&tree, &["rev-list", "--count", "main..HEAD"]) == count.to_string();
            eventually_within(PATIENCE, "it commits", || committed().then_some(()));
            clocks.pass(1);
        }
        let [stall] = &clocks.stalls()[..] else { panic!("{:?}", clocks.stalls()) };
        assert!(stall.starts_with("builder-1") && stall.contains("files 1"), "{stall}");
        assert_eq!(team.worker("executor-1")["state"], "busy");
        tell(&team.gate(), "enough\n");
        team.until(&busy, "completed");
        assert_eq!(team.worker("executor-1")["restarts"], 0);
    });
}
