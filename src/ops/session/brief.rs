//! What a session is told when it begins: facts, short, and what to call next.

use crate::error::Result;
use crate::model::instance::Instance;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::attend;
use crate::ops::instance::InstanceView;
use crate::ops::render::one_line;
use crate::ops::session;
use crate::store::EventFilter;
use crate::store::InstanceFilter;
use crate::store::TaskFilter;
use crate::store::Tx;
use serde_json::Value;

/// A client gives it to the model as it is; longer than that would crowd out the work.
pub const BRIEF_CHARS_MAX: usize = 2_000;

const TASKS_TOLD: u32 = 3;
const OTHERS_TOLD: usize = 8;
const SENDERS_TOLD: usize = 5;
const MESSAGES_LOOKED_AT: u32 = 20;

/// `wanted`: the name that was asked for, where another one bears it. `returns`: the session was at work before.
pub fn of(tx: &mut dyn Tx, me: &Instance, wanted: Option<&str>, returns: bool) -> Result<String> {
    let mut lines = vec![match wanted {
        None => format!("You are {} ({}) in the orch-mcp team; your instance id is {}.", me.name, me.role, me.id),
        Some(wanted) => format!(
            "You are {} ({}) in the orch-mcp team; your instance id is {}. The name {wanted} is borne by another session.",
            me.name, me.role, me.id
        ),
    }];
    tasks_in_hand(tx, me, returns, &mut lines)?;
    mail(tx, me, &mut lines)?;
    tasks_to_take(tx, me, &mut lines)?;
    others(tx, me, &mut lines)?;
    lines.push(
        "The tools of orch-mcp (or the command `orch-mcp` in a shell): claim_task takes the next task, complete_task ends it \
         with its evidence, send_message reaches the others. New mail and tasks are shown to you by themselves."
            .to_owned(),
    );
    Ok(within(lines, BRIEF_CHARS_MAX))
}

fn tasks_in_hand(tx: &mut dyn Tx, me: &Instance, returns: bool, lines: &mut Vec<String>) -> Result<()> {
    let held = tx.held_tasks(&me.id, TASKS_TOLD + 1)?;
    for task in held.iter().take(TASKS_TOLD as usize) {
        let until = task.lease_until.map(|until| format!(", yours until {}", tx.now().wall_of(until)));
        lines.push(format!(
            "You hold {} \"{}\" ({}, token {}{}).{}",
            task.id,
            one_line(&task.title, 120),
            task.state.word(),
            task.token,
            until.unwrap_or_default(),
            if returns { " Go on with it; get_task shows all of it." } else { "" }
        ));
        // What the conversation knew of it may be gone.
        if returns && let Some(whole) = tx.task(task.id)? {
            details(tx, &whole, lines)?;
        }
    }
    if held.len() > TASKS_TOLD as usize {
        lines.push("You hold more than these: get_instance lists them.".to_owned());
    }
    Ok(())
}

fn details(tx: &mut dyn Tx, task: &Task, lines: &mut Vec<String>) -> Result<()> {
    let acceptance = task.body.acceptance.iter().map(|item| one_line(item, 120)).collect::<Vec<_>>().join("; ");
    if !acceptance.is_empty() {
        lines.push(format!("  must hold: {}", one_line(&acceptance, 300)));
    }
    let noted = EventFilter {
        subject: Some(task.id.to_string()),
        kind: Some("task.progress".to_owned()),
        newest_first: true,
        ..EventFilter::default()
    };
    if let Some(Value::String(note)) = tx.events(&noted, 1)?.pop().and_then(|mut event| event.data.remove("note")) {
        lines.push(format!("  last note: {}", one_line(&note, 400)));
    }
    Ok(())
}

fn mail(tx: &mut dyn Tx, me: &Instance, lines: &mut Vec<String>) -> Result<()> {
    let unread = tx.count_unread(&me.id, attend::UNREAD_COUNTED_MAX)?;
    if unread == 0 {
        return Ok(());
    }
    let waiting = tx.inbox(&me.id, false, None, MESSAGES_LOOKED_AT)?;
    let senders = session::told_apart(waiting.into_iter().map(|(message, _)| message.from.name), SENDERS_TOLD);
    let from = if senders.is_empty() { String::new() } else { format!(", from {senders}") };
    let messages = if unread == 1 { "1 unread message".to_owned() } else { format!("{unread} unread messages") };
    lines.push(format!("You have {messages}{from}: poll_messages reads them."));
    Ok(())
}

fn tasks_to_take(tx: &mut dyn Tx, me: &Instance, lines: &mut Vec<String>) -> Result<()> {
    let mine =
        TaskFilter { standings: vec![Standing::Ready], assignee: Some(me.id.to_string()), ..TaskFilter::default() };
    for task in tx.list_tasks(&mine, TASKS_TOLD)? {
        lines.push(format!("Assigned to you and ready: {} \"{}\".", task.id, one_line(&task.title, 120)));
    }
    let ready: u64 =
        tx.tally()?.iter().filter(|tally| tally.standing == Standing::Ready).map(|tally| tally.count).sum();
    if ready > 0 {
        lines.push(format!("Ready tasks in all: {ready}."));
    }
    Ok(())
}

fn others(tx: &mut dyn Tx, me: &Instance, lines: &mut Vec<String>) -> Result<()> {
    let online = InstanceFilter { online_at: Some(tx.now().tick), ..InstanceFilter::default() };
    let count = tx.count_instances(&online)?.saturating_sub(1);
    let found = tx.list_instances(&online, OTHERS_TOLD as u32 + 1)?;
    let mut told = Vec::new();
    for other in found.into_iter().filter(|other| other.id != me.id).take(OTHERS_TOLD) {
        let view = InstanceView::of(other, tx)?;
        told.push(format!("{} ({}, {})", view.name, view.role, view.status));
    }
    if told.is_empty() {
        lines.push("Nobody else is here yet.".to_owned());
        return Ok(());
    }
    let more = count.saturating_sub(told.len() as u64);
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    lines.push(format!("Here too: {}{and_more}.", told.join(", ")));
    Ok(())
}

/// All of the lines, or as much of the middle as there is room for: who one is and what to call stand at the ends.
fn within(mut lines: Vec<String>, most: usize) -> String {
    let length = |lines: &[String]| lines.iter().map(|line| line.chars().count() + 1).sum::<usize>();
    while length(&lines) > most && lines.len() > 2 {
        lines.remove(lines.len() - 2);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_that_is_too_long_loses_its_middle() {
        let lines: Vec<String> = ["first", "second", "third", "last"].map(str::to_owned).to_vec();
        assert_eq!(within(lines.clone(), 100), "first\nsecond\nthird\nlast");
        assert_eq!(within(lines.clone(), 20), "first\nsecond\nlast");
        assert_eq!(within(lines, 12), "first\nlast");
    }
}
