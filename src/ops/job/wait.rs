//! `wait_for_job`: until a job has ended, or until something about it wants attention.

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::job::Job;
use crate::model::job::State;
use crate::model::task::Standing;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::job::QUESTIONS_MAX;
use crate::ops::job::open_questions;
use crate::ops::job::results;
use crate::ops::job::results::ResultLine;
use crate::ops::job::results::Which;
use crate::ops::job::settle;
use crate::ops::job::view::JobLine;
use crate::ops::patience;
use crate::ops::task::existing_job;
use crate::ops::task::free_lapsed;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// Of as many results a caller is told at once as an answer has room for; the others are a page further.
const RESULTS_MAX: u32 = 100;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Until {
    /// Nothing more happens: it has ended, or is stuck.
    #[default]
    Ended,
    /// That, or something has failed.
    Failure,
    /// That, or the human is asked something.
    Question,
    /// That, or either of the two, or the deadline has passed.
    Trouble,
    /// That, or any task of it stands elsewhere than at `cursor`, or something else is asked.
    Progress,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WaitForJob {
    job_id: JobId,
    /// ended (default) or stuck; or also at the first failure, question, trouble (either, or late), progress since cursor
    until: Option<Until>,
    /// With the results
    collect: Option<bool>,
    cursor: Option<u64>,
    timeout_seconds: Option<u32>,
    /// How it was at the first look, from which progress is told where no cursor was given.
    #[serde(skip)]
    first_seen: OnceLock<u64>,
}

/// Why the wait is over.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Because {
    Ended,
    Stuck,
    Failure,
    Question,
    Late,
    Progress,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct JobNews {
    pub(super) job: JobLine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<Because>,
    pub(super) timed_out: bool,
    /// Give it back to wait for the next progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    results: Vec<ResultLine>,
    /// There are more: `get_results` goes on after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    more_after: Option<TaskId>,
}

impl JobNews {
    pub(super) fn of(job: &Job, because: Option<Because>, tx: &mut dyn Tx) -> Result<JobNews> {
        Ok(JobNews {
            job: JobLine::of(job, tx)?,
            because,
            timed_out: because.is_none(),
            cursor: None,
            results: Vec::new(),
            more_after: None,
        })
    }
}

impl Operation for WaitForJob {
    const NAME: &'static str = "wait_for_job";
    const ABOUT: &'static str = "Wait until a job has ended, or needs you";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Mark;
    const POSITIONAL: &'static [&'static str] = &["job_id"];
    type Output = JobNews;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<JobNews> {
        free_lapsed(tx)?;
        let job = existing_job(tx, self.job_id)?;
        let because = self.because(tx, &job)?;
        let mut news = JobNews::of(&job, because, tx)?;
        if self.until() == Until::Progress {
            news.cursor = Some(seen(&job, tx)?);
        }
        if self.collect == Some(true) {
            (news.results, news.more_after) = results::page(tx, job.id, Which::All, None, RESULTS_MAX)?;
        }
        Ok(news)
    }

    fn awaits(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        let now = tx.now();
        let job = existing_job(tx, self.job_id)?;
        let lapses = tx.next_lapse()?.map(|tick| tick.since(now.tick));
        let falls_due = tx.next_due()?.map(|at| at.millis() - now.at.millis());
        let late = job.deadline.filter(|_| self.until() == Until::Trouble && !job.is_overdue(now));
        let late = late.map(|deadline| deadline.millis() - now.at.millis());
        let by_time_alone = [lapses, falls_due, late].into_iter().flatten().min();
        if by_time_alone.is_some_and(|millis| millis <= 0) || self.because(tx, &job)?.is_some() {
            return Ok(None);
        }
        let look_again_after = by_time_alone.map(|millis| Duration::from_millis(millis as u64));
        let mut topics = vec![Topic::Job(job.id)];
        if matches!(self.until(), Until::Question | Until::Trouble | Until::Progress) {
            topics.push(Topic::Questions);
        }
        Ok(Some(Wait { topics, look_again_after }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

/// A number that is another one once a task has come or moved, or the human is asked something else.
fn seen(job: &Job, tx: &mut dyn Tx) -> Result<u64> {
    let asked = open_questions(tx, job.id, QUESTIONS_MAX)?.into_iter().map(|question| question.id.number() as u64);
    let all = job.counts.0.into_iter().chain(asked);
    let seen = all.fold(0, |seen: u64, count| seen.wrapping_mul(1_000_003).wrapping_add(count));
    // What every reader of JSON can hold.
    Ok(seen & ((1 << 53) - 1))
}

impl WaitForJob {
    fn until(&self) -> Until {
        self.until.unwrap_or_default()
    }

    fn because(&self, tx: &mut dyn Tx, job: &Job) -> Result<Option<Because>> {
        match settle::state(tx, job)? {
            state if state.has_ended() => return Ok(Some(Because::Ended)),
            State::Stuck => return Ok(Some(Because::Stuck)),
            _ => {}
        }
        let until = self.until();
        if matches!(until, Until::Failure | Until::Trouble) && job.counts.of(Standing::Failed) > 0 {
            return Ok(Some(Because::Failure));
        }
        if matches!(until, Until::Question | Until::Trouble) && !open_questions(tx, job.id, 1)?.is_empty() {
            return Ok(Some(Because::Question));
        }
        if until == Until::Trouble && job.is_overdue(tx.now()) {
            return Ok(Some(Because::Late));
        }
        if until != Until::Progress {
            return Ok(None);
        }
        let now = seen(job, tx)?;
        let before = self.cursor.unwrap_or_else(|| *self.first_seen.get_or_init(|| now));
        Ok((before != now).then_some(Because::Progress))
    }
}

impl Answer for JobNews {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        vec![self.job.id.to_string()]
    }
}

impl fmt::Display for JobNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.job.words())?;
        match self.because {
            Some(Because::Stuck) => writeln!(f, "  nothing of it moves by itself; `get-job` shows what holds it up")?,
            Some(Because::Failure) => writeln!(f, "  something failed; `get-results --which failed` shows it")?,
            Some(Because::Question) => writeln!(f, "  a question waits for an answer; `questions` shows it")?,
            Some(Because::Late) => writeln!(f, "  its deadline has passed")?,
            None if self.timed_out => writeln!(f, "  nothing of what is waited for came in time")?,
            Some(Because::Ended | Because::Progress) | None => {}
        }
        self.results.iter().try_for_each(|result| result.write(f))?;
        match &self.more_after {
            Some(last) => {
                writeln!(f, "  more: `get-results {} --cursor {}`", self.job.id.short(), last.short())
            }
            None => Ok(()),
        }
    }
}
