//! The tools as a client lists and calls them.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::Session;
use crate::support::program::finish;
use orch_mcp::mcp::Profile;
use orch_mcp::mcp::listed;
use orch_mcp::ops::Effect;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use serde_json::json;

fn tools(session: &mut Session) -> Vec<Value> {
    let list = session.ask("tools/list", json!({}));
    assert!(list.get("nextCursor").is_none(), "one page has all of them: {list}");
    list["tools"].as_array().unwrap().clone()
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn a_profile_is_chosen_by_flag_or_else_by_variable_and_hides_nothing_from_a_call() {
    let home = Home::new();
    let serve = |flag: Option<&str>, variable: Option<&str>, era| {
        let mut command = home.serve();
        command.args(flag.into_iter().flat_map(|word| ["--profile", word]));
        command.envs(variable.map(|word| ("ORCH_PROFILE", word)));
        Session::open(&mut command, era)
    };
    for (flag, variable, profile) in [
        (None, None, Profile::Lead),
        (Some("worker"), None, Profile::Worker),
        (None, Some("full"), Profile::Full),
        (Some("worker"), Some("full"), Profile::Worker),
    ] {
        let mut session = serve(flag, variable, if flag.is_some() { BOTH_ERAS[0] } else { BOTH_ERAS[1] });
        let wanted: Vec<&str> = listed(profile).iter().map(|entry| entry.name).collect();
        assert_eq!(names(&tools(&mut session)), wanted, "--profile {flag:?}, ORCH_PROFILE={variable:?}");
        session.call("push_tasks", json!({ "tasks": [{ "title": "Not in every profile" }] }));
    }
    let error = finish(home.serve().env("ORCH_PROFILE", "boss"), "").expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("ORCH_PROFILE"), "{error}");
}

/// A client runs side by side only what it believes to be reading, and holds ready only what it is told to.
#[test]
fn tools_carry_the_hints_that_clients_act_upon() {
    let home = Home::new();
    for era in BOTH_ERAS {
        let mut session = Session::open(home.serve().args(["--profile", "full"]), era);
        let tools = tools(&mut session);
        for (tool, entry) in tools.iter().zip(OPERATIONS) {
            assert_eq!(tool["name"], entry.name);
            let reads = entry.effect != Effect::Write || entry.waits();
            assert_eq!(tool["annotations"]["readOnlyHint"], reads, "{}", entry.name);
            assert_eq!(tool["inputSchema"]["type"], "object", "{}", entry.name);
            assert!(!tool["description"].as_str().unwrap().is_empty(), "{}", entry.name);
            assert!(tool.get("outputSchema").is_none(), "{}", entry.name);
        }
        let wait = tools.iter().find(|tool| tool["name"] == "wait_for_message").unwrap();
        assert_eq!(wait["annotations"]["readOnlyHint"], true);
        let held: Vec<&Value> = tools.iter().filter(|tool| tool["_meta"]["anthropic/alwaysLoad"] == true).collect();
        assert!((3..=4).contains(&held.len()), "{held:?}");
    }
}

/// The best-known client shows a model only the one, older clients only the other.
#[test]
fn structure_and_text_of_an_answer_say_the_same() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let mut session = home.session(era);
        for (tool, arguments, fails) in [
            ("register_instance", json!({ "name": "bob", "metadata": { "ü": "\u{1b}[31m\n" } }), false),
            ("push_task", json!({ "title": "„ü“ \u{202e}", "metadata": { "deep": [1, { "x": null }] } }), false),
            ("list_tasks", json!({}), false),
            ("poll_messages", json!({}), false),
            ("get_task", json!({ "task_id": "4711" }), true),
            ("push_task", json!({}), true),
        ] {
            let id = session.begin_call(tool, arguments);
            let result = session.response(id)["result"].take();
            assert_eq!(result["isError"], fails, "{result}");
            assert_eq!(result["content"].as_array().unwrap().len(), 1);
            let text = result["content"][0]["text"].as_str().unwrap();
            assert_eq!(text, result["structuredContent"].to_string(), "compact, and in the same order");
        }
    }
}

#[test]
fn a_bad_argument_is_named_with_what_was_wanted() {
    let home = Home::new();
    let mut session = home.member("bob", Era::Stateless);
    session.call("push_task", json!({ "title": "There is one" }));
    for (tool, arguments, in_message, in_hint) in [
        ("push_task", json!({}), "`title`", ""),
        ("push_task", json!({ "title": 7 }), "`title` must be text, not `7`", ""),
        ("push_task", json!({ "title": "t", "priority": "urgent" }), "`priority` must be one of critical, high", ""),
        ("push_task", json!({ "title": "t", "lables": ["x"] }), "no `lables`", "did you mean `labels`?"),
        ("push_task", json!({ "title": "x".repeat(301) }), "`title` must have 1 to 300", "`description`"),
        (
            "push_tasks",
            json!({ "tasks": [{ "title": "t" }, { "titel": "t" }] }),
            "`tasks[1]` has no `titel`",
            "`title`",
        ),
        ("push_tasks", json!({ "tasks": [{ "title": "t", "labels": "x" }] }), "`tasks[0].labels` must be a list", ""),
        ("claim_task", json!({ "lease_secs": -1 }), "`lease_secs` must be a whole number from 0, not `-1`", ""),
        (
            "complete_task",
            json!({ "task_id": "1", "evidence": { "comit": "x" } }),
            "`evidence` has no `comit`",
            "`commit`",
        ),
        ("get_task", json!({ "task_id": "first" }), "`task_id`", ""),
        ("get_task", json!({ "task_id": "1", "offset": u64::MAX, "part": "notes" }), "`part`", ""),
        ("wait_for_message", json!({ "timeout_seconds": 1u64 << 40 }), "`timeout_seconds`", ""),
        ("push_tasks", json!({ "tasks": [{ "title": "t", "parent": "first" }] }), "`tasks[0].parent`", ""),
        ("set_context", json!({ "key": "k" }), "`value`", ""),
        ("list_tasks", json!({ "status": "redy" }), "`status` must be one of", ""),
        ("send_message", json!({ "content": "hi" }), "somebody to send to", "`to_instance`"),
    ] {
        let error = session.refused("invalid", tool, arguments.clone());
        assert!(error["message"].as_str().unwrap().contains(in_message), "{tool} {arguments}: {error}");
        assert!(error["hint"].as_str().unwrap_or_default().contains(in_hint), "{tool} {arguments}: {error}");
    }
    assert_eq!(session.call("list_tasks", json!({}))["total"], 1, "nothing of all this was done");
}

#[test]
fn what_cannot_be_routed_is_an_error_of_the_protocol() {
    let home = Home::new();
    for era in BOTH_ERAS {
        let mut session = home.session(era);
        let error = session.wrong("tools/call", json!({ "name": "clam_task", "arguments": {} }));
        assert_eq!(error["code"], -32602);
        assert!(error["message"].as_str().unwrap().contains("did you mean `claim_task`?"), "{error}");
        for params in [json!({ "arguments": {} }), json!({ "name": "server_status", "arguments": [] })] {
            assert_eq!(session.wrong("tools/call", params)["code"], -32602);
        }
        assert_eq!(session.wrong("tools/frobnicate", json!({}))["code"], -32601);
        // Each era knows a request that the other does not, and says so also where its parameters are wrong.
        let (bad, unknown) = (-32602, -32601);
        let (subscribe, listen) = if era == Era::Stateless { (unknown, bad) } else { (bad, unknown) };
        assert_eq!(session.wrong("resources/subscribe", json!({}))["code"], subscribe);
        assert_eq!(session.wrong("subscriptions/listen", json!({}))["code"], listen);
        session.call("server_status", json!({}));
    }
}

#[test]
fn a_repeated_call_with_its_key_acts_once_whichever_server_it_reaches() {
    let home = Home::new();
    let arguments = json!({ "title": "Once", "idempotency_key": "k-1" });
    let first = home.session(BOTH_ERAS[0]).call("push_task", arguments.clone());
    let mut session = home.session(BOTH_ERAS[1]);
    assert_eq!(session.call("push_task", arguments)["task"]["id"], first["task"]["id"]);
    session.refused("conflict", "push_task", json!({ "title": "Another", "idempotency_key": "k-1" }));
    assert_eq!(session.call("list_tasks", json!({}))["total"], 1);
}
