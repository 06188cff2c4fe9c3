//! Resources that are no files, and tasks that want something to themselves: one holder at a time, and nobody waits for nothing.

use super::wait::woken_by;
use super::*;

fn push_wanting(who: &Process, title: &str, reserves: &[&str]) -> String {
    who.push(title, json!({ "reserves": reserves }))
}

fn claim(who: &Process) -> String {
    who.ok("claim_task", json!({}))["task"]["title"].as_str().unwrap_or("nothing").to_owned()
}

/// Each with the task that it came with.
fn kept(observer: &Process) -> Vec<(String, bool)> {
    let told = observer.ok("list_reservations", json!({}));
    let each = told["reservations"].as_array().unwrap().iter();
    each.map(|one| (one["pattern"].as_str().unwrap().to_owned(), one["task"].is_string())).collect()
}

#[test]
fn a_resource_is_kept_by_its_name_wherever_somebody_works() {
    let world = World::new();
    let (amy, mut bob) = (world.joined("amy"), world.joined("bob"));
    bob.caller.work_dir = Some("/trees/bob".to_owned());
    amy.ok("reserve_files", json!({ "patterns": ["@staging-db"] }));
    let error = bob.refused("conflict", "reserve_files", json!({ "patterns": ["@staging-db"] }));
    assert!(error.message.contains("`@staging-db` is reserved by amy for another 60 minutes"), "{error}");
    bob.ok("reserve_files", json!({ "patterns": ["@staging-db2", "**"] }));
    bob.ok("reserve_files", json!({ "patterns": ["./@types"] }));
    assert_eq!(kept(&bob).last().unwrap().0, "/trees/bob/@types", "outside of a worktree it has its whole path");
    bob.caller.worktree = Some("/trees/bob".to_owned());
    bob.ok("reserve_files", json!({ "patterns": ["./@types"] }));
    assert_eq!(kept(&bob).last().unwrap().0, "@types/**", "a folder, and no resource");
    amy.ok("release_files", json!({ "patterns": ["@staging-db"] }));
    bob.ok("reserve_files", json!({ "patterns": ["@staging-db"] }));
}

#[test]
fn whoever_claims_has_what_the_task_wants_and_others_pass_it_over() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let first = push_wanting(&amy, "first", &["@db", "@db", "@api:tests"]);
    let second = push_wanting(&amy, "second", &["@db"]);
    amy.push("third", json!({ "priority": "low" }));
    assert_eq!(claim(&amy), "first");
    assert_eq!(amy.ok("get_task", json!({ "task_id": first }))["task"]["reserves"], json!(["@api:tests", "@db"]));
    assert_eq!(kept(&bob), [("@api:tests".to_owned(), true), ("@db".to_owned(), true)]);
    bob.refused("conflict", "reserve_files", json!({ "patterns": ["@db"] }));
    assert_eq!(claim(&bob), "third");
    let error = bob.refused("conflict", "claim_task", json!({ "task_id": second, "force": true }));
    for part in [&second, &first, "`@db`", "amy"] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    let nothing = bob.ok("claim_task", json!({ "instance_id": "bob" }));
    assert_eq!(
        (&nothing["waiting"]["behind_reserved"], &nothing["waiting"]["ready_for_others"]),
        (&json!(1), &json!(0))
    );
    amy.refused("conflict", "claim_task", json!({ "task_id": second }));
    let error = amy.refused("refused", "release_files", json!({ "patterns": ["@db"] }));
    assert!(error.message.contains(&first), "{error}");
    assert_eq!(amy.ok("release_files", json!({}))["count"], 0);
    amy.ok("complete_task", json!({ "task_id": first }));
    assert_eq!(kept(&bob), []);
    assert_eq!(claim(&bob), "second");
}

#[test]
fn what_came_with_a_claim_goes_with_it_however_that_ends() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for end in
        ["complete_task", "fail_task", "release_task", "block_task", "cancel_task", "unregister_instance", "lapse"]
    {
        let id = push_wanting(&amy, "t", &["@db"]);
        amy.ok("claim_task", json!({ "task_id": id, "lease_secs": 60 }));
        amy.ok("start_task", json!({ "task_id": id }));
        world.pass_secs(50);
        amy.ok("renew_task", json!({ "task_id": id }));
        world.pass_secs(50);
        bob.refused("conflict", "reserve_files", json!({ "patterns": ["@db"] }));
        match end {
            "lapse" => world.pass_secs(20),
            "unregister_instance" => drop(amy.ok(end, json!({}))),
            "fail_task" | "block_task" => drop(amy.ok(end, json!({ "task_id": id, "reason": "r" }))),
            _ => drop(amy.ok(end, json!({ "task_id": id }))),
        }
        bob.ok("reserve_files", json!({ "patterns": ["@db"] }));
        let stale = amy.call("renew_task", json!({ "task_id": id }));
        assert!(stale.is_err(), "{end}: whoever comes back late has lost it: {stale:?}");
        bob.ok("release_files", json!({}));
        amy.ok("register_instance", json!({ "name": "amy" }));
        drop(amy.call("cancel_task", json!({ "task_id": id })));
    }
}

#[test]
fn a_task_may_want_files_and_ones_own_hands_are_no_obstacle() {
    let world = World::new();
    let (mut amy, mut bob) = (world.joined("amy"), world.joined("bob"));
    for (process, name) in [(&mut amy, "amy"), (&mut bob, "bob")] {
        process.caller.worktree = Some(format!("/trees/{name}"));
        process.caller.work_dir = Some(format!("/trees/{name}/src"));
    }
    push_wanting(&amy, "parser", &["parser/**"]);
    bob.ok("reserve_files", json!({ "patterns": ["/trees/bob/src/parser/lexer.rs"] }));
    assert_eq!(claim(&amy), "nothing");
    assert_eq!(claim(&bob), "parser");
    assert_eq!(kept(&amy), [("src/parser/lexer.rs".to_owned(), false), ("src/parser/**".to_owned(), true)]);
    amy.refused("conflict", "reserve_files", json!({ "patterns": ["parser/ast.rs"] }));
}

#[test]
fn who_keeps_what_a_ready_task_wants_is_told_to_whoever_looks() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let shown = |name: &str, arguments: Value| bob.reply(name, arguments).unwrap().text();
    let id = push_wanting(&bob, "t", &["@db"]);
    assert!(shown("get_task", json!({ "task_id": id })).contains("\n  reserves: @db\n"));
    assert_eq!(bob.ok("list_tasks", json!({}))["tasks"][0]["behind"], Value::Null);
    amy.ok("reserve_files", json!({ "patterns": ["@db"] }));
    let behind = &bob.ok("list_tasks", json!({}))["tasks"][0]["behind"];
    assert_eq!(behind, &json!({ "pattern": "@db", "holder_name": "amy" }));
    let told = "waits for `@db`, which amy has";
    for (name, arguments) in [("list_tasks", json!({})), ("get_task", json!({ "task_id": id }))] {
        let text = shown(name, arguments);
        assert!(text.contains(told), "{name}: {text}");
    }
    assert!(shown("server_status", json!({})).contains("1 ready and waiting for what somebody has reserved"));
    amy.ok("release_files", json!({}));
    assert!(!shown("list_tasks", json!({})).contains(told));
}

#[test]
fn what_a_task_wants_changes_only_while_nobody_holds_it() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = push_wanting(&amy, "t", &["@db"]);
    bob.ok("reserve_files", json!({ "patterns": ["@db"] }));
    assert_eq!(claim(&amy), "nothing");
    amy.ok("update_task", json!({ "task_id": id, "reserves": ["@gpu"] }));
    assert_eq!(claim(&amy), "t");
    amy.ok("update_task", json!({ "task_id": id, "reserves": ["@gpu"], "title": "u" }));
    let error = amy.refused("conflict", "update_task", json!({ "task_id": id, "reserves": [] }));
    assert!(error.message.contains("only while nobody holds it"), "{error}");
    amy.ok("release_task", json!({ "task_id": id }));
    amy.ok("update_task", json!({ "task_id": id, "reserves": [] }));
    amy.ok("reserve_files", json!({ "patterns": ["@gpu"] }));
    assert_eq!(claim(&bob), "u");
    for wrong in [json!([""]), json!(["x".repeat(513)]), json!((0..21).map(|n| format!("@{n}")).collect::<Vec<_>>())] {
        amy.refused("invalid", "push_task", json!({ "title": "t", "reserves": wrong }));
    }
    let error = amy.refused("refused", "push_task", json!({ "title": "t", "reserves": ["@"] }));
    assert!(error.hint.unwrap().contains("`@staging-db`"), "the beginning of a name is none");
}

#[test]
fn plans_and_jobs_carry_what_their_tasks_want() {
    let world = World::new();
    let amy = world.joined("amy");
    amy.ok("push_tasks", json!({ "tasks": [{ "title": "a", "ref": "a", "reserves": ["@db"] }, { "title": "b", "depends_on": ["a"], "reserves": ["@db"] }] }));
    let job = amy.ok("create_job", json!({ "goal": "g" }))["job"]["id"].clone();
    amy.ok("add_subtask", json!({ "job_id": job, "prompt": "c", "reserves": ["@db"], "priority": 1 }));
    for title in ["a", "b", "c"] {
        let task = amy.ok("claim_task", json!({}))["task"].clone();
        assert_eq!((&task["title"], &task["reserves"]), (&json!(title), &json!(["@db"])));
        assert_eq!(claim(&world.joined("other")), "nothing");
        amy.ok("complete_task", json!({ "task_id": task["id"] }));
    }
}

#[test]
fn whoever_waits_for_work_is_woken_when_it_is_free() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let first = push_wanting(&amy, "first", &["@db"]);
    push_wanting(&amy, "second", &["@db"]);
    amy.ok("claim_task", json!({ "task_id": first }));
    let wait = json!({ "timeout_seconds": 120 });
    let news =
        woken_by(&bob, "wait_for_task", wait.clone(), || drop(amy.ok("complete_task", json!({ "task_id": first }))));
    assert_eq!(news["ready"], true);
    amy.ok("reserve_files", json!({ "patterns": ["@db"] }));
    let news = woken_by(&bob, "wait_for_task", wait.clone(), || drop(amy.ok("release_files", json!({}))));
    assert_eq!(news["ready"], true);
    amy.ok("reserve_files", json!({ "patterns": ["@db"], "lease_secs": 30 }));
    let nothing = bob.ok("claim_task", json!({}));
    assert!(
        nothing["waiting"]["next_at"].is_string(),
        "it is told when a lease ends that nobody hands back: {nothing}"
    );
    assert_eq!(world.process("nobody").ok("wait_for_task", json!({ "timeout_seconds": 0 }))["ready"], false);
    world.pass_secs(30);
    assert_eq!(bob.ok("wait_for_task", json!({ "timeout_seconds": 0 }))["ready"], true);
    assert_eq!(claim(&bob), "second");
}

/// It wants two things, and others who want one of them come again and again, so that both are never free at once.
fn starving(world: &World, fillers: usize) -> (Process, Process, [String; 2]) {
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let both = push_wanting(&amy, "both", &["@left", "@right"]);
    let left = push_wanting(&amy, "left", &["@left"]);
    // What others wait for goes first, of what is equally urgent.
    for _ in 0..5 {
        let right = push_wanting(&amy, "right", &["@right"]);
        amy.push("after", json!({ "role": "nobody", "depends_on": [right] }));
    }
    // So many different wishes that not each is looked at.
    for filler in 0..fillers {
        amy.ok("push_task", json!({ "title": "filler", "priority": "low", "reserves": [format!("@filler-{filler}")] }));
    }
    amy.ok("claim_task", json!({ "task_id": left }));
    (amy, bob, [both, left])
}

fn done(who: &Process, claimed: &Value) {
    who.ok("complete_task", json!({ "task_id": claimed["task"]["id"] }));
}

#[test]
fn whoever_wants_several_things_does_not_starve() {
    for fillers in [0, 70] {
        let world = World::new();
        let (amy, bob, [both, left]) = starving(&world, fillers);
        let first = bob.ok("claim_task", json!({}));
        assert_eq!(first["task"]["title"], "right", "at first nobody waits");
        done(&bob, &first);
        world.pass_secs(14 * 60);
        for who in [&amy, &bob] {
            who.ok("heartbeat", json!({}));
        }
        let second = bob.ok("claim_task", json!({}));
        assert_eq!(second["task"]["title"], "right");
        done(&bob, &second);
        world.pass_secs(60);
        amy.ok("heartbeat", json!({}));
        let third = bob.ok("claim_task", json!({}));
        match fillers {
            0 => assert_eq!((&third["claimed"], &third["waiting"]["behind_reserved"]), (&json!(false), &json!(4))),
            _ => assert!(third["task"]["title"].as_str().unwrap().starts_with("filler"), "{third}"),
        }
        let why = third["why"].as_str().unwrap();
        assert!(why.contains(&format!("as `@right` is kept free for {both}, which has waited long")), "{why}");
        amy.ok("complete_task", json!({ "task_id": left }));
        assert_eq!(claim(&bob), "both");
    }
}

/// What a queue gives first is not always what has waited longest in it, and neither waits for the other.
#[test]
fn those_who_want_the_same_never_wait_for_each_other() {
    let twice = |patterns: &[&str], change: &dyn Fn(&Process, &[String; 2])| {
        let world = World::new();
        let amy = world.joined("amy");
        let ids = ["one", "two"].map(|title| push_wanting(&amy, title, patterns));
        world.pass_secs(10 * 60);
        change(&amy, &ids);
        world.pass_secs(6 * 60);
        for round in 0..40 {
            let claimed = amy.ok("claim_task", json!({}));
            if claimed["claimed"] == true {
                done(&amy, &claimed);
            } else if amy.ok("list_tasks", json!({ "status": "open" }))["total"] == 0 {
                return;
            }
            assert!(round < 39, "{patterns:?}: {claimed}");
            world.pass_secs(60);
        }
    };
    for patterns in [&["@a", "@b"][..], &["/src/**"]] {
        twice(patterns, &|amy, [one, _]| drop(amy.ok("update_task", json!({ "task_id": one, "labels": ["x"] }))));
        twice(patterns, &|amy, [one, _]| amy.steps(&["claim_task", "release_task"], one));
        twice(patterns, &|amy, [_, two]| drop(amy.push("after", json!({ "depends_on": [two] }))));
    }
}

/// Others wait for it in each second quarter of an hour only: what it waits for may last for a day.
#[test]
fn nobody_waits_for_ever_for_what_waits_for_others() {
    let world = World::new();
    let (amy, bob, _) = starving(&world, 0);
    let mut taken = Vec::new();
    for minute in 0..60 {
        amy.ok("heartbeat", json!({}));
        let claimed = bob.ok("claim_task", json!({}));
        if claimed["claimed"] == true {
            taken.push(minute / 15);
            bob.ok("release_task", json!({ "task_id": claimed["task"]["id"] }));
        }
        world.pass_secs(60);
    }
    taken.dedup();
    assert_eq!(taken, [0, 2]);
}

#[test]
fn what_became_ready_just_now_has_not_waited_long() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let before = amy.push("before", json!({ "priority": "high" }));
    amy.push("both", json!({ "reserves": ["@left", "@right"], "depends_on": [before] }));
    let right = push_wanting(&amy, "right", &["@right"]);
    amy.push("after", json!({ "depends_on": [right] }));
    world.pass_secs(60 * 60);
    assert_eq!(claim(&bob), "before");
    bob.ok("complete_task", json!({ "task_id": before }));
    assert_eq!(claim(&bob), "right", "more waits for it, and the other has only just begun to wait");
}

#[test]
fn nobody_waits_for_what_is_less_urgent_or_cannot_be_done_anyhow() {
    let world = World::new();
    let (amy, bob, [both, _]) = starving(&world, 0);
    world.pass_secs(15 * 60 - 1);
    amy.ok("heartbeat", json!({}));
    world.pass_secs(1);
    let waits = || bob.ok("claim_task", json!({ "dry_run": true }))["task"]["title"] == Value::Null;
    assert!(waits());
    assert_eq!(world.process("nobody").ok("wait_for_task", json!({ "timeout_seconds": 0 }))["ready"], false);
    // What is urgent goes before it.
    let urgent = bob.push("urgent", json!({ "priority": "high", "reserves": ["@right"] }));
    assert_eq!(claim(&bob), "urgent");
    bob.ok("complete_task", json!({ "task_id": urgent }));
    assert!(waits());
    push_wanting(&bob, "beside", &["@third"]);
    assert_eq!(claim(&world.joined("cat")), "beside", "that is none of what it wants");
    // Whoever waited for it goes on when it is over.
    let news = woken_by(&bob, "wait_for_task", json!({ "timeout_seconds": 120 }), || {
        drop(amy.ok("cancel_task", json!({ "task_id": both })))
    });
    assert_eq!(news["ready"], true);
    assert_eq!(claim(&bob), "right");
}

#[test]
fn nobody_waits_for_a_task_that_waits_for_a_person_or_for_somebody_who_is_not_there() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let both = amy.push("both", json!({ "role": "absent", "reserves": ["@left", "@right"] }));
    let left = push_wanting(&amy, "left", &["@left"]);
    let right = push_wanting(&amy, "right", &["@right"]);
    assert_eq!(claim(&amy), "left");
    world.pass_secs(15 * 60 - 1);
    amy.ok("heartbeat", json!({}));
    world.pass_secs(1);
    assert_eq!(claim(&bob), "right", "nobody of its role is there");
    bob.ok("release_task", json!({ "task_id": right }));
    let ann = world.joined("ann");
    amy.ok("update_task", json!({ "task_id": both, "role": "" }));
    amy.ok("release_task", json!({ "task_id": left }));
    ann.ok("reserve_files", json!({ "patterns": ["@left"], "lease_secs": 86_400 }));
    world.pass_secs(15 * 60 - 1);
    ann.ok("heartbeat", json!({}));
    world.pass_secs(1);
    assert_eq!(claim(&bob), "right", "what a person keeps may take a day");
}

#[test]
fn nobody_keeps_so_much_that_others_can_claim_nothing() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let names = |from: usize| (from..from + 50).map(|number| format!("@{number}")).collect::<Vec<String>>();
    for from in [0, 50, 100, 150] {
        amy.ok("reserve_files", json!({ "patterns": names(from) }));
    }
    let error = amy.refused("refused", "reserve_files", json!({ "patterns": ["@one-more"] }));
    assert!(error.message.contains("more than 200"), "{error:?}");
    amy.ok("reserve_files", json!({ "patterns": names(0) }));
    bob.ok("push_task", json!({ "title": "plain" }));
    assert_eq!(bob.ok("claim_task", json!({}))["claimed"], true);
}
