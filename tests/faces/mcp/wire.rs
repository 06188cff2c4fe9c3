//! Lines in and lines out: nothing that comes in ends a session, nothing but the protocol goes out.

use crate::support::program::BOTH_ERAS;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::Session;
use crate::support::program::eventually;
use crate::support::program::files_below;
use orch_mcp::ops::Effect;
use orch_mcp::ops::OPERATIONS;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// What no client should say before its first request; some do.
const BEFORE_THE_FIRST: [&str; 6] = [
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
    r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":99,"error":{"code":1,"message":"no"}}"#,
    "",
    "   \r",
];

#[test]
fn nothing_said_before_the_first_request_ends_the_session() {
    let home = Home::new();
    for (number, line) in BEFORE_THE_FIRST.into_iter().chain(["garbage", "{", "[]", "\u{feff}", "7"]).enumerate() {
        let mut session = Session::silent(&mut home.serve(), BOTH_ERAS[number % 2]);
        session.write(line);
        session.greet();
        session.call("server_status", json!({}));
        let answers = session.unasked().iter().filter(|message| message["id"] == Value::Null).count();
        assert_eq!(answers, usize::from(number >= BEFORE_THE_FIRST.len() && line != "\u{feff}"), "{line}");
    }
}

#[test]
fn what_is_no_message_is_answered_and_the_session_goes_on() {
    let home = Home::new();
    for era in BOTH_ERAS {
        let mut session = home.session(era);
        for (line, code, id) in [
            (&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"[..], -32700, json!(null)),
            (b"hello", -32700, json!(null)),
            (b"\xff\xfe", -32700, json!(null)),
            (b"[{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}]", -32600, json!(null)),
            (b"{\"id\":\"x\",\"method\":\"tools/list\"}", -32600, json!("x")),
        ] {
            session.write(line);
            let answer = session.message(|message| message["error"]["code"].is_i64());
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{}", line.escape_ascii());
            session.call("server_status", json!({}));
        }
        // A client may call its requests what it likes.
        let line = session.request_line(0, "tools/list", json!({})).replacen("\"id\":0", "\"id\":\"näme\"", 1);
        session.write(line);
        assert!(session.message(|message| message["id"] == "näme")["result"]["tools"].is_array());
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_by_its_number_and_the_session_goes_on() {
    let home = Home::new();
    for era in BOTH_ERAS {
        let mut session = home.session(era);
        let id = session.begin_call("push_task", json!({ "title": "t", "description": "x".repeat(5 * 1024 * 1024) }));
        let error = session.response(id)["error"].take();
        assert_eq!(error["code"], -32600, "{error}");
        assert!(error["message"].as_str().unwrap().contains("longer than"), "{error}");
        assert_eq!(session.call("list_tasks", json!({}))["total"], 0);
        // The longest that fits on a line, and not into a task.
        let almost = json!({ "title": "t", "description": "x".repeat(4 * 1024 * 1024 - 1024) });
        let error = session.refused("invalid", "push_task", almost);
        assert!(error["message"].as_str().unwrap().contains("description"), "{error}");
    }
}

#[test]
fn two_hundred_calls_in_one_breath_are_all_answered_once() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let mut session = home.member("bob", era);
        let calls: Vec<String> = (1000..1200)
            .map(|id| {
                let (tool, arguments) = match id % 4 {
                    0 => ("push_task", json!({ "title": format!("Task {id}") })),
                    1 => ("list_tasks", json!({})),
                    2 => ("send_message", json!({ "to_name": "bob", "content": "to myself" })),
                    _ => ("get_context", json!({ "key": "k" })),
                };
                session.request_line(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
            })
            .collect();
        session.write(calls.join("\n"));
        let mut answered = HashSet::new();
        while answered.len() < calls.len() {
            let answer = session.message(|message| message["id"].as_u64() >= Some(1000));
            assert_eq!(answer["result"]["isError"], false, "{answer}");
            assert!(answered.insert(answer["id"].as_u64().unwrap()), "twice: {answer}");
        }
        assert_eq!(answered, (1000..1200).collect());
        assert_eq!(session.end(), [] as [Value; 0]);
        assert_eq!(home.ok(&["list-tasks"])["total"], 50);
    }
}

/// Node and Bun hand out sockets for pipes, and shells what they are told to.
#[test]
fn sockets_and_files_do_as_well_as_pipes() {
    let home = Home::new();
    for era in BOTH_ERAS {
        let mut session = Session::silent_over_sockets(&mut home.serve(), era);
        session.greet();
        session.call("push_task", json!({ "title": "𝕎".repeat(300), "description": "x".repeat(60_000) }));
        let wait = session.begin_call("wait_for_task", json!({ "task_id": "1" }));
        home.until_waiting(1);
        session.close_input();
        assert_eq!(session.answer(wait)["timed_out"], true);
        assert_eq!(session.end(), [] as [Value; 0]);
    }

    let script = home.path("script");
    let writer = home.session(Era::Stateless);
    let calls = (1..=3).map(|id| writer.request_line(id, "tools/call", json!({ "name": "list_tasks" })));
    std::fs::write(&script, calls.collect::<Vec<_>>().join("\n")).unwrap();
    let served = home.path("served");
    let answered = || std::fs::read(&served).unwrap().iter().filter(|byte| **byte == b'\n').count() == 3;
    let mut server = home.serve();
    server.stdin(File::open(&script).unwrap()).stdout(File::create(&served).unwrap()).stderr(Stdio::null());
    assert!(Running::start(&mut server).ends().success());
    assert!(answered());

    // With its input open, a server of files still minds its signals.
    let mut server = home.serve();
    server.stdin(Stdio::piped()).stdout(File::create(&served).unwrap()).stderr(Stdio::null());
    let mut server = Running::start(&mut server);
    let mut input = server.child.stdin.take().unwrap();
    input.write_all(&std::fs::read(&script).unwrap()).unwrap();
    input.write_all(b"\n").unwrap();
    eventually("three answers in a file", || answered().then_some(()));
    server.signal(Signal::TERM);
    assert!(server.ends_within(Duration::from_secs(4)).expect("it ends soon").success());
}

/// Whatever the level of the log, it stands somewhere else.
#[test]
fn standard_output_carries_the_protocol_and_nothing_else() {
    for era in BOTH_ERAS {
        let home = Home::new();
        let mut session = Session::open(home.serve().env("ORCH_LOG", "trace"), era);
        session.call("register_instance", json!({ "name": "bob" }));
        session.call("push_task", json!({ "title": "two\nlines \u{1b}[31m" }));
        session.call("claim_task", json!({}));
        session.refused("not_found", "get_task", json!({ "task_id": "77" }));
        session.wrong("tools/call", json!({ "name": "nothing" }));
        session.wrong("resources/read", json!({ "uri": "orch://nothing" }));
        session.read("orch://events");
        session.write("garbage");
        let wait = session.begin_call("wait_for_message", json!({}));
        home.until_waiting(1);
        session.cancel(wait);
        // Each line was looked at as it came.
        let log = eventually("a log", || Some(session.log()).filter(|log| log.lines().count() > 1));
        assert!(!log.contains('\u{1b}'), "{log}");
        session.end();
    }
}

#[test]
fn nothing_is_created_before_the_first_write() {
    let home = Home::new();
    for era in BOTH_ERAS {
        let mut session = home.session(era);
        for entry in OPERATIONS.iter().filter(|entry| entry.effect == Effect::Read && !entry.waits()) {
            let id = session.begin_call(entry.name, json!({}));
            session.outcome(id);
        }
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
            session.ask(method, json!({}));
        }
        session.read("orchestrator://instances");
        session.read("orch://events");
        session.ask("prompts/get", json!({ "name": "team-status" }));
        let reference = json!({ "type": "ref/resource", "uri": "orch://task/{id}" });
        let argument = json!({ "name": "id", "value": "" });
        session.ask("completion/complete", json!({ "ref": reference, "argument": argument }));
        session.refused("invalid", "push_task", json!({}));
        session.end();
    }
    assert_eq!(files_below(&home.path("")), [home.path("work")]);
    home.session(Era::Stateless).call("push_task", json!({ "title": "Now" }));
    assert!(home.state_dir().join("orch.db").is_file());
}
