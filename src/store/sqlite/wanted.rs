//! Which queues there are of tasks that want something to themselves, in SQLite: kept with each change, so that a claim looks
//! once at what they want, however many stand there.

use crate::error::Result;
use crate::model::task::Standing;
use crate::model::task::WANTS;
use crate::store::Wanted;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::types::FromSqlError;

/// As it is kept.
pub(super) fn reserves_text(reserves: &[String]) -> String {
    serde_json::Value::from(reserves).to_string()
}

impl SqliteTx<'_> {
    /// A task came to stand so in the queue, or left.
    pub(super) fn want(&mut self, queue: &str, reserves: &[String], standing: Standing, change: i64) -> Result<()> {
        match (standing, change > 0) {
            (Standing::Ready, true) if !reserves.is_empty() => self.want_more(queue, &reserves_text(reserves), change),
            (Standing::Ready, false) if queue.contains(WANTS) => self.want_less(queue, -change),
            _ => Ok(()),
        }
    }

    pub(super) fn want_more(&mut self, queue: &str, reserves: &str, more: i64) -> Result<()> {
        self.store.memo.anything_wanted = None;
        self.change(
            "insert into wanted (queue, reserves, ready) values (?1, ?2, ?3)
             on conflict (queue) do update set ready = ready + excluded.ready",
            (queue, reserves, more),
        )
        .map(drop)
    }

    fn want_less(&mut self, queue: &str, fewer: i64) -> Result<()> {
        self.store.memo.anything_wanted = None;
        if self.change("delete from wanted where queue = ?1 and ready <= ?2", (queue, fewer))? == 0 {
            self.change("update wanted set ready = ready - ?2 where queue = ?1", (queue, fewer))?;
        }
        Ok(())
    }

    pub(super) fn wanted_queues(&mut self) -> Result<Vec<Wanted>> {
        if self.store.memo.anything_wanted == Some(false) {
            return Ok(Vec::new());
        }
        let wanted: Vec<Wanted> = self
            .db()
            .prepare_cached("select queue, reserves, ready from wanted")
            .and_then(|mut list| {
                list.query_map([], |row| {
                    let reserves = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(FromSqlError::other)?;
                    Ok(Wanted { queue: row.get(0)?, reserves, ready: row.get::<_, i64>(2)? as u64 })
                })?
                .collect()
            })
            .map_err(failed)?;
        self.store.memo.anything_wanted = Some(!wanted.is_empty());
        Ok(wanted)
    }
}
