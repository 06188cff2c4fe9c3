//! The one list of the hooks that a client is to run: what `setup` writes, and what the plugin brings.

use crate::claude::event::Event;
use serde_json::Value;
use serde_json::json;

/// A handler of an event.
#[derive(Clone, Copy, Debug)]
pub struct Handler {
    event: Event,
    runs: Event,
    pub matcher: Option<&'static str>,
    pub timeout_secs: u32,
}

impl Handler {
    /// The event, as the client calls it.
    pub fn event(&self) -> &'static str {
        self.event.name()
    }

    /// What stands behind `orch-mcp hook`.
    pub fn word(&self) -> &'static str {
        self.runs.word()
    }

    /// It waits beside the session, and wakes it by its end.
    pub fn wakes(&self) -> bool {
        self.runs == Event::Rewake
    }

    /// As a client's settings say it, with these arguments to our program.
    pub fn entry(&self, program: &str, arguments: &[String]) -> Value {
        let mut entry =
            json!({ "type": "command", "command": program, "args": arguments, "timeout": self.timeout_secs });
        if self.wakes() {
            entry["asyncRewake"] = Value::Bool(true);
        }
        entry
    }
}

const TIMEOUT_SECS: u32 = 5;
/// The one that waits for what may come: a week, which no session idles through.
const REWAKE_TIMEOUT_SECS: u32 = 604_800;

/// The tools that change files, or have a shell do something.
const ACTS: &str = "Bash|Edit|Monitor|NotebookEdit|PowerShell|Write";

pub const HANDLERS: [Handler; 13] = [
    tells(Event::SessionStart),
    waits_after(Event::SessionStart),
    tells(Event::UserPromptSubmit),
    Handler { matcher: Some(ACTS), ..tells(Event::PreToolUse) },
    tells(Event::PostToolBatch),
    tells(Event::Stop),
    waits_after(Event::Stop),
    tells(Event::StopFailure),
    tells(Event::Notification),
    tells(Event::PreCompact),
    tells(Event::SubagentStart),
    tells(Event::SubagentStop),
    tells(Event::SessionEnd),
];

const fn tells(event: Event) -> Handler {
    Handler { event, runs: event, matcher: None, timeout_secs: TIMEOUT_SECS }
}

const fn waits_after(event: Event) -> Handler {
    Handler { event, runs: Event::Rewake, matcher: None, timeout_secs: REWAKE_TIMEOUT_SECS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_that_we_know_is_wired() {
        for word in Event::words() {
            assert!(HANDLERS.iter().any(|handler| handler.word() == word), "{word}");
        }
    }
}
