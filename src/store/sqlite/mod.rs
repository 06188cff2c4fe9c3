//! The embedded store: one SQLite file for any number of processes on one machine. Nothing else ever opens that file.

mod answer;
mod clock;
mod conditions;
mod context;
mod dependency;
mod event;
mod files;
mod filter;
mod gather;
mod handle;
mod height;
mod import;
mod instance;
mod job;
mod json;
mod look;
mod memo;
mod message;
mod migrate;
mod part;
mod question;
mod reservation;
mod session;
mod shown;
mod spending;
mod tally;
mod task;
mod token;
mod turn;
mod waiter;
mod wal;
mod wanted;
mod worker;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::model::id::JobId;
use crate::model::time::Now;
use crate::store::Mode;
use crate::store::Options;
use crate::store::Soundness;
use crate::store::Store;
use crate::store::Topic;
use crate::store::Tx;
use crate::store::board::Board;
use crate::store::doorbell::Ringer;
use crate::store::doorbell::Rung;
use crate::store::place::Place;
pub use look::Looked;

use files::Files;
use memo::Memo;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use turn::Turn;
use turn::Turnstile;
use wal::Log;

/// Before 3.51.3 a checkpoint could lose committed writes when several processes write.
const SQLITE_OLDEST: i32 = 3_053_003;

/// Second line behind the turnstile: how long SQLite itself waits for a writer that did not queue.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to stand in the queue behind a holder that does not move.
const TURN_PATIENCE: Duration = Duration::from_secs(2);

/// More than there are statements, so that no plan is ever prepared twice.
const STATEMENTS_MAX: usize = 256;

pub struct SqliteStore {
    db: Connection,
    host: Host,
    events_max: u64,
    /// The lease clock's offset, once it is known for this boot.
    clock_offset: Option<i64>,
    memo: Memo,
    /// `None` in memory, where there is nobody to share with.
    shared: Option<Shared>,
    ringer: Ringer,
    /// Doorbells found dead, to be forgotten in the next write.
    gone: Vec<String>,
}

/// What a store on disk has and one in memory has not.
struct Shared {
    turnstile: Turnstile,
    board: Option<Arc<Board>>,
    files: Files,
    doorbells: PathBuf,
    log: Log,
    /// A sync failed: what is durable is unknown, so this process writes no more.
    broken: bool,
}

impl SqliteStore {
    /// Opens the store of a place, making it first where there is none.
    pub fn open(place: &Place, host: Host, options: &Options) -> Result<SqliteStore> {
        check_library()?;
        place.create()?;
        let board = Board::open(place, &host).map(Arc::new);
        let mut turnstile = Turnstile::open(place, board.clone(), TURN_PATIENCE)?;
        let mut db = connect(place, options)?;
        migrate::check_header(&db)?;
        if let migrate::Shape::Older = migrate::shape(&db)? {
            let _turn = turnstile.take();
            migrate::migrate(&mut db)?;
        }
        configure(&db)?;
        let log = Log::watch(&mut db, options.log_pages)?;
        let files = Files::of(place)?;
        let shared = Shared { turnstile, board, files, doorbells: place.doorbells(), log, broken: false };
        Ok(SqliteStore::over(db, host, options, Some(shared)))
    }

    /// A store that nobody shares and that ends with the process: for reading where nothing was written yet, and for tests.
    pub fn in_memory(host: Host) -> Result<SqliteStore> {
        check_library()?;
        let mut db = Connection::open_in_memory().map_err(failed)?;
        migrate::create_in_memory(&mut db)?;
        configure(&db)?;
        Ok(SqliteStore::over(db, host, &Options::default(), None))
    }

    fn over(db: Connection, host: Host, options: &Options, shared: Option<Shared>) -> SqliteStore {
        SqliteStore {
            db,
            host,
            events_max: options.events_max.max(1),
            clock_offset: None,
            memo: Memo::default(),
            shared,
            ringer: Ringer::default(),
            gone: Vec::new(),
        }
    }

    /// The C library's own version, for `--version` and `server_status`.
    pub fn library_version() -> &'static str {
        rusqlite::version()
    }

    /// How often a cached plan had to be prepared again, and how many steps the last statements took: for tests and bench.
    pub fn connection_for_measuring(&self) -> &Connection {
        &self.db
    }
}

impl Store for SqliteStore {
    fn begin(&mut self, mode: Mode) -> Result<Box<dyn Tx + '_>> {
        if mode == Mode::Read {
            if let Some(shared) = &self.shared {
                shared.files.check()?;
            }
            self.run("begin")?;
            return self.started(mode, None);
        }
        let turn = match &mut self.shared {
            Some(shared) => {
                shared.check()?;
                Some(shared.turnstile.take())
            }
            None => None,
        };
        self.begin_to_write(mode, turn)
    }

    fn begin_at_once(&mut self, mode: Mode) -> Result<Option<Box<dyn Tx + '_>>> {
        let turn = match &mut self.shared {
            Some(shared) => {
                shared.check()?;
                let Some(turn) = shared.turnstile.take_if_free() else { return Ok(None) };
                Some(turn)
            }
            None => None,
        };
        self.begin_to_write(mode, turn).map(Some)
    }

    fn board(&self) -> Option<Arc<Board>> {
        self.shared.as_ref().and_then(|shared| shared.board.clone())
    }

    fn generation(&mut self) -> Result<u64> {
        let mut statement = self.db.prepare_cached("pragma data_version").map_err(failed)?;
        statement.query_row([], |row| row.get::<_, i64>(0)).map(|number| number as u64).map_err(failed)
    }

    fn soundness(&mut self, patience: Duration) -> Result<Soundness> {
        look::soundness(&mut self.db, patience)
    }

    fn write_back(&mut self) -> Result<()> {
        let Some(shared) = &mut self.shared else { return Ok(()) };
        shared.check()?;
        let _turn = shared.turnstile.take();
        match shared.log.write_all_back(&self.db) {
            Err(error) if wal::is_sync_failure(&error) => {
                shared.broken = true;
                Err(wal::not_confirmed())
            }
            written => written.map_err(failed),
        }
    }

    fn doorbell_dir(&self) -> PathBuf {
        self.shared.as_ref().map_or_else(|| PathBuf::from("/tmp"), |shared| shared.doorbells.clone())
    }

    fn host(&self) -> &Host {
        &self.host
    }
}

impl SqliteStore {
    fn begin_to_write(&mut self, mode: Mode, turn: Option<Turn>) -> Result<Box<dyn Tx + '_>> {
        if let Err(error) = self.run("begin immediate") {
            let holder = turn.as_ref().and_then(Turn::bypassed);
            return Err(match holder {
                Some(pid) => {
                    error.hint(format!("process {pid} holds the store and does not move; end it or let it go on"))
                }
                None => error,
            });
        }
        self.started(mode, turn)
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.db.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).map_err(failed)
    }

    /// Commits, and writes the log back if it has become long.
    fn commit(&mut self) -> Result<()> {
        let committed = self.db.prepare_cached("commit").and_then(|mut commit| commit.execute([]));
        let written = committed.and_then(|_| match &mut self.shared {
            Some(shared) => shared.log.write_back(&self.db),
            None => Ok(()),
        });
        match (&mut self.shared, written) {
            (Some(shared), Err(error)) if wal::is_sync_failure(&error) => {
                shared.broken = true;
                Err(wal::not_confirmed())
            }
            (_, written) => written.map_err(failed),
        }
    }

    /// What was committed survives a power cut from here on, where that was promised.
    fn sync_for(&mut self, mode: Mode) -> Result<()> {
        let (Mode::Durable, Some(shared)) = (mode, &mut self.shared) else { return Ok(()) };
        let synced = wal::sync(&self.db);
        shared.broken = synced.is_err();
        synced
    }

    fn now(&mut self, mode: Mode) -> Result<Now> {
        clock::now(&self.db, &self.host, mode, &mut self.clock_offset)
    }

    fn started(&mut self, mode: Mode, turn: Option<Turn>) -> Result<Box<dyn Tx + '_>> {
        // Counted before the time is read: the first write after a start of the machine ties the lease clock, and that
        // must be kept even where nothing else changed, or the clock would stand still.
        let changes = self.db.total_changes();
        let now = self.now(mode);
        let mut tx = SqliteTx {
            store: self,
            turn,
            mode,
            now: None,
            changes,
            touched: BTreeSet::new(),
            changed_jobs: BTreeSet::new(),
            done: false,
        };
        tx.now = Some(now?);
        if mode == Mode::Read {
            // It begins with its first look.
            tx.store.generation()?;
        }
        tx.store.memo.begin(handle::commits_seen(&tx.store.db)?);
        Ok(Box::new(tx))
    }
}

impl Shared {
    fn check(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(
                Kind::Unavailable,
                "a write to the store could not be made durable; this process writes no more",
            )
            .hint("check the disk, then start again"));
        }
        self.files.check()
    }
}

/// A transaction on the store's connection. Dropped without a commit, it rolls back.
pub(crate) struct SqliteTx<'a> {
    store: &'a mut SqliteStore,
    /// Our place in the queue, given up before the sync so that the next writer need not wait for the disk.
    turn: Option<Turn>,
    mode: Mode,
    now: Option<Now>,
    /// Rows changed on this connection before the transaction began.
    changes: u64,
    touched: BTreeSet<Topic>,
    /// Whose tasks were changed.
    changed_jobs: BTreeSet<JobId>,
    done: bool,
}

impl SqliteTx<'_> {
    pub(crate) fn db(&self) -> &Connection {
        &self.store.db
    }

    /// The connection, for a statement that changes something.
    pub(crate) fn writable(&self) -> Result<&Connection> {
        match self.mode {
            Mode::Read => Err(Error::internal("a read transaction was asked to write")),
            Mode::Durable | Mode::Relaxed => Ok(&self.store.db),
        }
    }

    /// Say that a topic changed: whoever waits for it is woken after the commit.
    pub(crate) fn touch(&mut self, topic: Topic) {
        self.touched.insert(topic);
    }

    fn end(&mut self, sql: &str) -> Result<()> {
        self.done = true;
        // SQLite has ended it by itself where the disk is full or failed.
        if self.store.db.is_autocommit() { Ok(()) } else { self.store.run(sql) }
    }
}

impl Tx for SqliteTx<'_> {
    fn now(&self) -> Now {
        self.now.expect("it is read before the transaction is handed out")
    }

    fn host(&self) -> &Host {
        &self.store.host
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        if self.mode == Mode::Read || self.store.db.total_changes() == self.changes {
            self.end("rollback")?;
            self.turn = None;
            // To find that all is as it should be tells of changes too, which somebody else may not have synced yet.
            return self.store.sync_for(self.mode);
        }
        self.forget_gone()?;
        let doorbells = self.watching()?;
        self.store.commit()?;
        self.done = true;
        match handle::commits_seen(&self.store.db) {
            Ok(seen) => self.store.memo.commit(seen),
            Err(_) => self.store.memo.forget_all(),
        }
        self.turn = None;
        // Before the sync, so that they wake while the disk works: what is committed can be seen by whoever looks, and
        // what they make of it comes later in the same log.
        for doorbell in doorbells {
            if self.store.ringer.ring(&doorbell) == Rung::Gone {
                self.store.gone.push(doorbell);
            }
        }
        self.store.sync_for(self.mode)
    }
}

impl Drop for SqliteTx<'_> {
    fn drop(&mut self) {
        if !self.done {
            if self.mode != Mode::Read {
                self.store.memo.forget_all();
            }
            // Nothing to tell anybody: what was not committed never happened.
            self.end("rollback").ok();
        }
    }
}

fn check_library() -> Result<()> {
    if rusqlite::version_number() >= SQLITE_OLDEST {
        return Ok(());
    }
    Err(Error::new(Kind::Unavailable, format!("SQLite {} can lose writes of several processes", rusqlite::version()))
        .hint("build orch-mcp with its bundled SQLite"))
}

fn connect(place: &Place, options: &Options) -> Result<Connection> {
    // The files get the lock file's mode, 0600, whatever the umask.
    connect_to(place, options, &format!("modeof={}", escaped(&place.lock_files()[1])), OpenFlags::SQLITE_OPEN_CREATE)
}

fn connect_to(place: &Place, options: &Options, query: &str, how: OpenFlags) -> Result<Connection> {
    let uri = format!("file:{}?{query}", escaped(&place.store_file()));
    let flags = how | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let layer = gather::over(options.vfs.as_deref())?;
    let db = Connection::open_with_flags_and_vfs(uri, flags, layer.as_str()).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // The last process to leave need not write the log back, and so ends in half the time. Set before anything is
    // looked at: whoever is refused must not write a log into a file that is damaged or not ours.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    // What a transaction writes to the log before its commit, because its pages are more than the cache holds, must
    // never be gathered: see `gather`.
    db.pragma_update(None, "cache_spill", false).map_err(failed)?;
    Ok(db)
}

/// URI names cannot carry these characters raw.
fn escaped(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri
}

fn configure(db: &Connection) -> Result<()> {
    // A plan that looked at a parameter would be made anew on every use; with this, plans look at none.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(failed)?;
    // References are checked by the rules; asking again here would cost a look-up for each row written.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // NORMAL: the commit itself does not sync; `SqliteTx::commit` does, once it has given up its turn.
    // `cache_size` in KiB: enough for the head of every index, small enough for many idle servers.
    db.execute_batch(
        "pragma synchronous = normal; pragma temp_store = memory; pragma cache_size = -2000; pragma mmap_size = 0",
    )
    .map_err(failed)
}

pub(crate) fn damaged() -> Error {
    Error::new(Kind::Unavailable, "the store file is damaged; it was left as it is")
        .hint("move the state directory away and restore a backup, or start a new one with --state-dir")
}

/// SQLite's error as ours: what the caller can do about it.
pub(crate) fn failed(error: rusqlite::Error) -> Error {
    let unavailable = |message: &str, hint: &str| Error::new(Kind::Unavailable, message).hint(hint);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            Error::new(Kind::Busy, "another process keeps the store busy").hint("try again")
        }
        Some(ErrorCode::DiskFull) => unavailable("the disk is full; nothing was changed", "make room, then try again"),
        Some(ErrorCode::SystemIoFailure) => {
            unavailable(&format!("the disk failed: {error}"), "check the disk, then try again")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => unavailable(
            &format!("the store file cannot be opened for writing: {error}"),
            "check the permissions of the state directory and its files, or choose another with --state-dir",
        ),
        _ => Error::internal(error),
    }
}
