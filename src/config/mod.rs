//! Every setting, and where it came from: flags over environment over `orch.toml` over defaults.

mod claude;
mod environment;
mod file;
mod land;
mod launch;
pub mod pipelines;
mod registry;
mod report;
mod roles;
mod safety;
mod server;
mod shelf;
mod shown;
pub mod splice;
mod token;

pub use claude::Claude;
pub use environment::Environment;
pub use file::File;
pub use land::Land;
pub use launch::Caps;
pub use launch::Launch;
pub use pipelines::Listed;
pub use pipelines::Pipelines;
pub use registry::Repositories;
pub use roles::Roles;
pub use server::Address;
pub use server::Server;
pub use shown::Shown;
pub use token::Token;

use crate::claude::telemetry::Metering;
use crate::config::environment::CA;
use crate::config::environment::CLAUDE_CONFIG_DIR;
use crate::config::environment::EVENTS_MAX;
use crate::config::environment::GRACE_SECS;
use crate::config::environment::HOME;
use crate::config::environment::INSIDE_CLAUDE;
use crate::config::environment::INSTANCE;
use crate::config::environment::LOG;
use crate::config::environment::LOGNAME;
use crate::config::environment::MAX_EXECUTORS;
use crate::config::environment::PATH;
use crate::config::environment::PLAIN_HTTP;
use crate::config::environment::POLL_INTERVAL;
use crate::config::environment::PROFILE;
use crate::config::environment::ROLE;
use crate::config::environment::RUN;
use crate::config::environment::SERVER;
use crate::config::environment::SESSION;
use crate::config::environment::STATE_DIR;
use crate::config::environment::TELEMETRY;
use crate::config::environment::TELEMETRY_ENDPOINT;
use crate::config::environment::TELEMETRY_EXPORTER;
use crate::config::environment::TELEMETRY_HEADERS;
use crate::config::environment::TMPDIR;
use crate::config::environment::TOKEN;
use crate::config::environment::TOKEN_FILE;
use crate::config::environment::USER;
use crate::config::environment::WORKSPACE;
use crate::config::environment::XDG_CONFIG_HOME;
use crate::config::environment::XDG_STATE_HOME;
use crate::config::launch::Older;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Caller;
use crate::ops::caller::Client;
use crate::ops::caller::Origin;
use crate::store::place;
use crate::store::place::Place;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use tracing::level_filters::LevelFilter;

/// What `serve` may list, from the fewest tools to all of them.
pub const PROFILES: &[&str] = &["worker", "lead", "full"];
pub const PROFILE_DEFAULT: &str = "lead";

/// Long enough to start a client again and resume its session.
const GRACE_SECS_DEFAULT: u32 = 600;

/// What flags say of settings that the environment may say too.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub state_dir: Option<PathBuf>,
    pub instance: Option<String>,
    pub profile: Option<String>,
    pub server: Option<String>,
    pub token_file: Option<PathBuf>,
    pub ca: Option<PathBuf>,
    pub plain_http: bool,
}

/// Where a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Flag(&'static str),
    Variable(&'static str),
    /// A line of `orch.toml`.
    File(usize),
    Default,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub source: Source,
}

impl<T> Setting<T> {
    fn first(
        flag: Option<T>,
        flag_name: &'static str,
        variable: Option<T>,
        variable_name: &'static str,
        default: T,
    ) -> Self {
        match (flag, variable) {
            (Some(value), _) => Setting { value, source: Source::Flag(flag_name) },
            (None, Some(value)) => Setting { value, source: Source::Variable(variable_name) },
            (None, None) => Setting { value: default, source: Source::Default },
        }
    }

    fn variable(variable: Option<T>, name: &'static str, default: T) -> Self {
        Setting::first(None, "", variable, name, default)
    }
}

/// All settings of one run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state directory that was asked for; where none was, `place` finds one.
    pub state_dir: Setting<Option<PathBuf>>,
    /// Who calls, unless an argument says otherwise.
    pub instance: Setting<Option<String>>,
    /// The role to register with, unless an argument says otherwise.
    pub role: Setting<Option<String>>,
    pub profile: Setting<String>,
    pub log: Setting<LevelFilter>,
    /// How many events are kept.
    pub events_max: Setting<u64>,
    pub session: Setting<Option<String>>,
    /// How long the claims of a session that ended wait for it to come back; 0 hands them back at once.
    pub grace_secs: Setting<u32>,
    pub claude: Claude,
    /// The server elsewhere at which everything is asked, instead of a store here.
    pub server: Setting<Option<Server>>,
    /// Who may vouch for that server, beside those whom this machine trusts.
    pub ca: Setting<Option<PathBuf>>,
    /// May what is said to it be read on the way?
    pub plain_http: Setting<bool>,
    older: Older,
    token: Option<token::Given>,
    token_file: Setting<Option<PathBuf>>,
    inside_claude: bool,
    /// A worker of ours started this, or something that one started.
    of_run: bool,
    person: Option<String>,
    tmpdir: Option<PathBuf>,
    xdg_state_home: Option<PathBuf>,
    xdg_config_home: Option<PathBuf>,
    claude_config_dir: Option<PathBuf>,
    metering: Option<Metering>,
    /// Where a client is to tell of its costs, and what it says at the door.
    meter: Option<(String, String)>,
    search_path: Option<OsString>,
    home: Option<PathBuf>,
    cwd: Option<PathBuf>,
    typed: bool,
}

/// The directories that say where other programs of this user keep their files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    pub home: Option<&'a Path>,
    pub cwd: Option<&'a Path>,
    pub xdg_state_home: Option<&'a Path>,
    pub xdg_config_home: Option<&'a Path>,
    /// Where Claude Code keeps what is the user's, if not in the usual place. Seen from the working directory.
    pub claude_config_dir: Option<&'a Path>,
}

impl Config {
    pub fn read(flags: Flags, environment: &Environment) -> Result<Config> {
        let wanted_profile = "`worker`, `lead` or `full`";
        let known_profile = |text: &str| PROFILES.contains(&text).then(|| text.to_owned());
        let profile = environment.parsed(PROFILE, wanted_profile, known_profile)?;
        let log = environment.parsed(LOG, "`off`, `error`, `warn`, `info`, `debug` or `trace`", level)?;
        let at_least_one = |text: &str| text.parse().ok().filter(|count| *count >= 1);
        let events_max = environment.parsed(EVENTS_MAX, "a whole number of events, at least 1", at_least_one)?;
        let grace_secs = environment.parsed(GRACE_SECS, "a whole number of seconds", |text| text.parse().ok())?;
        let state_dir = environment.variables.get(STATE_DIR).map(|path| Some(PathBuf::from(path)));
        let path = |name| environment.variables.get(name).map(|path| Some(PathBuf::from(path)));
        let is_set = |name| environment.variables.contains_key(name);
        let whether = |text: &str| matches!(text, "0" | "1").then_some(text == "1");
        let plain_http = environment.parsed(PLAIN_HTTP, "`1` or `0`", whether)?;
        let plain_http =
            Setting::first(flags.plain_http.then_some(true), "--plain-http", plain_http, PLAIN_HTTP, false);
        // Who names a state directory on the command line means that one, whatever the environment says for all commands.
        let server = environment.text(SERVER)?.filter(|_| flags.state_dir.is_none());
        let server = Setting::first(flags.server.map(Some), "--server", server.map(Some), SERVER, None);
        let token = environment.text(TOKEN)?.map(token::Given::new);
        Ok(Config {
            server: server::read(server, plain_http.value)?,
            ca: Setting::first(flags.ca.map(Some), "--ca", path(CA), CA, None),
            plain_http,
            older: Older {
                workspace: environment.variables.get(WORKSPACE).map(PathBuf::from),
                max_executors: environment.unread(MAX_EXECUTORS),
                poll_interval: environment.unread(POLL_INTERVAL),
            },
            token,
            token_file: Setting::first(flags.token_file.map(Some), "--token-file", path(TOKEN_FILE), TOKEN_FILE, None),
            state_dir: Setting::first(flags.state_dir.map(Some), "--state-dir", state_dir, STATE_DIR, None),
            instance: Setting::first(
                flags.instance.map(Some),
                "--instance-id",
                environment.text(INSTANCE)?.map(Some),
                INSTANCE,
                None,
            ),
            role: Setting::variable(environment.text(ROLE)?.map(Some), ROLE, None),
            profile: Setting::first(flags.profile, "--profile", profile, PROFILE, PROFILE_DEFAULT.to_owned()),
            log: Setting::variable(log, LOG, LevelFilter::WARN),
            events_max: Setting::variable(events_max, EVENTS_MAX, crate::store::EVENTS_MAX_DEFAULT),
            session: Setting::variable(environment.text(SESSION)?.map(Some), SESSION, None),
            grace_secs: Setting::variable(grace_secs, GRACE_SECS, GRACE_SECS_DEFAULT),
            claude: Claude::read(environment),
            inside_claude: environment.variables.contains_key(INSIDE_CLAUDE),
            of_run: environment.variables.contains_key(RUN),
            person: environment.text(USER)?.or(environment.text(LOGNAME)?),
            tmpdir: environment.directory(TMPDIR),
            xdg_state_home: environment.directory(XDG_STATE_HOME),
            xdg_config_home: environment.directory(XDG_CONFIG_HOME),
            claude_config_dir: environment.variables.get(CLAUDE_CONFIG_DIR).map(PathBuf::from),
            metering: Metering::of(is_set(TELEMETRY), is_set(TELEMETRY_EXPORTER)),
            meter: environment.unread(TELEMETRY_ENDPOINT).zip(environment.unread(TELEMETRY_HEADERS)),
            search_path: environment.variables.get(PATH).cloned(),
            home: environment.directory(HOME),
            cwd: environment.cwd.clone(),
            typed: environment.typed,
        })
    }

    /// What was given by flags, for another process of ours: in the same directory, with the same environment, it reads the same
    /// settings by them.
    pub fn flags_again(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        let mut give = |source: &Source, value: Option<&OsStr>| {
            if let (Source::Flag(name), Some(value)) = (source, value) {
                flags.extend([OsString::from(*name), value.to_owned()]);
            }
        };
        for path in [&self.state_dir, &self.token_file, &self.ca] {
            give(&path.source, path.value.as_deref().map(Path::as_os_str));
        }
        give(&self.server.source, self.server.value.as_ref().map(Server::url).map(OsStr::new));
        give(&self.instance.source, self.instance.value.as_deref().map(OsStr::new));
        if matches!(self.plain_http.source, Source::Flag(_)) {
            flags.push("--plain-http".into());
        }
        flags
    }

    /// Where everything is kept.
    pub fn place(&self) -> Result<Place> {
        if self.state_dir.value.as_deref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(Error::new(Kind::Invalid, "the state directory is empty, wanted a path")
                .hint("give a path to `--state-dir`"));
        }
        let gone = || {
            Error::new(Kind::Unavailable, "the working directory does not exist any more")
                .hint("go to a directory that does, or name the state directory with `--state-dir`")
        };
        // What is named is seen from where it was typed; without a name it is found around the project.
        let from = match &self.state_dir.value {
            Some(named) => self.cwd.clone().or_else(|| Some(named.clone()).filter(|dir| dir.is_absolute())),
            None => self.project()?.map(Path::to_owned),
        };
        let from = from.ok_or_else(gone)?;
        Place::find(self.state_dir.value.clone(), &from, self.xdg_state_home.clone(), self.home.clone())
    }

    /// The directory in whose repository the team works: the working directory, unless the older name says another.
    pub fn project(&self) -> Result<Option<&Path>> {
        match &self.older.workspace {
            Some(workspace) => launch::directory(workspace).map(Some),
            None => Ok(self.cwd.as_deref()),
        }
    }

    /// Where files go that nobody keeps.
    pub fn temporary_dir(&self) -> PathBuf {
        self.tmpdir.clone().unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// Who calls from here. A person is somebody who types into a terminal that no agent holds.
    pub fn caller(&self, host: Host) -> Caller {
        let origin = if self.typed && !self.inside_claude { Origin::Human } else { Origin::Agent };
        // A session is where it is, whatever it was told by whoever started it.
        let dir = if origin == Origin::Human { self.project().ok().flatten() } else { self.cwd.as_deref() };
        Caller {
            from_environment: self.instance.value.clone(),
            client: self.claude.told(&host),
            session: self.session.value.clone(),
            origin,
            headless: self.inside_claude && !self.claude.interactive,
            of_run: self.of_run,
            person: self.person.clone(),
            role: self.role.value.clone(),
            work_dir: dir.and_then(Path::to_str).map(str::to_owned),
            worktree: dir.and_then(place::repository).and_then(|found| found.top.to_str().map(str::to_owned)),
            ..Caller::anonymous(host)
        }
    }

    /// The client that a server of ours serves: the one that started it. What the environment says of clients it may have
    /// from an outer one.
    pub fn served_client(&self, host: &Host) -> Option<Client> {
        let parent = rustix::process::getppid()?;
        self.session.value.as_ref().filter(|_| self.inside_claude)?;
        self.claude.client(host, u32::try_from(parent.as_raw_nonzero().get()).ok()?)
    }

    /// The same settings for a session of that project.
    pub fn in_project(mut self, project: PathBuf) -> Config {
        self.cwd = Some(project);
        self
    }

    /// Does anything but a repository say that this is a place to join the team?
    pub fn asks_to_join(&self) -> bool {
        let is_named = self.instance.value.is_some() || self.role.value.is_some();
        is_named || self.state_dir.value.is_some() || self.server.value.is_some()
    }

    /// What leads others to the server that a flag named; what a variable said, they find by themselves.
    pub fn variables_of_server(&self) -> Vec<(&'static str, String)> {
        let (Source::Flag(_), Some(server)) = (self.server.source, &self.server.value) else { return Vec::new() };
        let mut all = vec![(SERVER, server.url().to_owned())];
        all.extend(self.ca_file().map(|file| (CA, file.to_string_lossy().into_owned())));
        all.extend(self.plain_http.value.then(|| (PLAIN_HTTP, "1".to_owned())));
        all
    }

    /// Who may vouch for the server, as others can find it.
    pub fn ca_file(&self) -> Option<PathBuf> {
        let file = self.ca.value.as_deref()?;
        Some(std::path::absolute(file).map_or_else(|_| file.to_owned(), straight))
    }

    /// Is the state kept beside the repository that one is in?
    pub fn is_in_repository(&self) -> bool {
        self.project().ok().flatten().is_some_and(place::is_in_repository)
    }

    /// Are clients that we start to tell us what they cost?
    pub fn metering(&self) -> Option<Metering> {
        self.metering
    }

    pub fn meter(&self) -> Option<(&str, &str)> {
        self.meter.as_ref().map(|(endpoint, headers)| (endpoint.as_str(), headers.as_str()))
    }

    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            home: self.home.as_deref(),
            cwd: self.cwd.as_deref(),
            xdg_state_home: self.xdg_state_home.as_deref(),
            xdg_config_home: self.xdg_config_home.as_deref(),
            claude_config_dir: self.claude_config_dir.as_deref(),
        }
    }

    /// The absolute path by which others can start this program: as it was called, where that leads to it, since what a
    /// link leads to may move with the next version.
    pub fn program(&self, called: &OsStr) -> Result<PathBuf> {
        let running = self.running()?;
        let called = Path::new(called);
        let is_name = called.components().count() == 1 && !called.as_os_str().as_encoded_bytes().contains(&b'/');
        let dirs = if is_name {
            self.search_path.iter().flat_map(std::env::split_paths).collect()
        } else {
            self.cwd.iter().cloned().collect::<Vec<PathBuf>>()
        };
        let candidates = dirs.iter().map(|dir| dir.join(called)).filter(|path| path.is_absolute());
        let is_it = |path: &PathBuf| path.canonicalize().is_ok_and(|path| path == running);
        Ok(candidates.map(straight).find(is_it).unwrap_or(running))
    }

    /// The file of this very program, whatever leads to it.
    pub fn running(&self) -> Result<PathBuf> {
        std::env::current_exe().and_then(|path| path.canonicalize()).map_err(|cause| {
            Error::new(Kind::Internal, format!("cannot find the file of the running program: {cause}"))
                .hint("it may have been replaced just now; repeat this")
        })
    }

    /// The program that a shell would run by this name. What `PATH` says of the working directory is passed over: it
    /// may be anybody's.
    pub fn on_path(&self, name: &str) -> Option<PathBuf> {
        let dirs = self.search_path.iter().flat_map(std::env::split_paths).filter(|dir| dir.is_absolute());
        dirs.map(|dir| dir.join(name)).find(|path| is_program(path))
    }
}

/// Is that a file that can be run?
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The same path without `.` and `..`.
fn straight(path: PathBuf) -> PathBuf {
    let plain: PathBuf = path.components().collect();
    if !plain.components().any(|part| part == Component::ParentDir) {
        return plain;
    }
    let dir = plain.parent().and_then(|dir| dir.canonicalize().ok());
    dir.zip(plain.file_name()).map_or(path, |(dir, name)| dir.join(name))
}

fn level(text: &str) -> Option<LevelFilter> {
    // The parser of `LevelFilter` takes numbers and nothing at all for levels too; words are what we document.
    text.bytes().all(|byte| byte.is_ascii_alphabetic()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&'static str, &str)]) -> Environment {
        Environment {
            variables: variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect(),
            cwd: Some(PathBuf::from("/work")),
            typed: true,
        }
    }

    fn config(flags: Flags, variables: &[(&'static str, &str)]) -> Config {
        Config::read(flags, &environment(variables)).expect("the environment is well formed")
    }

    #[test]
    fn a_flag_goes_over_the_environment_and_that_over_the_default() {
        let variables = &[(INSTANCE, "bob"), (EVENTS_MAX, "500")];
        let flags = Flags { instance: Some("alice".to_owned()), ..Flags::default() };
        let config = config(flags, variables);
        assert_eq!(config.instance, Setting { value: Some("alice".to_owned()), source: Source::Flag("--instance-id") });
        assert_eq!(config.events_max, Setting { value: 500, source: Source::Variable(EVENTS_MAX) });
        assert_eq!(config.profile, Setting { value: "lead".to_owned(), source: Source::Default });
    }

    #[test]
    fn a_malformed_value_is_an_error_that_names_its_variable() {
        for (name, value) in [(EVENTS_MAX, "many"), (EVENTS_MAX, "0"), (LOG, "loud"), (LOG, "3"), (PROFILE, "boss")] {
            let error = Config::read(Flags::default(), &environment(&[(name, value)])).expect_err("malformed");
            assert_eq!(error.kind, Kind::Invalid);
            assert!(error.message.contains(name) && error.message.contains(value), "{}", error.message);
        }
    }

    #[test]
    fn only_somebody_at_a_terminal_outside_an_agent_is_a_person() {
        let origin = |config: Config| config.caller(Host::System).origin;
        assert_eq!(origin(config(Flags::default(), &[])), Origin::Human);
        assert_eq!(origin(config(Flags::default(), &[(INSIDE_CLAUDE, "1")])), Origin::Agent);
        let piped = Environment { typed: false, ..environment(&[]) };
        assert_eq!(origin(Config::read(Flags::default(), &piped).expect("nothing is set")), Origin::Agent);
    }

    #[test]
    fn a_relative_home_is_ignored() {
        assert_eq!(config(Flags::default(), &[(HOME, "here"), (XDG_STATE_HOME, "/state")]).home, None);
        assert_eq!(config(Flags::default(), &[(XDG_STATE_HOME, "/state")]).xdg_state_home, Some("/state".into()));
    }
}
