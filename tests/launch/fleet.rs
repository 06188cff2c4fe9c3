//! Workers from end to end: the real supervisor, real keepers, and sessions that stand in for Claude and speak real MCP.

use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use orch_mcp::host::Host;
use orch_mcp::keep::keeper;
use orch_mcp::keep::run::RunDir;
use orch_mcp::keep::run::Standing;
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
use rustix::fs::mknodat;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// A fleet is many processes, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A team, and what stands in for Claude.
pub struct Team {
    pub home: Home,
    pub client: String,
}

impl Team {
    pub fn new() -> Team {
        let home = Home::new();
        let client = home.path("simulated-claude");
        symlink(PROGRAM, &client).unwrap();
        fs::create_dir(home.state_dir()).unwrap();
        fs::set_permissions(home.state_dir(), Permissions::from_mode(0o700)).unwrap();
        fs::write(home.state_dir().join("orch.toml"), "[launch]\nspawns_per_minute = 1000\n").unwrap();
        Team { client: client.to_str().unwrap().to_owned(), home }
    }

    /// A task for whose stand-in this is the script.
    pub fn task(&self, title: &str, script: &str) -> String {
        self.task_after(title, script, &[])
    }

    pub fn task_after(&self, title: &str, script: &str, needs: &[String]) -> String {
        let mut arguments = vec!["push-task", title, "--description", script];
        needs.iter().for_each(|id| arguments.extend(["--depends-on", id]));
        self.home.ok(&arguments)["task"]["id"].as_str().unwrap().to_owned()
    }

    pub fn launch(&self, words: &[&str]) -> Command {
        let mut launch = self.home.program(&["launch", "--client", &self.client]);
        // What it runs is found by its path; what that starts may be any program.
        launch.args(words).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        launch.stdout(Stdio::null()).stderr(Stdio::null());
        launch
    }

    pub fn start(&self, words: &[&str]) -> Running {
        Running::start(&mut self.launch(words))
    }

    /// Where the user works.
    pub fn repo(&self) -> PathBuf {
        self.home.path("work").canonicalize().unwrap()
    }

    /// Where whoever makes a worktree ready waits.
    pub fn gate(&self) -> PathBuf {
        self.home.path("work/gate")
    }

    pub fn status(&self, task: &str) -> String {
        self.home.ok(&["get-task", task])["task"]["status"].as_str().unwrap().to_owned()
    }

    pub fn reason(&self, task: &str) -> String {
        self.home.ok(&["get-task", task])["task"]["reason"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn until(&self, task: &str, status: &str) {
        eventually_within(PATIENCE, &format!("{task} is {status}"), || (self.status(task) == status).then_some(()));
    }

    pub fn worker(&self, name: &str) -> Value {
        let all = self.home.ok(&["list-workers", "--all"]);
        let found = all["workers"].as_array().unwrap().iter().find(|worker| worker["name"] == name).cloned();
        found.unwrap_or(Value::Null)
    }

    #[track_caller]
    pub fn until_state(&self, worker: &str, state: &str) {
        let is = || (self.worker(worker)["state"] == state).then_some(());
        eventually_within(PATIENCE, &format!("{worker} is {state}"), is);
    }

    pub fn runs(&self) -> Vec<RunDir> {
        let workers = fs::read_dir(self.home.state_dir().join("workers")).into_iter().flatten().flatten();
        let runs = workers.flat_map(|worker| fs::read_dir(worker.path()).into_iter().flatten().flatten());
        runs.filter(|run| run.path().is_dir()).map(|run| RunDir::at(run.path())).collect()
    }

    /// The runs whose keeper lives.
    pub fn living(&self) -> Vec<RunDir> {
        let lives = |run: &RunDir| matches!(run.standing(&Host::System), Ok(Standing::Runs(_)));
        self.runs().into_iter().filter(lives).collect()
    }

    pub fn events(&self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let page = self.home.ok(&["list-events", "--kind", kind, "--cursor", &cursor, "--limit", "30"]);
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            match page["cursor"].as_u64() {
                Some(next) if !page["events"].as_array().unwrap().is_empty() => cursor = next.to_string(),
                _ => return events,
            }
        }
    }
}

/// A test that fails leaves nothing behind.
impl Drop for Team {
    fn drop(&mut self) {
        for run in self.living() {
            if let Ok(Some(record)) = run.record() {
                let _ = keeper::tell(&Host::System, &record, Signal::TERM);
                let _ = keeper::tell(&Host::System, &record, Signal::TERM);
            }
        }
    }
}

/// How many processes live that were started for a run.
pub fn marked(run: &RunDir) -> usize {
    let mark = run.dir().to_str().unwrap().to_owned();
    let has_it = |entry: &fs::DirEntry| {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&mark)
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter(has_it).count()
}

/// The exit code of a supervisor that comes to its end.
#[track_caller]
pub fn code(supervisor: &mut Running) -> Option<i32> {
    supervisor.ends_within(PATIENCE).expect("the supervisor ends").code()
}

#[test]
fn eight_workers_complete_a_hundred_tasks_each_once_and_leave_nothing_running() {
    let team = Team::new();
    let mut ids: Vec<String> = Vec::new();
    for number in 0..100 {
        // Ten chains of ten, so that there is always something to wait for.
        let needs: Vec<String> = ids.len().checked_sub(10).map(|at| ids[at].clone()).into_iter().collect();
        ids.push(team.task_after(&format!("t{number}"), "sim: complete done", &needs));
    }
    let mut launch = team.start(&["--workers", "8", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert!(ids.iter().all(|id| team.status(id) == "completed"));
    let completed = team.events("task.completed");
    assert_eq!(completed.len(), 100, "each once");
    assert_eq!(team.events("task.claimed").len(), 100, "and none was begun twice");
    assert_eq!(team.living().len(), 0);
    let done: u64 = (1..=8).map(|n| team.worker(&format!("executor-{n}"))["completed"].as_u64().unwrap()).sum();
    assert_eq!(done, 100);
}

#[test]
fn a_task_that_kills_every_session_is_set_aside_and_the_others_go_on() {
    let team = Team::new();
    let deadly = team.task("deadly", "sim: crash");
    let good = team.task("good", "sim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(1));
    assert_eq!((team.status(&deadly).as_str(), team.status(&good).as_str()), ("blocked", "completed"));
    assert!(
        team.reason(&deadly).contains("set aside after 4 starts: it was ended by signal 6"),
        "{}",
        team.reason(&deadly)
    );
    let claims = team.events("task.claimed").iter().filter(|event| event["subject"] == deadly.as_str()).count();
    assert_eq!(claims, 1, "the same claim, gone on with");
    let ends = team.events("worker.ended");
    let how: Vec<&str> = ends.iter().map(|end| end["data"]["how"].as_str().unwrap()).collect();
    assert_eq!(how, ["badly", "badly", "badly", "badly", "well"]);
    assert!(ends[3]["data"]["reason"].as_str().unwrap().contains("signal 6"), "{}", ends[3]);
}

#[test]
fn a_session_that_ends_without_completing_hands_its_task_back_with_what_it_said() {
    let team = Team::new();
    let task = team.task("t", "sim: say I think that is enough");
    let launch = team.start(&["--workers", "1"]);
    let released = eventually_within(PATIENCE, "it is handed back", || team.events("task.released").pop());
    assert_eq!(released["subject"], task.as_str());
    let reason = released["data"]["reason"].as_str().unwrap();
    assert!(reason.contains("ended without completing it"), "{reason}");
    drop(launch);
}

#[test]
fn whoever_found_nothing_to_do_at_first_works_as_soon_as_there_is_something() {
    let team = Team::new();
    let first = team.task("t", "sim: complete done");
    let mut launch = team.start(&["--workers", "3"]);
    team.until(&first, "completed");
    let tasks: Vec<String> = (0..3).map(|n| team.task(&format!("t{n}"), "sim: ask Now?\nsim: complete done")).collect();
    for worker in ["executor-1", "executor-2", "executor-3"] {
        team.until_state(worker, "needs_input");
    }
    for worker in ["executor-1", "executor-2", "executor-3"] {
        team.home.ok(&["respond", worker, "yes"]);
    }
    tasks.iter().for_each(|task| team.until(task, "completed"));
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn a_question_holds_the_worker_and_its_answer_lets_it_go_on() {
    let team = Team::new();
    let task = team.task("t", "sim: ask Which one?\nsim: complete answered");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until_state("executor-1", "needs_input");
    team.home.ok(&["respond", "executor-1", "the second"]);
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
}

/// What all sessions printed.
fn printed(team: &Team) -> String {
    team.runs().iter().map(|run| fs::read_to_string(&run.stream()[0]).unwrap_or_default()).collect()
}

#[test]
fn what_a_worker_may_not_do_is_decided_by_the_rules_or_by_a_person_and_its_answer_reaches_the_client() {
    let team = Team::new();
    let rules = "[[policy.rules]]\nallow = \"Bash\"\ncommand = \"cargo test\"\n\
                 [[policy.rules]]\ndeny = \"Bash\"\ncommand = \"git push\"\nsay = \"Not you.\"\n";
    let file = team.home.state_dir().join("orch.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}\n{rules}")).unwrap();
    let wants = |command: &str| format!("sim: permit Bash {{\"command\": \"{command}\"}}\n");
    let script = ["cargo test", "git push", "make", "make clean", "make", "rm x"].map(wants).concat();
    let task = team.task("t", &format!("{script}sim: complete done"));
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let decide = |command: &str, decision: &str, words: &[&str]| {
        let id = eventually_within(PATIENCE, command, || {
            let open = team.home.ok(&["questions"])["questions"].take();
            let is_it = open[0]["text"].as_str()?.ends_with(&format!("\n{command}"));
            is_it.then(|| open[0]["id"].as_str().unwrap().to_owned())
        });
        team.until_state("executor-1", "needs_input");
        team.home.ok(&[&[decision, &id], words].concat());
    };
    decide("make", "approve", &["--always"]);
    decide("make clean", "approve", &[]);
    decide("rm x", "deny", &["not today"]);
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
    let printed = printed(&team);
    assert_eq!(printed.matches("Bash is allowed").count(), 4, "{printed}");
    assert!(printed.contains("Bash is denied: Not you.") && printed.contains("denied this: not today"), "{printed}");
    assert_eq!(team.home.ok(&["questions", "--status", "all"])["total"], 3, "nobody was asked twice");
    let allowed = team.worker("executor-1")["always_allowed"].take();
    assert!(allowed[0].as_str().unwrap().ends_with(": make"), "{allowed}");
}

#[test]
fn what_a_worker_asked_is_not_answered_when_it_is_gone_and_it_goes_on() {
    let team = Team::new();
    let task = team.task("t", "sim: permit Bash {\"command\": \"make\"}\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until_state("executor-1", "needs_input");
    let first = team.home.ok(&["questions"])["questions"][0]["id"].clone();
    team.home.ok(&["restart", "executor-1"]);
    let second = eventually_within(PATIENCE, "it asks anew", || {
        let open = team.home.ok(&["questions"]);
        let id = open["questions"][0]["id"].as_str()?;
        (id != first && open["total"] == 1).then(|| id.to_owned())
    });
    team.home.ok(&["approve", &second]);
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn what_a_role_wants_to_be_shown_is_looked_for_in_the_worktree_of_its_worker() {
    let team = Team::new();
    let work = team.home.path("work");
    let git = |words: &[&str]| assert!(Command::new("git").args(words).current_dir(&work).status().unwrap().success());
    git(&["init", "--quiet"]);
    git(&["config", "user.name", "o"]);
    git(&["config", "user.email", "o@example.com"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    let header = "description: Proves\nisolation: worktree-per-task\nevidence: [commit, \"check: test -f new\"]\n\
                  setup: \"echo x > new && git add new && git commit --quiet -m new\"";
    let role =
        format!("---\n{header}\n---\nDo {{{{task_id}}}}. {{{{#evidence}}}}Show: {{{{evidence}}}}{{{{/evidence}}}}\n");
    fs::write(team.home.state_dir().join("roles/prover.md"), role).unwrap();
    let task = team.task("t", "sim: complete done");
    let mut launch = team.start(&["--role", "prover=1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    let shown = team.home.ok(&["get-task", &task])["task"].take();
    assert_eq!(shown["status"], "completed", "{shown}");
    let found = shown["found_evidence"].to_string();
    assert!(found.contains("changes `new`") && found.contains("check: test -f new: `test -f new` passed"), "{found}");
    let prompt = fs::read_to_string(team.runs()[0].prompt()).unwrap();
    assert!(prompt.contains("Show: - commit\n- check: test -f new"), "{prompt}");
}

#[test]
fn a_supervisor_that_is_killed_is_followed_by_one_that_takes_over_what_runs() {
    let team = Team::new();
    let task = team.task("t", "sim: ask Go on?\nsim: complete done");
    let first = team.start(&["--workers", "1"]);
    let run = eventually_within(PATIENCE, "it runs", || team.living().pop());
    team.until_state("executor-1", "needs_input");
    first.signal(Signal::KILL);
    drop(first);
    let mut second = team.start(&["--until-done"]);
    team.home.ok(&["respond", "executor-1", "yes"]);
    team.until(&task, "completed");
    assert_eq!(code(&mut second), Some(0));
    assert_eq!(team.runs().len(), 1, "the session that was there went on");
    assert!(matches!(run.standing(&Host::System), Ok(Standing::Ended(end)) if end.code == Some(0)));
}

/// And not only when its lease has passed.
#[test]
fn that_a_supervisor_was_killed_is_seen_at_once() {
    let team = Team::new();
    let launch = team.start(&["--workers", "1"]);
    team.until_state("executor-1", "idle");
    assert_eq!(team.home.ok(&["list-workers"])["supervised"], true);
    launch.signal(Signal::KILL);
    drop(launch);
    assert_eq!(team.home.ok(&["list-workers"])["supervised"], false);
}

#[test]
fn ctrl_c_ends_the_workers_and_hands_back_what_they_hold() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!((team.status(&task).as_str(), team.living().len()), ("pending", 0));
    assert_eq!(team.worker("executor-1")["state"], "stopped");
}

#[test]
fn whoever_looks_after_them_ends_when_none_is_wanted_any_more() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!((team.status(&task).as_str(), team.living().len()), ("pending", 0));
}

#[test]
fn what_a_task_is_called_reaches_its_worker_as_it_is_and_does_nothing() {
    let team = Team::new();
    let title = "$(touch pwned) `id` ; tmux kill-server #{pane} \"'\\ -x --dangerously";
    let task = team.task(title, "sim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    team.until(&task, "completed");
    let prompt = fs::read_to_string(team.runs()[0].prompt()).unwrap();
    assert!(prompt.contains(title), "{prompt}");
    assert!(!team.home.path("work/pwned").exists());
}

#[test]
fn a_usage_limit_holds_everybody_and_is_no_failure() {
    let team = Team::new();
    let task = team.task("t", "sim: limit 4102444800");
    let other = team.task("u", "sim: complete done");
    let _launch = team.start(&["--workers", "1"]);
    team.until_state("executor-1", "limited");
    let list = team.home.ok(&["list-workers"]);
    assert_eq!(list["limited_until"], json!("2100-01-01T00:00:00.000Z"));
    assert_eq!(list["workers"][0]["restarts"], 0);
    assert_eq!(
        (team.status(&task).as_str(), team.status(&other).as_str()),
        ("in_progress", "pending"),
        "kept, and waited for"
    );
}

#[test]
fn what_a_worker_left_behind_ends_with_it() {
    let team = Team::new();
    let task = team.task("t", "sim: daemon\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    team.until(&task, "completed");
    assert_eq!(marked(&team.runs()[0]), 0);
}

/// A team whose work is a repository, with a role whose worktrees are made ready by waiting at a gate.
fn team_with_a_gate() -> Team {
    let team = Team::new();
    let work = team.home.path("work");
    let git = |words: &[&str]| assert!(Command::new("git").args(words).current_dir(&work).status().unwrap().success());
    git(&["init", "--quiet"]);
    git(&["-c", "user.name=o", "-c", "user.email=o@example.com", "commit", "--quiet", "--allow-empty", "-m", "first"]);
    mknodat(CWD, team.gate(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    fs::create_dir(team.home.state_dir().join("roles")).unwrap();
    let header = format!(
        "description: Settles\nisolation: worktree-per-worker\nsetup: \"read line < {}\"",
        team.gate().display()
    );
    let role = format!("---\n{header}\n---\nDo {{{{task_id}}}}.\n");
    fs::write(team.home.state_dir().join("roles/settler.md"), role).unwrap();
    team
}

#[test]
fn who_waits_for_its_worktree_keeps_nobody_waiting_and_is_not_late() {
    let team = team_with_a_gate();
    let tasks = [team.task("t", "sim: complete done"), team.task("u", "sim: complete done")];
    let mut launch = team.start(&["--role", "settler=1", "--role", "executor=1", "--until-done"]);
    team.until_state("settler-1", "starting");
    let done = || tasks.iter().filter(|task| team.status(task) == "completed").count();
    eventually_within(PATIENCE, "the other goes on", || (done() == 1).then_some(()));
    assert_eq!(team.worker("settler-1")["state"], "starting", "{}", team.worker("settler-1"));
    fs::write(team.gate(), "open\n").unwrap();
    assert_eq!((code(&mut launch), done()), (Some(0), 2));
    assert_eq!(team.worker("settler-1")["restarts"], 0);
}

#[test]
fn who_is_stopped_while_its_worktree_is_made_ready_leaves_nothing_running() {
    let team = team_with_a_gate();
    let task = team.task("t", "sim: complete done");
    let mut launch = team.start(&["--role", "settler=1"]);
    let run = eventually_within(PATIENCE, "it is kept", || team.living().pop());
    eventually_within(PATIENCE, "it waits at the gate", || (marked(&run) >= 2).then_some(()));
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!((team.status(&task).as_str(), marked(&run)), ("pending", 0));
}

#[test]
fn a_start_that_its_supervisor_did_not_live_to_make_is_made_by_the_next() {
    let team = Team::new();
    let task = team.task("t", "sim: complete done");
    // All that a supervisor writes before it starts a process.
    let launch = team.start(&["--workers", "1"]);
    team.until(&task, "completed");
    team.until_state("executor-1", "idle");
    launch.signal(Signal::KILL);
    drop(launch);
    let us = Host::System.process_of(std::process::id()).unwrap();
    let store = LazyStore::new(Place::at(team.home.state_dir()), Host::System, Options::default());
    let (desk, caller) = (LocalDesk::new(store), Caller::anonymous(Host::System));
    let ask = |operation, arguments| {
        let request = own_request(operation, arguments).unwrap();
        desk.execute(&request, &caller, &Hangup::new()).unwrap().data
    };
    let view = ask("lead_fleet", json!({ "process": us, "timeout_seconds": 0 }));
    let begins = json!(["executor-1", { "begins": {} }]);
    ask("note_fleet", json!({ "term": view["fleet"]["term"], "notes": [begins], "resign": true }));
    team.task("u", "sim: complete done");
    let mut launch = team.start(&["--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!(team.events("task.completed").len(), 2);
    assert_eq!(team.worker("executor-1")["restarts"], 0, "that its supervisor died was no fault of its own");
}

#[test]
fn what_a_killed_keeper_left_is_ended_before_its_task_is_gone_on_with() {
    let team = Team::new();
    let task = team.task("t", "sim: daemon\nsim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    let run = team.living().pop().unwrap();
    keeper::tell(&Host::System, &run.record().unwrap().unwrap(), Signal::KILL).unwrap();
    let another = || team.living().pop().filter(|next| next.dir() != run.dir());
    eventually_within(PATIENCE, "another", another);
    assert_eq!(marked(&run), 0);
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!(team.runs().iter().map(marked).sum::<usize>(), 0);
}

#[test]
fn a_task_that_falls_due_is_begun_though_nobody_asks_for_it_and_waited_for() {
    let team = Team::new();
    let due = Host::System.wall().plus_millis(1_500).to_string();
    let pushed = ["push-task", "t", "--description", "sim: complete done", "--not-before", &due];
    let task = team.home.ok(&pushed)["task"]["id"].as_str().unwrap().to_owned();
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"));
}

#[test]
fn a_name_that_somebody_bears_is_tried_again_later_and_not_all_the_time() {
    let team = Team::new();
    team.home.ok(&["register-instance", "executor-1"]);
    team.task("t", "sim: complete done");
    let launch = team.start(&["--workers", "1"]);
    let failed = eventually_within(PATIENCE, "it is given up", || {
        Some(team.worker("executor-1")).filter(|worker| worker["state"] == "failed")
    });
    assert!(failed["reason"].as_str().unwrap().contains("executor-1"), "{failed}");
    assert_eq!(team.events("worker.failed").len(), 4);
    drop(launch);
}

#[test]
fn a_session_of_one_task_is_not_gone_on_with_at_another() {
    let team = Team::new();
    let first = team.task("first", "sim: first crash\nsim: complete done");
    let mut launch = team.start(&["--workers", "1"]);
    team.until_state("executor-1", "restarting");
    team.home.ok(&["stop", "--all"]);
    assert_eq!((code(&mut launch), team.status(&first).as_str()), (Some(0), "pending"));
    team.home.ok(&["update-task", &first, "--priority", "low"]);
    let second = team.task("second", "sim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!([&first, &second].map(|task| team.status(task)), ["completed", "completed"]);
}

#[test]
fn who_is_stopped_while_nobody_looks_after_it_ends_all_the_same() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    launch.signal(Signal::KILL);
    drop(launch);
    let told = team.home.ok(&["stop", "executor-1"]);
    assert_eq!((&told["stopped"], &told["note"]), (&json!(["executor-1"]), &Value::Null));
    assert_eq!((team.status(&task).as_str(), team.living().len()), ("pending", 0));
    assert_eq!(team.worker("executor-1")["state"], "stopped");
    let online = team.home.ok(&["list-instances"]);
    let executor = online["instances"].as_array().unwrap().iter().find(|one| one["name"] == "executor-1").cloned();
    assert!(executor.is_some_and(|one| one["status"] == "offline"), "{online}");
}

#[test]
fn a_task_whose_place_cannot_be_made_ready_is_set_aside_and_the_others_go_on() {
    let team = Team::new();
    init(&team.repo());
    git(&team.repo(), &["commit", "--quiet", "--allow-empty", "-m", "first"]);
    let poison = team.task("poison", "sim: complete done");
    team.home.ok(&["update-task", &poison, "--priority", "high"]);
    let place = team.repo().join(".orch/trees").join(&poison);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("notes"), "somebody's").unwrap();
    let good: Vec<String> = (0..3).map(|n| team.task(&format!("t{n}"), "sim: complete done")).collect();
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(1), "not all of it came to a good end");
    assert_eq!(team.status(&poison), "blocked");
    assert!(good.iter().all(|task| team.status(task) == "completed"));
}
