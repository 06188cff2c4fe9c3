//! Lists of tasks: every filter, every combination, page by page, and the count that goes with it.

use super::*;
use orch_mcp::model::task::Standing;
use orch_mcp::store::TaskFilter;

const TASKS: usize = 60;
const PAGE: u32 = 7;

fn maybe(dice: &mut Dice, text: &str) -> Option<String> {
    dice.chance(50).then(|| text.to_owned())
}

fn a_crowd(store: &mut TestStore) -> Vec<Task> {
    let mut dice = Dice::new(3);
    let now = store.now();
    let mut tasks: Vec<Task> = Vec::new();
    let job = store.insert_job("goal").id;
    for number in 0..TASKS {
        let labels = ["x", "y"].into_iter().filter(|_| dice.chance(50)).map(str::to_owned).collect();
        let parent = tasks.first().filter(|_| dice.chance(50)).map(|first| first.id);
        let due = !dice.chance(25);
        let task = Task {
            role: maybe(&mut dice, "builder"),
            assignee: maybe(&mut dice, "i-bob"),
            chain_id: maybe(&mut dice, "chain"),
            repo: maybe(&mut dice, "o/r"),
            parent,
            job: dice.chance(50).then_some(job),
            labels,
            due,
            not_before: (!due).then(|| at(9)),
            ..a_task(&format!("t{number}"))
        };
        let mut task = store.insert(task);
        if task.standing() == Standing::Ready && dice.chance(50) {
            task = claimed(task, if dice.chance(50) { "i-bob" } else { "i-amy" }, now);
            if dice.chance(50) {
                task.fail(task.holder.clone().as_ref().unwrap(), None, "r", now).unwrap();
            }
            store.write(|tx| tx.update_task(&mut task)).unwrap();
        }
        tasks.push(task);
    }
    tasks.reverse();
    tasks
}

fn matches(task: &Task, filter: &TaskFilter) -> bool {
    fn wanted<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
        wanted.is_none() || wanted == found
    }
    (filter.standings.is_empty() || filter.standings.contains(&task.standing()))
        && wanted(&filter.role, &task.role)
        && wanted(&filter.assignee, &task.assignee)
        && wanted(&filter.holder, &task.holder)
        && wanted(&filter.chain_id, &task.chain_id)
        && wanted(&filter.parent, &task.parent)
        && filter.label.as_ref().is_none_or(|label| task.labels.contains(label))
        && wanted(&filter.job, &task.job)
        && wanted(&filter.repo, &task.repo)
        && filter.before.is_none_or(|before| task.id < before)
}

/// The filter whose parts are chosen by the bits of a number.
fn filter(bits: usize, tasks: &[Task]) -> TaskFilter {
    let chosen = |bit: usize, text: &str| (bits >> bit & 1 == 1).then(|| text.to_owned());
    let standings =
        [&[][..], &[Standing::Ready], &[Standing::Claimed, Standing::Failed], &Standing::ALL][bits >> 6 & 3];
    TaskFilter {
        standings: standings.to_vec(),
        role: chosen(0, "builder"),
        assignee: chosen(1, "i-bob"),
        holder: chosen(2, "i-amy").map(InstanceId::from_stored),
        chain_id: chosen(3, "chain"),
        parent: chosen(4, "").map(|_| tasks[TASKS - 1].id),
        label: chosen(5, "x"),
        job: chosen(8, "").and_then(|_| tasks.iter().find_map(|task| task.job)),
        repo: chosen(9, "o/r"),
        before: None,
        after: None,
    }
}

every_store! {
    fn every_combination_of_filters_lists_and_counts_what_matches(store) {
        let tasks = a_crowd(&mut store);
        let mut found_any = 0;
        let mut tx = store.begin(Mode::Read);
        for bits in 0..1024 {
            let filter = filter(bits, &tasks);
            let expected: Vec<TaskId> = tasks.iter().filter(|task| matches(task, &filter)).map(|task| task.id).collect();
            let mut found = Vec::new();
            let mut page = filter.clone();
            loop {
                let tasks = tx.list_tasks(&page, PAGE).unwrap();
                found.extend(tasks.iter().map(|task| task.id));
                if tasks.len() < PAGE as usize {
                    break;
                }
                page.before = found.last().copied();
            }
            assert_eq!(found, expected, "newest first, none twice, none left out: {filter:?}");
            let oldest_first = TaskFilter { after: Some(TaskId::from_number(0)), ..filter.clone() };
            let again: Vec<TaskId> = tx.list_tasks(&oldest_first, 1_000).unwrap().iter().map(|task| task.id).collect();
            assert!(again.iter().eq(expected.iter().rev()), "and the other way round: {filter:?}");
            let count = expected.len() as u64;
            for most in [1, 5, 1_000] {
                assert_eq!(tx.count_tasks(&filter, most).unwrap(), count.min(most), "{filter:?}");
            }
            found_any += usize::from(!found.is_empty());
        }
        assert!(found_any > 150, "a filter that finds nothing shows little: {found_any}");
    }

    fn a_listed_task_has_all_but_its_texts_and_dependencies(store) {
        let mut task = store.insert(Task { labels: vec!["x".to_owned()], ..a_task("t") });
        task.body.description = "long".to_owned();
        store.write(|tx| tx.update_task_fields(&mut task)).unwrap();
        let listed = store.read(|tx| tx.list_tasks(&TaskFilter::default(), 1)).unwrap();
        assert_eq!(listed, [Task { body: Body::default(), ..task }]);
    }
}
