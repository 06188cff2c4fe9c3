//! A world of its own for a test: one store, a machine whose clocks and deaths the test decides, and processes on it.

use crate::support::schema;
use orch_mcp::error::Error;
use orch_mcp::host::Host;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::Entry;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::caller::Bearing;
use orch_mcp::ops::table::Reply;
use orch_mcp::ops::table::own_request;
use orch_mcp::store::Options;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use tempfile::TempDir;

/// Short, so that tests see it written back often.
pub const LOG_PAGES: u32 = 1_000;

pub struct World {
    pub dir: TempDir,
    pub host: Host,
    pub options: Options,
}

impl World {
    pub fn new() -> World {
        World {
            dir: tempfile::tempdir().unwrap(),
            host: Host::manual(7),
            options: Options { log_pages: LOG_PAGES, ..Options::default() },
        }
    }

    pub fn place(&self) -> Place {
        Place::at(self.dir.path().join("state"))
    }

    /// Another process on the same store. Its name is what `Host::alive` is asked about.
    pub fn process(&self, name: &str) -> Process {
        let store = LazyStore::new(self.place(), self.host.clone(), self.options.clone());
        let caller = Caller { process: name.to_owned(), ..Caller::anonymous(self.host.clone()) };
        Process { desk: LocalDesk::new(store), caller, bears: Mutex::new(None) }
    }

    /// Time passes for everybody, on the wall and awake.
    pub fn pass_secs(&self, secs: i64) {
        self.host.set(|host| {
            host.wall_ms += secs * 1000;
            host.awake_ms += secs * 1000;
        });
    }

    /// Somebody sets the wall clock; no time passes.
    pub fn jump_wall_secs(&self, secs: i64) {
        self.host.set(|host| host.wall_ms += secs * 1000);
    }
}

/// Every answer that a test sees is as its schema says.
#[track_caller]
fn assert_as_described(entry: &'static Entry, data: &Value) {
    static SCHEMAS: Mutex<BTreeMap<&str, Arc<Value>>> = Mutex::new(BTreeMap::new());
    let schema =
        Arc::clone(SCHEMAS.lock().unwrap().entry(entry.name).or_insert_with(|| Arc::new(entry.output_schema().into())));
    let breaches = schema::breaches(&schema, data);
    assert!(breaches.is_empty(), "an answer of {} is not as described:\n{}", entry.name, breaches.join("\n"));
}

/// A process: calls operations as a face does, and remembers whom it registered.
pub struct Process {
    pub desk: LocalDesk,
    pub caller: Caller,
    bears: Mutex<Option<Bearing>>,
}

impl Process {
    pub fn reply(&self, operation: &str, arguments: Value) -> Result<Reply, Error> {
        self.reply_until(&Hangup::new(), operation, arguments)
    }

    /// It waits no longer than that.
    pub fn reply_until(&self, hangup: &Hangup, operation: &str, arguments: Value) -> Result<Reply, Error> {
        let request = own_request(operation, arguments)?;
        let caller = Caller { registered: self.bears.lock().unwrap().clone(), ..self.caller.clone() };
        let reply = self.desk.execute(&request, &caller, hangup)?;
        assert_as_described(request.entry, &reply.data);
        if let Some(bearing) = &reply.now_bears {
            *self.bears.lock().unwrap() = Some(bearing.clone());
        }
        Ok(reply)
    }

    /// What a process says of whom it speaks for, though nobody called.
    pub fn say_of(&self, operation: &str, bearing: &Bearing) -> Result<(), Error> {
        let of = json!({ "instance": bearing.instance, "incarnation": bearing.incarnation });
        let nobody = Caller::anonymous(self.caller.host.clone());
        self.desk.execute(&own_request(operation, of)?, &nobody, &Hangup::new()).map(drop)
    }

    pub fn call(&self, operation: &str, arguments: Value) -> Result<Value, Error> {
        self.reply(operation, arguments).map(|reply| reply.data)
    }

    /// A call that must succeed.
    #[track_caller]
    pub fn ok(&self, operation: &str, arguments: Value) -> Value {
        self.call(operation, arguments.clone()).unwrap_or_else(|error| panic!("{operation} {arguments}: {error:?}"))
    }

    /// A call that must be refused, with this code.
    #[track_caller]
    pub fn refused(&self, code: &str, operation: &str, arguments: Value) -> Error {
        match self.call(operation, arguments.clone()) {
            Ok(data) => panic!("{operation} {arguments} was not refused: {data}"),
            Err(error) => {
                assert_eq!(error.kind.code(), code, "{operation} {arguments}: {error:?}");
                error
            }
        }
    }

    pub fn bearing(&self) -> Option<Bearing> {
        self.bears.lock().unwrap().clone()
    }
}
