//! A command of the project (its check, its set-up, a workflow), run by the shell or without one: its output in a log, its end in
//! time.

use crate::descendants;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::repo::bounded;
use crate::repo::bounded::Ended;
use crate::repo::bounded::LastWords;
use crate::repo::bounded::Streams;
use crate::repo::git;
use crate::repo::lock::Lock;
use crate::store::doorbell::Hangup;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Of one run. An endless output fills no disk.
const LOG_BYTES_MAX: usize = 16 << 20;

/// What a model reads of a failed check.
const TAIL_BYTES_MAX: usize = 4 << 10;

/// A command that is wanted.
#[derive(Clone, Debug)]
pub struct Errand {
    /// As `sh -c` takes it.
    pub command: String,
    pub patience: Duration,
    /// What it says is added at the end.
    pub log: PathBuf,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub ended: Ended,
    pub took: Duration,
    /// The last of what it said, on both streams.
    pub tail: String,
}

impl Outcome {
    pub fn passed(&self) -> bool {
        self.ended == Ended::Code(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.took.as_secs_f64();
        match self.ended {
            Ended::Code(0) => write!(f, "passed in {secs:.1} s"),
            Ended::Code(code) => write!(f, "ended with {code} after {secs:.1} s"),
            Ended::Signal(signal) => write!(f, "was ended by signal {signal} after {secs:.1} s"),
            Ended::TooLong => write!(f, "was ended at its deadline, after {secs:.1} s"),
            Ended::Unwanted => write!(f, "was ended after {secs:.1} s, as nobody waited for it any more"),
        }
    }
}

/// Runs it in `dir`, until a hang-up at the latest. `started` is told the number of its process, which is that of its process
/// group too.
pub fn run(errand: &Errand, dir: &Path, hangup: &Hangup, started: &mut dyn FnMut(u32)) -> Result<Outcome> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&errand.command).stdin(Stdio::null());
    git::no_further_up(&mut command, dir);
    carry_out(command, errand, dir, hangup, started)
}

/// The same with a program of somebody's choice, in a directory that may lie anywhere in a repository. Of the errand, the words of
/// the command are what the log shows.
pub fn run_program(
    mut program: Command,
    errand: &Errand,
    dir: &Path,
    hangup: &Hangup,
    lock: Option<&Lock>,
) -> Result<Outcome> {
    // Should we be killed, the next in line waits for what was started.
    let stdin = lock.map_or(Ok(Stdio::null()), Lock::to_hand_on).map_err(Error::internal)?;
    program.stdin(stdin);
    carry_out(program, errand, dir, hangup, &mut |_| {})
}

fn carry_out(
    mut command: Command,
    errand: &Errand,
    dir: &Path,
    hangup: &Hangup,
    started: &mut dyn FnMut(u32),
) -> Result<Outcome> {
    let mut log = Log::open(&errand.log)?;
    log.say(format!("$ {}\n", errand.command).as_bytes());
    command.current_dir(dir);
    git::without_its_variables(&mut command);
    let mark = [beginning_of_mark(dir).as_slice(), format!("{:016x}", Host::System.random()).as_bytes()].concat();
    command.env(MARK, OsStr::from_bytes(&mark[MARK.len() + 1..]));
    let running = bounded::start(command, Streams::Together).map_err(|cause| {
        Error::new(Kind::Unavailable, format!("`{}` cannot be started in `{}`: {cause}", errand.command, dir.display()))
    })?;
    started(running.pid());
    let mut tail = LastWords::new(TAIL_BYTES_MAX);
    let (ended, took) = running.wait_unless(hangup, errand.patience, &mut |_, bytes| {
        log.hear(bytes);
        tail.add(bytes);
    });
    // Whatever left its process group has the mark still.
    descendants::kill_all(&|variable| variable == mark);
    let outcome = Outcome { ended, took, tail: tail.text() };
    log.end(&outcome);
    Ok(outcome)
}

/// In the environment of all that is started for a command: where it runs, and which of those that do it is.
const MARK: &str = "ORCH_ERRAND";

fn beginning_of_mark(dir: &Path) -> Vec<u8> {
    [MARK.as_bytes(), b"=", dir.as_os_str().as_bytes(), b" "].concat()
}

/// Ends what a command left in `dir` whose end nobody saw to.
pub fn end_what_is_left(dir: &Path) {
    let begins = beginning_of_mark(dir);
    descendants::kill_all(&|variable| variable.starts_with(&begins));
}

/// A log that cannot be written, because the disk is full, stops no check.
struct Log {
    file: File,
    left: usize,
    left_out: u64,
}

impl Log {
    fn open(path: &Path) -> Result<Log> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = opened.map_err(|cause| {
            Error::new(Kind::Unavailable, format!("the log `{}` cannot be written: {cause}", path.display()))
        })?;
        // Of many runs the newest are kept. Where it cannot be emptied it grows by one more.
        if file.metadata().is_ok_and(|about| about.len() >= LOG_BYTES_MAX as u64) {
            let _ = file.set_len(0);
        }
        Ok(Log { file, left: LOG_BYTES_MAX, left_out: 0 })
    }

    fn say(&mut self, bytes: &[u8]) {
        let _ = self.file.write_all(bytes);
    }

    fn hear(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.left);
        self.say(&bytes[..kept]);
        self.left -= kept;
        self.left_out += (bytes.len() - kept) as u64;
    }

    fn end(&mut self, outcome: &Outcome) {
        if self.left_out > 0 {
            self.say(
                format!("\n… {} bytes are left out; the last of them:\n{}", self.left_out, outcome.tail).as_bytes(),
            );
        }
        self.say(format!("\n({outcome})\n").as_bytes());
    }
}
