//! Who wants to be woken by what, in SQLite.

use crate::error::Result;
use crate::store::Topic;
use crate::store::Waiters;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::Connection;
use std::collections::BTreeSet;

impl Waiters for SqliteTx<'_> {
    fn watch(&mut self, doorbell: &str, topics: &[Topic]) -> Result<()> {
        let mut insert = self
            .writable()?
            .prepare_cached("insert or ignore into waiter (topic, doorbell) values (?1, ?2)")
            .map_err(failed)?;
        topics.iter().try_for_each(|topic| insert.execute((topic.key(), doorbell)).map(drop)).map_err(failed)
    }

    fn unwatch(&mut self, doorbell: &str) -> Result<()> {
        self.writable()?
            .prepare_cached("delete from waiter where doorbell = ?1")
            .and_then(|mut delete| delete.execute([doorbell]))
            .map(drop)
            .map_err(failed)
    }

    fn is_known(&mut self, doorbell: &str) -> Result<bool> {
        self.db()
            .prepare_cached("select exists (select 1 from waiter where doorbell = ?1)")
            .and_then(|mut known| known.query_row([doorbell], |row| row.get(0)))
            .map_err(failed)
    }
}

/// The doorbells to ring once this transaction is committed. Asked inside it, so that nobody who registered is missed.
pub fn watching(db: &Connection, touched: &BTreeSet<Topic>) -> Result<BTreeSet<String>> {
    let mut doorbells = BTreeSet::new();
    if touched.is_empty() || !anybody_waits(db)? {
        return Ok(doorbells);
    }
    let mut find = db.prepare_cached("select doorbell from waiter where topic = ?1").map_err(failed)?;
    for topic in touched {
        let mut rows = find.query([topic.key()]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            doorbells.insert(row.get(0).map_err(failed)?);
        }
    }
    Ok(doorbells)
}

/// Mostly a few do, or nobody does: then no topic need be looked up.
fn anybody_waits(db: &Connection) -> Result<bool> {
    db.prepare_cached("select exists (select 1 from waiter)")
        .and_then(|mut anybody| anybody.query_row([], |row| row.get(0)))
        .map_err(failed)
}

/// Doorbells whose process ended without a word.
pub fn forget(db: &Connection, gone: &mut Vec<String>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let mut delete = db.prepare_cached("delete from waiter where doorbell = ?1").map_err(failed)?;
    for doorbell in gone.drain(..) {
        delete.execute([doorbell]).map_err(failed)?;
    }
    Ok(())
}
