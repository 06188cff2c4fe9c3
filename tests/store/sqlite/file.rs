//! The file: private, made by one of many, refused where it is not ours, and bounded.

use super::*;
use orch_mcp::host::Deadline;
use orch_mcp::model::event::NewEvent;
use orch_mcp::model::id::MessageId;
use orch_mcp::model::message::Returned;
use orch_mcp::store::Topic;
use orch_mcp::store::Tx;
use orch_mcp::store::doorbell::Doorbell;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Large enough to be worth a checkpoint, and the promise: no log is ever larger.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

fn mode(path: &std::path::Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o777
}

/// A process has one umask for all its threads, so each is tried in processes of their own.
#[test]
fn files_are_private_whatever_the_umask() {
    for umask in ["0000", "0077", "0777"] {
        let dir = Dir::new();
        let program = dir.program(&["push-task", "t"]);
        for _ in 0..2 {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
                .arg(program.get_program())
                .args(program.get_args());
            let done = shell.output().unwrap();
            assert!(done.status.success(), "umask {umask}: {done:?}");
        }
        let state = dir.place().dir().to_owned();
        assert_eq!(mode(&state), 0o700, "umask {umask}");
        let mut files = Vec::new();
        for entry in fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), wanted, "umask {umask}: {}", path.display());
            files.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
        for file in ["orch.db", "orch.db-wal", "orch.db-shm", ".gitignore"] {
            assert!(files.iter().any(|found| found == file), "{file} is not in {files:?}");
        }
        assert_eq!(fs::read_to_string(state.join(".gitignore")).unwrap(), "*\n", "git does not see it");
    }
}

/// What a raw look says that all stores of this program have in common.
fn shape(raw: &Connection) -> Vec<String> {
    let pragma = |name: &str| {
        raw.query_row(&format!("pragma {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
    };
    let mut shape: Vec<String> =
        ["user_version", "application_id", "auto_vacuum", "journal_mode", "schema_version", "integrity_check"]
            .map(|name| format!("{name} {:?}", pragma(name)))
            .to_vec();
    let mut tables = raw.prepare("select name, sql from sqlite_schema order by name").unwrap();
    let named =
        |row: &rusqlite::Row| Ok(format!("{:?} {:?}", row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    shape.extend(tables.query_map([], named).unwrap().map(Result::unwrap));
    shape
}

fn the_shape() -> Vec<String> {
    let dir = Dir::new();
    drop(dir.open().unwrap());
    shape(&dir.raw())
}

/// The number of the schema's changes tells that one of them made it, and once.
#[test]
fn of_many_that_open_at_once_one_makes_the_store_and_all_succeed() {
    const EACH: usize = 16;
    let dir = Dir::new();
    let start = Barrier::new(EACH);
    std::thread::scope(|scope| {
        let mut openers = Vec::new();
        for number in 0..EACH {
            let (dir, start) = (&dir, &start);
            openers.push(scope.spawn(move || {
                start.wait();
                let mut program = dir.program(&["push-task", &format!("by process {number}")]);
                let child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
                push(&mut dir.open().unwrap(), &format!("by thread {number}"));
                let done = child.wait_with_output().unwrap();
                assert!(done.status.success(), "{done:?}");
            }));
        }
        openers.into_iter().for_each(|opener| opener.join().unwrap());
    });
    assert_eq!(titles(&mut dir.open().unwrap()).unwrap().len(), 2 * EACH);
    assert_eq!(shape(&dir.raw()), the_shape());
}

/// Where a process may die while it makes the store, and what it leaves then.
#[test]
fn a_store_that_was_made_halfway_is_finished_by_the_next() {
    const SQL: &str = include_str!("../../../migrations/sqlite/0001_initial.sql");
    let expected = the_shape();
    type Prepare = fn(&Dir);
    let stages: [(&str, Prepare); 5] = [
        ("an empty directory", |dir| fs::create_dir(dir.place().dir()).unwrap()),
        ("all but the file", |dir| dir.place().create().unwrap()),
        ("an empty file", |dir| fs::write(dir.file(""), "").unwrap()),
        ("a file with nothing but its settings", |dir| {
            let raw = dir.raw();
            raw.pragma_update(None, "auto_vacuum", "incremental").unwrap();
            raw.query_row("pragma journal_mode = wal", [], |_| Ok(())).unwrap();
        }),
        ("a migration that was never committed", |dir| {
            let elsewhere = Dir::new();
            elsewhere.place().create().unwrap();
            let raw = elsewhere.raw();
            raw.pragma_update(None, "auto_vacuum", "incremental").unwrap();
            raw.query_row("pragma journal_mode = wal", [], |_| Ok(())).unwrap();
            // So small that pages go into the log before the transaction ends.
            raw.execute_batch("pragma cache_size = 1; begin immediate").unwrap();
            raw.execute_batch(SQL).unwrap();
            raw.execute_batch("pragma user_version = 1").unwrap();
            for companion in ["", "-wal"] {
                fs::copy(elsewhere.file(companion), dir.file(companion)).unwrap();
            }
            assert!(fs::metadata(dir.file("-wal")).unwrap().len() > 10_000, "nothing of it reached the log");
        }),
    ];
    for (what, prepare) in stages {
        let dir = Dir::new();
        if what != "an empty directory" {
            dir.place().create().unwrap();
        }
        prepare(&dir);
        let mut store = dir.open().unwrap_or_else(|error| panic!("{what}: {error:?}"));
        push(&mut store, "t");
        drop(store);
        assert_eq!(shape(&dir.raw()), expected, "{what}");
    }
}

#[test]
fn a_store_of_a_newer_program_is_refused_and_left_alone() {
    let dir = Dir::new();
    push(&mut dir.open().unwrap(), "t");
    dir.raw().pragma_update(None, "user_version", 99).unwrap();
    push_more_into_the_log(&dir);
    let before = dir.bytes();
    let error = dir.refused();
    assert!(error.message.contains("99"), "{error:?}");
    assert_eq!(dir.bytes(), before);
    dir.raw().pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(titles(&mut dir.open().unwrap()).unwrap(), ["t"]);
}

/// A raw writer that dies leaves its change in the log.
fn push_more_into_the_log(dir: &Dir) {
    let raw = dir.raw();
    raw.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    raw.execute_batch("create table if not exists extra (x); drop table extra").unwrap();
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for (what, sql) in [
        ("no version", "create table t (x); insert into t values (1)"),
        ("our version", "create table t (x); pragma user_version = 1"),
        ("our version, its own mark", "create table t (x); pragma user_version = 1; pragma application_id = 7"),
        ("empty, its own mark", "pragma application_id = 7"),
        ("a log", "pragma journal_mode = wal; create table t (x); insert into t values (1)"),
    ] {
        let dir = Dir::new();
        dir.place().create().unwrap();
        let raw = dir.raw();
        raw.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        raw.execute_batch(sql).unwrap();
        drop(raw);
        let before = dir.bytes();
        let error = dir.refused();
        assert!(error.message.contains("other program"), "{what}: {error:?}");
        assert_eq!(dir.bytes(), before, "{what}");
    }
}

#[test]
fn writing_stops_when_the_file_is_replaced_or_removed() {
    type Harm = fn(&Dir);
    let harms: [(&str, Harm); 3] = [
        ("removed", |dir| fs::remove_file(dir.file("")).unwrap()),
        ("moved away", |dir| fs::rename(dir.file(""), dir.file(".away")).unwrap()),
        ("replaced by a copy", |dir| {
            fs::copy(dir.file(""), dir.file(".copy")).unwrap();
            fs::rename(dir.file(".copy"), dir.file("")).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let dir = Dir::new();
        let mut store = dir.open().unwrap();
        push(&mut store, "before");
        harm(&dir);
        for mode in [Mode::Durable, Mode::Relaxed] {
            let error = store.begin(mode).err().unwrap_or_else(|| panic!("{what}: it goes on"));
            assert_eq!(error.kind, Kind::Unavailable, "{what}");
        }
    }
}

fn log_bytes(dir: &Dir) -> u64 {
    fs::metadata(dir.file("-wal")).map_or(0, |log| log.len())
}

/// A transaction of half a megabyte.
fn write_much(store: &mut SqliteStore) {
    let mut tx = store.begin(Mode::Relaxed).unwrap();
    tx.insert_message(&mut crate::store::a_message(&"x".repeat(500_000))).unwrap();
    tx.commit().unwrap();
}

#[test]
fn the_log_stays_small_however_much_is_written() {
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    for _ in 0..100 {
        write_much(&mut store);
        assert!(log_bytes(&dir) <= LOG_BYTES_MAX / 4, "the log has {} bytes", log_bytes(&dir));
    }
}

/// At no moment nobody reads, and each reader began before the last commits: none of them alone lets the log be reset.
#[test]
fn the_log_stays_bounded_though_somebody_always_reads() {
    /// Longer than a read takes, however slow the machine.
    const READ_ENDS_AFTER: Duration = Duration::from_millis(30);
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    let writes = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    /// However the writer ends, the readers end too.
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| {
            let readers = [dir.raw(), dir.raw()];
            readers.iter().for_each(|reader| reader.execute_batch("begin").unwrap());
            for round in 0.. {
                let [next, last] = [&readers[round % 2], &readers[(round + 1) % 2]];
                next.execute_batch("rollback; begin; select * from tally").unwrap();
                last.execute_batch("rollback; begin").unwrap();
                let began_at = writes.load(Ordering::Relaxed);
                let patience = Deadline::after(READ_ENDS_AFTER);
                while writes.load(Ordering::Relaxed) < began_at + 3 && !patience.passed() {
                    std::thread::yield_now();
                }
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..250 {
            write_much(&mut store);
            writes.fetch_add(1, Ordering::Relaxed);
            if log_bytes(&dir) > LOG_BYTES_MAX {
                break;
            }
        }
    });
    assert!(log_bytes(&dir) <= LOG_BYTES_MAX, "the log has {} bytes", log_bytes(&dir));
}

#[test]
fn the_file_shrinks_again_after_a_flood_of_events() {
    let dir = Dir::new();
    let mut store = dir.open_with(Options { events_max: 100, ..Options::default() }).unwrap();
    let flood = |store: &mut SqliteStore, count: usize, bytes: usize| {
        for _ in 0..count {
            let mut tx = store.begin(Mode::Relaxed).unwrap();
            tx.append_event(NewEvent::new("a.b", "s", None).with("text", "x".repeat(bytes))).unwrap();
            tx.commit().unwrap();
        }
    };
    let pages = |store: &SqliteStore| -> i64 {
        store.connection_for_measuring().query_row("pragma page_count", [], |row| row.get(0)).unwrap()
    };
    flood(&mut store, 200, 50_000);
    let after_the_flood = pages(&store);
    flood(&mut store, 64 * 400, 10);
    let later = pages(&store);
    assert!(later < after_the_flood / 4, "{after_the_flood} pages, and {later} after all of it was pruned");
}

#[test]
fn a_doorbell_whose_process_died_is_forgotten() {
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    let bells = [Doorbell::hang(&store.doorbell_dir()).unwrap(), Doorbell::hang(&store.doorbell_dir()).unwrap()];
    let write = |store: &mut SqliteStore, work: &dyn Fn(&mut dyn Tx)| {
        let mut tx = store.begin(Mode::Relaxed).unwrap();
        work(&mut *tx);
        tx.commit().unwrap();
    };
    for bell in &bells {
        write(&mut store, &|tx| tx.watch(bell.address(), &[Topic::Events, Topic::Ready]).unwrap());
    }
    let [dead, _alive] = bells;
    drop(dead);
    let append = |tx: &mut dyn Tx| assert!(tx.append_event(NewEvent::new("a.b", "s", None)).is_ok());
    write(&mut store, &append);
    write(&mut store, &append);
    let kept: i64 = dir.raw().query_row("select count(distinct doorbell) from waiter", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1);
}

/// More than a cache holds, after and before something small.
fn a_great_deal(store: &mut SqliteStore, mode: Mode) -> Box<dyn Tx + '_> {
    let mut tx = store.begin(mode).unwrap();
    let messages: Vec<_> = (0..30).map(|number| add(&mut *tx, &format!("small {number}"))).collect();
    messages.iter().for_each(|message| tx.insert_delivery(*message, "i-bob").unwrap());
    for _ in 0..250 {
        add(&mut *tx, &"much ".repeat(2_000));
    }
    for message in messages {
        let mut delivery = tx.delivery(message, &crate::store::id("i-bob")).unwrap().unwrap();
        delivery.returned = Some(Returned { at: tx.now().at, process: "p".to_owned(), call: "c".to_owned() });
        tx.update_delivery(&delivery).unwrap();
    }
    tx
}

fn add(tx: &mut dyn Tx, body: &str) -> MessageId {
    let mut message = crate::store::a_message(body);
    tx.insert_message(&mut message).unwrap();
    message.id
}

/// How many messages stand in the file and its log, without what the processes share: as after a start of the machine.
fn messages_after_a_start(dir: &Dir) -> i64 {
    let other = Dir::new();
    fs::create_dir(other.place().dir()).unwrap();
    for companion in ["", "-wal"] {
        fs::copy(dir.file(companion), other.file(companion)).unwrap();
    }
    let raw = other.raw();
    let whole: String = raw.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    raw.query_row("select count(*) from message", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_was_undone_never_gets_into_what_others_wrote_then() {
    const MESSAGES: i64 = 300;
    let dir = Dir::new();
    let (mut ours, mut theirs) = (dir.open().unwrap(), dir.open().unwrap());
    // Otherwise SQLite looks at the first page in the log right after, and what was gathered goes out then.
    dir.checkpointed();
    let mut tx = a_great_deal(&mut ours, Mode::Durable);
    for _ in 0..20 {
        add(&mut *tx, &"more ".repeat(2_000));
    }
    drop(tx);
    for _ in 0..MESSAGES {
        let mut tx = theirs.begin(Mode::Durable).unwrap();
        add(&mut *tx, &"theirs ".repeat(1_000));
        tx.commit().unwrap();
    }
    assert!(titles(&mut ours).unwrap().is_empty());
    push(&mut ours, "ours");
    assert_eq!(messages_after_a_start(&dir), MESSAGES);
}

/// A process that is killed between its commit and its sync must not take along what others commit after it.
#[test]
fn what_others_can_see_is_whole_in_the_log() {
    let dir = Dir::new();
    let mut ours = dir.open().unwrap();
    a_great_deal(&mut ours, Mode::Relaxed).commit().unwrap();
    assert_eq!(messages_after_a_start(&dir), 280);
}
