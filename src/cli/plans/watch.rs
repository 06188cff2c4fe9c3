//! `orch-mcp sync --watch`: again whenever a file is written or a task changes, until Ctrl+C.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::follow::hang_up_at_signals;
use crate::cli::plans::sync::Folder;
use crate::error::Result;
use crate::host::Deadline;
use crate::launch::eyes;
use crate::launch::eyes::Lookout;
use crate::ops::Operation;
use crate::ops::event::WatchEvents;
use serde_json::json;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// Editors write a file in several steps, and a plan comes as many events.
const QUIET: Duration = Duration::from_millis(200);
/// Where it never gets quiet, the boards are still no older than that.
const UNQUIET_MAX: Duration = Duration::from_secs(2);

enum Rung {
    File,
    Store,
    /// No more comes of the store: with what went wrong, or because of Ctrl+C.
    End(Result<()>),
}

impl Run<'_> {
    pub(super) fn sync_on(&self, folder: &Folder) -> Result<u8> {
        let (ring, rung) = channel();
        let now = self.ask_own(WatchEvents::NAME, json!({ "timeout_seconds": 0 }))?;
        let cursor = now.data["cursor"].as_u64().unwrap_or_default();
        let news = self.listen(WatchEvents::NAME, json!({ "kind": "task." }), cursor, hang_up_at_signals()?)?;
        let tell = ring.clone();
        thread::spawn(move || {
            for told in news {
                let sent = tell.send(told.map_or_else(|error| Rung::End(Err(error)), |_| Rung::Store));
                if sent.is_err() {
                    return;
                }
            }
            let _ = tell.send(Rung::End(Ok(())));
        });
        let mut watched = watch(folder, &ring)?;
        let mut faults = Vec::new();
        self.printer.note("files and store are kept alike; Ctrl+C ends");
        loop {
            let round = self.sync_round(folder)?;
            // Half a file stays half a file through many events: it is told of once.
            if round.faults.is_empty() || round.faults != faults {
                self.tell_round(&round, true)?;
            }
            faults = round.faults;
            if watched.0 != folder.dirs() {
                watched = watch(folder, &ring)?;
            }
            if round.is_overtaken {
                continue;
            }
            if let Some(end) = until_quiet(&rung) {
                return end.map(|()| exit::DONE);
            }
        }
    }
}

fn watch(folder: &Folder, ring: &Sender<Rung>) -> Result<(Vec<PathBuf>, Lookout)> {
    let dirs = folder.dirs();
    let ring = ring.clone();
    let lookout = eyes::look_out(&dirs, move || drop(ring.send(Rung::File)))?;
    Ok((dirs, lookout))
}

/// Waits for something to happen, and then for it to be over. Something, if that is the end.
fn until_quiet(rung: &Receiver<Rung>) -> Option<Result<()>> {
    let ended = |rung: Rung| match rung {
        Rung::End(end) => Some(end),
        Rung::File | Rung::Store => None,
    };
    let Ok(first) = rung.recv() else { return Some(Ok(())) };
    if let end @ Some(_) = ended(first) {
        return end;
    }
    let deadline = Deadline::after(UNQUIET_MAX);
    while !deadline.passed() {
        match rung.recv_timeout(QUIET) {
            Ok(rung) => {
                if let end @ Some(_) = ended(rung) {
                    return end;
                }
            }
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some(Ok(())),
        }
    }
    None
}
