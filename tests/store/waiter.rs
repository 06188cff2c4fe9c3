//! Waiters: a commit rings every doorbell that watches what it changed, and no other.

use super::*;
use orch_mcp::model::context::Entry;
use orch_mcp::model::event::NewEvent;
use orch_mcp::model::message::Delivery;
use orch_mcp::model::task::Completion;
use orch_mcp::store::Topic;
use orch_mcp::store::doorbell::Doorbell;
use serde_json::json;
use std::time::Duration;

/// A ring is out before the commit returns, so nobody has to wait for one that will come.
fn rang(bell: &Doorbell) -> bool {
    bell.wait(Duration::ZERO)
}

/// What was there before anything changes.
struct Stage {
    /// Held by bob.
    needed: Task,
    /// Waits for `needed`.
    waiting: Task,
    message: MessageId,
    now: Now,
}

impl Stage {
    fn set(store: &mut TestStore) -> Stage {
        let now = store.now();
        let mut needed = claimed(store.insert(a_task("needed")), "i-bob", now);
        store.write(|tx| tx.update_task(&mut needed)).unwrap();
        let waiting = store.insert(Task { depends_on: vec![needed.id], ..a_task("waiting") });
        store.insert(Task { not_before: Some(at(9)), due: false, ..a_task("later") });
        let message = store.send("m", &["i-bob", "@zoe"]);
        store.write(|tx| {
            let mut delivery = tx.delivery(message, &id("i-bob")).unwrap().unwrap();
            delivery.return_in(at(1), "p", "c");
            tx.update_delivery(&delivery).unwrap();
        });
        Stage { needed, waiting, message, now }
    }

    fn complete(&self, tx: &mut dyn Tx) {
        let mut needed = tx.task(self.needed.id).unwrap().unwrap();
        needed.complete(&id("i-bob"), None, Completion::default(), self.now).unwrap();
        tx.update_task(&mut needed).unwrap();
        tx.dependency_met(needed.id).unwrap();
    }

    fn release(&self, tx: &mut dyn Tx) {
        let mut needed = tx.task(self.needed.id).unwrap().unwrap();
        needed.release(&id("i-bob"), None, None, self.now).unwrap();
        tx.update_task(&mut needed).unwrap();
    }

    fn with_delivery(&self, tx: &mut dyn Tx, step: impl FnOnce(&mut Delivery)) {
        let mut delivery = tx.delivery(self.message, &id("i-bob")).unwrap().unwrap();
        step(&mut delivery);
        tx.update_delivery(&delivery).unwrap();
    }
}

fn set(tx: &mut dyn Tx, key: &str) {
    let version = tx.context(key).unwrap().map_or(0, |entry| entry.version) + 1;
    let entry =
        Entry { key: key.to_owned(), value: Some(json!(1)), version, revision: 0, author: None, written_at: at(5) };
    tx.put_context(&entry, 3).unwrap();
}

fn append(tx: &mut dyn Tx) {
    tx.append_event(NewEvent::new("a.b", "s", None)).unwrap();
}

type Change = fn(&mut dyn Tx, &Stage);

/// What happens, the topic that somebody watches, and how it is done.
type Case = (&'static str, fn(&Stage) -> Topic, Change);

/// What each topic is rung by.
fn rings() -> Vec<Case> {
    vec![
        ("an event", |_| Topic::Events, |tx, _| append(tx)),
        ("a push", |_| Topic::Ready, |tx, _| tx.insert_task(&mut a_task("new")).unwrap()),
        ("a completed dependency", |_| Topic::Ready, |tx, stage| stage.complete(tx)),
        ("a release", |_| Topic::Ready, |tx, stage| stage.release(tx)),
        ("falling due", |_| Topic::Ready, |tx, _| assert_ne!(tx.wake_due_tasks(at(9), 9), Ok(0))),
        ("a step of its life", |stage| Topic::Task(stage.needed.id), |tx, stage| stage.release(tx)),
        (
            "new fields",
            |stage| Topic::Task(stage.needed.id),
            |tx, stage| {
                let mut needed = tx.task(stage.needed.id).unwrap().unwrap();
                tx.update_task_fields(&mut needed).unwrap();
            },
        ),
        ("becoming ready", |stage| Topic::Task(stage.waiting.id), |tx, stage| stage.complete(tx)),
        (
            "a delivery",
            |_| Topic::Inbox(id("i-bob")),
            |tx, _| {
                let mut message = a_message("m");
                tx.insert_message(&mut message).unwrap();
                tx.insert_delivery(message.id, "i-bob").unwrap();
            },
        ),
        (
            "the first delivery",
            |_| Topic::Inbox(id("i-new")),
            |tx, stage| tx.insert_delivery(stage.message, "i-new").unwrap(),
        ),
        (
            "taking over an address",
            |_| Topic::Inbox(id("i-zoe")),
            |tx, _| assert_ne!(tx.claim_address("@zoe", &id("i-zoe")), Ok(0)),
        ),
        (
            "taking back",
            |_| Topic::Inbox(id("i-bob")),
            |tx, stage| stage.with_delivery(tx, |one| assert!(one.take_back("p", "c"))),
        ),
        ("a write", |_| Topic::Context("a/b".to_owned()), |tx, _| set(tx, "a/b")),
        ("a write anywhere", |_| Topic::ContextBelow(String::new()), |tx, _| set(tx, "k")),
        ("a write below", |_| Topic::ContextBelow("a/".to_owned()), |tx, _| set(tx, "a/b/c")),
        ("a write further below", |_| Topic::ContextBelow("a/b/".to_owned()), |tx, _| set(tx, "a/b/c")),
    ]
}

/// What looks near, and is not what the topic says.
fn silences() -> Vec<Case> {
    vec![
        ("no event", |_| Topic::Events, |tx, _| tx.insert_task(&mut a_task("new")).unwrap()),
        (
            "a push that waits",
            |_| Topic::Ready,
            |tx, stage| {
                tx.insert_task(&mut Task { depends_on: vec![stage.needed.id], ..a_task("new") }).unwrap();
            },
        ),
        ("a claim renewed", |_| Topic::Ready, |tx, stage| tx.renew_claims(&id("i-bob"), stage.now.tick).unwrap()),
        ("another task", |stage| Topic::Task(stage.waiting.id), |tx, stage| stage.release(tx)),
        ("another inbox", |_| Topic::Inbox(id("i-bo")), |tx, stage| tx.insert_delivery(stage.message, "i-b").unwrap()),
        ("a receipt", |_| Topic::Inbox(id("i-bob")), |tx, stage| stage.with_delivery(tx, |one| one.see(at(2)))),
        ("another key", |_| Topic::Context("a".to_owned()), |tx, _| set(tx, "a/b")),
        ("a key beside", |_| Topic::ContextBelow("a/".to_owned()), |tx, _| set(tx, "a")),
    ]
}

#[track_caller]
fn check(watcher: &mut TestStore, changer: Option<&mut TestStore>, rings: bool, case: Case) {
    let (what, topic, change) = case;
    let stage = Stage::set(watcher);
    let bell = Doorbell::hang(&watcher.handle().doorbell_dir()).unwrap();
    watcher.write(|tx| tx.watch(bell.address(), &[topic(&stage)])).unwrap();
    let changer = changer.unwrap_or(watcher);
    changer.try_out(|tx| change(tx, &stage));
    assert!(!rang(&bell), "what was dropped rings nobody: {what}");
    changer.write(|tx| change(tx, &stage));
    assert_eq!(rang(&bell), rings, "{what}");
    changer.write(|tx| tx.unwatch(bell.address())).unwrap();
    changer.write(append);
    changer.write(|tx| tx.insert_task(&mut a_task("new"))).unwrap();
    assert!(!rang(&bell), "who waits no more is left alone: {what}");
}

every_store! {
    /// Two threads of one process may share a handle.
    fn a_change_through_the_same_handle_rings_who_waits_for_it(store) {
        rings().into_iter().for_each(|case| check(&mut store, None, true, case));
    }

    fn other_changes_ring_nobody(store) {
        silences().into_iter().for_each(|case| check(&mut store, None, false, case));
    }

    fn a_watch_that_was_dropped_is_none(store) {
        let bell = Doorbell::hang(&store.handle().doorbell_dir()).unwrap();
        store.try_out(|tx| tx.watch(bell.address(), &[Topic::Events])).unwrap();
        store.write(append);
        assert!(!rang(&bell));
    }

    fn one_commit_rings_everybody_and_each_once(store) {
        let dir = store.handle().doorbell_dir();
        let bells: Vec<Doorbell> = (0..50).map(|_| Doorbell::hang(&dir).unwrap()).collect();
        for bell in &bells {
            let topics = [Topic::Events, Topic::Ready, Topic::Context("k".to_owned())];
            store.write(|tx| { tx.watch(bell.address(), &topics)?; tx.watch(bell.address(), &topics) }).unwrap();
        }
        store.write(|tx| {
            append(tx);
            set(tx, "k");
        });
        assert!(bells.iter().all(rang));
        assert!(!bells.iter().any(rang));
    }
}

every_shared_store! {
    fn a_change_by_another_process_rings_who_waits_for_it(store) {
        let mut other = store.second();
        rings().into_iter().for_each(|case| check(&mut store, Some(&mut other), true, case));
    }

    /// The waiter looks, then subscribes, then looks again: whatever was committed meanwhile, it sees or hears.
    fn between_looking_and_watching_nothing_is_missed(store) {
        let mut other = store.second();
        let bell = Doorbell::hang(&store.handle().doorbell_dir()).unwrap();
        let empty = |store: &mut TestStore| store.read(|tx| tx.inbox(&id("i-bob"), false, None, 1)).unwrap().is_empty();
        assert!(empty(&mut store));
        other.send("before the watch", &["i-bob"]);
        store.write(|tx| tx.watch(bell.address(), &[Topic::Inbox(id("i-bob"))])).unwrap();
        assert!(!empty(&mut store), "the second look sees it");
        other.send("after the watch", &["i-bob"]);
        assert!(rang(&bell), "and from then on it is heard");
    }

    fn a_doorbell_whose_process_died_holds_nobody_up(store) {
        let bell = Doorbell::hang(&store.handle().doorbell_dir()).unwrap();
        store.write(|tx| tx.watch(bell.address(), &[Topic::Events])).unwrap();
        drop(bell);
        for _ in 0..3 {
            store.second().write(append);
        }
    }
}
