//! What is not done when a launch ends: each task with why that is so, and what is to be done about it.

use crate::error::Result;
use crate::host::Host;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::ops::render;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;

const WORDS: usize = 100;
/// More are counted, and not listed.
pub(super) const LISTED_MAX: usize = 20;

pub(super) struct Left {
    pub(super) id: String,
    pub(super) title: String,
    /// As it goes on behind the title.
    pub(super) why: String,
    pub(super) next: Option<String>,
    /// Nobody has to do anything about it.
    pub(super) in_hand: bool,
}

impl Left {
    pub(super) fn line(&self) -> String {
        let next = self.next.as_ref().map(|next| format!("; next: {next}")).unwrap_or_default();
        format!("  {} \"{}\" {}{next}", self.id, render::one_line(&self.title, WORDS), self.why)
    }

    pub(super) fn data(&self) -> Value {
        json!({ "task_id": self.id, "title": self.title, "why": self.why, "next": self.next })
    }
}

/// The oldest of what waits and of what is ready, and all that is held. Of `roles` workers were wanted.
pub(super) fn of(team: &Team, roles: &BTreeSet<String>) -> Result<Vec<Left>> {
    let listed = |status: &str| -> Result<Vec<Value>> {
        let mut tasks = team.every("list_tasks", json!({ "status": status }), "tasks")?;
        tasks.reverse();
        Ok(tasks)
    };
    let workers = team.workers()?;
    let mut found = Vec::new();
    let mut add = |task: &Value, (why, next, in_hand): (String, Option<String>, bool)| {
        let (id, title) = (text(task, "id").to_owned(), text(task, "title").to_owned());
        found.push(Left { id, title, why, next, in_hand });
    };
    for task in listed("waiting")?.iter().take(LISTED_MAX) {
        add(task, waits(team, task)?);
    }
    for task in listed("ready")?.iter().take(LISTED_MAX) {
        add(task, is_ready(team, task, &workers, roles));
    }
    for status in ["claimed", "in_progress"] {
        listed(status)?.iter().for_each(|task| add(task, is_held(task, &workers)));
    }
    Ok(found)
}

type Why = (String, Option<String>, bool);

fn waits(team: &Team, task: &Value) -> Result<Why> {
    let told = text(task, "id").parse().ok().map(|id| team.task(id)).transpose()?.flatten().unwrap_or_default();
    let waits_for = told["waiting_for"].as_array().cloned().unwrap_or_default();
    // What will not come by itself is told before what may.
    let ends = |status: &str| waits_for.iter().find(|one| one["status"] == status);
    let stuck = [
        ("failed", "which failed", "retry-task"),
        ("cancelled", "which was cancelled", "retry-task"),
        ("blocked", "which is set aside", "unblock-task"),
    ];
    let stuck = stuck.into_iter().find_map(|(status, how, next)| Some((ends(status)?, how, next)));
    Ok(match (stuck, waits_for.first()) {
        (Some((one, how, next)), _) => {
            let id = render::short_id(text(one, "id"));
            let number = id.trim_start_matches("task-");
            (format!("waits for {id}, {how}"), Some(format!("orch-mcp {next} {number}")), false)
        }
        (None, Some(one)) => (format!("waits for {}", render::short_id(text(one, "id"))), None, false),
        (None, None) => match told["not_before"].as_str().and_then(|at| at.parse().ok()) {
            Some(at) => (format!("waits until {}", render::moment(at, Host::System.wall())), None, true),
            None => ("waits".to_owned(), None, false),
        },
    })
}

fn is_ready(team: &Team, task: &Value, workers: &[Value], roles: &BTreeSet<String>) -> Why {
    let (assignee, role) = (text(task, "assignee"), text(task, "role"));
    if !assignee.is_empty() {
        let known = team.ask("get_instance", json!({ "instance": assignee })).unwrap_or_default();
        let name = known["instance"]["name"].as_str().unwrap_or(assignee);
        let is_ours = workers.iter().any(|one| one["name"] == name);
        return (format!("is for {name} alone"), is_ours.then(|| format!("orch-mcp restart {name}")), false);
    }
    if role.is_empty() || roles.contains(&role.to_ascii_lowercase()) {
        if task["behind"].is_object() {
            return is_behind(&task["behind"], workers);
        }
        return ("is ready, and nobody has taken it".to_owned(), Some("orch-mcp launch".to_owned()), false);
    }
    let next = match role {
        "docs" | "planner" => format!("orch-mcp launch --{role}"),
        _ => format!("orch-mcp launch --role {role}=1"),
    };
    (format!("is for the role {role}, of which no worker was launched"), Some(next), false)
}

/// What a worker has comes free with its task; what a session has is its own affair.
fn is_behind(behind: &Value, workers: &[Value]) -> Why {
    let (pattern, holder) = (text(behind, "pattern"), text(behind, "holder_name"));
    let is_of_worker = workers.iter().any(|one| one["name"] == holder);
    let next = is_of_worker.then(|| "orch-mcp launch".to_owned());
    (format!("waits for `{pattern}`, which {holder} has"), next, !is_of_worker)
}

fn is_held(task: &Value, workers: &[Value]) -> Why {
    let holder = task["holder_name"].as_str().unwrap_or_else(|| text(task, "holder"));
    match workers.iter().any(|one| one["name"] == holder) {
        true => (format!("is held by {holder}"), Some("orch-mcp launch --wanted".to_owned()), false),
        false => (format!("is held by {holder}, who is none of the workers"), None, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_keeps_is_its_own_affair_and_what_a_worker_kept_is_told_as_left() {
        let behind = json!({ "pattern": "@db", "holder_name": "amy" });
        let (why, next, in_hand) = is_behind(&behind, &[json!({ "name": "executor-1" })]);
        assert_eq!((why.as_str(), next, in_hand), ("waits for `@db`, which amy has", None, true));
        let (_, next, in_hand) = is_behind(&behind, &[json!({ "name": "amy" })]);
        assert!(next.is_some() && !in_hand);
    }
}
