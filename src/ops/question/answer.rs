//! `answer_question`: what the human says.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::message::Origin;
use crate::model::message::Sender;
use crate::model::question;
use crate::model::question::Decision;
use crate::model::question::Question;
use crate::model::question::Said;
use crate::model::question::State;
use crate::model::question::TEXT_BYTES_MAX;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::find_instance;
use crate::ops::question::AllowedBefore;
use crate::ops::question::QuestionView;
use crate::ops::question::brief;
use crate::ops::question::due::tell_asker;
use crate::ops::question::existing;
use crate::ops::question::settle_due;
use crate::ops::rights;
use crate::ops::task::passage;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Of so many open questions of one asker each is shown to whoever named none of them.
const SHOWN_MAX: u32 = 10;
/// Who decides twice within that time by the name of the asker may have seen the first request only.
const JUST_NOW_MILLIS: i64 = 10_000;
/// Whatever was decided just now was asked among so many before what is open now.
const LOOKED_BACK: i64 = 500;
const LINE_WIDTH: usize = 200;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Verdict {
    Approve,
    Deny,
}

/// For the human alone: a worker must not answer what it asked itself.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerQuestion {
    /// Its id, or who asks
    question: String,
    /// Your words, or an option's number
    #[schemars(length(min = 1, max = TEXT_BYTES_MAX))]
    answer: Option<String>,
    /// Of a request
    decision: Option<Verdict>,
    /// With approve: likewise from now on
    always: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "QuestionAnswered")]
pub struct Answered {
    question: QuestionView,
}

impl Operation for AnswerQuestion {
    const NAME: &'static str = "answer_question";
    const ABOUT: &'static str = "Say what the human says to a question or request";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["question", "answer"];
    type Output = Answered;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Answered> {
        rights::check_speaks_for_the_human(tx, caller)?;
        settle_due(tx)?;
        let decision = self.decision()?;
        let mut question = self.meant(tx)?;
        let words = match &self.answer {
            Some(words) if !(1..=TEXT_BYTES_MAX).contains(&words.len()) => {
                return Err(Error::invalid(format!("`answer` must have 1 to {TEXT_BYTES_MAX} bytes"))
                    .hint("give `answer`, in words or as the number of an option"));
            }
            None if decision.is_none() && !question.kind.takes_a_decision() => {
                return Err(Error::new(Kind::Refused, format!("question `{}` asks for words", question.id))
                    .hint("give `answer`, in words or as the number of an option"));
            }
            None if decision == Some(Decision::Deny) && question.kind == question::Kind::Gate => {
                return Err(Error::new(
                    Kind::Refused,
                    "what does not pass is done once more, and nobody knows what is wrong",
                )
                .hint(format!("say why: `deny {} \"…\"`", question.id.short())));
            }
            words => words.clone(),
        };
        let me = caller.known_instance(tx)?;
        let person =
            caller.principal.as_ref().filter(|principal| !principal.is_owner()).map(|principal| principal.name.clone());
        let by = person.or_else(|| caller.person.clone()).or_else(|| me.as_ref().map(|me| me.name.clone()));
        let by = by.unwrap_or_else(|| "human".to_owned());
        let said = Said { words, decision, by: by.clone(), instance: me.as_ref().map(|me| me.id.clone()) };
        let allowed_before = question
            .stands()
            .then_some(question.ended_at)
            .flatten()
            .map(|at| AllowedBefore { by: question.answered_by.clone(), at });
        let event = question.answer(said, tx.now())?;
        tx.update_question(&mut question)?;
        tx.append_event(event)?;
        if let (question::Kind::Gate, Some(task)) = (question.kind, question.task) {
            let passes = question.decision != Some(Decision::Deny);
            passage::decided(tx, task, passes, question.answer.as_deref(), caller)?;
        }
        let from = Sender { instance: None, name: by, role: None, origin: Origin::Human };
        tell_asker(tx, &question, from)?;
        Ok(Answered { question: QuestionView { allowed_before, ..QuestionView::of(question) } })
    }
}

impl AnswerQuestion {
    fn decision(&self) -> Result<Option<Decision>> {
        match (self.decision, self.always.unwrap_or(false)) {
            (Some(Verdict::Approve), false) => Ok(Some(Decision::Approve)),
            (Some(Verdict::Approve), true) => Ok(Some(Decision::ApproveAlways)),
            (Some(Verdict::Deny), false) => Ok(Some(Decision::Deny)),
            (None, false) => Ok(None),
            (_, true) => Err(Error::new(Kind::Refused, "`always` goes with `approve` only").hint("leave it out")),
        }
    }

    /// The question of that id, or the one that somebody asks.
    fn meant(&self, tx: &mut dyn Tx) -> Result<Question> {
        if let Ok(id) = self.question.parse::<QuestionId>() {
            return existing(tx, id);
        }
        let Some(asker) = find_instance(tx, &self.question)? else {
            let (task, job) = (self.question.parse::<TaskId>().ok(), self.question.parse::<JobId>().ok());
            if task.is_some() || job.is_some() {
                return the_gate(tx, QuestionFilter { task, job, ..gates() }, &self.question);
            }
            return Err(Error::not_found(format!("no question and nobody is called `{}`", self.question))
                .hint("`list_questions` shows what is asked, and by whom"));
        };
        let open = QuestionFilter { asker: Some(asker.id.clone()), ..QuestionFilter::open() };
        let mut open = tx.questions(&open, SHOWN_MAX)?;
        // Nobody asks whether what they made may pass: that is asked about it.
        let made_by = |gate: &Question| gate.asker.is_none() && gate.asker_name == asker.name;
        open.extend(tx.questions(&gates(), SHOWN_MAX)?.into_iter().filter(made_by));
        match (open.len(), open.pop()) {
            (1, Some(only)) if only.kind.takes_a_decision() && decided_just_now(tx, &asker, &only)? => {
                let message =
                    format!("`{}` was answered just now, and this is something else: {}", asker.name, line(&only));
                let id = only.id.short();
                Err(Error::new(Kind::Conflict, message)
                    .hint(format!("if you mean that one, name it: `approve {id}` or `deny {id}`")))
            }
            (1, Some(only)) => Ok(only),
            (0, _) | (_, None) => Err(Error::not_found(format!("`{}` asks nothing", asker.name))
                .hint("`list_questions` shows what is asked; `send_message` tells it something unasked")),
            (_, Some(last)) => {
                open.push(last);
                Err(several(&asker.name, "asks several things", &open))
            }
        }
    }
}

/// Those that are waited at.
fn gates() -> QuestionFilter {
    QuestionFilter { kind: Some(question::Kind::Gate), ..QuestionFilter::open() }
}

fn the_gate(tx: &mut dyn Tx, of: QuestionFilter, called: &str) -> Result<Question> {
    let mut open = tx.questions(&of, SHOWN_MAX)?;
    match (open.len(), open.pop()) {
        (1, Some(only)) => Ok(only),
        (0, _) | (_, None) => Err(Error::not_found(format!("nothing of `{called}` waits at a gate"))
            .hint("`list_questions` shows what is asked")),
        (_, Some(last)) => {
            open.push(last);
            Err(several(called, "waits at several gates", &open))
        }
    }
}

fn several(called: &str, what: &str, open: &[Question]) -> Error {
    let lines: Vec<String> = open.iter().map(line).collect();
    Error::new(Kind::Conflict, format!("`{called}` {what}: {}", lines.join("; "))).hint("name the one that you answer")
}

/// Was something else of this asker decided so lately that whoever says its name may still mean that?
fn decided_just_now(tx: &mut dyn Tx, asker: &Instance, open: &Question) -> Result<bool> {
    let after = QuestionId::from_number((open.id.number() - LOOKED_BACK).max(0));
    let of_asker =
        QuestionFilter { state: None, asker: Some(asker.id.clone()), after: Some(after), ..QuestionFilter::default() };
    let since = tx.now().at.plus_millis(-JUST_NOW_MILLIS);
    let was_decided = |one: &Question| {
        let is_over = matches!(one.state, State::Answered | State::Lapsed);
        one.kind.takes_a_decision() && is_over && one.ended_at.is_some_and(|at| at > since)
    };
    Ok(tx.questions(&of_asker, LOOKED_BACK as u32)?.iter().any(was_decided))
}

/// Which question it is, in a line.
fn line(question: &Question) -> String {
    format!("`{}` ({})", question.id, brief(question, LINE_WIDTH))
}

impl From<question::Refusal> for Error {
    fn from(refusal: question::Refusal) -> Error {
        use question::Refusal::*;
        let (kind, hint) = match &refusal {
            NotOpen { .. } => {
                (Kind::Conflict, "`get_question` shows it; `send_message` tells whoever asked something more")
            }
            WantsDecision { .. } => (Kind::Refused, "`approve` it or `deny` it; words may go with that"),
            WantsWords { .. } => (Kind::Refused, "`respond` with words, or with the number of an option"),
            NoSuchOption { .. } => (Kind::Refused, "`get_question` shows the options"),
        };
        Error::new(kind, refusal.to_string()).hint(hint)
    }
}

impl Answer for Answered {
    fn ids(&self) -> Vec<String> {
        vec![self.question.id.to_string()]
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.question.effect())
    }
}
