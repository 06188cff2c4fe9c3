//! The memory behind the board: a file that every process maps, in which everything is an atomic number, so that no
//! process can make another one's reading unsound, whatever it writes there.

use rustix::fs::FallocateFlags;
use rustix::mm::MapFlags;
use rustix::mm::ProtFlags;
use std::fs::File;
use std::fs::OpenOptions;
use std::mem::size_of;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// As many as work at once on a busy machine. Whoever finds no place queues as if there were no board.
pub const NOTES: usize = 64;

/// The longest answer of any tool, and what goes with it. Longer ones are not for the board.
const PAGE_BYTES: usize = 16 * 1024 + 512;
const CELL: usize = size_of::<u64>();

/// Changes with whatever is changed here, so that programs of two ages do not write on one board.
const LAYOUT: u64 = 0x6f72_6368_0000_0001;

#[repr(C)]
struct Sheet {
    layout: AtomicU64,
    tickets: AtomicU64,
    /// Who has the turn, or had it last.
    hold: AtomicU64,
    /// Side by side: they are looked through at every write of anybody.
    states: [AtomicU32; NOTES],
    heads: [Head; NOTES],
    pages: [[AtomicU64; PAGE_BYTES / CELL]; NOTES],
}

#[repr(C)]
pub struct Head {
    /// The start of the machine in which the place was last used.
    pub boot: AtomicU64,
    pub world: AtomicU64,
    pub mark: AtomicU64,
    pub ticket: AtomicU64,
    /// The process that pinned the note up, and the one that took it.
    pub owner: AtomicU32,
    pub taker: AtomicU32,
    bytes: AtomicU32,
    _unused: AtomicU32,
}

pub struct Memory(NonNull<Sheet>);

// SAFETY: the sheet is mapped until this is dropped, and everything in it is atomic.
unsafe impl Send for Memory {}
// SAFETY: likewise.
unsafe impl Sync for Memory {}

/// One note's place.
pub struct Note<'a> {
    pub place: usize,
    pub state: &'a AtomicU32,
    pub head: &'a Head,
    page: &'a [AtomicU64; PAGE_BYTES / CELL],
}

impl Memory {
    /// `None` where the system cannot do it, and where the file is not what it should be.
    pub fn open(path: &Path) -> Option<Memory> {
        if !futex::EXISTS {
            return None;
        }
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path).ok()?;
        let length = size_of::<Sheet>() as u64;
        let found = file.metadata().ok()?.len();
        if found > length {
            return None;
        }
        if found < length {
            // Not merely made longer: what the disk has no room for would end the process when it is written to. What is
            // there already stays, if two do this at once.
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length).ok()?;
        }
        let memory = Memory::map(&file)?;
        let layout = memory.sheet().layout.compare_exchange(0, LAYOUT, Ordering::AcqRel, Ordering::Acquire);
        matches!(layout, Ok(_) | Err(LAYOUT)).then_some(memory)
    }

    fn map(file: &File) -> Option<Memory> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the system chooses, of a file that is long enough.
        let mapped =
            unsafe { rustix::mm::mmap(ptr::null_mut(), size_of::<Sheet>(), access, MapFlags::SHARED, file, 0) };
        NonNull::new(mapped.ok()?.cast()).map(Memory)
    }

    fn sheet(&self) -> &Sheet {
        // SAFETY: mapped for reading and writing as long as this lives, aligned to a page, and any bytes at all are a
        // sheet. The file must not become shorter meanwhile, nor lack blocks on the disk: we only make it longer, and
        // whole. Whoever else cuts it off ends us, as with SQLite's own shared memory.
        unsafe { self.0.as_ref() }
    }

    pub fn next_ticket(&self) -> u64 {
        self.sheet().tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub fn hold(&self) -> u64 {
        self.sheet().hold.load(Ordering::Relaxed)
    }

    pub fn set_hold(&self, hold: u64) {
        self.sheet().hold.store(hold, Ordering::Relaxed);
    }

    pub fn notes(&self) -> impl Iterator<Item = Note<'_>> {
        let sheet = self.sheet();
        (0..NOTES).map(|place| Note {
            place,
            state: &sheet.states[place],
            head: &sheet.heads[place],
            page: &sheet.pages[place],
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: nothing that borrows from it is left.
        let _ = unsafe { rustix::mm::munmap(self.0.as_ptr().cast(), size_of::<Sheet>()) };
    }
}

impl Note<'_> {
    /// Says whether there was room.
    pub fn write(&self, text: &[u8]) -> bool {
        if text.len() > PAGE_BYTES {
            return false;
        }
        for (cell, bytes) in self.page.iter().zip(text.chunks(CELL)) {
            let mut whole = [0; CELL];
            whole[..bytes.len()].copy_from_slice(bytes);
            cell.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
        self.head.bytes.store(text.len() as u32, Ordering::Relaxed);
        true
    }

    pub fn read(&self) -> Vec<u8> {
        let length = (self.head.bytes.load(Ordering::Relaxed) as usize).min(PAGE_BYTES);
        let cells = self.page.iter().take(length.div_ceil(CELL));
        let mut text: Vec<u8> = cells.flat_map(|cell| cell.load(Ordering::Relaxed).to_ne_bytes()).collect();
        text.truncate(length);
        text
    }

    /// Until somebody wakes it, as long as it is as it was found.
    pub fn sleep(&self, found: u32, at_most: Duration) {
        futex::sleep(self.state, found, at_most);
    }

    pub fn wake(&self) {
        futex::wake(self.state);
    }
}

#[cfg(target_os = "linux")]
mod futex {
    use rustix::thread::futex;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    pub const EXISTS: bool = true;

    pub fn sleep(word: &AtomicU32, found: u32, at_most: Duration) {
        let at_most =
            rustix::time::Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        // Not private: the word is shared by processes. However it ends, whoever sleeps looks again.
        let _ = futex::wait(word, futex::Flags::empty(), found, Some(&at_most));
    }

    pub fn wake(word: &AtomicU32) {
        // Each word has one who sleeps by it.
        let _ = futex::wake(word, futex::Flags::empty(), 1);
    }
}

/// Sleeping by a number that processes share is not to be had in the same way elsewhere, so there is no board there.
#[cfg(not(target_os = "linux"))]
mod futex {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    pub const EXISTS: bool = false;

    pub fn sleep(_: &AtomicU32, _: u32, _: Duration) {}

    pub fn wake(_: &AtomicU32) {}
}
