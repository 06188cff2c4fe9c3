//! The largest that anybody can write, as answers that a client still takes.

use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::Session;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;

const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// A letter that takes the most bytes where characters are counted.
const WIDE: &str = "𝕎";

/// A character that takes the most bytes of JSON where bytes are counted.
const ESCAPED: &str = "\u{1}";

/// Fills a store with the largest of everything. Says who fills it.
fn fill(home: &Home) -> Session {
    let mut session = home.session(Era::Stateless);
    let long = |letter: &str, bytes: usize| letter.repeat(bytes / letter.len());
    let name = |number: usize| format!("{}{number:02}", WIDE.repeat(62));
    let metadata = json!({ "text": long(ESCAPED, 2_000), "more": long("x", 1_000) });
    for number in 0..12 {
        session.call(
            "register_instance",
            json!({
                "name": name(number),
                "role": WIDE.repeat(64),
                "work_dir": WIDE.repeat(4096),
                "metadata": metadata,
            }),
        );
        session.call("heartbeat", json!({ "current_task": WIDE.repeat(100) }));
    }
    let lines = vec![WIDE.repeat(500); 100];
    let labels: Vec<String> = (0..100).map(|number| format!("{}{number:02}", WIDE.repeat(62))).collect();
    // A name without `/` would have to be registered.
    let repo = format!("o/{}", WIDE.repeat(498));
    let chain = json!({ "chain_id": WIDE.repeat(500), "repo": repo, "branch": WIDE.repeat(500) });
    let texts = json!({
        "description": long(ESCAPED, 64_000),
        "context_files": lines, "expected_outputs": lines, "acceptance": lines,
        "labels": labels,
        "metadata": { "text": long("x", 64_000) },
    });
    for number in 0..40 {
        let mut task = chain.clone();
        task["title"] = json!(format!("{number:02}{}", WIDE.repeat(298)));
        task["depends_on"] = (1..=number).map(|id| id.to_string()).collect();
        // Few are enough to show the longest texts; all of them would take their time.
        if number < 3 {
            task.as_object_mut().unwrap().extend(texts.as_object().unwrap().clone());
        }
        session.call("push_task", task);
    }
    session.call("claim_task", json!({}));
    let result = json!({ "task_id": "1", "result": long(ESCAPED, 64_000), "result_json": { "x": long("x", 60_000) } });
    session.call("complete_task", result);
    session.call("claim_task", json!({}));
    session.call("block_task", json!({ "task_id": "2", "reason": WIDE.repeat(2_000) }));
    for number in 0..30 {
        let key = format!("{number:02}{}", WIDE.repeat(254));
        session.call("set_context", json!({ "key": key, "value": long("x", 10_000) }));
    }
    for number in 0..5 {
        let options = vec![WIDE.repeat(120); 10];
        session
            .call("ask_human", json!({ "question": format!("{number}{}", long(ESCAPED, 3_990)), "options": options }));
    }
    session.call("launch_workers", json!({ "role": WIDE.repeat(48), "count": 4, "model": WIDE.repeat(100) }));
    let plan: Vec<Value> =
        (0..30).map(|number| json!({ "title": format!("{number:02}{}", WIDE.repeat(298)) })).collect();
    let made = session.call(
        "create_job",
        json!({ "goal": WIDE.repeat(2_000), "tasks": plan, "metadata": { "x": long("x", 1_400) } }),
    );
    let first: u64 = made["pushed"]["first"].as_str().unwrap()["task-".len()..].parse().unwrap();
    for at in 0..20 {
        let id = (first + at).to_string();
        session.call("claim_task", json!({ "task_id": id }));
        match at {
            0..12 => session.call("block_task", json!({ "task_id": id, "reason": WIDE.repeat(2_000) })),
            12 => {
                session.call("ask_human", json!({ "question": long(ESCAPED, 3_900) }));
                session.call("fail_task", json!({ "task_id": id, "reason": WIDE.repeat(2_000) }))
            }
            _ => session.call(
                "complete_task",
                json!({ "task_id": id, "result": long(ESCAPED, 64_000), "evidence": { "files": lines[..30] } }),
            ),
        };
    }
    session.call("set_context", json!({ "key": "json", "value": vec![long(ESCAPED, 100); 300] }));
    let mut previous = Value::Null;
    for number in 0..12 {
        let content = long(ESCAPED, if number == 0 { 64_000 } else { 2_000 });
        let body = json!({ "to_name": name(11), "content": content, "reply_to": previous });
        previous = session.call("send_message", body)["message_id"].clone();
    }
    session
}

/// A large task in the state from which the tool takes it further.
fn task_for(tool: &str, session: &mut Session) -> Value {
    let pushed = session.call("push_task", json!({ "title": WIDE.repeat(300), "branch": WIDE.repeat(500) }));
    let id = pushed["task"]["id"].clone();
    if tool != "claim_task" && tool != "cancel_task" {
        session.call("claim_task", json!({ "task_id": id }));
    }
    match tool {
        "unblock_task" => drop(session.call("block_task", json!({ "task_id": id, "reason": "r" }))),
        "retry_task" => drop(session.call("fail_task", json!({ "task_id": id, "reason": "r" }))),
        _ => {}
    }
    id
}

/// The largest answer that each tool can be made to give of a filled store.
fn largest(tool: &str, session: &mut Session) -> Value {
    let mut task = || task_for(tool, session);
    match tool {
        "register_instance" => json!({ "name": "small", "work_dir": WIDE.repeat(4096), "role": WIDE.repeat(64) }),
        "push_task" => json!({ "title": WIDE.repeat(300), "description": ESCAPED.repeat(64_000) }),
        "push_tasks" => json!({ "tasks": vec![json!({ "title": WIDE.repeat(300) }); 200] }),
        "update_task" => json!({ "task_id": "3", "description": ESCAPED.repeat(64_000) }),
        "get_task" => json!({ "task_id": "3", "history": true }),
        "claim_task" | "start_task" | "renew_task" | "unblock_task" | "retry_task" => json!({ "task_id": task() }),
        "complete_task" => json!({ "task_id": task(), "result": ESCAPED.repeat(64_000) }),
        "block_task" | "fail_task" | "release_task" | "cancel_task" => {
            json!({ "task_id": task(), "reason": WIDE.repeat(2_000) })
        }
        "wait_for_task" => json!({ "task_id": "40", "timeout_seconds": 0 }),
        "list_tasks" => json!({ "limit": 40 }),
        "get_graph" => json!({ "form": "json" }),
        "reserve_files" => {
            let patterns: Vec<_> = (0..50).map(|number| format!("/{number}/{}", WIDE.repeat(500))).collect();
            json!({ "patterns": patterns, "reason": WIDE.repeat(2_000) })
        }
        "release_files" => json!({}),
        "list_reservations" | "list_instances" | "list_receipts" | "peek_messages" | "list_context_keys" => {
            json!({ "limit": 50 })
        }
        "poll_messages" => json!({ "limit": 50, "all": true }),
        "get_message" | "get_thread" => json!({ "message_id": "1" }),
        "mark_read" | "acknowledge_message" | "dismiss_message" => json!({ "message_id": "12" }),
        "create_job" => json!({ "goal": WIDE.repeat(2_000), "tasks": vec![json!({ "title": WIDE.repeat(300) }); 200] }),
        "add_subtask" => json!({ "job_id": "1", "prompt": ESCAPED.repeat(60_000) + "x" }),
        "get_job" | "synthesize_job" | "retry_failed" => json!({ "job_id": "1" }),
        "cancel_job" => json!({ "job_id": "1", "reason": WIDE.repeat(2_000) }),
        "list_jobs" => json!({ "limit": 40 }),
        "get_results" => json!({ "job_id": "1", "limit": 100 }),
        "wait_for_job" => json!({ "job_id": "1", "collect": true, "timeout_seconds": 0 }),
        "decompose" => {
            let task = |key: usize| json!({ "key": key.to_string(), "title": format!("{key:02}{}", WIDE.repeat(298)), "acceptance": [WIDE] });
            json!({ "goal": "g", "tasks": (0..50).map(task).collect::<Vec<Value>>(), "dry_run": true })
        }
        "run_pipeline" => {
            let issues: Vec<Value> =
                (0..50).map(|key| json!({ "key": key.to_string(), "title": WIDE.repeat(200) })).collect();
            json!({ "pipeline": "chain", "issues": issues, "dry_run": true })
        }
        "quick_delegate" => json!({ "prompts": vec![WIDE.repeat(2_000); 20], "timeout_seconds": 0 }),
        "send_message" => json!({ "broadcast": true, "content": "x" }),
        "request_help" => json!({ "question": "x" }),
        "launch_workers" => json!({ "role": "small" }),
        "list_workers" => json!({ "all": true, "limit": 100 }),
        "stop_workers" => json!({ "all": true }),
        "restart_worker" => json!({ "worker": format!("{}-1", WIDE.repeat(48)) }),
        "interrupt_worker" => json!({ "worker": format!("{}-1", WIDE.repeat(48)) }),
        "ask_human" => json!({ "question": "x" }),
        "list_questions" => json!({ "limit": 50, "status": "all" }),
        "get_question" => json!({ "question_id": "1" }),
        "request_permission" => {
            json!({ "tool_name": "Bash", "input": {}, "tool_use_id": "t", "timeout_seconds": 0 })
        }
        "wait_for_answer" => json!({ "question_id": "2", "timeout_seconds": 0 }),
        "withdraw_question" => json!({ "question_id": "3" }),
        "answer_question" => json!({ "question": "4", "answer": ESCAPED.repeat(3_990) }),
        "set_context" => json!({ "key": WIDE.repeat(256), "value": 1 }),
        "get_context" => json!({ "key": "json", "history": true }),
        "delete_context" => json!({ "key": WIDE.repeat(256) }),
        "watch_context" => json!({ "prefix": "", "cursor": 0, "timeout_seconds": 0 }),
        "list_events" => json!({ "limit": 30, "cursor": 0 }),
        "watch_events" => json!({ "limit": 30, "cursor": 0, "timeout_seconds": 0 }),
        "wait_for_message" => json!({ "timeout_seconds": 0 }),
        "list_costs" | "heartbeat" | "get_instance" | "unregister_instance" | "server_status" => json!({}),
        other => panic!("what is the largest answer of `{other}`?"),
    }
}

#[test]
fn no_answer_is_longer_than_16_kb_whatever_is_in_the_store() {
    let home = Home::new();
    let mut session = fill(&home);
    let mut lengths = Vec::new();
    for entry in OPERATIONS {
        let mut hostile = json!({ "instance_id": "x".repeat(60_000) });
        if entry.waits() {
            hostile["timeout_seconds"] = json!(0);
        }
        for (arguments, must_succeed) in [(largest(entry.name, &mut session), true), (hostile, false)] {
            let id = session.begin_call(entry.name, arguments);
            let result = session.response(id)["result"].take();
            // It is answered in the client's own form, and gives back what was asked, whole.
            if entry.asks_permission() {
                assert_eq!((&result["isError"], &result["structuredContent"]), (&json!(false), &Value::Null));
                continue;
            }
            if must_succeed {
                assert_eq!(result["isError"], false, "{}: {result}", entry.name);
                let unread = &result["structuredContent"]["unread"];
                assert!(unread.is_u64(), "every answer says how much mail waits: {} {result}", entry.name);
            }
            let text = result["content"][0]["text"].as_str().unwrap();
            lengths.push((text.len(), entry.name));
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
        }
        if entry.name == "unregister_instance" {
            let name = format!("{}11", WIDE.repeat(62));
            session.call("register_instance", json!({ "name": name }));
        }
    }
    let longer: Vec<_> = lengths.iter().filter(|(length, _)| *length > ANSWER_BYTES_MAX).collect();
    assert!(longer.is_empty(), "{longer:?}");
}

/// A page that is cut to fit must not lose what its cursor has passed.
#[test]
fn the_pages_of_a_list_put_together_are_the_list_however_large_its_elements_are() {
    let home = Home::new();
    let mut session = fill(&home);
    for (tool, arguments, list, field, count) in [
        ("list_tasks", json!({ "limit": 40 }), "tasks", "id", 70),
        ("list_instances", json!({ "limit": 50 }), "instances", "id", 12),
        ("list_context_keys", json!({ "limit": 50 }), "keys", "key", 31),
        ("watch_context", json!({ "prefix": "", "cursor": 0, "timeout_seconds": 0 }), "changes", "key", 31),
        ("peek_messages", json!({ "limit": 50 }), "messages", "id", 12),
        ("poll_messages", json!({ "limit": 50, "all": true }), "messages", "id", 12),
        ("get_thread", json!({ "message_id": "1", "limit": 8 }), "messages", "id", 12),
        ("list_events", json!({ "kind": "task.pushed", "limit": 30, "cursor": 0 }), "events", "seq", 70),
    ] {
        let mut found = BTreeSet::new();
        let mut question = arguments;
        for page in 0.. {
            assert!(page <= count, "{tool} never ends");
            let mut answer = session.call(tool, question.clone());
            let records = answer[list].as_array().unwrap_or_else(|| panic!("{tool}: {answer}"));
            let before = found.len();
            found.extend(records.iter().map(|record| record[field].to_string()));
            if answer["cursor"].is_null() || (before == found.len() && records.is_empty()) {
                break;
            }
            question["cursor"] = answer["cursor"].take();
        }
        assert_eq!(found.len(), count, "{tool} shows {} of {count}", found.len());
    }
}

/// What stands in an answer as a preview can be had whole.
#[test]
fn a_long_text_is_read_to_its_end_page_by_page() {
    let home = Home::new();
    let mut session = home.session(Era::Stateless);
    session.call("register_instance", json!({ "name": "bob" }));
    let text: String = (0..21_000).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
    session.call("push_task", json!({ "title": "t", "description": text }));
    session.call("send_message", json!({ "to_name": "bob", "content": text }));
    session.call("set_context", json!({ "key": "k", "value": text }));
    for (tool, arguments, field) in [
        ("get_task", json!({ "task_id": "1", "part": "description" }), "text"),
        ("get_message", json!({ "message_id": "1" }), "text"),
        ("get_context", json!({ "key": "k" }), "value"),
    ] {
        let mut whole = String::new();
        let mut question = arguments;
        loop {
            let answer = session.call(tool, question.clone());
            whole.push_str(answer[field].as_str().unwrap());
            match answer["next_offset"].as_u64() {
                Some(next) => question["offset"] = json!(next),
                None => break,
            }
        }
        assert_eq!(whole, text, "{tool}");
    }
}
