//! `lead_fleet`: be the one who looks after the workers, and learn what there is to do.

use crate::error::Error;
use crate::error::Result;
use crate::model::digest::digest;
use crate::model::fleet::Fleet;
use crate::model::fleet::LEAD_SECS;
use crate::model::id::InstanceId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::question;
use crate::model::rung::Rung;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::spending::Left;
use crate::model::spending::Reached;
use crate::model::task::Claimer;
use crate::model::task::State;
use crate::model::task::Task;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::model::worker::Mode;
use crate::model::worker::Run;
use crate::model::worker::Worker;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::patience;
use crate::ops::question::settle_due;
use crate::ops::session::first_turn;
use crate::ops::task::choice;
use crate::ops::task::free_lapsed;
use crate::ops::worker::purse;
use crate::ops::worker::purse::Purses;
use crate::store::QuestionFilter;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// The lease is renewed when a third of it has passed.
const RENEWED_WITH_MS_LEFT: i64 = LEAD_SECS as i64 * 1000 * 2 / 3;

/// Nobody has many more.
const OPEN_LOOKED_AT: u32 = 100;

/// Returns when something is other than at the last look, when the lease wants to be renewed, or when nobody leads any more.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeadFleet {
    /// Who asks, as the host names it
    process: String,
    /// Of the answer before
    seen: Option<String>,
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct FleetView {
    /// Whoever asked looks after the workers, with this term.
    pub leads: bool,
    /// What the store's clocks show.
    pub at: Timestamp,
    pub tick: Tick,
    pub fleet: Fleet,
    pub workers: Vec<WorkerSeen>,
    /// A task waits for a moment to come.
    pub comes_later: bool,
    /// What was seen, in short.
    pub seen: String,
}

/// A worker as the store knows it and its session.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct WorkerSeen {
    pub worker: Worker,
    /// Its session has told of itself since its process began.
    pub joined: bool,
    pub activity: Activity,
    /// It asked the human something that is open.
    pub asks: bool,
    /// It may not use a tool before the human has decided, and does nothing else.
    pub needs_leave: bool,
    /// What it asks the human, and nobody has answered yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<QuestionId>,
    /// The task that its run was begun for is cancelled, or somebody else's.
    pub is_lost: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<TaskId>,
    /// The first task that it could claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<TaskId>,
    pub has_work: bool,
    /// Its session, where one goes on from task to task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<Stays>,
    /// The limit that is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reached>,
    /// How far it may go; like what follows, not part of what is compared.
    pub left: Left,
    /// Milliseconds since its last call or hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_ms: Option<i64>,
}

/// A session that goes on from task to task: by what it can be told something.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Stays {
    /// By which it could be gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The process of its client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The socket at which its client takes messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
    /// The file in which its client writes down what happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// Whoever asks is the one that rings over its standard input.
    pub armed: bool,
    /// It is time to do so.
    pub rings: bool,
    /// When it will be.
    #[serde(skip)]
    turn: Option<Tick>,
}

impl Stays {
    fn of(worker: &Worker, instance: &Instance, session: &Session, asker: &str, tx: &mut dyn Tx) -> Result<Stays> {
        let armed = worker.mode == Mode::Long && session.ringers.get(&Rung::Stdin).is_some_and(|one| one == asker);
        let turn = if armed { first_turn(tx, Rung::Stdin, session)? } else { None };
        Ok(Stays {
            session: instance.session.clone(),
            client: session.client.clone(),
            inbox: session.inbox.clone(),
            transcript: session.transcript.clone(),
            armed,
            rings: turn.is_some_and(|turn| turn <= tx.now().tick),
            turn,
        })
    }
}

impl WorkerSeen {
    fn of(worker: Worker, asker: &str, purses: &Purses, tx: &mut dyn Tx) -> Result<WorkerSeen> {
        let now = tx.now();
        let instance = match &worker.instance {
            Some(id) => tx.instance(id)?,
            None => None,
        };
        let session = match &instance {
            Some(instance) => tx.session(&instance.id)?,
            None => None,
        };
        let called = worker.called(instance.as_ref().map(|one| one.renewed));
        let told = session.as_ref().map(|session| session.alive_at).max(called);
        // A client that cannot find the conversation that it is to go on with tells of an end, and of no beginning.
        let never_began = |run: &Run| {
            session.as_ref().is_some_and(|session| {
                let briefed = session.briefed.as_ref().map(|(_, at)| *at);
                session.activity == Activity::Ended && briefed.is_some_and(|at| at <= run.began)
            })
        };
        let joined = worker.run.as_ref().is_some_and(|run| told.is_some_and(|at| at > run.began) && !never_began(run));
        let nobody = InstanceId::from_stored(worker.name.clone());
        let id = instance.as_ref().map_or(&nobody, |instance| &instance.id);
        let open = QuestionFilter { asker: Some(id.clone()), ..QuestionFilter::open() };
        let open = tx.questions(&open, OPEN_LOOKED_AT)?;
        let asks = open.iter().any(|one| one.kind != question::Kind::Limit);
        let needs_leave = open.iter().any(|one| one.kind == question::Kind::Permission);
        let holds = tx.held_tasks(id, 1)?.pop().map(|task| task.id);
        // By the role that it has said itself, as a claim of its goes by that.
        let role = instance.as_ref().map_or(&worker.role, |instance| &instance.role);
        let ready = choice::next(tx, Claimer { id, role })?.map(|task| task.id);
        let stays = match (&instance, &session) {
            (Some(instance), Some(session)) if joined && worker.mode != Mode::Task => {
                Some(Stays::of(&worker, instance, session, asker, tx)?)
            }
            _ => None,
        };
        let about = worker.run.as_ref().and_then(|run| run.task);
        let is_lost = match about.filter(|task| holds != Some(*task)) {
            Some(task) => tx.task(task)?.is_none_or(|task| is_of_others(&task, id)),
            None => false,
        };
        let (reached, left) = purses.look(&worker, holds, tx)?;
        let began = worker.run.as_ref().map(|run| run.began);
        Ok(WorkerSeen {
            joined,
            activity: session.filter(|_| joined).map_or(Activity::Unknown, |session| session.activity),
            asks,
            needs_leave,
            asked: open.iter().map(|one| one.id).collect(),
            is_lost,
            has_work: !asks && (holds.is_some() || ready.is_some()),
            holds,
            ready,
            stays,
            reached,
            left,
            called_ms: told.max(began).map(|tick| now.tick.since(tick)),
            worker,
        })
    }
}

impl WorkerSeen {
    /// It holds nothing, and was begun for something.
    pub fn is_without(&self) -> bool {
        self.holds.is_none() && self.worker.run.as_ref().is_some_and(|run| run.task.is_some())
    }
}

fn is_of_others(task: &Task, me: &InstanceId) -> bool {
    match task.state {
        State::Cancelled => true,
        State::Claimed | State::InProgress => task.holder.as_ref() != Some(me),
        _ => false,
    }
}

impl LeadFleet {
    fn look(&self, fleet: Fleet, tx: &mut dyn Tx) -> Result<FleetView> {
        let purses = Purses::of(&fleet, tx)?;
        let workers = tx.workers()?.into_iter().map(|one| WorkerSeen::of(one, &self.process, &purses, tx));
        let workers = workers.collect::<Result<Vec<_>>>()?;
        let leads = fleet.leader.as_deref() == Some(&self.process);
        let mut compared = Vec::new();
        for one in &workers {
            let without_time = WorkerSeen { left: Left::default(), called_ms: None, ..one.clone() };
            compared.push(serde_json::to_value(&without_time).map_err(Error::internal)?);
        }
        let comes_later = tx.next_due()?.is_some();
        let seen = digest(&format!("{leads} {:?} {:?} {compared:?}", fleet.caps, fleet.limited_until));
        Ok(FleetView {
            leads,
            at: tx.now().at,
            tick: tx.now().tick,
            fleet,
            workers,
            comes_later,
            seen: seen.to_string(),
        })
    }
}

impl Operation for LeadFleet {
    const NAME: &'static str = "lead_fleet";
    const ABOUT: &'static str = "Look after the workers, if nobody else does";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Mark;
    type Output = FleetView;

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let now = tx.now();
        let fleet = tx.fleet()?;
        let leads = fleet.leader.as_deref() == Some(&self.process);
        let left = fleet.lease_until.since(now.tick) - if leads { RENEWED_WITH_MS_LEFT } else { 0 };
        if left <= 0 || !fleet.is_led(|process| caller.host.is_gone(process), now) {
            return Ok(None);
        }
        let mut topics = vec![Topic::Workers];
        let mut waits = vec![left];
        if leads {
            let view = self.look(fleet, tx)?;
            if self.seen.as_ref() != Some(&view.seen) {
                return Ok(None);
            }
            topics.extend([Topic::Events, Topic::Questions]);
            let sessions = view.workers.iter().filter_map(|one| one.worker.instance.clone());
            topics.extend(sessions.map(Topic::Session));
            let turns = view.workers.iter().filter_map(|one| one.stays.as_ref()?.turn);
            waits.extend(turns.map(|turn| turn.since(now.tick)).filter(|left| *left > 0));
            let moments = [tx.next_due()?, tx.next_question_due()?].into_iter().flatten();
            let by_time: Vec<i64> = moments
                .map(|at| at.millis() - now.at.millis())
                .chain(tx.next_lapse()?.map(|tick| tick.since(now.tick)))
                .chain(choice::next_freed(tx)?.map(|tick| tick.since(now.tick)))
                .collect();
            if by_time.iter().any(|left| *left <= 0) {
                return Ok(None);
            }
            waits.extend(by_time);
        } else {
            // A process that was killed gives nothing up.
            waits.push(1_000);
        }
        let look_again = waits.into_iter().min().unwrap_or_default().max(100);
        Ok(Some(Wait { topics, look_again_after: Some(Duration::from_millis(look_again as u64)) }))
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<FleetView> {
        settle_due(tx)?;
        // Nobody else may come who would claim, and so look.
        free_lapsed(tx)?;
        let now = tx.now();
        let mut fleet = tx.fleet()?;
        let renews = fleet.lease_until.since(now.tick) <= RENEWED_WITH_MS_LEFT;
        let led = fleet.leader.clone();
        if (led.as_deref() != Some(&self.process) || renews)
            && fleet.lead(&self.process, |process| caller.host.is_gone(process), now)
        {
            tx.put_fleet(&fleet)?;
        }
        if fleet.leader.as_deref() == Some(&self.process) && purse::settle(&mut fleet, tx)? {
            tx.put_fleet(&fleet)?;
        }
        self.look(fleet, tx)
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

impl Answer for FleetView {
    fn outcome(&self) -> Outcome {
        if self.leads { Outcome::Done } else { Outcome::TimedOut }
    }
}

impl fmt::Display for FleetView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} workers", self.workers.len())
    }
}
