//! What a process costs: to start, to be asked once, to sit there.

use crate::Effort;
use crate::clock::timed;
use crate::samples::Samples;
use crate::server::Server;
use crate::server::command;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use crate::team::push_many;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

const DOES_NOTHING: &str = "`true`";

/// From the start of `serve` to its first answer, beside a process that does nothing.
pub fn server(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    populate(&ground.state());
    let (mut first, mut first_tool, mut nothing) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..effort.times(100) {
        first.add(time_to_discovery(&ground.state()));
        nothing.add(start_and_end(&mut Command::new("true")));
        first_tool.add(time_to_tool(&ground.state()));
    }
    let nothing = nothing.p50().millis();
    vec![
        Row::new("start of `serve` to its first answer, p50", first.p50().millis(), Unit::Millis)
            .beside(DOES_NOTHING, nothing)
            .target(Target::AtMost(5.0))
            .target(Target::RatioAtMost(5.0)),
        Row::new("start of `serve` to the first answer from the store, p50", first_tool.p50().millis(), Unit::Millis)
            .beside(DOES_NOTHING, nothing),
    ]
}

pub fn time_to_discovery(state: &Path) -> u64 {
    let (server, nanos) = timed(|| {
        let mut server = Server::start(state);
        server.discover();
        server
    });
    drop(server);
    nanos
}

pub fn time_to_tool(state: &Path) -> u64 {
    let (server, nanos) = timed(|| {
        let mut server = Server::start(state);
        server.call("server_status", json!({}));
        server
    });
    drop(server);
    nanos
}

/// One command, one process, from its start to its end.
pub fn one_shot(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    let state = ground.state();
    populate(&state);
    let runs = effort.times(100);
    let nothing: Samples = (0..runs).map(|_| start_and_end(&mut Command::new("true"))).collect();
    let (push, claim) = commands(&state, runs);
    // As most are run: while some session has the store open.
    let mut session = Server::start(&state);
    session.call("server_status", json!({}));
    let (push_beside, claim_beside) = commands(&state, runs);
    let row = |what: &str, samples: &Samples| {
        Row::new(format!("one-shot `{what}`, whole process, p50"), samples.p50().millis(), Unit::Millis)
            .beside(DOES_NOTHING, nothing.p50().millis())
            .target(Target::AtMost(6.0))
    };
    vec![
        row("push-task", &push),
        row("claim-task", &claim),
        row("push-task` beside a server", &push_beside),
        row("claim-task` beside a server", &claim_beside),
    ]
}

/// Pushes and claims in turn, each claim of a task that is ready; and what is claimed gets completed.
fn commands(state: &Path, runs: usize) -> (Samples, Samples) {
    let worker = Member::visit(state);
    let (mut push, mut claim) = (Samples::default(), Samples::default());
    for _ in 0..runs {
        push.add(start_and_end(command(state).args(["push-task", "one more"])));
        claim.add(start_and_end(command(state).args(["claim-task", "--instance-id", "worker"])));
        let held = worker.call("get_instance", json!({ "instance": "worker" }));
        let id = held["tasks"][0]["id"].as_str().expect("the command has claimed one");
        worker.call("complete_task", json!({ "task_id": id, "instance_id": "worker" }));
    }
    (push, claim)
}

fn start_and_end(command: &mut Command) -> u64 {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let (status, nanos) = timed(|| command.status().expect("the program can be started"));
    assert!(status.success(), "{command:?} failed");
    nanos
}

/// A store that a small team has worked in.
pub fn populate(state: &Path) {
    let worker = Member::join(state, "worker", "builder");
    push_many(&worker, 1_000, |number| json!({ "title": format!("task {number}"), "role": "builder" }));
}

/// What a server keeps after it read once and wrote once.
pub fn memory(_: Effort) -> Vec<Row> {
    let ground = Ground::new();
    populate(&ground.state());
    let mut server = Server::start(&ground.state());
    server.discover();
    server.call("register_instance", json!({ "name": "sitter" }));
    server.call("list_tasks", json!({}));
    server.call("push_task", json!({ "title": "one more" }));
    let echo = crate::calls::Echo::start();
    vec![
        Row::new("resident memory of an idle stdio server", resident(server.id()), Unit::Mebibytes)
            .beside("a process that only echoes", resident(echo.id()))
            .target(Target::AtMost(12.0)),
    ]
}

/// In MiB, as the system's own tool tells it.
pub fn resident(process: u32) -> f64 {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &process.to_string()]).output().expect("`ps` is there");
    let kib: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("it tells a number of KiB");
    kib / 1024.0
}
