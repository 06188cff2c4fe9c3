//! The events of a Claude session that we hear of, and how they are called here.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    SessionStart,
    UserPromptSubmit,
    PreToolUse,
    PostToolBatch,
    Stop,
    StopFailure,
    Notification,
    PreCompact,
    SubagentStart,
    SubagentStop,
    SessionEnd,
    /// No event: a process that waits, beside the session, to wake it by ending.
    Rewake,
}

/// Each with its word on our command line.
const WORDS: [(Event, &str); 12] = [
    (Event::SessionStart, "session-start"),
    (Event::UserPromptSubmit, "user-prompt-submit"),
    (Event::PreToolUse, "pre-tool-use"),
    (Event::PostToolBatch, "post-tool-batch"),
    (Event::Stop, "stop"),
    (Event::StopFailure, "stop-failure"),
    (Event::Notification, "notification"),
    (Event::PreCompact, "pre-compact"),
    (Event::SubagentStart, "subagent-start"),
    (Event::SubagentStop, "subagent-stop"),
    (Event::SessionEnd, "session-end"),
    (Event::Rewake, "rewake"),
];

impl Event {
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.into_iter().map(|(_, word)| word)
    }

    pub fn of_word(word: &str) -> Option<Event> {
        WORDS.into_iter().find(|(_, known)| *known == word).map(|(event, _)| event)
    }

    pub fn word(self) -> &'static str {
        WORDS.into_iter().find(|(event, _)| *event == self).map_or("", |(_, word)| word)
    }

    /// How the client calls it.
    pub fn name(self) -> &'static str {
        match self {
            Event::SessionStart => "SessionStart",
            Event::UserPromptSubmit => "UserPromptSubmit",
            Event::PreToolUse => "PreToolUse",
            Event::PostToolBatch => "PostToolBatch",
            Event::Stop => "Stop",
            Event::StopFailure => "StopFailure",
            Event::Notification => "Notification",
            Event::PreCompact => "PreCompact",
            Event::SubagentStart => "SubagentStart",
            Event::SubagentStop => "SubagentStop",
            Event::SessionEnd => "SessionEnd",
            Event::Rewake => "Rewake",
        }
    }

    /// How long the session may be held up. It takes a hundredth of that, unless the store is in trouble.
    pub fn patience(self) -> Duration {
        match self {
            // Once in a session; without it nobody knows of it.
            Event::SessionStart => Duration::from_secs(3),
            // A client that ends waits no longer.
            Event::SessionEnd => Duration::from_millis(1_200),
            _ => Duration::from_secs(1),
        }
    }
}
