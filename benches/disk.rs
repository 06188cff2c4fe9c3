//! A disk that takes longer to confirm a sync than the one at hand: the time of a sync is what most tells disks apart.

use rusqlite::ffi;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ptr;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// A disk without a cache that forgets is slower by this much, and mostly by more.
pub const LONGER: Duration = Duration::from_micros(500);
pub const LONGER_IN_WORDS: &str = "0.5 ms";

type Open =
    unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, *mut ffi::sqlite3_file, c_int, *mut c_int) -> c_int;

static USUAL_OPEN: OnceLock<Open> = OnceLock::new();
static LOG: OnceLock<Log> = OnceLock::new();

/// What is done with a write-ahead log, by the system's file layer and here.
struct Log {
    usual: ffi::sqlite3_io_methods,
    slower: ffi::sqlite3_io_methods,
}

/// From here on, every sync of a write-ahead log in this process takes longer. Before anything is opened.
pub fn become_slower() {
    // SAFETY: the system's file layer is copied and registered under another name with one function replaced, which
    // calls the copied one; both live as long as the process.
    unsafe {
        let usual = *ffi::sqlite3_vfs_find(ptr::null());
        USUAL_OPEN.get_or_init(|| usual.xOpen.expect("every file layer opens files"));
        let slower = Box::leak(Box::new(usual));
        slower.zName = c"slower".as_ptr();
        slower.pNext = ptr::null_mut();
        slower.xOpen = Some(open);
        assert_eq!(ffi::sqlite3_vfs_register(slower, 1), ffi::SQLITE_OK, "there is memory");
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let usual = USUAL_OPEN.get().expect("it is set before this is registered");
    // SAFETY: the same arguments go on to the system's own function, and a file that it opened has its methods.
    unsafe {
        let code = usual(vfs, name, file, flags, flags_out);
        if code == ffi::SQLITE_OK && flags & ffi::SQLITE_OPEN_WAL != 0 {
            let usual = *(*file).pMethods;
            let log = LOG.get_or_init(|| Log { usual, slower: ffi::sqlite3_io_methods { xSync: Some(sync), ..usual } });
            (*file).pMethods = &log.slower;
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, how: c_int) -> c_int {
    let usual = &LOG.get().expect("a log was opened").usual;
    // SAFETY: the file is one of those that the usual methods are for.
    let code = unsafe { usual.xSync.expect("every file is synced")(file, how) };
    thread::sleep(LONGER);
    code
}
