//! A claim is a lease with a token: renewed by any call, lost by silence, and never good for two.

use super::*;

const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;

/// Everything a holder can do with a task.
const HOLDERS_STEPS: &[&str] =
    &["complete_task", "fail_task", "block_task", "release_task", "renew_task", "start_task", "update_task"];

/// Bob's claim lapsed, and amy has claimed the task since.
fn a_lost_claim() -> (World, Process, Process, String) {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = bob.push("t", json!({ "lease_secs": 60 }));
    bob.claim().unwrap();
    world.pass_secs(60);
    assert_eq!(amy.claim().as_ref(), Some(&id), "a lapsed task is claimable in the same step");
    (world, amy, bob, id)
}

fn with_token(operation: &str, id: &str, token: u64) -> Value {
    let mut arguments = json!({ "task_id": id, "token": token });
    match operation {
        "fail_task" | "block_task" => arguments["reason"] = json!("r"),
        "update_task" => arguments["title"] = json!("mine"),
        _ => {}
    }
    arguments
}

#[test]
fn a_stale_holder_is_refused_told_who_holds_the_task_and_changes_nothing() {
    let (_world, amy, bob, id) = a_lost_claim();
    let before = amy.ok("get_task", json!({ "task_id": id, "history": true }));
    for operation in HOLDERS_STEPS {
        let with_old_token = bob.refused("stale_claim", operation, with_token(operation, &id, 1));
        let without_token = bob.step(operation, &id).expect_err(operation);
        let with_amys_token = bob.refused("stale_claim", operation, with_token(operation, &id, 2));
        for error in [with_old_token, without_token, with_amys_token] {
            assert_eq!(error.kind.code(), "stale_claim", "{operation}");
            assert!(
                error.message.contains("`amy` (i-amy)") && error.message.contains("token 2"),
                "{operation}: {error:?}"
            );
            assert!(error.hint.is_some(), "{operation}");
        }
        assert_eq!(amy.ok("get_task", json!({ "task_id": id, "history": true })), before, "{operation}");
    }
    amy.steps(&["complete_task"], &id);
}

#[test]
fn an_older_claim_of_the_same_instance_is_stale_too() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    bob.steps(&["claim_task", "release_task", "claim_task"], &id);
    let before = bob.task(&id);
    for operation in HOLDERS_STEPS {
        bob.refused("stale_claim", operation, with_token(operation, &id, 1));
        assert_eq!(bob.task(&id), before, "{operation}");
    }
    bob.ok("complete_task", with_token("complete_task", &id, 2));
}

#[test]
fn a_token_only_rises() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = bob.push("t", json!({ "max_attempts": 100 }));
    let mut last = 0;
    for round in 0..12 {
        let holder = if round % 2 == 0 { &amy } else { &bob };
        let token = holder.ok("claim_task", json!({ "task_id": id }))["token"].as_u64().unwrap();
        assert!(token > last, "{token} after {last}");
        last = token;
        match round % 4 {
            0 => holder.steps(&["release_task"], &id),
            1 => holder.steps(&["block_task", "unblock_task"], &id),
            2 => holder.steps(&["fail_task", "retry_task"], &id),
            _ => world.pass_secs(900),
        }
    }
}

#[test]
fn the_holder_may_leave_the_token_out_and_nobody_else_may_act_with_it() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    for operation in HOLDERS_STEPS {
        let id = bob.push("t", json!({}));
        let token = bob.ok("claim_task", json!({ "task_id": id }))["token"].as_u64().unwrap();
        amy.refused("stale_claim", operation, with_token(operation, &id, token));
        bob.steps(&[operation], &id);
    }
}

#[test]
fn any_call_of_the_holder_renews_its_claims() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({ "lease_secs": 400 }));
    bob.claim().unwrap();
    for (operation, arguments) in [
        ("heartbeat", json!({})),
        ("renew_task", json!({ "task_id": id })),
        ("list_tasks", json!({})),
        ("get_context", json!({ "key": "k" })),
        ("set_context", json!({ "key": "k", "value": 1 })),
        ("poll_messages", json!({})),
        ("wait_for_message", json!({ "timeout_seconds": 0 })),
        ("watch_context", json!({ "timeout_seconds": 0 })),
        ("server_status", json!({})),
    ] {
        world.pass_secs(399);
        bob.ok(operation, arguments);
        world.pass_secs(200);
        assert_eq!(world.joined(operation).claim(), None, "{operation} did not renew the claim");
    }
}

#[test]
fn a_lapse_counts_the_attempt_and_after_the_last_one_the_task_has_failed_with_the_reason() {
    let world = World::new();
    let bob = world.joined("bob");
    let amy = world.joined("amy");
    let id = bob.push("t", json!({ "max_attempts": 3, "lease_secs": 60 }));
    let next = bob.push("next", json!({ "depends_on": [id] }));
    for (attempt, name) in ["cid", "dan", "eve"].into_iter().enumerate() {
        assert_eq!(amy.task(&id)["attempt"], attempt);
        assert_eq!(world.joined(name).claim().as_ref(), Some(&id));
        world.pass_secs(10_000);
    }
    assert_eq!(amy.claim(), None);
    let task = amy.task(&id);
    assert_eq!((&task["status"], &task["attempt"]), (&json!("failed"), &json!(3)));
    let reason = text(&task["reason"]);
    assert!(reason.contains("lapsed") && reason.contains("3 of 3") && reason.contains("i-eve"), "{reason}");
    assert_eq!(amy.task(&next)["waiting_for"], json!([{ "id": id, "status": "failed" }]));
    let kinds = each(&amy.ok("list_events", json!({ "kind": "task.lapsed", "subject": id }))["events"], "kind");
    assert_eq!(kinds.len(), 3);
}

/// Nobody took the task meanwhile, so its work is not lost.
#[test]
fn whoever_comes_back_before_anybody_else_claimed_goes_on() {
    for step in HOLDERS_STEPS {
        let world = World::new();
        let bob = world.joined("bob");
        let id = bob.push("t", json!({}));
        bob.claim().unwrap();
        world.pass_secs(100_000);
        bob.steps(&[step], &id);
    }
}

#[test]
fn a_jump_of_the_wall_clock_neither_grants_a_task_twice_nor_strands_it() {
    for jump in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS] {
        let world = World::new();
        let (amy, bob) = (world.joined("amy"), world.joined("bob"));
        let id = bob.push("t", json!({}));
        bob.claim().unwrap();
        world.jump_wall_secs(jump);
        assert_eq!(amy.claim(), None, "{jump} s: granted twice");
        world.pass_secs(899);
        assert_eq!(amy.claim(), None, "{jump} s: granted early");
        world.pass_secs(1);
        assert_eq!(amy.claim(), Some(id), "{jump} s: stranded");
    }
}

/// The wall clock runs on while the machine sleeps; nobody who sleeps can renew anything.
#[test]
fn a_machine_that_slept_takes_no_claim_from_anybody() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = bob.push("t", json!({}));
    bob.claim().unwrap();
    world.jump_wall_secs(8 * HOUR);
    assert_eq!(amy.claim(), None);
    bob.steps(&["complete_task"], &id);
}

fn reboot(world: &World) {
    world.host.set(|host| {
        host.boot.push('+');
        host.awake_ms = 3_000;
        host.wall_ms += 60_000;
    });
}

#[test]
fn a_restart_of_the_machine_neither_takes_a_claim_nor_strands_it() {
    let world = World::new();
    let bob = world.joined("bob");
    let id = bob.push("t", json!({}));
    bob.claim().unwrap();
    drop(bob);
    world.pass_secs(500);
    reboot(&world);
    let amy = world.joined("amy");
    assert_eq!(amy.claim(), None);
    world.pass_secs(899);
    assert_eq!(amy.claim(), None);
    world.pass_secs(1);
    assert_eq!(amy.claim(), Some(id));
}

#[test]
fn a_lease_that_its_holder_changed_counts_from_then_and_moves_nobody_elses() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let amys = amy.push("amy's", json!({}));
    amy.claim().unwrap();
    let bobs = bob.push("bob's", json!({ "lease_secs": 24 * HOUR }));
    bob.claim().unwrap();
    bob.ok("update_task", json!({ "task_id": bobs, "lease_secs": 60 }));
    drop((amy, bob));
    reboot(&world);
    let zoe = world.joined("zoe");
    assert_eq!(zoe.claim(), None, "amy's claim was taken early");
    world.pass_secs(60);
    assert_eq!(zoe.claim(), Some(bobs), "the shorter lease is over");
    world.pass_secs(840);
    assert_eq!(zoe.claim(), Some(amys));
}

#[test]
fn a_claim_from_a_shell_lives_on_after_its_process() {
    let world = World::new();
    let shell = || {
        let mut shell = world.process("");
        shell.caller.from_environment = Some("bob".to_owned());
        shell
    };
    shell().ok("register_instance", json!({ "name": "bob" }));
    let id = shell().push("t", json!({}));
    shell().claim().unwrap();
    assert_eq!(world.joined("amy").claim(), None);
    shell().steps(&["start_task"], &id);
    shell().steps(&["complete_task"], &id);
}

#[test]
fn a_claim_may_ask_for_a_lease_of_its_own() {
    let world = World::new();
    let bob = world.joined("bob");
    bob.push("t", json!({}));
    let claim = bob.ok("claim_task", json!({ "lease_secs": 30 }));
    assert_eq!(claim["task"]["lease_until"], world.host.wall().plus_millis(30_000).to_string());
    bob.refused("invalid", "claim_task", json!({ "lease_secs": 0 }));
}

/// Who starts a task renews its claim, and is present as long as that lasts.
#[test]
fn who_has_started_a_task_is_present_as_long_as_its_claim() {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let id = bob.push("t", json!({ "lease_secs": 900 }));
    bob.claim().unwrap();
    world.pass_secs(74);
    bob.steps(&["start_task"], &id);
    world.pass_secs(899);
    assert_eq!(amy.claim(), None, "the claim is good");
    let bob = amy.ok("get_instance", json!({ "instance": "bob" }));
    assert_ne!(bob["instance"]["status"], "offline");
}
