//! What `doctor` asks and mends: claims and sessions that nobody stands behind, and clocks that do not fit.

use super::*;
use orch_mcp::ops::caller::Client;

/// A session of a client under a name, as its hook makes it known.
fn session(world: &World, client: &str, name: &str) -> Process {
    let mut hook = world.process(&format!("hook of {client}"));
    hook.caller.client = Some(Client { process: client.to_owned(), inbox: None });
    hook.caller.session = Some(format!("session of {client}"));
    hook.caller.hook = Some("SessionStart".to_owned());
    hook.ok("join_session", json!({ "source": "startup", "name": name }));
    hook
}

fn dies(world: &World, client: &str) {
    world.host.set(|host| host.dead.insert(client.to_owned()));
}

fn examined(world: &World) -> Value {
    world.nobody().ok("examine_team", json!({}))
}

fn tidied(world: &World) -> Value {
    world.nobody().ok("tidy_team", json!({ "grace_secs": 60 }))
}

#[test]
fn where_all_is_well_there_is_nothing_to_tell_and_nothing_to_do() {
    let world = World::new();
    let found = examined(&world);
    assert_eq!((&found["lapsed"], &found["lost"], &found["newest"]), (&json!([]), &json!([]), &Value::Null));
    assert!(!world.place().exists(), "looking makes nothing");
    session(&world, "7", "amy");
    let found = examined(&world);
    assert_eq!(
        (&found["lost"], &found["wall_behind_ms"], &found["leases_behind_ms"]),
        (&json!([]), &json!(0), &json!(0))
    );
    assert_eq!(tidied(&world), json!({ "freed": [], "ended": [] }));
}

#[test]
fn the_session_that_showed_life_last_tells_which_hooks_spoke() {
    let world = World::new();
    session(&world, "7", "amy");
    world.pass_secs(1);
    session(&world, "8", "bob");
    assert_eq!(examined(&world)["newest"], json!({ "name": "bob", "activity": "idle", "hooks": ["SessionStart"] }));
}

#[test]
fn a_session_whose_client_died_is_lost_until_it_is_ended() {
    let world = World::new();
    let amy = session(&world, "7", "amy");
    let task = amy.push("x", json!({}));
    amy.claim().unwrap();
    dies(&world, "7");
    let lost = examined(&world)["lost"].take();
    assert_eq!((lost[0]["name"].as_str(), &lost[0]["holds"]), (Some("amy"), &json!([task])));
    assert_eq!(tidied(&world), json!({ "freed": [], "ended": ["amy"] }));
    assert_eq!(examined(&world)["lost"], json!([]));
    assert_eq!(world.nobody().ok("get_task", json!({ "task_id": task }))["task"]["status"], "claimed");
    // As long as after any session that ends.
    world.pass_secs(61);
    assert_eq!(examined(&world)["lapsed"][0]["task"], task.as_str());
    assert_eq!(tidied(&world), json!({ "freed": [task], "ended": [] }));
    assert_eq!(world.nobody().ok("get_task", json!({ "task_id": task }))["task"]["status"], "pending");
}

#[test]
fn who_goes_on_without_the_client_keeps_its_presence_and_its_claims() {
    let world = World::new();
    session(&world, "7", "amy");
    dies(&world, "7");
    world.pass_secs(200);
    let mut shell = world.process("shell");
    shell.caller.from_environment = Some("amy".to_owned());
    let task = shell.push("x", json!({}));
    shell.claim().unwrap();
    assert_eq!(tidied(&world)["ended"], json!(["amy"]));
    assert_eq!(examined(&world)["lost"], json!([]));
    world.pass_secs(61);
    assert_eq!(examined(&world)["lapsed"], json!([]), "its claim was not cut short");
    shell.ok("complete_task", json!({ "task_id": task, "result": "done" }));
}

#[test]
fn a_wall_clock_that_went_back_is_told() {
    let world = World::new();
    world.joined("amy");
    world.jump_wall_secs(-3_600);
    assert_eq!(examined(&world)["wall_behind_ms"], 3_600_000);
    assert_eq!(examined(&world)["leases_behind_ms"], 0);
}
