//! Shared context: versions that only rise, writes that nobody loses, and a history of who wrote what.

use super::*;

fn set(process: &Process, key: &str, value: Value) -> u64 {
    process.ok("set_context", json!({ "key": key, "value": value }))["version"].as_u64().unwrap()
}

fn get(process: &Process, key: &str) -> Value {
    process.ok("get_context", json!({ "key": key }))
}

#[test]
fn a_value_is_text_or_json_and_reads_back_as_it_was_set() {
    let world = World::new();
    let amy = world.joined("amy");
    for value in [
        json!("text"),
        json!(""),
        json!("{\"a\":1}"),
        json!({ "a": [1, 2.5, null] }),
        json!([]),
        json!(0),
        json!(false),
    ] {
        set(&amy, "a/b", value.clone());
        let found = get(&world.nobody(), "a/b");
        assert_eq!((&found["value"], &found["found"], &found["updated_by"]), (&value, &json!(true), &json!("i-amy")));
    }
}

#[test]
fn each_write_is_a_new_version_with_its_author_and_time() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for (process, version) in [(&amy, 1), (&bob, 2), (&amy, 3)] {
        world.pass_secs(1);
        assert_eq!(set(process, "k", json!(version)), version);
    }
    bob.ok("delete_context", json!({ "key": "k" }));
    assert_eq!(set(&bob, "k", json!("again")), 5, "a version is never used twice");
    let found = bob.ok("get_context", json!({ "key": "k", "history": true }));
    let history = found["history"].as_array().unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|one| (one["version"].as_u64().unwrap(), one["deleted"] == true, text(&one["updated_by"])))
        .collect();
    let expected =
        [(5, false, "i-bob"), (4, true, "i-bob"), (3, false, "i-amy"), (2, false, "i-bob"), (1, false, "i-amy")];
    assert_eq!(told, expected.map(|(version, deleted, by)| (version, deleted, by.to_owned())));
    assert_eq!(bob.ok("get_context", json!({ "key": "k", "version": 2 }))["value"], 2);
    assert_eq!(bob.ok("get_context", json!({ "key": "k", "version": 99 }))["found"], false);
}

#[test]
fn the_history_is_bounded_to_the_last_versions() {
    let world = World::new();
    let amy = world.joined("amy");
    for number in 0..50 {
        set(&amy, "k", json!(number));
    }
    let found = amy.ok("get_context", json!({ "key": "k", "history": true }));
    let versions: Vec<u64> =
        found["history"].as_array().unwrap().iter().map(|one| one["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (31..=50).rev().collect::<Vec<_>>());
}

#[test]
fn compare_and_set_lets_one_win_and_tells_the_other_what_is_there() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let write = |process: &Process, expect: u64| {
        process.call("set_context", json!({ "key": "k", "value": expect, "expect_version": expect }))
    };
    assert!(write(&amy, 0).is_ok(), "0 means: only if it is new");
    assert_eq!(write(&bob, 0).unwrap_err().kind.code(), "conflict");
    assert!(write(&bob, 1).is_ok());
    let error = write(&amy, 1).unwrap_err();
    assert!(error.message.contains("version 2"), "{error:?}");
    assert!(error.hint.unwrap().contains("expect_version"));
    assert_eq!(get(&amy, "k")["value"], 1, "and the loser changed nothing");
    amy.refused("conflict", "delete_context", json!({ "key": "k", "expect_version": 1 }));
    amy.ok("delete_context", json!({ "key": "k", "expect_version": 2 }));
    assert!(write(&bob, 0).is_ok(), "what was deleted is new again");
    assert_eq!(bob.ok("delete_context", json!({ "key": "none" }))["deleted"], false);
    bob.refused("conflict", "delete_context", json!({ "key": "none", "expect_version": 1 }));
}

#[test]
fn of_many_that_compare_and_set_at_once_one_wins_each_time() {
    let world = World::new();
    let writers = ["amy", "bob", "cid", "dan"].map(|name| world.joined(name));
    set(&writers[0], "count", json!(0));
    std::thread::scope(|scope| {
        for writer in &writers {
            scope.spawn(|| {
                let mut added = 0;
                while added < 10 {
                    let found = get(writer, "count");
                    let next = found["value"].as_u64().unwrap() + 1;
                    let arguments = json!({ "key": "count", "value": next, "expect_version": found["version"] });
                    added += usize::from(writer.call("set_context", arguments).is_ok());
                }
            });
        }
    });
    assert_eq!(get(&writers[0], "count")["value"], 40);
}

#[test]
fn keys_are_listed_by_prefix_page_by_page() {
    let world = World::new();
    let amy = world.joined("amy");
    for key in ["b", "a/2", "a/1", "a", "a/1/x"] {
        set(&amy, key, json!("v"));
    }
    set(&amy, "a/gone", json!("v"));
    amy.ok("delete_context", json!({ "key": "a/gone" }));
    let keys =
        |prefix: &str| all_pages(&amy, "list_context_keys", "keys", "key", json!({ "prefix": prefix, "limit": 2 }));
    assert_eq!(keys(""), ["a", "a/1", "a/1/x", "a/2", "b"]);
    assert_eq!(keys("a/"), ["a/1", "a/1/x", "a/2"]);
    assert_eq!(amy.ok("list_context_keys", json!({ "prefix": "a/", "limit": 1 }))["total"], 3);
}

#[test]
fn a_key_or_value_out_of_bounds_is_refused() {
    let world = World::new();
    let amy = world.joined("amy");
    for (key, value) in [
        ("", json!(1)),
        (&*"x".repeat(257), json!(1)),
        ("a\nb", json!(1)),
        ("a\u{1b}[2J", json!(1)),
        ("k", json!("x".repeat(256 * 1024))),
    ] {
        amy.refused("invalid", "set_context", json!({ "key": key, "value": value }));
    }
    set(&amy, &"ü".repeat(256), json!("x".repeat(256 * 1024 - 2)));
    amy.refused("invalid", "set_context", json!({ "key": "k" }));
}

#[test]
fn a_long_value_is_read_page_by_page() {
    let world = World::new();
    let amy = world.joined("amy");
    let long: String = "añ日🦀\"\n".chars().cycle().take(30_000).collect();
    for (value, whole) in [(json!(long), long.clone()), (json!({ "k": long }), json!({ "k": long }).to_string())] {
        set(&amy, "k", value);
        let (mut found, mut offset) = (String::new(), Value::Null);
        loop {
            let page = amy.ok("get_context", json!({ "key": "k", "offset": offset }));
            found.push_str(page["value"].as_str().unwrap());
            offset = page["next_offset"].clone();
            if offset.is_null() {
                break;
            }
        }
        assert!(found == whole);
    }
}

#[test]
fn whoever_watches_with_a_cursor_misses_no_change() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let start = bob.ok("watch_context", json!({ "prefix": "a/", "timeout_seconds": 0 }));
    for (key, value) in [("a/x", json!(1)), ("b/y", json!(1)), ("a/z", json!(1)), ("a/x", json!(2))] {
        set(&amy, key, value);
    }
    amy.ok("delete_context", json!({ "key": "a/z" }));
    let news = bob.ok("watch_context", json!({ "prefix": "a/", "cursor": start["cursor"], "timeout_seconds": 0 }));
    let told: Vec<_> = news["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["key"]), one["version"].as_u64(), one["deleted"] == true))
        .collect();
    assert_eq!(told, [("a/x".to_owned(), Some(2), false), ("a/z".to_owned(), Some(2), true)]);
    let later = bob.ok("watch_context", json!({ "prefix": "a/", "cursor": news["cursor"], "timeout_seconds": 0 }));
    assert_eq!((&later["timed_out"], &later["cursor"]), (&json!(true), &news["cursor"]));
    set(&amy, "a/x", json!(3));
    let key = bob.ok("watch_context", json!({ "key": "a/x", "cursor": later["cursor"], "timeout_seconds": 0 }));
    assert_eq!(key["changes"][0]["value"], 3);
}

/// More changes than one answer holds come with the next one.
#[test]
fn a_flood_of_changes_is_told_answer_by_answer() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let mut cursor = bob.ok("watch_context", json!({ "timeout_seconds": 0 }))["cursor"].clone();
    let keys: Vec<String> = (10..80).map(|number| format!("k{number}")).collect();
    for key in &keys {
        set(&amy, key, json!("v"));
    }
    let mut told = Vec::new();
    while told.len() < keys.len() {
        let news = bob.ok("watch_context", json!({ "cursor": cursor, "timeout_seconds": 0 }));
        assert_eq!(news["timed_out"], false, "only {} of {} were told", told.len(), keys.len());
        told.extend(each(&news["changes"], "key"));
        cursor = news["cursor"].clone();
    }
    assert_eq!(told, keys);
}

#[test]
fn a_version_that_is_not_there_is_told_apart_from_a_key_that_is_not() {
    let world = World::new();
    let bob = world.joined("bob");
    bob.ok("set_context", json!({ "key": "k", "value": 1 }));
    let answer = bob.reply("get_context", json!({ "key": "k", "version": 9 })).unwrap();
    assert_eq!((&answer.data["found"], &answer.data["newest_version"]), (&json!(false), &json!(1)));
    assert!(answer.text().contains("the newest is 1"), "{}", answer.text());
    let answer = bob.reply("get_context", json!({ "key": "other", "version": 9 })).unwrap();
    assert_eq!(answer.data["newest_version"], Value::Null);
    assert!(answer.text().contains("nothing is written"), "{}", answer.text());
}
