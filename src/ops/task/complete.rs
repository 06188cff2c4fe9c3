//! `complete_task`: it is done, and this shows it.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::stage::Verdict;
use crate::model::task::Completion;
use crate::model::task::Evidence;
use crate::model::task::LIST_MAX;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::Task;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::evidence;
use crate::ops::evidence::Wanted;
use crate::ops::refusals::Told;
use crate::ops::task::TaskLine;
use crate::ops::task::existing;
use crate::ops::task::given::wake_dependants;
use crate::ops::task::passage;
use crate::ops::task::passage::Passage;
use crate::ops::task::plan::PushedMany;
use crate::ops::task::planned;
use crate::ops::task::planned::Planned;
use crate::ops::worker::worker_completes;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteTask {
    task_id: TaskId,
    /// What came of it
    #[schemars(length(max = TEXT_BYTES_MAX))]
    result: Option<String>,
    result_json: Option<Value>,
    evidence: Option<Evidence>,
    token: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskCompleted")]
pub struct Completed {
    task: TaskLine,
    /// Tasks that became ready by this.
    unblocked: u32,
    /// This claim had completed it before; the first result stands.
    already: bool,
    /// Instead of being completed it went back to this stage, with your words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent_back_to: Option<String>,
    /// The tasks of that round, and which round it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    /// The tasks that were made of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned: Option<PushedMany>,
    /// The human is asked to let it pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question_id: Option<QuestionId>,
}

impl Completed {
    fn of(task: &Task, passage: Option<Passage>, tx: &mut dyn Tx) -> Result<Completed> {
        let mut completed = Completed {
            task: TaskLine::of(task, tx)?,
            unblocked: 0,
            already: false,
            sent_back_to: None,
            again: Vec::new(),
            round: None,
            planned: None,
            question_id: None,
        };
        match passage {
            Some(Passage::AtGate(question)) => completed.question_id = Some(question),
            Some(Passage::SentBack { to, round, tasks }) => {
                completed.sent_back_to = Some(to);
                (completed.round, completed.again) = (Some(round), tasks);
            }
            Some(Passage::GivenUp) | None => {}
        }
        Ok(completed)
    }
}

impl Operation for CompleteTask {
    const NAME: &'static str = "complete_task";
    const ABOUT: &'static str = "Your task is done: result and evidence";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["task_id", "result"];
    type Output = Completed;

    fn wants(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wanted>> {
        let me = caller.instance(tx)?;
        let task = existing(tx, self.task_id)?;
        task.check_held(&me.id, self.token, tx.now()).told(tx)?;
        Wanted::of(&task, &me, self.evidence.as_ref(), tx, caller)
    }

    /// A verdict may give it to another role, and a plan gives its tasks to some.
    fn names_roles(&self) -> bool {
        self.result_json.is_some()
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Completed> {
        let mut done = self.completion()?;
        let me = caller.instance(tx)?;
        let now = tx.now();
        let mut task = existing(tx, self.task_id)?;
        let mut along = Along::default();
        if task.check_held(&me.id, self.token, now).is_ok() {
            match self.judge(&mut task, &mut done, &me, tx, caller)? {
                Said::Completes(found) => along = *found,
                Said::WaitsAtGate => return self.wait_at_gate(&mut task, done, &me, tx),
                Said::SendsBack(passage) => return Completed::of(&task, Some(passage), tx),
            }
        }
        let Some(event) = task.complete(&me.id, self.token, done, now).told(tx)? else {
            self.check_says_the_same(&task)?;
            return Ok(Completed { already: true, ..Completed::of(&task, None, tx)? });
        };
        keep(tx, &mut task)?;
        let unblocked = tx.dependency_met(task.id)?;
        tx.append_event(event)?;
        let planned = match along.plan {
            Some((plan, job)) => Some(plan.push(job, tx, caller)?),
            None => None,
        };
        worker_completes(tx, &me, task.id)?;
        if unblocked > 0 {
            wake_dependants(tx, task.id, Some(&me.id))?;
        }
        Ok(Completed { unblocked, planned, ..Completed::of(&task, along.passage, tx)? })
    }
}

/// What its result says of the task itself.
enum Said {
    Completes(Box<Along>),
    WaitsAtGate,
    SendsBack(Passage),
}

/// What comes along with the end of the task.
#[derive(Default)]
struct Along {
    /// Word for a round that goes on.
    passage: Option<Passage>,
    /// Tasks, and the job that they become part of.
    plan: Option<(Planned, JobId)>,
}

impl Completed {
    pub fn question(&self) -> Option<QuestionId> {
        self.question_id
    }
}

impl CompleteTask {
    pub fn with(task_id: TaskId, result: Option<String>, result_json: Value) -> CompleteTask {
        CompleteTask { task_id, result, result_json: Some(result_json), evidence: None, token: None }
    }

    /// A second word about the stages before it would go unheard: they went on after the first.
    fn check_says_the_same(&self, task: &Task) -> Result<()> {
        let judges = task.body.stage.as_ref().is_some_and(|stage| stage.verdict);
        if !judges || self.result_json.is_none() || self.result_json == task.body.result_json {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, format!("`{}` was completed with another verdict, which holds", task.id))
            .hint("push a task for what you found since, or write to whoever goes on from there"))
    }

    /// What it demands is looked for, and what its verdict says is done, by whoever holds it.
    fn judge(
        &self,
        task: &mut Task,
        done: &mut Completion,
        me: &Instance,
        tx: &mut dyn Tx,
        caller: &Caller,
    ) -> Result<Said> {
        let verdict = passage::verdict(task, self.result_json.as_ref())?;
        let is_overtaken = task.is_overtaken_round();
        let mut along = Along { plan: Planned::of(task, self.result_json.as_ref(), tx, caller)?, passage: None };
        if let Some((words, to)) = verdict.as_ref().and_then(Verdict::rejects) {
            if let Some(to) = to {
                planned::check_assigned(to, tx, caller)?;
            }
            let words = match done.result.as_ref() {
                Some(result) => format!("{words}\n\n{result}"),
                None => words.to_owned(),
            };
            if !is_overtaken {
                return passage::send_back(tx, task, &words, to, Some(&me.id)).map(Said::SendsBack);
            }
            along.passage = passage::send_word(tx, task, &words, to, me)?;
        }
        if along.passage.is_none() {
            done.findings = evidence::check(task, me, tx, caller)?;
            evidence::check_approves(task, done.result.as_deref(), done.result_json.as_ref(), tx, caller)?;
        }
        if let Some(Verdict::Close { reason }) = &verdict {
            match is_overtaken {
                // Of a round that was sent back already: word for the next one, which may be worth more.
                true => along.passage = passage::send_word(tx, task, reason, None, me)?,
                false => passage::close(tx, task, reason, &me.id)?,
            }
        } else if passage::has_human_gate(task) && !is_overtaken {
            return Ok(Said::WaitsAtGate);
        }
        Ok(Said::Completes(Box::new(along)))
    }

    /// It is done, and waits for the human.
    fn wait_at_gate(&self, task: &mut Task, done: Completion, me: &Instance, tx: &mut dyn Tx) -> Result<Completed> {
        let event = task.wait_at_gate(&me.id, self.token, done, tx.now()).told(tx)?;
        keep(tx, task)?;
        tx.append_event(event)?;
        worker_completes(tx, me, task.id)?;
        let passage = passage::ask(tx, task, &me.name)?;
        Completed::of(task, Some(passage), tx)
    }

    fn completion(&self) -> Result<Completion> {
        let too_long = |field: &str, length: usize| {
            Error::invalid(format!("`{field}` has {length} bytes; it may have {TEXT_BYTES_MAX}"))
                .hint("write it to a file and name the file in the result")
        };
        if let Some(result) = self.result.as_ref().filter(|result| result.len() > TEXT_BYTES_MAX) {
            return Err(too_long("result", result.len()));
        }
        for (field, value) in [
            ("result_json", self.result_json.as_ref().map(Value::to_string)),
            ("evidence", self.evidence.as_ref().and_then(|evidence| serde_json::to_string(evidence).ok())),
        ] {
            if let Some(json) = value.filter(|json| json.len() > TEXT_BYTES_MAX) {
                return Err(too_long(field, json.len()));
            }
        }
        if self.evidence.as_ref().is_some_and(|evidence| evidence.files.len() > LIST_MAX) {
            return Err(Error::invalid(format!("`evidence.files` may have {LIST_MAX} entries")));
        }
        Ok(Completion {
            result: self.result.clone().filter(|result| !result.is_empty()),
            result_json: self.result_json.clone(),
            evidence: self.evidence.clone(),
            findings: Vec::new(),
        })
    }
}

/// What came of it, which commits show it, and how long it took.
fn keep(tx: &mut dyn Tx, task: &mut Task) -> Result<()> {
    if let (Some(job), Some(claimed)) = (task.job, task.claimed_at) {
        tx.keep_pace(job, tx.now().at.millis() - claimed.millis())?;
    }
    tx.update_task(task)?;
    tx.update_task_body(task)?;
    for commit in task.body.findings.iter().filter_map(|finding| finding.commit.as_deref()) {
        tx.put_task_of_commit(commit, task.id)?;
    }
    Ok(())
}

impl Answer for Completed {
    fn version(&self) -> Option<u64> {
        self.task.version
    }

    fn ids(&self) -> Vec<String> {
        vec![self.task.id.to_string()]
    }
}

impl fmt::Display for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is {}: {}", self.task.id, self.task.standing(), self.task.title)?;
        if let (Some(to), Some(round)) = (&self.sent_back_to, self.round) {
            if self.again.is_empty() {
                return writeln!(f, "  `{to}` was sent back already: your words are for its round {round}");
            }
            let again: Vec<String> = self.again.iter().map(|id| id.short()).collect();
            return writeln!(f, "  it goes back to `{to}`, round {round}: {}", again.join(", "));
        }
        if let Some(reason) = self.task.reason.as_ref().filter(|_| self.question_id.is_none()) {
            return writeln!(
                f,
                "  {reason}\n  `unblock-task {} --note …` lets it have one more round",
                self.task.id.short()
            );
        }
        if let Some(question) = self.question_id {
            return writeln!(f, "  the human is asked to let it pass ({})", question.short());
        }
        self.planned.iter().try_for_each(|planned| planned.fmt(f))?;
        match (self.already, self.unblocked) {
            (true, _) => writeln!(f, "  it was before; the first result stands"),
            (_, 0) => Ok(()),
            (_, 1) => writeln!(f, "  1 task became ready"),
            (_, unblocked) => writeln!(f, "  {unblocked} tasks became ready"),
        }
    }
}
