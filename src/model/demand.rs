//! What must be shown before a task counts as completed, and what was found of it.

use crate::model::id::TaskId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Of one task.
pub const DEMANDS_MAX: usize = 10;
pub const COMMAND_CHARS_MAX: usize = 400;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Demand {
    /// On its branch, and it changes something.
    Commit,
    /// The command of the team passes; where it has none, whoever did it says what they ran.
    Tests,
    /// Those that the task is to make, or that whoever did it names, are there and were changed.
    Files,
    /// Somebody else completed a part of the task whose link is `review`.
    Review,
    /// This command passes.
    Check(String),
}

/// What is read as a demand, in the words of a schema. (A command that is a character longer is read, too.)
pub const PATTERN: &str =
    r"^(commit|tests|files|review|check[: ] ?[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]{0,398})$";

pub const WANTED: &str = "`commit`, `tests`, `files`, `review` or `check: COMMAND`";

impl FromStr for Demand {
    type Err = String;

    fn from_str(text: &str) -> Result<Demand, String> {
        let text = text.trim();
        let command = text.strip_prefix("check").and_then(|rest| rest.strip_prefix([':', ' '])).map(str::trim);
        let fits = |command: &str| {
            (1..=COMMAND_CHARS_MAX).contains(&command.chars().count()) && !command.contains(char::is_control)
        };
        match (text, command) {
            ("commit", _) => Ok(Demand::Commit),
            ("tests", _) => Ok(Demand::Tests),
            ("files", _) => Ok(Demand::Files),
            ("review", _) => Ok(Demand::Review),
            (_, Some(command)) if fits(command) => Ok(Demand::Check(command.to_owned())),
            _ => Err(format!("wanted {WANTED} (one line, at most {COMMAND_CHARS_MAX} characters)")),
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Demand::Commit => f.write_str("commit"),
            Demand::Tests => f.write_str("tests"),
            Demand::Files => f.write_str("files"),
            Demand::Review => f.write_str("review"),
            Demand::Check(command) => write!(f, "check: {command}"),
        }
    }
}

impl TryFrom<String> for Demand {
    type Error = String;

    fn try_from(text: String) -> Result<Demand, String> {
        text.parse()
    }
}

impl From<Demand> for String {
    fn from(demand: Demand) -> String {
        demand.to_string()
    }
}

impl JsonSchema for Demand {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Demand".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": PATTERN })
    }
}

/// What was found of one demand.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub demand: Demand,
    pub is_met: bool,
    /// One sentence.
    pub why: String,
    /// The whole number of the commit that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Finding {
    pub fn met(demand: &Demand, why: impl Into<String>) -> Finding {
        Finding { demand: demand.clone(), is_met: true, why: why.into(), commit: None }
    }

    pub fn not_met(demand: &Demand, why: impl Into<String>) -> Finding {
        Finding { is_met: false, ..Finding::met(demand, why) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.demand, self.why)
    }
}

/// What was found outside of the store, for one claim of one task and no other.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Found {
    pub task: TaskId,
    pub token: u64,
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_is_read_as_it_is_written_and_nothing_else() {
        for text in ["commit", "tests", "files", "review", "check: cargo test --locked"] {
            assert_eq!(text.parse::<Demand>().map(|demand| demand.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("check cargo test".parse(), Ok(Demand::Check("cargo test".to_owned())));
        for wrong in [
            "",
            "comit",
            "check",
            "check:",
            "check: ",
            "checkers",
            "check: a\nb",
            &format!("check {}", "x".repeat(401)),
        ] {
            assert!(wrong.parse::<Demand>().is_err(), "{wrong}");
        }
    }
}
