//! The conformance suite: what the traits of `store/mod.rs` promise, kept by every kind of store.

mod answer;
mod clock;
mod context;
mod event;
mod import;
mod instance;
mod job;
mod message;
mod part;
mod sqlite;
mod task;
mod task_list;
mod task_queue;
mod transaction;
mod waiter;

use crate::support::dice::Dice;
use orch_mcp::error::Kind;
use orch_mcp::error::Result;
use orch_mcp::host::Host;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::id::MessageId;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::instance::Instance;
use orch_mcp::model::instance::PRESENCE_SECS;
use orch_mcp::model::job::Job;
use orch_mcp::model::message::Message;
use orch_mcp::model::message::MessageKind;
use orch_mcp::model::message::Origin;
use orch_mcp::model::message::Sender;
use orch_mcp::model::task::Body;
use orch_mcp::model::task::Priority;
use orch_mcp::model::task::State;
use orch_mcp::model::task::Task;
use orch_mcp::model::time::Now;
use orch_mcp::model::time::Tick;
use orch_mcp::model::time::Timestamp;
use orch_mcp::store::Mode;
use orch_mcp::store::Options;
use orch_mcp::store::Store;
use orch_mcp::store::Tx;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use std::sync::Arc;

/// Each test once for each kind of store.
macro_rules! every_store {
    ($($(#[$doc:meta])* fn $name:ident($store:ident) $body:block)*) => {
        $($(#[$doc])* fn $name(mut $store: $crate::store::TestStore) $body)*
        mod every_store {
            $crate::store::instances! { sqlite_in_memory, $($name)* }
            $crate::store::instances! { sqlite_on_disk, $($name)* }
        }
    };
}

/// Each test once for each kind of store that more than one process can stand on.
macro_rules! every_shared_store {
    ($($(#[$doc:meta])* fn $name:ident($store:ident) $body:block)*) => {
        $($(#[$doc])* fn $name(mut $store: $crate::store::TestStore) $body)*
        mod every_shared_store {
            $crate::store::instances! { sqlite_on_disk, $($name)* }
        }
    };
}

macro_rules! instances {
    ($kind:ident, $($name:ident)*) => {
        mod $kind {
            $(#[test]
            fn $name() {
                super::super::$name($crate::store::TestStore::$kind());
            })*
        }
    };
}

use every_shared_store;
use every_store;
use instances;

/// How a kind of store opens one more handle on the same data.
type Opener = Arc<dyn Fn(&Host, &Options) -> Result<Box<dyn Store>>>;

/// An empty store of some kind, on a machine that the test moves by hand.
pub struct TestStore {
    pub host: Host,
    handle: Box<dyn Store>,
    opener: Option<Opener>,
}

impl TestStore {
    pub fn sqlite_in_memory() -> TestStore {
        let host = Host::manual(1);
        let handle = Box::new(SqliteStore::in_memory(host.clone()).unwrap());
        TestStore { host, handle, opener: None }
    }

    pub fn sqlite_on_disk() -> TestStore {
        let dir = tempfile::tempdir().unwrap();
        TestStore::shared(Arc::new(move |host, options| {
            let store = SqliteStore::open(&Place::at(dir.path().join("state")), host.clone(), options)?;
            Ok(Box::new(store))
        }))
    }

    fn shared(opener: Opener) -> TestStore {
        let host = Host::manual(1);
        let handle = opener(&host, &Options::default()).unwrap();
        TestStore { host, handle, opener: Some(opener) }
    }

    /// Another process on the same data and the same machine.
    #[track_caller]
    pub fn second(&self) -> TestStore {
        self.second_on(&self.host)
    }

    /// Another process whose machine counts its time from elsewhere.
    #[track_caller]
    pub fn second_on(&self, host: &Host) -> TestStore {
        self.second_with(host, &Options::default())
    }

    #[track_caller]
    pub fn second_with(&self, host: &Host, options: &Options) -> TestStore {
        let opener = self.opener.clone().expect("this kind of store has one handle only");
        TestStore { host: host.clone(), handle: opener(host, options).unwrap(), opener: Some(opener) }
    }

    /// All processes end, the machine starts again, and somebody opens the store.
    pub fn rebooted(self, awake_ms: i64) -> TestStore {
        let TestStore { host, handle, opener } = self;
        drop(handle);
        host.set(|host| {
            host.boot.push('+');
            host.awake_ms = awake_ms;
        });
        let handle = opener.as_ref().expect("only what is kept survives")(&host, &Options::default()).unwrap();
        TestStore { host, handle, opener }
    }

    pub fn handle(&mut self) -> &mut dyn Store {
        &mut *self.handle
    }

    pub fn begin(&mut self, mode: Mode) -> Box<dyn Tx + '_> {
        self.handle.begin(mode).unwrap()
    }

    /// A whole transaction that is kept.
    pub fn write<R>(&mut self, work: impl FnOnce(&mut dyn Tx) -> R) -> R {
        let mut tx = self.begin(Mode::Durable);
        let answer = work(&mut *tx);
        tx.commit().unwrap();
        answer
    }

    /// A whole transaction that is dropped.
    pub fn try_out<R>(&mut self, work: impl FnOnce(&mut dyn Tx) -> R) -> R {
        work(&mut *self.begin(Mode::Durable))
    }

    pub fn read<R>(&mut self, work: impl FnOnce(&mut dyn Tx) -> R) -> R {
        work(&mut *self.begin(Mode::Read))
    }

    pub fn now(&mut self) -> Now {
        self.read(|tx| tx.now())
    }

    /// Time passes, on the wall and awake.
    pub fn pass_secs(&self, secs: i64) {
        self.host.set(|host| {
            host.wall_ms += secs * 1000;
            host.awake_ms += secs * 1000;
        });
    }

    pub fn task(&mut self, id: TaskId) -> Task {
        self.read(|tx| tx.task(id)).unwrap().unwrap()
    }

    pub fn insert(&mut self, mut task: Task) -> Task {
        self.write(|tx| tx.insert_task(&mut task)).unwrap();
        task
    }

    pub fn insert_job(&mut self, goal: &str) -> Job {
        let mut job = Job::new(goal.to_owned(), None, self.now());
        self.write(|tx| tx.insert_job(&mut job)).unwrap();
        job
    }

    pub fn register(&mut self, name: &str) -> Instance {
        let mut instance = an_instance(name, self.now());
        self.write(|tx| tx.insert_instance(&mut instance)).unwrap();
        instance
    }

    /// A message from nobody in particular, in these inboxes.
    pub fn send(&mut self, body: &str, recipients: &[&str]) -> MessageId {
        self.write(|tx| {
            let mut message = a_message(body);
            tx.insert_message(&mut message).unwrap();
            recipients.iter().for_each(|recipient| tx.insert_delivery(message.id, recipient).unwrap());
            message.id
        })
    }
}

#[track_caller]
pub fn conflicts<T>(result: Result<T>) {
    assert_eq!(result.err().map(|error| error.kind), Some(Kind::Conflict));
}

pub fn id(name: &str) -> InstanceId {
    InstanceId::from_stored(name.to_owned())
}

/// Its id is `i-` and the name.
pub fn an_instance(name: &str, now: Now) -> Instance {
    Instance {
        id: id(&format!("i-{name}")),
        name: name.to_owned(),
        role: "general".to_owned(),
        work_dir: None,
        metadata: None,
        current_task: None,
        session: None,
        owner: None,
        incarnation: 1,
        registered_at: now.at,
        seen_at: now.at,
        renewed: now.tick,
        lease_until: now.tick.plus_secs(PRESENCE_SECS),
        renew_at: now.tick,
        version: 0,
    }
}

pub fn a_task(title: &str) -> Task {
    Task {
        id: TaskId::from_number(0),
        title: title.to_owned(),
        state: State::Pending,
        priority: Priority::MEDIUM,
        role: None,
        assignee: None,
        link: None,
        chain_id: None,
        parent: None,
        job: None,
        repo: None,
        branch: None,
        labels: Vec::new(),
        reserves: Vec::new(),
        not_before: None,
        due: true,
        depends_on: Vec::new(),
        unmet: 0,
        height: 0,
        max_attempts: 3,
        attempt: 0,
        lease_secs: 900,
        token: 0,
        holder: None,
        lease_until: None,
        reason: None,
        created_by: None,
        created_at: Timestamp::from_millis(5),
        claimed_at: None,
        started_at: None,
        finished_at: None,
        updated_at: Timestamp::from_millis(5),
        body: Body::default(),
        version: 0,
    }
}

pub fn a_message(body: &str) -> Message {
    Message {
        id: MessageId::from_number(0),
        kind: MessageKind::Direct,
        from: Sender { instance: None, name: "amy".to_owned(), role: None, origin: Origin::Human },
        to: "@bob".to_owned(),
        body: body.to_owned(),
        thread: None,
        reply_to: None,
        task_id: None,
        needs_answer: false,
        sent_at: Timestamp::from_millis(5),
    }
}

/// The task as `holder` claims it now, whoever it is meant for.
pub fn claimed(mut task: Task, holder: &str, now: Now) -> Task {
    use orch_mcp::model::task::Claimer;
    let id = id(holder);
    task.claim(Claimer { id: &id, role: "general" }, true, None, now).unwrap();
    task
}

pub fn tick(millis: i64) -> Tick {
    Tick::from_millis(millis)
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
