//! Waiting: a commit anywhere wakes it, nothing is missed between look and sleep, and it always ends.

use super::*;
use orch_mcp::error::Error;
use orch_mcp::error::Result;
use orch_mcp::host::Deadline;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::Wait;
use orch_mcp::ops::table::Call;
use orch_mcp::ops::table::Reply;
use orch_mcp::ops::table::Request;
use orch_mcp::ops::table::find_own;
use orch_mcp::store::Tx;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::sqlite::SqliteStore;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// No test waits this long unless it fails.
const LONG: u32 = 120;

/// A waiting call that does something of ours after each look that found nothing.
struct Watched<F> {
    call: Arc<dyn Call>,
    looks: Mutex<usize>,
    after_look: F,
}

impl<F: Fn(usize) + Send + Sync> Call for Watched<F> {
    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Reply> {
        self.call.run(tx, caller)
    }

    fn nothing_to_mark(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Reply>> {
        self.call.nothing_to_mark(tx, caller)
    }

    fn names_roles(&self) -> bool {
        self.call.names_roles()
    }

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let wait = self.call.awaits(tx, caller)?;
        if wait.is_some() {
            let mut looks = self.looks.lock().unwrap();
            *looks += 1;
            (self.after_look)(*looks);
        }
        Ok(wait)
    }

    fn patience(&self) -> Option<Duration> {
        self.call.patience()
    }

    fn arguments(&self) -> Value {
        self.call.arguments()
    }
}

/// Waits, with something of ours done after each look in vain.
fn wait(
    process: &Process,
    operation: &str,
    arguments: Value,
    hangup: &Hangup,
    after_look: impl Fn(usize) + Send + Sync + 'static,
) -> Result<Value, Error> {
    let request = find_own(operation).unwrap().request(arguments.as_object().unwrap().clone())?;
    let call = Arc::new(Watched { call: request.call, looks: Mutex::default(), after_look });
    let caller = Caller { registered: process.bearing(), ..process.caller.clone() };
    process.desk.execute(&Request { call, ..request }, &caller, hangup).map(|reply| reply.data)
}

/// Waits on a thread of its own; `change` happens once the waiter has looked in vain and is about to sleep.
pub(super) fn woken_by(waiter: &Process, operation: &str, arguments: Value, change: impl FnOnce()) -> Value {
    let (looked, look) = mpsc::channel();
    let tell = move |count| looked.send(count).unwrap_or_default();
    let hangup = Hangup::new();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(waiter, operation, arguments, &hangup, tell));
        while look.recv().is_ok_and(|count| count < 2) {}
        // Nobody waits for what is not going to happen.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(change)) {
            hangup.hang_up();
            resume_unwind(panic);
        }
        waiting.join().unwrap().unwrap()
    })
}

struct Case {
    what: &'static str,
    operation: &'static str,
    arguments: Value,
    change: fn(&Process),
    /// Where the answer says what happened.
    news: &'static str,
}

/// Every kind of wait, and what ends it. Bob waits, amy acts; amy holds the first task, and the second waits for it.
fn cases() -> Vec<Case> {
    let case = |what, operation, arguments, change, news| Case { what, operation, arguments, change, news };
    vec![
        case("a message", "wait_for_message", json!({}), |amy| drop(amy.send("bob", "m")), "/messages/0/content"),
        case(
            "a broadcast",
            "wait_for_message",
            json!({}),
            |amy| drop(amy.ok("send_message", json!({ "broadcast": true, "content": "m" }))),
            "/messages/0/id",
        ),
        case(
            "a message to the role",
            "wait_for_message",
            json!({}),
            |amy| drop(amy.send("role:general", "m")),
            "/messages/0/id",
        ),
        case(
            "a task completed",
            "wait_for_task",
            json!({ "task_id": "1" }),
            |amy| amy.steps(&["complete_task"], "1"),
            "/task/status",
        ),
        case(
            "a task failed",
            "wait_for_task",
            json!({ "task_id": "1" }),
            |amy| amy.steps(&["fail_task"], "1"),
            "/task/status",
        ),
        case(
            "a task cancelled",
            "wait_for_task",
            json!({ "task_id": "1" }),
            |amy| amy.steps(&["cancel_task"], "1"),
            "/task/status",
        ),
        case(
            "a task changed",
            "wait_for_task",
            json!({ "task_id": "1", "until": "changed" }),
            |amy| amy.steps(&["start_task"], "1"),
            "/task/status",
        ),
        case(
            "a dependant became ready",
            "wait_for_task",
            json!({ "task_id": "2", "until": "changed" }),
            |amy| amy.steps(&["complete_task"], "1"),
            "/task/ready",
        ),
        case("a task pushed", "wait_for_task", json!({}), |amy| drop(amy.push("t", json!({}))), "/ready"),
        case(
            "a task pushed for the waiter",
            "wait_for_task",
            json!({}),
            |amy| drop(amy.push("t", json!({ "assignee": "bob" }))),
            "/ready",
        ),
        case("a task released", "wait_for_task", json!({}), |amy| amy.steps(&["release_task"], "1"), "/ready"),
        case("a dependency completed", "wait_for_task", json!({}), |amy| amy.steps(&["complete_task"], "1"), "/ready"),
        case(
            "a key set",
            "watch_context",
            json!({ "key": "a/b" }),
            |amy| drop(amy.ok("set_context", json!({ "key": "a/b", "value": 1 }))),
            "/changes/0/value",
        ),
        case(
            "a key set below",
            "watch_context",
            json!({ "prefix": "a/" }),
            |amy| drop(amy.ok("set_context", json!({ "key": "a/b/c", "value": 1 }))),
            "/changes/0/key",
        ),
        case(
            "any key set",
            "watch_context",
            json!({}),
            |amy| drop(amy.ok("set_context", json!({ "key": "k", "value": 1 }))),
            "/changes/0/key",
        ),
        case("an event", "watch_events", json!({}), |amy| drop(amy.push("t", json!({}))), "/events/0/kind"),
        case(
            "an event of a kind",
            "watch_events",
            json!({ "kind": "context." }),
            |amy| drop(amy.ok("set_context", json!({ "key": "k", "value": 1 }))),
            "/events/0/kind",
        ),
    ]
}

fn stage() -> (World, Process, Process) {
    let world = World::new();
    let (amy, bob) = (world.joined("amy"), world.joined("bob"));
    let first = amy.push("first", json!({}));
    amy.claim().unwrap();
    amy.push("second", json!({ "depends_on": [first] }));
    (world, amy, bob)
}

#[test]
fn a_commit_in_any_other_process_ends_a_wait() {
    for case in cases() {
        let (_world, amy, bob) = stage();
        let mut arguments = case.arguments.clone();
        arguments["timeout_seconds"] = json!(LONG);
        let answer = woken_by(&bob, case.operation, arguments, || (case.change)(&amy));
        assert_eq!(answer["timed_out"], false, "{}: {answer}", case.what);
        assert!(answer.pointer(case.news).is_some(), "{}: {answer}", case.what);
    }
}

/// Done after the first look, it comes between look and subscription; after the second, between subscription and sleep.
#[test]
fn what_happens_between_a_look_and_the_sleep_is_not_missed() {
    for case in cases() {
        for after in [1, 2] {
            let (_world, amy, bob) = stage();
            let mut arguments = case.arguments.clone();
            arguments["timeout_seconds"] = json!(LONG);
            let answer = wait(&bob, case.operation, arguments, &Hangup::new(), move |looks| {
                if looks == after {
                    (case.change)(&amy);
                }
            });
            assert_eq!(answer.unwrap()["timed_out"], false, "{} after look {after}", case.what);
        }
    }
}

#[test]
fn what_is_there_already_ends_a_wait_at_once() {
    let (_world, amy, bob) = stage();
    amy.send("bob", "m");
    amy.push("ready", json!({}));
    for (operation, arguments) in
        [("wait_for_message", json!({})), ("wait_for_task", json!({})), ("watch_events", json!({ "cursor": 1 }))]
    {
        let looked = |_: usize| panic!("it looked in vain");
        let answer = wait(&bob, operation, arguments, &Hangup::new(), looked).unwrap();
        assert_eq!(answer["timed_out"], false, "{operation}");
    }
}

#[test]
fn nothing_yet_is_an_ordinary_answer_and_no_patience_means_no_wait() {
    let (_world, _amy, bob) = stage();
    for case in cases() {
        let mut arguments = case.arguments.clone();
        arguments["timeout_seconds"] = json!(0);
        let reply = bob.reply(case.operation, arguments).unwrap();
        assert_eq!(
            (&reply.data["timed_out"], reply.outcome),
            (&json!(true), orch_mcp::ops::Outcome::TimedOut),
            "{}",
            case.what
        );
    }
}

#[test]
fn patience_is_fifty_seconds_and_at_most_280() {
    for operation in ["wait_for_message", "wait_for_task", "watch_context", "watch_events"] {
        for (given, expected) in [(Value::Null, 50), (json!(7), 7), (json!(280), 280), (json!(100_000), 280)] {
            let arguments = json!({ "timeout_seconds": given });
            let request = find_own(operation).unwrap().request(arguments.as_object().unwrap().clone()).unwrap();
            assert_eq!(request.call.patience(), Some(Duration::from_secs(expected)), "{operation} {given}");
        }
    }
}

#[test]
fn a_hangup_ends_a_wait_with_its_ordinary_answer() {
    for case in cases() {
        let (_world, _amy, bob) = stage();
        let mut arguments = case.arguments.clone();
        arguments["timeout_seconds"] = json!(LONG);
        let hangup = Hangup::new();
        let hang_up = hangup.clone();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            let hang_up = move |looks| {
                if looks == 2 {
                    hang_up.hang_up()
                }
            };
            let _ = ended.send(wait(&bob, case.operation, arguments, &hangup, hang_up));
        });
        let answer = end.recv_timeout(Duration::from_secs(u64::from(LONG) / 2)).expect("the wait went on").unwrap();
        assert_eq!(answer["timed_out"], true, "{}", case.what);
    }
}

/// A safety net would end each of them after a second; what is meant for them ends the quickest much sooner, even on a
/// machine that is slow at times.
#[test]
fn a_change_and_a_hangup_end_a_wait_at_once() {
    const AT_ONCE: Duration = Duration::from_millis(500);
    let (_world, amy, bob) = stage();
    let arguments = json!({ "timeout_seconds": LONG });
    let quickly = |end: &dyn Fn(&Hangup)| {
        (0..5).any(|_| {
            let hangup = Hangup::new();
            let soon = Deadline::after(AT_ONCE);
            let (looked, look) = mpsc::channel();
            let tell = move |count| looked.send(count).unwrap_or_default();
            thread::scope(|scope| {
                scope.spawn(|| wait(&bob, "wait_for_message", arguments.clone(), &hangup, tell).unwrap());
                while look.recv().is_ok_and(|count| count < 2) {}
                end(&hangup);
            });
            !soon.passed()
        })
    };
    assert!(quickly(&|_| drop(amy.send("bob", "m"))), "no change ended a wait at once");
    let hang_up_later = |hangup: &Hangup| {
        // By the time that this is durable, the waiter sleeps.
        amy.push("noise", json!({}));
        hangup.hang_up();
    };
    assert!(quickly(&hang_up_later), "no hangup ended a wait at once");
}

/// Its call has not ended, so it is here; whoever takes its name or its task would take it from somebody who is busy.
#[test]
fn who_waits_is_present_and_keeps_its_claims() {
    const SECS: i64 = 250;
    let (world, amy, bob) = stage();
    let task = bob.push("held", json!({ "assignee": "bob", "lease_secs": 400 }));
    bob.claim().unwrap();
    let observer = world.nobody();
    let host = world.host.clone();
    let pass = move || {
        host.set(|host| {
            host.wall_ms += SECS * 1000;
            host.awake_ms += SECS * 1000;
        });
    };
    let (seen, see) = mpsc::channel();
    let after_look = move |looks| {
        // Something that happens elsewhere makes it look again.
        if looks < 5 {
            pass();
            amy.ok("set_context", json!({ "key": "k", "value": looks }));
        } else if looks == 5 {
            let bob = observer.ok("get_instance", json!({ "instance": "bob" }));
            seen.send((text(&bob["instance"]["status"]), amy.claim())).unwrap();
            amy.send("bob", "m");
        }
    };
    let answer =
        wait(&bob, "wait_for_message", json!({ "timeout_seconds": LONG }), &Hangup::new(), after_look).unwrap();
    assert_eq!(contents(&answer), ["m"]);
    assert_eq!(see.recv().unwrap(), ("busy".to_owned(), None));
    assert_eq!(bob.task(&task)["status"], "claimed");
}

#[test]
fn a_hangup_from_before_keeps_a_wait_from_beginning() {
    let (_world, _amy, bob) = stage();
    let hangup = Hangup::new();
    hangup.hang_up();
    let answer = wait(&bob, "wait_for_message", json!({ "timeout_seconds": LONG }), &hangup, |_| ()).unwrap();
    assert_eq!(answer["timed_out"], true);
}

/// Nobody acts: the lease of a claim ends, or a task falls due, and whoever waits is told.
#[test]
fn time_alone_ends_a_wait_for_work() {
    for falls_due in [true, false] {
        let world = World { host: orch_mcp::host::Host::System, ..World::new() };
        let (amy, bob) = (world.joined("amy"), world.joined("bob"));
        if falls_due {
            bob.push("t", json!({ "not_before": world.host.wall().plus_millis(1_000).to_string() }));
        } else {
            bob.push("t", json!({ "lease_secs": 1 }));
            amy.claim().unwrap();
        }
        let answer = bob.ok("wait_for_task", json!({ "timeout_seconds": LONG }));
        assert_eq!((&answer["ready"], &answer["timed_out"]), (&json!(true), &json!(false)));
        assert!(bob.claim().is_some());
    }
}

/// Or the second one would sleep through what the first one took.
#[test]
fn of_two_that_wait_for_one_task_the_slower_waits_on() {
    let world = World::new();
    let amy = world.joined("amy");
    let workers = ["bob", "cid"].map(|name| world.joined(name));
    let taken = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(|| {
                let mut mine = 0;
                while mine == 0 {
                    worker.ok("wait_for_task", json!({ "timeout_seconds": LONG }));
                    if let Some(id) = worker.claim() {
                        taken.lock().unwrap().push(id);
                        mine += 1;
                    }
                }
            });
        }
        amy.push("a", json!({}));
        amy.push("b", json!({}));
    });
    assert_eq!(taken.into_inner().unwrap().len(), 2);
}

#[test]
fn the_first_message_to_a_new_inbox_wakes_it() {
    let world = World::new();
    let amy = world.joined("amy");
    for number in 0..5 {
        let name = format!("new{number}");
        let new = world.joined(&name);
        let answer =
            woken_by(&new, "wait_for_message", json!({ "timeout_seconds": LONG }), || drop(amy.send(&name, "welcome")));
        assert_eq!(contents(&answer), ["welcome"]);
    }
}

#[test]
fn a_wait_that_nothing_can_end_is_refused_at_once() {
    let (_world, _amy, bob) = stage();
    bob.refused("not_found", "wait_for_task", json!({ "task_id": "99", "timeout_seconds": LONG }));
    bob.refused("invalid", "watch_context", json!({ "key": "k", "prefix": "p/", "timeout_seconds": LONG }));
    bob.refused("invalid", "watch_context", json!({ "prefix": "p", "timeout_seconds": LONG }));
}

/// A ring that was lost with its process is made up for.
#[test]
fn many_waits_and_changes_at_once_lose_nothing() {
    const MESSAGES: usize = 60;
    let world = World::new();
    let bob = world.joined("bob");
    let senders = ["amy", "cid"].map(|name| world.joined(name));
    let received = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut received = Vec::new();
            while received.len() < 2 * MESSAGES {
                let answer = bob.ok("wait_for_message", json!({ "timeout_seconds": LONG }));
                assert_eq!(answer["timed_out"], false, "{} of {}", received.len(), 2 * MESSAGES);
                received.extend(contents(&answer));
            }
            received
        });
        for sender in &senders {
            scope.spawn(|| (0..MESSAGES).for_each(|number| drop(sender.send("bob", &number.to_string()))));
        }
        waiting.join().unwrap()
    });
    assert_eq!(received.len(), 2 * MESSAGES);
}

/// As for a sender in a container, which has the store but not the path that the doorbell was hung out with.
#[test]
fn a_doorbell_that_somebody_could_not_see_is_known_again_in_a_later_wait() {
    let (world, amy, bob) = stage();
    let waits = json!({ "timeout_seconds": LONG });
    woken_by(&bob, "wait_for_message", waits.clone(), || drop(amy.send("bob", "first")));
    let (bells, elsewhere) = (world.place().doorbells(), world.dir.path().join("elsewhere"));
    std::fs::rename(&bells, &elsewhere).unwrap();
    amy.send("bob", "not heard");
    amy.send("bob", "forgets the bell");
    std::fs::rename(&elsewhere, &bells).unwrap();
    // Found by itself, or at once; either way it shows that the bell is not to be relied on.
    bob.ok("wait_for_message", waits.clone());
    let store = SqliteStore::open(&world.place(), world.host.clone(), &world.options).unwrap();
    let known = || {
        let db = store.connection_for_measuring();
        db.query_row("select count(*) from waiter", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    woken_by(&bob, "wait_for_message", waits, || {
        assert_eq!(known(), 1);
        amy.send("bob", "last");
    });
}
