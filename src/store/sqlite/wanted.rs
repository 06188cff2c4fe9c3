//! Which queues there are of tasks that want something to themselves or are about a repository, in SQLite: kept with each change, so that a claim looks
//! once at what they want, however many stand there.

use crate::error::Result;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::task::WANTS;
use crate::store::Wanted;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::types::FromSqlError;

/// As it is kept.
pub(super) fn reserves_text(task: &Task) -> Option<String> {
    (!task.reserves.is_empty()).then(|| serde_json::Value::from(task.reserves.as_slice()).to_string())
}

impl SqliteTx<'_> {
    /// The task came to stand so in its queue.
    pub(super) fn want(&mut self, task: &Task) -> Result<()> {
        let queue = task.queue();
        match task.standing() == Standing::Ready && queue.contains(WANTS) {
            true => self.want_more(&queue, reserves_text(task).as_deref(), task.repo.as_deref(), 1),
            false => Ok(()),
        }
    }

    /// One that stood so in the queue does no more.
    pub(super) fn unwant(&mut self, queue: &str, stood: Standing) -> Result<()> {
        if stood == Standing::Ready && queue.contains(WANTS) { self.want_less(queue, 1) } else { Ok(()) }
    }

    pub(super) fn want_more(
        &mut self,
        queue: &str,
        reserves: Option<&str>,
        repo: Option<&str>,
        more: i64,
    ) -> Result<()> {
        self.store.memo.anything_wanted = None;
        self.change(
            "insert into wanted (queue, reserves, repo, ready) values (?1, ?2, ?3, ?4)
             on conflict (queue) do update set ready = ready + excluded.ready",
            (queue, reserves, repo, more),
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

    pub(super) fn wanted_queues(&mut self, most: u32) -> Result<Vec<Wanted>> {
        if self.store.memo.anything_wanted == Some(false) {
            return Ok(Vec::new());
        }
        let wanted: Vec<Wanted> = self
            .db()
            .prepare_cached("select queue, reserves, repo, ready from wanted limit ?1")
            .and_then(|mut list| {
                list.query_map([most], |row| {
                    let reserves = match row.get_ref(1)?.as_str_or_null()? {
                        Some(reserves) => serde_json::from_str(reserves).map_err(FromSqlError::other)?,
                        None => Vec::new(),
                    };
                    let ready = row.get::<_, i64>(3)? as u64;
                    Ok(Wanted { queue: row.get(0)?, reserves, repo: row.get(2)?, ready })
                })?
                .collect()
            })
            .map_err(failed)?;
        self.store.memo.anything_wanted = Some(!wanted.is_empty());
        Ok(wanted)
    }
}
