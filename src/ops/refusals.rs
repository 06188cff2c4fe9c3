//! Each refusal of the model as an error with the next step to take.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::context;
use crate::model::instance;
use crate::model::task;
use crate::store::Tx;

/// What a rule decided, as an operation hands it on.
pub trait Told<T> {
    /// The refusal as an error that calls people by their names.
    fn told(self, tx: &mut dyn Tx) -> Result<T>;
}

impl<T> Told<T> for Result<T, task::Refusal> {
    fn told(self, tx: &mut dyn Tx) -> Result<T> {
        self.map_err(|mut refusal| {
            if let Some(party) = refusal.party() {
                // A refusal stands, whether or not the name can be read.
                let known = tx.instance(&party.id).ok().flatten();
                party.name = known.map(|instance| instance.name).filter(|name| name != party.id.as_str());
            }
            of_task(&refusal)
        })
    }
}

fn of_task(refusal: &task::Refusal) -> Error {
    use task::Refusal::*;
    let (kind, hint) = match refusal {
        Claimed { by, .. } => {
            let address = by.name.as_ref().map_or_else(|| by.id.to_string(), |name| format!("@{name}"));
            (Kind::Conflict, format!("call `claim_task` without an id for another, or `send_message` to `{address}`"))
        }
        NotOpen { task, state } => match *state {
            "blocked" => (
                Kind::Conflict,
                format!("`unblock_task` makes it claimable; `get_task` with `{task}` tells why it is blocked"),
            ),
            "failed" | "cancelled" => (Kind::Conflict, format!("`retry_task` with `{task}` makes it claimable")),
            _ => (Kind::Conflict, "call `claim_task` without an id for another".to_owned()),
        },
        NotReady { task, .. } => {
            (Kind::Conflict, format!("`get_task` with `{task}` tells what it waits for, `wait_for_task` waits"))
        }
        MeantForOthers { .. } | MeantForRole { .. } => (Kind::Conflict, "`force` takes it all the same".to_owned()),
        NotHeld { task, .. } => (
            Kind::StaleClaim,
            format!(
                "stop working on it; `get_task` shows it as it is now, `claim_task` with `{task}` asks for it anew"
            ),
        ),
        WrongState { task, .. } => (Kind::Conflict, format!("`get_task` with `{task}` shows it as it is now")),
        AttemptsUsedUp { .. } => (Kind::Refused, "`force` allows one more attempt".to_owned()),
    };
    Error::new(kind, refusal.to_string()).hint(hint)
}

impl From<instance::Refusal> for Error {
    fn from(refusal: instance::Refusal) -> Error {
        let instance::Refusal::NameTaken { bearer, .. } = &refusal;
        let hint = format!("choose another name, or register with `instance_id` `{bearer}` if that is you");
        Error::new(Kind::Conflict, refusal.to_string()).hint(hint)
    }
}

impl From<context::Refusal> for Error {
    fn from(refusal: context::Refusal) -> Error {
        let context::Refusal::OtherVersion { key, found, .. } = &refusal;
        let hint = format!("read it again with `get_context` `{key}`, then write with `expect_version` {found}");
        Error::new(Kind::Conflict, refusal.to_string()).hint(hint).at_version(*found)
    }
}
