//! The desk of a server elsewhere.

use crate::error::Result;
use crate::host::Host;
use crate::model::id::InstanceId;
use crate::model::message::CALL_OF_HOOK;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::errand;
use crate::ops::errand::Words;
use crate::ops::table;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::remote::Patience;
use crate::remote::Trouble;
use crate::remote::Way;
use crate::remote::asking::Asking;
use crate::remote::line::Line;
use crate::remote::line::Question;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A client cancels what is in flight, which is bounded too.
const TAKEN_MAX: usize = 1_024;
/// More debts than a process has calls at once would be those of a server that is gone.
const OWED_MAX: usize = 256;

pub struct RemoteDesk {
    line: Line,
    patience: Patience,
    /// This process, in words that nobody takes for a process of the server's machine.
    process: String,
    /// The server has answered before.
    seen: AtomicBool,
    /// What the latest calls took, by what whoever asked calls them.
    taken: Mutex<VecDeque<Taken>>,
    /// Who may have taken messages of which no answer told.
    owed: Mutex<Vec<Caller>>,
}

struct Taken {
    call: String,
    by: Caller,
    instance: InstanceId,
}

impl RemoteDesk {
    /// Connects to nobody yet.
    pub fn new(way: Way, patience: Patience) -> RemoteDesk {
        RemoteDesk {
            line: Line::new(way),
            patience,
            process: process(&Host::System),
            seen: AtomicBool::new(false),
            taken: Mutex::default(),
            owed: Mutex::default(),
        }
    }

    pub(super) fn way(&self) -> &Way {
        self.line.way()
    }

    pub(super) fn process(&self) -> &str {
        &self.process
    }

    pub(super) fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) fn ask(&self, question: Question, hangup: &Hangup) -> Result<Vec<u8>, Trouble> {
        let answer = self.line.ask(question, hangup);
        if matches!(answer, Ok(_) | Err(Trouble::Later(_))) {
            self.seen.store(true, Ordering::Relaxed);
        }
        answer
    }

    pub(super) fn owes(&self, taker: Caller) {
        let mut owed = lock(&self.owed);
        if owed.len() < OWED_MAX {
            owed.push(taker);
        }
    }

    /// One attempt to take back what somebody may have taken; who that is, the server finds out as it did then.
    pub(super) fn take_back_once(&self, taker: &Caller, within: Duration) -> Result<(), Trouble> {
        let request = taken_back(None, taker).map_err(Trouble::Final)?;
        let words = Words::of(&request, taker).bytes();
        let answer = self.ask(Question { words, waits: false, within }, &Hangup::new())?;
        // A refusal ends it too: whoever is nobody there took nothing.
        if let Err(error) = errand::read_answer(&answer, &request) {
            tracing::debug!("nothing was taken back: {error}");
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        // Tried again by the next call, should this one fail.
        loop {
            // The lock is given up before anything is asked: what fails there owes again.
            let Some(taker) = lock(&self.owed).last().cloned() else { return Ok(()) };
            let request = taken_back(None, &taker)?;
            Asking::new(self, &request, &taker).until_answered(self.patience)?;
            lock(&self.owed).retain(|owed| (&owed.process, &owed.call) != (&taker.process, &taker.call));
        }
    }

    /// What a command took stands where it is printed from now on.
    fn printed(&self, taker: &Caller, instance: &InstanceId) {
        let told = json!({ "instance": instance, "process": taker.process, "call": taker.call });
        let nobody = Caller { process: String::new(), call: String::new(), ..Caller::anonymous(Host::System) };
        let told = table::own_request("news_printed", told)
            .and_then(|request| Asking::new(self, &request, &nobody).until_answered(self.patience));
        if let Err(error) = told {
            tracing::warn!("these messages may come again: {error}");
        }
    }

    fn remember(&self, call: String, by: Caller, instance: InstanceId) {
        let mut taken = lock(&self.taken);
        taken.push_back(Taken { call, by, instance });
        if taken.len() > TAKEN_MAX {
            taken.pop_front();
        }
    }
}

impl Desk for RemoteDesk {
    fn execute(&self, request: &Request, caller: &Caller, hangup: &Hangup) -> Result<Reply> {
        self.settle()?;
        let mut asking = Asking::new(self, request, caller);
        let done = match request.call.patience() {
            Some(waits_for) => asking.until_ready(waits_for, self.patience, hangup),
            None => asking.until_answered(self.patience),
        }?;
        if let Some(me) = done.me.filter(|_| request.entry.hands_out_mail()) {
            let took_some = done.reply.data["messages"].as_array().is_some_and(|messages| !messages.is_empty());
            if caller.process.is_empty() && took_some {
                self.printed(asking.taker(), &me);
            } else if !caller.call.is_empty() && caller.call != CALL_OF_HOOK {
                self.remember(caller.call.clone(), asking.taker().clone(), me);
            }
        }
        Ok(done.reply)
    }

    /// Nothing here is at once.
    fn read_at_once(&self, _request: &Request, _caller: &Caller) -> Result<Option<Reply>> {
        Ok(None)
    }

    fn take_back(&self, caller: &Caller) -> Result<()> {
        let taken = {
            let mut all = lock(&self.taken);
            all.iter().rposition(|taken| taken.call == caller.call).and_then(|at| all.remove(at))
        };
        let Some(taken) = taken else { return Ok(()) };
        let request = taken_back(Some(&taken.instance), &taken.by)?;
        let nobody = Caller::anonymous(Host::System);
        Asking::new(self, &request, &nobody).until_answered(self.patience).map(drop)
    }

    /// Whatever is there: it is not for us to say that there is nothing.
    fn has_store(&self) -> bool {
        true
    }

    /// The server does that for itself.
    fn tidy(&self) -> Result<()> {
        Ok(())
    }

    fn leave(&self) {}
}

fn taken_back(instance: Option<&InstanceId>, taker: &Caller) -> Result<Request> {
    let taken: Value = json!({ "instance": instance, "process": taker.process, "call": taker.call });
    table::own_request("take_back", taken)
}

/// This process, as a server elsewhere is told of it.
pub fn process(host: &Host) -> String {
    host.this_process()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
