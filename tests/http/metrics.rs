//! The numbers that the server tells of itself: each says what it is, and is true.

use crate::support::program::eventually;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Server;
use orch_mcp::host::Host;
use orch_mcp::store::Mode;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use serde_json::json;
use std::collections::BTreeMap;
use std::thread;

#[test]
fn every_number_says_what_it_is() {
    let server = Server::start();
    server.ok(&server.token, "set_context", json!({ "key": "k", "value": 1 }));
    let page = server.ask(&Ask::get("/metrics").token(&server.token)).text();
    let said: BTreeMap<&str, &str> =
        page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    let kinds: BTreeMap<&str, &str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert_eq!(said.keys().collect::<Vec<_>>(), kinds.keys().collect::<Vec<_>>());
    assert!(said.len() >= 12, "{page}");
    for (name, about) in &said {
        assert!(about.ends_with('.') && about.split(' ').count() >= 6, "{name}: {about}");
        assert_eq!(name.ends_with("_total"), kinds[name] == "counter", "{name}");
        assert_eq!(name.ends_with("_seconds") || name.ends_with("_together"), kinds[name] == "histogram", "{name}");
    }
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(said.contains_key(family), "{line}");
    }
}

#[test]
fn whoever_stands_in_line_to_write_is_counted() {
    let server = Server::start();
    assert_eq!(server.metric("orch_store_writes_waiting"), 0.0);
    let before = server.metric("orch_store_writes_together_sum");
    // Somebody else writes, and takes their time.
    let mut elsewhere = LazyStore::new(Place::at(server.home.state_dir()), Host::System, Default::default());
    let busy = elsewhere.for_writing().unwrap().begin(Mode::Durable).unwrap();
    thread::scope(|scope| {
        let (port, token) = (server.port, &server.token);
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let ask = Ask::post("/api/v1/set_context", &json!({ "key": format!("k{n}"), "value": n }));
                scope.spawn(move || Link::open(port).ask(&ask.token(token)).status)
            })
            .collect();
        // The first waits for the store, and all others for it.
        eventually("three stand in line", || (server.metric("orch_store_writes_waiting") == 3.0).then_some(()));
        drop(busy);
        for writer in writers {
            assert_eq!(writer.join().unwrap(), 200);
        }
    });
    assert_eq!(server.metric("orch_store_writes_waiting"), 0.0);
    assert_eq!(server.metric("orch_store_writes_together_sum") - before, 4.0);
}
