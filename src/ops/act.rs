//! One call that changes something, inside a transaction: attend, run, count what is unread.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::model::digest::digest;
use crate::model::id::InstanceId;
use crate::ops::Caller;
use crate::ops::Outcome;
use crate::ops::attend;
use crate::ops::job::settle_changed;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::ops::task;
use crate::store::Mode;
use crate::store::StoredAnswer;
use crate::store::Tx;

/// A call, and what goes with it.
pub struct Act<'a> {
    pub request: &'a Request,
    pub caller: &'a Caller,
    /// The doorbell at which the caller has waited for this. Whoever has found what it waited for leaves it in the same
    /// transaction: of many who are woken at once, each writes only once.
    pub leaves: Option<&'a str>,
}

pub struct Done {
    pub reply: Reply,
    /// The instance that called.
    pub me: Option<InstanceId>,
}

impl Act<'_> {
    pub fn mode(&self) -> Mode {
        self.request.entry.effect.mode()
    }

    pub fn perform(&self, tx: &mut dyn Tx) -> Result<Done> {
        let Act { request, caller, .. } = self;
        // What was repeated because a line broke is no other call: whoever left by it is not here again.
        let is_repeated = match request.idempotency_key.as_ref().filter(|key| is_of_one_call(key)) {
            Some(key) => tx.answer(&of_caller(key, caller))?.is_some(),
            None => false,
        };
        if !is_repeated {
            attend::attend(tx, caller)?;
        }
        let mut reply = match &request.idempotency_key {
            Some(key) => run_once_for(key, tx, request, caller)?,
            None => run(tx, request, caller)?,
        };
        // Whoever has just registered is known from now on.
        let registered =
            reply.now_bears.clone().map(|bearing| Caller { registered: Some(bearing), ..Caller::clone(caller) });
        let caller = registered.as_ref().unwrap_or(caller);
        let me = attend::present(tx, caller)?.map(|me| me.id);
        settle_changed(tx, me.as_ref())?;
        reply.unread = attend::unread(tx, caller)?;
        if let Some(doorbell) = self.leaves.filter(|_| reply.outcome != Outcome::TimedOut) {
            tx.unwatch(doorbell)?;
        }
        Ok(Done { reply, me })
    }
}

/// Whoever changes what they have read says which version that was, and changes no other. What is wrong with the call
/// itself goes before that: with the right version it would be as wrong. An error undoes what was done.
fn run(tx: &mut dyn Tx, request: &Request, caller: &Caller) -> Result<Reply> {
    let Some(expected) = request.expect_version else { return request.call.run(tx, caller) };
    let named = request.call.arguments().get("task_id").and_then(|id| id.as_str()?.parse().ok());
    let named = named.ok_or_else(|| Error::invalid("a version can be expected only of a task that is named"))?;
    let found = task::existing(tx, named)?.version;
    let reply = request.call.run(tx, caller)?;
    if found != expected {
        let message = format!("task `{named}` is at version {found}, not at {expected}");
        return Err(Error::new(Kind::Conflict, message)
            .hint(format!("read it again with `get_task` `{named}`, then decide anew"))
            .at_version(found));
    }
    Ok(reply)
}

/// The first call with a key is carried out; every later one gets the first answer.
fn run_once_for(key: &str, tx: &mut dyn Tx, request: &Request, caller: &Caller) -> Result<Reply> {
    let operation = request.entry.name;
    let mut arguments = request.call.arguments();
    // How long one waits is no part of what one asks for.
    arguments.as_object_mut().and_then(|fields| fields.remove("timeout_seconds"));
    let call = format!("{} {arguments}", who(key, tx, request, caller)?);
    let digest = format!("{:016x}", digest(&call));
    let key = &of_caller(key, caller);
    if let Some(first) = tx.answer(key)? {
        if first.operation != operation || first.digest != digest {
            return Err(Error::new(
                Kind::Conflict,
                format!("the idempotency key `{key}` was used for another call of `{}`", first.operation),
            )
            .hint("use a new key for a new call; repeat the same arguments to get the first answer"));
        }
        return request.entry.replay(serde_json::from_str(&first.answer).map_err(Error::internal)?);
    }
    let reply = run(tx, request, caller)?;
    // To have found nothing is no effect: the next call looks again.
    if reply.outcome == Outcome::Done {
        let answer = serde_json::to_string(&reply.kept()).map_err(Error::internal)?;
        let answer = StoredAnswer { operation: operation.to_owned(), digest, answer };
        tx.keep_answer(key, &answer)?;
    }
    Ok(reply)
}

/// Two who count from one do not meet: everybody has keys of their own.
fn of_caller(key: &str, caller: &Caller) -> String {
    match caller.owner_of_new() {
        Some(owner) => format!("{owner}/{key}"),
        None => key.to_owned(),
    }
}

/// A key that nobody else ever uses, for a call that may have to be repeated.
pub fn key_of_one_call(host: &Host) -> String {
    format!("{OF_ONE_CALL}{:016x}{:016x}", host.random(), host.random())
}

const OF_ONE_CALL: &str = "call-";

fn is_of_one_call(key: &str) -> bool {
    key.strip_prefix(OF_ONE_CALL).is_some_and(|rest| rest.len() == 32)
}

/// The instance that calls, so that nobody gets the answer of somebody else. Whoever registers is nobody yet; and where the
/// key is of one call alone, it says by itself whose it is, also after a call by which somebody came or went.
fn who(key: &str, tx: &mut dyn Tx, request: &Request, caller: &Caller) -> Result<String> {
    if request.entry.names_own_instance() || is_of_one_call(key) {
        return Ok(String::new());
    }
    Ok(caller.known_instance(tx)?.map(|me| me.id.to_string()).unwrap_or_default())
}
