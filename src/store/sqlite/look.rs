//! A store that is only looked at: nothing in it or around it is made, mended or brought on.

use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::store::Options;
use crate::store::Soundness;
use crate::store::place::Place;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::check_library;
use crate::store::sqlite::configure;
use crate::store::sqlite::connect_to;
use crate::store::sqlite::failed;
use crate::store::sqlite::migrate;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use std::time::Duration;

/// Whoever only looks waits for nobody for long.
const BUSY_TIMEOUT: Duration = Duration::from_millis(300);

/// Faults told of; a damaged file has thousands.
const FAULTS_MAX: usize = 3;

/// Steps of SQLite's between two looks at the clock: about a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// What a store file is, to somebody who only looks.
pub enum Looked {
    Store(Box<SqliteStore>),
    /// It has an older shape, or none yet: whoever writes next brings it on.
    Behind {
        schema: i64,
    },
}

impl SqliteStore {
    /// The shape that this program writes.
    pub const SCHEMA: i64 = migrate::VERSION;

    pub fn look(place: &Place, host: Host, options: &Options) -> Result<Looked> {
        check_library()?;
        place.check()?;
        let db = connect_to(place, options, "", OpenFlags::empty())?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        db.pragma_update(None, "query_only", true).map_err(failed)?;
        migrate::check_header(&db)?;
        if let migrate::Shape::Older = migrate::shape(&db)? {
            return Ok(Looked::Behind { schema: migrate::version(&db)? });
        }
        configure(&db)?;
        Ok(Looked::Store(Box::new(SqliteStore::over(db, host, options, None))))
    }
}

pub fn soundness(db: &mut Connection, patience: Duration) -> Result<Soundness> {
    let deadline = Deadline::after(patience);
    // SAFETY of the borrow: the handler is taken away again below, whatever the check says.
    db.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || deadline.passed())).map_err(failed)?;
    let told = faults(db);
    db.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
    match told {
        Ok(faults) if faults == ["ok"] => Ok(Soundness::Sound),
        Ok(faults) => Ok(Soundness::Damaged(faults)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(Soundness::NotTold),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Ok(Soundness::Damaged(vec![error.to_string()]))
            }
            _ => Err(failed(error)),
        },
    }
}

fn faults(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = db.prepare(&format!("pragma quick_check({FAULTS_MAX})"))?;
    check.query_map([], |row| row.get(0))?.collect()
}
