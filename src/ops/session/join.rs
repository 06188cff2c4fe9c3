//! `join_session`: a session begins, or begins again; it is registered, or found, and told how things stand.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::first_names::names_for;
use crate::model::first_names::with_numbers;
use crate::model::id::InstanceId;
use crate::model::id::NAME_CHARS_MAX;
use crate::model::id::check_name;
use crate::model::instance::Instance;
use crate::model::instance::ROLE_DEFAULT;
use crate::model::instance::Registration;
use crate::model::session::Activity;
use crate::model::session::Session;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::find_instance;
use crate::ops::instance::arrive::arrive;
use crate::ops::instance::register::unused_id;
use crate::ops::session;
use crate::ops::session::brief;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// A number behind a name leaves room for itself.
const NAME_ROOM: usize = NAME_CHARS_MAX - 6;
const NAMES_TRIED_MAX: usize = 10_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JoinSession {
    /// startup, resume, clear or compact
    source: String,
    /// The name to bear, if nobody alive does
    name: Option<String>,
    role: Option<String>,
    /// The file in which the client writes down what happens
    transcript: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Joined {
    pub instance: InstanceId,
    pub name: String,
    /// What the session is to know. `None` where it was told already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
}

impl Operation for JoinSession {
    const NAME: &'static str = "join_session";
    const ABOUT: &'static str = "A session begins";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Write;
    type Output = Joined;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Joined> {
        let session_id = caller.session.clone().ok_or_else(|| Error::invalid("a session has an id"))?;
        let (me, wanted) = match self.known(tx, caller, &session_id)? {
            Some(me) => (self.comes_back(tx, caller, me)?, None),
            None => self.comes(tx, caller, &session_id)?,
        };
        let now = tx.now();
        let mut session = match tx.session(&me.id)? {
            Some(session) => session,
            None => Session::new(me.id.clone(), now),
        };
        let activity = if self.source == "compact" { session.activity } else { Activity::Idle };
        session.transcript = self.transcript.clone().or(session.transcript);
        let begins = session.begins(&format!("{session_id} {}", self.source), now);
        session::shows(tx, caller, &mut session, activity, None)?;
        let brief = match begins {
            true => Some(brief::of(tx, &me, wanted.as_deref(), self.source == "compact" || self.source == "resume")?),
            false => None,
        };
        Ok(Joined { instance: me.id, name: me.name, brief })
    }
}

impl JoinSession {
    /// Who this client or this session is already.
    fn known(&self, tx: &mut dyn Tx, caller: &Caller, session_id: &str) -> Result<Option<Instance>> {
        if let Some(client) = &caller.client
            && let Some(instance) = tx.instance_by_client(&client.process)?
        {
            caller.must_be_able_to_be(&instance)?;
            return Ok(Some(instance));
        }
        // To know the id of somebody's session is not to be it.
        let found = tx.instance_by_session(session_id)?.filter(|instance| caller.may_be(instance));
        let Some(instance) = found else { return Ok(None) };
        // The same session once more, beside itself: whoever came first keeps the name.
        match tx.session(&instance.id)? {
            Some(session) if session::is_live(tx, caller, &instance, &session) => Ok(None),
            _ => Ok(Some(instance)),
        }
    }

    fn comes_back(&self, tx: &mut dyn Tx, caller: &Caller, mut me: Instance) -> Result<Instance> {
        let said = self.registration(caller, &me.name, &me.role)?;
        let event = me.returns(said, tx.now());
        arrive(tx, caller, &mut me, event)?;
        Ok(me)
    }

    /// Somebody new: under the name that was asked for, as far as nobody alive bears it. Says which that was, where the
    /// name is another one.
    fn comes(&self, tx: &mut dyn Tx, caller: &Caller, session_id: &str) -> Result<(Instance, Option<String>)> {
        let wanted = self.wanted_name(tx, caller)?;
        let names: Box<dyn Iterator<Item = String>> = match &wanted {
            Some(name) => Box::new(with_numbers(name)),
            None => Box::new(names_for(session_id)),
        };
        let now = tx.now();
        for name in names.take(NAMES_TRIED_MAX) {
            let other_than_wanted = wanted.clone().filter(|wanted| *wanted != name);
            let Some(mut bearer) = tx.instance_by_name(&name)? else {
                // It would be taken for the id of somebody else.
                if tx.instance(&InstanceId::from_stored(name.clone()))?.is_some() {
                    continue;
                }
                let said = self.registration(caller, &name, ROLE_DEFAULT)?;
                let (mut me, event) = Instance::new(unused_id(tx, caller)?, said, now);
                arrive(tx, caller, &mut me, event)?;
                return Ok((me, other_than_wanted));
            };
            if !caller.may_be(&bearer) {
                continue;
            }
            // A name that was made up is for one session; what was asked for is for the next of that name.
            if wanted.is_none() || self.is_borne(tx, caller, &bearer)? {
                continue;
            }
            let said = self.registration(caller, &name, &bearer.role)?;
            let event = match bearer.session.is_some() {
                true => {
                    bearer.leaves();
                    bearer.is_taken_over(said, now)?
                }
                // No session ever spoke for it: somebody registered the name for this one to come.
                false => bearer.returns(said, now),
            };
            arrive(tx, caller, &mut bearer, event)?;
            return Ok((bearer, other_than_wanted));
        }
        Err(Error::new(Kind::Conflict, "every name is taken").hint("set ORCH_INSTANCE to another name"))
    }

    /// Does another session bear the name that is alive, as far as anybody can tell?
    fn is_borne(&self, tx: &mut dyn Tx, caller: &Caller, bearer: &Instance) -> Result<bool> {
        match tx.session(&bearer.id)? {
            Some(session) if session.client.is_some() => Ok(session::is_live(tx, caller, bearer, &session)),
            Some(session) if session.activity == Activity::Ended => Ok(false),
            _ => Ok(bearer.session.is_some() && bearer.online(tx.now().tick)),
        }
    }

    /// The name in the settings, or that of the instance in the environment.
    fn wanted_name(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<String>> {
        let Some(wanted) = self.name.as_deref().or(caller.from_environment.as_deref()) else { return Ok(None) };
        let name = match find_instance(tx, wanted)? {
            Some(instance) => instance.name,
            None => wanted.trim_start_matches('@').chars().take(NAME_ROOM).collect(),
        };
        // A session is not kept from its work by a name that nobody can bear.
        Ok(check_name("name", &name).is_ok().then_some(name))
    }

    fn registration(&self, caller: &Caller, name: &str, role_before: &str) -> Result<Registration> {
        let said = [self.role.as_deref(), caller.role.as_deref()].into_iter().flatten();
        let role = said.map(str::trim).find(|role| check_name("role", role).is_ok()).unwrap_or(role_before);
        Ok(Registration {
            name: name.to_owned(),
            role: role.to_owned(),
            work_dir: caller.work_dir.clone(),
            metadata: None,
            session: caller.session.clone(),
            owner: caller.owner_of_new(),
        })
    }
}

impl Answer for Joined {}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is `{}`", self.name, self.instance)
    }
}
