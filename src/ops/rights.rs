//! How far somebody's access must reach for each operation. One table; whoever comes through no door may do all.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::worker::workers_behind;
use crate::store::Tx;

/// What takes more than an operation of its kind mostly does: to look takes `read`, and everything else `worker`.
const TABLE: &[(Access, &[&str])] = &[
    // To take out of an inbox, or to hold a place in the team, is work, though it changes little.
    (Access::Worker, &["peek_messages", "get_message", "get_question", "get_thread", "list_receipts"]),
    // What is not one's own.
    (
        Access::Lead,
        &[
            "cancel_task",
            "retry_task",
            "cancel_job",
            "retry_failed",
            "list_questions",
            "launch_workers",
            "launch_team",
            "stop_workers",
            "restart_worker",
            "interrupt_worker",
            "list_costs",
            "import_plan",
        ],
    ),
    // What is asked of the human, the door itself, and the state of the machine.
    (
        Access::Human,
        &[
            "answer_question",
            "get_overview",
            "gather_report",
            "follow_worker",
            "lead_fleet",
            "note_fleet",
            "set_caps",
            "note_landing",
            "set_policy",
            "add_token",
            "list_tokens",
            "revoke_token",
            "vouch_for_human",
            "examine_team",
            "tidy_team",
        ],
    ),
];

/// The least access with which it may be called.
pub fn least(entry: &Entry) -> Access {
    let exception = TABLE.iter().find(|(_, operations)| operations.contains(&entry.name));
    match exception {
        Some((access, _)) => *access,
        None if entry.effect == Effect::Read => Access::Read,
        None => Access::Worker,
    }
}

pub fn check(entry: &Entry, caller: &Caller) -> Result<()> {
    let Some(principal) = &caller.principal else { return Ok(()) };
    let least = least(entry);
    if principal.access >= least {
        return Ok(());
    }
    let message = format!("`{}` takes a token of role `{least}`, and this one has `{}`", entry.name, principal.access);
    Err(Error::new(Kind::Forbidden, message).hint(match least {
        Access::Human => "ask the human who owns this team",
        _ => "ask for it where you got the token, or ask somebody who may",
    }))
}

/// A token says whether its bearer is the human. Of those who need none, agents that nobody sits before are not.
pub fn check_speaks_for_the_human(tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let shows_token = caller.principal.as_ref().is_some_and(|principal| !principal.is_owner());
    if !is_worker(tx, caller)? && (shows_token || !caller.headless) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "only the human answers what the human is asked, and nobody sits before this session",
    )
    .hint("let a person answer: in a terminal, by `orch-mcp respond`, or in a session of theirs"))
}

/// What all workers may is for none of them to say.
pub fn check_is_no_worker(tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    match is_worker(tx, caller)? {
        true => Err(Error::new(Kind::Forbidden, "a worker does not say what workers may")
            .hint("`ask_human`: a person does it in a terminal of their own")),
        false => Ok(()),
    }
}

/// Is it one of our workers, or something that one started?
pub fn is_worker(tx: &mut dyn Tx, caller: &Caller) -> Result<bool> {
    Ok(caller.of_run || !workers_behind(tx, caller)?.is_empty())
}

/// Whoever changes what is not their own needs more than the operation takes.
pub fn check_beyond_own(what: &str, caller: &Caller) -> Result<()> {
    match &caller.principal {
        Some(principal) if principal.access < Access::Lead => {
            let message = format!("{what} takes a token of a lead, and this one is of a {}", principal.access);
            Err(Error::new(Kind::Forbidden, message).hint("claim it first, or ask the lead"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::table;

    #[test]
    fn the_table_names_operations_that_exist_and_each_once() {
        let mut named: Vec<&str> = TABLE.iter().flat_map(|(_, operations)| operations.iter().copied()).collect();
        assert!(named.iter().all(|name| table::find_own(name).is_some()), "{named:?}");
        let all = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), all);
    }

    #[test]
    fn who_only_reads_changes_nothing() {
        for entry in table::all().filter(|entry| least(entry) == Access::Read) {
            assert_eq!(entry.effect, Effect::Read, "{}", entry.name);
        }
    }
}
