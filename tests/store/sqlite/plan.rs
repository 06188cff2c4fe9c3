//! Plans: made once, and as cheap with many tasks as with few.

use super::*;
use orch_mcp::model::event::NewEvent;
use orch_mcp::model::task::Claimer;
use orch_mcp::model::task::lanes_for;
use orch_mcp::store::EventFilter;
use rusqlite::ffi;
use serde_json::json;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::ptr;

/// The store keeps so many at most: with more in use, the oldest would be prepared again and again.
const STATEMENTS_MAX: usize = 256;

/// Sums one counter over every statement that the connection keeps, and sets it back.
fn counted(db: &Connection, counter: c_int) -> i64 {
    let mut sum = 0;
    // SAFETY: the connection outlives the walk, and nothing else uses it meanwhile.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(db.handle(), ptr::null_mut());
        while !statement.is_null() {
            sum += i64::from(ffi::sqlite3_stmt_status(statement, counter, 1));
            statement = ffi::sqlite3_next_stmt(db.handle(), statement);
        }
    }
    sum
}

/// How many statements the connection keeps ready.
fn statements(db: &Connection) -> usize {
    let next = |statement| {
        // SAFETY: the connection outlives the walk, and nothing else uses it meanwhile.
        let next = unsafe { ffi::sqlite3_next_stmt(db.handle(), statement) };
        (!next.is_null()).then_some(next)
    };
    std::iter::successors(next(ptr::null_mut()), |statement| next(*statement)).count()
}

/// Counts how often SQLite compiles anything, while it lives: it asks for leave at every step of that.
struct Compilations<'a> {
    db: &'a Connection,
    asked: Box<i64>,
}

impl<'a> Compilations<'a> {
    fn of(db: &'a Connection) -> Compilations<'a> {
        extern "C" fn ask(
            count: *mut c_void,
            _: c_int,
            _: *const c_char,
            _: *const c_char,
            _: *const c_char,
            _: *const c_char,
        ) -> c_int {
            // SAFETY: it is the counter given below, which lives until the callback is taken away.
            unsafe { *count.cast::<i64>() += 1 };
            ffi::SQLITE_OK
        }
        let mut asked = Box::new(0);
        // SAFETY: the counter stays where it is, in its box, as long as the callback is there.
        unsafe { ffi::sqlite3_set_authorizer(db.handle(), Some(ask), (&raw mut *asked).cast()) };
        Compilations { db, asked }
    }

    fn count(&self) -> i64 {
        // SAFETY: the callback wrote it, and is not running now.
        unsafe { ptr::read_volatile(&*self.asked) }
    }
}

impl Drop for Compilations<'_> {
    fn drop(&mut self) {
        // SAFETY: taking the callback away is always allowed.
        unsafe { ffi::sqlite3_set_authorizer(self.db.handle(), None, ptr::null_mut()) };
    }
}

/// What a team does all day, with the arguments changing from round to round.
fn a_day(store: &mut SqliteStore, round: usize) {
    use Mode::*;
    let mut run = |mode, operation: &str, arguments: Value| {
        run(store, mode, operation, arguments.clone())
            .unwrap_or_else(|error| panic!("{operation} {arguments}: {error:?}"))
    };
    run(Durable, "register_instance", json!({ "name": "bob", "role": "builder", "instance_id": "i-bob" }));
    run(Durable, "register_instance", json!({ "name": format!("amy{round}") }));
    for number in 0..8 {
        let title = format!("{round} {number}");
        run(
            Durable,
            "push_task",
            json!({ "title": title, "role": if number % 2 == 0 { Some("builder") } else { None }, "labels": [title], "priority": number % 3 }),
        );
    }
    run(
        Durable,
        "push_tasks",
        json!({ "tasks": [{ "title": "a", "ref": "a" }, { "title": "b", "depends_on": ["a"] }] }),
    );
    for last in ["complete_task", "fail_task", "block_task", "release_task", "cancel_task"] {
        let claim = run(Durable, "claim_task", json!({ "instance_id": "bob" }));
        let id = claim["task"]["id"].as_str().unwrap();
        run(Durable, "start_task", json!({ "instance_id": "bob", "task_id": id }));
        run(
            Durable,
            "update_task",
            json!({ "instance_id": "bob", "task_id": id, "progress": "half", "labels": ["x"] }),
        );
        let mut arguments = json!({ "instance_id": "bob", "task_id": id });
        if ["fail_task", "block_task"].contains(&last) {
            arguments["reason"] = json!("r");
        }
        run(Durable, last, arguments);
        run(Read, "get_task", json!({ "task_id": id, "history": true }));
        match last {
            "fail_task" | "cancel_task" => drop(run(Durable, "retry_task", json!({ "task_id": id }))),
            "block_task" => drop(run(Durable, "unblock_task", json!({ "task_id": id }))),
            _ => {}
        }
    }
    run(Durable, "claim_task", json!({ "instance_id": format!("amy{round}") }));
    run(Relaxed, "heartbeat", json!({ "instance_id": "bob", "current_task": title_of(round) }));
    let sent =
        run(Durable, "send_message", json!({ "instance_id": "bob", "to_name": format!("amy{round}"), "content": "m" }));
    run(Durable, "send_message", json!({ "instance_id": "bob", "broadcast": true, "content": "m" }));
    run(Durable, "request_help", json!({ "instance_id": "bob", "question": "q" }));
    run(Relaxed, "poll_messages", json!({ "instance_id": format!("amy{round}") }));
    run(Read, "get_message", json!({ "instance_id": "bob", "message_id": sent["message_id"] }));
    run(
        Durable,
        "acknowledge_message",
        json!({ "instance_id": format!("amy{round}"), "message_id": sent["message_id"] }),
    );
    run(Read, "list_receipts", json!({ "instance_id": "bob" }));
    run(Read, "get_thread", json!({ "instance_id": "bob", "message_id": sent["message_id"] }));
    run(Durable, "set_context", json!({ "key": format!("a/{round}"), "value": round }));
    run(Read, "get_context", json!({ "key": format!("a/{round}"), "history": true }));
    run(Durable, "delete_context", json!({ "key": format!("a/{round}") }));
    run(Read, "list_context_keys", json!({ "prefix": "a/" }));
    for status in ["open", "ready", "waiting", "claimed", "completed"] {
        run(Read, "list_tasks", json!({ "status": status, "limit": round % 5 + 1 }));
    }
    run(Read, "list_tasks", json!({ "role": "builder", "label": "x" }));
    run(Read, "list_instances", json!({ "online_only": true }));
    run(Read, "get_instance", json!({ "instance": "bob" }));
    run(Read, "list_events", json!({ "kind": "task.", "cursor": round }));
    run(Read, "server_status", json!({}));
    run(Relaxed, "wait_for_task", json!({ "instance_id": "bob", "timeout_seconds": 0 }));
    run(Relaxed, "wait_for_message", json!({ "instance_id": "bob", "timeout_seconds": 0 }));
}

fn title_of(round: usize) -> String {
    format!("round {round}")
}

#[test]
fn no_statement_is_prepared_twice() {
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    (0..2).for_each(|round| a_day(&mut store, round));
    // SAFETY of the borrow: the store is only used through its own handle while the counter looks on.
    let db: *const Connection = store.connection_for_measuring();
    let compilations = Compilations::of(unsafe { &*db });
    // Setting the counter up made every plan stale once.
    a_day(&mut store, 2);
    let before = compilations.count();
    counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_REPREPARE);
    (3..20).for_each(|round| a_day(&mut store, round));
    assert_eq!(compilations.count() - before, 0, "something was compiled again");
    assert_eq!(counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_REPREPARE), 0);
    assert!(before > 0, "the counter counts nothing");
    let kept = statements(store.connection_for_measuring());
    assert!((50..STATEMENTS_MAX).contains(&kept), "{kept} statements are kept ready");
}

/// What an operation costs, in steps of SQLite's machine.
fn steps_of(store: &mut SqliteStore, operation: &str, arguments: Value) -> (Value, i64) {
    counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_VM_STEP);
    let answer = run(store, Mode::Relaxed, operation, arguments).unwrap();
    (answer, counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_VM_STEP))
}

/// What it costs to find the next task and to take it, without all that an operation does besides.
fn steps_to_take(store: &mut SqliteStore, name: &str) -> i64 {
    let mut tx = store.begin(Mode::Relaxed).unwrap();
    let me = tx.instance_by_name(name).unwrap().unwrap();
    tx.commit().unwrap();
    counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_VM_STEP);
    let mut tx = store.begin(Mode::Relaxed).unwrap();
    let claimer = Claimer { id: &me.id, role: &me.role };
    let mut task = tx.next_ready(&lanes_for(claimer)).unwrap().unwrap();
    task.claim(claimer, false, None, tx.now()).unwrap();
    tx.update_task(&mut task).unwrap();
    tx.commit().unwrap();
    counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_VM_STEP)
}

/// Half of the tasks wait for another, and some roles are rare.
fn a_backlog(tasks: usize) -> SqliteStore {
    let mut store = SqliteStore::in_memory(Host::manual(1)).unwrap();
    for (name, role) in
        [("bob", "builder"), ("rare", "rare"), ("none", "unheard of"), ("own", "general"), ("any", "general")]
    {
        run(&mut store, Mode::Relaxed, "register_instance", json!({ "name": name, "role": role })).unwrap();
    }
    let task = |number: usize| {
        let mut task = json!({ "title": "t", "ref": number.to_string() });
        let fields = match number {
            _ if number % 2 == 1 => json!({ "depends_on": [(number - 1).to_string()], "priority": "critical" }),
            _ if number + 10 > tasks => json!({ "role": "rare", "priority": "low" }),
            _ if number + 20 > tasks => json!({ "assignee": "own" }),
            _ if number + 30 > tasks => json!({ "link": "review" }),
            _ => json!({ "role": "builder", "priority": 4 + number % 3 }),
        };
        task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        task
    };
    let tasks: Vec<Value> = (0..tasks).map(task).collect();
    run(&mut store, Mode::Relaxed, "push_tasks", json!({ "tasks": tasks })).unwrap();
    store
}

#[test]
fn a_claim_takes_few_steps_whatever_the_backlog() {
    const STEPS_MAX: i64 = 500;
    /// All that the operation does besides: who calls, presence, receipts, the event, what else the caller holds.
    const STEPS_OF_ALL_MAX: i64 = 1_000;
    let mut few = a_backlog(100);
    let mut many = a_backlog(10_000);
    for name in ["bob", "rare", "own", "any"] {
        let [in_few, in_many] = [&mut few, &mut many].map(|store| steps_to_take(store, name));
        assert!(in_many <= STEPS_MAX, "to take a task took {name} {in_many} steps");
        assert!(in_many <= in_few + in_few / 10, "{name}: {in_few} steps in a short queue, {in_many} in a long one");
        let (claim, steps) = steps_of(&mut many, "claim_task", json!({ "instance_id": name }));
        assert_eq!(claim["claimed"], true, "{name}");
        assert!(steps <= STEPS_OF_ALL_MAX, "a whole claim took {name} {steps} steps");
    }
}

/// All that want the same stand in one queue, which is looked at once.
#[test]
fn a_claim_takes_few_steps_however_many_wait_for_what_somebody_keeps() {
    const STEPS_MAX: i64 = 1_500;
    const WISHES: usize = 1_000;
    const STEPS_OF_MANY_MAX: i64 = 6_000;
    const STEPS_OF_ONE_PASSED_MAX: i64 = 60;
    let held = |tasks: usize| {
        let mut store = SqliteStore::in_memory(Host::manual(1)).unwrap();
        for name in ["amy", "bob"] {
            run(&mut store, Mode::Relaxed, "register_instance", json!({ "name": name })).unwrap();
        }
        run(&mut store, Mode::Relaxed, "reserve_files", json!({ "instance_id": "amy", "patterns": ["@db"] })).unwrap();
        let tasks: Vec<Value> = (0..tasks).map(|_| json!({ "title": "t", "reserves": ["@db"] })).collect();
        run(&mut store, Mode::Relaxed, "push_tasks", json!({ "tasks": tasks })).unwrap();
        store
    };
    let free = |number: usize| json!({ "title": "free", "priority": "low", "reserves": [format!("@{number}")] });
    let claim = |store: &mut SqliteStore| {
        let (claim, steps) = steps_of(store, "claim_task", json!({ "instance_id": "bob" }));
        (claim["task"]["title"].as_str().unwrap_or_default().to_owned(), steps)
    };
    let (mut few, mut many) = (held(10), held(10_000));
    for title in ["free", ""] {
        let [in_few, in_many] = [&mut few, &mut many].map(|store| {
            if title == "free" {
                run(store, Mode::Relaxed, "push_tasks", json!({ "tasks": [free(0)] })).unwrap();
            }
            let (claimed, steps) = claim(store);
            assert_eq!(claimed, title);
            steps
        });
        assert!(
            in_many <= STEPS_MAX && in_many <= in_few + in_few / 10,
            "{in_few} steps before few, {in_many} before many"
        );
    }
    // Nor does it matter how many different things are wanted.
    let tasks: Vec<Value> = (1..=WISHES).map(free).collect();
    run(&mut many, Mode::Relaxed, "push_tasks", json!({ "tasks": tasks })).unwrap();
    let mut other = SqliteStore::in_memory(Host::manual(1)).unwrap();
    run(&mut other, Mode::Relaxed, "register_instance", json!({ "name": "bob" })).unwrap();
    let own: Vec<Value> = (0..10 * WISHES).map(free).collect();
    run(&mut other, Mode::Relaxed, "push_tasks", json!({ "tasks": own })).unwrap();
    let (claimed, steps) = claim(&mut other);
    assert_eq!(claimed, "free");
    assert!(steps <= STEPS_OF_MANY_MAX, "in front of {WISHES}0 different wishes it took {steps} steps");
    // Only where both are so, what is in the way is passed by task by task.
    let (claimed, steps) = claim(&mut many);
    assert_eq!(claimed, "free");
    let each = steps / 10_000;
    assert!(each <= STEPS_OF_ONE_PASSED_MAX, "each that was passed over took {each} steps");
}

/// Of a job one asks again and again how far it is.
#[test]
fn how_far_a_job_is_takes_few_steps_however_many_tasks_it_has() {
    const STEPS_MAX: i64 = 4_000;
    const LAYER: usize = 100;
    let mut store = SqliteStore::in_memory(Host::manual(1)).unwrap();
    run(&mut store, Mode::Relaxed, "register_instance", json!({ "name": "bob" })).unwrap();
    let task = |number: usize| {
        let (layer, place) = (number / LAYER, number % LAYER);
        let needs = [place, (place + 1) % LAYER, (place + 7) % LAYER]
            .map(|place| ((layer.max(1) - 1) * LAYER + place).to_string());
        json!({ "title": "t", "ref": number.to_string(), "depends_on": if layer == 0 { &[][..] } else { &needs } })
    };
    let tasks: Vec<Value> = (0..10_000).map(task).collect();
    run(&mut store, Mode::Relaxed, "create_job", json!({ "goal": "g", "tasks": tasks })).unwrap();
    let looks = |store: &mut SqliteStore, chain: u64, when: &str| {
        let (job, steps) = steps_of(store, "get_job", json!({ "job_id": "1" }));
        assert_eq!(job["critical_path"]["length"], chain, "{when}");
        assert!(steps <= STEPS_MAX, "{when} it took {steps} steps");
    };
    looks(&mut store, 100, "at first");
    let step = |store: &mut SqliteStore, operation: &str| {
        let claim = run(store, Mode::Relaxed, "claim_task", json!({ "instance_id": "bob" })).unwrap();
        if claim["claimed"] == true {
            let mut arguments = json!({ "task_id": claim["task"]["id"], "instance_id": "bob" });
            if operation != "complete_task" {
                arguments["reason"] = json!("r");
            }
            run(store, Mode::Relaxed, operation, arguments).unwrap();
        }
    };
    (0..150).for_each(|_| step(&mut store, "complete_task"));
    looks(&mut store, 99, "when the second layer is half done");
    (0..50).for_each(|_| step(&mut store, "fail_task"));
    looks(&mut store, 98, "when the rest of it has failed");
    (0..50).for_each(|_| step(&mut store, "block_task"));
    looks(&mut store, 98, "when nothing moves any more");
    // Nor is to call it off more than a look at each of its tasks.
    let (off, steps) = steps_of(&mut store, "cancel_job", json!({ "job_id": "1" }));
    let each = steps / off["called_off"].as_i64().unwrap();
    assert!(each <= 800, "each of {} took {each} steps", off["called_off"]);
}

/// Idle workers ask again and again.
#[test]
fn a_claim_in_vain_takes_few_steps_whatever_has_failed_before() {
    const STEPS_MAX: i64 = 2_000;
    let mut store = a_backlog(10_000);
    let in_vain = |store: &mut SqliteStore| loop {
        let (claim, steps) = steps_of(store, "claim_task", json!({ "instance_id": "none" }));
        if claim["claimed"] == false {
            break steps;
        }
    };
    let steps = in_vain(&mut store);
    assert!(steps <= STEPS_MAX, "a claim in vain took {steps} steps");
    let mut tx = store.begin(Mode::Relaxed).unwrap();
    let now = tx.now();
    // None of what is cancelled is waited for by anything that still waits, except for the last few.
    for mut task in tx.list_tasks(&TaskFilter::default(), 9_000).unwrap() {
        task.cancel(None, None, now).unwrap();
        tx.update_task(&mut task).unwrap();
    }
    tx.commit().unwrap();
    let steps = in_vain(&mut store);
    assert!(steps <= 4 * STEPS_MAX, "with much that was cancelled it took {steps} steps");
}

/// A watcher asks for the next event of one subject, however many follow.
#[test]
fn a_page_of_events_takes_few_steps_however_many_follow() {
    const STEPS_MAX: i64 = 3_000;
    let mut store = SqliteStore::in_memory(Host::manual(1)).unwrap();
    let mut tx = store.begin(Mode::Relaxed).unwrap();
    for _ in 0..10_000 {
        tx.append_event(NewEvent::new("a.b", "s", None)).unwrap();
    }
    tx.commit().unwrap();
    counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_VM_STEP);
    let filter = EventFilter { subject: Some("s".to_owned()), ..EventFilter::default() };
    assert_eq!(store.begin(Mode::Read).unwrap().events(&filter, 10).unwrap().len(), 10);
    let steps = counted(store.connection_for_measuring(), ffi::SQLITE_STMTSTATUS_VM_STEP);
    assert!(steps <= STEPS_MAX, "a page took {steps} steps");
}
