//! `get_graph`: what waits for what, drawn. One way from tasks to the nodes of a picture, for whoever draws them.

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render;
use crate::ops::task::existing_job;
use crate::plan::graph::Graph;
use crate::plan::graph::NODES_MAX;
use crate::plan::graph::Node;
use crate::plan::graph::Page;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;

/// More rows no model wants; where they do not fit, fewer.
const ROWS_DRAWN: [usize; 4] = [60, 40, 20, 8];
/// Of the drawing in an answer, with room for what is said beside it.
const DRAWING_BYTES: usize = render::ANSWER_BYTES_MAX - 500;
/// No more of them fit into an answer in any form but text.
const TASKS_BEGUN_WITH: usize = 250;

/// A task as a picture shows it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "GraphTask")]
pub struct Drawn {
    pub id: String,
    pub title: String,
    pub status: Standing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Of those in the picture: whatever else it waits for is not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

impl Drawn {
    fn of(task: &Task, needs: &[(TaskId, Standing)], of_job: Option<JobId>) -> Drawn {
        let from = match task.job {
            job if of_job.is_none() || job == of_job => String::new(),
            Some(job) => format!(" ({})", render::short_id(&job.to_string())),
            None => " (of no job)".to_owned(),
        };
        Drawn {
            id: task.id.short(),
            title: format!("{}{from}", task.title),
            status: task.standing(),
            role: task.role.clone(),
            needs: needs.iter().map(|(id, _)| id.short()).collect(),
        }
    }
}

/// The picture of these tasks.
pub fn graph(tasks: &[Drawn]) -> Graph {
    let places: HashMap<&str, usize> = tasks.iter().enumerate().map(|(at, task)| (task.id.as_str(), at)).collect();
    let places = &places;
    let edges = tasks
        .iter()
        .enumerate()
        .flat_map(|(at, task)| task.needs.iter().filter_map(move |need| Some((at, *places.get(need.as_str())?))));
    let node = |task: &Drawn| Node {
        id: task.id.clone(),
        title: task.title.clone(),
        standing: task.status,
        role: task.role.clone(),
    };
    Graph::new(tasks.iter().map(node).collect(), edges)
}

/// As text of so many bytes at most: what there is no room for is counted in it.
pub fn text_within(graph: &Graph, bytes: usize) -> String {
    let drawn = |rows| graph.text(Page { rows: Some(rows), ..Page::default() });
    let fitting = ROWS_DRAWN.into_iter().map(drawn).find(|text| render::size(text) <= bytes);
    fitting.unwrap_or_else(|| render::short(&drawn(1), bytes))
}

/// All tasks of a job, or all open ones; and those of others that they wait for and that are not done.
fn tasks(tx: &mut dyn Tx, job: Option<JobId>) -> Result<(Vec<Drawn>, u64)> {
    if let Some(job) = job {
        existing_job(tx, job)?;
    }
    let standings = if job.is_none() { Standing::OPEN.to_vec() } else { Vec::new() };
    let after = Some(TaskId::from_number(0));
    let filter = TaskFilter { standings, job, after, ..TaskFilter::default() };
    let found = tx.list_tasks(&filter, NODES_MAX as u32)?;
    let mut left_out = 0;
    if found.len() == NODES_MAX {
        left_out = tx.count_tasks(&TaskFilter { after: None, ..filter }, u64::MAX >> 1)? - NODES_MAX as u64;
    }
    let mut drawn: Vec<Drawn> = Vec::with_capacity(found.len());
    let mut is_drawn: HashMap<TaskId, ()> = found.iter().map(|task| (task.id, ())).collect();
    let mut others = Vec::new();
    for task in &found {
        let needs = tx.dependencies_of(task.id)?;
        let missing = needs.iter().filter(|(_, standing)| *standing != Standing::Completed).map(|(id, _)| *id);
        others.extend(missing.filter(|id| is_drawn.insert(*id, ()).is_none()));
        drawn.push(Drawn::of(task, &needs, job));
    }
    let room = NODES_MAX - drawn.len();
    left_out += others.len().saturating_sub(room) as u64;
    for id in others.into_iter().take(room) {
        if let Some(task) = tx.task(id)? {
            drawn.push(Drawn::of(&task, &[], job));
        }
    }
    Ok((drawn, left_out))
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Form {
    #[default]
    Text,
    Mermaid,
    Dot,
    Svg,
    Json,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetGraph {
    /// Else all open tasks
    job: Option<JobId>,
    form: Option<Form>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskGraph")]
pub struct Picture {
    /// How many tasks are in it.
    tasks: u64,
    /// How many are not, as there is no room for them.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    left_out: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drawing: Option<String>,
    /// In the form `json`: `nodes`, `edges`, `critical_path`, `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    graph: Option<Value>,
}

fn is_none_of_them(count: &u64) -> bool {
    *count == 0
}

impl Operation for GetGraph {
    const NAME: &'static str = "get_graph";
    const ABOUT: &'static str = "What waits for what, drawn: a job's tasks, or all that are open";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Read;
    const POSITIONAL: &'static [&'static str] = &["job"];
    type Output = Picture;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Picture> {
        let (tasks, left_out) = tasks(tx, self.job)?;
        Ok(Picture::of(&tasks, left_out, self.form.unwrap_or_default()))
    }
}

impl Picture {
    fn of(tasks: &[Drawn], left_out: u64, form: Form) -> Picture {
        let whole = graph(tasks);
        if let Form::Text = form {
            let drawing = Some(text_within(&whole, DRAWING_BYTES));
            return Picture { tasks: tasks.len() as u64, left_out, drawing, graph: None };
        }
        let mut most = tasks.len().min(TASKS_BEGUN_WITH);
        loop {
            let shown = most_telling(tasks, &whole, most);
            let picture = Picture::whole_of(&shown, left_out + (tasks.len() - shown.len()) as u64, form);
            let size = render::size(&picture);
            if size <= render::ANSWER_BYTES_MAX || most == 0 {
                return picture;
            }
            most = (most * render::ANSWER_BYTES_MAX / size).min(most - 1);
        }
    }

    fn whole_of(tasks: &[Drawn], left_out: u64, form: Form) -> Picture {
        let graph = graph(tasks);
        let (drawing, graph) = match form {
            Form::Text => (Some(graph.text(Page::default())), None),
            Form::Mermaid => (Some(graph.mermaid()), None),
            Form::Dot => (Some(graph.dot()), None),
            Form::Svg => (Some(graph.svg()), None),
            Form::Json => (None, Some(graph.json())),
        };
        Picture { tasks: tasks.len() as u64, left_out, drawing, graph }
    }
}

/// The heads of the longest chains before all others, each in its place.
fn most_telling(tasks: &[Drawn], graph: &Graph, most: usize) -> Vec<Drawn> {
    let mut ranked: Vec<usize> = (0..tasks.len()).collect();
    ranked.sort_by_key(|at| (Reverse(graph.heights()[*at]), *at));
    ranked.truncate(most);
    ranked.sort_unstable();
    ranked.into_iter().map(|at| tasks[at].clone()).collect()
}

/// For a terminal, which has room for all of it and draws for itself.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GetWholeGraph {
    job: Option<JobId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "WholeGraph")]
pub struct Whole {
    pub tasks: Vec<Drawn>,
    /// How many there are beyond those.
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub left_out: u64,
}

impl Operation for GetWholeGraph {
    const NAME: &'static str = "get_whole_graph";
    const ABOUT: &'static str = "Tasks and what each waits for, to be drawn elsewhere";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Read;
    type Output = Whole;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Whole> {
        let (tasks, left_out) = tasks(tx, self.job)?;
        Ok(Whole { tasks, left_out })
    }
}

impl Answer for Picture {}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.drawing, &self.graph) {
            (Some(drawing), _) => writeln!(f, "{}", drawing.trim_end())?,
            (None, Some(graph)) => writeln!(f, "{graph:#}")?,
            (None, None) => {}
        }
        match self.left_out {
            0 => Ok(()),
            left_out => writeln!(f, "{left_out} more are left out; `orch-mcp graph` draws all of them"),
        }
    }
}

impl Answer for Whole {}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&graph(&self.tasks).text(Page::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each waits for the one before it.
    fn chain(count: usize, title: &str) -> Vec<Drawn> {
        let one = |number: usize| Drawn {
            id: format!("task-{number}"),
            title: title.to_owned(),
            status: if number == 1 { Standing::Ready } else { Standing::Waiting },
            role: Some("builder".to_owned()),
            needs: if number == 1 { Vec::new() } else { vec![format!("task-{}", number - 1)] },
        };
        (1..=count).map(one).collect()
    }

    #[test]
    fn what_does_not_fit_into_an_answer_is_counted_and_the_heads_of_the_chains_stay() {
        for title in ["t".to_owned(), "𝕎".repeat(300), "\u{1}\"".repeat(150)] {
            for form in [Form::Text, Form::Mermaid, Form::Dot, Form::Svg, Form::Json] {
                let picture = Picture::of(&chain(1_000, &title), 7, form);
                assert!(render::size(&picture) <= render::ANSWER_BYTES_MAX, "{form:?}: {}", render::size(&picture));
                if let Form::Text = form {
                    assert_eq!((picture.tasks, picture.left_out), (1_000, 7));
                    continue;
                }
                assert_eq!(picture.tasks + picture.left_out, 1_007, "{form:?}");
                assert!(picture.tasks >= 4, "{form:?} of {} bytes shows {}", title.len(), picture.tasks);
                let told = picture.drawing.unwrap_or_else(|| picture.graph.unwrap_or_default().to_string());
                assert!(told.contains("task-1") && !told.contains("task-999"), "{form:?}");
            }
        }
    }

    #[test]
    fn what_is_needed_and_not_shown_makes_no_edge() {
        let mut tasks = chain(2, "t");
        tasks[0].needs = vec!["task-77".to_owned()];
        assert_eq!(graph(&tasks).json()["edges"].as_array().map(Vec::len), Some(1));
    }
}
