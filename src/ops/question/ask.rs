//! `ask_human`: something that only a person can decide.

use crate::error::Error;
use crate::error::Kind as ErrorKind;
use crate::error::Result;
use crate::host::Host;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::question::BLOCKS_MAX;
use crate::model::question::DEADLINE_SECS_MAX;
use crate::model::question::Kind;
use crate::model::question::OPTION_CHARS_MAX;
use crate::model::question::OPTIONS_MAX;
use crate::model::question::Question;
use crate::model::question::TEXT_BYTES_MAX;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::question::settle_due;
use crate::ops::render;
use crate::ops::task;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Who has so many open ones does not wait for their answers.
const OPEN_MAX: u32 = 20;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AskHuman {
    #[schemars(length(min = 1, max = TEXT_BYTES_MAX))]
    question: String,
    #[schemars(length(max = OPTIONS_MAX), inner(length(min = 1, max = OPTION_CHARS_MAX)))]
    options: Option<Vec<String>>,
    /// What holds at the deadline
    #[schemars(length(min = 1, max = OPTION_CHARS_MAX))]
    default: Option<String>,
    #[schemars(range(min = 1, max = DEADLINE_SECS_MAX))]
    deadline_secs: Option<u32>,
    /// What it is about
    task_id: Option<TaskId>,
    /// Tasks that cannot go on without it
    #[schemars(length(max = BLOCKS_MAX))]
    blocks: Option<Vec<TaskId>>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Asked {
    pub question_id: QuestionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    /// You had asked just that, and nobody answered yet.
    already: bool,
}

impl Operation for AskHuman {
    const NAME: &'static str = "ask_human";
    const ABOUT: &'static str = "Ask the human; the answer comes as mail and wakes you";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["question"];
    type Output = Asked;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Asked> {
        self.check()?;
        settle_due(tx)?;
        let me = caller.instance(tx)?;
        let open = QuestionFilter { asker: Some(me.id.clone()), ..QuestionFilter::open() };
        let open = tx.questions(&open, OPEN_MAX)?;
        // A session that was resumed may ask again.
        if let Some(same) = open.iter().find(|one| one.kind == Kind::Question && one.text == self.question) {
            return Ok(Asked { question_id: same.id, due_at: same.due_at, already: true });
        }
        if open.len() >= OPEN_MAX as usize {
            return Err(Error::new(ErrorKind::Refused, format!("you have {OPEN_MAX} open questions"))
                .hint("wait for answers, or `withdraw_question` what you need no more"));
        }
        let mut question = self.question(tx, &me)?;
        tx.insert_question(&mut question)?;
        tx.append_event(question.asked())?;
        Ok(Asked { question_id: question.id, due_at: question.due_at, already: false })
    }
}

impl AskHuman {
    fn check(&self) -> Result<()> {
        if !(1..=TEXT_BYTES_MAX).contains(&self.question.len()) {
            return Err(Error::invalid(format!("`question` must have 1 to {TEXT_BYTES_MAX} bytes"))
                .hint("ask in a few sentences, and name the file that has the rest"));
        }
        let options = self.options.as_deref().unwrap_or_default();
        let is_short = |text: &&String| (1..=OPTION_CHARS_MAX).contains(&text.chars().count());
        if options.len() > OPTIONS_MAX || !options.iter().chain(&self.default).all(|text| is_short(&text)) {
            return Err(Error::invalid(format!(
                "`options` takes up to {OPTIONS_MAX} of 1 to {OPTION_CHARS_MAX} characters each, as has `default`"
            )));
        }
        if self.deadline_secs.is_some_and(|secs| !(1..=DEADLINE_SECS_MAX).contains(&secs)) {
            return Err(Error::invalid(format!("`deadline_secs` must be between 1 and {DEADLINE_SECS_MAX}")));
        }
        if self.blocks.as_ref().is_some_and(|blocks| blocks.len() > BLOCKS_MAX) {
            return Err(Error::invalid(format!("`blocks` takes up to {BLOCKS_MAX} tasks"))
                .hint("name the first of them: what depends on it waits anyway"));
        }
        Ok(())
    }

    fn question(&self, tx: &mut dyn Tx, me: &Instance) -> Result<Question> {
        let blocks = self.blocks.clone().unwrap_or_default();
        blocks.iter().chain(&self.task_id).try_for_each(|id| task::existing(tx, *id).map(drop))?;
        // Whoever works on one thing asks about that.
        let works_on = match tx.held_tasks(&me.id, 2)?.as_slice() {
            [only] => Some(only.id),
            _ => None,
        };
        let now = tx.now();
        Ok(Question {
            task: self.task_id.or(works_on),
            blocks,
            options: self.options.clone().unwrap_or_default(),
            default: self.default.clone(),
            due_at: self.deadline_secs.map(|secs| now.at.plus_millis(i64::from(secs) * 1000)),
            ..Question::new(Kind::Question, Some(me.id.clone()), me.name.clone(), self.question.clone(), now)
        })
    }
}

impl Answer for Asked {
    fn ids(&self) -> Vec<String> {
        vec![self.question_id.to_string()]
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until =
            self.due_at.map(|due| format!(", until {}", render::moment(due, Host::System.wall()))).unwrap_or_default();
        match self.already {
            true => writeln!(f, "{} asks that already{until}", self.question_id),
            false => writeln!(f, "{} is asked{until}; the answer comes as mail", self.question_id),
        }
    }
}
