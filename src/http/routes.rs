//! The resources, and the operation behind each: one table, which the description is made from too.

use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::Noun;
use crate::ops::table;
use http::Method;
use serde_json::Value;

/// Below this every operation has an address of its own.
pub const CALLS: &str = "/api/v1/";

/// The operations whose answer says a version.
pub const HAVE_VERSIONS: &[&str] = &[
    "add_subtask",
    "block_task",
    "cancel_task",
    "claim_task",
    "complete_task",
    "fail_task",
    "get_context",
    "get_task",
    "push_task",
    "release_task",
    "renew_task",
    "retry_task",
    "set_context",
    "start_task",
    "unblock_task",
    "update_task",
];

/// A resource, and the operation behind it.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// `{id}` stands for one step of the path, `{key}` for all that is left of it.
    pub pattern: &'static str,
    pub operation: &'static str,
    /// The argument that stands in the path.
    pub named: Option<&'static str>,
    pub created: Created,
}

/// When has a call made something that was not there before?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Never,
    Always,
    /// Unless one of these fields of the answer says that it was there.
    Unless(&'static [&'static str]),
    /// If it is the first version of its kind.
    AtFirstVersion,
}

const fn of(method: Method, pattern: &'static str, operation: &'static str) -> Route {
    Route { method, pattern, operation, named: None, created: Created::Never }
}

/// Of the one that the path names.
const fn of_one(method: Method, pattern: &'static str, operation: &'static str, named: &'static str) -> Route {
    Route { method, pattern, operation, named: Some(named), created: Created::Never }
}

const fn making(pattern: &'static str, operation: &'static str, created: Created) -> Route {
    Route { method: Method::POST, pattern, operation, named: None, created }
}

/// Where two patterns fit a path, the first stands: what is spelt out goes before what is not.
pub static ROUTES: &[Route] = &[
    of(Method::GET, "/tasks", "list_tasks"),
    making("/tasks", "push_task", Created::Always),
    of(Method::POST, "/tasks/claim", "claim_task"),
    of_one(Method::GET, "/tasks/{id}", "get_task", "task_id"),
    of_one(Method::PATCH, "/tasks/{id}", "update_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/start", "start_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/renew", "renew_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/complete", "complete_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/block", "block_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/unblock", "unblock_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/fail", "fail_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/release", "release_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/retry", "retry_task", "task_id"),
    of_one(Method::POST, "/tasks/{id}/cancel", "cancel_task", "task_id"),
    of(Method::GET, "/graph", "get_graph"),
    of(Method::GET, "/jobs", "list_jobs"),
    making("/jobs", "create_job", Created::Always),
    of_one(Method::GET, "/jobs/{id}", "get_job", "job_id"),
    of_one(Method::GET, "/jobs/{id}/results", "get_results", "job_id"),
    of_one(Method::GET, "/jobs/{id}/document", "synthesize_job", "job_id"),
    Route {
        method: Method::POST,
        pattern: "/jobs/{id}/subtasks",
        operation: "add_subtask",
        named: Some("job_id"),
        created: Created::Always,
    },
    of_one(Method::POST, "/jobs/{id}/retry", "retry_failed", "job_id"),
    of_one(Method::POST, "/jobs/{id}/cancel", "cancel_job", "job_id"),
    of(Method::GET, "/instances", "list_instances"),
    making("/instances", "register_instance", Created::Unless(&["returned", "took_over"])),
    of_one(Method::GET, "/instances/{id}", "get_instance", "instance"),
    of_one(Method::POST, "/instances/{id}/heartbeat", "heartbeat", "instance_id"),
    of_one(Method::POST, "/instances/{id}/unregister", "unregister_instance", "instance_id"),
    of(Method::GET, "/messages", "peek_messages"),
    making("/messages", "send_message", Created::Always),
    of(Method::POST, "/messages/poll", "poll_messages"),
    of_one(Method::GET, "/messages/{id}", "get_message", "message_id"),
    of_one(Method::GET, "/messages/{id}/thread", "get_thread", "message_id"),
    of_one(Method::POST, "/messages/{id}/read", "mark_read", "message_id"),
    of_one(Method::POST, "/messages/{id}/acknowledge", "acknowledge_message", "message_id"),
    of_one(Method::POST, "/messages/{id}/dismiss", "dismiss_message", "message_id"),
    of(Method::GET, "/receipts", "list_receipts"),
    of(Method::GET, "/questions", "list_questions"),
    making("/questions", "ask_human", Created::Unless(&["already"])),
    of_one(Method::GET, "/questions/{id}", "get_question", "question_id"),
    of_one(Method::POST, "/questions/{id}/answer", "answer_question", "question"),
    of_one(Method::POST, "/questions/{id}/withdraw", "withdraw_question", "question_id"),
    of(Method::GET, "/context", "list_context_keys"),
    of_one(Method::GET, "/context/{key}", "get_context", "key"),
    Route {
        method: Method::PUT,
        pattern: "/context/{key}",
        operation: "set_context",
        named: Some("key"),
        created: Created::AtFirstVersion,
    },
    of_one(Method::DELETE, "/context/{key}", "delete_context", "key"),
    of(Method::GET, "/reservations", "list_reservations"),
    making("/reservations", "reserve_files", Created::Always),
    of(Method::POST, "/reservations/release", "release_files"),
    of(Method::GET, "/status", "server_status"),
];

impl Route {
    pub fn entry(&self) -> Option<&'static Entry> {
        table::find(self.operation)
    }

    /// What stands in the path where the pattern leaves it open, as it was written; `None` if the pattern does not fit.
    pub(super) fn fit<'a>(&self, path: &'a str) -> Option<Option<&'a str>> {
        let Some((before, open)) = self.pattern.split_once('{') else { return (path == self.pattern).then_some(None) };
        let (name, after) = open.split_once('}')?;
        let written = path.strip_prefix(before)?.strip_suffix(after)?;
        let fits = !written.is_empty() && (name == "key" || !written.contains('/'));
        fits.then_some(Some(written))
    }

    /// Where what this makes is to be found, if it has an address.
    pub(super) fn address_of_one(&self) -> Option<String> {
        let one = format!("{}/{{id}}", self.pattern);
        ROUTES.iter().any(|route| route.pattern == one).then(|| format!("{}/", self.pattern))
    }
}

/// The pattern that a path fits, in words that no request can make more of.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    ROUTES.iter().find(|route| route.fit(path).is_some()).map(|route| route.pattern)
}

/// What has a version that a change can expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioned {
    /// Told beside the arguments, as `Request::expect_version`.
    Task,
    /// An argument of the operation.
    Entry,
}

pub fn versioned(entry: &Entry) -> Option<Versioned> {
    let schema = entry.input_schema();
    let takes = |argument: &str| schema.get("properties").is_some_and(|all| all.get(argument).is_some());
    let needs = |argument: &str| {
        schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == argument))
    };
    match entry.effect {
        Effect::Write if takes("expect_version") => Some(Versioned::Entry),
        Effect::Write if entry.noun == Noun::Tasks && needs("task_id") => Some(Versioned::Task),
        Effect::Read | Effect::Write | Effect::Mark => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_names_an_operation_and_an_argument_of_it() {
        for route in ROUTES {
            let entry = route.entry().unwrap_or_else(|| panic!("no operation `{}`", route.operation));
            assert_eq!(entry.name, route.operation);
            let properties = &entry.input_schema()["properties"];
            assert_eq!(route.named.is_some(), route.pattern.contains('{'), "{route:?}");
            assert!(route.named.is_none_or(|argument| properties.get(argument).is_some()), "{route:?}");
            let same = |other: &&Route| other.method == route.method && other.pattern == route.pattern;
            assert_eq!(ROUTES.iter().filter(same).count(), 1, "{route:?}");
            assert_eq!(ROUTES.iter().filter(|other| other.operation == route.operation).count(), 1, "{route:?}");
        }
    }

    /// A link, a picture or a search engine follows a GET without anybody having decided anything.
    #[test]
    fn nothing_changes_by_get() {
        for route in ROUTES {
            let entry = route.entry().unwrap();
            assert_eq!(route.method == Method::GET, entry.effect == Effect::Read, "{route:?}");
            assert!(!entry.waits(), "{route:?}");
        }
    }
}
