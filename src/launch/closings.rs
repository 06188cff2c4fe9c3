//! Runs that have ended, and of which what they left is being done beside the supervisor.

use crate::launch::outcome::Outcome;
use crate::model::worker::Worker;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

type Key = (String, u64);

/// Nothing for one that is under way.
#[derive(Default)]
pub struct Closings(Mutex<BTreeMap<Key, Option<Outcome>>>);

impl Closings {
    pub fn begin(&self, worker: &Worker) {
        self.all().insert(key(worker), None);
    }

    pub fn end(&self, worker: &Worker, outcome: Outcome) {
        self.all().insert(key(worker), Some(outcome));
    }

    pub fn is_under_way(&self, worker: &Worker) -> bool {
        matches!(self.all().get(&key(worker)), Some(None))
    }

    /// What came of it. It stays until the worker has another run: to write it down may fail.
    pub fn outcome(&self, worker: &Worker) -> Option<Outcome> {
        let mut all = self.all();
        let (name, number) = key(worker);
        all.retain(|(other, run), _| *other != name || *run == number);
        all.get(&(name, number)).cloned().flatten()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Option<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(worker: &Worker) -> Key {
    (worker.name.clone(), worker.run.as_ref().map_or(worker.runs, |run| run.number))
}
