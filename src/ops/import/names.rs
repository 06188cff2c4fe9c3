//! Keys of tasks, each looked up once.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::plan::Draft;
use crate::store::Tx;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Names {
    keys: HashMap<TaskId, String>,
    /// Of instances, by their ids.
    instances: HashMap<String, Option<String>>,
}

impl Names {
    /// The key by which it was imported, or one that is its own here.
    pub(super) fn key(&mut self, id: TaskId, tx: &mut dyn Tx) -> Result<String> {
        if let Some(key) = self.keys.get(&id) {
            return Ok(key.clone());
        }
        let mut key = tx.key_of_task(id)?;
        let own = format!("task:{}", id.short());
        let mut number = 2;
        let mut free = own.clone();
        while key.is_none() {
            // Another team's task of that number may have come here under its name.
            match tx.task_of_key(&free)? {
                None => key = Some(std::mem::take(&mut free)),
                Some(_) => free = format!("{own}~{number}"),
            }
            number += 1;
        }
        let key = key.unwrap_or(own);
        self.keys.insert(id, key.clone());
        Ok(key)
    }

    /// The task as a plan tells it.
    pub(super) fn draft(&mut self, task: &Task, imported: Option<&Draft>, tx: &mut dyn Tx) -> Result<Draft> {
        for id in task.depends_on.iter().chain(&task.parent).chain([&task.id]) {
            self.key(*id, tx)?;
        }
        let mut draft = Draft::of(task, imported, |id| self.keys.get(&id).cloned().unwrap_or_default());
        if let Some(assignee) = draft.assignee.as_ref().filter(|assignee| !assignee.starts_with('@')) {
            if !self.instances.contains_key(assignee) {
                let found = tx.instance(&crate::model::id::InstanceId::from_stored(assignee.clone()))?;
                self.instances.insert(assignee.clone(), found.map(|instance| instance.name));
            }
            // A name means somebody elsewhere, too; an id means nobody.
            if let Some(Some(name)) = self.instances.get(assignee) {
                draft.assignee = Some(format!("@{name}"));
            }
        }
        Ok(draft)
    }
}
