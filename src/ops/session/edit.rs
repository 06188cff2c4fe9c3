//! `may_edit`: is the file somebody else's for now?

use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::ops::file;
use crate::ops::file::RESERVATIONS_MAX;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MayEdit {
    file: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Verdict {
    /// Why not: who keeps it, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Operation for MayEdit {
    const NAME: &'static str = "may_edit";
    const ABOUT: &'static str = "Has somebody else reserved this file?";
    const NOUN: Noun = Noun::Files;
    const EFFECT: Effect = Effect::Read;
    type Output = Verdict;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Verdict> {
        let me = attend::present(tx, caller)?.map(|me| me.id);
        let file = file::team_file(&self.file, caller)?;
        let held = tx.reservations(tx.now().tick, 0, RESERVATIONS_MAX)?;
        let against = held.iter().find(|one| Some(&one.holder) != me.as_ref() && one.forbids(&file));
        let refused = match against {
            Some(other) => Some(format!(
                "{}. Work on something else meanwhile, or ask for it with send_message.",
                file::standing_against(other, tx)?
            )),
            None => None,
        };
        Ok(Verdict { refused })
    }
}

impl Answer for Verdict {}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.refused.as_deref().unwrap_or("yes"))
    }
}
