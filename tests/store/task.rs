//! Tasks: read back whole, changed only by who saw the last change, and held by leases.

use super::*;
use orch_mcp::model::task::Evidence;
use orch_mcp::model::task::Link;
use orch_mcp::model::task::Standing;
use orch_mcp::store::TaskFilter;
use serde_json::json;

/// A task with something in every field that a task can be born with.
fn a_full_task(parent: TaskId, now: Now) -> Task {
    Task {
        priority: Priority::CRITICAL,
        role: Some("Builder".to_owned()),
        assignee: Some("@zoe".to_owned()),
        link: Some(Link::Review),
        chain_id: Some("chain".to_owned()),
        parent: Some(parent),
        repo: Some("r".to_owned()),
        branch: Some("b".to_owned()),
        labels: vec!["a".to_owned(), "ü \"quoted\"".to_owned()],
        not_before: Some(at(9_000)),
        due: false,
        depends_on: vec![parent],
        unmet: 1,
        max_attempts: 9,
        lease_secs: 77,
        created_by: Some(id("i-amy")),
        created_at: now.at,
        updated_at: now.at,
        body: Body {
            description: "long\u{0}text".to_owned(),
            context_files: vec!["a.rs".to_owned()],
            expected_outputs: vec!["b.rs".to_owned()],
            acceptance: vec!["it runs".to_owned()],
            metadata: json!({ "k": [1, 2.5, null] }).as_object().cloned(),
            ..Body::default()
        },
        ..a_task("a title")
    }
}

every_store! {
    /// Also within the transaction that met a dependency of the task.
    fn a_task_whose_dependency_was_met_since_it_was_read_is_not_overwritten(store) {
        let now = store.now();
        let first = store.insert(a_task("first"));
        let second = store.insert(Task { depends_on: vec![first.id], ..a_task("second") });
        store.write(|tx| {
            let mut first = claimed(tx.task(first.id).unwrap().unwrap(), "i-bob", now);
            tx.update_task(&mut first).unwrap();
            first.complete(&id("i-bob"), None, Default::default(), now).unwrap();
            tx.update_task(&mut first).unwrap();
            let mut stale = tx.task(second.id).unwrap().unwrap();
            assert_eq!(tx.dependency_met(first.id).unwrap(), 1);
            stale.reason = Some("written over".to_owned());
            conflicts(tx.update_task(&mut stale));
        });
    }

    fn a_task_reads_back_as_it_was_pushed(store) {
        let parent = store.insert(a_task("parent"));
        let task = a_full_task(parent.id, store.now());
        let task = store.insert(task);
        assert!(task.id > parent.id, "ids rise");
        assert_eq!(task.version, 1);
        assert_eq!(store.task(task.id), task);
        assert_eq!(store.read(|tx| tx.task(TaskId::from_number(99))).unwrap(), None);
    }

    fn an_id_is_never_used_again(store) {
        let first = store.insert(a_task("t"));
        let tried = store.try_out(|tx| {
            let mut task = a_task("t");
            tx.insert_task(&mut task).unwrap();
            task.id
        });
        assert!(tried > first.id);
        assert!(store.insert(a_task("t")).id > first.id);
    }

    fn every_step_of_a_life_reads_back(store) {
        let bob = id("i-bob");
        let now = store.now();
        let mut task = store.insert(a_task("t"));
        let check = |store: &mut TestStore, task: &mut Task| {
            let version = task.version;
            store.write(|tx| { tx.update_task(task)?; tx.update_task_body(task) }).unwrap();
            assert_eq!(task.version, version + 1);
            assert_eq!(&store.task(task.id), task);
        };
        task = claimed(task, "i-bob", now);
        check(&mut store, &mut task);
        task.start(&bob, None, now).unwrap();
        check(&mut store, &mut task);
        task.block(&bob, None, "why", now).unwrap();
        check(&mut store, &mut task);
        task.unblock(None, None, now).unwrap();
        check(&mut store, &mut task);
        task = claimed(task, "i-bob", now);
        check(&mut store, &mut task);
        task.fail(&bob, None, "broken", now).unwrap();
        check(&mut store, &mut task);
        task.retry(None, true, now).unwrap();
        check(&mut store, &mut task);
        task = claimed(task, "i-bob", now);
        let evidence = Evidence { commit: Some("c".to_owned()), files: vec!["f".to_owned()], ..Evidence::default() };
        let done = orch_mcp::model::task::Completion {
            result: Some("done".to_owned()),
            result_json: Some(json!({ "n": 1 })),
            evidence: Some(evidence),
            ..Default::default()
        };
        check(&mut store, &mut task);
        task.complete(&bob, None, done, now).unwrap();
        check(&mut store, &mut task);
        assert_eq!(task.standing(), Standing::Completed);
    }

    fn new_fields_read_back(store) {
        let parent = store.insert(a_task("parent"));
        let task = store.insert(a_task("t"));
        let now = store.now();
        let mut changed = Task {
            id: task.id,
            version: task.version,
            created_at: task.created_at,
            created_by: None,
            chain_id: None,
            parent: None,
            job: None,
            depends_on: Vec::new(),
            unmet: 0,
            height: 0,
            ..a_full_task(parent.id, now)
        };
        store.write(|tx| tx.update_task_fields(&mut changed)).unwrap();
        assert_eq!(store.task(task.id), changed);
        changed.depends_on = vec![parent.id];
        store.write(|tx| tx.set_dependencies(&mut changed)).unwrap();
        assert_eq!((changed.unmet, changed.version), (1, task.version + 2));
        assert_eq!(store.task(task.id), changed);
    }

    fn a_stale_write_conflicts(store) {
        type Write = fn(&mut dyn Tx, &mut Task) -> Result<()>;
        let writes: [Write; 3] = [|tx, task| tx.update_task(task), |tx, task| tx.update_task_fields(task), |tx, task| tx.set_dependencies(task)];
        for first in writes {
            for second in writes {
                let mut mine = store.insert(a_task("t"));
                let mut theirs = mine.clone();
                store.write(|tx| first(tx, &mut theirs)).unwrap();
                conflicts(store.try_out(|tx| second(tx, &mut mine)));
                assert_eq!(store.task(theirs.id), theirs);
            }
        }
    }

    /// Whoever catches the conflict and goes on must not keep half of the write.
    fn a_write_that_conflicts_leaves_nothing_behind(store) {
        let mut mine = store.insert(Task { labels: vec!["old".to_owned()], ..a_task("t") });
        let mut theirs = mine.clone();
        store.write(|tx| tx.update_task_fields(&mut theirs)).unwrap();
        mine.labels = vec!["new".to_owned()];
        mine.depends_on = vec![store.insert(a_task("other")).id];
        store.write(|tx| {
            conflicts(tx.update_task_fields(&mut mine));
            conflicts(tx.set_dependencies(&mut mine));
        });
        let labelled = |tx: &mut dyn Tx, label: &str| {
            tx.count_tasks(&TaskFilter { label: Some(label.to_owned()), ..TaskFilter::default() }, 9).unwrap()
        };
        assert_eq!(store.read(|tx| (labelled(tx, "old"), labelled(tx, "new"))), (1, 0));
        assert_eq!(store.task(theirs.id), theirs);
    }

    fn what_an_instance_holds_is_listed_oldest_first(store) {
        let now = store.now();
        let mut held = Vec::new();
        for number in 0..6 {
            let task = store.insert(a_task(&format!("t{number}")));
            if number % 2 == 0 {
                let mut task = claimed(task, "i-bob", now);
                store.write(|tx| tx.update_task(&mut task)).unwrap();
                held.push(task.id);
            }
        }
        let mut ended = store.task(held.remove(1));
        ended.fail(&id("i-bob"), None, "r", now).unwrap();
        store.write(|tx| tx.update_task(&mut ended)).unwrap();
        let found = |store: &mut TestStore, who: &str, limit| -> Vec<TaskId> {
            store.read(|tx| tx.held_tasks(&id(who), limit)).unwrap().into_iter().map(|task| task.id).collect()
        };
        assert_eq!(found(&mut store, "i-bob", 10), held);
        assert_eq!(found(&mut store, "i-bob", 1), held[..1]);
        assert_eq!(found(&mut store, "i-amy", 10), []);
    }

    fn claims_lapse_with_their_own_lease_the_longest_lapsed_first(store) {
        let now = store.now();
        assert_eq!(store.read(|tx| tx.next_lapse()).unwrap(), None);
        let mut ids = Vec::new();
        for lease_secs in [30, 10, 20] {
            let task = store.insert(Task { lease_secs, ..a_task("t") });
            store.write(|tx| tx.update_task(&mut claimed(task.clone(), "i-bob", now))).unwrap();
            ids.push(task.id);
        }
        assert_eq!(store.read(|tx| tx.next_lapse()).unwrap(), Some(now.tick.plus_secs(10)));
        let lapsed = |store: &mut TestStore, tick: Tick, limit| -> Vec<TaskId> {
            store.read(|tx| tx.lapsed_tasks(tick, limit)).unwrap().into_iter().map(|task| task.id).collect()
        };
        assert_eq!(lapsed(&mut store, tick(now.tick.millis() + 9_999), 9), []);
        assert_eq!(lapsed(&mut store, now.tick.plus_secs(10), 9), [ids[1]], "a lease of ten seconds is over after ten");
        assert_eq!(lapsed(&mut store, now.tick.plus_secs(99), 9), [ids[1], ids[2], ids[0]]);
        assert_eq!(lapsed(&mut store, now.tick.plus_secs(99), 2), [ids[1], ids[2]]);
    }

    fn claims_are_renewed_each_by_its_own_lease_and_only_the_holders(store) {
        let now = store.now();
        let mut tasks = Vec::new();
        for (lease_secs, holder) in [(40, "i-bob"), (400, "i-bob"), (40, "i-amy")] {
            let task = store.insert(Task { lease_secs, ..a_task("t") });
            let mut task = claimed(task, holder, now);
            store.write(|tx| tx.update_task(&mut task)).unwrap();
            tasks.push(task);
        }
        let later = now.tick.plus_secs(20);
        store.write(|tx| tx.renew_claims(&id("i-bob"), later)).unwrap();
        let until: Vec<_> = tasks.iter().map(|task| store.task(task.id).lease_until.unwrap()).collect();
        assert_eq!(until, [later.plus_secs(40), later.plus_secs(400), now.tick.plus_secs(40)]);
        let mut first = tasks[0].clone();
        first.lease_until = Some(later);
        store.write(|tx| tx.update_task(&mut first)).unwrap();
    }

    /// Were it otherwise, a task pushed for a name would wait for ever for whoever came to bear it.
    fn tasks_pushed_for_a_name_become_tasks_of_its_bearer(store) {
        let for_zoe = store.insert(Task { assignee: Some("@zoe".to_owned()), ..a_task("t") });
        let for_others = store.insert(Task { assignee: Some("@zo".to_owned()), ..a_task("t") });
        let lane = |name: &str| vec![vec![format!(">{name}")]];
        store.write(|tx| tx.assign_waiting("zoe", &id("i-zoe"))).unwrap();
        let found = store.read(|tx| tx.next_ready(&lane("i-zoe"))).unwrap().unwrap();
        assert_eq!((found.id, found.assignee.as_deref()), (for_zoe.id, Some("i-zoe")));
        assert_eq!(store.read(|tx| tx.next_ready(&lane("@zoe"))).unwrap(), None);
        assert_eq!(store.task(for_others.id), for_others);
    }
}
