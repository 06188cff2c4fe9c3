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

    /// The end. The watcher gets the time to leave nothing of itself in the store.
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
        let mut state = lock(&self.state);
        if !state.listeners.iter().any(|other| Arc::ptr_eq(other, listener)) {
            state.listeners.push(listener.clone());
        }
        if state.watcher.is_some() {
            return;
        }
        let hangup = Hangup::new();
        // Where this fails, watching begins a moment later instead.
        let from = self.calls.background(&hangup, resources::newest_event).unwrap_or_default();
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

impl State {
    fn dismiss_watcher(&mut self) {
        let Some(watcher) = self.watcher.take() else { return };
        watcher.hangup.hang_up();
        self.leaving.retain(|thread| !thread.is_finished());
        self.leaving.push(watcher.thread);
    }
}
