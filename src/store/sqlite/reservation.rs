//! Reservations in SQLite.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::reservation::Reservation;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::store::Reservations;
use crate::store::Topic;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::failed;
use rusqlite::Row;
use rusqlite::named_params;

fn read(row: &Row) -> rusqlite::Result<Reservation> {
    Ok(Reservation {
        id: row.get::<_, i64>(0)? as u64,
        pattern: row.get(1)?,
        holder: InstanceId::from_stored(row.get(2)?),
        shared: row.get(3)?,
        reason: row.get(4)?,
        made_at: Timestamp::from_millis(row.get(5)?),
        lease_until: Tick::from_millis(row.get(6)?),
        task: row.get::<_, Option<i64>>(7)?.map(TaskId::from_number),
    })
}

impl Reservations for SqliteTx<'_> {
    fn insert_reservation(&mut self, reservation: &mut Reservation) -> Result<()> {
        let db = self.writable()?;
        db.prepare_cached(
            "insert into reservation (pattern, holder, task, shared, reason, made_at, lease_until)
             values (:pattern, :holder, :task, :shared, :reason, :made_at, :lease_until)",
        )
        .and_then(|mut insert| {
            insert.execute(named_params! {
                ":pattern": reservation.pattern,
                ":holder": reservation.holder.as_str(),
                ":task": reservation.task.map(TaskId::number),
                ":shared": reservation.shared,
                ":reason": reservation.reason,
                ":made_at": reservation.made_at.millis(),
                ":lease_until": reservation.task.is_none().then(|| reservation.lease_until.millis()),
            })
        })
        .map_err(failed)?;
        reservation.id = db.last_insert_rowid() as u64;
        Ok(())
    }

    fn reservations(&mut self, at: Tick, after: u64, limit: u32) -> Result<Vec<Reservation>> {
        self.db()
            .prepare_cached(
                "select r.id, r.pattern, r.holder, r.shared, r.reason, r.made_at, coalesce(r.lease_until, t.lease_until) as until,
                    r.task
                 from reservation r join instance i on i.id = r.holder left join task t on t.id = r.task
                 where r.id > ?2 and until > ?1 and (r.task is not null or i.lease_until > ?1) order by r.id limit ?3",
            )
            .and_then(|mut list| list.query_map((at.millis(), after as i64, limit), read)?.collect())
            .map_err(failed)
    }

    fn remove_reservation(&mut self, id: u64) -> Result<()> {
        // Somebody may wait for it.
        if !self.wanted_queues(1)?.is_empty() {
            self.touch(Topic::Ready);
        }
        self.writable()?
            .prepare_cached("delete from reservation where id = ?1")
            .and_then(|mut delete| delete.execute([id as i64]))
            .map(drop)
            .map_err(failed)
    }

    fn forget_lapsed_reservations(&mut self, at: Tick) -> Result<()> {
        self.writable()?
            .prepare_cached(
                "delete from reservation where task is null
                    and (lease_until <= ?1 or holder in (select id from instance where lease_until <= ?1))",
            )
            .and_then(|mut delete| delete.execute([at.millis()]))
            .map(drop)
            .map_err(failed)
    }

    fn next_reservation_lapse(&mut self, at: Tick) -> Result<Option<Tick>> {
        self.db()
            .prepare_cached(
                "select min(min(r.lease_until, i.lease_until)) from reservation r join instance i on i.id = r.holder
                 where r.task is null and r.lease_until > ?1 and i.lease_until > ?1",
            )
            .and_then(|mut next| next.query_row([at.millis()], |row| row.get::<_, Option<i64>>(0)))
            .map(|tick| tick.map(Tick::from_millis))
            .map_err(failed)
    }
}

impl SqliteTx<'_> {
    /// What came with a claim goes with it: others may have it now.
    pub(super) fn free_of_task(&mut self, id: TaskId) -> Result<()> {
        if self.change("delete from reservation where task = ?1", [id.number()])? > 0 {
            self.touch(Topic::Ready);
        }
        Ok(())
    }
}
