//! `get_question`: one of them, whole.

use crate::error::Result;
use crate::model::id::QuestionId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::question::QuestionView;
use crate::ops::question::check_may_know;
use crate::ops::question::existing;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

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
        Ok(Got { question: QuestionView::whole(question) })
    }
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
