//! Who is calling: what the face knows of the process, the session and the call, and the instance that makes it.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::model::access::Principal;
use crate::model::demand::Found;
use crate::model::id::InstanceId;
use crate::model::instance::Instance;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

pub use crate::model::message::Origin;

/// What a face knows of a call. The instance behind it is resolved inside the transaction, by `Caller::instance`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Caller {
    /// In words, a caller is on the machine of whoever reads them.
    #[serde(skip, default = "this_machine")]
    pub host: Host,
    /// In whose name the call came through the door. A process on the store's own machine that can read its files needs
    /// no door, and has none.
    pub principal: Option<Principal>,
    /// The `instance_id` argument: an id, or a name with or without `@`.
    pub explicit: Option<String>,
    /// The instance that this process registered, and which bearer of its name it then was.
    pub registered: Option<Bearing>,
    /// `ORCH_INSTANCE` of the environment: an id or a name.
    pub from_environment: Option<String>,
    /// The Claude client that this call came through.
    pub client: Option<Client>,
    /// The event of the session that this call tells of, if it comes from a hook.
    pub hook: Option<String>,
    /// `CLAUDE_CODE_SESSION_ID` of the environment, or what a hook was told.
    pub session: Option<String>,
    pub origin: Origin,
    /// An agent calls, and nobody sits before its session.
    #[serde(default)]
    pub headless: bool,
    /// One of our workers calls, or something that one started, whatever it says of itself.
    #[serde(default)]
    pub of_run: bool,
    /// What to call a person who has registered no instance.
    pub person: Option<String>,
    /// The process that answers, as `Host::process` names it; empty for a one-shot command, whose printed answer
    /// cannot be thrown away by a client any more.
    pub process: String,
    /// The call's number on its connection, so that a cancelled call can take back what it returned.
    pub call: String,
    /// `ORCH_ROLE` of the environment: the role to register with when the call names none.
    pub role: Option<String>,
    /// Where this process works; what `register_instance` records when it is not told.
    pub work_dir: Option<String>,
    /// The top of the git worktree around it: paths are told from there.
    pub worktree: Option<String>,
    /// What the desk found outside of the store for this very call. Nobody else is believed.
    #[serde(default)]
    pub found: Option<Found>,
    /// Likewise the roles that are written down, for a call that gives work to some.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// And the repositories that are registered, for one that reads plans.
    #[serde(default)]
    pub repositories: Option<Vec<String>>,
}

/// A running Claude client. It stays the same when its session gets another id, as by `/clear`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Client {
    /// As `Host::process` names it.
    pub process: String,
    /// The socket at which it takes messages for its session.
    pub inbox: Option<String>,
}

/// An instance, and the how-manieth bearer of its name somebody is.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Bearing {
    pub instance: InstanceId,
    pub incarnation: u32,
}

fn this_machine() -> Host {
    Host::System
}

impl Caller {
    /// A caller of whom nothing is known, for reads that need no identity and for tests to fill in.
    pub fn anonymous(host: Host) -> Caller {
        Caller {
            host,
            principal: None,
            explicit: None,
            registered: None,
            from_environment: None,
            client: None,
            hook: None,
            session: None,
            origin: Origin::Agent,
            headless: false,
            of_run: false,
            person: None,
            process: String::new(),
            call: String::new(),
            role: None,
            work_dir: None,
            worktree: None,
            found: None,
            roles: None,
            repositories: None,
        }
    }

    /// The instance that calls, for operations that cannot do without.
    pub fn instance(&self, tx: &mut dyn Tx) -> Result<Instance> {
        if let Some(instance) = self.known_instance(tx)? {
            return Ok(instance);
        }
        let error = match &self.from_environment {
            Some(name) => {
                let source = if self.says_so_in_headers() { "the request" } else { "ORCH_INSTANCE" };
                let error =
                    Error::new(Kind::NoIdentity, format!("{source} names `{name}`, whom nobody has registered"));
                // An id of ours that is unknown here is one of another store; a name can be borne by whoever says so.
                match name.starts_with(InstanceId::PREFIX) {
                    true => error.hint("set it to an instance of this team: `list_instances` shows who is here"),
                    false => {
                        error.hint(format!("call `register_instance` with the name `{}`", name.trim_start_matches('@')))
                    }
                }
            }
            None => Error::new(Kind::NoIdentity, "this call must know who is calling").hint(match self.says_so_in_headers() {
                false => "call `register_instance` with a `name` first, or pass `instance_id`, or set ORCH_INSTANCE",
                true => {
                    "call `register_instance` with a `name`, then pass `instance_id`; or send the header X-Instance-Name"
                }
            }),
        };
        Err(error)
    }

    /// Somebody who came through the door without a program of ours, which tells where it runs and has its environment.
    fn says_so_in_headers(&self) -> bool {
        self.principal.is_some() && self.work_dir.is_none()
    }

    /// May this caller speak as that instance, and read what is meant for it? To know its id is not enough.
    pub fn may_be(&self, instance: &Instance) -> bool {
        match &self.principal {
            None => true,
            Some(principal) => principal.is_owner() || instance.owner.as_deref() == Some(&principal.name),
        }
    }

    /// To whom an instance belongs that this caller registers.
    pub fn owner_of_new(&self) -> Option<String> {
        self.principal.as_ref().filter(|principal| !principal.is_owner()).map(|principal| principal.name.clone())
    }

    pub fn must_be_able_to_be(&self, instance: &Instance) -> Result<()> {
        if self.may_be(instance) {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, format!("`{}` was registered with another token", instance.name))
            .hint("speak as an instance that you registered: `register_instance` with a name of your own"))
    }

    /// The instance that calls, if that is known.
    pub fn known_instance(&self, tx: &mut dyn Tx) -> Result<Option<Instance>> {
        let known = self.named_or_known(tx)?;
        known.iter().try_for_each(|instance| self.must_be_able_to_be(instance))?;
        Ok(known)
    }

    /// Everybody whom anything names that is known of this call, whichever of them it speaks for.
    pub fn all_named(&self, tx: &mut dyn Tx) -> Result<Vec<Instance>> {
        let mut named = Vec::new();
        for name in [&self.explicit, &self.from_environment].into_iter().flatten() {
            named.extend(find_instance(tx, name)?);
        }
        if let Some(bearing) = &self.registered {
            named.extend(tx.instance(&bearing.instance)?);
        }
        if let Some(client) = &self.client {
            named.extend(tx.instance_by_client(&client.process)?);
        }
        if let Some(session) = &self.session {
            named.extend(tx.instance_by_session(session)?);
        }
        Ok(named)
    }

    fn named_or_known(&self, tx: &mut dyn Tx) -> Result<Option<Instance>> {
        if let Some(explicit) = &self.explicit {
            return named_instance(tx, explicit).map(Some);
        }
        if let Some(bearing) = &self.registered {
            let Some(instance) = tx.instance(&bearing.instance)? else { return Ok(None) };
            if instance.incarnation != bearing.incarnation {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("another session bears the name `{}` now", instance.name),
                )
                .hint("call `register_instance` with another name"));
            }
            return Ok(Some(instance));
        }
        // What a hook of this very client registered goes over the environment, which a session inherits from whoever
        // started it, and so perhaps from another one.
        if let Some(client) = &self.client
            && let Some(instance) = tx.instance_by_client(&client.process)?
        {
            return Ok(Some(instance));
        }
        // Whoever is named there and unknown is nobody: the session's instance would be somebody else.
        if let Some(named) = &self.from_environment {
            return find_instance(tx, named);
        }
        match &self.session {
            Some(session) => tx.instance_by_session(session),
            None => Ok(None),
        }
    }
}

/// The instance of an id or a name, with or without `@`.
pub fn find_instance(tx: &mut dyn Tx, named: &str) -> Result<Option<Instance>> {
    if let Some(name) = named.strip_prefix('@') {
        return tx.instance_by_name(name);
    }
    match tx.instance(&InstanceId::from_stored(named.to_owned()))? {
        Some(instance) => Ok(Some(instance)),
        None => tx.instance_by_name(named),
    }
}

/// As `find_instance`, for callers to whom a miss is an error.
pub fn named_instance(tx: &mut dyn Tx, named: &str) -> Result<Instance> {
    if let Some(instance) = find_instance(tx, named)? {
        return Ok(instance);
    }
    let known = tx.list_instances(&crate::store::InstanceFilter::default(), 200)?;
    let names = known.iter().flat_map(|instance| [instance.name.as_str(), instance.id.as_str()]);
    let error = Error::not_found(format!("no instance `{named}`"));
    Err(match crate::model::nearest::nearest(named.trim_start_matches('@'), names) {
        Some(near) => error.hint(format!("did you mean `{near}`? `list_instances` shows who is here")),
        None => error.hint("`list_instances` shows who is here"),
    })
}
