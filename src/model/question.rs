//! A question to the human: asked, then answered, withdrawn, or settled by its deadline.

use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use thiserror::Error;

/// So much that one is shown whole, with all that belongs to it. What is longer belongs into a file that it names.
pub const TEXT_BYTES_MAX: usize = 4_000;
pub const OPTIONS_MAX: usize = 10;
pub const OPTION_CHARS_MAX: usize = 120;
/// Most tasks that a question says it holds up.
pub const BLOCKS_MAX: usize = 50;
pub const DEADLINE_SECS_MAX: u32 = 30 * 24 * 3600;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "QuestionKind")]
pub enum Kind {
    /// It takes words.
    Question,
    /// May a tool be used? It takes a yes or a no.
    Permission,
    /// A limit was reached: may it go on? It takes a yes or a no.
    Limit,
    /// A stage of a pipeline is done: may the next one begin? It takes a yes or a no, and words go back with a no.
    Gate,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Question, Kind::Permission, Kind::Limit, Kind::Gate];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Question => "question",
            Kind::Permission => "permission",
            Kind::Limit => "limit",
            Kind::Gate => "gate",
        }
    }

    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    pub fn takes_a_decision(self) -> bool {
        self != Kind::Question
    }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "QuestionState")]
pub enum State {
    Open,
    Answered,
    /// Nobody answered in time: its default holds, or nothing.
    Lapsed,
    Withdrawn,
}

impl State {
    pub const ALL: [State; 4] = [State::Open, State::Answered, State::Lapsed, State::Withdrawn];

    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Answered => "answered",
            State::Lapsed => "lapsed",
            State::Withdrawn => "withdrawn",
        }
    }

    pub fn of_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// What a person says to a request.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Decision {
    Approve,
    /// This, and whatever this worker asks for in the same way from now on.
    ApproveAlways,
    Deny,
}

impl Decision {
    pub const ALL: [Decision; 3] = [Decision::Approve, Decision::ApproveAlways, Decision::Deny];

    pub fn word(self) -> &'static str {
        match self {
            Decision::Approve => "approve",
            Decision::ApproveAlways => "approve_always",
            Decision::Deny => "deny",
        }
    }

    pub fn of_word(word: &str) -> Option<Decision> {
        Decision::ALL.into_iter().find(|decision| decision.word() == word)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub id: QuestionId,
    pub kind: Kind,
    /// Whoever asks; nobody where the team itself does.
    pub asker: Option<InstanceId>,
    /// What they were called when they asked.
    pub asker_name: String,
    /// What it is about.
    pub task: Option<TaskId>,
    /// What cannot go on before it is answered.
    pub blocks: Vec<TaskId>,
    pub text: String,
    /// What an answer may be; in words of one's own it always may.
    pub options: Vec<String>,
    /// What holds if nobody answers in time.
    pub default: Option<String>,
    pub due_at: Option<Timestamp>,
    /// What permission is asked for: the tool and its input.
    pub request: Option<Map<String, Value>>,
    /// The process in which the call waits that asked, as the host names it: without it nobody needs the answer.
    pub waiter: Option<String>,
    pub state: State,
    pub answer: Option<String>,
    pub decision: Option<Decision>,
    /// What the person is called who answered.
    pub answered_by: Option<String>,
    pub asked_at: Timestamp,
    /// Present exactly when it is open no more.
    pub ended_at: Option<Timestamp>,
    pub version: u64,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    #[error("question `{id}` is {state} already{how}")]
    NotOpen { id: QuestionId, state: &'static str, how: String },
    #[error("question `{id}` asks for a yes or a no")]
    WantsDecision { id: QuestionId },
    #[error("question `{id}` asks for words, not for a yes or a no")]
    WantsWords { id: QuestionId },
    #[error("question `{id}` has {count} options, and `{given}` is none of their numbers")]
    NoSuchOption { id: QuestionId, count: usize, given: String },
}

/// What a person says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub words: Option<String>,
    pub decision: Option<Decision>,
    pub by: String,
    pub instance: Option<InstanceId>,
}

impl Question {
    /// One that is open. Its id is given by the store.
    pub fn new(kind: Kind, asker: Option<InstanceId>, asker_name: String, text: String, now: Now) -> Question {
        Question {
            id: QuestionId::from_number(0),
            kind,
            asker,
            asker_name,
            task: None,
            blocks: Vec::new(),
            text,
            options: Vec::new(),
            default: None,
            due_at: None,
            request: None,
            waiter: None,
            state: State::Open,
            answer: None,
            decision: None,
            answered_by: None,
            asked_at: now.at,
            ended_at: None,
            version: 0,
        }
    }

    pub fn is_due(&self, at: Timestamp) -> bool {
        self.state == State::Open && self.due_at.is_some_and(|due| due <= at)
    }

    fn event(&self, kind: &'static str, actor: Option<&InstanceId>) -> NewEvent {
        NewEvent::new(kind, self.id, actor).with_some("task", self.task.map(|task| task.to_string()))
    }

    pub fn asked(&self) -> NewEvent {
        self.event("question.asked", self.asker.as_ref())
            .with("kind", self.kind.word())
            .with("from", self.asker_name.as_str())
            .with("text", self.text.as_str())
            .with("options", self.options.iter().map(|option| Value::from(option.as_str())).collect::<Vec<_>>())
            .with_some("due_at", self.due_at.map(|due| due.to_string()))
    }

    fn check_open(&self) -> Result<(), Refusal> {
        if self.state == State::Open {
            return Ok(());
        }
        let by = self.answered_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let with = self.outcome().map(|outcome| format!(": {outcome}")).unwrap_or_default();
        Err(Refusal::NotOpen { id: self.id, state: self.state.word(), how: format!("{by}{with}") })
    }

    /// What came of it, in words.
    pub fn outcome(&self) -> Option<String> {
        match (self.decision, &self.answer) {
            (Some(decision), None) => Some(decision.word().to_owned()),
            (Some(decision), Some(words)) => Some(format!("{}: {words}", decision.word())),
            (None, words) => words.clone(),
        }
    }

    /// Was it allowed once and for all? Then that may be taken back.
    pub fn stands(&self) -> bool {
        self.kind == Kind::Permission && self.decision == Some(Decision::ApproveAlways)
    }

    pub fn answer(&mut self, said: Said, now: Now) -> Result<NewEvent, Refusal> {
        if !(self.stands() && said.decision == Some(Decision::Deny)) {
            self.check_open()?;
        }
        match (self.kind.takes_a_decision(), said.decision) {
            (true, None) => return Err(Refusal::WantsDecision { id: self.id }),
            (false, Some(_)) => return Err(Refusal::WantsWords { id: self.id }),
            _ => {}
        }
        let words = match said.words {
            Some(words) if !self.kind.takes_a_decision() => Some(self.option_meant(words)?),
            words => words,
        };
        (self.decision, self.answer) = (said.decision, words);
        self.answered_by = Some(said.by);
        Ok(self.ended(State::Answered, "question.answered", said.instance.as_ref(), now))
    }

    /// The option of that number, where there are options; else the words as they stand.
    fn option_meant(&self, words: String) -> Result<String, Refusal> {
        let Ok(number) = words.trim().parse::<usize>() else { return Ok(words) };
        // Whoever is asked for a number answers with one.
        if self.options.is_empty() || self.options.contains(&words) {
            return Ok(words);
        }
        match number.checked_sub(1).and_then(|at| self.options.get(at)) {
            Some(option) => Ok(option.clone()),
            None => Err(Refusal::NoSuchOption { id: self.id, count: self.options.len(), given: words }),
        }
    }

    /// Nobody answered in time: its default holds. Silence allows nothing.
    pub fn lapse(&mut self, now: Now) -> NewEvent {
        match self.kind.takes_a_decision() {
            true => self.decision = Some(Decision::Deny),
            false => self.answer = self.default.clone(),
        }
        self.ended(State::Lapsed, "question.lapsed", None, now)
    }

    /// Whoever asked needs no answer any more.
    pub fn withdraw(&mut self, me: Option<&InstanceId>, now: Now) -> Result<NewEvent, Refusal> {
        self.check_open()?;
        Ok(self.ended(State::Withdrawn, "question.withdrawn", me, now))
    }

    fn ended(&mut self, state: State, kind: &'static str, actor: Option<&InstanceId>, now: Now) -> NewEvent {
        self.state = state;
        self.ended_at = Some(now.at);
        self.event(kind, actor)
            .with_some("answer", self.answer.as_deref())
            .with_some("decision", self.decision.map(Decision::word))
            .with_some("by", self.answered_by.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Tick;

    fn now(millis: i64) -> Now {
        Now { at: Timestamp::from_millis(millis), tick: Tick::from_millis(millis) }
    }

    fn question(kind: Kind, options: &[&str], default: Option<&str>) -> Question {
        let amy = InstanceId::from_random(1);
        Question {
            id: QuestionId::from_number(7),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            default: default.map(str::to_owned),
            due_at: Some(Timestamp::from_millis(100)),
            ..Question::new(kind, Some(amy), "amy".to_owned(), "which one?".to_owned(), now(0))
        }
    }

    /// `kind, options | words, decision -> outcome`, with `-` for none.
    #[track_caller]
    fn check(line: &str) {
        let (given, expected) = line.split_once("->").unwrap();
        let (asked, said) = given.split_once('|').unwrap();
        let (kind, options) = asked.split_once(',').unwrap();
        let (words, decision) = said.split_once(',').unwrap();
        let options: Vec<&str> = options.split_whitespace().filter(|option| *option != "-").collect();
        let mut question = question(Kind::of_word(kind.trim()).unwrap(), &options, None);
        let said = Said {
            words: Some(words.trim()).filter(|words| *words != "-").map(str::to_owned),
            decision: Decision::of_word(decision.trim()),
            by: "kim".to_owned(),
            instance: None,
        };
        let outcome = match question.answer(said, now(5)) {
            Ok(_) => question.outcome().unwrap_or_default(),
            Err(refusal) => format!("refused: {refusal}"),
        };
        assert_eq!(outcome, expected.trim(), "{line}");
    }

    #[test]
    fn an_answer_is_an_option_by_its_number_or_words_and_a_request_takes_a_decision() {
        check("question, -         | use sqlite, -      -> use sqlite");
        check("question, -         | 2, -               -> 2");
        check("question, red green | 2, -               -> green");
        check("question, red green | blue, -            -> blue");
        check("question, 10 20     | 20, -              -> 20");
        check(
            "question, red green | 3, -               -> refused: question `q-0000000007` has 2 options, and `3` is none of their numbers",
        );
        check(
            "question, red green | 0, -               -> refused: question `q-0000000007` has 2 options, and `0` is none of their numbers",
        );
        check(
            "question, -         | -, approve         -> refused: question `q-0000000007` asks for words, not for a yes or a no",
        );
        check("permission, -       | -, approve         -> approve");
        check("permission, -       | never in prod, deny -> deny: never in prod");
        check("permission, -       | yes, -             -> refused: question `q-0000000007` asks for a yes or a no");
        check("limit, -            | -, approve_always  -> approve_always");
    }

    #[test]
    fn it_ends_once() {
        let mut one = question(Kind::Question, &[], None);
        let said = Said { words: Some("yes".to_owned()), by: "kim".to_owned(), ..Said::default() };
        one.answer(said.clone(), now(5)).unwrap();
        assert_eq!((one.state, one.ended_at), (State::Answered, Some(now(5).at)));
        let refusal = one.answer(said, now(6)).unwrap_err();
        assert_eq!(refusal.to_string(), "question `q-0000000007` is answered already by kim: yes");
        assert!(one.withdraw(None, now(7)).is_err());
        assert!(!one.is_due(now(200).at));
    }

    #[test]
    fn what_was_allowed_for_good_may_be_taken_back_and_nothing_else() {
        let mut request = question(Kind::Permission, &[], None);
        let said = |decision| Said { decision: Some(decision), by: "kim".to_owned(), ..Said::default() };
        request.answer(said(Decision::ApproveAlways), now(5)).unwrap();
        assert!(request.stands() && request.answer(said(Decision::Approve), now(6)).is_err());
        request.answer(said(Decision::Deny), now(7)).unwrap();
        assert_eq!((request.stands(), request.state, request.ended_at), (false, State::Answered, Some(now(7).at)));
        assert!(request.answer(said(Decision::Deny), now(8)).is_err());
        let mut limit = question(Kind::Limit, &[], None);
        limit.answer(said(Decision::ApproveAlways), now(5)).unwrap();
        assert!(limit.answer(said(Decision::Deny), now(6)).is_err());
    }

    #[test]
    fn silence_takes_the_default_and_allows_nothing() {
        let mut asked = question(Kind::Question, &["red"], Some("red"));
        assert!(!asked.is_due(now(99).at) && asked.is_due(now(100).at));
        asked.lapse(now(100));
        assert_eq!((asked.state, asked.answer.as_deref()), (State::Lapsed, Some("red")));
        let mut request = question(Kind::Permission, &[], None);
        request.lapse(now(100));
        assert_eq!(request.decision, Some(Decision::Deny));
    }

    #[test]
    fn every_word_is_read_back() {
        assert!(Kind::ALL.into_iter().all(|kind| Kind::of_word(kind.word()) == Some(kind)));
        assert!(State::ALL.into_iter().all(|state| State::of_word(state.word()) == Some(state)));
        assert!(Decision::ALL.into_iter().all(|one| Decision::of_word(one.word()) == Some(one)));
    }
}
