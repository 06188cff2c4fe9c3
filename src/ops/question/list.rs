//! `list_questions`: the human's inbox.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::QuestionId;
use crate::model::question::State;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::named_instance;
use crate::ops::question::QuestionView;
use crate::ops::question::due::abandoned;
use crate::ops::render;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 50;
const CURSOR_BYTES: usize = 100;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Status {
    Open,
    Answered,
    Lapsed,
    Withdrawn,
    All,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuestions {
    /// open (default), or all
    status: Option<Status>,
    /// Whose
    from: Option<String>,
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u32>,
    cursor: Option<QuestionId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct QuestionList {
    questions: Vec<QuestionView>,
    total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<QuestionId>,
}

impl Operation for ListQuestions {
    const NAME: &'static str = "list_questions";
    const ABOUT: &'static str = "What the human is asked, oldest first";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Read;
    type Output = QuestionList;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<QuestionList> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("`limit` must be between 1 and {LIMIT_MAX}"))
                .hint("go on with the answer's `cursor` for more"));
        }
        let asker = self.from.as_deref().map(|named| named_instance(tx, named)).transpose()?;
        let state = match self.status.unwrap_or(Status::Open) {
            Status::Open => Some(State::Open),
            Status::Answered => Some(State::Answered),
            Status::Lapsed => Some(State::Lapsed),
            Status::Withdrawn => Some(State::Withdrawn),
            Status::All => None,
        };
        let mut filter = QuestionFilter { state, asker: asker.map(|asker| asker.id), ..QuestionFilter::default() };
        let gone = abandoned(tx)?.into_iter().filter(|one| filter.asker.is_none() || one.asker == filter.asker);
        let gone: Vec<QuestionId> = gone.map(|one| one.id).collect();
        let mut total = tx.count_questions(&filter)?;
        if state == Some(State::Open) {
            total -= (gone.len() as u64).min(total);
        }
        filter.after = self.cursor;
        let mut found = tx.questions(&filter, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().map(|last| last.id);
        // Whoever looks next and may change something takes them back.
        found.retain(|one| state != Some(State::Open) || !gone.contains(&one.id));
        let views = found.into_iter().map(QuestionView::of).collect();
        let (questions, cut) = render::fit::<QuestionView>(views, render::ANSWER_BYTES_MAX - CURSOR_BYTES);
        let cursor = if cut { questions.last().map(|last| last.id) } else { next.filter(|_| more) };
        Ok(QuestionList { questions, total, cursor })
    }
}

impl Answer for QuestionList {
    fn ids(&self) -> Vec<String> {
        self.questions.iter().map(|one| one.id.to_string()).collect()
    }
}

impl fmt::Display for QuestionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.questions.is_empty() {
            return writeln!(f, "nobody asks anything");
        }
        self.questions.iter().try_for_each(|one| one.fmt(f))?;
        if let Some(cursor) = &self.cursor {
            writeln!(f, "{} of {}; go on with --cursor {cursor}", self.questions.len(), self.total)?;
        }
        Ok(())
    }
}
