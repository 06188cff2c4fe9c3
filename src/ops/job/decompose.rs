//! `decompose`: a goal becomes a graph of tasks, by a plan that whoever calls tells, or by that of a planner.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::job::GOAL_CHARS_MAX;
use crate::model::spending::Budget;
use crate::model::stage::Gate;
use crate::model::stage::Stage;
use crate::model::task::Claimer;
use crate::model::task::Standing;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::TITLE_CHARS_MAX;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::ops::graph;
use crate::ops::job::CreateJob;
use crate::ops::job::JobLine;
use crate::ops::pipeline;
use crate::ops::refusals::Told;
use crate::ops::render;
use crate::ops::task::BATCH_MAX;
use crate::ops::task::CompleteTask;
use crate::ops::task::Plan;
use crate::ops::task::PushedMany;
use crate::ops::task::existing;
use crate::ops::task::existing_job;
use crate::ops::task::passage;
use crate::ops::task::planned;
use crate::ops::task::planned::Planned;
use crate::store::TaskFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;

const PLANNER: &str = "planner";
/// What a task that plans says it is a stage of.
const PIPELINE: &str = "decompose";
const STAGE: &str = "plan";
/// As often a plan may be sent back by whoever is to agree to it.
const TIMES: u32 = 5;
const DRAWING_BYTES: usize = 9_000;
const PLANS_LOOKED_AT: u32 = 20;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decompose {
    #[schemars(length(max = GOAL_CHARS_MAX), regex(pattern = r"\S"))]
    goal: String,
    /// Your plan: key, title, acceptance, and role, description, depends_on (keys) and more; without it a planner makes one
    #[schemars(length(min = 1, max = BATCH_MAX))]
    tasks: Option<Vec<Map<String, Value>>>,
    /// What the planner should know
    #[schemars(length(max = TEXT_BYTES_MAX))]
    context: Option<String>,
    /// Of the planner, else planner
    role: Option<String>,
    /// The human agrees to the plan first
    approve: Option<bool>,
    /// It grows by the plan
    job: Option<JobId>,
    budget: Option<Budget>,
    deadline: Option<Timestamp>,
    /// Only check and draw it
    dry_run: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Decomposed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobLine>,
    /// The tasks of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed: Option<PushedMany>,
    /// Where the plan is still to come: the task to make it, or with which it waits for the human.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question_id: Option<QuestionId>,
    /// What waits for what: only where nothing was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drawing: Option<String>,
}

impl Operation for Decompose {
    const NAME: &'static str = "decompose";
    const ABOUT: &'static str = "A goal into a checked graph of tasks: by your plan, or a planner's";
    const NOUN: Noun = Noun::Jobs;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["goal"];
    type Output = Decomposed;

    fn names_roles(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Decomposed> {
        let plan = match &self.tasks {
            Some(tasks) => {
                let tasks: Vec<Value> = tasks.iter().cloned().map(Value::Object).collect();
                Some(Planned::read(&tasks, self.job, tx, caller)?)
            }
            None => None,
        };
        if self.dry_run == Some(true) {
            let Some(plan) = &plan else {
                return Err(Error::new(Kind::Refused, "there is nothing to draw yet: `dry_run` checks `tasks`")
                    .hint("with `approve` you see the planner's plan before anything is made of it"));
            };
            let drawn = graph::graph(&pipeline::drawn(plan.tasks()));
            return Ok(Decomposed {
                drawing: Some(graph::text_within(&drawn, DRAWING_BYTES)),
                ..Decomposed::nothing()
            });
        }
        let job = match self.job {
            Some(job) => existing_job(tx, job)?.id,
            None => {
                let goal = CreateJob::of_goal(self.goal.clone());
                goal.within(self.budget.clone(), self.deadline).make(tx, caller)?.id
            }
        };
        let mut done = Decomposed::nothing();
        let own = self.not_agreed_to(job, tx, caller)?;
        match plan {
            Some(plan) if self.approve != Some(true) && own.is_none() => {
                done.pushed = Some(plan.push(job, tx, caller)?);
            }
            Some(_) => {
                let task = match own {
                    Some(task) => task,
                    None => self.planner_task(job, tx, caller)?,
                };
                done.task_id = Some(task);
                done.question_id = self.wait_for_the_human(task, tx, caller)?;
            }
            None => done.task_id = Some(self.planner_task(job, tx, caller)?),
        }
        done.job = Some(JobLine::of(&existing_job(tx, job)?, tx)?);
        Ok(done)
    }
}

impl Decompose {
    /// The caller's own plan, to which the human has not agreed: this one takes its place, and goes the same way.
    fn not_agreed_to(&self, job: JobId, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<TaskId>> {
        let me = caller.known_instance(tx)?.filter(|_| self.tasks.is_some() && self.job.is_some());
        let Some(me) = me else { return Ok(None) };
        let filter = TaskFilter {
            standings: Standing::OPEN.to_vec(),
            assignee: Some(me.id.to_string()),
            job: Some(job),
            ..TaskFilter::default()
        };
        for task in tx.list_tasks(&filter, PLANS_LOOKED_AT)? {
            let stage = existing(tx, task.id)?.body.stage;
            let Some(stage) = stage.filter(|stage| stage.plans && stage.pipeline == PIPELINE) else { continue };
            // One that still waits for the human may be about something else.
            if if task.is_at_gate() { task.title == self.title() } else { stage.sent_back > 0 } {
                return Ok(Some(task.id));
            }
        }
        Ok(None)
    }

    fn title(&self) -> String {
        format!("Plan: {}", render::one_line(&self.goal, TITLE_CHARS_MAX - 10))
    }

    /// A task whose result is the plan.
    fn planner_task(&self, job: JobId, tx: &mut dyn Tx, caller: &Caller) -> Result<TaskId> {
        let role = self.role.as_deref().unwrap_or(PLANNER);
        if self.tasks.is_none() {
            planned::check_role(role, tx, caller)?;
        }
        let context = self.context.as_ref().map(|context| format!("\n\nWhat you should know:\n\n{context}"));
        let description = format!(
            "Cut this goal into tasks that others can do without asking: {}{}\n\n---\n\nPush nothing: complete this task \
             with the plan as `result_json`, and with what worries you as `result`. The plan is {}",
            self.goal.trim(),
            context.unwrap_or_default(),
            planned::TOLD,
        );
        let gate = if self.approve == Some(true) { Gate::Human } else { Gate::Automatic };
        let stage = Stage {
            plans: true,
            gate,
            sends_back_to: Some(STAGE.to_owned()),
            times: TIMES,
            ..Stage::first(PIPELINE, STAGE)
        };
        let task = json!({
            "title": self.title(), "description": description, "role": role, "stage": stage,
        });
        let pushed = Plan::of_stages(task.as_object().cloned().into_iter().collect(), job)?.push(tx, caller)?;
        let id = pushed.all().first().copied();
        let id = id.ok_or_else(|| Error::internal("a task was pushed that has no id"))?;
        let mut task = existing(tx, id)?;
        // Each plan of a job is one by itself: none is a newer round of another.
        task.chain_id = Some(format!("{PIPELINE}/{}", id.short()));
        tx.update_task_fields(&mut task)?;
        Ok(id)
    }

    /// Whoever calls has done the planning: only the human's word is missing.
    fn wait_for_the_human(&self, task: TaskId, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<QuestionId>> {
        let me = caller.instance(tx)?;
        let mut task = existing(tx, task)?;
        if task.is_at_gate() {
            passage::leaves_gate(tx, &task)?;
            let event = task.unblock(Some(&me.id), None, tx.now()).told(tx)?;
            tx.append_event(event)?;
        }
        if task.check_held(&me.id, None, tx.now()).is_err() {
            // Should it be sent back, it is theirs again, and they hear of it.
            task.assignee = Some(me.id.to_string());
            let event = task.claim(Claimer { id: &me.id, role: &me.role }, true, None, tx.now()).told(tx)?;
            tx.update_task(&mut task)?;
            tx.update_task_fields(&mut task)?;
            tx.append_event(event)?;
            attend::cover(tx, &me, &task)?;
        }
        let plan = json!({ crate::plan::entries::TASKS: self.tasks });
        Ok(CompleteTask::with(task.id, self.context.clone(), plan).run(tx, caller)?.question())
    }
}

impl Decomposed {
    fn nothing() -> Decomposed {
        Decomposed { job: None, pushed: None, task_id: None, question_id: None, drawing: None }
    }
}

impl Answer for Decomposed {
    fn ids(&self) -> Vec<String> {
        self.job.iter().map(|job| job.id.to_string()).collect()
    }
}

impl fmt::Display for Decomposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.job.iter().try_for_each(|job| writeln!(f, "{}", job.words()))?;
        self.pushed.iter().try_for_each(|pushed| pushed.fmt(f))?;
        match (self.task_id, self.question_id) {
            (_, Some(question)) => writeln!(f, "  you are asked to agree to the plan ({})", question.short())?,
            (Some(task), None) => {
                writeln!(f, "  {} makes the plan; `launch --role {PLANNER}=1` starts somebody for it", task.short())?;
            }
            (None, None) => {}
        }
        self.drawing.iter().try_for_each(|drawing| writeln!(f, "{drawing}"))
    }
}
