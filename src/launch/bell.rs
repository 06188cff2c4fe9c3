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

impl Wish {
    /// `first`: how long ago the first signal was. One may come twice, from the terminal and from whoever passes it on.
    fn after_a_signal(self, first: Option<Duration>) -> Wish {
        match first {
            None => Wish::End,
            Some(so_far) if so_far >= SAME_SIGNAL => Wish::EndAtOnce,
            Some(_) => self,
        }
    }
}

impl Bell {
    pub fn ring(&self) {
        self.rope().ring();
    }

    /// The first time politely, the second time at once.
    pub fn stop(&self) {
        let mut rope = self.rope();
        rope.wish = rope.wish.after_a_signal(rope.since.map(Stopwatch::so_far));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signal_told_twice_is_one_and_the_second_after_that_leaves_at_once() {
        let after = |wish: Wish, millis: Option<u64>| wish.after_a_signal(millis.map(Duration::from_millis));
        assert_eq!(after(Wish::None, None), Wish::End);
        assert_eq!(after(Wish::End, Some(0)), Wish::End);
        assert_eq!(after(Wish::End, Some(499)), Wish::End, "the same one, passed on");
        assert_eq!(after(Wish::End, Some(500)), Wish::EndAtOnce);
        assert_eq!(after(Wish::EndAtOnce, Some(1)), Wish::EndAtOnce, "nobody takes that back");
    }

    #[test]
    fn the_first_signal_is_a_polite_one_and_gives_up_nothing_that_is_under_way() {
        let bell = Bell::default();
        let (wait, long) = (bell.hangup(), bell.leaves());
        assert!(!bell.is_stopped() && !wait.is_hung_up());
        bell.stop();
        assert!(bell.is_stopped() && bell.wish() == Wish::End);
        assert!(wait.is_hung_up() && !long.is_hung_up());
        assert!(!bell.hangup().is_hung_up(), "the next wait is another one");
    }

    #[test]
    fn to_leave_takes_no_second_word() {
        let bell = Bell::default();
        let (wait, long) = (bell.hangup(), bell.leaves());
        bell.leave();
        assert!(bell.is_stopped() && bell.wish() == Wish::EndAtOnce);
        assert!(wait.is_hung_up() && long.is_hung_up());
        bell.stop();
        assert_eq!(bell.wish(), Wish::EndAtOnce);
    }

    #[test]
    fn whoever_rings_wakes_and_wants_nothing() {
        let bell = Bell::default();
        let wait = bell.hangup();
        bell.ring();
        assert!(wait.is_hung_up() && !bell.is_stopped());
    }
}
