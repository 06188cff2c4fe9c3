//! What wakes a keeper besides what its child prints: the signals that it is sent, at a descriptor to wait for.

use signal_hook::consts::SIGCHLD;
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGQUIT;
use signal_hook::consts::SIGTERM;
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// From the moment it is made no such signal ends this process.
pub(super) struct Wakes {
    rings: UnixStream,
    end: Arc<AtomicBool>,
    interrupt: Arc<AtomicBool>,
}

impl Wakes {
    pub(super) fn listen() -> io::Result<Wakes> {
        let (rings, bell) = UnixStream::pair()?;
        rings.set_nonblocking(true)?;
        let wakes = Wakes { rings, end: Arc::default(), interrupt: Arc::default() };
        // The flag is up before the bell rings. Ctrl-\ at a terminal is the child's business.
        let flags =
            [(SIGTERM, &wakes.end), (SIGHUP, &wakes.end), (SIGINT, &wakes.interrupt), (SIGQUIT, &Arc::default())];
        for (signal, up) in flags {
            flag::register(signal, up.clone())?;
        }
        for signal in [SIGCHLD, SIGTERM, SIGHUP, SIGINT] {
            pipe::register(signal, bell.try_clone()?)?;
        }
        Ok(wakes)
    }

    /// Was it asked since the last time to end?
    pub(super) fn take_end(&self) -> bool {
        self.end.swap(false, Ordering::AcqRel)
    }

    pub(super) fn take_interrupt(&self) -> bool {
        self.interrupt.swap(false, Ordering::AcqRel)
    }

    /// Forgets the rings so far; what they rang for is looked at after this.
    pub(super) fn quiet(&self) {
        let mut rung = [0; 64];
        while (&self.rings).read(&mut rung).is_ok_and(|read| read > 0) {}
    }
}

impl AsFd for Wakes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rings.as_fd()
    }
}
