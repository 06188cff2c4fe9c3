//! Files of other programs, changed whole or not at all, and only as they were read.

use crate::cli::true_path::true_path;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use std::ffi::OsString;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::fs::TryLockError;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// A client's file that is larger is not what it should be.
const BYTES_MAX: u64 = 64 << 20;
/// As many links as the system itself follows.
const LINKS_MAX: usize = 40;
/// A client holds its lock for as long as it takes to write a file.
const CLIENT_PATIENCE: Duration = Duration::from_secs(1);
/// A lock that is older is nobody's any more: so the client has it.
const CLIENT_LOCK_SECS: i64 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Who may read a file that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Privacy {
    /// In the user's own directories: nobody else.
    Own,
    /// In a project: as its other files.
    Shared,
}

impl Privacy {
    fn file_mode(self) -> u32 {
        if self == Privacy::Own { 0o600 } else { 0o644 }
    }

    fn dir_mode(self) -> u32 {
        if self == Privacy::Own { 0o700 } else { 0o755 }
    }
}

/// A file as it was read.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Found {
    /// Where it is, links followed: what leads there stays as it is.
    pub(in crate::cli) path: PathBuf,
    /// Nothing where there is no such file.
    pub(in crate::cli) text: Option<String>,
    /// Does another name lead to the same file, which would keep the old text?
    pub(super) has_other_names: bool,
    mode: Option<u32>,
    owner: Option<(u32, u32)>,
}

/// What was written of a file that changes, before it takes its place.
pub(in crate::cli) struct Prepared<'a> {
    found: &'a Found,
    /// Nothing for a file that is to go. As long as it is open, it is locked, and nobody else's to sweep away.
    temp: Option<(PathBuf, Option<File>)>,
}

/// Why a file was not written.
pub(in crate::cli) enum Refusal {
    /// It is not any more as it was read.
    Changed,
    Failed(Error),
}

/// Reads a file that may not exist.
pub(in crate::cli) fn read(path: &Path) -> Result<Found> {
    read_at(followed(path)?)
}

/// Likewise, but no link: whoever could put one there would say what is written over. The folder is whatever its name leads to.
pub(in crate::cli) fn read_unlinked(path: &Path) -> Result<Found> {
    if let Ok(target) = path.read_link() {
        let message = format!("`{}` is a link, to `{}`", path.display(), target.display());
        return Err(
            Error::invalid(message).hint("nothing is written through it: name the file itself, or remove the link")
        );
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Not the true name of the file, should it become a link by now.
    read_at(match path.file_name() {
        Some(name) => true_path(folder).join(name),
        None => path.to_owned(),
    })
}

fn read_at(path: PathBuf) -> Result<Found> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(Found { path, text: None, has_other_names: false, mode: None, owner: None });
        }
        Err(cause) => return Err(cannot("look at", &path, &cause)),
    };
    if !metadata.is_file() {
        return Err(Error::invalid(format!("`{}` is not a file", path.display())).hint("move it away"));
    }
    let bytes = bytes_of(&path).map_err(|cause| cannot("read", &path, &cause))?;
    if bytes.len() as u64 > BYTES_MAX {
        let message = format!("`{}` has more than {BYTES_MAX} bytes", path.display());
        return Err(Error::invalid(message).hint("it is no settings file any more; it was left as it is"));
    }
    let text = String::from_utf8(bytes).map_err(|cause| {
        let good = cause.utf8_error().valid_up_to();
        let before = &cause.as_bytes()[..good];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(before).rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        not_readable(&path, line, column, "a byte that is no text in UTF-8")
    })?;
    Ok(Found {
        path,
        text: Some(text),
        has_other_names: metadata.nlink() > 1,
        mode: Some(metadata.mode() & 0o7777),
        owner: Some((metadata.uid(), metadata.gid())),
    })
}

pub(super) fn not_readable(path: &Path, line: usize, column: usize, what: &str) -> Error {
    Error::invalid(format!("`{}`, line {line}, column {column}: {what}", path.display()))
        .hint("correct it by hand and repeat this; it was left as it is, and so was every other file")
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What became a pipe meanwhile must not hold us up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file of ours whole or not at all, through no link, and not where it says that already.
pub(in crate::cli) fn replace(path: &Path, text: &str) -> Result<()> {
    let found = read_unlinked(path)?;
    found.sweep();
    if found.text.as_deref() == Some(text) {
        return Ok(());
    }
    match found.prepare(Some(text), Privacy::Shared)?.commit() {
        Ok(()) => Ok(()),
        Err(Refusal::Failed(error)) => Err(error),
        Err(Refusal::Changed) => {
            let message = format!("`{}` changed while this went on", path.display());
            Err(Error::new(Kind::Conflict, message).hint("repeat this"))
        }
    }
}

/// Where links lead, and the directory by its one true name, as far as it exists.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match path.read_link() {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Ok(true_path(&path)),
        }
    }
    Err(Error::invalid(format!("`{}` leads from link to link without an end", path.display())).hint("remove the link"))
}

/// The directories above that do not exist, the outermost first.
pub(super) fn missing_dirs(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}

pub(super) fn make_dirs(dirs: &[PathBuf], privacy: Privacy) -> Result<()> {
    for dir in dirs {
        match DirBuilder::new().mode(privacy.dir_mode()).create(dir) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cannot("create", dir, &cause)),
            _ => {}
        }
    }
    Ok(())
}

/// The lock that Claude Code itself takes to write its memory: a directory beside the file. Without it, a session that
/// has just read the file would write it without what we put there.
pub(super) struct ClientLock(Option<PathBuf>);

impl ClientLock {
    /// Waits for it a moment. A client that died with it must not stop us, and one that has another custom cannot.
    pub(super) fn take(dir: PathBuf) -> ClientLock {
        let deadline = Deadline::after(CLIENT_PATIENCE);
        loop {
            match fs::create_dir(&dir) {
                Ok(()) => return ClientLock(Some(dir)),
                Err(_) if is_abandoned(&dir) && fs::remove_dir(&dir).is_ok() => {}
                Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists || deadline.passed() => {
                    return ClientLock(None);
                }
                Err(_) => thread::park_timeout(BETWEEN_LOOKS),
            }
        }
    }
}

/// Has whoever made this lock died? The client thinks so after the same time.
fn is_abandoned(dir: &Path) -> bool {
    let found = dir.symlink_metadata().ok().filter(fs::Metadata::is_dir);
    found.is_some_and(|found| found.mtime() + CLIENT_LOCK_SECS < Host::System.wall().millis() / 1000)
}

impl Drop for ClientLock {
    fn drop(&mut self) {
        if let Some(dir) = &self.0 {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Takes back directories that we made and in which nothing is, the innermost first.
pub(super) fn remove_dirs(dirs: &[PathBuf]) {
    for dir in dirs.iter().rev() {
        // Somebody else may have put something into it: then it is theirs.
        let _ = fs::remove_dir(dir);
    }
}

impl Found {
    /// Writes the new text beside the file, down to the disk. Nothing for a file that is to go.
    pub(in crate::cli) fn prepare(&self, text: Option<&str>, privacy: Privacy) -> Result<Prepared<'_>> {
        let mut prepared = Prepared { found: self, temp: None };
        if self.mode.is_some_and(|mode| mode & 0o200 == 0) {
            let message = format!("`{}` is read-only, and somebody meant it so", self.path.display());
            return Err(Error::new(Kind::Refused, message).hint("make it writable, or change it where it comes from"));
        }
        if let Some(text) = text {
            let cannot = |cause: io::Error| cannot("write", &self.path, &cause);
            let (temp, mut file) = self.temp_file(privacy).map_err(cannot)?;
            prepared.temp = Some((temp, None));
            self.write_temp(&mut file, text).map_err(cannot)?;
            prepared.temp = prepared.temp.take().map(|(temp, _)| (temp, Some(file)));
        }
        Ok(prepared)
    }

    /// Locked, unless this filesystem knows no locks.
    fn temp_file(&self, privacy: Privacy) -> io::Result<(PathBuf, File)> {
        let mode = if self.mode.is_some() { 0o600 } else { privacy.file_mode() };
        loop {
            let temp = self.temp_path();
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp)?;
            // Whoever swept between these two steps took it for a dead process's.
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {}
                _ if file.metadata()?.nlink() == 0 => {}
                _ => return Ok((temp, file)),
            }
        }
    }

    fn write_temp(&self, file: &mut File, text: &str) -> io::Result<()> {
        if let Some((user, group)) = self.owner {
            let made = file.metadata()?;
            if made.uid() != user {
                let whose = |_| io::Error::other(format!("the file belongs to user {user}: run this as that user"));
                std::os::unix::fs::fchown(&*file, Some(user), Some(group)).map_err(whose)?;
            } else if made.gid() != group {
                // The group is worth keeping where we may, and not worth failing for.
                let _ = std::os::unix::fs::fchown(&*file, None, Some(group));
            }
        }
        if let Some(mode) = self.mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    fn temp_prefix(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".orch-mcp-");
        name
    }

    fn temp_path(&self) -> PathBuf {
        let mut name = self.temp_prefix();
        name.push(format!("{:016x}", Host::System.random()));
        self.path.with_file_name(name)
    }

    /// What a process that was killed left beside the file, or one that is at work.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        let prefix = self.temp_prefix();
        let entries = self.path.parent().and_then(|dir| fs::read_dir(dir).ok());
        let is_ours = |name: OsString| {
            name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) && name.len() == prefix.len() + 16
        };
        let all = entries.into_iter().flatten().flatten();
        all.filter(|entry| is_ours(entry.file_name())).map(|entry| entry.path()).collect()
    }

    /// Removes what dead processes left over.
    pub(in crate::cli) fn sweep(&self) {
        for path in self.leftovers() {
            let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(&path);
            let Ok(file) = open else { continue };
            // Held until it is gone: so whoever has just made it sees that it went.
            if file.metadata().is_ok_and(|found| found.is_file()) && file.try_lock().is_ok() {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn is_as_read(&self) -> bool {
        match bytes_of(&self.path) {
            Ok(bytes) => self.text.as_ref().is_some_and(|text| text.as_bytes() == bytes),
            Err(cause) => cause.kind() == io::ErrorKind::NotFound && self.text.is_none(),
        }
    }
}

impl Prepared<'_> {
    /// Puts the new text in the place of the old, unless that has changed.
    pub(in crate::cli) fn commit(mut self) -> Result<(), Refusal> {
        let path = &self.found.path;
        if !self.found.is_as_read() {
            return Err(Refusal::Changed);
        }
        let done = match &self.temp {
            Some((temp, _)) => fs::rename(temp, path),
            None => fs::remove_file(path),
        };
        done.map_err(|cause| {
            let error = cannot("write", path, &cause);
            Refusal::Failed(match cause.kind() {
                io::ErrorKind::ResourceBusy => error.hint("it is mounted by itself: change it where it comes from"),
                _ => error,
            })
        })?;
        self.temp = None;
        sync_dir(path);
        Ok(())
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if let Some((temp, _)) = &self.temp {
            let _ = fs::remove_file(temp);
        }
    }
}

/// Not every filesystem can do this, and the file is whole either way.
fn sync_dir(path: &Path) {
    if let Some(dir) = path.parent().and_then(|dir| File::open(dir).ok()) {
        let _ = dir.sync_all();
    }
}

pub(super) fn cannot(verb: &str, path: &Path, cause: &io::Error) -> Error {
    Error::new(Kind::Internal, format!("cannot {verb} `{}`: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Dir {
            Dir(tempfile::tempdir().expect("a directory"))
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().canonicalize().expect("it is there").join(name)
        }

        fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let path = self.path(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            path
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path()).expect("read").flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").mode() & 0o777
    }

    fn write(found: &Found, text: Option<&str>) -> Result<(), Refusal> {
        found.prepare(text, Privacy::Own).map_err(Refusal::Failed)?.commit()
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_behind_its_link() {
        let dir = Dir::new();
        let path = dir.file("real.json", "old", 0o640);
        symlink("real.json", dir.path("middle")).expect("linked");
        symlink(dir.path("middle"), dir.path("link.json")).expect("linked");
        let found = read(&dir.path("link.json")).expect("read");
        assert_eq!((found.path.clone(), found.text.as_deref()), (path.clone(), Some("old")));
        assert!(write(&found, Some("new")).is_ok());
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(mode(&path), 0o640);
        assert!(dir.path("link.json").is_symlink());
        assert_eq!(dir.names(), ["link.json", "middle", "real.json"]);
    }

    #[test]
    fn what_is_read_only_stays_as_it_is() {
        let dir = Dir::new();
        let found = read(&dir.file("a", "old", 0o444)).expect("read");
        for text in [Some("new"), None] {
            assert!(matches!(write(&found, text), Err(Refusal::Failed(error)) if error.kind == Kind::Refused));
        }
        assert_eq!(dir.names(), ["a"]);
    }

    #[test]
    fn a_new_file_is_private_where_it_should_be_and_may_be_behind_a_link_to_nowhere_yet() {
        let dir = Dir::new();
        symlink("real.json", dir.path("link.json")).expect("linked");
        let found = read(&dir.path("link.json")).expect("nothing is there");
        assert!(write(&found, Some("new")).is_ok());
        assert_eq!(mode(&dir.path("real.json")), 0o600);
        assert!(write(&read(&dir.path("real.json")).expect("read"), None).is_ok());
        assert_eq!(dir.names(), ["link.json"]);
    }

    #[test]
    fn what_has_changed_since_it_was_read_is_left_alone() {
        let dir = Dir::new();
        let path = dir.file("a", "old", 0o600);
        let found = read(&path).expect("read");
        let prepared = found.prepare(Some("new"), Privacy::Own).unwrap_or_else(|error| panic!("{error}"));
        fs::write(&path, "theirs").expect("written");
        assert!(matches!(prepared.commit(), Err(Refusal::Changed)));
        assert_eq!(fs::read_to_string(&path).expect("read"), "theirs");
        fs::remove_file(&path).expect("removed");
        assert!(matches!(write(&found, Some("new")), Err(Refusal::Changed)));
        let absent = read(&path).expect("nothing is there");
        fs::write(&path, "theirs").expect("written");
        assert!(matches!(write(&absent, Some("new")), Err(Refusal::Changed)));
        assert!(matches!(write(&found, None), Err(Refusal::Changed)));
        assert_eq!(dir.names(), ["a"], "nothing is left beside it");
    }

    #[test]
    fn what_is_no_file_or_no_text_is_refused() {
        let dir = Dir::new();
        assert!(read(&dir.path("")).expect_err("a directory").message.contains("is not a file"));
        symlink("loop", dir.path("loop")).expect("linked");
        assert!(read(&dir.path("loop")).expect_err("a loop").message.contains("without an end"));
        fs::write(dir.path("bytes"), b"{\n \xc3\xa9\xff}").expect("written");
        let error = read(&dir.path("bytes")).expect_err("no text");
        assert!(error.message.contains("line 2, column 3"), "{error}");
        let status = std::process::Command::new("mkfifo").arg(dir.path("pipe")).status().expect("mkfifo runs");
        assert!(status.success());
        assert!(read(&dir.path("pipe")).expect_err("a pipe").message.contains("is not a file"));
    }

    #[test]
    fn the_lock_of_the_client_is_taken_given_back_and_not_waited_for_without_end() {
        let dir = Dir::new();
        let lock = ClientLock::take(dir.path("a.lock"));
        assert!(lock.0.is_some() && dir.path("a.lock").is_dir());
        thread::scope(|scope| {
            let other = scope.spawn(|| ClientLock::take(dir.path("a.lock")).0.clone());
            drop(lock);
            assert_eq!(other.join().ok().flatten(), Some(dir.path("a.lock")));
        });
        assert!(dir.names().is_empty());
        fs::create_dir(dir.path("b.lock")).expect("a client died");
        assert!(ClientLock::take(dir.path("b.lock")).0.is_none());
        assert_eq!(dir.names(), ["b.lock"], "it is not ours to remove");
        let lock = File::open(dir.path("b.lock")).expect("open");
        lock.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");
        assert!(ClientLock::take(dir.path("b.lock")).0.is_some(), "who made it died long ago");
        assert!(dir.names().is_empty());
        assert!(ClientLock::take(dir.path("none/c.lock")).0.is_none());
    }

    #[test]
    fn what_a_killed_setup_left_goes_with_the_next_one() {
        let dir = Dir::new();
        let path = dir.file("a.json", "{}", 0o600);
        dir.file(".a.json.orch-mcp-0123456789abcdef", "half", 0o600);
        dir.file(".a.json.orch-mcp-mine", "a person's", 0o600);
        read(&path).expect("read").sweep();
        assert_eq!(dir.names(), [".a.json.orch-mcp-mine", "a.json"]);
    }

    #[test]
    fn what_is_being_written_is_not_swept_away() {
        let dir = Dir::new();
        let found = read(&dir.file("a.json", "{}", 0o600)).expect("read");
        let prepared = found.prepare(Some("[]"), Privacy::Own).unwrap_or_else(|error| panic!("{error}"));
        found.sweep();
        assert!(prepared.commit().is_ok());
        assert_eq!(dir.names(), ["a.json"]);
        assert_eq!(fs::read_to_string(&found.path).expect("read"), "[]");
    }

    #[test]
    fn directories_that_are_missing_are_made_and_taken_back_while_they_are_empty() {
        let dir = Dir::new();
        let dirs = missing_dirs(&dir.path("one/two/file"));
        assert_eq!(dirs, [dir.path("one"), dir.path("one/two")]);
        make_dirs(&dirs, Privacy::Own).expect("made");
        make_dirs(&dirs, Privacy::Own).expect("made by another");
        assert_eq!(mode(&dir.path("one/two")), 0o700);
        dir.file("one/theirs", "", 0o600);
        remove_dirs(&dirs);
        assert!(dir.path("one/theirs").exists() && !dir.path("one/two").exists());
    }
}
