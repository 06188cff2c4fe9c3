//! One client that calls: a read over stdio, a push that lasts.

use crate::Effort;
use crate::bare::Bare;
use crate::child::Child;
use crate::child::listen;
use crate::child::tell;
use crate::clock::MILLI;
use crate::clock::nanos;
use crate::clock::timed;
use crate::samples::Samples;
use crate::samples::median;
use crate::server::Server;
use crate::starts::populate;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use serde_json::json;

/// A process that answers each line with the same line: what two pipes and a switch of processes cost.
pub struct Echo(Child);

impl Echo {
    pub fn start() -> Echo {
        let mut echo = Echo(Child::start("echo", &[]));
        echo.ask("hello");
        echo
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    fn ask(&mut self, line: &str) {
        self.0.say(line);
        self.0.hear();
    }
}

/// The other side of `Echo`.
pub fn echo() {
    loop {
        let line = listen();
        if line.is_empty() {
            return;
        }
        tell(&line);
    }
}

/// A call that only reads, over stdio, beside a line that only comes back.
pub fn read(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    populate(&ground.state());
    let mut server = Server::start(&ground.state());
    server.discover();
    server.call("register_instance", json!({ "name": "reader" }));
    let mut echo = Echo::start();
    let line = "x".repeat(500);
    let (mut get, mut status, mut raw) = (Samples::default(), Samples::default(), Samples::default());
    for number in 0..effort.times(3_000) {
        let id = number % 1_000 + 1;
        get.add(timed(|| server.call("get_task", json!({ "task_id": id.to_string() }))).1);
        raw.add(timed(|| echo.ask(&line)).1);
        status.add(timed(|| server.call("server_status", json!({}))).1);
    }
    let row = |what: &str, samples: &Samples| {
        Row::new(format!("{what} over stdio, p50"), samples.p50().micros(), Unit::Micros)
            .beside("a line echoed", raw.p50().micros())
            .target(Target::AtMost(150.0))
    };
    vec![
        row("`get_task`", &get),
        row("`server_status`", &status),
        Row::new("`get_task` over stdio, p99", get.p99().micros(), Unit::Micros)
            .beside("a line echoed", raw.p99().micros()),
    ]
}

const SLICE: u64 = 500 * MILLI;

/// One client that pushes, each push durable, beside bare SQLite that inserts a row.
pub fn push(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    let member = Member::join(&ground.state(), "pusher", "lead");
    let bare = Bare::open(&ground.bare());
    let mut server = Server::start(&ground.state());
    server.discover();
    server.call("register_instance", json!({ "name": "remote" }));
    let (mut ours, mut raw, mut remote, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..2 * effort.rounds() {
        raw.push(per_second(|| bare.insert()));
        ours.push(per_second(|| drop(member.call("push_task", json!({ "title": "one more task to do" })))));
        remote.push(per_second(|| drop(server.call("push_task", json!({ "title": "one more task to do" })))));
        ratios.push(ours[ours.len() - 1] / raw[raw.len() - 1]);
    }
    let raw = median(raw);
    let beside = "bare SQLite, FULL, one insert";
    vec![
        Row::new("`push_task`, one client, durable", median(ours), Unit::PerSecond)
            .beside(beside, raw)
            .ratio(median(ratios))
            .target(Target::RatioAtLeast(0.7)),
        Row::new("`push_task` over stdio, durable", median(remote), Unit::PerSecond).beside(beside, raw),
    ]
}

fn per_second(mut what: impl FnMut()) -> f64 {
    let from = nanos();
    let mut count = 0;
    while nanos() - from < SLICE {
        what();
        count += 1;
    }
    f64::from(count) * 1e9 / (nanos() - from) as f64
}
