//! A command line that was not understood, as one of our errors.

use crate::cli::commands::PROGRAM;
use crate::error::Error;
use clap::error::ContextKind;
use clap::error::ContextValue;
use clap::error::ErrorKind;

/// What was wrong, in our words, and what may have been meant.
pub(super) fn error(refusal: &clap::Error, command: Option<&str>) -> Error {
    let subject = command.map_or(PROGRAM.to_owned(), |command| format!("{PROGRAM} {command}"));
    let text = |kind| texts(refusal, kind).join(", ");
    let argument = text(ContextKind::InvalidArg);
    let message = match refusal.kind() {
        ErrorKind::InvalidSubcommand => format!("there is no command `{}`", text(ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument if is_flag(&argument) => format!("`{subject}` has no flag `{argument}`"),
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("`{subject}` takes `{argument}` for the beginning of a flag")
        }
        ErrorKind::UnknownArgument => format!("`{subject}` takes no further word, found `{argument}`"),
        ErrorKind::MissingRequiredArgument => format!("`{subject}` needs {argument}"),
        ErrorKind::ArgumentConflict if argument == text(ContextKind::PriorArg) => {
            format!("`{argument}` was given twice")
        }
        ErrorKind::ArgumentConflict => {
            format!("`{argument}` and `{}` cannot both be given", text(ContextKind::PriorArg))
        }
        ErrorKind::InvalidValue => invalid_value(&argument, refusal),
        _ => first_line(refusal),
    };
    Error::invalid(message).hint(hint(refusal, command))
}

fn invalid_value(argument: &str, refusal: &clap::Error) -> String {
    let found = texts(refusal, ContextKind::InvalidValue).concat();
    let valid = texts(refusal, ContextKind::ValidValue);
    match (found.as_str(), valid.as_slice()) {
        ("", _) => format!("`{argument}` wants a value"),
        (_, []) => format!("`{argument}` does not take `{found}`"),
        (_, valid) => format!("`{argument}` does not take `{found}`, wanted one of {}", valid.join(", ")),
    }
}

fn hint(refusal: &clap::Error, command: Option<&str>) -> String {
    let suggested = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .iter()
        .flat_map(|kind| texts(refusal, *kind))
        // Commands answer to the names of the tools too, which would show each of them twice.
        .rfind(|name| !name.contains('_'));
    let (found, valid) = (texts(refusal, ContextKind::InvalidValue), texts(refusal, ContextKind::ValidValue));
    let argument = texts(refusal, ContextKind::InvalidArg).join(", ");
    let suggested = meant(&found.concat(), &valid).or(suggested);
    let help = match command {
        Some(command) => format!("`{PROGRAM} help {command}`"),
        None => format!("`{PROGRAM} --help`"),
    };
    match suggested {
        Some(name) => format!("did you mean `{name}`? {help} tells what there is"),
        None if refusal.kind() == ErrorKind::UnknownArgument && !is_flag(&argument) => {
            format!("put text with spaces into quotes, and `--` before words that begin with a dash; see {help}")
        }
        None if refusal.kind() == ErrorKind::ArgumentConflict && argument.starts_with('<') => {
            format!("bare words are taken in the order of the usage line; see {help}")
        }
        None => format!("see {help}"),
    }
}

/// Words that people type for a state.
const ALSO_CALLED: &[(&str, &str)] = &[
    ("done", "completed"),
    ("finished", "completed"),
    ("running", "in_progress"),
    ("active", "in_progress"),
    ("todo", "open"),
    ("canceled", "cancelled"),
];

fn meant(found: &str, valid: &[String]) -> Option<String> {
    let (_, meant) = ALSO_CALLED.iter().find(|(word, _)| *word == found)?;
    valid.iter().find(|one| one == meant).cloned()
}

fn is_flag(argument: &str) -> bool {
    argument.strip_prefix('-').is_some_and(|rest| rest.trim_start_matches('-').starts_with(char::is_alphabetic))
}

fn texts(refusal: &clap::Error, kind: ContextKind) -> Vec<String> {
    match refusal.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// For refusals too rare to have words of their own.
fn first_line(refusal: &clap::Error) -> String {
    let rendered = refusal.render().to_string();
    let line = rendered.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands;
    use crate::error::Kind;
    use std::ffi::OsString;

    fn refused(line: &str) -> Error {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let command = commands::command_word(&words).filter(|word| commands::Verb::find(word).is_some());
        let refusal = commands::tree_for(&words).try_get_matches_from(&words).expect_err(line);
        let error = error(&refusal, command);
        assert_eq!(error.kind, Kind::Invalid);
        error
    }

    #[track_caller]
    fn check(line: &str, message: &str, in_hint: &str) {
        let error = refused(line);
        assert_eq!(error.message, message);
        let hint = error.hint.expect("every refusal has a hint");
        assert!(hint.contains(in_hint), "{hint}");
    }

    #[test]
    fn what_was_meant_is_guessed() {
        check("orch-mcp clam-task", "there is no command `clam-task`", "did you mean `claim-task`?");
        check("orch-mcp claim-task --forc", "`orch-mcp claim-task` has no flag `--forc`", "did you mean `--force`?");
        check("orch-mcp zzz", "there is no command `zzz`", "see `orch-mcp --help`");
    }

    #[test]
    fn what_was_wanted_is_said() {
        check("orch-mcp push-task", "`orch-mcp push-task` needs <TITLE>", "`orch-mcp help push-task`");
        check("orch-mcp heartbeat My task", "`orch-mcp heartbeat` takes no further word, found `task`", "quotes");
        check(
            "orch-mcp push-task a --title b",
            "`<TITLE>` and `--title <TITLE>` cannot both be given",
            "help push-task",
        );
        let hint = refused("orch-mcp launch --planner --no-planner").hint.expect("a hint");
        assert!(!hint.contains("bare words"), "{hint}");
        let hint = refused("orch-mcp list-events --lines 3").hint.expect("a hint");
        assert!(!hint.contains("quotes"), "{hint}");
        check("orch-mcp mark-read -*", "`orch-mcp mark-read` takes `-*` for the beginning of a flag", "`--` before");
        check("orch-mcp list-tasks --limit", "`--limit <N>` wants a value", "help list-tasks");
        let error = refused("orch-mcp list-tasks --status redy");
        assert!(error.message.starts_with("`--status <STATUS>` does not take `redy`, wanted one of "), "{error}");
        assert!(error.hint.expect("a hint").contains("did you mean `ready`?"));
        let error = refused("orch-mcp list-tasks --status done");
        assert!(error.hint.expect("a hint").contains("did you mean `completed`?"));
    }
}
