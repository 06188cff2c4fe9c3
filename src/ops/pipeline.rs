//! `run_pipeline`: an issue, or many, through the stages of a pipeline, all of it in one transaction.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::job::GOAL_CHARS_MAX;
use crate::model::nearest::nearest;
use crate::model::pipeline::BUILT_IN;
use crate::model::pipeline::ISSUES_MAX;
use crate::model::pipeline::Issue;
use crate::model::pipeline::Pipeline;
use crate::model::spending::Budget;
use crate::model::task::Standing;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::graph;
use crate::ops::graph::Drawn;
use crate::ops::job::CreateJob;
use crate::ops::job::JobLine;
use crate::ops::task::Plan;
use crate::ops::task::PushedMany;
use crate::ops::task::existing_job;
use crate::ops::task::planned::check_role;
use crate::plan::draft;
use crate::plan::draft::PRIORITY_WANTED;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// Longest file of a pipeline.
pub const DEFINITION_BYTES_MAX: usize = 256 * 1024;
const DRAWING_BYTES: usize = 9_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RunPipeline {
    /// chain, proof, feature, bugfix, review, release, or one of the team's own
    pipeline: String,
    /// Of one issue
    title: Option<String>,
    /// What it says
    #[schemars(length(max = TEXT_BYTES_MAX))]
    body: Option<String>,
    /// Many: title, and key, body, labels, repo, branch, priority
    #[schemars(length(max = ISSUES_MAX))]
    issues: Option<Vec<Map<String, Value>>>,
    #[schemars(length(max = GOAL_CHARS_MAX))]
    goal: Option<String>,
    budget: Option<Budget>,
    deadline: Option<Timestamp>,
    /// Only draw what it would make
    dry_run: Option<bool>,
    /// The pipeline itself, in TOML, in the place of the one of that name
    #[schemars(length(max = DEFINITION_BYTES_MAX))]
    definition: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "PipelineRun")]
pub struct Ran {
    pipeline: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed: Option<PushedMany>,
    /// How many tasks it makes, or would.
    tasks: usize,
    /// What waits for what, drawn as text: only where nothing was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drawing: Option<String>,
}

impl Operation for RunPipeline {
    const NAME: &'static str = "run_pipeline";
    const ABOUT: &'static str = "Send an issue, or many, through the stages of a pipeline";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["pipeline", "title"];
    type Output = Ran;

    fn names_roles(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Ran> {
        let pipeline = self.definition()?;
        for stage in &pipeline.stages {
            check_role(&stage.role, tx, caller)
                .map_err(|error| Error { message: format!("stage `{}`: {}", stage.name, error.message), ..error })?;
        }
        let issues = self.issues()?;
        let tasks = pipeline.expand(&issues)?;
        let count = tasks.len();
        let job = self.job(&pipeline, &issues);
        job.check(tx.now().at)?;
        if self.dry_run == Some(true) {
            let drawing = graph::text_within(&graph::graph(&drawn(&tasks)), DRAWING_BYTES);
            return Ok(Ran { pipeline: pipeline.name, job: None, pushed: None, tasks: count, drawing: Some(drawing) });
        }
        let job: JobId = job.make(tx, caller)?.id;
        let pushed = Plan::of_stages(tasks, job)?.push(tx, caller)?;
        let job = JobLine::of(&existing_job(tx, job)?, tx)?;
        Ok(Ran { pipeline: pipeline.name, job: Some(job), pushed: Some(pushed), tasks: count, drawing: None })
    }
}

impl RunPipeline {
    fn definition(&self) -> Result<Pipeline> {
        let name = &self.pipeline;
        if let Some(text) = &self.definition {
            if text.len() > DEFINITION_BYTES_MAX {
                return Err(Error::invalid(format!("`definition` may have {DEFINITION_BYTES_MAX} bytes")));
            }
            return Pipeline::read(name, &format!("{name}.toml"), text);
        }
        match Pipeline::built_in(name) {
            Some((file, text)) => Pipeline::read(name, &file, text),
            None => {
                let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                let near = nearest(name, known.iter().copied());
                let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                Err(Error::not_found(format!("there is no pipeline `{name}`"))
                    .hint(format!("{near}There are {}, and those of the team in `.orch/pipelines`", known.join(", "))))
            }
        }
    }

    fn issues(&self) -> Result<Vec<Issue>> {
        let own = self.title.as_ref().map(|title| Issue {
            key: "1".to_owned(),
            title: title.clone(),
            body: self.body.clone().unwrap_or_default(),
            ..Issue::default()
        });
        let many = self.issues.iter().flatten().enumerate().map(|(at, fields)| issue(at, fields));
        let many = many.collect::<Result<Vec<Issue>>>()?;
        match (own, many.is_empty()) {
            (Some(one), true) => Ok(vec![one]),
            (None, false) => Ok(many),
            (Some(_), false) => Err(Error::invalid("`title` tells one issue and `issues` many: give one of them")),
            (None, true) => {
                Err(Error::invalid("`run_pipeline` needs an issue").hint("give `title` and `body`, or `issues`"))
            }
        }
    }

    fn job(&self, pipeline: &Pipeline, issues: &[Issue]) -> CreateJob {
        let title = issues.first().map(|issue| issue.title.as_str()).unwrap_or_default();
        let of_issues = || {
            let goal = match issues.len() {
                1 => title.to_owned(),
                many => format!("{} for {many} issues: {title}", pipeline.name),
            };
            goal.chars().take(GOAL_CHARS_MAX).collect()
        };
        let goal = self.goal.clone().filter(|goal| !goal.trim().is_empty()).unwrap_or_else(of_issues);
        CreateJob::of_goal(goal).within(self.budget.clone(), self.deadline)
    }
}

/// As somebody tells it, strictly.
fn issue(at: usize, fields: &Map<String, Value>) -> Result<Issue> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Told {
        key: Option<String>,
        title: String,
        #[serde(default)]
        body: Option<String>,
        #[serde(default)]
        labels: Vec<String>,
        repo: Option<String>,
        branch: Option<String>,
        priority: Option<Value>,
    }
    let told = Told::deserialize(Value::Object(fields.clone()))
        .map_err(|error| Error::invalid(format!("issues[{at}]: {error}")))?;
    let priority = told.priority.as_ref().map(|priority| {
        let text = priority.as_str().map_or_else(|| priority.to_string(), str::to_owned);
        let found = draft::priority(&text);
        found.ok_or_else(|| Error::invalid(format!("issues[{at}]: `priority` is {text}, wanted {PRIORITY_WANTED}")))
    });
    Ok(Issue {
        key: told.key.unwrap_or_else(|| (at + 1).to_string()),
        title: told.title,
        body: told.body.unwrap_or_default(),
        labels: told.labels,
        repo: told.repo,
        branch: told.branch,
        priority: priority.transpose()?,
    })
}

/// As `push_tasks` takes them, drawn. They are named by their `ref`, or by their `key`.
pub(in crate::ops) fn drawn(tasks: &[Map<String, Value>]) -> Vec<Drawn> {
    let text =
        |task: &Map<String, Value>, field: &str| task.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = |task: &Map<String, Value>| text(task, if task.contains_key("ref") { "ref" } else { "key" });
    let numbers: HashMap<String, String> =
        tasks.iter().enumerate().map(|(at, task)| (name(task), (at + 1).to_string())).collect();
    let one = |(at, task): (usize, &Map<String, Value>)| {
        let needs = task.get("depends_on").and_then(Value::as_array);
        let needs = needs.into_iter().flatten().filter_map(|name| numbers.get(name.as_str()?).cloned());
        let needs: Vec<String> = needs.collect();
        Drawn {
            id: (at + 1).to_string(),
            title: format!("{}{}", text(task, "title"), passes(task)),
            status: if needs.is_empty() { Standing::Ready } else { Standing::Waiting },
            role: Some(text(task, "role")).filter(|role| !role.is_empty()),
            needs,
        }
    };
    tasks.iter().enumerate().map(one).collect()
}

/// What lets it on, where that is more than being done.
fn passes(task: &Map<String, Value>) -> String {
    let stage = &task.get("stage").cloned().unwrap_or_default();
    let back = match (stage["sends_back_to"].as_str(), stage["times"].as_u64()) {
        (Some(to), Some(times)) => format!(", back to {to} {times}x"),
        _ => String::new(),
    };
    match (stage["verdict"] == true, stage["gate"] == "human") {
        (true, true) => format!(" [judges, then you{back}]"),
        (true, false) => format!(" [judges{back}]"),
        (false, true) => format!(" [you let it pass{back}]"),
        (false, false) => String::new(),
    }
}

impl Answer for Ran {
    fn ids(&self) -> Vec<String> {
        self.job.iter().map(|job| job.id.to_string()).collect()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.job.iter().try_for_each(|job| writeln!(f, "{}", job.words()))?;
        self.pushed.iter().try_for_each(|pushed| pushed.fmt(f))?;
        match &self.drawing {
            Some(drawing) => writeln!(f, "{drawing}\n`{}` would make {} tasks", self.pipeline, self.tasks),
            None => Ok(()),
        }
    }
}
