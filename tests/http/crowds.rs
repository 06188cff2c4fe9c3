//! Many who want nothing good, beside one who does.

use crate::support::program::Era;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Mcp;
use crate::support::web::PATIENCE;
use crate::support::web::Server;
use crate::support::web::Told;
use crate::support::web::initialize;
use rustix::process::Resource;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

const SLOW: usize = 2_000;
const CALLS: usize = 150;

/// As many connections as the system lets us have, up to so many.
fn room_for(connections: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    connections.min((most as usize).saturating_sub(200) / 2)
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.port)).unwrap()
}

/// How long a call mostly takes.
fn median(server: &Server, link: &mut Link) -> Duration {
    let ask = Ask::post("/api/v1/list_tasks", &json!({})).token(&server.token);
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let began = Instant::now();
            assert_eq!(link.ask(&ask).status, 200);
            began.elapsed()
        })
        .collect();
    times.sort();
    times[CALLS / 2]
}

/// While others drip what is in `drop_by_drop`, each call takes no longer than a multiple of what it takes alone.
#[track_caller]
fn stays_fast(drop_by_drop: impl Fn(&Server) -> Vec<u8>) {
    let server = Server::start();
    let mut link = server.link();
    let quiet = median(&server, &mut link);
    let drops = drop_by_drop(&server);
    let mut slow: Vec<TcpStream> = (0..room_for(SLOW)).map(|_| connect(&server)).collect();
    slow.iter().for_each(|stream| stream.set_nodelay(true).unwrap());
    let done = AtomicBool::new(false);
    let loud = thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 0;
            while !done.load(Ordering::Relaxed) {
                // Whoever was hung up on is replaced, so that there are always as many.
                for stream in &mut slow {
                    if stream.write_all(&drops[at..=at]).is_err() {
                        *stream = connect(&server);
                    }
                }
                at = (at + 1) % drops.len();
            }
        });
        let loud = median(&server, &mut link);
        // And whoever comes anew comes in.
        assert_eq!(server.call(&server.token, "server_status", json!({})).status, 200);
        done.store(true, Ordering::Relaxed);
        loud
    });
    assert!(loud < quiet * 40 + Duration::from_millis(60), "{loud:?} beside many, {quiet:?} alone");
}

#[test]
fn thousands_of_slow_headers_keep_nobody_from_their_work() {
    stays_fast(|server| {
        format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-A: {}", server.port, "a".repeat(999)).into()
    });
}

#[test]
fn thousands_of_slow_bodies_of_strangers_keep_nobody_from_their_work() {
    stays_fast(|server| {
        let head = "Content-Type: application/json\r\nContent-Length: 99999\r\n\r\n";
        format!("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{head}{}", server.port, " ".repeat(999)).into()
    });
}

#[test]
fn slow_bodies_of_one_who_is_known_keep_nobody_else_from_their_work() {
    let server = Server::start();
    let eve = server.token("worker", "eve");
    let mut link = server.link();
    let quiet = median(&server, &mut link);
    let ask = Ask::new("POST", "/mcp").token(&eve).header("Content-Type", "application/json");
    let ask = ask.header("Content-Length", "4000000").body(vec![b' '; 100_000]);
    let mut slow: Vec<Link> = (0..400).map(|_| server.link()).collect();
    assert!(slow.iter_mut().all(|link| link.send(&ask)));
    let loud = median(&server, &mut link);
    assert!(loud < quiet * 40 + Duration::from_millis(60), "{loud:?} beside many, {quiet:?} alone");
    // Nor can anybody else's body find no room.
    let long = json!({ "title": "x", "description": "x".repeat(60_000) });
    assert_eq!(server.call(&server.token, "push_task", long).status, 200);
}

#[test]
fn a_low_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let server = Server::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert_eq!(numbers.first(), numbers.last(), "{line}");
}

#[test]
fn connections_that_are_opened_and_left_are_closed() {
    let server = Server::start();
    let left: Vec<TcpStream> = (0..room_for(600)).map(|_| connect(&server)).collect();
    assert_eq!(server.ask(&Ask::get("/health")).status, 200);
    let (strangers, known) = ("orch_connections{known=\"no\"}", "orch_connections{known=\"yes\"}");
    assert!(server.metric(strangers) <= 1024.0 && server.metric(known) <= 2.0);
    let close = |stream: &TcpStream| {
        let link = stream.try_clone().unwrap();
        link.set_read_timeout(Some(PATIENCE)).unwrap();
        Link::over(Box::new(link), String::new()).until_closed();
    };
    // The oldest at once, and the newest when it has not said in time who it is.
    close(&left[0]);
    close(left.last().unwrap());
}

/// Half a minute, which is as long as it takes for them to fire.
#[test]
fn the_deadlines_of_those_who_are_known_fire_too() {
    let server = Server::start();
    let known = || {
        let stream = connect(&server);
        stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
        let mut link = Link::over(Box::new(stream), format!("127.0.0.1:{}", server.port));
        assert_eq!(link.ask(&Ask::post("/api/v1/server_status", &json!({})).token(&server.token)).status, 200);
        link
    };
    let (mut idle, mut half_a_head, mut half_a_body) = (known(), known(), known());
    half_a_head.write(b"GET /health HTTP/1.1\r\nHost: loc");
    let ask = Ask::post("/api/v1/push_task", &json!({ "title": "x" })).token(&server.token);
    half_a_body.send(&ask.header("Content-Length", "100"));
    assert_eq!(idle.until_closed(), b"");
    let told = String::from_utf8(half_a_head.until_closed()).unwrap();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    assert_eq!(half_a_body.told().expect("an answer").status, 408);
    half_a_body.until_closed();
}

#[test]
fn connections_of_one_who_is_known_have_an_end_and_are_no_loss_to_others() {
    let server = Server::start();
    let eve = server.token("worker", "eve");
    let ask = Ask::post("/api/v1/server_status", &json!({})).token(&eve);
    let mut links: Vec<Link> = (0..room_for(560)).map(|_| server.link()).collect();
    // Whoever is not yet known may have had to make room.
    let statuses: Vec<u16> = links.iter_mut().filter_map(|link| Some(link.try_ask(&ask)?.status)).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    let mut more: Vec<Link> = Vec::new();
    let told = loop {
        let mut link = server.link();
        let told = link.ask(&ask);
        more.push(link);
        if told.status != 200 {
            break told;
        }
        assert!(more.len() < 600, "there is no end to it");
    };
    assert_eq!(told.status, 429);
    assert!(told.header("retry-after").is_some(), "{told:?}");
    assert_eq!(server.call(&server.token, "server_status", json!({})).status, 200);
}

#[test]
fn sessions_of_one_have_an_end_and_are_no_loss_to_others() {
    let server = Server::start();
    let (amy, eve) = (server.token("worker", "amy"), server.token("worker", "eve"));
    let begin = |token: &str| {
        let ask = Ask::post("/mcp", &initialize("2025-11-25")).token(token);
        ask.header("Accept", crate::support::web::ACCEPT)
    };
    let mut link = server.link();
    (0..200).for_each(|_| assert_eq!(link.ask(&begin(&eve)).status, 200));
    let before = server.resident_mib();
    (0..3_000).for_each(|_| assert_eq!(link.ask(&begin(&eve)).status, 200, "the longest idle goes"));
    assert!(server.metric("orch_mcp_sessions") <= 64.0);
    assert!(server.resident_mib() < before + 24, "{} MiB, before {before}", server.resident_mib());
    // None of those that are in use goes.
    let used: Vec<Link> = (0..64).map_while(|_| in_use(&server, link.ask(&begin(&eve)), &eve)).collect();
    assert_eq!(used.len(), 64);
    let told = link.ask(&begin(&eve));
    assert_eq!((told.status, told.header("retry-after").is_some()), (429, true), "{told:?}");
    let told = server.ask(&Ask::get("/sse").token(&eve));
    assert_eq!(told.status, 429, "of both transports together");
    // Others begin theirs, and whoever ends one may begin another.
    let mut hers = Mcp::open(server.port, &amy, Era::Handshake("2025-11-25"));
    let end = Ask::new("DELETE", "/mcp").token(&amy).header("Mcp-Session-Id", hers.session.as_ref().unwrap());
    assert_eq!(hers.link.ask(&end).status, 204);
    assert_eq!(server.metric("orch_mcp_sessions"), 64.0);
}

/// The stream of a session that has just begun.
fn in_use(server: &Server, begun: Told, token: &str) -> Option<Link> {
    let mut stream = server.link();
    let ask = Ask::get("/mcp").token(token).header("Accept", crate::support::web::ACCEPT);
    stream.send(&ask.header("Mcp-Session-Id", begun.header("mcp-session-id")?));
    (stream.head()?.status == 200).then_some(stream)
}

#[test]
fn many_sessions_that_begin_at_once_are_no_more_than_there_may_be() {
    let server = Server::start();
    let eve = server.token("worker", "eve");
    let begun = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut link = server.link();
                for _ in 0..16 {
                    let ask = Ask::post("/mcp", &initialize("2025-11-25")).token(&eve);
                    if link.ask(&ask.header("Accept", crate::support::web::ACCEPT)).status == 200 {
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(begun.into_inner() > 0);
    assert!(server.metric("orch_mcp_sessions") <= 64.0);
}

#[test]
fn strangers_begin_no_sessions_and_cost_no_memory() {
    let server = Server::start();
    let begin = |n: usize| {
        let ask = Ask::post("/mcp", &initialize("2025-11-25")).header("Accept", crate::support::web::ACCEPT);
        if n.is_multiple_of(2) { ask } else { ask.token(&format!("orch_{n:010x}_{n:064x}")) }
    };
    (0..200).for_each(|n| drop(server.ask(&begin(n))));
    let before = server.resident_mib();
    for n in 0..3_000 {
        assert!(matches!(server.ask(&begin(n)).status, 401 | 429));
    }
    assert_eq!(server.metric("orch_mcp_sessions"), 0.0);
    assert!(server.resident_mib() < before + 24, "{} MiB, before {before}", server.resident_mib());
}

#[test]
fn streams_opened_and_left_have_an_end_and_cost_no_memory() {
    let server = Server::start();
    let eve = server.token("worker", "eve");
    let open = || {
        let mut link = server.link();
        link.send(&Ask::get("/sse").token(&eve));
        let status = link.head().unwrap().status;
        (link, status)
    };
    let kept: Vec<(Link, u16)> = (0..80).map(|_| open()).collect();
    assert_eq!(kept.iter().filter(|(_, status)| *status == 200).count(), 64);
    drop(kept);
    let amy = server.token("worker", "amy");
    let begin = |token: &str| {
        let mut link = server.link();
        link.send(&Ask::get("/sse").token(token));
        link.head().unwrap().status
    };
    (0..200).for_each(|_| assert!(matches!(begin(&amy), 200 | 429)));
    let before = server.resident_mib();
    (0..2_000).for_each(|_| assert!(matches!(begin(&amy), 200 | 429)));
    assert!(server.resident_mib() < before + 24, "{} MiB, before {before}", server.resident_mib());
}
