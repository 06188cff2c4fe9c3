//! Who hangs and who does not, in a time that the test lets pass: the supervisor runs in this process on clocks that are
//! moved, and all that it looks after are real processes.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::marked;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::support::program::PROGRAM;
use crate::support::program::eventually_within;
use crate::support::tmux::has_tmux;
use orch_mcp::config::Roles;
use orch_mcp::descendants::below;
use orch_mcp::descendants::processor_used;
use orch_mcp::host::Host;
use orch_mcp::keep::keeper;
use orch_mcp::keep::run::RunDir;
use orch_mcp::keep::run::Standing;
use orch_mcp::launch::bell::Bell;
use orch_mcp::launch::hands::Hands;
use orch_mcp::launch::supervisor::Supervisor;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::table::own_request;
use orch_mcp::store::Options;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::thread;

/// The clocks of a team, and what it takes to move them.
pub struct Clocks<'a> {
    team: &'a Team,
    /// Of the supervisor, by whose clock all others are judged.
    ahead: &'a AtomicI64,
    store: Connection,
    bell: Bell,
}

impl Clocks<'_> {
    /// What the supervisor promised last: it looks whenever time has passed, and its lease says when that was.
    fn lease_ms(&self) -> i64 {
        let sql = "select json_extract(body, '$.lease_until') from fleet";
        self.store.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// All clocks jump, and everybody who looks has looked.
    pub fn jump(&self, millis: i64) {
        // The second look proves that what came of the first is done.
        for millis in [millis, 20_000] {
            let before = self.lease_ms();
            // Processes that begin from now on read the clock out of the store.
            self.store.execute("update clock set offset_ms = offset_ms + ?1", [millis]).unwrap();
            self.ahead.fetch_add(millis, Ordering::AcqRel);
            self.bell.ring();
            let looked = || (self.lease_ms() >= before + millis).then_some(());
            eventually_within(PATIENCE, "the supervisor looks", looked);
        }
    }

    /// Time passes, and somebody looks all the while.
    pub fn pass(&self, minutes: i64) {
        (0..minutes).for_each(|_| self.jump(40_000));
    }

    /// Minute by minute, so that whoever begins anew is not late by the clock.
    pub fn pass_until_one_stalls(&self) {
        let stalls = (0..20).any(|_| {
            self.pass(1);
            !self.stalls().is_empty()
        });
        assert!(stalls, "nobody is found to hang");
    }

    pub fn stalls(&self) -> Vec<String> {
        let events = self.team.events("worker.state").into_iter();
        let stalled = events.filter(|event| event["data"]["state"] == "stalled");
        stalled.map(|event| format!("{}: {}", event["subject"].as_str().unwrap(), event["data"]["reason"])).collect()
    }
}

/// Even if the test fails, the supervisor ends.
struct Ends(Bell);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.stop();
        self.0.stop();
    }
}

/// Workers of these roles and this mode, looked after for as long as `story` goes on. What no file tells of is a role that
/// works in the checkout of the team.
pub fn watched(team: &Team, roles: &[&str], mode: &str, story: impl FnOnce(&Clocks)) {
    let ahead: Arc<AtomicI64> = Arc::default();
    let host = Host::Ahead(ahead.clone());
    let desk = LocalDesk::new(LazyStore::new(Place::at(team.home.state_dir()), host.clone(), Options::default()));
    let caller = Caller {
        process: host.process(),
        person: Some("launch".to_owned()),
        work_dir: Some(team.repo().display().to_string()),
        ..Caller::anonymous(host.clone())
    };
    for role in roles {
        let wanted = own_request("launch_workers", json!({ "role": role, "count": 1, "mode": mode })).unwrap();
        desk.execute(&wanted, &caller, &Hangup::new()).unwrap();
    }
    let bell = Bell::default();
    let hands = Hands {
        host: host.clone(),
        state_dir: team.home.state_dir(),
        program: PROGRAM.into(),
        client: team.client.clone(),
        roles: Roles::of_dir(roles_of(team)),
        metering: None,
        target: None,
        dollars_per_worker: None,

        config: None,
    };
    let supervisor =
        Supervisor { process: host.process(), bell: bell.clone(), ..Supervisor::new(&desk, hands, caller.clone()) };
    thread::scope(|scope| {
        let _ends = Ends(bell.clone());
        scope.spawn(|| supervisor.run());
        let store = Connection::open(Place::at(team.home.state_dir()).store_file()).unwrap();
        story(&Clocks { team, ahead: &ahead, store, bell });
    });
}

/// With one that works wherever it was wanted.
fn roles_of(team: &Team) -> PathBuf {
    let dir = team.home.path("roles");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("helper.md"), "---\ndescription: helps\n---\nDo {{task_id}}: {{task_description}}\n").unwrap();
    dir
}

pub fn in_repository() -> Team {
    let team = Team::new();
    init(&team.repo());
    git(&team.repo(), &["commit", "--quiet", "--allow-empty", "-m", "first"]);
    team
}

pub fn task_for(team: &Team, role: &str, script: &str) -> String {
    // Servers that live on by the clock of before would renew a claim to what is over by the clock of now.
    let lease = ["--lease-secs", "86400"];
    let pushed = team.home.ok(&[&["push-task", "t", "--role", role, "--description", script], &lease[..]].concat());
    pushed["task"]["id"].as_str().unwrap().to_owned()
}

/// Its client has begun with the last step.
fn hanging(team: &Team, task: &str) -> RunDir {
    team.until(task, "in_progress");
    team.living().pop().unwrap()
}

fn is_ended_and_goes_on(mode: &str) {
    let team = in_repository();
    let task = task_for(&team, "executor", "sim: first daemon\nsim: first hang\nsim: complete done");
    watched(&team, &["executor"], mode, |clocks| {
        let run = hanging(&team, &task);
        eventually_within(PATIENCE, "all that it starts", || (marked(&run) >= 3).then_some(()));
        clocks.pass(9);
        assert_eq!((team.worker("executor-1")["state"].as_str(), clocks.stalls()), (Some("busy"), vec![]), "{mode}");
        clocks.pass_until_one_stalls();
        team.until(&task, "completed");
        let [stall] = &clocks.stalls()[..] else { panic!("{mode}: {:?}", clocks.stalls()) };
        for sign in ["executor-1: \"silent: output 1", "calls 1", "processor 1", "files 1"] {
            assert!(stall.contains(sign), "{mode}: {stall}");
        }
        let Ok(Standing::Ended(end)) = run.standing(&Host::System) else { panic!("{:?}", run.standing(&Host::System)) };
        assert_eq!((end.asked, marked(&run)), (true, 0), "{mode}: with all that it started");
        let ended = &team.events("worker.ended")[0]["data"];
        assert!(ended["how"] == "badly" && ended["reason"].as_str().unwrap().starts_with("it hung: silent"), "{ended}");
        assert_eq!(team.worker("executor-1")["restarts"], 1, "{mode}");
        // A server that lives on by the clock of before hands the task of its session back early, by the clock of now.
        if mode == "task" {
            assert_eq!(team.events("task.claimed").len(), 1);
        }
    });
}

#[test]
fn who_hangs_is_ended_with_all_that_it_started_and_goes_on_with_its_thread() {
    is_ended_and_goes_on("task");
}

#[test]
fn a_session_that_stays_and_hangs_is_ended_likewise() {
    is_ended_and_goes_on("long");
}

#[test]
fn a_session_in_a_terminal_that_hangs_is_known_by_its_transcript() {
    if has_tmux("a_session_in_a_terminal_that_hangs_is_known_by_its_transcript") {
        is_ended_and_goes_on("terminal");
    }
}

#[test]
fn silence_that_nobody_watched_is_none() {
    let team = in_repository();
    let task = task_for(&team, "executor", "sim: hang");
    watched(&team, &["executor"], "task", |clocks| {
        let run = hanging(&team, &task);
        // As after a sleep of the machine. Time that was watched in between is too short.
        (0..4).for_each(|_| clocks.jump(3_600_000));
        assert_eq!((team.worker("executor-1")["state"].as_str(), clocks.stalls()), (Some("busy"), vec![]));
        assert_eq!(team.living().pop().unwrap().dir(), run.dir());
        clocks.pass_until_one_stalls();
    });
}

#[test]
fn a_quiet_command_that_uses_the_processor_is_no_stall() {
    let team = Team::new();
    let task = task_for(&team, "helper", "sim: run while :; do :; done");
    watched(&team, &["helper"], "task", |clocks| {
        let run = hanging(&team, &task);
        let child = run.record().unwrap().unwrap().child.unwrap();
        let pid = child.split('.').next().unwrap().parse().unwrap();
        let used = || below(pid).into_iter().filter_map(processor_used).sum::<u64>();
        for _ in 0..13 {
            let before = used();
            eventually_within(PATIENCE, "it computes", || (used() >= before + 300).then_some(()));
            clocks.pass(1);
        }
        assert_eq!((team.worker("helper-1")["state"].as_str(), clocks.stalls()), (Some("busy"), vec![]));
        assert_eq!(team.living().pop().unwrap().dir(), run.dir());
    });
}

#[test]
fn a_changed_file_is_a_sign_of_who_works_there_alone_and_of_nobody_where_many_do() {
    let team = in_repository();
    let here = team.home.path("go-on");
    fs::write(&here, "").unwrap();
    let writes = format!("sim: run while test -e {}; do date > new; sleep 0.2; done", here.display());
    let own = task_for(&team, "executor", &format!("{writes}\nsim: complete done"));
    let shared = task_for(&team, "helper", "sim: hang");
    watched(&team, &["executor", "helper"], "task", |clocks| {
        [&own, &shared].into_iter().for_each(|task| team.until(task, "in_progress"));
        let new = team.repo().join(".orch/trees").join(&own).join("new");
        let written = || new.metadata().ok().and_then(|found| found.modified().ok());
        for minute in 0..13 {
            let before = written();
            eventually_within(PATIENCE, "it writes", || (written() > before).then_some(()));
            fs::write(team.repo().join("by-a-person"), minute.to_string()).unwrap();
            clocks.pass(1);
        }
        let [stall] = &clocks.stalls()[..] else { panic!("{:?}", clocks.stalls()) };
        assert!(stall.starts_with("helper-1") && !stall.contains("files"), "{stall}");
        fs::remove_file(here).unwrap();
        team.until(&own, "completed");
        assert_eq!(team.worker("executor-1")["restarts"], 0);
    });
}

#[test]
fn who_waits_for_a_person_never_stalls_however_long_that_takes() {
    let team = Team::new();
    let asks = task_for(&team, "helper", "sim: ask Which one?\nsim: complete done");
    let wants = task_for(&team, "builder", "sim: permit Bash {\"command\": \"make\"}\nsim: complete done");
    watched(&team, &["helper", "builder"], "task", |clocks| {
        let waits = || ["helper-1", "builder-1"].iter().for_each(|name| team.until_state(name, "needs_input"));
        waits();
        clocks.pass(13);
        waits();
        let runs = team.living().len();
        assert_eq!((clocks.stalls(), runs, team.runs().len()), (vec![], 2, 2));
        team.home.ok(&["respond", "helper-1", "the second"]);
        team.home.ok(&["approve", "builder-1"]);
        [&asks, &wants].into_iter().for_each(|task| team.until(task, "completed"));
    });
}

#[test]
fn a_keeper_that_does_nothing_any_more_is_ended_itself() {
    let team = Team::new();
    let task = task_for(&team, "helper", "sim: hang");
    watched(&team, &["helper"], "task", |clocks| {
        let run = hanging(&team, &task);
        keeper::tell(&Host::System, &run.record().unwrap().unwrap(), Signal::STOP).unwrap();
        team.home.ok(&["stop", "--all"]);
        team.until_state("helper-1", "stopping");
        clocks.pass(1);
        team.until_state("helper-1", "stopped");
        assert!(matches!(run.standing(&Host::System), Ok(Standing::Lost(_))));
        assert_eq!(marked(&run), 0);
    });
}

/// It has a session of its own and nothing in its environment; the keeper that would end it is killed.
#[test]
fn what_lost_its_mark_and_its_keeper_is_known_by_the_last_look() {
    let team = Team::new();
    let place = team.home.path("pid");
    let sends =
        format!("setsid env -i /bin/sh -c 'echo $$ >{0}.new; mv {0}.new {0}; exec sleep 3600' &", place.display());
    let task = task_for(&team, "helper", &format!("sim: run {sends}\nsim: first hang\nsim: complete done"));
    watched(&team, &["helper"], "task", |clocks| {
        let run = hanging(&team, &task);
        let sent = || fs::read_to_string(&place).ok()?.trim().parse::<u32>().ok();
        let sent = Host::System.process_of(eventually_within(PATIENCE, "it is sent away", sent)).unwrap();
        clocks.pass(2);
        keeper::tell(&Host::System, &run.record().unwrap().unwrap(), Signal::KILL).unwrap();
        eventually_within(PATIENCE, "it is ended", || (Host::System.lives(&sent) != Some(true)).then_some(()));
    });
}
