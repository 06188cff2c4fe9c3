//! Questions to the human: ask, list, wait, answer, withdraw.

mod answer;
mod ask;
mod due;
mod get;
mod list;
mod permit;
mod policy;
mod wait;
mod withdraw;

pub use answer::AnswerQuestion;
pub use ask::AskHuman;
pub(in crate::ops) use due::settle_due;
pub use get::GetQuestion;
pub use list::ListQuestions;
pub use permit::PERMISSION_SECS_DEFAULT;
pub use permit::PERMISSION_SECS_MAX;
pub use permit::RequestPermission;
pub(in crate::ops) use permit::in_words;
pub use policy::SetPolicy;
pub use wait::WaitForAnswer;
pub use withdraw::WithdrawQuestion;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::model::id::InstanceId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::question;
use crate::model::question::Decision;
use crate::model::question::Question;
use crate::model::question::State;
use crate::model::time::Timestamp;
use crate::ops::Caller;
use crate::ops::render;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

/// Nobody has so many open questions.
const OPEN_MAX: u32 = 200;

/// What is shown of a long question, answer or request in a list.
const TEXT_BYTES_SHOWN: usize = 2_000;
const REQUEST_BYTES_SHOWN: usize = 2_000;
/// Of each text in a request that is too long to be shown.
const REQUEST_TEXT_BYTES: usize = 300;
/// What a worker was allowed for good: of more than that the oldest is asked for again.
pub(in crate::ops) const PERMISSIONS_MAX: u32 = 1_000;

/// A question as callers see it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct QuestionView {
    pub id: QuestionId,
    pub kind: question::Kind,
    pub state: State,
    /// Who asks.
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// What cannot go on without the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<TaskId>,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// What permission is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    pub asked_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl QuestionView {
    /// Cut to what a list has room for.
    pub fn of(question: Question) -> QuestionView {
        QuestionView::shown(question, TEXT_BYTES_SHOWN, REQUEST_BYTES_SHOWN)
    }

    fn shown(question: Question, text_bytes: usize, request_bytes: usize) -> QuestionView {
        QuestionView {
            id: question.id,
            kind: question.kind,
            state: question.state,
            from: question.asker_name,
            task_id: question.task,
            blocks: question.blocks,
            text: render::short(&question.text, text_bytes),
            // Once it is answered, the answer says which.
            options: if question.state == State::Open { question.options } else { Vec::new() },
            default: question.default,
            due_at: question.due_at,
            request: question.request.and_then(|map| shown_request(map, request_bytes)),
            answer: question.answer.map(|answer| render::short(&answer, text_bytes)),
            decision: question.decision,
            answered_by: question.answered_by,
            asked_at: question.asked_at,
            ended_at: question.ended_at,
        }
    }

    /// What came of it.
    fn outcome(&self) -> Option<String> {
        let by = self.answered_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        let said = match (self.decision, &self.answer) {
            (Some(decision), Some(words)) => format!("{}: {words}", decision.word()),
            (Some(decision), None) => decision.word().to_owned(),
            (None, Some(words)) => words.clone(),
            (None, None) => return None,
        };
        Some(format!("{said}{by}"))
    }
}

/// As a person reads it who is to answer it.
impl fmt::Display for QuestionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = self.task_id.map(|task| format!(", about {task}")).unwrap_or_default();
        writeln!(f, "{}  {} asks{about}, {}, {}", self.id, self.from, self.asked_at, self.state.word())?;
        // Indented, so that no text can look like the head of another question.
        self.text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
        if let Some(request) = &self.request {
            writeln!(f, "    {request}")?;
        }
        for (at, option) in self.options.iter().enumerate() {
            writeln!(f, "    {}. {}", at + 1, render::one_line(option, 200))?;
        }
        if !self.blocks.is_empty() {
            let blocks: Vec<String> = self.blocks.iter().map(TaskId::to_string).collect();
            writeln!(f, "    holds up {}", blocks.join(", "))?;
        }
        match (self.state, self.due_at, &self.default) {
            (State::Open, Some(due), Some(default)) => writeln!(f, "    without an answer by {due}: {default}")?,
            (State::Open, Some(due), None) => writeln!(f, "    wants an answer by {due}")?,
            (State::Open, None, Some(default)) => writeln!(f, "    proposes: {default}")?,
            _ => {}
        }
        match self.outcome() {
            Some(outcome) => outcome.lines().try_for_each(|line| writeln!(f, "    > {line}")),
            None => Ok(()),
        }
    }
}

/// Whole, or else the beginning of each of its texts.
fn shown_request(request: Map<String, Value>, bytes: usize) -> Option<Value> {
    let mut request = Value::Object(request);
    if render::size(&request) > bytes {
        render::shorten_texts(&mut request, REQUEST_TEXT_BYTES);
    }
    render::clip_json(&request, bytes).ok()
}

/// Nobody waits any more for what somebody asked.
pub(in crate::ops) fn withdraw_open(tx: &mut dyn Tx, asker: &InstanceId, kinds: &[question::Kind]) -> Result<()> {
    let open = QuestionFilter { state: Some(State::Open), asker: Some(asker.clone()), after: None };
    let now = tx.now();
    for mut one in tx.questions(&open, OPEN_MAX)?.into_iter().filter(|one| kinds.contains(&one.kind)) {
        let event = one.withdraw(None, now)?;
        tx.update_question(&mut one)?;
        tx.append_event(event)?;
    }
    Ok(())
}

fn existing(tx: &mut dyn Tx, id: QuestionId) -> Result<Question> {
    tx.question(id)?.ok_or_else(|| {
        Error::not_found(format!("no question `{id}`")).hint("`list_questions` shows those that are open")
    })
}

/// Those who asked, and those who lead, may know what came of it.
fn check_may_know(question: &Question, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let Some(principal) = caller.principal.as_ref().filter(|principal| principal.access < Access::Lead) else {
        return Ok(());
    };
    let asker = match &question.asker {
        Some(asker) => tx.instance(asker)?,
        None => None,
    };
    match asker {
        Some(asker) if caller.may_be(&asker) => Ok(()),
        _ => {
            let message =
                format!("question `{}` was asked by others, and this token is of a {}", question.id, principal.access);
            Err(Error::new(Kind::Forbidden, message).hint("a token of a lead or of a human reads all questions"))
        }
    }
}
