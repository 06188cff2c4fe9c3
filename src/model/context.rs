//! Shared knowledge by key; each write is a new version with its author.

use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::time::Timestamp;
use serde_json::Value;
use thiserror::Error;

/// Longest key, and longest value in bytes of JSON.
pub const KEY_CHARS_MAX: usize = 256;
pub const VALUE_BYTES_MAX: usize = 256 * 1024;
/// Older versions kept of each entry: enough to see who changed what, bounded so that a busy key does not grow.
pub const VERSIONS_KEPT: u32 = 20;

/// One version of one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// `None` once it was deleted; the version goes on, so that a key deleted and set again is not taken for the old one.
    pub value: Option<Value>,
    pub version: u64,
    /// Rises with every write to any key, so that a watcher can ask for all that came since.
    pub revision: u64,
    pub author: Option<InstanceId>,
    pub written_at: Timestamp,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    #[error("`{key}` is at version {found}, not at {expected}")]
    OtherVersion { key: String, expected: u64, found: u64 },
}

/// The next version of a key, after `current`.
pub fn write(
    current: Option<&Entry>,
    key: &str,
    value: Option<Value>,
    expect_version: Option<u64>,
    author: Option<&InstanceId>,
    at: Timestamp,
) -> Result<(Entry, NewEvent), Refusal> {
    // A deleted entry reads as absent, which is version 0, and may be expected as that.
    let live = current.filter(|entry| entry.value.is_some()).map_or(0, |entry| entry.version);
    if let Some(expected) = expect_version
        && expected != live
    {
        return Err(Refusal::OtherVersion { key: key.to_owned(), expected, found: live });
    }
    let version = current.map_or(0, |entry| entry.version) + 1;
    let kind = if value.is_some() { "context.set" } else { "context.deleted" };
    let entry = Entry { key: key.to_owned(), value, version, revision: 0, author: author.cloned(), written_at: at };
    Ok((entry, NewEvent::new(kind, key, author).with("version", version)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_write_that_expects_another_version_changes_nothing() {
        let at = Timestamp::from_millis(0);
        let set = |current: Option<&Entry>, expect| write(current, "k", Some(json!(1)), expect, None, at);
        let (first, _) = set(None, Some(0)).unwrap();
        assert_eq!(first.version, 1);
        assert!(matches!(set(Some(&first), Some(0)), Err(Refusal::OtherVersion { expected: 0, found: 1, .. })));
        let (second, _) = set(Some(&first), Some(1)).unwrap();
        let (gone, event) = write(Some(&second), "k", None, None, None, at).unwrap();
        assert_eq!((gone.version, event.kind), (3, "context.deleted"));
        let (again, _) = set(Some(&gone), Some(0)).unwrap();
        assert_eq!(again.version, 4, "a version is never used twice");
    }
}
