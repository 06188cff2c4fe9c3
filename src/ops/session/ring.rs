//! `take_ring` and `arm_rung`: whoever can ring a session waits for its turn to do so.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::rung::Rung;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::model::time::Tick;
use crate::model::wake;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::Outcome;
use crate::ops::Wait;
use crate::ops::caller::Bearing;
use crate::ops::patience;
use crate::ops::question::settle_due;
use crate::ops::session::For;
use crate::ops::session::WAKES_MAX;
use crate::ops::session::what_for;
use crate::store::Topic;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Asked by whoever holds a rung of the ladder, and not in the name of the session: that it waits for this proves nothing
/// about the session, neither that it lives nor that anything has reached it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TakeRing {
    /// The process of the client whose session it can ring
    client: String,
    #[schemars(with = "String")]
    rung: Rung,
    /// For whom the client spoke when it was asked last
    known: Option<InstanceId>,
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Ring {
    /// The client speaks for somebody, and this is who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<Bearing>,
    /// It spoke for somebody else, or for nobody, when it was asked last.
    pub is_other: bool,
    /// What to say, where it is time to ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
}

impl TakeRing {
    /// The session behind the client, and for whom it speaks.
    fn session(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<(Session, Bearing)>> {
        let Some(mut session) = tx.session_by_client(&self.client)? else { return Ok(None) };
        // A ringer that is gone would only cost the next one its time.
        session.ringers.retain(|_, process| !caller.host.is_gone(process));
        let instance = tx.instance(&session.instance)?;
        instance.iter().try_for_each(|instance| caller.must_be_able_to_be(instance))?;
        Ok(instance.map(|one| (session, Bearing { instance: one.id, incarnation: one.incarnation })))
    }

    fn is_other(&self, bearing: Option<&Bearing>) -> bool {
        bearing.map(|bearing| &bearing.instance) != self.known.as_ref()
    }

    fn answer(&self, bearing: Option<Bearing>, say: Option<String>) -> Ring {
        Ring { is_other: self.is_other(bearing.as_ref()), bearing, say }
    }
}

/// When a rung has the first of its turns, of all that the session is to be woken for.
pub(in crate::ops) fn first_turn(tx: &mut dyn Tx, rung: Rung, session: &Session) -> Result<Option<Tick>> {
    let open = tx.open_wakes(&session.instance, WAKES_MAX)?;
    let first = open.iter().filter_map(|wake| wake.turn(rung, session)).min();
    Ok(first.map(|turn| turn.max(wake::quiet_until(&open, rung, tx.now()))))
}

impl Operation for TakeRing {
    const NAME: &'static str = "take_ring";
    const ABOUT: &'static str = "Wait until a session is to be woken";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Mark;
    type Output = Ring;

    fn awaits(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Wait>> {
        let mut topics = vec![Topic::Client(self.client.clone())];
        let session = self.session(tx, caller)?;
        if self.is_other(session.as_ref().map(|(_, bearing)| bearing)) {
            return Ok(None);
        }
        let Some((session, _)) = session else { return Ok(Some(Wait { topics, look_again_after: None })) };
        topics.extend([Topic::Session(session.instance.clone()), Topic::Questions]);
        let now = tx.now();
        let rings = first_turn(tx, self.rung, &session)?.map(|turn| turn.since(now.tick));
        // Whoever asked and sleeps is woken when its deadline has decided.
        let lapses = tx.next_question_due()?.map(|due| due.millis() - now.at.millis());
        let left = [rings, lapses].into_iter().flatten().min();
        match left {
            Some(millis) if millis <= 0 => Ok(None),
            left => {
                let look_again_after = left.map(|millis| Duration::from_millis(millis as u64));
                Ok(Some(Wait { topics, look_again_after }))
            }
        }
    }

    /// Whoever waits in vain for minutes, which is what it mostly does, writes nothing.
    fn nothing_to_mark(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Ring>> {
        let Some((session, bearing)) = self.session(tx, caller)? else { return Ok(Some(self.answer(None, None))) };
        if tx.next_question_due()?.is_some_and(|due| due <= tx.now().at) {
            return Ok(None);
        }
        let has_turn = first_turn(tx, self.rung, &session)?.is_some_and(|turn| turn <= tx.now().tick);
        Ok((!has_turn).then(|| self.answer(Some(bearing), None)))
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Ring> {
        let Some((session, bearing)) = self.session(tx, caller)? else { return Ok(self.answer(None, None)) };
        settle_due(tx)?;
        let now = tx.now();
        let (mut messages, mut tasks) = (Vec::new(), Vec::new());
        let mut open = tx.open_wakes(&session.instance, WAKES_MAX)?;
        if wake::quiet_until(&open, self.rung, now) > now.tick {
            open.clear();
        }
        for mut wake in open {
            if wake.turn(self.rung, &session).is_some_and(|turn| turn <= now.tick) {
                match what_for(tx, &wake)? {
                    Some(For::Message) => messages.push(wake.subject.clone()),
                    Some(For::Task(_)) => tasks.push(wake.subject.clone()),
                    None => {
                        tx.remove_wake(&wake.recipient, &wake.subject)?;
                        continue;
                    }
                }
                wake.rings(self.rung, now);
                tx.put_wake(&wake)?;
            }
        }
        Ok(self.answer(Some(bearing), say(&messages, &tasks)))
    }

    fn patience(&self) -> Option<Duration> {
        Some(patience(self.timeout_seconds))
    }
}

/// A doorbell, and nothing else: what came is read where its sender stands with it. No two rings have the same words, for
/// Claude Code drops a line to its inbox that repeats the one before within half a minute.
fn say(messages: &[String], tasks: &[String]) -> Option<String> {
    let mail = which(messages).map(|which| format!("you have mail ({which}): call poll_messages to read it"));
    let work = which(tasks).map(|which| format!("work is assigned to you ({which}): call claim_task to take it"));
    let what: Vec<String> = [mail, work].into_iter().flatten().collect();
    (!what.is_empty()).then(|| format!("orch-mcp: {}.", what.join("; ")))
}

fn which(subjects: &[String]) -> Option<String> {
    match subjects {
        [] => None,
        [one] => Some(one.clone()),
        [first, more @ ..] => Some(format!("{first} and {} more", more.len())),
    }
}

impl Answer for Ring {
    fn outcome(&self) -> Outcome {
        if self.is_other || self.say.is_some() { Outcome::Done } else { Outcome::TimedOut }
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.say.as_deref().unwrap_or("nothing to ring for"))
    }
}

const BEGINS_WITHIN: Duration = Duration::from_secs(5);

/// Whoever can ring at a session by a rung of its own says so. One for each rung is enough.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArmRung {
    /// The process of the client
    client: String,
    #[schemars(with = "String")]
    rung: Rung,
    /// The process that waits
    process: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Armed {
    pub armed: bool,
    /// Nobody knows this session.
    unknown: bool,
}

impl Operation for ArmRung {
    const NAME: &'static str = "arm_rung";
    const ABOUT: &'static str = "Be the one process that waits to ring at a session by this rung";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Mark;
    type Output = Armed;

    /// A session that has just begun may not be known yet.
    fn awaits(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Wait>> {
        let unknown = tx.session_by_client(&self.client)?.is_none();
        Ok(unknown.then(|| Wait { topics: vec![Topic::Client(self.client.clone())], look_again_after: None }))
    }

    fn patience(&self) -> Option<Duration> {
        Some(BEGINS_WITHIN)
    }

    fn nothing_to_mark(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Option<Armed>> {
        let session = tx.session_by_client(&self.client)?;
        let is_armed = session.is_some_and(|session| session.ringers.get(&self.rung) == Some(&self.process));
        Ok(is_armed.then_some(Armed { armed: true, unknown: false }))
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Armed> {
        let Some(mut session) = tx.session_by_client(&self.client)? else {
            return Ok(Armed { armed: false, unknown: true });
        };
        if let Some(instance) = tx.instance(&session.instance)? {
            caller.must_be_able_to_be(&instance)?;
        }
        let other = session.ringers.get(&self.rung).filter(|other| **other != self.process);
        if session.activity == Activity::Ended || other.is_some_and(|other| !caller.host.is_gone(other)) {
            return Ok(Armed { armed: false, unknown: false });
        }
        session.ringers.insert(self.rung, self.process.clone());
        tx.put_session(&session)?;
        Ok(Armed { armed: true, unknown: false })
    }
}

impl Answer for Armed {
    fn outcome(&self) -> Outcome {
        if self.unknown { Outcome::TimedOut } else { Outcome::Done }
    }
}

impl fmt::Display for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.armed { "armed" } else { "somebody else waits" })
    }
}
