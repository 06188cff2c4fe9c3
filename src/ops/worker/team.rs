//! `launch_team`: so many of each of these roles are wanted, or nobody.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::worker::LaunchWorkers;
use crate::ops::worker::want::depth;
use crate::ops::worker::want::has_room;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const ROLES_MAX: usize = 64;

/// What one `launch` asks for.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchTeam {
    #[schemars(length(max = ROLES_MAX))]
    team: Vec<LaunchWorkers>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct TeamLaunched {
    roles: Vec<RoleLaunched>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct RoleLaunched {
    role: String,
    /// The names of those that were asked for.
    workers: Vec<String>,
    /// So many of that role are wanted now.
    wanted: usize,
}

impl Operation for LaunchTeam {
    const NAME: &'static str = "launch_team";
    const ABOUT: &'static str = "Have workers of several roles started, all of them or none";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    type Output = TeamLaunched;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<TeamLaunched> {
        if self.team.len() > ROLES_MAX {
            return Err(
                Error::new(Kind::Refused, format!("a team may have {ROLES_MAX} roles")).hint("launch it in parts")
            );
        }
        let counts = self.team.iter().map(LaunchWorkers::check).collect::<Result<Vec<_>>>()?;
        let depth = depth(tx, caller)?;
        has_room(tx, caller, counts.iter().map(|count| *count as usize).sum())?;
        let mut roles = Vec::new();
        for one in &self.team {
            let workers = one.want(tx, caller, depth)?.into_iter().map(|worker| worker.name).collect();
            let wanted = tx.workers()?.iter().filter(|worker| worker.wanted && worker.role == one.role()).count();
            roles.push(RoleLaunched { role: one.role().to_owned(), workers, wanted });
        }
        Ok(TeamLaunched { roles })
    }
}

impl Answer for TeamLaunched {
    fn ids(&self) -> Vec<String> {
        self.roles.iter().flat_map(|role| role.workers.clone()).collect()
    }
}

impl fmt::Display for TeamLaunched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for RoleLaunched { role, workers, wanted } in &self.roles {
            writeln!(f, "wanted: {}", workers.join(", "))?;
            let plural = if role.ends_with('s') { "" } else { "s" };
            match workers.len() {
                all if all == *wanted => {}
                1 => writeln!(f, "1 more {role} is wanted ({wanted} in all); `top` only looks")?,
                more => writeln!(f, "{more} more {role}{plural} are wanted ({wanted} in all); `top` only looks")?,
            }
        }
        Ok(())
    }
}
