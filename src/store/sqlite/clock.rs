//! The store's two clocks, and the tie of its lease clock to the machine's time awake.

use crate::error::Result;
use crate::host::Host;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::store::Mode;
use crate::store::sqlite::failed;
use rusqlite::Connection;
use rusqlite::OptionalExtension;

/// Where the lease clock of a new store begins: above `Tick::NEVER`.
const BEGINNING_MS: i64 = 1_000;

/// Both clocks. `known` is the offset of this boot, once somebody looked.
pub fn now(db: &Connection, host: &Host, mode: Mode, known: &mut Option<i64>) -> Result<Now> {
    let awake = host.awake_ms();
    let offset = match known {
        Some(offset) => *offset,
        None => {
            let (offset, tied) = offset(db, host, mode, awake)?;
            *known = tied.then_some(offset);
            offset
        }
    };
    Ok(Now { at: host.wall(), tick: Tick::from_millis(awake + offset) })
}

/// The offset, and whether the store has it for this boot.
fn offset(db: &Connection, host: &Host, mode: Mode, awake: i64) -> Result<(i64, bool)> {
    let boot = host.boot();
    let kept = db
        .query_row("select boot, offset_ms from clock", [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .optional()
        .map_err(failed)?;
    if let Some((kept_boot, offset)) = kept
        && kept_boot == boot
    {
        return Ok((offset, true));
    }
    // Another boot, or none yet: lease time goes on from the last moment at which any lease was renewed. No lease ends
    // while nobody could renew it, and none is worth more than its seconds again.
    let offset = last_renewal(db)? - awake;
    if mode == Mode::Read {
        return Ok((offset, false));
    }
    // Not yet tied: should this transaction roll back, the next one decides again.
    db.execute("insert or replace into clock (one, boot, offset_ms) values (1, ?1, ?2)", (boot, offset))
        .map_err(failed)?;
    Ok((offset, false))
}

fn last_renewal(db: &Connection) -> Result<i64> {
    db.query_row(
        "select max(
            ?1,
            coalesce((select max(renewed) from instance), 0),
            coalesce((select max(lease_until - lease_secs * 1000) from task where lease_until is not null), 0))",
        [BEGINNING_MS],
        |row| row.get(0),
    )
    .map_err(failed)
}
