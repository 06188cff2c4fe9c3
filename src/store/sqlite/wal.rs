//! The write-ahead log: written back while it is our turn, and made durable after the turn is over.
//!
//! A commit at `synchronous=NORMAL` has written its checksummed frames, but not synced them. A sync of the log from
//! here on makes them durable together with all that came before, from whatever process, so the syncs of many
//! committers overlap instead of standing in line. If the log was written back in between, that has synced the frames.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::store::sqlite::BUSY_TIMEOUT;
use crate::store::sqlite::failed;
use crate::store::sqlite::handle;
use rusqlite::Connection;
use rusqlite::ffi;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use std::ffi::CStr;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// macOS answers a plain sync before its disk has written; only the full one waits.
#[cfg(target_os = "macos")]
const HOW: i32 = ffi::SQLITE_SYNC_FULL;
#[cfg(not(target_os = "macos"))]
const HOW: i32 = ffi::SQLITE_SYNC_NORMAL | ffi::SQLITE_SYNC_DATAONLY;

/// Somebody reads at every moment, so the log never begins anew: from so many times its length on it is worth waiting for
/// them, and again each time it has grown by its length.
const LENGTHS_WAITED_FOR: u32 = 4;
const READERS_PATIENCE: Duration = Duration::from_millis(250);

/// How long the log is, as the last commit of this connection told.
///
/// We write it back ourselves, because SQLite would swallow a sync that fails on the way. The system tells of that only
/// once, so our own sync after it would be told that all is well.
pub struct Log {
    pages: Arc<AtomicU32>,
    /// It is written back from so many pages on.
    length: u32,
    waited_at: u32,
}

impl Log {
    pub fn watch(db: &mut Connection, length: u32) -> Result<Log> {
        let pages = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&pages);
        let tell = move |_: &mut Wal, pages: c_int| {
            told.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        };
        db.wal_hook(Some(tell)).map_err(failed)?;
        Ok(Log { pages, length, waited_at: 0 })
    }

    /// Called after a commit, while nobody else may write. Fails only if the disk did not confirm what it was given;
    /// whatever else is in the way, the next commit tries again.
    pub fn write_back(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let pages = self.pages.swap(0, Ordering::Relaxed);
        if pages < self.length {
            self.waited_at = 0;
            return Ok(());
        }
        let wait = pages >= LENGTHS_WAITED_FOR * self.length && pages >= self.waited_at + self.length;
        let written = if wait {
            self.waited_at = pages;
            truncate(db)
        } else {
            db.wal_checkpoint_v2(None::<&CStr>, CheckpointMode::PASSIVE).map(drop)
        };
        match written {
            Err(error) if is_sync_failure(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// As much of it as nobody reads from any more, whatever its length. Called as `write_back` is.
    pub fn write_all_back(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.pages.store(0, Ordering::Relaxed);
        truncate(db)
    }
}

fn truncate(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(READERS_PATIENCE)?;
    let written = db.wal_checkpoint_v2(None::<&CStr>, CheckpointMode::TRUNCATE);
    db.busy_timeout(BUSY_TIMEOUT)?;
    written.map(drop)
}

/// What was written may be gone, and no later sync will tell: nothing this process says of it can be trusted any more.
pub fn is_sync_failure(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(error, _) if error.extended_code == ffi::SQLITE_IOERR_FSYNC)
}

pub fn not_confirmed() -> Error {
    Error::new(Kind::Unavailable, "the disk did not confirm the last change; it may be lost")
        .hint("check the disk, then start again and look whether the change is there")
}

pub fn sync(db: &Connection) -> Result<()> {
    if handle::sync_log(db, HOW)? == ffi::SQLITE_OK { Ok(()) } else { Err(not_confirmed()) }
}
