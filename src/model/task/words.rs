//! The words of a task's life: states, standings, priorities, links.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
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
    /// Those of what is still to be done.
    pub const OPEN: [Standing; 5] =
        [Standing::Ready, Standing::Waiting, Standing::Claimed, Standing::InProgress, Standing::Blocked];

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

/// How urgent, from 1 to 10. Four of these have words; the older numbers 0, 1, 2 are read as high, medium, low.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Priority(u8);

impl Priority {
    pub const CRITICAL: Priority = Priority(10);
    pub const HIGH: Priority = Priority(8);
    pub const MEDIUM: Priority = Priority(5);
    pub const LOW: Priority = Priority(2);

    const WORDS: [(Priority, &str); 4] = [
        (Priority::CRITICAL, "critical"),
        (Priority::HIGH, "high"),
        (Priority::MEDIUM, "medium"),
        (Priority::LOW, "low"),
    ];

    pub const URGENCY_MAX: u8 = 10;

    pub fn of_word(word: &str) -> Option<Priority> {
        Priority::WORDS.iter().find(|(_, known)| *known == word).map(|(priority, _)| *priority)
    }

    /// From 1 to 10, of which 10 goes first.
    pub fn of_urgency(urgency: u8) -> Option<Priority> {
        (1..=Priority::URGENCY_MAX).contains(&urgency).then_some(Priority(urgency))
    }

    pub fn urgency(self) -> u8 {
        self.0
    }

    /// Its word, or its number where there is none.
    pub fn word(self) -> &'static str {
        const NUMBERS: [&str; 11] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
        let word = Priority::WORDS.iter().find(|(priority, _)| *priority == self).map(|(_, word)| *word);
        word.unwrap_or(NUMBERS[usize::from(self.0.min(Priority::URGENCY_MAX))])
    }
}

/// In the order in which tasks are taken: the most urgent is the least.
impl Ord for Priority {
    fn cmp(&self, other: &Priority) -> Ordering {
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Priority {
    fn partial_cmp(&self, other: &Priority) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::MEDIUM
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Priority, String> {
        let word = match text {
            "0" => "high",
            "1" => "medium",
            "2" => "low",
            word => word,
        };
        Priority::of_word(word).ok_or_else(|| {
            "a priority is one of critical, high, medium, low, or 0, 1, 2 for the last three; `urgency` goes from 1 to 10"
                .to_owned()
        })
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

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl JsonSchema for Priority {
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words = Priority::WORDS.map(|(_, word)| word);
        match generator.contract().is_serialize() {
            true => {
                schemars::json_schema!({ "enum": [words[0], words[1], words[2], words[3], "1", "3", "4", "6", "7", "9"] })
            }
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

    #[test]
    fn an_urgency_has_a_word_or_is_its_number() {
        let words: Vec<&str> = (0..=11).filter_map(Priority::of_urgency).map(Priority::word).collect();
        assert_eq!(words, ["1", "low", "3", "4", "medium", "6", "7", "high", "9", "critical"]);
    }
}
