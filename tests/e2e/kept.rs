//! Workers of ours: the client as we start it, under a keeper. Whatever a prompt holds, the model gets it byte for byte.

use crate::e2e::script::calls;
use crate::e2e::script::role;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::session::Terminal;
use crate::e2e::stage::PATIENCE;
use crate::e2e::stage::Stage;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::finish;
use jiff::tz::TimeZone;
use orch_mcp::claude::command;
use orch_mcp::claude::command::Mode;
use orch_mcp::claude::command::Prompt;
use orch_mcp::claude::command::Session;
use orch_mcp::claude::command::Wanted;
use orch_mcp::claude::command::Worker;
use orch_mcp::claude::given;
use orch_mcp::claude::given::Team;
use orch_mcp::claude::limit::Here;
use orch_mcp::claude::stream;
use orch_mcp::claude::stream::How;
use orch_mcp::claude::stream::Outcome;
use orch_mcp::claude::stream::Told;
use orch_mcp::claude::telemetry::Metering;
use orch_mcp::claude::telemetry::Request;
use orch_mcp::host::Host;
use orch_mcp::keep::keeper;
use orch_mcp::keep::run::RunDir;
use orch_mcp::keep::run::Start;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::process::Command;
use std::process::Stdio;

const SESSION: &str = "7b0c5a52-0000-4000-8000-000000000001";

/// All that a prompt must not do anything with.
fn hostile() -> String {
    let shell = "/exit GO $(touch pwned) `id` 'q' \"q\" \\ ; & | > x\n-x --help\n\n";
    let terminal = "\u{1b}[31m\u{1b}]0;t\u{7} C-c Enter ~. \u{3} \u{202e}\u{200b}\u{feff} é 日本 \r\n\t";
    format!("{shell}{terminal}{}end\n\n", "y".repeat(100_000))
}

fn prompt(run: &RunDir, text: &str) -> Prompt {
    let prompt = Prompt::new(text, run.prompt());
    run.write(prompt.file(), prompt.text()).unwrap();
    prompt
}

/// What our program answers about the team.
fn orch(stage: &Stage, arguments: &[&str]) -> String {
    let mut program = Command::new(PROGRAM);
    stage.dress(program.args(arguments).arg("--state-dir").arg(stage.path("state")));
    finish(&mut program, "").expect(0).out
}

/// A run of the real client, ready for its keeper.
fn run(stage: &Stage, mode: impl FnOnce(&RunDir) -> Mode) -> RunDir {
    orch(stage, &["push-task", "Write the parser"]);
    let run = RunDir::of(&stage.path("state"), "amy", "1");
    run.make().unwrap();
    let team = Team::Here { state_dir: stage.path("state").display().to_string() };
    run.write(&run.mcp(), &given::mcp(PROGRAM, &team, &[]).to_string()).unwrap();
    run.write(&run.settings(), &given::settings(PROGRAM, &team).to_string()).unwrap();
    let line = command::line(&Wanted {
        client: stage.path("bin/claude").display().to_string(),
        mode: mode(&run),
        session: Session::New(SESSION.to_owned()),
        worker: Worker { name: "amy".to_owned(), role: Some("executor".to_owned()) },
        team,
        model: Some("haiku".to_owned()),
        permission_mode: Some("manual".to_owned()),
        allowed: vec!["mcp__orch-mcp".to_owned()],
        disallowed: vec!["WebFetch".to_owned(), "WebSearch".to_owned()],
        turns_max: Some(9),
        budget_usd: Some(1.5),
        system_prompt_file: None,
        settings: Some(run.settings()),
        mcp: Some(run.mcp()),
        permission_tool: Some(given::PERMISSION_TOOL.to_owned()),
    });
    run.tell_start(&Start { line, cwd: stage.path("project"), set_up: None, metering: Some(Metering::Alone) }).unwrap();
    run
}

fn keeper(stage: &Stage, run: &RunDir) -> Command {
    let mut keeper = Command::new(PROGRAM);
    keeper.arg("keep").arg(run.dir());
    stage.dress(&mut keeper);
    keeper.stdin(Stdio::null());
    keeper
}

fn outcomes(run: &RunDir) -> Vec<Outcome> {
    let here = Here { now: Host::System.wall(), zone: TimeZone::UTC };
    let printed = fs::read_to_string(&run.stream()[0]).unwrap_or_default();
    let told = printed.lines().map(|line| stream::tell(line, &here));
    told.filter_map(|told| if let Told::Ended(outcome) = told { Some(outcome) } else { None }).collect()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn launch_brings_a_task_to_the_real_client_and_a_second_session_goes_on_where_the_first_was_killed() {
    let done = json!({ "task_id": "task-0000000001", "result": "written" });
    let dies = calls("Bash", json!({ "command": "kill -KILL $PPID", "description": "die" }));
    let Some(stage) = Stage::set([role("GO", [dies, uses("complete_task", done), says("done")])]) else { return };
    orch(&stage, &["push-task", "Write the parser", "--description", "GO"]);
    stage.write(
        "state/roles/executor.md",
        "---\ndescription: d\ntools: [Bash]\n---\n{{task_id}} {{task_description}}\n{{notes}}\n",
    );
    let client = stage.path("bin/claude").display().to_string();
    let mut launch = Command::new(PROGRAM);
    launch.args(["launch", "--workers", "1", "--until-done", "--client", &client, "--state-dir"]);
    stage.dress(launch.arg(stage.path("state")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    assert_eq!(Running::start(&mut launch).ends_within(PATIENCE).expect("it ends").code(), Some(0));
    let task = orch(&stage, &["get-task", "1", "--json"]);
    assert!(task.contains("\"status\":\"completed\"") && task.contains("written"), "{task}");
    let workers = orch(&stage, &["workers", "--all", "--json"]);
    assert!(workers.contains("\"completed\":1") && workers.contains("\"restarts\":1"), "{workers}");
    let sessions: Vec<String> = stage.requests().iter().map(|request| request.session().to_owned()).collect();
    assert!(sessions.windows(2).all(|pair| pair[0] == pair[1]), "the same session, gone on with: {sessions:?}");
    stage.until_empty();
}

/// A team with one worker of this mode that works off a task, waits, and is told of the next.
fn stays(mode: &str) {
    let done = |id: &str| json!({ "task_id": id, "result": "written" });
    let takes = |id: &str| [uses("claim_task", json!({})), uses("complete_task", done(id)), says("nothing more")];
    let [a, b, c] = takes("task-0000000001");
    let [d, e, f] = takes("task-0000000002");
    let Some(stage) = Stage::set([role("GO", [a, b, c, d, e, f])]) else { return };
    orch(&stage, &["push-task", "Write the parser"]);
    stage.write("state/roles/taker.md", "---\ndescription: d\n---\nGO and take tasks.\n");
    let client = stage.path("bin/claude").display().to_string();
    let mut launch = Command::new(PROGRAM);
    launch.args(["launch", "--role", "taker=1", "--mode", mode, "--client", &client, "--state-dir"]);
    stage.dress(launch.arg(stage.path("state")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    let mut launch = Running::start(&mut launch);
    let completed = |id: &str| orch(&stage, &["get-task", id, "--json"]).contains("\"status\":\"completed\"");
    stage.eventually("the first task", || completed("1").then_some(()));
    let worker = || orch(&stage, &["workers", "--json"]);
    stage.eventually("it waits", || worker().contains("\"state\":\"idle\"").then_some(()));
    orch(&stage, &["push-task", "And the printer"]);
    stage.eventually("the second task", || completed("2").then_some(()));
    assert!(worker().contains("\"completed\":2") && worker().contains("\"restarts\":0"), "{}", worker());
    // At a terminal nobody prints what it cost: its client tells us.
    stage.eventually("what it cost", || (!worker().contains("\"dollars\":0.0,")).then_some(()));
    orch(&stage, &["stop", "--all"]);
    assert_eq!(launch.ends_within(PATIENCE).expect("it ends").code(), Some(0));
    let sessions: Vec<String> = stage.requests().iter().map(|request| request.session().to_owned()).collect();
    assert!(sessions.windows(2).all(|pair| pair[0] == pair[1]), "one session: {sessions:?}");
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_long_worker_of_the_real_client_takes_task_after_task() {
    stays("long");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_worker_of_the_real_client_in_a_terminal_takes_task_after_task() {
    stays("terminal");
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_task_reaches_the_model_whatever_it_holds_and_its_worker_is_of_the_team() {
    let steps = [uses("register_instance", json!({ "name": "amy" })), says("done")];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    let run = run(&stage, |run| Mode::Task(prompt(run, &hostile())));
    let mut keeper = Running::start(&mut keeper(&stage, &run));
    assert!(keeper.ends_within(PATIENCE).expect("it ends").success());
    assert_eq!(run.end().unwrap().unwrap().code, Some(0), "{}", fs::read_to_string(&run.errors()[0]).unwrap());
    let first = stage.request("the first words", |request| request.step() == Some(0));
    assert!(first.words().contains(&hostile()), "{:.300}", first.words());
    assert!(first.brief().contains("amy"), "our hook told it who it is");
    assert!(first.offers("mcp__orch-mcp__claim_task"));
    assert!(!stage.path("project/pwned").exists());
    let ended = outcomes(&run).pop().expect("a result");
    assert_eq!((ended.how, ended.words.as_str(), ended.session.as_str()), (How::Done, "done", SESSION));
    let spent = ended.spent.unwrap().usd;
    assert!(spent > 0.0 && ended.model.unwrap().contains("haiku"));
    let told = fs::read_to_string(run.spent()).unwrap();
    let told: Vec<Request> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all: f64 = told.iter().map(|request| request.dollars).sum();
    assert!((all - spent).abs() < 1e-9, "what it told on the way is what it cost: {told:?}, {spent}");
    assert!(told.iter().all(|request| request.model.contains("haiku") && request.is_turn), "{told:?}");
    let listed = orch(&stage, &["list-instances", "--json"]);
    assert!(listed.contains("amy") && listed.contains("executor"), "{listed}");
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_long_lived_worker_is_told_its_tasks_line_by_line() {
    let Some(stage) = Stage::set([role("GO", [says("one"), says("two")])]) else { return };
    let run = run(&stage, |run| Mode::LongLived(prompt(run, &hostile())));
    let mut keeper = Running::start(&mut keeper(&stage, &run));
    stage.eventually("its input", || run.input().exists().then_some(()));
    for (count, text) in [(1, hostile()), (2, "/clear and go on".to_owned())] {
        // What it begins with is its first line.
        if count > 1 {
            run.say(&command::said(&text), PATIENCE).unwrap();
        }
        stage.eventually("the end of a turn", || (outcomes(&run).len() == count).then_some(()));
        let asked = stage.request("the words", |request| request.step() == Some(count as u64 - 1));
        assert!(asked.words().contains(&text), "{:.300}", asked.words());
    }
    let spent: Vec<f64> = outcomes(&run).into_iter().map(|outcome| outcome.spent.unwrap().usd).collect();
    let all = outcomes(&run)[1].spent_in_all.clone().unwrap().usd;
    assert!((spent[0] + spent[1] - all).abs() < 1e-9, "{spent:?} {all}");
    keeper::tell(&Host::System, &run.record().unwrap().unwrap(), Signal::TERM).unwrap();
    assert!(keeper.ends_within(PATIENCE).expect("it ends").success());
    assert!(run.end().unwrap().unwrap().asked);
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_terminal_reads_from_a_file_what_it_would_change() {
    let steps = |run: &std::path::Path| [calls("Read", json!({ "file_path": run })), says("I have read it")];
    let path = "${find:stands in the file .(/[^ ]*prompt.md)}";
    let Some(stage) = Stage::set([role("Your task stands", steps(path.as_ref()))]) else { return };
    let run = run(&stage, |run| Mode::Terminal(Some(prompt(run, "/exit \u{1b}[31m\u{feff}GO"))));
    let mut keeper = keeper(&stage, &run);
    let terminal = Terminal::open(&stage, "t", keeper.arg("--terminal"));
    terminal.until_shows("I have read it");
    let read = stage.request("what was read", |request| request.step() == Some(1));
    let text = read.results()[0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("/exit \u{1b}[31m\u{feff}GO"), "{text:?}");
    terminal.types("/exit");
    stage.eventually("the end of the run", || run.end().unwrap());
    stage.until_empty();
}

/// What stands in `questions`, once there is one.
fn asked(stage: &Stage) -> serde_json::Value {
    stage.eventually("a question", || {
        let open: serde_json::Value = serde_json::from_str(&orch(stage, &["questions", "--json"])).unwrap();
        let first = open["data"]["questions"][0].clone();
        (!first.is_null()).then_some(first)
    })
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn what_the_client_may_not_do_it_asks_us_and_it_heeds_the_answer() {
    let bash = |command: &str| calls("Bash", json!({ "command": command, "description": "d" }));
    let long = format!("{}\n", "é\"x".repeat(25_000));
    let write = calls("Write", json!({ "file_path": "long.txt", "content": long }));
    let steps = [
        bash("touch by-rule"),
        bash("touch denied-by-rule"),
        bash("touch once"),
        bash("touch never"),
        bash("touch always"),
        bash("touch always"),
        write,
        says("done"),
    ];
    let Some(stage) = Stage::set([role("GO", steps)]) else { return };
    stage.write(
        "state/orch.toml",
        "[[policy.rules]]\nallow = \"Bash\"\ncommand = \"touch by-rule\"\n\
         [[policy.rules]]\ndeny = \"Bash\"\ncommand = \"touch denied-by-rule\"\nsay = \"Not you.\"\n",
    );
    orch(&stage, &["push-task", "Touch", "--description", "GO"]);
    stage.write("state/roles/executor.md", "---\ndescription: d\n---\n{{task_id}} {{task_description}}\n");
    let client = stage.path("bin/claude").display().to_string();
    let mut launch = Command::new(PROGRAM);
    launch.args(["launch", "--workers", "1", "--client", &client, "--state-dir"]);
    stage.dress(launch.arg(stage.path("state")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    let mut launch = Running::start(&mut launch);
    for (command, answer) in [
        ("touch once", &["approve"][..]),
        ("touch never", &["deny", "not in this house"]),
        ("touch always", &["approve", "--always"]),
        ("long.txt", &["approve"]),
    ] {
        let question = asked(&stage);
        assert!(question["text"].as_str().unwrap().contains(command), "{question}");
        stage.eventually("it needs input", || {
            orch(&stage, &["workers", "--json"]).contains("\"needs_input\"").then_some(())
        });
        let id = question["id"].as_str().unwrap();
        orch(&stage, &[&answer[..1], &[id], &answer[1..]].concat());
    }
    let after = |step: u64| stage.request("what came of it", |request| request.step() == Some(step));
    let last = after(7);
    for (step, words) in [(2, "Not you."), (4, "denied this: not in this house")] {
        let results = after(step).results();
        assert!(results[0]["text"].as_str().unwrap().contains(words), "{results:?}");
    }
    assert!(!last.offers(given::PERMISSION_TOOL), "the client keeps it to itself");
    for (name, is_there) in
        [("by-rule", true), ("denied-by-rule", false), ("once", true), ("never", false), ("always", true)]
    {
        assert_eq!(stage.path("project").join(name).exists(), is_there, "{name}");
    }
    assert_eq!(fs::read_to_string(stage.path("project/long.txt")).ok(), Some(long), "byte for byte");
    launch.signal(Signal::INT);
    assert_eq!(launch.ends_within(PATIENCE).expect("it ends").code(), Some(0));
    stage.until_empty();
}
