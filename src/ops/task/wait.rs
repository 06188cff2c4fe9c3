//! `wait_for_task`: until a task is finished or changed, or until something is ready to be claimed.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::Claimer;
use crate::model::task::Standing;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::patience;
use crate::ops::task::TaskLine;
use crate::ops::task::choice;
use crate::ops::task::existing;
use crate::ops::task::lapse::free_lapsed;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Until {
    Finished,
    Changed,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WaitForTask {
    /// Without it: any task ready for you
    task_id: Option<TaskId>,
    /// finished (default), or changed since cursor
    until: Option<Until>,
    cursor: Option<u64>,
    timeout_seconds: Option<u32>,
    /// The version at the first look, from which a change is told where no cursor was given.
    #[serde(skip)]
    first_seen: OnceLock<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct TaskNews {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskLine>,
    /// Something is ready: call `claim_task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    timed_out: bool,
    /// Give it back to wait for the next change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<u64>,
}

impl Operation for WaitForTask {
    const NAME: &'static str = "wait_for_task";
    const ABOUT: &'static str = "Wait until a task is finished, or until one is ready for you";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Mark;
    const POSITIONAL: &'static [&'static str] = &["task_id"];
    type Output = TaskNews;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<TaskNews> {
        free_lapsed(tx)?;
        match self.task_id {
            Some(id) => {
                let task = existing(tx, id)?;
                let timed_out = match self.until() {
                    Until::Finished => !task.state.is_final(),
                    Until::Changed => !self.changed(task.version),
                };
                let line = TaskLine::of(&task, tx)?;
                Ok(TaskNews { task: Some(line), ready: None, timed_out, cursor: Some(task.version) })
            }
            None => {
                let ready = self.something_is_ready(tx, caller)?;
                Ok(TaskNews { task: None, ready: Some(ready), timed_out: !ready, cursor: None })
            }
        }
    }

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let now = tx.now();
        let lapses = tx.next_lapse()?.map(|tick| tick.since(now.tick));
        let falls_due = tx.next_due()?.map(|at| at.millis() - now.at.millis());
        let is_freed = choice::next_freed(tx)?.map(|tick| tick.since(now.tick));
        let by_time_alone = [lapses, falls_due, is_freed].into_iter().flatten().min();
        if by_time_alone.is_some_and(|millis| millis <= 0) {
            return Ok(None);
        }
        let look_again_after = by_time_alone.map(|millis| Duration::from_millis(millis as u64));
        let topic = match self.task_id {
            Some(id) => {
                let task = existing(tx, id)?;
                let happened = match self.until() {
                    Until::Finished => task.state.is_final(),
                    Until::Changed => self.changed(task.version),
                };
                if happened {
                    return Ok(None);
                }
                Topic::Task(id)
            }
            None if self.something_is_ready(tx, caller)? => return Ok(None),
            None => Topic::Ready,
        };
        Ok(Some(Wait { topics: vec![topic], look_again_after }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl WaitForTask {
    fn until(&self) -> Until {
        self.until.unwrap_or(Until::Finished)
    }

    fn changed(&self, version: u64) -> bool {
        self.cursor.unwrap_or_else(|| *self.first_seen.get_or_init(|| version)) != version
    }

    /// For the caller, if we know them; for anybody, if not.
    fn something_is_ready(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<bool> {
        match caller.known_instance(tx)? {
            Some(me) => Ok(choice::next(tx, Claimer { id: &me.id, role: &me.role })?.is_some()),
            None => {
                let tally = tx.tally()?;
                let ready = tally.iter().filter(|tally| tally.standing == Standing::Ready).map(|tally| tally.count);
                Ok(ready.sum::<u64>() > choice::count_behind(tx, None)?)
            }
        }
    }
}

impl Answer for TaskNews {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        self.task.iter().map(|task| task.id.to_string()).collect()
    }
}

impl fmt::Display for TaskNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.task, self.timed_out) {
            (Some(task), _) => writeln!(f, "{} is {}: {}", task.id, task.standing(), task.title),
            (None, false) => writeln!(f, "something is ready; `claim-task` takes it"),
            (None, true) => writeln!(f, "nothing is ready for you yet"),
        }
    }
}
