//! The signals by which a person, or whoever started it, ends a command that goes on for long.

use crate::error::Error;
use crate::error::Result;
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::ffi::c_int;
use std::fs;

/// From now on they end nothing by themselves. A closed terminal is none of them for whoever was started by `nohup`.
pub(super) fn that_end() -> Result<Signals> {
    let heeded = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(*signal));
    Signals::new(heeded).map_err(Error::internal)
}

/// Where the system does not tell, it is taken for one that is not.
fn is_ignored(signal: c_int) -> bool {
    let ignored = || {
        let told = fs::read_to_string("/proc/self/status").ok()?;
        let mask = told.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        Some(mask >> (signal - 1) & 1 == 1)
    };
    ignored().unwrap_or(false)
}
