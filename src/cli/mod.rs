//! The command line: a command for each operation, made from the one table, and what only a terminal does.

mod aliases;
mod args;
mod attach;
mod bar;
mod cleanup;
mod commands;
mod complete;
mod demo;
mod desk;
mod doctor;
mod exit;
mod field_help;
mod follow;
mod graph;
mod help;
mod hook;
mod input;
mod keep;
mod land;
mod launch;
mod led;
mod left;
mod lines;
mod man;
mod pipelines;
mod plans;
mod print;
mod rehearse;
mod report;
mod repository;
mod repos;
mod roles;
mod rules;
mod serve;
mod setup;
mod signals;
mod spelling;
mod stand;
mod stop;
mod tally;
mod token;
mod top;
mod true_path;
mod usage;

use crate::claude::event::Event;
use crate::cli::commands::Verb;
use crate::cli::input::Input;
use crate::cli::print::Answer;
use crate::cli::print::Format;
use crate::cli::print::LogWriter;
use crate::cli::print::Printer;
use crate::cli::spelling::Spelling;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Flags;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Entry;
use crate::ops::Noun;
use crate::ops::caller::Origin;
use crate::ops::table;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::store::doorbell::Hangup;
use clap::ArgMatches;
use clap::error::ErrorKind;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs one command line to its end.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::of_process();
    if commands::is_stand_in(&arguments) {
        return ExitCode::from(stand_in(&arguments, &environment));
    }
    let code = match commands::tree_for(&arguments).try_get_matches_from(&arguments) {
        Ok(matches) => matched(&matches, &arguments, &environment),
        Err(refusal) => not_matched(&refusal, &arguments, &environment),
    };
    ExitCode::from(code)
}

/// This program in the place of Claude Code.
fn stand_in(arguments: &[OsString], environment: &Environment) -> u8 {
    let done = Config::read(Flags::default(), environment).and_then(|config| launch::stand_in(arguments, &config));
    done.unwrap_or_else(|error| {
        Printer::new(None, false, |_| false).error(commands::STAND_IN, &error);
        exit::of_error(error.kind)
    })
}

fn matched(matches: &ArgMatches, typed: &[OsString], environment: &Environment) -> u8 {
    if let Some((commands::COMPLETE, matches)) = matches.subcommand() {
        return complete(matches, environment);
    }
    if let Some((commands::HOOK, matches)) = matches.subcommand() {
        return run_hook(matches, environment);
    }
    let given = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let printer = printer(given, environment);
    let name = matches.subcommand_name().unwrap_or(commands::PROGRAM);
    let done = Config::read(flags(given), environment).and_then(|config| {
        log_as_told(&config);
        let run = Run { config, printer: &printer, typed };
        run.command(matches)
    });
    done.unwrap_or_else(|error| {
        let below = matches.subcommand().and_then(|(_, below)| below.subcommand_name());
        let whole = below.map_or(name.to_owned(), |below| format!("{name} {below}"));
        printer.error(&whole, &Spelling::of(name, typed).error(&error));
        exit::of_error(error.kind)
    })
}

/// A hook that ends with an error would be shown to a person, or even stop the session.
fn run_hook(matches: &ArgMatches, environment: &Environment) -> u8 {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let Some(event) = text("event").as_deref().and_then(Event::of_word) else { return exit::DONE };
    let wish = hook::Wish { join: matches.get_flag("join"), name: text("name"), role: text("role") };
    match Config::read(flags(matches), environment) {
        Ok(config) => {
            log_as_told(&config);
            hook::run(config, event, wish, &Printer::new(None, true, |_| false))
        }
        Err(_) => exit::DONE,
    }
}

/// Of our own as much as was asked for. Others write whole messages and headers into the log, with all that is in them: of
/// theirs only what is wrong.
fn log_as_told(config: &Config) {
    let level = config.log.value;
    let wanted = FilterFn::new(move |event| {
        let most = if event.target().starts_with("orch_mcp") { level } else { level.min(LevelFilter::WARN) };
        *event.level() <= most
    });
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| LogWriter);
    tracing_subscriber::registry().with(layer.with_filter(wanted.with_max_level_hint(level))).init();
}

fn flags(matches: &ArgMatches) -> Flags {
    Flags {
        state_dir: matches.get_one(commands::STATE_DIR).cloned(),
        instance: matches.get_one(args::INSTANCE_ID).cloned(),
        profile: matches.try_get_one("profile").ok().flatten().cloned(),
        server: matches.get_one(commands::SERVER).cloned(),
        token_file: matches.get_one(commands::TOKEN_FILE).cloned(),
        ca: matches.get_one(commands::CA).cloned(),
        plain_http: matches.get_flag(commands::PLAIN_HTTP),
    }
}

fn printer(matches: &ArgMatches, environment: &Environment) -> Printer {
    let word = matches.get_one::<String>(commands::FORMAT).map(String::as_str);
    let format = if matches.get_flag(commands::JSON) { Some(Format::Json) } else { word.and_then(Format::of_word) };
    let color = matches.get_one::<String>(commands::COLOR).map(String::as_str);
    Printer::new(format, matches.get_flag(commands::QUIET), |terminal| match color {
        Some("always") => true,
        Some("never") => false,
        _ => environment.wants_style(terminal),
    })
}

/// Help and version were asked for, or the command line made no sense.
fn not_matched(refusal: &clap::Error, arguments: &[OsString], environment: &Environment) -> u8 {
    let printer = Printer::new(format_asked_for(arguments), false, |terminal| environment.wants_style(terminal));
    match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => written(printer.text(&refusal.render().to_string()))
            .map_or_else(|error| exit::of_error(error.kind), |()| exit::DONE),
        _ => {
            let command = page(arguments);
            let command = command.as_deref();
            let error = Spelling::of(commands::PROGRAM, arguments).error(&usage::error(refusal, command));
            printer.error(command.unwrap_or(commands::PROGRAM), &error);
            // Wiring that is newer than this program must not stop anybody's session.
            if command == Some(commands::HOOK) { exit::DONE } else { exit::USAGE }
        }
    }
}

/// What `help` calls this command, where it can tell more about it.
fn page(arguments: &[OsString]) -> Option<String> {
    let word = commands::command_word(arguments)?;
    if let Some(below) = commands::word_below(arguments) {
        return Some(format!("{word} {below}"));
    }
    if repos::OLDER.contains(&word) {
        return Some(format!("{} {word}", commands::REPOS));
    }
    let is_own = || commands::OWN.iter().any(|(name, _)| *name == word && word != "help");
    (Verb::find(word).is_some() || is_own()).then(|| word.to_owned())
}

/// The format, read from a command line that could not be read as a whole.
fn format_asked_for(arguments: &[OsString]) -> Option<Format> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    if words.contains(&"--json") {
        return Some(Format::Json);
    }
    let after_flag = words.windows(2).find(|pair| pair[0] == "--format").map(|pair| pair[1]);
    let in_flag = words.iter().find_map(|word| word.strip_prefix("--format="));
    after_flag.or(in_flag).and_then(Format::of_word)
}

/// Completion never complains: whoever pressed a key did not ask for an error.
fn complete(matches: &ArgMatches, environment: &Environment) -> u8 {
    let shell = matches.get_one::<String>("shell").map_or("", String::as_str);
    let words: Vec<OsString> = matches.get_many("words").into_iter().flatten().cloned().collect();
    let lines = complete::lines(shell, &words, environment);
    let _ = Printer::new(None, true, |_| false).text(&lines);
    exit::DONE
}

fn written(result: io::Result<()>) -> Result<()> {
    result.map_err(|error| {
        Error::new(Kind::Internal, format!("the answer cannot be written to standard output: {error}"))
    })
}

/// One command with its settings.
struct Run<'a> {
    config: Config,
    printer: &'a Printer,
    typed: &'a [OsString],
}

impl Run<'_> {
    fn command(&self, matches: &ArgMatches) -> Result<u8> {
        match matches.subcommand() {
            None => self.nothing_asked(),
            Some((commands::SERVE, matches)) => serve::run(&self.config, matches, self.printer).map(|()| exit::DONE),
            Some((commands::TOKEN, matches)) => self.token(matches),
            Some((commands::LAUNCH, matches)) => self.launch(matches),
            Some((commands::ATTACH, matches)) => self.attach(matches),
            Some((commands::LOGS, matches)) => self.logs(matches),
            Some((commands::MONITOR, _)) => self.monitor(),
            Some((name @ (commands::IMPORT | commands::EXPORT | commands::SYNC), matches)) => self.plans(name, matches),
            Some((commands::GRAPH, matches)) => self.graph(matches),
            Some((commands::DEMO, matches)) => self.demo(matches),
            Some((commands::TOP, matches)) => self.top(matches),
            Some((commands::LAND, matches)) => self.land(matches),
            Some((commands::CLEANUP, matches)) => self.cleanup(matches),
            Some((commands::PIPELINES, matches)) => self.pipelines(matches),
            Some((commands::REPOS, matches)) => self.repos(matches),
            Some((commands::REPORT, matches)) => self.report(matches),
            Some((name, matches)) if repos::OLDER.contains(&name) => self.repos_by(name, matches),
            Some((commands::KEEP, matches)) => keep::run(self.config.running()?, matches),
            Some((commands::SETUP, matches)) => setup::run(&self.config, self.printer, matches, self.typed),
            Some((commands::CONFIG, _)) => self.show_config(),
            Some((commands::DOCTOR, matches)) => doctor::run(&self.config, self.printer, matches, self.typed),
            Some((commands::COMPLETIONS, matches)) => {
                let shell = matches.get_one::<String>("shell").map_or("", String::as_str);
                written(self.printer.text(complete::script(shell))).map(|()| exit::DONE)
            }
            Some((commands::MAN, matches)) => self.manual(matches),
            Some((name, matches)) => match Verb::find(name) {
                Some(verb) => self.operation(&verb, matches),
                None => Err(Error::internal(format!("the command `{name}` is in the tree and nowhere else"))),
            },
        }
    }

    fn operation(&self, verb: &Verb, matches: &ArgMatches) -> Result<u8> {
        let mut stdin = io::stdin().lock();
        let mut arguments =
            args::arguments(verb.entry, &verb.fields(), matches, &mut Input::new(&mut stdin, self.typed))?;
        for (field, value) in verb.alias.map_or(&[][..], |alias| alias.preset) {
            arguments.insert((*field).to_owned(), serde_json::from_str(value).map_err(Error::internal)?);
        }
        stop::must_name_some(verb.entry, &arguments)?;
        let is_all = stop::names_all(verb.entry, &arguments);
        let reply = match bar::waits_for_a_job(verb.entry) {
            true => self.wait_for_a_job(verb.entry, arguments),
            false => self.execute(verb.entry, arguments),
        };
        let mut reply = reply.map_err(|error| if is_all { stop::with_the_flag(error) } else { error })?;
        let ended = self.ends_the_rest(verb.entry, &mut reply)?;
        match ended {
            Some(text) => self.print_as(&reply, &|| text.clone())?,
            None => self.print(&reply)?,
        }
        self.note_unknown_role(verb.entry, &reply);
        // Commands about messages have just said so themselves.
        let unread = reply.unread.filter(|unread| *unread > 0 && verb.entry.noun != Noun::Messages);
        if let Some(unread) = unread {
            self.printer.aside(&unread_note(unread));
        }
        Ok(match bar::waits_for_a_job(verb.entry) {
            true => bar::exit_code(&reply),
            false => exit::of_outcome(reply.outcome),
        })
    }

    /// Does a person sit before this terminal, who could look at a screen?
    fn is_watched(&self) -> bool {
        self.printer.person_reads() && self.config.caller(Host::System).origin == Origin::Human
    }

    /// An operation of our own.
    fn ask_own(&self, operation: &str, arguments: Value) -> Result<Reply> {
        self.carry_out(&table::own_request(operation, arguments)?)
    }

    fn execute(&self, entry: &'static Entry, arguments: Map<String, Value>) -> Result<Reply> {
        self.carry_out(&entry.request(arguments)?)
    }

    fn carry_out(&self, request: &Request) -> Result<Reply> {
        let desk = desk::of(&self.config, Host::System)?;
        desk.execute(request, &self.config.caller(Host::System), &Hangup::new())
    }

    /// The last workers are to end, and nobody looks after them who would see to it. Says what to tell then.
    fn ends_the_rest(&self, entry: &Entry, reply: &mut Reply) -> Result<Option<String>> {
        let is_unsupervised = entry.name == "stop_workers" && reply.data["note"].is_string();
        if !is_unsupervised || self.config.server.value.is_some() {
            return Ok(None);
        }
        let left = self.ask_own("list_workers", json!({}))?.data;
        if left["workers"].as_array().is_some_and(|all| all.iter().any(|worker| worker["wanted"] == true)) {
            return Ok(None);
        }
        self.sees_them_end()?;
        reply.data.as_object_mut().map(|data| data.remove("note"));
        let names: Vec<&str> =
            reply.data["stopped"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Ok(Some(if names.is_empty() {
            "what still ran has ended\n".to_owned()
        } else {
            format!("ended: {}\n", names.join(", "))
        }))
    }

    fn print(&self, reply: &Reply) -> Result<()> {
        self.print_as(reply, &|| reply.text())
    }

    fn print_as(&self, reply: &Reply, text: &dyn Fn() -> String) -> Result<()> {
        let answer = Answer { data: &reply.data, ids: &reply.ids, unread: reply.unread, text };
        written(self.printer.answer(&answer))?;
        if let Some(rest) = left_out(&reply.data).filter(|_| matches!(self.printer.format, Format::Ids | Format::Jsonl))
        {
            self.printer.note(&rest);
        }
        Ok(())
    }

    /// A person gets to know how things stand and what to type next; a script that forgot its command gets an error.
    fn nothing_asked(&self) -> Result<u8> {
        if !self.printer.person_reads() {
            self.printer.help_on_stderr(&commands::tree().render_help().to_string());
            return Ok(exit::USAGE);
        }
        let Some(entry) = table::find("server_status") else {
            return Err(Error::internal("there is no operation `server_status`"));
        };
        let reply = self.execute(entry, Map::new())?;
        self.print(&reply)?;
        self.printer.note(&format!("\nNext:\n{}", next_commands(&reply.data, reply.unread).join("\n")));
        Ok(exit::DONE)
    }

    fn show_config(&self) -> Result<u8> {
        let settings = self.config.settings()?;
        let rows: Vec<Value> = settings
            .iter()
            .map(|setting| json!({ "name": setting.name, "value": setting.value, "source": setting.source }))
            .collect();
        let ids: Vec<String> = settings.iter().map(|setting| setting.name.to_string()).collect();
        let text = || {
            let value = |setting: &crate::config::Shown| setting.value.clone().unwrap_or_else(|| "-".to_owned());
            let width = settings.iter().map(|setting| value(setting).chars().count()).max().unwrap_or(0);
            let names = settings.iter().map(|setting| setting.name.chars().count()).max().unwrap_or(0);
            let row = |name: &str, value: &str, from: &str| format!("{name:names$}  {value:width$}  {from}\n");
            let rows = settings.iter().map(|setting| row(&setting.name, &value(setting), &setting.source));
            std::iter::once(row("SETTING", "VALUE", "FROM")).chain(rows).collect()
        };
        let data = json!({ "settings": rows });
        written(self.printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))?;
        Ok(exit::DONE)
    }

    fn manual(&self, matches: &ArgMatches) -> Result<u8> {
        match matches.get_one::<PathBuf>("out") {
            Some(dir) => {
                let pages = man::write_pages(dir, &|page| self.must_be_free_to_write(page))?;
                self.printer.note(&format!("wrote {} pages to {}", pages.len(), dir.display()));
            }
            None => {
                let page = man::page(matches.get_one::<String>("command").map(String::as_str))?;
                written(self.printer.text(&page))?;
            }
        }
        Ok(exit::DONE)
    }
}

/// Forms that print only the elements have no place to say that there are more.
fn left_out(data: &Value) -> Option<String> {
    let cursor = match data.get("cursor")? {
        Value::String(cursor) => cursor.clone(),
        Value::Number(cursor) => cursor.to_string(),
        _ => return None,
    };
    match (&data["total"], &data["more"]) {
        (Value::Number(total), _) => Some(format!("of {total} in all; the next page: --cursor {cursor}")),
        (_, Value::Bool(true)) => Some(format!("there are more; the next page: --cursor {cursor}")),
        _ => None,
    }
}

fn unread_note(unread: u32) -> String {
    let messages = if unread == 1 { "message" } else { "messages" };
    format!("{unread} unread {messages}: orch-mcp poll-messages")
}

/// Three commands that make sense now.
fn next_commands(status: &Value, unread: Option<u32>) -> Vec<&'static str> {
    let known = status["you"].is_string();
    let ready = status["tasks"]["ready"].as_u64().is_some_and(|ready| ready > 0);
    let steps = [
        (
            unread.is_some_and(|unread| unread > 0),
            "  orch-mcp poll-messages                    read what was sent to you",
        ),
        (!known, "  orch-mcp register-instance NAME           join the team"),
        (ready, "  orch-mcp claim-task                       take the next task"),
        (true, "  orch-mcp push-task \"TITLE\"                add a task"),
        (true, "  orch-mcp list-tasks                       see the tasks"),
        (true, "  orch-mcp --help                           see all commands"),
    ];
    steps.into_iter().filter(|(fits, _)| *fits).map(|(_, step)| step).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_known_also_where_the_command_line_is_wrong() {
        let asked = |line: &str| format_asked_for(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(asked("orch-mcp nonsense --json"), Some(Format::Json));
        assert_eq!(asked("orch-mcp --format jsonl nonsense"), Some(Format::Jsonl));
        assert_eq!(asked("orch-mcp nonsense --format=ids"), Some(Format::Ids));
        assert_eq!(asked("orch-mcp nonsense"), None);
    }

    #[test]
    fn a_page_that_is_not_the_last_says_so() {
        assert_eq!(
            left_out(&json!({"tasks": [], "total": 43, "cursor": "c"})),
            Some("of 43 in all; the next page: --cursor c".to_owned())
        );
        assert!(left_out(&json!({"messages": [], "more": true, "cursor": 7})).is_some());
        assert_eq!(left_out(&json!({"events": [], "cursor": 9})), None);
        assert_eq!(left_out(&json!({"tasks": [], "total": 1})), None);
    }

    #[test]
    fn a_newcomer_is_told_how_to_join_and_a_member_what_to_do() {
        let first =
            |status: Value, unread| next_commands(&status, unread)[0].split_whitespace().nth(1).map(str::to_owned);
        assert_eq!(first(json!({}), None).as_deref(), Some("register-instance"));
        assert_eq!(first(json!({"you": "i-1", "tasks": {"ready": 2}}), Some(0)).as_deref(), Some("claim-task"));
        assert_eq!(first(json!({"you": "i-1"}), Some(3)).as_deref(), Some("poll-messages"));
        assert_eq!(next_commands(&json!({}), Some(1)).len(), 3);
    }
}
