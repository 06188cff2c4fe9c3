//! A pull only ever goes forward, and says why it left something alone.

use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::repos::world::World;
use crate::repos::world::each;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

fn pull(world: &World, code: i32) -> Value {
    world.run(&["repos", "pull"]).expect(code).data()["repositories"].take()
}

#[track_caller]
fn says(told: &Value, name: &str, outcome: &str, why: &str) {
    let one = told.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(one["outcome"], outcome, "{one}");
    assert!(one["why"].as_str().unwrap_or_default().contains(why), "{one}");
}

#[test]
fn what_is_behind_moves_forward_and_what_is_dirty_stays() {
    let world = World::with_three();
    let newest = world.publish("api", "newest");
    world.publish("web", "file");
    let before = git(&world.dir("web"), &["rev-parse", "HEAD"]);
    let hook = world.dir("api/.git/hooks/post-merge");
    fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", world.home.path("pwned").display())).unwrap();
    fs::set_permissions(&hook, Permissions::from_mode(0o700)).unwrap();
    let told = pull(&world, 4);
    assert_eq!(
        each(&told, "outcome"),
        [("api", json!("moved")), ("web", json!("left_alone")), ("lib", json!("newest"))]
    );
    assert_eq!((&told[0]["to"], &told[0]["commits"]), (&json!(newest), &json!(2)));
    says(&told, "web", "left_alone", "it is dirty: 1 change that is not committed, 1 file that git does not know");
    assert_eq!(git(&world.dir("api"), &["rev-parse", "HEAD"]), newest);
    assert!(world.dir("api/newest").exists());
    assert_eq!(git(&world.dir("web"), &["rev-parse", "HEAD"]), before);
    assert_eq!(fs::read_to_string(world.dir("web/file")).unwrap(), "changed\n");
    assert!(!world.home.path("pwned").exists(), "hooks are for a person at a checkout");
    let shown = world.run(&["repos", "pull", "api", "--format", "table"]).expect(0).out;
    assert!(shown.contains("newest"), "{shown}");
}

#[test]
fn what_cannot_go_forward_is_left_alone_and_what_cannot_be_reached_fails() {
    let world = World::new();
    let names = ["apart", "alone", "nowhere", "unreachable", "armed", "gone"];
    for name in &names[..5] {
        world.clone_of(name);
        world.publish(name, "newer");
    }
    commit(&world.dir("apart"), "own", "x");
    git(&world.dir("alone"), &["switch", "--quiet", "-c", "mine"]);
    git(&world.dir("nowhere"), &["switch", "--quiet", "--detach"]);
    fs::remove_dir_all(world.home.path("origin-unreachable")).unwrap();
    // What fetches is said by whoever asks, and not by what lies there.
    let pwned = world.home.path("pwned");
    world.tool("evil", &format!("touch {}\nexec git-upload-pack \"$@\"\n", pwned.display()));
    git(&world.dir("armed"), &["config", "remote.origin.uploadpack", world.home.path("bin/evil").to_str().unwrap()]);
    let repos: String = names.iter().map(|name| format!("[repos.{name}]\npath = \"~/src/{name}\"\n")).collect();
    world.settle(&repos);
    let heads = || names[..5].iter().map(|name| git(&world.dir(name), &["rev-parse", "HEAD"])).collect::<Vec<_>>();
    let before = heads();
    let told = pull(&world, 1);
    says(&told, "apart", "left_alone", "it has 1 of its own and is 1 behind");
    says(&told, "alone", "left_alone", "`mine` has no upstream");
    says(&told, "nowhere", "left_alone", "it is on no branch");
    says(&told, "unreachable", "failed", "it cannot be fetched");
    says(&told, "armed", "left_alone", "its own settings name a program (`remote.origin.uploadpack`)");
    says(&told, "gone", "missing", "nothing is at");
    assert_eq!(heads(), before);
    assert!(!pwned.exists());
}
