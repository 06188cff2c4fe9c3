//! `examine_team`: what `doctor` asks of the store: claims and sessions that nobody stands behind, and whether the clocks fit.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::store::EventFilter;
use crate::store::InstanceFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Looked through at most. A team is smaller.
const SESSIONS_MAX: u32 = 1_000;
const INSTANCES_MAX: u32 = 1_000;
/// Told of by number; more than that are only many.
const CLAIMS_MAX: u32 = 100;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExamineTeam {}

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Examination {
    /// Claims whose lease is over, and which nobody has taken back yet.
    pub lapsed: Vec<LapsedClaim>,
    /// Sessions whose client is gone without having said so.
    pub lost: Vec<LostSession>,
    /// The session that showed life last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<NewestSession>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_event_at: Option<Timestamp>,
    /// How far the wall clock is behind the newest event.
    pub wall_behind_ms: i64,
    /// How far the lease clock is behind the newest renewal, which is never but where clocks were changed by hand.
    pub leases_behind_ms: i64,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct LapsedClaim {
    pub task: TaskId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<InstanceId>,
    pub lapsed_at: Timestamp,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct LostSession {
    pub instance: InstanceId,
    pub name: String,
    /// What it did last.
    pub activity: Activity,
    /// What it still holds.
    pub holds: Vec<TaskId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct NewestSession {
    pub name: String,
    pub activity: Activity,
    /// The events that its hooks told of.
    pub hooks: Vec<String>,
}

impl Operation for ExamineTeam {
    const NAME: &'static str = "examine_team";
    const ABOUT: &'static str = "Claims and sessions that nobody stands behind";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Read;
    type Output = Examination;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Examination> {
        let now = tx.now();
        let lapsed = tx.lapsed_tasks(now.tick, CLAIMS_MAX)?;
        let lapsed = lapsed.into_iter().map(|task| LapsedClaim {
            task: task.id,
            lapsed_at: task.lease_until.map_or(now.at, |until| now.wall_of(until)),
            holder: task.holder,
        });
        let lapsed = lapsed.collect();
        let sessions = tx.sessions(SESSIONS_MAX)?;
        let newest = match sessions.first() {
            Some(session) => Some(NewestSession {
                name: name_of(tx, &session.instance)?,
                activity: session.activity,
                hooks: session.hooks.clone(),
            }),
            None => None,
        };
        let mut lost = Vec::new();
        for session in sessions.iter().filter(|session| is_lost(tx, session)).collect::<Vec<&Session>>() {
            lost.push(LostSession {
                name: name_of(tx, &session.instance)?,
                instance: session.instance.clone(),
                activity: session.activity,
                holds: tx.held_tasks(&session.instance, CLAIMS_MAX)?.iter().map(|task| task.id).collect(),
            });
        }
        let newest_first = EventFilter { newest_first: true, ..EventFilter::default() };
        let newest_event_at = tx.events(&newest_first, 1)?.first().map(|event| event.at);
        let instances = tx.list_instances(&InstanceFilter::default(), INSTANCES_MAX)?;
        let renewed = instances.iter().map(|instance| instance.renewed).max();
        Ok(Examination {
            lapsed,
            lost,
            newest,
            newest_event_at,
            wall_behind_ms: newest_event_at.map_or(0, |at| (at.millis() - now.at.millis()).max(0)),
            leases_behind_ms: renewed.map_or(0, |renewed| renewed.since(now.tick).max(0)),
        })
    }
}

/// Its client ended without a word, and nobody has noticed yet.
pub(super) fn is_lost(tx: &dyn Tx, session: &Session) -> bool {
    session.activity != Activity::Ended && session.client.as_ref().is_some_and(|client| tx.host().is_gone(client))
}

fn name_of(tx: &mut dyn Tx, id: &InstanceId) -> Result<String> {
    Ok(tx.instance(id)?.map_or_else(|| id.to_string(), |instance| instance.name))
}

impl Answer for Examination {}

impl fmt::Display for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} lapsed claims, {} lost sessions", self.lapsed.len(), self.lost.len())
    }
}
