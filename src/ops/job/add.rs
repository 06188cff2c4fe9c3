//! `add_subtask`: one more task of a job, told as a prompt.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::NAME_OR_EMPTY;
use crate::model::id::TaskId;
use crate::model::task::LIST_MAX;
use crate::model::task::Priority;
use crate::model::task::RESERVES_MAX;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::TITLE_CHARS_MAX;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::check;
use crate::ops::file::PATTERN_CHARS_MAX;
use crate::ops::render;
use crate::ops::task::ITEM_CHARS_MAX;
use crate::ops::task::PushTask;
use crate::ops::task::Pushed;
use crate::ops::task::by_number;
use crate::ops::task::existing;
use crate::ops::task::existing_job;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::borrow::Cow;

/// Of a prompt so much becomes the title, where none is given.
const TITLE_WIDTH: usize = 100;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AddSubtask {
    job_id: JobId,
    /// What is to be done, for whoever takes it
    #[schemars(length(max = TEXT_BYTES_MAX), regex(pattern = r"\S"))]
    prompt: String,
    /// Else the prompt's beginning
    #[schemars(length(max = TITLE_CHARS_MAX))]
    title: Option<String>,
    /// 1 to 10, 10 goes first; or a word
    priority: Option<UrgencyOrWord>,
    #[schemars(regex(pattern = NAME_OR_EMPTY))]
    role: Option<String>,
    /// The task of this job that it belongs to and waits for
    parent: Option<TaskId>,
    depends_on: Option<Vec<TaskId>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = ITEM_CHARS_MAX)))]
    context_files: Option<Vec<String>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = ITEM_CHARS_MAX)))]
    expected_outputs: Option<Vec<String>>,
    #[schemars(length(max = LIST_MAX), inner(length(max = ITEM_CHARS_MAX)))]
    acceptance: Option<Vec<String>>,
    /// Whoever claims it has these to itself: paths, globs, @resource
    #[schemars(length(max = RESERVES_MAX), inner(length(min = 1, max = PATTERN_CHARS_MAX)))]
    reserves: Option<Vec<String>>,
    /// The repository it is about
    #[schemars(length(max = ITEM_CHARS_MAX))]
    repo: Option<String>,
    metadata: Option<Map<String, Value>>,
}

/// A priority by its word, or by a number of which the largest goes first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
struct UrgencyOrWord(Value);

impl JsonSchema for UrgencyOrWord {
    fn schema_name() -> Cow<'static, str> {
        "UrgencyOrWord".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words = [Priority::CRITICAL, Priority::HIGH, Priority::MEDIUM, Priority::LOW].map(Priority::word);
        let mut all: Vec<Value> = words.into_iter().map(Value::from).collect();
        all.extend((1..=Priority::URGENCY_MAX).map(Value::from));
        schemars::json_schema!({ "enum": all })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Operation for AddSubtask {
    const NAME: &'static str = "add_subtask";
    const ABOUT: &'static str = "One more task of a job; a child waits for its parent";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["job_id", "prompt"];
    type Output = Pushed;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Pushed> {
        existing_job(tx, self.job_id)?;
        if let Some(parent) = self.parent
            && existing(tx, parent)?.job != Some(self.job_id)
        {
            let message = format!("`parent`: task `{parent}` is no part of job `{}`", self.job_id);
            return Err(Error::invalid(message).hint("`depends_on` may name tasks of other jobs"));
        }
        let depends_on: Vec<TaskId> = self.parent.iter().chain(self.depends_on.iter().flatten()).copied().collect();
        let mut task = told(&self.prompt, self.title.as_deref());
        let fields = [
            ("job", Some(json!(self.job_id))),
            ("priority", self.priority.clone().map(|priority| priority.0)),
            ("role", self.role.as_ref().map(|role| json!(role))),
            ("parent", self.parent.map(|parent| json!(parent))),
            ("depends_on", (!depends_on.is_empty()).then(|| json!(depends_on))),
            ("context_files", self.context_files.as_ref().map(|files| json!(files))),
            ("expected_outputs", self.expected_outputs.as_ref().map(|files| json!(files))),
            ("acceptance", self.acceptance.as_ref().map(|items| json!(items))),
            ("reserves", self.reserves.as_ref().map(|patterns| json!(patterns))),
            ("repo", self.repo.as_ref().map(|repo| json!(repo))),
            ("metadata", self.metadata.clone().map(Value::Object)),
        ];
        task.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        by_number("", &mut task)?;
        check::nested::<PushTask>(AddSubtask::NAME, "", task)?.run(tx, caller)
    }
}

/// So much of a text, in one line: in columns and in characters, as some have no width.
pub(super) fn beginning(text: &str, most: usize) -> String {
    render::one_line(text.trim(), most).chars().take(most).collect()
}

/// A task of a prompt: its beginning is the title, and all of it the description where that is more.
pub(super) fn told(prompt: &str, title: Option<&str>) -> Map<String, Value> {
    let prompt = prompt.trim();
    let first = prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let beginning = beginning(first, TITLE_WIDTH);
    let title = title.map(str::trim).filter(|title| !title.is_empty()).unwrap_or(&beginning);
    let mut task = Map::new();
    task.insert("title".to_owned(), title.into());
    if title != prompt {
        task.insert("description".to_owned(), prompt.into());
    }
    task
}
