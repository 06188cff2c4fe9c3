//! `push_tasks`: a whole plan at once, of tasks that wait for one another.

use crate::error::Error;
use crate::error::Result;
use crate::model::graph;
use crate::model::graph::Walk;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::nearest::nearest;
use crate::model::stage::Stage;
use crate::model::task::Priority;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::check;
use crate::ops::render;
use crate::ops::task::PushTask;
use crate::ops::task::of_job::check_takes_more;
use crate::ops::task::push::Place;
use crate::ops::task::push::existing_dependency;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;

/// Most tasks of one plan: all of them go into one transaction, and everybody else waits that long.
pub const BATCH_MAX: usize = 10_000;
const REF_CHARS_MAX: usize = 100;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushTasks {
    /// As for push_task, and `ref`: a name by which others in this list depend on it; priority also 1 to 10
    #[schemars(length(min = 1, max = BATCH_MAX))]
    tasks: Vec<Map<String, Value>>,
    /// The job they are part of
    job: Option<JobId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TasksPushed")]
pub struct PushedMany {
    count: usize,
    /// The first of them, in the order given; the ids of all lie between `first` and `last`.
    tasks: Vec<PushedOne>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<TaskId>,
    /// All of them, for `--format ids`.
    #[serde(skip)]
    all: Vec<TaskId>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "TaskPushedLine")]
struct PushedOne {
    id: TaskId,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    local: Option<String>,
    title: String,
}

/// Told one by one in the answer; a plan larger than this is looked up with `list_tasks`.
const TOLD_MAX: usize = 50;

impl Operation for PushTasks {
    const NAME: &'static str = "push_tasks";
    const ABOUT: &'static str = "Put a whole plan into the queue: all of it or nothing";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["tasks"];
    type Output = PushedMany;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<PushedMany> {
        Plan::read(&self.tasks, self.job)?.push(tx, caller)
    }
}

/// A list of tasks that may depend on each other.
pub struct Plan {
    tasks: Vec<PushTask>,
    refs: Vec<Option<String>>,
    dependencies: Vec<Vec<Dependency>>,
    /// Those whose parent is of this list, too.
    parents: HashMap<usize, usize>,
    /// Of a pipeline, what it says of each.
    stages: Vec<Option<Stage>>,
}

enum Dependency {
    InPlan(usize),
    Existing(String),
}

impl Plan {
    /// `job`: of all that name none.
    pub fn read(given: &[Map<String, Value>], job: Option<JobId>) -> Result<Plan> {
        if !(1..=BATCH_MAX).contains(&given.len()) {
            return Err(Error::invalid(format!("`tasks` must hold 1 to {BATCH_MAX} tasks, not {}", given.len())));
        }
        let by_ref = refs(given)?;
        let mut plan = Plan {
            tasks: Vec::new(),
            refs: Vec::new(),
            dependencies: Vec::new(),
            parents: HashMap::new(),
            stages: Vec::new(),
        };
        for (index, given) in given.iter().enumerate() {
            let mut given = given.clone();
            let local = given.remove("ref").and_then(|local| local.as_str().map(str::to_owned));
            if let Some(parent) = given.get("parent").and_then(Value::as_str).and_then(|name| by_ref.get(name)) {
                plan.parents.insert(index, *parent);
                given.remove("parent");
            }
            let at = format!("tasks[{index}]");
            has_no_key(&at, &given)?;
            by_number(&at, &mut given)?;
            for name in names_of_others(&given) {
                must_be_known(&at, name, &by_ref)?;
            }
            let mut task = check::nested::<PushTask>(PushTasks::NAME, &at, given).map_err(with_ref)?;
            task.job = task.job.or(job);
            plan.tasks.push(task);
            plan.refs.push(local);
        }
        let dependency = |name: &String| match by_ref.get(name) {
            Some(index) => Dependency::InPlan(*index),
            None => Dependency::Existing(name.clone()),
        };
        plan.dependencies =
            plan.tasks.iter().map(|task| task.depends_on.iter().flatten().map(dependency).collect()).collect();
        Ok(plan)
    }

    /// As a pipeline makes them: each says besides which stage it is.
    pub fn of_stages(given: Vec<Map<String, Value>>, job: JobId) -> Result<Plan> {
        let mut given = given;
        let stage = |task: &mut Map<String, Value>| {
            task.remove("stage").map(|stage| serde_json::from_value(stage).map_err(Error::internal)).transpose()
        };
        let stages = given.iter_mut().map(stage).collect::<Result<_>>()?;
        Ok(Plan { stages, ..Plan::read(&given, Some(job))? })
    }

    pub fn push(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<PushedMany> {
        let by = caller.known_instance(tx)?.map(|me| me.id);
        for job in self.tasks.iter().filter_map(|task| task.job).collect::<BTreeSet<JobId>>() {
            check_takes_more(tx, job)?;
        }
        let order = self.order()?;
        let heights = self.heights(&order);
        let mut ids: Vec<Option<TaskId>> = vec![None; self.tasks.len()];
        for index in order {
            let at = |error: Error| Error { message: format!("tasks[{index}]: {}", error.message), ..error };
            let mut depends_on = Vec::new();
            for dependency in &self.dependencies[index] {
                depends_on.push(match dependency {
                    Dependency::InPlan(other) => ids[*other].expect("the order puts it before what needs it"),
                    Dependency::Existing(id) => existing_dependency(tx, id).map_err(at)?.id,
                });
            }
            let mut task = self.tasks[index].clone();
            task.parent = task.parent.or_else(|| ids[*self.parents.get(&index)?]);
            let place = Place { depends_on, height: heights[index], stage: self.stages.get(index).cloned().flatten() };
            let task = task
                .check_may_demand(tx, caller)
                .and_then(|()| task.push(tx, caller, by.as_ref(), place))
                .map_err(at)?;
            ids[index] = Some(task.id);
        }
        let ids: Vec<TaskId> = ids.into_iter().flatten().collect();
        let told = ids.iter().zip(self.refs.iter().zip(&self.tasks)).take(TOLD_MAX).map(|(id, (local, task))| {
            PushedOne { id: *id, local: local.clone(), title: task.title.trim().to_owned() }
        });
        let (tasks, _) = render::fit(told.collect(), render::ANSWER_BYTES_MAX);
        let (first, last) = (ids.iter().min().copied(), ids.iter().max().copied());
        Ok(PushedMany { count: ids.len(), tasks, first, last, all: ids })
    }

    /// Each task after those it depends on, and after its parent.
    fn order(&self) -> Result<Vec<usize>> {
        let needs = |index: usize| {
            let inside = self.needed_in_plan(index);
            Ok::<_, Infallible>(inside.chain(self.parents.get(&index).copied()).collect())
        };
        let Ok(walk) = graph::walk(0..self.tasks.len(), needs);
        match walk {
            Walk::Order(order) => Ok(order),
            Walk::Cycle(path) => {
                let name = |index: &usize| self.refs[*index].clone().unwrap_or_else(|| format!("tasks[{index}]"));
                let path: Vec<String> = path.iter().map(name).collect();
                Err(Error::invalid(format!("these tasks wait for each other: {}", path.join(" -> ")))
                    .hint("take one of these dependencies out"))
            }
        }
    }

    fn needed_in_plan(&self, index: usize) -> impl Iterator<Item = usize> {
        self.dependencies[index].iter().filter_map(|dependency| match dependency {
            Dependency::InPlan(other) => Some(*other),
            Dependency::Existing(_) => None,
        })
    }

    /// How many tasks the longest chain has that waits for each.
    fn heights(&self, order: &[usize]) -> Vec<u32> {
        let mut heights = vec![0; self.tasks.len()];
        for index in order.iter().rev() {
            for needed in self.needed_in_plan(*index) {
                heights[needed] = heights[needed].max(heights[*index] + 1);
            }
        }
        heights
    }
}

/// Where the task of each local name stands.
fn refs(given: &[Map<String, Value>]) -> Result<HashMap<String, usize>> {
    let mut by_ref = HashMap::new();
    for (index, given) in given.iter().enumerate() {
        let local = match given.get("ref") {
            None | Some(Value::Null) => continue,
            Some(Value::String(local)) if (1..=REF_CHARS_MAX).contains(&local.chars().count()) => local,
            Some(_) => {
                let wanted = format!("`tasks[{index}].ref` must be text of 1 to {REF_CHARS_MAX} characters");
                return Err(Error::invalid(wanted));
            }
        };
        if by_ref.insert(local.clone(), index).is_some() {
            return Err(Error::invalid(format!("`tasks[{index}].ref`: two tasks are called `{local}`")));
        }
    }
    Ok(by_ref)
}

/// In files, and in a plan that is decomposed, a task has a key.
fn has_no_key(at: &str, given: &Map<String, Value>) -> Result<()> {
    match given.contains_key("key") {
        true => Err(Error::invalid(format!("`{at}` has no `key`"))
            .hint("did you mean `ref`? By that name others in the list depend on it")),
        false => Ok(()),
    }
}

/// No schema has it, as it is of the list and not of the task.
fn with_ref(error: Error) -> Error {
    let hint = error.hint.map(|hint| hint.replacen("it takes `", "it takes `ref`, `", 1));
    Error { hint, ..error }
}

fn names_of_others(given: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let needs = given.get("depends_on").and_then(Value::as_array).into_iter().flatten();
    needs.filter_map(Value::as_str)
}

/// One of this list, or a task that there may be.
fn must_be_known(at: &str, name: &str, by_ref: &HashMap<String, usize>) -> Result<()> {
    if by_ref.contains_key(name) || name.parse::<TaskId>().is_ok() {
        return Ok(());
    }
    let refs: BTreeSet<&str> = by_ref.keys().map(String::as_str).collect();
    let error = Error::invalid(format!(
        "`{at}` depends on `{}`, which is neither the `ref` of another nor a task id",
        render::one_line(name, REF_CHARS_MAX)
    ));
    Err(match nearest(name, refs.into_iter()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("give that task the `ref`, or name one that there is, such as `task-0000000012`"),
    })
}

/// In a plan a number is an urgency: `push_task` alone reads the older numbers. `at`: where it stands, in a list.
pub fn by_number(at: &str, given: &mut Map<String, Value>) -> Result<()> {
    let number = given.get("priority").and_then(|priority| match priority {
        Value::Number(number) => Some(Value::Number(number.clone())),
        Value::String(text) => text.parse::<u8>().ok().map(Value::from),
        _ => None,
    });
    let Some(number) = number else { return Ok(()) };
    let most = Priority::URGENCY_MAX;
    if number.as_u64().is_none_or(|number| !(1..=u64::from(most)).contains(&number)) {
        let field = if at.is_empty() { "priority".to_owned() } else { format!("{at}.priority") };
        return Err(Error::invalid(format!("`{field}` must be a word, or 1 to {most}, not {number}"))
            .hint(format!("{most} goes first; the words are critical, high, medium and low")));
    }
    given.remove("priority");
    given.insert("urgency".to_owned(), number);
    Ok(())
}

impl PushedMany {
    /// Of all of them, in the order given.
    pub fn all(&self) -> &[TaskId] {
        &self.all
    }
}

impl Answer for PushedMany {
    fn ids(&self) -> Vec<String> {
        self.all.iter().map(TaskId::to_string).collect()
    }
}

impl fmt::Display for PushedMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tasks.iter().try_for_each(|task| writeln!(f, "{}  {}", task.id, task.title))?;
        let tasks = if self.count == 1 { "task" } else { "tasks" };
        writeln!(f, "{} {tasks} pushed", self.count)
    }
}
