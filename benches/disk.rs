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

struct Usual {
    vfs: ffi::sqlite3_vfs,
    log: OnceLock<ffi::sqlite3_io_methods>,
}

// SAFETY: it is filled before anything is opened, and only read from then on.
unsafe impl Sync for Usual {}
// SAFETY: as above.
unsafe impl Send for Usual {}

static USUAL: OnceLock<Usual> = OnceLock::new();
static SLOWER: OnceLock<Slower> = OnceLock::new();

struct Slower(ffi::sqlite3_io_methods);

// SAFETY: a table of functions, only read.
unsafe impl Sync for Slower {}
// SAFETY: as above.
unsafe impl Send for Slower {}

/// From here on, every sync of a write-ahead log in this process takes longer. Before anything is opened.
pub fn become_slower() {
    // SAFETY: the system's file layer is copied and registered under another name with one function replaced, which
    // calls the copied one; both live as long as the process.
    unsafe {
        let usual = *ffi::sqlite3_vfs_find(ptr::null());
        USUAL.get_or_init(|| Usual { vfs: usual, log: OnceLock::new() });
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
    let usual = USUAL.get().expect("it is set before this is registered");
    // SAFETY: the same arguments go on to the system's own function, and a file that it opened has its methods.
    unsafe {
        let code = usual.vfs.xOpen.expect("every file layer opens files")(vfs, name, file, flags, flags_out);
        if code == ffi::SQLITE_OK && flags & ffi::SQLITE_OPEN_WAL != 0 {
            let methods = usual.log.get_or_init(|| *(*file).pMethods);
            let slower = SLOWER.get_or_init(|| Slower(ffi::sqlite3_io_methods { xSync: Some(sync), ..*methods }));
            (*file).pMethods = &slower.0;
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, how: c_int) -> c_int {
    let usual = USUAL.get().and_then(|usual| usual.log.get()).expect("a file was opened");
    // SAFETY: the file is one of those that the usual methods are for.
    let code = unsafe { usual.xSync.expect("every file is synced")(file, how) };
    thread::sleep(LONGER);
    code
}
