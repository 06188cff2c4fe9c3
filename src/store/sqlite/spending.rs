//! The ledger of what sessions use up, in SQLite.

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::spending::Account;
use crate::model::spending::By;
use crate::model::spending::Spent;
use crate::model::time::Timestamp;
use crate::store::Spending;
use crate::store::SpentFilter;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::conditions::Conditions;
use crate::store::sqlite::failed;
use rusqlite::Row;

const SUMS: &str = "total(dollars), coalesce(sum(tokens), 0), coalesce(sum(turns), 0), coalesce(sum(runs), 0), coalesce(sum(unknown), 0)";

pub(super) fn read_sums(row: &Row, from: usize) -> rusqlite::Result<Spent> {
    Ok(Spent {
        dollars: row.get(from)?,
        tokens: row.get::<_, i64>(from + 1)? as u64,
        turns: row.get::<_, i64>(from + 2)? as u64,
        runs: row.get(from + 3)?,
        unknown: row.get(from + 4)?,
    })
}

fn conditions(filter: &SpentFilter) -> Conditions {
    Conditions::default()
        .given(filter.worker.clone(), ":worker", "worker = :worker")
        .given(filter.task.map(TaskId::number), ":task", "task > 0 and task = :task")
        .given(filter.job.map(JobId::number), ":job", "job > 0 and job = :job")
        .given(filter.since.map(|since| since.day().millis()), ":since", "day >= :since")
}

impl Spending for SqliteTx<'_> {
    fn add_spent(&mut self, account: &Account, spent: &Spent) -> Result<()> {
        let values = (
            account.day.millis(),
            &account.worker,
            &account.role,
            account.model.as_deref().unwrap_or_default(),
            account.task.map_or(0, TaskId::number),
            spent.dollars,
            spent.tokens as i64,
            spent.turns as i64,
            spent.runs,
            spent.unknown,
        );
        self.writable()?
            .prepare_cached(
                "insert into spending (day, worker, role, model, task, job, dollars, tokens, turns, runs, unknown)
                 values (?1, ?2, ?3, ?4, ?5, coalesce((select job from task where id = ?5), 0), ?6, ?7, ?8, ?9, ?10)
                 on conflict do update set dollars = dollars + ?6, tokens = tokens + ?7, turns = turns + ?8,
                    runs = runs + ?9, unknown = unknown + ?10",
            )
            .and_then(|mut write| write.execute(values))
            .map_err(failed)?;
        let sql = "update job set dollars = dollars + ?2, tokens = tokens + ?3, turns = turns + ?4, runs = runs + ?5,
                       unknown = unknown + ?6 where id = (select job from task where id = ?1)";
        let task = account.task.map_or(0, TaskId::number);
        let sums = (task, spent.dollars, spent.tokens as i64, spent.turns as i64, spent.runs, spent.unknown);
        self.change(sql, sums).map(drop)
    }

    fn spent(&mut self, filter: &SpentFilter) -> Result<Spent> {
        let conditions = conditions(filter);
        self.db()
            .prepare_cached(&format!("select {SUMS} from spending where true{}", conditions.sql))
            .and_then(|mut sum| sum.query_row(&*conditions.values(), |row| read_sums(row, 0)))
            .map_err(failed)
    }

    fn spent_by(&mut self, by: By, filter: &SpentFilter, limit: u32) -> Result<Vec<(Option<String>, Spent)>> {
        let (column, order) = match by {
            By::Worker => ("worker", "total(dollars) desc, worker"),
            By::Task => ("task", "total(dollars) desc, task"),
            By::Job => ("job", "total(dollars) desc, job"),
            By::Role => ("role", "total(dollars) desc, role"),
            By::Model => ("model", "total(dollars) desc, model"),
            By::Day => ("day", "day desc"),
        };
        let heading = |row: &Row| -> rusqlite::Result<Option<String>> {
            Ok(match by {
                By::Worker | By::Role | By::Model => Some(row.get::<_, String>(0)?).filter(|name| !name.is_empty()),
                By::Task => {
                    Some(row.get::<_, i64>(0)?).filter(|id| *id > 0).map(|id| TaskId::from_number(id).to_string())
                }
                By::Job => {
                    Some(row.get::<_, i64>(0)?).filter(|id| *id > 0).map(|id| JobId::from_number(id).to_string())
                }
                By::Day => Some(Timestamp::from_millis(row.get(0)?).date()),
            })
        };
        let conditions = conditions(filter).value(limit, ":limit");
        self.db()
            .prepare_cached(&format!(
                "select {column}, {SUMS} from spending where true{} group by 1 order by {order} limit :limit",
                conditions.sql
            ))
            .and_then(|mut list| {
                list.query_map(&*conditions.values(), |row| Ok((heading(row)?, read_sums(row, 1)?)))?.collect()
            })
            .map_err(failed)
    }
}
