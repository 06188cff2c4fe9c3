//! A program run to its end within bounds: so long and no longer, and nothing of its process group is left behind.

use crate::host::Deadline;
use crate::host::Stopwatch;
use crate::store::doorbell::Hangup;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use rustix::process::kill_process_group;
use rustix::process::waitid;
use std::io;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// From a polite end to a hard one.
const GRACE: Duration = Duration::from_secs(2);

/// What is in the pipe when a program has ended is read within this; only a daemon that left its group keeps a pipe open longer.
const LINGER: Duration = Duration::from_millis(500);

const CHUNK_BYTES: usize = 32 << 10;

/// A program that says more than is read waits.
const CHUNKS_AHEAD_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Code(i32),
    Signal(i32),
    /// It was ended at its deadline.
    TooLong,
    /// It was ended because nobody wants to know any more.
    Unwanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// Do standard output and standard error come as one, in the order in which they were written?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    Apart,
    Together,
}

/// A program that was started, in a process group of its own.
pub struct Running {
    child: Child,
    group: Pid,
    tell: SyncSender<Event>,
    events: Receiver<Event>,
    readers: usize,
    is_unwanted: Arc<AtomicBool>,
    stopwatch: Stopwatch,
}

enum Event {
    Said(Stream, Vec<u8>),
    Closed,
    Ended,
    Unwanted,
}

pub fn start(mut command: Command, streams: Streams) -> io::Result<Running> {
    let stopwatch = Stopwatch::start();
    command.process_group(0);
    let (tell, events) = sync_channel(CHUNKS_AHEAD_MAX);
    let (child, readers) = match streams {
        Streams::Together => {
            let (read, write) = io::pipe()?;
            let child = command.stdout(write.try_clone()?).stderr(write).spawn()?;
            listen(Stream::Out, read, tell.clone());
            (child, 1)
        }
        Streams::Apart => {
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let (out, err) = (child.stdout.take(), child.stderr.take());
            out.into_iter().for_each(|out| listen(Stream::Out, out, tell.clone()));
            err.into_iter().for_each(|err| listen(Stream::Err, err, tell.clone()));
            (child, 2)
        }
    };
    let group = Pid::from_child(&child);
    let ended = tell.clone();
    thread::spawn(move || {
        // The dead leader is left to be reaped by whoever ends its group, whose number so cannot be somebody else's by then.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(group), options) {}
        let _ = ended.send(Event::Ended);
    });
    Ok(Running { child, group, tell, events, readers, is_unwanted: Arc::default(), stopwatch })
}

fn listen(stream: Stream, mut pipe: impl Read + Send + 'static, tell: SyncSender<Event>) {
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let said = match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => Event::Said(stream, chunk[..length].to_vec()),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if tell.send(said).is_err() {
                return;
            }
        }
        let _ = tell.send(Event::Closed);
    });
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Until it has ended, or its patience has; then the rest of its process group is ended too.
    pub fn wait(self, patience: Duration, hear: &mut dyn FnMut(Stream, &[u8])) -> (Ended, Duration) {
        self.wait_unless(&Hangup::new(), patience, hear)
    }

    /// The same, or until a hang-up.
    pub fn wait_unless(
        mut self,
        hangup: &Hangup,
        patience: Duration,
        hear: &mut dyn FnMut(Stream, &[u8]),
    ) -> (Ended, Duration) {
        let (is_unwanted, tell) = (Arc::clone(&self.is_unwanted), self.tell.clone());
        let _attached = hangup.tell(move || {
            is_unwanted.store(true, Ordering::SeqCst);
            // Where this finds no room there is something to be heard, and whoever hears that looks.
            let _ = tell.try_send(Event::Unwanted);
        });
        let in_time = self.hear_until(Deadline::after(patience), hear, Until::Ended);
        if !in_time {
            let _ = kill_process_group(self.group, Signal::TERM);
            self.hear_until(Deadline::after(GRACE), hear, Until::EndedAtLast);
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait();
        let took = self.stopwatch.so_far();
        self.hear_until(Deadline::after(LINGER), hear, Until::Silent);
        match (in_time, self.is_unwanted.load(Ordering::SeqCst)) {
            (true, _) => (ended(status), took),
            (false, true) => (Ended::Unwanted, took),
            (false, false) => (Ended::TooLong, took),
        }
    }

    /// `false` where the deadline, or a hang-up, came first.
    fn hear_until(&mut self, deadline: Deadline, hear: &mut dyn FnMut(Stream, &[u8]), until: Until) -> bool {
        while until != Until::Silent || self.readers > 0 {
            // Whoever never stops talking would otherwise always have something to be heard.
            let left = deadline.left();
            if left.is_zero() || until == Until::Ended && self.is_unwanted.load(Ordering::SeqCst) {
                return false;
            }
            match self.events.recv_timeout(left) {
                Ok(Event::Said(stream, bytes)) => hear(stream, &bytes),
                Ok(Event::Closed) => self.readers -= 1,
                Ok(Event::Ended) if until != Until::Silent => return true,
                Ok(Event::Ended | Event::Unwanted) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Until {
    Ended,
    /// Whether anybody wants to know or not.
    EndedAtLast,
    Silent,
}

fn ended(status: io::Result<ExitStatus>) -> Ended {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Code(code),
            (None, signal) => Ended::Signal(signal.unwrap_or_default()),
        },
        Err(_) => Ended::Signal(0),
    }
}

/// The end of something long.
#[derive(Debug)]
pub struct LastWords {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl LastWords {
    pub fn new(bytes_max: usize) -> LastWords {
        LastWords { bytes: Vec::new(), bytes_max }
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Cut now and then, not with every word.
        if self.bytes.len() > 2 * self.bytes_max {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let over = self.bytes.len().saturating_sub(self.bytes_max);
        self.bytes.drain(..over);
    }

    /// As text that does nothing to a terminal.
    pub fn text(mut self) -> String {
        self.cut();
        let text = String::from_utf8_lossy(&self.bytes);
        let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
        text.replace("\r\n", "\n").chars().map(shown).collect::<String>().trim_end().to_owned()
    }
}
