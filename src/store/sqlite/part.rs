//! What several callers do in one SQLite transaction, and which of their notes it carried out.

use crate::error::Result;
use crate::store::Mode;
use crate::store::Parts;
use crate::store::board::PLACES;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::OptionalExtension;

const MARK_BYTES: usize = size_of::<u64>();

impl Parts for SqliteTx<'_> {
    fn begin_part(&mut self) -> Result<()> {
        self.store.run("savepoint part")
    }

    fn end_part(&mut self, keep: bool) -> Result<()> {
        if !keep {
            // What was touched stays so: to ring for nothing does no harm.
            self.store.run("rollback to part")?;
            self.store.memo.forget_all();
        }
        self.store.run("release part")
    }

    fn promise(&mut self, mode: Mode) {
        if mode == Mode::Durable {
            self.mode = mode;
        }
    }

    fn keep_marks(&mut self, marks: &[(usize, u64)]) -> Result<()> {
        let mut all = self.marks()?;
        for (place, mark) in marks {
            all[place * MARK_BYTES..][..MARK_BYTES].copy_from_slice(&mark.to_le_bytes());
        }
        self.writable()?
            .prepare_cached("insert or replace into board (one, marks) values (1, ?1)")
            .and_then(|mut keep| keep.execute([all]))
            .map(drop)
            .map_err(failed)
    }

    fn has_mark(&mut self, (place, mark): (usize, u64)) -> Result<bool> {
        Ok(self.marks()?[place * MARK_BYTES..][..MARK_BYTES] == mark.to_le_bytes())
    }
}

impl SqliteTx<'_> {
    /// The last mark of each place.
    fn marks(&self) -> Result<Vec<u8>> {
        let found = self
            .db()
            .prepare_cached("select marks from board")
            .and_then(|mut find| find.query_row([], |row| row.get::<_, Vec<u8>>(0)).optional())
            .map_err(failed)?;
        let mut marks = found.unwrap_or_default();
        marks.resize(PLACES * MARK_BYTES, 0);
        Ok(marks)
    }
}
