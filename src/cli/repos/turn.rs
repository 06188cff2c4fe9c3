//! Whose turn it is in a repository in which only one may run something: the team's store says it, to workers whose task wants
//! the repository to itself as to whoever types a command.

use crate::cli::desk;
use crate::cli::repos::keep;
use crate::cli::repos::keep::Claim;
use crate::config::Config;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::digest::digest;
use crate::model::registry::resource_of;
use crate::model::reservation::RESERVED_SECS_MAX;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::repo::lock;
use crate::repo::lock::Lock;
use crate::repos::records::Records;
use crate::repos::run::Job;
use crate::repos::run::Kept;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

/// What ends by its time alone tells nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// Whoever is known by no name takes this one, the repository's, and what tells this place from others at which the same team works.
const ROLE: &str = "repos";
const NAME_CHARS: usize = 40;

pub(super) struct Turns<'a> {
    pub config: &'a Config,
    pub records: &'a Records,
    pub hangup: &'a Hangup,
    /// Told who is waited for.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

impl Turns<'_> {
    /// Nothing where nobody made a team, and nothing where the caller has the repository by its task. `None` after a hang-up.
    pub fn take(&self, job: &Job, patience: Duration) -> Result<Option<Box<dyn Kept>>> {
        let since = Stopwatch::start();
        let nothing: Box<dyn Kept> = Box::new(Nothing);
        if !job.is_sequential || (self.config.server.value.is_none() && !self.config.place()?.exists()) {
            return Ok(Some(nothing));
        }
        let (desk, caller) = (desk::of(self.config, Host::System)?, self.config.caller(Host::System));
        let team = Team { desk: desk.as_ref(), caller: &caller };
        let resource = resource_of(&job.name);
        let path = self.records.lock_of(Path::new(&resource));
        let me = match team.ask("get_instance", json!({})) {
            Ok(told) => Some(text(&told["instance"], "id").to_owned()),
            Err(error) if error.kind == Kind::Unavailable => return Err(error),
            Err(_) => None,
        };
        if let Some(me) = &me {
            // What they keep by their task, or by hand, stays theirs; what is left of a run that was killed does not.
            let mut held = team.every("list_reservations", json!({}), "reservations")?.into_iter();
            let is_theirs = |one: &Value| one["task"].is_string() || text(one, "reason") != reason(job);
            if held.any(|one| text(&one, "pattern") == resource && text(&one, "holder") == me && is_theirs(&one)) {
                return Ok(Some(nothing));
            }
        }
        // All that goes by one name is one to the store, so those stand in line here; whoever has it by a task does not.
        let line = match lock::try_take(&path)? {
            Some(lock) => lock,
            None => {
                (self.tell)("waits until what runs there has ended, as it is sequential");
                let Some(lock) = lock::take_unless(self.hangup, &path, patience)? else { return Ok(None) };
                lock
            }
        };
        let is_ours = me.is_none();
        let me = match me {
            Some(me) => me,
            None => registered(&team, &name_here(&job.name, &path))?,
        };
        let claim =
            Claim { instance: me, resource, is_ours, line: path, lock: job.lock(self.records), lease: lease(job) };
        if !self.reserve(&team, &claim, job, patience.saturating_sub(since.so_far()))? {
            return Ok(None);
        }
        let mut turn = Turn { desk: desk.clone(), caller: caller.clone(), claim, keeper: None, _line: line };
        turn.keeper = Some(turn.claim.start_keeper(self.config)?);
        Ok(Some(Box::new(turn)))
    }

    /// `false` after a hang-up.
    fn reserve(&self, team: &Team, claim: &Claim, job: &Job, patience: Duration) -> Result<bool> {
        let me = &claim.instance;
        let mut told = String::new();
        let since = Stopwatch::start();
        loop {
            if self.hangup.is_hung_up() {
                return Ok(false);
            }
            let (_, cursor) = team.events("", None, Duration::ZERO, self.hangup)?;
            let secs = claim.lease.as_secs();
            let wanted = json!({
                "instance_id": me, "patterns": [claim.resource], "reason": reason(job), "lease_secs": secs,
            });
            match team.ask("reserve_files", wanted) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind == Kind::Conflict => {
                    if told != error.message {
                        (self.tell)(&format!("waits, as {}", error.message));
                        told = error.message;
                    }
                }
                Err(error) => return Err(error),
            }
            let left = patience.saturating_sub(since.so_far());
            if left.is_zero() {
                let why = format!("its turn did not come within {} s: {told}", job.patience.as_secs());
                return Err(Error::new(Kind::Busy, why));
            }
            match team.events("", Some(cursor), left.min(LOOK_AGAIN), self.hangup) {
                Err(_) if self.hangup.is_hung_up() => return Ok(false),
                other => drop(other?),
            }
            // It may be renewed meanwhile, or nobody calls at all.
            team.ask("heartbeat", json!({ "instance_id": me }))?;
        }
    }
}

/// As long as it may wait for what a killed one left there, and then run, and what its end may take.
fn lease(job: &Job) -> Duration {
    Duration::from_secs(job.patience.as_secs().saturating_mul(2).saturating_add(60).min(RESERVED_SECS_MAX.into()))
}

fn reason(job: &Job) -> String {
    format!("`{}` runs there", job.workflow)
}

/// Were it the same on two machines, the second would come back as the first, and both would have what is for one. Here the line
/// lets one after the other have it.
fn name_here(repo: &str, line: &Path) -> String {
    let here = digest(&format!("{} {}", Host::System.neighbourhood(), line.display()));
    let repo: String = repo.chars().take(NAME_CHARS).collect();
    format!("{ROLE}.{repo}.{:08x}", (here ^ (here >> 32)) as u32)
}

fn registered(team: &Team, name: &str) -> Result<String> {
    let known = team.ask("get_instance", json!({ "instance": name }));
    let mut wanted = json!({ "name": name, "role": ROLE });
    if let Ok(told) = known {
        // Whoever had it before is gone: we stand in line.
        wanted["instance_id"] = told["instance"]["id"].clone();
    }
    let joined = team.ask("register_instance", wanted)?;
    match joined["instance"]["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(Error::internal("a registration without an id")),
    }
}

struct Nothing;

impl Kept for Nothing {}

/// The repository is ours, as long as somebody says so: us or, should we be killed, who keeps it until nothing runs there any more.
struct Turn {
    desk: Arc<dyn Desk>,
    caller: Caller,
    claim: Claim,
    keeper: Option<Child>,
    _line: Lock,
}

impl Kept for Turn {}

impl Drop for Turn {
    fn drop(&mut self) {
        // What a killed one started may run there still: our keeper waits for its end.
        let Ok(Some(_lock)) = lock::try_take(&self.claim.lock) else { return };
        if let Some(keeper) = self.keeper.take() {
            keep::dismiss(keeper);
        }
        self.claim.hand_back(&Team { desk: self.desk.as_ref(), caller: &self.caller });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::check_name;

    #[test]
    fn each_place_has_a_name_of_its_own_for_each_repository_however_long() {
        let long = "r".repeat(64);
        let names = [("api", "/one"), ("api", "/two"), ("web", "/one"), (&long, "/one")];
        let names = names.map(|(repo, line)| name_here(repo, Path::new(line)));
        assert!(names.iter().all(|name| check_name("name", name).is_ok()), "{names:?}");
        let different: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }
}
