//! Tasks as callers see them: one line of a list, or all of one task with its long texts cut to a preview.

use crate::error::Result;
use crate::model::demand::Demand;
use crate::model::demand::Finding;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Link;
use crate::model::task::Priority;
use crate::model::task::Standing;
use crate::model::task::State;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::names::Names;
use crate::ops::outline::outline;
use crate::ops::render;
use crate::ops::task::behind::Behind;
use crate::ops::task::waits_for::WaitsFor;
use crate::ops::task::waits_for::waits_for;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

const TITLE_BYTES: usize = 1_200;
const REASON_BYTES: usize = 600;
const SHORT_BYTES: usize = 600;
/// Enough of a goal to work towards it.
const GOAL_WIDTH: usize = 300;
const DESCRIPTION_BYTES: usize = 4_000;
const RESULT_BYTES: usize = 2_000;
const JSON_BYTES: usize = 1_500;
const LIST_BYTES: usize = 1_000;
const DEPENDENCIES_SHOWN: usize = 50;
const INPUTS_SHOWN: usize = 10;
const INPUT_BYTES: usize = 1_500;
/// All of the above and what a task waits for, together: it leaves room for the line, the times and the names.
const TEXTS_BYTES: usize = 9_000;

/// A task in a list.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct TaskLine {
    pub id: TaskId,
    pub title: String,
    #[schemars(with = "State")]
    pub status: String,
    /// Only for pending tasks: could somebody claim it now?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    #[schemars(with = "Priority")]
    pub priority: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Link>")]
    pub link: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<InstanceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Ready, and waiting for what somebody keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    pub updated_at: Timestamp,
    #[serde(skip)]
    pub version: Option<u64>,
}

impl TaskLine {
    pub fn of(task: &Task, tx: &mut dyn Tx) -> Result<TaskLine> {
        let now = tx.now();
        let holder_name = match &task.holder {
            Some(holder) => tx.instance(holder)?.map(|instance| instance.name),
            None => None,
        };
        Ok(TaskLine {
            id: task.id,
            title: render::short(&task.title, TITLE_BYTES),
            status: task.state.word().to_owned(),
            ready: (task.state == State::Pending).then(|| task.standing() == Standing::Ready),
            priority: task.priority.word().to_owned(),
            role: task.role.clone(),
            link: task.link.map(|link| link.word().to_owned()),
            assignee: task.assignee.clone(),
            holder: task.holder.clone(),
            holder_name,
            lease_until: task.lease_until.map(|until| now.wall_of(until)),
            reason: task.reason.as_ref().map(|reason| render::short(&render::one_line(reason, 200), REASON_BYTES)),
            behind: Behind::of(task, tx)?,
            updated_at: task.updated_at,
            version: Some(task.version),
        })
    }

    /// Who holds it, by the name people know.
    pub fn holder(&self) -> String {
        self.holder_name.clone().or_else(|| self.holder.as_ref().map(ToString::to_string)).unwrap_or_default()
    }

    /// `ready`, or what the status says: one word for a column.
    pub fn standing(&self) -> &str {
        match self.ready {
            Some(true) => "ready",
            Some(false) => "waiting",
            None => &self.status,
        }
    }
}

/// What a task that had to be done before brought.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskInput")]
pub struct Input {
    pub task: TaskId,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_json: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Something of it is longer; `get_task` with `part` reads on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// What these brought, as far as there is room: of many, the latest.
fn inputs(needed: &[TaskId], room: &mut Room, tx: &mut dyn Tx) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for id in needed.iter().rev().take(INPUTS_SHOWN) {
        let Some(done) = tx.task(*id)?.filter(|task| task.state == State::Completed) else { continue };
        let evidence = done.body.evidence.unwrap_or_default();
        if done.body.result.is_none() && done.body.result_json.is_none() && evidence.commit.is_none() {
            continue;
        }
        let most = INPUT_BYTES.min(room.left);
        let (result, whole) = done.body.result.map(|result| render::clip(&result, most)).unzip();
        let json = done.body.result_json.as_ref().map(|json| render::clip_json(json, most));
        let input = Input {
            task: done.id,
            title: render::short(&render::one_line(&done.title, 100), SHORT_BYTES),
            is_cut: whole.flatten().is_some() || matches!(json, Some(Err(_))),
            result: result.filter(|result| !result.is_empty()),
            result_json: json.and_then(std::result::Result::ok),
            commit: evidence.commit.map(|commit| render::short(&commit, SHORT_BYTES)),
            branch: evidence.branch.map(|branch| render::short(&branch, SHORT_BYTES)),
        };
        room.left = room.left.saturating_sub(render::size(&input));
        inputs.push(input);
        if room.left == 0 {
            break;
        }
    }
    inputs.reverse();
    Ok(inputs)
}

/// All of one task.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct TaskView {
    #[serde(flatten)]
    pub line: TaskLine,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_files: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_outputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TaskId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<WaitsFor>,
    /// What came of the tasks that had to be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What that is to reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What whoever claims it has to itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserves: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_json: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Value>,
    /// What must be shown before it is completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted_evidence: Vec<String>,
    /// What was found of that when it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found_evidence: Vec<String>,
    pub token: u64,
    pub attempt: u32,
    pub max_attempts: u32,
    pub lease_secs: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<InstanceId>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// Which fields are cut, and their whole length; `get_task` with `part` reads on.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub truncated: Map<String, Value>,
    /// For `get_task` alone: what a call changed is told in the same words when it is repeated, from its JSON.
    #[serde(skip)]
    pub names: Names,
}

impl TaskView {
    /// Whose names a reader of the text would like to see.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.line.assignee.as_deref().into_iter().chain(self.created_by.as_ref().map(InstanceId::as_str))
    }

    pub fn of(task: Task, tx: &mut dyn Tx) -> Result<TaskView> {
        let waiting_for = match task.unmet {
            0 => Vec::new(),
            _ => waits_for(&task, tx)?.into_iter().take(DEPENDENCIES_SHOWN).collect(),
        };
        let line = TaskLine::of(&task, tx)?;
        let body = task.body;
        let mut room = Room { left: TEXTS_BYTES.saturating_sub(render::size(&waiting_for)), truncated: Map::new() };
        // What tells one task from another goes before what is long.
        let chain_id = task.chain_id.map(|text| room.text("chain_id", &text, SHORT_BYTES));
        let goal = match task.job {
            Some(job) => {
                tx.job(job)?.map(|job| room.text("goal", &render::one_line(&job.goal, GOAL_WIDTH), SHORT_BYTES))
            }
            None => None,
        };
        let repo = task.repo.map(|text| room.text("repo", &text, SHORT_BYTES));
        let branch = task.branch.map(|text| room.text("branch", &text, SHORT_BYTES));
        let labels = room.list("labels", &task.labels);
        let reserves = room.list("reserves", &task.reserves);
        let acceptance = room.list("acceptance", &body.acceptance);
        let description = room.text("description", &body.description, DESCRIPTION_BYTES);
        let result = body.result.map(|result| room.text("result", &result, RESULT_BYTES));
        let context_files = room.list("context_files", &body.context_files);
        let expected_outputs = room.list("expected_outputs", &body.expected_outputs);
        let wanted_evidence: Vec<String> = body.demands.iter().map(Demand::to_string).collect();
        let wanted_evidence = room.list("wanted_evidence", &wanted_evidence);
        let found_evidence: Vec<String> = body.findings.iter().map(Finding::to_string).collect();
        let found_evidence = room.list("found_evidence", &found_evidence);
        let evidence = room.json("evidence", body.evidence.and_then(|evidence| serde_json::to_value(evidence).ok()));
        let result_json = room.json("result_json", body.result_json);
        let metadata = room.json("metadata", body.metadata.map(Value::Object));
        let inputs = inputs(&task.depends_on, &mut room, tx)?;
        let mut depends_on = task.depends_on;
        if depends_on.len() > DEPENDENCIES_SHOWN {
            room.cut("depends_on", Some(depends_on.len() as u64));
            depends_on.truncate(DEPENDENCIES_SHOWN);
        }
        let duration_seconds = match (task.claimed_at, task.finished_at) {
            (Some(from), Some(to)) => Some((to.millis() - from.millis()) / 1000),
            _ => None,
        };
        Ok(TaskView {
            line,
            description,
            acceptance,
            context_files,
            expected_outputs,
            depends_on,
            waiting_for,
            inputs,
            chain_id,
            parent: task.parent,
            job: task.job,
            goal,
            repo,
            branch,
            labels,
            reserves,
            metadata,
            result,
            result_json,
            evidence,
            wanted_evidence,
            found_evidence,
            token: task.token,
            attempt: task.attempt,
            max_attempts: task.max_attempts,
            lease_secs: task.lease_secs,
            not_before: task.not_before,
            created_by: task.created_by,
            created_at: task.created_at,
            claimed_at: task.claimed_at,
            started_at: task.started_at,
            finished_at: task.finished_at,
            duration_seconds,
            truncated: room.truncated,
            names: Names::default(),
        })
    }
}

/// What is left of an answer for the texts of a task, and which of them had to be cut.
struct Room {
    left: usize,
    truncated: Map<String, Value>,
}

impl Room {
    fn cut(&mut self, field: &str, whole: Option<u64>) {
        if let Some(whole) = whole {
            self.truncated.insert(field.to_owned(), whole.into());
        }
    }

    fn take(&mut self, field: &str, shown: &impl Serialize, whole: Option<u64>) {
        self.left = self.left.saturating_sub(render::size(shown));
        self.cut(field, whole);
    }

    fn text(&mut self, field: &str, text: &str, most: usize) -> String {
        let (kept, whole) = render::clip(text, most.min(self.left));
        self.take(field, &kept, whole);
        kept
    }

    fn list(&mut self, field: &str, items: &[String]) -> Vec<String> {
        let (kept, whole) = render::clip_list(items, LIST_BYTES.min(self.left));
        self.take(field, &kept, whole);
        kept
    }

    fn json(&mut self, field: &str, value: Option<Value>) -> Option<Value> {
        let shown = render::clip_json(&value?, JSON_BYTES.min(self.left));
        self.take(field, &shown.as_ref().ok(), shown.as_ref().err().copied());
        shown.ok()
    }
}

impl TaskView {
    /// Whom it is meant for, by the name that people know.
    fn meant_for(&self) -> Option<String> {
        let assignee = self.line.assignee.as_deref()?;
        match &self.line.holder {
            Some(holder) if holder.as_str() == assignee => Some(self.line.holder()),
            _ => Some(self.names.of(assignee).to_owned()),
        }
    }

    /// Where it belongs: its repository and branch, its chain, the task it is a part of.
    fn places(&self) -> String {
        let parent = self.parent.map(|parent| parent.to_string());
        let job = self.job.map(|job| job.short());
        let places = [
            ("job", &job),
            ("repo", &self.repo),
            ("branch", &self.branch),
            ("chain", &self.chain_id),
            ("part of", &parent),
        ];
        let told = places.iter().filter_map(|(what, place)| Some(format!("{what} {}", flat((*place).as_ref()?))));
        told.collect::<Vec<_>>().join(", ")
    }

    /// The steps of its life that were taken, and when.
    pub fn times(&self) -> Vec<String> {
        let creator = self.created_by.as_ref().and_then(|by| self.names.known(by.as_str()));
        let by = creator.map(|name| format!(" by {name}")).unwrap_or_default();
        let after = self.duration_seconds.map(|secs| format!(", {secs} s after its claim")).unwrap_or_default();
        let steps = [("claimed", self.claimed_at), ("started", self.started_at)];
        let mut times = vec![format!("pushed {}{by}", render::local(self.created_at))];
        times.extend(steps.iter().filter_map(|(what, at)| Some(format!("{what} {}", render::local((*at)?)))));
        times.extend(self.finished_at.map(|at| format!("{} {}{after}", self.line.status, render::local(at))));
        let told = [Some(self.created_at), self.claimed_at, self.started_at, self.finished_at];
        if !told.contains(&Some(self.line.updated_at)) {
            times.push(format!("changed {}", render::local(self.line.updated_at)));
        }
        times
    }
}

impl fmt::Display for TaskView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.line;
        writeln!(f, "{}  {}", line.id, line.title)?;
        let priority = match line.priority.parse::<u8>() {
            Ok(number) => format!("priority {number}"),
            Err(_) => format!("{} priority", line.priority),
        };
        write!(f, "  {}, {priority}", line.standing())?;
        for (what, value) in [("role", &line.role), ("link", &line.link), ("for", &self.meant_for())] {
            if let Some(value) = value {
                write!(f, ", {what} {value}")?;
            }
        }
        writeln!(f)?;
        if line.holder.is_some() {
            let holder = line.holder();
            let held = if line.lease_until.is_some() { "held by" } else { "last held by" };
            write!(f, "  {held} {holder}, token {}, attempt {} of {}", self.token, self.attempt, self.max_attempts)?;
            match line.lease_until {
                Some(until) => writeln!(f, ", until {}", render::local(until))?,
                None => writeln!(f)?,
            }
        }
        if let Some(reason) = &line.reason {
            writeln!(f, "  reason: {reason}")?;
        }
        for wait in &self.waiting_for {
            writeln!(f, "  waits for {} ({})", wait.id, wait.status)?;
        }
        if let Some(behind) = &line.behind {
            writeln!(f, "  waits for {}", behind.words())?;
        }
        if let Some(not_before) = self.not_before {
            writeln!(f, "  not before {}", render::local(not_before))?;
        }
        let evidence = self.evidence.as_ref().map(evidence_text).unwrap_or_default();
        let goal = self.goal.as_deref().map(flat).unwrap_or_default();
        for (what, text) in [("belongs to", self.places()), ("goal", goal), ("evidence", evidence)] {
            if !text.is_empty() {
                writeln!(f, "  {what}: {text}")?;
            }
        }
        for (what, items) in [
            ("must hold", &self.acceptance),
            ("must show", &self.wanted_evidence),
            ("has shown", &self.found_evidence),
            ("read first", &self.context_files),
            ("make", &self.expected_outputs),
            ("labels", &self.labels),
            ("reserves", &self.reserves),
        ] {
            if !items.is_empty() {
                writeln!(f, "  {what}: {}", items.iter().map(|item| flat(item)).collect::<Vec<_>>().join(", "))?;
            }
        }
        let json = self.result_json.as_ref().map(outline);
        for text in [Some(&self.description).filter(|text| !text.is_empty()), self.result.as_ref(), json.as_ref()]
            .into_iter()
            .flatten()
        {
            // Indented, so that no text can look like a line of ours.
            writeln!(f)?;
            text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        for input in &self.inputs {
            writeln!(f, "\n  from {} {}:", input.task.short(), flat(&input.title))?;
            let json = input.result_json.as_ref().map(outline);
            for text in [&input.result, &json].into_iter().flatten() {
                text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
            }
            for (what, value) in [("commit", &input.commit), ("branch", &input.branch)] {
                value.iter().try_for_each(|value| writeln!(f, "    {what} {}", flat(value)))?;
            }
            if input.is_cut {
                writeln!(f, "    (cut: get-task {} --part result)", input.task.short())?;
            }
        }
        for (field, whole) in &self.truncated {
            writeln!(f, "  ({field} is cut, it has {whole} in all: get-task {} --part {field})", line.id)?;
        }
        Ok(())
    }
}

/// All of a text on one line, so that none of it can look like a line of ours.
fn flat(text: &str) -> String {
    render::one_line(text, usize::MAX)
}

/// What shows that a task was done, as `commit abc, files a.rs b.rs`.
fn evidence_text(evidence: &Value) -> String {
    let told = |value: &Value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(flat).collect::<Vec<_>>().join(" "),
        value => value.as_str().map(flat).unwrap_or_default(),
    };
    let facts = evidence.as_object().into_iter().flatten();
    facts.map(|(what, value)| format!("{what} {}", told(value))).collect::<Vec<_>>().join(", ")
}

/// A step of a task's life was taken.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskChanged")]
pub struct Changed {
    pub task: TaskLine,
}

impl Changed {
    pub fn of(task: &Task, tx: &mut dyn Tx) -> Result<Changed> {
        Ok(Changed { task: TaskLine::of(task, tx)? })
    }
}

impl Answer for Changed {
    fn version(&self) -> Option<u64> {
        self.task.version
    }

    fn ids(&self) -> Vec<String> {
        vec![self.task.id.to_string()]
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is {}: {}", self.task.id, self.task.standing(), self.task.title)
    }
}

/// A task that is still the caller's, and by which claim.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskHeld")]
pub struct Held {
    pub task: TaskLine,
    pub token: u64,
}

impl Held {
    pub fn of(task: &Task, tx: &mut dyn Tx) -> Result<Held> {
        Ok(Held { task: TaskLine::of(task, tx)?, token: task.token })
    }
}

impl Answer for Held {
    fn version(&self) -> Option<u64> {
        self.task.version
    }

    fn ids(&self) -> Vec<String> {
        vec![self.task.id.to_string()]
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} (token {})", self.task.id, self.task.standing(), self.token)?;
        match self.task.lease_until {
            Some(until) => writeln!(f, ", yours until {}", render::local(until)),
            None => writeln!(f),
        }
    }
}
