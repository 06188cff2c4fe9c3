//! Who wants to be woken by what, in SQLite.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::store::Topic;
use crate::store::Waiters;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use std::collections::BTreeSet;

impl Waiters for SqliteTx<'_> {
    fn watch(&mut self, doorbell: &str, topics: &[Topic]) -> Result<()> {
        self.store.memo.anybody_waits = None;
        let mut insert = self
            .writable()?
            .prepare_cached("insert or ignore into waiter (topic, doorbell) values (?1, ?2)")
            .map_err(failed)?;
        topics.iter().try_for_each(|topic| insert.execute((topic.key(), doorbell)).map(drop)).map_err(failed)
    }

    fn unwatch(&mut self, doorbell: &str) -> Result<()> {
        self.store.memo.anybody_waits = None;
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

impl SqliteTx<'_> {
    /// The doorbells to ring once this transaction is committed. Asked inside it, so that nobody who registered is missed.
    pub(super) fn watching(&mut self) -> Result<BTreeSet<String>> {
        let mut doorbells = BTreeSet::new();
        if self.touched.is_empty() || !self.anybody_waits()? {
            return Ok(doorbells);
        }
        let mut find = self.db().prepare_cached("select doorbell from waiter where topic = ?1").map_err(failed)?;
        for topic in &self.touched {
            let mut rows = find.query([topic.key()]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                doorbells.insert(row.get(0).map_err(failed)?);
            }
        }
        Ok(doorbells)
    }

    /// Mostly a few do, or nobody does: then no topic need be looked up.
    fn anybody_waits(&mut self) -> Result<bool> {
        if let Some(known) = self.store.memo.anybody_waits {
            return Ok(known);
        }
        let found = self
            .db()
            .prepare_cached("select exists (select 1 from waiter)")
            .and_then(|mut anybody| anybody.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        self.store.memo.anybody_waits = Some(found);
        Ok(found)
    }

    /// Doorbells whose process ended without a word.
    pub(super) fn forget_gone(&mut self) -> Result<()> {
        let gone = std::mem::take(&mut self.store.gone);
        gone.iter().try_for_each(|doorbell| self.unwatch(doorbell))
    }

    /// Dependants changed, and somebody may wait for one of them: but never more than a few, so look only for those.
    pub(super) fn touch_dependants(&mut self, done: TaskId) -> Result<()> {
        let watched: Vec<i64> = self
            .db()
            .prepare_cached(
                "select d.task from waiter w join dependency d on d.task = cast(substr(w.topic, 11) as integer)
                 where w.topic >= 'task:' and w.topic < 'task;' and d.needs = ?1",
            )
            .and_then(|mut list| list.query_map([done.number()], |row| row.get(0))?.collect())
            .map_err(failed)?;
        watched.into_iter().for_each(|id| self.touch(Topic::Task(TaskId::from_number(id))));
        Ok(())
    }
}
