//! The latest of everybody's things, so many of each and so many in all: nobody's many push out another's few.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub struct Latest<K, V> {
    most: usize,
    most_in_all: usize,
    in_all: usize,
    /// Counts all that was ever put here: whatever has the lowest number is the oldest.
    next: u64,
    owners: HashMap<String, Shelf<K, V>>,
}

#[derive(Debug)]
struct Shelf<K, V> {
    things: HashMap<K, (u64, V)>,
    by_age: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V> Latest<K, V> {
    pub fn new(most: usize, most_in_all: usize) -> Latest<K, V> {
        Latest { most, most_in_all, in_all: 0, next: 0, owners: HashMap::new() }
    }

    /// The newest of its owner's from now on. What is too much then goes: their oldest, or that of whoever has the most.
    pub fn put(&mut self, owner: &str, key: K, value: V) {
        let number = self.next;
        self.next += 1;
        let shelf = self.owners.entry(owner.to_owned()).or_insert_with(Shelf::empty);
        match shelf.things.insert(key.clone(), (number, value)) {
            Some((earlier, _)) => drop(shelf.by_age.remove(&earlier)),
            None => self.in_all += 1,
        }
        shelf.by_age.insert(number, key);
        if shelf.things.len() > self.most {
            self.forget_oldest(owner);
        }
        if self.in_all > self.most_in_all
            && let Some(owner) = self.owners.iter().max_by_key(|(_, shelf)| shelf.things.len()).map(|(name, _)| name)
        {
            self.forget_oldest(&owner.clone());
        }
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, owner: &str, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.owners.get(owner)?.things.get(key).map(|(_, value)| value)
    }

    /// Of one owner's things the oldest go, as long as they are so.
    pub fn forget_while(&mut self, owner: &str, is_so: impl Fn(&V) -> bool) {
        while self.oldest(owner).is_some_and(&is_so) {
            self.forget_oldest(owner);
        }
    }

    fn oldest(&self, owner: &str) -> Option<&V> {
        let shelf = self.owners.get(owner)?;
        let (_, key) = shelf.by_age.first_key_value()?;
        shelf.things.get(key).map(|(_, value)| value)
    }

    fn forget_oldest(&mut self, owner: &str) {
        let Some(shelf) = self.owners.get_mut(owner) else { return };
        let Some((_, key)) = shelf.by_age.pop_first() else { return };
        shelf.things.remove(&key);
        self.in_all -= 1;
        if shelf.things.is_empty() {
            self.owners.remove(owner);
        }
    }
}

impl<K, V> Shelf<K, V> {
    fn empty() -> Shelf<K, V> {
        Shelf { things: HashMap::new(), by_age: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_consistent<K, V>(latest: &Latest<K, V>) -> bool {
        let shelves = latest.owners.values();
        shelves.clone().all(|shelf| shelf.things.len() == shelf.by_age.len() && !shelf.things.is_empty())
            && shelves.map(|shelf| shelf.things.len()).sum::<usize>() == latest.in_all
    }

    #[test]
    fn nobodys_many_push_out_anothers_few() {
        let mut latest = Latest::new(3, 5);
        latest.put("amy", 1, "one");
        (0..100).for_each(|n| latest.put("eve", n, "many"));
        assert_eq!((latest.get("amy", &1), latest.get("eve", &99), latest.in_all), (Some(&"one"), Some(&"many"), 4));
        assert_eq!((latest.get("eve", &96), latest.get("amy", &99)), (None, None));
        // Too much in all: whoever has the most gives, and nobody who has little.
        latest.put("bob", 1, "b");
        latest.put("cat", 1, "c");
        assert_eq!((latest.get("eve", &97), latest.in_all), (None, 5));
        assert!(["amy", "bob", "cat"].iter().all(|few| latest.get(few, &1).is_some()));
        assert!(is_consistent(&latest));
    }

    #[test]
    fn what_is_put_again_is_new_again() {
        let mut latest = Latest::new(2, 10);
        for (key, value) in [(1, "a"), (2, "b"), (1, "c"), (3, "d")] {
            latest.put("amy", key, value);
        }
        assert_eq!([1, 2, 3].map(|key| latest.get("amy", &key).copied()), [Some("c"), None, Some("d")]);
        latest.forget_while("amy", |value| *value == "c");
        assert_eq!([1, 3].map(|key| latest.get("amy", &key).copied()), [None, Some("d")]);
        latest.forget_while("amy", |_| true);
        assert!(latest.owners.is_empty() && is_consistent(&latest), "nobody is kept who has nothing");
    }
}
