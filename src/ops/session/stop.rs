//! `stop_session`: the session ended its turn. Does anything keep it from waiting?

use crate::error::Result;
use crate::model::id::MessageId;
use crate::model::session::Activity;
use crate::model::task::Task;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render::one_line;
use crate::ops::session;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const LOOKED_AT: u32 = 50;
const TOLD: usize = 3;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StopSession {
    /// Agents or commands of the session still work in the background
    in_background: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Stopped {
    /// Why it is to go on, told once for each reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go_on: Option<String>,
}

impl Operation for StopSession {
    const NAME: &'static str = "stop_session";
    const ABOUT: &'static str = "A session ended its turn";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Mark;
    type Output = Stopped;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Stopped> {
        let Some((me, mut session)) = session::here(tx, caller)? else { return Ok(Stopped::default()) };
        let asked: Vec<(MessageId, String)> = tx
            .inbox(&me.id, false, None, LOOKED_AT)?
            .into_iter()
            .filter(|(message, _)| message.needs_answer)
            .map(|(message, _)| (message.id, message.from.name))
            .collect();
        let claim = |task: &Task| format!("{} {}", task.id, task.token);
        let mut held = tx.held_tasks(&me.id, LOOKED_AT)?;
        // What still works for the task in the background speaks up when it is done. What was told before stays told.
        if self.in_background.unwrap_or(false) {
            held.retain(|task| session.told.contains(&claim(task)));
        }
        let reasons = asked.iter().map(|(id, _)| id.to_string()).chain(held.iter().map(claim)).collect();
        if !session.goes_on_for(reasons) {
            session::shows(tx, caller, &mut session, Activity::Idle, None)?;
            return Ok(Stopped::default());
        }
        session::shows(tx, caller, &mut session, Activity::Working, None)?;
        let mut lines = Vec::new();
        if !asked.is_empty() {
            let senders = session::told_apart(asked.iter().map(|(_, sender)| sender.clone()), TOLD);
            let messages = if asked.len() == 1 { "a message waits" } else { "messages wait" };
            lines.push(format!(
                "orch-mcp: {messages} for your answer (from {senders}): poll_messages reads, send_message with reply_to answers."
            ));
        }
        for task in held.iter().take(TOLD) {
            lines.push(format!(
                "orch-mcp: you still hold {} \"{}\" (token {}). If it is done, complete_task with its evidence; if you cannot go \
                 on, release_task, block_task or fail_task with the reason; if you wait for your user, just say so and stop.",
                task.id,
                one_line(&task.title, 120),
                task.token
            ));
        }
        Ok(Stopped { go_on: Some(lines.join("\n")) })
    }
}

impl Answer for Stopped {}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.go_on.as_deref().unwrap_or("it waits"))
    }
}
