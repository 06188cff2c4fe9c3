//! `get_instance`: one instance, what it holds, and what waits for it.

use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::ops::caller::named_instance;
use crate::ops::instance::InstanceView;
use crate::ops::render;
use crate::ops::task::TaskLine;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const TASKS_SHOWN: u32 = 20;
const TASKS_BYTES: usize = 10_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetInstance {
    /// Id or name; without it, you
    instance: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct OneInstance {
    instance: InstanceView,
    /// What it has claimed.
    tasks: Vec<TaskLine>,
    messages_unread: u32,
}

impl Operation for GetInstance {
    const NAME: &'static str = "get_instance";
    const ABOUT: &'static str = "One instance: what it holds and how much mail waits for it";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["instance"];
    type Output = OneInstance;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<OneInstance> {
        let instance = match &self.instance {
            Some(named) => named_instance(tx, named)?,
            None => caller.instance(tx)?,
        };
        let held = tx.held_tasks(&instance.id, TASKS_SHOWN)?;
        let lines = held.iter().map(|task| TaskLine::of(task, tx)).collect::<Result<_>>()?;
        let (tasks, _) = render::fit(lines, TASKS_BYTES);
        let messages_unread = tx.count_unread(&instance.id, attend::UNREAD_COUNTED_MAX)?;
        Ok(OneInstance { instance: InstanceView::of(instance, tx)?, tasks, messages_unread })
    }
}

impl Answer for OneInstance {
    fn ids(&self) -> Vec<String> {
        vec![self.instance.id.to_string()]
    }
}

impl fmt::Display for OneInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = &self.instance;
        writeln!(
            f,
            "{} ({}) `{}` is {}, last seen {}",
            one.name,
            one.role,
            one.id,
            one.status,
            render::local(one.last_seen)
        )?;
        if let Some(session) = &one.session {
            write!(f, "its session: {} since {}", session.activity.word(), render::local(session.since))?;
            session.detail.iter().try_for_each(|detail| write!(f, ", {detail}"))?;
            writeln!(f)?;
            if !session.subagents.is_empty() {
                writeln!(f, "agents under it: {}", session.subagents.join(", "))?;
            }
        }
        if let Some(doing) = &one.current_task {
            writeln!(f, "doing: {doing}")?;
        }
        if let Some(dir) = &one.work_dir {
            writeln!(f, "works in: {dir}")?;
        }
        writeln!(f, "unread messages: {}", self.messages_unread)?;
        self.tasks.iter().try_for_each(|task| writeln!(f, "holds {} {}", task.id, task.title))
    }
}
