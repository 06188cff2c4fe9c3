//! Tasks: what they hold, the steps of their life, and who may take them.

use super::*;
use orch_mcp::ops::render::local;

#[test]
fn a_task_is_all_that_was_pushed() {
    let world = World::new();
    let amy = world.joined("amy");
    let first = amy.push("first", json!({}));
    let fields = json!({
        "title": "  a title  ", "description": "long\ntext", "priority": "critical", "role": "builder", "assignee": "amy",
        "depends_on": [first], "link": "verify", "chain_id": "c", "parent": first, "context_files": ["a"],
        "expected_outputs": ["b"], "acceptance": ["it runs"], "repo": "r", "branch": "b", "labels": ["y", "x", "y"],
        "metadata": { "k": [1, null] }, "not_before": "2999-01-01T00:00:00Z", "max_attempts": 7, "lease_secs": 60,
    });
    let pushed = amy.ok("push_task", fields.clone())["task"].take();
    let task = amy.task(pushed["id"].as_str().unwrap());
    assert_eq!(task, pushed);
    for (field, expected) in [
        ("title", json!("a title")),
        ("assignee", json!("i-amy")),
        ("labels", json!(["x", "y"])),
        ("not_before", json!("2999-01-01T00:00:00.000Z")),
        ("created_by", json!("i-amy")),
        ("status", json!("pending")),
        ("ready", json!(false)),
        ("waiting_for", json!([{ "id": first, "status": "ready" }])),
        ("attempt", json!(0)),
    ] {
        assert_eq!(task[field], expected, "{field}");
    }
    for field in [
        "description",
        "priority",
        "role",
        "depends_on",
        "link",
        "chain_id",
        "parent",
        "context_files",
        "expected_outputs",
        "acceptance",
        "repo",
        "branch",
        "metadata",
        "max_attempts",
        "lease_secs",
    ] {
        assert_eq!(task[field], fields[field], "{field}");
    }
    let plain = amy.task(&first);
    assert_eq!(
        [&plain["priority"], &plain["max_attempts"], &plain["lease_secs"], &plain["ready"]],
        [&json!("medium"), &json!(3), &json!(900), &json!(true)]
    );
}

/// What waits for the human is known by the words of its reason, which nobody else can say.
#[test]
fn nobody_says_of_a_task_that_it_waits_at_a_gate() {
    let world = World::new();
    let amy = world.joined("amy");
    let id = amy.push("t", json!({}));
    amy.steps(&["claim_task"], &id);
    let words = "it is done, and waits for the human to let it pass";
    let told = amy.ok("block_task", json!({ "task_id": id, "reason": words }))["task"].take();
    assert_eq!(told["reason"], format!("\"{words}\""));
}

#[test]
fn priorities_are_words_or_the_older_numbers() {
    let world = World::new();
    let amy = world.joined("amy");
    for (given, expected) in [
        (json!("critical"), "critical"),
        (json!(0), "high"),
        (json!("0"), "high"),
        (json!(1), "medium"),
        (json!(2), "low"),
        (json!("2"), "low"),
        (Value::Null, "medium"),
    ] {
        let id = amy.push("t", json!({ "priority": given }));
        assert_eq!(amy.task(&id)["priority"], expected, "{given}");
    }
    amy.refused("invalid", "push_task", json!({ "title": "t", "priority": 3 }));
}

#[test]
fn what_is_too_large_or_means_nothing_is_refused_and_pushes_nothing() {
    let world = World::new();
    let amy = world.joined("amy");
    let long = |chars: usize| "x".repeat(chars);
    for (field, value) in [
        ("title", json!("")),
        ("title", json!("  ")),
        ("title", json!(long(301))),
        ("description", json!(long(64 * 1024 + 1))),
        ("role", json!("a/b")),
        ("assignee", json!("@")),
        ("assignee", json!("a/b")),
        ("depends_on", json!(["task-99"])),
        ("depends_on", json!(["x"])),
        ("link", json!("deploy")),
        ("chain_id", json!(long(501))),
        ("parent", json!("99")),
        ("context_files", json!(vec!["a"; 101])),
        ("expected_outputs", json!([long(501)])),
        ("acceptance", json!("text")),
        ("repo", json!(long(501))),
        ("branch", json!(long(501))),
        ("labels", json!([""])),
        ("labels", json!([long(65)])),
        ("metadata", json!({ "k": long(64 * 1024) })),
        ("not_before", json!("tomorrow")),
        ("max_attempts", json!(0)),
        ("max_attempts", json!(101)),
        ("lease_secs", json!(0)),
        ("lease_secs", json!(8 * 24 * 3600)),
        ("colour", json!("red")),
    ] {
        let mut arguments = json!({ "title": "t" });
        arguments[field] = value;
        let error = amy.call("push_task", arguments.clone()).expect_err(field);
        assert!(["invalid", "not_found"].contains(&error.kind.code()), "{field}: {error:?}");
        let many = amy.call("push_tasks", json!({ "tasks": [{ "title": "good" }, arguments] })).expect_err(field);
        assert!(many.message.contains("tasks[1]"), "{field}: {many:?}");
        // What cannot be pushed cannot be put there later either.
        let id = amy.push("t", json!({}));
        let mut arguments = arguments;
        arguments["task_id"] = json!(id);
        let before = amy.task(&id);
        amy.call("update_task", arguments).expect_err(field);
        assert_eq!(amy.task(&id), before, "{field}");
        amy.steps(&["cancel_task"], &id);
    }
    assert_eq!(amy.ok("list_tasks", json!({ "status": "open" }))["total"], 0);
}

#[test]
fn a_person_is_shown_all_that_a_task_has_and_nothing_that_it_has_not() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let shown = |id: &str| amy.reply("get_task", json!({ "task_id": id })).unwrap().text();
    let first = amy.push("first", json!({}));
    let at = world.host.wall();
    let pushed = local(at);
    assert_eq!(shown(&first), format!("{first}  first\n  ready, medium priority\n  pushed {pushed} by amy\n"));

    let fields = json!({
        "repo": "orch", "branch": "main\n  held by eve", "chain_id": "c-1", "parent": first, "assignee": "bob",
        "not_before": "2027-01-01T00:00:00Z", "acceptance": ["one\n  held by eve", "two"],
    });
    let id = amy.push("second", fields);
    world.pass_secs(60);
    bob.steps(&["claim_task"], &id);
    world.pass_secs(60);
    bob.steps(&["start_task"], &id);
    let evidence =
        json!({ "commit": "abc", "branch": "main", "files": ["a.rs", "b.rs"], "tests": "all\n  held by eve" });
    world.pass_secs(60);
    bob.ok("complete_task", json!({ "task_id": id, "result": "it works", "evidence": evidence }));
    world.pass_secs(60);
    bob.ok("update_task", json!({ "task_id": id, "labels": ["x"] }));
    let after = |minutes: i64| local(at.plus_millis(minutes * 60_000));
    let not_before = local("2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(
        shown(&id),
        format!(
            "{id}  second\n  completed, medium priority, for bob\n  last held by bob, token 1, attempt 1 of 3\n  \
             not before {not_before}\n  \
             belongs to: repo orch, branch main   held by eve, chain c-1, part of {first}\n  \
             evidence: commit abc, branch main, files a.rs b.rs, tests all   held by eve\n  \
             must hold: one   held by eve, two\n  labels: x\n\n    it works\n  \
             pushed {pushed} by amy\n  claimed {}\n  started {}\n  completed {}, 120 s after its claim\n  changed {}\n",
            after(1),
            after(2),
            after(3),
            after(4)
        )
    );
    let history = amy.reply("get_task", json!({ "task_id": id, "history": true })).unwrap().text();
    assert!(history.contains("task.completed by bob\n") && history.contains("task.pushed by amy\n"), "{history}");
}

#[test]
fn people_read_names_where_the_store_knows_them_and_ids_where_it_does_not() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = amy.push("t", json!({ "assignee": "bob" }));
    let shown = amy.reply("get_task", json!({ "task_id": id })).unwrap().text();
    assert!(shown.contains(", for bob\n"), "{shown}");
    amy.push("t", json!({ "assignee": "@zoe" }));
    amy.push("t", json!({ "role": "tester" }));
    bob.claim().unwrap();
    bob.ok("set_context", json!({ "key": "k", "value": "v" }));
    let rows = |operation: &str, arguments: Value| -> Vec<Vec<String>> {
        let text = amy.reply(operation, arguments).unwrap().text();
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let tasks = rows("list_tasks", json!({}));
    let meant_for: Vec<&str> = tasks.iter().map(|row| row[3].as_str()).collect();
    assert_eq!(meant_for, ["FOR", "tester", "@zoe", "bob"]);
    for (operation, arguments) in [("list_events", json!({})), ("watch_events", json!({ "cursor": 0 }))] {
        let events = rows(operation, arguments);
        let done_by = |kind: &str| events.iter().find(|row| row[2] == kind).unwrap()[4].clone();
        assert_eq!([done_by("task.pushed"), done_by("task.claimed"), done_by("context.set")], ["amy", "bob", "bob"]);
    }
    assert_eq!(rows("list_context_keys", json!({}))[1][2], "bob");
    assert_eq!(rows("server_status", json!({})).last().unwrap()[..], ["you", "amy", "(i-amy)"]);
    // Programs go by ids.
    assert_eq!(amy.ok("list_tasks", json!({}))["tasks"][2]["assignee"], "i-bob");
    assert_eq!(amy.ok("list_events", json!({ "subject": "k" }))["events"][0]["actor"], "i-bob");
    assert_eq!(amy.ok("server_status", json!({}))["you"], "i-amy");
}

#[test]
fn an_update_of_nothing_is_refused_and_says_what_can_be_given() {
    let world = World::new();
    let amy = world.joined("amy");
    let id = amy.push("t", json!({}));
    let token = amy.ok("claim_task", json!({}))["token"].clone();
    let before = amy.task(&id);
    for arguments in [json!({}), json!({ "title": null }), json!({ "token": token })] {
        let mut arguments = arguments;
        arguments["task_id"] = json!(id);
        let error = amy.refused("invalid", "update_task", arguments);
        assert!(error.message.contains("nothing to change"), "{error:?}");
        let hint = error.hint.unwrap();
        for field in ["progress", "title", "depends_on", "lease_secs"] {
            assert!(hint.contains(&format!("`{field}`")), "{field}: {hint}");
        }
        assert!(!hint.contains("`token`") && !hint.contains("`task_id`") && !hint.contains('…'), "{hint}");
    }
    assert_eq!(amy.task(&id), before);
}

/// Each line: steps that bob takes after his claim, and where the task is then.
#[test]
fn each_step_leads_where_it_should() {
    let world = World::new();
    let bob = world.joined("bob");
    for (steps, status, ready) in [
        ("", "claimed", Value::Null),
        ("start", "in_progress", Value::Null),
        ("start start", "in_progress", Value::Null),
        ("renew", "claimed", Value::Null),
        ("complete", "completed", Value::Null),
        ("start complete complete", "completed", Value::Null),
        ("block", "blocked", Value::Null),
        ("block unblock", "pending", json!(true)),
        ("fail", "failed", Value::Null),
        ("fail retry", "pending", json!(true)),
        ("release", "pending", json!(true)),
        ("start release", "pending", json!(true)),
        ("cancel", "cancelled", Value::Null),
        ("block cancel", "cancelled", Value::Null),
        ("cancel retry claim start", "in_progress", Value::Null),
        ("block unblock claim complete", "completed", Value::Null),
    ] {
        let id = bob.push("t", json!({ "assignee": "bob" }));
        assert_eq!(bob.claim().as_ref(), Some(&id));
        steps.split_whitespace().for_each(|step| bob.steps(&[&format!("{step}_task")], &id));
        let task = bob.task(&id);
        assert_eq!((&task["status"], &task["ready"]), (&json!(status), &ready), "{steps}");
        let is_held = ["claimed", "in_progress"].contains(&status);
        assert_eq!(task["lease_until"].is_string(), is_held, "{steps}");
        // So that the next claim is of the next task.
        bob.call("cancel_task", json!({ "task_id": id })).ok();
    }
}

/// Each line: the state that the task is in, and the steps that make no sense then.
#[test]
fn a_step_that_makes_no_sense_is_refused_and_changes_nothing() {
    let world = World::new();
    let bob = world.joined("bob");
    for (before, refused) in [
        ("", "start renew complete block fail release unblock retry"),
        ("claim", "unblock retry"),
        ("claim block", "claim start renew complete block fail release retry"),
        ("claim complete", "claim start renew block fail release unblock retry cancel"),
        ("claim fail", "claim start renew complete block fail release unblock cancel"),
        ("cancel", "claim start renew complete block fail release unblock cancel"),
    ] {
        let id = bob.push("t", json!({}));
        before.split_whitespace().for_each(|step| bob.steps(&[&format!("{step}_task")], &id));
        let task = bob.task(&id);
        for step in refused.split_whitespace() {
            let error = bob.step(&format!("{step}_task"), &id).expect_err(step);
            assert!(["conflict", "stale_claim"].contains(&error.kind.code()), "{before}, then {step}: {error:?}");
            assert!(error.hint.is_some(), "{before}, then {step}: {error:?}");
            assert_eq!(bob.task(&id), task, "{before}, then {step}");
        }
    }
}

#[test]
fn a_result_and_its_evidence_stay_with_the_task() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    bob.claim().unwrap();
    let evidence = json!({ "commit": "abc", "branch": "b", "files": ["a.rs"], "tests": "12 passed" });
    let done = bob.ok(
        "complete_task",
        json!({ "task_id": id, "result": "it works", "result_json": { "n": 1 }, "evidence": evidence }),
    );
    assert_eq!(done["already"], false);
    let task = bob.task(&id);
    assert_eq!(
        (&task["result"], &task["result_json"], &task["evidence"]),
        (&json!("it works"), &json!({ "n": 1 }), &evidence)
    );
    assert_eq!((&task["holder"], &task["holder_name"]), (&json!("i-bob"), &json!("bob")));
    bob.refused("invalid", "complete_task", json!({ "task_id": id, "evidence": { "comit": "abc" } }));
}

#[test]
fn completing_twice_is_the_same_success_and_the_first_result_stands() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    let waiting = bob.push("next", json!({ "depends_on": [id] }));
    let token = bob.ok("claim_task", json!({}))["token"].clone();
    let first = bob.ok("complete_task", json!({ "task_id": id, "result": "first", "token": token }));
    assert_eq!((&first["already"], &first["unblocked"]), (&json!(false), &json!(1)));
    let task = bob.task(&id);
    for arguments in [json!({ "task_id": id, "result": "second", "token": token }), json!({ "task_id": id })] {
        let again = bob.ok("complete_task", arguments);
        assert_eq!(
            (&again["already"], &again["unblocked"], &again["task"]["status"]),
            (&json!(true), &json!(0), &json!("completed"))
        );
    }
    assert_eq!(bob.task(&id), task);
    assert_eq!(bob.task(&waiting)["ready"], true);
    world.joined("amy").refused("stale_claim", "complete_task", json!({ "task_id": id }));
}

#[test]
fn retry_keeps_the_id_the_history_and_the_count_of_attempts() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({ "max_attempts": 2 }));
    for attempt in 1..=2 {
        bob.steps(&["claim_task", "fail_task"], &id);
        assert_eq!(bob.task(&id)["attempt"], attempt);
        if attempt == 1 {
            bob.steps(&["retry_task"], &id);
            assert_eq!(bob.task(&id)["attempt"], 1);
        }
    }
    let error = bob.refused("refused", "retry_task", json!({ "task_id": id }));
    assert!(error.message.contains("2 of 2") && error.hint.unwrap().contains("force"), "{}", error.message);
    bob.ok("retry_task", json!({ "task_id": id, "force": true }));
    bob.steps(&["claim_task"], &id);
    let seen = bob.ok("get_task", json!({ "task_id": id, "history": true }));
    assert_eq!((&seen["task"]["attempt"], &seen["task"]["token"]), (&json!(3), &json!(3)));
    let kinds = each(&seen["history"], "kind");
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.strip_prefix("task.").unwrap()).collect();
    assert_eq!(kinds, ["pushed", "claimed", "failed", "retried", "claimed", "failed", "retried", "claimed"]);
}

#[test]
fn what_was_handed_back_or_blocked_is_no_attempt() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({ "max_attempts": 1 }));
    for _ in 0..5 {
        bob.steps(&["claim_task", "release_task", "claim_task", "block_task", "unblock_task"], &id);
    }
    assert_eq!(bob.task(&id)["attempt"], 0);
    assert_eq!(bob.task(&id)["token"], 10, "but each claim has a token of its own");
}

#[test]
fn every_change_says_who_made_it_and_when() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = amy.push("t", json!({}));
    for (process, step) in [(&bob, "claim"), (&bob, "start"), (&bob, "block"), (&amy, "unblock"), (&amy, "cancel")] {
        world.pass_secs(60);
        process.steps(&[&format!("{step}_task")], &id);
    }
    let seen = amy.ok("get_task", json!({ "task_id": id, "history": true }));
    assert_eq!(each(&seen["history"], "actor"), ["i-amy", "i-bob", "i-bob", "i-bob", "i-amy", "i-amy"]);
    let at = each(&seen["history"], "at");
    assert!(at.is_sorted() && at.windows(2).all(|pair| pair[0] < pair[1]), "{at:?}");
    assert_eq!(seen["task"]["updated_at"], *at.last().unwrap());
}

#[test]
fn fields_of_a_task_that_nobody_holds_can_be_changed_by_anybody() {
    let world = World::new();
    let amy = world.joined("amy");
    let id = amy.push("t", json!({ "role": "builder", "assignee": "zoe", "labels": ["old"] }));
    let fields = json!({
        "title": "new", "description": "d", "priority": "low", "role": "", "assignee": "", "context_files": ["a"],
        "expected_outputs": ["b"], "acceptance": ["c"], "repo": "r", "branch": "b", "labels": ["new"],
        "metadata": { "k": 1 }, "max_attempts": 5, "lease_secs": 5, "not_before": "2999-01-01T00:00:00.000Z",
    });
    let mut arguments = fields.clone();
    arguments["task_id"] = json!(id);
    let updated = world.nobody().ok("update_task", arguments);
    let task = amy.task(&id);
    assert_eq!(task, updated["task"]);
    for (field, value) in fields.as_object().unwrap() {
        let expected = if ["role", "assignee"].contains(&field.as_str()) { &Value::Null } else { value };
        assert_eq!(&task[field], expected, "{field}");
    }
    assert_eq!(task["ready"], false, "it is not due any more");
    assert_eq!(amy.ok("list_tasks", json!({ "label": "old" }))["total"], 0);
    assert_eq!(amy.ok("list_tasks", json!({ "label": "new" }))["total"], 1);
}

#[test]
fn progress_is_noted_by_the_holder_and_by_nobody_else() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = amy.push("t", json!({}));
    bob.claim().unwrap();
    bob.ok("update_task", json!({ "task_id": id, "progress": "half way" }));
    amy.refused("stale_claim", "update_task", json!({ "task_id": id, "progress": "nonsense" }));
    amy.refused("stale_claim", "update_task", json!({ "task_id": id, "title": "mine" }));
    let events = amy.ok("list_events", json!({ "kind": "task.progress" }));
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    assert_eq!(events["events"][0]["data"]["note"], "half way");
}

#[test]
fn a_list_shows_what_stands_where_newest_first_page_by_page() {
    let world = World::new();
    let bob = world.joined("bob");
    let ids: Vec<String> = (0..12)
        .map(|number| bob.push(&number.to_string(), json!({ "labels": ["x"], "chain_id": "c", "repo": "o/r" })))
        .collect();
    for (at, steps) in
        ["claim", "claim start", "claim block", "claim complete", "claim fail", "cancel"].iter().enumerate()
    {
        steps.split_whitespace().for_each(|step| bob.steps(&[&format!("{step}_task")], &ids[at]));
    }
    bob.ok("update_task", json!({ "task_id": ids[6], "depends_on": [ids[7]] }));
    let found = |filter: Value| all_pages(&bob, "list_tasks", "tasks", "id", filter);
    let newest_first = |range: std::ops::Range<usize>| ids[range].iter().rev().cloned().collect::<Vec<_>>();
    for (status, expected) in [
        ("claimed", newest_first(0..1)),
        ("in_progress", newest_first(1..2)),
        ("blocked", newest_first(2..3)),
        ("completed", newest_first(3..4)),
        ("failed", newest_first(4..5)),
        ("cancelled", newest_first(5..6)),
        ("waiting", newest_first(6..7)),
        ("ready", newest_first(7..12)),
        ("pending", newest_first(6..12)),
        ("open", [newest_first(6..12), newest_first(0..3)].concat()),
    ] {
        assert_eq!(found(json!({ "status": status, "limit": 2 })), expected, "{status}");
        assert_eq!(bob.ok("list_tasks", json!({ "status": status }))["total"], expected.len(), "{status}");
    }
    assert_eq!(found(json!({})), newest_first(0..12));
    for filter in [
        json!({ "label": "x" }),
        json!({ "chain_id": "c" }),
        json!({ "label": "x", "chain_id": "c" }),
        json!({ "repo": "o/r" }),
    ] {
        assert_eq!(found(filter), newest_first(0..12));
    }
    assert_eq!(found(json!({ "holder": "bob" })), newest_first(0..5));
    for filter in [
        json!({ "role": "none" }),
        json!({ "assignee": "@none" }),
        json!({ "label": "y" }),
        json!({ "repo": "other" }),
        json!({ "parent": ids[0] }),
    ] {
        assert_eq!(found(filter), [] as [String; 0]);
    }
    bob.refused("invalid", "list_tasks", json!({ "status": "done" }));
}

#[test]
fn ids_are_read_in_every_form_and_unknown_ones_say_what_there_is() {
    let world = World::new();
    let amy = world.joined("amy");
    let none = amy.refused("not_found", "get_task", json!({ "task_id": "7" }));
    assert!(none.hint.unwrap().contains("push_task"));
    let id = amy.push("t", json!({}));
    for form in [id.as_str(), "task-1", "1"] {
        assert_eq!(amy.task(form)["id"], *id);
    }
    for operation in ["get_task", "claim_task", "start_task", "cancel_task", "update_task", "wait_for_task"] {
        let error = amy.refused("not_found", operation, json!({ "task_id": "77" }));
        assert!(error.message.contains("task-0000000077") && error.hint.unwrap().contains(&id), "{operation}");
    }
    amy.refused("invalid", "get_task", json!({ "task_id": "seven" }));
}

#[test]
fn long_texts_are_previews_and_their_pages_are_the_whole() {
    let world = World::new();
    let bob = world.joined("bob");
    let long: String = (0..20_000).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
    let id = bob.push("t", json!({ "description": long, "acceptance": vec!["x".repeat(500); 100] }));
    bob.claim().unwrap();
    bob.ok("complete_task", json!({ "task_id": id, "result": long, "result_json": { "k": long } }));
    let task = bob.task(&id);
    assert_eq!(task["truncated"]["description"], 20_000);
    for (part, whole) in [
        ("description", long.clone()),
        ("result", long.clone()),
        ("result_json", json!({ "k": long }).to_string()),
        ("acceptance", vec!["x".repeat(500); 100].join("\n")),
    ] {
        assert!(task["truncated"][part].is_number(), "{part} says that it is cut");
        let (mut found, mut offset) = (String::new(), json!(0));
        while !offset.is_null() {
            let page = bob.ok("get_task", json!({ "task_id": id, "part": part, "offset": offset }));
            found.push_str(page["text"].as_str().unwrap());
            offset = page["next_offset"].clone();
        }
        assert!(found == whole, "{part}: the pages are {} characters, the whole {}", found.len(), whole.len());
    }
}

#[test]
fn what_is_wrong_in_a_plan_is_told_by_its_place_and_in_the_words_that_stand_there() {
    let world = World::new();
    let amy = world.joined("amy");
    let told = |operation: &str, tasks: Value| {
        let arguments =
            if operation == "create_job" { json!({ "goal": "g", "tasks": tasks }) } else { json!({ "tasks": tasks }) };
        let error = amy.refused("invalid", operation, arguments);
        (error.message, error.hint.unwrap_or_default())
    };
    for operation in ["push_tasks", "create_job"] {
        let (message, hint) = told(operation, json!([{ "titel": "t" }]));
        assert_eq!((message.as_str(), hint.as_str()), ("`tasks[0]` has no `titel`", "did you mean `title`?"));
        let (message, hint) = told(operation, json!([{ "title": "t", "key": "a" }]));
        assert!(message == "`tasks[0]` has no `key`" && hint.contains("did you mean `ref`?"), "{message} {hint}");
        let (message, hint) = told(operation, json!([{ "title": "t", "zzzzzz": 1 }]));
        assert!(message == "`tasks[0]` has no `zzzzzz`" && hint.starts_with("it takes `ref`, "), "{message} {hint}");
        let (message, _) = told(operation, json!([{ "title": "t", "priority": 11 }]));
        assert_eq!(message, "`tasks[0].priority` must be a word, or 1 to 10, not 11");
        let tasks = json!([{ "title": "a", "ref": "outline" }, { "title": "b", "depends_on": ["outlin"] }]);
        let (message, hint) = told(operation, tasks);
        assert!(message.starts_with("`tasks[1]` depends on `outlin`, which is neither"), "{message}");
        assert_eq!(hint, "did you mean `outline`?");
    }
    let job = amy.ok("create_job", json!({ "goal": "g" }))["job"]["id"].clone();
    let error = amy.refused("invalid", "add_subtask", json!({ "job_id": job, "prompt": "p", "priority": 11 }));
    assert!(error.message.starts_with("`priority` must be"), "{error}");
}
