//! Who is here, in what role, doing what, and until when we believe it.

use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::task::Link;
use crate::model::task::Task;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::model::time::renewal_of;
use serde_json::Map;
use serde_json::Value;
use thiserror::Error;

pub const ROLE_DEFAULT: &str = "general";

/// How long an instance counts as present after a call: long enough to think between two calls, short enough that a
/// name is free again soon after its bearer died. Who holds a claim counts as present as long as that lasts, so that
/// nobody is gone whose claims are still good.
pub const PRESENCE_SECS: u32 = 300;

/// How far presence reaches beyond a claim, for each second of its lease: so far that the next claim is covered too, and
/// who claims task after task need not write its presence each time.
pub const BEYOND_CLAIM_MS: i64 = 60;

/// Whoever comes through the door may have registered so many names, and no more: instances are never deleted. Sessions that
/// give themselves a name each may come and go for years.
pub const NAMES_OF_ONE_MAX: u64 = 10_000;

/// An identity. It is never deleted: it goes offline, and whoever registers its name again takes it over.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub id: InstanceId,
    pub name: String,
    pub role: String,
    pub work_dir: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    pub current_task: Option<String>,
    /// The Claude Code session that speaks as this instance.
    pub session: Option<String>,
    /// Who registered it through the door, and alone may speak as it; nobody for a process of the owner's.
    pub owner: Option<String>,
    /// The how-manieth bearer of the name: a process that registered as an earlier one speaks for nobody any more.
    pub incarnation: u32,
    pub registered_at: Timestamp,
    pub seen_at: Timestamp,
    /// When the lease was last renewed: the lease clock goes on from the newest of these after a restart.
    pub renewed: Tick,
    pub lease_until: Tick,
    /// From when on a call is worth a write that renews presence and claims: often enough for the shortest of them.
    pub renew_at: Tick,
    pub version: u64,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    #[error("the name `{name}` is borne by `{bearer}`, last seen {seen_at}")]
    NameTaken { name: String, bearer: InstanceId, seen_at: Timestamp },
}

/// What somebody says of themselves when they register.
#[derive(Clone, Debug)]
pub struct Registration {
    pub name: String,
    pub role: String,
    pub work_dir: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    pub session: Option<String>,
    pub owner: Option<String>,
}

impl Instance {
    pub fn new(id: InstanceId, said: Registration, now: Now) -> (Instance, NewEvent) {
        let instance = Instance {
            id,
            name: said.name,
            role: said.role,
            work_dir: said.work_dir,
            metadata: said.metadata,
            current_task: None,
            session: said.session,
            owner: said.owner,
            incarnation: 1,
            registered_at: now.at,
            seen_at: now.at,
            renewed: now.tick,
            lease_until: now.tick.plus_secs(PRESENCE_SECS),
            renew_at: renewal_of(now.tick.plus_secs(PRESENCE_SECS), PRESENCE_SECS),
            version: 0,
        };
        let event = instance.registered("new");
        (instance, event)
    }

    pub fn online(&self, now: Tick) -> bool {
        self.lease_until > now
    }

    /// The same instance registers again: it keeps what it did not say anew.
    pub fn returns(&mut self, said: Registration, now: Now) -> NewEvent {
        self.takes(said, now);
        self.registered("returned")
    }

    /// Somebody new registers the name of an instance that is gone: theirs are its identity, its inbox and its claims.
    pub fn is_taken_over(&mut self, said: Registration, now: Now) -> Result<NewEvent, Refusal> {
        if self.online(now.tick) {
            return Err(Refusal::NameTaken { name: self.name.clone(), bearer: self.id.clone(), seen_at: self.seen_at });
        }
        self.session = None;
        self.takes(said, now);
        self.incarnation += 1;
        self.registered_at = now.at;
        Ok(self.registered("took_over"))
    }

    fn takes(&mut self, said: Registration, now: Now) {
        self.name = said.name;
        self.role = said.role;
        self.work_dir = said.work_dir.or(self.work_dir.take());
        self.metadata = said.metadata.or(self.metadata.take());
        self.session = said.session.or(self.session.take());
        self.renew(now);
    }

    fn registered(&self, how: &'static str) -> NewEvent {
        NewEvent::new("instance.registered", &self.id, Some(&self.id))
            .with("name", self.name.as_str())
            .with("role", self.role.as_str())
            .with("how", how)
    }

    /// Any call of an instance shows that it lives.
    pub fn renew(&mut self, now: Now) {
        self.seen_at = now.at;
        self.renewed = now.tick;
        self.lease_until = now.tick.plus_secs(PRESENCE_SECS);
        // What it holds is not known here; the next call looks.
        self.renew_at = now.tick;
    }

    pub fn wants_renewal(&self, now: Tick) -> bool {
        self.renew_at <= now
    }

    /// Does presence reach as far as this claim, and is it renewed in time for it?
    pub fn covers(&self, claim: &Task) -> bool {
        match claim.lease_until {
            Some(until) => until <= self.lease_until && self.renew_at <= renewal_of(until, claim.lease_secs),
            None => true,
        }
    }

    /// It says goodbye, or its process ended: the name is free from now on. What it claimed is decided elsewhere.
    pub fn leaves(&mut self) -> NewEvent {
        (self.lease_until, self.renew_at) = (Tick::NEVER, Tick::NEVER);
        self.current_task = None;
        NewEvent::new("instance.left", &self.id, Some(&self.id)).with("name", self.name.as_str())
    }

    /// The link of a chain that this role is made for.
    pub fn link(&self) -> Option<Link> {
        Link::fitting(&self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(secs: u32) -> Now {
        Now { at: Timestamp::from_millis(i64::from(secs) * 1000), tick: Tick::from_millis(1).plus_secs(secs) }
    }

    fn said(name: &str, session: Option<&str>) -> Registration {
        Registration {
            name: name.to_owned(),
            role: "builder".to_owned(),
            work_dir: None,
            metadata: None,
            session: session.map(str::to_owned),
            owner: None,
        }
    }

    #[test]
    fn a_name_is_taken_over_only_once_its_bearer_is_gone() {
        let id = InstanceId::from_random(1);
        let (mut bob, _) = Instance::new(id.clone(), said("bob", Some("s1")), now(0));
        let refused = bob.is_taken_over(said("bob", Some("s2")), now(PRESENCE_SECS - 1));
        assert!(matches!(refused, Err(Refusal::NameTaken { bearer, .. }) if bearer == id));
        bob.is_taken_over(said("bob", None), now(PRESENCE_SECS)).unwrap();
        assert_eq!((bob.id, bob.incarnation, bob.session), (id, 2, None), "the old session must not speak for it");
    }

    #[test]
    fn who_leaves_frees_the_name_at_once() {
        let (mut bob, _) = Instance::new(InstanceId::from_random(1), said("bob", None), now(0));
        bob.leaves();
        assert!(!bob.online(now(0).tick));
        assert!(bob.is_taken_over(said("bob", None), now(0)).is_ok());
    }

    #[test]
    fn who_returns_keeps_what_it_does_not_say_anew() {
        let (mut bob, _) = Instance::new(InstanceId::from_random(1), said("bob", Some("s1")), now(0));
        bob.work_dir = Some("/w".to_owned());
        bob.returns(said("bob", None), now(9));
        assert_eq!((bob.work_dir.as_deref(), bob.session.as_deref(), bob.incarnation), (Some("/w"), Some("s1"), 1));
    }
}
