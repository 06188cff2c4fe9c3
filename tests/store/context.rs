//! Shared context: the newest version by key, a bounded history, and revisions that rise with every write.

use super::*;
use orch_mcp::model::context::Entry;
use serde_json::Value;
use serde_json::json;

fn entry(key: &str, version: u64, value: Option<Value>) -> Entry {
    Entry { key: key.to_owned(), value, version, revision: 0, author: Some(id("i-amy")), written_at: at(5) }
}

fn put(store: &mut TestStore, key: &str, version: u64, value: Option<Value>) {
    store.write(|tx| tx.put_context(&entry(key, version, value), 20)).unwrap();
}

fn keys(entries: Vec<Entry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.key).collect()
}

every_store! {
    fn an_entry_reads_back_as_it_was_written(store) {
        for value in [json!("text"), json!(""), json!("null"), json!({ "a": [1, 2.5, { "b": null }] }), json!(null), json!(0), json!("\u{0}\u{1b}")] {
            let version = store.read(|tx| tx.context("a/b")).unwrap().map_or(0, |entry| entry.version) + 1;
            put(&mut store, "a/b", version, Some(value.clone()));
            let found = store.read(|tx| tx.context("a/b")).unwrap().unwrap();
            assert_eq!(found, Entry { revision: found.revision, ..entry("a/b", version, Some(value)) });
        }
        assert_eq!(store.read(|tx| tx.context("a")).unwrap(), None);
    }

    /// The version goes on, so that a key deleted and set again is not taken for the old one.
    fn a_deleted_entry_keeps_its_version_and_leaves_the_lists(store) {
        put(&mut store, "k", 1, Some(json!(1)));
        put(&mut store, "k", 2, None);
        let found = store.read(|tx| tx.context("k")).unwrap().unwrap();
        assert_eq!((found.version, found.value), (2, None));
        assert_eq!(store.read(|tx| tx.list_context("", None, 9)).unwrap(), []);
        assert_eq!(store.read(|tx| tx.count_context("", 9)).unwrap(), 0);
    }

    fn the_newest_versions_are_kept_and_no_more(store) {
        for version in 1..=10 {
            store.write(|tx| tx.put_context(&entry("k", version, Some(json!(version))), 3)).unwrap();
            store.write(|tx| tx.put_context(&entry("other", version, None), 3)).unwrap();
        }
        let history = |store: &mut TestStore, limit| -> Vec<(u64, Option<Value>)> {
            let found = store.read(|tx| tx.context_history("k", limit)).unwrap();
            found.into_iter().map(|entry| (entry.version, entry.value)).collect()
        };
        let version = |version: u64| (version, Some(json!(version)));
        assert_eq!(history(&mut store, 99), [10, 9, 8].map(version), "newest first, the current one among them");
        assert_eq!(history(&mut store, 1), [version(10)]);
        assert_eq!(store.read(|tx| tx.context_history("none", 9)).unwrap(), []);
    }

    fn a_revision_rises_with_every_write_of_any_key(store) {
        assert_eq!(store.read(|tx| tx.context_revision()).unwrap(), 0);
        let mut newest = 0;
        for (key, version, value) in [("a", 1, json!(1)), ("b", 1, json!(1)), ("a", 2, json!(1))] {
            put(&mut store, key, version, Some(value));
            let revision = store.read(|tx| tx.context_revision()).unwrap();
            assert!(revision > newest);
            assert_eq!(store.read(|tx| tx.context(key)).unwrap().unwrap().revision, revision);
            newest = revision;
        }
        put(&mut store, "a", 3, None);
        assert!(store.read(|tx| tx.context_revision()).unwrap() > newest, "a deletion is a write");
    }

    fn keys_are_listed_below_a_prefix_in_order_page_by_page(store) {
        for key in ["b", "a/c", "a", "a/b/x", "a/b", "ä", "a0", "%", "a_", "A/b"] {
            put(&mut store, key, 1, Some(json!("v")));
        }
        put(&mut store, "a/gone", 1, None);
        for (prefix, expected) in [
            ("", &["%", "A/b", "a", "a/b", "a/b/x", "a/c", "a0", "a_", "b", "ä"][..]),
            ("a/", &["a/b", "a/b/x", "a/c"]),
            ("a/b", &["a/b", "a/b/x"]),
            ("a_", &["a_"]),
            ("%", &["%"]),
            ("zz", &[]),
        ] {
            let found = store.read(|tx| tx.list_context(prefix, None, 99)).unwrap();
            assert!(found.iter().all(|entry| entry.value.is_none()), "values are left out");
            assert_eq!(keys(found), expected, "{prefix}");
            assert_eq!(store.read(|tx| tx.count_context(prefix, 99)).unwrap(), expected.len() as u64);
            assert_eq!(store.read(|tx| tx.count_context(prefix, 2)).unwrap(), expected.len().min(2) as u64);
            let (mut paged, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
            loop {
                let page = keys(store.read(|tx| tx.list_context(prefix, after.as_deref(), 2)).unwrap());
                if page.is_empty() {
                    break;
                }
                paged.extend(page);
                after = paged.last().cloned();
            }
            assert_eq!(paged, expected, "{prefix}");
        }
    }

    fn what_changed_since_a_revision_is_told_once_in_order_of_the_change(store) {
        for (key, version) in [("a/x", 1), ("b/y", 1), ("a/z", 1), ("a/x", 2)] {
            put(&mut store, key, version, Some(json!("v")));
        }
        put(&mut store, "a/z", 2, None);
        let mut since = |prefix: &str, revision, limit| -> Vec<(String, u64)> {
            let found = store.read(|tx| tx.context_since(prefix, revision, limit)).unwrap();
            found.into_iter().map(|entry| (entry.key, entry.revision)).collect()
        };
        let newest = since("", 0, 99);
        assert_eq!(newest.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b/y", "a/x", "a/z"], "each key as it is now");
        assert_eq!(since("a/", 0, 99), newest[1..]);
        assert_eq!(since("", newest[0].1, 1), newest[1..2]);
        assert_eq!(since("", newest[2].1, 99), []);
    }
}
