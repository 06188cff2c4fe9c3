//! What the fields are, where the schema leaves that to their names: a model pays for each word of it, a person not.

/// Help for a field that its schema does not describe.
pub(super) fn of(operation: &str, name: &str) -> Option<&'static str> {
    let own = OF_OPERATIONS.iter().find(|(of, field, _)| (*of, *field) == (operation, name)).map(|(_, _, help)| *help);
    own.or_else(|| FIELDS.iter().find(|(field, _)| *field == name).map(|(_, help)| *help))
}

/// Where a name means something else than elsewhere.
const OF_OPERATIONS: &[(&str, &str, &str)] = &[
    ("stop_workers", "all", "All workers"),
    ("stop_workers", "role", "All of this role"),
    ("create_job", "tasks", "Its tasks, as for push-tasks; more may come"),
    ("decompose", "approve", "You agree to the plan before anything is made of it"),
    ("decompose", "context", "What the planner should know"),
    ("decompose", "dry_run", "Only check and draw the plan"),
    ("decompose", "job", "A job that grows by the plan; else a new one"),
    ("decompose", "role", "The role of the planner; else `planner`"),
    (
        "decompose",
        "tasks",
        "Your plan, as JSON: `key`, `title`, `acceptance`, and `role`, `description`, `depends_on` (keys) and more; else a planner makes one",
    ),
    ("list_costs", "job", "Only for this job"),
    ("reserve_files", "lease_secs", "Seconds that they are reserved without a word from you; 3600 unless said"),
    ("list_jobs", "which", "Only those that are open, or that have ended"),
    ("list_tasks", "job", "Only of this job"),
    ("list_tasks", "repo", "Only in this repository"),
    ("run_pipeline", "title", "The issue, in one line"),
    ("wait_for_job", "timeout_seconds", "How many seconds to wait at most: as long as it takes, unless told"),
    ("quick_delegate", "timeout_seconds", "How many seconds to wait at most: as long as it takes, unless told"),
];

const FIELDS: &[(&str, &str)] = &[
    ("acceptance", "What must hold when it is done"),
    ("all", "Also what was returned before"),
    ("assignee", "An instance: its id or name"),
    ("body", "What the issue says"),
    ("branch", "The branch to work on"),
    ("broadcast", "To everybody who is online"),
    ("budget", "What it may use up before the human is asked: `dollars`, `tokens`, `turns`"),
    ("chain_id", "The chain it belongs to"),
    ("content", "The text"),
    ("context", "What one must know to answer"),
    ("context_files", "Files to read first"),
    ("count", "How many"),
    ("current_task", "What you are doing; empty for nothing"),
    ("cursor", "Go on where the last answer ended"),
    ("deadline", "When it is to be done, as in `2026-12-24T18:00:00Z`"),
    ("deadline_secs", "Seconds that the human has for an answer; then the default holds"),
    ("definition", "The pipeline itself, in TOML"),
    ("depends_on", "Tasks that must be completed first"),
    ("description", "All that whoever does it must know"),
    ("dry_run", "Take nothing: only say which it would be, and why"),
    ("evidence", "What shows that it is done: `commit`, `tests`, `files`, and more"),
    ("expect_version", "Only if this is still the newest version"),
    ("expected_outputs", "Files that it makes"),
    ("force", "Also where the rules would say no"),
    ("form", "How it is drawn"),
    ("from", "Only from this instance: its id or name"),
    ("goal", "What is to be reached"),
    ("history", "With everything that happened to it"),
    ("holder", "Held by this instance: its id or name"),
    ("idempotency_key", "A second call with the same key changes nothing and gets the first answer"),
    ("instance", "An instance: its id or name"),
    ("issues", "Many issues: `title`, and `key`, `body`, `labels`, `repo`, `branch`, `priority`"),
    ("job", "The job that it is part of"),
    ("job_id", "The job, as `job-0000000012` or `12`"),
    ("key", "The key; `/` makes levels, as in `build/status`"),
    ("kind", "The kind"),
    ("label", "Only with this label"),
    ("labels", "Labels"),
    (
        "lease_secs",
        "Seconds that a claim of the task lasts without a word from its holder, this one and later ones; 900 unless said",
    ),
    ("limit", "At most so many"),
    ("link", "The part it plays in a chain"),
    ("max_attempts", "How often it may be tried"),
    ("message_id", "The message, as `msg-0000000012` or `12`"),
    ("metadata", "Anything else to keep with it"),
    ("model", "The model, as the client names it"),
    ("name", "The name that others address"),
    ("needs_answer", "The sender waits for an answer"),
    ("not_before", "Nobody gets it before this moment, as in `2026-12-24T18:00:00Z`"),
    ("note", "What to tell those who read its history"),
    ("offset", "The character to begin with"),
    ("online_only", "Only those who are here now"),
    ("options", "What the answer may be; words of one's own it always may"),
    ("parent", "The task that it is a part of"),
    ("part", "The text to read on in"),
    ("pipeline", "The pipeline, by its name"),
    ("prefix", "Only keys that begin with this"),
    ("priority", "How urgent it is; 0, 1, 2 mean high, medium, low"),
    ("progress", "How far it is"),
    ("prompt", "What is to be done, for whoever takes it"),
    ("prompts", "A task for each"),
    ("question", "The question"),
    ("question_id", "The question, as `q-0000000012` or `12`"),
    ("reason", "Why"),
    ("reply_to", "The message that this one answers"),
    ("repo", "The repository it is about"),
    ("reserves", "What whoever claims it has to itself: files, or `@name` of a resource that is none"),
    ("result", "What came of it"),
    ("result_json", "What came of it, for programs"),
    ("role", "The role"),
    ("since_version", "Only what is newer than this version"),
    ("status", "Only in this state"),
    ("subject", "Only about this instance, task, message or key"),
    ("task_id", "The task, as `task-0000000012` or `12`"),
    ("tasks", "The tasks"),
    ("thread", "Only of the conversation that this message belongs to"),
    ("timeout_seconds", "How long to wait: 50 seconds unless told, 280 at most"),
    ("title", "What is to be done, in one line"),
    ("to_instance", "To whom: an id, `@name`, or `role:` and a role"),
    ("to_name", "To whom, by name"),
    ("token", "The token of the claim, so that an older claim can do no harm"),
    ("until", "What to wait for"),
    ("value", "The value"),
    ("version", "An older version"),
    ("work_dir", "Where the instance works"),
    ("worker", "The worker, by its name"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::OPERATIONS;

    #[test]
    fn no_flag_is_left_without_a_word_of_help() {
        for entry in OPERATIONS {
            let properties = entry.input_schema()["properties"].as_object().expect("an object");
            for (name, property) in properties {
                let described = property.get("description").is_some() || name == "instance_id";
                assert!(described || of(entry.name, name).is_some(), "`{name}` of {entry:?} has no help");
            }
        }
    }

    #[test]
    fn every_field_stands_once_in_order() {
        assert!(FIELDS.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
