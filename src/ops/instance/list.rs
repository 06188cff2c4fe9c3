//! `list_instances`: who is here.

use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::instance::InstanceView;
use crate::ops::render;
use crate::store::InstanceFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 50;
/// A name.
const CURSOR_BYTES: usize = 400;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListInstances {
    role: Option<String>,
    online_only: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Instances {
    instances: Vec<InstanceView>,
    total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl Operation for ListInstances {
    const NAME: &'static str = "list_instances";
    const ABOUT: &'static str = "Who is here, in what role, doing what";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Read;
    type Output = Instances;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Instances> {
        let now = tx.now();
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let mut filter = InstanceFilter {
            role: self.role.clone(),
            online_at: self.online_only.unwrap_or(false).then_some(now.tick),
            ..InstanceFilter::default()
        };
        let total = tx.count_instances(&filter)?;
        filter.after = self.cursor.clone();
        let mut found = tx.list_instances(&filter, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let shown = found.into_iter().map(|one| InstanceView::of(one, tx)).collect::<Result<_>>()?;
        let (instances, cut) = render::fit::<InstanceView>(shown, render::ANSWER_BYTES_MAX - CURSOR_BYTES);
        let cursor = instances.last().filter(|_| more || cut).map(|last| last.name.clone());
        Ok(Instances { instances, total, cursor })
    }
}

impl Answer for Instances {
    fn ids(&self) -> Vec<String> {
        self.instances.iter().map(|instance| instance.id.to_string()).collect()
    }
}

impl fmt::Display for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.instances.is_empty() {
            return writeln!(f, "nobody is here; `register-instance` joins");
        }
        let rows: Vec<_> = self
            .instances
            .iter()
            .map(|one| {
                let doing = one.current_task.clone().unwrap_or_default();
                [
                    one.name.clone(),
                    one.role.clone(),
                    one.status.clone(),
                    one.session.as_ref().map_or("", |session| session.activity.word()).to_owned(),
                    doing,
                    one.id.to_string(),
                    render::age(one.last_seen),
                ]
            })
            .collect();
        render::table(f, ["NAME", "ROLE", "STATUS", "SESSION", "DOING", "ID", "SEEN"], &rows)?;
        match &self.cursor {
            Some(cursor) => writeln!(f, "{} of {}; go on with --cursor '{cursor}'", self.instances.len(), self.total),
            None => Ok(()),
        }
    }
}
