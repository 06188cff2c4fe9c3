//! `launch` as a person meets it: what it refuses, what it says while it goes on, what it leaves, and whom it ends.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::fleet::marked;
use crate::launch::ground;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use crate::support::program::line_with;
use crate::support::program::lines_of;
use orch_mcp::host::Host;
use rustix::fs::OFlags;
use rustix::fs::fcntl_setfl;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc::Receiver;

fn run(team: &Team, words: &[&str]) -> Ended {
    finish_within(PATIENCE, &mut team.launch(words), "")
}

/// A launch whose words are read.
fn heard(launch: &mut Command) -> (Running, Receiver<String>) {
    let mut launch = Running::start(launch.stdout(Stdio::piped()));
    let told = lines_of(launch.child.stdout.take().unwrap());
    (launch, told)
}

#[track_caller]
fn says(told: &Receiver<String>, words: &str) -> String {
    line_with(told, words, PATIENCE)
}

fn wanted(team: &Team) -> usize {
    let all = team.home.ok(&["list-workers"]);
    all["workers"].as_array().unwrap().iter().filter(|worker| worker["wanted"] == true).count()
}

/// As with Ctrl+S, or a pager that nobody scrolls.
#[test]
fn a_launch_whose_lines_nobody_reads_looks_after_its_workers_and_ends() {
    let team = Team::new();
    let tasks = [team.task("one", "sim: complete done"), team.task("two", "sim: complete done")];
    let (unread, full) = io::pipe().unwrap();
    fcntl_setfl(&full, OFlags::NONBLOCK).unwrap();
    for chunk in [&[b'x'; 4096][..], b"x"] {
        while (&full).write(chunk).is_ok() {}
    }
    fcntl_setfl(&full, OFlags::empty()).unwrap();
    let mut launch = team.launch(&["--workers", "1", "--until-done", "--plain"]);
    let mut launch = Running::start(launch.stdout(full));
    assert_eq!(code(&mut launch), Some(0));
    assert!(tasks.iter().all(|task| team.status(task) == "completed"));
    drop(unread);
}

#[test]
fn whoever_ends_a_launch_that_stands_by_ends_nobody_else() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut first = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (mut second, told) = heard(&mut with_hangups("SIG_DFL", &team.launch(&["--wanted"])));
        let said = says(&told, "stands by");
        let words = format!("process {} looks after 1 worker here already; this one stands by.", first.child.id());
        assert!(said.contains(&words) && said.contains("orch-mcp stop --all ends them"), "{said}");
        second.signal(signal);
        assert_eq!(code(&mut second), Some(0));
        says(&told, "and they go on");
        assert_eq!((team.status(&task).as_str(), wanted(&team)), ("in_progress", 1));
    }
    first.signal(Signal::INT);
    assert_eq!((code(&mut first), team.living().len()), (Some(0), 0));
}

#[test]
fn a_team_that_is_asked_for_twice_is_said_to_be_twice_as_large() {
    let team = Team::new();
    let none = run(&team, &["--wanted", "--detach"]).expect(0);
    assert!(none.out.is_empty() && none.err.contains("no worker is wanted"), "{}{}", none.out, none.err);
    let mut first = team.start(&["--workers", "2"]);
    team.until_state("executor-2", "idle");
    let second = run(&team, &["--workers", "2", "--detach"]).expect(0);
    let leader = format!("process {} looks after the workers already", first.child.id());
    assert!(second.out.contains(&leader) && !team.home.state_dir().join("supervisor.log").exists(), "{}", second.out);
    assert!(second.err.contains("2 more executors are wanted (4 in all); `top` only looks"), "{}", second.err);
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut first), Some(0));
}

/// Whether a closed terminal is heeded is handed down, and these tests themselves may have been started by `nohup`.
fn with_hangups(action: &str, launch: &Command) -> Command {
    let start = format!(
        "import os,signal,sys; signal.signal(signal.SIGHUP, signal.{action}); os.execv(sys.argv[1], sys.argv[1:])"
    );
    let mut program = Command::new("python3");
    program.args(["-c", &start]).arg(launch.get_program()).args(launch.get_args());
    program.env_clear().envs(launch.get_envs().filter_map(|(name, value)| Some((name, value?))));
    program.current_dir(launch.get_current_dir().unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    program
}

#[test]
fn a_closed_terminal_ends_it_as_a_signal_does() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = Running::start(&mut with_hangups("SIG_DFL", &team.launch(&["--workers", "1"])));
    team.until(&task, "in_progress");
    launch.signal(Signal::HUP);
    assert_eq!((code(&mut launch), team.status(&task).as_str(), team.living().len()), (Some(0), "pending", 0));
}

#[test]
fn a_closed_terminal_is_nothing_to_who_was_started_by_nohup() {
    let team = Team::new();
    let mut launch = Running::start(&mut with_hangups("SIG_IGN", &team.launch(&["--workers", "1"])));
    team.until_state("executor-1", "idle");
    launch.signal(Signal::HUP);
    let task = team.task("t", "sim: complete done");
    team.until(&task, "completed");
    launch.signal(Signal::INT);
    assert_eq!((code(&mut launch), team.living().len()), (Some(0), 0));
}

/// It sees to the end of those that it stops, and to nobody who is wanted meanwhile.
#[test]
fn who_stops_workers_that_nobody_looks_after_makes_room_for_who_launches_some() {
    let team = Team::new();
    let task = team.task("t", "sim: deaf");
    let first = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    first.signal(Signal::KILL);
    drop(first);
    let mut stops = Running::start(team.home.program(&["stop", "--all"]).stdout(Stdio::null()));
    eventually_within(PATIENCE, "it is not wanted", || (wanted(&team) == 0).then_some(()));
    let review = team.home.ok(&["push-task", "r", "--role", "reviewer", "--description", "sim: complete done"]);
    let mut next = team.start(&["--role", "reviewer=1"]);
    team.until(review["task"]["id"].as_str().unwrap(), "completed");
    assert_eq!(code(&mut stops), Some(0));
    next.signal(Signal::TERM);
    next.signal(Signal::TERM);
    assert_eq!((code(&mut next), team.living().len()), (Some(0), 0));
}

#[test]
fn where_everybody_was_given_up_it_says_so_and_has_failed() {
    let mut team = Team::new();
    fs::write(team.home.state_dir().join("orch.toml"), "[roles.executor]\nrestarts_max = 0\n").unwrap();
    team.client = team.home.path("broken").display().to_string();
    fs::write(&team.client, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 1.0\nexit 1\n").unwrap();
    fs::set_permissions(&team.client, Permissions::from_mode(0o755)).unwrap();
    team.task("t", "");
    let ended = run(&team, &["--workers", "1", "--until-done", "--plain"]).expect(1);
    assert!(
        ended.out.contains("1 left") && ended.out.contains("executor-1 was given up: it ended with 1"),
        "{}",
        ended.out
    );
}

#[test]
fn whoever_is_told_twice_to_begin_anew_does_so_once() {
    let team = Team::new();
    let task = team.task("t", "sim: first deaf\nsim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    team.home.ok(&["restart", "executor-1"]);
    eventually_within(PATIENCE, "it is asked to end", || team.worker("executor-1")["order"].is_null().then_some(()));
    team.home.ok(&["restart", "executor-1"]);
    eventually_within(PATIENCE, "the next one", || (team.runs().len() == 2 && team.living().len() == 1).then_some(()));
    team.until_state("executor-1", "busy");
    launch.signal(Signal::TERM);
    assert_eq!((code(&mut launch), team.runs().len()), (Some(0), 2));
}

#[test]
fn a_session_whose_task_is_cancelled_ends_and_its_worker_takes_the_next() {
    let team = Team::new();
    let (task, next) = (team.task("t", "sim: hang"), team.task("next", "sim: complete done"));
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until(&task, "in_progress");
    team.home.ok(&["cancel-task", &task]);
    team.until(&next, "completed");
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!(team.worker("executor-1")["restarts"], 0, "it did nothing wrong");
}

#[test]
fn a_session_whose_files_were_swept_away_is_not_left_running() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    let run = team.living().pop().unwrap();
    let child = run.record().unwrap().unwrap().child.unwrap();
    let pid: u32 = child.split('.').next().unwrap().parse().unwrap();
    fs::remove_dir_all(run.dir()).unwrap();
    team.home.ok(&["stop", "--all"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_ne!(Host::System.process_of(pid), Some(child));
}

#[test]
fn a_session_whose_files_are_garbage_is_ended_and_begun_anew() {
    let team = Team::new();
    let task = team.task("t", "sim: first hang\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until(&task, "in_progress");
    let run = team.living().pop().unwrap();
    fs::write(run.dir().join("run.json"), "{").unwrap();
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!(marked(&run), 0);
    let reason = team.events("worker.ended")[0]["data"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("garbage in") && reason.contains("run.json"), "{reason}");
}

#[test]
fn whom_to_stop_is_said_by_name_or_by_a_flag() {
    let team = Team::new();
    team.home.ok(&["launch-workers", "executor"]);
    let refused = team.home.run(&["stop"]).expect(2).error();
    assert!(refused["hint"].as_str().unwrap().contains("`orch-mcp stop --all`"), "{refused}");
    let refused = team.home.run(&["stop", "all"]).expect(3).error();
    assert!(refused["hint"].as_str().unwrap().starts_with("`orch-mcp stop --all` ends all of them"), "{refused}");
    let refused = team.home.run(&["stop", "--role", "executr"]).expect(3).error();
    assert!(refused["hint"].as_str().unwrap().starts_with("did you mean `executor`?"), "{refused}");
    let listed = |words: &[&str]| team.home.run(&[words, &["--format", "table"]].concat()).expect(0).out;
    assert!(listed(&["workers", "--all"]).contains("nobody looks after them"));
    team.home.ok(&["stop", "--all"]);
    let all = listed(&["workers", "--all"]);
    assert!(all.contains("stopped") && !all.contains("nobody looks after them"), "{all}");
}

#[test]
fn of_nobody_none_is_no_team() {
    let team = Team::new();
    let refused = run(&team, &["--workers", "0", "--role", "docs=0"]).expect(2).error();
    assert_eq!(refused["message"], "of nobody is more than 0 wanted");
    assert_eq!(wanted(&team), 0);
}

#[test]
fn a_role_that_is_misspelt_is_refused_and_what_was_meant_is_asked() {
    let team = Team::new();
    let refused = run(&team, &["--role", "reviwer=1", "--workers", "1"]).expect(3).error();
    assert_eq!(refused["message"], "there is no role `reviwer`");
    let hint = refused["hint"].as_str().unwrap();
    assert!(hint.starts_with("did you mean `reviewer`?") && hint.contains("reviwer.md"), "{hint}");
    assert_eq!(wanted(&team), 0, "nobody of the others either");
    let rehearsed = run(&team, &["--role", "reviwer=1", "--dry-run"]).expect(3).data();
    let check = rehearsed["checks"].as_array().unwrap().iter().find(|check| check["what"] == "role reviwer").unwrap();
    assert_eq!(check["ok"], false, "{check}");
    let pushed = team.home.run(&["push-task", "t", "--role", "reviwer"]).expect(0);
    assert!(pushed.err.contains("did you mean `reviewer`?"), "{}", pushed.err);
    assert_eq!(team.home.run(&["push-task", "t", "--role", "reviewer"]).expect(0).err, "");
    team.home.ok(&["register-instance", "amy", "--role", "reviwer"]);
    assert_eq!(team.home.run(&["push-task", "t", "--role", "reviwer"]).expect(0).err, "", "amy has it");
}

#[test]
fn what_a_rehearsal_finds_wrong_a_launch_refuses() {
    let team = Team::new();
    ground::init(&team.repo());
    let refused = run(&team, &["--workers", "1"]).expect(8).error();
    assert_eq!(refused["message"], "this repository has no commit yet");
    assert_eq!(refused["hint"], "make the first (git commit) and launch again");
    fs::write(team.repo().join("orch.toml"), "[land]\nchek = \"true\"\n").unwrap();
    ground::git(&team.repo(), &["add", "."]);
    ground::git(&team.repo(), &["commit", "--quiet", "-m", "first"]);
    let refused = run(&team, &["--workers", "1"]).expect(2).error();
    assert!(refused["message"].as_str().unwrap().contains("[land] has no key `chek`"), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("`check`"), "{refused}");
    fs::write(team.repo().join("orch.toml"), "[land]\ntarget = \"mian\"\n").unwrap();
    let refused = run(&team, &["--workers", "1"]).expect(8).error();
    assert_eq!(refused["message"], "there is no branch `mian` with a commit, on which to land");
    let rehearsed = run(&team, &["--workers", "1", "--dry-run"]).expect(8).data();
    let check = rehearsed["checks"].as_array().unwrap().iter().find(|check| check["what"] == "landing").unwrap();
    assert_eq!(check["ok"], false, "{check}");
    let seen = team.home.run(&["doctor"]).out;
    assert!(seen.contains("there is no branch `mian`"), "{seen}");
    fs::remove_file(team.repo().join("orch.toml")).unwrap();
    let refused = run(&team, &["--executors", "8", "--docs"]).expect(8).error();
    assert_eq!(refused["message"], "0 workers are wanted and 9 more would be beyond the cap of 8");
    assert_eq!((wanted(&team), team.runs().len()), (0, 0));
}

/// One that is done, one that fails, and one that waits for that.
fn one_of_three_fails(team: &Team) -> [String; 3] {
    let good = team.task("good", "sim: complete done");
    let bad = team.task("b\u{1b}ad", "sim: fail no\nroom");
    let after = team.task_after("after", "sim: complete done", std::slice::from_ref(&bad));
    [good, bad, after]
}

#[test]
fn what_came_of_it_is_told_when_all_is_done() {
    let team = Team::new();
    let [good, bad, after] = one_of_three_fails(&team);
    let ended = run(&team, &["--workers", "1", "--until-done"]).expect(1);
    let why = format!("  {after} \"after\" waits for task-2, which failed; next: orch-mcp retry-task 2");
    assert!(ended.out.lines().any(|line| line == why), "{}", ended.out);
    assert!(ended.out.contains("1 of 3 tasks completed, 1 failed, 1 waits for it · "), "{}", ended.out);
    assert!(ended.out.contains(&format!("failed: no; next: orch-mcp retry-task {bad}")), "{}", ended.out);
    let line = |words: &str| ended.out.lines().find(|line| line.contains(words)).unwrap().to_owned();
    let done = line(&format!("executor-1  completed {good} \"good\""));
    let is_clock = |text: &str| text.len() == 8 && text.split(':').all(|part| part.parse::<u32>().is_ok());
    assert!(is_clock(done.split("  ").next().unwrap()), "{done}");
    line(&format!("executor-1  failed {bad} \"b\u{fffd}ad\": no"));
    // What went wrong before is nobody's doing now.
    team.home.ok(&["cancel-task", &after]);
    let again = team.task("again", "sim: complete done");
    let ended = run(&team, &["--until-done"]).expect(0);
    assert!(ended.out.contains("1 of 1 tasks completed"), "{}", ended.out);
    assert_eq!(team.status(&again), "completed");
}

#[test]
fn what_nobody_will_do_is_told_with_the_reason_and_is_no_success() {
    let team = Team::new();
    let docs = team.home.ok(&["push-task", "write it", "--role", "docs"])["task"]["id"].as_str().unwrap().to_owned();
    let held = team.task("held", "");
    team.home.ok(&["register-instance", "amy"]);
    team.home.ok(&["claim-task", "-i", "amy", &held]);
    let ended = run(&team, &["--workers", "1", "--until-done"]).expect(1);
    let why = "is for the role docs, of which no worker was launched; next: orch-mcp launch --docs";
    assert!(ended.out.contains(&format!("  {docs} \"write it\" {why}\n")), "{}", ended.out);
    // Somebody sees to what somebody holds.
    let why = format!("  {held} \"held\" is held by amy, who is none of the workers\n");
    assert!(ended.out.contains(&why), "{}", ended.out);
    team.home.ok(&["cancel-task", &docs]);
    let ended = run(&team, &["--until-done"]).expect(0);
    assert!(ended.out.contains(&why) && ended.out.contains("1 left"), "{}", ended.out);
}

#[test]
fn what_is_asked_is_told_once_with_what_answers_it() {
    let team = Team::new();
    let task = team.task("t", "sim: ask Go on?\nsim: complete done");
    let (mut launch, told) = heard(&mut team.launch(&["--workers", "1"]));
    let asked = says(&told, "executor-1  asks q-1");
    assert!(asked.ends_with("asks q-1: Go on?; next: orch-mcp respond q-1 \"your answer\""), "{asked}");
    team.home.ok(&["respond", "q-1", "yes"]);
    let done = format!("completed {task}");
    while let line = says(&told, "")
        && !line.contains(&done)
    {
        assert!(!line.contains("asks q-1"), "{line}");
    }
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn programs_get_objects_and_nothing_else() {
    let team = Team::new();
    let [good, bad, _] = one_of_three_fails(&team);
    let ended = run(&team, &["--workers", "1", "--until-done", "--json"]).expect(1);
    let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let (told, all) = lines.split_last().unwrap();
    assert!(all.iter().any(|one| one["source"] == "executor-1" && one["task_id"] == good && one["title"] == "good"));
    assert_eq!(
        (told["completed"].clone(), told["tasks"].clone(), told["waiting"].clone()),
        (json!(1), json!(3), json!(1))
    );
    assert_eq!(told["failed"][0]["next"], format!("orch-mcp retry-task {bad}"));
    assert_eq!(told["branches_wait"], false);
}

#[test]
fn what_is_left_behind_says_how_it_is_watched_and_ended_and_writes_down_what_came_of_it() {
    let team = Team::new();
    let task = team.task("t", "sim: complete done");
    let left = run(&team, &["--workers", "1", "--detach", "--until-done"]).expect(0).out;
    assert!(left.contains("watch: orch-mcp top · questions: orch-mcp questions · end: orch-mcp stop --all"), "{left}");
    let log = eventually_within(PATIENCE, "what came of it", || {
        let log = fs::read_to_string(team.home.state_dir().join("supervisor.log")).ok()?;
        log.contains("1 of 1 tasks completed").then_some(log)
    });
    assert!(log.contains(&format!("executor-1  completed {task} \"t\"")), "{log}");
}

#[test]
fn a_turn_that_is_interrupted_is_said_to_have_ended_as_asked() {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let (mut launch, told) = heard(&mut team.launch(&["--workers", "1"]));
    says(&told, &format!("executor-1  starts {task} \"t\""));
    team.until(&task, "in_progress");
    team.home.ok(&["interrupt", "executor-1"]);
    says(&told, "executor-1  ended its turn as asked");
    // Between the two there is none that could end.
    eventually_within(PATIENCE, "the next run", || (team.events("worker.began").len() == 2).then_some(()));
    team.home.ok(&["restart", "executor-1"]);
    says(&told, "executor-1  ended, and begins anew");
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
}

#[test]
fn a_rehearsal_shows_the_command_of_a_role_once() {
    let team = Team::new();
    let shown = run(&team, &["--workers", "3", "--docs", "--dry-run", "--format", "table"]).expect(0).out;
    assert!(shown.contains("executor-1 … executor-3 (task), each in "), "{shown}");
    assert_eq!(shown.matches("--name=executor-").count(), 1, "{shown}");
    assert!(shown.contains("docs-1 (long) in "), "{shown}");
}
