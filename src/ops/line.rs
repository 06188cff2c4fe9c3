//! Threads of one process that want to write at once stand in line: whoever has the store does what all of them want,
//! in one transaction, and none of them writes for itself.

use crate::error::Error;
use crate::error::Result;
use crate::ops::Caller;
use crate::ops::act::Act;
use crate::ops::act::Done;
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
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn join(&self, act: &Act) -> Arc<Standing> {
        let standing = Arc::new(Standing {
            request: act.request.clone(),
            caller: act.caller.clone(),
            leaves: act.leaves.map(str::to_owned),
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
    pub fn take(&self) -> Together {
        let mut line = self.lock();
        let count = line.len().min(TOGETHER_MAX);
        Together(line.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Several who left the line. Whatever happens to whoever works for them, each of them hears of it.
pub struct Together(Vec<Arc<Standing>>);

impl Together {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn acts(&self) -> Vec<Act<'_>> {
        self.0.iter().map(|standing| standing.act()).collect()
    }

    pub fn are_done(mut self, done: Vec<Result<Done>>) {
        let standing = std::mem::take(&mut self.0);
        standing.iter().zip(done).for_each(|(standing, done)| standing.is_done(done));
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        for standing in &self.0 {
            standing.is_done(Err(Error::internal("whoever wrote for several panicked")));
        }
    }
}

impl Standing {
    fn act(&self) -> Act<'_> {
        Act { request: &self.request, caller: &self.caller, leaves: self.leaves.as_deref() }
    }

    fn is_done(&self, done: Result<Done>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::ops::table;
    use serde_json::json;

    #[test]
    fn whoever_is_worked_for_hears_of_it_also_when_that_panics() {
        let line = Line::default();
        let request = table::own_request("list_tasks", json!({})).expect("it needs no arguments");
        let caller = Caller::anonymous(Host::System);
        let standing = line.join(&Act { request: &request, caller: &caller, leaves: None });
        assert!(standing.listen().is_none());
        line.call_next();
        standing.wait();
        drop(line.take());
        standing.wait();
        assert!(standing.listen().is_some_and(|done| done.is_err()));
        assert!(line.is_empty());
    }
}
