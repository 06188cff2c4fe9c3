//! The one list that every face is made from.

use crate::error::Error;
use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Next;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::caller::Bearing;
use crate::ops::check;
use crate::ops::evidence::Wanted;
use crate::ops::schema;
use crate::store::Tx;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

type ReadCall = fn(Map<String, Value>) -> Result<Arc<dyn Call>>;

/// An operation as the faces see it: its type erased, its arguments JSON.
pub struct Entry {
    pub name: &'static str,
    pub about: &'static str,
    pub noun: Noun,
    pub effect: Effect,
    pub positional: &'static [&'static str],
    schema: fn() -> Map<String, Value>,
    whole_schema: fn() -> Map<String, Value>,
    /// Made once per process, and only for operations that are asked for.
    made: OnceLock<Map<String, Value>>,
    output: fn(&mut SchemaGenerator) -> Schema,
    read: ReadCall,
    answer: fn(Value) -> Result<Reply>,
}

impl Entry {
    const fn of<O: Operation>() -> Entry {
        Entry {
            name: O::NAME,
            about: O::ABOUT,
            noun: O::NOUN,
            effect: O::EFFECT,
            positional: O::POSITIONAL,
            schema: schema::of::<O>,
            whole_schema: schema::whole_of::<O>,
            made: OnceLock::new(),
            output: |generator| generator.subschema_for::<O::Output>(),
            read: |arguments| Ok(Arc::new(check::read::<O>(arguments)?)),
            answer: |data| {
                let answer = O::Output::deserialize(&data).map_err(Error::internal)?;
                Ok(Reply::with(answer, data))
            },
        }
    }

    /// Is this one of the operations that may block until something happens?
    pub fn waits(&self) -> bool {
        let then = <crate::ops::job::QuickDelegate as Operation>::NAME;
        self.name.starts_with("wait_") || self.name.starts_with("watch_") || self.asks_permission() || self.name == then
    }

    /// Is it what a client asks before it uses a tool? It is answered in the one form that the client reads.
    pub fn asks_permission(&self) -> bool {
        self.name == <crate::ops::question::RequestPermission as Operation>::NAME
    }

    /// May it have to look outside of the store first, for as long as a command of the project takes?
    pub fn looks_outside(&self) -> bool {
        self.name == <crate::ops::task::CompleteTask as Operation>::NAME
    }

    /// Does it take a pipeline by its name?
    pub fn runs_a_pipeline(&self) -> bool {
        self.name == <crate::ops::pipeline::RunPipeline as Operation>::NAME
    }

    /// May its arguments, or tasks in them, say what repository they are about?
    pub fn names_repositories(&self) -> bool {
        let tool = self.name;
        matches!(
            tool,
            "push_task" | "push_tasks" | "add_subtask" | "update_task" | "create_job" | "decompose" | "run_pipeline"
        )
    }

    /// Does it take messages out of an inbox?
    pub fn hands_out_mail(&self) -> bool {
        matches!(self.name, "poll_messages" | "wait_for_message" | "take_news")
    }

    /// The JSON schema of the arguments: `{"type":"object","properties":{…},"required":[…]}`, with `instance_id` and,
    /// where the operation changes something, `idempotency_key`.
    pub fn input_schema(&self) -> &Map<String, Value> {
        self.made.get_or_init(|| schema::with_common(self, (self.schema)()))
    }

    /// As `input_schema`, with every limit: for programs, that check and generate by it. Made anew each time.
    pub fn whole_input_schema(&self) -> Map<String, Value> {
        schema::with_common_whole(self, (self.whole_schema)())
    }

    /// The JSON schema of the answer's data, for programs: no model is asked to pay for it. Made anew each time.
    pub fn output_schema(&self) -> Map<String, Value> {
        schema::of_output(self.output)
    }

    /// As `output_schema`, where answers share what they have in common: the generator gathers it, and
    /// `schema::tighten` makes of each what it truly is.
    pub fn output_in(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.output)(generator)
    }

    /// Does `instance_id` name the instance to make, rather than the one that calls?
    pub fn names_own_instance(&self) -> bool {
        self.name == <crate::ops::instance::RegisterInstance as Operation>::NAME
    }

    /// Check the arguments and make them a call. Errors name the field and what was wanted.
    pub fn request(&'static self, arguments: Map<String, Value>) -> Result<Request> {
        check::request(self, arguments)
    }

    pub(super) fn read(&self, arguments: Map<String, Value>) -> Result<Arc<dyn Call>> {
        (self.read)(arguments)
    }

    /// A reply again, from the words it was kept in.
    pub(crate) fn replay(&self, kept: Kept) -> Result<Reply> {
        Ok(Reply { ids: kept.ids, version: kept.version, ..(self.answer)(kept.data)? })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A checked call, ready for `Desk::execute`.
#[derive(Clone)]
pub struct Request {
    pub entry: &'static Entry,
    pub call: Arc<dyn Call>,
    /// Who says they are calling.
    pub instance: Option<String>,
    pub idempotency_key: Option<String>,
    /// Change the task that is named only if it is at this version.
    pub expect_version: Option<u64>,
}

/// An operation with its type erased.
pub trait Call: Send + Sync {
    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Reply>;
    fn nothing_to_mark(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Reply>>;
    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>>;
    fn wants(&self, _tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wanted>> {
        Ok(None)
    }
    fn names_roles(&self) -> bool;
    fn reads_plans(&self) -> bool {
        false
    }
    fn patience(&self) -> Option<Duration>;
    fn next(&self, _data: &Value) -> Option<Next> {
        None
    }
    /// The arguments again, to tell a repeated call from another one under the same idempotency key.
    fn arguments(&self) -> Value;
}

impl<O: Operation> Call for O {
    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Reply> {
        Operation::run(self, tx, caller).map(Reply::of)
    }

    fn nothing_to_mark(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Reply>> {
        Ok(Operation::nothing_to_mark(self, tx, caller)?.map(Reply::of))
    }

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        Operation::awaits(self, tx, caller)
    }

    fn wants(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wanted>> {
        Operation::wants(self, tx, caller)
    }

    fn names_roles(&self) -> bool {
        Operation::names_roles(self)
    }

    fn reads_plans(&self) -> bool {
        Operation::reads_plans(self)
    }

    fn patience(&self) -> Option<Duration> {
        Operation::patience(self)
    }

    fn next(&self, data: &Value) -> Option<Next> {
        Operation::next(self, data)
    }

    fn arguments(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What a reply can be made from again.
#[derive(Deserialize, Serialize)]
pub(crate) struct Kept {
    data: Value,
    /// Of many, the data names the first few only.
    ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

/// An answer with its type erased.
pub struct Reply {
    pub outcome: Outcome,
    pub now_bears: Option<Bearing>,
    pub ids: Vec<String>,
    /// Of what the answer is about. No part of the data: a model, which pays for those, holds tokens instead.
    pub version: Option<u64>,
    /// Always a JSON object.
    pub data: Value,
    /// Messages the caller has not seen yet; `None` where nobody is known to be calling.
    pub unread: Option<u32>,
    text: Box<dyn ErasedText>,
}

impl Reply {
    pub fn of<A: Answer>(answer: A) -> Reply {
        let data = serde_json::to_value(&answer).unwrap_or_default();
        Reply::with(answer, data)
    }

    fn with<A: Answer>(answer: A, data: Value) -> Reply {
        Reply {
            outcome: answer.outcome(),
            now_bears: answer.now_bears(),
            ids: answer.ids(),
            version: answer.version(),
            data,
            unread: None,
            text: Box::new(TextOf(answer)),
        }
    }

    /// The text, where it says more than could be said of the data alone.
    pub(super) fn text_beyond_data(&self) -> Option<String> {
        self.text.beyond(&self.data)
    }

    /// The same in the text that was made of it elsewhere.
    pub(super) fn told(self, text: String) -> Reply {
        Reply { text: Box::new(Told(text)), ..self }
    }

    pub(super) fn kept(&self) -> Kept {
        Kept { data: self.data.clone(), ids: self.ids.clone(), version: self.version }
    }

    /// What a person reads. Text that came from somewhere else is in it as it came: whoever prints it makes it safe.
    pub fn text(&self) -> String {
        self.text.text()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.outcome, self.data)
    }
}

trait ErasedText: Send {
    fn text(&self) -> String;
    fn beyond(&self, data: &Value) -> Option<String>;
}

struct TextOf<A>(A);

struct Told(String);

impl ErasedText for Told {
    fn text(&self) -> String {
        self.0.clone()
    }

    fn beyond(&self, _data: &Value) -> Option<String> {
        Some(self.text())
    }
}

impl<A: Answer> ErasedText for TextOf<A> {
    fn text(&self) -> String {
        self.0.to_string()
    }

    fn beyond(&self, data: &Value) -> Option<String> {
        let text = self.text();
        let of_data = A::deserialize(data).ok().map(|again| again.to_string());
        (of_data.as_ref() != Some(&text)).then_some(text)
    }
}

/// Everything a caller can ask for, in the order in which a newcomer would want to read about it.
pub static OPERATIONS: &[Entry] = &TABLE;

static TABLE: [Entry; 69] = [
    Entry::of::<crate::ops::instance::RegisterInstance>(),
    Entry::of::<crate::ops::instance::Heartbeat>(),
    Entry::of::<crate::ops::instance::ListInstances>(),
    Entry::of::<crate::ops::instance::GetInstance>(),
    Entry::of::<crate::ops::instance::UnregisterInstance>(),
    Entry::of::<crate::ops::task::PushTask>(),
    Entry::of::<crate::ops::task::PushTasks>(),
    Entry::of::<crate::ops::task::ClaimTask>(),
    Entry::of::<crate::ops::task::StartTask>(),
    Entry::of::<crate::ops::task::RenewTask>(),
    Entry::of::<crate::ops::task::CompleteTask>(),
    Entry::of::<crate::ops::task::BlockTask>(),
    Entry::of::<crate::ops::task::UnblockTask>(),
    Entry::of::<crate::ops::task::FailTask>(),
    Entry::of::<crate::ops::task::ReleaseTask>(),
    Entry::of::<crate::ops::task::RetryTask>(),
    Entry::of::<crate::ops::task::CancelTask>(),
    Entry::of::<crate::ops::task::UpdateTask>(),
    Entry::of::<crate::ops::task::GetTask>(),
    Entry::of::<crate::ops::task::ListTasks>(),
    Entry::of::<crate::ops::task::WaitForTask>(),
    Entry::of::<crate::ops::graph::GetGraph>(),
    Entry::of::<crate::ops::job::CreateJob>(),
    Entry::of::<crate::ops::job::AddSubtask>(),
    Entry::of::<crate::ops::job::GetJob>(),
    Entry::of::<crate::ops::job::ListJobs>(),
    Entry::of::<crate::ops::job::WaitForJob>(),
    Entry::of::<crate::ops::job::GetResults>(),
    Entry::of::<crate::ops::job::RetryFailed>(),
    Entry::of::<crate::ops::job::CancelJob>(),
    Entry::of::<crate::ops::job::QuickDelegate>(),
    Entry::of::<crate::ops::job::SynthesizeJob>(),
    Entry::of::<crate::ops::pipeline::RunPipeline>(),
    Entry::of::<crate::ops::job::Decompose>(),
    Entry::of::<crate::ops::message::SendMessage>(),
    Entry::of::<crate::ops::message::RequestHelp>(),
    Entry::of::<crate::ops::message::PollMessages>(),
    Entry::of::<crate::ops::message::WaitForMessage>(),
    Entry::of::<crate::ops::message::PeekMessages>(),
    Entry::of::<crate::ops::message::GetMessage>(),
    Entry::of::<crate::ops::message::GetThread>(),
    Entry::of::<crate::ops::message::MarkRead>(),
    Entry::of::<crate::ops::message::AcknowledgeMessage>(),
    Entry::of::<crate::ops::message::DismissMessage>(),
    Entry::of::<crate::ops::message::ListReceipts>(),
    Entry::of::<crate::ops::question::AskHuman>(),
    Entry::of::<crate::ops::question::RequestPermission>(),
    Entry::of::<crate::ops::question::WaitForAnswer>(),
    Entry::of::<crate::ops::question::WithdrawQuestion>(),
    Entry::of::<crate::ops::question::ListQuestions>(),
    Entry::of::<crate::ops::question::GetQuestion>(),
    Entry::of::<crate::ops::question::AnswerQuestion>(),
    Entry::of::<crate::ops::worker::LaunchWorkers>(),
    Entry::of::<crate::ops::worker::ListWorkers>(),
    Entry::of::<crate::ops::worker::StopWorkers>(),
    Entry::of::<crate::ops::worker::RestartWorker>(),
    Entry::of::<crate::ops::worker::InterruptWorker>(),
    Entry::of::<crate::ops::worker::ListCosts>(),
    Entry::of::<crate::ops::context::SetContext>(),
    Entry::of::<crate::ops::context::GetContext>(),
    Entry::of::<crate::ops::context::DeleteContext>(),
    Entry::of::<crate::ops::context::ListContextKeys>(),
    Entry::of::<crate::ops::context::WatchContext>(),
    Entry::of::<crate::ops::file::ReserveFiles>(),
    Entry::of::<crate::ops::file::ReleaseFiles>(),
    Entry::of::<crate::ops::file::ListReservations>(),
    Entry::of::<crate::ops::event::ListEvents>(),
    Entry::of::<crate::ops::event::WatchEvents>(),
    Entry::of::<crate::ops::server::ServerStatus>(),
];

/// What hooks, `doctor` and the like ask for: processes of ours, and no client.
static OWN: [Entry; 32] = [
    Entry::of::<crate::ops::question::SetPolicy>(),
    Entry::of::<crate::ops::event::NoteLanding>(),
    Entry::of::<crate::ops::graph::GetWholeGraph>(),
    Entry::of::<crate::ops::import::ComparePlan>(),
    Entry::of::<crate::ops::import::ImportPlan>(),
    Entry::of::<crate::ops::import::ExportTasks>(),
    Entry::of::<crate::ops::worker::FollowWorker>(),
    Entry::of::<crate::ops::worker::SetCaps>(),
    Entry::of::<crate::ops::worker::LaunchTeam>(),
    Entry::of::<crate::ops::worker::LeadFleet>(),
    Entry::of::<crate::ops::worker::NoteFleet>(),
    Entry::of::<crate::ops::session::JoinSession>(),
    Entry::of::<crate::ops::session::TakeNews>(),
    Entry::of::<crate::ops::session::NewsPrinted>(),
    Entry::of::<crate::ops::session::MayEdit>(),
    Entry::of::<crate::ops::session::StopSession>(),
    Entry::of::<crate::ops::session::NoteSession>(),
    Entry::of::<crate::ops::session::KeepProgress>(),
    Entry::of::<crate::ops::session::EndSession>(),
    Entry::of::<crate::ops::session::TakeRing>(),
    Entry::of::<crate::ops::session::ArmRung>(),
    Entry::of::<crate::ops::server::GetOverview>(),
    Entry::of::<crate::ops::server::GatherReport>(),
    Entry::of::<crate::ops::server::VouchForHuman>(),
    Entry::of::<crate::ops::server::ExamineTeam>(),
    Entry::of::<crate::ops::server::TidyTeam>(),
    Entry::of::<crate::ops::instance::KeepPresent>(),
    Entry::of::<crate::ops::instance::Depart>(),
    Entry::of::<crate::ops::message::TakeBack>(),
    Entry::of::<crate::ops::token::AddToken>(),
    Entry::of::<crate::ops::token::ListTokens>(),
    Entry::of::<crate::ops::token::RevokeToken>(),
];

/// The entry of a name, written with underscores or with dashes.
pub fn find(name: &str) -> Option<&'static Entry> {
    named(OPERATIONS, name)
}

/// As `find`, also among what only our own processes ask for.
pub fn find_own(name: &str) -> Option<&'static Entry> {
    named(&OWN, name).or_else(|| find(name))
}

/// Every operation, also those of our own processes.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    OPERATIONS.iter().chain(&OWN)
}

/// A call that we make ourselves, of any operation.
pub fn own_request(name: &str, arguments: Value) -> Result<Request> {
    let entry = find_own(name).ok_or_else(|| Error::internal(format!("no operation `{name}`")))?;
    let Value::Object(arguments) = arguments else {
        return Err(Error::internal(format!("arguments of `{name}` are no object")));
    };
    entry.request(arguments)
}

fn named(entries: &'static [Entry], name: &str) -> Option<&'static Entry> {
    entries.iter().find(|entry| {
        entry.name.len() == name.len()
            && entry
                .name
                .bytes()
                .zip(name.bytes())
                .all(|(ours, theirs)| ours == theirs || (ours == b'_' && theirs == b'-'))
    })
}
