//! Sessions that stay from task to task: what they do, what they are told meanwhile, and what of them is written down before
//! they end.

use crate::error::Result;
use crate::launch::liveness::Signs;
use crate::launch::nudge::Due;
use crate::launch::nudge::FIRST_HAS;
use crate::launch::nudge::Subject;
use crate::launch::nudge::Waiting;
use crate::launch::supervisor::Supervisor;
use crate::launch::watch::Facts;
use crate::launch::watch::Noted;
use crate::launch::watch::Turn;
use crate::launch::watch::Watch;
use crate::model::id::TaskId;
use crate::model::session::Activity;
use crate::model::time::Tick;
use crate::model::worker::Mode;
use crate::ops::worker::Note;
use crate::ops::worker::WorkerSeen;
use serde_json::json;
use std::collections::BTreeMap;

/// What hooks tell and what is printed do not come in one order; in between there is no such silence.
const PAUSE_MS: i64 = 3_000;

/// What a turn costs on the way is written down so often: a limit is held to within that.
const COSTS_EVERY_MS: i64 = 5_000;

/// A session whose first turn nobody has seen by then has none.
const FIRST_TURN_WITHIN_MS: i64 = 30_000;

/// What it does, from what its hooks told and from what it printed. A turn that was broken off ends without a hook, and one
/// that is to begin has none yet.
pub(super) fn activity(one: &WorkerSeen, facts: &Facts, signs: &Signs) -> Activity {
    let is_silent = signs.output.is_some_and(|ago| ago >= PAUSE_MS);
    match (one.worker.mode, facts.turn, one.activity) {
        (Mode::Task | Mode::Terminal, _, told) => told,
        (Mode::Long, Turn::Over, Activity::NeedsInput) => Activity::NeedsInput,
        (Mode::Long, Turn::Over, _) if facts.limited.is_some() => Activity::Limited,
        (Mode::Long, Turn::Over, _) => Activity::Idle,
        (Mode::Long, Turn::UnderWay, Activity::Idle) if !is_silent => Activity::Working,
        (Mode::Long, Turn::UnderWay, told) => told,
    }
}

/// What it is to be told. `lately` is what others were, who may be about to take it.
pub(super) fn due(one: &WorkerSeen, activity: Activity, watch: &Watch, runs_ms: i64, lately: &[Subject]) -> Due {
    let Some(stays) = &one.stays else { return Due::Nothing };
    if one.worker.mode == Mode::Terminal && stays.inbox.is_none() {
        return Due::Nothing;
    }
    // At a terminal it seems to wait until it reads the prompt that it was started with.
    if one.worker.mode == Mode::Terminal && !watch.has_worked && runs_ms < FIRST_TURN_WITHIN_MS {
        return Due::Later(FIRST_TURN_WITHIN_MS - runs_ms);
    }
    let limited = activity == Activity::Limited;
    // First everybody is to know of it.
    if limited && !watch.noted.limit {
        return Due::Nothing;
    }
    let waiting = Waiting { holds: one.holds, ready: one.ready, asks: one.asks, limited };
    match watch.told.due(&waiting) {
        Due::Say(subject @ Subject::Ready(_)) if lately.contains(&subject) => Due::Later(FIRST_HAS.as_millis() as i64),
        due => due,
    }
}

impl Supervisor<'_> {
    pub(super) fn say(&self, one: &WorkerSeen, subject: Subject, watches: &mut BTreeMap<String, Watch>) -> Result<()> {
        let Some(watch) = watches.get_mut(&one.worker.name) else { return Ok(()) };
        let inbox = one.stays.as_ref().and_then(|stays| stays.inbox.as_deref());
        // Whoever does not hear it is told again later.
        if self.hands.say(&one.worker, inbox, &subject.words()).is_ok() {
            watch.hears_from_us();
        }
        watch.told.tells(subject);
        Ok(())
    }

    /// What came for it is told by the ladder, of which its standard input is the last rung.
    pub(super) fn ring(&self, one: &WorkerSeen, watches: &mut BTreeMap<String, Watch>) -> Result<()> {
        let Some(client) = one.stays.as_ref().and_then(|stays| stays.client.as_deref()) else { return Ok(()) };
        let wanted = json!({ "client": client, "rung": "stdin", "known": one.worker.instance, "timeout_seconds": 0 });
        let ring = self.ask("take_ring", wanted)?;
        if let (Some(say), Some(watch)) = (ring["say"].as_str(), watches.get_mut(&one.worker.name))
            && self.hands.say(&one.worker, None, say).is_ok()
        {
            watch.hears_from_us();
        }
        Ok(())
    }

    pub(super) fn hand_back(
        &self,
        one: &WorkerSeen,
        task: TaskId,
        watches: &mut BTreeMap<String, Watch>,
    ) -> Result<()> {
        watches.get_mut(&one.worker.name).into_iter().for_each(|watch| watch.told.tells(Subject::Held(task)));
        let Some(instance) = &one.worker.instance else { return Ok(()) };
        let reason = format!("{} ended its turn, and did not go on with it when it was told to", one.worker.name);
        // It may have come to its senses just now, and then it is nobody's to hand back.
        let _ = self.ask_as(instance.as_str(), "release_task", json!({ "task_id": task, "reason": reason }));
        Ok(())
    }

    /// This process is the one that rings over its standard input.
    pub(super) fn arm(&self, one: &WorkerSeen) -> Result<()> {
        let Some(stays) = one.stays.as_ref().filter(|stays| one.worker.mode == Mode::Long && !stays.armed) else {
            return Ok(());
        };
        match &stays.client {
            Some(client) => {
                let wanted = json!({ "client": client, "rung": "stdin", "process": self.process });
                self.ask("arm_rung", wanted).map(drop)
            }
            None => Ok(()),
        }
    }

    /// What its session is called, what it has cost and that the service takes no more: a person wants to know that, and the
    /// caps want to be held, before the session ends.
    pub(super) fn write_down(
        &self,
        term: u64,
        now: Tick,
        one: &WorkerSeen,
        watches: &mut BTreeMap<String, Watch>,
    ) -> Result<()> {
        let worker = &one.worker;
        let watch = watches.get_mut(&worker.name);
        let (Some(watch), Some(run)) = (watch, &worker.run) else { return Ok(()) };
        let stays = worker.mode != Mode::Task;
        let session =
            watch.facts.session.clone().or_else(|| one.stays.as_ref().and_then(|stays| stays.session.clone()));
        let is_limited = worker.mode == Mode::Long && watch.facts.limited.is_some()
            || worker.mode == Mode::Terminal && one.activity == Activity::Limited;
        let mut notes = Vec::new();
        let mut noted = Noted { limit: is_limited, ..watch.noted.clone() };
        if let Some(session) = session.filter(|session| stays && noted.session.as_ref() != Some(session)) {
            noted.session = Some(session.clone());
            notes.push(Note::Session { number: run.number, session, model: watch.facts.model.clone() });
        }
        let turn_ends = stays && watch.facts.turn == Turn::Over;
        let is_time = watch.noted.at.is_none_or(|at| now.since(at) >= COSTS_EVERY_MS);
        let cost = watch.facts.cost().filter(|cost| watch.noted.cost.as_ref() != Some(cost));
        if let Some(cost) = cost.filter(|_| turn_ends || is_time) {
            (noted.cost, noted.at) = (Some(cost), Some(now));
            notes.push(Note::Costs { number: run.number, cost });
        }
        if is_limited && !watch.noted.limit {
            notes.push(Note::Limited { until: watch.facts.limited.flatten() });
        }
        if !notes.is_empty() {
            self.note_all(term, &worker.name, notes)?;
        }
        watch.noted = noted;
        Ok(())
    }
}
