//! What somebody asks for: any operation, with arguments that mostly make sense.

use crate::sim::seen::KEYS;
use crate::sim::seen::Seen;
use crate::support::dice::Dice;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::task::State;
use orch_mcp::model::task::Task;
use orch_mcp::model::time::Timestamp;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;

const NAMES: [&str; 5] = ["amy", "bob", "cat", "dan", "eve"];
/// Roles are the same however they are spelled.
const ROLES: [&str; 6] = ["general", "builder", "Builder", "reviewer", "über", "ÜBER"];
const LINKS: [&str; 3] = ["build", "review", "plan"];
const RESOURCES: [&[&str]; 3] = [&["@db"], &["@gpu"], &["@gpu", "@db"]];
const KEYS_OF_CALLS: usize = 12;

/// How often each operation is asked for, out of the sum of all.
const OPERATIONS: [(usize, &str); 42] = [
    (6, "register_instance"),
    (2, "heartbeat"),
    (1, "list_instances"),
    (1, "get_instance"),
    (1, "unregister_instance"),
    (8, "push_task"),
    (3, "push_tasks"),
    (22, "claim_task"),
    (5, "start_task"),
    (3, "renew_task"),
    (9, "complete_task"),
    (3, "block_task"),
    (3, "unblock_task"),
    (3, "fail_task"),
    (4, "release_task"),
    (4, "retry_task"),
    (2, "cancel_task"),
    (6, "update_task"),
    (2, "get_task"),
    (2, "list_tasks"),
    (2, "wait_for_task"),
    (3, "reserve_files"),
    (2, "release_files"),
    (9, "send_message"),
    (2, "request_help"),
    (8, "poll_messages"),
    (3, "wait_for_message"),
    (2, "peek_messages"),
    (1, "get_message"),
    (1, "get_thread"),
    (2, "mark_read"),
    (2, "acknowledge_message"),
    (2, "dismiss_message"),
    (2, "list_receipts"),
    (4, "set_context"),
    (1, "get_context"),
    (1, "delete_context"),
    (1, "list_context_keys"),
    (1, "watch_context"),
    (1, "list_events"),
    (1, "watch_events"),
    (1, "server_status"),
];

#[derive(Clone, Debug)]
pub struct Call {
    pub operation: &'static str,
    pub arguments: Map<String, Value>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, Value::Object(self.arguments.clone()))
    }
}

impl Call {
    pub fn text(&self, argument: &str) -> Option<&str> {
        self.arguments.get(argument).and_then(Value::as_str)
    }

    pub fn number(&self, argument: &str) -> Option<u64> {
        self.arguments.get(argument).and_then(Value::as_u64)
    }

    pub fn flag(&self, argument: &str) -> bool {
        self.arguments.get(argument).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn task(&self) -> Option<TaskId> {
        self.text("task_id").and_then(|id| id.parse().ok())
    }

    pub fn register(dice: &mut Dice) -> Call {
        let (name, role) = (*dice.pick(&NAMES), *dice.pick(&ROLES));
        let Value::Object(arguments) = json!({ "name": name, "role": role }) else { unreachable!("it is an object") };
        Call { operation: "register_instance", arguments }
    }

    /// `me` is whom the process would speak for.
    pub fn draw(dice: &mut Dice, seen: &Seen, me: Option<&InstanceId>) -> Call {
        let operation = *weighted(dice, &OPERATIONS);
        let mut draw = Draw { dice, seen, me, arguments: Map::new() };
        draw.arguments_of(operation);
        Call { operation, arguments: draw.arguments }
    }
}

fn weighted<'a, T>(dice: &mut Dice, from: &'a [(usize, T)]) -> &'a T {
    let mut left = dice.below(from.iter().map(|(weight, _)| weight).sum());
    for (weight, one) in from {
        if left < *weight {
            return one;
        }
        left -= weight;
    }
    unreachable!("it is below the sum of the weights")
}

struct Draw<'a> {
    dice: &'a mut Dice,
    seen: &'a Seen,
    me: Option<&'a InstanceId>,
    arguments: Map<String, Value>,
}

impl Draw<'_> {
    fn set(&mut self, argument: &str, value: impl Into<Value>) {
        self.arguments.insert(argument.to_owned(), value.into());
    }

    /// In so many of a hundred calls.
    fn sometimes(&mut self, percent: usize, argument: &str, value: impl FnOnce(&mut Self) -> Value) {
        if self.dice.chance(percent) {
            let value = value(self);
            self.set(argument, value);
        }
    }

    fn arguments_of(&mut self, operation: &str) {
        let changes = orch_mcp::ops::table::find(operation).unwrap().effect == orch_mcp::ops::Effect::Write;
        match operation {
            "register_instance" => {
                let name = *self.dice.pick(&NAMES);
                self.set("name", name);
                self.sometimes(60, "role", |draw| json!(draw.dice.pick(&ROLES)));
                self.sometimes(25, "instance_id", |draw| draw.instance_id());
            }
            "heartbeat" => self.sometimes(50, "current_task", |draw| json!(*draw.dice.pick(&["", "at it"]))),
            "push_task" => {
                let fields = self.task_fields();
                self.arguments = fields;
            }
            "push_tasks" => {
                let count = self.dice.between(1, 4) as usize;
                let tasks: Vec<Value> = (0..count).map(|index| self.task_of_plan(index, count)).collect();
                self.set("tasks", tasks);
            }
            "claim_task" => {
                self.sometimes(30, "task_id", |draw| draw.task(|task| task.state == State::Pending));
                self.sometimes(20, "force", |_| json!(true));
                self.sometimes(40, "lease_secs", |draw| json!(draw.dice.between(1, 2000)));
            }
            "reserve_files" => {
                let patterns = *self.dice.pick(&RESOURCES);
                self.set("patterns", patterns);
                self.sometimes(30, "shared", |_| json!(true));
                self.sometimes(70, "lease_secs", |draw| json!(draw.dice.between(1, 1500)));
            }
            "release_files" => self.sometimes(40, "patterns", |draw| json!(*draw.dice.pick(&RESOURCES))),
            "start_task" | "renew_task" => self.held_task(),
            "complete_task" => {
                self.held_task();
                self.sometimes(50, "result", |draw| json!(format!("result {}", draw.dice.below(1000))));
                self.sometimes(20, "evidence", |_| json!({ "commit": "c0ffee" }));
            }
            "block_task" | "fail_task" => {
                self.held_task();
                self.set("reason", "because");
            }
            "release_task" => self.held_task(),
            "unblock_task" => self.task_in(|task| task.state == State::Blocked),
            "retry_task" => {
                self.task_in(|task| matches!(task.state, State::Failed | State::Cancelled));
                self.sometimes(30, "force", |_| json!(true));
            }
            "cancel_task" => self.task_in(|task| !task.state.is_final()),
            "update_task" => self.update(),
            "get_task" => self.task_in(|_| true),
            "list_tasks" => self.sometimes(50, "status", |draw| json!(*draw.dice.pick(&["ready", "open", "failed"]))),
            "wait_for_task" => {
                self.sometimes(50, "task_id", |draw| draw.task(|_| true));
                self.set("timeout_seconds", 0);
            }
            "send_message" => self.message(),
            "request_help" => self.set("question", "how?"),
            "poll_messages" => {
                self.sometimes(20, "all", |_| json!(true));
                self.sometimes(40, "limit", |draw| json!(draw.dice.between(1, 30)));
                self.sometimes(10, "cursor", |draw| draw.message_id());
            }
            "wait_for_message" | "watch_context" | "watch_events" => self.set("timeout_seconds", 0),
            "get_message" | "get_thread" | "mark_read" | "acknowledge_message" | "dismiss_message" => {
                let id = self.message_id();
                self.set("message_id", id);
            }
            "list_receipts" => self.sometimes(70, "message_id", |draw| draw.message_id()),
            "set_context" => {
                let key = *self.dice.pick(&KEYS);
                self.set("key", key);
                let value = json!({ "n": self.dice.below(1000) });
                self.set("value", value);
                self.sometimes(30, "expect_version", |draw| json!(draw.dice.below(4)));
            }
            "get_context" | "delete_context" => {
                let key = *self.dice.pick(&KEYS);
                self.set("key", key);
            }
            "get_instance" => self.sometimes(50, "instance", |draw| json!(*draw.dice.pick(&NAMES))),
            _ => {}
        }
        if operation != "register_instance" {
            self.sometimes(12, "instance_id", |draw| match draw.dice.chance(50) {
                true => json!(*draw.dice.pick(&NAMES)),
                false => draw.instance_id(),
            });
        }
        if changes {
            self.sometimes(10, "idempotency_key", |draw| json!(format!("key {}", draw.dice.below(KEYS_OF_CALLS))));
        }
        self.sometimes(2, "nonsense", |_| json!(1));
    }

    fn instance_id(&mut self) -> Value {
        let ids: Vec<&InstanceId> = self.seen.instances.keys().collect();
        match ids.is_empty() || self.dice.chance(10) {
            true => json!("i-chosen"),
            false => json!(*self.dice.pick(&ids)),
        }
    }

    fn message_id(&mut self) -> Value {
        let mine: Vec<String> = match self.me {
            Some(me) => {
                let to_me = self.seen.mail.keys().filter(|(_, recipient)| recipient == me.as_str());
                to_me.map(|(id, _)| id.to_string()).collect()
            }
            None => Vec::new(),
        };
        match mine.is_empty() || self.dice.chance(20) {
            true => json!((1 + self.dice.below(self.seen.messages.len() + 1)).to_string()),
            false => json!(*self.dice.pick(&mine)),
        }
    }

    /// Most often a task of this kind.
    fn task(&mut self, kind: impl Fn(&Task) -> bool) -> Value {
        let fitting: Vec<TaskId> = self.seen.tasks.values().filter(|task| kind(task)).map(|task| task.id).collect();
        match fitting.is_empty() || self.dice.chance(15) {
            true => json!((1 + self.dice.below(self.seen.tasks.len() + 1)).to_string()),
            false => json!(self.dice.pick(&fitting).to_string()),
        }
    }

    fn task_in(&mut self, kind: impl Fn(&Task) -> bool) {
        let id = self.task(kind);
        self.set("task_id", id);
    }

    /// Most often one that the caller holds, sometimes one of somebody else's; the token is left out, right or wrong.
    fn held_task(&mut self) {
        let me = self.me.cloned();
        let mine = self.dice.chance(75);
        self.task_in(|task| task.state.is_held() && (!mine || task.holder == me));
        let id = self.arguments["task_id"].as_str().and_then(|id| id.parse().ok());
        let token = id.and_then(|id: TaskId| self.seen.tasks.get(&id)).map_or(1, |task| task.token);
        self.sometimes(40, "token", |draw| match draw.dice.chance(70) {
            true => json!(token),
            false => json!((token as i64 + draw.dice.between(-1, 1)).max(0)),
        });
    }

    fn task_fields(&mut self) -> Map<String, Value> {
        let outer = std::mem::take(&mut self.arguments);
        let title = format!("task {}", self.dice.below(1000));
        self.set("title", title);
        self.sometimes(50, "priority", |draw| json!(*draw.dice.pick(&["critical", "high", "low"])));
        self.sometimes(25, "role", |draw| json!(*draw.dice.pick(&ROLES)));
        self.sometimes(20, "assignee", |draw| match draw.dice.chance(50) {
            true => json!(format!("@{}", draw.dice.pick(&NAMES))),
            false => draw.instance_id(),
        });
        self.sometimes(25, "link", |draw| json!(*draw.dice.pick(&LINKS)));
        self.sometimes(20, "depends_on", |draw| draw.dependencies());
        self.sometimes(25, "reserves", |draw| json!(*draw.dice.pick(&RESOURCES)));
        self.sometimes(12, "not_before", |draw| draw.soon());
        self.sometimes(40, "max_attempts", |draw| json!(draw.dice.between(1, 3)));
        self.sometimes(50, "lease_secs", |draw| json!(draw.dice.between(1, 1500)));
        std::mem::replace(&mut self.arguments, outer)
    }

    fn dependencies(&mut self) -> Value {
        let count = self.dice.between(1, 3);
        (0..count).map(|_| self.task(|task| task.state != State::Cancelled)).collect()
    }

    /// A moment in the next hours, or one that has passed.
    fn soon(&mut self) -> Value {
        let in_secs = self.dice.between(-3_600, 10_000);
        json!(Timestamp::from_millis(self.seen.wall + in_secs * 1000).to_string())
    }

    fn task_of_plan(&mut self, index: usize, count: usize) -> Value {
        let mut fields = self.task_fields();
        fields.insert("ref".to_owned(), json!(format!("r{index}")));
        if self.dice.chance(50) {
            // Forward, backward, and now and then in a circle.
            let other = format!("r{}", self.dice.below(count));
            fields.insert("depends_on".to_owned(), json!([other]));
        }
        Value::Object(fields)
    }

    fn update(&mut self) {
        let me = self.me.cloned();
        let held = self.dice.chance(40);
        self.task_in(|task| if held { task.holder == me } else { !task.state.is_held() });
        self.sometimes(20, "title", |_| json!("another title"));
        self.sometimes(30, "priority", |draw| json!(*draw.dice.pick(&["critical", "low"])));
        self.sometimes(15, "role", |draw| json!(*draw.dice.pick(&["", "builder", "reviewer"])));
        self.sometimes(15, "assignee", |draw| json!(*draw.dice.pick(&["", "@amy", "@bob", "@eve"])));
        self.sometimes(20, "depends_on", |draw| draw.dependencies());
        self.sometimes(10, "not_before", |draw| draw.soon());
        self.sometimes(15, "max_attempts", |draw| json!(draw.dice.between(1, 4)));
        self.sometimes(20, "lease_secs", |draw| json!(draw.dice.between(1, 3000)));
        self.sometimes(15, "reserves", |draw| json!(*draw.dice.pick(&[&[][..], &["@db"][..]])));
        self.sometimes(15, "labels", |draw| json!([*draw.dice.pick(&["x", "y"])]));
        self.sometimes(20, "progress", |_| json!("half way"));
        self.sometimes(20, "token", |draw| json!(draw.dice.below(4)));
    }

    fn message(&mut self) {
        let content = "word ".repeat(1 + self.dice.below(30));
        self.set("content", content);
        match self.dice.below(10) {
            0..4 => {
                let name = format!("@{}", self.dice.pick(&NAMES));
                self.set("to_instance", name);
            }
            4 => {
                let name = *self.dice.pick(&NAMES);
                self.set("to_name", name);
            }
            5 => {
                let id = self.instance_id();
                self.set("to_instance", id);
            }
            6 | 7 => {
                let role = format!("role:{}", self.dice.pick(&ROLES));
                self.set("to_instance", role);
            }
            8 => self.set("broadcast", true),
            _ => {
                let id = self.message_id();
                self.set("reply_to", id);
            }
        }
        self.sometimes(20, "needs_answer", |_| json!(true));
    }
}
