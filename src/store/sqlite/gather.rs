//! A thin layer over SQLite's own file layer: it gathers what SQLite writes to its log piece by piece, two pieces for
//! each page, so that a commit is one write.
//!
//! Nothing that others may see is held back: SQLite tells others of a commit only after it has written the last page of
//! it, and with that page everything goes out, or the write of it fails. Whatever else looks at the log or changes it
//! otherwise sees what was gathered.
//!
//! For this, SQLite must write to the log in a commit and at no other time (`cache_spill` is off). Of what it wrote
//! earlier we would not be told that it is undone, and would put it out where others have written since; and a commit
//! that mends what was written earlier ends not with a page, but with its announcement.

use crate::error::Error;
use crate::error::Result;
use rusqlite::ffi;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::ffi::CString;
use std::ffi::OsStr;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::fs::File;
use std::fs::OpenOptions;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Enough for almost every commit; longer ones go out in parts. The system's layer takes less than 128 KiB at once.
const GATHERED_MAX: usize = 64 * 1024;

/// How the log announces a page: its number, then, on the last page of a commit, how many pages the database has.
const FRAME_HEADER: usize = 24;
const PAGES_AFTER_COMMIT: std::ops::Range<usize> = 4..8;

type Methods = ffi::sqlite3_io_methods;

/// A file layer of SQLite's, with what it is over.
#[repr(C)]
struct Layer {
    /// First, so that a pointer to it is one to the whole.
    vfs: ffi::sqlite3_vfs,
    below: *mut ffi::sqlite3_vfs,
    is_over_the_system: bool,
    name: CString,
}

/// What is kept behind an open log, in the room that SQLite gives for each file.
#[repr(C)]
struct OpenLog {
    /// First, so that the file's pointer to its methods is one to the whole.
    methods: Methods,
    below: *const Methods,
    gathered: Vec<u8>,
    /// Where in the log the gathered bytes belong.
    offset: i64,
    /// The page that comes next is the last one of a commit.
    commits: bool,
    /// The same log, for what the layer below cannot do: to sync what is in it and not also when it was written, which
    /// would be one more write. No lock is lost when it is closed: SQLite locks no part of the log.
    own: Option<File>,
}

/// The name of this layer over that one; over SQLite's default for `None`.
pub fn over(below: Option<&str>) -> Result<String> {
    static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("gather-{}", below.unwrap_or_default());
    if !made.contains(&name) {
        register(below, &name)?;
        made.insert(name.clone());
    }
    Ok(name)
}

fn register(below: Option<&str>, name: &str) -> Result<()> {
    let below = below.map(CString::new).transpose().map_err(Error::internal)?;
    let name = CString::new(name).map_err(Error::internal)?;
    // SAFETY: SQLite's layers are never taken away again. Ours is a copy of the one below, whose other functions get ours
    // to look at: what they look for must stand in the layer itself, as with the system's, or behind its `pAppData`, and
    // not behind the layer in memory. Ours lives as long as the process, as does its name.
    let code = unsafe {
        let below = ffi::sqlite3_vfs_find(below.as_ref().map_or(ptr::null(), |name| name.as_ptr()));
        if below.is_null() {
            return Err(Error::internal("SQLite has no such file layer"));
        }
        // Whoever puts another layer there wants to see our syncs.
        let is_over_the_system = CStr::from_ptr((*below).zName) == c"unix";
        let layer = Box::leak(Box::new(Layer { vfs: *below, below, is_over_the_system, name }));
        layer.vfs.zName = layer.name.as_ptr();
        layer.vfs.pNext = ptr::null_mut();
        layer.vfs.szOsFile = log_at(below) as c_int + size_of::<OpenLog>() as c_int;
        layer.vfs.xOpen = Some(open);
        ffi::sqlite3_vfs_register(&mut layer.vfs, 0)
    };
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(Error::internal(format!("no file layer: code {code}"))) }
}

/// Where behind a file of the layer below there is room for an `OpenLog`.
unsafe fn log_at(below: *mut ffi::sqlite3_vfs) -> usize {
    // SAFETY: the caller's layer is one of SQLite's.
    let theirs = unsafe { (*below).szOsFile } as usize;
    theirs.next_multiple_of(align_of::<OpenLog>())
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: this function stands in no other layer than ours; `file` has the room that ours asks for, aligned as
    // memory of SQLite's is, to eight bytes; and what the layer below opened has its methods.
    unsafe {
        let below = (*vfs.cast::<Layer>()).below;
        let Some(theirs) = (*below).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = theirs(below, name, file, flags, flags_out);
        let usual = (*file).pMethods;
        if code != ffi::SQLITE_OK || flags & ffi::SQLITE_OPEN_WAL == 0 || usual.is_null() {
            return code;
        }
        let methods = Methods {
            xClose: Some(close),
            xRead: Some(read),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            xFileSize: Some(file_size),
            ..*usual
        };
        let own = if (*vfs.cast::<Layer>()).is_over_the_system { open_again(CStr::from_ptr(name)) } else { None };
        let log = file.cast::<u8>().add(log_at(below)).cast::<OpenLog>();
        log.write(OpenLog { methods, below: usual, gathered: Vec::new(), offset: 0, commits: false, own });
        (*file).pMethods = log.cast();
        code
    }
}

impl OpenLog {
    /// SAFETY: the file is one that `open` has opened, and not closed.
    unsafe fn of<'a>(file: *mut ffi::sqlite3_file) -> &'a mut OpenLog {
        // SAFETY: its pointer to its methods is one to its log, which nobody else borrows: SQLite asks for one thing of
        // a file at a time.
        unsafe { &mut *(*file).pMethods.cast_mut().cast() }
    }

    fn write(&mut self, file: *mut ffi::sqlite3_file, bytes: &[u8], offset: i64) -> c_int {
        let end = self.offset + self.gathered.len() as i64;
        if offset != end || self.gathered.len() + bytes.len() > GATHERED_MAX {
            let code = self.put_out(file);
            if code != ffi::SQLITE_OK {
                return code;
            }
            self.offset = offset;
        }
        if self.gathered.try_reserve(bytes.len()).is_err() {
            self.gathered.clear();
            return ffi::SQLITE_IOERR_NOMEM;
        }
        self.gathered.extend_from_slice(bytes);
        let announces = bytes.len() == FRAME_HEADER;
        let commits = mem::replace(&mut self.commits, announces && bytes[PAGES_AFTER_COMMIT] != [0; 4]);
        if commits && !announces { self.put_out(file) } else { ffi::SQLITE_OK }
    }

    /// Everything gathered, to the layer below. What it does not take is gone, and so is the commit.
    fn put_out(&mut self, file: *mut ffi::sqlite3_file) -> c_int {
        if self.gathered.is_empty() {
            return ffi::SQLITE_OK;
        }
        // SAFETY: the file is open, and the methods below are its own.
        let code = match unsafe { (*self.below).xWrite } {
            Some(theirs) => unsafe {
                theirs(file, self.gathered.as_ptr().cast(), self.gathered.len() as c_int, self.offset)
            },
            None => ffi::SQLITE_IOERR_WRITE,
        };
        self.gathered.clear();
        code
    }
}

/// What the layer below does, once it has what was gathered.
macro_rules! below {
    ($file:ident, $method:ident, $missing:expr $(, $argument:expr)*) => {{
        // SAFETY: SQLite calls this only on a file that `open` has opened, with arguments that are right for the layer
        // below too.
        unsafe {
            let log = OpenLog::of($file);
            match (log.put_out($file), (*log.below).$method) {
                (ffi::SQLITE_OK, Some(theirs)) => theirs($file $(, $argument)*),
                (ffi::SQLITE_OK, None) => $missing,
                (code, _) => code,
            }
        }
    }};
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, length: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite calls this only on a file that `open` has opened, and `bytes` are as many as it says.
    let (log, bytes) = unsafe { (OpenLog::of(file), slice::from_raw_parts(bytes.cast(), length as usize)) };
    log.write(file, bytes, offset)
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, length: c_int, offset: i64) -> c_int {
    below!(file, xRead, ffi::SQLITE_IOERR_READ, into, length, offset)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    below!(file, xTruncate, ffi::SQLITE_IOERR_TRUNCATE, length)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, how: c_int) -> c_int {
    // SAFETY: SQLite, and whoever has the handle from it, calls this only on a file that `open` has opened.
    let log = unsafe { OpenLog::of(file) };
    if log.own.is_none() || how & ffi::SQLITE_SYNC_DATAONLY == 0 {
        return below!(file, xSync, ffi::SQLITE_IOERR_FSYNC, how);
    }
    match (log.put_out(file), &log.own) {
        (ffi::SQLITE_OK, Some(own)) if own.sync_data().is_ok() => ffi::SQLITE_OK,
        (ffi::SQLITE_OK, _) => ffi::SQLITE_IOERR_FSYNC,
        (code, _) => code,
    }
}

fn open_again(path: &CStr) -> Option<File> {
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path).ok()
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    below!(file, xFileSize, ffi::SQLITE_IOERR_FSTAT, size)
}

/// What was gathered and not put out belongs to no commit.
unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this once, on a file that `open` has opened; the log is not looked at again.
    unsafe {
        let log = (*file).pMethods.cast_mut().cast::<OpenLog>();
        let usual = (*log).below;
        log.drop_in_place();
        (*file).pMethods = usual;
        match (*usual).xClose {
            Some(theirs) => theirs(file),
            None => ffi::SQLITE_IOERR_CLOSE,
        }
    }
}
