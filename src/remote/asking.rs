//! One call from its first attempt to its answer. Repeated, it happens once: by its key where it changes something, and by
//! taking back what an answer that never came had handed out.

use crate::error::Error;
use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::model::message::CALL_OF_HOOK;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Outcome;
use crate::ops::act::Done;
use crate::ops::act::key_of_one_call;
use crate::ops::errand;
use crate::ops::errand::Words;
use crate::ops::table::Request;
use crate::remote::Patience;
use crate::remote::Trouble;
use crate::remote::desk::RemoteDesk;
use crate::remote::line::Question;
use crate::store::doorbell::Hangup;
use std::sync::mpsc::channel;
use std::time::Duration;

/// An answer that does not wait for anybody takes a hundredth of that.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// A server says at least every 10 s that a wait goes on.
const SILENT_FOR: Duration = Duration::from_secs(25);
/// A wait that ends sooner than it should was ended by a server that stops, and goes on at the next one.
const ENDS_EARLY: Duration = Duration::from_secs(1);
/// Whoever hung up is still told how things stand.
const LAST_LOOK: Patience = Patience { lost: Duration::from_millis(800), never_seen: Duration::from_millis(800) };

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

pub(super) struct Asking<'a> {
    desk: &'a RemoteDesk,
    request: &'a Request,
    words: Words,
    /// What whoever asks calls this call.
    call: String,
    /// By whom an attempt was made that may have taken messages, though no answer came.
    unclear: Option<Caller>,
    may_be_done: bool,
    pause: Duration,
}

impl<'a> Asking<'a> {
    pub(super) fn new(desk: &'a RemoteDesk, request: &'a Request, caller: &Caller) -> Asking<'a> {
        let mut words = Words::of(request, &Caller { explicit: request.instance.clone(), ..caller.clone() });
        if request.entry.effect == Effect::Write && words.key.is_none() {
            words.key = Some(key_of_one_call(&Host::System));
        }
        if request.entry.hands_out_mail() && words.caller.process.is_empty() {
            words.caller.process = desk.process().to_owned();
        }
        Asking {
            desk,
            request,
            call: words.caller.call.clone(),
            words,
            unclear: None,
            may_be_done: false,
            pause: PAUSE_FIRST,
        }
    }

    /// In whose name the answer was taken.
    pub(super) fn taker(&self) -> &Caller {
        &self.words.caller
    }

    /// As long as whoever asks has patience.
    pub(super) fn until_answered(&mut self, patience: Patience) -> Result<Done> {
        let (lost, never_seen) = (Deadline::after(patience.lost), Deadline::after(patience.never_seen));
        let nobody = Hangup::new();
        // A command of the project may have to run first: the server says meanwhile that it is at work.
        let within = if self.request.entry.looks_outside() { SILENT_FOR } else { patience.lost.min(ANSWERS_WITHIN) };
        loop {
            let trouble = match self.attempt(None, within, &nobody) {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            let until = if self.desk.is_seen() { lost } else { never_seen };
            let error = self.error_of(trouble)?;
            if until.passed() {
                return Err(error);
            }
            self.rest(until, &nobody);
        }
    }

    /// As long as the call waits, over however many connections.
    pub(super) fn until_ready(&mut self, waits_for: Duration, patience: Patience, hangup: &Hangup) -> Result<Done> {
        let (deadline, never_seen) = (Deadline::after(waits_for), Deadline::after(patience.never_seen));
        while !hangup.is_hung_up() {
            let trouble = match self.attempt(Some(deadline.left()), SILENT_FOR, hangup) {
                Ok(done) if done.reply.outcome == Outcome::TimedOut && deadline.left() > ENDS_EARLY => {
                    self.rest(deadline, hangup);
                    continue;
                }
                Ok(done) => return Ok(done),
                Err(Trouble::HungUp) => break,
                Err(trouble) => trouble,
            };
            let error = self.error_of(trouble)?;
            if deadline.passed() || !self.desk.is_seen() && never_seen.passed() {
                return Err(error);
            }
            self.rest(deadline, hangup);
        }
        self.words.arguments["timeout_seconds"] = 0.into();
        self.until_answered(LAST_LOOK)
    }

    fn attempt(&mut self, waits_for: Option<Duration>, within: Duration, hangup: &Hangup) -> Result<Done, Trouble> {
        if let Some(taker) = self.unclear.take()
            && let Err(trouble) = self.desk.take_back_once(&taker, within)
        {
            self.unclear = Some(taker);
            return Err(trouble);
        }
        let hands_out = self.request.entry.hands_out_mail();
        if hands_out && self.call != CALL_OF_HOOK {
            // A name of its own for each attempt: one that comes late takes nothing from another.
            self.words.caller.call = format!("{}#{:016x}", self.call, Host::System.random());
        }
        if let Some(left) = waits_for {
            self.words.arguments["timeout_seconds"] =
                left.as_millis().div_ceil(1000).try_into().unwrap_or(u32::MAX).into();
        }
        let question = Question {
            words: self.words.bytes(),
            waits: waits_for.is_some() || self.request.entry.looks_outside(),
            within,
        };
        match self.desk.ask(question, hangup) {
            Ok(answer) => errand::read_answer(&answer, self.request).map_err(Trouble::Final),
            Err(trouble) => {
                if matches!(trouble, Trouble::Lost(_) | Trouble::HungUp) {
                    self.may_be_done = true;
                    self.unclear = hands_out.then(|| self.words.caller.clone());
                }
                Err(trouble)
            }
        }
    }

    /// What to say if there is no more time; at once, where more time would not help.
    fn error_of(&self, trouble: Trouble) -> Result<Error> {
        let way = self.desk.way();
        match trouble {
            Trouble::Final(error) => Err(error),
            Trouble::Later(error) => Ok(error),
            Trouble::NotSent(cause) | Trouble::Lost(cause) if self.may_be_done => {
                Ok(way.lost(&cause, self.words.key.as_deref()))
            }
            Trouble::NotSent(cause) | Trouble::Lost(cause) => Ok(way.unreachable(&cause)),
            Trouble::HungUp => Ok(way.unreachable("nobody waits for its answer")),
        }
    }

    /// A while, longer each time, and never the same for two who lost the same server.
    fn rest(&mut self, until: Deadline, hangup: &Hangup) {
        let (tell, told) = channel();
        let _attached = hangup.tell(move || {
            let _ = tell.send(());
        });
        let percent = 50 + u32::try_from(Host::System.random() % 100).unwrap_or_default();
        let _ = told.recv_timeout((self.pause * percent / 100).min(until.left()));
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
    }
}

impl Drop for Asking<'_> {
    /// Nobody got what was handed out: before this process calls again, it is taken back.
    fn drop(&mut self) {
        if let Some(taker) = self.unclear.take() {
            self.desk.owes(taker);
        }
    }
}
