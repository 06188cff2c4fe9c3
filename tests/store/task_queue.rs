//! The queue: what is ready, in which order it is handed out, and that the counts are always what a count would find.

use super::job::check_jobs;
use super::*;
use orch_mcp::model::id::JobId;
use orch_mcp::model::reservation::Reservation;
use orch_mcp::model::task::Claimer;
use orch_mcp::model::task::Link;
use orch_mcp::model::task::Standing;
use orch_mcp::store::TaskFilter;
use std::cmp::Reverse;
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

/// What can happen to tasks. The more often a word stands here, the likelier it is.
const STEPS: &[&str] = &[
    "push",
    "push",
    "claim",
    "claim",
    "claim",
    "start",
    "complete",
    "complete",
    "complete",
    "block",
    "unblock",
    "fail",
    "release",
    "retry",
    "retry",
    "cancel",
    "new lane",
    "new time",
    "new needs",
    "fall due",
    "lapse",
    "assign",
];

/// The steps are taken by the youngest tasks, so that one meets what others did to it.
const YOUNGEST: u32 = 12;

/// Two at most, and maybe one of them twice.
fn some_of(dice: &mut Dice, tasks: &[TaskId]) -> Vec<TaskId> {
    if tasks.is_empty() { Vec::new() } else { (0..dice.below(3)).map(|_| *dice.pick(tasks)).collect() }
}

/// Takes a random step of some task's life, as an operation would, and says which it was.
fn step(tx: &mut dyn Tx, dice: &mut Dice) -> &'static str {
    loop {
        let step = dice.pick(STEPS);
        let tasks = tx.list_tasks(&TaskFilter::default(), YOUNGEST).unwrap();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        if *step == "push" || ids.is_empty() {
            push_some(tx, dice, &ids);
            return "push";
        }
        let first = dice.below(ids.len());
        for id in ids.iter().cycle().skip(first).take(ids.len()) {
            let task = tx.task(*id).unwrap().unwrap();
            if let Some(taken) = taken(tx, dice, step, task, &ids) {
                return taken;
            }
        }
    }
}

fn urgency(dice: &mut Dice) -> Priority {
    Priority::of_urgency(1 + dice.below(10) as u8).unwrap()
}

const WISHES: [&[&str]; 4] = [&[], &[], &["@db"], &["@db", "src/**"]];

fn some_wish(dice: &mut Dice) -> Vec<String> {
    dice.pick(&WISHES).iter().map(|pattern| (*pattern).to_owned()).collect()
}

fn push_some(tx: &mut dyn Tx, dice: &mut Dice, ids: &[TaskId]) {
    let not_before = dice.chance(25).then(|| tx.now().at.plus_millis(dice.below(100_000) as i64));
    let depends_on = some_of(dice, ids);
    let mut task = Task { depends_on, not_before, due: not_before.is_none(), ..in_lane(dice.below(LANES.len())) };
    task.priority = urgency(dice);
    task.reserves = some_wish(dice);
    task.repo = dice.chance(20).then(|| "api".to_owned());
    task.job = (!dice.chance(33)).then(|| JobId::from_number(1 + dice.below(2) as i64));
    tx.insert_task(&mut task).unwrap();
}

/// The step, if it makes sense for this task.
fn taken(tx: &mut dyn Tx, dice: &mut Dice, step: &'static str, mut task: Task, ids: &[TaskId]) -> Option<&'static str> {
    let now = tx.now();
    let bob = id("i-bob");
    let made_sense = match step {
        "claim" => task.claim(Claimer { id: &bob, role: "x" }, true, None, now).is_ok(),
        "start" => task.start(&bob, None, now).is_ok_and(|event| event.is_some()),
        "complete" => task.complete(&bob, None, Default::default(), now).is_ok_and(|event| event.is_some()),
        "block" => task.block(&bob, None, "r", now).is_ok(),
        "unblock" => task.unblock(None, None, now).is_ok(),
        "fail" => task.fail(&bob, None, "r", now).is_ok(),
        "release" => task.release(&bob, None, None, now).is_ok(),
        "retry" => task.retry(None, true, now).is_ok(),
        "cancel" => dice.chance(30) && task.cancel(None, None, now).is_ok(),
        "new lane" => {
            let lane = in_lane(dice.below(LANES.len()));
            (task.assignee, task.role, task.link) = (lane.assignee, lane.role, lane.link);
            if !task.state.is_held() {
                task.reserves = some_wish(dice);
            }
            tx.update_task_fields(&mut task).unwrap();
            return Some(step);
        }
        "new time" => {
            task.due = dice.chance(50);
            task.not_before = (!task.due).then(|| now.at.plus_millis(50_000));
            tx.update_task_fields(&mut task).unwrap();
            return Some(step);
        }
        "new needs" if task.state == State::Pending => {
            let older: Vec<TaskId> = ids.iter().copied().filter(|id| *id < task.id).collect();
            task.depends_on = some_of(dice, &older);
            tx.set_dependencies(&mut task).unwrap();
            return Some(step);
        }
        "fall due" => return (tx.wake_due_tasks(now.at, 3).unwrap() > 0).then_some(step),
        "lapse" => {
            let lapsed = tx.lapsed_tasks(now.tick, 3).unwrap();
            let made_sense = !lapsed.is_empty();
            for mut task in lapsed {
                task.lapse(now);
                tx.update_task(&mut task).unwrap();
            }
            return made_sense.then_some(step);
        }
        "assign" => {
            tx.assign_waiting("zoe", &id("i-zoe")).unwrap();
            return Some(step);
        }
        _ => false,
    };
    if !made_sense {
        return None;
    }
    tx.update_task(&mut task).unwrap();
    if step == "complete" && tx.dependency_met(task.id).unwrap() > 0 {
        return Some("complete, and others became ready");
    }
    Some(step)
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
    type Wish = (Vec<String>, Option<String>);
    let mut wanted: BTreeMap<String, (Wish, u64)> = BTreeMap::new();
    let wants = |task: &&Task| !task.reserves.is_empty() || task.repo.is_some();
    for task in tasks.iter().filter(|task| task.standing() == Standing::Ready).filter(wants) {
        wanted.entry(task.queue()).or_insert(((task.reserves.clone(), task.repo.clone()), 0)).1 += 1;
    }
    let kept: BTreeMap<_, _> = tx
        .wanted(u32::MAX)
        .unwrap()
        .into_iter()
        .map(|one| (one.queue, ((one.reserves, one.repo), one.ready)))
        .collect();
    assert_eq!(kept, wanted);
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
    check_jobs(tx);
}

every_store! {
    /// Random steps from a fixed seed, so that a failure comes again.
    fn the_tally_is_always_what_a_count_would_find(store) {
        let mut dice = Dice::new(1);
        let mut taken = BTreeMap::new();
        store.insert_job("one");
        store.insert_job("other");
        for _ in 0..1_000 {
            let mut tx = store.begin(Mode::Relaxed);
            let step = step(&mut *tx, &mut dice);
            check_counts(&mut *tx);
            if dice.chance(88) {
                tx.commit().unwrap();
                *taken.entry(step).or_insert(0) += 1;
            } else {
                drop(tx);
            }
            store.read(check_counts);
            store.pass_secs(dice.below(300) as i64);
        }
        let wanted = STEPS.iter().chain(&["complete, and others became ready"]);
        let rare: Vec<_> = wanted.filter(|step| taken.get(*step).is_none_or(|times| *times < 3)).collect();
        assert!(rare.is_empty(), "a walk without {rare:?} shows little: {taken:?}");
    }

    fn tasks_are_handed_out_by_rank_then_priority_then_what_waits_for_them_then_age(store) {
        let mut dice = Dice::new(5);
        let mut waiting = Vec::new();
        for _ in 0..60 {
            let mut task = Task { priority: urgency(&mut dice), ..in_lane(dice.below(LANES.len())) };
            if dice.chance(17) {
                (task.due, task.not_before) = (false, Some(at(1)));
            }
            task.height = dice.below(3) as u32;
            waiting.push(store.insert(task));
        }
        let lane = |number: usize| in_lane(number).lane();
        let ranks = vec![vec![lane(4)], vec![lane(2), lane(1)], vec![lane(0), lane(3)]];
        let rank = |task: &Task| ranks.iter().position(|lanes| lanes.contains(&task.lane()));
        let mut expected: Vec<&Task> = waiting.iter().filter(|task| task.due && rank(task).is_some()).collect();
        expected.sort_by_key(|task| (rank(task), task.priority, Reverse(task.height), task.id));
        let now = store.now();
        for expected in expected {
            let next = store.read(|tx| tx.next_ready(&ranks)).unwrap().unwrap();
            assert_eq!(next, *expected, "the whole task, texts and all");
            store.write(|tx| tx.update_task(&mut claimed(next, "i-bob", now))).unwrap();
        }
        assert_eq!(store.read(|tx| tx.next_ready(&ranks)).unwrap(), None);
        assert_eq!(store.read(|tx| tx.next_ready(&[])).unwrap(), None);
    }

    fn what_wants_much_is_found_by_how_long_it_is_ready(store) {
        let wants = |patterns: &[&str]| Task {
            reserves: patterns.iter().map(|one| (*one).to_owned()).collect(),
            ..a_task("t")
        };
        let all: [&[&str]; 5] = [&["@a", "@b"], &["@a"], &["src/**"], &[], &["@c", "src/a"]];
        let ids = all.map(|patterns| {
            let mut task = wants(patterns);
            task.created_at = store.now().at;
            store.pass_secs(1);
            store.insert(task).id
        });
        let since = store.now().at;
        let mut late = wants(&["@a", "@late"]);
        late.created_at = since.plus_millis(1);
        store.insert(late);
        let mut found = |limit| -> Vec<TaskId> {
            store.read(|tx| tx.ready_for_much(since, limit)).unwrap().iter().map(|task| task.id).collect()
        };
        assert_eq!(found(9), [ids[0], ids[2], ids[4]]);
        assert_eq!(found(2), [ids[0], ids[2]]);
        let now = store.now();
        let mut taken = claimed(store.task(ids[0]), "i-bob", now);
        store.write(|tx| tx.update_task(&mut taken)).unwrap();
        assert_eq!(store.read(|tx| tx.ready_for_much(since, 9)).unwrap().len(), 2, "what is held is not ready");
    }

    fn what_came_with_a_claim_goes_when_the_claim_does(store) {
        let now = store.now();
        assert_eq!(store.register("bob").id, id("i-bob"));
        let task = store.insert(Task { reserves: vec!["@db".to_owned()], ..a_task("t") });
        let mut held = claimed(store.task(task.id), "i-bob", now);
        store.write(|tx| {
            tx.update_task(&mut held).unwrap();
            tx.insert_reservation(&mut Reservation {
                id: 0,
                pattern: "@db".to_owned(),
                holder: id("i-bob"),
                task: Some(task.id),
                shared: false,
                reason: None,
                made_at: now.at,
                lease_until: Tick::from_millis(0),
            }).unwrap();
        });
        let kept = |store: &mut TestStore| store.read(|tx| tx.reservations(tx.now().tick, 0, 9)).unwrap();
        assert_eq!(kept(&mut store)[0].lease_until, held.lease_until.unwrap(), "that of the claim, and none of its own");
        assert_eq!(store.read(|tx| tx.next_reservation_lapse(tx.now().tick)).unwrap(), None);
        store.write(|tx| tx.forget_lapsed_reservations(Tick::from_millis(i64::MAX))).unwrap();
        held.start(&id("i-bob"), None, now).unwrap();
        store.write(|tx| tx.update_task(&mut held)).unwrap();
        assert_eq!(kept(&mut store).len(), 1, "it outlasts what ends reservations that were made by hand");
        held.release(&id("i-bob"), None, None, now).unwrap();
        store.write(|tx| tx.update_task(&mut held)).unwrap();
        assert_eq!(store.read(|tx| tx.reservations(Tick::from_millis(0), 0, 9)).unwrap(), []);
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
