//! What came of a launch that ends when all is done: looked at before it and after it, and told in a few lines.

use crate::error::Result;
use crate::host::Stopwatch;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::spending::Spent;
use crate::ops::render;
use crate::store::doorbell::Hangup;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

const GIVEN_UP: &str = "worker.given_up";

const WORDS: usize = 100;
/// More are counted, and not listed.
const LISTED_MAX: usize = 20;

/// How everything stood when it began.
pub(super) struct Tally {
    began: Stopwatch,
    completed: u64,
    /// What had failed or was set aside before, which is nobody's doing now.
    before: BTreeSet<String>,
    /// Where the events stood.
    cursor: u64,
    spent: Spent,
}

/// What is different at its end.
pub(super) struct Told {
    completed: u64,
    failed: Vec<Value>,
    set_aside: Vec<Value>,
    waiting: u64,
    left: u64,
    /// Workers, and why.
    given_up: BTreeMap<String, String>,
    spent: Spent,
    secs: f64,
    pub(super) branches_wait: bool,
}

impl Tally {
    pub(super) fn begin(team: &Team) -> Result<Tally> {
        let went_wrong = went_wrong(team, "failed")?.into_iter().chain(went_wrong(team, "blocked")?);
        Ok(Tally {
            began: Stopwatch::start(),
            completed: counts(team)?.0,
            before: went_wrong.map(|task| text(&task, "id").to_owned()).collect(),
            cursor: team.events(GIVEN_UP, None, Duration::ZERO, &Hangup::new())?.1,
            spent: spent(team)?,
        })
    }

    pub(super) fn end(&self, team: &Team) -> Result<Told> {
        let new = |status: &str| -> Result<Vec<Value>> {
            let mut tasks = went_wrong(team, status)?;
            tasks.retain(|task| !self.before.contains(text(task, "id")));
            // Newest first is how they are listed; the first that failed is what one wants to read first.
            tasks.reverse();
            Ok(tasks)
        };
        let (completed, waiting, left) = counts(team)?;
        let now = spent(team)?;
        Ok(Told {
            completed: completed.saturating_sub(self.completed),
            failed: new("failed")?,
            set_aside: new("blocked")?,
            waiting,
            left,
            given_up: self.given_up(team)?,
            spent: Spent {
                dollars: (now.dollars - self.spent.dollars).max(0.0),
                tokens: now.tokens.saturating_sub(self.spent.tokens),
                turns: now.turns.saturating_sub(self.spent.turns),
                runs: now.runs.saturating_sub(self.spent.runs),
                unknown: now.unknown.saturating_sub(self.spent.unknown),
            },
            secs: self.began.so_far().as_secs_f64(),
            branches_wait: false,
        })
    }
}

impl Tally {
    fn given_up(&self, team: &Team) -> Result<BTreeMap<String, String>> {
        let (mut given_up, mut cursor) = (BTreeMap::new(), self.cursor);
        loop {
            let (events, next) = team.events(GIVEN_UP, Some(cursor), Duration::ZERO, &Hangup::new())?;
            if events.is_empty() {
                return Ok(given_up);
            }
            for event in events {
                given_up.insert(text(&event, "subject").to_owned(), text(&event["data"], "reason").to_owned());
            }
            cursor = next;
        }
    }
}

impl Told {
    /// Nothing failed, nothing was set aside, and nothing is left because of those who were given up.
    pub(super) fn is_well(&self) -> bool {
        self.failed.is_empty() && self.set_aside.is_empty() && (self.given_up.is_empty() || self.left == 0)
    }

    fn tasks(&self) -> u64 {
        self.completed + (self.failed.len() + self.set_aside.len()) as u64 + self.waiting + self.left
    }

    pub(super) fn text(&self) -> String {
        let mut parts = vec![format!("{} of {} tasks completed", self.completed, self.tasks())];
        let went_wrong = self.failed.len() + self.set_aside.len();
        let mut add = |count: u64, words: &str| {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        };
        add(self.failed.len() as u64, "failed");
        add(self.set_aside.len() as u64, "set aside");
        add(
            self.waiting,
            match (self.waiting, went_wrong) {
                (1, 0) => "waits",
                (_, 0) => "wait",
                (1, 1) => "waits for it",
                (_, 1) => "wait for it",
                (1, _) => "waits for them",
                _ => "wait for them",
            },
        );
        add(self.left, "left");
        let mut lines = vec![format!("{} · {} · {:.0} s", parts.join(", "), self.spent.words(), self.secs)];
        let went_wrong = self.failed.iter().map(|task| (task, "failed", "retry-task"));
        let went_wrong = went_wrong.chain(self.set_aside.iter().map(|task| (task, "is set aside", "unblock-task")));
        lines.extend(went_wrong.take(LISTED_MAX).map(|(task, what, next)| {
            let (id, title) = (text(task, "id"), render::one_line(text(task, "title"), WORDS));
            let reason = render::one_line(text(task, "reason"), WORDS);
            format!("  {id} \"{title}\" {what}: {reason}; next: orch-mcp {next} {id}")
        }));
        lines.extend(self.given_up.iter().take(LISTED_MAX).map(|(worker, reason)| {
            let reason = render::one_line(reason, WORDS);
            format!("  {worker} was given up: {reason}; next: orch-mcp logs {worker}, then orch-mcp restart {worker}")
        }));
        if self.branches_wait {
            lines.push("next: orch-mcp land".to_owned());
        }
        lines.join("\n") + "\n"
    }

    pub(super) fn data(&self) -> Value {
        let tasks = |all: &[Value], next: &str| -> Vec<Value> {
            let task = |task: &Value| {
                json!({
                    "task_id": task["id"], "title": task["title"], "reason": task["reason"],
                    "next": format!("orch-mcp {next} {}", text(task, "id")),
                })
            };
            all.iter().map(task).collect()
        };
        json!({
            "tasks": self.tasks(),
            "completed": self.completed,
            "failed": tasks(&self.failed, "retry-task"),
            "set_aside": tasks(&self.set_aside, "unblock-task"),
            "waiting": self.waiting,
            "left": self.left,
            "given_up": self.given_up.iter().map(|(worker, reason)| json!({
                "worker": worker, "reason": reason, "next": format!("orch-mcp restart {worker}"),
            })).collect::<Vec<_>>(),
            "spent": self.spent,
            "seconds": self.secs,
            "branches_wait": self.branches_wait,
        })
    }
}

fn went_wrong(team: &Team, status: &str) -> Result<Vec<Value>> {
    team.every("list_tasks", json!({ "status": status }), "tasks")
}

/// Completed, waiting for others, and what else is open and not set aside.
fn counts(team: &Team) -> Result<(u64, u64, u64)> {
    let tasks = team.ask("get_overview", json!({}))?["tasks"].take();
    let count = |standing: &str| tasks[standing].as_u64().unwrap_or_default();
    Ok((count("completed"), count("waiting"), count("ready") + count("claimed") + count("in_progress")))
}

fn spent(team: &Team) -> Result<Spent> {
    Ok(Spent::deserialize(&team.ask("list_costs", json!({}))?["total"]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_is_told_with_what_to_do_next() {
        let task = |id: &str| json!({ "id": id, "title": "t", "reason": "no\nroom" });
        let mut told = Told {
            completed: 2,
            failed: vec![task("task-0000000003")],
            set_aside: Vec::new(),
            waiting: 1,
            left: 0,
            given_up: BTreeMap::new(),
            spent: Spent { dollars: 0.03, runs: 3, ..Spent::default() },
            secs: 6.2,
            branches_wait: true,
        };
        let text = "2 of 4 tasks completed, 1 failed, 1 waits for it · $0.03 · 6 s\n  \
                    task-0000000003 \"t\" failed: no room; next: orch-mcp retry-task task-0000000003\n\
                    next: orch-mcp land\n";
        assert_eq!(told.text(), text);
        assert!(!told.is_well());
        (told.set_aside, told.waiting, told.branches_wait) = (vec![task("task-0000000004")], 2, false);
        assert!(told.text().starts_with("2 of 6 tasks completed, 1 failed, 1 set aside, 2 wait for them · "));
        (told.failed, told.set_aside, told.waiting) = (Vec::new(), Vec::new(), 0);
        told.given_up.insert("executor-1".to_owned(), "exit code 1".to_owned());
        assert!(told.is_well(), "another one did what there was");
        told.left = 1;
        assert!(!told.is_well() && told.text().contains("\n  executor-1 was given up: exit code 1; next: "));
    }
}
