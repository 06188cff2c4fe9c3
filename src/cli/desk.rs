//! The desk that the settings ask for.

use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::launch::repository;
use crate::launch::witness;
use crate::launch::witness::Ground;
use crate::model::demand::Finding;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::evidence::Wanted;
use crate::ops::evidence::Witness;
use crate::remote;
use crate::remote::Patience;
use crate::remote::RemoteDesk;
use crate::remote::Way;
use crate::store::Options;
use crate::store::doorbell::Hangup;
use crate::store::open::LazyStore;
use std::sync::Arc;

/// Opens nothing yet, and connects to nobody: a command that is refused leaves no trace.
pub(super) fn of(config: &Config, host: Host) -> Result<Arc<dyn Desk>> {
    of_patient(config, host, Patience::COMMAND)
}

/// For somebody who is held up, where a server elsewhere cannot be reached.
pub(super) fn of_patient(config: &Config, host: Host, patience: Patience) -> Result<Arc<dyn Desk>> {
    Ok(match elsewhere(config, patience)? {
        Some(desk) => Arc::new(desk),
        None => Arc::new(local(config, host)?),
    })
}

/// At the server elsewhere, if the settings name one.
pub(super) fn elsewhere(config: &Config, patience: Patience) -> Result<Option<RemoteDesk>> {
    let Some(server) = config.server.value.clone() else { return Ok(None) };
    let way = Way { server, token: config.token()?, ca: config.ca.value.clone() };
    Ok(Some(RemoteDesk::new(way, patience)))
}

/// This process, as the desk is to know it.
pub(super) fn process(config: &Config, host: &Host) -> String {
    if config.server.value.is_some() { remote::process(host) } else { host.process() }
}

/// Beside the store, for many callers at once.
pub(super) fn for_many(config: &Config, host: Host, readers: usize) -> Result<LocalDesk> {
    Ok(LocalDesk::for_many(store(config, host)?, readers).with_witness(Arc::new(Looker(config.clone()))))
}

/// Beside the store, whatever the settings say of a server elsewhere.
pub(super) fn local(config: &Config, host: Host) -> Result<LocalDesk> {
    Ok(LocalDesk::new(store(config, host)?).with_witness(Arc::new(Looker(config.clone()))))
}

/// Looks for evidence as the settings say at that moment: they are read by nobody who needs none.
struct Looker(Config);

impl Looker {
    fn ground(&self, wanted: &Wanted) -> Result<Ground> {
        let file = self.0.file()?;
        let land = self.0.land(&file)?;
        Ok(Ground {
            state_dir: self.0.place()?.dir().to_owned(),
            check: land.check.value,
            target: land.target.value,
            patience: witness::PATIENCE,
            named: repository::of_name(wanted.repo.as_deref().unwrap_or_default(), Some(&self.0))?,
        })
    }
}

impl Witness for Looker {
    fn roles(&self) -> Result<Option<Vec<String>>> {
        self.0.roles(&self.0.file()?)?.names().map(Some)
    }

    fn knows_repository(&self, name: &str) -> Result<()> {
        self.0.known_repositories()?.check_name(name)
    }

    fn repositories(&self) -> Result<Option<Vec<String>>> {
        let known = self.0.known_repositories()?;
        Ok(Some(known.registry.repos.iter().map(|repo| repo.name.clone()).collect()))
    }

    fn pipeline(&self, name: &str) -> Result<Option<String>> {
        self.0.pipelines()?.own(name)
    }

    fn look(&self, wanted: &Wanted, hangup: &Hangup) -> Vec<Finding> {
        match self.ground(wanted) {
            Ok(ground) => witness::look(wanted, &ground, hangup),
            Err(error) => wanted.demands.iter().map(|one| Finding::not_met(one, error.message.clone())).collect(),
        }
    }
}

fn store(config: &Config, host: Host) -> Result<LazyStore> {
    let options = Options { events_max: config.events_max.value, ..Options::default() };
    Ok(LazyStore::new(config.place()?, host, options))
}
