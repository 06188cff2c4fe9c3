//! Operations and their fields as a command line spells them: errors come from below in the words of the tools.

use crate::cli::aliases;
use crate::cli::commands::PROGRAM;
use crate::cli::commands::Verb;
use crate::cli::commands::command_name;
use crate::error::Error;
use crate::ops::Entry;
use crate::ops::table;
use std::ffi::OsString;

/// What is known of a command line whose error is spelled.
pub(super) struct Spelling<'a> {
    /// The operation whose fields are flags here.
    entry: Option<&'static Entry>,
    /// Words of the caller's own: a key called `force` is no flag.
    typed: Vec<&'a str>,
}

impl<'a> Spelling<'a> {
    /// Of an error that `command` met with; of a command line that names none, only operations are spelled.
    pub(super) fn of(command: &str, words: &'a [OsString]) -> Spelling<'a> {
        let mut typed: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        if let Some(at) = typed.iter().position(|word| *word == command) {
            typed.remove(at);
        }
        let joined: Vec<&str> =
            typed.iter().filter_map(|word| Some(word.strip_prefix("--")?.split_once('=')?.1)).collect();
        typed.extend(joined);
        Spelling { entry: Verb::find(command).map(|verb| verb.entry), typed }
    }

    pub(super) fn error(&self, error: &Error) -> Error {
        // What is wrong in a file is mended there, where nothing is a flag.
        let in_file = begins_with_a_line_of_a_file(&error.message) || begins_within_a_list(&error.message);
        let hint = error.hint.as_deref().map(|hint| self.spell(hint, |_| !in_file, true));
        // A message begins with the fields it is about; further in stands what was found.
        let mut leads = true;
        let message = self.spell(
            &error.message,
            |before| {
                leads &= matches!(before, "" | " and ");
                leads
            },
            false,
        );
        Error { message, hint, ..error.clone() }
    }

    /// `fields`: may a field stand behind this text? `advises`: whoever reads it is to type it, so a field that is a bare word
    /// is shown as one.
    fn spell(&self, text: &str, mut fields: impl FnMut(&str) -> bool, advises: bool) -> String {
        let mut spoken_of: Vec<&Entry> = self.entry.into_iter().collect();
        let mut spelled = String::with_capacity(text.len());
        let mut parts = text.split('`').peekable();
        while let Some(plain) = parts.next() {
            spelled.push_str(plain);
            let Some(quoted) = parts.next() else { break };
            let is_name = self.typed.contains(&quoted) || plain.ends_with("did you mean ");
            let may_be_field = fields(plain) && !is_name;
            let flag = || format!("--{}", quoted.replace('_', "-"));
            // A word alone may be anybody's: `heartbeat` is as likely a key as the operation.
            let operation =
                table::find(quoted).filter(|entry| entry.name.contains('_') && !self.typed.contains(&quoted));
            let quoted = match operation {
                Some(entry) => {
                    spoken_of.push(entry);
                    match aliases::short_of(entry.name) {
                        Some(word) => format!("{PROGRAM} {word}"),
                        None => format!("{PROGRAM} {}", command_name(entry)),
                    }
                }
                None => match spoken_of.iter().rfind(|entry| may_be_field && has_field(entry, quoted)) {
                    Some(entry) if advises && entry.positional.contains(&quoted) => {
                        format!("<{}>", quoted.to_uppercase())
                    }
                    Some(_) => flag(),
                    None => quoted.to_owned(),
                },
            };
            spelled.push('`');
            spelled.push_str(&quoted);
            // A text that was cut may end inside of a quotation.
            if parts.peek().is_some() {
                spelled.push('`');
            }
        }
        spelled
    }
}

/// As `own.toml:3: …` or `own.toml line 3: …`.
fn begins_with_a_line_of_a_file(message: &str) -> bool {
    let Some((place, _)) = message.split_once(": ") else { return false };
    let line = place.rsplit_once(" line ").or_else(|| place.rsplit_once(':')).map_or("", |(_, line)| line);
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
}

/// As `tasks[0]`: what stands there was not typed as a flag.
fn begins_within_a_list(message: &str) -> bool {
    let place = message.trim_start_matches('`').split(['`', ':', '.']).next().unwrap_or_default();
    place
        .strip_suffix(']')
        .and_then(|place| place.split_once('['))
        .is_some_and(|(list, at)| !list.is_empty() && !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit()))
}

fn has_field(entry: &Entry, name: &str) -> bool {
    entry.input_schema()["properties"].get(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, (message, hint): (&str, &str), (spelled, spelled_hint): (&str, &str)) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Spelling::of(words[1].to_str().expect("a word"), &words).error(&Error::invalid(message).hint(hint));
        assert_eq!((error.message.as_str(), error.hint.as_deref()), (spelled, Some(spelled_hint)));
    }

    #[test]
    fn operations_and_fields_are_spelled_as_commands_and_flags() {
        check(
            "orch-mcp claim-task 7",
            ("task `task-7` is meant for `amy`", "`force` takes it all the same"),
            ("task `task-7` is meant for `amy`", "`--force` takes it all the same"),
        );
        check(
            "orch-mcp send_message hi",
            ("`send_message` needs somebody", "give `to_instance` (an id, `@name` or `role:X`) or `broadcast`"),
            (
                "`orch-mcp send-message` needs somebody",
                "give `--to-instance` (an id, `@name` or `role:X`) or `--broadcast`",
            ),
        );
        check(
            "orch-mcp watch-context",
            ("`key` and `prefix` exclude each other", "give one of them"),
            ("`--key` and `--prefix` exclude each other", "give one of them"),
        );
        check(
            "orch-mcp claim-task",
            ("this call must know", "call `register_instance` with a `name`, or pass `instance_id`"),
            ("this call must know", "call `orch-mcp register-instance` with a `<NAME>`, or pass `--instance-id`"),
        );
        check(
            "orch-mcp mark-read 7",
            ("no message `msg-7`", "`poll_messages` with `all` shows what is there"),
            ("no message `msg-7`", "`orch-mcp poll-messages` with `--all` shows what is there"),
        );
        check(
            "orch-mcp tasks --limit 99",
            ("`limit` must be between 1 and 40", "go on with `cursor`"),
            ("`--limit` must be between 1 and 40", "go on with `--cursor`"),
        );
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_in_the_words_of_the_file() {
        check(
            "orch-mcp run-pipeline own --title t",
            (
                "own.toml:3: `titel` is no field",
                "a stage has `title`, `goal` and `budget`; `run_pipeline` reads it again",
            ),
            (
                "own.toml:3: `titel` is no field",
                "a stage has `title`, `goal` and `budget`; `orch-mcp run-pipeline` reads it again",
            ),
        );
    }

    #[test]
    fn what_was_typed_within_a_list_or_a_template_is_no_flag() {
        check(
            "orch-mcp run-pipeline own --title t",
            ("own.toml line 3: there is no gap `{{titel}}`", "did you mean `{{title}}`? There are `title` and `body`"),
            ("own.toml line 3: there is no gap `{{titel}}`", "did you mean `{{title}}`? There are `title` and `body`"),
        );
        check(
            "orch-mcp push-tasks --tasks []",
            ("`tasks[0]` has no `titel`", "it takes `job`, as `push_tasks` has it"),
            ("`tasks[0]` has no `titel`", "it takes `job`, as `orch-mcp push-tasks` has it"),
        );
    }

    #[test]
    fn what_somebody_chose_is_left_as_it_is() {
        check(
            "orch-mcp set-context version 1 --expect-version=3",
            ("`version` is at 2", "read it again with `get_context` `version`, then write with `expect_version` 2"),
            (
                "`version` is at 2",
                "read it again with `orch-mcp get-context` `version`, then write with `--expect-version` 2",
            ),
        );
        check(
            "orch-mcp get-context --key=claim_task",
            ("`claim_task`", "an `odd` number of `quot…"),
            ("`claim_task`", "an `odd` number of `quot…"),
        );
        check(
            "orch-mcp claim-task 7",
            ("task `task-7` is claimed by `token` (i-1)", "did you mean `role`?"),
            ("task `task-7` is claimed by `token` (i-1)", "did you mean `role`?"),
        );
        check(
            "orch-mcp push-tasks --tasks []",
            ("tasks[0]: `title` must have 1 to 300 characters", "`tasks[0].lables`: did you mean `labels`?"),
            ("tasks[0]: `title` must have 1 to 300 characters", "`tasks[0].lables`: did you mean `labels`?"),
        );
    }
}
