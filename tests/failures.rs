//! The disk is full, breaks, or may not be written to: a clear error, nothing acknowledged lost, and on we go.

use crate::support::again;
use crate::support::again::Again;
use crate::support::again::Member;
use crate::support::cutting_vfs::Call;
use crate::support::cutting_vfs::Disk;
use crate::support::cutting_vfs::Fault;
use crate::support::world::LOG_PAGES;
use crate::support::world::Process;
use crate::support::world::World;
use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use rusqlite::ffi;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use tempfile::TempDir;

/// The log is written back once it has so many pages. The stories below begin shortly before, so that it happens in the
/// middle of them and a disk that goes on failing is noticed after it.
const LOG_BYTES_BEFORE_A_CHECKPOINT: u64 = (LOG_PAGES as u64 - 32) * (1024 + 24);

/// More calls than there are in a story: reaching it means that every story had a fault.
const CALLS_MAX: u64 = 2_000;

#[test]
fn a_full_disk_at_any_write_changes_nothing_and_is_told() {
    at_every(Call::Write, ffi::SQLITE_FULL, true, |run| {
        assert!(run.refusal().message.contains("disk is full"), "{run}");
        assert!(run.refusal().hint.is_some(), "{run}");
        run.nothing_happened();
        run.it_goes_on();
    });
}

#[test]
fn a_failed_write_changes_nothing_and_is_told() {
    at_every(Call::Write, ffi::SQLITE_IOERR_WRITE, false, |run| {
        run.nothing_happened();
        run.it_goes_on();
    });
}

#[test]
fn a_disk_without_room_for_the_shared_index_is_told() {
    at_every(Call::Share, ffi::SQLITE_IOERR_SHMSIZE, true, |run| {
        run.nothing_happened();
        run.it_goes_on();
    });
}

/// What is durable after a failed sync is unknown, and asking again would get a yes that means nothing.
#[test]
fn a_failed_sync_stops_the_process_from_writing() {
    at_every(Call::Sync, ffi::SQLITE_IOERR_FSYNC, false, |run| {
        let refused = run.process.call("set_context", json!({ "key": "after", "value": 1 }));
        let refused = refused.err().unwrap_or_else(|| panic!("it went on: {run}"));
        assert_eq!(refused.kind, Kind::Unavailable, "{run}");
        assert!(refused.hint.is_some(), "{run}");
        run.process.ok("get_context", json!({ "key": "prepared" }));
    });
}

#[test]
fn a_store_that_could_not_be_made_is_made_once_it_can_be() {
    for (on, code) in [
        (Call::Write, ffi::SQLITE_FULL),
        (Call::Write, ffi::SQLITE_IOERR_WRITE),
        (Call::Sync, ffi::SQLITE_IOERR_FSYNC),
        (Call::Share, ffi::SQLITE_IOERR_SHMSIZE),
        (Call::Open, ffi::SQLITE_CANTOPEN),
        (Call::Open, ffi::SQLITE_READONLY),
    ] {
        let disk = Disk::new();
        for nth in 1.. {
            assert!(nth < CALLS_MAX);
            let world = disk.world();
            let process = world.process("p");
            disk.fail(Fault { on, nth, lasting: true, code });
            let made = process.call("server_status", json!({})).and(process.call("push_task", json!({ "title": "t" })));
            if disk.mend() == 0 {
                assert!(nth > 1, "{on:?} was never asked for");
                break;
            }
            let error = made.expect_err("a lasting fault is noticed");
            assert_eq!(error.kind, Kind::Unavailable, "{on:?} {nth}: {error:?}");
            world.process("q").ok("push_task", json!({ "title": "t" }));
        }
    }
}

/// As above, by the system itself: a file that may not grow.
#[test]
fn a_log_that_may_not_grow_is_told_and_writing_goes_on_once_it_may() {
    let world = World::new();
    let limited = Again::start("failures::limited", &json!({ "dir": world.place().dir() }));
    assert_eq!(limited.finish(), ["refused: unavailable", "went on"]);
    let process = world.process("p");
    let acknowledged = process.ok("get_context", json!({ "key": "acknowledged" }))["value"].as_u64().unwrap();
    assert!(acknowledged > 0);
    for number in 0..acknowledged {
        let found = process.ok("get_context", json!({ "key": format!("k/{number}") }));
        assert_eq!(found["found"], json!(true), "{number} of {acknowledged}");
    }
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn limited() {
    let Some(work) = again::work() else { return };
    let dir = Path::new(work["dir"].as_str().unwrap());
    let member = Member::at(dir);
    member.ok("set_context", json!({ "key": "acknowledged", "value": 0 }));
    let sizes = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    limit_files_to(sizes.max().unwrap() + 256 * 1024);
    let mut acknowledged = 0;
    let error = loop {
        match member.call("set_context", json!({ "key": format!("k/{acknowledged}"), "value": "v".repeat(4000) })) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    again::say(&format!("refused: {}", error.kind.code()));
    limit_files_to(u64::MAX);
    member.ok("set_context", json!({ "key": "acknowledged", "value": acknowledged }));
    again::say("went on");
}

#[test]
fn a_directory_that_may_not_be_written_to_is_told_and_left_alone() {
    let world = World::new();
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o500)).unwrap();
    without_privileges(|| {
        let process = world.process("p");
        process.ok("list_tasks", json!({}));
        let error = process.refused("unavailable", "push_task", json!({ "title": "t" }));
        assert!(error.message.contains(&world.dir.path().display().to_string()), "{error:?}");
        assert!(error.hint.is_some());
    });
    assert_eq!(fs::read_dir(world.dir.path()).unwrap().count(), 0);
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o700)).unwrap();
    world.process("q").ok("push_task", json!({ "title": "t" }));
}

/// A process lives through a short story, and on the way one call of the disk fails.
struct Run {
    nth: u64,
    world: World,
    process: Process,
    /// What it was told is so.
    told: Value,
    /// The step at which it was refused, and how; `None` if it never noticed.
    refused: Option<(&'static str, Error)>,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fault {}, told {}, refused {:?}", self.nth, self.told, self.refused)
    }
}

/// The story: each step, and what is so after it.
fn story() -> [(&'static str, Value, &'static str, Value); 7] {
    [
        ("register_instance", json!({ "name": "amy" }), "instances", json!(1)),
        ("push_task", json!({ "title": "t" }), "task", json!("pending")),
        ("claim_task", json!({}), "task", json!("claimed")),
        ("set_context", json!({ "key": "story", "value": "one" }), "context", json!("one")),
        ("send_message", json!({ "to_instance": "@bob", "content": "hello" }), "sent", json!(1)),
        ("complete_task", json!({ "task_id": "1" }), "task", json!("completed")),
        ("set_context", json!({ "key": "story", "value": "two" }), "context", json!("two")),
    ]
}

/// What of the story has happened, as anybody sees it.
fn view(process: &Process) -> Value {
    let task = process.ok("list_tasks", json!({}))["tasks"][0]["status"].clone();
    let sent = process.ok("list_events", json!({ "kind": "message.sent" }))["events"].as_array().unwrap().len();
    json!({
        "instances": process.ok("server_status", json!({}))["instances"],
        "task": task,
        "context": process.ok("get_context", json!({ "key": "story" }))["value"],
        "sent": sent,
    })
}

/// Let each call of a kind fail in turn, and look at what comes of it.
fn at_every(on: Call, code: i32, lasting: bool, look: impl Fn(&Run)) {
    let prepared = shortly_before_a_checkpoint();
    let disk = Disk::new();
    for nth in 1.. {
        assert!(nth < CALLS_MAX);
        let world = disk.world();
        copy_store(prepared.path(), world.place().dir());
        let process = world.process("p");
        let told = view(&world.process("before"));
        let mut run = Run { nth, process, told, refused: None, world };
        disk.fail(Fault { on, nth, lasting, code });
        for (operation, arguments, what, value) in story() {
            match run.process.call(operation, arguments) {
                Ok(_) => run.told[what] = value,
                Err(error) => {
                    run.refused = Some((operation, error));
                    break;
                }
            }
        }
        if lasting && run.refused.is_some() && nth > 1 {
            view(&run.process);
        }
        if disk.mend() == 0 {
            assert!(run.refused.is_none(), "refused without a fault: {run}");
            assert!(nth > 1, "{on:?} was never asked for");
            let written_back = |dir: &Path| fs::read(dir.join("orch.db")).unwrap();
            assert_ne!(written_back(run.world.place().dir()), written_back(prepared.path()), "there was no checkpoint");
            return;
        }
        if let Some((_, error)) = &run.refused {
            assert_eq!(error.kind, Kind::Unavailable, "{run}");
        }
        look(&run);
        run.nothing_is_lost();
    }
}

impl Run {
    fn refusal(&self) -> &Error {
        &self.refused.as_ref().unwrap_or_else(|| panic!("it was not told: {self}")).1
    }

    fn nothing_happened(&self) {
        assert_eq!(view(&self.world.process("looking")), self.told, "{self}");
    }

    fn it_goes_on(&self) {
        self.process.ok("set_context", json!({ "key": "after", "value": 1 }));
    }

    /// All that it was told is so, and at most the refused step besides.
    fn nothing_is_lost(&self) {
        let found = view(&self.world.process("looking"));
        let mut one_more = self.told.clone();
        let steps = story();
        let refused_at = self.refused.as_ref().and_then(|(refused, _)| {
            steps.iter().find(|(operation, _, what, value)| operation == refused && self.told[*what] != *value)
        });
        if let Some((_, _, what, value)) = refused_at {
            one_more[*what] = value.clone();
        }
        assert!(found == self.told || found == one_more, "{found}: {self}");
        let place = self.world.place();
        let store = orch_mcp::store::sqlite::SqliteStore::open(&place, self.world.host.clone(), &Default::default());
        let verdict =
            store.unwrap().connection_for_measuring().query_row("pragma integrity_check", [], |row| row.get(0));
        assert_eq!(verdict, Ok("ok".to_owned()), "{self}");
    }
}

/// A store whose log is nearly long enough to be written back.
fn shortly_before_a_checkpoint() -> TempDir {
    let world = Disk::new().world();
    let process = world.process("p");
    let log = world.place().dir().join("orch.db-wal");
    process.ok("set_context", json!({ "key": "prepared", "value": 0 }));
    while fs::metadata(&log).unwrap().len() < LOG_BYTES_BEFORE_A_CHECKPOINT {
        process.ok("set_context", json!({ "key": "prepared", "value": "v".repeat(500) }));
    }
    drop(process);
    let copy = tempfile::tempdir().unwrap();
    copy_store(world.place().dir(), copy.path());
    copy
}

fn copy_store(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in ["orch.db", "orch.db-wal"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// From now on, writing beyond this length of a file fails in this process.
fn limit_files_to(bytes: u64) {
    // SAFETY: the structure is filled before it is read, and a signal that is ignored calls nobody.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let mut limit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

/// As an ordinary user, whom the modes of files bind; only the thread that does it is changed.
fn without_privileges(act: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(|| {
            give_up_capabilities();
            act();
        });
    });
}

#[cfg(target_os = "linux")]
fn give_up_capabilities() {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: both are as large as the kernel reads for this version: the version and a thread (ours); three sets of 64 bits.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Elsewhere the tests run as an ordinary user anyway.
#[cfg(not(target_os = "linux"))]
fn give_up_capabilities() {}
