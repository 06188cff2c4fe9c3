//! `register_instance`: join under a name, return to it, or take it over from a bearer who is gone.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::id::NAME;
use crate::model::id::NAME_AMID_SPACES;
use crate::model::id::NAME_OR_EMPTY;
use crate::model::id::check_name;
use crate::model::instance::Instance;
use crate::model::instance::ROLE_DEFAULT;
use crate::model::instance::Registration;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::attend;
use crate::ops::caller::Bearing;
use crate::ops::instance::InstanceView;
use crate::ops::instance::arrive::arrive;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

const METADATA_BYTES_MAX: usize = 16 * 1024;
const WORK_DIR_CHARS_MAX: usize = 4096;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterInstance {
    /// Name others reach you by
    #[schemars(regex(pattern = NAME))]
    name: String,
    /// planner, builder, reviewer, … (general)
    #[schemars(regex(pattern = NAME_AMID_SPACES))]
    role: Option<String>,
    /// Id to return to
    #[schemars(regex(pattern = NAME_OR_EMPTY))]
    instance_id: Option<String>,
    #[schemars(length(max = WORK_DIR_CHARS_MAX))]
    work_dir: Option<String>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Registered {
    instance: InstanceView,
    /// The same instance came back.
    returned: bool,
    /// The name's last bearer was gone; its identity, inbox and claims are now this one's.
    took_over: bool,
    messages_waiting: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The how-manieth bearer of the name this is.
    incarnation: u32,
}

impl Operation for RegisterInstance {
    const NAME: &'static str = "register_instance";
    const ABOUT: &'static str = "Join the team under a name";
    const NOUN: Noun = Noun::Instances;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["name"];
    type Output = Registered;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Registered> {
        let said = self.registration(caller)?;
        let now = tx.now();
        let mut note = None;
        let by_id = match self.wanted_id()? {
            Some(id) => tx.instance(&id)?,
            None => None,
        };
        let (mut instance, event) = match (by_id, tx.instance_by_name(&said.name)?) {
            (Some(mut instance), other) => {
                caller.must_be_able_to_be(&instance)?;
                if let Some(other) = other.filter(|other| other.id != instance.id) {
                    return Err(Error::new(
                        Kind::Conflict,
                        format!("the name `{}` belongs to `{}`", other.name, other.id),
                    )
                    .hint(format!("keep `{}`, or register the other name without `instance_id`", instance.name)));
                }
                let event = instance.returns(said, now);
                (instance, event)
            }
            (None, Some(mut instance)) if caller.may_be(&instance) && self.is_bearer(&instance, caller) => {
                let event = instance.returns(said, now);
                (instance, event)
            }
            (None, Some(mut instance)) => {
                caller.must_be_able_to_be(&instance)?;
                let event = instance.is_taken_over(said, now)?;
                if let Some(id) = &self.instance_id
                    && id != instance.id.as_str()
                {
                    note = Some(format!("the name has an identity already: your id is `{}`, not `{id}`", instance.id));
                }
                (instance, event)
            }
            (None, None) => Instance::new(self.new_id(tx, caller)?, said, now),
        };
        check_unmistakable(&instance, tx)?;
        let how = event.data.get("how").and_then(Value::as_str).unwrap_or_default().to_owned();
        arrive(tx, caller, &mut instance, event)?;
        Ok(Registered {
            returned: how == "returned",
            took_over: how == "took_over",
            messages_waiting: tx.count_unread(&instance.id, attend::UNREAD_COUNTED_MAX)?,
            note,
            incarnation: instance.incarnation,
            instance: InstanceView::of(instance, tx)?,
        })
    }
}

/// A bare word may be an id or a name: were it the id of one and the name of another, one would get the other's mail.
fn check_unmistakable(instance: &Instance, tx: &mut dyn Tx) -> Result<()> {
    let named_like_me = tx.instance_by_name(instance.id.as_str())?;
    let called_like_me = tx.instance(&InstanceId::from_stored(instance.name.clone()))?;
    match [named_like_me, called_like_me].into_iter().flatten().find(|other| other.id != instance.id) {
        None => Ok(()),
        Some(other) => {
            let message = format!("`{}` with the id `{}` could be mistaken for you", other.name, other.id);
            Err(Error::new(Kind::Conflict, message).hint("choose another name or `instance_id`"))
        }
    }
}

impl RegisterInstance {
    fn registration(&self, caller: &Caller) -> Result<Registration> {
        check_name("name", &self.name)?;
        // The older tools took a role of spaces or none for the default.
        let said = self.role.as_deref().map(str::trim).filter(|role| !role.is_empty());
        let role = said.or(caller.role.as_deref()).unwrap_or(ROLE_DEFAULT);
        check_name("role", role)?;
        if self.metadata.as_ref().is_some_and(|map| Value::Object(map.clone()).to_string().len() > METADATA_BYTES_MAX) {
            return Err(Error::invalid(format!("`metadata` must be at most {METADATA_BYTES_MAX} bytes of JSON")));
        }
        let work_dir = self.work_dir.clone().or_else(|| caller.work_dir.clone());
        if work_dir.as_ref().is_some_and(|dir| dir.chars().count() > WORK_DIR_CHARS_MAX) {
            return Err(Error::invalid(format!("`work_dir` must be at most {WORK_DIR_CHARS_MAX} characters")));
        }
        Ok(Registration {
            name: self.name.clone(),
            role: role.to_owned(),
            work_dir,
            metadata: self.metadata.clone(),
            session: caller.session.clone(),
            owner: caller.owner_of_new(),
        })
    }

    fn wanted_id(&self) -> Result<Option<InstanceId>> {
        // One's own name is no id: elsewhere it may stand for it, so it may here.
        let named = |id: &&str| !id.is_empty() && **id != *self.name;
        self.instance_id.as_deref().filter(named).map(InstanceId::chosen).transpose()
    }

    /// Is it the instance itself that registers again?
    fn is_bearer(&self, instance: &Instance, caller: &Caller) -> bool {
        let same_session = caller.session.is_some() && caller.session == instance.session;
        let same_process = caller
            .registered
            .as_ref()
            .is_some_and(|bearing| bearing.instance == instance.id && bearing.incarnation == instance.incarnation);
        same_session || same_process
    }

    fn new_id(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<InstanceId> {
        if let Some(id) = self.wanted_id()? {
            return Ok(id);
        }
        unused_id(tx, caller)
    }
}

/// Fifty random bits meet an id that exists about never; then the next draw does not.
pub(in crate::ops) fn unused_id(tx: &mut dyn Tx, caller: &Caller) -> Result<InstanceId> {
    loop {
        let id = InstanceId::from_random(caller.host.random());
        if tx.instance(&id)?.is_none() {
            return Ok(id);
        }
    }
}

impl Answer for Registered {
    fn now_bears(&self) -> Option<Bearing> {
        Some(Bearing { instance: self.instance.id.clone(), incarnation: self.incarnation })
    }

    fn ids(&self) -> Vec<String> {
        vec![self.instance.id.to_string()]
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.returned, self.took_over) {
            (true, _) => "welcome back",
            (_, true) => "took over the name and its inbox",
            _ => "registered",
        };
        writeln!(f, "{} ({}) is `{}`: {how}", self.instance.name, self.instance.role, self.instance.id)?;
        match self.messages_waiting {
            0 => {}
            1 => writeln!(f, "1 message waits")?,
            many => writeln!(f, "{many} messages wait")?,
        }
        if let Some(note) = &self.note {
            writeln!(f, "{note}")?;
        }
        writeln!(f, "in this shell, say who you are with: export ORCH_INSTANCE={}", self.instance.id)
    }
}
