//! The desk that the settings ask for.

use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Desk;
use crate::store::Options;
use crate::store::open::LazyStore;

/// Opens nothing yet: a command that is refused leaves no trace.
pub(super) fn of(config: &Config, host: Host) -> Result<Desk> {
    let options = Options { events_max: config.events_max.value, ..Options::default() };
    Ok(Desk::new(LazyStore::new(config.place()?, host, options)))
}
