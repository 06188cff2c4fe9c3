//! Keys of tasks, each looked up once.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::plan::Draft;
use crate::plan::key;
use crate::store::Tx;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Names {
    keys: HashMap<TaskId, String>,
    /// Of instances, by their ids.
    instances: HashMap<String, Option<String>>,
    mark: Option<String>,
}

/// The task of a key: also of one that it would get here, were it told of.
pub(super) fn task_of(key: &str, tx: &mut dyn Tx) -> Result<Option<TaskId>> {
    if let found @ Some(_) = tx.task_of_key(key)? {
        return Ok(found);
    }
    let Some((number, team)) = key::task_of(key) else { return Ok(None) };
    let Some(task) = number.parse().ok().filter(|task: &TaskId| task.short() == number) else { return Ok(None) };
    let is_ours = team == tx.team_mark()? && tx.task(task)?.is_some() && tx.key_of_task(task)?.is_none();
    Ok(is_ours.then_some(task))
}

impl Names {
    /// The key by which it was imported, or one that is its own here.
    pub(super) fn key(&mut self, id: TaskId, tx: &mut dyn Tx) -> Result<String> {
        if let Some(key) = self.keys.get(&id) {
            return Ok(key.clone());
        }
        let key = match tx.key_of_task(id)? {
            Some(key) => key,
            None => key::of_task(&id.short(), self.mark(tx)?),
        };
        self.keys.insert(id, key.clone());
        Ok(key)
    }

    fn mark(&mut self, tx: &mut dyn Tx) -> Result<&str> {
        if self.mark.is_none() {
            self.mark = Some(tx.team_mark()?);
        }
        Ok(self.mark.as_deref().unwrap_or_default())
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
