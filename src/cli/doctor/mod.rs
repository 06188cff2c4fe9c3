//! `orch-mcp doctor`: is all as it should be, and by what command is it mended? It looks, for two seconds at most, and
//! changes nothing unless it is asked to.

mod check;
mod elsewhere;
mod mend;
mod place;
mod privacy;
mod settings;
mod store;
mod tools;
mod wired;
mod wiring;

use crate::cli::doctor::check::Check;
use crate::cli::doctor::check::Report;
use crate::cli::doctor::wiring::Wiring;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::print::Printer;
use crate::cli::setup::quoted;
use crate::cli::written;
use crate::config::Config;
use crate::config::Source;
use crate::config::Surroundings;
use crate::error::Result;
use crate::host::Deadline;
use crate::ops::server::Examination;
use crate::store::open;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How long looking takes at most, and how long it takes before that to mend something: two seconds together.
const LOOKS_WITHIN: Duration = Duration::from_millis(1_100);
const MENDS_WITHIN: Duration = Duration::from_millis(800);

/// How long the store is looked through, so that there is time left to say what was found.
const STORE_PATIENCE: Duration = Duration::from_millis(600);

const FOOTER: &str = "\
It looks for two seconds at most, asks nothing, starts no session and contacts nobody, except for the server that
`--server` or ORCH_SERVER names.
Below each finding that is not ok stands the command that mends it.

--fix mends what is safe: modes of the state directory and its files, its .gitignore, doorbells of
processes that died, claims that lapsed, sessions whose client died, a log that became long.

It exits with 1 where something is an error, and with 0 otherwise, also with warnings.";

/// Is our plugin of Claude Code switched on here?
pub(super) fn plugin_is_on(around: &Surroundings) -> bool {
    wiring::read(around).plugin_is_on()
}

/// The flags of the command.
pub(super) fn with_flags(command: Command) -> Command {
    let switch = |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    command
        .arg(switch("fix", "Mend what is safe to mend, and say what was done"))
        .arg(switch("privacy", "List what is stored where, and whom it ever contacts").conflicts_with("fix"))
        .after_help(FOOTER)
}

/// What every check is told.
#[derive(Clone, Debug)]
struct Doctor {
    config: Config,
    /// The file of this program, as others would call it.
    program: Option<PathBuf>,
}

pub(super) fn run(config: &Config, printer: &Printer, matches: &ArgMatches, typed: &[OsString]) -> Result<u8> {
    let called = typed.first().map_or(OsStr::new(""), OsString::as_os_str);
    let doctor = Doctor { config: config.clone(), program: config.program(called).ok() };
    if matches.get_flag("privacy") {
        let privacy = privacy::look(&doctor);
        let text = || privacy.text();
        let answer = Answer { data: &privacy.json(), ids: &privacy.ids(), unread: None, text: &text };
        return written(printer.answer(&answer)).map(|()| exit::DONE);
    }
    let mended = if matches.get_flag("fix") { doctor.mend() } else { Vec::new() };
    let report = Report { checks: doctor.look(), mended };
    let text = || report.text();
    let answer = Answer { data: &report.json(), ids: &report.ids(), unread: None, text: &text };
    written(printer.answer(&answer))?;
    Ok(if report.has_errors() { exit::FAILED } else { exit::DONE })
}

impl Doctor {
    /// A command of ours for the same state directory.
    fn command(&self, words: &str) -> String {
        match (&self.config.state_dir.source, &self.config.state_dir.value) {
            (Source::Flag(flag), Some(dir)) => format!("orch-mcp {words} {flag} {}", quoted(&dir.to_string_lossy())),
            _ => format!("orch-mcp {words}"),
        }
    }

    fn mending(&self) -> String {
        self.command("doctor --fix")
    }

    fn mend(&self) -> Vec<String> {
        let doctor = self.clone();
        let done = begun(move || mend::all(&doctor)).recv_timeout(MENDS_WITHIN);
        // What is late goes on until the process ends, which it may do at any moment.
        done.unwrap_or_else(|_| vec!["not all in time: somebody keeps the store busy".to_owned()])
    }

    /// Looks at everything at the same time: a disk that hangs keeps nobody from hearing of the rest.
    fn look(&self) -> Vec<Check> {
        let deadline = Deadline::after(LOOKS_WITHIN);
        let tools = {
            let doctor = self.clone();
            begun(move || tools::checks(&doctor.config))
        };
        let state = {
            let doctor = self.clone();
            begun(move || doctor.state())
        };
        let wired = {
            let doctor = self.clone();
            begun(move || doctor.wired())
        };
        let inbox = {
            let doctor = self.clone();
            begun(move || place::inbox(&doctor))
        };
        let settings = {
            let doctor = self.clone();
            begun(move || settings::check(&doctor))
        };

        let mut checks = vec![self.program()];
        checks.extend(tools.recv_timeout(deadline.left()).unwrap_or_else(|_| vec![late("other programs")]));
        let state = state.recv_timeout(deadline.left());
        let (found, examination) = state.unwrap_or_else(|_| (vec![late("state directory, or server")], None));
        checks.extend(found);
        let (found, has_hooks) = wired.recv_timeout(deadline.left()).unwrap_or_else(|_| (vec![late("wiring")], true));
        checks.extend(found);
        let newest = examination.as_ref().and_then(|found| found.newest.as_ref());
        checks.push(store::hooks(newest, has_hooks));
        checks.push(inbox.recv_timeout(deadline.left()).unwrap_or_else(|_| late("inbox")));
        checks.push(settings.recv_timeout(deadline.left()).unwrap_or_else(|_| late("settings")));
        checks
    }

    fn program(&self) -> Check {
        let version = env!("CARGO_PKG_VERSION");
        let path = self.program.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default();
        Check::ok("orch-mcp", format!("{version}{path}, with {}", open::library()))
    }

    fn state(&self) -> (Vec<Check>, Option<Examination>) {
        if let Some(server) = &self.config.server.value {
            return elsewhere::checks(self, server);
        }
        let place = match self.config.place() {
            Ok(place) => place,
            Err(error) => return (vec![place::nowhere(&error)], None),
        };
        let (mut checks, usable) = place::checks(self, &place);
        if !usable {
            checks.push(Check::note("store", "not looked at, as the state directory cannot be used"));
            return (checks, None);
        }
        let (found, examination) = store::checks(self, &place, STORE_PATIENCE);
        checks.extend(found);
        (checks, examination)
    }

    /// The checks, and whether hooks of ours are to speak.
    fn wired(&self) -> (Vec<Check>, bool) {
        let wiring: Wiring = wiring::read(&self.config.surroundings());
        let mut checks = vec![wired::plugin(&wiring), wired::once(&wiring), wired::programs(self, &wiring)];
        checks.extend(wired::team(self, &wiring));
        (checks, wiring.hooks().next().is_some() || wiring.plugin_is_on())
    }

    #[cfg(test)]
    fn for_tests() -> Doctor {
        let config = Config::read(Default::default(), &Default::default()).expect("nothing is set");
        Doctor { config, program: None }
    }
}

fn late(name: &'static str) -> Check {
    Check::warning(name, format!("not seen within {} ms: a disk that does not answer?", LOOKS_WITHIN.as_millis()))
        .fix("orch-mcp doctor")
}

fn begun<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(work()));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_takes_no_longer_than_two_seconds() {
        assert!(LOOKS_WITHIN + MENDS_WITHIN < Duration::from_secs(2));
        assert!(tools::PATIENCE < LOOKS_WITHIN && STORE_PATIENCE < LOOKS_WITHIN);
    }

    #[test]
    fn what_mends_is_for_the_same_state_directory() {
        let mut doctor = Doctor::for_tests();
        assert_eq!(doctor.mending(), "orch-mcp doctor --fix");
        doctor.config.state_dir =
            crate::config::Setting { value: Some(PathBuf::from("/a b")), source: Source::Flag("--state-dir") };
        assert_eq!(doctor.mending(), "orch-mcp doctor --fix --state-dir '/a b'");
    }
}
