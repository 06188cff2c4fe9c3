//! Which tools a session is shown. Every operation can be called, shown or not: a short list is cheaper to read.

use crate::error::Error;
use crate::ops::Entry;
use crate::ops::OPERATIONS;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// What it takes to work through tasks.
    Worker,
    /// What it takes to plan and to follow up as well.
    #[default]
    Lead,
    /// Everything.
    Full,
}

impl Profile {
    pub const ALL: [Profile; 3] = [Profile::Worker, Profile::Lead, Profile::Full];

    pub fn word(self) -> &'static str {
        match self {
            Profile::Worker => "worker",
            Profile::Lead => "lead",
            Profile::Full => "full",
        }
    }

    fn shows(self, tool: &str) -> bool {
        match self {
            Profile::Worker => WORKER.contains(&tool),
            Profile::Lead => NAMES_OF_OLD.contains(&tool) || LEAD.contains(&tool),
            Profile::Full => true,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(word: &str) -> Result<Profile, Error> {
        Profile::ALL.into_iter().find(|profile| profile.word() == word).ok_or_else(|| {
            Error::invalid(format!("there is no profile `{word}`")).hint("choose `worker`, `lead` or `full`")
        })
    }
}

/// At most 14 tools and 6 KB.
const WORKER: &[&str] = &[
    "register_instance",
    "claim_task",
    "get_task",
    "complete_task",
    "block_task",
    "fail_task",
    "ask_human",
    "send_message",
    "request_help",
    "wait_for_message",
    "poll_messages",
    "get_message",
    "set_context",
    "get_context",
];

/// The tools that earlier servers of this kind had: sessions and their notes know them by name.
const NAMES_OF_OLD: &[&str] = &[
    "register_instance",
    "heartbeat",
    "list_instances",
    "push_task",
    "claim_task",
    "complete_task",
    "list_tasks",
    "send_message",
    "poll_messages",
    "wait_for_message",
    "mark_read",
    "dismiss_message",
    "request_help",
    "set_context",
    "get_context",
    "delete_context",
    "list_context_keys",
    "server_status",
];

/// With the names of old at most 24 tools and 12 KB.
const LEAD: &[&str] = &["push_tasks", "get_task", "fail_task", "create_job", "wait_for_job", "get_message"];

/// What a profile shows, in the order of the table.
pub fn listed(profile: Profile) -> Vec<&'static Entry> {
    listed_with(profile, &[])
}

/// The same, with tools that are to be shown besides.
pub fn listed_with(profile: Profile, also: &[String]) -> Vec<&'static Entry> {
    let is_named = |entry: &Entry| also.iter().any(|tool| tool == entry.name);
    OPERATIONS.iter().filter(|entry| profile.shows(entry.name) || is_named(entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_of_a_profile_is_an_operation() {
        for tool in WORKER.iter().chain(NAMES_OF_OLD).chain(LEAD) {
            assert!(OPERATIONS.iter().any(|entry| entry.name == *tool), "{tool}");
        }
    }

    #[test]
    fn a_profile_shows_no_more_tools_than_it_may() {
        assert_eq!(listed(Profile::Worker).len(), 14);
        assert_eq!(listed(Profile::Lead).len(), 24);
        assert_eq!(listed(Profile::Full).len(), OPERATIONS.len());
        let also = ["update_task", "claim_task", "no_tool"].map(str::to_owned);
        assert_eq!(listed_with(Profile::Worker, &also).len(), 15);
    }

    #[test]
    fn a_profile_is_read_as_it_is_written() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert!("boss".parse::<Profile>().is_err());
    }
}
