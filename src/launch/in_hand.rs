//! The runs that this process has begun and not seen the end of.

use crate::launch::bell::Bell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

#[derive(Clone, Default)]
pub struct InHand(Arc<Mutex<BTreeSet<(String, u64)>>>);

impl InHand {
    pub(super) fn take(&self, worker: &str, number: u64, bell: Bell) -> Held {
        let run = (worker.to_owned(), number);
        self.runs().insert(run.clone());
        Held { all: self.clone(), run, bell }
    }

    pub(super) fn holds(&self, worker: &str, number: u64) -> bool {
        self.runs().contains(&(worker.to_owned(), number))
    }

    fn runs(&self) -> MutexGuard<'_, BTreeSet<(String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until it is dropped, also by whoever ends in a panic.
pub(super) struct Held {
    all: InHand,
    run: (String, u64),
    bell: Bell,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.runs().remove(&self.run);
        self.bell.ring();
    }
}
