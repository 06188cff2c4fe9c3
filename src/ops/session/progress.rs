//! `keep_progress`: the session is about to forget; how far it is stays with its task.

use crate::error::Result;
use crate::model::event::NewEvent;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::ops::render::one_line;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const NOTE_CHARS: usize = 600;
const TASKS_MAX: u32 = 10;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeepProgress {
    note: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Kept {
    tasks: usize,
}

impl Operation for KeepProgress {
    const NAME: &'static str = "keep_progress";
    const ABOUT: &'static str = "Note how far a session is, with the tasks it holds";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    type Output = Kept;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Kept> {
        let Some(me) = attend::present(tx, caller)? else { return Ok(Kept { tasks: 0 }) };
        let held = tx.held_tasks(&me.id, TASKS_MAX)?;
        for task in &held {
            let event = NewEvent::new("task.progress", task.id, Some(&me.id))
                .with("note", one_line(&self.note, NOTE_CHARS))
                .with("token", task.token);
            tx.append_event(event)?;
        }
        Ok(Kept { tasks: held.len() })
    }
}

impl Answer for Kept {}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kept with {} tasks", self.tasks)
    }
}
