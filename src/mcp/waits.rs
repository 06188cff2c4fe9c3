//! How many calls each principal may have waiting, and all of them together: the rest is room for calls that end the waiting.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::ops::quota::Quota;
use crate::ops::quota::Share;
use std::sync::Arc;

/// Each takes a thread.
const WAITS_MAX: usize = 160;
const WAITS_IN_ALL_MAX: usize = 512;

pub struct Waits(Arc<Quota<String>>);

impl Default for Waits {
    fn default() -> Waits {
        Waits(Quota::new(WAITS_MAX, WAITS_IN_ALL_MAX))
    }
}

impl Waits {
    /// Leave to wait, as long as it is held, or the reason why not.
    pub fn begin(&self, principal: &str) -> Result<Share<String>> {
        self.0.take(principal.to_owned()).ok_or_else(|| {
            Error::new(Kind::Busy, "there are as many calls waiting as there may be")
                .hint("let one of them end, or cancel one, then call again")
        })
    }

    pub fn count(&self) -> usize {
        self.0.taken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_waits_much_leaves_room_for_others() {
        let waits = Waits::default();
        let mine: Vec<Share<String>> = std::iter::from_fn(|| waits.begin("a").ok()).collect();
        assert_eq!((mine.len(), waits.count()), (WAITS_MAX, WAITS_MAX));
        assert!(waits.begin("b").is_ok());
    }
}
