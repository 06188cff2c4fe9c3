//! The stages of one issue, each in its newest round, and what went on from which.

use crate::error::Result;
use crate::model::graph;
use crate::model::graph::Walk;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::store::TaskFilter;
use crate::store::Tx;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Read together.
const BATCH: u32 = 500;

/// The newest task of each stage, by the stage's name.
pub struct Rounds(BTreeMap<String, Task>);

impl Rounds {
    pub fn of(tx: &mut dyn Tx, issue: &Task) -> Result<Rounds> {
        let mut newest = BTreeMap::new();
        // Other tasks may have been put beside the stages, however many: none of them hides a stage.
        each(tx, issue, |tx, task| {
            if let Some(task) = tx.task(task.id)?
                && let Some(stage) = &task.body.stage
                && !newest.contains_key(&stage.name)
            {
                newest.insert(stage.name.clone(), task);
            }
            Ok(())
        })?;
        Ok(Rounds(newest))
    }

    pub fn newest(&self, stage: &str) -> Option<&Task> {
        self.0.get(stage)
    }

    /// A stage, and whatever goes on from it by any way, each after what it needs.
    pub fn from(&self, first: TaskId) -> Vec<&Task> {
        let by_id: BTreeMap<TaskId, &Task> = self.0.values().map(|task| (task.id, task)).collect();
        let needs =
            |id: TaskId| Ok::<_, Infallible>(by_id.get(&id).map(|task| task.depends_on.clone()).unwrap_or_default());
        let Ok(Walk::Order(order)) = graph::walk(by_id.keys().copied(), needs) else { return Vec::new() };
        let mut reached = BTreeSet::from([first]);
        let mut from = Vec::new();
        for id in order {
            let Some(task) = by_id.get(&id) else { continue };
            if id == first || task.depends_on.iter().any(|needs| reached.contains(needs)) {
                reached.insert(id);
                from.push(*task);
            }
        }
        from
    }
}

/// Every task of an issue, the newest first, without its long texts.
pub fn each(tx: &mut dyn Tx, issue: &Task, mut visit: impl FnMut(&mut dyn Tx, Task) -> Result<()>) -> Result<()> {
    let mut filter = TaskFilter { chain_id: issue.chain_id.clone(), job: issue.job, ..TaskFilter::default() };
    loop {
        let tasks = tx.list_tasks(&filter, BATCH)?;
        let Some(last) = tasks.last() else { return Ok(()) };
        filter.before = Some(last.id);
        for task in tasks {
            visit(tx, task)?;
        }
    }
}
