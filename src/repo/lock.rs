//! One process at a time: a lock that its holder's death gives up, waited for with a deadline.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::store::doorbell::Hangup;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Held as long as this lives, and every program that was given it.
#[derive(Clone, Debug)]
pub struct Lock {
    file: Arc<File>,
}

impl Lock {
    /// For the standard input of a program that must not outlive the lock: should we be killed, the next in line waits for it.
    /// There is nothing to read in it.
    pub fn to_hand_on(&self) -> io::Result<Stdio> {
        self.file.try_clone().map(Stdio::from)
    }
}

/// If nobody has it.
pub fn try_take(path: &Path) -> Result<Option<Lock>> {
    let file = open(path)?;
    Ok(file.try_lock().is_ok().then(|| Lock { file: Arc::new(file) }))
}

/// Waited for until a hang-up: then nothing. It is an error that nobody gives it up for so long; the thread
/// that is left behind then gives the lock back as soon as it gets it.
pub fn take_unless(hangup: &Hangup, path: &Path, patience: Duration) -> Result<Option<Lock>> {
    let file = open(path)?;
    let (tell, told) = channel();
    let hung_up = tell.clone();
    let _attached = hangup.tell(move || drop(hung_up.send(Ok(None))));
    thread::spawn(move || {
        let locked = file.lock();
        let _ = tell.send(locked.map(|()| Some(file)));
    });
    match told.recv_timeout(patience) {
        Ok(Ok(file)) => Ok(file.map(|file| Lock { file: Arc::new(file) })),
        Ok(Err(cause)) => Err(Error::new(Kind::Unavailable, format!("`{}` cannot be locked: {cause}", path.display()))),
        Err(_) => Err(Error::new(Kind::Busy, format!("its turn did not come within {} s", patience.as_secs()))),
    }
}

/// Waited for with a word of its own for whoever waits in vain.
pub fn take(path: &Path, patience: Duration, busy: &str) -> Result<Lock> {
    if let Some(lock) = try_take(path)? {
        return Ok(lock);
    }
    match take_unless(&Hangup::new(), path, patience) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(Error::internal("nobody can hang up on a wait for a lock, and it ended so")),
        Err(error) if error.kind == Kind::Busy => Err(Error::new(Kind::Busy, busy).hint("wait for it, then try again")),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
        .open(path)
        .map_err(|cause| Error::new(Kind::Unavailable, format!("`{}` cannot be opened: {cause}", path.display())))
}
