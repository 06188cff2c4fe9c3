//! Who is here: register, heartbeat, list, get, unregister.

mod get;
mod heartbeat;
mod list;
mod register;
mod unregister;

pub use get::GetInstance;
pub use heartbeat::Heartbeat;
pub use list::ListInstances;
pub use register::RegisterInstance;
pub use unregister::UnregisterInstance;

use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::ops::render::clip_json;
use crate::ops::render::short;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// Metadata up to this many bytes is shown with its instance; longer texts are cut.
const METADATA_BYTES_SHOWN: usize = 1_000;
const TEXT_BYTES_SHOWN: usize = 600;

/// An instance as callers see it.
#[derive(Debug, Deserialize, Serialize)]
pub struct InstanceView {
    pub id: InstanceId,
    pub name: String,
    pub role: String,
    /// `idle`, `busy` or `offline`.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    pub connected_since: Timestamp,
    pub last_seen: Timestamp,
}

impl InstanceView {
    pub fn of(instance: Instance, now: Now) -> InstanceView {
        let status = match (instance.online(now.tick), &instance.current_task) {
            (false, _) => "offline",
            (true, Some(_)) => "busy",
            (true, None) => "idle",
        };
        InstanceView {
            id: instance.id,
            name: instance.name,
            role: instance.role,
            status: status.to_owned(),
            current_task: instance.current_task.map(|task| short(&task, TEXT_BYTES_SHOWN)),
            work_dir: instance.work_dir.map(|dir| short(&dir, TEXT_BYTES_SHOWN)),
            metadata: instance.metadata.and_then(|map| clip_json(&Value::Object(map), METADATA_BYTES_SHOWN).ok()),
            connected_since: instance.registered_at,
            last_seen: instance.seen_at,
        }
    }
}
