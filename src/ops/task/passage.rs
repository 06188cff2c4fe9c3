//! What follows when a stage of a pipeline is done: on with the next one, back with somebody's words, to the human, or no
//! further.

use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::message::BODY_BYTES_MAX;
use crate::model::message::MessageKind;
use crate::model::message::Origin;
use crate::model::message::Sender;
use crate::model::message::Target;
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
use crate::ops::Caller;
use crate::ops::graph;
use crate::ops::message::Draft;
use crate::ops::pipeline;
use crate::ops::refusals::Told;
use crate::ops::render;
use crate::ops::task::given::wake_assignee;
use crate::ops::task::given::wake_dependants;
use crate::ops::task::planned::Planned;
use crate::ops::task::push;
use crate::ops::task::rounds;
use crate::ops::task::rounds::Rounds;
use crate::ops::task::said;
use crate::plan::entries::TASKS;
use crate::store::QuestionFilter;
use crate::store::Tx;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Of one stage: more wait for nothing else.
const DEPENDANTS_MAX: u32 = 10_000;
/// Open questions of one gate: there is one, and never should be more.
const QUESTIONS_MAX: u32 = 200;
/// Of what came of a stage so much is shown to the human who is to let it pass.
const SHOWN_BYTES: usize = 1_500;
const REASON_BYTES: usize = 4_000;

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
    let title = render::one_line(&task.title, 200);
    let shown = shown(task);
    let is_plan = task.body.stage.as_ref().is_some_and(|stage| stage.plans);
    let may = if is_plan { "is ready. May its tasks be made?" } else { "is done. May it go on?" };
    let text = format!("{title} {may} {shown} (all of it: `orch-mcp get-task {}`)", task.id.short());
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

/// What came of it, for whoever is to let it pass: of a plan its picture.
fn shown(task: &Task) -> String {
    let result = task.body.result.as_deref().map(|result| render::short(&render::one_line(result, 600), SHOWN_BYTES));
    let tasks = task.body.result_json.as_ref().filter(|_| task.body.stage.as_ref().is_some_and(|stage| stage.plans));
    let tasks = tasks.and_then(|plan| plan.get(TASKS).unwrap_or(plan).as_array());
    let Some(tasks) = tasks else { return result.unwrap_or_else(|| "(it gave no result)".to_owned()) };
    let tasks: Vec<Map<String, Value>> = tasks.iter().filter_map(Value::as_object).cloned().collect();
    let picture = graph::text_within(&graph::graph(&pipeline::drawn(&tasks)), SHOWN_BYTES);
    format!("{}\n\n{picture}\n", result.unwrap_or_default())
}

/// The human said what becomes of it. It may have gone elsewhere by now, and then nothing does.
pub fn decided(tx: &mut dyn Tx, id: TaskId, passes: bool, words: Option<&str>, caller: &Caller) -> Result<()> {
    let Some(mut task) = tx.task(id)?.filter(Task::is_at_gate) else { return Ok(()) };
    let me = caller.known_instance(tx)?.map(|me| me.id);
    let by = me.as_ref();
    if passes {
        let plan = Planned::of(&task, task.body.result_json.as_ref(), tx, caller)?;
        let event = task.pass_gate(tx.now());
        tx.update_task(&mut task)?;
        // Whoever goes on from it hears what the human said to it.
        if let Some(words) = words.filter(|words| !words.trim().is_empty()) {
            let result = task.body.result.take().unwrap_or_default();
            let result = format!("{result}\n\nThe human let it pass, and said: {words}");
            task.body.result = Some(render::short(result.trim_start(), TEXT_BYTES_MAX - 8));
            tx.update_task_body(&task)?;
        }
        let unblocked = tx.dependency_met(id)?;
        tx.append_event(event)?;
        if let Some((plan, job)) = plan {
            plan.push(job, tx, caller)?;
        }
        return if unblocked > 0 { wake_dependants(tx, id, by) } else { Ok(()) };
    }
    let words = words.filter(|words| !words.trim().is_empty()).unwrap_or("The human did not let it pass.");
    let words = match brought(&task) {
        Some(brought) => format!("{words}\n\nWhat it was about: {brought}"),
        None => words.to_owned(),
    };
    send_back(tx, &mut task, &words, None, by).map(drop)
}

/// What came of a stage, for whoever does it once more.
fn brought(task: &Task) -> Option<String> {
    let evidence = task.body.evidence.as_ref();
    let shown = evidence.and_then(|evidence| {
        let branch = evidence.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
        evidence.commit.as_ref().map(|commit| format!("(commit {commit}{branch})"))
    });
    let parts: Vec<String> = task.body.result.iter().cloned().chain(shown).collect();
    Some(parts.join("\n\n")).filter(|brought| !brought.is_empty())
}

/// However it goes on, no answer of the human is needed any more: none may let a later round pass.
pub fn leaves_gate(tx: &mut dyn Tx, task: &Task) -> Result<()> {
    let open = QuestionFilter { kind: Some(Kind::Gate), task: Some(task.id), ..QuestionFilter::open() };
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

/// No more of it: what is left of this issue is called off, and with it the job, where that is about nothing else.
pub fn close(tx: &mut dyn Tx, judge: &Task, reason: &str, by: &InstanceId) -> Result<()> {
    let reason = format!("closed by {}: {reason}", judge.id.short());
    let mut of_issue = 0;
    rounds::each(tx, judge, |tx, mut task| {
        of_issue += 1;
        if task.id != judge.id && !task.state.is_final() {
            call_off(tx, &mut task, Some(by), Some(&reason))?;
        }
        Ok(())
    })?;
    let job = match judge.job {
        Some(job) => tx.job(job)?,
        None => None,
    };
    let Some(mut job) = job.filter(|job| job.counts.total() == of_issue) else { return Ok(()) };
    let event = job.cancel(Some(by), Some(&reason), tx.now());
    tx.update_job(&mut job)?;
    tx.append_event(event).map(drop)
}

/// Back to the stage that it says, with somebody's words; that one, and whatever went on from it, is done anew, each as a task
/// of its own, so that what was done before stays to be seen. Then whoever sent it back judges again.
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
    let target = stage.goes_back_to().to_owned();
    let rounds = Rounds::of(tx, judge)?;
    let Some(first) = rounds.newest(&target).filter(|task| task.id != judge.id) else {
        judge.body.description = said::sent_back(&judge.body.description, &judged(judge, &stage), words)?;
        assign(tx, judge, to)?;
        let event = judge.sends_back(by, &target, words, tx.now());
        tx.update_task(judge)?;
        tx.update_task_fields(judge)?;
        tx.append_event(event)?;
        wake_assignee(tx, judge, by)?;
        return Ok(Passage::SentBack { to: target, round: stage.round + 1, tasks: vec![judge.id] });
    };
    let round = first.body.stage.as_ref().map_or(2, |stage| stage.round + 1);
    let first = first.id;
    let anew = anew(tx, &rounds, first, judge, by, |tx, next| {
        next.body.description = said::sent_back(&next.body.description, &judged(judge, &stage), words)?;
        assign(tx, next, to)
    })?;
    let event = judge.sends_back(by, &target, words, tx.now());
    tx.update_task(judge)?;
    tx.update_task_body(judge)?;
    tx.append_event(event)?;
    wait_for_the_newest(tx, judge, &anew)?;
    Ok(Passage::SentBack { to: target, round, tasks: anew.into_values().collect() })
}

/// Who judged which round, for whoever reads the words.
fn judged(judge: &Task, stage: &Stage) -> String {
    format!("{}, round {}", judge.id.short(), stage.round)
}

/// One more round of a stage and of whatever went on from it: by the old task the new one. `tell` says to the first what was
/// found wanting.
fn anew(
    tx: &mut dyn Tx,
    rounds: &Rounds,
    first: TaskId,
    judge: &Task,
    by: Option<&InstanceId>,
    tell: impl Fn(&mut dyn Tx, &mut Task) -> Result<()>,
) -> Result<BTreeMap<TaskId, TaskId>> {
    let mut anew = BTreeMap::new();
    for old in rounds.from(first).into_iter().filter(|task| task.id != judge.id) {
        // What nobody has begun has only to wait for what is done anew.
        let was_done = old.state == State::Completed;
        if old.id != first && !was_done && !old.state.is_held() {
            continue;
        }
        let mut next = again(old, by, tx)?;
        next.depends_on = old.depends_on.iter().map(|id| anew.get(id).copied().unwrap_or(*id)).collect();
        next.depends_on.extend(Some(old.id).filter(|_| was_done));
        if old.id == first {
            tell(tx, &mut next)?;
        }
        if old.state.is_held() {
            let mut old = old.clone();
            old.body.stage.iter_mut().for_each(|stage| stage.overtaken = true);
            tx.update_task_body(&old)?;
        }
        tx.insert_task(&mut next)?;
        tx.append_event(next.pushed())?;
        wake_assignee(tx, &next, by)?;
        anew.insert(old.id, next.id);
    }
    Ok(anew)
}

/// Whoever waited for what was done waits for what is done anew, also beside the issue, and where it went on already as far as
/// a gate.
fn wait_for_the_newest(tx: &mut dyn Tx, judge: &mut Task, anew: &BTreeMap<TaskId, TaskId>) -> Result<()> {
    let mut waiting = BTreeSet::new();
    for old in anew.keys() {
        waiting.extend(tx.dependants_of(*old, DEPENDANTS_MAX)?);
    }
    let made: BTreeSet<TaskId> = anew.values().copied().collect();
    for id in waiting.into_iter().filter(|id| !anew.contains_key(id) && !made.contains(id)) {
        let mut other = if id == judge.id { None } else { tx.task(id)? };
        let task = other.as_mut().unwrap_or(&mut *judge);
        if task.id != id || task.state == State::Completed || task.state.is_held() {
            continue;
        }
        if task.is_at_gate() {
            leaves_gate(tx, task)?;
            let event = task.is_overtaken(tx.now());
            tx.update_task(task)?;
            tx.update_task_body(task)?;
            tx.append_event(event)?;
        }
        task.depends_on.iter_mut().for_each(|id| *id = anew.get(id).copied().unwrap_or(*id));
        tx.set_dependencies(task)?;
    }
    Ok(())
}

/// It judged a round that was sent back already. Its words are for the round that is to come; where that has begun, for
/// whoever does it and for whoever judges it.
pub fn send_word(
    tx: &mut dyn Tx,
    judge: &Task,
    words: &str,
    to: Option<&Assigned>,
    me: &Instance,
) -> Result<Option<Passage>> {
    let Some(stage) = &judge.body.stage else { return Ok(None) };
    let rounds = Rounds::of(tx, judge)?;
    let target = stage.goes_back_to().to_owned();
    let Some(first) = rounds.newest(&target) else { return Ok(None) };
    let round = first.body.stage.as_ref().map_or(1, |stage| stage.round);
    let has_begun = first.state.is_held() || first.state.is_final();
    let hears = if has_begun { rounds.newest(&stage.name) } else { Some(first) };
    if let Some(mut task) = hears.filter(|task| !task.state.is_held() && !task.state.is_final()).cloned() {
        task.body.description = said::sent_back(&task.body.description, &judged(judge, stage), words)?;
        if !has_begun {
            assign(tx, &mut task, to)?;
        }
        tx.update_task_fields(&mut task)?;
        let changed = vec![Value::from("description")];
        tx.append_event(NewEvent::new("task.updated", task.id, Some(&me.id)).with("changed", changed))?;
    }
    if let Some(holder) = first.holder.as_ref().filter(|holder| first.state.is_held() && **holder != me.id) {
        let body = format!("Of the former round: {words}");
        let draft = Draft {
            kind: MessageKind::Direct,
            target: Target::One(holder.to_string()),
            to: format!("@{holder}"),
            body: &render::short(&body, BODY_BYTES_MAX - 8),
            replied_to: None,
            task_id: Some(first.id),
            needs_answer: false,
            wake: true,
        };
        let from = Sender {
            instance: Some(me.id.clone()),
            name: me.name.clone(),
            role: Some(me.role.clone()),
            origin: Origin::Agent,
        };
        draft.send(tx, from)?;
    }
    Ok(Some(Passage::SentBack { to: target, round, tasks: Vec::new() }))
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
        let event = judge.stays_blocked(by, reason, tx.now());
        tx.update_task(judge)?;
        tx.append_event(event)?;
    }
    Ok(Passage::GivenUp)
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
        task.body.description = said::unblocked(&task.body.description, reason, note)?;
    }
    Ok(())
}
