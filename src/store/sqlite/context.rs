//! Shared context in SQLite.

use crate::error::Error;
use crate::error::Result;
use crate::model::context::Entry;
use crate::model::id::InstanceId;
use crate::model::time::Timestamp;
use crate::store::Contexts;
use crate::store::Topic;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;

fn read(row: &Row) -> rusqlite::Result<Entry> {
    Ok(Entry {
        key: row.get(0)?,
        version: row.get::<_, i64>(1)? as u64,
        revision: row.get::<_, i64>(2)? as u64,
        value: row.get::<_, Option<String>>(3)?.and_then(|json| serde_json::from_str(&json).ok()),
        author: row.get::<_, Option<String>>(4)?.map(InstanceId::from_stored),
        written_at: Timestamp::from_millis(row.get(5)?),
    })
}

/// What sorts after every key that begins with the prefix: no character sorts after the last one there is.
fn end_of(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

impl Contexts for SqliteTx<'_> {
    fn context(&mut self, key: &str) -> Result<Option<Entry>> {
        self.db()
            .prepare_cached("select key, version, revision, value, author, written_at from context where key = ?1")
            .and_then(|mut find| find.query_row([key], read).optional())
            .map_err(failed)
    }

    fn put_context(&mut self, entry: &Entry, keep: u32) -> Result<()> {
        let value = entry.value.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
        let db = self.writable()?;
        // Both writes carry the same revision, one more than any before it.
        let revision: i64 = db
            .prepare_cached("select coalesce(max(revision), 0) + 1 from context")
            .and_then(|mut next| next.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        for table in ["context", "context_version"] {
            db.prepare_cached(&format!(
                "insert or replace into {table} (key, version, revision, value, author, written_at)
                 values (:key, :version, :revision, :value, :author, :written_at)"
            ))
            .and_then(|mut put| {
                put.execute(named_params! {
                    ":key": entry.key,
                    ":version": entry.version as i64,
                    ":revision": revision,
                    ":value": value,
                    ":author": entry.author.as_ref().map(InstanceId::as_str),
                    ":written_at": entry.written_at.millis(),
                })
            })
            .map_err(failed)?;
        }
        db.prepare_cached("delete from context_version where key = ?1 and version <= ?2")
            .and_then(|mut prune| prune.execute((&entry.key, entry.version as i64 - i64::from(keep))))
            .map_err(failed)?;
        self.touch(Topic::Context(entry.key.clone()));
        self.touch(Topic::ContextBelow(String::new()));
        for (at, _) in entry.key.match_indices('/') {
            self.touch(Topic::ContextBelow(entry.key[..=at].to_owned()));
        }
        Ok(())
    }

    fn context_history(&mut self, key: &str, limit: u32) -> Result<Vec<Entry>> {
        self.db()
            .prepare_cached(
                "select key, version, revision, value, author, written_at from context_version
                 where key = ?1 order by version desc limit ?2",
            )
            .and_then(|mut list| list.query_map((key, limit), read)?.collect())
            .map_err(failed)
    }

    fn list_context(&mut self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>> {
        self.db()
            .prepare_cached(
                "select key, version, revision, null, author, written_at from context
                 where key >= ?1 and key < ?2 and key > ?3 and value is not null order by key limit ?4",
            )
            .and_then(|mut list| list.query_map((prefix, end_of(prefix), after.unwrap_or(""), limit), read)?.collect())
            .map_err(failed)
    }

    fn count_context(&mut self, prefix: &str, most: u64) -> Result<u64> {
        self.db()
            .prepare_cached(
                "select count(*) from (select 1 from context where key >= ?1 and key < ?2 and value is not null limit ?3)",
            )
            .and_then(|mut count| {
                count.query_row((prefix, end_of(prefix), most as i64), |row| row.get::<_, i64>(0))
            })
            .map(|count| count as u64)
            .map_err(failed)
    }

    fn context_revision(&mut self) -> Result<u64> {
        self.db()
            .prepare_cached("select coalesce(max(revision), 0) from context")
            .and_then(|mut newest| newest.query_row([], |row| row.get::<_, i64>(0)))
            .map(|revision| revision as u64)
            .map_err(failed)
    }

    fn context_since(&mut self, prefix: &str, revision: u64, limit: u32) -> Result<Vec<Entry>> {
        self.db()
            .prepare_cached(
                "select key, version, revision, value, author, written_at from context
                 where revision > ?2 and substr(key, 1, length(?1)) = ?1 order by revision limit ?3",
            )
            .and_then(|mut list| {
                list.query_map((prefix, i64::try_from(revision).unwrap_or(i64::MAX), limit), read)?.collect()
            })
            .map_err(failed)
    }
}
