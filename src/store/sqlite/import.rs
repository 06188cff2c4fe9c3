//! What files told of tasks, in SQLite.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::TaskId;
use crate::plan::Draft;
use crate::store::Imports;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::types::FromSqlError;

fn read(row: &Row, column: usize) -> rusqlite::Result<Draft> {
    Ok(serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(FromSqlError::other)?)
}

impl Imports for SqliteTx<'_> {
    fn task_of_key(&mut self, key: &str) -> Result<Option<TaskId>> {
        self.db()
            .prepare_cached("select task from task_key where key = ?1")
            .and_then(|mut find| find.query_row([key], |row| row.get(0).map(TaskId::from_number)).optional())
            .map_err(failed)
    }

    fn key_of_task(&mut self, task: TaskId) -> Result<Option<String>> {
        self.db()
            .prepare_cached("select key from task_key where task = ?1")
            .and_then(|mut find| find.query_row([task.number()], |row| row.get(0)).optional())
            .map_err(failed)
    }

    fn keys(&mut self) -> Result<Vec<String>> {
        self.db()
            .prepare_cached("select key from task_key")
            .and_then(|mut list| list.query_map([], |row| row.get(0))?.collect())
            .map_err(failed)
    }

    fn put_key(&mut self, key: &str, task: TaskId, source: &str) -> Result<()> {
        let write = "insert or ignore into task_key (key, task, source) values (?1, ?2, ?3)";
        match self.change(write, (key, task.number(), source))? {
            1 => Ok(()),
            _ => Err(Error::new(Kind::Conflict, format!("`{key}` or `{task}` belongs to another already"))),
        }
    }

    fn source_of_key(&mut self, key: &str) -> Result<Option<String>> {
        self.db()
            .prepare_cached("select source from task_key where key = ?1")
            .and_then(|mut find| find.query_row([key], |row| row.get(0)).optional())
            .map_err(failed)
    }

    fn move_key(&mut self, key: &str, source: &str) -> Result<()> {
        if let Some(old) = self.source_of_key(key)?.filter(|old| !old.is_empty() && old != source) {
            let told = "update or ignore told set source = ?3 where source = ?2 and key = ?1";
            self.change(told, (key, &old, source))?;
            self.change("delete from told where source = ?2 and key = ?1", (key, &old))?;
        }
        self.change("update task_key set source = ?2 where key = ?1", (key, source)).map(drop)
    }

    fn team_mark(&mut self) -> Result<String> {
        self.db()
            .prepare_cached("select mark from team")
            .and_then(|mut find| find.query_row([], |row| row.get(0)))
            .map_err(failed)
    }

    fn told(&mut self, source: &str, key: &str) -> Result<Option<(Draft, bool)>> {
        self.db()
            .prepare_cached(
                "select told.draft, told.source = ?1 from told left join task_key using (key) where told.key = ?2
                 order by told.source = ?1 desc, told.source = '' desc, told.source = task_key.source desc, told.source
                 limit 1",
            )
            .and_then(|mut find| find.query_row((source, key), |row| Ok((read(row, 0)?, row.get(1)?))).optional())
            .map_err(failed)
    }

    fn told_of(&mut self, key: &str) -> Result<Vec<Draft>> {
        self.db()
            .prepare_cached(
                "select told.draft from told left join task_key using (key) where told.key = ?1
                 order by told.source = '' desc, told.source = task_key.source desc, told.source",
            )
            .and_then(|mut list| list.query_map([key], |row| read(row, 0))?.collect())
            .map_err(failed)
    }

    fn keys_told_by(&mut self, source: &str, name: &str) -> Result<Vec<String>> {
        self.db()
            .prepare_cached(
                "select key from told where (key = ?2 or key >= ?2 || '~' and key < ?2 || char(127)) and source = ?1
                 order by key",
            )
            .and_then(|mut list| list.query_map((source, name), |row| row.get(0))?.collect())
            .map_err(failed)
    }

    fn keys_told_in(&mut self, folder: &str, name: &str) -> Result<Vec<String>> {
        let (from, to) = (format!("{folder}/"), format!("{folder}0"));
        self.db()
            .prepare_cached(
                "select key from told where (key = ?3 or key >= ?3 || '~' and key < ?3 || char(127))
                 and source >= ?1 and source < ?2 and instr(substr(source, length(?1) + 1), '/') = 0 order by key",
            )
            .and_then(|mut list| list.query_map((from, to, name), |row| row.get(0))?.collect())
            .map_err(failed)
    }

    fn told_by(&mut self, source: &str) -> Result<Vec<(String, Draft)>> {
        let (from, to) = (format!("{source}/"), format!("{source}0"));
        self.db()
            .prepare_cached(
                "select key, draft from told where source = ?1 or source >= ?2 and source < ?3 order by source, key",
            )
            .and_then(|mut list| list.query_map((source, from, to), |row| Ok((row.get(0)?, read(row, 1)?)))?.collect())
            .map_err(failed)
    }

    fn put_told(&mut self, source: &str, key: &str, draft: &Draft) -> Result<()> {
        let draft = serde_json::to_string(draft).map_err(Error::internal)?;
        let write = "insert into told (source, key, draft) values (?1, ?2, ?3)
                     on conflict (source, key) do update set draft = excluded.draft";
        self.change(write, (source, key, draft)).map(drop)
    }
}
