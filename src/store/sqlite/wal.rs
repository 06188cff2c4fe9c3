//! Makes a commit durable after its turn is over: the write-ahead log is synced through SQLite's own handle.
//!
//! A commit at `synchronous=NORMAL` has written its checksummed frames, but not synced them. A sync of the log from
//! here on makes them durable together with all that came before, from whatever process, so the syncs of many
//! committers overlap instead of standing in line. If a checkpoint came between, it has synced the frames itself.
//! Opening the log by its path instead would, on closing, drop the locks that SQLite holds for this process.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use rusqlite::Connection;
use rusqlite::ffi;
use std::ptr;

/// macOS answers a plain sync before its disk has written; only the full one waits.
#[cfg(target_os = "macos")]
const HOW: i32 = ffi::SQLITE_SYNC_FULL;
#[cfg(not(target_os = "macos"))]
const HOW: i32 = ffi::SQLITE_SYNC_NORMAL | ffi::SQLITE_SYNC_DATAONLY;

pub fn sync(db: &Connection) -> Result<()> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is open as long as `db`; the control writes one pointer, to a file that SQLite owns and that
    // stays open while no other call runs on this connection, which `&Connection` (not Sync) rules out.
    let code = unsafe {
        let code = ffi::sqlite3_file_control(
            db.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_JOURNAL_POINTER,
            (&raw mut file).cast(),
        );
        if code != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
            return Err(Error::internal(format!("the log's handle is not to be had: code {code}")));
        }
        match (*(*file).pMethods).xSync {
            Some(sync) => sync(file, HOW),
            None => ffi::SQLITE_IOERR_FSYNC,
        }
    };
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unavailable,
        format!("the disk did not confirm the last change (code {code}); it may be lost"),
    )
    .hint("check the disk, then start again and look whether the change is there"))
}
