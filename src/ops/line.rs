//! Threads of one process that want to write at once stand in line: whoever has the store does what all of them want,
//! in one transaction, and none of them writes for itself.

use crate::error::Result;
use crate::ops::Caller;
use crate::ops::job::Done;
use crate::ops::job::Job;
use crate::ops::table::Request;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Done together at most. More would keep the first of them waiting for longer than the sync that they save.
const TOGETHER_MAX: usize = 128;

#[derive(Default)]
pub struct Line(Mutex<VecDeque<Arc<Standing>>>);

/// One who stands in line.
pub struct Standing {
    request: Request,
    caller: Caller,
    leaves: Option<String>,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Waiting,
    /// The store may be free.
    Called,
    Done(Result<Done>),
}

impl Line {
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub fn join(&self, job: &Job) -> Arc<Standing> {
        let standing = Arc::new(Standing {
            request: job.request.clone(),
            caller: job.caller.clone(),
            leaves: job.leaves.map(str::to_owned),
            state: Mutex::new(State::Waiting),
            changed: Condvar::new(),
        });
        self.lock().push_back(standing.clone());
        standing
    }

    /// The store is free: whoever came first looks for it.
    pub fn call_next(&self) {
        if let Some(next) = self.lock().front() {
            let mut state = next.state();
            if matches!(*state, State::Waiting) {
                *state = State::Called;
                next.changed.notify_one();
            }
        }
    }

    /// Those who are done next, all together.
    pub fn take(&self) -> Vec<Arc<Standing>> {
        let mut line = self.lock();
        let count = line.len().min(TOGETHER_MAX);
        line.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    pub fn job(&self) -> Job<'_> {
        Job { request: &self.request, caller: &self.caller, leaves: self.leaves.as_deref() }
    }

    pub fn is_done(&self, done: Result<Done>) {
        *self.state() = State::Done(done);
        self.changed.notify_one();
    }

    /// From now on, a call is meant for the next look at the store.
    pub fn listen(&self) -> Option<Result<Done>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Waiting) {
            State::Done(done) => Some(done),
            State::Waiting | State::Called => None,
        }
    }

    /// Until somebody did it, or this one is called.
    pub fn wait(&self) {
        let state = self.state();
        drop(self.changed.wait_while(state, |state| matches!(state, State::Waiting)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
