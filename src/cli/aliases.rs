//! Other words for operations, some with arguments given: verbs of older tools, kept alive, and the short words that people
//! type.

/// Another word for an operation.
pub(super) struct Alias {
    pub(super) name: &'static str,
    /// The operation that it means.
    pub(super) operation: &'static str,
    /// Arguments that it gives by itself, as JSON.
    pub(super) preset: &'static [(&'static str, &'static str)],
    /// What it does, for a short word. An older verb has none: it is left out of the list of commands, but answers to
    /// `--help`.
    pub(super) about: Option<&'static str>,
    /// What the operation takes besides, and this word does not.
    pub(super) without: &'static [&'static str],
    /// What else its help says.
    pub(super) footer: Option<&'static str>,
}

/// An alias that is nothing yet.
const WORD: Alias = Alias { name: "", operation: "", preset: &[], about: None, without: &[], footer: None };

const BY_NAME: &str = "\
By the name of whoever asks, only while that is one thing: where there are several, all of them are shown, and one is \
named by its id. Within 10 seconds after a request of the same worker was decided, a newer one is shown instead of \
decided, as you may not have seen it.";

const fn renamed(name: &'static str, operation: &'static str) -> Alias {
    Alias { name, operation, ..WORD }
}

pub(super) const ALIASES: &[Alias] = &[
    renamed("add-task", "push_task"),
    renamed("tasks", "list_tasks"),
    renamed("poll-task", "list_tasks"),
    renamed("task-block", "block_task"),
    renamed("task-fail", "fail_task"),
    renamed("task-retry", "retry_task"),
    renamed("poll-message", "poll_messages"),
    renamed("delete-message", "dismiss_message"),
    renamed("register", "register_instance"),
    renamed("unregister", "unregister_instance"),
    renamed("status", "server_status"),
    Alias { name: "watch-tasks", operation: "watch_events", preset: &[("kind", "\"task.\""), ("limit", "1")], ..WORD },
    Alias {
        name: "next-task",
        operation: "claim_task",
        preset: &[("dry_run", "true")],
        about: Some("Which task a claim would give you, and why"),
        ..WORD
    },
    Alias { name: "jobs", operation: "list_jobs", about: Some("Goals, and how far each is"), ..WORD },
    Alias { name: "workers", operation: "list_workers", about: Some("Who was launched, and does what"), ..WORD },
    Alias { name: "stop", operation: "stop_workers", about: Some("End workers: by name, or --all"), ..WORD },
    Alias {
        name: "restart",
        operation: "restart_worker",
        about: Some("Let a worker begin anew, with its thread"),
        ..WORD
    },
    Alias { name: "interrupt", operation: "interrupt_worker", about: Some("End a worker's turn"), ..WORD },
    Alias {
        name: "costs",
        operation: "list_costs",
        about: Some("What workers spent, by worker, task, job, role, model or day"),
        ..WORD
    },
    Alias { name: "questions", operation: "list_questions", about: Some("What you are asked"), ..WORD },
    Alias { name: "respond", operation: "answer_question", about: Some("Answer a question, or a worker's"), ..WORD },
    Alias {
        name: "approve",
        operation: "answer_question",
        preset: &[("decision", "\"approve\"")],
        about: Some("Allow what is asked for; with --always, likewise from now on"),
        footer: Some(BY_NAME),
        ..WORD
    },
    Alias {
        name: "deny",
        operation: "answer_question",
        preset: &[("decision", "\"deny\"")],
        about: Some("Forbid what is asked for, and say why"),
        without: &["always"],
        footer: Some(BY_NAME),
    },
];

/// Older names of flags: the field, and the flag it was.
pub(super) const FLAGS: &[(&str, &str)] = &[
    ("timeout_seconds", "timeout"),
    ("timeout_seconds", "timeout-secs"),
    ("deadline_secs", "deadline-seconds"),
    ("lease_secs", "lease-seconds"),
    ("to_instance", "to"),
    ("depends_on", "blocked-by"),
];

/// The word that people type for an operation.
pub(super) fn short_of(operation: &str) -> Option<&'static str> {
    of_operation(operation).find(|alias| alias.about.is_some()).map(|alias| alias.name)
}

pub(super) fn find(name: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name == name)
}

/// The short words for operations, each with what it does.
pub(super) fn short_words() -> impl Iterator<Item = (&'static Alias, &'static str)> {
    ALIASES.iter().filter_map(|alias| alias.about.map(|about| (alias, about)))
}

/// The other names of an operation.
pub(super) fn of_operation(operation: &str) -> impl Iterator<Item = &'static Alias> {
    ALIASES.iter().filter(move |alias| alias.operation == operation && alias.preset.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::table;
    use serde_json::Value;

    #[test]
    fn every_older_verb_is_an_operation_that_has_the_fields_it_presets() {
        for alias in ALIASES {
            let entry = table::find(alias.operation).unwrap_or_else(|| panic!("`{}` means nothing", alias.name));
            assert!(table::find(alias.name).is_none(), "`{}` is an operation itself", alias.name);
            for (field, value) in alias.preset {
                assert!(entry.input_schema()["properties"].get(field).is_some(), "{} has no {field}", alias.operation);
                serde_json::from_str::<Value>(value).expect("presets are JSON");
            }
        }
    }

    #[test]
    fn every_older_flag_belongs_to_a_field() {
        for (field, flag) in FLAGS {
            let owner = table::OPERATIONS.iter().find(|entry| entry.input_schema()["properties"].get(field).is_some());
            assert!(owner.is_some(), "no operation has `{field}` for `--{flag}`");
        }
    }
}
