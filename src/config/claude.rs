//! What a Claude client tells the processes that it starts, hooks and shells and servers, by their environment.

use crate::config::environment::CLAUDE_ATTENDED;
use crate::config::environment::CLAUDE_ENTRYPOINT;
use crate::config::environment::CLAUDE_ENV_FILE;
use crate::config::environment::CLAUDE_INBOX;
use crate::config::environment::CLAUDE_PID;
use crate::config::environment::CLAUDE_PROJECT;
use crate::config::environment::Environment;
use crate::host::Host;
use crate::ops::caller::Client;
use std::ffi::OsStr;
use std::path::Path;
use std::path::PathBuf;

/// What a Claude client tells the processes that it starts.
#[derive(Clone, Debug, Default)]
pub struct Claude {
    pid: Option<u32>,
    inbox: Option<PathBuf>,
    /// The project of the session, wherever it has gone since.
    pub project: Option<PathBuf>,
    /// What is exported there reaches every command of the session.
    pub env_file: Option<PathBuf>,
    /// It shows itself in a terminal, and is not run by a program.
    pub interactive: bool,
    /// Somebody sits before it, and it stays after each turn.
    pub attended: bool,
}

impl Claude {
    pub(super) fn read(environment: &Environment) -> Claude {
        let is = |name, wanted: &str| environment.variables.get(name).is_some_and(|value| value == wanted);
        let pid = environment.variables.get(CLAUDE_PID).and_then(|pid| pid.to_str()?.parse().ok());
        Claude {
            pid,
            inbox: environment.directory(CLAUDE_INBOX),
            project: environment.directory(CLAUDE_PROJECT),
            env_file: environment.directory(CLAUDE_ENV_FILE),
            interactive: is(CLAUDE_ENTRYPOINT, "cli"),
            attended: is(CLAUDE_ENTRYPOINT, "cli") && is(CLAUDE_ATTENDED, "1"),
        }
    }

    /// The socket at which the session around us takes messages.
    pub fn inbox(&self) -> Option<&Path> {
        self.inbox.as_deref()
    }

    /// The client that started a hook or a shell, and told them who it is.
    pub(super) fn told(&self, host: &Host) -> Option<Client> {
        self.client(host, self.pid?)
    }

    pub(super) fn client(&self, host: &Host, pid: u32) -> Option<Client> {
        let process = host.process_of(pid)?;
        // A session that was started by another one may have inherited that one's.
        let is_its = |inbox: &&PathBuf| inbox.file_stem().and_then(OsStr::to_str) == Some(&pid.to_string());
        let inbox = self.inbox.as_ref().filter(is_its).and_then(|inbox| inbox.to_str());
        Some(Client { process, inbox: inbox.map(str::to_owned) })
    }
}
