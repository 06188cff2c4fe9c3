//! The end of a server: soon, whoever wants it, and with an answer for whoever waits.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::Session;
use orch_mcp::host::Host;
use orch_mcp::store::Mode;
use orch_mcp::store::Options;
use orch_mcp::store::Store;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Two seconds are promised. A test machine that does much else may take twice that; a server that lets its calls run
/// out would take far longer.
const SOON: Duration = Duration::from_secs(4);

const FOREVER: u32 = 280;

#[derive(Clone, Copy, Debug)]
enum Cause {
    EndOfInput,
    Signal(Signal),
}

const CAUSES: [Cause; 4] =
    [Cause::EndOfInput, Cause::Signal(Signal::INT), Cause::Signal(Signal::TERM), Cause::Signal(Signal::HUP)];

fn bring_about(cause: Cause, session: &mut Session) {
    match cause {
        Cause::EndOfInput => session.close_input(),
        Cause::Signal(signal) => session.process.signal(signal),
    }
}

#[track_caller]
fn ends_soon(session: &mut Session, cause: impl std::fmt::Debug) {
    let status = session.process.ends_within(SOON);
    let status = status.unwrap_or_else(|| panic!("{cause:?} does not end it; its log:\n{}", session.log()));
    assert_eq!(status.code(), Some(0), "{cause:?}; its log:\n{}", session.log());
}

#[test]
fn whatever_ends_a_session_ends_it_soon_and_whoever_waits_is_answered() {
    for (number, cause) in CAUSES.into_iter().enumerate() {
        let home = Home::new();
        let mut session = home.member("bob", BOTH_ERAS[number % 2]);
        let waits = [
            session.begin_call("wait_for_message", json!({ "timeout_seconds": FOREVER })),
            session.begin_call("watch_events", json!({ "timeout_seconds": FOREVER })),
            session.begin_call("wait_for_task", json!({ "timeout_seconds": FOREVER })),
        ];
        home.until_waiting(waits.len());
        bring_about(cause, &mut session);
        for wait in waits {
            assert_eq!(session.answer(wait)["timed_out"], true, "{cause:?}");
        }
        ends_soon(&mut session, cause);
        assert_eq!(session.rest(), [] as [Value; 0]);
        assert_eq!(home.waiting(), 0, "nothing of the waits stays behind");
        let bob = home.ok(&["get-instance", "bob"]);
        assert_eq!(bob["instance"]["status"], "offline", "{cause:?}");
    }
}

#[test]
fn a_session_that_never_began_ends_as_soon() {
    let home = Home::new();
    for cause in CAUSES {
        let mut session = Session::silent(&mut home.serve(), Era::Stateless);
        if let Cause::Signal(_) = cause {
            // An answer shows that the process has come far enough to mind its signals.
            session.write("not JSON");
            session.message(|message| message["error"]["code"] == -32700);
        }
        bring_about(cause, &mut session);
        ends_soon(&mut session, cause);
    }
    assert!(!home.state_dir().exists());
}

#[test]
fn a_session_with_a_subscription_ends_as_soon() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let mut session = home.member("bob", era);
        match era {
            Era::Stateless => {
                let uris = json!({ "resourceSubscriptions": ["orch://events"] });
                session.request("subscriptions/listen", json!({ "notifications": uris }));
            }
            Era::Handshake(_) => {
                session.ask("resources/subscribe", json!({ "uri": "orch://events" }));
            }
        }
        home.until_waiting(1);
        session.close_input();
        ends_soon(&mut session, era);
        assert_eq!(home.waiting(), 0);
    }
}

/// The client is killed, and something it had started holds its end of the pipe open: here, this test.
#[test]
fn a_server_whose_client_was_killed_ends_though_its_input_stays_open() {
    let home = Home::new();
    let mut client = Command::new("/bin/sh");
    client.args(["-c", "\"$0\" serve; :", PROGRAM]).env_clear().env("HOME", home.path(""));
    client.env("ORCH_STATE_DIR", home.state_dir()).current_dir(home.path("work"));
    let mut session = Session::open(&mut client, Era::Stateless);
    session.call("register_instance", json!({ "name": "orphan" }));
    let wait = session.begin_call("wait_for_message", json!({ "timeout_seconds": FOREVER }));
    home.until_waiting(1);
    session.process.signal(Signal::KILL);
    session.process.ends();
    assert_eq!(session.answer(wait)["timed_out"], true);
    assert_eq!(session.rest(), [] as [Value; 0], "its output ends with it");
    assert_eq!(home.ok(&["get-instance", "orphan"])["instance"]["status"], "offline");
}

/// A client that reads no more is gone, whatever it still has to say.
#[test]
fn a_server_that_nobody_reads_ends() {
    let home = Home::new();
    let mut server = home.serve();
    let mut process = Running::start(server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    drop(process.child.stdout.take());
    let mut input = process.child.stdin.take().unwrap();
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    input.write_all(format!("{line}\n").as_bytes()).unwrap();
    let status = process.ends_within(SOON).expect("it ends though its input stays open");
    assert!(status.code().is_some(), "no signal ended it: {status}");
}

/// The last line of a client may lack its end.
#[test]
fn a_request_at_the_very_end_of_input_is_answered() {
    let home = Home::new();
    let mut session = home.session(Era::Stateless);
    let id = session.begin_call("push_task", json!({ "title": "The last thing" }));
    session.close_input();
    assert_eq!(session.answer(id)["task"]["title"], "The last thing");
    ends_soon(&mut session, "the end of input");
    assert_eq!(home.ok(&["list-tasks"])["total"], 1);
}

/// It has nobody to say goodbye for, but a doorbell that the store knows.
#[test]
fn a_session_that_has_waited_ends_as_soon_while_somebody_holds_the_store() {
    let home = Home::new();
    home.ok(&["register-instance", "bob"]);
    let mut session = Session::open(home.serve().env("ORCH_INSTANCE", "bob"), BOTH_ERAS[0]);
    assert_eq!(session.call("wait_for_message", json!({ "timeout_seconds": 1 }))["timed_out"], true);
    let mut store = SqliteStore::open(&Place::at(home.state_dir()), Host::System, &Options::default()).unwrap();
    let _held = store.begin(Mode::Relaxed).unwrap();
    session.close_input();
    ends_soon(&mut session, "the end of input");
}
