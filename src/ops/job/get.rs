//! `get_job`: how far a job is, when it may end, what it cost and what holds it up.

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::job::Eta;
use crate::model::job::Job;
use crate::model::job::State;
use crate::model::job::eta;
use crate::model::spending::Budget;
use crate::model::spending::Spent;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::job::open_questions;
use crate::ops::job::short_ids;
use crate::ops::job::view::JobLine;
use crate::ops::question::brief;
use crate::ops::render;
use crate::ops::task::existing_job;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Told of the longest chain, and of what holds the job up.
const CHAIN_SHOWN: u32 = 10;
const HOLDING_UP_SHOWN: u32 = 10;
const TEXT_BYTES: usize = 300;
const METADATA_BYTES: usize = 1_500;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetJob {
    job_id: JobId,
}

/// The longest chain of tasks that wait for one another and for what is left.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobChain")]
struct Chain {
    length: u64,
    /// The first of them, which come next.
    tasks: Vec<TaskId>,
}

/// A task for which others wait in vain.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobHoldUp")]
struct HoldUp {
    task: TaskId,
    title: String,
    #[schemars(with = "Standing")]
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How many wait for it.
    waiting: u64,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "JobQuestion")]
struct Asked {
    question_id: QuestionId,
    from: String,
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct JobView {
    #[serde(flatten)]
    line: JobLine,
    /// How many of its tasks stand where; none where it is not named.
    by_status: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta: Option<Eta>,
    /// Why nobody knows when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eta_unknown: Option<String>,
    spent: Spent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    critical_path: Option<Chain>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held_up_by: Vec<HoldUp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    questions: Vec<Asked>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    /// The metadata is longer than is shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    metadata_is_cut: bool,
}

impl Operation for GetJob {
    const NAME: &'static str = "get_job";
    const ABOUT: &'static str = "How far a job is, when it may end, what it cost, what holds it up";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["job_id"];
    type Output = JobView;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<JobView> {
        let job = existing_job(tx, self.job_id)?;
        let line = JobLine::of(&job, tx)?;
        let (length, tasks) = tx.longest_chain(job.id, CHAIN_SHOWN)?;
        let held_up = tx.holding_up(job.id, HOLDING_UP_SHOWN)?;
        let asked = open_questions(tx, job.id, HOLDING_UP_SHOWN)?;
        let when = expected(&job, &line, length);
        let metadata = job.metadata.clone().map(Value::Object);
        let shown = metadata.as_ref().map(|metadata| render::clip_json(metadata, METADATA_BYTES));
        let counted = Standing::ALL.into_iter().map(|standing| (standing.word().to_owned(), job.counts.of(standing)));
        Ok(JobView {
            by_status: counted.filter(|(_, count)| *count > 0).collect(),
            eta: when.as_ref().ok().copied(),
            eta_unknown: when.err(),
            spent: job.spent.clone(),
            budget: Some(job.budget.clone()).filter(|budget| *budget != Budget::default()),
            critical_path: (length > 0).then_some(Chain { length, tasks }),
            held_up_by: held_up.into_iter().map(|(task, waiting)| hold_up(&task, waiting)).collect(),
            questions: asked
                .into_iter()
                .map(|question| Asked {
                    question_id: question.id,
                    from: question.asker_name.clone(),
                    text: render::short(&brief(&question, 200), TEXT_BYTES),
                })
                .collect(),
            metadata_is_cut: matches!(shown, Some(Err(_))),
            metadata: shown.and_then(|shown| shown.ok()),
            line,
        })
    }
}

fn hold_up(task: &Task, waiting: u64) -> HoldUp {
    let reason = task.reason.as_ref();
    HoldUp {
        task: task.id,
        title: render::short(&render::one_line(&task.title, 100), TEXT_BYTES),
        status: task.standing().word().to_owned(),
        reason: reason.map(|reason| render::short(&render::one_line(reason, 150), TEXT_BYTES)),
        waiting,
    }
}

/// When it may end, or why nobody knows.
fn expected(job: &Job, line: &JobLine, chain: u64) -> std::result::Result<Eta, String> {
    let why = match State::of_word(&line.state) {
        Some(state) if state.has_ended() => "it has ended",
        Some(State::Empty) => "it has no tasks yet",
        Some(State::Stuck) => "it is stuck",
        _ => match eta(&job.pace, job.counts.left(), chain, job.counts.at_work()) {
            Some(eta) => return Ok(eta),
            None if job.counts.at_work() == 0 && !line.asks.is_empty() => "it waits for you",
            None if job.counts.at_work() == 0 => "nobody works at it",
            None => "too few of its tasks are done to tell how long they take",
        },
    };
    Err(why.to_owned())
}

impl Answer for JobView {
    fn ids(&self) -> Vec<String> {
        vec![self.line.id.to_string()]
    }
}

impl fmt::Display for JobView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.line;
        writeln!(f, "{}", line.words())?;
        let counted: Vec<String> = self.by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
        if !counted.is_empty() {
            writeln!(f, "  tasks: {}", counted.join(", "))?;
        }
        match (&self.eta, &self.eta_unknown) {
            (Some(eta), _) => {
                let lasting = |secs: u64| render::lasting(i64::try_from(secs).unwrap_or(i64::MAX / 1000) * 1000);
                writeln!(f, "  ends in {} to {}", lasting(eta.from_seconds), lasting(eta.to_seconds))?;
            }
            (None, Some(why)) if !line.has_ended() => writeln!(f, "  when it ends is not known: {why}")?,
            _ => {}
        }
        if let Some(deadline) = line.deadline {
            writeln!(f, "  deadline {}", render::local(deadline))?;
        }
        let budget = self.budget.as_ref().map(budget_words).unwrap_or_default();
        writeln!(f, "  cost {}{budget}", self.spent.words())?;
        if let Some(reason) = &line.reason {
            writeln!(f, "  called off: {reason}")?;
        }
        if let Some(chain) = &self.critical_path {
            let more = if chain.length > chain.tasks.len() as u64 { ", …" } else { "" };
            let tasks = if chain.length == 1 { "task" } else { "tasks" };
            writeln!(f, "  longest chain: {} {tasks}: {}{more}", chain.length, short_ids(&chain.tasks))?;
        }
        for held in &self.held_up_by {
            let why = held.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let waiting = match held.waiting {
                0 => String::new(),
                1 => ", for which 1 task waits".to_owned(),
                many => format!(", for which {many} tasks wait"),
            };
            writeln!(f, "  held up by {} ({}{waiting}) {}{why}", held.task.short(), held.status, held.title)?;
        }
        for asked in &self.questions {
            writeln!(f, "  {} asks ({}): {}", asked.from, asked.question_id.short(), asked.text)?;
        }
        Ok(())
    }
}

fn budget_words(budget: &Budget) -> String {
    let most = [
        budget.dollars.map(|most| format!("${most:.2}")),
        budget.tokens.map(|most| format!("{most} tokens")),
        budget.turns.map(|most| format!("{most} turns")),
    ];
    let most: Vec<String> = most.into_iter().flatten().collect();
    if most.is_empty() { String::new() } else { format!(" of {}", most.join(", ")) }
}
