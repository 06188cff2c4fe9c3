//! Events in SQLite: appended at one end, pruned at the other.

use crate::error::Result;
use crate::model::event::Event;
use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::time::Timestamp;
use crate::store::EventFilter;
use crate::store::Events;
use crate::store::Topic;
use crate::store::Tx;
use crate::store::sqlite::SqliteTx;
use crate::store::sqlite::conditions::Conditions;
use crate::store::sqlite::failed;
use rusqlite::Row;
use serde_json::Value;

/// Every so many events the new ones are indexed by their subject, and the oldest beyond the bound are pruned, at most
/// twice as many, so that no commit pays for more.
const TEND_EVERY: u64 = 64;
const PRUNE_AT_MOST: u64 = 2 * TEND_EVERY;

fn read(row: &Row) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: row.get::<_, i64>(0)? as u64,
        at: Timestamp::from_millis(row.get(1)?),
        kind: row.get(2)?,
        subject: row.get(3)?,
        actor: row.get::<_, Option<String>>(4)?.map(InstanceId::from_stored),
        data: row.get::<_, Option<String>>(5)?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
    })
}

impl SqliteTx<'_> {
    /// The rest of the index is looked for among the events that came since, see `events`.
    fn index_subjects(&mut self, newest: u64) -> Result<()> {
        self.writable()?
            .prepare_cached("insert into event_subject (subject, seq) select subject, seq from event where seq > ?1")
            .and_then(|mut index| index.execute([newest.saturating_sub(TEND_EVERY) as i64]))
            .map(drop)
            .map_err(failed)
    }

    fn prune_events(&mut self, newest: u64) -> Result<()> {
        let Some(bound) = newest.checked_sub(self.store.events_max) else { return Ok(()) };
        let db = self.writable()?;
        db.prepare_cached(
            "delete from event_subject where (subject, seq) in
                (select subject, seq from event where seq <= ?1 and seq < (select min(seq) from event) + ?2)",
        )
        .and_then(|mut prune| prune.execute((bound as i64, PRUNE_AT_MOST as i64)))
        .map_err(failed)?;
        let pruned = db
            .prepare_cached("delete from event where seq <= ?1 and seq < (select min(seq) from event) + ?2")
            .and_then(|mut prune| prune.execute((bound as i64, PRUNE_AT_MOST as i64)))
            .map_err(failed)?;
        if pruned > 0 {
            // Gives a few freed pages back to the file system, so that the file shrinks again after a flood.
            db.prepare_cached("pragma incremental_vacuum(32)")
                .and_then(|mut vacuum| {
                    // Each row that it gives back is a page.
                    let mut pages = vacuum.query([])?;
                    while pages.next()?.is_some() {}
                    Ok(())
                })
                .map_err(failed)?;
        }
        Ok(())
    }
}

impl Events for SqliteTx<'_> {
    fn append_event(&mut self, event: NewEvent) -> Result<u64> {
        let at = self.now().at;
        let data = (!event.data.is_empty()).then(|| Value::Object(event.data).to_string());
        let db = self.writable()?;
        db.prepare_cached("insert into event (at, kind, subject, actor, data) values (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut append| {
                let actor = event.actor.as_ref().map(InstanceId::as_str);
                append.execute((at.millis(), event.kind, &event.subject, actor, data))
            })
            .map_err(failed)?;
        let seq = db.last_insert_rowid() as u64;
        self.touch(Topic::Events);
        if seq.is_multiple_of(TEND_EVERY) {
            self.index_subjects(seq)?;
            self.prune_events(seq)?;
        }
        Ok(seq)
    }

    fn events(&mut self, filter: &EventFilter, limit: u32) -> Result<Vec<Event>> {
        let conditions = Conditions::default()
            .value(i64::try_from(filter.after).unwrap_or(i64::MAX), ":after")
            .given(filter.kind.clone(), ":kind", "substr(kind, 1, length(:kind)) = :kind")
            .value(limit, ":limit");
        let direction = if filter.newest_first { "desc" } else { "asc" };
        // Ordered by the column that is walked, or all that follows would be read and sorted for one page.
        let of = |events: &str, which: &str, order: &str| {
            format!(
                "select e.seq, e.at, e.kind, e.subject, e.actor, e.data from {events} where {which}{} order by {order} {direction} limit :limit",
                conditions.sql
            )
        };
        let (sql, conditions) = match &filter.subject {
            None => (of("event e", "e.seq > :after", "e.seq"), conditions),
            Some(subject) => {
                let newest = self.event_bounds()?.1;
                let indexed = of(
                    "event_subject s cross join event e on e.seq = s.seq",
                    "s.subject = :subject and s.seq > :after",
                    "s.seq",
                );
                let since = of("event e", "e.seq > max(:after, :indexed) and e.subject = :subject", "e.seq");
                let (first, then) = if filter.newest_first { (since, indexed) } else { (indexed, since) };
                (
                    format!("select * from ({first}) union all select * from ({then}) limit :limit"),
                    conditions
                        .value(subject.clone(), ":subject")
                        .value((newest - newest % TEND_EVERY) as i64, ":indexed"),
                )
            }
        };
        self.db()
            .prepare_cached(&sql)
            .and_then(|mut list| list.query_map(&*conditions.values(), read)?.collect())
            .map_err(failed)
    }

    fn event_bounds(&mut self) -> Result<(u64, u64)> {
        self.db()
            .prepare_cached("select (select min(seq) from event), (select max(seq) from event)")
            .and_then(|mut bounds| {
                bounds.query_row([], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))
            })
            .map(|(oldest, newest)| (oldest.unwrap_or(0) as u64, newest.unwrap_or(0) as u64))
            .map_err(failed)
    }
}
