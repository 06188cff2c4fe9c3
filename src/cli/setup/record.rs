//! What stood in a file before us, kept so that it can be put back byte for byte.

use crate::cli::setup::files;
use crate::cli::setup::files::Privacy;
use crate::cli::setup::files::Refusal;
use crate::cli::setup::files::cannot;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::model::digest::digest;
use rustix::fs::FlockOperation;
use rustix::fs::flock;
use rustix::io::Errno;
use serde::Deserialize;
use serde::Serialize;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const LOCK: &str = "lock";
/// How many of our own versions of a file are known again. More than one only where setup died on the way.
const WRITTEN_MAX: usize = 8;
/// A setup takes some milliseconds, and waits for a client no longer than a second.
const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// One file, before us.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(in crate::cli) struct Record {
    pub(in crate::cli) path: PathBuf,
    /// For whom we wrote into it: two scopes share a file, and one is undone without the other.
    whose: String,
    /// Nothing where there was no file.
    pub(super) original: Option<String>,
    /// What we made for it, the outermost first.
    pub(super) dirs: Vec<PathBuf>,
    written: Vec<Mark>,
}

/// Enough to know a text again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Mark {
    bytes: usize,
    digest: String,
}

impl Mark {
    fn of(text: &str) -> Mark {
        Mark { bytes: text.len(), digest: format!("{:016x}", digest(text)) }
    }
}

impl Record {
    pub(super) fn new(path: &Path, whose: &str, original: Option<String>, dirs: Vec<PathBuf>) -> Record {
        Record { path: path.to_owned(), whose: whose.to_owned(), original, dirs, written: Vec::new() }
    }

    pub(super) fn is_ours(&self, text: &str) -> bool {
        self.written.contains(&Mark::of(text))
    }

    /// The same, once this text is written too.
    pub(super) fn with(mut self, text: &str) -> Record {
        let mark = Mark::of(text);
        self.written.retain(|written| *written != mark);
        self.written.push(mark);
        let surplus = self.written.len().saturating_sub(WRITTEN_MAX);
        self.written.drain(..surplus);
        self
    }
}

/// Where the records are.
pub(in crate::cli) struct Records {
    dir: PathBuf,
}

/// Held while files are read and written, so that of two setups one comes after the other.
pub(super) struct Lock(#[expect(dead_code, reason = "closing it is what it is for")] File);

impl Records {
    pub(in crate::cli) fn at(dir: PathBuf) -> Records {
        Records { dir }
    }

    /// Makes the directory if need be, and waits for others who are at it.
    pub(super) fn lock(&self) -> Result<Lock> {
        let failed = |cause| cannot("write into", &self.dir, &cause);
        if let Some(parent) = self.dir.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(failed(cause)),
            _ => {}
        }
        let found = self.dir.symlink_metadata().map_err(failed)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            let message = format!("`{}` is no directory of this user", self.dir.display());
            return Err(Error::new(Kind::Internal, message).hint("look at what it is, and move it away"));
        }
        fs::set_permissions(&self.dir, Permissions::from_mode(0o700)).map_err(failed)?;
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.dir.join(LOCK));
        let file = open.map_err(failed)?;
        let deadline = Deadline::after(PATIENCE);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock(file)),
                Err(Errno::WOULDBLOCK) if !deadline.passed() => thread::park_timeout(BETWEEN_LOOKS),
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::new(Kind::Busy, "another `orch-mcp setup` has been at work for a while")
                        .hint("see what holds it up, or end it, and repeat this"));
                }
                Err(cause) => return Err(failed(cause.into())),
            }
        }
    }

    fn file(&self, path: &Path, whose: &str) -> PathBuf {
        self.dir.join(format!("{:016x}.json", digest(&format!("{}\0{whose}", path.to_string_lossy()))))
    }

    /// All of them, each with the file that it is in.
    pub(in crate::cli) fn all(&self) -> Vec<(PathBuf, Record)> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let record = |file: PathBuf| {
            let text = files::read(&file).ok()?.text?;
            Some((file, serde_json::from_str(&text).ok()?))
        };
        files.filter(|file| file.extension().is_some_and(|extension| extension == "json")).filter_map(record).collect()
    }

    /// One that cannot be read is as good as none: then only our own entries are taken out.
    pub(super) fn get(&self, path: &Path, whose: &str) -> Option<Record> {
        let text = files::read(&self.file(path, whose)).ok()?.text?;
        serde_json::from_str(&text).ok().filter(|record: &Record| record.path == path && record.whose == whose)
    }

    pub(super) fn put(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_string(record).map_err(Error::internal)?;
        let found = files::read(&self.file(&record.path, &record.whose))?;
        found.prepare(Some(&text), Privacy::Own)?.commit().map_err(|refusal| match refusal {
            Refusal::Failed(error) => error,
            Refusal::Changed => Error::internal("a record changed under our lock"),
        })
    }

    pub(super) fn remove(&self, path: &Path, whose: &str) {
        // One that stays matches no file any more.
        let _ = fs::remove_file(self.file(path, whose));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_private_and_read_back_as_it_was_put() {
        let dir = tempfile::tempdir().expect("a directory");
        let records = Records::at(dir.path().join("deep/down"));
        assert_eq!(records.get(Path::new("/f"), "user"), None);
        let lock = records.lock();
        assert!(lock.is_ok());
        let record = Record::new(Path::new("/f"), "user", Some("\u{feff}old\r\n".to_owned()), Vec::new()).with("new");
        records.put(&record).expect("kept");
        assert_eq!(records.get(Path::new("/f"), "user"), Some(record));
        assert_eq!(records.get(Path::new("/f"), "local /g"), None);
        let mode = |path: &Path| path.metadata().expect("there").mode() & 0o777;
        assert_eq!(mode(&dir.path().join("deep/down")), 0o700);
        assert_eq!(mode(&records.file(Path::new("/f"), "user")), 0o600);
        fs::write(records.file(Path::new("/f"), "user"), "half").expect("damaged");
        assert_eq!(records.get(Path::new("/f"), "user"), None);
        records.remove(Path::new("/f"), "user");
        records.remove(Path::new("/f"), "user");
    }

    #[test]
    fn what_we_wrote_is_known_again() {
        let record = Record::new(Path::new("/f"), "user", None, Vec::new()).with("one").with("two");
        assert!(record.is_ours("one") && record.is_ours("two") && !record.is_ours("three"));
        let many = (0..20).fold(record, |record, n| record.with(&n.to_string()));
        assert!(many.is_ours("19") && !many.is_ours("one"));
        assert_eq!(many.written.len(), WRITTEN_MAX);
    }
}
