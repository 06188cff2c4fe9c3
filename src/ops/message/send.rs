//! `send_message`: to one instance, to a name, to a role, or to everyone online.

use crate::error::Error;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::ADDRESS;
use crate::model::id::ADDRESS_BY_NAME;
use crate::model::id::InstanceId;
use crate::model::id::MessageId;
use crate::model::id::TaskId;
use crate::model::id::check_name;
use crate::model::instance::Instance;
use crate::model::message::BODY_BYTES_MAX;
use crate::model::message::Message;
use crate::model::message::MessageKind;
use crate::model::message::Origin;
use crate::model::message::Sender;
use crate::model::message::Target;
use crate::model::message::address_of_name;
use crate::model::message::address_of_role;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::find_instance;
use crate::ops::caller::named_instance;
use crate::ops::message::readable;
use crate::ops::render;
use crate::ops::session;
use crate::ops::task;
use crate::store::InstanceFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;

/// Most recipients of one message: each costs a row.
const RECIPIENTS_MAX: u32 = 10_000;

/// Recipients told one by one in the answer and in the event.
const TOLD_MAX: usize = 50;
const TOLD_BYTES: usize = 8_000;

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = one_address()))]
pub struct SendMessage {
    #[schemars(length(min = 1, max = BODY_BYTES_MAX))]
    content: String,
    /// Id, @name or role:X
    #[schemars(regex(pattern = ADDRESS))]
    to_instance: Option<String>,
    #[schemars(regex(pattern = ADDRESS_BY_NAME))]
    to_name: Option<String>,
    /// To everyone online
    broadcast: Option<bool>,
    /// A message id
    reply_to: Option<MessageId>,
    task_id: Option<TaskId>,
    /// Ask for an answer
    needs_answer: Option<bool>,
    /// Wake an idle session (if to one)
    wake: Option<bool>,
}

/// In words of a schema: to one instance, to a name, to everyone, or back to whoever sent the message replied to.
fn one_address() -> Value {
    let instance = json!({ "to_instance": { "type": "string", "minLength": 1 } });
    let name = json!({ "to_name": { "type": "string", "minLength": 1 } });
    let everyone = json!({ "broadcast": { "const": true } });
    let nobody = json!({ "to_instance": { "enum": ["", null] }, "to_name": { "enum": ["", null] } });
    let not_everyone = json!({ "broadcast": { "enum": [false, null] } });
    let sender = json!({ "reply_to": { "type": "string" } });
    let ways = [
        ("to_instance", [&nobody, &not_everyone, &instance]),
        ("to_name", [&nobody, &not_everyone, &name]),
        ("broadcast", [&nobody, &everyone, &everyone]),
        ("reply_to", [&nobody, &not_everyone, &sender]),
    ];
    let way = |(named, rules): (&str, [&Value; 3])| {
        let rules = rules.into_iter().filter_map(Value::as_object).flatten();
        let properties: Map<String, Value> = rules.map(|(field, rule)| (field.clone(), rule.clone())).collect();
        json!({ "required": [named], "properties": properties })
    };
    ways.into_iter().map(way).collect()
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Sent {
    pub message_id: MessageId,
    /// The address, as readers see it.
    pub to: String,
    /// How many inboxes it is in.
    pub count: usize,
    /// Instances whose inbox has it; the first of them, if they are many.
    pub recipients: Vec<String>,
    /// Addresses that nobody bears yet: the message waits for whoever will.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
}

impl Operation for SendMessage {
    const NAME: &'static str = "send_message";
    const ABOUT: &'static str = "Send to an instance, @name, role:X or everyone; kept until read";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["content"];
    type Output = Sent;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Sent> {
        let me = sending_instance(tx, caller)?;
        let replied_to = match (self.reply_to, &me) {
            (Some(id), Some(me)) => Some(readable(tx, id, me)?),
            (Some(id), None) => Some(tx.message(id)?.ok_or_else(|| Error::not_found(format!("no message `{id}`")))?),
            (None, _) => None,
        };
        let (target, to) = self.target(tx, replied_to.as_ref())?;
        if let Some(task_id) = self.task_id {
            task::existing(tx, task_id)?;
        }
        let needs_answer = self.needs_answer.unwrap_or(false);
        let kind = match (&replied_to, &target) {
            (Some(_), _) => MessageKind::Reply,
            (None, Target::Everyone) => MessageKind::Broadcast,
            (None, _) if needs_answer => MessageKind::Question,
            (None, _) => MessageKind::Direct,
        };
        let wake = self.wake.unwrap_or(matches!(target, Target::One(_)));
        let draft =
            Draft { kind, target, to, body: &self.content, replied_to, task_id: self.task_id, needs_answer, wake };
        draft.send(tx, sender(caller, me.as_ref()))
    }
}

impl SendMessage {
    /// Whom it is for, and how the sender wrote that.
    fn target(&self, tx: &mut dyn Tx, replied_to: Option<&Message>) -> Result<(Target, String)> {
        let to_instance = self.to_instance.as_deref().filter(|to| !to.is_empty());
        let to_name = self.to_name.as_deref().filter(|to| !to.is_empty());
        let target = match (to_instance, to_name, self.broadcast.unwrap_or(false)) {
            (None, None, true) => Target::Everyone,
            (Some(to), None, false) => Target::parse(to),
            (None, Some(name), false) => match Target::parse(name) {
                Target::Everyone => Target::Everyone,
                _ => Target::One(address_of_name(name)),
            },
            (None, None, false) => match replied_to {
                Some(message) => Target::One(address_of_sender(&message.from)),
                None => {
                    return Err(Error::invalid("`send_message` needs somebody to send to").hint(
                        "give `to_instance` (an id, `@name` or `role:X`), `to_name`, `broadcast` or `reply_to`",
                    ));
                }
            },
            _ => {
                return Err(Error::invalid("`to_instance`, `to_name` and `broadcast` exclude each other")
                    .hint("give one of them"));
            }
        };
        let written = match &target {
            Target::Everyone => "everyone".to_owned(),
            Target::Role(role) => address_of_role(role),
            Target::One(named) => match find_instance(tx, named)? {
                Some(instance) => address_of_name(&instance.name),
                None => address_of_name(named),
            },
        };
        Ok((target, written))
    }
}

fn address_of_sender(sender: &Sender) -> String {
    match &sender.instance {
        Some(id) => id.to_string(),
        None => address_of_name(&sender.name),
    }
}

/// The instance that sends, or `None` for a person at a terminal who has registered none.
pub fn sending_instance(tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Instance>> {
    match caller.known_instance(tx)? {
        Some(me) => Ok(Some(me)),
        None if caller.origin == Origin::Human && caller.person.is_some() => Ok(None),
        None => caller.instance(tx).map(Some),
    }
}

/// A message about to be sent.
pub struct Draft<'a> {
    pub kind: MessageKind,
    pub target: Target,
    pub to: String,
    pub body: &'a str,
    pub replied_to: Option<Message>,
    pub task_id: Option<TaskId>,
    pub needs_answer: bool,
    /// Ring at idle sessions for it.
    pub wake: bool,
}

/// A caller as readers of their messages see them.
pub fn sender(caller: &Caller, me: Option<&Instance>) -> Sender {
    Sender {
        instance: me.map(|me| me.id.clone()),
        name: me.map(|me| me.name.clone()).or_else(|| caller.person.clone()).unwrap_or_default(),
        role: me.map(|me| me.role.clone()),
        origin: caller.origin,
    }
}

impl Draft<'_> {
    pub fn send(self, tx: &mut dyn Tx, from: Sender) -> Result<Sent> {
        check_body("`content`", self.body)?;
        let recipients = recipients(tx, &self.target, from.instance.as_ref())?;
        let mut message = Message {
            // Given by the store.
            id: MessageId::from_number(0),
            kind: self.kind,
            from,
            to: self.to,
            body: self.body.to_owned(),
            thread: self.replied_to.as_ref().map(Message::root),
            reply_to: self.replied_to.as_ref().map(|message| message.id),
            task_id: self.task_id,
            needs_answer: self.needs_answer,
            sent_at: tx.now().at,
        };
        tx.insert_message(&mut message)?;
        for recipient in recipients.instances.iter().chain(&recipients.waiting) {
            tx.insert_delivery(message.id, recipient)?;
        }
        if self.wake {
            for recipient in &recipients.instances {
                session::want(tx, &InstanceId::from_stored(recipient.clone()), message.id)?;
            }
        }
        let told: Vec<String> = recipients.instances.iter().take(TOLD_MAX).cloned().collect();
        let event = NewEvent::new("message.sent", message.id, message.from.instance.as_ref())
            .with("to", message.to.as_str())
            .with(
                "recipients",
                told.iter().chain(&recipients.waiting).map(|to| Value::from(to.as_str())).collect::<Vec<_>>(),
            );
        tx.append_event(event)?;
        let (told, _) = render::fit(told, TOLD_BYTES);
        Ok(Sent {
            message_id: message.id,
            to: message.to,
            count: recipients.instances.len() + recipients.waiting.len(),
            recipients: told,
            waiting: recipients.waiting,
        })
    }
}

pub(super) fn check_body(what: &str, body: &str) -> Result<()> {
    if (1..=BODY_BYTES_MAX).contains(&body.len()) {
        return Ok(());
    }
    let hint = match body.is_empty() {
        true => "say what the receiver should know or do",
        false => "put long texts into a file or into `set_context`, and name it in the message",
    };
    Err(Error::invalid(format!("{what} must have 1 to {BODY_BYTES_MAX} bytes, not {}", body.len())).hint(hint))
}

#[derive(Default)]
struct Recipients {
    instances: Vec<String>,
    waiting: Vec<String>,
}

fn recipients(tx: &mut dyn Tx, target: &Target, me: Option<&InstanceId>) -> Result<Recipients> {
    let not_me = |instance: &Instance| me.is_none_or(|me| *me != instance.id);
    let ids = |instances: Vec<Instance>| instances.into_iter().filter(not_me).map(|one| one.id.to_string()).collect();
    let online = Some(tx.now().tick);
    match target {
        Target::Everyone => {
            let all =
                tx.list_instances(&InstanceFilter { online_at: online, ..InstanceFilter::default() }, RECIPIENTS_MAX)?;
            Ok(Recipients { instances: ids(all), waiting: Vec::new() })
        }
        Target::Role(role) => {
            check_name("to_instance", role)?;
            let filter = InstanceFilter { role: Some(role.clone()), online_at: online, ..InstanceFilter::default() };
            let mut instances: Vec<String> = ids(tx.list_instances(&filter, RECIPIENTS_MAX)?);
            if instances.is_empty() {
                // Nobody of the role is here: it waits in the inboxes of those who will be back, else for whoever comes.
                instances = ids(tx.list_instances(&InstanceFilter { online_at: None, ..filter }, RECIPIENTS_MAX)?);
            }
            let waiting = if instances.is_empty() { vec![address_of_role(role)] } else { Vec::new() };
            Ok(Recipients { instances, waiting })
        }
        Target::One(named) => match find_instance(tx, named)? {
            Some(instance) => Ok(Recipients { instances: vec![instance.id.to_string()], waiting: Vec::new() }),
            // Whoever writes `@` means a name, and names are addresses before anybody bears them. Anything else is a
            // slip of the hand.
            None if named.starts_with('@') => {
                check_name("to_instance", named.strip_prefix('@').unwrap_or(named))?;
                Ok(Recipients { instances: Vec::new(), waiting: vec![named.clone()] })
            }
            None => named_instance(tx, named).map(|_| Recipients::default()),
        },
    }
}

impl Answer for Sent {
    fn ids(&self) -> Vec<String> {
        vec![self.message_id.to_string()]
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.waiting.first()) {
            (0, _) => writeln!(f, "{} reached nobody: nobody else is online", self.message_id),
            (_, Some(address)) => writeln!(f, "{} waits for {address}, whom nobody bears yet", self.message_id),
            (1, None) => writeln!(f, "{} to {} is in one inbox", self.message_id, self.to),
            (count, None) => writeln!(f, "{} to {} is in {count} inboxes", self.message_id, self.to),
        }
    }
}
