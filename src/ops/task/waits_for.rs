//! What a task waits for, and whether that will come.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// What a task waits for.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct WaitsFor {
    pub id: TaskId,
    #[schemars(with = "Standing")]
    pub status: String,
}

impl WaitsFor {
    /// Without being completed: nothing comes of it by itself.
    pub fn has_ended(&self) -> bool {
        [Standing::Failed, Standing::Cancelled].iter().any(|ended| self.status == ended.word())
    }

    /// In a line, as `task-2, which failed`.
    pub fn words(&self) -> String {
        let id = self.id.short();
        match self.status.as_str() {
            "failed" => format!("{id}, which failed"),
            "cancelled" => format!("{id}, which was cancelled"),
            _ => id,
        }
    }
}

/// All that a task waits for.
pub(in crate::ops) fn waits_for(task: &Task, tx: &mut dyn Tx) -> Result<Vec<WaitsFor>> {
    let unmet = tx.dependencies_of(task.id)?.into_iter().filter(|(_, standing)| *standing != Standing::Completed);
    let waits = |(id, standing): (TaskId, Standing)| WaitsFor { id, status: standing.word().to_owned() };
    Ok(unmet.map(waits).collect())
}
