//! Whose turn it is to write: a fair queue of processes in front of SQLite's own lock.
//!
//! Two lock files make the queue. Whoever holds `main` may write; whoever holds `turn` is the next to have `main`, and
//! all others wait for `turn`. The queue is a courtesy: what keeps the data whole is SQLite's lock. So a process that
//! stopped while it holds a place is passed by after a while, and whoever passes relies on SQLite alone.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::store::board::Board;
use crate::store::place::Place;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// An interruption that comes just before the wait it was meant for is lost, so it is repeated.
const INTERRUPT_EVERY: Duration = Duration::from_millis(50);
/// About as long as a short transaction takes.
const STAYS_AWAKE: Duration = Duration::from_micros(200);
/// The watchdog only looks at the time.
const WATCHDOG_STACK: usize = 64 * 1024;

/// One place in the queue. A process that writes from many threads needs one for each.
pub struct Turnstile {
    /// Whoever waits there rather than here is told when the turn ends.
    board: Option<Arc<Board>>,
    turn: Lock,
    main: Arc<Lock>,
    patience: Duration,
    /// Started with the first wait that did not end at once; `None` inside where it could not be.
    watchdog: OnceLock<Option<Watchdog>>,
    /// Which hold of `main` was the last one when we lost patience. While it still is, the queue has not moved.
    stalled_at: Option<Hold>,
}

/// The right to write, until it is dropped. Drop it before the next is taken.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    main: Arc<Lock>,
    board: Option<Arc<Board>>,
    blocker: Option<Hold>,
}

impl Turnstile {
    /// The place must have been created.
    pub fn open(place: &Place, board: Option<Arc<Board>>, patience: Duration) -> Result<Turnstile> {
        let [turn, main] = place.lock_files();
        Ok(Turnstile {
            board,
            turn: Lock::open(&turn)?,
            main: Arc::new(Lock::open(&main)?),
            patience,
            watchdog: OnceLock::new(),
            stalled_at: None,
        })
    }

    /// Wait for our turn to write, but not much longer than our patience.
    pub fn take(&mut self) -> Turn {
        let granted = self.queue();
        self.stalled_at = if granted { None } else { Some(self.last_hold()) };
        self.taken((!granted).then(|| self.blocker()))
    }

    /// The turn, where nobody need be waited for.
    pub fn take_if_free(&mut self) -> Option<Turn> {
        if self.turn.try_lock() {
            let granted = self.main.try_lock();
            if granted {
                self.sign();
            }
            self.turn.unlock();
            if granted {
                self.stalled_at = None;
                return Some(self.taken(None));
            }
        }
        self.is_stalled().then(|| self.taken(Some(self.blocker())))
    }

    /// We lost patience before, and nothing has moved since.
    fn is_stalled(&self) -> bool {
        self.stalled_at.is_some_and(|hold| hold == self.last_hold())
    }

    /// Leave word of who has the turn.
    fn sign(&self) {
        match &self.board {
            // Where there is memory to share, a file need not be written at each turn.
            Some(board) => board.set_hold(Hold::next().0),
            None => self.main.sign(),
        }
    }

    fn last_hold(&self) -> Hold {
        match &self.board {
            Some(board) => Hold(board.hold()),
            None => self.main.last_hold(),
        }
    }

    fn taken(&self, blocker: Option<Hold>) -> Turn {
        Turn { main: Arc::clone(&self.main), board: self.board.clone(), blocker }
    }

    fn queue(&self) -> bool {
        let deadline = Deadline::after(self.patience);
        if !self.turn.try_lock() && !self.wait(&self.turn, deadline) {
            return false;
        }
        let mut granted = self.main.try_lock() || self.try_a_while();
        if !granted {
            // Written while we wait anyway, and only read if we never end to wait.
            self.turn.sign();
            granted = self.wait(&self.main, deadline);
        }
        if granted {
            self.sign();
        }
        self.turn.unlock();
        granted
    }

    /// The holder of `main` is about to end, so that to sleep and be woken costs more than to stay. Only the next in
    /// line comes here.
    fn try_a_while(&self) -> bool {
        let asleep = Deadline::after(STAYS_AWAKE);
        while !asleep.passed() {
            thread::yield_now();
            if self.main.try_lock() {
                return true;
            }
        }
        false
    }

    fn wait(&self, lock: &Lock, deadline: Deadline) -> bool {
        if self.is_stalled() {
            return false;
        }
        match self.watchdog.get_or_init(|| Watchdog::start(self.patience)) {
            Some(watchdog) => watchdog.over(deadline, || lock.wait(deadline)),
            None => false,
        }
    }

    /// Who holds up the queue: the holder of `main`; if there is none, the one that should have taken it.
    fn blocker(&self) -> Hold {
        if self.main.try_lock() {
            self.main.unlock();
            return self.turn.last_hold();
        }
        self.last_hold()
    }
}

impl Turn {
    /// The process that holds up the queue, if we passed it by and it left its number. SQLite's lock alone keeps us
    /// apart from it then.
    pub fn bypassed(&self) -> Option<u32> {
        self.blocker.filter(|hold| *hold != Hold::NOBODY).map(Hold::pid)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.blocker.is_none() {
            self.main.unlock();
        }
        if let Some(board) = &self.board {
            board.call_next();
        }
    }
}

/// A lock that the kernel takes back when its holder dies. Also closed on exec, as a child would share it.
struct Lock(File);

impl Lock {
    fn open(path: &Path) -> Result<Lock> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path);
        file.map(Lock).map_err(|cause| {
            Error::new(Kind::Unavailable, format!("cannot open the lock file `{}`: {cause}", path.display()))
                .hint("make its directory writable for this user, or choose another one with `--state-dir`")
        })
    }

    fn try_lock(&self) -> bool {
        rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Wait until the lock is ours, or until an interruption after the deadline.
    fn wait(&self, deadline: Deadline) -> bool {
        loop {
            match rustix::fs::flock(&self.0, FlockOperation::LockExclusive) {
                Ok(()) => return true,
                Err(Errno::INTR) if !deadline.passed() => {}
                Err(_) => return false,
            }
        }
    }

    fn unlock(&self) {
        // Cannot fail on a descriptor that we keep open, and closing it would unlock as well.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }

    /// Leave word of who holds this. Failing that, nobody can name us: no reason not to work.
    fn sign(&self) {
        let _ = self.0.write_all_at(&Hold::next().0.to_le_bytes(), 0);
    }

    fn last_hold(&self) -> Hold {
        let mut hold = Hold::NOBODY.0.to_le_bytes();
        // A file that nobody has signed yet is empty.
        let _ = self.0.read_exact_at(&mut hold, 0);
        Hold(u64::from_le_bytes(hold))
    }
}

/// One taking of one lock: the process, and a number that tells apart what the process took.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Hold(u64);

impl Hold {
    const NOBODY: Hold = Hold(0);

    fn next() -> Hold {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Hold(u64::from(count) << 32 | u64::from(std::process::id()))
    }

    fn pid(self) -> u32 {
        self.0 as u32
    }
}

/// A thread that interrupts a wait for a lock when it takes too long, as no system call waits for a lock with a limit.
///
/// While waits follow one another it sleeps from limit to limit, and starting or ending a wait wakes nobody.
struct Watchdog(Arc<Watch>);

struct Watch {
    state: Mutex<State>,
    /// Rung when a wait begins while the watchdog sleeps without limit, and at its end.
    bell: Condvar,
    patience: Duration,
}

#[derive(Default)]
struct State {
    wait: Option<Wait>,
    waited_lately: bool,
    sound_asleep: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
struct Wait {
    /// The thread as `pthread_self` names it: on some systems a number, on some a pointer that may not be shared.
    thread: usize,
    deadline: Deadline,
}

impl Watchdog {
    fn start(patience: Duration) -> Option<Watchdog> {
        if !signal_interrupts() {
            return None;
        }
        let watch = Arc::new(Watch { state: Mutex::default(), bell: Condvar::new(), patience });
        let watching = Arc::clone(&watch);
        let thread = thread::Builder::new().name("turn-watchdog".to_owned()).stack_size(WATCHDOG_STACK);
        thread.spawn(move || watching.run()).ok()?;
        Some(Watchdog(watch))
    }

    /// Do something that waits; from the deadline on it is interrupted again and again until it ends.
    fn over<R>(&self, deadline: Deadline, waiting: impl FnOnce() -> R) -> R {
        let_signal_through();
        self.0.begin(deadline);
        let result = waiting();
        self.0.lock().wait = None;
        result
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.bell.notify_one();
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, deadline: Deadline) {
        // SAFETY: it only tells who we are.
        let thread = unsafe { libc::pthread_self() } as usize;
        let mut state = self.lock();
        state.wait = Some(Wait { thread, deadline });
        state.waited_lately = true;
        if state.sound_asleep {
            state.sound_asleep = false;
            self.bell.notify_one();
        }
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            state = match state.wait {
                Some(wait) if wait.deadline.passed() => {
                    interrupt(&state, wait);
                    self.sleep(state, INTERRUPT_EVERY)
                }
                Some(wait) => self.sleep(state, wait.deadline.left()),
                // Whatever wait begins during this sleep reaches its limit after it.
                None if state.waited_lately => {
                    state.waited_lately = false;
                    self.sleep(state, self.patience)
                }
                None => {
                    state.sound_asleep = true;
                    self.bell.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        self.bell.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The state is held, so that the thread is still inside `over` and lives: it needs the state to leave.
fn interrupt(_held: &MutexGuard<'_, State>, wait: Wait) {
    // SAFETY: the thread lives, see above, and the signal does nothing but interrupt, see `signal_interrupts`.
    unsafe { libc::pthread_kill(wait.thread as libc::pthread_t, SIGNAL) };
}

/// By default it does nothing, so one that comes astray harms nobody.
const SIGNAL: libc::c_int = libc::SIGURG;

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Make the signal one that interrupts system calls; says whether it is. A handler that somebody else set is left alone.
fn signal_interrupts() -> bool {
    static DOES: OnceLock<bool> = OnceLock::new();
    *DOES.get_or_init(|| {
        // SAFETY: all-zero is a valid `sigaction`, which the calls only read or fill, and the handler does nothing,
        // so it is safe at any moment of any thread.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(SIGNAL, ptr::null(), &mut action) != 0 {
                return false;
            }
            if action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN {
                return action.sa_flags & libc::SA_RESTART == 0;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = do_nothing as extern "C" fn(libc::c_int) as usize;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(SIGNAL, &action, ptr::null_mut()) == 0
        }
    })
}

/// This thread may have inherited a mask that keeps the signal from it.
fn let_signal_through() {
    // SAFETY: the set is filled before it is read, and outlives the calls.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, SIGNAL);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &signals, ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;

    const SHORT: Duration = Duration::from_millis(100);
    /// Long enough that no test reaches it on a slow machine.
    const LONG: Duration = Duration::from_secs(60);

    struct Gate(tempfile::TempDir);

    impl Gate {
        fn new() -> Gate {
            let gate = Gate(tempfile::tempdir().unwrap());
            gate.place().create().unwrap();
            gate
        }

        fn place(&self) -> Place {
            Place::at(self.0.path())
        }

        fn stile(&self, patience: Duration) -> Turnstile {
            Turnstile::open(&self.place(), None, patience).unwrap()
        }
    }

    fn us() -> Option<u32> {
        Some(std::process::id())
    }

    #[test]
    fn one_at_a_time() {
        let gate = Gate::new();
        let inside = AtomicBool::new(false);
        let start = Barrier::new(6);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut stile = gate.stile(LONG);
                    start.wait();
                    for _ in 0..200 {
                        let turn = stile.take();
                        assert_eq!(turn.bypassed(), None);
                        assert!(!inside.swap(true, Ordering::SeqCst), "two at once");
                        thread::yield_now();
                        inside.store(false, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
    }

    #[test]
    fn the_next_in_line_goes_before_one_that_just_went() {
        let gate = Gate::new();
        let mut first = gate.stile(LONG);
        let mut second = gate.stile(LONG);
        let watcher = gate.stile(LONG);
        for _ in 0..20 {
            let order = Mutex::new(Vec::new());
            thread::scope(|scope| {
                let turn = first.take();
                scope.spawn(|| {
                    let _turn = second.take();
                    order.lock().unwrap().push("second");
                });
                while watcher.turn.try_lock() {
                    watcher.turn.unlock();
                    thread::yield_now();
                }
                drop(turn);
                let _turn = first.take();
                order.lock().unwrap().push("first");
            });
            assert_eq!(order.into_inner().unwrap(), ["second", "first"]);
        }
    }

    #[test]
    fn a_holder_that_stopped_is_named_and_passed_by() {
        let gate = Gate::new();
        let mut stopped = gate.stile(LONG);
        let holding = stopped.take();
        let mut other = gate.stile(SHORT);
        let waited = Deadline::after(SHORT);
        assert_eq!(other.take().bypassed(), us());
        assert!(waited.passed(), "it waited as long as its patience");
        assert_eq!(gate.stile(SHORT).take().bypassed(), us(), "and left its place in the queue to the next");
        drop(holding);
        assert_eq!(other.take().bypassed(), None);
    }

    #[test]
    fn patience_is_lost_once_for_each_stop() {
        let gate = Gate::new();
        let mut stopped = gate.stile(LONG);
        let mut other = gate.stile(SHORT);
        let holding = stopped.take();
        assert_eq!(other.take().bypassed(), us());
        let soon = Deadline::after(SHORT * 25);
        for _ in 0..50 {
            assert_eq!(other.take().bypassed(), us());
        }
        assert!(!soon.passed(), "a holder that was passed by is not waited for again");
        drop(holding);
        let _another_hold = stopped.take();
        let waited = Deadline::after(SHORT);
        assert_eq!(other.take().bypassed(), us());
        assert!(waited.passed(), "the same process in another hold has our patience again");
    }

    #[test]
    fn one_that_stopped_as_the_next_in_line_is_passed_by() {
        let gate = Gate::new();
        let stopped = gate.stile(LONG);
        assert!(stopped.turn.try_lock());
        stopped.turn.sign();
        let mut other = gate.stile(SHORT);
        assert_eq!(other.take().bypassed(), us());
        let soon = Deadline::after(SHORT * 25);
        for _ in 0..50 {
            assert_eq!(other.take().bypassed(), us());
        }
        assert!(!soon.passed());
        stopped.turn.unlock();
        assert_eq!(other.take().bypassed(), None);
    }

    #[test]
    fn the_watchdog_sleeps_while_nobody_waits_and_wakes_for_the_next() {
        let gate = Gate::new();
        let mut stopped = gate.stile(LONG);
        let mut other = gate.stile(Duration::from_millis(20));
        for _ in 0..5 {
            let holding = stopped.take();
            assert_eq!(other.take().bypassed(), us());
            drop(holding);
            assert_eq!(other.take().bypassed(), None);
            let watchdog = other.watchdog.get().unwrap().as_ref().unwrap();
            while !watchdog.0.lock().sound_asleep {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn the_turn_of_one_that_died_is_free() {
        let gate = Gate::new();
        let dying = gate.stile(LONG);
        assert!(dying.turn.try_lock() && dying.main.try_lock());
        drop(dying);
        assert_eq!(gate.stile(SHORT).take().bypassed(), None);
    }

    #[test]
    fn without_its_files_there_is_no_queue() {
        let gate = Gate::new();
        let error = Turnstile::open(&Place::at(gate.0.path().join("missing")), None, SHORT).err().unwrap();
        assert_eq!(error.kind, Kind::Unavailable);
    }
}
