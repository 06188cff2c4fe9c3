//! The desk that the settings ask for.

use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::store::Options;
use crate::store::open::LazyStore;
use std::sync::Arc;

/// Opens nothing yet: a command that is refused leaves no trace.
pub(super) fn of(config: &Config, host: Host) -> Result<Arc<dyn Desk>> {
    Ok(Arc::new(local(config, host)?))
}

/// Beside the store, for many callers at once.
pub(super) fn for_many(config: &Config, host: Host, readers: usize) -> Result<LocalDesk> {
    Ok(LocalDesk::for_many(store(config, host)?, readers))
}

/// Beside the store, whatever the settings say of a server elsewhere.
pub(super) fn local(config: &Config, host: Host) -> Result<LocalDesk> {
    Ok(LocalDesk::new(store(config, host)?))
}

fn store(config: &Config, host: Host) -> Result<LazyStore> {
    let options = Options { events_max: config.events_max.value, ..Options::default() };
    Ok(LazyStore::new(config.place()?, host, options))
}
