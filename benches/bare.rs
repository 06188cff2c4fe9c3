//! SQLite without us: what a program that keeps its promises with `synchronous=FULL` alone would reach here.

use rusqlite::Connection;
use rusqlite::TransactionBehavior;
use std::path::Path;
use std::time::Duration;

pub struct Bare(Connection);

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl Bare {
    pub fn open(file: &Path) -> Bare {
        let db = Connection::open(file).expect("the directory can be written to");
        db.busy_timeout(BUSY_TIMEOUT).expect("it is only a setting");
        db.execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full;
             create table if not exists task (id integer primary key, state integer not null, title text not null);
             create table if not exists event (seq integer primary key, subject integer not null, kind text not null);",
        )
        .expect("the tables can be made");
        Bare(db)
    }

    /// One insert, one commit, durable.
    pub fn insert(&self) {
        self.0
            .prepare_cached("insert into task (state, title) values (0, 'a task of the usual length, say')")
            .and_then(|mut insert| insert.execute([]))
            .expect("the disk has room");
    }

    pub fn insert_many(&mut self, count: usize) {
        let tx = self.0.transaction_with_behavior(TransactionBehavior::Immediate).expect("nobody else is here");
        {
            let mut insert = tx
                .prepare_cached("insert into task (state, title) values (0, 'a task of the usual length, say')")
                .expect("the table is there");
            for _ in 0..count {
                insert.execute([]).expect("the disk has room");
            }
        }
        tx.commit().expect("the disk has room");
    }

    /// Take the next task and write it down: two statements, one commit, durable. `false` where SQLite gave up waiting.
    pub fn take(&mut self) -> bool {
        let Ok(tx) = self.0.transaction_with_behavior(TransactionBehavior::Immediate) else { return false };
        let took = tx
            .prepare_cached(
                "update task set state = state + 1 where id = (select coalesce(max(seq), 0) from event) % 1000 + 1 returning id",
            )
            .and_then(|mut take| take.query_row([], |row| row.get::<_, i64>(0)))
            .and_then(|id| {
                tx.prepare_cached("insert into event (subject, kind) values (?1, 'task.claimed')")
                    .and_then(|mut tell| tell.execute([id]))
            });
        took.and_then(|_| tx.commit()).is_ok()
    }
}
