//! `note_session`: what else a session's hooks tell of it.

use crate::error::Result;
use crate::model::session::Activity;
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

const DETAIL_CHARS: usize = 200;
const ID_CHARS: usize = 100;

/// None of this is an answer to a bell: that a session sits idle is even told because nobody stirs there, and what begins a
/// turn is told by a hook of its own.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoteSession {
    /// What it does now
    #[schemars(with = "Option<String>")]
    activity: Option<Activity>,
    detail: Option<String>,
    /// An agent under it begins, of this kind
    subagent: Option<String>,
    subagent_kind: Option<String>,
    /// It ends
    subagent_ended: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Noted {}

impl Operation for NoteSession {
    const NAME: &'static str = "note_session";
    const ABOUT: &'static str = "What a session does now, and who works under it";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Mark;
    type Output = Noted;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Noted> {
        let Some((_, mut session)) = session::here(tx, caller)? else { return Ok(Noted {}) };
        if let Some(id) = &self.subagent {
            let id = one_line(id, ID_CHARS);
            match self.subagent_ended.unwrap_or(false) {
                true => drop(session.subagents.remove(&id)),
                false => session.subagent_begins(&id, &one_line(self.subagent_kind.as_deref().unwrap_or(""), ID_CHARS)),
            }
        }
        let detail = self.detail.as_deref().map(|detail| one_line(detail, DETAIL_CHARS));
        match self.activity {
            Some(Activity::Idle) => session.waits(tx.now()),
            Some(activity) => session.shows(activity, detail, tx.now()),
            None => {}
        }
        if let Some(hook) = &caller.hook {
            session.hears(hook);
        }
        tx.put_session(&session)?;
        Ok(Noted {})
    }
}

impl Answer for Noted {}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "noted")
    }
}
