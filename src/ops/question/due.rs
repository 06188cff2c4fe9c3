//! Questions whose deadline has passed, and those for which nobody waits any more: whoever looks next settles them, and tells
//! whoever asked.

use crate::error::Result;
use crate::model::message::BODY_BYTES_MAX;
use crate::model::message::MessageKind;
use crate::model::message::Origin;
use crate::model::message::Sender;
use crate::model::message::Target;
use crate::model::question::Question;
use crate::model::question::State;
use crate::ops::message::Draft;
use crate::ops::render;
use crate::store::Tx;

/// Settled in one transaction; the rest at the next look.
const AT_ONCE: u32 = 100;
/// More wait at the same time in no team.
const LOOKED_AT: u32 = 1_000;

/// Takes the defaults of those whose time is over, and takes back those whose asker is gone. Says how many.
pub(in crate::ops) fn settle_due(tx: &mut dyn Tx) -> Result<usize> {
    let now = tx.now();
    let abandoned = abandoned(tx)?;
    let taken_back = abandoned.len();
    for mut question in abandoned {
        let event = question.withdraw(None, now)?;
        tx.update_question(&mut question)?;
        tx.append_event(event)?;
    }
    Ok(taken_back + settle_lapsed(tx)?)
}

/// A server that is killed in the middle of a call takes nothing back.
pub(super) fn abandoned(tx: &mut dyn Tx) -> Result<Vec<Question>> {
    let mut waited = tx.waited_questions(LOOKED_AT)?;
    let host = tx.host().clone();
    waited.retain(|one| one.waiter.as_ref().is_some_and(|waiter| host.answers(waiter) == Some(false)));
    Ok(waited)
}

fn settle_lapsed(tx: &mut dyn Tx) -> Result<usize> {
    let now = tx.now();
    // Mostly there is none, and this costs one look at an index.
    if tx.next_question_due()?.is_none_or(|due| due > now.at) {
        return Ok(0);
    }
    let due = tx.due_questions(now.at, AT_ONCE)?;
    let count = due.len();
    for mut question in due {
        let lapsed = question.lapse(now);
        tx.update_question(&mut question)?;
        tx.append_event(lapsed)?;
        let team = Sender { instance: None, name: "orch-mcp".to_owned(), role: None, origin: Origin::Agent };
        tell_asker(tx, &question, team)?;
    }
    Ok(count)
}

/// What came of it goes to whoever asked, and wakes them. Whoever asked for permission waits in the call itself.
pub(super) fn tell_asker(tx: &mut dyn Tx, question: &Question, from: Sender) -> Result<()> {
    let Some(asker) = question.asker.as_ref().filter(|_| !question.kind.takes_a_decision()) else { return Ok(()) };
    let asked = render::one_line(&question.text, 200);
    let told = match (question.state, &question.answer) {
        (State::Lapsed, Some(default)) => format!("nobody answered in time, so your default holds: {default}"),
        (_, Some(answer)) => answer.clone(),
        _ => "nobody answered in time, and there was no default: decide by yourself, or ask again".to_owned(),
    };
    let body = format!("Answer to your question {} ({asked}):\n{told}", question.id);
    let (body, _) = render::clip(&body, BODY_BYTES_MAX);
    let draft = Draft {
        kind: MessageKind::Reply,
        target: Target::One(asker.to_string()),
        to: format!("@{}", question.asker_name),
        body: &body,
        replied_to: None,
        task_id: question.task,
        needs_answer: false,
        wake: true,
    };
    draft.send(tx, from).map(drop)
}
