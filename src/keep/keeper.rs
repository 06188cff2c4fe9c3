//! One small process for each run: it starts the child, keeps what it prints, and leaves nothing behind.
//!
//! It lives in a session of its own, so that it outlives whoever started it; another one takes the run over by its files.
//! While nothing happens it waits in one system call.

use crate::claude::command::Input;
use crate::descendants::MARK;
use crate::descendants::kill_marked;
use crate::descendants::signal_below_us;
use crate::host::Deadline;
use crate::host::Host;
use crate::keep::feed::Feed;
use crate::keep::feed::fifo;
use crate::keep::log::Log;
use crate::keep::meter::Meter;
use crate::keep::run::Cause;
use crate::keep::run::End;
use crate::keep::run::Record;
use crate::keep::run::RunDir;
use crate::keep::run::Standing;
use crate::keep::run::Start;
use crate::keep::wakes::Wakes;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitOptions;
use rustix::process::WaitStatus;
use rustix::process::kill_process;
use rustix::process::setsid;
use rustix::process::wait;
use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Of each file; there may be two of each. Enough to look back at a day of work.
const STREAM_BYTES: u64 = 64 * 1024 * 1024;
const ERRORS_BYTES: u64 = 4 * 1024 * 1024;

/// As much as a pipe holds.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long a client whose input has ended may take.
const ENDS_BY_ITSELF: Duration = Duration::from_secs(2);

/// Between two looks for what is left, once everything is being killed.
const BETWEEN_KILLS: Duration = Duration::from_millis(20);

/// What the inner step ends with where the program cannot be started, as shells do.
pub const NOT_STARTED: u8 = 127;

/// How a run is kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    pub run: RunDir,
    /// The file of this very program, for the inner step.
    pub program: PathBuf,
    /// From the wish to end, or from the child's own end, until everything that is left is killed.
    pub grace: Duration,
    /// The child has our terminal, and nothing is copied.
    pub terminal: bool,
    pub stream_bytes: u64,
    pub errors_bytes: u64,
}

impl Keeping {
    pub fn new(run: RunDir, program: PathBuf, grace: Duration) -> Keeping {
        Keeping { run, program, grace, terminal: false, stream_bytes: STREAM_BYTES, errors_bytes: ERRORS_BYTES }
    }
}

/// Tells the keeper of a run to end it (`TERM`; again: at once), or to interrupt its child (`INT`; not at a terminal, where
/// keys do that).
pub fn tell(host: &Host, record: &Record, signal: Signal) -> io::Result<()> {
    let number = record.keeper.split_once('.').and_then(|(pid, _)| pid.parse().ok()).and_then(Pid::from_raw);
    match number {
        Some(pid) if host.lives(&record.keeper) == Some(true) => Ok(kill_process(pid, signal)?),
        _ => Err(io::Error::new(ErrorKind::NotFound, format!("no keeper `{}` lives here", record.keeper))),
    }
}

/// Kills what a keeper that was killed itself has left, or one of which nobody knows any more as its files are gone: how much
/// that was. What is killed may just have started something, so this is called until there is nothing.
pub fn kill_what_is_left(host: &Host, run: &RunDir) -> io::Result<usize> {
    match run.standing(host)? {
        Standing::Ended(end) if end.not_started.is_some() => {
            // Before its keeper, which may live, tells that it was killed.
            let _ = run.tell_end(&end);
            Ok(kill_marked(run.dir()))
        }
        Standing::Lost(_) => Ok(kill_marked(run.dir())),
        _ => Ok(0),
    }
}

/// Keeps a run from its beginning to its end. `None` where somebody else has taken it up.
pub fn keep(host: &Host, keeping: &Keeping) -> io::Result<Option<End>> {
    let start = keeping.run.start()?;
    if !keeping.terminal {
        // Whoever leads a group already has been put apart by whoever started it.
        match setsid() {
            Err(Errno::PERM) | Ok(_) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    let wakes = Wakes::listen()?;
    adopt_orphans()?;
    let us = host.process_of(std::process::id()).ok_or_else(|| io::Error::other("this process has no name"))?;
    let mut record = Record { keeper: us, child: None, began_at: host.wall() };
    if !keeping.run.take(&record)? {
        return Ok(None);
    }
    let (end, mut keeper) = match Keeper::begin(host, keeping, &start, wakes) {
        Ok(keeper) => (None, Some(keeper)),
        Err(cause) => (Some(End::not_started(host, cause.to_string())), None),
    };
    if let Some(keeper) = &mut keeper {
        record.child = host.process_of(keeper.child.as_raw_nonzero().get() as u32);
        // Without it nobody can look at the child from outside, and it is kept all the same.
        let _ = keeping.run.tell_record(&record);
        keeper.until_nothing_is_left()?;
    }
    let end = end.or_else(|| keeper.map(|keeper| keeper.end(host))).expect("one of the two was made");
    keeping.run.tell_end(&end)?;
    Ok(Some(end))
}

/// The inner step makes everything ready and becomes the program, which then dies with its keeper.
pub fn become_program(
    run: &RunDir,
    keeper: u32,
    terminal: bool,
    make_ready: impl FnOnce(&Start) -> io::Result<()>,
) -> io::Error {
    let ready = || -> io::Result<Start> {
        die_with(keeper)?;
        if !terminal {
            // Whatever it starts finds no terminal to ask a person at, who sits before something else.
            setsid()?;
        }
        let start = run.start()?;
        make_ready(&start)?;
        run.tell_ready()?;
        Ok(start)
    };
    let failed = match ready() {
        Ok(start) => exec(&start),
        Err(cause) => cause,
    };
    // If that cannot be written either, the exit code still tells.
    let _ = run.tell_refusal(&failed.to_string());
    failed
}

fn exec(start: &Start) -> io::Error {
    let line = &start.line;
    let mut program = Command::new(&line.program);
    program.args(&line.arguments).current_dir(&start.cwd);
    for name in &line.take_away {
        program.env_remove(name);
    }
    let cause = program.envs(line.set.iter().map(|(name, value)| (name, value))).exec();
    let what = if start.cwd.is_dir() {
        format!("cannot start `{}`: {cause}", line.program)
    } else {
        format!("there is no directory `{}` to start `{}` in", start.cwd.display(), line.program)
    };
    io::Error::new(cause.kind(), what)
}

#[cfg(target_os = "linux")]
fn die_with(keeper: u32) -> io::Result<()> {
    use rustix::process::getppid;
    use rustix::process::set_parent_process_death_signal;

    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before we asked to be told.
    let lives = getppid().is_some_and(|parent| parent.as_raw_nonzero().get() as u32 == keeper);
    if lives { Ok(()) } else { Err(io::Error::other("the keeper has ended")) }
}

/// Elsewhere nobody tells a process that its parent has died.
#[cfg(not(target_os = "linux"))]
fn die_with(_keeper: u32) -> io::Result<()> {
    Ok(())
}

/// Whatever loses its parent below us comes to us, and not to the first process of the machine.
#[cfg(target_os = "linux")]
fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// What the child prints on one of its streams, and where that goes.
struct Copy {
    from: Box<dyn ReadFd>,
    to: Log,
}

trait ReadFd: Read + AsFd {}

impl<T: Read + AsFd> ReadFd for T {}

impl Copy {
    fn new(from: Option<impl ReadFd + 'static>, to: Log) -> io::Result<Option<Copy>> {
        let Some(from) = from else { return Ok(None) };
        rustix::io::ioctl_fionbio(&from, true)?;
        Ok(Some(Copy { from: Box::new(from), to }))
    }

    /// Copies a buffer full: whether there may be more some time.
    fn copy(&mut self, buffer: &mut [u8]) -> Copied {
        match self.from.read(buffer) {
            Ok(0) => Copied::End,
            Ok(read) => {
                self.to.write(&buffer[..read]);
                Copied::Some
            }
            Err(cause) if cause.kind() == ErrorKind::Interrupted => Copied::Some,
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => Copied::NothingNow,
            Err(_) => Copied::End,
        }
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Copied {
    Some,
    NothingNow,
    End,
}

struct Keeper<'a> {
    keeping: &'a Keeping,
    wakes: Wakes,
    child: Pid,
    /// How it ended, once it did.
    status: Option<WaitStatus>,
    streams: [Option<Copy>; 2],
    feed: Option<Feed>,
    meter: Option<Meter>,
    asked: bool,
    /// A child whose input was closed may end by itself until then.
    term_at: Option<Deadline>,
    /// From then on everything that is left is killed.
    kill_at: Option<Deadline>,
}

impl Keeper<'_> {
    fn begin<'a>(host: &Host, keeping: &'a Keeping, start: &Start, wakes: Wakes) -> io::Result<Keeper<'a>> {
        let run = &keeping.run;
        let mut inner = Command::new(&keeping.program);
        inner.args(["keep", "--inner", &std::process::id().to_string()]).arg(run.dir()).env(MARK, run.dir());
        // Without it nobody knows of the costs before the end, and the run goes on all the same.
        let meter = start.metering.and_then(|metering| Meter::begin(metering, host, run).ok());
        inner.envs(meter.iter().flat_map(Meter::variables));
        if keeping.terminal {
            inner.arg("--terminal");
        }
        let mut lines = None;
        match &start.line.input {
            _ if keeping.terminal => {}
            Input::Nothing => _ = inner.stdin(Stdio::null()),
            Input::File(path) => _ = inner.stdin(open(path)?),
            Input::Lines | Input::LinesAfter(_) => {
                lines = Some(fifo(&run.input())?);
                inner.stdin(Stdio::piped());
            }
        }
        if !keeping.terminal {
            inner.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let stream = Log::open(host, run.stream(), keeping.stream_bytes)?;
        let errors = Log::open(host, run.errors(), keeping.errors_bytes)?;
        let mut child = inner.spawn()?;
        let streams = [Copy::new(child.stdout.take(), stream)?, Copy::new(child.stderr.take(), errors)?];
        let feed = match (lines, child.stdin.take()) {
            (Some(fifo), Some(stdin)) => {
                let first = if let Input::LinesAfter(first) = &start.line.input { Some(first.as_str()) } else { None };
                Some(Feed::new(fifo, stdin, first)?)
            }
            _ => None,
        };
        let child = Pid::from_child(&child);
        let (status, term_at, kill_at) = (None, None, None);
        Ok(Keeper { keeping, wakes, child, status, streams, feed, meter, asked: false, term_at, kill_at })
    }

    fn until_nothing_is_left(&mut self) -> io::Result<()> {
        while self.reap() {
            if self.term_at.is_some_and(Deadline::passed) {
                self.term_at = None;
                self.signal_child(Signal::TERM);
            }
            if self.kill_at.is_some_and(Deadline::passed) {
                self.kill_all();
            }
            let (rung, streams, input) = self.wait()?;
            self.move_bytes(streams, input);
            if rung {
                self.wakes.quiet();
                self.heed();
            }
        }
        self.drain();
        self.meter.take().into_iter().for_each(Meter::end);
        Ok(())
    }

    /// Notes who has ended. Is anybody left?
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.child => {
                    self.status = Some(status);
                    self.feed = None;
                    self.kill_at.get_or_insert_with(|| Deadline::after(self.keeping.grace));
                    // What it left behind.
                    signal_below_us(Signal::TERM);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Until something happens: whether we were rung for, which streams have something to read, whether the input moves.
    fn wait(&self) -> io::Result<(bool, [bool; 2], bool)> {
        let mut fds = vec![PollFd::new(&self.wakes, PollFlags::IN)];
        for stream in self.streams.iter().flatten() {
            fds.push(PollFd::from_borrowed_fd(stream.from.as_fd(), PollFlags::IN));
        }
        if let Some(feed) = &self.feed {
            // A child that reads no more is told of by an error, which is always waited for.
            let gives = if feed.has_more() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(PollFd::new(&feed.to, gives));
            if feed.has_room() {
                fds.push(PollFd::new(&feed.fifo, PollFlags::IN));
            }
        }
        let left = self.kill_at.map(|at| at.left().max(BETWEEN_KILLS));
        let left = self.term_at.map(Deadline::left).into_iter().chain(left).min();
        let left = left.map(|left| Timespec::try_from(left).map_err(io::Error::other)).transpose()?;
        match poll(&mut fds, left.as_ref()) {
            Err(Errno::INTR) | Ok(_) => {}
            Err(cause) => return Err(cause.into()),
        }
        let mut happened = fds.iter().map(|fd| !fd.revents().is_empty());
        let rung = happened.next().unwrap_or_default();
        let mut stream = |at: usize| self.streams[at].is_some() && happened.next().unwrap_or_default();
        Ok((rung, [stream(0), stream(1)], happened.any(|moves| moves)))
    }

    fn move_bytes(&mut self, streams: [bool; 2], input: bool) {
        if streams == [false, false] && !input {
            return;
        }
        // Made anew for each time, so that it costs nothing while nothing happens.
        let mut buffer = vec![0; BUFFER_BYTES];
        for (stream, ready) in self.streams.iter_mut().zip(streams) {
            if ready && stream.as_mut().is_some_and(|stream| stream.copy(&mut buffer) == Copied::End) {
                *stream = None;
            }
        }
        if input {
            self.feed_child(&mut buffer);
        }
    }

    fn feed_child(&mut self, buffer: &mut [u8]) {
        let Some(feed) = &mut self.feed else { return };
        let left_out = if feed.has_room() { feed.take(buffer) } else { 0 };
        if feed.give().is_err() || has_hung_up(&feed.to) {
            self.feed = None;
        }
        if let (1.., [_, Some(errors)]) = (left_out, &mut self.streams) {
            errors.to.note(&format!("{left_out} lines of input were left out, as they are no JSON or too long"));
        }
    }

    /// Does what we were asked for.
    fn heed(&mut self) {
        if self.wakes.take_interrupt() && !self.keeping.terminal {
            self.signal_child(Signal::INT);
        }
        if !self.wakes.take_end() {
            return;
        }
        if self.asked {
            // Asked twice is asked to hurry.
            self.kill_at = Some(Deadline::after(Duration::ZERO));
            return;
        }
        self.asked = true;
        self.kill_at.get_or_insert_with(|| Deadline::after(self.keeping.grace));
        match self.feed.take() {
            // The end of its input is the end of an idle client; one that works would work on.
            Some(_) => self.term_at = Some(Deadline::after(ENDS_BY_ITSELF.min(self.keeping.grace / 2))),
            None => self.signal_child(Signal::TERM),
        }
    }

    /// As long as it has not been waited for, its number is its own.
    fn signal_child(&self, signal: Signal) {
        if self.status.is_none() {
            let _ = kill_process(self.child, signal);
        }
    }

    fn kill_all(&self) {
        self.signal_child(Signal::KILL);
        signal_below_us(Signal::KILL);
        #[cfg(not(target_os = "linux"))]
        if !self.keeping.terminal {
            let _ = rustix::process::kill_process_group(self.child, Signal::KILL);
        }
    }

    /// What stands in the pipes when nobody is left who could write more.
    fn drain(&mut self) {
        let mut buffer = vec![0; BUFFER_BYTES];
        for stream in self.streams.iter_mut().flatten() {
            while stream.copy(&mut buffer) == Copied::Some {}
        }
    }

    fn end(&self, host: &Host) -> End {
        let code = self.status.and_then(WaitStatus::exit_status);
        // A program may end with that code, too, but then nobody has said why it could not be started.
        let refusal = if code == Some(i32::from(NOT_STARTED)) { self.keeping.run.refusal() } else { None };
        match refusal {
            Some(reason) => End { asked: self.asked, ..End::not_started(host, reason) },
            None => End {
                code,
                signal: self.status.and_then(WaitStatus::terminating_signal),
                not_started: None,
                cause: Cause::Program,
                asked: self.asked,
                ended_at: host.wall(),
            },
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::open(path).map_err(|cause| io::Error::new(cause.kind(), format!("cannot read `{}`: {cause}", path.display())))
}

/// Has whoever reads from it gone?
fn has_hung_up(to: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(to, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
