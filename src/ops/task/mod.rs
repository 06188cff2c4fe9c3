//! What is to be done: push, claim, and every step of a task's life.

mod behind;
mod block;
mod cancel;
pub(in crate::ops) mod choice;
mod claim;
mod complete;
mod fail;
mod get;
mod given;
mod kept;
mod lapse;
mod list;
mod of_job;
pub(in crate::ops) mod passage;
mod plan;
pub(in crate::ops) mod planned;
mod push;
mod release;
mod renew;
mod retry;
mod rounds;
mod said;
mod start;
mod unblock;
mod update;
mod view;
mod wait;
mod waits_for;

pub use behind::Behind;
pub use block::BlockTask;
pub use cancel::CancelTask;
pub use claim::ClaimTask;
pub use complete::CompleteTask;
pub use fail::FailTask;
pub use get::GetTask;
pub use given::wake_assignee;
pub use given::wake_dependants;
pub use lapse::free_lapsed;
pub use list::ListTasks;
pub use of_job::existing_job;
pub(in crate::ops) use of_job::take_up;
pub use plan::BATCH_MAX;
pub use plan::Plan;
pub use plan::PushTasks;
pub use plan::PushedMany;
pub use plan::by_number;
pub use push::ITEM_CHARS_MAX;
pub use push::PushTask;
pub use push::Pushed;
pub use push::check_budget;
pub use push::checked_metadata;
pub use push::resolve_assignee;
pub use release::ReleaseTask;
pub use renew::RenewTask;
pub use retry::RetryTask;
pub use start::StartTask;
pub use unblock::UnblockTask;
pub use update::UpdateTask;
pub use update::check_may_change;
pub use update::checked_dependencies;
pub use view::Changed;
pub use view::Held;
pub use view::TaskLine;
pub use view::TaskView;
pub use wait::WaitForTask;
pub use waits_for::WaitsFor;
pub(in crate::ops) use waits_for::waits_for;

use crate::error::Error;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::task::LEASE_SECS_MAX;
use crate::model::task::Task;
use crate::store::Tx;

/// What somebody holds, each whole: what becomes of a stage hangs on more than its line.
pub fn held_by(tx: &mut dyn Tx, holder: &InstanceId, most: u32) -> Result<Vec<Task>> {
    let ids: Vec<TaskId> = tx.held_tasks(holder, most)?.iter().map(|task| task.id).collect();
    ids.into_iter().map(|id| existing(tx, id)).collect()
}

/// The task of an id; a miss says what the nearest existing ids are.
pub fn existing(tx: &mut dyn Tx, id: TaskId) -> Result<Task> {
    if let Some(task) = tx.task(id)? {
        return Ok(task);
    }
    let newest = tx.list_tasks(&Default::default(), 1)?;
    let error = Error::not_found(format!("no task `{id}`"));
    Err(match newest.first() {
        Some(newest) => error.hint(format!("ids go up to `{}`; `list_tasks` shows them", newest.id)),
        None => error.hint("there are no tasks yet; `push_task` makes one"),
    })
}

pub fn check_lease_secs(secs: Option<u32>) -> Result<()> {
    match secs {
        Some(secs) if !(1..=LEASE_SECS_MAX).contains(&secs) => {
            Err(Error::invalid(format!("`lease_secs` must be between 1 and {LEASE_SECS_MAX}")))
        }
        _ => Ok(()),
    }
}

/// Reasons, notes and the like: one paragraph, kept with the task and its event.
pub(in crate::ops) const NOTE_CHARS_MAX: usize = 2_000;

pub fn check_note(field: &str, note: Option<&str>) -> Result<()> {
    match note {
        Some(note) if note.chars().count() > NOTE_CHARS_MAX => {
            Err(Error::invalid(format!("`{field}` must be at most {NOTE_CHARS_MAX} characters")))
        }
        _ => Ok(()),
    }
}
