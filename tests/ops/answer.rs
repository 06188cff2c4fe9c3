//! Answers are what their schemas say. `World` holds every answer of every test to its schema; here all of them are asked for.

use crate::support::world::Process;
use crate::support::world::World;
use orch_mcp::http::routes::HAVE_VERSIONS;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;

/// Calls, and remembers what was called.
struct Caller<'a> {
    process: &'a Process,
    called: &'a mut BTreeSet<String>,
    /// Of which the answer said a version.
    versioned: &'a mut BTreeSet<String>,
}

impl Caller<'_> {
    #[track_caller]
    fn ok(&mut self, operation: &str, arguments: Value) -> Value {
        self.called.insert(operation.to_owned());
        let reply = self.process.reply(operation, arguments).unwrap();
        if reply.version.is_some() {
            self.versioned.insert(operation.to_owned());
        }
        reply.data
    }
}

/// A program that is made from the schemas must be able to read whatever comes.
#[test]
fn every_operation_answers_as_its_schema_says() {
    let world = World::new();
    let (process, other) = (world.process("ann"), world.joined_as("other", "builder"));
    let (mut called, mut versioned) = (BTreeSet::new(), BTreeSet::new());
    let mut me = Caller { process: &process, called: &mut called, versioned: &mut versioned };

    me.ok("server_status", json!({}));
    me.ok("register_instance", json!({ "name": "ann", "work_dir": "/w", "metadata": { "a": [1, null] } }));
    me.ok("register_instance", json!({ "name": "ann" }));
    me.ok("heartbeat", json!({ "current_task": "this" }));
    me.ok("list_instances", json!({ "limit": 1 }));
    me.ok("get_instance", json!({}));
    me.ok("server_status", json!({}));

    me.ok("claim_task", json!({}));
    let full = json!({
        "title": "t", "description": "d".repeat(9_000), "priority": 0, "role": "general", "assignee": "@ann",
        "link": "plan", "chain_id": "c", "context_files": ["a"], "expected_outputs": ["b"], "acceptance": ["c"],
        "repo": "r", "branch": "b", "labels": ["l"], "reserves": ["@db"], "metadata": { "k": null }, "not_before": "2020-01-01T00:00:00Z",
    });
    let task = me.ok("push_task", full)["task"]["id"].clone();
    me.ok("push_task", json!({ "title": "later", "depends_on": [task], "parent": task, "assignee": "@nobody" }));
    me.ok("push_tasks", json!({ "tasks": [{ "title": "one", "ref": "a" }, { "title": "two", "depends_on": ["a"] }] }));
    me.ok("list_tasks", json!({ "limit": 1 }));
    me.ok("get_task", json!({ "task_id": task }));
    let one = json!({ "task_id": task });
    let why = json!({ "task_id": task, "reason": "why" });
    me.ok("claim_task", one.clone());
    me.ok("claim_task", json!({}));
    me.ok("start_task", one.clone());
    me.ok("renew_task", one.clone());
    me.ok("update_task", json!({ "task_id": task, "progress": "half" }));
    me.ok("block_task", why.clone());
    me.ok("unblock_task", one.clone());
    me.ok("claim_task", json!({ "task_id": task, "force": true }));
    me.ok("release_task", why.clone());
    me.ok("cancel_task", one.clone());
    me.ok("retry_task", one.clone());
    me.ok("claim_task", json!({ "task_id": task, "force": true }));
    me.ok("fail_task", why);
    me.ok("retry_task", json!({ "task_id": task, "force": true }));
    me.ok("claim_task", json!({ "task_id": task, "force": true }));
    me.ok("get_instance", json!({}));
    me.ok("wait_for_task", json!({ "task_id": task, "timeout_seconds": 0 }));
    let evidence = json!({ "commit": "c", "files": ["f"] });
    let done = json!({ "task_id": task, "result": "r", "result_json": [1], "evidence": evidence });
    me.ok("complete_task", done.clone());
    me.ok("complete_task", done);
    me.ok("wait_for_task", json!({ "timeout_seconds": 0 }));
    me.ok("get_task", json!({ "task_id": task, "history": true }));
    me.ok("get_task", json!({ "task_id": task, "part": "description" }));
    me.ok("get_task", json!({ "task_id": task, "part": "result", "offset": 1 }));
    me.ok("list_tasks", json!({}));

    let plan = json!([{ "title": "a", "ref": "a" }, { "title": "b", "depends_on": ["a"] }]);
    let budget = json!({ "dollars": 1.5, "tokens": 9, "turns": 2 });
    let made = json!({ "goal": "g", "tasks": plan, "budget": budget, "deadline": "2999-01-01T00:00:00Z", "metadata": { "a": 1 } });
    let job = me.ok("create_job", made)["job"]["id"].clone();
    me.ok("create_job", json!({ "goal": "h" }));
    let of_job = json!({ "job_id": job });
    let added = me.ok("add_subtask", json!({ "job_id": job, "prompt": "p", "priority": 7 }))["task"]["id"].clone();
    me.ok("list_jobs", json!({ "limit": 1 }));
    me.ok("wait_for_job", json!({ "job_id": job, "timeout_seconds": 0, "until": "progress" }));
    me.ok("claim_task", json!({ "task_id": added }));
    me.ok("ask_human", json!({ "question": "of the job" }));
    me.ok("get_job", of_job.clone());
    me.ok("fail_task", json!({ "task_id": added, "reason": "why" }));
    me.ok("get_job", of_job.clone());
    me.ok("get_results", of_job.clone());
    me.ok("wait_for_job", json!({ "job_id": job, "timeout_seconds": 0, "until": "failure", "collect": true }));
    me.ok("retry_failed", of_job.clone());
    me.ok("synthesize_job", of_job.clone());
    me.ok("cancel_job", json!({ "job_id": job, "reason": "why" }));
    me.ok("get_job", of_job.clone());
    let run = json!({ "pipeline": "chain", "title": "t", "body": "b", "budget": { "turns": 9 } });
    let plan = json!([{ "key": "a", "title": "t", "acceptance": ["x"] }]);
    me.ok("decompose", json!({ "goal": "g", "tasks": plan, "dry_run": true }));
    me.ok("decompose", json!({ "goal": "g", "tasks": plan, "approve": true }));
    me.ok("decompose", json!({ "goal": "g", "tasks": plan }));
    me.ok("run_pipeline", run);
    me.ok("run_pipeline", json!({ "pipeline": "proof", "issues": [{ "title": "t" }], "dry_run": true }));
    me.ok("quick_delegate", json!({ "prompts": ["p"], "timeout_seconds": 0 }));
    me.ok("list_jobs", json!({}));
    for form in ["text", "mermaid", "dot", "svg", "json"] {
        me.ok("get_graph", json!({ "form": form, "job": job }));
    }
    me.ok("get_graph", json!({}));
    me.ok("get_whole_graph", json!({}));

    let question =
        json!({ "content": "c".repeat(9_000), "to_instance": "@other", "needs_answer": true, "task_id": task });
    let sent = me.ok("send_message", question)["message_id"].clone();
    me.ok("send_message", json!({ "content": "who?", "to_name": "stranger" }));
    me.ok("request_help", json!({ "question": "q", "context": "c" }));
    me.ok("list_receipts", json!({ "limit": 1 }));
    me.ok("wait_for_message", json!({ "timeout_seconds": 0 }));
    other.ok("poll_messages", json!({}));
    other.ok("send_message", json!({ "content": "a", "reply_to": sent }));
    me.ok("list_receipts", json!({}));
    me.ok("peek_messages", json!({}));
    me.ok("get_thread", json!({ "message_id": sent }));
    let mail = me.ok("wait_for_message", json!({ "timeout_seconds": 0 }));
    let came = json!({ "message_id": mail["messages"][0]["id"] });
    me.ok("poll_messages", json!({ "all": true, "limit": 1 }));
    me.ok("get_message", came.clone());
    me.ok("get_message", json!({ "message_id": sent }));
    for step in ["mark_read", "acknowledge_message", "dismiss_message"] {
        me.ok(step, came.clone());
    }

    me.ok("get_context", json!({ "key": "k" }));
    me.ok("set_context", json!({ "key": "k", "value": [1, { "a": null }] }));
    me.ok("set_context", json!({ "key": "k", "value": "v".repeat(9_000) }));
    me.ok("get_context", json!({ "key": "k", "history": true }));
    me.ok("get_context", json!({ "key": "k", "version": 9 }));
    me.ok("list_context_keys", json!({ "limit": 1 }));
    me.ok("delete_context", json!({ "key": "k" }));
    me.ok("delete_context", json!({ "key": "k" }));
    me.ok("watch_context", json!({ "cursor": 0, "timeout_seconds": 0 }));
    me.ok("watch_context", json!({ "timeout_seconds": 0 }));

    let asked = json!({ "question": "q", "options": ["a"], "default": "a", "deadline_secs": 60, "blocks": [task] });
    let question = json!({ "question_id": me.ok("ask_human", asked.clone())["question_id"] });
    me.ok("ask_human", asked);
    me.ok("list_questions", json!({}));
    me.ok("get_question", question.clone());
    me.ok("wait_for_answer", json!({ "question_id": question["question_id"], "timeout_seconds": 0 }));
    me.ok("answer_question", json!({ "question": question["question_id"], "answer": "1" }));
    let rule = json!({ "decision": { "deny": "no" }, "tool": "Bash", "subject": { "command": "x" } });
    me.ok("set_policy", json!({ "policy": { "rules": [rule] } }));
    me.ok("request_permission", super::caller::arguments("request_permission"));
    me.ok("get_question", question);
    me.ok("list_questions", json!({ "status": "all", "limit": 1, "from": "ann" }));
    let question = json!({ "question_id": me.ok("ask_human", json!({ "question": "r" }))["question_id"] });
    me.ok("withdraw_question", question);

    let limits = json!({ "turns": 1, "dollars": 0.5, "tokens": 9, "minutes": 1, "restarts": 0 });
    me.ok("launch_workers", json!({ "role": "builder", "model": "m", "limits": limits }));
    me.ok("list_workers", json!({ "all": true, "role": "builder" }));
    let view = me.ok("lead_fleet", json!({ "process": "p", "timeout_seconds": 0 }));
    let note = |what: Value| json!({ "term": view["fleet"]["term"], "notes": [["builder-1", what]] });
    me.ok("note_fleet", note(json!({ "is": { "instance": "i-x" } })));
    me.ok("note_fleet", note(json!({ "begins": {} })));
    me.ok("interrupt_worker", json!({ "worker": "builder-1" }));
    me.ok("restart_worker", json!({ "worker": "builder-1" }));
    me.ok("lead_fleet", json!({ "process": "p", "timeout_seconds": 0 }));
    let cost = json!({ "dollars": 0.5, "tokens": 1, "turns": 1 });
    let end = json!({ "badly": { "reason": "r" } });
    let ended = json!({ "ended": { "number": 1, "end": end, "cost": cost, "completed": false, "forget": true } });
    me.ok("note_fleet", note(ended));
    me.ok("note_fleet", note(json!({ "limited": {} })));
    me.ok("list_workers", json!({ "limit": 1 }));
    me.ok("list_costs", json!({ "by": "day" }));
    me.ok("stop_workers", json!({ "role": "builder" }));
    me.ok("set_caps", json!({ "caps": { "workers": 3, "dollars_per_day": 1.5 } }));
    me.ok("reserve_files", json!({ "patterns": ["/w/src/**"], "reason": "r" }));
    me.ok("list_reservations", json!({}));
    me.ok("release_files", json!({}));
    me.ok("release_files", json!({}));
    me.ok("list_events", json!({ "cursor": 0, "limit": 30 }));
    me.ok("watch_events", json!({ "cursor": 0, "timeout_seconds": 0 }));
    me.ok("watch_events", json!({ "timeout_seconds": 0 }));
    me.ok("unregister_instance", json!({}));

    let all: BTreeSet<String> = OPERATIONS.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(all.difference(&called).collect::<Vec<_>>(), Vec::<&String>::new(), "not asked for");
    assert_eq!(versioned.iter().collect::<Vec<_>>(), HAVE_VERSIONS, "these are said to have an ETag");
}

/// To check an answer against a schema that allows anything would prove nothing.
#[test]
fn a_schema_says_all_there_is_to_say() {
    let task = find("get_task");
    let whole = task["anyOf"].as_array().unwrap().iter().find(|one| one["properties"]["task"].is_object()).unwrap();
    let view = &whole["properties"]["task"];
    assert_eq!(view["additionalProperties"], false);
    for (field, is_required) in [("id", true), ("token", true), ("result", false), ("lease_until", false)] {
        let required = view["required"].as_array().unwrap();
        assert_eq!(required.contains(&json!(field)), is_required, "{field}");
    }
    assert_eq!(view["properties"]["holder_name"]["type"], "string", "what is left out is never null");
    assert_eq!(whole["properties"]["history"]["type"], json!(["array", "null"]), "this one is never left out");
    for (operation, data) in [
        ("server_status", json!({})),
        ("heartbeat", json!({ "instance_id": "i", "status": "idle", "lease_secs": -1 })),
        ("heartbeat", json!({ "instance_id": "i", "status": "idle", "lease_secs": 1, "more": 1 })),
        ("mark_read", json!({ "message_id": "task-0000000001", "state": "seen" })),
        ("mark_read", json!({ "message_id": "msg-0000000001", "state": "lost" })),
    ] {
        assert!(!crate::support::schema::breaches(&find(operation), &data).is_empty(), "{operation} {data}");
    }
}

fn find(operation: &str) -> Value {
    orch_mcp::ops::table::find(operation).unwrap().output_schema().into()
}
