//! `gather_report`: what the store knows of a span of time, in one consistent look: what was done, what is under way, what is in
//! the way, what it cost.

use crate::error::Error;
use crate::error::Result;
use crate::model::event::Event;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::spending::By;
use crate::model::spending::Spent;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render;
use crate::ops::task::Behind;
use crate::ops::task::WaitsFor;
use crate::ops::task::waits_for;
use crate::store::EventFilter;
use crate::store::QuestionFilter;
use crate::store::SpentFilter;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Of each part so many: more nobody reads.
const LINES_MAX: usize = 50;
/// How many there are besides is counted so far.
const COUNTED_MAX: u64 = 10_000;
/// Among so many of the newest events of a kind is looked for those of the span.
const SEARCHED_MAX: u32 = 2_000;
const SPENDERS_MAX: u32 = 10;
/// Of those that wait, so many are asked for what.
const WAITING_LOOKED_AT: u32 = 500;
const TEXT_BYTES: usize = 300;

const SPAN_MS_DEFAULT: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GatherReport {
    /// A day before `until`, unless said
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    job: Option<JobId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Gathered {
    pub since: Timestamp,
    pub until: Timestamp,
    /// Completed in the span, the newest first.
    pub done: Part,
    pub doing: Part,
    pub blocked: Part,
    /// Waits for what failed or was called off, and so does not come by itself.
    pub stuck: Part,
    /// What failed in the span, also if it was tried again since.
    pub failures: Part,
    /// Open questions to the human.
    pub questions: Part,
    /// What may be begun at once.
    pub ready: Part,
    /// Since the day on which the span begins (UTC).
    pub spent: Spent,
    pub spenders: Vec<Spender>,
}

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ReportPart")]
pub struct Part {
    pub lines: Vec<Line>,
    /// How many there are besides.
    pub more: u64,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ReportLine")]
pub struct Line {
    pub id: String,
    pub title: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of what happened to it in the span, and is so no more: how it stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ReportSpender")]
pub struct Spender {
    pub worker: String,
    pub spent: Spent,
}

impl Operation for GatherReport {
    const NAME: &'static str = "gather_report";
    const ABOUT: &'static str = "What was done, is under way, is in the way, and what it cost, for a span of time";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Read;
    type Output = Gathered;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Gathered> {
        let until = self.until.unwrap_or(tx.now().at);
        let since = self.since.unwrap_or(until.plus_millis(-SPAN_MS_DEFAULT));
        if since > until {
            let message = format!("the span begins at {since} and ends before that, at {until}");
            return Err(Error::invalid(message).hint("give `since` the earlier of the two"));
        }
        if let Some(job) = self.job
            && tx.job(job)?.is_none()
        {
            return Err(Error::not_found(format!("no job `{job}`")).hint("`list_jobs` shows those that there are"));
        }
        let spent = SpentFilter { since: Some(since), job: self.job, ..SpentFilter::default() };
        let spenders = tx.spent_by(By::default(), &spent, SPENDERS_MAX)?;
        let named = |(worker, spent): (Option<String>, Spent)| Some(Spender { worker: worker?, spent });
        Ok(Gathered {
            since,
            until,
            done: self.happened("task.completed", (since, until), tx)?,
            doing: self.standing(&[Standing::InProgress, Standing::Claimed], tx)?,
            blocked: self.standing(&[Standing::Blocked], tx)?,
            stuck: self.stuck(tx)?,
            failures: self.happened("task.failed", (since, until), tx)?,
            questions: self.questions(tx)?,
            ready: self.standing(&[Standing::Ready], tx)?,
            spent: tx.spent(&spent)?,
            spenders: spenders.into_iter().filter_map(named).collect(),
        })
    }
}

impl GatherReport {
    /// Each task once, by the newest event of that kind.
    fn happened(&self, kind: &str, (since, until): (Timestamp, Timestamp), tx: &mut dyn Tx) -> Result<Part> {
        let filter = EventFilter { kind: Some(kind.to_owned()), newest_first: true, ..EventFilter::default() };
        let events = tx.events(&filter, SEARCHED_MAX)?;
        let in_span = |event: &&Event| event.kind == kind && event.at >= since && event.at <= until;
        let mut part = Part::default();
        let mut seen = BTreeSet::new();
        for event in events.iter().filter(in_span) {
            let Ok(id) = event.subject.parse::<TaskId>() else { continue };
            if !seen.insert(id) {
                continue;
            }
            let Some(task) = tx.task(id)?.filter(|task| self.job.is_none() || task.job == self.job) else { continue };
            if part.lines.len() >= LINES_MAX {
                part.more += 1;
                continue;
            }
            let why = event.data.get("reason").and_then(|reason| reason.as_str()).or(task.reason.as_deref());
            let why = why.filter(|_| kind == "task.failed").map(str::to_owned);
            let who = event.actor.clone().or_else(|| task.holder.clone());
            let who = who.map(|who| tx.instance(&who)).transpose()?.flatten().map(|who| who.name);
            let is_so_still = kind == format!("task.{}", task.standing().word());
            let now = (!is_so_still).then(|| task.standing().word().replace('_', " "));
            part.lines.push(Line { at: event.at, who, why: why.map(|why| short(&why)), now, ..Line::of(&task) });
        }
        Ok(part)
    }

    fn standing(&self, standings: &[Standing], tx: &mut dyn Tx) -> Result<Part> {
        let filter = TaskFilter { standings: standings.to_vec(), job: self.job, ..TaskFilter::default() };
        let tasks = tx.list_tasks(&filter, LINES_MAX as u32)?;
        let mut part = Part::default();
        for task in tasks {
            let holder = task.holder.as_ref().map(|holder| tx.instance(holder)).transpose()?.flatten();
            let who = holder.map(|holder| holder.name);
            let behind = Behind::of(&task, tx)?.map(|behind| format!("waits for {}", behind.words()));
            let why = task.reason.as_deref().map(short).or(behind);
            part.lines.push(Line { who, why, ..Line::of(&task) });
        }
        part.more = tx.count_tasks(&filter, COUNTED_MAX)?.saturating_sub(part.lines.len() as u64);
        Ok(part)
    }

    fn stuck(&self, tx: &mut dyn Tx) -> Result<Part> {
        let mut part = Part::default();
        if tx.count_stuck(1)? == 0 {
            return Ok(part);
        }
        let filter = TaskFilter { standings: vec![Standing::Waiting], job: self.job, ..TaskFilter::default() };
        for task in tx.list_tasks(&filter, WAITING_LOOKED_AT)? {
            let Some(ended) = waits_for(&task, tx)?.into_iter().find(WaitsFor::has_ended) else { continue };
            if part.lines.len() >= LINES_MAX {
                part.more += 1;
                continue;
            }
            part.lines.push(Line { why: Some(format!("waits for {}", ended.words())), ..Line::of(&task) });
        }
        if self.job.is_none() {
            part.more = tx.count_stuck(COUNTED_MAX)?.saturating_sub(part.lines.len() as u64);
        }
        Ok(part)
    }

    fn questions(&self, tx: &mut dyn Tx) -> Result<Part> {
        let open = QuestionFilter::open();
        let mut part = Part::default();
        for question in tx.questions(&open, LINES_MAX as u32)? {
            let task = question.task.map(|task| tx.task(task)).transpose()?.flatten();
            if self.job.is_some() && task.is_none_or(|task| task.job != self.job) {
                continue;
            }
            part.lines.push(Line {
                id: question.id.to_string(),
                title: short(&question.text),
                at: question.asked_at,
                who: Some(question.asker_name.clone()),
                why: None,
                now: None,
            });
        }
        if self.job.is_none() {
            part.more = tx.count_questions(&open)?.saturating_sub(part.lines.len() as u64);
        }
        Ok(part)
    }
}

impl Line {
    fn of(task: &Task) -> Line {
        Line {
            id: task.id.to_string(),
            title: short(&task.title),
            at: task.updated_at,
            who: None,
            why: None,
            now: None,
        }
    }
}

fn short(text: &str) -> String {
    render::short(text, TEXT_BYTES)
}

impl Answer for Gathered {
    fn ids(&self) -> Vec<String> {
        self.done.lines.iter().map(|line| line.id.clone()).collect()
    }
}

impl fmt::Display for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |part: &Part| part.lines.len() as u64 + part.more;
        let blocked = count(&self.blocked) + count(&self.stuck);
        let counts = [
            ("done", count(&self.done)),
            ("doing", count(&self.doing)),
            ("blocked", blocked),
            ("failed", count(&self.failures)),
        ];
        let counts = counts.map(|(word, count)| format!("{count} {word}"));
        write!(f, "{}", counts.join(", "))?;
        match self.spent == Spent::default() {
            true => writeln!(f),
            false => writeln!(f, "; {}", self.spent.words()),
        }
    }
}
