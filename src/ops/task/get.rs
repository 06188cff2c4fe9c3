//! `get_task`: all of one task, one of its long texts page by page, or what happened to it.

use crate::error::Result;
use crate::model::event::Event;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::task::Body;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::event::shown;
use crate::ops::names::Names;
use crate::ops::render;
use crate::ops::task::TaskView;
use crate::ops::task::existing;
use crate::store::EventFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

const HISTORY_SHOWN: u32 = 30;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Part {
    Description,
    Result,
    ResultJson,
    Evidence,
    Metadata,
    Acceptance,
    ContextFiles,
    ExpectedOutputs,
    DependsOn,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetTask {
    task_id: TaskId,
    /// Read on in a cut field
    part: Option<Part>,
    offset: Option<u64>,
    /// Who did what to it
    history: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum OneTask {
    Part { task_id: TaskId, text: String, offset: u64, total_chars: u64, next_offset: Option<u64> },
    Whole { task: Box<TaskView>, history: Option<Vec<Event>> },
}

impl Operation for GetTask {
    const NAME: &'static str = "get_task";
    const ABOUT: &'static str = "One task: texts, state, result, what it waits for";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["task_id"];
    type Output = OneTask;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<OneTask> {
        let task = existing(tx, self.task_id)?;
        if let Some(part) = self.part {
            let text = match part {
                Part::DependsOn => task.depends_on.iter().map(TaskId::to_string).collect::<Vec<_>>().join("\n"),
                part => text_of(part, &task.body),
            };
            let offset = self.offset.unwrap_or(0);
            let page = render::text_page(&text, offset);
            return Ok(OneTask::Part {
                task_id: task.id,
                text: page.text,
                offset,
                total_chars: page.total_chars,
                next_offset: page.next_offset,
            });
        }
        let id = task.id;
        let mut task = TaskView::of(task, tx)?;
        let history = match self.history.unwrap_or(false) {
            true => Some(history(id, render::ANSWER_BYTES_MAX.saturating_sub(render::size(&task)), tx)?),
            false => None,
        };
        let actors = history.iter().flatten().filter_map(|event| event.actor.as_ref()).map(InstanceId::as_str);
        task.names = Names::read(task.people().chain(actors), tx)?;
        Ok(OneTask::Whole { task: Box::new(task), history })
    }
}

/// The newest events of a task, oldest first.
fn history(id: TaskId, bytes: usize, tx: &mut dyn Tx) -> Result<Vec<Event>> {
    let filter = EventFilter { subject: Some(id.to_string()), newest_first: true, ..EventFilter::default() };
    let newest = tx.events(&filter, HISTORY_SHOWN)?.into_iter().map(shown).collect();
    let (mut shown, _) = render::fit(newest, bytes);
    shown.reverse();
    Ok(shown)
}

fn text_of(part: Part, body: &Body) -> String {
    let json = |value: Option<String>| value.unwrap_or_default();
    match part {
        Part::Description => body.description.clone(),
        Part::Result => body.result.clone().unwrap_or_default(),
        Part::ResultJson => json(body.result_json.as_ref().map(ToString::to_string)),
        Part::Evidence => json(body.evidence.as_ref().and_then(|evidence| serde_json::to_string(evidence).ok())),
        Part::Metadata => json(body.metadata.as_ref().and_then(|metadata| serde_json::to_string(metadata).ok())),
        Part::Acceptance => body.acceptance.join("\n"),
        Part::ContextFiles => body.context_files.join("\n"),
        Part::ExpectedOutputs => body.expected_outputs.join("\n"),
        Part::DependsOn => String::new(),
    }
}

impl Answer for OneTask {
    fn version(&self) -> Option<u64> {
        match self {
            OneTask::Whole { task, .. } => task.line.version,
            OneTask::Part { .. } => None,
        }
    }

    fn ids(&self) -> Vec<String> {
        match self {
            OneTask::Part { task_id, .. } => vec![task_id.to_string()],
            OneTask::Whole { task, .. } => vec![task.line.id.to_string()],
        }
    }
}

impl fmt::Display for OneTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OneTask::Part { text, next_offset, .. } => {
                writeln!(f, "{text}")?;
                next_offset.iter().try_for_each(|next| writeln!(f, "(more: --offset {next})"))
            }
            OneTask::Whole { task, history } => {
                task.fmt(f)?;
                task.times().iter().try_for_each(|time| writeln!(f, "  {time}"))?;
                history.iter().flatten().try_for_each(|event| {
                    let actor = event.actor.as_ref().map(|actor| format!(" by {}", task.names.of(actor.as_str())));
                    let actor = actor.unwrap_or_default();
                    writeln!(f, "  {} {}{actor}", event.at, event.kind)
                })
            }
        }
    }
}
