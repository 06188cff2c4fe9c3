//! An import, done: what is new is pushed as one plan, what changed is set, and what the files said is kept.

use crate::error::Error;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::task::ATTEMPTS_DEFAULT;
use crate::model::task::LEASE_SECS_DEFAULT;
use crate::model::task::State;
use crate::model::task::Task;
use crate::ops::Caller;
use crate::ops::file;
use crate::ops::import::Held;
use crate::ops::import::names;
use crate::ops::refusals::Told;
use crate::ops::task;
use crate::ops::task::existing;
use crate::ops::task::planned;
use crate::ops::task::wake_assignee;
use crate::ops::task::wake_dependants;
use crate::plan::Draft;
use crate::plan::Status;
use crate::plan::difference::Step;
use crate::plan::difference::What;
use crate::store::Tx;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::HashMap;

/// Each of them may raise a long chain of others.
const LATER_MAX: usize = 50;
/// Of a plan that says nothing more.
const BLOCKED: &str = "its plan says that it is blocked";

impl Held {
    /// Says which tasks were made.
    pub(super) fn carry_out(&self, job: Option<JobId>, tx: &mut dyn Tx, caller: &Caller) -> Result<Vec<TaskId>> {
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let made = self.push_new(job, tx, caller)?;
        for (step, draft) in self.steps().filter(|(step, _)| step.what == What::Change) {
            if step.to_set().next().is_some() {
                change(step, draft, me.as_ref(), tx, caller)?;
            }
        }
        self.keep(tx)?;
        Ok(made)
    }

    /// The files were written from these tasks: what they say is what is there, and no change of anybody's.
    pub(super) fn is_written(&self, written: &BTreeMap<String, TaskId>, tx: &mut dyn Tx) -> Result<()> {
        for (at, (step, _)) in self.steps().enumerate() {
            let Some(task) = written.get(&step.key) else { continue };
            match tx.task_of_key(&step.key)? {
                // It came here from elsewhere meanwhile.
                Some(other) if other != *task => continue,
                Some(_) => {}
                None if tx.key_of_task(*task)?.is_some() => continue,
                None => {
                    let task = existing(tx, *task)?;
                    tx.put_key(&step.key, task.id, "")?;
                }
            }
            if let Some(draft) = &step.remember {
                tx.put_told(&self.sources[at], &step.key, draft)?;
            }
        }
        Ok(())
    }

    /// The steps of the plan's entries, in their order.
    fn steps(&self) -> impl Iterator<Item = (&Step, &Draft)> {
        self.difference.steps.iter().zip(self.plan.drafts())
    }

    fn push_new(&self, job: Option<JobId>, tx: &mut dyn Tx, caller: &Caller) -> Result<Vec<TaskId>> {
        let new: Vec<&Draft> =
            self.steps().filter(|(step, _)| step.what == What::Add).map(|(_, draft)| draft).collect();
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let sources: HashMap<&str, &str> =
            self.steps().zip(&self.sources).map(|((step, _), source)| (step.key.as_str(), source.as_str())).collect();
        let source_of = |key: &str| sources.get(key).copied().unwrap_or_default();
        let places: HashMap<&str, usize> = new.iter().enumerate().map(|(at, draft)| (draft.key.as_str(), at)).collect();
        let place = |key: &String| places.get(key.as_str()).copied();
        // What stands further down gets its id later, and is waited for in a second step: so the tasks are made in the order
        // of the file. Where that would be many steps, they are made each after what it waits for.
        let is_below = |at: usize, key: &String| place(key).is_some_and(|other| other > at);
        let refers_below =
            |(at, draft): (usize, &&Draft)| draft.depends_on.iter().chain(&draft.parent).any(|key| is_below(at, key));
        let keeps_order = new.iter().enumerate().filter(|one| refers_below(*one)).count() <= LATER_MAX;
        let is_below = |at: usize, key: &String| keeps_order && is_below(at, key);
        let mut given = Vec::with_capacity(new.len());
        for (at, draft) in new.iter().enumerate() {
            let is_later = |key: &&String| is_below(at, key);
            // A name that no task has, as the plan's own keys may look like ids.
            let reference = |key: &String, tx: &mut dyn Tx| match place(key) {
                Some(at) => Ok(format!("#{at}")),
                None => Ok::<_, Error>(task_of(key, tx)?.to_string()),
            };
            let mut fields = planned::arguments(draft)?;
            fields.insert("ref".to_owned(), format!("#{at}").into());
            let needs = draft.depends_on.iter().filter(|key| !is_later(key));
            let needs = needs.map(|key| reference(key, tx)).collect::<Result<Vec<_>>>()?;
            fields.insert("depends_on".to_owned(), needs.into());
            if let Some(parent) = draft.parent.as_ref().filter(|key| !is_later(key)) {
                fields.insert("parent".to_owned(), reference(parent, tx)?.into());
            }
            given.push(fields);
        }
        let pushed = task::Plan::read(&given, job)?.push(tx, caller)?;
        for (id, draft) in pushed.all().iter().zip(&new) {
            tx.put_key(&draft.key, *id, source_of(&draft.key))?;
        }
        for (at, draft) in new.iter().enumerate() {
            let is_later = |key: &String| is_below(at, key);
            let id = pushed.all()[at];
            if draft.parent.as_ref().is_some_and(is_later) {
                let mut task = existing(tx, id)?;
                task.parent = draft.parent.as_deref().map(|key| task_of(key, tx)).transpose()?;
                tx.update_task_fields(&mut task)?;
            }
            if draft.depends_on.iter().any(is_later) {
                let mut task = existing(tx, id)?;
                task.depends_on = draft.depends_on.iter().map(|key| task_of(key, tx)).collect::<Result<_>>()?;
                tx.set_dependencies(&mut task)?;
            }
        }
        let me = caller.known_instance(tx)?.map(|me| me.id);
        for (id, draft) in pushed.all().iter().zip(&new) {
            if !matches!(draft.status, Status::Open | Status::InProgress) {
                let mut task = existing(tx, *id)?;
                stand_as_told(&mut task, draft, me.as_ref(), tx)?;
            }
        }
        Ok(pushed.all().to_vec())
    }

    fn keep(&self, tx: &mut dyn Tx) -> Result<()> {
        for (at, (step, _)) in self.steps().enumerate() {
            let source = &self.sources[at];
            if let Some(draft) = &step.remember {
                tx.put_told(source, &step.key, draft)?;
            }
            if self.moved.contains(&step.key) && !source.is_empty() {
                tx.move_key(&step.key, source)?;
            }
            // Nobody who may write has told of this task of ours before.
            if tx.task_of_key(&step.key)?.is_none() {
                let task = task_of(&step.key, tx)?;
                tx.put_key(&step.key, task, "")?;
            }
        }
        Ok(())
    }
}

fn task_of(key: &str, tx: &mut dyn Tx) -> Result<TaskId> {
    names::task_of(key, tx)?.ok_or_else(|| Error::internal(format!("`{key}` is in the plan and in no store")))
}

/// Where a task stands as its plan says, which nobody here took.
fn stand_as_told(task: &mut Task, draft: &Draft, me: Option<&InstanceId>, tx: &mut dyn Tx) -> Result<()> {
    let now = tx.now();
    let words = Some(draft.summary.as_str()).filter(|summary| !summary.is_empty());
    let state = match draft.status {
        Status::Completed => State::Completed,
        Status::Failed => State::Failed,
        Status::Cancelled => State::Cancelled,
        Status::Blocked if task.state == State::Pending => {
            let event = task.is_told_blocked(words.unwrap_or(BLOCKED), me, now).told(tx)?;
            tx.update_task(task)?;
            return tx.append_event(event).map(drop);
        }
        Status::Open | Status::InProgress if task.state == State::Blocked => {
            let event = task.unblock(me, None, now).told(tx)?;
            tx.update_task(task)?;
            tx.append_event(event)?;
            return wake_assignee(tx, task, me);
        }
        Status::Open | Status::InProgress | Status::Blocked => return Ok(()),
    };
    let event = task.is_told_over(state, words, draft.finished_at, me, now).told(tx)?;
    tx.update_task(task)?;
    if state == State::Completed && words.is_some() {
        tx.update_task_body(task)?;
    }
    let unblocked = if state == State::Completed { tx.dependency_met(task.id)? } else { 0 };
    tx.append_event(event)?;
    if unblocked > 0 { wake_dependants(tx, task.id, me) } else { Ok(()) }
}

/// Sets what is to be set of a task that was there.
fn change(step: &Step, said: &Draft, me: Option<&InstanceId>, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let id = task_of(&step.key, tx)?;
    let mut task = existing(tx, id)?;
    let now = tx.now();
    let fields: Vec<&'static str> = step.to_set().map(|(field, _)| field).collect();
    let stands_anew = fields.contains(&"status");
    let texts = |field: &str| fields.contains(&field);
    let mut changed: Vec<&'static str> = Vec::new();
    for field in &fields {
        match *field {
            "title" => task.title = said.title.clone(),
            "description" | "notes" => {}
            "priority" => task.priority = said.priority.unwrap_or_default(),
            "role" => task.role = said.role.clone(),
            "assignee" => {
                let assignee = said.assignee.as_deref();
                task.assignee = assignee.map(|assignee| task::resolve_assignee(tx, assignee)).transpose()?;
            }
            "labels" => task.labels = said.labels.clone(),
            "parent" => task.parent = said.parent.as_deref().map(|key| task_of(key, tx)).transpose()?,
            "acceptance" => task.body.acceptance = said.acceptance.clone(),
            "context_files" => task.body.context_files = said.context_files.clone(),
            "expected_outputs" => task.body.expected_outputs = said.expected_outputs.clone(),
            "evidence" => task.body.demands = said.evidence.clone(),
            "reserves" => task.reserves = file::of_task(&said.reserves, caller)?,
            "repo" => task.repo = said.repo.clone(),
            "branch" => task.branch = said.branch.clone(),
            "link" => task.link = said.link,
            "chain_id" => task.chain_id = said.chain_id.clone(),
            "not_before" => {
                task.not_before = said.not_before;
                task.due = said.not_before.is_none_or(|not_before| not_before <= now.at);
            }
            "max_attempts" => {
                let to_come = u32::from(!task.state.is_held());
                task.max_attempts = said.max_attempts.unwrap_or(ATTEMPTS_DEFAULT).max(task.attempt + to_come);
            }
            "lease_secs" => task.lease_secs = said.lease_secs.unwrap_or(LEASE_SECS_DEFAULT),
            "metadata" => task.body.metadata = said.metadata.clone(),
            // What a task waits for and where it stands is set below; what came of it only where it ends.
            _ => continue,
        }
        changed.push(field);
    }
    if texts("description") || texts("notes") {
        task.body.description = described(step, said, &task);
    }
    if !changed.is_empty() {
        task.updated_at = now.at;
        tx.update_task_fields(&mut task)?;
    }
    if texts("depends_on") {
        let wanted = said.depends_on.iter().map(|key| task_of(key, tx)).collect::<Result<Vec<_>>>()?;
        task.depends_on = task::checked_dependencies(&task, &wanted, tx)?;
        tx.set_dependencies(&mut task)?;
        changed.push("depends_on");
    }
    if !changed.is_empty() {
        let names: Vec<Value> = changed.iter().map(|field| Value::from(*field)).collect();
        tx.append_event(NewEvent::new("task.updated", task.id, me).with("fields", names).with("told", true))?;
    }
    if changed.contains(&"assignee") {
        wake_assignee(tx, &task, me)?;
    }
    if stands_anew {
        // What was written changed its version.
        let mut task = existing(tx, task.id)?;
        stand_as_told(&mut task, said, me, tx)?;
    }
    Ok(())
}

/// Both parts of the text, each as the source says it or as it is.
fn described(step: &Step, said: &Draft, task: &Task) -> String {
    let is_set = |field: &str| step.to_set().any(|(name, _)| name == field);
    let (description, notes) = Draft::parts_of(&task.body.description, step.before.as_ref());
    let whole = Draft {
        description: if is_set("description") { said.description.clone() } else { description },
        notes: if is_set("notes") { said.notes.clone() } else { notes },
        ..Draft::default()
    };
    whole.whole_description()
}
