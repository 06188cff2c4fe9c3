//! The team's store, asked by a name and arguments: for what is done beside the supervisor.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::table::own_request;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

/// Elements of one page.
const PAGE: u32 = 40;

pub struct Team<'a> {
    pub desk: &'a dyn Desk,
    pub caller: &'a Caller,
}

impl Team<'_> {
    pub fn ask(&self, operation: &str, arguments: Value) -> Result<Value> {
        self.ask_unless(&Hangup::new(), operation, arguments)
    }

    /// The same, until a hang-up at the latest.
    pub fn ask_unless(&self, hangup: &Hangup, operation: &str, arguments: Value) -> Result<Value> {
        let request = own_request(operation, arguments)?;
        self.desk.execute(&request, self.caller, hangup).map(|reply| reply.data)
    }

    /// What happens after `cursor`, waited for until `hangup` at the latest; without one, where the events stand now.
    pub fn events(
        &self,
        kind: &str,
        cursor: Option<u64>,
        wait: Duration,
        hangup: &Hangup,
    ) -> Result<(Vec<Value>, u64)> {
        let secs = wait.as_secs_f64().ceil() as u64;
        let words = json!({ "kind": kind, "cursor": cursor, "limit": PAGE, "timeout_seconds": secs });
        let mut news = self.desk.execute(&own_request("watch_events", words)?, self.caller, hangup)?.data;
        let cursor = news["cursor"].as_u64().unwrap_or_default();
        Ok((news["events"].as_array_mut().map(std::mem::take).unwrap_or_default(), cursor))
    }

    /// All that an operation lists, however many pages that takes. `list` is what it calls them.
    pub fn every(&self, operation: &str, mut arguments: Value, list: &str) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        arguments["limit"] = PAGE.into();
        loop {
            let mut page = self.ask(operation, arguments.clone())?;
            if let Value::Array(items) = page[list].take() {
                found.extend(items);
            }
            match page["cursor"].take() {
                Value::Null => return Ok(found),
                cursor => arguments["cursor"] = cursor,
            }
        }
    }

    /// What `get_task` tells of it. `None` where this team has no such task.
    pub fn task(&self, task: TaskId) -> Result<Option<Value>> {
        match self.ask("get_task", json!({ "task_id": task })) {
            Ok(mut told) => Ok(Some(told["task"].take())),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same with its history, and with all of its description, however long.
    pub fn whole_task(&self, task: TaskId) -> Result<Value> {
        let mut told = self.ask("get_task", json!({ "task_id": task, "history": true }))?;
        if told["task"]["truncated"]["description"].is_null() {
            return Ok(told);
        }
        let (mut whole, mut offset) = (String::new(), json!(0));
        while !offset.is_null() {
            let words = json!({ "task_id": task, "part": "description", "offset": offset });
            let mut page = self.ask("get_task", words)?;
            whole.push_str(text(&page, "text"));
            offset = page["next_offset"].take();
        }
        told["task"]["description"] = whole.into();
        Ok(told)
    }

    /// What somebody asked the human about a task, and was told, oldest first.
    pub fn answers(&self, asker: &str, task: TaskId) -> Result<Vec<(String, String)>> {
        let all = self.every("list_questions", json!({ "status": "answered", "from": asker }), "questions")?;
        let is_of_it = |one: &&Value| text(one, "task_id") == task.to_string() && text(one, "kind") == "question";
        let answered = |one: &Value| (text(one, "text").to_owned(), text(one, "answer").to_owned());
        Ok(all.iter().filter(is_of_it).map(answered).collect())
    }

    /// Every worker that is known, also those that were stopped.
    pub fn workers(&self) -> Result<Vec<Value>> {
        self.every("list_workers", json!({ "all": true }), "workers")
    }
}

/// The task that a worktree or a branch is named after.
pub fn task_of(slug: &str) -> Option<TaskId> {
    slug.parse().ok().filter(|task: &TaskId| task.to_string() == slug)
}

/// A word of what an operation told.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Work of a team lies on the machine of its store.
pub fn refuse_elsewhere(is_elsewhere: bool, command: &str) -> Result<()> {
    match is_elsewhere {
        true => Err(Error::new(Kind::Refused, "worktrees lie on the machine of the store")
            .hint(format!("run `orch-mcp {command}` there"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_id_names_a_task() {
        assert_eq!(task_of("task-0000000012").map(|task| task.to_string()).as_deref(), Some("task-0000000012"));
        for other in ["12", "task-12", "task-0000000012.0123456789abcdef", "builder-1", "landing"] {
            assert_eq!(task_of(other), None, "{other}");
        }
    }
}
