//! `request_permission`: may a worker's client use a tool? The rules decide, or what a person allowed for good, or a person.

use crate::error::Error;
use crate::error::Kind as ErrorKind;
use crate::error::Result;
use crate::model::id::QuestionId;
use crate::model::instance::Instance;
use crate::model::path::team_path;
use crate::model::policy;
use crate::model::question::Decision;
use crate::model::question::Kind;
use crate::model::question::Question;
use crate::model::question::State;
use crate::model::safety::Breach;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::question::PERMISSIONS_MAX;
use crate::ops::question::settle_due;
use crate::ops::render;
use crate::store::QuestionFilter;
use crate::store::Topic;
use crate::store::Tx;
use crate::store::place;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// A person is at lunch, and not away for the night: whoever waits works no further.
pub const PERMISSION_SECS_DEFAULT: u32 = 3_600;
pub const PERMISSION_SECS_MAX: u32 = 24 * 3_600;
/// The deadline decides, and not whoever waits for it.
const GRACE: Duration = Duration::from_secs(2);

const TOOL_CHARS_MAX: usize = 200;
const CALL_CHARS_MAX: usize = 200;
/// What a person is to allow must be shown to them whole.
const COMMAND_BYTES_MAX: usize = 3_000;
/// Of other tools the beginning of each text is kept.
const INPUT_BYTES_KEPT: usize = 16_000;
const TEXT_BYTES_KEPT: usize = 1_000;
/// As many as its client runs side by side, and more.
const OPEN_MAX: u32 = 50;

const WHY_BYTES_MAX: usize = 5_000;

const INSTEAD: &str = "Go on without it; or ask with `ask_human` what to do instead, which does not hold you up.";

/// Asked by Claude Code, as its `--permission-prompt-tool`, for a worker that nobody sits before
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPermission {
    /// The tool to use
    #[schemars(length(min = 1, max = TOOL_CHARS_MAX))]
    tool_name: String,
    /// What it is given
    input: Map<String, Value>,
    /// Of the use that waits for it
    #[schemars(length(min = 1, max = CALL_CHARS_MAX))]
    tool_use_id: String,
    /// Seconds the human has: 3600 unless said
    timeout_seconds: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Behavior {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "PermissionDecided")]
pub struct Decided {
    behavior: Behavior,
    /// Why not, in words for whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What the human was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question_id: Option<QuestionId>,
    /// Nobody has decided yet.
    timed_out: bool,
}

impl Decided {
    fn allowed(question: Option<QuestionId>) -> Decided {
        Decided { behavior: Behavior::Allow, message: None, question_id: question, timed_out: false }
    }

    fn denied(why: String, question: Option<QuestionId>) -> Decided {
        let why = render::short(&why, WHY_BYTES_MAX);
        Decided { behavior: Behavior::Deny, message: Some(why), question_id: question, timed_out: false }
    }

    /// What came of the question.
    fn of(question: &Question) -> Decided {
        let id = Some(question.id);
        let by = question.answered_by.as_deref().unwrap_or("the human");
        match (question.state, question.decision, &question.answer) {
            (State::Open, ..) => {
                let why = format!("Nobody has decided yet, so this is denied for now. {INSTEAD}");
                Decided { timed_out: true, ..Decided::denied(why, id) }
            }
            (State::Answered, Some(Decision::Approve | Decision::ApproveAlways), _) => Decided::allowed(id),
            (State::Answered, _, Some(words)) => Decided::denied(format!("{by} denied this: {words}"), id),
            (State::Answered, _, None) => Decided::denied(format!("{by} denied this. {INSTEAD}"), id),
            (State::Lapsed, ..) => {
                Decided::denied(format!("Nobody answered in time, so this is denied. {INSTEAD}"), id)
            }
            (State::Withdrawn, ..) => {
                Decided::denied("This was taken back before anybody answered, so it is denied.".to_owned(), id)
            }
        }
    }
}

impl RequestPermission {
    fn secs(&self) -> u32 {
        self.timeout_seconds.unwrap_or(PERMISSION_SECS_DEFAULT).min(PERMISSION_SECS_MAX)
    }

    fn check(&self) -> Result<()> {
        let fits = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
        if !fits(&self.tool_name, TOOL_CHARS_MAX) {
            return Err(Error::invalid(format!("`tool_name` must have 1 to {TOOL_CHARS_MAX} characters")));
        }
        if !fits(&self.tool_use_id, CALL_CHARS_MAX) {
            return Err(Error::invalid(format!("`tool_use_id` must have 1 to {CALL_CHARS_MAX} characters")));
        }
        Ok(())
    }

    fn likeness(&self, caller: &Caller) -> (policy::Request, Value) {
        let (work_dir, worktree) = (caller.work_dir.as_deref(), caller.worktree.as_deref());
        let about = policy::Request::of(&self.tool_name, &self.input, work_dir, worktree);
        let always = about.likeness(&self.input);
        (about, always)
    }

    /// The same with its file by where it lies in truth, whether the client takes `..` by the words or by the disk. `None`
    /// where nobody knows.
    fn really(&self, caller: &Caller) -> Vec<Option<policy::Request>> {
        let Some(field) = policy::argument_of_file(&self.tool_name) else { return Vec::new() };
        let Some(said) = self.input.get(field).and_then(Value::as_str) else { return Vec::new() };
        let said = Path::new(caller.work_dir.as_deref().unwrap_or_default()).join(said);
        if !said.is_absolute() {
            return Vec::new();
        }
        let by_words = team_path(&said.to_string_lossy(), None, None).map(PathBuf::from);
        let real = |dir: &Option<String>| dir.as_ref().and_then(|dir| shown(place::leads_to(Path::new(dir))));
        let (work_dir, worktree) = (real(&caller.work_dir), real(&caller.worktree));
        let request = |path: PathBuf| {
            let mut input = self.input.clone();
            input.insert(field.to_owned(), shown(place::leads_to(&path))?.into());
            Some(policy::Request::of(&self.tool_name, &input, work_dir.as_deref(), worktree.as_deref()))
        };
        by_words.into_iter().chain([said]).map(request).collect()
    }

    /// What was asked before for this very use: a call that is made again, over a line that broke, waits on.
    fn asked(&self, tx: &mut dyn Tx, me: &Instance) -> Result<Option<Question>> {
        let call = &self.tool_use_id;
        let Some(question) = tx.permission_for(&me.id, call)? else { return Ok(None) };
        let kept = question.request.clone().unwrap_or_default();
        let always = kept.get("always").cloned().unwrap_or_default();
        match kept == self.kept(&always) {
            true => Ok(Some(question)),
            false => Err(Error::new(ErrorKind::Conflict, format!("`{call}` asked for something else before"))
                .hint("each use of a tool has an id of its own")),
        }
    }

    /// Whoever asks again waits from now on, and nobody before.
    fn wait_on(&self, tx: &mut dyn Tx, me: &Instance, caller: &Caller) -> Result<()> {
        let waiter = waiter(caller);
        match self.asked(tx, me)?.filter(|one| one.state == State::Open && one.waiter != waiter) {
            Some(mut question) => {
                question.waiter = waiter;
                tx.update_question(&mut question)
            }
            None => Ok(()),
        }
    }

    /// What is kept with the question.
    fn kept(&self, always: &Value) -> Map<String, Value> {
        let mut input = Value::Object(self.input.clone());
        if render::size(&input) > INPUT_BYTES_KEPT {
            render::shorten_texts(&mut input, TEXT_BYTES_KEPT);
        }
        let mut kept = Map::new();
        kept.insert("tool".to_owned(), self.tool_name.as_str().into());
        kept.insert("input".to_owned(), input);
        kept.insert("call".to_owned(), self.tool_use_id.as_str().into());
        // Of what is too long to be kept, nothing else is the same.
        let fits = render::size(always) <= INPUT_BYTES_KEPT;
        kept.insert("always".to_owned(), if fits { always.clone() } else { Value::Null });
        kept
    }

    fn decide(&self, tx: &mut dyn Tx, me: &Instance, caller: &Caller) -> Result<Option<Decided>> {
        let (about, always) = self.likeness(caller);
        let rules = tx.policy()?;
        let mut decision = rules.decide(&about);
        // What is reached by a link is decided by where it leads too.
        for really in self.really(caller) {
            decision = decision.and(really.map_or(policy::Decision::Ask, |really| rules.decide(&really)));
        }
        match decision {
            policy::Decision::Allow => return Ok(Some(Decided::allowed(None))),
            policy::Decision::Deny(why) => return Ok(Some(Decided::denied(why, None))),
            policy::Decision::Ask => {}
        }
        let wanted = (Some(&json!(self.tool_name)), Some(&always));
        let covers = |kept: &Map<String, Value>| (kept.get("tool"), kept.get("always")) == wanted;
        let standing = tx.standing_permissions(&me.id, PERMISSIONS_MAX)?;
        if let Some(given) = standing.iter().find(|one| one.request.as_ref().is_some_and(covers)) {
            return Ok(Some(Decided::allowed(Some(given.id))));
        }
        let denied = |why: String| Ok(Some(Decided::denied(why, None)));
        if always.get("command").is_some_and(|command| render::size(command) > COMMAND_BYTES_MAX) {
            return denied(format!(
                "A command of more than {COMMAND_BYTES_MAX} bytes cannot be shown to the human, so it is denied. Write it \
                 into a file, and ask to run that."
            ));
        }
        let open = QuestionFilter { asker: Some(me.id.clone()), ..QuestionFilter::open() };
        if tx.count_questions(&open)? >= u64::from(OPEN_MAX) {
            return denied(format!("You have {OPEN_MAX} open questions, so this is denied. Wait for answers first."));
        }
        if self.secs() == 0 {
            return denied(format!("The human was given no time to answer, so this is denied. {INSTEAD}"));
        }
        Ok(None)
    }

    fn ask(&self, tx: &mut dyn Tx, me: &Instance, caller: &Caller) -> Result<Question> {
        let (about, always) = self.likeness(caller);
        let breach = tx.policy()?.breach(&about);
        let now = tx.now();
        let task = tx.held_tasks(&me.id, 1)?.pop().map(|task| task.id);
        let mut question = Question {
            task,
            due_at: Some(now.at.plus_millis(i64::from(self.secs()) * 1000)),
            request: Some(self.kept(&always)),
            waiter: waiter(caller),
            ..Question::new(
                Kind::Permission,
                Some(me.id.clone()),
                me.name.clone(),
                self.words(me, &always, breach.as_ref()),
                now,
            )
        };
        tx.insert_question(&mut question)?;
        tx.append_event(question.asked())?;
        Ok(question)
    }

    /// As a person reads it who is to decide.
    fn words(&self, me: &Instance, always: &Value, breach: Option<&Breach>) -> String {
        let (name, tool) = (&me.name, &self.tool_name);
        match (always["command"].as_str(), always["file"].as_str()) {
            (Some(command), _) => {
                let why = breach.map(|breach| format!(" ({})", breach.question())).unwrap_or_default();
                format!("May {name} run this?{why}\n{command}")
            }
            (_, Some(file)) => format!("May {name} use {tool} on {file}?"),
            (None, None) => format!("May {name} use {tool}?"),
        }
    }
}

/// The process in which the call waits. A command of the terminal names none.
fn waiter(caller: &Caller) -> Option<String> {
    caller.host.in_full(&caller.process).filter(|process| !process.is_empty())
}

impl Operation for RequestPermission {
    const NAME: &'static str = "request_permission";
    const ABOUT: &'static str = "Have the rules or the human decide whether you may use a tool, and wait for that";
    const NOUN: Noun = Noun::Questions;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["tool_name"];
    type Output = Decided;

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let me = caller.instance(tx)?;
        let now = tx.now().at;
        let Some(question) = self.asked(tx, &me)?.filter(|one| one.state == State::Open && !one.is_due(now)) else {
            return Ok(None);
        };
        if question.waiter != waiter(caller) {
            return Ok(None);
        }
        let left = question.due_at.map(|due| Duration::from_millis((due.millis() - now.millis()) as u64));
        Ok(Some(Wait { topics: vec![Topic::Question(question.id)], look_again_after: left }))
    }

    /// Asks, and says that there is no answer yet; or says what came of it.
    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Decided> {
        self.check()?;
        let me = caller.instance(tx)?;
        self.wait_on(tx, &me, caller)?;
        settle_due(tx)?;
        let question = match self.asked(tx, &me)? {
            Some(question) => question,
            None => match self.decide(tx, &me, caller)? {
                Some(decided) => return Ok(decided),
                None => self.ask(tx, &me, caller)?,
            },
        };
        Ok(Decided::of(&question))
    }

    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.secs().into()) + GRACE)
    }
}

impl Answer for Decided {
    fn outcome(&self) -> Outcome {
        if self.timed_out { Outcome::TimedOut } else { Outcome::Done }
    }

    fn ids(&self) -> Vec<String> {
        self.question_id.iter().map(QuestionId::to_string).collect()
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(why) => writeln!(f, "denied: {why}"),
            None => writeln!(f, "allowed"),
        }
    }
}

/// What somebody was allowed for good, in words.
pub(in crate::ops) fn in_words(question: &Question) -> String {
    let kept = question.request.clone().unwrap_or_default();
    let always = kept.get("always").cloned().unwrap_or_default();
    let tool = kept.get("tool").and_then(Value::as_str).unwrap_or_default().to_owned();
    match (always["command"].as_str(), always["file"].as_str()) {
        (Some(command), _) => command.to_owned(),
        (_, Some(file)) => format!("{tool} {file}"),
        (None, None) => format!("{tool} {}", json!(always["input"])),
    }
}
fn shown(path: Option<PathBuf>) -> Option<String> {
    path.and_then(|path| path.into_os_string().into_string().ok())
}
