//! Many real processes on one store: claiming at once, killed at any moment, stopped inside a write.

use crate::support::again;
use crate::support::again::Again;
use crate::support::again::Member;
use crate::support::dice::Dice;
use orch_mcp::error::Kind;
use orch_mcp::host::Deadline;
use orch_mcp::host::Host;
use orch_mcp::model::context::Entry;
use orch_mcp::model::graph;
use orch_mcp::model::graph::Walk;
use orch_mcp::model::id::MessageId;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::task::State;
use orch_mcp::store::EventFilter;
use orch_mcp::store::Mode;
use orch_mcp::store::Store;
use orch_mcp::store::TaskFilter;
use orch_mcp::store::Tx;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use rustix::fs::FlockOperation;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

const CLAIMERS: usize = 64;
const TASKS_PER_CLAIMER: usize = 20;
const STARTERS: usize = 12;
const RINGS: usize = 20;
const KILLED_AT_ONCE: usize = 6;
const KILLS: usize = 60;
/// A worker that is to be killed has said at most so much before.
const SAID_MAX: usize = 25;
const ALL: u32 = 1_000_000;
/// What no machine is too slow for; reaching it is a failure.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn processes_that_start_together_make_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let said = together("starter", STARTERS, dir.path());
    let ids: BTreeSet<&String> = said.iter().flatten().collect();
    assert_eq!(ids.len(), STARTERS, "{said:#?}");
}

#[test]
fn claimers_in_many_processes_share_the_work_and_nobody_goes_without() {
    let dir = tempfile::tempdir().unwrap();
    let count = CLAIMERS * TASKS_PER_CLAIMER;
    let tasks: Vec<Value> = (0..count).map(|number| json!({ "title": format!("task {number}") })).collect();
    Member::at(dir.path()).ok("push_tasks", json!({ "tasks": tasks }));
    let said = together("claimer", CLAIMERS, dir.path());
    let served: Vec<usize> = said.iter().map(Vec::len).collect();
    let done: BTreeSet<&String> = said.iter().flatten().collect();
    assert_eq!(served.iter().sum::<usize>(), count, "a task was done twice, or something went wrong: {said:#?}");
    assert_eq!(done.len(), count, "a task was lost: {said:#?}");
    let least = served.iter().min().copied().unwrap_or_default();
    assert!(least * 4 >= TASKS_PER_CLAIMER, "the least served of {served:?} starved");
    read(dir.path(), |tx| {
        let tasks = tx.list_tasks(&TaskFilter::default(), ALL).unwrap();
        assert!(tasks.iter().all(|task| (task.state, task.token) == (State::Completed, 1)));
    });
}

#[test]
fn one_holder_at_a_time_has_what_the_tasks_of_many_processes_want() {
    const TASKS: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let wish = |number: usize| if number.is_multiple_of(3) { json!(["@db", "@gpu"]) } else { json!(["@db"]) };
    let tasks: Vec<Value> =
        (0..TASKS).map(|number| json!({ "title": number.to_string(), "reserves": wish(number) })).collect();
    Member::at(dir.path()).ok("push_tasks", json!({ "tasks": tasks }));
    let said = together("claimer who waits", STARTERS, dir.path());
    let done: BTreeSet<&String> = said.iter().flatten().collect();
    assert_eq!((done.len(), said.iter().flatten().count()), (TASKS, TASKS), "{said:#?}");
    read(dir.path(), |tx| {
        assert_eq!(tx.reservations(tx.now().tick, 0, ALL).unwrap(), []);
        let mut holder = None;
        for event in tx.events(&EventFilter::default(), ALL).unwrap() {
            match event.kind.as_str() {
                "task.claimed" => assert_eq!(holder.replace(event.subject.clone()), None, "{event:?}"),
                "task.completed" => assert_eq!(holder.take(), Some(event.subject)),
                _ => {}
            }
        }
    });
}

/// Each lets its own task wait for its neighbour's, all around: of each ring one edit comes last, and that one is refused.
#[test]
fn edits_that_would_close_a_circle_together_are_refused_though_each_is_right_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let tasks: Vec<Value> = (0..RINGS * STARTERS).map(|number| json!({ "title": number.to_string() })).collect();
    Member::at(dir.path()).ok("push_tasks", json!({ "tasks": tasks }));
    let said = together("ringer", STARTERS, dir.path());
    for ring in 0..RINGS {
        let refused = said.iter().filter(|lines| lines.contains(&format!("{ring} refused"))).count();
        assert_eq!(refused, 1, "ring {ring}: {said:#?}");
    }
    let needs: BTreeMap<TaskId, Vec<TaskId>> = read(dir.path(), |tx| {
        let ids: Vec<TaskId> = tx.list_tasks(&TaskFilter::default(), ALL).unwrap().iter().map(|task| task.id).collect();
        ids.into_iter().map(|id| (id, tx.task(id).unwrap().unwrap().depends_on)).collect()
    });
    assert_eq!(needs.values().map(Vec::len).sum::<usize>(), RINGS * (STARTERS - 1));
    let walk = graph::walk(needs.keys().copied(), |id| Ok::<_, Infallible>(needs[&id].clone()));
    assert!(matches!(walk, Ok(Walk::Order(_))), "{walk:?}");
}

/// Processes that begin at the same moment: what each of them said until it ended.
fn together(what: &str, count: usize, dir: &Path) -> Vec<Vec<String>> {
    let mut workers: Vec<Again> = (0..count).map(|number| start(what, number, dir)).collect();
    workers.iter_mut().for_each(|worker| worker.expect("ready"));
    workers.iter_mut().for_each(Again::go);
    workers.into_iter().map(Again::finish).collect()
}

fn start(what: &str, number: usize, dir: &Path) -> Again {
    Again::start("races::worker", &json!({ "what": what, "number": number, "dir": dir }))
}

#[test]
fn what_a_killed_process_was_told_is_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(60);
    let mut started = 0;
    let mut next = || {
        started += 1;
        start("laborer", started, dir.path())
    };
    let mut workers: Vec<Again> = (0..KILLED_AT_ONCE).map(|_| next()).collect();
    let mut told = Vec::new();
    for _ in 0..KILLS {
        let victim = dice.below(KILLED_AT_ONCE);
        let worker = &mut workers[victim];
        let lines = 1 + dice.below(SAID_MAX);
        told.extend((0..lines).map(|_| worker.hear().expect("it works until it is killed")));
        worker.kill();
        told.extend(worker.hear_all());
        workers[victim] = next();
    }
    for worker in &mut workers {
        worker.kill();
        told.extend(worker.hear_all());
    }
    // A panic begins with an empty line.
    if let Some(at) = told.iter().position(String::is_empty) {
        panic!("a process broke: {:#?}", &told[at..told.len().min(at + 12)]);
    }
    assert!(told.len() > KILLS, "{told:?}");
    read(dir.path(), |tx| told.iter().for_each(|told| check_told(told, tx)));
    check_claims(&told);
    finish_everything(dir.path());
    check_completions(&told, dir.path());
}

/// One thing that a process was told, in its own words.
fn check_told(told: &str, tx: &mut dyn Tx) {
    match told.split(' ').collect::<Vec<_>>()[..] {
        ["pushed", id] => assert!(tx.task(id.parse().unwrap()).unwrap().is_some(), "{told}"),
        ["claimed" | "stale", id, token] => {
            let task = tx.task(id.parse().unwrap()).unwrap().unwrap_or_else(|| panic!("{told}"));
            assert!(task.token >= token.parse().unwrap(), "{told}: {task:?}");
        }
        ["completed", id, token] => {
            let task = tx.task(id.parse().unwrap()).unwrap().unwrap_or_else(|| panic!("{told}"));
            assert_eq!((task.state, task.token), (State::Completed, token.parse().unwrap()), "{told}");
        }
        ["sent", id] => assert!(tx.message(id.parse::<MessageId>().unwrap()).unwrap().is_some(), "{told}"),
        ["set", key, version] => {
            let entry: Option<Entry> = tx.context(key).unwrap();
            assert!(entry.is_some_and(|entry| entry.version >= version.parse().unwrap()), "{told}");
        }
        ["looked"] => {}
        _ => panic!("a process said: {told}"),
    }
}

/// No two of them were given the same claim, and no two completed the same task.
fn check_claims(told: &[String]) {
    let mut seen = BTreeSet::new();
    for one in told.iter().filter(|one| one.starts_with("claimed")) {
        assert!(seen.insert(one), "two were told: {one}");
    }
    let mut completed = BTreeMap::new();
    for one in told.iter().filter(|one| one.starts_with("completed")) {
        let id = one.split(' ').nth(1).unwrap();
        assert_eq!(completed.insert(id, one), None, "{id} was completed twice");
    }
}

/// One who lives on: leases run out, and all the work gets done.
fn finish_everything(dir: &Path) {
    let closer = Member::at(dir);
    closer.ok("register_instance", json!({ "name": "closer" }));
    let deadline = Deadline::after(LONG);
    loop {
        assert!(!deadline.passed(), "{}", closer.ok("list_tasks", json!({ "status": "open" })));
        let claim = closer.ok("claim_task", json!({ "instance_id": "closer" }));
        if claim["claimed"] == json!(true) {
            closer.ok("complete_task", json!({ "instance_id": "closer", "task_id": claim["task"]["id"] }));
        } else if closer.ok("list_tasks", json!({ "status": "open" }))["tasks"] == json!([]) {
            return;
        } else {
            closer.ok("wait_for_task", json!({ "instance_id": "closer", "timeout_seconds": 5 }));
        }
    }
}

fn check_completions(told: &[String], dir: &Path) {
    read(dir, |tx| {
        let tasks = tx.list_tasks(&TaskFilter::default(), ALL).unwrap();
        assert!(tasks.iter().all(|task| task.state == State::Completed), "{tasks:?}");
        let completions = EventFilter { kind: Some("task.completed".to_owned()), ..EventFilter::default() };
        let completions = tx.events(&completions, ALL).unwrap();
        let of: BTreeSet<TaskId> = completions.iter().map(|event| event.subject.parse().unwrap()).collect();
        assert_eq!((completions.len(), of.len()), (tasks.len(), tasks.len()));
        told.iter().for_each(|told| check_told(told, tx));
        let counted: u64 = tx.tally().unwrap().iter().map(|tally| tally.count).sum();
        assert_eq!(counted as usize, tasks.len());
    });
    let store = SqliteStore::open(&Place::at(dir), Host::System, &Default::default()).unwrap();
    let verdict = store.connection_for_measuring().query_row("pragma integrity_check", [], |row| row.get(0));
    assert_eq!(verdict, Ok("ok".to_owned()));
}

fn read<R>(dir: &Path, look: impl FnOnce(&mut dyn Tx) -> R) -> R {
    let mut store = SqliteStore::open(&Place::at(dir), Host::System, &Default::default()).unwrap();
    let mut tx = store.begin(Mode::Read).unwrap();
    look(&mut *tx)
}

/// The lock is the database's own, so others cannot write; but they are told so, and by whom, and can read.
#[test]
fn a_process_stopped_in_a_write_is_named_to_others_who_do_not_wait_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let member = Member::at(dir.path());
    member.ok("set_context", json!({ "key": "k", "value": 1 }));
    let mut stopped = start("writer", 0, dir.path());
    stopped.expect("holds it");
    let deadline = Deadline::after(LONG);
    wait_until_stopped(&stopped);
    member.ok("get_context", json!({ "key": "k" }));
    let error = member.call("set_context", json!({ "key": "k", "value": 2 })).unwrap_err();
    assert!(!deadline.passed());
    assert_eq!(error.kind, Kind::Busy, "{error:?}");
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains(&stopped.pid().to_string())), "{error:?}");
    signal(&stopped, libc::SIGCONT);
    stopped.expect("wrote it");
    member.ok("set_context", json!({ "key": "k", "value": 2 }));
    assert_eq!(member.ok("get_context", json!({ "key": "stopped" }))["found"], json!(true));
}

#[test]
fn a_process_stopped_in_the_queue_costs_others_their_patience_once() {
    const WRITES: u32 = 50;
    /// The patience is two seconds; were it lost each time, these writes would take a hundred.
    const ENOUGH: Duration = Duration::from_secs(20);
    let dir = tempfile::tempdir().unwrap();
    let member = Member::at(dir.path());
    member.ok("set_context", json!({ "key": "k", "value": 1 }));
    let mut stopped = start("queuer", 0, dir.path());
    stopped.expect("holds it");
    wait_until_stopped(&stopped);
    let deadline = Deadline::after(ENOUGH);
    for value in 0..WRITES {
        member.ok("set_context", json!({ "key": "k", "value": value }));
    }
    assert!(!deadline.passed(), "each of them waited");
    signal(&stopped, libc::SIGCONT);
    assert_eq!(stopped.finish(), Vec::<String>::new());
    member.ok("set_context", json!({ "key": "k", "value": 2 }));
}

fn wait_until_stopped(other: &Again) {
    // SAFETY: it only waits for our own child, and writes to nothing but `status`.
    unsafe {
        let mut status = 0;
        assert_eq!(libc::waitpid(other.pid() as i32, &mut status, libc::WUNTRACED), other.pid() as i32);
        assert!(libc::WIFSTOPPED(status), "it ended with {status}");
    }
}

fn signal(to: &Again, signal: i32) {
    // SAFETY: the process is our own child, and not yet waited for, so that its number is its own.
    assert_eq!(unsafe { libc::kill(to.pid() as i32, signal) }, 0);
}

#[test]
#[ignore = "what the other processes of the tests above do"]
fn worker() {
    let Some(work) = again::work() else { return };
    let dir = Path::new(work["dir"].as_str().unwrap());
    let number = work["number"].as_u64().unwrap();
    match work["what"].as_str().unwrap() {
        "starter" => start_up(dir, number),
        "claimer" => claim_all(dir, number, false),
        "claimer who waits" => claim_all(dir, number, true),
        "ringer" => close_rings(dir, number as usize),
        "laborer" => labor(dir, number),
        "writer" => stop_in_a_write(dir),
        "queuer" => stop_in_the_queue(dir),
        other => panic!("nobody is a {other}"),
    }
}

fn start_up(dir: &Path, number: u64) {
    again::say("ready");
    again::heed();
    let member = Member::at(dir);
    member.ok("register_instance", json!({ "name": format!("starter-{number}") }));
    let pushed = member.ok("push_task", json!({ "title": "t" }));
    again::say(pushed["task"]["id"].as_str().unwrap());
}

/// Says each task that it did. Where others hold what the rest want, it may wait.
fn claim_all(dir: &Path, number: u64, waits: bool) {
    let member = Member::at(dir);
    let me = format!("claimer-{number}");
    // On a machine that does much besides, one of so many may be told that the store is busy: nothing was done then.
    let deadline = Deadline::after(LONG);
    let insist = |operation: &str, arguments: Value| {
        loop {
            match member.call(operation, arguments.clone()) {
                Err(error) if error.kind == Kind::Busy && !deadline.passed() => {}
                answer => return answer.unwrap_or_else(|error| panic!("{operation} {arguments}: {error:?}")),
            }
        }
    };
    insist("register_instance", json!({ "name": me }));
    again::say("ready");
    again::heed();
    loop {
        let claim = insist("claim_task", json!({ "instance_id": me }));
        let Some(id) = claim["task"]["id"].as_str() else {
            if waits && claim["waiting"]["behind_reserved"].as_u64().is_some_and(|behind| behind > 0) {
                insist("wait_for_task", json!({ "instance_id": me, "timeout_seconds": 1 }));
                continue;
            }
            return;
        };
        insist("complete_task", json!({ "instance_id": me, "task_id": id, "token": claim["token"] }));
        again::say(id);
    }
}

/// In each ring its task is to wait for the next one's.
fn close_rings(dir: &Path, number: usize) {
    let member = Member::at(dir);
    let deadline = Deadline::after(LONG);
    again::say("ready");
    again::heed();
    for ring in 0..RINGS {
        let task = |place: usize| (ring * STARTERS + place % STARTERS + 1).to_string();
        let edit = json!({ "task_id": task(number), "depends_on": [task(number + 1)] });
        loop {
            match member.call("update_task", edit.clone()) {
                Err(error) if error.kind == Kind::Busy && !deadline.passed() => {}
                Ok(_) => break,
                Err(error) => {
                    assert!(error.message.contains("wait for each other") || error.message.contains("->"), "{error:?}");
                    again::say(&format!("{ring} refused"));
                    break;
                }
            }
        }
    }
}

/// Does this and that until it is killed, and says each thing that it was told is done.
fn labor(dir: &Path, number: u64) {
    let member = Member::at(dir);
    let me = format!("laborer-{number}");
    member.ok("register_instance", json!({ "name": me }));
    let mut dice = Dice::new(number);
    loop {
        match dice.below(10) {
            0..3 => {
                let fields = json!({ "title": "t", "max_attempts": 100, "lease_secs": 1, "instance_id": me });
                let pushed = member.ok("push_task", fields);
                again::say(&format!("pushed {}", pushed["task"]["id"].as_str().unwrap()));
            }
            3..7 => claim_one(&member, &me, &mut dice),
            7 => {
                let to = format!("@laborer-{}", dice.below(KILLS));
                let sent = member.ok("send_message", json!({ "to_instance": to, "content": "c", "instance_id": me }));
                again::say(&format!("sent {}", sent["message_id"].as_str().unwrap()));
            }
            8 => {
                let set = member.ok("set_context", json!({ "key": me, "value": dice.below(1000), "instance_id": me }));
                again::say(&format!("set {me} {}", set["version"]));
            }
            _ => {
                member.ok("poll_messages", json!({ "instance_id": me }));
                again::say("looked");
            }
        }
    }
}

fn claim_one(member: &Member, me: &str, dice: &mut Dice) {
    let claim = member.ok("claim_task", json!({ "instance_id": me, "lease_secs": 1 }));
    let Some(id) = claim["task"]["id"].as_str() else { return again::say("looked") };
    let token = &claim["token"];
    again::say(&format!("claimed {id} {token}"));
    if dice.chance(20) {
        // It forgets the task, as many do.
        return;
    }
    match member.call("complete_task", json!({ "instance_id": me, "task_id": id, "token": token })) {
        Ok(_) => again::say(&format!("completed {id} {token}")),
        // On a busy machine a second may pass between two calls.
        Err(error) if error.kind == Kind::StaleClaim => again::say(&format!("stale {id} {token}")),
        Err(error) => panic!("{error:?}"),
    }
}

fn stop_in_a_write(dir: &Path) {
    let mut store = SqliteStore::open(&Place::at(dir), Host::System, &Default::default()).unwrap();
    let mut tx = store.begin(Mode::Durable).unwrap();
    let at = tx.now().at;
    let value = Some(json!(1));
    let (entry, event) = orch_mcp::model::context::write(None, "stopped", value, None, None, at).unwrap();
    tx.put_context(&entry, 1).unwrap();
    tx.append_event(event).unwrap();
    again::say("holds it");
    stop();
    tx.commit().unwrap();
    again::say("wrote it");
}

fn stop_in_the_queue(dir: &Path) {
    let locks = Place::at(dir).lock_files().map(|path| File::options().write(true).open(path).unwrap());
    for lock in &locks {
        rustix::fs::flock(lock, FlockOperation::LockExclusive).unwrap();
    }
    again::say("holds it");
    stop();
}

fn stop() {
    // SAFETY: a signal to ourselves, which stops all threads until another one comes.
    assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0);
}
