//! A disk for tests: a SQLite file layer over the system's that records what was written and synced in its true order,
//! tells what a power cut at any moment would leave behind, and fails when it is told to.

mod record;

use crate::support::world::World;
use orch_mcp::store::Options;
use record::FileNumber;
use rusqlite::ffi;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::mem::size_of;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;

pub use record::Act;
pub use record::Left;
pub use record::Record;

/// A sync takes until others did so much, so that logs begin anew meanwhile; or until it asked so often, as the others
/// may all be in a sync too.
const ACTS_DURING_A_SYNC: usize = 40;
const SYNC_YIELDS: usize = 500;

/// Which calls fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub on: Call,
    /// The how-manieth from now on, beginning with 1.
    pub nth: u64,
    /// All that come after it fail as well, until the disk is mended.
    pub lasting: bool,
    /// An error of SQLite's.
    pub code: c_int,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A write or a change of a file's length. Half of what was to be written arrives.
    Write,
    Sync,
    /// More memory for the index that processes share.
    Share,
    Open,
}

/// A disk, known to SQLite by its name.
#[derive(Clone, Copy)]
pub struct Disk(&'static Shared);

struct Shared {
    name: CString,
    system: *mut ffi::sqlite3_vfs,
    state: Mutex<State>,
}

// SAFETY: the system's file layer is made for many threads, and everything else lies behind the mutex.
unsafe impl Sync for Shared {}

#[derive(Default)]
struct State {
    recording: bool,
    log: Vec<Act>,
    /// The files that have a name, by their path.
    files: BTreeMap<String, FileNumber>,
    files_made: usize,
    fault: Option<Fault>,
    calls: u64,
    failed: u64,
}

impl Disk {
    /// A disk that syncs nothing, as whoever wants to cut the power has the record, and nobody else has to wait.
    pub fn new() -> Disk {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-disk-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).expect("there is no NUL in it");
        // SAFETY: the system's layer is registered for as long as the process lives, and so is ours, which is leaked.
        unsafe {
            let system = ffi::sqlite3_vfs_find(ptr::null());
            let shared: &'static Shared = Box::leak(Box::new(Shared { name, system, state: Mutex::default() }));
            let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
                iVersion: 2,
                szOsFile: size_of::<OpenFile>() as c_int + (*system).szOsFile,
                mxPathname: (*system).mxPathname,
                pNext: ptr::null_mut(),
                zName: shared.name.as_ptr(),
                pAppData: ptr::from_ref(shared).cast_mut().cast(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_pathname),
                xDlOpen: None,
                xDlError: None,
                xDlSym: None,
                xDlClose: None,
                xRandomness: Some(randomness),
                xSleep: Some(sleep),
                xCurrentTime: None,
                xGetLastError: Some(last_error),
                xCurrentTimeInt64: Some(current_time),
                xSetSystemCall: None,
                xGetSystemCall: None,
                xNextSystemCall: None,
            }));
            assert_eq!(ffi::sqlite3_vfs_register(vfs, 0), ffi::SQLITE_OK);
            Disk(shared)
        }
    }

    /// A disk that also keeps a record of all that happens on it. It must be the first to see its files.
    pub fn recording() -> Disk {
        let disk = Disk::new();
        disk.state().recording = true;
        disk
    }

    pub fn name(self) -> String {
        self.0.name.to_string_lossy().into_owned()
    }

    /// A world whose store lies on this disk.
    pub fn world(self) -> World {
        let world = World::new();
        World { options: Options { vfs: Some(self.name()), ..world.options.clone() }, ..world }
    }

    /// Say in the record that somebody was told that this is durable.
    pub fn acknowledge(self, what: impl Into<String>) {
        self.state().note(Act::Acknowledged(what.into()));
    }

    /// The disk after a cut of another: what was left there is durable here.
    pub fn begin_with(self, left: &Left, dir: &Path) {
        left.put_into(dir);
        let mut state = self.state();
        for (name, bytes) in &left.files {
            let file = state.file(&dir.join(name).to_string_lossy());
            let began = state.log.len() + 1;
            state.note(Act::Wrote { file, at: 0, bytes: bytes.clone() });
            state.note(Act::SyncEnded { file, began, with_names: true });
        }
    }

    /// How much happened until now.
    pub fn acts(self) -> usize {
        self.state().log.len()
    }

    pub fn record(self) -> Record {
        Record(self.state().log.clone())
    }

    /// From now on, calls fail.
    pub fn fail(self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.calls = 0;
        state.failed = 0;
    }

    /// No more calls fail; says how many did.
    pub fn mend(self) -> u64 {
        let mut state = self.state();
        state.fault = None;
        state.failed
    }

    fn state(self) -> MutexGuard<'static, State> {
        self.0.state()
    }
}

impl Shared {
    fn state(&'static self) -> MutexGuard<'static, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, act: Act) {
        if self.recording {
            self.log.push(act);
        }
    }

    /// Does this call fail?
    fn fault(&mut self, call: Call) -> Option<c_int> {
        let fault = self.fault.filter(|fault| fault.on == call)?;
        self.calls += 1;
        let strikes = self.calls == fault.nth || (fault.lasting && self.calls > fault.nth);
        self.failed += u64::from(strikes);
        strikes.then_some(fault.code)
    }

    fn file(&mut self, path: &str) -> FileNumber {
        if let Some(file) = self.files.get(path) {
            return *file;
        }
        let file = self.files_made;
        self.files_made += 1;
        self.files.insert(path.to_owned(), file);
        self.note(Act::Created { file, name: last_part(path) });
        file
    }
}

fn last_part(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A file as SQLite holds it: ours, with the system's behind it in the same piece of memory.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    disk: &'static Shared,
    file: FileNumber,
    recorded: bool,
    /// SQLite's layer syncs the directory with the first sync of a log or journal that it may have made.
    names_unsynced: bool,
}

impl OpenFile {
    fn state(&self) -> MutexGuard<'static, State> {
        self.disk.state()
    }

    fn note(&self, state: &mut State, act: impl FnOnce(FileNumber) -> Act) {
        if self.recorded {
            state.note(act(self.file));
        }
    }
}

/// The system's file behind ours.
///
/// # Safety
/// `file` must have been opened by `open`, as all below are that SQLite hands back to us.
unsafe fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<u8>().add(size_of::<OpenFile>()).cast() }
}

/// # Safety
/// As for `behind`.
unsafe fn ours<'a>(file: *mut ffi::sqlite3_file) -> &'a mut OpenFile {
    unsafe { &mut *file.cast() }
}

/// The disk of a file layer, and the system's layer under it.
///
/// # Safety
/// `vfs` must be one of ours.
unsafe fn disk_of(vfs: *mut ffi::sqlite3_vfs) -> (&'static Shared, *mut ffi::sqlite3_vfs) {
    unsafe {
        let shared: &'static Shared = &*(*vfs).pAppData.cast();
        (shared, shared.system)
    }
}

unsafe fn text(path: *const c_char) -> String {
    unsafe { CStr::from_ptr(path).to_string_lossy().into_owned() }
}

// The methods of the system's layer are all there, as it is of the newest kind.
macro_rules! call {
    ($object:expr, $method:ident ( $($argument:expr),* )) => {
        match (*$object).$method {
            Some(method) => method($($argument),*),
            None => ffi::SQLITE_NOTFOUND,
        }
    };
}

macro_rules! call_behind {
    ($file:expr, $method:ident ( $($argument:expr),* )) => {{
        let behind = behind($file);
        call!((*behind).pMethods, $method(behind $(, $argument)*))
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    unsafe {
        let (shared, system) = disk_of(vfs);
        let mut state = shared.state();
        let behind = file.cast::<u8>().add(size_of::<OpenFile>()).cast::<ffi::sqlite3_file>();
        (*behind).pMethods = ptr::null();
        (*file).pMethods = ptr::null();
        if let Some(code) = state.fault(Call::Open) {
            return code;
        }
        let code = call!(system, xOpen(system, name, behind, flags, flags_out));
        if code != ffi::SQLITE_OK {
            return code;
        }
        let kinds = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;
        let recorded = flags & kinds != 0 && !name.is_null();
        let number = if recorded { state.file(&text(name)) } else { 0 };
        file.cast::<OpenFile>().write(OpenFile {
            base: ffi::sqlite3_file { pMethods: &METHODS },
            disk: shared,
            file: number,
            recorded,
            names_unsynced: flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & ffi::SQLITE_OPEN_MAIN_DB == 0,
        });
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    unsafe {
        let (shared, system) = disk_of(vfs);
        let mut state = shared.state();
        let code = call!(system, xDelete(system, name, 0));
        if code == ffi::SQLITE_OK {
            let path = text(name);
            state.files.remove(&path);
            state.note(Act::Deleted { name: last_part(&path), durably: sync_dir != 0 });
        }
        code
    }
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, found: *mut c_int) -> c_int {
    unsafe {
        let (_, system) = disk_of(vfs);
        call!(system, xAccess(system, name, flags, found))
    }
}

unsafe extern "C" fn full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    length: c_int,
    full: *mut c_char,
) -> c_int {
    unsafe {
        let (_, system) = disk_of(vfs);
        call!(system, xFullPathname(system, name, length, full))
    }
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, length: c_int, bytes: *mut c_char) -> c_int {
    unsafe {
        let (_, system) = disk_of(vfs);
        call!(system, xRandomness(system, length, bytes))
    }
}

unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    unsafe {
        let (_, system) = disk_of(vfs);
        call!(system, xSleep(system, micros))
    }
}

unsafe extern "C" fn last_error(vfs: *mut ffi::sqlite3_vfs, length: c_int, bytes: *mut c_char) -> c_int {
    unsafe {
        let (_, system) = disk_of(vfs);
        call!(system, xGetLastError(system, length, bytes))
    }
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, millis: *mut ffi::sqlite3_int64) -> c_int {
    unsafe {
        let (_, system) = disk_of(vfs);
        call!(system, xCurrentTimeInt64(system, millis))
    }
}

// The second kind: with shared memory, which a write-ahead log needs, and without mapped files, which nobody would see.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { call_behind!(file, xClose()) }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    unsafe { call_behind!(file, xRead(to, length, at)) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    unsafe {
        let ours = ours(file);
        let mut state = ours.state();
        let fault = state.fault(Call::Write);
        let length = if fault.is_some() { length / 2 } else { length };
        let code = call_behind!(file, xWrite(from, length, at));
        if code == ffi::SQLITE_OK {
            let bytes = slice::from_raw_parts(from.cast::<u8>(), length as usize);
            ours.note(&mut state, |file| Act::Wrote { file, at: at as usize, bytes: bytes.to_vec() });
        }
        fault.unwrap_or(code)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, to: i64) -> c_int {
    unsafe {
        let ours = ours(file);
        let mut state = ours.state();
        if let Some(code) = state.fault(Call::Write) {
            return code;
        }
        let code = call_behind!(file, xTruncate(to));
        if code == ffi::SQLITE_OK {
            ours.note(&mut state, |file| Act::Truncated { file, to: to as usize });
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    let ours = unsafe { ours(file) };
    let mut state = ours.state();
    if let Some(code) = state.fault(Call::Sync) {
        return code;
    }
    let (began, recording) = (state.log.len(), state.recording);
    let with_names = std::mem::take(&mut ours.names_unsynced);
    drop(state);
    // A real disk takes its time here, and others write on.
    let others_went_on = || ours.state().log.len() > began + ACTS_DURING_A_SYNC;
    if ours.recorded && recording {
        let _ = (0..SYNC_YIELDS).take_while(|_| !others_went_on()).map(|_| thread::yield_now()).count();
    }
    ours.note(&mut ours.state(), |file| Act::SyncEnded { file, began, with_names });
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    unsafe { call_behind!(file, xFileSize(size)) }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, how: c_int) -> c_int {
    unsafe { call_behind!(file, xLock(how)) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, how: c_int) -> c_int {
    unsafe { call_behind!(file, xUnlock(how)) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, found: *mut c_int) -> c_int {
    unsafe { call_behind!(file, xCheckReservedLock(found)) }
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, with: *mut c_void) -> c_int {
    unsafe { call_behind!(file, xFileControl(what, with)) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { call_behind!(file, xSectorSize()) }
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { call_behind!(file, xDeviceCharacteristics()) }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    unsafe {
        if extend != 0
            && let Some(code) = ours(file).state().fault(Call::Share)
        {
            return code;
        }
        call_behind!(file, xShmMap(page, size, extend, memory))
    }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    unsafe { call_behind!(file, xShmLock(offset, count, flags)) }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    unsafe {
        let behind = behind(file);
        if let Some(barrier) = (*(*behind).pMethods).xShmBarrier {
            barrier(behind);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    unsafe { call_behind!(file, xShmUnmap(delete)) }
}
