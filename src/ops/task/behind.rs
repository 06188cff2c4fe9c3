//! What a ready task waits for all the same: something that it wants to itself, and somebody else has.

use crate::error::Result;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::file;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// What a task wants to itself and somebody else has.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskBehind")]
pub struct Behind {
    pub pattern: String,
    pub holder_name: String,
}

impl Behind {
    pub fn of(task: &Task, tx: &mut dyn Tx) -> Result<Option<Behind>> {
        if task.standing() != Standing::Ready {
            return Ok(None);
        }
        let kept = file::kept_of(&task.reserves, tx)?;
        Ok(kept.map(|(pattern, holder_name)| Behind { pattern, holder_name }))
    }

    /// As it goes on behind `waits for`.
    pub fn words(&self) -> String {
        format!("`{}`, which {} has", self.pattern, self.holder_name)
    }
}
