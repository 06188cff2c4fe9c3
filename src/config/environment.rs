//! The environment of this process: the variables that anything of ours reads, and the only place that reads them.

use crate::claude::telemetry;
use crate::error::Error;
use crate::error::Result;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;

pub(super) const STATE_DIR: &str = "ORCH_STATE_DIR";
pub(super) const INSTANCE: &str = "ORCH_INSTANCE";
pub(super) const ROLE: &str = "ORCH_ROLE";
pub(super) const PROFILE: &str = "ORCH_PROFILE";
pub(super) const LOG: &str = "ORCH_LOG";
pub(super) const EVENTS_MAX: &str = "ORCH_EVENTS_MAX";
pub(super) const SESSION: &str = "CLAUDE_CODE_SESSION_ID";
pub(super) const INSIDE_CLAUDE: &str = "CLAUDECODE";
pub(super) const RUN: &str = crate::descendants::MARK;
pub(super) const CLAUDE_PID: &str = "CLAUDE_PID";
pub(super) const CLAUDE_INBOX: &str = "CLAUDE_CODE_MESSAGING_SOCKET";
pub(super) const CLAUDE_ENTRYPOINT: &str = "CLAUDE_CODE_ENTRYPOINT";
pub(super) const CLAUDE_ATTENDED: &str = "CLAUDE_CODE_SESSION_ATTENDED";
pub(super) const CLAUDE_PROJECT: &str = "CLAUDE_PROJECT_DIR";
pub(super) const CLAUDE_ENV_FILE: &str = "CLAUDE_ENV_FILE";
pub(super) const GRACE_SECS: &str = "ORCH_GRACE_SECS";
pub(super) const SERVER: &str = "ORCH_SERVER";
pub(super) const TOKEN: &str = "ORCH_TOKEN";
pub(super) const TOKEN_FILE: &str = "ORCH_TOKEN_FILE";
pub(super) const CA: &str = "ORCH_CA";
pub(super) const PLAIN_HTTP: &str = "ORCH_PLAIN_HTTP";
/// Names that an older system had.
pub(super) const WORKSPACE: &str = "ORCHESTRATOR_WORKSPACE";
pub(super) const MAX_EXECUTORS: &str = "ORCHESTRATOR_MAX_EXECUTORS";
pub(super) const POLL_INTERVAL: &str = "ORCHESTRATOR_POLL_INTERVAL";
pub(super) const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
pub(super) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
pub(super) const CLAUDE_CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";
pub(super) const TELEMETRY: &str = telemetry::SWITCH;
pub(super) const TELEMETRY_EXPORTER: &str = telemetry::EXPORTER;
pub(super) const TELEMETRY_ENDPOINT: &str = telemetry::ENDPOINT;
pub(super) const TELEMETRY_HEADERS: &str = telemetry::HEADERS;
pub(super) const PATH: &str = "PATH";
pub(super) const HOME: &str = "HOME";
pub(super) const TMPDIR: &str = "TMPDIR";
pub(super) const USER: &str = "USER";
pub(super) const LOGNAME: &str = "LOGNAME";
pub(super) const NO_COLOR: &str = "NO_COLOR";
pub(super) const FORCE_COLOR: &str = "CLICOLOR_FORCE";
pub(super) const TERM: &str = "TERM";

const READ: &[&str] = &[
    STATE_DIR,
    INSTANCE,
    ROLE,
    PROFILE,
    LOG,
    EVENTS_MAX,
    SESSION,
    INSIDE_CLAUDE,
    RUN,
    CLAUDE_PID,
    CLAUDE_INBOX,
    CLAUDE_ENTRYPOINT,
    CLAUDE_ATTENDED,
    CLAUDE_PROJECT,
    CLAUDE_ENV_FILE,
    GRACE_SECS,
    SERVER,
    TOKEN,
    TOKEN_FILE,
    CA,
    PLAIN_HTTP,
    WORKSPACE,
    MAX_EXECUTORS,
    POLL_INTERVAL,
    XDG_STATE_HOME,
    XDG_CONFIG_HOME,
    CLAUDE_CONFIG_DIR,
    TELEMETRY,
    TELEMETRY_EXPORTER,
    TELEMETRY_ENDPOINT,
    TELEMETRY_HEADERS,
    PATH,
    HOME,
    TMPDIR,
    USER,
    LOGNAME,
    NO_COLOR,
    FORCE_COLOR,
    TERM,
];

/// What the process was started with, read once. It may hold a secret, so nobody can print it.
#[derive(Clone, Default)]
pub struct Environment {
    pub(super) variables: HashMap<&'static str, OsString>,
    pub(super) cwd: Option<PathBuf>,
    /// Does somebody type into this process?
    pub(super) typed: bool,
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this file is where the environment is read")]
    pub fn of_process() -> Environment {
        // A variable that is set to nothing says as little as one that is not set.
        let variables = READ
            .iter()
            .filter_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| (*name, value)))
            .collect();
        Environment { variables, cwd: std::env::current_dir().ok(), typed: std::io::stdin().is_terminal() }
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>> {
        let Some(value) = self.variables.get(name) else { return Ok(None) };
        match value.to_str() {
            Some(value) => Ok(Some(value.to_owned())),
            None => Err(malformed(name, value.to_string_lossy(), "text in UTF-8")),
        }
    }

    /// What is to be understood later, if anybody wants to know.
    pub(super) fn unread(&self, name: &'static str) -> Option<String> {
        self.variables.get(name).map(|value| value.to_string_lossy().into_owned())
    }

    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| malformed(name, value, wanted))
    }

    /// A directory by its absolute path; the XDG rules say that a relative one is to be ignored.
    pub(super) fn directory(&self, name: &'static str) -> Option<PathBuf> {
        self.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// May output be styled on a stream, where no flag says so?
    pub fn wants_style(&self, terminal: bool) -> bool {
        let set = |name| self.variables.contains_key(name);
        if set(NO_COLOR) {
            return false;
        }
        if self.variables.get(FORCE_COLOR).is_some_and(|value| value != "0") {
            return true;
        }
        terminal && self.variables.get(TERM).is_none_or(|value| value != "dumb")
    }
}

fn malformed(name: &str, found: impl fmt::Display, wanted: &str) -> Error {
    Error::invalid(format!("the environment variable `{name}` is `{found}`, wanted {wanted}"))
        .hint(format!("correct `{name}`, or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_follows_the_usual_variables() {
        let styled = |variables: &[(&'static str, &str)], terminal| {
            let variables = variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
            Environment { variables, ..Environment::default() }.wants_style(terminal)
        };
        assert!(styled(&[], true));
        assert!(!styled(&[], false));
        assert!(!styled(&[(TERM, "dumb")], true));
        assert!(styled(&[(FORCE_COLOR, "1")], false));
        assert!(!styled(&[(FORCE_COLOR, "0")], false));
        assert!(!styled(&[(NO_COLOR, "1"), (FORCE_COLOR, "1")], true));
    }
}
