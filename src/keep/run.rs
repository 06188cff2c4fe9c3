//! The directory of a run: all that its keeper, those who look at it, and those who take it over tell each other.

use crate::claude::command::ProgramLine;
use crate::claude::telemetry::Metering;
use crate::host::Deadline;
use crate::host::Host;
use crate::model::time::Timestamp;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use rustix::fs::FlockOperation;
use rustix::fs::flock;
use rustix::io::Errno;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// Whoever writes a line holds its lock for as long as the keeper takes to read it, which is soon.
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// What is to be run, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Start {
    pub line: ProgramLine,
    pub cwd: PathBuf,
    /// What makes that worktree ready.
    pub set_up: Option<SetUp>,
    /// Its client is to tell us what it costs.
    pub metering: Option<Metering>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SetUp {
    pub command: String,
    pub minutes_max: u64,
}

/// Who runs. Processes are named as `Host::process_of` names them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    pub keeper: String,
    /// Not there for a moment, while it is started.
    pub child: Option<String>,
    pub began_at: Timestamp,
}

/// How it ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct End {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Why the program could not be started.
    pub not_started: Option<String>,
    #[serde(default)]
    pub cause: Cause,
    /// Somebody told its keeper to end it.
    pub asked: bool,
    pub ended_at: Timestamp,
}

/// What a start failed by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    #[default]
    Program,
    /// Where its task is to be done could not be made ready.
    Place,
    /// Whoever was to start it ended first.
    Starter,
}

impl End {
    pub fn not_started(host: &Host, reason: String) -> End {
        End {
            code: None,
            signal: None,
            not_started: Some(reason),
            cause: Cause::Program,
            asked: false,
            ended_at: host.wall(),
        }
    }
}

/// How a run stands, by its files and by who lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// No keeper has taken it up.
    NotBegun,
    Runs(Record),
    Ended(End),
    /// Its keeper was killed, and nobody knows how the child ended.
    Lost(Record),
    /// The keeper is of another machine or container.
    Elsewhere(Record),
}

impl Standing {
    /// Who runs, while somebody does.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Standing::Runs(record) => Some(record),
            _ => None,
        }
    }
}

/// Every run that has a directory below the state directory, by its worker.
pub fn all(state_dir: &Path) -> Vec<(String, Vec<(u64, RunDir)>)> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().ok();
    let runs = |worker: &Path| {
        let run = |entry: std::fs::DirEntry| Some((name(&entry)?.parse().ok()?, RunDir::at(entry.path())));
        entries(worker).filter_map(run).collect()
    };
    let workers = entries(&state_dir.join("workers"));
    let mut found: Vec<_> = workers.filter_map(|worker| Some((name(&worker)?, runs(&worker.path())))).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// A run's directory. Its names are read by people, too.
#[derive(Clone, Debug)]
pub struct RunDir {
    dir: PathBuf,
}

impl RunDir {
    pub fn at(dir: impl Into<PathBuf>) -> RunDir {
        RunDir { dir: dir.into() }
    }

    /// Of one run of one worker, below the state directory.
    pub fn of(state_dir: &Path, worker: &str, run: &str) -> RunDir {
        RunDir::at(state_dir.join("workers").join(worker).join(run))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn prompt(&self) -> PathBuf {
        self.dir.join("prompt.md")
    }

    pub fn settings(&self) -> PathBuf {
        self.dir.join("settings.json")
    }

    pub fn mcp(&self) -> PathBuf {
        self.dir.join("mcp.json")
    }

    /// What the child prints, and what it printed before that.
    pub fn stream(&self) -> [PathBuf; 2] {
        [self.dir.join("stream.jsonl"), self.dir.join("stream.1.jsonl")]
    }

    /// The same of its standard error.
    pub fn errors(&self) -> [PathBuf; 2] {
        [self.dir.join("errors.log"), self.dir.join("errors.1.log")]
    }

    /// What its client told of its costs on the way.
    pub fn spent(&self) -> PathBuf {
        self.dir.join("spent.jsonl")
    }

    /// Lines for its standard input.
    pub fn input(&self) -> PathBuf {
        self.dir.join("input")
    }

    fn input_lock(&self) -> PathBuf {
        self.dir.join("input.lock")
    }

    /// What the set-up command of its worktree said.
    pub fn set_up_log(&self) -> PathBuf {
        self.dir.join("set-up.log")
    }

    /// There while its worktree is made ready.
    fn set_up_file(&self) -> PathBuf {
        self.dir.join("set-up")
    }

    fn start_file(&self) -> PathBuf {
        self.dir.join("start.json")
    }

    fn record_file(&self) -> PathBuf {
        self.dir.join("run.json")
    }

    fn end_file(&self) -> PathBuf {
        self.dir.join("end.json")
    }

    fn refusal_file(&self) -> PathBuf {
        self.dir.join("not_started")
    }

    /// Makes it, for us alone.
    pub fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(&self.dir)
    }

    /// Writes a file that only we can read, whole or not at all.
    pub fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let draft = self.draft(path, text)?;
        std::fs::rename(draft, path)
    }

    /// The same, unless the file is there: `false` then.
    fn write_once(&self, path: &Path, text: &str) -> io::Result<bool> {
        let draft = self.draft(path, text)?;
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        match linked {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        }
    }

    /// Durable before it has its name: after a power cut the name leads to all of it.
    fn draft(&self, path: &Path, text: &str) -> io::Result<PathBuf> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // Of several processes each has its own.
        name.push(format!(".{}", std::process::id()));
        let draft = self.dir.join(name);
        let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    pub fn tell_start(&self, start: &Start) -> io::Result<()> {
        if let Some(set_up) = &start.set_up {
            self.write(&self.set_up_file(), &set_up.command)?;
        }
        self.write(&self.start_file(), &serde_json::to_string_pretty(start)?)
    }

    pub fn start(&self) -> io::Result<Start> {
        read(&self.start_file())?.ok_or_else(|| missing(&self.start_file()))
    }

    pub(super) fn tell_ready(&self) -> io::Result<()> {
        match std::fs::remove_file(self.set_up_file()) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    pub fn is_ready(&self) -> bool {
        !self.set_up_file().exists()
    }

    /// Takes the run up, once and for all: `false` where somebody has done so before. Who wants to give up a run that no
    /// keeper has taken up takes it itself, and any keeper that comes later finds it taken.
    pub fn take(&self, record: &Record) -> io::Result<bool> {
        self.write_once(&self.record_file(), &serde_json::to_string_pretty(record)?)
    }

    /// What whoever has taken the run up says of it now.
    pub fn tell_record(&self, record: &Record) -> io::Result<()> {
        self.write(&self.record_file(), &serde_json::to_string_pretty(record)?)
    }

    pub fn record(&self) -> io::Result<Option<Record>> {
        read(&self.record_file())
    }

    /// Once: of a run whose files are garbage the keeper would tell next only that it was killed.
    pub fn tell_end(&self, end: &End) -> io::Result<bool> {
        self.write_once(&self.end_file(), &serde_json::to_string_pretty(end)?)
    }

    pub fn end(&self) -> io::Result<Option<End>> {
        read(&self.end_file())
    }

    pub(super) fn tell_refusal(&self, reason: &str) -> io::Result<()> {
        self.write(&self.refusal_file(), reason)
    }

    pub(super) fn refusal(&self) -> Option<String> {
        std::fs::read_to_string(self.refusal_file()).ok()
    }

    /// Of one whose files are garbage nobody can say more than that, and whoever looks after it ends it.
    pub fn standing(&self, host: &Host) -> io::Result<Standing> {
        self.whole_standing(host).or_else(|cause| match cause.kind() {
            ErrorKind::InvalidData => Ok(Standing::Ended(End::not_started(host, format!("garbage in {cause}")))),
            _ => Err(cause),
        })
    }

    fn whole_standing(&self, host: &Host) -> io::Result<Standing> {
        if let Some(end) = self.end()? {
            return Ok(Standing::Ended(end));
        }
        let Some(record) = self.record()? else { return Ok(Standing::NotBegun) };
        match host.lives(&record.keeper) {
            Some(true) => Ok(Standing::Runs(record)),
            None => Ok(Standing::Elsewhere(record)),
            // It may have told how it ended between our two looks.
            Some(false) => Ok(self.end()?.map_or(Standing::Lost(record), Standing::Ended)),
        }
    }

    /// Puts a line, which is to be JSON, into the child's standard input. Lines of several writers do not mix.
    pub fn say(&self, line: &str, patience: Duration) -> io::Result<()> {
        let deadline = Deadline::after(patience);
        let lock = private(OpenOptions::new().write(true).create(true)).open(self.input_lock())?;
        while let Err(cause) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if cause != Errno::WOULDBLOCK {
                return Err(cause.into());
            }
            until(deadline)?;
            thread::park_timeout(BETWEEN_TRIES);
        }
        // It is refused at once where no keeper reads.
        let fifo =
            OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(self.input())?;
        // The line before may have lost its end with its writer; without a new line it would swallow ours.
        write_by(&fifo, format!("\n{line}\n").as_bytes(), deadline)
    }
}

fn write_by(mut fifo: &File, mut bytes: &[u8], deadline: Deadline) -> io::Result<()> {
    while !bytes.is_empty() {
        match fifo.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                let left = Timespec::try_from(until(deadline)?).map_err(io::Error::other)?;
                poll(&mut [PollFd::new(fifo, PollFlags::OUT)], Some(&left))?;
            }
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

fn until(deadline: Deadline) -> io::Result<Duration> {
    let left = deadline.left();
    if left.is_zero() {
        return Err(io::Error::new(ErrorKind::TimedOut, "the run does not take its input"));
    }
    Ok(left)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(PRIVATE_FILE).custom_flags(libc::O_NOFOLLOW)
}

/// Beside what is written bit by bit: where it was how long when.
pub(super) fn times_of(path: &Path) -> PathBuf {
    path.with_extension("times")
}

/// For what is written bit by bit.
pub(super) fn append(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().append(true).create(true)).open(path)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|cause| io::Error::new(ErrorKind::InvalidData, format!("`{}`: {cause}", path.display()))),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(io::Error::new(cause.kind(), format!("`{}`: {cause}", path.display()))),
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("there is no `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn record(keeper: &str) -> Record {
        Record { keeper: keeper.to_owned(), child: None, began_at: Timestamp::from_millis(7) }
    }

    fn end() -> End {
        End {
            code: Some(0),
            signal: None,
            not_started: None,
            cause: Cause::Program,
            asked: false,
            ended_at: Timestamp::from_millis(9),
        }
    }

    fn run() -> (tempfile::TempDir, RunDir) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        (dir, run)
    }

    #[test]
    fn a_run_is_taken_up_once() {
        let (_dir, run) = run();
        assert!(run.take(&record("1.1")).unwrap());
        assert!(!run.take(&record("2.2")).unwrap());
        assert_eq!(run.record().unwrap(), Some(record("1.1")));
        assert_eq!(fs::read_dir(run.dir()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn how_it_stands_follows_from_its_files_and_from_who_lives() {
        let (_dir, run) = run();
        let host = Host::manual(1);
        let keeper = host.process_of(std::process::id()).expect("this process");
        assert_eq!(run.standing(&host).unwrap(), Standing::NotBegun);
        run.take(&record(&keeper)).unwrap();
        assert_eq!(run.standing(&host).unwrap(), Standing::Runs(record(&keeper)));
        let number = keeper.split_once('@').unwrap().0.to_owned();
        host.set(|host| host.dead.insert(number));
        assert_eq!(run.standing(&host).unwrap(), Standing::Lost(record(&keeper)));
        host.set(|host| host.machine = "machine-2".to_owned());
        assert_eq!(run.standing(&host).unwrap(), Standing::Elsewhere(record(&keeper)));
        assert!(run.tell_end(&end()).unwrap());
        assert!(!run.tell_end(&End::not_started(&host, "later".to_owned())).unwrap());
        assert_eq!(run.standing(&host).unwrap(), Standing::Ended(end()));
    }

    #[test]
    fn all_of_it_is_ours_alone() {
        let (dir, run) = run();
        run.write(&run.prompt(), "p").unwrap();
        assert!(run.tell_end(&end()).unwrap());
        append(&run.stream()[0]).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir.path().join("workers")), 0o700);
        assert_eq!(mode(run.dir()), 0o700);
        for entry in fs::read_dir(run.dir()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn a_file_that_is_no_record_is_an_error_with_its_path() {
        let (_dir, run) = run();
        fs::write(run.record_file(), "{").unwrap();
        assert!(run.record().unwrap_err().to_string().contains("run.json"));
        assert!(run.start().unwrap_err().to_string().contains("start.json"));
    }

    #[test]
    fn nobody_is_spoken_to_where_no_keeper_reads() {
        let (_dir, run) = run();
        assert_eq!(run.say("{}", Duration::ZERO).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
