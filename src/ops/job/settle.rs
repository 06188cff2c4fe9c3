//! What a job's tasks did to it: it ends, gets stuck or goes on, which is told, and whoever made it hears of it.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::job::Job;
use crate::model::job::State;
use crate::model::message::MessageKind;
use crate::model::message::Origin;
use crate::model::message::Sender;
use crate::model::message::Target;
use crate::model::question::Kind;
use crate::model::task::Standing;
use crate::ops::message::Draft;
use crate::ops::render;
use crate::store::QuestionFilter;
use crate::store::Tx;

/// Enough of a goal to know it by.
const GOAL_WIDTH: usize = 100;

/// How a job stands. What waits at a gate moves once the human says a word.
pub fn state(tx: &mut dyn Tx, job: &Job) -> Result<State> {
    job.state(|| Ok(tx.job_waits_for_others(job)? || is_at_a_gate(tx, job)?))
}

fn is_at_a_gate(tx: &mut dyn Tx, job: &Job) -> Result<bool> {
    let open = QuestionFilter { kind: Some(Kind::Gate), job: Some(job.id), ..QuestionFilter::open() };
    Ok(tx.count_questions(&open)? > 0)
}

/// After every call that changes something. `by`: who called, and so knows.
pub fn settle_changed(tx: &mut dyn Tx, by: Option<&InstanceId>) -> Result<()> {
    for id in tx.take_changed_jobs() {
        let Some(mut job) = tx.job(id)? else { continue };
        let state = state(tx, &job)?;
        let Some(event) = job.settle(state, tx.now()) else { continue };
        tx.update_job(&mut job)?;
        tx.append_event(event)?;
        if job.told.is_some() {
            tell_maker(tx, &job, state, by)?;
        }
    }
    // To tell it changed no more than what was told.
    tx.take_changed_jobs();
    Ok(())
}

fn tell_maker(tx: &mut dyn Tx, job: &Job, state: State, by: Option<&InstanceId>) -> Result<()> {
    let Some(maker) = job.created_by.as_ref().filter(|maker| by != Some(*maker)) else { return Ok(()) };
    let Some(maker) = tx.instance(maker)? else { return Ok(()) };
    let goal = render::one_line(&job.goal, GOAL_WIDTH);
    let count = |standing| job.counts.of(standing);
    let counted = format!(
        "{} of {} tasks are completed, {} failed, {} were cancelled",
        count(Standing::Completed),
        job.counts.total(),
        count(Standing::Failed),
        count(Standing::Cancelled)
    );
    let body = match state {
        State::Stuck => format!(
            "{} ({goal}) is stuck: nothing of it moves by itself any more. {counted}. get_job shows what holds it up.",
            job.id
        ),
        state => format!(
            "{} ({goal}) has ended: {}. {counted}. synthesize_job brings all of it together.",
            job.id,
            state.word()
        ),
    };
    let from = Sender { instance: None, name: "orch-mcp".to_owned(), role: None, origin: Origin::Agent };
    let draft = Draft {
        kind: MessageKind::Direct,
        target: Target::One(maker.id.to_string()),
        to: format!("@{}", maker.name),
        body: &body,
        replied_to: None,
        task_id: None,
        needs_answer: false,
        wake: true,
    };
    draft.send(tx, from).map(drop)
}
