//! What follows when a stage of a pipeline is done: on with the next one, back with somebody's words, to the human, or no
//! further.

use crate::error::Result;
use crate::model::graph;
use crate::model::graph::Walk;
use crate::model::id::InstanceId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::question;
use crate::model::question::Kind;
use crate::model::question::Question;
use crate::model::stage::Assigned;
use crate::model::stage::Gate;
use crate::model::stage::Stage;
use crate::model::stage::Verdict;
use crate::model::task::State;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::TITLE_CHARS_MAX;
use crate::model::task::Task;
use crate::ops::refusals::Told;
use crate::ops::render;
use crate::ops::task::given::wake_assignee;
use crate::ops::task::given::wake_dependants;
use crate::ops::task::push;
use crate::store::QuestionFilter;
use crate::store::TaskFilter;
use crate::store::Tx;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Stages of one issue, and all their rounds.
const CHAIN_MAX: u32 = 2_000;
/// Open questions of one gate: there is one, and never should be more.
const QUESTIONS_MAX: u32 = 200;
/// Of what came of a stage so much is shown to the human who is to let it pass.
const SHOWN_BYTES: usize = 1_500;
const REASON_BYTES: usize = 4_000;
/// What begins each part that a description grows by.
const SENT_BACK: &str = "\n\n## Sent back (";
const UNBLOCKED: &str = "\n\n## Unblocked";

/// Where a stage went instead of being completed.
pub enum Passage {
    /// The human is asked.
    AtGate(QuestionId),
    /// This stage is done again, and all between it and the one that found it wanting.
    SentBack { to: String, round: u32, tasks: Vec<TaskId> },
    /// It was sent back as often as it may be.
    GivenUp,
}

/// The verdict in which a stage ends, if it is one of those that judge.
pub fn verdict(task: &Task, result_json: Option<&Value>) -> Result<Option<Verdict>> {
    match &task.body.stage {
        Some(stage) if stage.verdict => Verdict::read(result_json).map(Some),
        _ => Ok(None),
    }
}

pub fn has_human_gate(task: &Task) -> bool {
    task.body.stage.as_ref().is_some_and(|stage| stage.gate == Gate::Human)
}

/// The human is asked to let it pass.
pub fn ask(tx: &mut dyn Tx, task: &Task, by: &str) -> Result<Passage> {
    leaves_gate(tx, task)?;
    let result = task.body.result.as_deref().unwrap_or("(it gave no result)");
    let title = render::one_line(&task.title, 200);
    let shown = render::short(&render::one_line(result, 600), SHOWN_BYTES);
    let text = format!("{title} is done. May it go on? {shown} (all of it: `orch-mcp get-task {}`)", task.id.short());
    let mut request = Map::new();
    request.insert("gate".to_owned(), serde_json::to_value(&task.body.stage).unwrap_or_default());
    let mut question = Question {
        task: Some(task.id),
        request: Some(request),
        ..Question::new(Kind::Gate, None, by.to_owned(), text, tx.now())
    };
    tx.insert_question(&mut question)?;
    tx.append_event(question.asked())?;
    Ok(Passage::AtGate(question.id))
}

/// The human said what becomes of it. It may have gone elsewhere by now, and then nothing does.
pub fn decided(tx: &mut dyn Tx, id: TaskId, passes: bool, words: Option<&str>, by: Option<&InstanceId>) -> Result<()> {
    let Some(mut task) = tx.task(id)?.filter(Task::is_at_gate) else { return Ok(()) };
    if passes {
        let event = task.pass_gate(tx.now());
        tx.update_task(&mut task)?;
        // Whoever goes on from it hears what the human said to it.
        if let Some(words) = words.filter(|words| !words.trim().is_empty()) {
            let result = task.body.result.take().unwrap_or_default();
            let result = format!("{result}\n\nThe human let it pass, and said: {words}");
            task.body.result = Some(render::short(result.trim_start(), TEXT_BYTES_MAX - 8));
            tx.update_task_body(&task)?;
        }
        if let (Some(job), Some(claimed), Some(done)) = (task.job, task.claimed_at, task.finished_at) {
            tx.keep_pace(job, done.millis() - claimed.millis())?;
        }
        let unblocked = tx.dependency_met(id)?;
        tx.append_event(event)?;
        return if unblocked > 0 { wake_dependants(tx, id, by) } else { Ok(()) };
    }
    let words = words.filter(|words| !words.trim().is_empty()).unwrap_or("The human did not let it pass.");
    send_back(tx, &mut task, words, None, by).map(drop)
}

/// However it goes on, no answer of the human is needed any more: none may let a later round pass.
pub fn leaves_gate(tx: &mut dyn Tx, task: &Task) -> Result<()> {
    let open = QuestionFilter {
        state: Some(question::State::Open),
        kind: Some(Kind::Gate),
        task: Some(task.id),
        ..QuestionFilter::default()
    };
    for mut question in tx.questions(&open, QUESTIONS_MAX)? {
        let event = question.withdraw(None, tx.now())?;
        tx.update_question(&mut question)?;
        tx.append_event(event)?;
    }
    Ok(())
}

/// It is not wanted any more, nor is an answer to what was asked about it.
pub fn call_off(tx: &mut dyn Tx, task: &mut Task, by: Option<&InstanceId>, reason: Option<&str>) -> Result<()> {
    if task.is_at_gate() {
        leaves_gate(tx, task)?;
    }
    let event = task.cancel(by, reason, tx.now()).told(tx)?;
    tx.update_task(task)?;
    tx.append_event(event).map(drop)
}

/// No more of it: what is left of this issue is called off.
pub fn close(tx: &mut dyn Tx, judge: &Task, reason: &str, by: &InstanceId) -> Result<u32> {
    let reason = format!("closed by {}: {reason}", judge.id.short());
    let mut called_off = 0;
    for mut task in chain(tx, judge)? {
        if task.id != judge.id && !task.state.is_final() {
            call_off(tx, &mut task, Some(by), Some(&reason))?;
            called_off += 1;
        }
    }
    Ok(called_off)
}

/// Back to the stage that it says, with somebody's words; that one and all between are done anew, each as a task of its own,
/// so that what was done before stays to be seen. Then whoever sent it back judges again.
pub fn send_back(
    tx: &mut dyn Tx,
    judge: &mut Task,
    words: &str,
    to: Option<&Assigned>,
    by: Option<&InstanceId>,
) -> Result<Passage> {
    let Some(stage) = judge.body.stage.clone() else { return Ok(Passage::GivenUp) };
    if stage.sent_back >= stage.times {
        return give_up(tx, judge, &stage, words, by);
    }
    let target = stage.sends_back_to.clone().unwrap_or_else(|| stage.name.clone());
    let told = format!("{}, round {}", judge.id.short(), stage.round);
    let latest = latest(tx, judge)?;
    let Some(first) = latest.get(&target).filter(|task| task.id != judge.id) else {
        judge.body.description = with_words(&judge.body.description, &told, words)?;
        assign(tx, judge, to)?;
        let event = judge.sends_back(by, &target, words, tx.now());
        tx.update_task(judge)?;
        tx.update_task_fields(judge)?;
        tx.append_event(event)?;
        wake_assignee(tx, judge, by)?;
        return Ok(Passage::SentBack { to: target, round: stage.round + 1, tasks: vec![judge.id] });
    };
    let round = first.body.stage.as_ref().map_or(2, |stage| stage.round + 1);
    let mut anew: BTreeMap<TaskId, TaskId> = BTreeMap::new();
    for old in between(first, judge, &latest) {
        let mut next = again(old, by, tx)?;
        next.depends_on = old.depends_on.iter().map(|id| anew.get(id).copied().unwrap_or(*id)).collect();
        next.depends_on.push(old.id);
        if old.id == first.id {
            next.body.description = with_words(&old.body.description, &told, words)?;
            assign(tx, &mut next, to)?;
        }
        tx.insert_task(&mut next)?;
        tx.append_event(next.pushed())?;
        wake_assignee(tx, &next, by)?;
        anew.insert(old.id, next.id);
    }
    let event = judge.sends_back(by, &target, words, tx.now());
    tx.update_task(judge)?;
    tx.update_task_body(judge)?;
    tx.append_event(event)?;
    // Whoever waited for what was done waits for what is done anew.
    for mut task in latest.into_values().filter(|task| !anew.contains_key(&task.id)) {
        let task = if task.id == judge.id { &mut *judge } else { &mut task };
        let waits = task.state == State::Pending && task.depends_on.iter().any(|id| anew.contains_key(id));
        if waits {
            task.depends_on.iter_mut().for_each(|id| *id = anew.get(id).copied().unwrap_or(*id));
            tx.set_dependencies(task)?;
        }
    }
    Ok(Passage::SentBack { to: target, round, tasks: anew.into_values().collect() })
}

fn give_up(tx: &mut dyn Tx, judge: &mut Task, stage: &Stage, words: &str, by: Option<&InstanceId>) -> Result<Passage> {
    let times = if stage.times == 1 { "once".to_owned() } else { format!("{} times", stage.times) };
    let reason = format!("it was sent back {times}, which is as often as it may be; the last words: {words}");
    let reason = render::short(&reason, REASON_BYTES);
    if let Some(me) = by.filter(|_| judge.state.is_held()) {
        let event = judge.block(me, None, &reason, tx.now()).told(tx)?;
        tx.update_task(judge)?;
        tx.append_event(event)?;
    } else if judge.is_at_gate() {
        judge.reason = Some(reason);
        tx.update_task(judge)?;
    }
    Ok(Passage::GivenUp)
}

/// All tasks of an issue, whole, in the order in which they were made.
fn chain(tx: &mut dyn Tx, of: &Task) -> Result<Vec<Task>> {
    let filter = TaskFilter {
        chain_id: of.chain_id.clone(),
        job: of.job,
        after: Some(TaskId::from_number(0)),
        ..TaskFilter::default()
    };
    let ids: Vec<TaskId> = tx.list_tasks(&filter, CHAIN_MAX)?.iter().map(|task| task.id).collect();
    let mut tasks = Vec::with_capacity(ids.len());
    for id in ids {
        tasks.extend(tx.task(id)?);
    }
    Ok(tasks)
}

/// The newest task of each stage.
fn latest(tx: &mut dyn Tx, of: &Task) -> Result<BTreeMap<String, Task>> {
    let staged = chain(tx, of)?.into_iter().filter_map(|task| Some((task.body.stage.as_ref()?.name.clone(), task)));
    Ok(staged.collect())
}

/// A stage and all that lies between it and the one that judges, each after what it needs.
fn between<'a>(first: &'a Task, judge: &Task, latest: &'a BTreeMap<String, Task>) -> Vec<&'a Task> {
    let by_id: BTreeMap<TaskId, &Task> = latest.values().map(|task| (task.id, task)).collect();
    let mut before = BTreeSet::new();
    let mut left = judge.depends_on.clone();
    while let Some(id) = left.pop() {
        if let Some(task) = by_id.get(&id).filter(|_| before.insert(id)) {
            left.extend(&task.depends_on);
        }
    }
    let needs =
        |id: TaskId| Ok::<_, Infallible>(by_id.get(&id).map(|task| task.depends_on.clone()).unwrap_or_default());
    let Ok(Walk::Order(order)) = graph::walk(before.iter().copied(), needs) else { return Vec::new() };
    let mut after = BTreeSet::from([first.id]);
    let mut between = Vec::new();
    for id in order {
        let Some(task) = by_id.get(&id).filter(|_| before.contains(&id)) else { continue };
        if id == first.id || task.depends_on.iter().any(|needs| after.contains(needs)) {
            after.insert(id);
            between.push(*task);
        }
    }
    if !before.contains(&first.id) {
        between.insert(0, first);
    }
    between
}

/// The same task once more, from its beginning.
fn again(old: &Task, by: Option<&InstanceId>, tx: &mut dyn Tx) -> Result<Task> {
    let now = tx.now();
    let mut next = old.clone();
    next.id = TaskId::from_number(0);
    next.is_to_be_done_again(now);
    let round = next.body.stage.as_ref().map_or(2, |stage| stage.round);
    let title = old.title.rsplit_once(" (round ").map_or(old.title.as_str(), |(title, _)| title);
    let suffix = format!(" (round {round})");
    let room = TITLE_CHARS_MAX - suffix.chars().count();
    next.title = title.chars().take(room).chain(suffix.chars()).collect();
    (next.attempt, next.token, next.unmet, next.height, next.version) = (0, 0, 0, 0, 0);
    (next.due, next.not_before) = (true, None);
    next.created_by = by.cloned();
    next.created_at = now.at;
    Ok(next)
}

fn assign(tx: &mut dyn Tx, task: &mut Task, to: Option<&Assigned>) -> Result<()> {
    match to {
        Some(Assigned::Role(role)) => {
            (task.role, task.assignee) = (Some(push::checked_role(role)?), None);
        }
        Some(Assigned::Instance(name)) => task.assignee = Some(push::resolve_assignee(tx, &format!("@{name}"))?),
        None => {}
    }
    Ok(())
}

/// What somebody blocked may go on with, for whoever does; a stage that was sent back as often as it may be has one round
/// more.
pub fn is_unblocked(task: &mut Task, reason: Option<&str>, note: Option<&str>) -> Result<()> {
    if let Some(stage) = task.body.stage.as_mut().filter(|stage| stage.sent_back >= stage.times && stage.times > 0) {
        stage.times = stage.sent_back + 1;
    }
    if let Some(note) = note.filter(|note| !note.trim().is_empty()) {
        let told = render::one_line(reason.unwrap_or("no reason was given"), 600);
        let told = format!("{UNBLOCKED}\n\nIt was blocked: {told}\n");
        task.body.description = with_part(&task.body.description, &told, note)?;
    }
    Ok(())
}

/// What is to be done, and what was found wanting.
fn with_words(description: &str, told: &str, words: &str) -> Result<String> {
    with_part(description, &format!("{SENT_BACK}{told})\n"), words)
}

/// What is to be done, and what was said of it since: the latest words, and those before them as long as there is room.
fn with_part(description: &str, heading: &str, words: &str) -> Result<String> {
    let newest = |words: &str| format!("{heading}\n{}\n", render::quoted(words));
    let mut starts: Vec<usize> =
        [SENT_BACK, UNBLOCKED].iter().flat_map(|part| description.match_indices(part)).map(|(at, _)| at).collect();
    starts.sort_unstable();
    let (first, said) = description.split_at(starts.first().copied().unwrap_or(description.len()));
    let room = TEXT_BYTES_MAX.saturating_sub(first.len());
    // Marks of a quote may make words of many short lines several times as long.
    let mut newest_words = newest(words);
    let mut kept = words.len();
    while newest_words.len() > room && kept > 0 {
        kept /= 2;
        newest_words = newest(&render::short(words, kept));
    }
    let room = room.saturating_sub(newest_words.len());
    let before = starts.iter().map(|at| &said[at - first.len()..]).find(|before| before.len() <= room).unwrap_or("");
    push::checked_description(&format!("{first}{before}{newest_words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_keeps_what_was_wanted_first_and_the_newest_words() {
        let mut description = "Build it".to_owned();
        for round in 1..=40 {
            let words = format!("word {round}\u{2028}# no heading\n").repeat(400);
            description = with_words(&description, &format!("task-1, round {round}"), &words).unwrap();
        }
        assert!(description.starts_with("Build it\n\n## Sent back (task-1, round "));
        assert!(description.contains("round 40)\n\n> word 40\n> # no heading\n"));
        assert!(description.len() <= TEXT_BYTES_MAX);
        assert!(!description.contains("word 1\n"), "the oldest goes first");
        let full = "x".repeat(TEXT_BYTES_MAX - 500);
        let told = with_words(&full, "task-1, round 1", &"\n".repeat(60_000)).unwrap();
        assert!(told.starts_with(&full) && told.contains("## Sent back (task-1, round 1)"));
    }
}
