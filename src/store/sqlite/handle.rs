//! SQLite's own handles on its files: what must be done to a file is done through them, because opening the store file or
//! its shared memory a second time would, on closing, drop the locks that SQLite holds for this process. The log has none.

use crate::error::Error;
use crate::error::Result;
use rusqlite::Connection;
use rusqlite::ffi;
use std::ffi::c_int;
use std::ptr;

/// Calls `with` on an open file of this connection; its answer is a result code of SQLite's.
fn on(
    db: &Connection,
    which: c_int,
    with: impl FnOnce(*mut ffi::sqlite3_file, &ffi::sqlite3_io_methods) -> c_int,
) -> Result<c_int> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is open as long as `db`; the control writes one pointer, to a file that SQLite owns and that
    // stays open while no other call runs on this connection, which `&Connection` (not Sync) rules out.
    unsafe {
        let code = ffi::sqlite3_file_control(db.handle(), c"main".as_ptr(), which, (&raw mut file).cast());
        if code != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
            return Err(Error::internal(format!("a handle of SQLite's is not to be had: code {code}")));
        }
        Ok(with(file, &*(*file).pMethods))
    }
}

/// Makes the write-ahead log durable; says SQLite's code.
pub fn sync_log(db: &Connection, how: c_int) -> Result<c_int> {
    on(db, ffi::SQLITE_FCNTL_JOURNAL_POINTER, |file, methods| match methods.xSync {
        // SAFETY: the file is open, and its methods are its own.
        Some(sync) => unsafe { sync(file, how) },
        None => ffi::SQLITE_IOERR_FSYNC,
    })
}

/// A number that differs after every commit, also of this connection. Of others' commits it knows once a transaction has
/// begun after them.
pub fn commits_seen(db: &Connection) -> Result<u32> {
    let mut seen = 0u32;
    // SAFETY: the handle is open as long as `db`, and the control writes one number of this size.
    let code = unsafe {
        let version = ffi::SQLITE_FCNTL_DATA_VERSION;
        ffi::sqlite3_file_control(db.handle(), c"main".as_ptr(), version, (&raw mut seen).cast())
    };
    if code == ffi::SQLITE_OK { Ok(seen) } else { Err(Error::internal(format!("no count of commits: code {code}"))) }
}

/// The first bytes of the database file; `None` where it is shorter.
pub fn first_bytes<const N: usize>(db: &Connection) -> Result<Option<[u8; N]>> {
    let mut bytes = [0u8; N];
    let code = on(db, ffi::SQLITE_FCNTL_FILE_POINTER, |file, methods| match methods.xRead {
        // SAFETY: the file is open, its methods are its own, and `bytes` has room for what is asked.
        Some(read) => unsafe { read(file, bytes.as_mut_ptr().cast(), N as c_int, 0) },
        None => ffi::SQLITE_IOERR_READ,
    })?;
    Ok((code == ffi::SQLITE_OK).then_some(bytes))
}
