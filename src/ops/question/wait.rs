//! `wait_for_answer`: until the human has answered, or the deadline has.

use crate::error::Result;
use crate::model::id::QuestionId;
use crate::model::question::Question;
use crate::model::question::State;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::patience;
use crate::ops::question::QuestionView;
use crate::ops::question::check_may_know;
use crate::ops::question::existing;
use crate::ops::question::settle_due;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WaitForAnswer {
    question_id: QuestionId,
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct AnswerNews {
    question: QuestionView,
    timed_out: bool,
}

impl AnswerNews {
    fn of(question: Question) -> AnswerNews {
        AnswerNews { timed_out: question.state == State::Open, question: QuestionView::of(question) }
    }
}

impl WaitForAnswer {
    fn question(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Question> {
        let question = existing(tx, self.question_id)?;
        check_may_know(&question, tx, caller)?;
        Ok(question)
    }
}

impl Operation for WaitForAnswer {
    const NAME: &'static str = "wait_for_answer";
    const ABOUT: &'static str = "Wait until the human has answered";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Mark;
    const POSITIONAL: &'static [&'static str] = &["question_id"];
    type Output = AnswerNews;

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let question = self.question(tx, caller)?;
        let now = tx.now().at;
        if question.state != State::Open || question.is_due(now) {
            return Ok(None);
        }
        let left = question.due_at.map(|due| Duration::from_millis((due.millis() - now.millis()) as u64));
        Ok(Some(Wait { topics: vec![Topic::Question(question.id)], look_again_after: left }))
    }

    fn nothing_to_mark(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<AnswerNews>> {
        let question = self.question(tx, caller)?;
        Ok((!question.is_due(tx.now().at)).then(|| AnswerNews::of(question)))
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<AnswerNews> {
        self.question(tx, caller)?;
        settle_due(tx)?;
        Ok(AnswerNews::of(self.question(tx, caller)?))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl Answer for AnswerNews {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        vec![self.question.id.to_string()]
    }
}

impl fmt::Display for AnswerNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.timed_out, self.question.outcome()) {
            (true, _) => writeln!(f, "nobody has answered {} yet", self.question.id),
            (false, Some(outcome)) => writeln!(f, "{outcome}"),
            (false, None) => writeln!(f, "{} is {}, without an answer", self.question.id, self.question.state.word()),
        }
    }
}
