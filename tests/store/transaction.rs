//! Transactions: all or nothing, one view of the world, and reads that cannot write.

use super::*;
use orch_mcp::model::context::Entry;
use orch_mcp::model::event::NewEvent;
use orch_mcp::store::EventFilter;
use orch_mcp::store::InstanceFilter;
use orch_mcp::store::StoredAnswer;
use orch_mcp::store::TaskFilter;
use orch_mcp::store::Topic;
use serde_json::json;

type Write = fn(&mut dyn Tx) -> Result<()>;

/// Every function that writes, on a store where bob holds the first task and has the first message.
fn writes() -> Vec<(&'static str, Write)> {
    fn first(tx: &mut dyn Tx) -> Task {
        tx.task(TaskId::from_number(1)).unwrap().unwrap()
    }
    fn bob(tx: &mut dyn Tx) -> Instance {
        tx.instance(&id("i-bob")).unwrap().unwrap()
    }
    vec![
        ("insert_instance", |tx| {
            let mut amy = an_instance("amy", tx.now());
            tx.insert_instance(&mut amy)
        }),
        ("update_instance", |tx| {
            let mut bob = bob(tx);
            tx.update_instance(&mut bob)
        }),
        ("renew_presence", |tx| {
            let now = tx.now();
            tx.renew_presence(&id("i-bob"), Now { tick: now.tick.plus_secs(9), ..now })
        }),
        ("insert_task", |tx| tx.insert_task(&mut a_task("new"))),
        ("update_task", |tx| {
            let mut task = first(tx);
            tx.update_task(&mut task)
        }),
        ("update_task_fields", |tx| {
            let mut task = Task { title: "new".to_owned(), ..first(tx) };
            tx.update_task_fields(&mut task)
        }),
        ("update_task_body", |tx| {
            let mut task = first(tx);
            task.body.description = "new".to_owned();
            tx.update_task_body(&task)
        }),
        ("set_dependencies", |tx| {
            let mut task = first(tx);
            tx.set_dependencies(&mut task)
        }),
        ("wake_due_tasks", |tx| tx.wake_due_tasks(at(i64::MAX), 9).map(drop)),
        ("renew_claims", |tx| {
            let tick = tx.now().tick.plus_secs(99);
            tx.renew_claims(&id("i-bob"), tick)
        }),
        ("dependency_met", |tx| tx.dependency_met(TaskId::from_number(1)).map(drop)),
        ("assign_waiting", |tx| tx.assign_waiting("zoe", &id("i-zoe"))),
        ("insert_message", |tx| tx.insert_message(&mut a_message("new"))),
        ("insert_delivery", |tx| tx.insert_delivery(MessageId::from_number(1), "i-new")),
        ("update_delivery", |tx| {
            let mut delivery = tx.delivery(MessageId::from_number(1), &id("i-bob")).unwrap().unwrap();
            delivery.see(at(1));
            tx.update_delivery(&delivery)
        }),
        ("claim_address", |tx| tx.claim_address("@zoe", &id("i-zoe")).map(drop)),
        ("put_context", |tx| {
            let entry = Entry {
                key: "k".to_owned(),
                value: Some(json!(2)),
                version: 2,
                revision: 0,
                author: None,
                written_at: at(1),
            };
            tx.put_context(&entry, 3)
        }),
        ("append_event", |tx| tx.append_event(NewEvent::new("a.b", "s", None)).map(drop)),
        ("keep_answer", |tx| {
            tx.keep_answer(
                "k",
                &StoredAnswer { operation: "o".to_owned(), digest: "d".to_owned(), answer: "1".to_owned() },
            )
        }),
        ("watch", |tx| tx.watch("/nowhere.sock", &[Topic::Events])),
        ("unwatch", |tx| tx.unwatch("/nowhere.sock")),
    ]
}

/// Something for each of the writes to change.
fn set_the_stage(store: &mut TestStore) {
    store.register("bob");
    let now = store.now();
    let task = store.insert(a_task("first"));
    store.write(|tx| tx.update_task(&mut claimed(task.clone(), "i-bob", now))).unwrap();
    store.insert(Task { depends_on: vec![task.id], assignee: Some("@zoe".to_owned()), ..a_task("second") });
    store.insert(Task { not_before: Some(at(9)), due: false, ..a_task("third") });
    store.send("m", &["i-bob", "@zoe"]);
    store.write(|tx| {
        let entry = Entry {
            key: "k".to_owned(),
            value: Some(json!(1)),
            version: 1,
            revision: 0,
            author: None,
            written_at: at(1),
        };
        tx.put_context(&entry, 3).unwrap();
        tx.append_event(NewEvent::new("a.b", "s", None)).unwrap();
    });
}

/// All that the store would tell anybody.
fn everything(store: &mut TestStore) -> String {
    store.read(everything_in)
}

fn everything_in(tx: &mut dyn Tx) -> String {
    let tasks = tx.list_tasks(&TaskFilter::default(), 99).unwrap();
    let whole: Vec<_> = tasks.iter().map(|task| tx.task(task.id).unwrap()).collect();
    let messages: Vec<_> = (1..9).map(|number| tx.message(MessageId::from_number(number)).unwrap()).collect();
    let deliveries: Vec<_> =
        (1..9).map(|number| tx.deliveries(MessageId::from_number(number), None, 99).unwrap()).collect();
    let mut tally: Vec<_> = tx.tally().unwrap().into_iter().map(|one| format!("{one:?}")).collect();
    tally.sort();
    let bob = id("i-bob");
    format!(
        "{:?} {whole:?} {tally:?} {messages:?} {deliveries:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        tx.list_instances(&InstanceFilter::default(), 99).unwrap(),
        [tx.instance(&bob), tx.instance_by_name("bob"), tx.instance_by_session("s"), tx.instance(&id("i-amy"))],
        tx.count_unread(&bob, 99),
        tx.next_ready(&[vec!["/".to_owned()]]),
        tx.context_since("", 0, 99).unwrap(),
        tx.context_history("k", 99).unwrap(),
        tx.events(&EventFilter::default(), 99).unwrap(),
        tx.events(&EventFilter { subject: Some("s".to_owned()), ..EventFilter::default() }, 99).unwrap(),
        tx.answer("k").unwrap(),
    )
}

every_store! {
    fn a_read_transaction_refuses_every_write(store) {
        set_the_stage(&mut store);
        let before = everything(&mut store);
        for (name, write) in writes() {
            let mut tx = store.begin(Mode::Read);
            assert!(write(&mut *tx).is_err(), "{name}");
            tx.commit().ok();
            assert_eq!(everything(&mut store), before, "{name}");
        }
    }

    fn a_dropped_transaction_leaves_nothing(store) {
        set_the_stage(&mut store);
        let before = everything(&mut store);
        for (name, write) in writes() {
            for mode in [Mode::Durable, Mode::Relaxed] {
                write(&mut *store.begin(mode)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
                assert_eq!(everything(&mut store), before, "{name}");
            }
        }
        store.try_out(|tx| writes().iter().for_each(|(_, write)| drop(write(tx))));
        assert_eq!(everything(&mut store), before, "all of them together");
    }

    /// Or the test above would show nothing.
    fn a_committed_transaction_leaves_its_writes(store) {
        set_the_stage(&mut store);
        for (name, write) in writes().into_iter().filter(|(name, _)| !name.ends_with("watch")) {
            let before = everything(&mut store);
            store.write(write).unwrap();
            assert_ne!(everything(&mut store), before, "{name}");
        }
    }

    /// Whatever it remembers of what it read before.
    fn a_transaction_sees_what_it_has_changed(store) {
        set_the_stage(&mut store);
        for (name, write) in writes() {
            let within = store.write(|tx| {
                everything_in(tx);
                write(tx).unwrap();
                everything_in(tx)
            });
            assert_eq!(within, everything(&mut store), "{name}");
        }
    }

    fn a_panic_in_the_middle_rolls_back(store) {
        set_the_stage(&mut store);
        let before = everything(&mut store);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            store.write(|tx| {
                tx.insert_task(&mut a_task("new")).unwrap();
                std::panic::resume_unwind(Box::new("the operation has a defect"));
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(everything(&mut store), before);
        store.insert(a_task("and goes on"));
    }
}

every_shared_store! {
    fn what_is_committed_is_seen_by_others_at_once_and_survives(store) {
        set_the_stage(&mut store);
        for mode in [Mode::Durable, Mode::Relaxed] {
            let mut other = store.second();
            let mut tx = store.begin(mode);
            tx.insert_task(&mut a_task("new")).unwrap();
            let count = |store: &mut TestStore| store.read(|tx| tx.count_tasks(&TaskFilter::default(), 99)).unwrap();
            let before = count(&mut other);
            tx.commit().unwrap();
            assert_eq!(count(&mut other), before + 1, "{mode:?}");
        }
        let before = everything(&mut store);
        let mut again = store.second();
        drop(store);
        assert_eq!(everything(&mut again), before);
    }

    fn a_read_sees_one_moment_throughout(store) {
        set_the_stage(&mut store);
        let mut other = store.second();
        let mut tx = store.begin(Mode::Read);
        let before = tx.tally().unwrap();
        other.insert(a_task("new"));
        assert_eq!(tx.tally().unwrap(), before);
        assert_eq!(tx.list_tasks(&TaskFilter::default(), 99).unwrap().len(), 3);
        drop(tx);
        assert_eq!(store.read(|tx| tx.list_tasks(&TaskFilter::default(), 99)).unwrap().len(), 4);
    }

    fn the_generation_differs_after_a_commit_of_somebody_else(store) {
        set_the_stage(&mut store);
        let mut other = store.second();
        let before = store.handle().generation().unwrap();
        assert_eq!(store.handle().generation().unwrap(), before);
        other.try_out(|tx| tx.insert_task(&mut a_task("tried"))).unwrap();
        other.read(|tx| tx.tally()).unwrap();
        assert_eq!(store.handle().generation().unwrap(), before, "nothing was committed");
        other.insert(a_task("new"));
        assert_ne!(store.handle().generation().unwrap(), before);
    }

    /// Whatever a process keeps in mind of what it read.
    fn what_somebody_else_changed_is_seen_by_the_next_transaction(store) {
        let mut other = store.second();
        let mut amy = store.register("amy");
        let see = |store: &mut TestStore| {
            let seen = store.read(|tx| {
                let by_name = tx.instance_by_name("amy").unwrap().unwrap();
                (tx.instance(&by_name.id).unwrap().unwrap().role, by_name.role, tx.count_unread(&by_name.id, 9).unwrap())
            });
            store.try_out(|tx| {
                let by_name = tx.instance_by_name("amy").unwrap().unwrap();
                assert_eq!(seen, (tx.instance(&by_name.id).unwrap().unwrap().role, by_name.role, tx.count_unread(&by_name.id, 9).unwrap()));
            });
            seen
        };
        let is = |role: &str, unread: u32| (role.to_owned(), role.to_owned(), unread);
        assert_eq!((see(&mut store), see(&mut other)), (is("general", 0), is("general", 0)));
        for (number, role) in ["a", "b"].iter().enumerate() {
            amy.role = (*role).to_owned();
            other.write(|tx| tx.update_instance(&mut amy)).unwrap();
            other.send("m", &["i-amy"]);
            let unread = number as u32 + 1;
            assert_eq!((see(&mut store), see(&mut other)), (is(role, unread), is(role, unread)));
        }
        let mut tried = Instance { role: "tried".to_owned(), ..amy.clone() };
        store.try_out(|tx| {
            tx.update_instance(&mut tried).unwrap();
            assert_eq!(tx.instance_by_name("amy").unwrap().unwrap().role, "tried");
            assert_eq!(tx.count_unread(&amy.id, 9).unwrap(), 2);
        });
        assert_eq!((see(&mut store), see(&mut other)), (is("b", 2), is("b", 2)));
    }

    /// A stale copy conflicts also where the other change came from another process.
    fn two_processes_that_change_one_thing_cannot_both_win(store) {
        set_the_stage(&mut store);
        let mut other = store.second();
        let mut mine = store.task(TaskId::from_number(1));
        let mut theirs = other.task(TaskId::from_number(1));
        other.write(|tx| tx.update_task(&mut theirs)).unwrap();
        conflicts(store.try_out(|tx| tx.update_task(&mut mine)));
        let (mut mine, mut theirs) = (an_instance("amy", store.now()), an_instance("amy", store.now()));
        other.write(|tx| tx.insert_instance(&mut theirs)).unwrap();
        conflicts(store.try_out(|tx| tx.insert_instance(&mut mine)));
    }

    fn many_writers_lose_nothing(store) {
        const WRITERS: usize = 6;
        const TASKS: usize = 30;
        let others: Vec<TestStore> = (0..WRITERS).map(|_| store.second()).collect();
        let writers: Vec<_> = others.into_iter().map(|other| SendStore(other.handle)).collect();
        std::thread::scope(|scope| {
            for writer in writers {
                scope.spawn(move || {
                    let SendStore(mut handle) = writer;
                    for _ in 0..TASKS {
                        let mut tx = handle.begin(Mode::Relaxed).unwrap();
                        tx.insert_task(&mut a_task("t")).unwrap();
                        tx.commit().unwrap();
                    }
                });
            }
        });
        let tally = store.read(|tx| tx.tally()).unwrap();
        assert_eq!(tally.iter().map(|one| one.count).sum::<u64>(), (WRITERS * TASKS) as u64);
    }
}

struct SendStore(Box<dyn Store>);
