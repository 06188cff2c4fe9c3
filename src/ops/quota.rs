//! So much of something for each, and for all together: one who takes all that is theirs leaves room for others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

pub struct Quota<K: Eq + Hash> {
    most: usize,
    most_in_all: usize,
    taken: Mutex<Taken<K>>,
}

struct Taken<K> {
    /// Only of those who have something.
    by_key: HashMap<K, usize>,
    in_all: usize,
}

/// What somebody took, until it is dropped.
pub struct Share<K: Eq + Hash> {
    quota: Arc<Quota<K>>,
    key: K,
    amount: usize,
}

impl<K: Clone + Eq + Hash> Quota<K> {
    pub fn new(most: usize, most_in_all: usize) -> Arc<Quota<K>> {
        Arc::new(Quota { most, most_in_all, taken: Mutex::new(Taken { by_key: HashMap::new(), in_all: 0 }) })
    }

    /// One of it, where there is one left.
    pub fn take(self: &Arc<Self>, key: K) -> Option<Share<K>> {
        let mut share = self.nothing_yet(key);
        share.grow(1).then_some(share)
    }

    pub fn nothing_yet(self: &Arc<Self>, key: K) -> Share<K> {
        Share { quota: self.clone(), key, amount: 0 }
    }

    /// By all together.
    pub fn taken(&self) -> usize {
        self.lock().in_all
    }

    pub fn taken_by(&self, key: &K) -> usize {
        self.lock().by_key.get(key).copied().unwrap_or_default()
    }
}

impl<K: Eq + Hash> Quota<K> {
    fn lock(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Share<K> {
    /// Takes so much more, or nothing where that is too much.
    pub fn grow(&mut self, more: usize) -> bool {
        let mut taken = self.quota.lock();
        let own = taken.by_key.get(&self.key).copied().unwrap_or_default() + more;
        let in_all = taken.in_all + more;
        if own > self.quota.most || in_all > self.quota.most_in_all {
            return false;
        }
        if own > 0 {
            taken.by_key.insert(self.key.clone(), own);
        }
        taken.in_all = in_all;
        self.amount += more;
        true
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.quota.lock();
        taken.in_all -= self.amount;
        if let Some(own) = taken.by_key.get_mut(&self.key) {
            *own -= self.amount;
            if *own == 0 {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_takes_all_that_is_theirs_leaves_room_for_others() {
        let quota = Quota::new(3, 5);
        let mine: Vec<Share<&str>> = std::iter::from_fn(|| quota.take("a")).collect();
        assert_eq!((mine.len(), quota.taken_by(&"a"), quota.taken()), (3, 3, 3));
        let theirs: Vec<Share<&str>> = std::iter::from_fn(|| quota.take("b")).collect();
        assert_eq!(theirs.len(), 2, "all together have an end too");
        assert!(quota.take("c").is_none());
        drop(mine);
        assert!(quota.take("c").is_some());
        drop(theirs);
        assert_eq!(quota.taken(), 0);
        assert!(quota.lock().by_key.is_empty(), "nobody is kept who has nothing");
    }

    #[test]
    fn a_share_grows_as_far_as_there_is_room_and_is_given_back_whole() {
        let quota = Quota::new(10, 15);
        let (mut a, mut b) = (quota.nothing_yet("a"), quota.nothing_yet("b"));
        assert!(a.grow(0) && a.grow(4) && a.grow(6) && !a.grow(1));
        assert!(b.grow(5) && !b.grow(1), "refused, it took nothing");
        assert_eq!((quota.taken_by(&"a"), quota.taken_by(&"b"), quota.taken()), (10, 5, 15));
        drop((a, b));
        assert!(quota.lock().by_key.is_empty());
    }
}
