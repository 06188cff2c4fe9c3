//! What goes wrong with workers, each as it goes wrong with the real client: it hangs, runs against a limit, costs too much,
//! asks, dies again and again, stops too early, leaves a daemon, does not listen, prints without end, loses its supervisor.

use crate::e2e::crew::Crew;
use crate::e2e::script::completes;
use crate::e2e::script::dear;
use crate::e2e::script::held;
use crate::e2e::script::limited;
use crate::e2e::script::role;
use crate::e2e::script::rules;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Request;
use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::code;
use crate::launch::fleet::marked;
use crate::launch::stalls::watched;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use orch_mcp::host::Host;
use orch_mcp::keep::run::RunDir;
use orch_mcp::keep::run::Standing;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;

/// The task of a session for one task, as its prompt names it.
const ITS_TASK: &str = "${find:DO (task-\\d+)}";

/// Workers for one task each; what a task says is the mark of the role that plays for it.
fn crew<const N: usize>(roles: [Value; N]) -> Option<Crew> {
    let crew = Crew::set(roles)?;
    let words = "DO {{task_id}}: {{task_description}}\n{{notes}}";
    crew.role("executor", "tools: [Bash]\nisolation: worktree-per-task\n", words);
    Some(crew)
}

fn claims() -> Value {
    uses("claim_task", json!({}))
}

/// The id in what `claim_task` answered.
const CLAIMED: &str = r#"claim_task\] .*"claimed":true.*?"id":"(task-\d+)""#;

fn asked(crew: &Crew) -> Value {
    let open = || crew.team.home.ok(&["questions"])["questions"].as_array().unwrap().first().cloned();
    eventually_within(PATIENCE, "a question", open)
}

/// How often the worker was begun again, which a fault does and nothing else.
fn restarts(crew: &Crew, worker: &str) -> u64 {
    crew.team.worker(worker)["restarts"].as_u64().unwrap()
}

/// The sessions in which the model was asked.
fn sessions(crew: &Crew) -> Vec<String> {
    let turns = crew.stage.requests().into_iter().filter(|request| request.step().is_some());
    let mut all: Vec<String> = turns.map(|request| request.session().to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

fn is_over(run: &RunDir) -> bool {
    matches!(run.standing(&Host::System), Ok(Standing::Ended(_)))
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn whose_model_never_answers_is_ended_and_goes_on_with_its_session() {
    let silent = rules(
        "HANG",
        [
            (r"complete_task\]", says("done")),
            ("An earlier session", completes(ITS_TASK, "done")),
            ("", held("never", says("late"))),
        ],
    );
    let Some(mut crew) = crew([silent]) else { return };
    crew.team.client = crew.dressed_client();
    fs::rename(crew.team.home.state_dir().join("roles"), crew.team.home.path("roles")).unwrap();
    let pushed = ["push-task", "t", "--role", "executor", "--description", "HANG", "--lease-secs", "86400"];
    let task = crew.team.home.ok(&pushed)["task"]["id"].as_str().unwrap().to_owned();
    watched(&crew.team, &["executor"], "task", |clocks| {
        crew.stage.request("the question that nobody answers", |request| request.step() == Some(2));
        let run = crew.team.living().pop().unwrap();
        clocks.pass(9);
        assert_eq!((crew.team.worker("executor-1")["state"].as_str(), clocks.stalls()), (Some("busy"), vec![]));
        clocks.pass_until_one_stalls();
        crew.team.until(&task, "completed");
        assert!(is_over(&run) && marked(&run) == 0);
    });
    let ended = &crew.team.events("worker.ended")[0]["data"];
    assert!(ended["reason"].as_str().unwrap().starts_with("it hung: silent: output"), "{ended}");
    assert_eq!(sessions(&crew).len(), 1, "its thread");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_usage_limit_is_waited_for_by_all_and_costs_no_attempt() {
    let one = role("LIMITED", [limited(5), completes(ITS_TASK, "done"), says("done")]);
    let steps = [limited(5), claims(), completes("${last.structured.task.id}", "done"), says("nothing more")];
    let Some(crew) = crew([one, role("TAKE TASKS", steps)]) else { return };
    crew.role("taker", "mode: long\n", "TAKE TASKS.");
    let tasks = [("executor", "LIMITED"), ("taker", "")].map(|(role, text)| {
        let pushed = crew.team.home.ok(&["push-task", "t", "--role", role, "--description", text]);
        pushed["task"]["id"].as_str().unwrap().to_owned()
    });
    let mut launch = crew.launch(&["--role", "executor=1", "--role", "taker=1", "--until-done"]);
    // The client tells of its limits to those who have a subscription.
    launch.env_remove("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", "dummy-token");
    let mut launch = Running::start(&mut launch);
    assert_eq!(code(&mut launch), Some(0));
    for worker in ["executor-1", "taker-1"] {
        let mut states = crew.team.events("worker.state");
        states.retain(|event| event["subject"] == worker && event["data"]["state"] == "limited");
        assert!(!states.is_empty() && restarts(&crew, worker) == 0, "{worker}: {}", crew.team.worker(worker));
    }
    for task in &tasks {
        assert_eq!(crew.team.home.ok(&["get-task", task])["task"]["attempt"], 1, "{task}");
    }
    let refused = crew.stage.requests().into_iter().filter(|request| request.step() == Some(0)).count();
    assert_eq!((refused, sessions(&crew).len()), (2, 2), "nobody asks again before the reset");
    crew.leaves_nothing();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn at_the_limit_of_what_a_task_may_cost_the_human_is_asked_in_the_middle_of_a_turn() {
    let spends = rules(
        "SPEND",
        [
            (r"complete_task\]", says("done")),
            ("An earlier session", completes(ITS_TASK, "done")),
            (r"\[Bash\]", held("never", says("late"))),
            ("", dear(runs("echo dear"))),
        ],
    );
    let Some(crew) = crew([spends]) else { return };
    crew.settings("dollars_per_task = 1.0");
    let task = crew.team.task("dear", "SPEND");
    let mut launch = crew.start(&["--workers", "1", "--until-done"]);
    let question = asked(&crew);
    assert!(question["text"].as_str().unwrap().contains("of $1.00 are spent on"), "{question}");
    crew.team.until_state("executor-1", "paused");
    // Its client takes a moment to end.
    eventually_within(PATIENCE, "nothing is spent meanwhile", || crew.team.living().is_empty().then_some(()));
    crew.team.home.ok(&["approve", question["id"].as_str().unwrap()]);
    assert_eq!((code(&mut launch), crew.team.status(&task).as_str()), (Some(0), "completed"));
    let costs = crew.team.home.ok(&["costs", "--by", "task"]);
    assert!(costs["costs"][0]["spent"]["dollars"].as_f64().unwrap() > 1.0, "{costs}");
    assert_eq!((sessions(&crew).len(), restarts(&crew, "executor-1")), (1, 0));
    crew.leaves_nothing();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_asks_the_human_goes_on_with_the_answer_whether_it_waits_or_has_ended_its_turn() {
    let asks = || uses("ask_human", json!({ "question": "Which one?" }));
    let waits = rules(
        "QUESTION",
        [
            (r#"ask_human\] .*"question_id":"([^"]+)""#, uses("wait_for_answer", json!({ "question_id": "${1}" }))),
            (r"wait_for_answer\] .*(the second)", completes(ITS_TASK, "${1}")),
            (r"complete_task\]", says("done")),
            ("", asks()),
        ],
    );
    let ends = rules(
        "TAKE TASKS",
        [
            (CLAIMED, asks()),
            (r"ask_human\]|Stop hook feedback", says("I wait")),
            (r"complete_task\]", says("nothing more")),
            (r"(the second)", completes(r#"${find:"claimed":true.*?"id":"(task-\d+)"}"#, "${1}")),
            ("", claims()),
        ],
    );
    let Some(crew) = crew([waits, ends]) else { return };
    crew.role("taker", "mode: long\n", "TAKE TASKS.");
    for (role, text) in [("executor", "QUESTION"), ("taker", "")] {
        crew.team.home.ok(&["push-task", "t", "--role", role, "--description", text]);
    }
    let mut launch = crew.start(&["--role", "executor=1", "--role", "taker=1", "--until-done"]);
    for worker in ["executor-1", "taker-1"] {
        crew.team.until_state(worker, "needs_input");
        crew.team.home.ok(&["respond", worker, "the second"]);
    }
    assert_eq!(code(&mut launch), Some(0));
    for task in ["1", "2"] {
        let task = crew.team.home.ok(&["get-task", task]);
        assert_eq!((&task["task"]["status"], &task["task"]["result"]), (&json!("completed"), &json!("the second")));
    }
    assert_eq!((crew.team.runs().len(), sessions(&crew).len()), (2, 2), "nobody was begun anew");
    crew.leaves_nothing();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_task_that_kills_every_client_is_set_aside_and_one_that_is_given_up_is_handed_back_with_what_was_said() {
    let dies = rules("DIE", [("", runs("kill -KILL $PPID"))]);
    let stops = rules("STOP", [("", says("I think that is enough"))]);
    let Some(crew) = crew([dies, stops]) else { return };
    let (deadly, vain) = (crew.team.task("deadly", "DIE"), crew.team.task("vain", "STOP"));
    let mut launch = crew.start(&["--workers", "2", "--until-done"]);
    assert_eq!(code(&mut launch), Some(1));
    let reason = crew.team.reason(&deadly);
    assert!(reason.contains("set aside after 4 starts: it was ended by signal 9"), "{reason}");
    assert_eq!(crew.team.status(&deadly), "blocked");
    let released = crew.team.events("task.released").into_iter().find(|event| event["subject"] == vain.as_str());
    let reason = released.unwrap()["data"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("ended without completing it; it said: I think that is enough"), "{reason}");
    crew.stage.until_empty();
}

/// Leaves a process behind as `daemon(3)` does, deaf to whatever can be ignored, and returns once that is there.
const DAEMON: &str = "
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 1024)
        for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(name, signal.SIG_IGN)
        with open(sys.argv[1] + '.new', 'w') as out: out.write(str(os.getpid()))
        os.rename(sys.argv[1] + '.new', sys.argv[1])
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
";

fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_daemon_that_a_tool_left_ends_with_its_session() {
    let Some(crew) = Crew::set([rules(
        "DAEMON",
        [
            (r"complete_task\]", says("done")),
            (r"\[Bash\]", held("looked", completes(ITS_TASK, "done"))),
            (r"which is (\S+) with (\S+)", runs("python3 ${1} ${2}; echo left")),
        ],
    )]) else {
        return;
    };
    crew.role("executor", "tools: [Bash]\n", "DO {{task_id}}: {{task_description}}");
    crew.stage.write("daemon.py", DAEMON);
    let (script, pid) = (crew.stage.path("daemon.py"), crew.stage.path("daemon"));
    crew.team.task("t", &format!("DAEMON, which is {} with {}", script.display(), pid.display()));
    let mut launch = crew.start(&["--workers", "1", "--until-done"]);
    crew.stage.request("what the tool left", |request| request.step() == Some(1));
    let pid = crew.stage.read("daemon");
    assert!(lives(&pid));
    crew.stage.release("looked");
    assert_eq!(code(&mut launch), Some(0));
    assert!(!lives(&pid));
    crew.leaves_nothing();
}

/// One client is stopped in the middle, so that no signal but one reaches it; the tool of the other hears none that can be
/// ignored.
#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn who_is_deaf_to_every_wish_is_ended_all_the_same() {
    let deaf = rules("DEAF", [("", runs("trap '' TERM HUP INT; while :; do sleep 1; done"))]);
    let frozen = rules("FREEZE", [("", runs("kill -STOP $PPID; sleep 600"))]);
    let Some(crew) = crew([deaf, frozen]) else { return };
    let tasks = ["DEAF", "FREEZE"].map(|text| crew.team.task("t", text));
    let mut launch = crew.start(&["--workers", "2"]);
    crew.stage.eventually("both use a tool", || {
        let shells = crew.stage.processes().into_iter().filter(|(_, line)| line.starts_with("sleep "));
        (shells.count() == 2).then_some(())
    });
    launch.signal(Signal::INT);
    assert_eq!(code(&mut launch), Some(0));
    for task in tasks {
        assert_eq!(crew.team.status(&task), "pending");
        crew.team.home.ok(&["cancel-task", &task, "enough"]);
    }
    crew.leaves_nothing();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn what_a_tool_prints_without_end_fills_none_of_our_files() {
    let prints = "head -c 20000000 /dev/zero | tr '\\0' y";
    // No faster than that: the client writes all of it to a file of its own, and ends the tool only at 5 GB.
    let endless = "while :; do head -c 500000 /dev/zero | tr '\\0' y; sleep 0.1; done";
    let Some(crew) = crew([role("PRINT", [runs(prints), runs(endless)])]) else { return };
    let task = crew.team.task("t", "PRINT");
    let mut launch = crew.start(&["--workers", "1"]);
    crew.stage.eventually("it prints", || (bytes(&crew.stage.path("tmp")) > 5_000_000).then_some(()));
    crew.team.until_state("executor-1", "busy");
    let run = crew.team.living().pop().unwrap();
    crew.team.home.ok(&["stop", "executor-1"]);
    assert_eq!((code(&mut launch), crew.team.status(&task).as_str()), (Some(0), "pending"));
    assert!(bytes(run.dir()) < 1_000_000, "{}", bytes(run.dir()));
    crew.team.home.ok(&["cancel-task", &task, "enough"]);
    crew.leaves_nothing();
}

/// All that lies below.
fn bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn whose_supervisor_is_killed_is_taken_over_as_it_runs() {
    let one = rules("WORK", [(r"complete_task\]", says("done")), ("", held("go", completes(ITS_TASK, "done")))]);
    let taker = rules(
        "TAKE TASKS",
        [(CLAIMED, held("go", completes("${1}", "done"))), (r"complete_task\]", says("nothing more")), ("", claims())],
    );
    let quick = role("QUICK", [completes(ITS_TASK, "done"), says("done")]);
    let Some(crew) = crew([one, taker, quick]) else { return };
    crew.role("taker", "mode: long\n", "TAKE TASKS.");
    crew.role("single", "", "DO {{task_id}}: QUICK.");
    let push =
        |role: &str, text: &str| drop(crew.team.home.ok(&["push-task", "t", "--role", role, "--description", text]));
    push("executor", "WORK");
    push("taker", "");
    let launch = crew.start(&["--role", "executor=1", "--role", "taker=1"]);
    for (mark, step) in [("WORK", 1), ("TAKE TASKS", 0)] {
        let is_at_work = |request: &Request| request.words().contains(mark) && request.step() == Some(step);
        crew.stage.request("a worker at work", is_at_work);
    }
    let before = crew.team.living();
    launch.signal(Signal::KILL);
    drop(launch);
    push("single", "");
    let mut next = crew.start(&["--role", "single=1", "--until-done"]);
    // Whoever starts workers looks after all of them.
    eventually_within(PATIENCE, "the next", || crew.team.events("task.completed").pop());
    assert!(before.iter().all(|run| !is_over(run)), "they work on");
    crew.stage.release("go");
    assert_eq!((code(&mut next), crew.team.events("task.completed").len()), (Some(0), 3));
    assert_eq!((before.len(), crew.team.runs().len(), sessions(&crew).len()), (2, 3, 3), "nobody was begun anew");
    crew.leaves_nothing();
}
