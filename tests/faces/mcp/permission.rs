//! The tool that Claude Code asks before it uses another: listed where it is asked for, and answered in the client's own form.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::Session;
use crate::support::program::eventually;
use orch_mcp::mcp::Profile;
use orch_mcp::mcp::listed;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;

fn asks(command: &str, call: &str) -> Value {
    json!({ "tool_name": "Bash", "input": { "command": command, "n": 1.5 }, "tool_use_id": call, "told_by_newer_clients": {} })
}

/// What the client reads of it.
fn answer(session: &mut Session, id: u64) -> Value {
    let result = session.response(id)["result"].take();
    assert_eq!((&result["isError"], &result["structuredContent"]), (&json!(false), &Value::Null));
    serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
}

#[test]
fn it_is_listed_once_in_any_profile_for_a_client_that_is_told_to_ask_by_it() {
    let home = Home::new();
    for profile in Profile::ALL {
        for with in [false, true] {
            let mut serve = home.serve();
            serve.args(["--profile", profile.word()]).args(with.then_some("--also=request_permission"));
            let mut session = Session::open(&mut serve, Era::Stateless);
            let id = session.request("tools/list", json!({}));
            let tools = session.response(id)["result"]["tools"].take();
            let names: Vec<&str> = tools.as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
            let wanted = usize::from(with || profile == Profile::Full);
            assert_eq!(names.iter().filter(|name| **name == "request_permission").count(), wanted, "{profile} {with}");
            assert_eq!(names.len(), listed(profile).len() + usize::from(with && profile != Profile::Full));
        }
    }
}

/// The one that is open.
fn open_request(home: &Home) -> String {
    home.ok(&["questions"])["questions"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_answer_is_just_what_the_client_reads() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let mut session = Session::open(home.serve().env("ORCH_INSTANCE", "amy"), era);
        session.call("register_instance", json!({ "name": "amy" }));
        let asked = asks(&format!("cargo publish # {}", "x".repeat(2_000)), "t1");
        let id = session.begin_call("request_permission", asked.clone());
        home.until_waiting(1);
        home.ok(&["approve", "amy"]);
        assert_eq!(answer(&mut session, id), json!({ "behavior": "allow", "updatedInput": asked["input"] }));

        let long = json!({ "tool_name": "Write", "input": { "file_path": "/w/x", "content": "é".repeat(100_000) }, "tool_use_id": "t2" });
        let id = session.begin_call("request_permission", long.clone());
        home.until_waiting(1);
        home.ok(&["approve", &open_request(&home), "--always"]);
        assert_eq!(answer(&mut session, id)["updatedInput"], long["input"], "whole");

        let longer = json!({ "tool_name": "Write", "input": { "file_path": "/w/x", "content": "x".repeat(500_000) }, "tool_use_id": "t4" });
        let id = session.begin_call("request_permission", longer);
        let told = answer(&mut session, id);
        assert!(told["message"].as_str().unwrap().ends_with("Do it in parts."), "{told:.300}");

        let id = session.begin_call("request_permission", asks("deploy", "t3"));
        home.until_waiting(1);
        home.ok(&["deny", &open_request(&home), "never in prod"]);
        let told = answer(&mut session, id);
        assert_eq!(told["behavior"], "deny");
        assert!(told["message"].as_str().unwrap().ends_with("denied this: never in prod"), "{told}");
        // What cannot be asked is denied, too.
        let id = session.begin_call("request_permission", json!({ "tool_name": "Bash" }));
        let told = answer(&mut session, id);
        assert!(told["message"].as_str().unwrap().contains("`request_permission` needs `input`"), "{told}");
    }
}

#[test]
fn who_waits_no_more_takes_the_question_back() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let mut session = Session::open(home.serve().env("ORCH_INSTANCE", "amy"), era);
        session.call("register_instance", json!({ "name": "amy" }));
        let id = session.begin_call("request_permission", asks("deploy", "t1"));
        home.until_waiting(1);
        session.cancel(id);
        eventually("it is taken back", || (home.ok(&["questions"])["total"] == 0).then_some(()));
        session.begin_call("request_permission", asks("deploy", "t2"));
        home.until_waiting(1);
        session.close_input();
        session.end();
        assert_eq!(home.ok(&["questions"])["total"], 0, "nor is it left behind by a client that ends");
    }
}

#[test]
fn nobody_is_asked_for_a_server_that_was_killed_while_it_waited() {
    let home = Home::new();
    let mut session = Session::open(home.serve().env("ORCH_INSTANCE", "amy"), Era::Stateless);
    session.call("register_instance", json!({ "name": "amy" }));
    session.begin_call("request_permission", asks("deploy", "t1"));
    home.until_waiting(1);
    assert_eq!(home.ok(&["questions"])["total"], 1);
    session.process.signal(Signal::KILL);
    session.process.ends();
    let open = home.ok(&["questions"]);
    assert_eq!((&open["total"], open["questions"].as_array().unwrap().len()), (&json!(0), 0), "nothing is shown");
    let error = home.run(&["approve", "1", "--json"]).expect(4).error();
    assert!(error["message"].as_str().unwrap().contains("withdrawn already"), "{error}");
}
