//! One watcher per server hears every event, and tells those who listen, as long as there are some.

use crate::error::Kind;
use crate::error::Result;
use crate::mcp::calls::Call;
use crate::mcp::calls::Calls;
use crate::mcp::calls::lock;
use crate::mcp::resources;
use crate::mcp::resources::Place;
use crate::mcp::subscriptions::Listener;
use crate::ops::WAIT_SECS_MAX;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor;
use tokio::task::block_in_place;

/// Pause before watching again when the store could not be asked.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

pub(super) struct Newsroom {
    calls: Arc<Calls>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<Arc<Listener>>,
    watcher: Option<Watcher>,
    /// Watchers that were told to go, and may not have gone yet.
    leaving: Vec<JoinHandle<()>>,
}

/// The thread that waits for events while somebody listens.
struct Watcher {
    hangup: Hangup,
    thread: JoinHandle<()>,
}

/// Hears of every event, until it is dropped.
pub struct EventBell {
    newsroom: Arc<Newsroom>,
    listener: Arc<Listener>,
}

impl EventBell {
    /// Returns when there may be events that were not there when this was called last.
    pub async fn rings(&self) {
        self.listener.changed().await;
    }
}

impl Drop for EventBell {
    fn drop(&mut self) {
        self.newsroom.leave(&self.listener);
    }
}

impl Newsroom {
    pub(super) fn new(calls: Arc<Calls>) -> Newsroom {
        Newsroom { calls, state: Mutex::default() }
    }

    pub(super) fn event_bell(self: &Arc<Self>) -> EventBell {
        let listener = Arc::new(Listener::default());
        listener.follow("orch://events".to_owned(), Place::Events);
        self.join(&listener);
        EventBell { newsroom: self.clone(), listener }
    }

    /// Nobody watches for nobody: with the last listener the watcher goes.
    pub(super) fn leave(&self, listener: &Arc<Listener>) {
        let mut state = lock(&self.state);
        state.listeners.retain(|other| !Arc::ptr_eq(other, listener));
        if state.listeners.is_empty() {
            state.dismiss_watcher();
        }
    }

    /// The end. Waits until the watcher has left nothing of itself in the store.
    pub(super) fn close(&self) {
        let leaving = {
            let mut state = lock(&self.state);
            state.dismiss_watcher();
            std::mem::take(&mut state.leaving)
        };
        for thread in leaving {
            let _ = thread.join();
        }
    }

    /// Somebody listens from now on.
    pub(super) fn join(self: &Arc<Self>, listener: &Arc<Listener>) {
        {
            let mut state = lock(&self.state);
            if !state.listeners.iter().any(|other| Arc::ptr_eq(other, listener)) {
                state.listeners.push(listener.clone());
            }
            if state.watcher.is_some() {
                return;
            }
        }
        let hangup = Hangup::new();
        // Where this fails, watching begins a moment later instead. Nobody who comes or leaves meanwhile waits for it.
        let from = in_place(|| self.calls.background(&hangup, resources::newest_event)).unwrap_or_default();
        let mut state = lock(&self.state);
        if state.watcher.is_some() || state.listeners.is_empty() {
            return;
        }
        let (room, watcher) = (self.clone(), hangup.clone());
        let started = std::thread::Builder::new().name("watcher".to_owned()).spawn(move || room.watch(&watcher, from));
        match started {
            Ok(thread) => state.watcher = Some(Watcher { hangup, thread }),
            Err(error) => tracing::warn!("subscriptions stay silent, no thread for them: {error}"),
        }
    }

    fn watch(&self, hangup: &Hangup, mut cursor: Value) {
        while !hangup.is_hung_up() {
            match self.calls.background(hangup, |call| self.hear(call, &cursor)) {
                Ok(next) => cursor = next,
                // What happened in between nobody knows any more, so everything may have changed.
                Err(error) if error.kind == Kind::CursorExpired => {
                    cursor = Value::Null;
                    self.listeners().iter().for_each(|listener| listener.all_changed());
                }
                Err(error) => {
                    tracing::warn!("cannot watch for changes: {error}");
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        }
    }

    /// Waits for events after the cursor and passes them on. Returns the next cursor.
    fn hear(&self, call: &Call<'_>, cursor: &Value) -> Result<Value> {
        let mut question = json!({ "timeout_seconds": WAIT_SECS_MAX });
        if !cursor.is_null() {
            question["cursor"] = cursor.clone();
        }
        let mut heard = call.ask("watch_events", question)?;
        let events = heard["events"].as_array().map_or(&[][..], Vec::as_slice);
        if !events.is_empty() {
            for listener in self.listeners() {
                listener.learn_owners(call, events);
                listener.hear(events);
            }
        }
        Ok(heard["cursor"].take())
    }

    fn listeners(&self) -> Vec<Arc<Listener>> {
        lock(&self.state).listeners.clone()
    }
}

/// Work that may block, for whoever cannot wait but by blocking: where there are other threads, they take over meanwhile what
/// else this one would do.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

impl State {
    fn dismiss_watcher(&mut self) {
        let Some(watcher) = self.watcher.take() else { return };
        watcher.hangup.hang_up();
        self.leaving.retain(|thread| !thread.is_finished());
        self.leaving.push(watcher.thread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::host::Host;
    use crate::ops::Caller;
    use crate::ops::Desk;
    use crate::ops::table::Reply;
    use crate::ops::table::Request;
    use std::sync::mpsc;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Whoever asks here says so, and waits until the test lets them go.
    struct Slow {
        asked: tokio::sync::mpsc::UnboundedSender<()>,
        held: Mutex<mpsc::Receiver<()>>,
    }

    impl Desk for Slow {
        fn execute(&self, _: &Request, _: &Caller, _: &Hangup) -> Result<Reply> {
            let _ = self.asked.send(());
            let _ = lock(&self.held).recv();
            Err(Error::internal("nobody is here"))
        }

        fn read_at_once(&self, _: &Request, _: &Caller) -> Result<Option<Reply>> {
            Ok(None)
        }

        fn take_back(&self, _: &Caller) -> Result<()> {
            Ok(())
        }

        fn has_store(&self) -> bool {
            true
        }

        fn tidy(&self) -> Result<()> {
            Ok(())
        }

        fn leave(&self) {}
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whoever_begins_to_listen_while_the_store_is_slow_keeps_nobody_else_waiting() {
        let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
        let (let_go, held) = mpsc::channel();
        let desk = Arc::new(Slow { asked, held: Mutex::new(held) });
        let room = Arc::new(Newsroom::new(Arc::new(Calls::new(desk, Caller::anonymous(Host::System), 0))));
        let listens = room.clone();
        let bell = tokio::spawn(async move { listens.event_bell() });
        asks.recv().await;
        let other = room.clone();
        let (done, is_done) = mpsc::channel();
        tokio::spawn(async move {
            other.leave(&Arc::default());
            done.send(())
        });
        // No clock of the runtime goes on where the only thread that drives it is held.
        is_done.recv_timeout(PATIENCE).expect("another task is not kept waiting");
        assert!(!bell.is_finished());
        drop(let_go);
        drop(timeout(PATIENCE, bell).await.expect("then it listens").unwrap());
    }
}
