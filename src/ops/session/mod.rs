//! What the hooks of a Claude session tell, and what they are told: operations of this program's own processes, which no
//! client lists.

mod brief;
mod edit;
mod end;
mod join;
mod news;
mod note;
mod printed;
mod progress;
mod ring;
mod stop;

pub use edit::MayEdit;
pub use end::EndSession;
pub use end::end;
pub use join::JoinSession;
pub use news::TakeNews;
pub use note::NoteSession;
pub use printed::NewsPrinted;
pub use progress::KeepProgress;
pub use ring::ArmRung;
pub use ring::TakeRing;
pub(in crate::ops) use ring::first_turn;
pub use stop::StopSession;

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::rung::Rung;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::wake::Wake;
use crate::ops::Caller;
use crate::store::Tx;

/// Looked at together; more than that wait for nobody who reads.
const WAKES_MAX: u32 = 100;

/// The client that calls speaks for this instance from now on.
pub fn bind(tx: &mut dyn Tx, caller: &Caller, instance: &Instance) -> Result<()> {
    let Some(client) = &caller.client else { return Ok(()) };
    let known = tx.session_by_client(&client.process)?;
    if let Some(session) = &known
        && let Some(other) = tx.instance(&session.instance)?
    {
        caller.must_be_able_to_be(&other)?;
    }
    let mut session = match known {
        Some(session) if session.instance == instance.id => session,
        // What the client does, by what it can be woken and what its hooks told stays true whoever it speaks for.
        Some(before) => Session { instance: instance.id.clone(), told: Vec::new(), briefed: None, ..before },
        // Another client was told what this one was not.
        None => Session { client: Some(client.process.clone()), ..Session::new(instance.id.clone(), tx.now()) },
    };
    session.inbox = client.inbox.clone();
    tx.put_session(&session)
}

/// The session begins, takes a step or ends its turn.
fn shows(
    tx: &mut dyn Tx,
    caller: &Caller,
    session: &mut Session,
    activity: Activity,
    detail: Option<String>,
) -> Result<()> {
    let now = tx.now();
    if let Some(hook) = &caller.hook {
        session.hears(hook);
    }
    session.shows(activity, detail, now);
    tx.put_session(session)
}

/// It takes a step, so what rang last has worked. That a turn ends proves nothing: it may have begun before.
fn answers(tx: &mut dyn Tx, session: &Session) -> Result<()> {
    let now = tx.now();
    for mut wake in tx.open_wakes(&session.instance, WAKES_MAX)? {
        if wake.shows_life(now) {
            tx.put_wake(&wake)?;
        }
    }
    Ok(())
}

/// Somebody is to be woken for this, if there is a session to be woken.
pub fn want(tx: &mut dyn Tx, recipient: &InstanceId, subject: impl ToString) -> Result<()> {
    match tx.session(recipient)? {
        Some(session) if session.activity != Activity::Ended => {
            let wake = Wake::new(recipient.clone(), subject, tx.now());
            tx.put_wake(&wake)
        }
        _ => Ok(()),
    }
}

/// They know of these now.
pub fn told<S: ToString>(tx: &mut dyn Tx, recipient: &InstanceId, subjects: &[S], how: Rung) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    let subjects: Vec<String> = subjects.iter().map(S::to_string).collect();
    let now = tx.now();
    for mut wake in tx.open_wakes(recipient, WAKES_MAX)? {
        if subjects.contains(&wake.subject) {
            wake.is_told(how, now);
            tx.put_wake(&wake)?;
        }
    }
    Ok(())
}

/// The caller with its session, if hooks or a registration tell of one.
fn here(tx: &mut dyn Tx, caller: &Caller) -> Result<Option<(Instance, Session)>> {
    let Some(me) = crate::ops::attend::present(tx, caller)? else { return Ok(None) };
    let session = tx.session(&me.id)?.filter(|session| !is_of_another(tx, caller, &me, session));
    Ok(session.map(|session| (me, session)))
}

/// A client's last hooks outlive it, and its session may be resumed in another one by then: they say nothing of that one.
fn is_of_another(tx: &dyn Tx, caller: &Caller, instance: &Instance, session: &Session) -> bool {
    let mine = caller.client.as_ref().map(|client| &client.process);
    session.client.is_some() && session.client.as_ref() != mine && is_live(tx, caller, instance, session)
}

/// Does a client that lives speak for this instance? One of which nobody here can say that counts as long as the instance
/// is present: else nobody could ever follow it.
fn is_live(tx: &dyn Tx, caller: &Caller, instance: &Instance, session: &Session) -> bool {
    let present = instance.online(tx.now().tick);
    let lives = |client: &String| caller.host.lives(client).unwrap_or(present);
    session.activity != Activity::Ended && session.client.as_ref().is_some_and(lives)
}

/// Each once, in order, as far as there is room for them in a line.
fn told_apart(names: impl IntoIterator<Item = String>, most: usize) -> String {
    let mut apart: Vec<String> = Vec::new();
    for name in names {
        if apart.len() < most && !apart.contains(&name) {
            apart.push(name);
        }
    }
    apart.join(", ")
}

enum For {
    Message,
    Task(Box<Task>),
}

/// What somebody is still to be woken for; they may have come across it meanwhile.
fn what_for(tx: &mut dyn Tx, wake: &Wake) -> Result<Option<For>> {
    if let Ok(id) = wake.subject.parse::<MessageId>() {
        let waits = tx.delivery(id, &wake.recipient)?.is_some_and(|delivery| delivery.returned.is_none());
        return Ok(waits.then_some(For::Message));
    }
    let Ok(id) = wake.subject.parse::<TaskId>() else { return Ok(None) };
    let is_theirs =
        |task: &Task| task.assignee.as_deref() == Some(wake.recipient.as_str()) && task.standing() == Standing::Ready;
    Ok(tx.task(id)?.filter(is_theirs).map(|task| For::Task(Box::new(task))))
}
