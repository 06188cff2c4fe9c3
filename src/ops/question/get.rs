//! `get_question`: one of them, whole.

use crate::error::Result;
use crate::model::id::QuestionId;
use crate::model::question::Decision;
use crate::model::question::Kind;
use crate::model::question::Question;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::question::AllowedBefore;
use crate::ops::question::QuestionView;
use crate::ops::question::check_may_know;
use crate::ops::question::existing;
use crate::store::EventFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Once answered, and once taken back.
const ANSWERS_MAX: u32 = 2;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetQuestion {
    question_id: QuestionId,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "QuestionGot")]
pub struct Got {
    question: QuestionView,
}

impl Operation for GetQuestion {
    const NAME: &'static str = "get_question";
    const ABOUT: &'static str = "One question to the human, and what came of it";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["question_id"];
    type Output = Got;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Got> {
        let question = existing(tx, self.question_id)?;
        check_may_know(&question, tx, caller)?;
        let allowed_before = allowed_before(&question, tx)?;
        Ok(Got { question: QuestionView { allowed_before, ..QuestionView::whole(question) } })
    }
}

/// What was decided before stands in the events alone.
fn allowed_before(question: &Question, tx: &mut dyn Tx) -> Result<Option<AllowedBefore>> {
    if question.kind != Kind::Permission || question.decision != Some(Decision::Deny) {
        return Ok(None);
    }
    let (kind, subject) = (Some("question.answered".to_owned()), Some(question.id.to_string()));
    let answers = tx.events(&EventFilter { after: 0, kind, subject, newest_first: false }, ANSWERS_MAX)?;
    let always = answers
        .into_iter()
        .find(|one| one.data.get("decision").is_some_and(|decision| decision == Decision::ApproveAlways.word()));
    Ok(always
        .map(|one| AllowedBefore { by: one.data.get("by").and_then(Value::as_str).map(str::to_owned), at: one.at }))
}

impl Answer for Got {
    fn ids(&self) -> Vec<String> {
        vec![self.question.id.to_string()]
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.question.fmt(f)
    }
}
