//! Many clients of one server over HTTP, beside as many calls in flight over standard input and output.

use crate::Effort;
use crate::bare::Bare;
use crate::child::Child;
use crate::clock::MILLI;
use crate::clock::nanos;
use crate::clock::sleep_until;
use crate::samples::Samples;
use crate::server::command;
use crate::starts::populate;
use crate::table::Row;
use crate::table::Unit;
use crate::team::Ground;
use serde_json::Value;
use serde_json::json;
use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

const CONNECTIONS: [usize; 3] = [1, 8, 64];
const SLICE: u64 = 1_000 * MILLI;
/// Between two sends, so that who was woken waits again.
const PAUSE: u64 = 10 * MILLI;

/// A server over HTTP, and what opens its door.
struct Server {
    _child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(state: &Path) -> Server {
        let mut child = Child::of(command(state).args(["serve", "--http", "127.0.0.1:0", "--json"]));
        let heard: Value = serde_json::from_str(&child.hear()).expect("it says in JSON where it is heard");
        let text = |field: &str| heard["data"][field].as_str().expect("it says that too").to_owned();
        let token = std::fs::read_to_string(text("token_file")).expect("the owner may read it").trim().to_owned();
        Server { _child: child, address: text("url").trim_start_matches("http://").to_owned(), token }
    }

    fn connect(&self, instance: &str) -> Connection {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_nodelay(true).expect("it is only a setting");
        let head = format!(
            "Host: {}\r\nAuthorization: Bearer {}\r\nX-Instance-Name: {instance}\r\nContent-Type: application/json\r\n",
            self.address, self.token
        );
        Connection { input: BufReader::new(stream.try_clone().expect("a descriptor is left")), output: stream, head }
    }
}

/// One connection that is kept.
struct Connection {
    input: BufReader<TcpStream>,
    output: TcpStream,
    head: String,
}

impl Connection {
    fn call(&mut self, operation: &str, arguments: &Value) -> String {
        let body = arguments.to_string();
        let request =
            format!("POST /api/v1/{operation} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.output.write_all(request.as_bytes()).expect("the server reads");
        let (mut length, mut line, mut first) = (0, String::new(), String::new());
        loop {
            line.clear();
            self.input.read_line(&mut line).expect("the server answers");
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().expect("it is a number");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.input.read_exact(&mut body).expect("the answer is whole");
        let body = String::from_utf8(body).expect("it is text");
        assert!(first.starts_with("HTTP/1.1 200"), "{operation}: {first}{body}");
        body
    }
}

/// Calls per second, and how long each took.
type Measured = (f64, Samples);

fn call_of(kind: Kind, number: usize) -> (&'static str, Value) {
    match kind {
        Kind::Read => ("get_task", json!({ "task_id": (number % 1_000 + 1).to_string() })),
        Kind::Write => ("push_task", json!({ "title": "one more task to do" })),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
}

fn over_http(server: &Server, connections: usize, kind: Kind) -> Measured {
    let from = nanos();
    let times: Vec<Vec<u64>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..connections)
            .map(|client| {
                scope.spawn(move || {
                    let mut connection = server.connect(&format!("client-{client}"));
                    connection.call("server_status", &json!({}));
                    let mut times = Vec::new();
                    while nanos() - from < SLICE {
                        let (operation, arguments) = call_of(kind, client * 37 + times.len());
                        let began = nanos();
                        connection.call(operation, &arguments);
                        times.push(nanos() - began);
                    }
                    times
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client calls to the end")).collect()
    });
    let samples: Samples = times.into_iter().flatten().collect();
    rated(samples, nanos() - from)
}

fn rated(samples: Samples, nanos: u64) -> Measured {
    (samples.count() as f64 * 1e9 / nanos as f64, samples)
}

/// So many calls under way at any moment, through one pair of pipes.
fn over_stdio(state: &Path, in_flight: usize, kind: Kind) -> Measured {
    let mut child = Child::of(command(state).arg("serve"));
    let mut sent: HashMap<u64, u64> = HashMap::new();
    let (mut next, mut times) = (1, Vec::new());
    let mut send = |child: &mut Child, sent: &mut HashMap<u64, u64>| {
        let (tool, arguments) = call_of(kind, next as usize * 37);
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        sent.insert(next, nanos());
        child.say(&json!({ "jsonrpc": "2.0", "id": next, "method": "tools/call", "params": params }).to_string());
        next += 1;
    };
    // The first answer opens the store.
    send(&mut child, &mut sent);
    child.hear();
    sent.clear();
    let from = nanos();
    (0..in_flight).for_each(|_| send(&mut child, &mut sent));
    while !sent.is_empty() {
        let answer: Value = serde_json::from_str(&child.hear()).expect("each line is JSON");
        let began = answer["id"].as_u64().and_then(|id| sent.remove(&id)).expect("each answer is to one of ours");
        times.push(nanos() - began);
        if nanos() - from < SLICE {
            send(&mut child, &mut sent);
        }
    }
    rated(times.into_iter().collect(), nanos() - from)
}

/// From a send on one connection to the answer of a wait on another.
fn wakes(server: &Server, waiters: usize, times: usize) -> Samples {
    let (arrived, arrivals) = mpsc::channel();
    thread::scope(|scope| {
        for waiter in 0..waiters {
            let arrived = arrived.clone();
            scope.spawn(move || {
                let mut connection = server.connect(&format!("waiter-{waiter}"));
                connection.call("poll_messages", &json!({}));
                arrived.send(0).expect("somebody counts");
                loop {
                    let answer = connection.call("wait_for_message", &json!({ "timeout_seconds": 60 }));
                    let came = nanos();
                    let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
                    for message in answer["data"]["messages"].as_array().into_iter().flatten() {
                        let Some(sent) = message["content"].as_str().and_then(|text| text.parse::<u64>().ok()) else {
                            return;
                        };
                        arrived.send(came.saturating_sub(sent)).expect("somebody counts");
                    }
                }
            });
        }
        (0..waiters).for_each(|_| assert_eq!(arrivals.recv(), Ok(0), "each waiter comes"));
        let mut sender = server.connect("sender");
        let mut samples = Samples::default();
        for turn in 0..times {
            let moment = nanos() + PAUSE;
            sleep_until(moment);
            let to = format!("@waiter-{}", turn % waiters);
            sender.call("send_message", &json!({ "to_instance": to, "content": nanos().to_string() }));
            samples.add(arrivals.recv().expect("it arrives"));
        }
        for waiter in 0..waiters {
            sender.call("send_message", &json!({ "to_instance": format!("@waiter-{waiter}"), "content": "stop" }));
        }
        samples
    })
}

pub fn web(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    populate(&ground.state());
    let server = Server::start(&ground.state());
    let mut rows = raw_limit(&ground.bare());
    for (kind, what) in [(Kind::Read, "`get_task`"), (Kind::Write, "`push_task`, durable")] {
        for connections in CONNECTIONS {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..effort.rounds() {
                ours.push(over_http(&server, connections, kind));
                theirs.push(over_stdio(&ground.state(), connections, kind));
            }
            let (ours, theirs) = (middle(ours), middle(theirs));
            let many = if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
            let beside = "in flight over stdio";
            rows.push(Row::new(format!("{what} over HTTP, {many}"), ours.0, Unit::PerSecond).beside(beside, theirs.0));
            for (name, quantile) in [("p50", Samples::p50 as fn(&Samples) -> _), ("p99", Samples::p99)] {
                rows.push(
                    Row::new(format!("the same, {name}"), quantile(&ours.1).micros(), Unit::Micros)
                        .beside(beside, quantile(&theirs.1).micros()),
                );
            }
        }
    }
    for connections in CONNECTIONS {
        let samples = wakes(&server, connections, effort.times(200));
        let many = if connections == 1 { "1 waits".to_owned() } else { format!("{connections} wait") };
        rows.push(Row::new(format!("wake over HTTP, {many}, p50"), samples.p50().micros(), Unit::Micros));
        rows.push(Row::new("the same, p99", samples.p99().micros(), Unit::Micros));
    }
    rows
}

/// What one durable commit costs here, and one of many changes.
fn raw_limit(file: &Path) -> Vec<Row> {
    let mut bare = Bare::open(file);
    let mut per_second = |count: usize| {
        let (from, mut done) = (nanos(), 0);
        while nanos() - from < SLICE / 2 {
            if count == 1 {
                bare.insert()
            } else {
                bare.insert_many(count)
            }
            done += 1;
        }
        (nanos() - from) as f64 / 1e3 / f64::from(done)
    };
    let (one, eight, many) = (per_second(1), per_second(8), per_second(64));
    vec![
        Row::new("bare SQLite, FULL: a commit of 1 insert", one, Unit::Micros),
        Row::new("a commit of 8", eight, Unit::Micros),
        Row::new("a commit of 64", many, Unit::Micros),
    ]
}

/// The round whose rate is the middle one.
fn middle(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    rounds.swap_remove(rounds.len() / 2)
}
