//! First answers by idempotency key, in SQLite.

use crate::error::Result;
use crate::store::Answers;
use crate::store::StoredAnswer;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;

/// A key is remembered at least for this many later keys: far longer than anybody goes on repeating a call.
const ANSWERS_MAX: i64 = 100_000;

impl Answers for SqliteTx<'_> {
    fn answer(&mut self, key: &str) -> Result<Option<StoredAnswer>> {
        self.db()
            .prepare_cached("select operation, digest, answer from answer where key = ?1")
            .and_then(|mut find| {
                find.query_row([key], |row| {
                    Ok(StoredAnswer { operation: row.get(0)?, digest: row.get(1)?, answer: row.get(2)? })
                })
                .optional()
            })
            .map_err(failed)
    }

    fn keep_answer(&mut self, key: &str, answer: &StoredAnswer) -> Result<()> {
        let db = self.writable()?;
        db.prepare_cached("insert into answer (key, operation, digest, answer) values (?1, ?2, ?3, ?4)")
            .and_then(|mut keep| keep.execute((key, &answer.operation, &answer.digest, &answer.answer)))
            .map_err(failed)?;
        let oldest_kept = db.last_insert_rowid() - ANSWERS_MAX;
        db.prepare_cached("delete from answer where id <= ?1")
            .and_then(|mut prune| prune.execute([oldest_kept]))
            .map(drop)
            .map_err(failed)
    }
}
