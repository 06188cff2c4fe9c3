//! The demo as a story: what it is to show happens each time, and all of that on this machine alone.

use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::finish_within;
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Says loudly what is left out.
fn has(program: &str, words: &[&str], test: &str) -> bool {
    let found = Command::new(program).args(words).output().is_ok_and(|told| told.status.success());
    if !found {
        let line = format!("\nSKIPPED: {test}: `{program} {}` does not work here\n", words.join(" "));
        // Not by a macro, whose words are caught and shown only when the test fails.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
    found
}

/// The demo, run by a program that watches it.
fn watched(home: &Home, watcher: &str, words: &[&str]) -> String {
    let mut demo = Command::new(watcher);
    demo.args(words).args([PROGRAM, "demo", "--speed", "1000"]).env_clear().env("HOME", home.path(""));
    demo.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(home.path("work"));
    let ended = finish_within(PATIENCE, &mut demo, "").expect(0);
    assert!(ended.out.contains("10 of 10 tasks completed"), "{}", ended.out);
    ended.out
}

#[test]
fn a_reserved_file_is_waited_for_and_a_stale_claim_is_refused() {
    for workers in ["2", "6"] {
        let home = Home::new();
        let words = ["demo", "--speed", "1000", "--json", "--workers", workers];
        let ended = finish_within(PATIENCE, &mut home.program(&words), "").expect(0);
        let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let (last, events) = lines.split_last().unwrap();
        let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
        let waits = of("task.progress").into_iter().find(|event| event["detail"] == "waits for api/openapi.json");
        let waits = waits.unwrap_or_else(|| panic!("nobody waited: {}", ended.out));
        assert!(last["waited"].as_str().unwrap().ends_with(waits["subject"].as_str().unwrap()), "{last}");
        // Whoever slept lets the file go, and only then somebody else has it; and never two at once.
        let mut has_it: Vec<&str> = Vec::new();
        let mut had_it: Vec<&str> = Vec::new();
        for event in events {
            let who = event["who"].as_str().unwrap_or_default();
            match event["kind"].as_str().unwrap() {
                "files.reserved" => {
                    assert!(has_it.is_empty(), "{who} took what {has_it:?} has: {}", ended.out);
                    has_it.push(who);
                    had_it.push(who);
                }
                "files.released" => has_it.retain(|one| *one != who),
                _ => {}
            }
        }
        assert_eq!((had_it.len(), had_it[0]), (3, "sleeper"), "{had_it:?}");
        let at = |event: &Value| event["seq"].as_u64().unwrap();
        assert!(at(waits) < at(of("files.released")[0]), "it had to wait");
        let refused = last["refused"].as_str().unwrap();
        assert!(refused.contains("task-0000000001") && refused.contains("is not yours"), "{refused}");
        let completed: Vec<_> = of("task.completed").iter().map(|event| event["subject"].clone()).collect();
        assert_eq!(completed.len(), 10, "each once: {completed:?}");
        assert!(of("message.sent").iter().any(|event| event["who"] == "sleeper"), "everybody heard of it");
    }
}

#[test]
fn no_process_of_the_demo_opens_a_socket_of_a_network() {
    if !has("strace", &["-f", "-e", "trace=socket", "true"], "no_process_of_the_demo_opens_a_socket_of_a_network") {
        return;
    }
    let home = Home::new();
    let trace = home.path("trace");
    // Of its own processes as of all that they start.
    let words = ["-f", "-qq", "-e", "trace=socket,socketpair,connect,bind", "-o", trace.to_str().unwrap()];
    watched(&home, "strace", &words);
    let trace = fs::read_to_string(trace).unwrap();
    assert!(trace.contains("AF_UNIX"), "it is watched: {trace}");
    let network: Vec<&str> = trace.lines().filter(|line| line.contains("AF_INET")).collect();
    assert!(network.is_empty(), "{network:#?}");
}

#[test]
fn the_demo_needs_no_network_and_tries_none() {
    // Where even the machine itself cannot be reached.
    let alone = ["--map-root-user", "--net"];
    if !has("unshare", &[&alone[..], &["true"]].concat(), "the_demo_needs_no_network_and_tries_none") {
        return;
    }
    let home = Home::new();
    let then_told = ["sh", "-c", "\"$@\" && cat /proc/self/net/snmp", "sh"];
    let told = watched(&home, "unshare", &[&alone[..], &then_told].concat());
    let counts = |layer: &str, name: &str| {
        let mut lines = told.lines().filter(|line| line.starts_with(&format!("{layer}: ")));
        let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split(' ').position(|word| word == name).unwrap();
        numbers.split(' ').nth(at).unwrap().to_owned()
    };
    for (layer, name) in [
        ("Ip", "OutRequests"),
        ("Ip", "OutNoRoutes"),
        ("Tcp", "ActiveOpens"),
        ("Tcp", "AttemptFails"),
        ("Udp", "OutDatagrams"),
    ] {
        assert_eq!(counts(layer, name), "0", "{layer} {name}: {told}");
    }
}
