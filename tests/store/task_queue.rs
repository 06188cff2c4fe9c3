//! The queue: what is ready, in which order it is handed out, and that the counts are always what a count would find.

use super::*;
use orch_mcp::model::task::Link;
use orch_mcp::model::task::Standing;
use orch_mcp::store::TaskFilter;
use std::collections::BTreeMap;

const LANES: [(Option<&str>, Option<&str>, Option<Link>); 6] = [
    (None, None, None),
    (None, None, Some(Link::Build)),
    (None, Some("builder"), None),
    (None, Some("Tester"), Some(Link::Build)),
    (Some("i-bob"), Some("builder"), None),
    (Some("@zoe"), None, Some(Link::Plan)),
];

fn in_lane(number: usize) -> Task {
    let (assignee, role, link) = LANES[number];
    Task { assignee: assignee.map(str::to_owned), role: role.map(str::to_owned), link, ..a_task("t") }
}

fn all(tx: &mut dyn Tx) -> Vec<Task> {
    tx.list_tasks(&TaskFilter::default(), 10_000).unwrap()
}

fn push_with(store: &mut TestStore, depends_on: &[TaskId]) -> Task {
    store.insert(Task { depends_on: depends_on.to_vec(), ..a_task("t") })
}

fn complete(store: &mut TestStore, id: TaskId) -> u32 {
    let now = store.now();
    store.write(|tx| {
        let mut task = claimed(tx.task(id).unwrap().unwrap(), "i-bob", now);
        tx.update_task(&mut task).unwrap();
        task.complete(&super::id("i-bob"), None, Default::default(), now).unwrap();
        tx.update_task(&mut task).unwrap();
        tx.dependency_met(id).unwrap()
    })
}

/// Two at most, and maybe one of them twice.
fn some_of(dice: &mut Dice, tasks: &[TaskId]) -> Vec<TaskId> {
    if tasks.is_empty() { Vec::new() } else { (0..dice.below(3)).map(|_| *dice.pick(tasks)).collect() }
}

/// One random step of one task's life, as an operation would take it; whether it is possible is the model's business.
fn step(tx: &mut dyn Tx, dice: &mut Dice) {
    let now = tx.now();
    let tasks = all(tx);
    let bob = id("i-bob");
    if tasks.is_empty() || dice.chance(25) {
        let depends_on = some_of(dice, &tasks.iter().map(|task| task.id).collect::<Vec<_>>());
        let not_before = dice.chance(25).then(|| now.at.plus_millis(dice.below(100_000) as i64));
        let mut task = Task { depends_on, not_before, due: not_before.is_none(), ..in_lane(dice.below(LANES.len())) };
        task.priority = Priority::ALL[dice.below(4)];
        return tx.insert_task(&mut task).unwrap();
    }
    let mut task = tx.task(dice.pick(&tasks).id).unwrap().unwrap();
    let changed = match dice.below(14) {
        0..=2 => task.claim(orch_mcp::model::task::Claimer { id: &bob, role: "x" }, true, None, now).is_ok(),
        3 => task.start(&bob, None, now).is_ok(),
        4 | 5 => {
            if task.complete(&bob, None, Default::default(), now).is_ok_and(|event| event.is_some()) {
                tx.update_task(&mut task).unwrap();
                tx.dependency_met(task.id).unwrap();
            }
            false
        }
        6 => task.block(&bob, None, "r", now).is_ok(),
        7 => task.unblock(None, None, now).is_ok(),
        8 => task.fail(&bob, None, "r", now).is_ok(),
        9 => task.release(&bob, None, None, now).is_ok() || task.retry(None, true, now).is_ok(),
        10 => task.cancel(None, None, now).is_ok(),
        11 => {
            let lane = in_lane(dice.below(LANES.len()));
            (task.assignee, task.role, task.link) = (lane.assignee, lane.role, lane.link);
            task.due = !dice.chance(33);
            task.not_before = (!task.due).then(|| now.at.plus_millis(50_000));
            tx.update_task_fields(&mut task).unwrap();
            false
        }
        12 => {
            if task.state == State::Pending {
                let older = tasks.iter().map(|task| task.id).filter(|id| *id < task.id).collect::<Vec<_>>();
                task.depends_on = some_of(dice, &older);
                tx.set_dependencies(&mut task).unwrap();
            }
            false
        }
        _ => {
            tx.wake_due_tasks(now.at, 3).unwrap();
            for mut task in tx.lapsed_tasks(now.tick, 3).unwrap() {
                task.lapse(now);
                tx.update_task(&mut task).unwrap();
            }
            tx.assign_waiting("zoe", &id("i-zoe")).unwrap();
            false
        }
    };
    if changed {
        tx.update_task(&mut task).unwrap();
    }
}

/// Everything that is kept beside the tasks themselves, counted again from them.
#[track_caller]
fn check_counts(tx: &mut dyn Tx) {
    let tasks = all(tx);
    let mut lanes: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for task in &tasks {
        *lanes.entry((task.lane(), task.standing().word())).or_default() += 1;
        let needs = tx.dependencies_of(task.id).unwrap();
        let unmet = needs.iter().filter(|(_, standing)| *standing != Standing::Completed).count();
        assert_eq!(task.unmet as usize, unmet, "{task:?}");
    }
    let tally: BTreeMap<_, _> =
        tx.tally().unwrap().into_iter().map(|one| ((one.lane, one.standing.word()), one.count)).collect();
    assert_eq!(tally, lanes);
    for standing in Standing::ALL {
        let counted =
            tx.count_tasks(&TaskFilter { standings: vec![standing], ..TaskFilter::default() }, 10_000).unwrap();
        assert_eq!(counted as usize, tasks.iter().filter(|task| task.standing() == standing).count(), "{standing:?}");
    }
    let ended =
        |id: &TaskId| tasks.iter().any(|task| task.id == *id && matches!(task.state, State::Failed | State::Cancelled));
    let is_stuck = |tx: &mut dyn Tx, task: &Task| {
        task.state == State::Pending && tx.dependencies_of(task.id).unwrap().iter().any(|(id, _)| ended(id))
    };
    let stuck = tasks.iter().filter(|task| is_stuck(tx, task)).count() as u64;
    assert_eq!(tx.count_stuck(10_000).unwrap(), stuck);
    assert_eq!(tx.count_stuck(1).unwrap(), stuck.min(1));
}

every_store! {
    /// Several seeds, so that each step meets each standing; a fixed set, so that a failure comes again.
    fn the_tally_is_always_what_a_count_would_find(store) {
        for seed in 1..=4 {
            let mut dice = Dice::new(seed);
            for _ in 0..120 {
                let is_kept = !dice.chance(12);
                let mut tx = store.begin(Mode::Relaxed);
                step(&mut *tx, &mut dice);
                check_counts(&mut *tx);
                if is_kept {
                    tx.commit().unwrap();
                } else {
                    drop(tx);
                }
                store.read(check_counts);
                store.pass_secs(dice.below(200) as i64);
            }
        }
    }

    fn tasks_are_handed_out_by_rank_then_priority_then_age(store) {
        let mut dice = Dice::new(5);
        let mut waiting = Vec::new();
        for _ in 0..60 {
            let mut task = Task { priority: Priority::ALL[dice.below(4)], ..in_lane(dice.below(LANES.len())) };
            if dice.chance(17) {
                (task.due, task.not_before) = (false, Some(at(1)));
            }
            waiting.push(store.insert(task));
        }
        let lane = |number: usize| in_lane(number).lane();
        let ranks = vec![vec![lane(4)], vec![lane(2), lane(1)], vec![lane(0), lane(3)]];
        let rank = |task: &Task| ranks.iter().position(|lanes| lanes.contains(&task.lane()));
        let mut expected: Vec<&Task> = waiting.iter().filter(|task| task.due && rank(task).is_some()).collect();
        expected.sort_by_key(|task| (rank(task), task.priority, task.id));
        let now = store.now();
        for expected in expected {
            let next = store.read(|tx| tx.next_ready(&ranks)).unwrap().unwrap();
            assert_eq!(next, *expected, "the whole task, texts and all");
            store.write(|tx| tx.update_task(&mut claimed(next, "i-bob", now))).unwrap();
        }
        assert_eq!(store.read(|tx| tx.next_ready(&ranks)).unwrap(), None);
        assert_eq!(store.read(|tx| tx.next_ready(&[])).unwrap(), None);
    }

    fn a_task_is_ready_only_when_all_it_needs_is_completed(store) {
        let (a, b) = (store.insert(a_task("a")), store.insert(a_task("b")));
        let both = push_with(&mut store, &[a.id, b.id, a.id]);
        let one = push_with(&mut store, &[b.id]);
        let late = store.insert(Task { depends_on: vec![b.id], due: false, not_before: Some(at(i64::MAX)), ..a_task("t") });
        assert_eq!((both.unmet, one.unmet), (2, 1), "a task named twice is one dependency");
        let stands = |store: &mut TestStore, task: &Task| store.task(task.id).standing();
        assert_eq!(stands(&mut store, &both), Standing::Waiting);
        assert_eq!(complete(&mut store, a.id), 0);
        assert_eq!(stands(&mut store, &both), Standing::Waiting);
        assert_eq!(complete(&mut store, b.id), 2, "and says how many became ready by that");
        assert_eq!([&both, &one, &late].map(|task| stands(&mut store, task)), [Standing::Ready, Standing::Ready, Standing::Waiting]);
        let of_both = store.read(|tx| tx.dependencies_of(both.id)).unwrap();
        assert_eq!(of_both, [(a.id, Standing::Completed), (b.id, Standing::Completed)]);
        assert_eq!(push_with(&mut store, &[a.id]).unmet, 0, "what is completed already is not waited for");
    }

    fn a_dependency_that_failed_or_was_cancelled_leaves_its_dependants_waiting(store) {
        let now = store.now();
        for failing in [true, false] {
            let needed = store.insert(a_task("needed"));
            let waiting = push_with(&mut store, &[needed.id]);
            let mut ended = claimed(store.task(needed.id), "i-bob", now);
            store.write(|tx| tx.update_task(&mut ended)).unwrap();
            let event = if failing { ended.fail(&id("i-bob"), None, "r", now) } else { ended.cancel(None, None, now) };
            event.unwrap();
            store.write(|tx| tx.update_task(&mut ended)).unwrap();
            assert_eq!(store.task(waiting.id).standing(), Standing::Waiting);
            assert_eq!(store.read(|tx| tx.dependencies_of(waiting.id)).unwrap(), [(needed.id, ended.standing())]);
            store.write(|tx| {
                let mut waiting = tx.task(waiting.id).unwrap().unwrap();
                waiting.cancel(None, None, now).unwrap();
                tx.update_task(&mut waiting).unwrap();
            });
        }
        assert_eq!(store.read(|tx| tx.count_stuck(9)).unwrap(), 0, "a dependant that was cancelled itself waits for nothing");
    }

    fn what_falls_due_becomes_ready_a_batch_at_a_time(store) {
        assert_eq!(store.read(|tx| tx.next_due()).unwrap(), None);
        for not_before in [30, 10, 20] {
            store.insert(Task { not_before: Some(at(not_before)), due: false, ..a_task("t") });
        }
        assert_eq!(store.read(|tx| tx.next_due()).unwrap(), Some(at(10)));
        assert_eq!(store.write(|tx| tx.wake_due_tasks(at(9), 9)).unwrap(), 0);
        assert_eq!(store.write(|tx| tx.wake_due_tasks(at(20), 1)).unwrap(), 1);
        assert_eq!(store.read(|tx| tx.next_due()).unwrap(), Some(at(20)), "the longest due goes first");
        assert_eq!(store.write(|tx| tx.wake_due_tasks(at(20), 9)).unwrap(), 1);
        assert_eq!(store.write(|tx| tx.wake_due_tasks(at(20), 9)).unwrap(), 0);
        assert_eq!(store.read(|tx| tx.next_due()).unwrap(), Some(at(30)));
    }
}
