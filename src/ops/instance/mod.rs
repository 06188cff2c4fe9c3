//! Who is here: register, heartbeat, list, get, unregister.

pub mod arrive;
mod get;
mod heartbeat;
mod list;
mod present;
pub(in crate::ops) mod register;
mod unregister;

pub use get::GetInstance;
pub use heartbeat::Heartbeat;
pub use list::ListInstances;
pub use present::Depart;
pub use present::KeepPresent;
pub use register::RegisterInstance;
pub use unregister::UnregisterInstance;

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::time::Timestamp;
use crate::ops::render::clip_json;
use crate::ops::render::short;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// Metadata up to this many bytes is shown with its instance; longer texts are cut.
const METADATA_BYTES_SHOWN: usize = 1_000;
const TEXT_BYTES_SHOWN: usize = 600;

/// An instance as callers see it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct InstanceView {
    pub id: InstanceId,
    pub name: String,
    pub role: String,
    /// `idle`, `busy`, `needs_input` or `offline`.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    pub connected_since: Timestamp,
    pub last_seen: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionView>,
}

/// The Claude session behind an instance, as its hooks tell of it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct SessionView {
    pub activity: Activity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub since: Timestamp,
    /// The agents that work under it: their kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subagents: Vec<String>,
}

impl SessionView {
    fn of(session: Session) -> SessionView {
        SessionView {
            activity: session.activity,
            detail: session.detail,
            since: session.since,
            subagents: session.subagents.into_values().collect(),
        }
    }
}

impl InstanceView {
    pub fn of(instance: Instance, tx: &mut dyn Tx) -> Result<InstanceView> {
        let session = tx.session(&instance.id)?;
        let holds = tx.held_tasks(&instance.id, 1)?.pop();
        let does = |activity| session.as_ref().is_some_and(|session| session.activity == activity);
        let works = does(Activity::Working);
        let asks = does(Activity::NeedsInput) || !works && asks_the_human(tx, &instance.id)?;
        let status = match instance.online(tx.now().tick) {
            false => "offline",
            true if asks => "needs_input",
            true if works || holds.is_some() || instance.current_task.is_some() => "busy",
            true => "idle",
        };
        let doing = || holds.map(|task| format!("{} {}", task.id, task.title));
        let current_task = instance.current_task.clone().or_else(doing);
        Ok(InstanceView {
            session: session.map(SessionView::of),
            id: instance.id,
            name: instance.name,
            role: instance.role,
            status: status.to_owned(),
            current_task: current_task.map(|task| short(&task, TEXT_BYTES_SHOWN)),
            work_dir: instance.work_dir.map(|dir| short(&dir, TEXT_BYTES_SHOWN)),
            metadata: instance.metadata.and_then(|map| clip_json(&Value::Object(map), METADATA_BYTES_SHOWN).ok()),
            connected_since: instance.registered_at,
            last_seen: instance.seen_at,
        })
    }
}

/// It cannot go on by itself, and nobody should take it for idle.
fn asks_the_human(tx: &mut dyn Tx, instance: &InstanceId) -> Result<bool> {
    let open = QuestionFilter { asker: Some(instance.clone()), ..QuestionFilter::open() };
    Ok(!tx.questions(&open, 1)?.is_empty())
}
