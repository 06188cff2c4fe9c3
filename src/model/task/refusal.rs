//! What the rules of a task's life forbid, and who stands in the way.

use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use std::fmt;
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    #[error("task `{task}` is claimed by {by} until {until}")]
    Claimed { task: TaskId, by: Party, until: Timestamp },
    #[error("task `{task}` is {state}")]
    NotOpen { task: TaskId, state: &'static str },
    #[error("task `{task}` waits for {waits_for}")]
    NotReady { task: TaskId, waits_for: String },
    #[error("task `{task}` is meant for {assignee}")]
    MeantForOthers { task: TaskId, assignee: Party },
    #[error("task `{task}` is meant for the role `{role}`")]
    MeantForRole { task: TaskId, role: String },
    #[error("task `{task}` is not yours: {now}")]
    NotHeld { task: TaskId, now: Holding },
    #[error("task `{task}` is {state}; only {wanted} can be {verb}")]
    WrongState { task: TaskId, state: &'static str, wanted: &'static str, verb: &'static str },
    #[error("task `{task}` has used {attempt} of {max} attempts")]
    AttemptsUsedUp { task: TaskId, attempt: u32, max: u32 },
}

impl Refusal {
    /// Whom it speaks of, if of anybody.
    pub fn party(&mut self) -> Option<&mut Party> {
        match self {
            Refusal::Claimed { by, .. } => Some(by),
            Refusal::MeantForOthers { assignee, .. } => Some(assignee),
            Refusal::NotHeld { now: Holding::Now { by, .. } | Holding::Before { by, .. }, .. } => Some(by),
            Refusal::NotHeld { now: Holding::Nobody { .. }, .. }
            | Refusal::NotOpen { .. }
            | Refusal::NotReady { .. }
            | Refusal::MeantForRole { .. }
            | Refusal::WrongState { .. }
            | Refusal::AttemptsUsedUp { .. } => None,
        }
    }
}

/// Somebody whom a refusal speaks of. The rules know only the id; whoever has the store at hand adds the name.
#[derive(Clone, Debug, PartialEq)]
pub struct Party {
    /// An instance's id, or `@name` for a name that nobody bears yet.
    pub id: InstanceId,
    pub name: Option<String>,
}

impl Party {
    pub fn of(id: &InstanceId) -> Party {
        Party { id: id.clone(), name: None }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{name}` ({})", self.id),
            None => write!(f, "`{}`", self.id),
        }
    }
}

/// Whose a task is, for somebody whose it is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Holding {
    Now { by: Party, until: Timestamp, token: u64 },
    Before { by: Party, state: &'static str, token: u64 },
    Nobody { state: &'static str },
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holding::Now { by, until, token } => write!(f, "{by} holds it until {until} with token {token}"),
            Holding::Before { by, state, token } => write!(f, "it is {state}, last held by {by} with token {token}"),
            Holding::Nobody { state } => write!(f, "it is {state} and nobody holds it"),
        }
    }
}
