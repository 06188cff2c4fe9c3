//! Calls on their way: each on a thread of its own, hung up when the client cancels it, and then taken back.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::mcp::web::Speaker;
use crate::model::rung::Rung;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::WAIT_SECS_MAX;
use crate::ops::caller::Bearing;
use crate::ops::caller::Client;
use crate::ops::table;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// How many requests of its client a session works on at once; it reads no further until one of them is answered.
pub(super) const CALLS_MAX: usize = 64;

/// A client that is killed lets go of its pipes a moment before it is gone.
const CLIENT_ENDS_WITHIN: Duration = Duration::from_millis(100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// How many of them may wait: the rest is room for the calls, and the cancellations, that end the waiting.
const WAITS_MAX: usize = 48;

/// All that the requests of one client share.
pub(super) struct Calls {
    desk: Arc<dyn Desk>,
    template: Caller,
    /// What tells the calls of this client from those of others that this process serves.
    of_client: String,
    /// Whom this process registered, in order: it speaks for the last.
    bears: Mutex<Vec<Bearing>>,
    /// For whom the session behind the client speaks, as its hooks have told the store.
    served: Mutex<Option<Bearing>>,
    /// How long the claims of a session that ended wait for it.
    grace_secs: u32,
    /// Cancelled calls that may not be taken back yet.
    cancelled: Mutex<Vec<Arc<Flight>>>,
    slots: Arc<Semaphore>,
    waits: Arc<Semaphore>,
}

/// One request from its arrival to its answer.
pub(super) struct Flight {
    call: String,
    /// Who it is from, where that is not the same for all of the client's requests.
    speaker: Option<Speaker>,
    hangup: Hangup,
    course: Mutex<Course>,
    landed: Condvar,
    /// Calls that were cancelled before this one arrived: they are taken back before it runs, so that it does not
    /// look like the proof that their answers were read.
    after: Mutex<Vec<Arc<Flight>>>,
    _room: Option<Room>,
}

/// What a request takes of what there is, until it is answered.
pub(super) type Room = Box<dyn Send + Sync>;

struct Course {
    stage: Stage,
    cancelled: bool,
}

#[derive(PartialEq)]
enum Stage {
    Arrived,
    Flying,
    Landed,
}

/// What a request can do while it runs.
pub(super) struct Call<'a> {
    calls: &'a Calls,
    /// Which speaks for the instance that the session is known to be; without one, this is nobody.
    flight: Option<&'a Flight>,
    hangup: Hangup,
}

impl Calls {
    pub(super) fn new(desk: Arc<dyn Desk>, template: Caller, grace_secs: u32) -> Calls {
        Calls {
            desk,
            template,
            of_client: String::new(),
            bears: Mutex::default(),
            served: Mutex::default(),
            grace_secs,
            cancelled: Mutex::default(),
            slots: Arc::new(Semaphore::new(CALLS_MAX)),
            waits: Arc::new(Semaphore::new(WAITS_MAX)),
        }
    }

    /// For one of many clients that this process serves: they count their calls each by itself.
    pub(super) fn of_one_client(self) -> Calls {
        static CLIENTS: AtomicU64 = AtomicU64::new(1);
        Calls { of_client: format!("{}:", CLIENTS.fetch_add(1, Ordering::Relaxed)), ..self }
    }

    /// Room for one more request, as soon as there is some.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_owned().await.ok()
    }

    /// Whoever the request is from may wait as often as all that is theirs together.
    pub(super) fn principal_of(&self, flight: &Flight) -> String {
        let principal = &self.caller(Some(flight)).principal;
        principal.as_ref().map(|principal| principal.name.clone()).unwrap_or_default()
    }

    pub(super) fn bears_somebody(&self) -> bool {
        !lock(&self.bears).is_empty()
    }

    /// Leave to wait, or the reason why not.
    pub(super) fn waiting(&self) -> Result<OwnedSemaphorePermit> {
        self.waits.clone().try_acquire_owned().map_err(|_| {
            Error::new(Kind::Busy, format!("{WAITS_MAX} calls of this session are waiting already"))
                .hint("let one of them end, or cancel one, then call again")
        })
    }

    /// A request arrived. Called in the order in which the client sent its messages.
    pub(super) fn arrive(&self, call: String, room: Option<Room>) -> Arc<Flight> {
        self.arrive_from(None, call, room)
    }

    /// The same, where each request says anew who it is from.
    pub(super) fn arrive_from(&self, speaker: Option<Speaker>, call: String, room: Option<Room>) -> Arc<Flight> {
        let mut cancelled = lock(&self.cancelled);
        cancelled.retain(|flight| !flight.has_landed());
        let flight = Flight::new(self.number(call), Stage::Arrived, cancelled.clone(), room);
        Arc::new(Flight { speaker, ..flight })
    }

    fn number(&self, call: String) -> String {
        format!("{}{call}", self.of_client)
    }

    /// The client cancelled a call, which it may do after the answer is on its way, too.
    pub(super) fn cancel(self: &Arc<Self>, call: String, in_flight: Option<Arc<Flight>>) {
        let landed = || Arc::new(Flight::new(self.number(call), Stage::Landed, Vec::new(), None));
        self.call_off(in_flight.unwrap_or_else(landed));
    }

    /// Nobody will read the answer of this call, be it there already or not.
    pub(super) fn call_off(self: &Arc<Self>, flight: Arc<Flight>) {
        flight.hang_up();
        let answered = flight.cancel();
        self.remember_cancelled(&flight);
        if answered {
            let calls = self.clone();
            tokio::task::spawn_blocking(move || calls.take_back(&flight));
        }
    }

    fn remember_cancelled(&self, flight: &Arc<Flight>) {
        let mut cancelled = lock(&self.cancelled);
        // Under the lock, so that it is not forgotten before it is remembered.
        if !flight.has_landed() {
            cancelled.push(flight.clone());
        }
    }

    /// The call has an answer. Should its client leave before it took all of that, nobody read it.
    pub(super) fn is_answered(self: &Arc<Self>, flight: &Arc<Flight>) {
        let Some(speaker) = &flight.speaker else { return };
        let (calls, lost) = (self.clone(), flight.clone());
        speaker.reader.is_answered(move || calls.call_off(lost));
    }

    /// Work on a request, on a thread where blocking harms nobody. A panic becomes an error.
    pub(super) async fn run<T, W>(self: &Arc<Self>, flight: Arc<Flight>, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Call<'_>) -> Result<T> + Send + 'static,
    {
        let calls = self.clone();
        tokio::task::spawn_blocking(move || calls.fly(&flight, work))
            .await
            .unwrap_or_else(|stopped| Err(Error::internal(stopped)))
    }

    /// A call that only reads, answered right here, where that keeps nobody waiting: handing it to another thread and back
    /// costs more than most reads.
    pub(super) fn read_at_once(&self, flight: &Flight, request: &Request) -> Option<Result<Reply>> {
        if !lock(&flight.after).is_empty() {
            return None;
        }
        let caller = self.caller(Some(flight));
        let reply = guarded(|| self.desk.read_at_once(request, &caller)).transpose()?;
        if !flight.take_off() {
            return Some(Err(cancelled()));
        }
        // Nobody can cancel it in between: cancellations are read by this thread.
        flight.land();
        Some(reply)
    }

    /// How something stands, for whoever made another call, where that can be seen at once.
    pub(super) fn glance(&self, flight: &Flight, request: &Request) -> Option<Value> {
        let caller = self.caller(Some(flight));
        guarded(|| self.desk.read_at_once(request, &caller)).ok().flatten().map(|reply| reply.data)
    }

    /// Work that no request asked for. It speaks for nobody, so that it proves nobody's presence and no receipt.
    pub(super) fn background<T>(&self, hangup: &Hangup, work: impl FnOnce(&Call<'_>) -> Result<T>) -> Result<T> {
        let call = Call { calls: self, flight: None, hangup: hangup.clone() };
        guarded(|| work(&call))
    }

    /// The Claude client that this process serves, if it is one.
    pub(super) fn client(&self) -> Option<Client> {
        self.template.client.clone()
    }

    pub(super) fn has_store(&self) -> bool {
        self.desk.has_store()
    }

    /// Waits until the session behind the client is to be rung at, and says what to say there. Nothing is made where no
    /// store is. It speaks for nobody: that this server lives proves nothing about its session.
    pub(super) fn take_ring(&self, rung: Rung, hangup: &Hangup) -> Result<Option<String>> {
        let Some(client) = self.client().filter(|_| self.has_store()) else { return Ok(None) };
        let nobody = Caller::anonymous(Host::System);
        if rung != Rung::Inbox {
            let armed = json!({ "client": client.process, "rung": rung, "process": Host::System.process_of(std::process::id()) });
            guarded(|| self.own_call("arm_rung", armed, &nobody, hangup))?;
        }
        let known = lock(&self.served).as_ref().map(|bearing| bearing.instance.to_string());
        let wanted =
            json!({ "client": client.process, "rung": rung, "known": known, "timeout_seconds": WAIT_SECS_MAX });
        let reply = guarded(|| self.own_call("take_ring", wanted, &nobody, hangup))?;
        *lock(&self.served) = serde_json::from_value(reply.data["bearing"].clone()).ok();
        Ok(reply.data["say"].as_str().map(str::to_owned))
    }

    fn own_call(&self, operation: &str, arguments: Value, caller: &Caller, hangup: &Hangup) -> Result<Reply> {
        self.desk.execute(&table::own_request(operation, arguments)?, caller, hangup)
    }

    /// In nobody's name: a process that lives or ends proves nothing that a call would.
    fn say_of(&self, operation: &str, bearing: &Bearing) -> Result<()> {
        let of = json!({ "instance": bearing.instance, "incarnation": bearing.incarnation });
        self.own_call(operation, of, &self.nobody(), &Hangup::new()).map(drop)
    }

    fn nobody(&self) -> Caller {
        // A server elsewhere knows by such calls that this process lives.
        let Caller { principal, process, host, .. } = self.template.clone();
        Caller { principal, process, ..Caller::anonymous(host) }
    }

    /// A client that was killed ran no hook at the end of its session.
    fn end_with_client(&self, client: &Client) {
        if !self.has_store() || !gone_within(client, CLIENT_ENDS_WITHIN) {
            return;
        }
        let caller = Caller { client: Some(client.clone()), ..Caller::anonymous(Host::System) };
        let wanted = json!({ "grace_secs": self.grace_secs });
        if let Err(error) = guarded(|| self.own_call("end_session", wanted, &caller, &Hangup::new())) {
            tracing::warn!("could not say that the session ended: {error}");
        }
    }

    /// Clear away what ended processes left.
    pub(super) fn tidy(&self) {
        if let Err(error) = guarded(|| self.desk.tidy()) {
            tracing::warn!("could not clear away what ended processes left: {error}");
        }
    }

    /// Whom this process registered is here as long as it lives, also when nobody calls for a while.
    pub(super) fn keep_present(&self) {
        let served = lock(&self.served).clone();
        let bears = lock(&self.bears).clone();
        for bearing in bears.iter().chain(served.iter().filter(|served| !bears.contains(served))) {
            if let Err(error) = guarded(|| self.say_of("keep_present", bearing)) {
                tracing::warn!("could not say that `{}` is here: {error}", bearing.instance);
            }
        }
    }

    /// The session is over: whom it registered is gone. Here, where it may take too long.
    pub(super) fn depart(&self) {
        let bears = std::mem::take(&mut *lock(&self.bears));
        for bearing in bears {
            if let Err(error) = guarded(|| self.say_of("depart", &bearing)) {
                tracing::warn!("could not say that `{}` is gone: {error}", bearing.instance);
            }
        }
        if let Some(client) = self.client() {
            self.end_with_client(&client);
        }
    }

    /// The process ends.
    pub(super) fn leave(&self) {
        self.desk.leave();
    }

    fn fly<T>(&self, flight: &Flight, work: impl FnOnce(&Call<'_>) -> Result<T>) -> Result<T> {
        if !flight.take_off() {
            return Err(cancelled());
        }
        for earlier in std::mem::take(&mut *lock(&flight.after)) {
            earlier.wait_until_landed();
        }
        let call = Call { calls: self, flight: Some(flight), hangup: flight.hangup.clone() };
        let outcome = guarded(|| work(&call));
        if flight.land() {
            self.take_back(flight);
        }
        outcome
    }

    fn take_back(&self, flight: &Flight) {
        let caller = self.caller(Some(flight));
        if let Err(error) = guarded(|| self.desk.take_back(&caller)) {
            tracing::warn!("could not take back call `{}`: {error}", flight.call);
        }
        flight.taken_back();
        lock(&self.cancelled).retain(|flight| !flight.has_landed());
    }

    fn caller(&self, flight: Option<&Flight>) -> Caller {
        let Some(flight) = flight else {
            return Caller { from_environment: None, session: None, ..self.template.clone() };
        };
        let speaker = flight.speaker.as_ref().map_or(&self.template, |speaker| &speaker.caller);
        let registered = lock(&self.bears).last().cloned();
        Caller { call: flight.call.clone(), registered, ..speaker.clone() }
    }

    fn remember(&self, request: &Request, reply: &Reply) {
        let mut bears = lock(&self.bears);
        if let Some(bearing) = &reply.now_bears {
            bears.retain(|known| known.instance != bearing.instance);
            bears.push(bearing.clone());
        }
        if request.entry.name == "unregister_instance" {
            bears.retain(|known| reply.data["instance_id"] != known.instance.as_str());
        }
    }
}

fn gone_within(client: &Client, patience: Duration) -> bool {
    let deadline = Deadline::after(patience);
    while !Host::System.is_gone(&client.process) {
        if deadline.passed() {
            return false;
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    true
}

impl Flight {
    fn new(call: String, stage: Stage, after: Vec<Arc<Flight>>, room: Option<Room>) -> Flight {
        Flight {
            call,
            speaker: None,
            hangup: Hangup::new(),
            course: Mutex::new(Course { stage, cancelled: false }),
            landed: Condvar::new(),
            after: Mutex::new(after),
            _room: room,
        }
    }

    /// Returns once it is known that nobody will read the answer; never, where that is found out in another way.
    pub(super) async fn is_lost(&self) {
        match &self.speaker {
            Some(speaker) => speaker.is_gone().await,
            None => std::future::pending().await,
        }
    }

    /// A wait ends now, with what it has.
    pub(super) fn hang_up(&self) {
        self.hangup.hang_up();
    }

    /// May the work begin?
    fn take_off(&self) -> bool {
        let mut course = lock(&self.course);
        if course.cancelled {
            return false;
        }
        course.stage = Stage::Flying;
        true
    }

    /// The work is done. Must it be taken back?
    fn land(&self) -> bool {
        let mut course = lock(&self.course);
        if !course.cancelled {
            course.stage = Stage::Landed;
        }
        course.cancelled
    }

    /// Says whether the call was answered already, so that the caller has to take it back.
    fn cancel(&self) -> bool {
        let mut course = lock(&self.course);
        let answered = course.stage == Stage::Landed && !course.cancelled;
        course.cancelled = true;
        if course.stage == Stage::Arrived {
            // It will never run, so there will be nothing to take back.
            course.stage = Stage::Landed;
        } else if answered {
            // Not over before it is taken back.
            course.stage = Stage::Flying;
        }
        answered
    }

    fn taken_back(&self) {
        lock(&self.course).stage = Stage::Landed;
        self.landed.notify_all();
    }

    fn has_landed(&self) -> bool {
        lock(&self.course).stage == Stage::Landed
    }

    fn wait_until_landed(&self) {
        let course = lock(&self.course);
        drop(self.landed.wait_while(course, |course| course.stage == Stage::Flying));
    }
}

impl<'a> Call<'a> {
    /// The same, but what waits is answered at once.
    pub(super) fn hung_up(&self) -> Call<'a> {
        let hangup = Hangup::new();
        hangup.hang_up();
        Call { hangup, ..*self }
    }

    pub(super) fn execute(&self, request: &Request) -> Result<Reply> {
        let caller = self.calls.caller(self.flight);
        let reply = self.calls.desk.execute(request, &caller, &self.hangup)?;
        // What has no session bears nobody.
        if !self.is_on_its_own() {
            self.calls.remember(request, &reply);
        }
        Ok(reply)
    }

    /// Is this a request that belongs to no session?
    fn is_on_its_own(&self) -> bool {
        self.flight.and_then(|flight| flight.speaker.as_ref()).is_some_and(|speaker| !speaker.in_session)
    }

    /// Whoever registers by such a request, and not by its headers, is told how to speak as that instance.
    pub(super) fn reminded(&self, request: &Request, mut reply: Reply) -> Reply {
        let named = self.flight.and_then(|flight| flight.speaker.as_ref()?.caller.from_environment.as_ref());
        if self.is_on_its_own() && named.is_none() && request.entry.names_own_instance() {
            let id = reply.data["instance"]["id"].as_str().unwrap_or_default();
            let note =
                format!("requests here carry no session: pass `instance_id`: `{id}` with every call from now on");
            reply.data["note"] = note.into();
        }
        reply
    }

    /// Run an operation of the table by name, for what is built from several.
    pub(super) fn ask(&self, operation: &str, arguments: Value) -> Result<Value> {
        let entry = table::find(operation).ok_or_else(|| Error::internal(format!("no operation `{operation}`")))?;
        let Value::Object(arguments) = arguments else {
            return Err(Error::internal(format!("arguments of `{operation}` are no object")));
        };
        self.execute(&entry.request(arguments)?).map(|reply| reply.data)
    }
}

fn cancelled() -> Error {
    Error::new(Kind::Refused, "the call was cancelled before it began")
}

fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the panic left half done is inside a transaction that was dropped, and so never happened.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("a handler panicked")))
}

/// No lock here guards more than one step, so what a panicking thread left is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived() -> Flight {
        Flight::new("1".to_owned(), Stage::Arrived, Vec::new(), None)
    }

    #[test]
    fn a_call_cancelled_before_it_began_never_runs() {
        let flight = arrived();
        assert!(!flight.cancel());
        assert!(!flight.take_off());
        assert!(flight.has_landed());
    }

    #[test]
    fn a_call_cancelled_while_it_runs_is_taken_back_by_its_own_thread() {
        let flight = arrived();
        assert!(flight.take_off());
        assert!(!flight.cancel());
        assert!(flight.land());
        assert!(!flight.has_landed());
        flight.taken_back();
        assert!(flight.has_landed());
    }

    #[test]
    fn a_call_cancelled_after_its_answer_is_taken_back_by_whoever_cancels_and_once() {
        let flight = arrived();
        assert!(flight.take_off());
        assert!(!flight.land());
        assert!(flight.cancel());
        assert!(!flight.has_landed());
        flight.taken_back();
        assert!(!flight.cancel());
        assert!(flight.has_landed());
    }
}
