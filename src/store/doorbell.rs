//! Wake-ups between processes: whoever waits hangs out a doorbell, whoever changes something rings it.
//!
//! A ring says only that it is worth looking again; what happened stands in the store. So rings may be lost or come
//! without need, and one byte is enough.

use super::place::private_dir;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host;
use crate::host::Deadline;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// macOS has room for 104 bytes in the address of a socket, Linux for 108.
const ADDRESS_MAX: usize = 100;
/// `/<pid>-<number>.sock` with the largest of both.
const NAME_MAX: usize = 24;
const SUFFIX: &str = ".sock";
/// More rings than any system queues for one socket, so that a wait ends even while others ring all the time.
const DRAIN_MAX: usize = 1024;
const RING: [u8; 1] = [1];
const LISTENING: u32 = 0o600;
const RESTING: u32 = 0o200;

/// A socket that others ring; taken down when it is dropped.
pub struct Doorbell {
    socket: UnixDatagram,
    /// Rings this bell from within the process, also if somebody has removed the file.
    cord: Arc<UnixDatagram>,
    address: String,
}

impl Doorbell {
    /// Hang out a doorbell in this directory, which must exist; or, if its path is too long for a socket, in one of
    /// the system's for short-lived things.
    pub fn hang(dir: &Path) -> Result<Doorbell> {
        let porch = porch(dir);
        if porch != dir {
            private_dir(&porch)?;
        }
        loop {
            let path = porch.join(next_name());
            match UnixDatagram::bind(&path) {
                Ok(socket) => return Doorbell::connect(socket, &path),
                // Left by a process that had our number before us.
                Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {}
                Err(cause) => return Err(cannot_hang(&path, &cause)),
            }
        }
    }

    fn connect(socket: UnixDatagram, path: &Path) -> Result<Doorbell> {
        let connected = || {
            fs::set_permissions(path, Permissions::from_mode(LISTENING))?;
            let cord = UnixDatagram::unbound()?;
            cord.connect(path)?;
            cord.set_nonblocking(true)?;
            Ok(Arc::new(cord))
        };
        match connected() {
            // `porch` lets only UTF-8 through.
            Ok(cord) => Ok(Doorbell { socket, cord, address: path.to_string_lossy().into_owned() }),
            Err(cause) => {
                let _ = fs::remove_file(path);
                Err(cannot_hang(path, &cause))
            }
        }
    }

    /// Nobody listens for now, which others may see by the mode of the file; it can be rung all the same.
    pub fn rest(&self) {
        let _ = fs::set_permissions(&self.address, Permissions::from_mode(RESTING));
    }

    /// Somebody listens again. False if nobody could ring it any more.
    pub fn listen(&self) -> bool {
        fs::set_permissions(&self.address, Permissions::from_mode(LISTENING)).is_ok()
    }

    /// What to ring.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Wait until somebody rings or has rung since the last wait; false if nobody did in that time.
    pub fn wait(&self, at_most: Duration) -> bool {
        let deadline = Deadline::after(at_most);
        loop {
            if self.drain() {
                return true;
            }
            let left = deadline.left();
            if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            // Fails when the time is over and when a signal comes: the next round tells which.
            if self.socket.recv(&mut [0]).is_ok() {
                self.drain();
                return true;
            }
        }
    }

    /// Many rings are one.
    fn drain(&self) -> bool {
        let rung = || rustix::net::recv(&self.socket, &mut [0], RecvFlags::DONTWAIT).is_ok();
        (0..DRAIN_MAX).take_while(|_| rung()).count() > 0
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.address);
    }
}

/// What became of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// It rang, or was ringing already.
    Rang,
    /// Nobody hears this bell any more, nor ever will.
    Gone,
}

/// What rings doorbells. It never waits for those behind them.
#[derive(Default)]
pub struct Ringer(OnceCell<UnixDatagram>);

impl Ringer {
    pub fn ring(&self, address: &str) -> Rung {
        let Err(cause) = self.send(address) else { return Rung::Rang };
        match Errno::from_io_error(&cause) {
            Some(
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::CONNREFUSED | Errno::NOTSOCK | Errno::PROTOTYPE,
            ) => Rung::Gone,
            // Not even an address.
            _ if cause.kind() == io::ErrorKind::InvalidInput => Rung::Gone,
            // A full queue is one that was rung. Anything else, such as a sandbox that keeps us from sockets, is our
            // trouble and no proof that the waiter left: it looks by itself after a while.
            _ => Rung::Rang,
        }
    }

    fn send(&self, address: &str) -> io::Result<usize> {
        let socket = match self.0.get() {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                self.0.get_or_init(|| socket)
            }
        };
        socket.send_to(&RING, address)
    }
}

/// Ends the waits of others: all that are attached, and all that will be.
#[derive(Clone, Default)]
pub struct Hangup(Arc<Mutex<Line>>);

impl fmt::Debug for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hangup").field(&self.is_hung_up()).finish()
    }
}

#[derive(Default)]
struct Line {
    hung_up: bool,
    listeners: HashMap<u64, Box<dyn Fn() + Send>>,
    next: u64,
}

/// Keeps whoever is to hear of a hang-up attached until it is dropped.
#[must_use = "nobody is attached any more when this is dropped"]
pub struct Attached {
    hangup: Hangup,
    key: u64,
}

impl Hangup {
    pub fn new() -> Hangup {
        Hangup::default()
    }

    pub fn hang_up(&self) {
        let mut line = self.line();
        line.hung_up = true;
        line.listeners.values().for_each(|hear| hear());
    }

    pub fn is_hung_up(&self) -> bool {
        self.line().hung_up
    }

    /// From now on a hang-up ends a wait at this doorbell, also if it came before.
    pub fn attach(&self, doorbell: &Doorbell) -> Attached {
        let cord = Arc::clone(&doorbell.cord);
        self.tell(move || pull(&cord))
    }

    /// From now on a hang-up does this too, at once if it came before. It must neither block nor hang up itself.
    pub fn tell(&self, hear: impl Fn() + Send + 'static) -> Attached {
        let mut line = self.line();
        let key = line.next;
        line.next += 1;
        if line.hung_up {
            hear();
        }
        line.listeners.insert(key, Box::new(hear));
        drop(line);
        Attached { hangup: self.clone(), key }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.hangup.line().listeners.remove(&self.key);
    }
}

fn pull(cord: &Arc<UnixDatagram>) {
    // Fails only where the queue is full, and then the bell is ringing already.
    let _ = cord.send(&RING);
}

/// Remove the doorbells of processes that died before they could do so themselves.
pub fn sweep(dir: &Path) {
    for bell in dead(dir) {
        let _ = fs::remove_file(bell);
    }
}

/// The doorbells behind which nobody is any more.
pub fn dead(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(porch(dir)).into_iter().flatten().flatten();
    let is_dead = |entry: &fs::DirEntry| {
        let is_socket = entry.file_type().is_ok_and(|found| found.is_socket());
        let owner = entry.file_name().to_str().and_then(owner);
        is_socket && owner.is_some_and(|pid| !host::is_there(pid)) && is_deaf(&entry.path())
    };
    entries.filter(is_dead).map(|entry| entry.path()).collect()
}

/// A container counts its processes by itself, so one that we do not see may live in it and listen.
fn is_deaf(path: &Path) -> bool {
    let heard = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    heard.is_err_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
}

fn next_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}{SUFFIX}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn owner(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok().filter(|pid| *pid > 0)
}

/// Where the doorbells of `dir` really hang.
pub fn porch(dir: &Path) -> PathBuf {
    let fits = dir.to_str().is_some_and(|path| path.len() + NAME_MAX <= ADDRESS_MAX);
    if fits {
        return dir.to_owned();
    }
    // Not from the environment: what is short there is not what is short elsewhere.
    PathBuf::from(format!("/tmp/orch-mcp-{}", rustix::process::geteuid().as_raw()))
}

fn cannot_hang(path: &Path, cause: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot make the socket `{}`: {cause}", path.display()))
        .hint("choose a state directory on a local disk that you may write to, with `--state-dir`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    fn wake_dir() -> tempfile::TempDir {
        tempfile::tempdir_in("/tmp").unwrap()
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_ring_wakes_whoever_waits() {
        let dir = wake_dir();
        let bell = Doorbell::hang(dir.path()).unwrap();
        let ringer = Ringer::default();
        for _ in 0..20 {
            thread::scope(|scope| {
                let waiting = scope.spawn(|| bell.wait(LONG));
                assert_eq!(ringer.ring(bell.address()), Rung::Rang);
                assert!(waiting.join().unwrap());
            });
        }
    }

    #[test]
    fn a_ring_before_the_wait_is_not_lost_and_many_are_one() {
        let dir = wake_dir();
        let bell = Doorbell::hang(dir.path()).unwrap();
        let ringer = Ringer::default();
        assert!(!bell.wait(Duration::ZERO));
        for _ in 0..3 {
            ringer.ring(bell.address());
        }
        assert!(bell.wait(LONG));
        assert!(!bell.wait(Duration::ZERO), "the other two were the same news");
        assert!(!bell.wait(Duration::from_millis(5)));
    }

    #[test]
    fn ringing_never_waits_for_the_other_side() {
        let dir = wake_dir();
        let bell = Doorbell::hang(dir.path()).unwrap();
        let ringer = Ringer::default();
        for _ in 0..10_000 {
            assert_eq!(ringer.ring(bell.address()), Rung::Rang);
        }
        assert!(bell.wait(LONG));
    }

    #[test]
    fn a_bell_without_anybody_behind_it_is_gone() {
        let dir = wake_dir();
        let ringer = Ringer::default();
        let bell = Doorbell::hang(dir.path()).unwrap();
        let address = bell.address().to_owned();
        drop(bell);
        assert_eq!(files(dir.path()), 0, "a bell is taken down with its owner");
        assert_eq!(ringer.ring(&address), Rung::Gone);

        drop(UnixDatagram::bind(&address).unwrap());
        assert_eq!(ringer.ring(&address), Rung::Gone, "the file alone hears nothing");

        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let too_long = "/x".repeat(ADDRESS_MAX);
        for other in [file.to_str().unwrap(), &format!("{}/below", file.display()), &too_long, "a\0b", ""] {
            assert_eq!(ringer.ring(other), Rung::Gone, "{other:?}");
        }
    }

    #[test]
    fn a_bell_can_be_rung_by_its_owner_only() {
        let dir = wake_dir();
        let bell = Doorbell::hang(dir.path()).unwrap();
        assert!(Path::new(bell.address()).starts_with(dir.path()));
        assert_eq!(fs::symlink_metadata(bell.address()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_path_too_long_for_a_socket_has_its_bells_elsewhere() {
        let dir = wake_dir();
        let deep = dir.path().join("d".repeat(ADDRESS_MAX));
        fs::create_dir(&deep).unwrap();
        let bell = Doorbell::hang(&deep).unwrap();
        assert!(bell.address().len() <= ADDRESS_MAX);
        let porch = Path::new(bell.address()).parent().unwrap();
        assert_eq!(fs::symlink_metadata(porch).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(Ringer::default().ring(bell.address()), Rung::Rang);
        assert!(bell.wait(LONG));
        sweep(&deep);
        assert!(Path::new(bell.address()).exists());
    }

    #[test]
    fn a_name_left_by_another_process_of_our_number_is_passed_over() {
        let dir = wake_dir();
        for _ in 0..3 {
            // Other tests draw numbers too, so take many of the next ones.
            let bell = Doorbell::hang(dir.path()).unwrap();
            let (pid, number) = bell.address().rsplit_once('/').unwrap().1.split_once('-').unwrap();
            let number: u32 = number.strip_suffix(SUFFIX).unwrap().parse().unwrap();
            for next in 1..20 {
                let path = dir.path().join(format!("{pid}-{}{SUFFIX}", number + next));
                UnixDatagram::bind(path).ok();
            }
            drop(Doorbell::hang(dir.path()).unwrap());
        }
    }

    #[test]
    fn a_missing_directory_is_told() {
        let dir = wake_dir();
        let error = Doorbell::hang(&dir.path().join("missing")).err().unwrap();
        assert_eq!(error.kind, Kind::Unavailable);
        assert!(error.message.contains("missing"), "{error}");
    }

    #[test]
    fn a_hang_up_ends_every_wait() {
        let dir = wake_dir();
        let hangup = Hangup::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let bell = Doorbell::hang(dir.path()).unwrap();
                    let _attached = hangup.attach(&bell);
                    while !hangup.is_hung_up() {
                        assert!(bell.wait(LONG), "nobody hung up");
                    }
                });
            }
            hangup.clone().hang_up();
        });
    }

    #[test]
    fn a_hang_up_reaches_those_that_come_late_and_those_without_a_file() {
        let dir = wake_dir();
        let hangup = Hangup::new();
        let early = Doorbell::hang(dir.path()).unwrap();
        let detached = Doorbell::hang(dir.path()).unwrap();
        let _attached = hangup.attach(&early);
        drop(hangup.attach(&detached));
        fs::remove_file(early.address()).unwrap();
        assert!(!hangup.is_hung_up());
        hangup.hang_up();
        assert!(hangup.is_hung_up());
        assert!(early.wait(LONG));
        assert!(!detached.wait(Duration::ZERO));

        let late = Doorbell::hang(dir.path()).unwrap();
        let _attached = hangup.attach(&late);
        assert!(late.wait(LONG));
    }

    #[test]
    fn only_what_the_dead_left_is_swept() {
        let dir = wake_dir();
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = child.id();
        let place = |name: String| dir.path().join(name);
        drop(UnixDatagram::bind(place(format!("{dead}-0.sock"))).unwrap());
        // A process of another container may have the same number, and live.
        let _heard = UnixDatagram::bind(place(format!("{dead}-1.sock"))).unwrap();
        fs::write(place(format!("{dead}-2.sock")), "not a socket").unwrap();
        drop(UnixDatagram::bind(place("other.sock".to_owned())).unwrap());
        drop(UnixDatagram::bind(place("-1-1.sock".to_owned())).unwrap());
        drop(UnixDatagram::bind(place(format!("{}-99999.sock", std::process::id()))).unwrap());
        let bell = Doorbell::hang(dir.path()).unwrap();
        sweep(dir.path());
        assert_eq!(files(dir.path()), 6);
        assert!(!place(format!("{dead}-0.sock")).exists());
        assert!(Path::new(bell.address()).exists());
        sweep(&place("missing".to_owned()));
    }
}
