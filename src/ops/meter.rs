//! What a desk for many did: calls by their outcome and how long they took, and how many were written together.

use crate::error::Result;
use crate::host::Stopwatch;
use crate::ops::Entry;
use crate::ops::Outcome;
use crate::ops::table::Reply;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Upper bounds of what is counted together, in seconds.
pub const SECONDS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 5.0, 60.0];
/// And of how many calls were written in one transaction.
pub const TOGETHER: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

#[derive(Default)]
pub struct Meter(Mutex<Counts>);

#[derive(Clone, Default)]
pub struct Counts {
    /// By operation and the word for its outcome.
    pub calls: BTreeMap<(&'static str, &'static str), u64>,
    /// By operation, for those that do not wait: how long somebody was willing to wait says nothing about us.
    pub seconds: BTreeMap<&'static str, Spread<10>>,
    /// From the turn to write to the last sync, for each transaction.
    pub writes: Spread<10>,
    pub together: Spread<8>,
}

/// How many values were at most so large, for some sizes.
#[derive(Clone, Debug)]
pub struct Spread<const N: usize> {
    pub at_most: [u64; N],
    pub count: u64,
    pub sum: f64,
}

impl<const N: usize> Default for Spread<N> {
    fn default() -> Self {
        Spread { at_most: [0; N], count: 0, sum: 0.0 }
    }
}

impl<const N: usize> Spread<N> {
    fn add(&mut self, value: f64, bounds: &[f64; N]) {
        self.count += 1;
        self.sum += value;
        for (count, _) in self.at_most.iter_mut().zip(bounds).filter(|(_, most)| value <= **most) {
            *count += 1;
        }
    }
}

impl Meter {
    pub fn call(&self, entry: &'static Entry, reply: &Result<Reply>, began: Stopwatch) {
        let outcome = match reply {
            Ok(reply) => match reply.outcome {
                Outcome::Done => "done",
                Outcome::NothingReady => "nothing_ready",
                Outcome::TimedOut => "timed_out",
                Outcome::Absent => "absent",
            },
            Err(error) => error.kind.code(),
        };
        let mut counts = self.lock();
        *counts.calls.entry((entry.name, outcome)).or_default() += 1;
        if !entry.waits() {
            counts.seconds.entry(entry.name).or_default().add(began.so_far().as_secs_f64(), &SECONDS);
        }
    }

    pub fn written(&self, together: usize, began: Stopwatch) {
        let mut counts = self.lock();
        counts.writes.add(began.so_far().as_secs_f64(), &SECONDS);
        counts.together.add(together as f64, &TOGETHER);
    }

    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_for_every_bound_that_it_does_not_pass() {
        let mut spread = Spread::<8>::default();
        [1.0, 3.0, 500.0].into_iter().for_each(|value| spread.add(value, &TOGETHER));
        assert_eq!(spread.at_most, [1, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!((spread.count, spread.sum), (3, 504.0));
    }
}
