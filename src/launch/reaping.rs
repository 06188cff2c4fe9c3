//! What is done about a run whose process is gone: what came of it is found out, what it left is done, and all that is noted.

use crate::descendants::kill_those;
use crate::error::Result;
use crate::keep::keeper;
use crate::keep::run::End as Ended;
use crate::keep::run::Standing;
use crate::launch::outcome;
use crate::launch::outcome::Outcome;
use crate::launch::papers::Papers;
use crate::launch::prune;
use crate::launch::read_back;
use crate::launch::supervisor::Supervisor;
use crate::launch::watch::Watch;
use crate::model::id::InstanceId;
use crate::model::worker::End;
use crate::model::worker::Mode;
use crate::model::worker::Order;
use crate::model::worker::Worker;
use crate::ops::worker::Note;
use crate::ops::worker::WorkerSeen;
use serde_json::json;
use std::thread::Scope;

/// Of each worker, while it goes on: each may have printed a hundred megabytes.
const RUNS_KEPT_AT_WORK: u64 = 20;

impl Supervisor<'_> {
    /// What came of a run whose process is gone.
    pub(super) fn reap<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        term: u64,
        one: &WorkerSeen,
        standing: Option<Standing>,
        watch: Option<Watch>,
    ) -> Result<()> {
        let worker = &one.worker;
        let Some(run) = &worker.run else { return Ok(()) };
        // What is killed may just have started something: its task is handed on when nothing is left.
        let host = &self.hands.host;
        let left = keeper::kill_what_is_left(host, &self.hands.run_dir(worker, run.number)).unwrap_or_default();
        let kin = match (&standing, &watch) {
            (Some(Standing::Lost(_)), Some(watch)) => kill_those(host, &watch.kin),
            _ => 0,
        };
        if left + kin > 0 {
            return Ok(());
        }
        let mut watch = watch.unwrap_or_else(|| Watch::new(self.hands.run_dir(worker, run.number), run.number));
        watch.look(&self.hands.host);
        if let Some(outcome) = self.closings.outcome(worker) {
            return self.settle(term, one, run.number, &watch, outcome);
        }
        let ended: Option<Ended> = match standing {
            Some(Standing::Ended(end)) => Some(end),
            _ => None,
        };
        if worker.mode != Mode::Task {
            let outcome = outcome::of_staying(ended.as_ref(), &watch.facts, one);
            return self.settle(term, one, run.number, &watch, outcome);
        }
        let task = match run.task {
            Some(task) => Some(self.ask("get_task", json!({ "task_id": task }))?),
            None => None,
        };
        let papers = run.task.and_then(|task| Papers::of_run(&watch.run, &task.to_string()));
        let left = papers.as_ref().map(Papers::left).unwrap_or_default();
        let outcome = outcome::of(ended.as_ref(), &watch.facts, task.as_ref(), one, left);
        match papers.filter(|_| outcome.completes.is_some() || outcome.asks.is_some()) {
            Some(papers) => self.close(scope, worker, run.number, papers, outcome),
            None => return self.settle(term, one, run.number, &watch, outcome),
        }
        Ok(())
    }

    /// The check of the team may take minutes, in which the others want to be looked after.
    fn close<'s>(&'s self, scope: &'s Scope<'s, '_>, worker: &Worker, number: u64, papers: Papers, outcome: Outcome) {
        let (worker, bell) = (worker.clone(), self.bell.clone());
        self.closings.begin(&worker);
        scope.spawn(move || {
            let leaves = bell.leaves();
            if let Some(outcome) = read_back::carry_out(&self.team(), &worker, number, &papers, outcome, &leaves) {
                self.closings.end(&worker, outcome);
                bell.ring();
            }
        });
    }

    fn settle(&self, term: u64, one: &WorkerSeen, number: u64, watch: &Watch, outcome: Outcome) -> Result<()> {
        let worker = &one.worker;
        let name = worker.name.as_str();
        let facts = &watch.facts;
        let instance = worker.instance.as_ref().map(InstanceId::to_string).unwrap_or_default();
        if let (Some(task), Some((operation, reason))) = (outcome.task, &outcome.hands_back) {
            // It may be over by now, and is then nobody's to hand back.
            let _ = self.ask_as(&instance, operation, json!({ "task_id": task, "reason": reason }));
        }
        (self.tell)(name, &ended(worker, &outcome, watch.order));
        let at_terminal = one.stays.as_ref().and_then(|stays| stays.session.clone());
        let session = facts.session.clone().or(at_terminal);
        let session = session.map(|session| Note::Session { number, session, model: facts.model.clone() });
        let limited = outcome.limited.map(|until| Note::Limited { until });
        let end = Note::Ended {
            number,
            end: outcome.end,
            cost: facts.cost(),
            completed: outcome.completed,
            forget: outcome.forget,
        };
        self.note_all(term, name, session.into_iter().chain(limited).chain([end]).collect())?;
        if let Some(old) = number.checked_sub(RUNS_KEPT_AT_WORK) {
            prune::forget(&self.hands.run_dir(worker, old), &self.hands.host);
        }
        Ok(())
    }
}

fn ended(worker: &Worker, outcome: &Outcome, order: Option<Order>) -> String {
    let task = outcome.task.map(|task| format!(" {task}")).unwrap_or_default();
    match (&outcome.end, &outcome.hands_back) {
        (_, Some((_, reason))) => format!("hands back{task}: {reason}"),
        (End::Badly { reason } | End::SetAside { reason }, None) => format!("ended: {reason}"),
        (End::Limited { until: Some(until) }, None) => format!("is limited until {until}"),
        (End::Limited { until: None }, None) => "is limited".to_owned(),
        (End::Asked, None) if worker.wanted && order == Some(Order::Interrupt) => "ended its turn as asked".to_owned(),
        (End::Asked, None) if worker.wanted && order == Some(Order::Restart) => "ended, and begins anew".to_owned(),
        (End::Asked, None) => "ended as it was asked to".to_owned(),
        (End::Well, None) if outcome.completed => format!("completed{task}"),
        (End::Well, None) => match &outcome.failed {
            Some(reason) => format!("failed{task}: {reason}"),
            None => format!("ended with{task}"),
        },
    }
}
