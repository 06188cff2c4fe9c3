//! `withdraw_question`: whoever asked needs no answer any more.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::model::id::QuestionId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::question::existing;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawQuestion {
    question_id: QuestionId,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "QuestionWithdrawn")]
pub struct Withdrawn {
    question_id: QuestionId,
}

impl Operation for WithdrawQuestion {
    const NAME: &'static str = "withdraw_question";
    const ABOUT: &'static str = "You need no answer any more";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["question_id"];
    type Output = Withdrawn;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Withdrawn> {
        let mut question = existing(tx, self.question_id)?;
        let me = caller.known_instance(tx)?;
        let is_mine = me.as_ref().is_some_and(|me| question.asker.as_ref() == Some(&me.id));
        let leads = caller.principal.as_ref().is_none_or(|principal| principal.access >= Access::Lead);
        let is_the_human = leads && me.is_none();
        if !is_mine && !is_the_human {
            return Err(Error::new(
                Kind::Forbidden,
                format!("`{}` is a question of `{}`", question.id, question.asker_name),
            )
            .hint("only whoever asked takes it back, or the human"));
        }
        let event = question.withdraw(me.as_ref().map(|me| &me.id), tx.now())?;
        tx.update_question(&mut question)?;
        tx.append_event(event)?;
        Ok(Withdrawn { question_id: question.id })
    }
}

impl Answer for Withdrawn {
    fn ids(&self) -> Vec<String> {
        vec![self.question_id.to_string()]
    }
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is withdrawn", self.question_id)
    }
}
