//! Verbs of older tools, kept alive: each is an operation, with some of its arguments given.

/// An older verb. It is left out of the list of commands, but answers to `--help`.
pub(super) struct Alias {
    pub(super) name: &'static str,
    /// The operation that it means.
    pub(super) operation: &'static str,
    /// Arguments that it gives by itself, as JSON.
    pub(super) preset: &'static [(&'static str, &'static str)],
}

const fn renamed(name: &'static str, operation: &'static str) -> Alias {
    Alias { name, operation, preset: &[] }
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
    Alias { name: "watch-tasks", operation: "watch_events", preset: &[("kind", "\"task.\""), ("limit", "1")] },
];

/// Older names of flags: the field, and the flag it was.
pub(super) const FLAGS: &[(&str, &str)] =
    &[("timeout_seconds", "timeout"), ("to_instance", "to"), ("depends_on", "blocked-by")];

pub(super) fn find(name: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name == name)
}

/// The older names of an operation.
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
