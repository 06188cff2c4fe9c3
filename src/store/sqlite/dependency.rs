//! What tasks wait for, in SQLite: written, counted, and counted down as it is done.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::task::WANTS;
use crate::store::Tx;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::Row;

impl SqliteTx<'_> {
    /// Writes what the task depends on and counts what of it is not completed.
    pub(super) fn write_dependencies(&mut self, task: &mut Task) -> Result<()> {
        task.unmet = 0;
        for needs in &task.depends_on {
            self.change(
                "insert or ignore into dependency (task, needs) values (?1, ?2)",
                (task.id.number(), needs.number()),
            )?;
        }
        if !task.depends_on.is_empty() {
            let sql = "select count(*) from dependency d join task t on t.id = d.needs where d.task = ?1 and t.state <> 'completed'";
            task.unmet = self.number(sql, [task.id.number()])? as u32;
            if !task.state.is_final() {
                self.raise(&task.depends_on, task.height + 1)?;
            }
            self.note_crossing(task)?;
        }
        Ok(())
    }

    /// It is done, and whoever waited for nothing else is ready.
    pub(super) fn open_to_dependants(&mut self, done: TaskId) -> Result<u32> {
        // Most tasks are waited for by nobody, and to ask costs a tenth of an update that finds nothing.
        if self.number("select exists (select 1 from dependency where needs = ?1)", [done.number()])? == 0 {
            return Ok(0);
        }
        self.store.memo.forget_standing();
        let dependants = "id in (select task from dependency where needs = ?1)";
        // To become ready is a change: since then it waits to be taken.
        let sql = format!(
            "update task set unmet = unmet - 1, version = version + 1, updated_at = iif(unmet = 1, ?2, updated_at)
             where {dependants} and unmet > 0"
        );
        if self.change(&sql, (done.number(), Tx::now(self).at.millis()))? == 0 {
            return Ok(0);
        }
        // Whoever waits for nothing now waited for this one, so it became ready here and was counted as waiting before.
        let sql = format!(
            "select queue, count(*), max(reserves), max(repo) from task where {dependants} and standing = 'ready' group by queue"
        );
        type Ready = (String, i64, Option<String>, Option<String>);
        let read = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let ready: Vec<Ready> = self
            .db()
            .prepare_cached(&sql)
            .and_then(|mut list| list.query_map([done.number()], read)?.collect())
            .map_err(failed)?;
        let mut count = 0;
        for (queue, became_ready, reserves, repo) in ready {
            self.count(&queue, &[(Standing::Waiting, -became_ready), (Standing::Ready, became_ready)])?;
            if queue.contains(WANTS) {
                self.want_more(&queue, reserves.as_deref(), repo.as_deref(), became_ready)?;
            }
            count += became_ready;
        }
        if count > 0 {
            self.ready_in_jobs(done)?;
        }
        self.touch_dependants(done)?;
        Ok(count as u32)
    }
}
