//! The tree of commands: one for each operation, the older verbs, and what only a command line has.

use crate::claude::event::Event;
use crate::cli::aliases;
use crate::cli::aliases::Alias;
use crate::cli::args;
use crate::cli::args::Field;
use crate::cli::attach;
use crate::cli::cleanup;
use crate::cli::demo;
use crate::cli::doctor;
use crate::cli::exit;
use crate::cli::follow;
use crate::cli::graph;
use crate::cli::help;
use crate::cli::keep;
use crate::cli::land;
use crate::cli::launch;
use crate::cli::pipelines;
use crate::cli::plans;
use crate::cli::print::Format;
use crate::cli::report;
use crate::cli::repos;
use crate::cli::serve;
use crate::cli::setup;
use crate::cli::token;
use crate::cli::top;
use crate::config::PROFILES;
use crate::ops::Entry;
use crate::ops::OPERATIONS;
use crate::ops::table;
use clap::Arg;
use clap::ArgAction;
use clap::Command;
use clap::builder::PossibleValuesParser;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

pub(super) const PROGRAM: &str = "orch-mcp";

/// Names of the global flags. They hold a dot, so that no field of an operation is called so.
pub(super) const STATE_DIR: &str = "global.state_dir";
pub(super) const SERVER: &str = "global.server";
pub(super) const TOKEN_FILE: &str = "global.token_file";
pub(super) const CA: &str = "global.ca";
pub(super) const PLAIN_HTTP: &str = "global.plain_http";
pub(super) const JSON: &str = "global.json";
pub(super) const FORMAT: &str = "global.format";
pub(super) const COLOR: &str = "global.color";
pub(super) const QUIET: &str = "global.quiet";

pub(super) const SERVE: &str = "serve";
pub(super) const SETUP: &str = "setup";
pub(super) const CONFIG: &str = "config";
pub(super) const HOOK: &str = "hook";
pub(super) const DOCTOR: &str = "doctor";
pub(super) const COMPLETIONS: &str = "completions";
pub(super) const MAN: &str = "man";
pub(super) const TOKEN: &str = "token";
pub(super) const LAUNCH: &str = "launch";
pub(super) const TOP: &str = "top";
pub(super) const DEMO: &str = "demo";
pub(super) const LAND: &str = "land";
pub(super) const CLEANUP: &str = "cleanup";
pub(super) const REPOS: &str = "repos";
pub(super) const PIPELINES: &str = "pipelines";
pub(super) const REPORT: &str = "report";
pub(super) const ATTACH: &str = "attach";
pub(super) const LOGS: &str = "logs";
pub(super) const MONITOR: &str = "monitor";
pub(super) const GRAPH: &str = "graph";
pub(super) const IMPORT: &str = "import";
pub(super) const EXPORT: &str = "export";
pub(super) const SYNC: &str = "sync";
/// The name under which this program stands in for Claude Code.
pub(super) const STAND_IN: &str = "simulated-claude";
/// What the supervisor starts for each run of a worker.
pub(super) const KEEP: &str = "keep";
/// What the completion scripts call.
pub(super) const COMPLETE: &str = "__complete";

/// Commands that are no operations, as `--help` lists them.
pub(super) const OWN: &[(&str, &str)] = &[
    (SERVE, "Run the MCP server on standard input and output, or with `--http` for many"),
    (LAUNCH, "Start workers, and look after them"),
    (DEMO, "Watch simulated workers do a job; needs no key and no network"),
    (TOP, "Show all of it live, and answer from there"),
    (LAND, "Land finished branches one by one, checked, on the branch they are for"),
    (CLEANUP, "Remove worktrees and branches of ours that hold nothing, and old runs"),
    (PIPELINES, "Show which pipelines there are, or the file of one"),
    (REPOS, "Many repositories at once: how they stand, pull, build, test, run a workflow"),
    (REPORT, "Write a status report: done, doing, blocked, failures, cost, repositories, next steps"),
    (ATTACH, "Look at a worker's terminal, or learn how to take its session over"),
    (LOGS, "What a worker printed, and what happened to it"),
    (MONITOR, "Print everything that happens, as it does"),
    (IMPORT, "Take tasks in from files: specifications, boards, check lists, JSON, trackers"),
    (EXPORT, "Write tasks into files, as what `import` reads"),
    (SYNC, "Keep a folder of boards and specifications like the store, once or for long"),
    (GRAPH, "Draw what waits for what, as text, Mermaid, DOT, SVG or JSON"),
    (TOKEN, "Make, list and revoke tokens for `serve --http`"),
    (HOOK, "What the hooks of a Claude session run; `setup` writes them"),
    (SETUP, "Tell Claude Code or Claude Desktop of orch-mcp, or undo that"),
    (DOCTOR, "Check that all is as it should be, and say what mends it"),
    (CONFIG, "Show each setting, and where it came from"),
    (COMPLETIONS, "Print a completion script for bash, zsh or fish"),
    (MAN, "Print the manual, or write a page for each command"),
    ("help", "Print what a command does and takes"),
];

pub(super) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// An operation as a command calls it.
pub(super) struct Verb {
    pub(super) entry: &'static Entry,
    /// The older verb it was called by.
    pub(super) alias: Option<&'static Alias>,
}

impl Verb {
    pub(super) fn find(command: &str) -> Option<Verb> {
        if let Some(entry) = table::find(command) {
            return Some(Verb { entry, alias: None });
        }
        let alias = aliases::find(command)?;
        Some(Verb { entry: table::find(alias.operation)?, alias: Some(alias) })
    }

    /// The fields that are left to be given.
    pub(super) fn fields(&self) -> Vec<Field> {
        let preset = self.alias.map_or(&[][..], |alias| alias.preset);
        let mut fields = args::fields(self.entry);
        let without = self.alias.map_or(&[][..], |alias| alias.without);
        fields.retain(|field| preset.iter().all(|(name, _)| *name != field.name()));
        fields.retain(|field| !without.contains(&field.name()));
        fields
    }
}

/// The command of an operation.
pub(super) fn command_name(entry: &Entry) -> String {
    entry.name.replace('_', "-")
}

/// The whole tree.
pub(super) fn tree() -> Command {
    let operations = OPERATIONS.iter().map(operation);
    let older = aliases::ALIASES.iter().map(other_word);
    root().before_help(help::commands_by_noun()).subcommands(operations).subcommands(older).subcommands(own())
}

/// As much of the tree as this command line needs: the rest would cost every call more than its own command does.
pub(super) fn tree_for(arguments: &[OsString]) -> Command {
    let verb = command_word(arguments).and_then(|word| Some((word, Verb::find(word)?)));
    match verb {
        Some((_, Verb { entry, alias: None })) => root().subcommand(operation(entry)),
        Some((_, Verb { alias: Some(alias), .. })) => root().subcommand(other_word(alias)),
        None => match command_word(arguments).and_then(own_command) {
            Some(command) => root().subcommand(command),
            None => tree(),
        },
    }
}

fn own_command(word: &str) -> Option<Command> {
    own().into_iter().find(|command| command.get_name() == word)
}

/// The first word that is neither a flag nor its value.
pub(super) fn command_word(arguments: &[OsString]) -> Option<&str> {
    bare_words(arguments).next()
}

/// The word behind it, where that is a command below it.
pub(super) fn word_below(arguments: &[OsString]) -> Option<&str> {
    let mut words = bare_words(arguments);
    let (own, below) = (own_command(words.next()?)?, words.next()?);
    own.find_subcommand(below).map(|_| below)
}

/// What is neither a flag of every command nor the value of one.
fn bare_words(arguments: &[OsString]) -> impl Iterator<Item = &str> {
    let mut words = arguments.iter().skip(1).map_while(|word| word.to_str());
    std::iter::from_fn(move || {
        loop {
            match words.next()? {
                "--state-dir" | "--server" | "--token-file" | "--ca" | "--format" | "--color" | "--instance-id"
                | "-i" => drop(words.next()),
                flag if flag.starts_with('-') => {}
                word => return Some(word),
            }
        }
    })
}

/// Of the main help: clap knows one heading for all commands, so ours come as the text before.
const TEMPLATE: &str = "\
{about}

{usage-heading} {usage}

{before-help}Options, before or after the command:
{options}{after-help}";

fn root() -> Command {
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .override_usage("orch-mcp <COMMAND> [OPTIONS]")
        .help_template(TEMPLATE)
        .after_help(exit::TABLE)
        .max_term_width(help::WIDTH_MAX)
        .args(global_flags())
}

fn global_flags() -> Vec<Arg> {
    let flags = [
        Arg::new(args::INSTANCE_ID)
            .short('i')
            .long("instance-id")
            .alias(args::INSTANCE_ID)
            .value_name("ID")
            .help("Who is calling: the id or name of an instance [else ORCH_INSTANCE]"),
        Arg::new(STATE_DIR)
            .long("state-dir")
            .value_name("DIR")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Where everything is kept [else ORCH_STATE_DIR, else .orch of the repository]"),
        Arg::new(SERVER)
            .long("server")
            .value_name("URL")
            .help("Ask a server elsewhere instead: https://HOST, or unix:/PATH [else ORCH_SERVER]"),
        Arg::new(TOKEN_FILE)
            .long("token-file")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("What to show at its door [else ORCH_TOKEN, ORCH_TOKEN_FILE, what `setup` kept]"),
        Arg::new(CA)
            .long("ca")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Who may vouch for it, in PEM, beside those whom this machine trusts [else ORCH_CA]"),
        Arg::new(PLAIN_HTTP)
            .long("plain-http")
            .action(ArgAction::SetTrue)
            .help("Talk http:// to another machine, which all on the way can read [else ORCH_PLAIN_HTTP=1]"),
        Arg::new(JSON)
            .long("json")
            .action(ArgAction::SetTrue)
            .conflicts_with(FORMAT)
            .help("Answer in JSON, as happens anyway where no terminal shows it"),
        Arg::new(FORMAT)
            .long("format")
            .value_name("FORMAT")
            .value_parser(PossibleValuesParser::new(Format::WORDS))
            .help("How to answer"),
        Arg::new(COLOR)
            .long("color")
            .value_name("WHEN")
            .value_parser(PossibleValuesParser::new(["auto", "always", "never"]))
            .help("When to style what is printed"),
        Arg::new(QUIET)
            .short('q')
            .long("quiet")
            .action(ArgAction::SetTrue)
            .help("Print no notes on standard error, only errors"),
    ];
    flags.into_iter().map(|flag| flag.global(true).help_heading("Global options")).collect()
}

fn operation(entry: &'static Entry) -> Command {
    let command = Command::new(command_name(entry)).about(entry.about).defer(with_fields);
    // Agents know the operation by its tool.
    if entry.name.contains('_') { command.alias(entry.name) } else { command }
}

fn other_word(alias: &'static Alias) -> Command {
    let mut now = alias.operation.replace('_', "-");
    for (field, value) in alias.preset {
        now.push_str(&match *value {
            "true" => format!(" --{}", field.replace('_', "-")),
            value => format!(" --{} {}", field.replace('_', "-"), value.trim_matches('"')),
        });
    }
    let about = match alias.about {
        Some(about) => format!("{about} (short for `{now}`)"),
        None => {
            let about = table::find(alias.operation).map_or("", |entry| entry.about);
            format!("{about} (older name of `{now}`)")
        }
    };
    Command::new(alias.name).about(about).hide(true).defer(with_fields)
}

/// The flags of an operation. They are made only for the command that is asked for: a schema costs more than all else.
pub(super) fn with_fields(command: Command) -> Command {
    let Some(verb) = Verb::find(command.get_name()) else { return command };
    let fields = verb.fields();
    let mut command = command.args(args::flags(verb.entry, &fields));
    if let Some(help) = args::instance_id_help(verb.entry)
        && command.get_arguments().any(|arg| arg.get_id() == args::INSTANCE_ID)
    {
        command = command.mut_arg(args::INSTANCE_ID, |arg| arg.help(help));
    }
    let older: Vec<&str> = aliases::of_operation(verb.entry.name).map(|alias| alias.name).collect();
    if verb.alias.is_none() && !older.is_empty() {
        command = command.after_help(format!("Other names: {}", older.join(", ")));
    }
    match verb.alias.and_then(|alias| alias.footer) {
        Some(footer) => command.after_help(footer),
        None => command,
    }
}

/// Paragraphs without line ends inside of them: the terminal says where lines end. Lists stay as they are.
fn flowing(command: Command) -> Command {
    let Some(footer) = command.get_after_help().map(ToString::to_string) else { return command };
    let mut text = String::new();
    let mut before = "";
    for line in footer.lines() {
        let goes_on =
            [before, line].iter().all(|one| !one.is_empty() && !one.starts_with(' ')) && !before.ends_with(':');
        text.push_str(if text.is_empty() {
            ""
        } else if goes_on {
            " "
        } else {
            "\n"
        });
        text.push_str(line);
        before = line;
    }
    command.after_help(text)
}

fn own() -> Vec<Command> {
    let about = |name: &str| OWN.iter().find(|(own, _)| *own == name).map_or("", |(_, about)| about);
    let command = |name: &'static str| Command::new(name).about(about(name));
    let own = vec![
        command(SERVE)
            .arg(
                Arg::new("profile")
                    .long("profile")
                    .value_name("PROFILE")
                    .value_parser(PossibleValuesParser::new(PROFILES))
                    .help("Which tools to list [else ORCH_PROFILE, else lead]"),
            )
            .arg(
                Arg::new("also")
                    .long("also")
                    .value_name("TOOL")
                    .action(ArgAction::Append)
                    .value_parser(PossibleValuesParser::new(OPERATIONS.iter().map(|entry| entry.name)))
                    .hide_possible_values(true)
                    .help("A tool to list besides; again for more"),
            )
            .arg(Arg::new("channel").long("channel").action(ArgAction::SetTrue).help(
                "Ring idle sessions by `claude/channel` first, a preview that a client must be told to listen to",
            ))
            .args(serve::http_flags())
            .after_help(help::SERVE_FOOTER),
        command(HOOK)
            .arg(
                Arg::new("event")
                    .required(true)
                    .value_name("EVENT")
                    .value_parser(PossibleValuesParser::new(Event::words()))
                    .help("What happened; the client tells more in JSON on standard input"),
            )
            .arg(Arg::new("join").long("join").action(ArgAction::SetTrue).help("Join also where no team is yet"))
            .arg(Arg::new("name").long("name").value_name("NAME").help("The name to join under [else ORCH_INSTANCE]"))
            .arg(Arg::new("role").long("role").value_name("ROLE").help("The role to join in [else ORCH_ROLE]"))
            .after_help(help::HOOK_FOOTER),
        token::with_flags(command(TOKEN)),
        launch::with_flags(command(LAUNCH)),
        top::with_flags(command(TOP)),
        demo::with_flags(command(DEMO)),
        land::with_flags(command(LAND)),
        cleanup::with_flags(command(CLEANUP)),
        pipelines::with_flags(command(PIPELINES)),
        repos::with_flags(command(REPOS)),
        report::with_flags(command(REPORT)),
        attach::with_flags(command(ATTACH)),
        follow::with_logs_flags(command(LOGS)),
        command(MONITOR),
        graph::with_flags(command(GRAPH)),
        plans::with_import_flags(command(IMPORT)),
        plans::with_export_flags(command(EXPORT)),
        plans::with_sync_flags(command(SYNC)),
        setup::with_flags(command(SETUP)),
        doctor::with_flags(command(DOCTOR)),
        command(CONFIG),
        command(COMPLETIONS).arg(shell()).after_help(help::COMPLETIONS_FOOTER),
        command(MAN)
            .arg(Arg::new("command").value_name("COMMAND").help("The command whose page to print; else the main page"))
            .arg(
                Arg::new("out")
                    .long("out")
                    .value_name("DIR")
                    .value_parser(clap::value_parser!(PathBuf))
                    .conflicts_with("command")
                    .help("Write every page into this directory"),
            ),
        hidden_keep(),
        Command::new(COMPLETE)
            .hide(true)
            .about("Print what may stand at the end of a command line")
            .arg(shell())
            .arg(Arg::new("words").num_args(0..).last(true).value_parser(clap::value_parser!(OsString))),
    ];
    own.into_iter().chain(repos::older()).map(flowing).collect()
}

/// Was this program called by the name of the one that it stands in for?
pub(super) fn is_stand_in(arguments: &[OsString]) -> bool {
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    called.is_some_and(|name| name == STAND_IN)
}

fn hidden_keep() -> Command {
    keep::with_flags(Command::new(KEEP).hide(true).about("Keep a run of a worker, from its beginning to its end"))
}

fn shell() -> Arg {
    Arg::new("shell")
        .required(true)
        .value_name("SHELL")
        .value_parser(PossibleValuesParser::new(SHELLS))
        .help("Which shell")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_whole_tree_holds_together() {
        tree().debug_assert();
    }

    #[test]
    fn every_operation_and_every_older_verb_is_a_command() {
        let tree = tree();
        for entry in OPERATIONS {
            assert!(tree.find_subcommand(command_name(entry)).is_some(), "{entry:?}");
            assert!(tree.find_subcommand(entry.name).is_some(), "{entry:?} as the tool spells it");
        }
        for alias in aliases::ALIASES {
            let command = tree.find_subcommand(alias.name).expect("every older verb is a command");
            assert!(command.is_hide_set(), "{}", alias.name);
        }
        for (name, _) in OWN.iter().filter(|(name, _)| *name != "help") {
            assert!(tree.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_command_is_found_behind_global_flags() {
        assert_eq!(command_word(&words("orch-mcp claim-task --json")), Some("claim-task"));
        assert_eq!(command_word(&words("orch-mcp --json -i bob --state-dir /s tasks")), Some("tasks"));
        assert_eq!(command_word(&words("orch-mcp --format=ids tasks")), Some("tasks"));
        assert_eq!(command_word(&words("orch-mcp --json")), None);
    }

    #[test]
    fn global_flags_stand_before_or_behind_the_command() {
        for line in [
            "orch-mcp --state-dir /s -i bob --json server-status",
            "orch-mcp server-status --json --state-dir /s -i bob",
        ] {
            let matches = tree_for(&words(line)).try_get_matches_from(words(line)).expect(line);
            assert!(matches.get_flag(JSON));
            assert_eq!(matches.get_one::<PathBuf>(STATE_DIR), Some(&PathBuf::from("/s")));
            assert_eq!(matches.get_one::<String>(args::INSTANCE_ID).map(String::as_str), Some("bob"));
        }
    }
}
