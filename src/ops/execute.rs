//! The one way to run an operation, whatever it does: one that reads, one that changes something, and one that waits, which
//! runs again when something changed.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::model::demand::Found;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::Effect;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::act::Act;
use crate::ops::act::Done;
use crate::ops::attend;
use crate::ops::crew;
use crate::ops::evidence::Wanted;
use crate::ops::evidence::Witness;
use crate::ops::line::Line;
use crate::ops::meter::Counts;
use crate::ops::meter::Meter;
use crate::ops::post::Post;
use crate::ops::post::Posts;
use crate::ops::recent::Recent;
use crate::ops::rights;
use crate::ops::table;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::store::Mode;
use crate::store::Soundness;
use crate::store::Tx;
use crate::store::doorbell::Hangup;
use crate::store::open::LazyStore;
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::TryLockError;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Shorter than the third of any lease that anybody would choose.
const RENEWED_EVERY: Duration = Duration::from_secs(2);

/// Where operations are carried out beside the store. Waiting holds up nobody.
pub struct LocalDesk {
    /// The one that writes, and reads as well where there are no others.
    store: Mutex<LazyStore>,
    /// For many callers: what only reads need not wait for what writes.
    readers: Vec<Mutex<LazyStore>>,
    line: Line,
    host: Host,
    /// The instances behind the latest calls, for `take_back`.
    recent: Recent,
    posts: Posts,
    /// Of a desk for many.
    meter: Option<Meter>,
    /// Who looks for evidence, and for which tasks that is under way.
    witness: Option<Arc<dyn Witness>>,
    looks: Mutex<Vec<TaskId>>,
}

impl LocalDesk {
    pub fn new(store: LazyStore) -> LocalDesk {
        LocalDesk::for_many(store, 0)
    }

    /// For many callers at once: so many of them read side by side.
    pub fn for_many(store: LazyStore, readers: usize) -> LocalDesk {
        LocalDesk {
            host: store.host().clone(),
            readers: (0..readers).map(|_| Mutex::new(store.another())).collect(),
            store: Mutex::new(store),
            line: Line::default(),
            recent: Recent::default(),
            posts: Posts::for_callers(readers > 0),
            meter: (readers > 0).then(Meter::default),
            witness: None,
            looks: Mutex::default(),
        }
    }

    pub fn with_witness(mut self, witness: Arc<dyn Witness>) -> LocalDesk {
        self.witness = Some(witness);
        self
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What a desk for many did until now.
    pub fn counts(&self) -> Counts {
        self.meter.as_ref().map(Meter::counts).unwrap_or_default()
    }

    /// How many calls stand in line to write, at this moment.
    pub fn waiting_to_write(&self) -> usize {
        self.line.len()
    }

    /// Is the store whole? Looks no longer than that.
    pub fn soundness(&self, patience: Duration) -> Result<Soundness> {
        self.reading().for_reading()?.soundness(patience)
    }

    /// Makes the log of the store short, where there is a store.
    pub fn write_back(&self) -> Result<()> {
        let mut store = self.writing();
        if store.is_open() || store.place().exists() { store.for_writing()?.write_back() } else { Ok(()) }
    }

    /// The instance behind a call that was just answered, where that is worth knowing.
    pub fn known_behind(&self, caller: &Caller) -> Option<InstanceId> {
        self.recent.recall(caller)
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

    fn read(&self, request: &Request, caller: &Caller) -> Result<Reply> {
        // Where nothing can be written, on a full disk for one, there is still much to read.
        self.attend_if_due(caller).ok();
        let mut store = self.reading();
        look(store.for_reading()?.begin(Mode::Read)?, request, caller)
    }

    /// The answer of a call that finds nothing to mark, and so need not write.
    fn mark_nothing(&self, request: &Request, caller: &Caller) -> Result<Option<Reply>> {
        let mut store = self.reading();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        let Some(reply) = request.call.nothing_to_mark(&mut *tx, caller)? else { return Ok(None) };
        if attend::is_due(&mut *tx, caller)? {
            return Ok(None);
        }
        answered(tx, reply, caller).map(Some)
    }

    fn write(&self, request: &Request, caller: &Caller, post: Option<&Post>) -> Result<Reply> {
        let leaves = post.filter(|post| !post.is_worth_keeping());
        let act = Act { request, caller, leaves: leaves.map(Post::address) };
        match self.carry_out(&act) {
            Ok(done) => {
                // Nothing else is ever taken back.
                if let Some(me) = done.me.filter(|_| request.entry.hands_out_mail()) {
                    self.recent.remember(caller, me);
                }
                if let Some(post) = leaves.filter(|_| done.reply.outcome != Outcome::TimedOut) {
                    post.has_left();
                }
                Ok(done.reply)
            }
            Err(error) => {
                // A refusal changed nothing, but who was refused was here all the same.
                if error.kind.is_refusal() {
                    self.attend_if_due(caller).ok();
                }
                Err(error)
            }
        }
    }

    /// Here and now if nobody is at work, else together with whoever waits besides.
    fn carry_out(&self, act: &Act) -> Result<Done> {
        if self.line.is_empty()
            && let Some(mut store) = self.try_writing()
        {
            let began = Stopwatch::start();
            let done = crew::carry_out(store.for_writing()?, act);
            self.meter.iter().for_each(|meter| meter.written(1, began));
            return done;
        }
        let standing = self.line.join(act);
        loop {
            if let Some(done) = standing.listen() {
                return done;
            }
            match self.try_writing() {
                Some(mut store) => {
                    let together = self.line.take();
                    if together.count() == 0 {
                        continue;
                    }
                    let began = Stopwatch::start();
                    let acts = together.acts();
                    let done = match store.for_writing() {
                        Ok(store) => crew::carry_out_all(store, &acts),
                        Err(error) => acts.iter().map(|_| Err(error.clone())).collect(),
                    };
                    self.meter.iter().for_each(|meter| meter.written(acts.len(), began));
                    drop(acts);
                    together.are_done(done);
                }
                None => standing.wait(),
            }
        }
    }

    fn wait(&self, request: &Request, caller: &Caller, hangup: &Hangup, deadline: Deadline) -> Result<Reply> {
        self.attend_if_due(caller).ok();
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

    /// What is there of what must be shown. It is looked for outside of any transaction, and whoever calls keeps its claim
    /// meanwhile.
    fn look_outside(&self, request: &Request, caller: &Caller, hangup: &Hangup) -> Result<Option<Found>> {
        let Some(witness) = self.witness.as_ref().filter(|_| request.entry.looks_outside()) else { return Ok(None) };
        // What is wrong with the call itself is told by the operation.
        let Some(wanted) = self.wants(request, caller).ok().flatten() else { return Ok(None) };
        let _look = Look::begin(&self.looks, wanted.task)?;
        let findings = thread::scope(|scope| {
            let (tell, told) = channel();
            let wanted = &wanted;
            scope.spawn(move || tell.send(witness.look(wanted, hangup)));
            loop {
                match told.recv_timeout(RENEWED_EVERY) {
                    Err(RecvTimeoutError::Timeout) => drop(self.still_here(caller)),
                    found => break found.unwrap_or_default(),
                }
            }
        });
        if hangup.is_hung_up() {
            let message = "what shows the work was not looked at to the end, as whoever asked had left";
            return Err(Error::new(Kind::Unavailable, message).hint("nothing was changed; call it again"));
        }
        Ok(Some(Found { task: wanted.task, token: wanted.token, findings }))
    }

    /// A pipeline is called by its name; what the team keeps under it is no part of the store.
    fn with_definition(&self, request: &Request) -> Result<Option<Request>> {
        let Some(witness) = self.witness.as_ref().filter(|_| request.entry.runs_a_pipeline()) else { return Ok(None) };
        let mut arguments = request.call.arguments();
        let name = arguments["pipeline"].as_str().unwrap_or_default().to_owned();
        let text = if arguments["definition"].is_null() { witness.pipeline(&name)? } else { None };
        let (Some(text), Some(fields)) = (text, arguments.as_object_mut()) else { return Ok(None) };
        fields.insert("definition".to_owned(), text.into());
        fields.retain(|_, value| !value.is_null());
        let call = request.entry.read(std::mem::take(fields))?;
        Ok(Some(Request { call, ..request.clone() }))
    }

    /// Which repositories there are is no part of the store, either.
    fn check_repositories(&self, request: &Request) -> Result<()> {
        let Some(witness) = self.witness.as_ref().filter(|_| request.entry.names_repositories()) else { return Ok(()) };
        let arguments = request.call.arguments();
        let mut known = BTreeSet::new();
        let plans = ["tasks", "issues"].map(|list| arguments[list].as_array().into_iter().flatten());
        for one in std::iter::once(&arguments).chain(plans.into_iter().flatten()) {
            if let Some(name) = one["repo"].as_str().filter(|name| known.insert((*name).to_owned())) {
                witness.knows_repository(name)?;
            }
        }
        Ok(())
    }

    fn wants(&self, request: &Request, caller: &Caller) -> Result<Option<Wanted>> {
        let mut store = self.reading();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        request.call.wants(&mut *tx, caller)
    }

    /// Whoever waits is here: its leases are renewed as by a call.
    pub(super) fn still_here(&self, caller: &Caller) -> Result<()> {
        if !attend::renewal_is_due(&mut *self.reading().for_reading()?.begin(Mode::Read)?, caller)? {
            return Ok(());
        }
        let mut store = self.writing();
        let mut tx = store.for_writing()?.begin(Mode::Relaxed)?;
        if let Some(me) = attend::present(&mut *tx, caller)? {
            attend::renew(&mut *tx, &me)?;
        }
        tx.commit()
    }

    fn awaits(&self, request: &Request, caller: &Caller) -> Result<Option<Wait>> {
        let mut store = self.reading();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        request.call.awaits(&mut *tx, caller)
    }

    fn attend_if_due(&self, caller: &Caller) -> Result<()> {
        if attend::is_due(&mut *self.reading().for_reading()?.begin(Mode::Read)?, caller)? {
            let mut store = self.writing();
            let mut tx = store.for_writing()?.begin(Mode::Relaxed)?;
            attend::attend(&mut *tx, caller)?;
            tx.commit()?;
        }
        Ok(())
    }

    pub(super) fn posts(&self) -> &Posts {
        &self.posts
    }

    pub(super) fn writing(&self) -> Writing<'_> {
        Writing { store: Some(unpoisoned(self.store.lock())), line: &self.line }
    }

    fn try_writing(&self) -> Option<Writing<'_>> {
        let store = match self.store.try_lock() {
            Ok(store) => store,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Writing { store: Some(store), line: &self.line })
    }

    /// The first that is free; if none is, whichever comes to be.
    pub(super) fn reading(&self) -> Reading<'_> {
        match (self.try_reading(), self.readers.first()) {
            (Some(free), _) => free,
            (None, Some(reader)) => Reading::Reader(unpoisoned(reader.lock())),
            (None, None) => Reading::Writer(self.writing()),
        }
    }

    pub(super) fn try_reading(&self) -> Option<Reading<'_>> {
        if self.readers.is_empty() {
            return self.try_writing().map(Reading::Writer);
        }
        self.readers.iter().find_map(|reader| match reader.try_lock() {
            Ok(store) => Some(Reading::Reader(store)),
            Err(TryLockError::Poisoned(poisoned)) => Some(Reading::Reader(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        })
    }
}

impl Desk for LocalDesk {
    fn execute(&self, request: &Request, caller: &Caller, hangup: &Hangup) -> Result<Reply> {
        rights::check(request.entry, caller)?;
        let caller = Caller { explicit: request.instance.clone(), found: None, ..caller.clone() };
        self.check_repositories(request)?;
        let defined = self.with_definition(request)?;
        let request = defined.as_ref().unwrap_or(request);
        let found = self.look_outside(request, &caller, hangup)?;
        let roles = match self.witness.as_ref().filter(|_| request.call.names_roles()) {
            Some(witness) => witness.roles()?,
            None => None,
        };
        let repositories = match self.witness.as_ref().filter(|_| request.call.reads_plans()) {
            Some(witness) => witness.repositories()?,
            None => None,
        };
        let caller = &Caller { found, roles, repositories, ..caller };
        let began = Stopwatch::start();
        let reply = match request.call.patience() {
            Some(patience) => self.wait(request, caller, hangup, Deadline::after(patience)),
            None => self.once(request, caller, None),
        };
        self.meter.iter().for_each(|meter| meter.call(request.entry, &reply, began));
        let reply = reply?;
        match request.call.next(&reply.data) {
            Some(next) => {
                let next = table::own_request(next.operation, next.arguments)?;
                let next = Request { instance: request.instance.clone(), ..next };
                self.execute(&next, caller, hangup)
            }
            None => Ok(reply),
        }
    }

    fn read_at_once(&self, request: &Request, caller: &Caller) -> Result<Option<Reply>> {
        rights::check(request.entry, caller)?;
        let Some(mut store) = self.try_reading() else { return Ok(None) };
        if request.entry.effect != Effect::Read || request.call.patience().is_some() || !store.is_open() {
            return Ok(None);
        }
        let caller = &Caller { explicit: request.instance.clone(), ..caller.clone() };
        let began = Stopwatch::start();
        let mut tx = store.for_reading()?.begin(Mode::Read)?;
        if attend::is_due(&mut *tx, caller)? {
            return Ok(None);
        }
        let reply = look(tx, request, caller);
        self.meter.iter().for_each(|meter| meter.call(request.entry, &reply, began));
        reply.map(Some)
    }

    fn take_back(&self, caller: &Caller) -> Result<()> {
        let Some(instance) = self.recent.recall(caller) else { return Ok(()) };
        let taken = json!({ "instance": instance, "process": caller.process, "call": caller.call });
        let nobody = Caller::anonymous(self.host.clone());
        self.execute(&table::own_request("take_back", taken)?, &nobody, &Hangup::new()).map(drop)
    }

    fn has_store(&self) -> bool {
        let store = self.reading();
        store.is_open() || store.place().exists()
    }

    fn tidy(&self) -> Result<()> {
        let mut store = self.reading();
        if store.place().exists() {
            let dir = store.for_reading()?.doorbell_dir();
            self.posts.sweep(&dir);
        }
        Ok(())
    }

    /// Takes down the doorbells that it kept.
    fn leave(&self) {
        self.posts.leave(&mut self.writing());
    }
}

impl Drop for LocalDesk {
    fn drop(&mut self) {
        self.leave();
    }
}

/// While a task's evidence is looked for: a call that is made again starts no second command beside the first.
struct Look<'a> {
    looks: &'a Mutex<Vec<TaskId>>,
    task: TaskId,
}

impl Look<'_> {
    fn begin(looks: &Mutex<Vec<TaskId>>, task: TaskId) -> Result<Look<'_>> {
        let mut under_way = unpoisoned(looks.lock());
        if under_way.contains(&task) {
            return Err(Error::new(Kind::Busy, format!("the evidence of task `{task}` is being looked for already"))
                .hint("call again when that has been answered"));
        }
        under_way.push(task);
        Ok(Look { looks, task })
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        unpoisoned(self.looks.lock()).retain(|task| *task != self.task);
    }
}

/// A panic inside an operation has rolled its transaction back, so the store behind a poisoned lock is sound.
fn unpoisoned<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

/// The store that writes, for as long as this lives; then it is the turn of whoever stands in line.
pub(super) struct Writing<'a> {
    /// `None` only while it is dropped.
    store: Option<MutexGuard<'a, LazyStore>>,
    line: &'a Line,
}

impl Deref for Writing<'_> {
    type Target = LazyStore;

    fn deref(&self) -> &LazyStore {
        self.store.as_ref().expect("it is given back only by drop")
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut LazyStore {
        self.store.as_mut().expect("it is given back only by drop")
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.store.take();
        self.line.call_next();
    }
}

/// A store to read from.
pub(super) enum Reading<'a> {
    Reader(MutexGuard<'a, LazyStore>),
    Writer(Writing<'a>),
}

impl Deref for Reading<'_> {
    type Target = LazyStore;

    fn deref(&self) -> &LazyStore {
        match self {
            Reading::Reader(store) => store,
            Reading::Writer(store) => store,
        }
    }
}

impl DerefMut for Reading<'_> {
    fn deref_mut(&mut self) -> &mut LazyStore {
        match self {
            Reading::Reader(store) => store,
            Reading::Writer(store) => store,
        }
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
