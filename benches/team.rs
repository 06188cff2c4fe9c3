//! A store of its own, on the disk that holds the build, and somebody who calls operations on it.

use orch_mcp::error::Error;
use orch_mcp::host::Host;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::table;
use orch_mcp::ops::table::Request;
use orch_mcp::store::Options;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory for the time of a measurement. Never in memory, where a sync costs nothing.
pub struct Ground(TempDir);

impl Ground {
    pub fn new() -> Ground {
        let beside_build = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(beside_build).expect("the build directory can be written to");
        Ground(tempfile::Builder::new().prefix("b").tempdir_in(beside_build).expect("as can what is in it"))
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.0.path().join("s")
    }

    /// A database that is none of ours, for comparison.
    pub fn bare(&self) -> PathBuf {
        self.0.path().join("bare.db")
    }
}

/// One member of the team, as a process of its own would be.
pub struct Member {
    desk: LocalDesk,
    caller: Caller,
}

/// More than any measurement appends: pruning is not what is measured.
pub const EVENTS_MAX: u64 = 100_000_000;

impl Member {
    /// Somebody who has registered.
    pub fn join(state: &Path, name: &str, role: &str) -> Member {
        let mut member = Member::visit(state);
        let request = request("register_instance", json!({ "name": name, "role": role }));
        let reply = member.desk.execute(&request, &member.caller, &Hangup::new()).expect("the name is free");
        member.caller.registered = reply.now_bears;
        member
    }

    /// Somebody who has not.
    pub fn visit(state: &Path) -> Member {
        let options = Options { events_max: EVENTS_MAX, ..Options::default() };
        let desk = LocalDesk::new(LazyStore::new(Place::at(state), Host::System, options));
        let caller = Caller { process: Host::System.process(), ..Caller::anonymous(Host::System) };
        Member { desk, caller }
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// A call that must succeed.
    pub fn call(&self, operation: &str, arguments: Value) -> Value {
        self.attempt(operation, arguments).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    pub fn attempt(&self, operation: &str, arguments: Value) -> Result<Value, Error> {
        self.desk.execute(&request(operation, arguments), &self.caller, &Hangup::new()).map(|reply| reply.data)
    }
}

pub fn request(operation: &str, arguments: Value) -> Request {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let entry = table::find(operation).expect("the operation is in the table");
    entry.request(arguments).expect("the arguments are right")
}

/// The store itself, below all operations.
pub fn store(state: &Path) -> SqliteStore {
    let options = Options { events_max: EVENTS_MAX, ..Options::default() };
    SqliteStore::open(&Place::at(state), Host::System, &options).expect("the store can be opened")
}

/// Pushes many tasks, as many at once as `push_tasks` takes.
pub fn push_many(member: &Member, count: usize, task: impl Fn(usize) -> Value) {
    const AT_ONCE: usize = 10_000;
    for from in (0..count).step_by(AT_ONCE) {
        let tasks: Vec<Value> = (from..count.min(from + AT_ONCE)).map(&task).collect();
        member.call("push_tasks", json!({ "tasks": tasks }));
    }
}
