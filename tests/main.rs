//! The one test binary.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on fails")]

mod contract;
use orch_mcp::host::Host;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::table::find;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use serde_json::Value;
use serde_json::json;

#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::System;
    let desk = Desk::new(LazyStore::new(Place::at(dir.path().join("s")), host.clone(), Default::default()));
    let caller = Caller::anonymous(host);
    let call = |op: &str, args: Value| {
        let Value::Object(args) = args else { panic!() };
        let r = find(op).unwrap().request(args).and_then(|r| desk.execute(&r, &caller, &Hangup::new()));
        match r {
            Ok(reply) => {
                println!("{op}: {}\n{}", reply.data, reply.text());
                reply.data
            }
            Err(e) => {
                println!("{op}: ERR {e:?}");
                json!({"error": e})
            }
        }
    };
    call("list_tasks", json!({}));
    assert!(!dir.path().join("s").exists());
    call("register_instance", json!({"name":"bob","role":"builder"}));
    call("register_instance", json!({"name":"amy"}));
    call(
        "push_tasks",
        json!({"tasks":[{"title":"b","depends_on":["x"]},{"title":"a","ref":"x","priority":"high"},{"title":"r","role":"reviewer"}]}),
    );
    call("claim_task", json!({"instance_id":"bob"}));
    call("claim_task", json!({"instance_id":"bob"}));
    call("complete_task", json!({"instance_id":"amy", "task_id":"1"}));
    call("complete_task", json!({"instance_id":"bob", "task_id":"1", "result":"ok"}));
    call("claim_task", json!({"instance_id":"amy"}));
    call("list_tasks", json!({}));
    call("list_tasks", json!({"status":"open", "role":"reviewer"}));
    call("send_message", json!({"instance_id":"amy","to_instance":"@bob","content":"hi"}));
    call("send_message", json!({"instance_id":"amy","to_instance":"@zoe","content":"hi"}));
    call("wait_for_message", json!({"instance_id":"bob","timeout_seconds":1}));
    call("list_receipts", json!({"instance_id":"amy"}));
    call("wait_for_message", json!({"instance_id":"bob","timeout_seconds":1}));
    call("list_receipts", json!({"instance_id":"amy"}));
    call("set_context", json!({"instance_id":"amy","key":"a/b","value":{"x":1}}));
    call("get_context", json!({"key":"a/b","history":true}));
    call("list_events", json!({"limit":30}));
    call("server_status", json!({}));
    call("get_task", json!({"task_id":"task-2","history":true}));
    call("update_task", json!({"task_id":"3","labels":["x","y"],"progress":"half"}));
    call("list_tasks", json!({"label":"x"}));
}
