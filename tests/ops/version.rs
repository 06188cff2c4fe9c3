//! A change may say which version it was made for, and then changes no other.

use crate::support::world::Process;
use crate::support::world::World;
use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use orch_mcp::ops::Desk;
use orch_mcp::ops::table::Reply;
use orch_mcp::ops::table::Request;
use orch_mcp::ops::table::own_request;
use orch_mcp::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;

impl Process {
    /// A call as a face makes it that was told which version to expect.
    fn expecting(&self, version: u64, operation: &str, arguments: Value) -> Result<Reply, Error> {
        let request = Request { expect_version: Some(version), ..own_request(operation, arguments)? };
        self.desk.execute(&request, &self.caller, &Hangup::new())
    }

    fn version(&self, operation: &str, arguments: Value) -> u64 {
        self.reply(operation, arguments).unwrap().version.unwrap()
    }
}

/// Two people who edit one task in two browsers would undo each other's work without a word.
#[test]
fn a_change_that_expects_another_version_changes_nothing() {
    let world = World::new();
    let nobody = world.nobody();
    let task = json!({ "task_id": nobody.push("t", json!({})) });
    let read = nobody.version("get_task", task.clone());
    let edit = |title: &str| json!({ "task_id": task["task_id"], "title": title });
    let edited = nobody.expecting(read, "update_task", edit("first")).unwrap();
    assert_eq!(edited.version, Some(nobody.version("get_task", task.clone())), "the answer says what to expect next");
    let refused = nobody.expecting(read, "update_task", edit("second")).unwrap_err();
    assert_eq!((refused.kind, refused.current_version), (Kind::Conflict, edited.version));
    assert_eq!(nobody.ok("get_task", task.clone())["task"]["title"], "first");
    nobody.expecting(edited.version.unwrap(), "cancel_task", task).unwrap();
}

/// Every step says the version it led to, so that who changes something twice need not read in between.
#[test]
fn every_change_of_a_task_says_its_version() {
    let world = World::new();
    let me = world.joined("ann");
    let pushed = me.reply("push_task", json!({ "title": "t" })).unwrap();
    let task = json!({ "task_id": pushed.ids[0] });
    let mut last = pushed.version.unwrap();
    let steps = ["claim_task", "start_task", "release_task", "claim_task", "complete_task"];
    for step in steps {
        let version = me.version(step, task.clone());
        assert_eq!(version, me.version("get_task", task.clone()), "{step}");
        assert!(version > last, "{step}");
        last = version;
    }
}

/// A holder's heartbeat is no edit: otherwise nobody could change a claimed task in time.
#[test]
fn a_renewed_lease_is_no_new_version() {
    let world = World::new();
    let me = world.joined("ann");
    me.push("t", json!({}));
    let task = json!({ "task_id": me.claim().unwrap() });
    let before = me.version("get_task", task.clone());
    world.pass_secs(60);
    me.ok("heartbeat", json!({}));
    assert_eq!(me.version("get_task", task), before);
}

/// The answer to the first call may have been lost on the way; to ask again must not look like a conflict with oneself.
#[test]
fn a_change_repeated_under_its_key_is_no_conflict() {
    let world = World::new();
    let nobody = world.nobody();
    let task = nobody.push("t", json!({}));
    let read = nobody.version("get_task", json!({ "task_id": task }));
    let edit = json!({ "task_id": task, "title": "new", "idempotency_key": "k" });
    let first = nobody.expecting(read, "update_task", edit.clone()).unwrap();
    let again = nobody.expecting(read, "update_task", edit).unwrap();
    assert_eq!((again.version, again.data), (first.version, first.data));
}

#[test]
fn what_names_no_task_has_no_version_to_expect() {
    let world = World::new();
    let me = world.joined("ann");
    assert_eq!(me.expecting(1, "push_task", json!({ "title": "t" })).unwrap_err().kind, Kind::Invalid);
}

#[test]
fn an_entry_says_its_version_and_a_conflict_the_one_it_found() {
    let world = World::new();
    let nobody = world.nobody();
    let set = |expected: u64| json!({ "key": "k", "value": 1, "expect_version": expected });
    assert_eq!(nobody.version("set_context", set(0)), 1);
    assert_eq!(nobody.version("get_context", json!({ "key": "k" })), 1);
    assert_eq!(nobody.refused("conflict", "set_context", set(0)).current_version, Some(1));
    assert_eq!(nobody.reply("get_context", json!({ "key": "none" })).unwrap().version, None);
}

/// What is wrong with the call itself would stay wrong with the right version.
#[test]
fn a_call_that_is_wrong_is_told_so_before_its_version_is_looked_at() {
    let world = World::new();
    let nobody = world.nobody();
    let task = nobody.push("t", json!({}));
    let wrong = json!({ "task_id": task, "title": "" });
    assert_eq!(nobody.expecting(99, "update_task", wrong).unwrap_err().kind, Kind::Invalid);
    let missing = json!({ "task_id": "task-99", "title": "t" });
    assert_eq!(nobody.expecting(99, "update_task", missing).unwrap_err().kind, Kind::NotFound);
}
