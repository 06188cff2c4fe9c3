//! `orch-mcp keep`: the process that keeps a run of a worker. The supervisor starts it; people never need to.

use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::keep::keeper;
use crate::keep::keeper::Keeping;
use crate::keep::run::RunDir;
use crate::keep::set_up;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use std::path::PathBuf;
use std::time::Duration;

const GRACE_SECS: &str = "10";

pub(super) fn with_flags(command: Command) -> Command {
    let number = |name: &'static str| Arg::new(name).long(name).value_name("N").value_parser(clap::value_parser!(u64));
    command
        .arg(
            Arg::new("dir")
                .required(true)
                .value_name("DIR")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The directory of the run, in which `start.json` says what to run"),
        )
        .arg(number("grace-secs").default_value(GRACE_SECS).help("How long what is left may take to end"))
        .arg(
            Arg::new("terminal")
                .long("terminal")
                .action(ArgAction::SetTrue)
                .help("Leave this terminal to the program, and copy nothing"),
        )
        .arg(number("stream-bytes").help("How long a file with what it prints becomes"))
        .arg(number("errors-bytes").help("The same for its standard error"))
        .arg(
            Arg::new("inner")
                .long("inner")
                .value_name("PID")
                .value_parser(clap::value_parser!(u32))
                .help("Become the program, for the keeper with this number"),
        )
}

/// Says how the process is to end.
pub(super) fn run(program: PathBuf, matches: &ArgMatches) -> Result<u8> {
    let dir = matches.get_one::<PathBuf>("dir").cloned().unwrap_or_default();
    let run = RunDir::at(dir);
    if let Some(keeper) = matches.get_one("inner") {
        keeper::become_program(&run, *keeper, matches.get_flag("terminal"), |start| set_up::make_ready(&run, start));
        return Ok(keeper::NOT_STARTED);
    }
    let grace = Duration::from_secs(*matches.get_one("grace-secs").expect("it has a default"));
    let mut keeping = Keeping::new(run, program, grace);
    keeping.terminal = matches.get_flag("terminal");
    keeping.stream_bytes = matches.get_one("stream-bytes").copied().unwrap_or(keeping.stream_bytes);
    keeping.errors_bytes = matches.get_one("errors-bytes").copied().unwrap_or(keeping.errors_bytes);
    match keeper::keep(&Host::System, &keeping) {
        Ok(Some(_)) => Ok(super::exit::DONE),
        Ok(None) => Err(Error::invalid("the run has been taken up before").hint("make a directory for each run")),
        Err(cause) => Err(Error::internal(cause)),
    }
}
