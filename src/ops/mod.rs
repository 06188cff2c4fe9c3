//! All that a caller can ask for: an operation runs in one transaction, and every face is made from the one table.

pub mod act;
pub mod attend;
pub mod caller;
pub mod check;
pub mod crew;
pub mod desk;
pub mod errand;
pub mod evidence;
pub mod execute;
mod line;
pub mod meter;
pub mod names;
pub mod outline;
mod post;
pub mod quota;
pub mod recent;
pub mod refusals;
pub mod render;
pub mod rights;
pub mod schema;
pub mod table;

pub mod context;
pub mod event;
pub mod file;
pub mod graph;
pub mod import;
pub mod instance;
pub mod job;
pub mod message;
pub mod pipeline;
pub mod question;
pub mod server;
pub mod session;
pub mod task;
pub mod token;
pub mod worker;

pub use caller::Caller;
pub use desk::Desk;
pub use execute::LocalDesk;
pub use table::Entry;
pub use table::OPERATIONS;

use crate::error::Result;
use crate::ops::evidence::Wanted;
use crate::store::Mode;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::time::Duration;

/// What an operation may do to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing: may run beside anything, and a client may call it without asking.
    Read,
    /// Changes the store: durable before it is answered, and may carry an idempotency key.
    Write,
    /// Changes only marks that may be lost with the power: presence, receipts. Not synced.
    Mark,
}

impl Effect {
    /// How its transaction begins.
    pub fn mode(self) -> Mode {
        match self {
            Effect::Read => Mode::Read,
            Effect::Write => Mode::Durable,
            Effect::Mark => Mode::Relaxed,
        }
    }
}

/// What an operation is about; the command line groups its help by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    Instances,
    Tasks,
    Jobs,
    Messages,
    Questions,
    Workers,
    Context,
    Files,
    Events,
    Server,
}

/// One thing a caller can ask for. Its fields are the tool's parameters and the command's flags.
pub trait Operation: DeserializeOwned + JsonSchema + Send + Serialize + Sync + 'static {
    /// Verb and noun: `claim_task`.
    const NAME: &'static str;
    /// One line for a model and for `--help`.
    const ABOUT: &'static str;
    const NOUN: Noun;
    const EFFECT: Effect;
    /// Fields that a person may give without their flag, in this order.
    const POSITIONAL: &'static [&'static str] = &[];
    type Output: Answer;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Self::Output>;

    /// What its caller waits for then, in the place of its answer: from that, as JSON.
    fn next(&self, _data: &Value) -> Option<Next> {
        None
    }

    /// For operations that mark: the answer, where there is nothing to mark. Asked in a read, so that such a call writes
    /// nothing and waits for nobody.
    fn nothing_to_mark(&self, _tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Self::Output>> {
        Ok(None)
    }

    /// For operations that wait: what to wait for while `run` would have nothing to say yet; `None` once it has.
    fn awaits(&self, _tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        Ok(None)
    }

    /// For the operation that says something is done: what must be looked for outside of the store first.
    fn wants(&self, _tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wanted>> {
        Ok(None)
    }

    /// Does it give work to roles that only files tell of?
    fn names_roles(&self) -> bool {
        false
    }

    /// Does it read plans, which may name repositories that only files tell of?
    fn reads_plans(&self) -> bool {
        false
    }

    /// How long the caller is willing to wait, for operations that wait.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// What a caller waits for once an operation has done its part. Its answer is of the same form.
#[derive(Clone, Debug)]
pub struct Next {
    pub operation: &'static str,
    pub arguments: Value,
}

/// What a waiting operation waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// A change of any of these is reason to look again.
    pub topics: Vec<Topic>,
    /// Look again after this long even if nothing changed: a lease lapses or a task falls due by time alone.
    pub look_again_after: Option<Duration>,
}

/// What an operation answers: JSON for programs, `Display` for people.
pub trait Answer: DeserializeOwned + Display + JsonSchema + Send + Serialize + 'static {
    fn outcome(&self) -> Outcome {
        Outcome::Done
    }

    /// The instance that this process speaks for from now on.
    fn now_bears(&self) -> Option<caller::Bearing> {
        None
    }

    /// The version of the one thing that this is about, as its next change may expect it.
    fn version(&self) -> Option<u64> {
        None
    }

    /// The identifiers that `--format ids` prints, and nothing else.
    fn ids(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How a call ended, beyond its data; the command line turns it into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    NothingReady,
    TimedOut,
    /// What was asked for is not there, which is an answer and no error.
    Absent,
}

/// The default and the longest wait of every waiting operation. Clients and proxies cut calls off at a minute
/// and at five; both numbers stay below.
pub const WAIT_SECS_DEFAULT: u32 = 50;
pub const WAIT_SECS_MAX: u32 = 280;

/// How long to wait, from the argument that every waiting operation takes.
pub fn patience(timeout_seconds: Option<u32>) -> Duration {
    Duration::from_secs(timeout_seconds.unwrap_or(WAIT_SECS_DEFAULT).min(WAIT_SECS_MAX).into())
}
