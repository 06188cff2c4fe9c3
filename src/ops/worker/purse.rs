//! What workers, tasks, jobs and days have used up of what they may, and what the human said to those that got there.

use crate::error::Result;
use crate::model::fleet::Fleet;
use crate::model::fleet::Opened;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::question;
use crate::model::question::Decision;
use crate::model::question::Question;
use crate::model::spending::Allowance;
use crate::model::spending::Leave;
use crate::model::spending::Left;
use crate::model::spending::Limits;
use crate::model::spending::Purse;
use crate::model::spending::Reached;
use crate::model::spending::Spent;
use crate::model::worker::Worker;
use crate::store::SpentFilter;
use crate::store::Tx;
use serde_json::Map;
use serde_json::Value;

/// Those that all workers draw on, as they stand now.
pub(super) struct Purses<'a> {
    fleet: &'a Fleet,
    day: Purse,
    today: Spent,
}

impl Purses<'_> {
    pub(super) fn of<'a>(fleet: &'a Fleet, tx: &mut dyn Tx) -> Result<Purses<'a>> {
        let day = Purse::Day(tx.now().at.day());
        let today = if fleet.caps.limits_of(day) == Limits::default() { Spent::default() } else { spent(day, tx)? };
        Ok(Purses { fleet, day, today })
    }

    /// The first that is used up of those which a worker draws on, and what is left in all of them.
    pub(super) fn look(
        &self,
        worker: &Worker,
        task: Option<TaskId>,
        tx: &mut dyn Tx,
    ) -> Result<(Option<Reached>, Left)> {
        let (mut reached, mut left) = (None, Left::default());
        let job = match task {
            Some(task) => tx.task(task)?.and_then(|task| task.job),
            None => None,
        };
        let purses = [Some(self.day), job.map(Purse::Job), task.map(Purse::Task), Some(Purse::Worker)];
        for purse in purses.into_iter().flatten() {
            let (limits, allowance) = terms(purse, self.fleet, worker, tx)?;
            if limits == Limits::default() {
                continue;
            }
            let spent = match purse {
                Purse::Day(_) => self.today.clone(),
                Purse::Task(_) | Purse::Job(_) => spent(purse, tx)?,
                Purse::Worker => worker.spent.clone(),
            };
            let allowed = allowance.of(&limits);
            left.reaches(&allowed, &spent);
            if let Some(beyond) = spent.beyond(&allowed).filter(|_| reached.is_none()) {
                let leave = leave(allowance.asked, tx)?;
                reached = Some(Reached { purse, beyond: in_words(purse, &beyond), leave });
            }
        }
        Ok((reached, left))
    }
}

fn terms(purse: Purse, fleet: &Fleet, worker: &Worker, tx: &mut dyn Tx) -> Result<(Limits, Allowance)> {
    Ok(match purse {
        Purse::Worker => (worker.limits.clone(), worker.allowance.clone()),
        _ => (limits(purse, fleet, tx)?, fleet.allowance(purse)),
    })
}

/// Of what all workers draw on.
fn limits(purse: Purse, fleet: &Fleet, tx: &mut dyn Tx) -> Result<Limits> {
    Ok(match purse {
        Purse::Job(job) => tx.job(job)?.map(|job| job.budget.limits()).unwrap_or_default(),
        // What is said of the task itself goes before what is said of all.
        Purse::Task(task) => {
            let own = tx.task(task)?.and_then(|task| task.body.budget).unwrap_or_default();
            own.limits().or(&fleet.caps.limits_of(purse))
        }
        _ => fleet.caps.limits_of(purse),
    })
}

fn in_words(purse: Purse, beyond: &str) -> String {
    match purse {
        Purse::Day(_) => format!("{beyond} today"),
        Purse::Task(task) => format!("{beyond} on {task}"),
        Purse::Job(job) => format!("{beyond} on {job}"),
        Purse::Worker => beyond.to_owned(),
    }
}

/// Of what has an account in the ledger.
fn spent(purse: Purse, tx: &mut dyn Tx) -> Result<Spent> {
    let filter = match purse {
        Purse::Day(day) => SpentFilter { since: Some(day), ..SpentFilter::default() },
        Purse::Task(task) => SpentFilter { task: Some(task), ..SpentFilter::default() },
        Purse::Job(job) => return Ok(tx.job(job)?.map(|job| job.spent).unwrap_or_default()),
        Purse::Worker => return Ok(Spent::default()),
    };
    tx.spent(&filter)
}

fn leave(asked: Option<QuestionId>, tx: &mut dyn Tx) -> Result<Leave> {
    let Some(question) = asked else { return Ok(Leave::NotAsked) };
    Ok(tx.question(question)?.map_or(Leave::NotAsked, |one| match (one.state, one.decision) {
        (question::State::Open, _) => Leave::Asked,
        (question::State::Answered, Some(Decision::Approve | Decision::ApproveAlways)) => Leave::Given,
        (question::State::Answered | question::State::Lapsed, _) => Leave::Refused,
        (question::State::Withdrawn, _) => Leave::NotAsked,
    }))
}

/// Days that are over, tasks and jobs that are, and those that may go on again because their limit was raised: nobody needs an answer
/// any more. Says whether anything is other than before.
pub(super) fn settle(fleet: &mut Fleet, tx: &mut dyn Tx) -> Result<bool> {
    let before = fleet.purses.clone();
    let today = tx.now().at.day();
    for Opened { purse, mut allowance } in before.clone() {
        let is_past = match purse {
            Purse::Day(day) => day != today,
            Purse::Task(task) => tx.task(task)?.is_none_or(|task| task.state.is_final()),
            Purse::Job(job) => tx.job(job)?.is_none_or(|job| job.ended_at.is_some()),
            Purse::Worker => true,
        };
        let allowed = allowance.of(&limits(purse, fleet, tx)?);
        if allowance.asked.is_some() && (is_past || spent(purse, tx)?.beyond(&allowed).is_none()) {
            withdraw(allowance.asked.take(), tx)?;
        }
        fleet.set_allowance(purse, if is_past { Allowance::default() } else { allowance });
    }
    Ok(fleet.purses != before)
}

fn withdraw(asked: Option<QuestionId>, tx: &mut dyn Tx) -> Result<()> {
    let Some(id) = asked else { return Ok(()) };
    let Some(mut question) = tx.question(id)?.filter(|one| one.state == question::State::Open) else { return Ok(()) };
    let event = question.withdraw(None, tx.now())?;
    tx.update_question(&mut question)?;
    tx.append_event(event).map(drop)
}

/// May it go on beyond its limit?
pub(super) fn ask(fleet: &mut Fleet, worker: &mut Worker, purse: Purse, beyond: &str, tx: &mut dyn Tx) -> Result<()> {
    let mut request = Map::new();
    request.insert("limit".to_owned(), serde_json::to_value(purse).unwrap_or_default());
    // What is asked about a day or a task outlives the worker that got there first.
    let (asker, name, who) = match purse {
        Purse::Day(_) | Purse::Job(_) => (None, "all workers", "they"),
        Purse::Task(_) => (None, worker.name.as_str(), "it"),
        Purse::Worker => (worker.instance.clone(), worker.name.as_str(), worker.name.as_str()),
    };
    request.insert("worker".to_owned(), Value::from(worker.name.as_str()));
    let text = format!("{beyond}. May {who} go on, as far again?");
    let task = match purse {
        Purse::Day(_) => None,
        Purse::Task(task) => Some(task),
        Purse::Job(_) | Purse::Worker => worker.run.as_ref().and_then(|run| run.task),
    };
    let mut question = Question {
        task,
        request: Some(request),
        ..Question::new(question::Kind::Limit, asker, name.to_owned(), text, tx.now())
    };
    tx.insert_question(&mut question)?;
    tx.append_event(question.asked())?;
    change(fleet, worker, purse, |allowance| allowance.asked = Some(question.id));
    Ok(())
}

/// The human lets it go on.
pub(super) fn extend(fleet: &mut Fleet, worker: &mut Worker, purse: Purse, tx: &mut dyn Tx) -> Result<()> {
    let (limits, _) = terms(purse, fleet, worker, tx)?;
    let spent = if purse == Purse::Worker { worker.spent.clone() } else { spent(purse, tx)? };
    change(fleet, worker, purse, |allowance| allowance.is_extended(&limits, &spent));
    Ok(())
}

/// The human does not. Whoever comes to it again asks again.
pub(super) fn refuse(fleet: &mut Fleet, worker: &mut Worker, purse: Purse) {
    change(fleet, worker, purse, |allowance| allowance.asked = None);
}

fn change(fleet: &mut Fleet, worker: &mut Worker, purse: Purse, change: impl FnOnce(&mut Allowance)) {
    if purse == Purse::Worker {
        return change(&mut worker.allowance);
    }
    let mut allowance = fleet.allowance(purse);
    change(&mut allowance);
    fleet.set_allowance(purse, allowance);
}
