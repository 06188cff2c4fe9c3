//! Which commit shows the work of which task, in SQLite.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::store::Shown;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;

impl Shown for SqliteTx<'_> {
    fn task_of_commit(&mut self, commit: &str) -> Result<Option<TaskId>> {
        self.db()
            .prepare_cached("select task from task_of_commit where number = ?1")
            .and_then(|mut find| find.query_row([commit], |row| Ok(TaskId::from_number(row.get(0)?))).optional())
            .map_err(failed)
    }

    fn put_task_of_commit(&mut self, commit: &str, task: TaskId) -> Result<()> {
        self.writable()?
            .prepare_cached("insert into task_of_commit (number, task) values (?1, ?2) on conflict do nothing")
            .and_then(|mut write| write.execute((commit, task.number())))
            .map(drop)
            .map_err(failed)
    }
}
