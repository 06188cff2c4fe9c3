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
}

const fn renamed(name: &'static str, operation: &'static str) -> Alias {
    Alias { name, operation, preset: &[], about: None }
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
    Alias {
        name: "watch-tasks",
        operation: "watch_events",
        preset: &[("kind", "\"task.\""), ("limit", "1")],
        about: None,
    },
    Alias { name: "workers", operation: "list_workers", preset: &[], about: Some("Who was launched, and does what") },
    Alias { name: "stop", operation: "stop_workers", preset: &[], about: Some("End workers: by name, or --all") },
    Alias {
        name: "restart",
        operation: "restart_worker",
        preset: &[],
        about: Some("Let a worker begin anew, with its thread"),
    },
    Alias { name: "interrupt", operation: "interrupt_worker", preset: &[], about: Some("End a worker's turn") },
    Alias {
        name: "costs",
        operation: "list_costs",
        preset: &[],
        about: Some("What workers spent, by worker, task, role, model or day"),
    },
    Alias { name: "questions", operation: "list_questions", preset: &[], about: Some("What you are asked") },
    Alias {
        name: "respond",
        operation: "answer_question",
        preset: &[],
        about: Some("Answer a question, or a worker's"),
    },
    Alias {
        name: "approve",
        operation: "answer_question",
        preset: &[("decision", "\"approve\"")],
        about: Some("Allow what is asked for; with --always, likewise from now on"),
    },
    Alias {
        name: "deny",
        operation: "answer_question",
        preset: &[("decision", "\"deny\"")],
        about: Some("Forbid what is asked for, and say why"),
    },
];

/// Older names of flags: the field, and the flag it was.
pub(super) const FLAGS: &[(&str, &str)] =
    &[("timeout_seconds", "timeout"), ("to_instance", "to"), ("depends_on", "blocked-by")];

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
