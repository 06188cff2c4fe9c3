//! No answer is larger than a client takes, whatever was written into the store.

use super::*;
use orch_mcp::ops::Effect;
use orch_mcp::ops::OPERATIONS;

/// What the promise says, less the few bytes in which a face says how many messages are unread.
const ANSWER_BYTES_MAX: usize = 16 * 1024 - 100;
const ERROR_BYTES_MAX: usize = 8 * 1024;

/// Texts that take as much room in an answer as they can: a byte, or four, or six for each character.
#[derive(Clone, Copy, Debug)]
enum Flavour {
    Plain,
    Wide,
    Escaped,
}

impl Flavour {
    /// A text of the greatest length in characters.
    fn text(self, chars: usize) -> String {
        let letter = match self {
            Flavour::Plain => "x",
            Flavour::Wide => "𐐷",
            Flavour::Escaped => "\u{1}",
        };
        letter.repeat(chars)
    }

    /// A text of the greatest length in bytes.
    fn bytes(self, bytes: usize) -> String {
        let letter = self.text(1);
        letter.repeat(bytes / letter.len())
    }

    /// A value whose JSON has the greatest length.
    fn json(self, bytes: usize) -> Value {
        let letter = self.text(1);
        let length = json!(letter).to_string().len() - 2;
        json!({ "k": letter.repeat((bytes - 20) / length) })
    }

    /// A name, of which a part tells it from others. Names cannot hold what would have to be escaped.
    fn name(self, number: usize) -> String {
        let letter = if matches!(self, Flavour::Plain) { "x" } else { "𐐷" };
        format!("{}{number:03}", letter.repeat(61))
    }

    fn key(self, number: usize) -> String {
        let letter = match self {
            Flavour::Plain => "x",
            Flavour::Wide => "𐐷",
            Flavour::Escaped => "\"",
        };
        format!("{}{number:03}", letter.repeat(253))
    }
}

/// A store in which everything is as large as it may be, and the one whom all of it concerns.
fn a_full_world(flavour: Flavour) -> (World, Process) {
    let world = World::new();
    let me = world.process("me");
    let lists =
        |length: usize| (0..100).map(|number| format!("{number:03}{}", flavour.text(length - 3))).collect::<Vec<_>>();
    let others = world.process("other");
    for number in (0..55).rev() {
        let name = flavour.name(number);
        let process = if number == 0 { &me } else { &others };
        process.ok(
            "register_instance",
            json!({
                "name": name, "instance_id": name, "role": flavour.name(0), "work_dir": flavour.text(4096),
                "metadata": flavour.json(if number % 2 == 0 { 1_000 } else { 16 * 1024 }),
            }),
        );
        process.ok("heartbeat", json!({ "current_task": flavour.text(300) }));
    }
    let fields = json!({
        "description": flavour.bytes(64 * 1024), "priority": "critical", "role": flavour.name(0), "link": "verify",
        "assignee": flavour.name(0), "chain_id": flavour.text(500), "context_files": lists(500), "expected_outputs": lists(500),
        "acceptance": lists(500), "repo": flavour.text(500), "branch": flavour.text(500), "labels": lists(64),
        "metadata": flavour.json(64 * 1024),
    });
    let title = flavour.text(300);
    let needed: Vec<Value> = (0..1_000).map(|_| json!({ "title": "t", "role": "nobody" })).collect();
    me.ok("push_tasks", json!({ "tasks": needed }));
    let all: Vec<String> = (1..=1_000).map(|number| number.to_string()).collect();
    let mut most = fields.clone();
    // A preview is as long as it may be long before the text is.
    (most["description"], most["metadata"]) = (json!(flavour.bytes(8_000)), flavour.json(1_500));
    for number in 0..45 {
        let mut fields = if number == 20 { fields.clone() } else { most.clone() };
        fields["reserves"] = (0..20).map(|one| format!("@{number}-{one}{}", "x".repeat(90))).collect();
        let id = me.push(&title, fields);
        me.ok("claim_task", json!({ "task_id": id }));
        me.ok("update_task", json!({ "task_id": id, "progress": flavour.text(2_000) }));
    }
    // The last of them have reasons, results, and everything to wait for.
    let reason = flavour.text(2_000);
    for number in 1_001..=1_020 {
        me.ok("fail_task", json!({ "task_id": number.to_string(), "reason": reason }));
    }
    for number in 1_021..=1_022 {
        let evidence =
            json!({ "commit": flavour.bytes(10_000 / 6), "files": lists(50), "tests": flavour.bytes(10_000 / 6) });
        let done = json!({ "task_id": number.to_string(), "result": flavour.bytes(64 * 1024), "result_json": flavour.json(64 * 1024), "evidence": evidence });
        me.ok("complete_task", done);
    }
    me.push(&title, {
        let mut fields = fields.clone();
        fields["depends_on"] = json!(all);
        fields
    });
    let goal = flavour.text(2_000);
    for number in 0..45 {
        let plan: Vec<Value> = (0..if number == 0 { 60 } else { 0 }).map(|_| json!({ "title": title })).collect();
        let budget = json!({ "dollars": 1e6, "tokens": 1_000_000_000, "turns": 100_000 });
        me.ok("create_job", json!({ "goal": goal, "tasks": plan, "budget": budget, "metadata": flavour.json(1_500) }));
    }
    let parts = me.ok("list_tasks", json!({ "job": "1", "limit": 40 }))["tasks"].take();
    for (at, id) in each(&parts, "id").iter().enumerate() {
        me.ok("claim_task", json!({ "task_id": id }));
        let done = json!({ "task_id": id, "result": flavour.bytes(64 * 1024), "result_json": flavour.json(1_500),
            "evidence": { "files": lists(100), "commit": flavour.text(80) } });
        match at {
            0..12 => drop(me.ok("block_task", json!({ "task_id": id, "reason": reason }))),
            12..24 => drop(me.ok("fail_task", json!({ "task_id": id, "reason": reason }))),
            24 => drop(me.ok("ask_human", json!({ "question": flavour.bytes(3_990) }))),
            _ => drop(me.ok("complete_task", done)),
        }
    }
    let other = world.process("sender");
    for number in 0..55 {
        let body = flavour.bytes(if number == 0 { 64 * 1024 } else { 8_000 });
        other.ok(
            "send_message",
            json!({ "instance_id": flavour.name(1), "to_instance": flavour.name(0), "content": body }),
        );
        me.ok("send_message", json!({ "broadcast": true, "content": body }));
        me.ok("send_message", json!({ "reply_to": "1", "to_instance": flavour.name(0), "content": body, "task_id": "1001", "needs_answer": true }));
        for version in 0..(if number == 0 { 30 } else { 1 }) {
            let value = flavour.json(if number == 1 { 200_000 } else { 590 });
            me.ok("set_context", json!({ "key": flavour.key(number), "value": if version % 2 == 0 { value } else { json!(flavour.text(600)) } }));
        }
    }
    for number in 0..19 {
        me.ok("ask_human", json!({
            "question": format!("{number:02}{}", flavour.bytes(3_990)), "default": flavour.text(120), "blocks": &all[..50],
            "options": vec![flavour.text(120); 10], "deadline_secs": 3_600,
        }));
    }
    me.ok("answer_question", json!({ "question": "2", "answer": flavour.bytes(4_000) }));
    let name = flavour.name(0);
    let caps = (0..7).map(|_| json!({ "role": name.chars().take(48).collect::<String>(), "model": flavour.text(100), "work_dir": flavour.text(4096) }));
    caps.for_each(|wanted| drop(me.ok("launch_workers", wanted)));
    (world, me)
}

/// The arguments with which each operation answers most.
fn asking_most(operation: &str, flavour: Flavour) -> Vec<Value> {
    let of = |value: Value| vec![value];
    let tasks = |operation: &[&str]| -> Vec<Value> { operation.iter().map(|id| json!({ "task_id": id })).collect() };
    match operation {
        "register_instance" => of(json!({ "name": flavour.name(0), "work_dir": flavour.text(4096) })),
        "heartbeat" => of(json!({ "current_task": flavour.text(300) })),
        "list_instances" => of(json!({ "limit": 50 })),
        "push_task" => of(
            json!({ "title": flavour.text(300), "description": flavour.bytes(64 * 1024), "assignee": format!("@{}", flavour.name(999)) }),
        ),
        "push_tasks" => {
            let task =
                |number: usize| json!({ "title": flavour.text(300), "ref": format!("{number} {}", flavour.text(90)) });
            of(json!({ "tasks": (0..60).map(task).collect::<Vec<_>>() }))
        }
        "claim_task" => vec![json!({ "task_id": "1035" }), json!({})],
        "get_task" => {
            let mut all = tasks(&["1001", "1021", "1035", "1046"]);
            all.extend(["1001", "1021", "1035"].map(|id| json!({ "task_id": id, "history": true })));
            let parts = [
                "description",
                "result",
                "result_json",
                "evidence",
                "metadata",
                "acceptance",
                "context_files",
                "expected_outputs",
                "depends_on",
            ];
            all.extend(
                parts
                    .map(|part| json!({ "task_id": if part == "depends_on" { "1046" } else { "1021" }, "part": part })),
            );
            all
        }
        "list_tasks" => vec![
            json!({ "limit": 40 }),
            json!({ "limit": 40, "status": "failed" }),
            json!({ "limit": 40, "holder": flavour.name(0) }),
        ],
        "get_graph" => ["text", "mermaid", "dot", "svg", "json"]
            .iter()
            .flat_map(|form| [json!({ "form": form }), json!({ "form": form, "job": "1" })])
            .collect(),
        "wait_for_task" => of(json!({ "task_id": "1001", "timeout_seconds": 0 })),
        "start_task" | "renew_task" => tasks(&["1035"]),
        "update_task" => of(json!({ "task_id": "1035", "progress": flavour.text(2_000) })),
        "complete_task" => of(json!({ "task_id": "1036", "result": flavour.bytes(64 * 1024) })),
        "block_task" => of(json!({ "task_id": "1037", "reason": flavour.text(2_000) })),
        "unblock_task" => of(json!({ "task_id": "1037" })),
        "fail_task" => of(json!({ "task_id": "1038", "reason": flavour.text(2_000) })),
        "release_task" => of(json!({ "task_id": "1039", "reason": flavour.text(2_000) })),
        "retry_task" => tasks(&["1001"]),
        "cancel_task" => of(json!({ "task_id": "1040", "reason": flavour.text(2_000) })),
        "create_job" => {
            of(json!({ "goal": flavour.text(2_000), "tasks": vec![json!({ "title": flavour.text(300) }); 60] }))
        }
        "add_subtask" => of(json!({ "job_id": "1", "prompt": format!("x{}", flavour.bytes(60_000)) })),
        "get_job" => of(json!({ "job_id": "1" })),
        "synthesize_job" => of(json!({ "job_id": "1", "prompt": flavour.text(4_000) })),
        "list_jobs" => of(json!({ "limit": 40 })),
        "get_results" => {
            vec![json!({ "job_id": "1", "limit": 100 }), json!({ "job_id": "1", "which": "failed", "limit": 100 })]
        }
        "wait_for_job" => of(json!({ "job_id": "1", "timeout_seconds": 0, "collect": true, "until": "trouble" })),
        "retry_failed" => of(json!({ "job_id": "1" })),
        "cancel_job" => of(json!({ "job_id": "1", "reason": flavour.text(2_000) })),
        "decompose" => {
            let task = |number: usize| json!({ "key": number.to_string(), "title": format!("{number}{}", "t".repeat(290)), "description": "\"".repeat(1_000), "acceptance": ["x"] });
            let tasks: Vec<Value> = (0..100).map(task).collect();
            [true, false].map(|dry| json!({ "goal": "g", "tasks": tasks, "dry_run": dry })).to_vec()
        }
        "run_pipeline" => {
            let issue = |number: usize| json!({ "key": number.to_string(), "title": flavour.text(300), "body": flavour.bytes(2_000) });
            let issues: Vec<Value> = (0..100).map(issue).collect();
            [true, false].map(|dry| json!({ "pipeline": "chain", "issues": issues, "dry_run": dry })).to_vec()
        }
        "quick_delegate" => of(json!({ "prompts": vec![flavour.bytes(6_000); 30], "timeout_seconds": 0 })),
        "send_message" => vec![
            json!({ "broadcast": true, "content": flavour.bytes(64 * 1024) }),
            json!({ "to_instance": format!("@{}", flavour.name(998)), "content": "m" }),
        ],
        "request_help" => of(json!({ "question": flavour.bytes(30_000), "context": flavour.bytes(30_000) })),
        "poll_messages" => vec![json!({ "limit": 50 }), json!({ "limit": 50, "all": true })],
        "peek_messages" => of(json!({ "limit": 50 })),
        "wait_for_message" => of(json!({ "timeout_seconds": 0 })),
        "get_message" => of(json!({ "message_id": "1" })),
        "get_thread" => of(json!({ "message_id": "1", "limit": 8 })),
        "mark_read" | "acknowledge_message" | "dismiss_message" => of(json!({ "message_id": "1" })),
        "list_receipts" => vec![json!({ "limit": 50 }), json!({ "message_id": "2", "limit": 50 })],
        "set_context" | "delete_context" => of(json!({ "key": flavour.key(7), "value": "v" }))
            .into_iter()
            .map(|mut arguments| {
                if operation == "delete_context" {
                    arguments.as_object_mut().unwrap().remove("value");
                }
                arguments
            })
            .collect(),
        "get_context" => (0..3)
            .flat_map(|number| {
                let key = flavour.key(number);
                [json!({ "key": key }), json!({ "key": key, "history": true }), json!({ "key": key, "offset": 0 })]
            })
            .collect(),
        "launch_workers" => of(json!({ "role": "x" })),
        "list_workers" => of(json!({ "all": true, "limit": 100 })),
        "stop_workers" => of(json!({ "all": true })),
        "restart_worker" | "interrupt_worker" => {
            of(json!({ "worker": format!("{}-1", flavour.name(0).chars().take(48).collect::<String>()) }))
        }
        "ask_human" => of(json!({ "question": flavour.bytes(3_000) })),
        "list_questions" => of(json!({ "limit": 50, "status": "all" })),
        "get_question" => vec![json!({ "question_id": "1" }), json!({ "question_id": "2" })],
        "request_permission" => of(json!({
            "tool_name": flavour.text(200), "input": { "x": flavour.bytes(60_000) }, "tool_use_id": "t", "timeout_seconds": 0,
        })),
        "wait_for_answer" => vec![
            json!({ "question_id": "1", "timeout_seconds": 0 }),
            json!({ "question_id": "2", "timeout_seconds": 0 }),
        ],
        "withdraw_question" => of(json!({ "question_id": "3" })),
        "answer_question" => of(json!({ "question": "4", "answer": flavour.bytes(4_000) })),
        "reserve_files" => of(json!({
            "patterns": (0..50).map(|number| format!("/{number}/{}", flavour.text(500))).collect::<Vec<_>>(),
            "reason": flavour.text(2_000),
        })),
        "list_reservations" => of(json!({ "limit": 50 })),
        "list_context_keys" => of(json!({ "limit": 50 })),
        "watch_context" => of(json!({ "cursor": 0, "timeout_seconds": 0 })),
        "list_events" => vec![
            json!({ "limit": 30 }),
            json!({ "limit": 30, "kind": "message." }),
            json!({ "limit": 30, "kind": "task.", "cursor": 0 }),
        ],
        "watch_events" => of(json!({ "limit": 30, "cursor": 0, "timeout_seconds": 0 })),
        _ => of(json!({})),
    }
}

fn no_answer_is_too_large(flavour: Flavour) {
    let (_world, me) = a_full_world(flavour);
    let mut too_large = Vec::new();
    // What reads goes first, and whoever leaves goes last, so that each finds all of it.
    let mut operations: Vec<_> = OPERATIONS.iter().collect();
    operations.sort_by_key(|entry| (entry.effect == Effect::Write, entry.name == "unregister_instance"));
    for entry in operations {
        for arguments in asking_most(entry.name, flavour) {
            let said = arguments.to_string();
            let answer = me.call(entry.name, arguments).unwrap_or_else(|error| panic!("{}: {error:?}", entry.name));
            let bytes = answer.to_string().len();
            if bytes > ANSWER_BYTES_MAX {
                let said: String = said.chars().take(60).collect();
                too_large.push(format!("{} {said}: {bytes} bytes", entry.name));
            }
        }
    }
    assert!(too_large.is_empty(), "\n{}", too_large.join("\n"));
}

#[test]
fn no_answer_is_too_large_in_plain_letters() {
    no_answer_is_too_large(Flavour::Plain);
}

#[test]
fn no_answer_is_too_large_in_letters_of_four_bytes() {
    no_answer_is_too_large(Flavour::Wide);
}

#[test]
fn no_answer_is_too_large_in_characters_that_must_be_escaped() {
    no_answer_is_too_large(Flavour::Escaped);
}

#[test]
fn no_error_is_too_large() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    let huge = "\u{1}".repeat(20_000);
    for entry in OPERATIONS {
        let fields = entry.input_schema()["properties"].as_object().unwrap();
        for field in fields.keys() {
            for value in
                [json!(huge), json!({ huge.as_str(): huge }), json!([huge]), json!([{ "title": "t", "ref": huge }])]
            {
                let mut arguments = caller::arguments(entry.name);
                arguments[field] = value;
                if let Err(error) = bob.call(entry.name, arguments) {
                    let bytes = serde_json::to_string(&error).unwrap().len();
                    assert!(bytes <= ERROR_BYTES_MAX, "{} with a huge `{field}`: {bytes} bytes", entry.name);
                }
            }
        }
        let unknown = bob.call(entry.name, json!({ huge.as_str(): 1 })).unwrap_err();
        assert!(serde_json::to_string(&unknown).unwrap().len() <= ERROR_BYTES_MAX, "{}", entry.name);
    }
    assert_eq!(bob.task(&id)["title"], "t");
}

#[test]
fn whoever_leaves_with_many_claims_is_told_of_the_first() {
    const CLAIMS: usize = 950;
    let world = World::new();
    let bob = world.joined("bob");
    let tasks: Vec<Value> = (0..CLAIMS).map(|_| json!({ "title": "t" })).collect();
    bob.ok("push_tasks", json!({ "tasks": tasks }));
    while bob.claim().is_some() {}
    let left = bob.ok("unregister_instance", json!({}));
    assert_eq!(left["count"], CLAIMS);
    assert!(left.to_string().len() <= ANSWER_BYTES_MAX);
    assert_eq!(world.joined("amy").ok("server_status", json!({}))["tasks"]["ready"], CLAIMS);
}

/// A page that was cut to fit must still lead to the next one.
#[test]
fn pages_that_are_cut_leave_nothing_out() {
    for flavour in [Flavour::Plain, Flavour::Wide, Flavour::Escaped] {
        let world = World::new();
        let bob = world.joined("bob");
        let mut expected: Vec<String> = Vec::new();
        for number in 0..45 {
            expected.push(bob.push(&format!("{number} {}", flavour.text(290)), json!({ "labels": ["x"] })));
            bob.ok("set_context", json!({ "key": flavour.key(number), "value": flavour.text(300) }));
            bob.ok("register_instance", json!({ "name": flavour.name(number), "work_dir": flavour.text(4096) }));
            bob.send("bob", &format!("{number:02} {}", flavour.text(1_400)));
        }
        bob.ok("register_instance", json!({ "name": "bob", "instance_id": "i-bob" }));
        expected.reverse();
        assert_eq!(all_pages(&bob, "list_tasks", "tasks", "id", json!({ "limit": 40 })), expected);
        let keys: Vec<String> = (0..45).map(|number| flavour.key(number)).collect();
        assert_eq!(all_pages(&bob, "list_context_keys", "keys", "key", json!({ "limit": 50 })), keys);
        let names: Vec<String> =
            std::iter::once("bob".to_owned()).chain((0..45).map(|number| flavour.name(number))).collect();
        assert_eq!(all_pages(&bob, "list_instances", "instances", "name", json!({ "limit": 50 })), names);
        let mail = all_pages(&bob, "peek_messages", "messages", "content", json!({ "limit": 50 }));
        assert!(
            mail.iter()
                .map(|content| &content[..2])
                .eq((0..45).map(|number| format!("{number:02}")).collect::<Vec<_>>())
        );
        let (mut subjects, mut cursor) = (Vec::new(), json!(0));
        loop {
            let page = bob.ok("list_events", json!({ "kind": "context.", "cursor": cursor, "limit": 30 }));
            let found = each(&page["events"], "subject");
            if found.is_empty() {
                break;
            }
            subjects.extend(found);
            cursor = page["cursor"].clone();
        }
        assert_eq!(subjects, keys, "{flavour:?}");
        let (mut changed, mut cursor) = (Vec::new(), json!(0));
        while changed.len() < keys.len() {
            let news = bob.ok("watch_context", json!({ "cursor": cursor, "timeout_seconds": 0 }));
            assert_eq!(news["timed_out"], false, "{flavour:?}: {} of {}", changed.len(), keys.len());
            changed.extend(each(&news["changes"], "key"));
            cursor = news["cursor"].clone();
        }
        assert_eq!(changed, keys, "{flavour:?}");
    }
}
