//! What only the SQLite store promises: its shape, its plans, its file and its log.

mod damage;
mod file;
mod look;
mod plan;
mod shape;

use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use orch_mcp::error::Result;
use orch_mcp::host::Host;
use orch_mcp::ops::Caller;
use orch_mcp::ops::attend;
use orch_mcp::ops::table;
use orch_mcp::store::Mode;
use orch_mcp::store::Options;
use orch_mcp::store::Store;
use orch_mcp::store::TaskFilter;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A state directory of our own.
struct Dir(TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn place(&self) -> Place {
        Place::at(self.0.path().join("state"))
    }

    fn open(&self) -> Result<SqliteStore> {
        self.open_with(Options::default())
    }

    fn open_with(&self, options: Options) -> Result<SqliteStore> {
        SqliteStore::open(&self.place(), Host::manual(1), &options)
    }

    #[track_caller]
    fn refused(&self) -> Error {
        let error = self.open().err().expect("the store was opened");
        assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
        assert!(error.hint.is_some(), "{error:?}");
        error
    }

    /// The same file as any other program would see it.
    fn raw(&self) -> Connection {
        Connection::open(self.place().store_file()).unwrap()
    }

    /// A file whose every change is in the file itself, and none in its log.
    fn checkpointed(&self) {
        let raw = self.raw();
        let left: i64 = raw.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "nobody else has the file open");
    }

    fn file(&self, companion: &str) -> PathBuf {
        let mut path = self.place().store_file().into_os_string();
        path.push(companion);
        path.into()
    }

    /// What tells the file and its log from any other, byte for byte.
    fn bytes(&self) -> [Option<Bytes>; 2] {
        ["", "-wal"].map(|companion| fs::read(self.file(companion)).ok().map(|bytes| Bytes::of(&bytes)))
    }

    /// The program itself, in a process of its own.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orch-mcp"));
        command.args(arguments).arg("--state-dir").arg(self.place().dir());
        for variable in ["ORCH_STATE_DIR", "ORCH_INSTANCE", "ORCH_EVENTS_MAX", "ORCH_ROLE", "CLAUDE_CODE_SESSION_ID"] {
            command.env_remove(variable);
        }
        command
    }
}

/// Short enough to be shown when it is not what it was.
#[derive(Debug, PartialEq)]
struct Bytes {
    length: usize,
    hash: u64,
}

impl Bytes {
    fn of(bytes: &[u8]) -> Bytes {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Bytes { length: bytes.len(), hash: hasher.finish() }
    }
}

/// An operation on this very store, so that its connection can be looked at before and after.
fn run(store: &mut SqliteStore, mode: Mode, operation: &str, arguments: Value) -> Result<Value> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let request = table::find(operation).unwrap().request(arguments)?;
    let caller = Caller { explicit: request.instance, ..Caller::anonymous(store.host().clone()) };
    let mut tx = store.begin(mode)?;
    if mode != Mode::Read {
        attend::attend(&mut *tx, &caller)?;
    }
    let reply = request.call.run(&mut *tx, &caller)?;
    attend::unread(&mut *tx, &caller)?;
    tx.commit()?;
    Ok(reply.data)
}

fn push(store: &mut SqliteStore, title: &str) {
    let mut tx = store.begin(Mode::Durable).unwrap();
    tx.insert_task(&mut super::a_task(title)).unwrap();
    tx.commit().unwrap();
}

fn titles(store: &mut SqliteStore) -> Result<Vec<String>> {
    let mut tx = store.begin(Mode::Read)?;
    Ok(tx.list_tasks(&TaskFilter::default(), 1_000)?.into_iter().map(|task| task.title).collect())
}
