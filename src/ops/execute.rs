//! The one way to run an operation, whatever it does: one that reads, one that changes something, and one that waits, which
//! runs again when something changed.

use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::time::Tick;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::attend;
use crate::ops::caller::Bearing;
use crate::ops::crew;
use crate::ops::job::Job;
use crate::ops::post::Post;
use crate::ops::post::Posts;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::store::Mode;
use crate::store::Soundness;
use crate::store::Store;
use crate::store::Tx;
use crate::store::doorbell::Hangup;
use crate::store::open::LazyStore;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Calls whose instance is remembered for a late cancellation. A client cancels what is in flight, which is bounded too.
const CALLS_REMEMBERED: usize = 128;

/// Where operations are carried out: one store, one after the other. Waiting holds up nobody.
pub struct Desk {
    store: Mutex<LazyStore>,
    host: Host,
    /// The instances behind the latest calls, for `take_back`.
    callers: Mutex<VecDeque<(String, InstanceId)>>,
    posts: Posts,
}

impl Desk {
    pub fn new(store: LazyStore) -> Desk {
        let host = store.host().clone();
        Desk { store: Mutex::new(store), host, callers: Mutex::default(), posts: Posts::default() }
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Is there anything to read yet?
    pub fn has_store(&self) -> bool {
        let store = self.lock();
        store.is_open() || store.place().exists()
    }

    /// Clears away what processes left behind that ended without a word. Creates nothing.
    pub fn tidy(&self) -> Result<()> {
        let mut store = self.lock();
        if store.place().exists() {
            let dir = store.for_reading()?.doorbell_dir();
            self.posts.sweep(&dir);
        }
        Ok(())
    }

    /// Is the store whole? Looks no longer than that.
    pub fn soundness(&self, patience: Duration) -> Result<Soundness> {
        self.lock().for_reading()?.soundness(patience)
    }

    /// Makes the log of the store short, where there is a store.
    pub fn write_back(&self) -> Result<()> {
        let mut store = self.lock();
        if store.is_open() || store.place().exists() { store.for_writing()?.write_back() } else { Ok(()) }
    }

    /// Carries the request out and answers. A waiting operation blocks this thread, until `hangup` at the latest.
    pub fn execute(&self, request: &Request, caller: &Caller, hangup: &Hangup) -> Result<Reply> {
        let caller = &Caller { explicit: request.instance.clone(), ..caller.clone() };
        match request.call.patience() {
            Some(patience) => self.wait(request, caller, hangup, Deadline::after(patience)),
            None => self.once(request, caller, None),
        }
    }

    /// `post`: where the caller has waited for this.
    fn once(&self, request: &Request, caller: &Caller, post: Option<&Post>) -> Result<Reply> {
        match request.entry.effect {
            Effect::Read => self.read(request, caller),
            Effect::Mark => match self.mark_nothing(request, caller)? {
                Some(reply) => Ok(reply),
                None => self.write(request, caller, post),
            },
            Effect::Write => self.write(request, caller, post),
        }
    }

    /// As `execute`, where that needs neither wait for anybody nor write anything. For threads that others wait for.
    pub fn read_at_once(&self, request: &Request, caller: &Caller) -> Result<Option<Reply>> {
        let Ok(mut store) = self.store.try_lock() else { return Ok(None) };
        if request.entry.effect != Effect::Read || request.call.patience().is_some() || !store.is_open() {
            return Ok(None);
        }
        let caller = &Caller { explicit: request.instance.clone(), ..caller.clone() };
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        if attend::is_due(&mut *tx, caller)? {
            return Ok(None);
        }
        look(tx, request, caller).map(Some)
    }

    fn read(&self, request: &Request, caller: &Caller) -> Result<Reply> {
        let mut store = self.lock();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        if attend::is_due(&mut *tx, caller)? {
            drop(tx);
            // Where nothing can be written, on a full disk for one, there is still much to read.
            store.for_writing().and_then(|store| attend_alone(store, caller)).ok();
            tx = store.for_reading()?.begin(Mode::Read)?;
        }
        look(tx, request, caller)
    }

    /// The answer of a call that finds nothing to mark, and so need not write.
    fn mark_nothing(&self, request: &Request, caller: &Caller) -> Result<Option<Reply>> {
        let mut store = self.lock();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        let Some(reply) = request.call.nothing_to_mark(&mut *tx, caller)? else { return Ok(None) };
        if attend::is_due(&mut *tx, caller)? {
            return Ok(None);
        }
        answered(tx, reply, caller).map(Some)
    }

    fn write(&self, request: &Request, caller: &Caller, post: Option<&Post>) -> Result<Reply> {
        let leaves = post.filter(|post| !post.is_worth_keeping());
        let job = Job { request, caller, leaves: leaves.map(Post::address) };
        let done = crew::carry_out(self.lock().for_writing()?, &job);
        match done {
            Ok(done) => {
                if let Some(me) = done.me {
                    self.remember(caller, me);
                }
                if let Some(post) = leaves.filter(|_| done.reply.outcome != Outcome::TimedOut) {
                    post.has_left();
                }
                Ok(done.reply)
            }
            Err(error) => {
                // A refusal changed nothing, but who was refused was here all the same.
                if error.kind.is_refusal() {
                    attend_if_due(&mut self.lock(), caller).ok();
                }
                Err(error)
            }
        }
    }

    fn wait(&self, request: &Request, caller: &Caller, hangup: &Hangup, deadline: Deadline) -> Result<Reply> {
        attend_if_due(&mut self.lock(), caller).ok();
        let mut post = None;
        loop {
            let Some(wait) = self.awaits(request, caller)? else {
                let reply = self.once(request, caller, post.as_ref())?;
                // Somebody else may have been quicker; then there is nothing again, and time left to wait.
                if reply.outcome != Outcome::TimedOut || deadline.passed() || hangup.is_hung_up() {
                    return Ok(reply);
                }
                continue;
            };
            if deadline.passed() || hangup.is_hung_up() {
                return self.once(request, caller, post.as_ref());
            }
            match &post {
                // Look once more now that no change can be missed.
                None => post = Some(Post::take(self, &wait)?),
                Some(post) => post.sleep(&wait, caller, hangup, deadline)?,
            }
        }
    }

    /// Whoever waits is here: its leases are renewed as by a call.
    pub(super) fn still_here(&self, caller: &Caller) -> Result<()> {
        let mut store = self.lock();
        if !attend::renewal_is_due(&mut *store.for_reading()?.begin(Mode::Read)?, caller)? {
            return Ok(());
        }
        let mut tx = store.for_writing()?.begin(Mode::Relaxed)?;
        if let Some(me) = attend::present(&mut *tx, caller)? {
            attend::renew(&mut *tx, &me)?;
        }
        tx.commit()
    }

    fn awaits(&self, request: &Request, caller: &Caller) -> Result<Option<Wait>> {
        let mut store = self.lock();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        request.call.awaits(&mut *tx, caller)
    }

    /// The client cancelled this call: whatever it returned did not arrive, and comes again.
    pub fn take_back(&self, caller: &Caller) -> Result<()> {
        let Some(instance) = self.recall(caller) else { return Ok(()) };
        let mut store = self.lock();
        let mut tx = store.for_writing()?.begin(Mode::Relaxed)?;
        for mut delivery in tx.returned_by(&instance, &caller.process, &caller.call)? {
            if delivery.take_back(&caller.process, &caller.call) {
                tx.update_delivery(&delivery)?;
            }
        }
        tx.commit()
    }

    /// The process that speaks for an instance lives on, though nobody called: its presence is renewed and nothing else.
    pub fn keep_present(&self, bearing: &Bearing) -> Result<()> {
        self.change_presence(bearing, |tx, instance| {
            let now = tx.now();
            if instance.lease_until == Tick::NEVER {
                return Ok(());
            }
            tx.renew_presence(&bearing.instance, now)
        })
    }

    /// The session behind this process ended: its name is free from now on. Its claims last as long as their leases, so
    /// that a session that is resumed goes on with them.
    pub fn depart(&self, bearing: &Bearing) -> Result<()> {
        self.change_presence(bearing, |tx, instance| {
            // A hook of it may have said so already.
            if instance.lease_until == Tick::NEVER {
                return Ok(());
            }
            let mut instance = instance.clone();
            let left = instance.leaves();
            tx.update_instance(&mut instance)?;
            tx.append_event(left).map(drop)
        })
    }

    fn change_presence(
        &self,
        bearing: &Bearing,
        change: impl FnOnce(&mut dyn Tx, &Instance) -> Result<()>,
    ) -> Result<()> {
        let mut store = self.lock();
        let mut tx = store.for_writing()?.begin(Mode::Relaxed)?;
        match tx.instance(&bearing.instance)? {
            Some(instance) if instance.incarnation == bearing.incarnation => {
                change(&mut *tx, &instance)?;
                tx.commit()
            }
            // Somebody else bears the name; what this process does or does not do says nothing about them.
            _ => Ok(()),
        }
    }

    fn remember(&self, caller: &Caller, me: InstanceId) {
        if caller.call.is_empty() {
            return;
        }
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.push_back((caller.call.clone(), me));
        if callers.len() > CALLS_REMEMBERED {
            callers.pop_front();
        }
    }

    fn recall(&self, caller: &Caller) -> Option<InstanceId> {
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.iter().rev().find(|(call, _)| *call == caller.call).map(|(_, instance)| instance.clone())
    }

    /// The process is about to end: takes down the doorbells that it kept.
    pub fn leave(&self) {
        self.posts.leave(&mut self.lock());
    }

    pub(super) fn posts(&self) -> &Posts {
        &self.posts
    }

    /// A panic inside an operation has rolled its transaction back, so the store behind a poisoned lock is sound.
    pub(super) fn lock(&self) -> MutexGuard<'_, LazyStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.leave();
    }
}

fn look(mut tx: Box<dyn Tx + '_>, request: &Request, caller: &Caller) -> Result<Reply> {
    let reply = request.call.run(&mut *tx, caller)?;
    answered(tx, reply, caller)
}

fn answered(mut tx: Box<dyn Tx + '_>, mut reply: Reply, caller: &Caller) -> Result<Reply> {
    reply.unread = attend::unread(&mut *tx, caller)?;
    tx.commit()?;
    Ok(reply)
}

fn attend_if_due(store: &mut LazyStore, caller: &Caller) -> Result<()> {
    let due = attend::is_due(&mut *store.for_reading()?.begin(Mode::Read)?, caller)?;
    if due { attend_alone(store.for_writing()?, caller) } else { Ok(()) }
}

fn attend_alone(store: &mut dyn Store, caller: &Caller) -> Result<()> {
    let mut tx = store.begin(Mode::Relaxed)?;
    attend::attend(&mut *tx, caller)?;
    tx.commit()
}
