//! From a send in one process to its receipt in another that waits, and what waiting costs while nothing happens.

use crate::Effort;
use crate::bare::Bare;
use crate::child::Child;
use crate::child::listen;
use crate::child::tell;
use crate::clock::MILLI;
use crate::clock::cpu_nanos;
use crate::clock::nanos;
use crate::clock::sleep_until;
use crate::clock::timed;
use crate::samples::Samples;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use crate::team::store;
use orch_mcp::store::sqlite::SqliteStore;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Between two sends, so that who was woken waits again.
const PAUSE: u64 = 10 * MILLI;
const BROADCAST_PAUSE: u64 = 150 * MILLI;
const LAST_WORD: &str = "stop";

/// A message, by the moment of its sending, and how long it took to one who waited.
type Arrival = (u64, u64);

/// Processes that wait, some of them in many threads, each of these with a store of its own.
struct Waiters {
    children: Vec<Child>,
    count: usize,
    sender: Member,
    store: SqliteStore,
    _ground: Ground,
}

impl Waiters {
    fn gather(processes: usize, threads: usize) -> Waiters {
        let ground = Ground::new();
        let state = ground.state();
        let sender = Member::join(&state, "sender", "lead");
        let path = state.to_str().expect("the path is text");
        let start =
            |number| Child::start("waiters", &[path, &format!("waiter-{}", number * threads), &threads.to_string()]);
        let mut children: Vec<Child> = (0..processes).map(start).collect();
        children.iter_mut().for_each(|child| drop(child.hear()));
        let waiters = Waiters { children, count: processes * threads, sender, store: store(&state), _ground: ground };
        waiters.until_all_wait();
        waiters
    }

    /// The store knows who waits.
    fn until_all_wait(&self) {
        let waiting = || -> u32 {
            let db = self.store.connection_for_measuring();
            db.query_row("select count(*) from waiter", [], |row| row.get(0)).expect("the table is there")
        };
        while waiting() < self.count as u32 {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&self, mut arguments: Value, pause: u64) {
        let sent = nanos();
        arguments["content"] = sent.to_string().into();
        self.sender.call("send_message", arguments);
        sleep_until(sent + pause);
        self.until_all_wait();
    }

    fn send_in_turn(&self, times: usize) {
        (0..times)
            .for_each(|turn| self.send(json!({ "to_instance": format!("@waiter-{}", turn % self.count) }), PAUSE));
    }

    fn broadcast(&self, times: usize) {
        (0..times).for_each(|_| self.send(json!({ "broadcast": true }), BROADCAST_PAUSE));
    }

    /// Everything that arrived anywhere.
    fn dismiss(self) -> Vec<Arrival> {
        self.sender.call("send_message", json!({ "broadcast": true, "content": LAST_WORD }));
        let arrivals = self.children.into_iter().map(Child::finish);
        arrivals.flat_map(|list| serde_json::from_value::<Vec<Arrival>>(list).expect("arrivals are told")).collect()
    }
}

/// The child's side: threads that wait for mail until the last word comes.
pub fn waiters(arguments: &[String]) {
    let [state, first, threads] = arguments else { panic!("a store, a name, a number of threads") };
    let (base, first) = first.rsplit_once('-').expect("the name ends in a number");
    let first: usize = first.parse().expect("the name ends in a number");
    let threads: usize = threads.parse().expect("a number of threads");
    let (joined, all_joined) = mpsc::channel();
    let arrivals: Vec<Arrival> = thread::scope(|scope| {
        let start = |number| {
            let joined = joined.clone();
            scope.spawn(move || {
                let waiter = Member::join(Path::new(state), &format!("{base}-{number}"), "general");
                joined.send(()).expect("somebody counts");
                arrivals(&waiter)
            })
        };
        let waiting: Vec<_> = (first..first + threads).map(start).collect();
        (0..threads).for_each(|_| all_joined.recv().expect("each thread joins"));
        tell("ready");
        waiting.into_iter().flat_map(|thread| thread.join().expect("a waiter waits to the end")).collect()
    });
    tell(&json!(arrivals).to_string());
}

fn arrivals(waiter: &Member) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    loop {
        let mail = waiter.call("wait_for_message", json!({ "timeout_seconds": 60 }));
        let now = nanos();
        for message in mail["messages"].as_array().into_iter().flatten() {
            match message["content"].as_str() {
                Some(LAST_WORD) | None => return arrivals,
                Some(sent) => {
                    let sent = sent.parse().expect("the content is the moment of sending");
                    arrivals.push((sent, now - sent));
                }
            }
        }
    }
}

/// Sends to one who waits among few and among many, and to fifty at once.
pub fn wake(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    let raw = bare_wakes(&ground, effort.times(300));
    let beside = "a bare commit, FULL, and a datagram";
    let mut rows = Vec::new();
    // Five hundred processes would measure the scheduler: threads stand in, fifty to a process.
    for (processes, threads) in [(1, 1), (50, 1), (10, 50)] {
        let waiters = Waiters::gather(processes, threads);
        let many = waiters.count;
        waiters.send_in_turn(effort.times(300));
        let times: Samples = waiters.dismiss().into_iter().map(|(_, took)| took).collect();
        let row = |what: &str, ours: f64, raw: f64, most: f64| {
            Row::new(format!("send to wake, {many} waiting, {what}"), ours, Unit::Millis)
                .beside(beside, raw)
                .target(Target::AtMost(most))
        };
        rows.push(row("p50", times.p50().millis(), raw.p50().millis(), 1.0));
        rows.push(row("p99", times.p99().millis(), raw.p99().millis(), 3.0));
    }
    rows.push(broadcast(effort));
    rows
}

fn broadcast(effort: Effort) -> Row {
    let waiters = Waiters::gather(50, 1);
    waiters.broadcast(effort.times(20));
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for (sent, took) in waiters.dismiss() {
        let latest = last.entry(sent).or_default();
        *latest = took.max(*latest);
    }
    let last: Samples = last.into_values().collect();
    Row::new("broadcast to 50 processes until the last has it, p50", last.p50().millis(), Unit::Millis)
        .target(Target::AtMost(15.0))
}

/// What nobody can do without: make it durable, then wake one process.
fn bare_wakes(ground: &Ground, times: usize) -> Samples {
    std::fs::create_dir_all(ground.state()).expect("the ground can be written to");
    let bell = ground.state().join("bell");
    let bare = Bare::open(&ground.bare());
    let mut child = Child::start("bare-waiter", &[bell.to_str().expect("the path is text")]);
    child.hear();
    let socket = UnixDatagram::unbound().expect("sockets are to be had");
    for _ in 0..times {
        let sent = nanos();
        bare.insert();
        socket.send_to(&sent.to_ne_bytes(), &bell).expect("the child listens");
        sleep_until(sent + PAUSE);
    }
    socket.send_to(&0u64.to_ne_bytes(), &bell).expect("the child listens");
    child.finish().as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

pub fn bare_waiter(arguments: &[String]) {
    let socket = UnixDatagram::bind(&arguments[0]).expect("the path is free");
    tell("ready");
    let mut took = Vec::new();
    loop {
        let mut sent = [0; 8];
        socket.recv(&mut sent).expect("the socket is ours");
        let now = nanos();
        match u64::from_ne_bytes(sent) {
            0 => break,
            sent => took.push(now - sent),
        }
    }
    tell(&json!(took).to_string());
}

const IDLERS: usize = 10;

/// What ten processes use of the processors while they wait and nothing happens.
pub fn idle(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    let seconds = if effort == Effort::Quick { 2 } else { 10 };
    let state = ground.state();
    let arguments = [state.to_str().expect("the path is text"), &seconds.to_string()];
    let mut idlers: Vec<Child> = (0..IDLERS).map(|_| Child::start("idler", &arguments)).collect();
    idlers.iter_mut().for_each(|idler| drop(idler.hear()));
    idlers.iter_mut().for_each(|idler| idler.say("go"));
    let used: f64 = idlers.into_iter().filter_map(|idler| idler.finish().as_f64()).sum();
    vec![
        Row::new(format!("a waiter that waits {seconds} s, of one core"), used / IDLERS as f64, Unit::Percent)
            .target(Target::AtMost(0.1)),
    ]
}

pub fn idler(arguments: &[String]) {
    let seconds: u32 = arguments[1].parse().expect("a number of seconds");
    let idler = Member::join(Path::new(&arguments[0]), &format!("idler-{}", std::process::id()), "general");
    tell("ready");
    listen();
    let before = cpu_nanos();
    let (_, nanos) = timed(|| idler.call("wait_for_message", json!({ "timeout_seconds": seconds })));
    let used = cpu_nanos() - before;
    tell(&json!(100.0 * used as f64 / nanos as f64).to_string());
}
