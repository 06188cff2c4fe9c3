//! A draft: one task as a plan tells it.

use crate::model::demand::Demand;
use crate::model::task::Link;
use crate::model::task::Priority;
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

/// How far a task has got, as its source tells it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Open,
    InProgress,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    pub const ALL: [Status; 6] =
        [Status::Open, Status::InProgress, Status::Blocked, Status::Completed, Status::Failed, Status::Cancelled];

    pub fn word(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::InProgress => "in_progress",
            Status::Blocked => "blocked",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// As people write it, too.
    pub fn read(word: &str) -> Option<Status> {
        match word.trim().to_lowercase().replace([' ', '-'], "_").as_str() {
            "open" | "pending" | "todo" | "to_do" | "backlog" | "ready" | "waiting" => Some(Status::Open),
            "in_progress" | "active" | "doing" | "claimed" | "started" => Some(Status::InProgress),
            "blocked" => Some(Status::Blocked),
            "completed" | "complete" | "done" | "closed" => Some(Status::Completed),
            "failed" => Some(Status::Failed),
            "cancelled" | "canceled" | "dropped" => Some(Status::Cancelled),
            _ => None,
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }

    fn is_open(&self) -> bool {
        *self == Status::Open
    }
}

/// The fields stand in the order in which they are written. What a source says nothing of is empty.
///
/// Kept with a task that was imported, it is what the next import is held against: `serde_json` writes and reads it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// By what it is known again: `spec:parser`, `github:owner/repo#7`.
    pub key: String,
    pub title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How it is to be done. Tasks keep it below their description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "told_priority")]
    pub priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context_files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_outputs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Demand>,
    /// What whoever does it has to itself: files and named resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserves: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_secs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Status::is_open")]
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What came of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

impl Draft {
    /// All fields but the key, as JSON has them.
    pub const FIELDS: &'static [&'static str] = &[
        "title",
        "description",
        "notes",
        "priority",
        "role",
        "assignee",
        "labels",
        "depends_on",
        "parent",
        "acceptance",
        "context_files",
        "expected_outputs",
        "evidence",
        "reserves",
        "repo",
        "branch",
        "link",
        "chain_id",
        "not_before",
        "max_attempts",
        "lease_secs",
        "metadata",
        "status",
        "finished_at",
        "summary",
    ];

    /// What is said of it, by the names of `FIELDS`; what is not said is absent.
    pub fn told(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut map)) => {
                map.shift_remove("key");
                map
            }
            _ => Map::new(),
        }
    }

    /// The one way in which it is written: titles and items on one line, no blank ends, nothing twice.
    pub fn tidy(mut self) -> Draft {
        self.title = one_line(&self.title);
        for text in [&mut self.description, &mut self.notes] {
            *text = tidy_text(text);
        }
        self.summary = one_line(&self.summary);
        let lists = [
            &mut self.acceptance,
            &mut self.context_files,
            &mut self.expected_outputs,
            &mut self.labels,
            &mut self.reserves,
        ];
        for list in lists {
            *list = list.iter().map(|item| one_line(item)).filter(|item| !item.is_empty()).collect();
        }
        for list in [&mut self.labels, &mut self.depends_on, &mut self.reserves] {
            list.sort();
            list.dedup();
        }
        for word in
            [&mut self.role, &mut self.assignee, &mut self.repo, &mut self.branch, &mut self.chain_id, &mut self.parent]
        {
            *word = word.take().map(|word| one_line(&word)).filter(|word| !word.is_empty());
        }
        self.metadata = self.metadata.take().filter(|metadata| !metadata.is_empty());
        self
    }

    /// A label `kind:value`, as fields become that tasks have no place for.
    pub fn label_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(move |label| label.strip_prefix(kind)?.strip_prefix(':'))
    }
}

pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines end in one way, none has blanks at its end, and the text has none at either end.
pub fn tidy_text(text: &str) -> String {
    if text.contains('\r') {
        return tidy_text(&text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    let mut tidy = String::with_capacity(text.len() + 1);
    for line in text.split('\n') {
        let line = line.trim_end();
        tidy.push_str(line);
        tidy.push('\n');
    }
    tidy.trim().to_owned()
}

/// A priority as a plan says it: one of the words, or 1 to 10, where 10 is most urgent.
pub fn priority(text: &str) -> Option<Priority> {
    let word = text.trim().to_lowercase();
    match word.parse::<u8>() {
        Ok(number) => Priority::of_urgency(number),
        Err(_) => Priority::of_word(&word),
    }
}

/// As it is written: here a number is one of ten.
fn told_priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Priority>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| priority(&text)))
}

pub const PRIORITY_WANTED: &str = "`critical`, `high`, `medium`, `low`, or 1 to 10 with 10 the most urgent";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_fields_are_those_of_the_json_in_its_order() {
        let draft = Draft {
            key: "plan:a".into(),
            title: "t".into(),
            description: "d".into(),
            notes: "n".into(),
            priority: Some(Priority::HIGH),
            role: Some("r".into()),
            assignee: Some("@a".into()),
            labels: vec!["l".into()],
            depends_on: vec!["plan:b".into()],
            parent: Some("plan:c".into()),
            acceptance: vec!["a".into()],
            context_files: vec!["c".into()],
            expected_outputs: vec!["e".into()],
            evidence: vec![Demand::Commit],
            reserves: vec!["@db".into()],
            repo: Some("r".into()),
            branch: Some("b".into()),
            link: Some(Link::Build),
            chain_id: Some("c".into()),
            not_before: Some(Timestamp::from_millis(0)),
            max_attempts: Some(1),
            lease_secs: Some(1),
            metadata: Some(Map::from_iter([("k".to_owned(), Value::from(1))])),
            status: Status::Completed,
            finished_at: Some(Timestamp::from_millis(0)),
            summary: "s".into(),
        };
        let told = draft.told();
        assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), Draft::FIELDS);
        let json = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<Draft>(&json).unwrap(), draft);
        assert_eq!(Draft::default().told().len(), 1, "a title is always told");
    }

    #[test]
    fn a_tidy_draft_stays_as_it_is() {
        let draft = Draft {
            title: " a\n b ".into(),
            description: "\n\n a  \r\nb\r\rc \n\n".into(),
            labels: vec!["z".into(), " a".into(), "z".into(), " ".into()],
            role: Some(" ".into()),
            ..Draft::default()
        };
        let tidy = draft.tidy();
        assert_eq!(tidy.title, "a b");
        assert_eq!(tidy.description, "a\nb\n\nc");
        assert_eq!(tidy.labels, ["a", "z"]);
        assert_eq!(tidy.role, None);
        assert_eq!(tidy.clone().tidy(), tidy);
    }

    #[test]
    fn priorities_are_words_or_one_to_ten() {
        let words = |text| priority(text).map(Priority::word);
        assert_eq!(["1", "5", "7", "10", "High"].map(words), ["1", "medium", "7", "critical", "high"].map(Some));
        assert_eq!(["0", "11", "-1", "urgent", ""].map(words), [None; 5]);
    }
}
