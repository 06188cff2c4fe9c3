//! `heartbeat`: still here, and at work on this.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::instance::PRESENCE_SECS;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const CURRENT_TASK_CHARS_MAX: usize = 300;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// What you work on; "" when idle
    #[schemars(length(max = CURRENT_TASK_CHARS_MAX))]
    current_task: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "InstanceBeat")]
pub struct Beat {
    instance_id: InstanceId,
    status: String,
    /// Call something within this time to stay online and keep your claims.
    lease_secs: u32,
}

impl Operation for Heartbeat {
    const NAME: &'static str = "heartbeat";
    const ABOUT: &'static str = "Stay online and keep your claims; say what you work on";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Mark;
    const POSITIONAL: &'static [&'static str] = &["current_task"];
    type Output = Beat;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Beat> {
        let mut me = caller.instance(tx)?;
        if let Some(current) = &self.current_task {
            if current.chars().count() > CURRENT_TASK_CHARS_MAX {
                return Err(Error::invalid(format!(
                    "`current_task` must be at most {CURRENT_TASK_CHARS_MAX} characters"
                )));
            }
            let current = current.split_whitespace().collect::<Vec<_>>().join(" ");
            let current = (!current.is_empty()).then_some(current);
            if current != me.current_task {
                me.current_task = current;
                tx.update_instance(&mut me)?;
            }
        }
        attend::renew(tx, &me)?;
        let status = if me.current_task.is_some() { "busy" } else { "idle" };
        Ok(Beat { instance_id: me.id, status: status.to_owned(), lease_secs: PRESENCE_SECS })
    }
}

impl Answer for Beat {}

impl fmt::Display for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is {}, online for {} s", self.instance_id, self.status, self.lease_secs)
    }
}
