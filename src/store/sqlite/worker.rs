//! Workers, whoever looks after them, and their runs in SQLite.

use crate::error::Error;
use crate::error::Result;
use crate::model::fleet::Fleet;
use crate::model::id::TaskId;
use crate::model::spending::Cost;
use crate::model::time::Timestamp;
use crate::model::worker::Ended;
use crate::model::worker::RunRecord;
use crate::model::worker::Worker;
use crate::store::Topic;
use crate::store::Workers;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use crate::store::sqlite::json::json;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::named_params;
use serde::de::DeserializeOwned;

const RUN: &str = "worker, number, role, model, task, session, began_at, ended_at, outcome, dollars, tokens, turns";

/// Nobody may act on something of which a part was forgotten.
fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}

fn read_run(row: &Row) -> rusqlite::Result<RunRecord> {
    let ended = match (row.get::<_, Option<i64>>(7)?, row.get(8)?) {
        (Some(at), Some(outcome)) => Some(Ended { at: Timestamp::from_millis(at), outcome }),
        _ => None,
    };
    let cost = match (row.get(9)?, row.get::<_, Option<i64>>(10)?, row.get::<_, Option<i64>>(11)?) {
        (Some(dollars), Some(tokens), Some(turns)) => {
            Some(Cost { dollars, tokens: tokens as u64, turns: turns as u64 })
        }
        _ => None,
    };
    Ok(RunRecord {
        worker: row.get(0)?,
        number: row.get::<_, i64>(1)? as u64,
        role: row.get(2)?,
        model: row.get(3)?,
        task: row.get::<_, Option<i64>>(4)?.map(TaskId::from_number),
        session: row.get(5)?,
        began_at: Timestamp::from_millis(row.get(6)?),
        ended,
        cost,
    })
}

impl Workers for SqliteTx<'_> {
    fn fleet(&mut self) -> Result<Fleet> {
        let found = self
            .db()
            .prepare_cached("select body from fleet where one = 1")
            .and_then(|mut find| find.query_row([], |row| row.get::<_, String>(0)).optional())
            .map_err(failed)?;
        found.map_or_else(|| Ok(Fleet::default()), |text| read(&text))
    }

    fn put_fleet(&mut self, fleet: &Fleet) -> Result<()> {
        self.writable()?
            .prepare_cached("insert into fleet (one, body) values (1, ?1) on conflict (one) do update set body = ?1")
            .and_then(|mut write| write.execute([json(fleet)]))
            .map_err(failed)?;
        self.touch(Topic::Workers);
        Ok(())
    }

    fn worker(&mut self, name: &str) -> Result<Option<Worker>> {
        let found = self
            .db()
            .prepare_cached("select body from worker where name = ?1")
            .and_then(|mut find| find.query_row([name], |row| row.get::<_, String>(0)).optional())
            .map_err(failed)?;
        found.map(|text| read(&text)).transpose()
    }

    fn workers(&mut self) -> Result<Vec<Worker>> {
        let found: Vec<String> = self
            .db()
            .prepare_cached("select body from worker order by name")
            .and_then(|mut list| list.query_map([], |row| row.get(0))?.collect())
            .map_err(failed)?;
        found.iter().map(|text| read(text)).collect()
    }

    fn put_worker(&mut self, worker: &Worker) -> Result<()> {
        self.writable()?
            .prepare_cached(
                "insert into worker (name, body) values (?1, ?2) on conflict (name) do update set body = ?2",
            )
            .and_then(|mut write| write.execute((&worker.name, json(worker))))
            .map_err(failed)?;
        self.touch(Topic::Workers);
        Ok(())
    }

    fn put_run(&mut self, run: &RunRecord) -> Result<()> {
        self.writable()?
            .prepare_cached(
                "insert into run (worker, number, role, model, task, session, began_at, ended_at, outcome, dollars, tokens, turns)
                 values (:worker, :number, :role, :model, :task, :session, :began_at, :ended_at, :outcome, :dollars, :tokens, :turns)
                 on conflict (worker, number) do update set model = :model, session = :session, ended_at = :ended_at,
                    outcome = :outcome, dollars = :dollars, tokens = :tokens, turns = :turns",
            )
            .and_then(|mut write| {
                write.execute(named_params! {
                    ":worker": run.worker,
                    ":number": run.number as i64,
                    ":role": run.role,
                    ":model": run.model,
                    ":task": run.task.map(TaskId::number),
                    ":session": run.session,
                    ":began_at": run.began_at.millis(),
                    ":ended_at": run.ended.as_ref().map(|ended| ended.at.millis()),
                    ":outcome": run.ended.as_ref().map(|ended| ended.outcome.as_str()),
                    ":dollars": run.cost.map(|cost| cost.dollars),
                    ":tokens": run.cost.map(|cost| cost.tokens as i64),
                    ":turns": run.cost.map(|cost| cost.turns as i64),
                })
            })
            .map(drop)
            .map_err(failed)
    }

    fn run(&mut self, worker: &str, number: u64) -> Result<Option<RunRecord>> {
        self.db()
            .prepare_cached(&format!("select {RUN} from run where worker = ?1 and number = ?2"))
            .and_then(|mut find| find.query_row((worker, number as i64), read_run).optional())
            .map_err(failed)
    }
}
