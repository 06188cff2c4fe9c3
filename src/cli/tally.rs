//! What came of a launch that ends when all is done: looked at before it and after it, and told in a few lines.

use crate::cli::left;
use crate::cli::left::LISTED_MAX;
use crate::cli::left::Left;
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
const WANTED: &str = "worker.wanted";

const WORDS: usize = 100;

/// How everything stood when it began.
pub(super) struct Tally {
    began: Stopwatch,
    completed: u64,
    /// What had failed or was set aside before, which is nobody's doing now.
    before: BTreeSet<String>,
    /// Of which roles workers were wanted.
    roles: BTreeSet<String>,
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
    /// What waits and what is left: the first of it, each with why that is so.
    open: Vec<Left>,
    /// Workers, and why.
    given_up: BTreeMap<String, String>,
    spent: Spent,
    secs: f64,
    /// What lands the branches that wait for it.
    pub(super) lands: Vec<String>,
}

impl Tally {
    pub(super) fn begin(team: &Team) -> Result<Tally> {
        let went_wrong = went_wrong(team, "failed")?.into_iter().chain(went_wrong(team, "blocked")?);
        Ok(Tally {
            began: Stopwatch::start(),
            completed: counts(team)?.0,
            before: went_wrong.map(|task| text(&task, "id").to_owned()).collect(),
            roles: team.workers()?.iter().filter(|one| one["wanted"] == true).map(role).collect(),
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
        let mut roles = self.roles.clone();
        roles.extend(self.events(team, WANTED)?.iter().map(|event| role(&event["data"])));
        Ok(Told {
            completed: completed.saturating_sub(self.completed),
            failed: new("failed")?,
            set_aside: new("blocked")?,
            waiting,
            left,
            open: if waiting + left > 0 { left::of(team, &roles)? } else { Vec::new() },
            given_up: self.given_up(team)?,
            spent: Spent {
                dollars: (now.dollars - self.spent.dollars).max(0.0),
                tokens: now.tokens.saturating_sub(self.spent.tokens),
                turns: now.turns.saturating_sub(self.spent.turns),
                runs: now.runs.saturating_sub(self.spent.runs),
                unknown: now.unknown.saturating_sub(self.spent.unknown),
            },
            secs: self.began.so_far().as_secs_f64(),
            lands: Vec::new(),
        })
    }
}

impl Tally {
    fn given_up(&self, team: &Team) -> Result<BTreeMap<String, String>> {
        let events = self.events(team, GIVEN_UP)?.into_iter();
        Ok(events
            .map(|event| (text(&event, "subject").to_owned(), text(&event["data"], "reason").to_owned()))
            .collect())
    }

    /// All of a kind since it began.
    fn events(&self, team: &Team, kind: &str) -> Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), self.cursor);
        loop {
            let (events, next) = team.events(kind, Some(cursor), Duration::ZERO, &Hangup::new())?;
            if events.is_empty() {
                return Ok(all);
            }
            all.extend(events);
            cursor = next;
        }
    }
}

fn role(value: &Value) -> String {
    text(value, "role").to_ascii_lowercase()
}

impl Told {
    /// Nothing failed, nothing was set aside, and what is left is in hand: others work on it, or its time is yet to come.
    pub(super) fn is_well(&self) -> bool {
        let in_hand = self.open.iter().filter(|one| one.in_hand).count() as u64;
        self.failed.is_empty() && self.set_aside.is_empty() && self.waiting + self.left <= in_hand
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
        lines.extend(self.open.iter().take(LISTED_MAX).map(Left::line));
        lines.extend(self.given_up.iter().take(LISTED_MAX).map(|(worker, reason)| {
            let reason = render::one_line(reason, WORDS);
            format!("  {worker} was given up: {reason}; next: orch-mcp logs {worker}, then orch-mcp restart {worker}")
        }));
        lines.extend(self.lands.iter().map(|command| format!("next: {command}")));
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
            "open": self.open.iter().take(LISTED_MAX).map(Left::data).collect::<Vec<_>>(),
            "given_up": self.given_up.iter().map(|(worker, reason)| json!({
                "worker": worker, "reason": reason, "next": format!("orch-mcp restart {worker}"),
            })).collect::<Vec<_>>(),
            "spent": self.spent,
            "seconds": self.secs,
            "branches_wait": !self.lands.is_empty(),
            "next": self.lands,
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
            open: Vec::new(),
            given_up: BTreeMap::new(),
            spent: Spent { dollars: 0.03, runs: 3, ..Spent::default() },
            secs: 6.2,
            lands: vec!["orch-mcp land".to_owned()],
        };
        let text = "2 of 4 tasks completed, 1 failed, 1 waits for it · $0.03 · 6 s\n  \
                    task-0000000003 \"t\" failed: no room; next: orch-mcp retry-task task-0000000003\n\
                    next: orch-mcp land\n";
        assert_eq!(told.text(), text);
        assert!(!told.is_well());
        (told.set_aside, told.waiting, told.lands) = (vec![task("task-0000000004")], 2, Vec::new());
        assert!(told.text().starts_with("2 of 6 tasks completed, 1 failed, 1 set aside, 2 wait for them · "));
        (told.failed, told.set_aside, told.waiting) = (Vec::new(), Vec::new(), 0);
        told.given_up.insert("executor-1".to_owned(), "exit code 1".to_owned());
        assert!(told.is_well(), "another one did what there was");
        told.left = 1;
        assert!(!told.is_well() && told.text().contains("\n  executor-1 was given up: exit code 1; next: "));
        told.open = vec![Left {
            id: "task-0000000005".to_owned(),
            title: "t".to_owned(),
            why: "is held by amy".to_owned(),
            next: None,
            in_hand: true,
        }];
        assert!(told.is_well() && told.text().contains("\n  task-0000000005 \"t\" is held by amy\n"));
        told.waiting = 1;
        assert!(!told.is_well(), "nobody sees to that one");
    }
}
