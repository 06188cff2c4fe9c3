//! The files that a store was opened on, and whether they are still the ones that stand there.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::store::place::Place;
use std::cell::Cell;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Two changes of a directory closer together than this may carry the same time.
const TIMES_DIFFER_AFTER: Duration = Duration::from_millis(20);

/// The store file, its log and its shared memory: should one of them be gone or another in its place, this process
/// stops, or it would go on by itself.
pub struct Files {
    dir: PathBuf,
    /// Each with the inode it had when it was opened.
    opened: [(PathBuf, Inode); 3],
    /// The directory as it was when all of them were found in it: while it is unchanged, so are they. To ask each file
    /// at every call would cost three times as much, and on Linux the next sync of a file too, whose times were asked
    /// for.
    found_in: Cell<Option<Found>>,
}

#[derive(Clone, Copy)]
struct Found {
    stamp: Stamp,
    /// From then on, the next change of the directory is sure to carry another time.
    distinct: Deadline,
    /// They were found after that.
    for_sure: bool,
}

/// A file's device and inode.
type Inode = (u64, u64);

/// A directory's inode, and when anything in it was last made, removed or renamed.
type Stamp = (Inode, (i64, i64));

impl Files {
    pub fn of(place: &Place) -> Result<Files> {
        let mut opened = place.store_files().map(|file| (file, Inode::default()));
        for (file, found) in &mut opened {
            *found = inode(file)
                .map_err(|error| Error::new(Kind::Unavailable, format!("the store file cannot be found: {error}")))?;
        }
        Ok(Files { dir: place.dir().to_owned(), opened, found_in: Cell::new(None) })
    }

    pub fn check(&self) -> Result<()> {
        let Ok(stamp) = stamp(&self.dir) else { return Err(gone()) };
        let before = self.found_in.get().filter(|found| found.stamp == stamp);
        if before.is_some_and(|found| found.for_sure) {
            return Ok(());
        }
        let distinct = before.map_or_else(|| Deadline::after(TIMES_DIFFER_AFTER), |found| found.distinct);
        let for_sure = distinct.passed();
        if !self.opened.iter().all(|(file, opened)| inode(file).is_ok_and(|found| found == *opened)) {
            return Err(gone());
        }
        self.found_in.set(Some(Found { stamp, distinct, for_sure }));
        Ok(())
    }
}

fn gone() -> Error {
    Error::new(Kind::Unavailable, "a file of the store was removed or replaced while it was open")
        .hint("start again; never move, copy or remove files of a store that is in use")
}

fn inode(file: &Path) -> io::Result<Inode> {
    std::fs::symlink_metadata(file).map(|found| (found.dev(), found.ino()))
}

fn stamp(dir: &Path) -> io::Result<Stamp> {
    let found = std::fs::symlink_metadata(dir)?;
    Ok(((found.dev(), found.ino()), (found.ctime(), found.ctime_nsec())))
}
