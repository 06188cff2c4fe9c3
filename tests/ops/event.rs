//! Events: one for each change, in its transaction, and a reader with a cursor misses none.

use super::*;

fn kinds(process: &Process) -> Vec<String> {
    let (mut kinds, mut cursor) = (Vec::new(), json!(0));
    loop {
        let page = process.ok("list_events", json!({ "cursor": cursor }));
        if page["events"].as_array().unwrap().is_empty() {
            return kinds;
        }
        kinds.extend(each(&page["events"], "kind"));
        cursor = page["cursor"].clone();
    }
}

#[test]
fn every_change_appends_one_event_and_what_changes_nothing_none() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = amy.push("t", json!({}));
    let message = amy.send("bob", "m");
    let steps: Vec<(&Process, &str, Value, Option<&str>)> = vec![
        (&bob, "claim_task", json!({}), Some("task.claimed")),
        (&bob, "claim_task", json!({ "task_id": id }), None),
        (&bob, "claim_task", json!({}), None),
        (&bob, "start_task", json!({ "task_id": id }), Some("task.started")),
        (&bob, "start_task", json!({ "task_id": id }), None),
        (&bob, "renew_task", json!({ "task_id": id }), None),
        (&bob, "update_task", json!({ "task_id": id, "title": "new" }), Some("task.updated")),
        (&bob, "update_task", json!({ "task_id": id, "progress": "half" }), Some("task.progress")),
        (&bob, "block_task", json!({ "task_id": id, "reason": "r" }), Some("task.blocked")),
        (&amy, "unblock_task", json!({ "task_id": id }), Some("task.unblocked")),
        (&bob, "claim_task", json!({}), Some("task.claimed")),
        (&bob, "release_task", json!({ "task_id": id }), Some("task.released")),
        (&bob, "claim_task", json!({}), Some("task.claimed")),
        (&bob, "fail_task", json!({ "task_id": id, "reason": "r" }), Some("task.failed")),
        (&amy, "retry_task", json!({ "task_id": id }), Some("task.retried")),
        (&bob, "claim_task", json!({}), Some("task.claimed")),
        (&bob, "complete_task", json!({ "task_id": id }), Some("task.completed")),
        (&bob, "complete_task", json!({ "task_id": id }), None),
        (&amy, "push_task", json!({ "title": "t" }), Some("task.pushed")),
        (&amy, "cancel_task", json!({ "task_id": "2" }), Some("task.cancelled")),
        (&bob, "poll_messages", json!({}), None),
        (&bob, "mark_read", json!({ "message_id": message }), None),
        (&bob, "acknowledge_message", json!({ "message_id": message }), Some("message.acknowledged")),
        (&bob, "acknowledge_message", json!({ "message_id": message }), None),
        (&bob, "dismiss_message", json!({ "message_id": message }), Some("message.dismissed")),
        (&bob, "request_help", json!({ "question": "q" }), Some("message.sent")),
        (&bob, "set_context", json!({ "key": "k", "value": 1 }), Some("context.set")),
        (&bob, "delete_context", json!({ "key": "k" }), Some("context.deleted")),
        (&bob, "delete_context", json!({ "key": "k" }), None),
        (&bob, "heartbeat", json!({}), None),
        (&bob, "list_tasks", json!({}), None),
        (&bob, "unregister_instance", json!({}), Some("instance.left")),
    ];
    let mut expected = vec!["instance.registered"; 2];
    expected.extend(["task.pushed", "message.sent"]);
    for (process, operation, arguments, kind) in steps {
        process.ok(operation, arguments.clone());
        expected.extend(kind);
        assert_eq!(kinds(&world.nobody()), expected, "after {operation} {arguments}");
    }
}

#[test]
fn what_was_refused_appends_none() {
    let world = World::new();
    let bob = world.joined("bob");
    let before = kinds(&bob);
    bob.refused("not_found", "complete_task", json!({ "task_id": "9" }));
    bob.refused("invalid", "push_tasks", json!({ "tasks": [{ "title": "good" }, { "title": "" }] }));
    bob.refused("not_found", "send_message", json!({ "to_instance": "zoe", "content": "m" }));
    assert_eq!(kinds(&bob), before);
}

#[test]
fn an_event_says_what_happened_to_what_by_whom_and_when() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    bob.claim().unwrap();
    let event = bob.ok("list_events", json!({ "limit": 1 }))["events"][0].take();
    assert_eq!(event["kind"], "task.claimed");
    assert_eq!(
        (&event["subject"], &event["actor"], &event["at"]),
        (&json!(id), &json!("i-bob"), &json!(world.host.wall().to_string()))
    );
    assert_eq!(event["data"], json!({ "token": 1, "attempt": 1 }));
}

#[test]
fn events_are_found_by_kind_and_subject() {
    let world = World::new();
    let bob = world.joined("bob");
    let ids = ["a", "b"].map(|title| bob.push(title, json!({})));
    bob.steps(&["claim_task", "complete_task"], &ids[0]);
    let found = |filter: Value| each(&bob.ok("list_events", filter)["events"], "kind");
    assert_eq!(found(json!({ "kind": "task.pushed" })).len(), 2);
    assert_eq!(found(json!({ "kind": "task.", "subject": ids[0] })), ["task.pushed", "task.claimed", "task.completed"]);
    assert_eq!(found(json!({ "subject": "i-bob" })), ["instance.registered"]);
    assert_eq!(found(json!({ "subject": ids[1] })), ["task.pushed"]);
}

#[test]
fn without_a_cursor_a_list_is_of_the_newest_and_a_watch_of_what_comes() {
    let world = World::new();
    let bob = world.joined("bob");
    (0..20).for_each(|number| drop(bob.push(&number.to_string(), json!({}))));
    let newest = bob.ok("list_events", json!({ "limit": 2 }));
    let titles: Vec<_> =
        newest["events"].as_array().unwrap().iter().map(|event| text(&event["data"]["title"])).collect();
    assert_eq!(titles, ["18", "19"], "oldest first");
    bob.ok("set_context", json!({ "key": "k", "value": 1 }));
    let of_kind = bob.ok("list_events", json!({ "limit": 2, "kind": "task." }));
    assert_eq!(of_kind["events"].as_array().unwrap(), newest["events"].as_array().unwrap(), "of a kind too");
    assert_eq!(of_kind["cursor"], bob.ok("server_status", json!({}))["newest_event"]);
    let start = bob.ok("watch_events", json!({ "timeout_seconds": 0 }));
    assert_eq!(start["timed_out"], true);
    bob.push("new", json!({}));
    let news = bob.ok("watch_events", json!({ "cursor": start["cursor"], "timeout_seconds": 0 }));
    assert_eq!(news["events"][0]["data"]["title"], "new");
}

/// The cursor goes past what the filter left out, or a quiet watcher would one day be told that it is too old.
#[test]
fn a_reader_with_a_cursor_misses_nothing_and_reads_nothing_twice() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for operation in ["list_events", "watch_events"] {
        let mut cursor = bob.ok("watch_events", json!({ "kind": "context.", "timeout_seconds": 0 }))["cursor"].clone();
        let mut told = Vec::new();
        for round in 0..5 {
            for number in 0..7 {
                amy.ok("set_context", json!({ "key": format!("{operation} {round} {number}"), "value": 1 }));
                amy.push("noise", json!({}));
            }
            loop {
                let mut arguments = json!({ "kind": "context.", "cursor": cursor, "limit": 3 });
                if operation == "watch_events" {
                    arguments["timeout_seconds"] = json!(0);
                }
                let news = bob.ok(operation, arguments);
                cursor = news["cursor"].clone();
                let keys = each(&news["events"], "subject");
                if keys.is_empty() {
                    break;
                }
                told.extend(keys);
            }
        }
        let expected: Vec<String> =
            (0..5).flat_map(|round| (0..7).map(move |number| format!("{operation} {round} {number}"))).collect();
        assert_eq!(told, expected);
        let newest = bob.ok("server_status", json!({}))["newest_event"].clone();
        assert_eq!(cursor, newest, "{operation}");
    }
}

#[test]
fn a_cursor_that_is_too_old_is_an_error_that_says_where_to_go_on() {
    let mut world = World::new();
    world.options.events_max = 100;
    let bob = world.joined("bob");
    let early = bob.ok("watch_events", json!({ "timeout_seconds": 0 }))["cursor"].clone();
    (0..400).for_each(|number| drop(bob.ok("set_context", json!({ "key": "k", "value": number }))));
    for operation in ["list_events", "watch_events"] {
        let error = bob.refused("cursor_expired", operation, json!({ "cursor": early }));
        let newest = bob.ok("server_status", json!({}))["newest_event"].to_string();
        assert!(error.hint.as_ref().unwrap().contains(&newest), "{operation}: {error:?}");
    }
    let oldest = bob.ok("list_events", json!({}))["oldest"].as_u64().unwrap();
    let page = bob.ok("list_events", json!({ "cursor": oldest - 1, "limit": 1 }));
    assert_eq!(page["events"][0]["seq"], oldest, "the oldest that is kept can still be read");
}

/// Whoever began to watch when nothing had happened yet has the cursor 0, and must not miss the beginning unawares.
#[test]
fn a_cursor_from_before_the_first_event_can_be_too_old_as_well() {
    let mut world = World::new();
    world.options.events_max = 100;
    let watcher = world.nobody();
    let early = watcher.ok("watch_events", json!({ "timeout_seconds": 0 }))["cursor"].clone();
    assert_eq!(early, 0);
    let bob = world.joined("bob");
    (0..400).for_each(|number| drop(bob.ok("set_context", json!({ "key": "k", "value": number }))));
    watcher.refused("cursor_expired", "watch_events", json!({ "cursor": early, "timeout_seconds": 0 }));
}

/// Where it has run ahead, as after a store was put back from a backup, it waits for what comes.
#[test]
fn a_cursor_from_the_future_finds_nothing_yet() {
    let world = World::new();
    let bob = world.joined("bob");
    let page = bob.ok("list_events", json!({ "cursor": 1_000 }));
    assert_eq!((&page["events"], &page["cursor"]), (&json!([]), &json!(1_000)));
}

/// Taken for a negative one, it would bring everything again.
#[test]
fn a_cursor_beyond_all_numbers_brings_nothing() {
    let world = World::new();
    let nobody = world.nobody();
    nobody.ok("set_context", json!({ "key": "k", "value": 1 }));
    let cursor = json!({ "cursor": u64::MAX, "timeout_seconds": 0 });
    assert_eq!(nobody.ok("list_events", json!({ "cursor": u64::MAX }))["events"], json!([]));
    assert_eq!(nobody.ok("watch_events", cursor.clone())["timed_out"], true);
    assert_eq!(nobody.ok("watch_context", cursor)["timed_out"], true);
}
