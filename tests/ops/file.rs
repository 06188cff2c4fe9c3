//! Reservations of files: whose hands keep off what, and until when.

use super::*;
use orch_mcp::model::access::Principal;
use orch_mcp::model::instance::PRESENCE_SECS;

const HOUR: i64 = 3_600;

/// Works in its own worktree of the same repository.
fn in_worktree(world: &World, name: &str) -> Process {
    let mut process = world.joined(name);
    process.caller.work_dir = Some(format!("/trees/{name}/src"));
    process.caller.worktree = Some(format!("/trees/{name}"));
    process
}

fn reserve(who: &Process, patterns: &[&str]) -> Result<Value, orch_mcp::error::Error> {
    who.call("reserve_files", json!({ "patterns": patterns }))
}

fn patterns(observer: &Process, arguments: Value) -> Vec<String> {
    each(&observer.ok("list_reservations", arguments)["reservations"], "pattern")
}

#[test]
fn all_worktrees_call_a_file_by_the_same_name() {
    let world = World::new();
    let (amy, bob) = (in_worktree(&world, "amy"), in_worktree(&world, "bob"));
    let made = amy.ok("reserve_files", json!({ "patterns": ["parser/**", "../Cargo.toml"], "reason": "new parser" }));
    assert_eq!(each(&made["reservations"], "pattern"), ["Cargo.toml", "src/parser/**"]);
    let error = bob.refused("conflict", "reserve_files", json!({ "patterns": ["lib.rs", "parser/lexer.rs"] }));
    assert!(error.message.contains("`src/parser/**` is reserved by amy for another 60 minutes: new parser"), "{error}");
    assert_eq!(patterns(&bob, json!({})).len(), 2, "all of them or none");
    assert_eq!(patterns(&bob, json!({ "file": "/trees/bob/src/parser/deep/x.rs" })), ["src/parser/**"]);
    reserve(&bob, &["lib.rs"]).unwrap();
}

#[test]
fn the_top_of_the_worktree_is_all_of_it_and_what_begins_above_it_is_refused() {
    let world = World::new();
    let (amy, bob) = (in_worktree(&world, "amy"), in_worktree(&world, "bob"));
    for top in ["..", "/trees/amy", "/trees//amy/./"] {
        let made = amy.ok("reserve_files", json!({ "patterns": [top] }));
        assert_eq!(each(&made["reservations"], "pattern"), ["**"], "{top}");
        bob.refused("conflict", "reserve_files", json!({ "patterns": ["lib.rs"] }));
        amy.ok("release_files", json!({ "patterns": [top] }));
    }
    for above in ["/", "../..", "/trees", "/**", "/trees/*/src", "/tree?/amy/src/a.rs", "/**/a.rs"] {
        let error = amy.refused("invalid", "reserve_files", json!({ "patterns": [above] }));
        assert!(error.message.contains("above the worktree"), "{above}: {error}");
    }
    amy.ok("reserve_files", json!({ "patterns": ["/etc/hosts", "/trees/carol/**"] }));
}

#[test]
fn what_is_shared_is_shared_with_those_who_share() {
    let world = World::new();
    let (amy, bob) = (in_worktree(&world, "amy"), in_worktree(&world, "bob"));
    amy.ok("reserve_files", json!({ "patterns": ["a.rs"], "shared": true }));
    bob.refused("conflict", "reserve_files", json!({ "patterns": ["a.rs"] }));
    bob.ok("reserve_files", json!({ "patterns": ["*.rs"], "shared": true }));
    amy.refused("conflict", "reserve_files", json!({ "patterns": ["a.rs"] }));
    assert_eq!(patterns(&amy, json!({ "file": "a.rs" })), ["src/a.rs", "src/*.rs"], "her own stands as it was");
}

#[test]
fn a_reservation_ends_with_its_lease_its_holder_or_its_release() {
    let world = World::new();
    let (amy, bob) = (in_worktree(&world, "amy"), in_worktree(&world, "bob"));
    amy.ok("reserve_files", json!({ "patterns": ["a.rs"], "lease_secs": 60 }));
    world.pass_secs(60);
    reserve(&bob, &["a.rs"]).unwrap();

    // Bob is heard of no more; his lease would last another hour.
    world.pass_secs(i64::from(PRESENCE_SECS));
    reserve(&amy, &["a.rs"]).unwrap();
    bob.ok("heartbeat", json!({}));
    assert_eq!(each(&bob.ok("list_reservations", json!({}))["reservations"], "holder_name"), ["amy"]);

    assert_eq!(amy.ok("release_files", json!({}))["released"], json!(["src/a.rs"]));
    assert_eq!(amy.ok("release_files", json!({}))["released"], json!([]));
    amy.refused("not_found", "release_files", json!({ "patterns": ["a.rs"] }));
    reserve(&bob, &["a.rs", "b.rs"]).unwrap();
    assert_eq!(bob.ok("release_files", json!({ "patterns": ["b.rs"] }))["released"], json!(["src/b.rs"]));
    bob.ok("unregister_instance", json!({}));
    reserve(&amy, &["a.rs"]).unwrap();
}

#[test]
fn to_reserve_again_begins_the_lease_anew() {
    let world = World::new();
    let amy = in_worktree(&world, "amy");
    reserve(&amy, &["a.rs"]).unwrap();
    for _ in 0..20 {
        world.pass_secs(HOUR / 20 - 1);
        amy.ok("heartbeat", json!({}));
    }
    reserve(&amy, &["a.rs"]).unwrap();
    assert_eq!(patterns(&amy, json!({})), ["src/a.rs"]);
    world.pass_secs(i64::from(PRESENCE_SECS) - 1);
    assert_eq!(patterns(&amy, json!({})), ["src/a.rs"]);
}

#[test]
fn lists_are_read_page_by_page() {
    let world = World::new();
    let amy = in_worktree(&world, "amy");
    let all: Vec<String> = (0..30).map(|number| format!("file{number:02}")).collect();
    for part in all.chunks(10) {
        amy.ok("reserve_files", json!({ "patterns": part }));
    }
    let mut arguments = json!({ "limit": 7 });
    let mut found = Vec::new();
    loop {
        let page = amy.ok("list_reservations", arguments.clone());
        assert_eq!(page["total"], 30);
        found.extend(each(&page["reservations"], "pattern"));
        if page["cursor"].is_null() {
            break;
        }
        arguments["cursor"] = page["cursor"].clone();
    }
    assert_eq!(found, all.iter().map(|name| format!("src/{name}")).collect::<Vec<_>>());
}

#[test]
fn patterns_that_mean_nothing_are_refused() {
    let world = World::new();
    let amy = world.joined("amy");
    for patterns in [json!([]), json!([""]), json!(["x".repeat(600)]), json!(vec!["a"; 51]), json!("a")] {
        amy.refused("invalid", "reserve_files", json!({ "patterns": patterns }));
    }
    let error = amy.refused("invalid", "reserve_files", json!({ "patterns": ["a.rs"] }));
    assert!(error.message.contains("relative"), "{error}");
    amy.refused("invalid", "reserve_files", json!({ "patterns": ["/a"], "lease_secs": 0 }));
    amy.ok("reserve_files", json!({ "patterns": ["/a"] }));
}

/// Through the door came a call that says nothing of a directory: what the team calls a file is all that it can mean.
#[test]
fn who_stands_nowhere_names_files_as_the_team_does() {
    let world = World::new();
    let bob = in_worktree(&world, "bob");
    let mut amy = world.joined("amy");
    amy.caller.principal = Some(Principal::owner());
    // Bob's edit of that very file would not be kept from him, and amy would not find who keeps it.
    for path in ["/trees/bob/src/a.rs", "/trees/bob/**", "/etc/hosts", "/src/a.rs"] {
        let error = amy.refused("invalid", "reserve_files", json!({ "patterns": ["src/b.rs", path] }));
        assert!(error.message.contains(&format!("`patterns`: `{path}` is absolute")), "{error}");
        assert_eq!(error.hint.as_deref(), Some("give the path from the top of the repository, such as `src/main.rs`"));
        let error = amy.refused("invalid", "list_reservations", json!({ "file": path }));
        assert!(error.message.contains(&format!("`file`: `{path}` is absolute")), "{error}");
    }
    for path in ["..", "../x", "src/../../x", "../.."] {
        let error = amy.refused("invalid", "reserve_files", json!({ "patterns": [path] }));
        assert!(error.message.contains(&format!("`{path}` begins above the top of the repository")), "{error}");
    }
    assert_eq!(patterns(&bob, json!({})), [""; 0]);
    reserve(&amy, &["src/a.rs"]).unwrap();
    bob.refused("conflict", "reserve_files", json!({ "patterns": ["/trees/bob/src/a.rs"] }));
    assert_eq!(patterns(&amy, json!({ "file": "src/a.rs" })), ["src/a.rs"]);
    reserve(&amy, &["."]).unwrap();
    assert_eq!(patterns(&bob, json!({ "file": "/trees/bob/Cargo.toml" })), ["**"]);
    // Whoever reserved by an absolute path, where they stood somewhere, releases it by the name that is listed.
    amy.caller.work_dir = Some("/".to_owned());
    reserve(&amy, &["/etc/hosts"]).unwrap();
    amy.caller.work_dir = None;
    assert_eq!(amy.ok("release_files", json!({ "patterns": ["/etc/hosts"] }))["released"], json!(["/etc/hosts"]));
}
