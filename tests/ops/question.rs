//! What the human is asked: once, answered once, and told to whoever asked.

use super::*;
use orch_mcp::model::access::Access;
use orch_mcp::model::access::Principal;
use orch_mcp::ops::Caller;
use orch_mcp::ops::caller::Origin;

/// A process of the human's, at a terminal.
fn person(world: &World) -> Process {
    let mut process = world.process("terminal");
    process.caller.origin = Origin::Human;
    process.caller.person = Some("kim".to_owned());
    process
}

fn asked(who: &Process, arguments: Value) -> String {
    who.ok("ask_human", arguments)["question_id"].as_str().unwrap().to_owned()
}

fn mail(who: &Process) -> Vec<String> {
    each(&who.ok("poll_messages", json!({}))["messages"], "content")
}

#[test]
fn an_answer_reaches_whoever_asked_as_mail_of_the_human() {
    let world = World::new();
    let amy = world.joined("amy");
    let id = asked(&amy, json!({ "question": "Which database?", "options": ["SQLite", "PostgreSQL"] }));
    let kim = person(&world);
    let shown = kim.ok("list_questions", json!({}));
    assert_eq!(
        (each(&shown["questions"], "id"), each(&shown["questions"], "from")),
        (vec![id.clone()], vec!["amy".into()])
    );
    kim.ok("answer_question", json!({ "question": "amy", "answer": "2" }));

    let told = amy.ok("poll_messages", json!({}));
    let message = &told["messages"][0];
    assert_eq!(message["from"], json!({ "name": "kim", "origin": "human" }));
    assert_eq!(message["content"], format!("Answer to your question {id} (Which database?):\nPostgreSQL"));
    assert_eq!(kim.ok("list_questions", json!({}))["total"], 0);
    let known = amy.ok("get_question", json!({ "question_id": id }));
    assert_eq!(
        (known["question"]["state"].as_str(), known["question"]["answered_by"].as_str()),
        (Some("answered"), Some("kim"))
    );
    let again = kim.refused("conflict", "answer_question", json!({ "question": id, "answer": "1" }));
    assert!(again.message.contains("answered already by kim: PostgreSQL"), "{again}");
}

#[test]
fn whoever_waits_for_an_answer_is_woken_by_it() {
    let world = World::new();
    let amy = world.joined("amy");
    let id = asked(&amy, json!({ "question": "Go on?" }));
    let kim = person(&world);
    let waits = json!({ "question_id": id, "timeout_seconds": 60 });
    let answer = json!({ "question": id, "answer": "yes, but slowly" });
    let told = wait::woken_by(&amy, "wait_for_answer", waits, || drop(kim.ok("answer_question", answer)));
    assert_eq!(told["question"]["answer"], "yes, but slowly");
}

#[test]
fn a_deadline_takes_the_default_and_says_so() {
    let world = World::new();
    let amy = world.joined("amy");
    let id = asked(&amy, json!({ "question": "Drop the old table?", "default": "keep it", "deadline_secs": 60 }));
    assert_eq!(amy.ok("wait_for_answer", json!({ "question_id": id, "timeout_seconds": 0 }))["timed_out"], true);
    world.pass_secs(60);
    // The human is too late.
    let kim = person(&world);
    let error = kim.refused("conflict", "answer_question", json!({ "question": id, "answer": "drop it" }));
    assert!(error.message.contains("lapsed already: keep it"), "{error}");
    let told = amy.ok("wait_for_answer", json!({ "question_id": id, "timeout_seconds": 0 }));
    assert_eq!((&told["question"]["state"], &told["question"]["answer"]), (&json!("lapsed"), &json!("keep it")));
    assert_eq!(mail(&amy).len(), 1);
}

#[test]
fn a_sleeping_asker_is_woken_when_its_deadline_has_decided() {
    let world = World::new();
    let amy = world.joined("amy");
    asked(&amy, json!({ "question": "Wait?", "deadline_secs": 60 }));
    world.pass_secs(60);
    // Anybody who looks settles it; here it is somebody who asks something else.
    asked(&world.joined("bob"), json!({ "question": "And me?" }));
    let told = mail(&amy);
    assert!(told[0].contains("nobody answered in time, and there was no default"), "{told:?}");
}

#[test]
fn a_question_asked_again_is_the_same_one() {
    let world = World::new();
    let amy = world.joined("amy");
    let first = asked(&amy, json!({ "question": "Which?" }));
    let again = amy.ok("ask_human", json!({ "question": "Which?", "default": "none" }));
    assert_eq!((again["question_id"].as_str(), &again["already"]), (Some(first.as_str()), &json!(true)));
    assert_ne!(asked(&world.joined("bob"), json!({ "question": "Which?" })), first);
    person(&world).ok("answer_question", json!({ "question": "amy", "answer": "this one" }));
    assert_ne!(asked(&amy, json!({ "question": "Which?" })), first, "it is answered, so this is another one");
}

#[test]
fn a_name_is_enough_while_it_asks_one_thing() {
    let world = World::new();
    let (amy, kim) = (world.joined("amy"), person(&world));
    kim.refused("not_found", "answer_question", json!({ "question": "amy", "answer": "yes" }));
    kim.refused("not_found", "answer_question", json!({ "question": "zoe", "answer": "yes" }));
    let ids = [asked(&amy, json!({ "question": "One?" })), asked(&amy, json!({ "question": "Two?" }))];
    let error = kim.refused("conflict", "answer_question", json!({ "question": "amy", "answer": "yes" }));
    assert!(ids.iter().all(|id| error.message.contains(id)), "{error}");
    amy.ok("withdraw_question", json!({ "question_id": ids[0] }));
    kim.ok("answer_question", json!({ "question": "@amy", "answer": "yes" }));
    world.joined("bob").refused("forbidden", "withdraw_question", json!({ "question_id": ids[1] }));
}

#[test]
fn who_asks_needs_input_and_is_not_idle() {
    let world = World::new();
    let amy = world.joined("amy");
    let status = || each(&amy.ok("list_instances", json!({}))["instances"], "status");
    assert_eq!(status(), ["idle"]);
    let id = asked(&amy, json!({ "question": "Which?" }));
    assert_eq!(status(), ["needs_input"]);
    assert_eq!(amy.ok("server_status", json!({}))["questions_open"], 1);
    person(&world).ok("answer_question", json!({ "question": id, "answer": "this" }));
    assert_eq!(status(), ["idle"]);
}

#[test]
fn it_is_about_the_one_task_that_its_asker_holds() {
    let world = World::new();
    let amy = world.joined("amy");
    let task = amy.ok("push_task", json!({ "title": "Build" }))["task"]["id"].clone();
    amy.ok("claim_task", json!({}));
    let id = asked(&amy, json!({ "question": "How?", "blocks": [task] }));
    let question = amy.ok("get_question", json!({ "question_id": id }));
    assert_eq!((&question["question"]["task_id"], &question["question"]["blocks"][0]), (&task, &task));
    amy.refused("not_found", "ask_human", json!({ "question": "What?", "task_id": "task-99" }));
}

#[test]
fn only_the_human_answers() {
    let world = World::new();
    let id = asked(&world.joined("amy"), json!({ "question": "May I?" }));
    let with = |access| {
        let mut process = world.process("through the door");
        process.caller.principal = Some(Principal { name: "ci".to_owned(), access });
        process
    };
    let answer = json!({ "question": id, "answer": "yes" });
    for access in [Access::Read, Access::Worker, Access::Lead] {
        with(access).refused("forbidden", "answer_question", answer.clone());
    }
    let mut headless = world.process("claude -p");
    headless.caller = Caller { headless: true, ..headless.caller };
    let error = headless.refused("forbidden", "answer_question", answer.clone());
    assert!(error.message.contains("nobody sits before this session"), "{error}");
    with(Access::Human).ok("answer_question", answer);
}

#[test]
fn others_do_not_read_what_somebody_asked() {
    let world = World::new();
    let id = asked(&world.joined("amy"), json!({ "question": "May I?" }));
    let mut other = world.process("through the door");
    other.caller.principal = Some(Principal { name: "ci".to_owned(), access: Access::Worker });
    for operation in ["get_question", "wait_for_answer"] {
        other.refused("forbidden", operation, json!({ "question_id": id }));
    }
    other.refused("forbidden", "list_questions", json!({}));
}

#[test]
fn what_is_asked_has_limits() {
    let world = World::new();
    let amy = world.joined("amy");
    for wrong in [
        json!({ "question": "" }),
        json!({ "question": "x".repeat(4001) }),
        json!({ "question": "x", "options": [""] }),
        json!({ "question": "x", "options": vec!["a"; 11] }),
        json!({ "question": "x", "deadline_secs": 0 }),
        json!({ "question": "x", "default": "y".repeat(121) }),
    ] {
        amy.refused("invalid", "ask_human", wrong);
    }
    (0..20).for_each(|n| drop(asked(&amy, json!({ "question": format!("{n}?") }))));
    amy.refused("refused", "ask_human", json!({ "question": "one more?" }));
}

#[test]
fn an_answer_is_of_the_kind_that_was_asked_for() {
    let world = World::new();
    let (amy, kim) = (world.joined("amy"), person(&world));
    let id = asked(&amy, json!({ "question": "Which?", "options": ["a", "b"] }));
    for wrong in [
        json!({ "question": id }),
        json!({ "question": id, "decision": "approve" }),
        json!({ "question": id, "answer": "a", "always": true }),
        json!({ "question": id, "answer": "3" }),
    ] {
        kim.refused("refused", "answer_question", wrong);
    }
    kim.ok("answer_question", json!({ "question": id, "answer": "b" }));
}
