//! `tidy_team`: takes back what nobody stands behind any more, as the next claim would, and the next session of that name.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::server::examine::is_lost;
use crate::ops::session::end;
use crate::ops::task::free_lapsed;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// At most so many in one transaction; another run finds the rest.
const SESSIONS_MAX: u32 = 1_000;
const CLAIMS_MAX: u32 = 1_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TidyTeam {
    /// How long the claims of a lost session wait for it to come back
    grace_secs: u32,
}

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Tidied {
    /// Claims that had lapsed.
    pub freed: Vec<TaskId>,
    /// The names of those whose sessions were lost.
    pub ended: Vec<String>,
}

impl Operation for TidyTeam {
    const NAME: &'static str = "tidy_team";
    const ABOUT: &'static str = "Take back what nobody stands behind any more";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Write;
    type Output = Tidied;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Tidied> {
        let now = tx.now();
        let freed = tx.lapsed_tasks(now.tick, CLAIMS_MAX)?.iter().map(|task| task.id).collect();
        free_lapsed(tx)?;
        let mut ended = Vec::new();
        for mut session in tx.sessions(SESSIONS_MAX)? {
            if !is_lost(tx, &session) {
                continue;
            }
            let Some(instance) = tx.instance(&session.instance)? else { continue };
            ended.push(instance.name.clone());
            // Somebody else speaks for it by now.
            if instance.online(now.tick) && instance.renewed > session.alive_at {
                session.ends(now);
                tx.put_session(&session)?;
            } else {
                end(tx, instance, session, self.grace_secs)?;
            }
        }
        Ok(Tidied { freed, ended })
    }
}

impl Answer for Tidied {}

impl fmt::Display for Tidied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} claims set free, {} sessions ended", self.freed.len(), self.ended.len())
    }
}
