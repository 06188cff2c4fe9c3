//! Instances: names that are addresses, liveness that is a lease, identities that are never lost.

use super::*;
use orch_mcp::model::access::Access;
use orch_mcp::model::access::Principal;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::instance::Instance;
use orch_mcp::model::instance::NAMES_OF_ONE_MAX;
use orch_mcp::model::instance::PRESENCE_SECS;
use orch_mcp::model::instance::Registration;
use orch_mcp::store::Mode;
use orch_mcp::store::open::LazyStore;

const GONE: i64 = PRESENCE_SECS as i64;

fn status(observer: &Process, name: &str) -> String {
    text(&observer.ok("get_instance", json!({ "instance": name }))["instance"]["status"])
}

#[test]
fn whoever_registers_is_told_who_they_are() {
    let world = World::new();
    let mut bob = world.process("p");
    bob.caller.work_dir = Some("/w".to_owned());
    let answer = bob.ok("register_instance", json!({ "name": "bob", "metadata": { "model": "x" } }));
    let instance = &answer["instance"];
    let id = text(&instance["id"]);
    assert!(id.starts_with("i-") && id.len() == 12, "{id}");
    assert_eq!(instance["role"], "general");
    assert_eq!((&instance["status"], &instance["work_dir"]), (&json!("idle"), &json!("/w")));
    assert_eq!(instance["metadata"], json!({ "model": "x" }));
    assert_eq!(
        [&answer["returned"], &answer["took_over"], &answer["messages_waiting"]],
        [&json!(false), &json!(false), &json!(0)]
    );
    assert_eq!(bob.ok("server_status", json!({}))["you"], *id);
}

#[test]
fn a_role_is_free_text_and_general_by_default() {
    let world = World::new();
    for (number, (said, of_environment, role)) in [
        (json!("night watch"), None, "night watch"),
        (json!("  "), None, "general"),
        (json!(""), Some("tester"), "tester"),
        (Value::Null, Some("tester"), "tester"),
        (json!("builder"), Some("tester"), "builder"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut process = world.process("p");
        process.caller.role = of_environment.map(str::to_owned);
        let answer = process.ok("register_instance", json!({ "name": format!("n{number}"), "role": said }));
        assert_eq!(answer["instance"]["role"], role);
    }
}

#[test]
fn names_that_mislead_are_refused() {
    let world = World::new();
    for name in [
        "",
        "-rf",
        "@bob",
        "../x",
        "a/b",
        "a\nb",
        "\u{1b}[2J",
        "All",
        "everyone",
        "role:x",
        "a\u{202e}b",
        &"x".repeat(65),
    ] {
        for arguments in [
            json!({ "name": name }),
            json!({ "name": "bob", "role": name }),
            json!({ "name": "bob", "instance_id": name }),
        ] {
            // An empty role or id says nothing rather than something wrong.
            if name.is_empty() && arguments["name"] == "bob" {
                continue;
            }
            world.nobody().refused("invalid", "register_instance", arguments);
        }
    }
    assert!(!world.place().exists() || world.nobody().ok("list_instances", json!({}))["total"] == 0);
}

#[test]
fn a_name_whose_bearer_is_alive_is_refused_with_a_hint() {
    let world = World::new();
    world.joined("bob");
    world.pass_secs(GONE - 1);
    let error = world.process("other").refused("conflict", "register_instance", json!({ "name": "bob" }));
    assert!(error.message.contains("i-bob"), "{error:?}");
    let hint = error.hint.unwrap();
    assert!(hint.contains("another name") && hint.contains("i-bob"), "{hint}");
}

#[test]
fn a_name_whose_bearer_is_gone_is_taken_over_with_its_inbox_and_its_claims() {
    let world = World::new();
    let amy = world.joined("amy");
    let old = world.joined("bob");
    let task = amy.push("t", json!({ "assignee": "bob", "lease_secs": 10 }));
    old.claim().unwrap();
    amy.send("bob", "while you were away");
    world.pass_secs(GONE);
    let new = world.process("new");
    let answer = new.ok("register_instance", json!({ "name": "bob" }));
    assert_eq!((&answer["took_over"], &answer["returned"]), (&json!(true), &json!(false)));
    assert_eq!(answer["instance"]["id"], "i-bob");
    assert_eq!(answer["messages_waiting"], 1);
    assert_eq!(new.poll(), ["while you were away"]);
    new.steps(&["complete_task"], &task);
    let error = old.refused("conflict", "heartbeat", json!({}));
    assert!(error.message.contains("another session"), "{error:?}");
    old.refused("conflict", "poll_messages", json!({}));
}

#[test]
fn the_same_instance_returns_by_its_id_its_session_or_its_process() {
    let world = World::new();
    let mut first = world.process("first");
    first.caller.session = Some("s1".to_owned());
    let id = text(&first.ok("register_instance", json!({ "name": "bob", "role": "builder" }))["instance"]["id"]);
    let returns = |process: &Process, arguments: Value| {
        let answer = process.ok("register_instance", arguments);
        assert_eq!(
            (&answer["returned"], &answer["took_over"], &answer["instance"]["id"]),
            (&json!(true), &json!(false), &json!(id))
        );
    };
    returns(&first, json!({ "name": "bob" }));
    returns(&world.process("by id"), json!({ "name": "bob", "instance_id": id }));
    let mut resumed = world.process("by session");
    resumed.caller.session = Some("s1".to_owned());
    returns(&resumed, json!({ "name": "bob" }));
    let mut other = world.process("other session");
    other.caller.session = Some("s2".to_owned());
    other.refused("conflict", "register_instance", json!({ "name": "bob" }));
}

#[test]
fn an_instance_may_take_another_name_but_not_somebody_elses() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined("bob");
    amy.send("bob", "for bob");
    bob.ok("register_instance", json!({ "name": "robert", "instance_id": "i-bob" }));
    assert_eq!(bob.poll(), ["for bob"], "the inbox is the instance's, whatever its name");
    amy.send("robert", "for robert");
    assert_eq!(bob.poll(), ["for robert"]);
    bob.refused("conflict", "register_instance", json!({ "name": "amy", "instance_id": "i-bob" }));
}

/// A bare word may be an id or a name, so one of them that reads like somebody else's other would take their mail.
#[test]
fn nobody_takes_an_id_that_is_somebodys_name_or_a_name_that_is_somebodys_id() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let eve = world.process("eve");
    for taken in [
        json!({ "name": "eve", "instance_id": "bob" }),
        json!({ "name": "i-bob" }),
        json!({ "name": "i-bob", "instance_id": "i-amy" }),
    ] {
        eve.refused("conflict", "register_instance", taken);
    }
    for (number, form) in ["bob", "@bob", "i-bob"].into_iter().enumerate() {
        amy.send(form, &number.to_string());
    }
    assert_eq!(bob.poll(), ["0", "1", "2"]);
    eve.ok("register_instance", json!({ "name": "eve", "instance_id": "eve" }));
}

#[test]
fn an_instance_that_calls_nothing_for_its_lease_is_offline_and_still_there() {
    let world = World::new();
    world.joined("bob");
    let observer = world.nobody();
    world.pass_secs(GONE - 1);
    assert_eq!(status(&observer, "bob"), "idle");
    world.pass_secs(1);
    assert_eq!(status(&observer, "bob"), "offline");
    assert_eq!(observer.ok("list_instances", json!({ "online_only": true }))["total"], 0);
    world.pass_secs(1_000_000);
    assert_eq!(each(&observer.ok("list_instances", json!({}))["instances"], "name"), ["bob"]);
}

#[test]
fn every_call_of_an_instance_renews_its_lease() {
    let world = World::new();
    let bob = world.joined("bob");
    let observer = world.nobody();
    for (operation, arguments) in [
        ("heartbeat", json!({})),
        ("list_tasks", json!({})),
        ("get_context", json!({ "key": "k" })),
        ("push_task", json!({ "title": "t" })),
        ("poll_messages", json!({})),
        ("wait_for_message", json!({ "timeout_seconds": 0 })),
        ("watch_events", json!({ "timeout_seconds": 0 })),
        ("server_status", json!({})),
    ] {
        world.pass_secs(GONE - 1);
        bob.ok(operation, arguments);
        world.pass_secs(GONE / 2);
        assert_eq!(status(&observer, "bob"), "idle", "{operation}");
    }
    world.pass_secs(GONE / 3);
    bob.refused("not_found", "get_task", json!({ "task_id": "99" }));
    world.pass_secs(GONE / 2);
    assert_eq!(status(&observer, "bob"), "idle", "who was refused was here all the same");
}

/// Or its name would be free while its work is not.
#[test]
fn whoever_holds_a_claim_counts_as_present_as_long_as_that_lasts() {
    let world = World::new();
    let bob = world.joined("bob");
    bob.push("t", json!({ "lease_secs": 10 * GONE }));
    bob.claim().unwrap();
    world.pass_secs(10 * GONE - 1);
    assert_eq!(status(&world.nobody(), "bob"), "busy");
    world.process("other").refused("conflict", "register_instance", json!({ "name": "bob" }));
    world.pass_secs(GONE);
    assert_eq!(status(&world.nobody(), "bob"), "offline");
}

#[test]
fn when_an_instance_is_gone_its_claims_come_free() {
    let world = World::new();
    let bob = world.joined("bob");
    let task = bob.push("t", json!({}));
    bob.claim().unwrap();
    world.pass_secs(1_000);
    assert_eq!(status(&world.nobody(), "bob"), "offline");
    assert_eq!(world.joined("amy").claim(), Some(task));
}

#[test]
fn a_heartbeat_says_what_the_instance_is_at() {
    let world = World::new();
    let bob = world.joined("bob");
    let beat = bob.ok("heartbeat", json!({ "current_task": "task-7: tests" }));
    assert_eq!(
        (&beat["status"], &beat["lease_secs"], &beat["instance_id"]),
        (&json!("busy"), &json!(PRESENCE_SECS), &json!("i-bob"))
    );
    bob.ok("heartbeat", json!({}));
    assert_eq!(status(&bob, "bob"), "busy", "silence changes nothing");
    assert_eq!(bob.ok("get_instance", json!({}))["instance"]["current_task"], "task-7: tests");
    assert_eq!(bob.ok("heartbeat", json!({ "current_task": "" }))["status"], "idle");
    bob.refused("invalid", "heartbeat", json!({ "current_task": "x".repeat(301) }));
}

#[test]
fn get_instance_shows_what_it_holds_and_what_waits_for_it() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let task = amy.push("t", json!({}));
    bob.claim().unwrap();
    amy.send("bob", "m");
    for named in ["i-bob", "bob", "@bob"] {
        let found = amy.ok("get_instance", json!({ "instance": named }));
        assert_eq!(each(&found["tasks"], "id"), std::slice::from_ref(&task));
        assert_eq!(found["messages_unread"], 1);
    }
    let error = amy.refused("not_found", "get_instance", json!({ "instance": "bbo" }));
    assert!(error.hint.unwrap().contains("`bob`"));
}

#[test]
fn instances_are_listed_by_role_and_presence_page_by_page() {
    let world = World::new();
    for number in 0..5 {
        world.joined_as(&format!("early{number}"), "builder");
    }
    world.pass_secs(GONE);
    for number in 0..3 {
        world.joined_as(&format!("late{number}"), if number == 0 { "Builder" } else { "tester" });
    }
    let observer = world.nobody();
    let names = |arguments: Value| all_pages(&observer, "list_instances", "instances", "name", arguments);
    assert_eq!(names(json!({ "limit": 3 })).len(), 8);
    assert_eq!(
        names(json!({ "role": "builder", "limit": 2 })),
        ["early0", "early1", "early2", "early3", "early4", "late0"]
    );
    assert_eq!(names(json!({ "role": "builder", "online_only": true })), ["late0"]);
    assert_eq!(names(json!({ "online_only": true, "limit": 1 })), ["late0", "late1", "late2"]);
    assert_eq!(observer.ok("list_instances", json!({ "role": "builder", "limit": 1 }))["total"], 6);
}

#[test]
fn who_leaves_hands_everything_back_at_once_and_its_inbox_waits() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let tasks = [amy.push("a", json!({ "max_attempts": 1 })), amy.push("b", json!({}))];
    bob.claim().unwrap();
    bob.claim().unwrap();
    bob.steps(&["start_task"], &tasks[1]);
    let left = bob.ok("unregister_instance", json!({}));
    assert_eq!(left["released"], json!(tasks));
    assert_eq!(status(&amy, "bob"), "offline");
    assert_eq!(amy.task(&tasks[0])["attempt"], 0, "what was handed back was no attempt");
    assert_eq!([amy.claim(), amy.claim()].map(Option::unwrap), tasks);
    amy.send("bob", "m");
    let answer = world.process("new").ok("register_instance", json!({ "name": "bob" }));
    assert_eq!((&answer["took_over"], &answer["messages_waiting"]), (&json!(true), &json!(1)));
}

#[test]
fn what_an_instance_says_of_itself_is_bounded() {
    let world = World::new();
    let large = |bytes: usize| json!({ "k": "x".repeat(bytes) });
    for arguments in [
        json!({ "name": "bob", "metadata": large(16 * 1024) }),
        json!({ "name": "bob", "work_dir": "x".repeat(4097) }),
        json!({ "name": "bob", "metadata": "text" }),
    ] {
        world.nobody().refused("invalid", "register_instance", arguments);
    }
    world.nobody().ok(
        "register_instance",
        json!({ "name": "bob", "metadata": large(16 * 1024 - 10), "work_dir": "x".repeat(4096) }),
    );
}

/// Names that somebody registered through the door, as many as they may have, written without the ceremony.
fn registered_all(world: &World, owner: &str) {
    let mut store = LazyStore::new(world.place(), world.host.clone(), world.options.clone());
    let mut tx = store.for_writing().unwrap().begin(Mode::Durable).unwrap();
    for n in 0..NAMES_OF_ONE_MAX {
        let said = Registration {
            name: format!("{owner}-{n}"),
            role: "general".to_owned(),
            work_dir: None,
            metadata: None,
            session: None,
            owner: Some(owner.to_owned()),
        };
        let now = tx.now();
        let (mut instance, _) = Instance::new(InstanceId::from_stored(format!("i-{owner}-{n}")), said, now);
        tx.insert_instance(&mut instance).unwrap();
    }
    tx.commit().unwrap();
}

#[test]
fn nobody_who_comes_through_the_door_fills_the_store_with_names() {
    let world = World::new();
    let through_the_door = |name: &str| {
        let mut process = world.process(name);
        process.caller.principal = Some(Principal { name: name.to_owned(), access: Access::Worker });
        process
    };
    let (eve, amy) = (through_the_door("eve"), through_the_door("amy"));
    registered_all(&world, "eve");
    let error = eve.refused("refused", "register_instance", json!({ "name": "one-more" }));
    assert!(error.message.contains("`eve`") && error.hint.is_some_and(|hint| hint.contains("list_instances")));
    eve.refused("refused", "register_instance", json!({ "name": "one-more", "instance_id": "i-of-its-own" }));
    // What is there stays of use, and others have room of their own.
    world.pass_secs(GONE + 1);
    assert_eq!(eve.ok("register_instance", json!({ "name": "eve-7" }))["took_over"], true);
    amy.ok("register_instance", json!({ "name": "amy-1" }));
    world.process("here").ok("register_instance", json!({ "name": "bob" }));
}
