//! `note_landing`: the work of a role has landed, so that whoever is told of changes is not told of its own.

use crate::error::Result;
use crate::model::event::NewEvent;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoteLanding {
    role: String,
    branch: String,
    /// The commit upon which it was put
    from: String,
    /// Its newest commit, as it landed
    to: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct LandingNoted {}

impl Operation for NoteLanding {
    const NAME: &'static str = "note_landing";
    const ABOUT: &'static str = "The work of a role has landed";
    const NOUN: Noun = Noun::Events;
    const EFFECT: Effect = Effect::Write;
    type Output = LandingNoted;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<LandingNoted> {
        let landed = NewEvent::new("branch.landed", &self.role, None).with("branch", self.branch.as_str());
        tx.append_event(landed.with("from", self.from.as_str()).with("to", self.to.as_str()))?;
        Ok(LandingNoted {})
    }
}

impl Answer for LandingNoted {}

impl fmt::Display for LandingNoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "noted")
    }
}
