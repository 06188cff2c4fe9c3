//! Claims: one atomic step, in a known order, and never what is meant for somebody else.

use super::*;

#[test]
fn a_claim_goes_to_what_is_mine_then_my_roles_then_the_rest_by_priority_and_age() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined_as("bob", "builder");
    let tasks = [
        ("rest, low", json!({ "priority": "low" })),
        ("other link", json!({ "priority": "high", "link": "review" })),
        ("rest, critical", json!({ "priority": "critical" })),
        ("my link", json!({ "priority": "medium", "link": "build" })),
        ("my role, low", json!({ "priority": "low", "role": "builder" })),
        ("my role", json!({ "role": "BUILDER" })),
        ("mine, low", json!({ "priority": "low", "assignee": "bob" })),
        ("mine", json!({ "assignee": "bob", "role": "tester" })),
        ("my role, older", json!({ "role": "builder", "priority": "high" })),
        ("my role, younger", json!({ "role": "builder", "priority": "high" })),
        ("amy's", json!({ "assignee": "amy", "priority": "critical" })),
        ("testers'", json!({ "role": "tester", "priority": "critical" })),
        ("a name's", json!({ "assignee": "@zoe", "priority": "critical" })),
        ("not due", json!({ "assignee": "bob", "not_before": "2999-01-01T00:00:00Z" })),
    ];
    for (title, fields) in tasks {
        amy.push(title, fields);
    }
    let mut order = Vec::new();
    while let Some(id) = bob.claim() {
        order.push(text(&bob.task(&id)["title"]));
    }
    assert_eq!(
        order,
        [
            "mine",
            "mine, low",
            "my role, older",
            "my role, younger",
            "my link",
            "my role",
            "my role, low",
            "rest, critical",
            "other link",
            "rest, low",
        ]
    );
}

#[test]
fn what_is_meant_for_others_is_never_handed_out_unless_asked_for_by_id_with_force() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined_as("bob", "builder");
    for fields in [
        json!({ "assignee": "amy" }),
        json!({ "role": "tester" }),
        json!({ "assignee": "@zoe" }),
        json!({ "assignee": "amy", "role": "builder" }),
    ] {
        let id = amy.push("t", fields.clone());
        assert_eq!(bob.claim(), None, "{fields}");
        bob.ok("claim_task", json!({ "force": true }));
        assert_eq!(amy.task(&id)["status"], "pending", "force alone takes nothing: {fields}");
        let error = bob.refused("conflict", "claim_task", json!({ "task_id": id }));
        assert!(error.message.contains("meant for") && error.hint.unwrap().contains("force"), "{fields}");
        let claim = bob.ok("claim_task", json!({ "task_id": id, "force": true }));
        assert_eq!(claim["claimed"], true, "{fields}");
        bob.steps(&["cancel_task"], &id);
    }
}

#[test]
fn force_takes_neither_what_is_held_nor_what_is_not_ready() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let held = amy.push("held", json!({}));
    amy.claim().unwrap();
    let waiting = amy.push("waiting", json!({ "depends_on": [held] }));
    let not_due = amy.push("not due", json!({ "not_before": "2999-01-01T00:00:00Z" }));
    for (id, says) in [(&held, "claimed by `amy` (i-amy)"), (&waiting, "waits for"), (&not_due, "2999")] {
        for force in [true, false] {
            let error = bob.refused("conflict", "claim_task", json!({ "task_id": id, "force": force }));
            assert!(error.message.contains(says) && error.hint.is_some(), "{error:?}");
        }
    }
}

#[test]
fn a_refusal_calls_people_by_their_names() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let says = |code: &str, operation: &str, id: &str, expected: &str| {
        let error = bob.refused(code, operation, json!({ "task_id": id }));
        assert!(error.message.contains(expected), "{operation}: {error:?}");
        error.hint.unwrap()
    };
    let id = amy.push("t", json!({ "assignee": "amy" }));
    says("conflict", "claim_task", &id, "is meant for `amy` (i-amy)");
    says("stale_claim", "start_task", &id, "it is pending and nobody holds it");
    amy.claim().unwrap();
    let hint = says("conflict", "claim_task", &id, "is claimed by `amy` (i-amy) until ");
    assert!(hint.contains("`send_message` to `@amy`"), "{hint}");
    for operation in ["start_task", "renew_task", "complete_task", "release_task"] {
        says("stale_claim", operation, &id, "not yours: `amy` (i-amy) holds it until ");
    }
    amy.steps(&["complete_task"], &id);
    says("stale_claim", "complete_task", &id, "it is completed, last held by `amy` (i-amy) with token 1");

    let nameless = amy.push("t", json!({ "assignee": "@zoe" }));
    says("conflict", "claim_task", &nameless, "is meant for `@zoe`");
    let for_testers = amy.push("t", json!({ "role": "tester" }));
    says("conflict", "claim_task", &for_testers, "is meant for the role `tester`");
    let same = world.process("eve");
    same.ok("register_instance", json!({ "name": "eve", "instance_id": "eve" }));
    let id = amy.push("t", json!({ "assignee": "eve" }));
    says("conflict", "claim_task", &id, "is meant for `eve`");
}

#[test]
fn nothing_ready_says_how_many_wait_and_for_what() {
    let world = World::new();
    let amy = world.joined("amy");
    let bob = world.joined("bob");
    let none = bob.reply("claim_task", json!({})).unwrap();
    assert_eq!(none.outcome, orch_mcp::ops::Outcome::NothingReady, "which is not an error");
    amy.push("for amy", json!({ "assignee": "amy" }));
    amy.push("for testers", json!({ "role": "tester" }));
    let held = amy.push("held", json!({ "lease_secs": 600 }));
    amy.steps(&["claim_task", "start_task"], &held);
    amy.push("waits", json!({ "depends_on": [held] }));
    amy.push("not due", json!({ "not_before": "2999-01-01T00:00:00Z" }));
    let failed = amy.push("fails", json!({}));
    amy.push("stuck", json!({ "depends_on": [failed] }));
    amy.steps(&["claim_task", "fail_task"], &failed);
    let blocked = amy.push("blocked", json!({}));
    amy.steps(&["claim_task", "block_task"], &blocked);
    let claim = bob.ok("claim_task", json!({}));
    assert_eq!(claim["claimed"], false);
    let waiting = &claim["waiting"];
    for (what, count) in [("ready_for_others", 2), ("waiting", 3), ("stuck", 1), ("claimed", 1), ("blocked", 1)] {
        assert_eq!(waiting[what], count, "{what}: {waiting}");
    }
    let lapses = world.host.wall().plus_millis(600_000).to_string();
    assert_eq!(waiting["next_at"], lapses, "when it is worth asking again");
}

#[test]
fn a_task_that_fell_due_is_handed_out_in_the_same_step() {
    let world = World::new();
    let bob = world.joined("bob");
    let due = world.host.wall().plus_millis(60_000).to_string();
    let id = bob.push("t", json!({ "not_before": due }));
    world.pass_secs(59);
    assert_eq!(bob.claim(), None);
    world.pass_secs(1);
    assert_eq!(bob.claim(), Some(id));
}

/// The first answer may have been lost on its way.
#[test]
fn asking_again_for_what_one_holds_gives_the_same_claim() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    let first = bob.ok("claim_task", json!({ "task_id": id }));
    bob.steps(&["start_task"], &id);
    let again = bob.ok("claim_task", json!({ "task_id": id }));
    assert_eq!(
        (&again["claimed"], &again["token"], &again["task"]["attempt"]),
        (&json!(true), &first["token"], &json!(1))
    );
    assert_eq!(again["task"]["status"], "in_progress");
}

#[test]
fn a_claim_says_what_else_one_holds() {
    let world = World::new();
    let bob = world.joined("bob");
    let ids = [bob.push("a", json!({})), bob.push("b", json!({}))];
    assert_eq!(bob.ok("claim_task", json!({}))["also_holding"], Value::Null);
    assert_eq!(bob.ok("claim_task", json!({}))["also_holding"], json!([ids[0]]));
}

#[test]
fn a_task_pushed_for_a_name_waits_for_whoever_bears_it() {
    let world = World::new();
    let amy = world.joined("amy");
    let pushed = amy.ok("push_task", json!({ "title": "t", "assignee": "zoe" }));
    assert_eq!(pushed["task"]["assignee"], "@zoe");
    assert!(text(&pushed["note"]).contains("zoe"));
    assert_eq!(amy.claim(), None);
    let zoe = world.joined("zoe");
    assert_eq!(zoe.claim(), pushed["task"]["id"].as_str().map(str::to_owned));
}

#[test]
fn of_many_that_claim_at_once_each_gets_a_task_of_its_own() {
    const CLAIMERS: usize = 8;
    const TASKS: usize = 40;
    let world = World::new();
    let tasks: Vec<Value> = (0..TASKS).map(|number| json!({ "title": number.to_string() })).collect();
    world.nobody().ok("push_tasks", json!({ "tasks": tasks }));
    let claimers: Vec<Process> = (0..CLAIMERS).map(|number| world.joined(&number.to_string())).collect();
    let mut taken: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = claimers
            .iter()
            .map(|claimer| scope.spawn(|| std::iter::from_fn(|| claimer.claim()).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    taken.sort();
    let count = taken.len();
    taken.dedup();
    assert_eq!((count, taken.len()), (TASKS, TASKS), "none twice, none left");
}

#[test]
fn a_claim_says_why_this_one_and_what_it_passed_over() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined_as("bob", "builder"));
    let why = |who: &Process, arguments: Value| who.ok("claim_task", arguments)["why"].clone();
    amy.push("plain", json!({}));
    assert_eq!(why(&bob, json!({})), json!(null), "there is nothing to say of it");
    // The one for which most waits goes first, and says so.
    amy.push("older", json!({}));
    amy.ok(
        "push_tasks",
        json!({ "tasks": [
            { "title": "root", "ref": "root" }, { "title": "a", "ref": "a", "depends_on": ["root"] },
            { "title": "b", "depends_on": ["root"] }, { "title": "c", "depends_on": ["a", "root"] },
        ] }),
    );
    let would = bob.ok("claim_task", json!({ "dry_run": true }));
    assert_eq!((&would["claimed"], &would["task"]["title"]), (&json!(false), &json!("root")));
    assert_eq!((&would["why"], &would["token"]), (&json!("a chain of 2 waits for it; frees 2 at once"), &json!(null)));
    assert_eq!(bob.ok("claim_task", json!({}))["why"], would["why"]);
    assert_eq!(bob.ok("claim_task", json!({}))["task"]["title"], "older");
    amy.push("mine", json!({ "assignee": "@bob" }));
    assert_eq!(why(&bob, json!({})), "meant for you");
    let held: Vec<String> =
        (0..5).map(|_| amy.push("held", json!({ "reserves": ["@db"], "priority": "high" }))).collect();
    let other = amy.push("other", json!({ "reserves": ["@gpu"], "role": "builder", "priority": "low" }));
    amy.ok("reserve_files", json!({ "patterns": ["@db", "@gpu"] }));
    amy.push("ready", json!({ "role": "builder" }));
    let passed = format!("passed over {}, as amy has `@db`", held[0]);
    assert_eq!(why(&bob, json!({})), "for builder", "what would come later is not passed over");
    let nothing = bob.ok("claim_task", json!({}));
    assert_eq!(nothing["why"], format!("passed over {other}, as amy has `@gpu`; {passed}"));
    amy.push("last", json!({ "priority": "low" }));
    assert_eq!(why(&bob, json!({})), format!("passed over {other}, as amy has `@gpu`; {passed}"));
    assert_eq!(bob.ok("claim_task", json!({ "task_id": bob.push("t", json!({})) }))["why"], json!(null));
}

#[test]
fn a_dry_run_says_what_a_claim_would_say_and_keeps_nothing() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let [db, waits, theirs, held, done] = [
        ("db", json!({ "reserves": ["@db"] })),
        ("waits", json!({ "not_before": "2100-01-01T00:00:00Z" })),
        ("theirs", json!({ "role": "builder" })),
        ("held", json!({})),
        ("done", json!({})),
    ]
    .map(|(title, fields)| amy.push(title, fields));
    amy.ok("claim_task", json!({ "task_id": held }));
    amy.ok("claim_task", json!({ "task_id": done }));
    amy.ok("complete_task", json!({ "task_id": done }));
    let dry = |id: &String| json!({ "task_id": id, "dry_run": true });
    assert_eq!(bob.ok("claim_task", dry(&db))["task"]["title"], "db");
    assert_eq!(bob.ok("list_reservations", json!({}))["reservations"], json!([]), "nothing is kept of it");
    amy.ok("reserve_files", json!({ "patterns": ["@db"] }));
    for id in [&db, &waits, &theirs, &held, &done] {
        let would = bob.refused("conflict", "claim_task", dry(id));
        let does = bob.refused("conflict", "claim_task", json!({ "task_id": id }));
        assert_eq!((would.message, would.hint), (does.message, does.hint), "{id}");
    }
    let forced = json!({ "task_id": theirs, "dry_run": true, "force": true });
    assert_eq!(bob.ok("claim_task", forced)["claimed"], false);
    assert_eq!(amy.ok("claim_task", dry(&held))["task"]["title"], "held", "one's own is given again");
}

#[test]
fn a_dry_run_says_that_the_order_of_the_queue_decided_and_a_claim_spends_no_word_on_it() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for (title, priority, why) in
        [("low", "low", "the first by priority and age"), ("a", "high", "by priority"), ("b", "high", "the oldest")]
    {
        amy.push(title, json!({ "priority": priority }));
        assert_eq!(bob.ok("claim_task", json!({ "dry_run": true }))["why"], why);
    }
    assert_eq!(bob.ok("claim_task", json!({}))["why"], json!(null));
}
