//! Jobs: how their tasks stand, what is left of them, and what holds them up is always what one would find by looking at all.

use super::*;
use orch_mcp::model::id::JobId;
use orch_mcp::model::job::Counts;
use orch_mcp::model::job::Job;
use orch_mcp::model::job::State as JobState;
use orch_mcp::model::spending::Account;
use orch_mcp::model::spending::Budget;
use orch_mcp::model::spending::Spent;
use orch_mcp::model::task::Standing;
use orch_mcp::store::JobFilter;
use orch_mcp::store::SpentFilter;
use orch_mcp::store::TaskFilter;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

fn is_over(task: &Task) -> bool {
    task.state.is_final()
}

/// Everything that is kept about jobs, found again from their tasks.
#[track_caller]
pub fn check_jobs(tx: &mut dyn Tx) {
    let mut tasks: BTreeMap<TaskId, Task> = BTreeMap::new();
    for task in tx.list_tasks(&TaskFilter::default(), 10_000).unwrap() {
        tasks.insert(task.id, tx.task(task.id).unwrap().unwrap());
    }
    let mut heights: BTreeMap<TaskId, u32> = BTreeMap::new();
    // Whatever waits came after what it waits for.
    for task in tasks.values().rev().filter(|task| !is_over(task)) {
        let height = *heights.entry(task.id).or_default();
        assert_eq!(task.height, height, "{task:?}");
        for needs in &task.depends_on {
            let of_needed = heights.entry(*needs).or_default();
            *of_needed = (*of_needed).max(height + 1);
        }
    }
    for job in tx.list_jobs(&JobFilter::default(), 100).unwrap() {
        check_job(tx, &job, &tasks);
    }
}

#[track_caller]
fn check_job(tx: &mut dyn Tx, job: &Job, tasks: &BTreeMap<TaskId, Task>) {
    let own: Vec<&Task> = tasks.values().filter(|task| task.job == Some(job.id)).collect();
    let mut counts = Counts::default();
    own.iter().for_each(|task| counts.0[task.standing() as usize] += 1);
    assert_eq!(job.counts, counts, "{job:?}");
    let is_elsewhere = |id: &&TaskId| tasks[*id].job != Some(job.id);
    // Something moves at the end of what it waits for, however far that is.
    let may_come = |id: &TaskId| {
        let (mut left, mut seen) = (vec![*id], BTreeSet::new());
        while let Some(id) = left.pop().filter(|_| !is_over(&tasks[id])) {
            let needed = &tasks[&id];
            match needed.standing() {
                Standing::Ready | Standing::Claimed | Standing::InProgress => return true,
                Standing::Waiting if !needed.due && needed.not_before.is_some() => return true,
                Standing::Waiting => left.extend(needed.depends_on.iter().filter(|id| seen.insert(**id))),
                _ => {}
            }
        }
        false
    };
    let moves = |task: &&Task| {
        task.standing() == Standing::Waiting && (!task.due || task.depends_on.iter().filter(is_elsewhere).any(may_come))
    };
    assert_eq!(tx.job_waits_for_others(job).unwrap(), own.iter().any(moves), "{job:?}");
    let left: Vec<&&Task> = own.iter().filter(|task| !is_over(task)).collect();
    let longest = left.iter().map(|task| u64::from(task.height) + 1).max().unwrap_or_default();
    let (length, chain) = tx.longest_chain(job.id, 100).unwrap();
    assert_eq!((length, chain.len() as u64), (longest, longest), "{chain:?}");
    assert!(chain.windows(2).all(|pair| tasks[&pair[1]].depends_on.contains(&pair[0])), "{chain:?}");
    let waiting = |id: TaskId| {
        let waits = |task: &&Task| task.state == State::Pending && task.depends_on.contains(&id);
        tasks.values().filter(waits).count() as u64
    };
    let holds_up = |task: &&&Task| match task.state {
        State::Blocked => true,
        State::Failed | State::Cancelled => waiting(task.id) > 0,
        _ => false,
    };
    let waits_there = own.iter().filter(|task| task.standing() == Standing::Waiting).flat_map(|task| &task.depends_on);
    let held_there = |id: &&TaskId| {
        let held = [Standing::Blocked, Standing::Failed, Standing::Cancelled, Standing::Waiting];
        is_elsewhere(id) && held.contains(&tasks[*id].standing())
    };
    let there: BTreeSet<TaskId> = waits_there.filter(held_there).copied().collect();
    let here = own.iter().filter(|task| holds_up(task)).map(|task| task.id);
    let mut expected: Vec<(TaskId, u64)> = here.chain(there).map(|id| (id, waiting(id))).collect();
    expected.sort_by_key(|(id, waiting)| (std::cmp::Reverse(*waiting), *id));
    let found = tx.holding_up(job.id, 1_000).unwrap();
    assert_eq!(found.into_iter().map(|(task, waiting)| (task.id, waiting)).collect::<Vec<_>>(), expected);
}

fn of_job(job: JobId, depends_on: &[TaskId]) -> Task {
    Task { job: Some(job), depends_on: depends_on.to_vec(), ..a_task("t") }
}

every_store! {
    fn a_job_comes_back_as_it_was_written(store) {
        let now = store.now();
        let mut job = Job {
            metadata: serde_json::json!({ "a": [1] }).as_object().cloned(),
            budget: Budget { dollars: Some(1.5), tokens: None, turns: Some(7) },
            deadline: Some(at(9)),
            ..Job::new("goal".to_owned(), Some(id("i-amy")), now)
        };
        store.write(|tx| tx.insert_job(&mut job)).unwrap();
        assert_eq!(store.read(|tx| tx.job(job.id)).unwrap().as_ref(), Some(&job));
        let mut other = job.clone();
        job.cancel(None, Some("enough"), now);
        job.settle(JobState::Cancelled, now);
        store.write(|tx| tx.update_job(&mut job)).unwrap();
        assert_eq!(store.read(|tx| tx.job(job.id)).unwrap().as_ref(), Some(&job));
        let error = store.write(|tx| tx.update_job(&mut other)).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert_eq!(store.read(|tx| tx.job(JobId::from_number(99))).unwrap(), None);
    }

    fn jobs_are_listed_newest_first_by_whether_they_have_ended(store) {
        let now = store.now();
        let ids: Vec<JobId> = (0..5).map(|_| store.insert_job("goal").id).collect();
        for id in &ids[..2] {
            store.write(|tx| {
                let mut job = tx.job(*id).unwrap().unwrap();
                job.settle(JobState::Completed, now);
                tx.update_job(&mut job)
            }).unwrap();
        }
        let mut list = |ended, before, limit| {
            let filter = JobFilter { ended, before };
            let listed = store.read(|tx| tx.list_jobs(&filter, limit)).unwrap();
            (listed.into_iter().map(|job| job.id).collect::<Vec<_>>(), store.read(|tx| tx.count_jobs(&filter, 4)).unwrap())
        };
        assert_eq!(list(None, None, 2), (vec![ids[4], ids[3]], 4));
        assert_eq!(list(None, Some(ids[3]), 9), (vec![ids[2], ids[1], ids[0]], 3));
        assert_eq!(list(Some(true), None, 9), (vec![ids[1], ids[0]], 2));
        assert_eq!(list(Some(false), None, 9), (vec![ids[4], ids[3], ids[2]], 3));
    }

    fn whose_tasks_were_changed_is_told_once(store) {
        let (one, other) = (store.insert_job("one").id, store.insert_job("other").id);
        store.write(|tx| {
            tx.take_changed_jobs();
            tx.insert_task(&mut of_job(one, &[])).unwrap();
            tx.insert_task(&mut a_task("of nobody")).unwrap();
            tx.insert_task(&mut of_job(other, &[])).unwrap();
            assert_eq!(tx.take_changed_jobs(), [one, other]);
            assert_eq!(tx.take_changed_jobs(), []);
        });
    }

    /// A plan is written with what waits for each of its tasks known before; a task alone raises whatever it waits for.
    fn what_waits_counts_however_the_tasks_came(store) {
        let job = store.insert_job("goal").id;
        let first = store.insert(Task { height: 2, ..of_job(job, &[]) });
        let second = store.insert(Task { height: 1, ..of_job(job, &[first.id]) });
        let third = store.insert(of_job(job, &[second.id]));
        store.read(check_jobs);
        store.insert(of_job(job, &[third.id]));
        store.read(check_jobs);
        assert_eq!(store.task(first.id).height, 3);
    }

    fn how_long_tasks_take_and_what_they_cost_adds_up(store) {
        let job = store.insert_job("goal").id;
        let task = store.insert(of_job(job, &[])).id;
        let elsewhere = store.insert(a_task("t")).id;
        let spent = Spent { dollars: 0.5, tokens: 10, turns: 2, runs: 1, unknown: 0 };
        store.write(|tx| {
            tx.keep_pace(job, 3_000).unwrap();
            tx.keep_pace(job, 5_000).unwrap();
            for task in [Some(task), Some(task), Some(elsewhere), None] {
                let day = at(0).day();
                let account = Account { day, worker: "w".to_owned(), role: "r".to_owned(), model: None, task };
                tx.add_spent(&account, &spent).unwrap();
            }
        });
        let found = store.read(|tx| tx.job(job)).unwrap().unwrap();
        assert_eq!((found.pace.tasks, found.pace.millis, found.pace.squares), (2, 8_000.0, 34_000_000.0));
        let mut twice = spent.clone();
        twice.add(&spent);
        assert_eq!(found.spent, twice);
        let of_job = SpentFilter { job: Some(job), ..SpentFilter::default() };
        assert_eq!(store.read(|tx| tx.spent(&of_job)).unwrap(), twice, "the ledger says the same");
        let by = store.read(|tx| tx.spent_by(orch_mcp::model::spending::By::Job, &SpentFilter::default(), 9)).unwrap();
        assert_eq!(by, [(None, twice.clone()), (Some(job.to_string()), twice)]);
    }
}
