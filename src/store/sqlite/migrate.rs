//! Brings a store file to the shape this program knows: in one transaction, once, however many processes start together.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::store::sqlite::damaged;
use crate::store::sqlite::failed;
use crate::store::sqlite::handle;
use rusqlite::Connection;
use rusqlite::TransactionBehavior;

/// Marks a database file as ours: "orch" in ASCII.
const APPLICATION_ID: i64 = 0x6f72_6368;

const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/sqlite/0001_initial.sql")];

/// A commit writes each page that it changes, mostly for a few bytes in it: small ones made a push a fifth quicker.
const PAGE_BYTES: i64 = 1024;

/// The shape this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// What an existing file is, told by its header alone.
pub enum Shape {
    Current,
    /// Older, or empty: `migrate` brings it on.
    Older,
}

/// How every SQLite file begins.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// The shape of the file, in a number.
pub fn version(db: &Connection) -> Result<i64> {
    pragma(db, "user_version")
}

/// A sound log would hide a damaged file for as long as it holds every page of it.
pub fn check_header(db: &Connection) -> Result<()> {
    match handle::first_bytes(db)? {
        Some(found) if found != *HEADER => Err(damaged()),
        _ => Ok(()),
    }
}

pub fn shape(db: &Connection) -> Result<Shape> {
    // All of it in one moment: between two looks another process could make the store.
    let db = &db.unchecked_transaction().map_err(failed)?;
    let version = pragma(db, "user_version")?;
    match version {
        VERSION => match pragma(db, "application_id")? {
            APPLICATION_ID => Ok(Shape::Current),
            _ => Err(not_ours()),
        },
        0 => match (pragma(db, "application_id")?, is_empty(db)?) {
            (0, true) => Ok(Shape::Older),
            _ => Err(not_ours()),
        },
        version if version > VERSION => Err(Error::new(
            Kind::Unavailable,
            format!("the store has schema {version}; this program knows up to {VERSION}"),
        )
        .hint("update orch-mcp, or point --state-dir at another directory")),
        _ => match pragma(db, "application_id")? {
            APPLICATION_ID => Ok(Shape::Older),
            _ => Err(not_ours()),
        },
    }
}

/// Asks for the shape again under the lock, so that of many processes one migrates and the rest find it done.
pub fn migrate(db: &mut Connection) -> Result<()> {
    if let Shape::Current = shape(db)? {
        return Ok(());
    }
    // These settings live in the file and must be there before its first table.
    if pragma(db, "user_version")? == 0 {
        db.pragma_update(None, "page_size", PAGE_BYTES).map_err(failed)?;
        db.pragma_update(None, "auto_vacuum", "incremental").map_err(failed)?;
    }
    let mode: String = db.query_row("pragma journal_mode = wal", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(Error::new(Kind::Unavailable, format!("the store cannot use a write-ahead log here (`{mode}`)"))
            .hint("choose a directory on a local disk with --state-dir"));
    }
    // FULL for this one transaction: it also makes the new files' names durable.
    db.pragma_update(None, "synchronous", "full").map_err(failed)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let from = pragma(&tx, "user_version")?;
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(from as usize) {
        tx.execute_batch(migration).map_err(failed)?;
        tx.pragma_update(None, "user_version", number as i64 + 1).map_err(failed)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    tx.commit().map_err(failed)
}

/// The newest shape at once, for a store that never touches a disk.
pub fn create_in_memory(db: &mut Connection) -> Result<()> {
    for migration in MIGRATIONS {
        db.execute_batch(migration).map_err(failed)?;
    }
    Ok(())
}

fn pragma(db: &Connection, name: &str) -> Result<i64> {
    db.query_row(&format!("pragma {name}"), [], |row| row.get(0)).map_err(failed)
}

fn is_empty(db: &Connection) -> Result<bool> {
    db.query_row("select not exists (select 1 from sqlite_schema)", [], |row| row.get(0)).map_err(failed)
}

fn not_ours() -> Error {
    Error::new(Kind::Unavailable, "the store file is a database of some other program")
        .hint("move it away, or point --state-dir at another directory")
}
