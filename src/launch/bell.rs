//! What wakes the supervisor, and tells it how urgently somebody wants it to end.

use crate::host::Stopwatch;
use crate::store::doorbell::Hangup;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// Within which the second of two signals is the first one once more.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// Wakes the supervisor: a process of its has ended, or somebody wants it to end.
#[derive(Clone, Default)]
pub struct Bell(Arc<Mutex<Rope>>);

#[derive(Default)]
struct Rope {
    hangup: Hangup,
    /// Hung up once somebody wants it to end at once.
    leaves: Hangup,
    wish: Wish,
    /// Since somebody wants it to end.
    since: Option<Stopwatch>,
}

#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Wish {
    #[default]
    None,
    End,
    EndAtOnce,
}

impl Bell {
    pub fn ring(&self) {
        self.rope().ring();
    }

    /// The first time politely, the second time at once. One signal may come twice, from the terminal and from whoever passes
    /// it on.
    pub fn stop(&self) {
        let mut rope = self.rope();
        rope.wish = match rope.since {
            None => Wish::End,
            Some(since) if since.so_far() >= SAME_SIGNAL => Wish::EndAtOnce,
            Some(_) => rope.wish,
        };
        rope.since.get_or_insert_with(Stopwatch::start);
        rope.ring();
    }

    /// At once, without a word to anybody's workers.
    pub fn leave(&self) {
        let mut rope = self.rope();
        rope.wish = Wish::EndAtOnce;
        rope.since.get_or_insert_with(Stopwatch::start);
        rope.ring();
    }

    /// Does somebody want it to end?
    pub fn is_stopped(&self) -> bool {
        self.wish() > Wish::None
    }

    pub(super) fn wish(&self) -> Wish {
        self.rope().wish
    }

    /// For the next wait.
    pub(super) fn hangup(&self) -> Hangup {
        let mut rope = self.rope();
        if rope.hangup.is_hung_up() {
            rope.hangup = Hangup::new();
        }
        rope.hangup.clone()
    }

    /// For what takes long: it is given up once somebody wants it to end at once.
    pub(super) fn leaves(&self) -> Hangup {
        self.rope().leaves.clone()
    }

    fn rope(&self) -> MutexGuard<'_, Rope> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rope {
    fn ring(&self) {
        self.hangup.hang_up();
        if self.wish == Wish::EndAtOnce {
            self.leaves.hang_up();
        }
    }
}
