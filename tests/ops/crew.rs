//! Calls that wait for their turn are carried out by whoever has it, and none of them can tell.

use super::*;
use crate::support::cutting_vfs::Act;
use crate::support::cutting_vfs::Call;
use crate::support::cutting_vfs::Disk;
use crate::support::cutting_vfs::Fault;
use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use orch_mcp::host::Deadline;
use orch_mcp::ops::Effect;
use orch_mcp::ops::OPERATIONS;
use orch_mcp::ops::Outcome;
use orch_mcp::ops::crew::serve_all;
use orch_mcp::ops::table::Reply;
use orch_mcp::store::Mode;
use orch_mcp::store::Store;
use orch_mcp::store::Tx;
use orch_mcp::store::board::Board;
use orch_mcp::store::board::Taken;
use orch_mcp::store::sqlite::SqliteStore;
use rusqlite::ffi;
use std::mem;
use std::thread;
use std::time::Duration;

/// What no machine is too slow for; reaching it is a failure.
const LONG: Duration = Duration::from_secs(60);

/// Somebody who has the turn, and decides when it ends.
fn holder(world: &World) -> SqliteStore {
    SqliteStore::open(&world.place(), world.host.clone(), &world.options).unwrap()
}

/// Until somebody waits for something, and what that is.
fn until_somebody_waits<T>(mut look: impl FnMut() -> Vec<T>) -> Vec<T> {
    let deadline = Deadline::after(LONG);
    loop {
        let found = look();
        if !found.is_empty() {
            return found;
        }
        assert!(!deadline.passed(), "nobody waits");
        thread::yield_now();
    }
}

/// One process calls while another one has the turn, which ends as `end` says.
fn while_held<R>(
    world: &World,
    call: impl FnOnce() -> R + Send,
    end: impl for<'a> FnOnce(Box<dyn Tx + 'a>, &'a Board),
) -> R
where
    R: Send,
{
    let mut store = holder(world);
    let board = store.board().unwrap();
    thread::scope(|scope| {
        let tx = store.begin(Mode::Relaxed).unwrap();
        let call = scope.spawn(call);
        end(tx, &board);
        call.join().unwrap()
    })
}

/// What so many who wait want done, without the commit.
fn serve_so_many<'a>(count: usize, tx: &mut dyn Tx, board: &'a Board) -> Vec<Taken<'a>> {
    let mut served = Vec::new();
    while served.len() < count {
        served.extend(until_somebody_waits(|| serve_all(tx, board).unwrap()));
    }
    served
}

fn serve(mut tx: Box<dyn Tx + '_>, board: &Board) {
    let served = serve_so_many(1, &mut *tx, board);
    tx.commit().unwrap();
    served.into_iter().for_each(Taken::done);
}

type Shown = (Value, Outcome, String, Option<u32>, Vec<String>);

fn shown(reply: Reply) -> Shown {
    let text = reply.text();
    (reply.data, reply.outcome, text, reply.unread, reply.ids)
}

fn served(world: &World, process: &Process, operation: &str, arguments: Value) -> Result<Shown, Error> {
    while_held(world, || process.reply(operation, arguments).map(shown), serve)
}

#[test]
fn every_operation_answers_as_if_it_had_had_the_turn_itself() {
    for entry in OPERATIONS.iter().filter(|entry| entry.effect != Effect::Read) {
        let arguments = || match entry.name {
            // Its id would be drawn by lot.
            "register_instance" => json!({ "name": "new", "instance_id": "i-new" }),
            operation => idempotency::arguments(operation),
        };
        let ((alone, caller), (world, other)) = (idempotency::stage(), idempotency::stage());
        let expected = caller.reply(entry.name, arguments()).map(shown).unwrap();
        let found = served(&world, &other, entry.name, arguments());
        let found = found.unwrap_or_else(|error| panic!("{}: {error:?}", entry.name));
        assert_eq!(found, expected, "{}", entry.name);
        assert_eq!(other.bearing(), caller.bearing(), "{}", entry.name);
        let events = |world: &World| world.nobody().ok("list_events", json!({ "limit": 100 }));
        assert_eq!(events(&world)["events"], events(&alone)["events"], "{}", entry.name);
    }
}

#[test]
fn a_refusal_reaches_the_one_who_asked_and_leaves_nothing_behind() {
    let ((alone, caller), (world, other)) = (idempotency::stage(), idempotency::stage());
    for (operation, arguments) in [
        ("complete_task", json!({ "task_id": "77" })),
        ("complete_task", json!({ "task_id": "12" })),
        ("push_tasks", json!({ "tasks": [{ "title": "a" }, { "title": "b", "depends_on": ["t-99"] }] })),
        ("claim_task", json!({ "instance_id": "nobody" })),
    ] {
        let before = idempotency::events(&other);
        let expected = caller.call(operation, arguments.clone()).unwrap_err();
        let found = served(&world, &other, operation, arguments).unwrap_err();
        assert_eq!(found, expected);
        assert_eq!(idempotency::events(&other), before, "{operation}");
    }
    assert_eq!(
        world.nobody().ok("list_tasks", json!({}))["total"],
        alone.nobody().ok("list_tasks", json!({}))["total"]
    );
}

#[test]
fn of_many_who_wait_each_gets_its_own_answer_in_one_transaction() {
    const MANY: usize = 20;
    let world = World::new();
    let members: Vec<Process> = (0..MANY).map(|number| world.joined(&format!("m{number}"))).collect();
    members[0].ok("push_tasks", json!({ "tasks": (0..MANY).map(|_| json!({ "title": "t" })).collect::<Vec<_>>() }));
    let mut store = holder(&world);
    let board = store.board().unwrap();
    let claims: Vec<Value> = thread::scope(|scope| {
        let mut tx = store.begin(Mode::Relaxed).unwrap();
        let calls: Vec<_> = members.iter().map(|member| scope.spawn(|| member.ok("claim_task", json!({})))).collect();
        let served = serve_so_many(MANY, &mut *tx, &board);
        tx.commit().unwrap();
        served.into_iter().for_each(Taken::done);
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for (member, claim) in members.iter().zip(&claims) {
        let mine = member.ok("get_task", json!({ "task_id": claim["task"]["id"] }));
        assert_eq!(mine["task"]["holder"], member.bearing().unwrap().instance.as_str(), "{mine}");
    }
    let ids: std::collections::BTreeSet<_> = claims.iter().map(|claim| claim["task"]["id"].to_string()).collect();
    assert_eq!(ids.len(), MANY);
}

/// How often the key was written, and what is in it.
fn written(world: &World) -> (Value, Value) {
    let entry = world.nobody().ok("get_context", json!({ "key": "k" }));
    (entry["version"].clone(), entry["value"].clone())
}

fn set(process: &Process) -> Result<Value, Error> {
    process.call("set_context", json!({ "key": "k", "value": "v" }))
}

#[test]
fn what_was_taken_and_rolled_back_is_done_by_the_one_who_asked() {
    let endings: [for<'a> fn(Taken<'a>); 2] = [
        // It tells, or it dies.
        |taken| drop(taken),
        |taken| mem::forget(taken),
    ];
    for end in endings {
        let world = World::new();
        let process = world.joined("amy");
        let answer = while_held(
            &world,
            || set(&process),
            |tx, board| {
                let taken = until_somebody_waits(|| board.take_all());
                assert!(taken.iter().all(|note| note.answer(b"a lie") && note.seal()));
                drop(tx);
                taken.into_iter().for_each(end);
            },
        );
        assert_eq!(answer.unwrap()["version"], 1);
        assert_eq!(written(&world), (json!(1), json!("v")));
    }
}

#[test]
fn what_was_committed_and_never_told_is_found_and_not_done_again() {
    let endings: [for<'a> fn(Taken<'a>); 2] = [|taken| drop(taken), |taken| mem::forget(taken)];
    for end in endings {
        let world = World::new();
        let process = world.joined("amy");
        let answer = while_held(
            &world,
            || set(&process),
            |mut tx, board| {
                let served = serve_so_many(1, &mut *tx, board);
                tx.commit().unwrap();
                served.into_iter().for_each(end);
            },
        );
        assert_eq!(answer.unwrap()["version"], 1);
        assert_eq!(written(&world), (json!(1), json!("v")));
    }
}

/// It may go on at any time, and what its caller was told is that nothing happened.
#[test]
fn what_a_stopped_process_had_taken_is_given_up_and_never_happens() {
    let world = World::new();
    let process = world.joined("amy");
    let mut store = holder(&world);
    let board = store.board().unwrap();
    thread::scope(|scope| {
        let tx = store.begin(Mode::Durable).unwrap();
        let call = scope.spawn(|| set(&process));
        let taken = until_somebody_waits(|| board.take_all());
        assert!(taken[0].answer(b"a lie"));
        // As long as it takes the other one to lose patience.
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.kind, Kind::Busy, "{error:?}");
        assert!(!error.message.contains("not known"), "{error:?}");
        assert!(taken.iter().all(|note| !note.seal()), "it goes on, and finds that nobody wants it any more");
        drop(tx);
    });
    assert_eq!(written(&world).0, Value::Null);
}

#[test]
fn what_a_process_stopped_in_its_commit_had_taken_is_said_to_be_unknown() {
    let world = World::new();
    let process = world.joined("amy");
    let mut store = holder(&world);
    let board = store.board().unwrap();
    thread::scope(|scope| {
        let mut tx = store.begin(Mode::Durable).unwrap();
        let call = scope.spawn(|| set(&process));
        let served = serve_so_many(1, &mut *tx, &board);
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.kind, Kind::Busy, "{error:?}");
        assert!(error.message.contains("not known"), "{error:?}");
        tx.commit().unwrap();
        served.into_iter().for_each(Taken::done);
    });
    assert_eq!(written(&world).0, json!(1), "it did take effect");
}

/// Whoever leads meets it, and so does everybody else by themselves.
#[test]
fn a_full_disk_is_told_to_all_and_nothing_of_it_stays() {
    let disk = Disk::new();
    let world = disk.world();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let before = idempotency::events(&amy);
    let mut store = holder(&world);
    let board = store.board().unwrap();
    let errors = thread::scope(|scope| {
        let mut tx = store.begin(Mode::Relaxed).unwrap();
        let calls = [&amy, &bob].map(|member| scope.spawn(|| set(member)));
        let served = serve_so_many(2, &mut *tx, &board);
        disk.fail(Fault { on: Call::Write, nth: 1, lasting: true, code: ffi::SQLITE_FULL });
        assert!(tx.commit().unwrap_err().message.contains("disk is full"));
        drop(served);
        calls.map(|call| call.join().unwrap().unwrap_err())
    });
    assert!(errors.iter().all(|error| error.message.contains("disk is full")), "{errors:?}");
    assert!(disk.mend() > 0);
    assert_eq!(idempotency::events(&amy), before);
    set(&amy).unwrap();
    assert_eq!(set(&bob).unwrap()["version"], 2);
}

/// Whoever has the turn, nothing is lost and nothing is done twice.
#[test]
fn what_many_write_at_once_is_written_once() {
    const MEMBERS: usize = 8;
    const WRITES: u64 = 60;
    let world = World::new();
    let members: Vec<Process> = (0..MEMBERS).map(|number| world.joined(&format!("m{number}"))).collect();
    thread::scope(|scope| {
        for (number, member) in members.iter().enumerate() {
            scope.spawn(move || {
                for version in 1..=WRITES {
                    let mine = member.ok("set_context", json!({ "key": format!("of/{number}"), "value": version }));
                    assert_eq!(mine["version"], version);
                    member.refused("not_found", "complete_task", json!({ "task_id": "1" }));
                    member.ok("send_message", json!({ "to_instance": "@m0", "content": "c" }));
                }
            });
        }
    });
    let mut store = holder(&world);
    let mut tx = store.begin(Mode::Read).unwrap();
    let written = tx.events(&Default::default(), 10_000).unwrap();
    let of = |kind: &str| written.iter().filter(|event| event.kind == kind).count();
    assert_eq!((of("context.set"), of("message.sent")), (MEMBERS * WRITES as usize, MEMBERS * WRITES as usize));
}

/// Once more than its own process reads them.
#[test]
fn numbers_arrive_as_they_were_given() {
    let world = World::new();
    let process = world.joined("amy");
    let number = 1.045_121_637_920_082_3e41;
    let arguments = || json!({ "key": "k", "value": number, "idempotency_key": "once" });
    let first = process.ok("set_context", arguments());
    assert_eq!(served(&world, &process, "set_context", arguments()).unwrap().0, first);
    assert_eq!(written(&world).1, number);
}

/// It stands deeper in the store and in the words between processes, where somebody has to read it again.
#[test]
fn what_is_as_deep_as_may_be_is_answered_too() {
    let world = World::new();
    let process = world.joined("amy");
    let deep = |depth: usize| -> Value {
        serde_json::from_str(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap()
    };
    let push = |depth| json!({ "title": "t", "metadata": { "deep": deep(depth) }, "idempotency_key": "k" });
    for too_deep in [100, 122, 126] {
        process.refused("invalid", "push_task", push(too_deep));
    }
    let (pushed, ..) = served(&world, &process, "push_task", push(99)).unwrap();
    assert_eq!(served(&world, &process, "push_task", push(99)).unwrap().0, pushed);
    let (claim, ..) = served(&world, &process, "claim_task", json!({ "idempotency_key": "c" })).unwrap();
    assert_eq!(claim["task"]["metadata"]["deep"], deep(99));
    assert_eq!(process.ok("claim_task", json!({ "idempotency_key": "c" })), claim);
}

/// How often somebody waited for the disk during this.
fn syncs(disk: Disk, act: impl FnOnce()) -> usize {
    let before = disk.acts();
    act();
    disk.record().acts()[before..].iter().filter(|act| matches!(act, Act::SyncEnded { .. })).count()
}

/// Whoever has the turn may do something that need not last, and do for others what must.
#[test]
fn what_must_last_is_synced_whoever_carries_it_out() {
    let disk = Disk::recording();
    let world = disk.world();
    let process = world.joined("amy");
    assert_eq!(syncs(disk, || drop(process.ok("heartbeat", json!({})))), 0, "presence need not last");
    assert!(syncs(disk, || drop(served(&world, &process, "set_context", json!({ "key": "k", "value": 1 })))) > 0);
}

/// It tells of a change that another process made, and may have died with before it was on the disk.
#[test]
fn an_answer_that_changes_nothing_is_synced_too() {
    let disk = Disk::recording();
    let world = disk.world();
    let process = world.joined("amy");
    let call = || drop(process.ok("push_task", json!({ "title": "t", "idempotency_key": "k" })));
    call();
    let events = idempotency::events(&process);
    assert!(syncs(disk, call) > 0);
    assert_eq!(idempotency::events(&process), events);
}

/// Longer than there is room for on the board: it waits in the queue.
#[test]
fn what_is_too_long_for_the_board_is_done_all_the_same() {
    let world = World::new();
    let process = world.joined("amy");
    let long = "v".repeat(20_000);
    let set = || process.ok("set_context", json!({ "key": "k", "value": long }));
    let answer = while_held(&world, set, |tx, board| {
        assert!(board.take_all().is_empty());
        drop(tx);
    });
    assert_eq!(answer["version"], 1);
    assert_eq!(written(&world).0, 1);
}
