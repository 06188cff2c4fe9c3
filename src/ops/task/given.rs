//! A task is somebody's to take: their session is woken for it.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::session;
use crate::store::Tx;

/// Beyond so many at once nobody is helped by a bell.
const WOKEN_MAX: u32 = 100;

/// `by`: who made it so, and so knows of it.
pub fn wake_assignee(tx: &mut dyn Tx, task: &Task, by: Option<&InstanceId>) -> Result<()> {
    match &task.assignee {
        Some(assignee) if task.standing() == Standing::Ready => wake(tx, task.id, assignee, by),
        _ => Ok(()),
    }
}

/// What waited for a task that is done is ready now.
pub fn wake_dependants(tx: &mut dyn Tx, done: TaskId, by: Option<&InstanceId>) -> Result<()> {
    for (task, assignee) in tx.ready_dependants(done, WOKEN_MAX)? {
        wake(tx, task, &assignee, by)?;
    }
    Ok(())
}

fn wake(tx: &mut dyn Tx, task: TaskId, assignee: &str, by: Option<&InstanceId>) -> Result<()> {
    let assignee = InstanceId::from_stored(assignee.to_owned());
    if by == Some(&assignee) { Ok(()) } else { session::want(tx, &assignee, task) }
}
