//! What several callers do in one transaction, each as if by itself.

use super::*;
use orch_mcp::store::board::PLACES;

fn titles(store: &mut TestStore) -> Vec<String> {
    let tasks = store.read(|tx| tx.list_tasks(&Default::default(), 99)).unwrap();
    tasks.into_iter().rev().map(|task| task.title).collect()
}

every_store! {
    fn a_part_that_is_undone_leaves_the_others(store) {
        store.write(|tx| {
            tx.insert_task(&mut a_task("before")).unwrap();
            for (title, keep) in [("kept", true), ("undone", false), ("kept too", true)] {
                tx.begin_part().unwrap();
                tx.insert_task(&mut a_task(title)).unwrap();
                tx.end_part(keep).unwrap();
            }
            tx.insert_task(&mut a_task("after")).unwrap();
        });
        assert_eq!(titles(&mut store), ["before", "kept", "kept too", "after"]);
    }

    fn parts_of_what_is_not_kept_are_not_kept(store) {
        store.try_out(|tx| {
            tx.begin_part().unwrap();
            tx.insert_task(&mut a_task("t")).unwrap();
            tx.end_part(true).unwrap();
        });
        assert!(titles(&mut store).is_empty());
    }

    /// What was read inside it is no longer so.
    fn after_a_part_was_undone_everything_is_as_before_it(store) {
        let bob = store.register("bob");
        let task = store.insert(a_task("t"));
        store.write(|tx| {
            let before = tx.instance(&bob.id).unwrap().unwrap();
            tx.begin_part().unwrap();
            let mut changed = Instance { role: "other".to_owned(), ..before.clone() };
            tx.update_instance(&mut changed).unwrap();
            let mut held = claimed(tx.task(task.id).unwrap().unwrap(), "i-bob", tx.now());
            tx.update_task(&mut held).unwrap();
            let mut message = a_message("m");
            tx.insert_message(&mut message).unwrap();
            tx.insert_delivery(message.id, "i-bob").unwrap();
            assert_eq!(tx.count_unread(&bob.id, 9).unwrap(), 1);
            tx.end_part(false).unwrap();
            assert_eq!(tx.instance(&bob.id).unwrap().unwrap().role, before.role);
            assert_eq!(tx.count_unread(&bob.id, 9).unwrap(), 0);
            assert_eq!(tx.task(task.id).unwrap().unwrap().token, 0);
            let mut again = claimed(tx.task(task.id).unwrap().unwrap(), "i-bob", tx.now());
            tx.update_task(&mut again).unwrap();
        });
        assert_eq!(store.task(task.id).token, 1);
        let counted = store.read(|tx| tx.tally()).unwrap();
        assert_eq!(counted.iter().map(|tally| tally.count).sum::<u64>(), 1);
    }

    fn each_place_keeps_its_last_mark(store) {
        let last = PLACES - 1;
        store.write(|tx| tx.keep_marks(&[(0, 7), (last, u64::MAX)])).unwrap();
        store.write(|tx| tx.keep_marks(&[(0, 8)])).unwrap();
        store.try_out(|tx| tx.keep_marks(&[(last, 9)])).unwrap();
        let mut signed = |place, mark| store.read(|tx| tx.has_mark((place, mark))).unwrap();
        assert!(signed(0, 8) && signed(last, u64::MAX));
        assert!(!signed(0, 7) && !signed(last, 9) && !signed(1, 7));
    }
}

every_shared_store! {
    fn a_mark_is_seen_by_everybody_and_only_once_it_is_kept(store) {
        let mut other = store.second();
        let mut tx = store.begin(Mode::Durable);
        tx.keep_marks(&[(3, 5)]).unwrap();
        assert!(!other.read(|tx| tx.has_mark((3, 5))).unwrap());
        tx.commit().unwrap();
        assert!(other.read(|tx| tx.has_mark((3, 5))).unwrap());
    }

    /// Whoever would have to wait is told so, and does not.
    fn nobody_begins_at_once_beside_another(store) {
        let mut other = store.second();
        let tx = store.begin(Mode::Relaxed);
        assert!(other.handle().begin_at_once(Mode::Durable).unwrap().is_none());
        drop(tx);
        let tx = other.handle().begin_at_once(Mode::Durable).unwrap().unwrap();
        assert!(store.handle().begin_at_once(Mode::Durable).unwrap().is_none());
        tx.commit().unwrap();
        assert!(store.handle().begin_at_once(Mode::Durable).unwrap().is_some());
    }
}
