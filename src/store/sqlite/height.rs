//! How much waits for a task: its height is the length of the longest chain of tasks that wait for one another and for it.
//!
//! It is kept true for tasks that are not over, and only tasks that may still be done count: so the highest of a job is the
//! head of its longest chain, and nobody has to walk ten thousand tasks to find it.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;

fn is_over(standing: Standing) -> bool {
    matches!(standing, Standing::Completed | Standing::Failed | Standing::Cancelled)
}

impl SqliteTx<'_> {
    /// What a task waits for, whether that is done or not.
    pub(super) fn needs(&self, id: TaskId) -> Result<Vec<TaskId>> {
        self.db()
            .prepare_cached("select needs from dependency where task = ?1")
            .and_then(|mut list| list.query_map([id.number()], |row| Ok(TaskId::from_number(row.get(0)?)))?.collect())
            .map_err(failed)
    }

    /// Something of that height waits for these from now on.
    pub(super) fn raise(&mut self, these: &[TaskId], height: u32) -> Result<()> {
        let mut left: Vec<(TaskId, u32)> = these.iter().map(|id| (*id, height)).collect();
        while let Some((id, height)) = left.pop() {
            let sql = "update task set height = ?2 where id = ?1 and height < ?2 and finished_at is null";
            if self.change(sql, (id.number(), height))? > 0 {
                left.extend(self.needs(id)?.into_iter().map(|needs| (needs, height + 1)));
            }
        }
        Ok(())
    }

    /// Something that waited for these does so no more, or is not going to be done.
    pub(super) fn settle_heights(&mut self, mut these: Vec<TaskId>) -> Result<()> {
        const LOOK: &str = "select t.height, (
                select coalesce(max(w.height) + 1, 0) from dependency d join task w on w.id = d.task
                where d.needs = t.id and w.finished_at is null)
            from task t where t.id = ?1 and t.finished_at is null";
        while let Some(id) = these.pop() {
            let found: Option<(u32, u32)> = self
                .db()
                .prepare_cached(LOOK)
                .and_then(|mut look| look.query_row([id.number()], |row| Ok((row.get(0)?, row.get(1)?))).optional())
                .map_err(failed)?;
            if let Some((_, height)) = found.filter(|(before, height)| before != height) {
                self.change("update task set height = ?2 where id = ?1", (id.number(), height))?;
                these.extend(self.needs(id)?);
            }
        }
        Ok(())
    }

    /// A task that will not be done makes nobody wait; one that is to be done after all does so again.
    pub(super) fn follow_height(&mut self, id: TaskId, before: Standing, now: Standing) -> Result<()> {
        match (is_over(before), is_over(now)) {
            (false, true) if now != Standing::Completed => {
                let needs = self.needs(id)?;
                self.settle_heights(needs)
            }
            (true, false) => {
                let needs = self.needs(id)?;
                self.settle_heights(vec![id])?;
                self.settle_heights(needs)
            }
            _ => Ok(()),
        }
    }
}
