//! `orch-mcp import`, `export` and `sync`: tasks out of files, into files, and both kept alike.

mod bring;
mod given;
mod out;
mod sync;
mod told;
mod watch;

use crate::cli::Run;
use crate::cli::commands;
use crate::error::Error;
use crate::error::Result;
use crate::plan::Kind;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;

const IMPORT_FOOTER: &str = "\
What a file is, is told by what is in it: specifications (`# Task: …`), boards (backlog.md, active.md, completed.md), a check
list (`- [ ] …`), JSON, JSONL, the JSONL of beads, task lists of Claude Code, issues as `gh issue list --json` or Forgejo
give them. Of a folder, all .md, .json and .jsonl files are read but README.md.

`--kind claude-tasks` without a path takes the task lists of this session, else those of all sessions of this project.

A key is a name within its file. A file that was moved, a copy that says the same and what `export` wrote are known again; where
another file gave the same name to a task and it cannot be known whether that is meant, nothing is imported: say --same or --new.

All of it is taken in or nothing. A second time nothing changes; later, what only the file changed is taken over, and what
somebody changed here stays and is told. It exits with 2 if a file has a fault: each is told with its file and line.";

const EXPORT_FOOTER: &str = "\
Without --out one file goes to standard output. Boards, and specifications of which each has a file of its own, go to a folder.
What was exported can be imported again, here or into another team: here nothing changes by it. JSON and JSONL keep all that a
task says; of the others, what they have no place for is told on standard error. Nothing is written through a link.";

pub(super) fn with_import_flags(command: Command) -> Command {
    let paths = Arg::new("path").value_name("PATH").num_args(0..).value_parser(clap::value_parser!(PathBuf));
    command
        .arg(paths.help("Files and folders; `-` reads standard input"))
        .arg(kind("What they are [else told by what is in them]", Kind::ALL.to_vec()))
        .arg(job("The job that new tasks become part of"))
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Only show what would change, field by field"),
        )
        .arg(meant("same", "What another file gave the same names are the same tasks").conflicts_with("new"))
        .arg(meant("new", "What another file gave the same names are other tasks: these are new"))
        .after_help(IMPORT_FOOTER)
}

pub(super) fn with_export_flags(command: Command) -> Command {
    let written = Kind::ALL.into_iter().filter(|kind| kind.is_written()).collect();
    command
        .arg(kind("As what [else as the name of --out ends, else json]", written))
        .arg(job("Only the tasks of this job [else all]"))
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("PATH")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The file or folder to write"),
        )
        .after_help(EXPORT_FOOTER)
}

const SYNC_FOOTER: &str = "\
In FOLDER stand backlog.md, active.md and completed.md, which people read in review; in FOLDER/specs may stand specifications.
First what people wrote into the files is taken in, then the boards are written from the store. The store stays the truth: what
was changed in both is told, and stays as it is there. What stands before the first entry of a board is left alone, and so is
what completed.md says of tasks that are over, but for the day where that is missing; headings between entries stay, each with what
stands below it. While a file has a fault, which is told with its line, no board is written; nor is one that is a link.

It exits with 2 if a file has a fault.";

pub(super) fn with_sync_flags(command: Command) -> Command {
    let folder = Arg::new("folder").value_name("FOLDER").required(true).value_parser(clap::value_parser!(PathBuf));
    let specs = Arg::new("specs").long("specs").value_name("DIR").value_parser(clap::value_parser!(PathBuf));
    command
        .arg(folder.help("Where the boards are, or are to be"))
        .arg(specs.help("Where specifications are [else FOLDER/specs]"))
        .arg(job("Only the tasks of this job; what is new becomes part of it"))
        .arg(
            Arg::new("watch")
                .long("watch")
                .action(ArgAction::SetTrue)
                .help("Go on whenever a file or a task changes, until Ctrl+C"),
        )
        .after_help(SYNC_FOOTER)
}

fn kind(help: &'static str, kinds: Vec<Kind>) -> Arg {
    let words = PossibleValuesParser::new(kinds.into_iter().map(Kind::word));
    Arg::new("kind").long("kind").value_name("KIND").value_parser(words).help(help)
}

fn meant(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn job(help: &'static str) -> Arg {
    Arg::new("job").long("job").value_name("JOB").help(help)
}

fn kind_of(matches: &ArgMatches) -> Result<Option<Kind>> {
    let word = matches.get_one::<String>("kind");
    word.map(|word| word.parse()).transpose().map_err(Error::invalid)
}

impl Run<'_> {
    pub(super) fn plans(&self, name: &str, matches: &ArgMatches) -> Result<u8> {
        match name {
            commands::IMPORT => self.bring_in(matches),
            commands::EXPORT => self.tell_out(matches),
            commands::SYNC => self.sync(matches),
            _ => Err(Error::internal(format!("the command `{name}` is in the tree and nowhere else"))),
        }
    }
}
