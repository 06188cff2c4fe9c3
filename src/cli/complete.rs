//! What may stand at the end of a command line: commands, flags, words, and the ids of what there is now.

use crate::cli::commands;
use crate::cli::commands::Verb;
use crate::cli::desk;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Flags;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::table;
use crate::remote::Patience;
use crate::store::doorbell::Hangup;
use clap::Arg;
use clap::ArgAction;
use clap::Command;
use serde_json::Map;
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

/// A person who pressed a key waits no longer than this for live ids.
const PATIENCE: Duration = Duration::from_millis(150);
/// From more than this nobody picks.
const LIVE_MAX: u64 = 40;
/// How far back among the events message ids are looked for.
const EVENTS_BACK: u64 = 500;

const BASH: &str = include_str!("completions/orch-mcp.bash");
const ZSH: &str = include_str!("completions/orch-mcp.zsh");
const FISH: &str = include_str!("completions/orch-mcp.fish");

/// The script that makes a shell ask us.
pub(super) fn script(shell: &str) -> &'static str {
    match shell {
        "bash" => BASH,
        "zsh" => ZSH,
        _ => FISH,
    }
}

/// Something that may stand where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    word: String,
    about: String,
}

impl Candidate {
    fn new(word: impl Into<String>, about: impl Into<String>) -> Candidate {
        Candidate { word: word.into(), about: about.into() }
    }
}

/// What a completion script reads: on each line a word, and after a tab what it is. Nothing where nothing is known.
pub(super) fn lines(shell: &str, words: &[OsString], environment: &Environment) -> String {
    let mut words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut kept = 0;
    if shell == "bash" {
        let Some((part, line, pieces)) = of_bash(&words) else { return String::new() };
        let whole = rejoined(line, pieces);
        // Bash replaces only the part of the word that it takes for one.
        kept = whole.last().and_then(|word| word.strip_suffix(part)).map_or(0, str::len);
        words = whole;
    }
    let Some((current, before)) = words.split_last() else { return String::new() };
    let mut candidates = Line::read(before).candidates(current, environment);
    candidates.retain(|candidate| candidate.word.starts_with(current.as_str()) && is_plain(&candidate.word));
    let shown = |candidate: &Candidate| {
        let about = candidate.about.split(['\n', '\t']).next().unwrap_or_default();
        format!("{}\t{about}\n", &candidate.word[kept..])
    };
    candidates.iter().map(shown).collect()
}

/// What the script for bash hands us: the part of the word that is to be replaced, the line, and its pieces.
fn of_bash(words: &[String]) -> Option<(&str, &str, &[String])> {
    let (part, rest) = words.split_first()?;
    let (line, pieces) = rest.split_first()?;
    Some((part, line, pieces))
}

/// The words as they stand on the line, of the pieces that bash breaks them into at `=`, `:` and `@`.
fn rejoined(line: &str, pieces: &[String]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = line;
    for piece in pieces {
        let next = rest.trim_start();
        let apart = next.len() != rest.len() || piece.is_empty();
        rest = next.strip_prefix(piece.as_str()).unwrap_or(next);
        match words.last_mut() {
            Some(last) if !apart => last.push_str(piece),
            _ => words.push(piece.clone()),
        }
    }
    words
}

/// Only words that no shell takes for anything else: who names a context key must not write on our command line.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "._/@:+=,-".contains(c))
}

/// The words before the cursor, understood as far as they go.
#[derive(Default)]
struct Line {
    command: Option<String>,
    flags: Vec<Arg>,
    words: Vec<Arg>,
    /// What may stand behind the command, where that is several.
    inner: Vec<Command>,
    words_given: usize,
    /// The flag whose value stands at the cursor.
    wants_value: Option<Arg>,
    only_words: bool,
    /// Where to look for what there is.
    given: Flags,
}

impl Line {
    /// The first word is our own name.
    fn read(before: &[String]) -> Line {
        let mut line = Line { flags: flags_of(&commands::tree()), ..Line::default() };
        for word in before.iter().skip(1) {
            if let Some(flag) = line.wants_value.take() {
                line.take_value(&flag, word);
            } else if word == "--" {
                line.only_words = true;
            } else if word.starts_with('-') && !line.only_words {
                line.take_flag(word);
            } else if line.command.is_none() {
                line.take_command(word);
            } else if let Some(inner) = line.inner.iter().position(|inner| inner.get_name() == word) {
                let inner = line.inner.swap_remove(inner);
                line.take(&inner);
            } else {
                line.words_given += 1;
            }
        }
        line
    }

    fn take_command(&mut self, word: &str) {
        let command = match Verb::find(word) {
            Some(_) => commands::with_fields(Command::new(word.to_owned())),
            None => commands::tree().find_subcommand(word).cloned().unwrap_or_default(),
        };
        self.take(&command);
        self.command = Some(word.to_owned());
    }

    fn take(&mut self, command: &Command) {
        self.flags.extend(flags_of(command));
        self.words = command.get_positionals().cloned().collect();
        self.inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).cloned().collect();
    }

    fn take_flag(&mut self, word: &str) {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        self.given.plain_http |= self.flag(name).is_some_and(|flag| flag.get_id() == commands::PLAIN_HTTP);
        let Some(flag) = self.flag(name).filter(|flag| flag.get_action().takes_values()).cloned() else { return };
        match value {
            Some(value) => self.take_value(&flag, value),
            None => self.wants_value = Some(flag),
        }
    }

    fn take_value(&mut self, flag: &Arg, value: &str) {
        let path = || Some(PathBuf::from(value));
        match flag.get_id().as_str() {
            commands::STATE_DIR => self.given.state_dir = path(),
            commands::SERVER => self.given.server = Some(value.to_owned()),
            commands::TOKEN_FILE => self.given.token_file = path(),
            commands::CA => self.given.ca = path(),
            _ => {}
        }
    }

    fn flag(&self, name: &str) -> Option<&Arg> {
        self.flags.iter().find(|flag| match name.strip_prefix("--") {
            Some(long) => flag.get_long() == Some(long) || flag.get_all_aliases().unwrap_or_default().contains(&long),
            None => flag.get_short().is_some_and(|short| name == format!("-{short}")),
        })
    }

    fn candidates(&self, current: &str, environment: &Environment) -> Vec<Candidate> {
        if let Some(flag) = &self.wants_value {
            return self.values(flag, "", current, environment);
        }
        if current.starts_with('-') && !self.only_words {
            return match current.split_once('=') {
                Some((name, _)) => match self.flag(name) {
                    Some(flag) => self.values(flag, &format!("{name}="), current, environment),
                    None => Vec::new(),
                },
                None => self.flag_names(),
            };
        }
        match self.command.as_deref() {
            None => command_names(),
            Some("help" | commands::MAN) if self.words_given == 0 => command_names(),
            Some(_) if !self.inner.is_empty() => self.inner.iter().map(named).collect(),
            Some(_) => match self.words.get(self.words_given) {
                Some(word) => self.values(word, "", current, environment),
                None => Vec::new(),
            },
        }
    }

    fn flag_names(&self) -> Vec<Candidate> {
        let visible = self.flags.iter().filter(|flag| !flag.is_hide_set());
        let named = visible.filter_map(|flag| {
            let about = flag.get_help().map(ToString::to_string).unwrap_or_default();
            Some(Candidate::new(format!("--{}", flag.get_long()?), about))
        });
        named.chain([Candidate::new("--help", "Print help")]).collect()
    }

    /// What may be given for a flag or a bare word, with what stands before it in the same word of the line.
    fn values(&self, arg: &Arg, before: &str, current: &str, environment: &Environment) -> Vec<Candidate> {
        let mut before = before.to_owned();
        if matches!(arg.get_action(), ArgAction::Append)
            && let Some(comma) = current.rfind(',')
        {
            before = current[..=comma].to_owned();
        }
        let begun = current.strip_prefix(before.as_str()).unwrap_or_default().to_owned();
        let field = arg.get_id().as_str().trim_start_matches('-').to_owned();
        let mut values: Vec<Candidate> =
            arg.get_possible_values().iter().map(|value| Candidate::new(value.get_name(), "")).collect();
        if values.is_empty() {
            values = self.field_words(&field);
        }
        if values.is_empty()
            && let Some(live) = Live::of_field(&field)
        {
            values = live.look_up(&begun, self.given.clone(), environment.clone());
        }
        for value in &mut values {
            value.word.insert_str(0, &before);
        }
        values
    }

    /// Words of a field that takes others too.
    fn field_words(&self, name: &str) -> Vec<Candidate> {
        let fields = self.command.as_deref().and_then(Verb::find).map(|verb| verb.fields()).unwrap_or_default();
        let words = fields.iter().find(|field| field.name() == name).map(|field| field.words()).unwrap_or_default();
        words.into_iter().map(|word| Candidate::new(word, "")).collect()
    }
}

fn flags_of(command: &Command) -> Vec<Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional()).cloned().collect()
}

fn named(command: &Command) -> Candidate {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    Candidate::new(command.get_name(), about)
}

fn command_names() -> Vec<Candidate> {
    let tree = commands::tree();
    let visible = tree.get_subcommands().filter(|command| !command.is_hide_set());
    visible.map(named).chain([Candidate::new("help", "Print what a command does and takes")]).collect()
}

/// Things whose ids are looked up in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Live {
    Tasks,
    Instances,
    Messages,
    ContextKeys,
}

impl Live {
    fn of_field(name: &str) -> Option<Live> {
        match name {
            "task_id" | "depends_on" | "parent" => Some(Live::Tasks),
            "instance" | "instance_id" | "assignee" | "holder" | "to_instance" | "to_name" | "from" => {
                Some(Live::Instances)
            }
            "message_id" | "reply_to" | "thread" => Some(Live::Messages),
            "key" | "prefix" => Some(Live::ContextKeys),
            _ => None,
        }
    }

    /// What there is, or nothing where it cannot be told in time.
    fn look_up(self, begun: &str, flags: Flags, environment: Environment) -> Vec<Candidate> {
        let (answer, answered) = mpsc::channel();
        let begun = begun.to_owned();
        std::thread::spawn(move || {
            let found = Config::read(flags, &environment).and_then(|config| self.found(&begun, &Store::of(&config)?));
            // Nobody listens any more if it took too long.
            let _ = answer.send(found.unwrap_or_default());
        });
        answered.recv_timeout(PATIENCE).unwrap_or_default()
    }

    fn found(self, begun: &str, store: &Store) -> Result<Vec<Candidate>> {
        let page = ("limit", Value::from(LIVE_MAX));
        Ok(match self {
            Live::Tasks => {
                let tasks = store.list("list_tasks", "tasks", [page])?;
                tasks.iter().map(|task| Candidate::new(text(task, "id"), text(task, "title"))).collect()
            }
            Live::Instances => {
                let instances = store.list("list_instances", "instances", [page])?;
                instances.iter().flat_map(|instance| addresses(instance, begun)).collect()
            }
            Live::Messages => {
                let status = store.read("server_status", [])?;
                let newest = status["events"]["newest"].as_u64().unwrap_or_default();
                let after = ("cursor", Value::from(newest.saturating_sub(EVENTS_BACK)));
                let sent = store.list("list_events", "events", [after, ("kind", Value::from("message.sent")), page])?;
                sent.iter().rev().map(|event| Candidate::new(text(event, "subject"), text(event, "at"))).collect()
            }
            Live::ContextKeys => {
                let keys = store.list("list_context_keys", "keys", [("prefix", Value::from(begun)), page])?;
                keys.iter().map(|key| Candidate::new(text(key, "key"), "")).collect()
            }
        })
    }
}

/// How an instance may be called: by its name, and by its id where that was begun or the name needs quotes.
fn addresses(instance: &Value, begun: &str) -> Vec<Candidate> {
    let (id, name) = (text(instance, "id"), text(instance, "name"));
    let about = format!("{} {}", text(instance, "role"), text(instance, "status"));
    if begun.starts_with('@') {
        return vec![Candidate::new(format!("@{name}"), about)];
    }
    if is_plain(&name) && name.starts_with(begun) {
        return vec![Candidate::new(name, about)];
    }
    vec![Candidate::new(id, format!("{name}, {about}"))]
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The store, asked by nobody in particular, so that nothing in it changes.
struct Store {
    desk: Arc<dyn Desk>,
}

impl Store {
    fn of(config: &Config) -> Result<Store> {
        Ok(Store { desk: desk::of_patient(config, Host::System, Patience::of(PATIENCE))? })
    }

    fn read<const N: usize>(&self, operation: &str, arguments: [(&str, Value); N]) -> Result<Value> {
        let arguments: Map<String, Value> =
            arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let Some(entry) = table::find(operation) else { return Ok(Value::Null) };
        let request = entry.request(arguments)?;
        Ok(self.desk.execute(&request, &Caller::anonymous(Host::System), &Hangup::new())?.data)
    }

    fn list<const N: usize>(&self, operation: &str, field: &str, arguments: [(&str, Value); N]) -> Result<Vec<Value>> {
        match self.read(operation, arguments)?.get_mut(field).map(Value::take) {
            Some(Value::Array(elements)) => Ok(elements),
            _ => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Effect;
    use serde_json::json;

    fn at(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let environment = Environment::default();
        lines("zsh", &words, &environment)
            .lines()
            .filter_map(|line| line.split('\t').next())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn commands_flags_and_words_are_offered_where_they_may_stand() {
        assert_eq!(at("orch-mcp claim"), ["claim-task"]);
        assert_eq!(at("orch-mcp --json claim"), ["claim-task"]);
        assert_eq!(at("orch-mcp repos test"), ["test", "test-all"]);
        assert_eq!(at("orch-mcp repos test api --wi"), ["--within"]);
        assert_eq!(at("orch-mcp token li"), ["list"]);
        assert_eq!(at("orch-mcp claim-task --forc"), ["--force"]);
        assert_eq!(at("orch-mcp list-tasks --status comp"), ["completed"]);
        assert_eq!(at("orch-mcp list-tasks --status=comp"), ["--status=completed"]);
        assert_eq!(at("orch-mcp push-task x --priority cr"), ["critical"]);
        assert_eq!(at("orch-mcp completions z"), ["zsh"]);
        assert_eq!(at("orch-mcp help regis"), ["register-instance"]);
        assert!(at("orch-mcp add-t").is_empty(), "older verbs are not advertised");
        assert!(at("orch-mcp claim-task -- --for").is_empty());
    }

    #[test]
    fn bash_gets_back_the_part_it_replaces() {
        let check = |words: &[&str], first: &str| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let lines = lines("bash", &words, &Environment::default());
            assert_eq!(lines.split('\t').next(), Some(first), "{words:?}");
        };
        check(&["cla", "o tasks --status=cla", "o", "tasks", "--status", "=", "cla"], "claimed");
        check(&["", "o tasks --status=", "o", "tasks", "--status", "="], "open");
        check(&["--stat", "o tasks --stat", "o", "tasks", "--stat"], "--state-dir");
        check(&["", "o help ", "o", "help", ""], "register-instance");
        assert_eq!(lines("bash", &[], &Environment::default()), "");
    }

    #[test]
    fn words_are_whole_again_whatever_bash_broke_them_at() {
        let check = |line: &str, pieces: &[&str], last: &str| {
            let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
            assert_eq!(rejoined(line, &pieces).last().map(String::as_str), Some(last), "{line}");
        };
        check("o send --to role:bu", &["o", "send", "--to", "role", ":", "bu"], "role:bu");
        check("o send --to @al", &["o", "send", "--to", "@", "al"], "@al");
        check("o send --to @", &["o", "send", "--to", "@"], "@");
        check("o tasks ", &["o", "tasks", ""], "");
    }

    #[test]
    fn a_name_cannot_write_shell_on_the_command_line() {
        for word in ["$(reboot)", "a;b", "a b", "`x`", "a\nb", "'", "\"", "a\u{202e}", "*", "~", "!x", ""] {
            assert!(!is_plain(word), "{word}");
        }
        for word in ["task-0000000001", "build/status", "role:builder", "@bob", "--status=open"] {
            assert!(is_plain(word), "{word}");
        }
    }

    #[test]
    fn an_instance_is_offered_by_name_or_else_by_id() {
        let words = |name: &str, begun: &str| -> Vec<String> {
            let instance = json!({"id": "i-1", "name": name, "role": "general", "status": "idle"});
            addresses(&instance, begun).into_iter().map(|candidate| candidate.word).collect()
        };
        assert_eq!(words("bob", ""), ["bob"]);
        assert_eq!(words("bob", "@"), ["@bob"]);
        assert_eq!(words("bob", "i-"), ["i-1"]);
        assert_eq!(words("night shift", ""), ["i-1"]);
    }

    #[test]
    fn what_completion_calls_changes_nothing() {
        for name in ["list_tasks", "list_instances", "server_status", "list_events", "list_context_keys"] {
            assert_eq!(table::find(name).expect("completion calls it").effect, Effect::Read, "{name}");
        }
    }
}
