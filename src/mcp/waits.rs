//! How many calls each principal may have waiting, and all of them together: the rest is room for calls that end the waiting.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Each takes a thread.
const WAITS_MAX: usize = 160;
const WAITS_IN_ALL_MAX: usize = 512;

#[derive(Default)]
pub struct Waits(Mutex<HashMap<String, usize>>);

/// One that waits, until it is dropped.
pub struct Waiting {
    waits: Arc<Waits>,
    principal: String,
}

impl Waits {
    /// Leave to wait, or the reason why not.
    pub fn begin(self: &Arc<Waits>, principal: &str) -> Result<Waiting> {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all: usize = waits.values().sum();
        let own = waits.get(principal).copied().unwrap_or_default();
        if own >= WAITS_MAX || in_all >= WAITS_IN_ALL_MAX {
            return Err(Error::new(Kind::Busy, "there are as many calls waiting as there may be")
                .hint("let one of them end, or cancel one, then call again"));
        }
        waits.insert(principal.to_owned(), own + 1);
        Ok(Waiting { waits: self.clone(), principal: principal.to_owned() })
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.waits.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waits.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                waits.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_waits_much_leaves_room_for_others() {
        let waits = Arc::new(Waits::default());
        let mine: Vec<Waiting> = std::iter::from_fn(|| waits.begin("a").ok()).collect();
        assert_eq!((mine.len(), waits.count()), (WAITS_MAX, WAITS_MAX));
        assert!(waits.begin("b").is_ok());
        drop(mine);
        assert!(waits.0.lock().unwrap().is_empty(), "nobody is kept who waits for nothing");
    }
}
