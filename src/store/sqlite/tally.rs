//! How many tasks stand where, kept with each change, so that nobody has to count them.

use crate::error::Result;
use crate::model::task::Standing;
use crate::model::task::WANTS;
use crate::model::task::lane_of_queue;
use crate::store::Tally;
use crate::store::Topic;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::Row;

impl SqliteTx<'_> {
    /// Keep the counts of a lane, when tasks come to stand there or leave. Its queues are counted together.
    pub(super) fn count(&mut self, queue: &str, changes: &[(Standing, i64)]) -> Result<()> {
        let lane = lane_of_queue(queue);
        let mut by = [0; Standing::ALL.len()];
        for (standing, change) in changes {
            by[*standing as usize] += change;
            if *standing == Standing::Ready && *change > 0 {
                self.touch(Topic::Ready);
            }
        }
        let [ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled] = by;
        let values = (lane, ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled);
        // Not an upsert: the checks would judge the row that loses against the one already there.
        let update = "update tally set ready = ready + ?2, waiting = waiting + ?3, claimed = claimed + ?4,
                in_progress = in_progress + ?5, blocked = blocked + ?6, completed = completed + ?7,
                failed = failed + ?8, cancelled = cancelled + ?9
             where lane = ?1";
        if self.change(update, values)? == 0 {
            self.change(
                "insert into tally (lane, ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                values,
            )?;
        }
        Ok(())
    }

    /// Those of the queues where something is ready: of what is wanted nobody names another.
    pub(super) fn stocked_queues(&self, queues: &[String]) -> Result<Vec<String>> {
        let (wanted, lanes): (Vec<String>, Vec<String>) = queues.iter().cloned().partition(|one| one.contains(WANTS));
        let stocked: Vec<String> = self
            .db()
            .prepare_cached("select lane from tally where lane between ?1 and ?2 and ready > 0")
            .and_then(|mut list| list.query_map((lanes.iter().min(), lanes.iter().max()), |row| row.get(0))?.collect())
            .map_err(failed)?;
        Ok(stocked.into_iter().filter(|lane| lanes.contains(lane)).chain(wanted).collect())
    }

    pub(super) fn tallies(&self) -> Result<Vec<Tally>> {
        let select =
            "select lane, ready, waiting, claimed, in_progress, blocked, completed, failed, cancelled from tally";
        let read = |row: &Row| {
            let lane: String = row.get(0)?;
            let count = |(column, standing)| {
                Ok(Tally { lane: lane.clone(), standing, count: row.get::<_, i64>(column)? as u64 })
            };
            (1..).zip(Standing::ALL).map(count).collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows: Vec<Vec<Tally>> = self
            .db()
            .prepare_cached(select)
            .and_then(|mut list| list.query_map([], read)?.collect())
            .map_err(failed)?;
        Ok(rows.into_iter().flatten().filter(|tally| tally.count > 0).collect())
    }
}
