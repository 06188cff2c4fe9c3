//! The words of a task's life: states, standings, priorities, links.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TaskState")]
pub enum State {
    Pending,
    Claimed,
    InProgress,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Claimed => "claimed",
            State::InProgress => "in_progress",
            State::Blocked => "blocked",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    /// Has somebody a claim on it?
    pub fn is_held(self) -> bool {
        matches!(self, State::Claimed | State::InProgress)
    }

    /// Does nothing more happen to it by itself?
    pub fn is_final(self) -> bool {
        matches!(self, State::Completed | State::Failed | State::Cancelled)
    }
}

/// A state, with pending told apart by whether somebody could claim it now.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TaskStanding")]
pub enum Standing {
    Ready,
    Waiting,
    Claimed,
    InProgress,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

impl Standing {
    pub const ALL: [Standing; 8] = [
        Standing::Ready,
        Standing::Waiting,
        Standing::Claimed,
        Standing::InProgress,
        Standing::Blocked,
        Standing::Completed,
        Standing::Failed,
        Standing::Cancelled,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Standing::Ready => "ready",
            Standing::Waiting => "waiting",
            Standing::Claimed => "claimed",
            Standing::InProgress => "in_progress",
            Standing::Blocked => "blocked",
            Standing::Completed => "completed",
            Standing::Failed => "failed",
            Standing::Cancelled => "cancelled",
        }
    }
}

impl FromStr for Standing {
    type Err = String;

    fn from_str(word: &str) -> Result<Standing, String> {
        Standing::ALL
            .into_iter()
            .find(|standing| standing.word() == word)
            .ok_or_else(|| format!("no standing `{word}`"))
    }
}

/// How urgent. Written as a word; the older numbers 0, 1, 2 are read as high, medium, low.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Critical,
    High,
    #[default]
    Medium,
    Low,
}

impl Priority {
    pub const ALL: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Medium, Priority::Low];

    pub fn word(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        }
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Priority, String> {
        match text {
            "critical" => Ok(Priority::Critical),
            "high" | "0" => Ok(Priority::High),
            "medium" | "1" => Ok(Priority::Medium),
            "low" | "2" => Ok(Priority::Low),
            _ => Err("a priority is one of critical, high, medium, low, or 0, 1, 2 for the last three".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Priority, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Priority {
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        match generator.contract().is_serialize() {
            true => schemars::json_schema!({ "enum": Priority::ALL }),
            false => schemars::json_schema!({ "enum": ["critical", "high", "medium", "low", 0, 1, 2] }),
        }
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The part a task plays in a chain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Link {
    Plan,
    Build,
    Verify,
    Review,
    Accept,
}

impl Link {
    pub const ALL: [Link; 5] = [Link::Plan, Link::Build, Link::Verify, Link::Review, Link::Accept];

    pub fn word(self) -> &'static str {
        match self {
            Link::Plan => "plan",
            Link::Build => "build",
            Link::Verify => "verify",
            Link::Review => "review",
            Link::Accept => "accept",
        }
    }

    /// The link that fits a role: `builder` builds.
    pub fn fitting(role: &str) -> Option<Link> {
        match role.to_lowercase().as_str() {
            "planner" => Some(Link::Plan),
            "builder" | "executor" | "developer" => Some(Link::Build),
            "verifier" | "tester" => Some(Link::Verify),
            "reviewer" => Some(Link::Review),
            "accepter" => Some(Link::Accept),
            _ => None,
        }
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(word: &str) -> Result<Link, String> {
        Link::ALL.into_iter().find(|link| link.word() == word).ok_or_else(|| format!("no link `{word}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_priority_numbers_are_read() {
        let read = |json: &str| serde_json::from_str::<Priority>(json).map(Priority::word).ok();
        assert_eq!(read("0"), Some("high"));
        assert_eq!(read("\"2\""), Some("low"));
        assert_eq!(read("\"critical\""), Some("critical"));
        assert_eq!(read("3"), None);
    }
}
