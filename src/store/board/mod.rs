//! A board in memory that all processes on a store share: whoever waits for its turn to write pins up what it wants
//! done, and whoever has the turn does it for all of them in one transaction.
//!
//! Of what stands there, only "done" and the answer with it are believed. Whoever takes a note holds the store's write lock
//! until its transaction is committed or gone, and the transaction keeps the mark of each note that it carried out. So
//! whoever finds its note taken and hears no more takes the lock, and looks for the mark.

mod memory;

use crate::host;
use crate::host::Deadline;
use crate::host::Host;
use crate::model::digest::digest;
use crate::store::place::Place;
use memory::Memory;
use memory::NOTES;
use memory::Note;
use std::mem;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How many notes there is room for.
pub const PLACES: usize = NOTES;

/// About as long as it takes to do what a few have pinned up.
const STAYS_AWAKE: Duration = Duration::from_micros(400);

/// One board, as one process sees it.
pub struct Board {
    memory: Memory,
    /// Whose notes we can read: those of the same program, where the numbers of processes mean the same as here.
    world: u64,
    /// What was pinned up before the machine was started belongs to nobody.
    boot: u64,
}

/// How far a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has taken it. Whoever pinned it up may get the turn first.
    Waiting,
    Taken,
    /// Done and durable; the answer stands on it.
    Done,
    /// Whoever took it gave it back, and nothing came of it, or could not say what did.
    LetGo,
}

/// What happens to a note. The lower bits of its state; the rest counts how often its place was used, so that whoever
/// slept through that can change nothing.
mod phase {
    pub const FREE: u32 = 0;
    pub const WRITING: u32 = 1;
    pub const WAITING: u32 = 2;
    /// As `WAITING`, and the turn was free since whoever waits last tried to get it.
    pub const CALLED: u32 = 3;
    pub const TAKEN: u32 = 4;
    /// From here on it can no longer be given up.
    pub const COMMITTING: u32 = 5;
    pub const DONE: u32 = 6;
    pub const LET_GO: u32 = 7;
    /// Whoever pinned it up went away while it was taken.
    pub const GIVEN_UP: u32 = 8;
    /// Somebody has just got it, and does not stand on it yet: whoever stands there is its last user. Only who dies right
    /// then leaves a place that nobody uses again.
    pub const CLAIMED: u32 = 9;

    pub const BITS: u32 = 4;
    pub const ALL: u32 = (1 << BITS) - 1;
}

impl Board {
    /// `None` where there can be none: the queue alone does as well, if not as fast.
    pub fn open(place: &Place, host: &Host) -> Option<Board> {
        let boot = host.boot_id();
        if boot.is_empty() {
            // Then nobody can tell whose the notes are that stand there.
            return None;
        }
        let boot = digest(&boot);
        let world = digest(&format!("{} {}", env!("CARGO_PKG_VERSION"), host.neighbourhood()));
        Some(Board { memory: Memory::open(&place.board_file())?, world, boot })
    }

    /// What whoever has the turn, or had it last, left here.
    pub fn hold(&self) -> u64 {
        self.memory.hold()
    }

    pub fn set_hold(&self, hold: u64) {
        self.memory.set_hold(hold);
    }

    /// Pins up what somebody else shall do. `mark` must be unlike that of any other note ever. `None` where there is no
    /// room for it.
    pub fn pin_up(&self, text: &[u8], mark: u64) -> Option<Pinned<'_>> {
        let note = self.unused()?;
        if !note.write(text) {
            note.state.store(note.used(phase::FREE), Ordering::Release);
            return None;
        }
        note.head.mark.store(mark, Ordering::Relaxed);
        note.head.taker.store(0, Ordering::Relaxed);
        note.head.ticket.store(self.memory.next_ticket(), Ordering::Relaxed);
        let state = note.used(phase::WAITING);
        // In one order with the lock, as is the look for those who wait: who pins up tries the turn after that, and who
        // ends the turn looks after that. So one of the two finds the other.
        note.state.store(state, Ordering::SeqCst);
        Some(Pinned { board: self, note, use_of: state >> phase::BITS, mark })
    }

    /// A place for a note, marked as being written.
    fn unused(&self) -> Option<Note<'_>> {
        let claim = |note: &Note<'_>| {
            let found = note.state.load(Ordering::Acquire);
            if !self.is_unused(note, found) {
                return false;
            }
            let next = (found >> phase::BITS).wrapping_add(1) << phase::BITS | phase::CLAIMED;
            let claimed = note.state.compare_exchange(found, next, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            if claimed {
                note.head.owner.store(std::process::id(), Ordering::Relaxed);
                note.head.boot.store(self.boot, Ordering::Relaxed);
                note.head.world.store(self.world, Ordering::Relaxed);
                note.state.store(note.used(phase::WRITING), Ordering::Release);
            }
            claimed
        };
        let is_free = |note: &Note<'_>| note.state.load(Ordering::Relaxed) & phase::ALL == phase::FREE;
        // Whom a note belonged to is asked only when no place is free.
        let free = self.memory.notes().filter(is_free).find(claim);
        free.or_else(|| self.memory.notes().find(claim))
    }

    /// Nobody needs it any more, or everybody who did has died.
    fn is_unused(&self, note: &Note<'_>, state: u32) -> bool {
        let gone = |process: &AtomicU32| !host::is_there(process.load(Ordering::Relaxed));
        match state & phase::ALL {
            phase::FREE => true,
            phase::CLAIMED => false,
            _ if note.head.boot.load(Ordering::Relaxed) != self.boot => true,
            _ if note.head.world.load(Ordering::Relaxed) != self.world => false,
            phase::GIVEN_UP => gone(&note.head.taker),
            phase::TAKEN | phase::COMMITTING => gone(&note.head.owner) && gone(&note.head.taker),
            _ => gone(&note.head.owner),
        }
    }

    /// Takes the notes that wait, those first that were pinned up first. Only with the store's write lock held.
    pub fn take_all(&self) -> Vec<Taken<'_>> {
        self.waiting().into_iter().filter_map(|note| self.take(note)).collect()
    }

    fn take<'a>(&self, note: Note<'a>) -> Option<Taken<'a>> {
        let found = note.state.load(Ordering::Acquire);
        let waits = matches!(found & phase::ALL, phase::WAITING | phase::CALLED);
        // Since it was seen to wait, somebody else may have got its place.
        let ours = note.head.world.load(Ordering::Relaxed) == self.world;
        if !waits || !ours || !host::is_there(note.head.owner.load(Ordering::Relaxed)) {
            return None;
        }
        note.head.taker.store(std::process::id(), Ordering::Relaxed);
        let taken = note.go(found, phase::TAKEN);
        taken.then(|| Taken { note, use_of: found >> phase::BITS })
    }

    /// The turn is free: tells whoever waited longest, if nobody was told already.
    pub fn call_next(&self) {
        for note in self.waiting() {
            let found = note.state.load(Ordering::Acquire);
            match found & phase::ALL {
                _ if !host::is_there(note.head.owner.load(Ordering::Relaxed)) => {}
                phase::CALLED => return,
                phase::WAITING if note.go(found, phase::CALLED) => return note.wake(),
                _ => {}
            }
        }
    }

    fn waiting(&self) -> Vec<Note<'_>> {
        let mut waiting: Vec<Note<'_>> = self
            .memory
            .notes()
            .filter(|note| matches!(note.state.load(Ordering::SeqCst) & phase::ALL, phase::WAITING | phase::CALLED))
            .filter(|note| note.head.world.load(Ordering::Relaxed) == self.world)
            .collect();
        // Each ticket is read once: while places change hands, two looks may tell different orders, which ends a sort.
        waiting.sort_by_cached_key(|note| note.head.ticket.load(Ordering::Relaxed));
        waiting
    }
}

impl Note<'_> {
    /// This use of its place, in another phase.
    fn used(&self, phase: u32) -> u32 {
        self.state.load(Ordering::Relaxed) & !phase::ALL | phase
    }

    /// On to another phase, unless it is no longer as it was found.
    fn go(&self, found: u32, to: u32) -> bool {
        let next = found & !phase::ALL | to;
        self.state.compare_exchange(found, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// On from the phase that it is in to another one, in one step, if it is still in the same use; says whether it went.
    fn step(&self, use_of: u32, to: impl Fn(u32) -> Option<u32>) -> bool {
        let next = |found: u32| {
            let phase = (found >> phase::BITS == use_of).then(|| to(found & phase::ALL)).flatten();
            phase.map(|phase| use_of << phase::BITS | phase)
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// As `step`, from one phase only.
    fn leave(&self, use_of: u32, from: u32, to: u32) -> bool {
        self.step(use_of, |phase| (phase == from).then_some(to))
    }
}

/// A note of ours. Dropped, it is taken down.
pub struct Pinned<'a> {
    board: &'a Board,
    note: Note<'a>,
    use_of: u32,
    mark: u64,
}

impl Pinned<'_> {
    pub fn progress(&self) -> Progress {
        let found = self.note.state.load(Ordering::Acquire);
        match found & phase::ALL {
            _ if found >> phase::BITS != self.use_of => Progress::LetGo,
            phase::WAITING | phase::CALLED => Progress::Waiting,
            phase::TAKEN | phase::COMMITTING => Progress::Taken,
            phase::DONE => Progress::Done,
            _ => Progress::LetGo,
        }
    }

    /// Before the turn is tried for: if it gets free after that, the next sleep ends at once.
    pub fn listen(&self) {
        self.note.leave(self.use_of, phase::CALLED, phase::WAITING);
    }

    /// Until there is progress or the turn got free, or for this long.
    pub fn sleep(&self, at_most: Duration) {
        self.stay_awake();
        let found = self.note.state.load(Ordering::Acquire);
        if matches!(found & phase::ALL, phase::WAITING | phase::TAKEN | phase::COMMITTING) {
            self.note.sleep(found, at_most);
        }
    }

    /// Whoever has the turn is about to end it, and we are next: to sleep and be woken would cost more than to stay. Only the
    /// first on the board does so.
    fn stay_awake(&self) {
        let waits = || self.note.state.load(Ordering::Acquire) == self.use_of << phase::BITS | phase::WAITING;
        let is_first = || self.board.waiting().first().is_some_and(|first| first.place == self.note.place);
        if !waits() || !is_first() {
            return;
        }
        let asleep = Deadline::after(STAYS_AWAKE);
        while waits() && !asleep.passed() {
            thread::yield_now();
        }
    }

    /// Takes it down before anybody took it; says whether that was so.
    pub fn withdraw(&self) -> bool {
        self.note.step(self.use_of, |phase| matches!(phase, phase::WAITING | phase::CALLED).then_some(phase::FREE))
    }

    /// Takes it back from whoever took it; says whether that was in time for nothing to come of it.
    pub fn give_up(&self) -> bool {
        self.note.leave(self.use_of, phase::TAKEN, phase::GIVEN_UP)
    }

    /// Does whoever took it live?
    pub fn is_attended(&self) -> bool {
        match self.note.head.taker.load(Ordering::Relaxed) {
            0 => true,
            taker => host::is_there(taker),
        }
    }

    /// What tells whether it was carried out, should nobody say so.
    pub fn mark(&self) -> (usize, u64) {
        (self.note.place, self.mark)
    }

    /// What was written in answer. Only for a note that was carried out.
    pub fn answer(&self) -> Vec<u8> {
        self.note.read()
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.note.step(self.use_of, |phase| match phase {
            phase::FREE | phase::GIVEN_UP => None,
            // Whoever took it may be about to write on it.
            phase::TAKEN => Some(phase::GIVEN_UP),
            _ => Some(phase::FREE),
        });
    }
}

/// Somebody's note, to be carried out. Dropped before it is `done`, it is given back.
pub struct Taken<'a> {
    note: Note<'a>,
    use_of: u32,
}

impl Taken<'_> {
    pub fn text(&self) -> Vec<u8> {
        self.note.read()
    }

    pub fn mark(&self) -> (usize, u64) {
        (self.note.place, self.note.head.mark.load(Ordering::Relaxed))
    }

    /// Writes the answer on it; says whether there is room.
    pub fn answer(&self, text: &[u8]) -> bool {
        self.is_wanted() && self.note.write(text)
    }

    fn is_wanted(&self) -> bool {
        self.note.state.load(Ordering::Acquire) == self.use_of << phase::BITS | phase::TAKEN
    }

    /// Right before the commit: from here on it cannot be given up. `false` where it was given up before.
    pub fn seal(&self) -> bool {
        self.note.leave(self.use_of, phase::TAKEN, phase::COMMITTING)
    }

    /// What it asked for is done and durable.
    pub fn done(self) {
        self.note.leave(self.use_of, phase::COMMITTING, phase::DONE);
        self.note.wake();
        mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.note.step(self.use_of, |phase| match phase {
            phase::TAKEN | phase::COMMITTING => Some(phase::LET_GO),
            phase::GIVEN_UP => Some(phase::FREE),
            _ => None,
        });
        self.note.wake();
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    /// No process has such a number on a system as it comes.
    const NOBODY: u32 = 0x3fff_fffe;

    struct Wall {
        place: Place,
        host: Host,
        _dir: tempfile::TempDir,
    }

    impl Wall {
        fn new() -> Wall {
            let dir = tempfile::tempdir().unwrap();
            let place = Place::at(dir.path().join("state"));
            place.create().unwrap();
            Wall { place, host: Host::System, _dir: dir }
        }

        fn board(&self) -> Board {
            Board::open(&self.place, &self.host).unwrap()
        }
    }

    /// The only note that waits.
    fn take<'a>(board: &'a Board) -> Taken<'a> {
        let mut taken = board.take_all();
        assert_eq!(taken.len(), 1);
        taken.remove(0)
    }

    #[test]
    fn a_note_is_read_and_answered_by_another_process() {
        let wall = Wall::new();
        let (ours, theirs) = (wall.board(), wall.board());
        for words in ["", "do this", "exactly eight bytes or so", &"ü".repeat(5_000)] {
            let note = ours.pin_up(words.as_bytes(), 7).unwrap();
            assert_eq!(note.progress(), Progress::Waiting);
            let taken = take(&theirs);
            assert_eq!(note.progress(), Progress::Taken);
            assert_eq!((taken.text(), taken.mark()), (words.as_bytes().to_vec(), note.mark()));
            assert!(taken.answer(b"done") && taken.seal());
            taken.done();
            assert_eq!((note.progress(), note.answer()), (Progress::Done, b"done".to_vec()));
        }
    }

    #[test]
    fn who_came_first_is_taken_first_and_called_first() {
        let wall = Wall::new();
        let board = wall.board();
        let first = board.pin_up(b"1", 1).unwrap();
        let gap = board.pin_up(b"gap", 2).unwrap();
        let second = board.pin_up(b"2", 3).unwrap();
        drop(gap);
        let third = board.pin_up(b"3", 4).unwrap();
        assert_eq!(third.note.place, 1, "it has the place that got free");
        board.call_next();
        let called = |note: &Pinned| note.note.state.load(Ordering::Relaxed) & phase::ALL == phase::CALLED;
        assert_eq!([called(&first), called(&second), called(&third)], [true, false, false]);
        board.call_next();
        assert!(!called(&second), "one is on its way");
        let words: Vec<_> = board.take_all().iter().map(Taken::text).collect();
        assert_eq!(words, [b"1", b"2", b"3"]);
    }

    #[test]
    fn a_note_that_is_taken_cannot_be_withdrawn_and_one_that_was_withdrawn_is_not_taken() {
        let wall = Wall::new();
        let board = wall.board();
        let note = board.pin_up(b"w", 1).unwrap();
        assert!(note.withdraw());
        assert!(board.take_all().is_empty());
        let note = board.pin_up(b"w", 2).unwrap();
        let _taken = take(&board);
        assert!(!note.withdraw());
    }

    #[test]
    fn what_is_given_up_before_the_commit_is_not_committed_and_its_place_is_not_used_until_it_is_let_go() {
        let wall = Wall::new();
        let board = wall.board();
        let note = board.pin_up(b"w", 1).unwrap();
        let place = note.note.place;
        let taken = take(&board);
        assert!(note.give_up());
        drop(note);
        assert!(!taken.answer(b"too late") && !taken.seal());
        let other = board.pin_up(b"other", 2).unwrap();
        assert_ne!(other.note.place, place);
        drop(taken);
        assert_eq!(board.pin_up(b"third", 3).unwrap().note.place, place);
    }

    #[test]
    fn from_the_commit_on_nothing_can_be_given_up() {
        let wall = Wall::new();
        let board = wall.board();
        let note = board.pin_up(b"w", 1).unwrap();
        let taken = take(&board);
        assert!(taken.seal());
        assert!(!note.give_up());
        drop(taken);
        assert_eq!(note.progress(), Progress::LetGo);
    }

    /// It slept while the place was used for somebody else.
    #[test]
    fn whoever_wakes_up_late_changes_nothing_in_a_note_of_somebody_else() {
        let wall = Wall::new();
        let board = wall.board();
        let note = board.pin_up(b"mine", 1).unwrap();
        let late = take(&board);
        assert!(late.seal());
        let place = note.note.place;
        drop(note);
        let other = board.pin_up(b"theirs", 2).unwrap();
        assert_eq!(other.note.place, place);
        late.done();
        assert_eq!(other.progress(), Progress::Waiting);
        assert_eq!(take(&board).text(), b"theirs");
    }

    #[test]
    fn a_place_that_somebody_of_another_world_has_got_meanwhile_is_not_taken() {
        let wall = Wall::new();
        let (ours, theirs) = (wall.board(), Board::open(&wall.place, &Host::manual(1)).unwrap());
        let theirs = Board { boot: ours.boot, ..theirs };
        let note = ours.pin_up(b"w", 1).unwrap();
        let seen = ours.waiting();
        drop(note);
        let note = theirs.pin_up(b"w", 2).unwrap();
        assert!(seen.into_iter().all(|note| ours.take(note).is_none()));
        assert_eq!(note.progress(), Progress::Waiting);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_longer_ones() {
        let wall = Wall::new();
        let board = wall.board();
        assert!(board.pin_up(&[b'x'; 20_000], 1).is_none());
        let notes: Vec<_> = (0..PLACES as u64).map(|mark| board.pin_up(b"w", mark).unwrap()).collect();
        assert!(board.pin_up(b"w", 99).is_none());
        drop(notes);
        assert!(board.pin_up(b"w", 99).is_some());
    }

    #[test]
    fn the_places_of_the_dead_are_used_again_and_what_they_wanted_is_left() {
        let wall = Wall::new();
        let board = wall.board();
        for phase in [phase::WRITING, phase::WAITING, phase::CALLED, phase::TAKEN, phase::DONE, phase::GIVEN_UP] {
            for note in board.memory.notes() {
                note.state.store(phase, Ordering::Relaxed);
                note.head.boot.store(board.boot, Ordering::Relaxed);
                note.head.world.store(board.world, Ordering::Relaxed);
                note.head.owner.store(NOBODY, Ordering::Relaxed);
                note.head.taker.store(NOBODY, Ordering::Relaxed);
            }
            assert!(board.take_all().is_empty());
            board.call_next();
            assert!(board.pin_up(b"w", 1).is_some(), "{phase}");
        }
    }

    #[test]
    fn only_neighbours_read_each_other_and_after_a_start_of_the_machine_nothing_is_left() {
        let wall = Wall::new();
        let host = Host::manual(1);
        let (ours, theirs) = (wall.board(), Board::open(&wall.place, &host).unwrap());
        let notes: Vec<_> = (0..PLACES as u64).map(|mark| theirs.pin_up(b"w", mark).unwrap()).collect();
        assert!(ours.take_all().is_empty());
        notes.into_iter().for_each(mem::forget);
        assert!(theirs.pin_up(b"w", 99).is_none(), "they live");
        host.set(|host| host.boot.push('+'));
        let theirs = Board::open(&wall.place, &host).unwrap();
        assert!(theirs.take_all().is_empty());
        assert!(theirs.pin_up(b"w", 99).is_some());
    }

    #[test]
    fn whatever_stands_in_the_file_nobody_breaks() {
        let wall = Wall::new();
        let board = wall.board();
        let _note = board.pin_up(b"w", 1).unwrap();
        let file = wall.place.board_file();
        let garbage: Vec<u8> = (0..fs::metadata(&file).unwrap().len()).map(|at| (at * 31 % 251) as u8).collect();
        fs::write(&file, garbage).unwrap();
        board.call_next();
        board.take_all().iter().for_each(|taken| drop(taken.text()));
        drop(board.pin_up(b"w", 2));
        assert!(Board::open(&wall.place, &wall.host).is_none(), "it is no board of ours");
    }

    /// Places are used again while somebody looks through them.
    #[test]
    fn whatever_changes_while_the_notes_are_looked_through_nobody_breaks() {
        let wall = Wall::new();
        let board = wall.board();
        let notes: Vec<_> = (0..PLACES as u64).map(|mark| board.pin_up(b"w", mark).unwrap()).collect();
        let enough = Deadline::after(Duration::from_millis(500));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut ticket = 1u64;
                while !enough.passed() {
                    for note in board.memory.notes() {
                        ticket = ticket.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        note.head.ticket.store(ticket >> 33, Ordering::Relaxed);
                    }
                }
            });
            while !enough.passed() {
                assert_eq!(board.waiting().len(), notes.len());
            }
        });
    }

    /// The last user of the place has ended, and no other one is free.
    #[test]
    fn of_many_who_want_one_place_one_has_it() {
        let wall = Wall::new();
        let board = wall.board();
        let _others: Vec<_> = (1..PLACES as u64).map(|mark| board.pin_up(b"w", mark).unwrap()).collect();
        let enough = Deadline::after(Duration::from_secs(2));
        let pins_up = &|who: u64| {
            let mut had = 0;
            while !enough.passed() {
                had += 1;
                let words = format!("{who} {had}").repeat(50).into_bytes();
                let Some(note) = board.pin_up(&words, who << 32 | had) else { continue };
                thread::yield_now();
                assert!(note.note.read() == words, "{who}");
                assert_eq!(note.note.head.mark.load(Ordering::Relaxed), note.mark);
                note.note.head.owner.store(NOBODY, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| (1..5).for_each(|who| drop(scope.spawn(move || pins_up(who)))));
    }

    #[test]
    fn a_file_that_cannot_be_a_board_is_none() {
        let wall = Wall::new();
        let file = wall.place.board_file();
        fs::write(&file, vec![0; 8 * 1024 * 1024]).unwrap();
        assert!(Board::open(&wall.place, &wall.host).is_none());
        fs::remove_file(&file).unwrap();
        assert!(Board::open(&wall.place, &wall.host).is_none());
        fs::create_dir(&file).unwrap();
        assert!(Board::open(&wall.place, &wall.host).is_none());
    }

    #[test]
    fn a_sleeper_wakes_when_it_is_called_when_it_is_done_and_when_it_is_let_go() {
        const LONG: Duration = Duration::from_secs(60);
        let wall = Wall::new();
        let board = wall.board();
        let slept = |act: &(dyn Fn(Taken) + Sync)| {
            let note = board.pin_up(b"w", 1).unwrap();
            let taken = take(&board);
            let deadline = Deadline::after(LONG);
            thread::scope(|scope| {
                scope.spawn(|| act(taken));
                while note.progress() == Progress::Taken {
                    note.sleep(LONG);
                }
            });
            assert!(!deadline.passed());
            note.progress()
        };
        let done = |taken: Taken| {
            assert!(taken.seal());
            taken.done();
        };
        assert_eq!(slept(&done), Progress::Done);
        assert_eq!(slept(&|taken| drop(taken)), Progress::LetGo);
        let note = board.pin_up(b"w", 1).unwrap();
        let deadline = Deadline::after(LONG);
        thread::scope(|scope| {
            scope.spawn(|| board.call_next());
            while note.note.state.load(Ordering::Relaxed) & phase::ALL == phase::WAITING {
                note.sleep(LONG);
            }
        });
        assert!(!deadline.passed());
    }

    #[test]
    fn a_process_that_ended_attends_to_nothing() {
        let wall = Wall::new();
        let board = wall.board();
        let note = board.pin_up(b"w", 1).unwrap();
        let _taken = take(&board);
        assert!(note.is_attended());
        let mut ended = Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        note.note.head.taker.store(ended.id(), Ordering::Relaxed);
        assert!(!note.is_attended());
    }
}
