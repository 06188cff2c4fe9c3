//! Every operation, as a caller sees it: one module for each noun of the promises.

mod answer;
mod bounds;
mod caller;
mod claim;
mod context;
mod crew;
mod decompose;
mod dependency;
mod doctor;
mod event;
mod file;
mod graph;
mod idempotency;
mod import;
mod instance;
mod job;
mod lease;
mod message;
mod page;
mod permission;
mod pipeline;
mod question;
mod receipt;
mod resource;
mod session;
mod task;
mod version;
mod wait;
mod worker;

use crate::support::world::Process;
use crate::support::world::World;
use serde_json::Value;
use serde_json::json;

impl World {
    /// A process that has registered this name.
    fn joined(&self, name: &str) -> Process {
        self.joined_as(name, "general")
    }

    fn joined_as(&self, name: &str, role: &str) -> Process {
        let process = self.process(name);
        process.ok("register_instance", json!({ "name": name, "role": role, "instance_id": format!("i-{name}") }));
        process
    }

    /// A process of which nobody knows who calls.
    fn nobody(&self) -> Process {
        self.process("nobody")
    }
}

impl Process {
    /// Pushes a task with this title and these fields, and says its id.
    #[track_caller]
    fn push(&self, title: &str, fields: Value) -> String {
        let mut arguments = json!({ "title": title });
        arguments.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        text(&self.ok("push_task", arguments)["task"]["id"])
    }

    /// The id of the task that it is given, if any is ready for it.
    #[track_caller]
    fn claim(&self) -> Option<String> {
        let claim = self.ok("claim_task", json!({}));
        assert_eq!(claim["claimed"] == true, claim["task"].is_object(), "{claim}");
        claim["task"]["id"].as_str().map(str::to_owned)
    }

    /// A step of a task's life, with a reason where one is needed.
    fn step(&self, operation: &str, id: &str) -> Result<Value, orch_mcp::error::Error> {
        let mut arguments = json!({ "task_id": id });
        match operation {
            "fail_task" | "block_task" => arguments["reason"] = json!("because"),
            "update_task" => arguments["progress"] = json!("half"),
            _ => {}
        }
        self.call(operation, arguments)
    }

    #[track_caller]
    fn steps(&self, operations: &[&str], id: &str) {
        for operation in operations {
            self.step(operation, id).unwrap_or_else(|error| panic!("{operation} {id}: {error:?}"));
        }
    }

    #[track_caller]
    fn task(&self, id: &str) -> Value {
        self.ok("get_task", json!({ "task_id": id }))["task"].take()
    }

    /// Sends to a name, and says the message's id.
    #[track_caller]
    fn send(&self, to: &str, content: &str) -> String {
        text(&self.ok("send_message", json!({ "to_instance": to, "content": content }))["message_id"])
    }

    /// What the next poll hands out.
    #[track_caller]
    fn poll(&self) -> Vec<String> {
        contents(&self.ok("poll_messages", json!({})))
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text")).to_owned()
}

/// One field of each item of a list.
#[track_caller]
fn each(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("{list} is not a list")).iter().map(|item| text(&item[field])).collect()
}

#[track_caller]
fn contents(mail: &Value) -> Vec<String> {
    each(&mail["messages"], "content")
}

/// Follows the cursor to the end, and puts one field of every item together.
#[track_caller]
fn all_pages(process: &Process, operation: &str, list: &str, field: &str, arguments: Value) -> Vec<String> {
    let (mut found, mut arguments) = (Vec::new(), arguments);
    for _ in 0..1_000 {
        let page = process.ok(operation, arguments.clone());
        found.extend(each(&page[list], field));
        if page["cursor"].is_null() {
            return found;
        }
        arguments["cursor"] = page["cursor"].clone();
    }
    panic!("{operation} never ends");
}
