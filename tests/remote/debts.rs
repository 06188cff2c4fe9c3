//! Mail that was handed out in an answer that never came: the next call, once the line is whole again, settles that first.

use crate::remote::lost::FOR_GOOD;
use crate::remote::lost::contents;
use crate::remote::proxy::Fate;
use crate::remote::proxy::Proxy;
use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::program::BOTH_ERAS;
use crate::support::program::Session;
use orch_mcp::config::Server;
use orch_mcp::config::Token;
use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use orch_mcp::host::Host;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::caller::Bearing;
use orch_mcp::ops::table::own_request;
use orch_mcp::remote;
use orch_mcp::remote::Patience;
use orch_mcp::remote::RemoteDesk;
use orch_mcp::remote::Way;
use orch_mcp::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Long enough for a few attempts.
const PATIENCE: Duration = Duration::from_millis(400);
/// No call tries for as long: whoever takes it hangs.
const HANGS: Duration = Duration::from_secs(20);

/// A process of ours on another machine, with less patience than it has there.
struct Process {
    desk: Arc<RemoteDesk>,
    bears: Option<Bearing>,
    calls: u32,
}

impl Process {
    fn at(proxy: &Proxy, team: &Team) -> Process {
        let token = Token::of_file(&team.home.state_dir().join("owner.token")).unwrap();
        let way = Way { server: Server::named(&proxy.url, false).unwrap(), token: Some(token), ca: None };
        Process { desk: Arc::new(RemoteDesk::new(way, Patience::of(PATIENCE))), bears: None, calls: 0 }
    }

    #[track_caller]
    fn call(&mut self, operation: &str, arguments: Value) -> Result<Value, Error> {
        self.calls += 1;
        let caller = Caller {
            registered: self.bears.clone(),
            process: remote::process(&Host::System),
            call: self.calls.to_string(),
            ..Caller::anonymous(Host::System)
        };
        let (desk, request) = (self.desk.clone(), own_request(operation, arguments).unwrap());
        let (tell, told) = channel();
        thread::spawn(move || tell.send(desk.execute(&request, &caller, &Hangup::new())).is_ok());
        let reply = told.recv_timeout(HANGS).unwrap_or_else(|_| panic!("{operation} hangs"))?;
        self.bears = reply.now_bears.or(self.bears.take());
        Ok(reply.data)
    }

    #[track_caller]
    fn ok(&mut self, operation: &str, arguments: Value) -> Value {
        self.call(operation, arguments).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    #[track_caller]
    fn lost(&mut self, operation: &str, arguments: Value) -> Error {
        let error = self.call(operation, arguments).expect_err(operation);
        assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
        error
    }
}

fn send(team: &Team, text: &str) {
    team.home.ok(&["send-message", text, "--to-name", "amy", "-i", "amy"]);
}

fn receipts(team: &Team) -> Vec<String> {
    let told = team.home.ok(&["list-receipts", "-i", "amy", "--limit", "50"]);
    told["receipts"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_call_after_one_whose_answer_never_came_does_not_hang_and_the_mail_comes_once() {
    // It comes to nobody, or somewhere in its middle, or the line stays as if it would still come.
    for fate in [Fate::Answered(0), Fate::Answered(150), Fate::Silent] {
        let team = Team::new();
        let proxy = Proxy::to(team.address());
        let mut amy = Process::at(&proxy, &team);
        amy.ok("register_instance", json!({ "name": "amy" }));
        send(&team, "First");
        proxy.next(&[fate; FOR_GOOD]);
        amy.lost("poll_messages", json!({}));
        // What is owed cannot be settled either, so nothing else is begun.
        send(&team, "Second");
        amy.lost("poll_messages", json!({}));
        amy.lost("push_task", json!({ "title": "Never sent" }));
        proxy.next(&[]);
        let asked = proxy.asked().len();
        assert_eq!(amy.ok("list_tasks", json!({}))["total"], 0, "{fate:?}");
        assert_eq!(proxy.asked()[asked..], ["take_back", "list_tasks"], "{fate:?}");
        assert_eq!(contents(&amy.ok("poll_messages", json!({}))), ["First", "Second"], "{fate:?}");
        assert_eq!(contents(&amy.ok("poll_messages", json!({}))), [""; 0], "{fate:?}");
        assert_eq!(receipts(&team), ["seen", "seen"], "{fate:?}");
    }
}

/// Calls of one process go side by side, and each may lose its answer.
#[test]
fn several_debts_are_settled_together() {
    let team = Team::new();
    let proxy = Proxy::to(team.address());
    let mut amy = Process::at(&proxy, &team);
    amy.ok("register_instance", json!({ "name": "amy" }));
    send(&team, "Read me");
    // The first of them takes the mail; whichever it is, it comes again.
    proxy.next(&[Fate::Answered(0); FOR_GOOD]);
    let others: Vec<_> = (0..3)
        .map(|_| {
            let mut other = Process { desk: amy.desk.clone(), bears: amy.bears.clone(), calls: amy.calls };
            amy.calls += 1;
            thread::spawn(move || other.lost("poll_messages", json!({})))
        })
        .collect();
    for other in others {
        other.join().unwrap();
    }
    proxy.next(&[]);
    assert_eq!(contents(&amy.ok("poll_messages", json!({}))), ["Read me"]);
    assert_eq!(contents(&amy.ok("poll_messages", json!({}))), [""; 0]);
    assert_eq!(receipts(&team), ["seen"]);
}

#[test]
fn a_session_whose_wait_lost_its_answer_goes_on() {
    for era in BOTH_ERAS {
        let team = Team::new();
        let proxy = Proxy::to(team.address());
        let user = User::at(&proxy.url, &team.token);
        let mut session = Session::open(&mut user.program(&["serve", "--profile", "full"]), era);
        session.call("register_instance", json!({ "name": "amy" }));
        send(&team, "Read me");
        proxy.next(&[Fate::Answered(0); FOR_GOOD]);
        let error = session.refused("unavailable", "wait_for_message", json!({ "timeout_seconds": 1 }));
        assert!(error["message"].as_str().unwrap().contains(&proxy.url), "{error}");
        proxy.next(&[]);
        let asked = proxy.asked().len();
        assert_eq!(session.call("list_tasks", json!({}))["total"], 0);
        assert_eq!(proxy.asked()[asked..], ["take_back", "list_tasks"]);
        assert_eq!(contents(&session.call("poll_messages", json!({}))), ["Read me"]);
        assert_eq!(contents(&session.call("poll_messages", json!({}))), [""; 0]);
        assert_eq!(receipts(&team), ["seen"]);
        session.end();
    }
}
