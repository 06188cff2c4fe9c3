//! `orch-mcp repos`: many repositories at once. How they stand, bringing them up to date, running a workflow over them, and the
//! registry in and out of the files of older tools.

mod exchange;
mod guard;
mod keep;
mod mend;
mod older;
mod show;
mod turn;
mod work;

use crate::cli::Run;
use crate::cli::signals;
use crate::config::Repositories;
use crate::error::Error;
use crate::error::Result;
use crate::model::registry::Repo;
use crate::store::doorbell::Hangup;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const STATUS: &str = "status";
const SCAN: &str = "scan";
const PULL: &str = "pull";
const BUILD: &str = "build";
const TEST: &str = "test";
const TEST_ALL: &str = "test-all";
const RUN: &str = "run";
const IMPORT: &str = "import";
const EXPORT: &str = "export";

/// Commands of an older tool, which are free here. Its `status` is another one of ours.
pub(super) const OLDER: &[&str] = &[SCAN, BUILD, TEST, TEST_ALL];

const FOOTER: &str = "\
Repositories and workflows stand in orch.toml:
  [repos.api]
  path = \"~/src/api\"
  language = \"go\"
  sequential = [\"test\"]

  [workflows.test]
  commands.go = \"go test ./...\"
  commands.any = { shell = \"make test | tail\" }

A command is words for a program, with no shell unless it asks for one. Its gaps ({{name}}, {{path}}, {{remote}}, {{platform}},
{{default_branch}}, {{language}}, {{tags}}, {{workflow}}) are filled word by word. What the rules of safety
stand against is refused or asked about before anything is run.

It exits with 0 if all went well, 1 if something failed or a repository is not there, 3 if there is no such repository, tag
or workflow, 4 if `pull` left one alone, 5 if there was nothing to run, 8 if a rule of safety stands against it,
130 after Ctrl+C.";

/// To look at one, or to pull it.
const LOOK_SECS: u64 = 20;
const PULL_SECS: u64 = 120;
const SECS_MAX: u64 = 24 * 60 * 60;

pub(super) fn with_flags(command: Command) -> Command {
    let one = |name: &'static str| with_flags_of(name, Command::new(name).about(about(name)));
    let all = [STATUS, SCAN, PULL, BUILD, TEST, TEST_ALL, RUN, IMPORT, EXPORT];
    let keep = keep::with_flags(Command::new(keep::NAME).about("Keep a repository for a command that runs there"));
    command.subcommands(all.map(one)).subcommand(keep).after_help(FOOTER)
}

/// The same by themselves, for who knows them so.
pub(super) fn older() -> impl Iterator<Item = Command> {
    OLDER.iter().map(|name| {
        let about = format!("{} (older name of `repos {name}`)", about(name));
        with_flags_of(name, Command::new(*name).about(about).hide(true))
    })
}

fn about(name: &str) -> &'static str {
    match name {
        STATUS => "Branch, ahead and behind, changes, stashes and last commit of each (also without a word)",
        SCAN => "The same, written to repos/repo-status.json in the state directory",
        PULL => "Move each forward to its upstream, where nothing is in the way; says why one was left alone",
        BUILD => "Run the workflow `build`",
        TEST => "Run the workflow `test` in the repositories that are named",
        TEST_ALL => "Run the workflow `test` in all of them",
        RUN => "Run a workflow: the command that it has for the language of each repository",
        IMPORT => "Take repositories and workflows from repos.json or workflows.json into orch.toml",
        _ => "Print the registry as repos.json, or as workflows.json",
    }
}

fn with_flags_of(name: &str, command: Command) -> Command {
    let switch = |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let names = Arg::new("name").value_name("NAME").num_args(0..).help("Only these [else all]");
    let tags = Arg::new("tag")
        .long("tag")
        .value_name("TAG")
        .action(ArgAction::Append)
        .help("Only those with this tag; again for others");
    let within = |help: String| {
        let secs = clap::value_parser!(u64).range(1..=SECS_MAX);
        Arg::new("within").long("within").value_name("SECONDS").value_parser(secs).help(help)
    };
    let for_work = |command: Command| {
        command
            .arg(within("What takes longer is ended, and what waits longer for its turn is not begun [else `minutes` of the workflow, else an hour]".to_owned()))
            .arg(switch("task", "Make a task of each failure, once for each commit"))
            .arg(switch("yes", "Also what the rules of safety would ask about"))
            .arg(switch("dry-run", "Only say what would be run"))
            .arg(switch("here", "In the worktree of that repository in which you are, and not where it is registered"))
    };
    match name {
        STATUS | SCAN => {
            command.args([names, tags, within(format!("For each to be looked at [default: {LOOK_SECS}]"))])
        }
        PULL => command.args([names, tags, within(format!("For each [default: {PULL_SECS}]"))]),
        BUILD => for_work(command.args([names, tags])),
        TEST => for_work(command.arg(names.required(true).num_args(1..).help("In these"))),
        TEST_ALL => for_work(command.arg(tags)),
        RUN => {
            let workflow = Arg::new("workflow").value_name("WORKFLOW").required(true).help("Which");
            for_work(command.args([workflow, names, tags]))
        }
        IMPORT => command
            .arg(
                Arg::new("file")
                    .value_name("FILE")
                    .required(true)
                    .num_args(1..)
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("repos.json, workflows.json"),
            )
            .arg(switch("dry-run", "Only show what would change in orch.toml")),
        _ => command.arg(switch("workflows", "The workflows instead of the repositories")),
    }
}

impl Run<'_> {
    pub(super) fn repos(&self, matches: &ArgMatches) -> Result<u8> {
        match matches.subcommand() {
            Some((name, given)) => self.repos_by(name, given),
            None => self.repos_status(None, false),
        }
    }

    /// A command by its name, below `repos` or by itself.
    pub(super) fn repos_by(&self, name: &str, given: &ArgMatches) -> Result<u8> {
        match name {
            STATUS => self.repos_status(Some(given), false),
            SCAN => self.repos_status(Some(given), true),
            PULL => self.repos_pull(given),
            BUILD => self.repos_work(BUILD, given),
            TEST | TEST_ALL => self.repos_work(TEST, given),
            RUN => self.repos_work(given.get_one::<String>("workflow").map_or("", String::as_str), given),
            IMPORT => self.repos_import(given),
            EXPORT => self.repos_export(given),
            keep::NAME => self.repos_keep(given),
            _ => Err(Error::internal(format!("the command `repos {name}` is in the tree and nowhere else"))),
        }
    }
}

fn texts(given: &ArgMatches, name: &str) -> Vec<String> {
    given.try_get_many::<String>(name).ok().flatten().into_iter().flatten().cloned().collect()
}

fn secs(given: Option<&ArgMatches>) -> Option<Duration> {
    given?.try_get_one::<u64>("within").ok().flatten().copied().map(Duration::from_secs)
}

/// Those that the words of the command mean, each with where it lies.
fn chosen<'a>(all: &'a Repositories, names: &[String], tags: &[String]) -> Result<Vec<(&'a Repo, PathBuf)>> {
    let chosen = all.registry.chosen(names, tags)?;
    let place = |repo| {
        let dir: PathBuf = all.dir(repo)?;
        // One that is not there is shown as it was written.
        Ok((repo, dir.canonicalize().unwrap_or(dir)))
    };
    chosen.into_iter().map(place).collect()
}

/// Commands keep a core busy each.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// From now on Ctrl+C, a closed terminal or the end of whoever started us ends what we started, and then us.
fn hung_up_on_ctrl_c() -> Result<Hangup> {
    let hangup = Hangup::new();
    let mut signals = signals::that_end()?;
    let tell = hangup.clone();
    thread::spawn(move || signals.forever().for_each(|_| tell.hang_up()));
    Ok(hangup)
}
