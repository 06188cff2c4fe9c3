//! A worker's client may use a tool: by the rules, by what was allowed for good, or by a person who is asked and waited for.

use super::*;
use orch_mcp::model::path::team_path;
use orch_mcp::ops::caller::Origin;
use orch_mcp::store::doorbell::Hangup;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

fn person(world: &World) -> Process {
    let mut process = world.process("terminal");
    (process.caller.origin, process.caller.person) = (Origin::Human, Some("kim".to_owned()));
    process
}

/// Each use of a tool has an id of its own.
fn asks(tool: &str, input: Value) -> Value {
    static USES: AtomicU64 = AtomicU64::new(0);
    let id = format!("toolu_{}", USES.fetch_add(1, Ordering::Relaxed));
    json!({ "tool_name": tool, "input": input, "tool_use_id": id, "timeout_seconds": 600 })
}

fn runs(command: &str) -> Value {
    asks("Bash", json!({ "command": command, "description": "what the model says of it" }))
}

/// What comes of a request that a person decides.
#[track_caller]
fn decided(worker: &Process, request: Value, decide: impl FnOnce()) -> (Value, String) {
    let told = wait::woken_by(worker, "request_permission", request, decide);
    assert_eq!(told["timed_out"], false, "{told}");
    (told["behavior"].clone(), told["message"].as_str().unwrap_or_default().to_owned())
}

/// What comes of one that nobody is asked about.
#[track_caller]
fn at_once(worker: &Process, mut request: Value) -> Value {
    request["timeout_seconds"] = json!(0);
    worker.ok("request_permission", request)["behavior"].take()
}

fn always(kim: &Process, decision: &str) {
    let asked = kim.ok("list_questions", json!({}))["questions"][0]["id"].take();
    kim.ok("answer_question", json!({ "question": asked, "decision": decision, "always": true }));
}

#[test]
fn the_rules_decide_at_once_and_ask_nobody() {
    let world = World::new();
    let mut amy = world.joined("amy");
    (amy.caller.work_dir, amy.caller.worktree) = (Some("/repo/src".to_owned()), Some("/repo".to_owned()));
    assert_eq!(team_path("x.rs", Some("/repo/src"), Some("/repo")).as_deref(), Some("src/x.rs"));
    let rules = json!([
        { "decision": "allow", "tool": "Bash", "subject": { "command": "cargo test" } },
        { "decision": { "deny": "Not you." }, "tool": "Bash", "subject": { "command": "git push" } },
        { "decision": "allow", "tool": "Write", "subject": { "path": "src/**" } },
    ]);
    world.nobody().ok("set_policy", json!({ "policy": { "rules": rules } }));
    let told = |request: Value| amy.ok("request_permission", request);
    assert_eq!(told(runs("cargo test --all")), json!({ "behavior": "allow", "timed_out": false }));
    let denied = told(runs("git push"));
    assert_eq!((&denied["behavior"], &denied["message"]), (&json!("deny"), &json!("Not you.")));
    assert_eq!(told(asks("Write", json!({ "file_path": "x.rs", "content": "" })))["behavior"], "allow");
    assert_eq!(person(&world).ok("list_questions", json!({ "status": "all" }))["total"], 0);
}

#[test]
fn a_person_approves_once() {
    let world = World::new();
    let (mut amy, kim) = (world.joined("amy"), person(&world));
    amy.caller.headless = true;
    let task = amy.push("t", json!({}));
    amy.claim();
    let request = runs("cargo publish");
    let (behavior, _) = decided(&amy, request.clone(), || {
        let shown = kim.ok("list_questions", json!({}))["questions"][0].take();
        assert_eq!(
            (&shown["kind"], &shown["from"], &shown["task_id"]),
            (&json!("permission"), &json!("amy"), &json!(task))
        );
        assert!(text(&shown["text"]).ends_with("\ncargo publish"), "{shown}");
        assert_eq!(shown["request"]["tool"], "Bash");
        let status = kim.ok("get_instance", json!({ "instance": "amy" }));
        assert!(status.to_string().contains("needs_input"), "{status}");
        amy.refused("forbidden", "answer_question", json!({ "question": shown["id"], "decision": "approve" }))
            .hint
            .unwrap();
        kim.ok("answer_question", json!({ "question": "amy", "decision": "approve" }));
    });
    assert_eq!(behavior, "allow");
    assert_eq!(amy.ok("request_permission", request)["behavior"], "allow", "the same use, asked about again");
    assert_eq!(at_once(&amy, runs("cargo publish")), "deny", "another use is another question");
}

#[test]
fn a_person_denies_in_words_that_reach_the_model() {
    let world = World::new();
    let (amy, kim) = (world.joined("amy"), person(&world));
    let deny = |words: Value| drop(kim.ok("answer_question", words));
    let words = json!({ "question": "amy", "decision": "deny", "answer": "never in prod" });
    let told = decided(&amy, runs("deploy"), || deny(words));
    assert_eq!(told, (json!("deny"), "kim denied this: never in prod".to_owned()));
    let (_, message) = decided(&amy, runs("deploy"), || {
        // Whoever says the name once more may not have seen that this is another one.
        let again = json!({ "question": "amy", "decision": "deny" });
        let error = kim.refused("conflict", "answer_question", again.clone());
        assert!(error.message.contains("May amy run this? deploy"), "{error}");
        assert!(error.hint.as_ref().unwrap().contains("`deny q-2`"), "{error:?}");
        world.pass_secs(10);
        deny(again);
    });
    assert!(message.starts_with("kim denied this. Go on without it; or ask with `ask_human`"), "{message}");
}

#[test]
fn what_is_allowed_for_good_is_just_that_and_that_workers_alone() {
    let world = World::new();
    let (amy, bob, kim) = (world.joined("amy"), world.joined("bob"), person(&world));
    decided(&amy, runs("rm *.o"), || always(&kim, "approve"));
    assert_eq!(at_once(&amy, runs("rm *.o")), "allow");
    for other in ["rm x.o", "rm -rf /x.o", "rm *.o x", "rm", "rm *.o; id"] {
        assert_eq!(at_once(&amy, runs(other)), "deny", "{other}");
    }
    let hidden = asks("Bash", json!({ "command": "rm *.o", "dangerouslyDisableSandbox": true }));
    assert_eq!(at_once(&amy, hidden), "deny");
    assert_eq!(at_once(&bob, runs("rm *.o")), "deny");

    decided(&amy, asks("Write", json!({ "file_path": "/w/a.txt", "content": "1" })), || always(&kim, "approve"));
    assert_eq!(at_once(&amy, asks("Write", json!({ "file_path": "/w/a.txt", "content": "2" }))), "allow");
    assert_eq!(at_once(&amy, asks("Write", json!({ "file_path": "/w/b.txt", "content": "1" }))), "deny");
    assert_eq!(at_once(&amy, asks("Edit", json!({ "file_path": "/w/a.txt" }))), "deny");

    decided(&amy, asks("mcp__x__send", json!({ "to": "a" })), || always(&kim, "approve"));
    assert_eq!(at_once(&amy, asks("mcp__x__send", json!({ "to": "a" }))), "allow");
    assert_eq!(at_once(&amy, asks("mcp__x__send", json!({ "to": "b" }))), "deny");
    assert_eq!(at_once(&amy, asks("mcp__x__drop", json!({ "to": "a" }))), "deny");

    // Another session that bears the name goes on with it; and it can be taken back.
    let later = world.process("later");
    later.ok("register_instance", json!({ "name": "amy", "instance_id": "i-amy" }));
    assert_eq!(at_once(&later, runs("rm *.o")), "allow");
    let told = kim.reply("answer_question", json!({ "question": "1", "decision": "deny" })).unwrap().text();
    assert_eq!(told, "taken back: amy may no longer always run `rm *.o` (q-1)\n");
    assert_eq!(at_once(&later, runs("rm *.o")), "deny");
    let told = kim.ok("get_question", json!({ "question_id": "1" }))["question"].take();
    assert_eq!((told["decision"].as_str(), told["allowed_before"]["by"].as_str()), (Some("deny"), Some("kim")));
}

#[test]
fn a_deadline_denies_and_says_what_to_do_instead() {
    let world = World::new();
    let amy = world.joined("amy");
    let told = decided(&amy, runs("deploy"), || {
        world.pass_secs(600);
        // Anybody who looks settles it.
        world.joined("bob").ok("ask_human", json!({ "question": "And me?" }));
    });
    assert_eq!(told.0, "deny");
    assert!(told.1.starts_with("Nobody answered in time, so this is denied. Go on without it; or ask"), "{}", told.1);
    person(&world).refused("not_found", "answer_question", json!({ "question": "amy", "decision": "approve" }));
}

#[test]
fn two_workers_wait_each_for_its_own_answer() {
    let world = World::new();
    let (amy, bob, kim) = (world.joined("amy"), world.joined("bob"), person(&world));
    let (of_bob, _) = decided(&bob, runs("deploy"), || {
        let (of_amy, _) = decided(&amy, runs("deploy"), || {
            let refused = amy.refused(
                "not_found",
                "request_permission",
                json!({ "instance_id": "zoe", "tool_name": "x", "input": {}, "tool_use_id": "1" }),
            );
            assert!(refused.message.contains("zoe"));
            kim.ok("answer_question", json!({ "question": "amy", "decision": "approve" }));
        });
        assert_eq!(of_amy, "allow");
        kim.ok("answer_question", json!({ "question": "bob", "decision": "deny" }));
    });
    assert_eq!(of_bob, "deny");
}

#[test]
fn an_id_stands_for_one_use_and_a_command_too_long_to_be_shown_is_denied() {
    let world = World::new();
    let (amy, kim) = (world.joined("amy"), person(&world));
    let request = runs("ls");
    decided(&amy, request.clone(), || {
        drop(kim.ok("answer_question", json!({ "question": "amy", "decision": "approve" })))
    });
    let mut other = request;
    other["input"]["command"] = json!("rm -rf /");
    amy.refused("conflict", "request_permission", other);
    let told = amy.ok("request_permission", runs(&format!("true {}; rm -rf /", "x".repeat(3_000))));
    assert!(text(&told["message"]).contains("Write it into a file, and ask to run that"), "{told}");
    world.pass_secs(10);
    let long = asks("Write", json!({ "file_path": "/w/a.txt", "content": "x".repeat(100_000) }));
    decided(&amy, long, || {
        let shown = kim.ok("list_questions", json!({}))["questions"][0]["request"]["input"].take();
        assert!(text(&shown["content"]).ends_with("characters cut]"), "{shown}");
        kim.ok("answer_question", json!({ "question": "amy", "decision": "approve" }));
    });
}

/// What a supervised worker asks ends with it.
#[test]
fn nobody_answers_what_a_worker_asked_that_is_gone() {
    let world = World::new();
    let (lead, kim) = (world.joined("lead"), person(&world));
    lead.ok("launch_workers", json!({ "role": "builder" }));
    let supervisor = world.process("s");
    let look = || supervisor.ok("lead_fleet", json!({ "process": "s", "timeout_seconds": 0 }));
    let term = look()["fleet"]["term"].clone();
    let note = |note: Value| supervisor.ok("note_fleet", json!({ "term": term, "notes": [["builder-1", note]] }));
    let worker = world.joined_as("builder-1", "builder");
    note(json!({ "is": { "instance": "i-builder-1" } }));
    let begin = || note(json!({ "begins": {} }))["runs"]["builder-1"].clone();
    let end = |number: Value| {
        let end =
            json!({ "number": number, "end": { "badly": { "reason": "r" } }, "completed": false, "forget": false });
        note(json!({ "ended": end }));
    };
    let open = || each(&kim.ok("list_questions", json!({}))["questions"], "kind");
    let number = begin();
    worker.ok("ask_human", json!({ "question": "Which?" }));
    let (behavior, message) = decided(&worker, runs("deploy"), || {
        assert_eq!(look()["workers"][0]["needs_leave"], true);
        end(number);
    });
    assert_eq!(
        (behavior, open()),
        (json!("deny"), vec!["question".to_owned()]),
        "its next session may hear the answer"
    );
    assert!(message.contains("taken back before anybody answered"), "{message}");
    assert_eq!(look()["workers"][0]["needs_leave"], false);
    let number = begin();
    decided(&worker, runs("deploy"), || drop(lead.ok("stop_workers", json!({ "all": true }))));
    assert_eq!(open(), Vec::<String>::new());
    worker.ok("ask_human", json!({ "question": "What?" }));
    end(number);
    assert_eq!(open(), Vec::<String>::new(), "not what it asked while it was being ended, either");

    decided(&worker, runs("make"), || {
        kim.ok("answer_question", json!({ "question": "builder-1", "decision": "approve", "always": true }));
    });
    let shown = lead.ok("list_workers", json!({ "all": true }))["workers"][0]["always_allowed"].take();
    assert!(text(&shown[0]).ends_with(": make"), "{shown}");
}

/// Asks, and does not stay for the answer.
fn ask(worker: &Process, request: &Value) {
    let hangup = Hangup::new();
    hangup.hang_up();
    worker.reply_until(&hangup, "request_permission", request.clone()).unwrap();
}

#[test]
fn nobody_waits_for_what_a_process_asked_that_is_gone() {
    let world = World::new();
    let (mut amy, bob, kim) = (world.joined("amy"), world.joined("bob"), person(&world));
    let open = || {
        let list = kim.ok("list_questions", json!({}));
        assert_eq!(list["total"], list["questions"].as_array().unwrap().len(), "{list}");
        list["total"].as_u64().unwrap()
    };
    let (first, second) = (runs("one"), runs("two"));
    ask(&amy, &first);
    ask(&amy, &second);
    ask(&bob, &runs("three"));
    assert_eq!(open(), 3);
    // The same use of a tool, asked about by another process, is waited for there.
    let before = std::mem::replace(&mut amy.caller.process, "amy-2".to_owned());
    ask(&amy, &first);
    world.host.set(|host| host.dead.insert(before));
    assert_eq!(open(), 2, "not shown");
    kim.ok("answer_question", json!({ "question": "amy", "decision": "approve" }));
    let states = kim.ok("list_questions", json!({ "status": "all" }));
    let states: Vec<&str> =
        states["questions"].as_array().unwrap().iter().filter_map(|one| one["state"].as_str()).collect();
    assert_eq!(states, ["answered", "withdrawn", "open"]);
}

#[test]
fn of_a_process_elsewhere_nobody_waits_once_it_was_not_heard_of_for_long() {
    let world = World::new();
    let (mut amy, kim) = (world.joined("amy"), person(&world));
    amy.caller.process = "7.1@w~ci".to_owned();
    world.host.hear_of(&amy.caller.process);
    ask(&amy, &runs("one"));
    let open = || kim.ok("list_questions", json!({}))["total"].as_u64().unwrap();
    world.pass_secs(200);
    assert_eq!(open(), 1);
    world.pass_secs(100);
    assert_eq!(open(), 0);
}
