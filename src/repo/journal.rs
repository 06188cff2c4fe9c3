//! What a landing notes down while it is under way, so that the next one can take back what a killed one left.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::repo::shell;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// One line: the process of the check that runs, or nothing.
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub fn at(path: &Path) -> Journal {
        Journal { path: path.to_owned() }
    }

    /// Was a landing cut short? The check that it left running in `dir`, if it did, is ended.
    pub fn was_left(&self, dir: &Path) -> Result<bool> {
        let process = match fs::read_to_string(&self.path) {
            Ok(text) => text.trim().to_owned(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(self.unusable(&cause)),
        };
        if Host::System.lives(&process) == Some(true)
            && let Some(group) = process.split_once('.').and_then(|(pid, _)| pid.parse().ok()).and_then(Pid::from_raw)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // It may not have been noted down yet, or have sent others away.
        shell::end_what_is_left(dir);
        Ok(true)
    }

    pub fn begin(&self) -> Result<()> {
        self.write("")
    }

    pub fn check_started(&self, pid: u32) -> Result<()> {
        self.write(&Host::System.process_of(pid).unwrap_or_default())
    }

    pub fn check_ended(&self) -> Result<()> {
        self.write("")
    }

    pub fn end(&self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|cause| self.unusable(&cause))
    }

    /// Whole or not at all.
    fn write(&self, process: &str) -> Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, process).and_then(|()| fs::rename(&new, &self.path)).map_err(|cause| self.unusable(&cause))
    }

    fn unusable(&self, cause: &io::Error) -> Error {
        Error::new(Kind::Unavailable, format!("`{}` cannot be used: {cause}", self.path.display()))
    }
}
