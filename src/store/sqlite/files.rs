//! The files that a store was opened on, and whether they are still the ones that stand there.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::store::place::Place;
use std::cell::Cell;
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Two changes of a directory closer together than this may carry the same time.
const TIMES_DIFFER_AFTER: Duration = Duration::from_millis(20);
/// Likewise where times are whole seconds, as on ext4 with small inodes and on HFS+, or every other second.
const WHOLE_SECONDS_DIFFER_AFTER: Duration = Duration::from_millis(2_100);

/// How long a change above the directory may go unnoticed.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The store file, its log and its shared memory: should one of them be gone or another in its place, this process
/// stops, or it would go on by itself.
pub struct Files {
    /// Asked by its handle, which costs a tenth of asking by its path. To be moved or removed changes it too.
    dir: File,
    path: PathBuf,
    /// Each with the inode it had when it was opened.
    opened: [(PathBuf, Inode); 3],
    /// The directory as it was when all of them were found in it: while it is unchanged, so are they. To ask each file at
    /// every call costs three times as much, and on Linux makes the next sync of that file dearer too.
    found_in: Cell<Option<Found>>,
}

#[derive(Clone, Copy)]
struct Found {
    stamp: Stamp,
    /// From then on, the next change of the directory is sure to carry another time.
    distinct: Deadline,
    /// They were found after that.
    for_sure: bool,
    /// Whoever moves a directory above it leaves no trace in it.
    look_again: Deadline,
}

/// A file's device and inode.
type Inode = (u64, u64);

/// A directory's inode, and when anything in it was last made, removed or renamed.
type Stamp = (Inode, (i64, i64));

impl Files {
    pub fn of(place: &Place) -> Result<Files> {
        let mut opened = place.store_files().map(|file| (file, Inode::default()));
        for (file, found) in &mut opened {
            *found = inode_at(file)
                .map_err(|error| Error::new(Kind::Unavailable, format!("the store file cannot be found: {error}")))?;
        }
        let path = place.dir().to_owned();
        let dir = File::open(&path)
            .map_err(|error| Error::new(Kind::Unavailable, format!("the state directory cannot be opened: {error}")))?;
        Ok(Files { dir, path, opened, found_in: Cell::new(None) })
    }

    pub fn check(&self) -> Result<()> {
        let Ok(stamp) = self.dir.metadata().map(|found| stamp(&found)) else { return Err(gone()) };
        let before = self.found_in.get().filter(|found| found.stamp == stamp);
        if before.is_some_and(|found| found.for_sure && !found.look_again.passed()) {
            return Ok(());
        }
        if !std::fs::symlink_metadata(&self.path).is_ok_and(|found| inode(&found) == stamp.0) {
            return Err(gone());
        }
        let distinct = before.map_or_else(|| Deadline::after(differ_after(&stamp)), |found| found.distinct);
        let for_sure = distinct.passed();
        if !self.opened.iter().all(|(file, opened)| inode_at(file).is_ok_and(|found| found == *opened)) {
            return Err(gone());
        }
        self.found_in.set(Some(Found { stamp, distinct, for_sure, look_again: Deadline::after(LOOKS_AGAIN_AFTER) }));
        Ok(())
    }
}

fn gone() -> Error {
    Error::new(Kind::Unavailable, "a file of the store was removed or replaced while it was open")
        .hint("start again; never move, copy or remove files of a store that is in use")
}

fn inode_at(file: &Path) -> io::Result<Inode> {
    std::fs::symlink_metadata(file).map(|found| inode(&found))
}

fn inode(found: &Metadata) -> Inode {
    (found.dev(), found.ino())
}

fn stamp(found: &Metadata) -> Stamp {
    (inode(found), (found.ctime(), found.ctime_nsec()))
}

fn differ_after((_, (_, nanos)): &Stamp) -> Duration {
    if *nanos == 0 { WHOLE_SECONDS_DIFFER_AFTER } else { TIMES_DIFFER_AFTER }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What does differ so is shown by the next test, with TMPDIR on such a file system.
    #[test]
    fn times_in_whole_seconds_are_trusted_later() {
        let stamp = |nanos| (Inode::default(), (1, nanos));
        assert!(differ_after(&stamp(0)) > Duration::from_secs(2));
        assert_eq!(differ_after(&stamp(1)), TIMES_DIFFER_AFTER);
    }

    fn a_place() -> (Place, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(dir.path());
        for file in place.store_files() {
            fs::write(file, "").unwrap();
        }
        (place, dir)
    }

    /// Before the directory alone is trusted, and after.
    #[test]
    fn a_file_that_was_removed_or_replaced_is_noticed() {
        for for_sure in [false, true] {
            for file in 0..3 {
                for replaced in [false, true] {
                    let (place, _dir) = a_place();
                    let files = Files::of(&place).unwrap();
                    files.check().unwrap();
                    while for_sure && !files.found_in.get().unwrap().for_sure {
                        files.check().unwrap();
                    }
                    let path = &place.store_files()[file];
                    match replaced {
                        true => {
                            fs::copy(path, path.with_extension("new")).unwrap();
                            fs::rename(path.with_extension("new"), path).unwrap();
                        }
                        false => fs::remove_file(path).unwrap(),
                    }
                    assert!(files.check().is_err(), "file {file}, replaced {replaced}, for sure {for_sure}");
                }
            }
        }
    }

    #[test]
    fn a_directory_that_was_replaced_is_noticed_and_other_files_in_it_are_not() {
        let (place, dir) = a_place();
        let files = Files::of(&place).unwrap();
        while !files.found_in.get().is_some_and(|found| found.for_sure) {
            files.check().unwrap();
        }
        fs::write(dir.path().join("notes"), "").unwrap();
        files.check().unwrap();
        let (moved, copy) = (dir.path().with_extension("moved"), dir.path().to_owned());
        fs::rename(dir.path(), &moved).unwrap();
        assert!(files.check().is_err());
        fs::rename(&moved, copy).unwrap();
        files.check().unwrap();
    }

    #[test]
    fn a_directory_above_that_was_moved_is_noticed_in_time() {
        let above = tempfile::tempdir().unwrap();
        let place = Place::at(above.path().join("a/state"));
        fs::create_dir_all(place.dir()).unwrap();
        for file in place.store_files() {
            fs::write(file, "").unwrap();
        }
        let files = Files::of(&place).unwrap();
        while !files.found_in.get().is_some_and(|found| found.for_sure) {
            files.check().unwrap();
        }
        fs::rename(above.path().join("a"), above.path().join("b")).unwrap();
        let too_late = Deadline::after(10 * LOOKS_AGAIN_AFTER);
        while files.check().is_ok() {
            assert!(!too_late.passed());
            std::thread::yield_now();
        }
    }
}
