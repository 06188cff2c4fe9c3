//! A worker is started: it is told on which terms, joins, gets a task, and a run that is seen through beside the supervisor.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::launch::base::Needed;
use crate::launch::hands::Beginning;
use crate::launch::papers::Answers;
use crate::launch::queue;
use crate::launch::supervisor::Supervisor;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::worker::Mode;
use crate::model::worker::Worker;
use crate::ops::worker::Note;
use crate::ops::worker::WorkerSeen;
use serde_json::Value;
use serde_json::json;
use std::thread;

impl Supervisor<'_> {
    pub(super) fn settle_terms(&self, term: u64, one: &WorkerSeen) -> Result<()> {
        let note = match self.hands.terms(&one.worker) {
            Ok((mode, limits, evidence)) => Note::Settles { mode, limits, evidence },
            Err(error) => Note::NotStarted { reason: error.in_full() },
        };
        self.note(term, &one.worker.name, note).map(drop)
    }

    pub(super) fn start(&self, term: u64, one: &WorkerSeen) -> Result<()> {
        match self.try_to_start(term, one) {
            Ok(()) => Ok(()),
            // Of the store, and not of this worker.
            Err(error) if matches!(error.kind, Kind::StaleClaim | Kind::Unavailable | Kind::Busy) => Err(error),
            Err(error) => self.note(term, &one.worker.name, Note::NotStarted { reason: error.in_full() }).map(drop),
        }
    }

    fn try_to_start(&self, term: u64, one: &WorkerSeen) -> Result<()> {
        let worker = &one.worker;
        let instance = self.instance(term, worker)?;
        let task = match one.holds {
            Some(task) => Some(task),
            None if worker.mode != Mode::Task => None,
            None => {
                let claim = self.ask_as(instance.as_str(), "claim_task", json!({}))?;
                match claim["task"]["id"].as_str().and_then(|id| id.parse::<TaskId>().ok()) {
                    Some(task) => Some(task),
                    // Somebody was quicker.
                    None => return Ok(()),
                }
            }
        };
        // A session that stays is begun for no task of its own.
        let about = task.filter(|_| worker.mode == Mode::Task);
        let begins = Note::Begins { task: about };
        let worker = &Worker { session: worker.session_for(about).map(str::to_owned), ..worker.clone() };
        let noted = self.note(term, &worker.name, begins)?;
        let with = about.map(|task| format!(" {task}")).unwrap_or_default();
        (self.tell)(&worker.name, &format!("starts{with}"));
        let (told, answers) = match task {
            Some(task) => (self.team().whole_task(task)?, self.team().answers(instance.as_str(), task)?),
            None => (Value::Null, Answers::default()),
        };
        let number = noted["runs"][&worker.name].as_u64().unwrap_or_default();
        let beginning = Beginning {
            worker: worker.clone(),
            number,
            needed: self.needed_by(&told)?,
            task: told,
            answers,
            goes_on: one.holds.is_some(),
            left: one.left,
        };
        let (hands, held) = (self.hands.clone(), self.in_hand.take(&worker.name, number, self.bell.clone()));
        // To make a directory ready may take long.
        thread::spawn(move || {
            hands.see_through(&beginning);
            drop(held);
        });
        Ok(())
    }

    /// What a task depends on, and where the work of that is.
    fn needed_by(&self, told: &Value) -> Result<Vec<Needed>> {
        let ids = told["task"]["depends_on"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut needed = Vec::new();
        for task in ids.filter_map(|id| id.parse::<TaskId>().ok()) {
            let told = self.team().task(task)?.unwrap_or_default();
            needed.push(Needed {
                task,
                said: queue::branch_said(&told),
                by: told["holder_name"].as_str().map(str::to_owned),
            });
        }
        Ok(needed)
    }

    /// The instance that it works as.
    fn instance(&self, term: u64, worker: &Worker) -> Result<InstanceId> {
        if let Some(instance) = &worker.instance {
            return Ok(instance.clone());
        }
        let joined = self.ask("register_instance", json!({ "name": worker.name, "role": worker.role }))?;
        let id = joined["instance"]["id"].as_str().ok_or_else(|| Error::internal("a registration without an id"))?;
        let instance = InstanceId::from_stored(id.to_owned());
        // At once: there may be nothing for it to begin, and the name is taken now.
        self.note(term, &worker.name, Note::Is { instance: instance.clone() })?;
        Ok(instance)
    }
}
