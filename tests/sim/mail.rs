//! What a call may do to mail: whose inbox it is in, and how far it has come.

use crate::sim::check::Checked;
use crate::sim::check::Step;
use crate::sim::check::must;
use crate::sim::seen::Letter;
use crate::sim::seen::Seen;
use crate::sim::truth::Truth;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::id::MessageId;
use orch_mcp::model::instance::Instance;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::HashSet;

/// An answer holds about so much mail; each message counts for its length and a little more.
const ANSWER_BYTES: usize = 8_000;
const MESSAGE_BYTES: usize = 300;

type Mail = BTreeMap<(MessageId, String), Letter>;

impl Step<'_> {
    pub(super) fn check_mail(&self, truth: &Truth) -> Checked {
        let mut wanted = self.before.mail.clone();
        if let Some(me) = &self.me {
            arrives(&mut wanted, me, self.dead);
        }
        match (self.operation(), self.done_anew(truth), &self.me) {
            ("poll_messages" | "wait_for_message", Some(data), Some(me)) => {
                let ids = self.handed_out(&wanted, me);
                let told = data["messages"].as_array().into_iter().flatten().map(|one| one["id"].as_str());
                let told: Vec<Option<MessageId>> = told.map(|id| id?.parse().ok()).collect();
                must!(told == ids.iter().copied().map(Some).collect::<Vec<_>>(), "handed out {told:?}, not {ids:?}");
                for id in ids {
                    let letter = wanted.get_mut(&(id, me.to_string())).expect("it is in the inbox");
                    letter.returned.get_or_insert((self.process.to_owned(), self.number.to_owned()));
                }
            }
            ("mark_read" | "acknowledge_message" | "dismiss_message", Some(_), Some(me)) => {
                let id = self.call.text("message_id").and_then(|id| id.parse().ok()).ok_or("no id")?;
                let Some(letter) = wanted.get_mut(&(id, me.to_string())) else {
                    return Err(format!("{id} is not in the inbox of {me}"));
                };
                letter.returned.get_or_insert_default();
                letter.seen = true;
                letter.acknowledged |= self.operation() == "acknowledge_message";
                letter.dismissed |= self.operation() == "dismiss_message";
            }
            ("send_message" | "request_help", Some(data), _) => {
                let id: MessageId = data["message_id"].as_str().and_then(|id| id.parse().ok()).ok_or("no id")?;
                must!(!self.before.messages.contains_key(&id), "{id} is not new");
                for recipient in self.recipients()? {
                    wanted.insert((id, recipient), Letter::default());
                }
            }
            ("register_instance", Some(_), _) => self.moves_in(&mut wanted, truth)?,
            ("list_receipts", Some(data), _) => self.check_receipts(data)?,
            _ => {}
        }
        if wanted != self.after.mail {
            let differs = |key: &&(MessageId, String)| wanted.get(key) != self.after.mail.get(key);
            let keys: Vec<_> = wanted.keys().chain(self.after.mail.keys()).filter(differs).collect();
            let both: Vec<_> = keys.into_iter().map(|key| (key, wanted.get(key), self.after.mail.get(key))).collect();
            return Err(format!("mail, wanted and found: {both:#?}"));
        }
        Ok(())
    }

    /// The oldest of what was never returned, or of what is not dismissed, as much as fits.
    fn handed_out(&self, mail: &Mail, me: &InstanceId) -> Vec<MessageId> {
        let all = self.call.flag("all");
        let after = self.call.text("cursor").and_then(|id| id.parse::<MessageId>().ok());
        let limit = self.call.number("limit").unwrap_or(10) as usize;
        let inbox = mail.iter().filter(|((id, recipient), letter)| {
            let fits = if all { !letter.dismissed } else { letter.returned.is_none() };
            recipient == me.as_str() && after.is_none_or(|after| *id > after) && fits
        });
        let mut bytes = 0;
        let mut ids: Vec<MessageId> = Vec::new();
        for ((id, _), _) in inbox.take(limit) {
            bytes += self.after.messages[id].body.len() + MESSAGE_BYTES;
            if bytes > ANSWER_BYTES && !ids.is_empty() {
                break;
            }
            ids.push(*id);
        }
        ids
    }

    /// Whose inbox, or which address, a message must be in.
    fn recipients(&self) -> Result<Vec<String>, String> {
        let me = self.me.as_ref();
        let online = |one: &&Instance| one.online(self.after.tick);
        let ids = |found: Vec<&Instance>| found.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>();
        let named = |name: &str| match self.before.instance(name) {
            Some(one) => vec![one.id.to_string()],
            None => vec![name.to_owned()],
        };
        if self.operation() == "request_help" || self.call.flag("broadcast") {
            return Ok(ids(self.before.others(me, None).filter(online).collect()));
        }
        let to = self.call.text("to_instance");
        if let Some(role) = to.and_then(|to| to.strip_prefix("role:")) {
            let here: Vec<&Instance> = self.before.others(me, Some(role)).filter(online).collect();
            let here = if here.is_empty() { self.before.others(me, Some(role)).collect() } else { here };
            return Ok(if here.is_empty() { vec![format!("role:{}", role.to_ascii_lowercase())] } else { ids(here) });
        }
        if let Some(to) = to {
            return Ok(named(to));
        }
        if let Some(name) = self.call.text("to_name") {
            return Ok(named(&format!("@{name}")));
        }
        let replied = self.call.text("reply_to").and_then(|id| id.parse().ok());
        let replied = replied.and_then(|id: MessageId| self.before.messages.get(&id)).ok_or("sent to nobody")?;
        Ok(replied.from.instance.iter().map(ToString::to_string).collect())
    }

    /// What waits for a name or a role is in the inbox of whoever comes to bear it.
    fn moves_in(&self, mail: &mut Mail, truth: &Truth) -> Checked {
        let me = self.me_now(truth).ok_or("registered nobody")?;
        let role = self.after.instances.get(&me).ok_or("registered nobody")?.role.to_ascii_lowercase();
        let name = format!("@{}", self.call.text("name").unwrap_or_default());
        let waits = |address: &str| address == name || address.strip_prefix("role:") == Some(&role);
        let moving: Vec<_> = mail.keys().filter(|(_, recipient)| waits(recipient)).cloned().collect();
        for key in moving {
            let letter = mail.remove(&key).expect("it was just found");
            mail.entry((key.0, me.to_string())).or_insert(letter);
        }
        Ok(())
    }

    fn check_receipts(&self, data: &Value) -> Checked {
        for receipt in data["receipts"].as_array().into_iter().flatten() {
            let id = receipt["message_id"].as_str().and_then(|id| id.parse().ok()).ok_or("no id")?;
            let recipient = receipt["recipient"].as_str().unwrap_or_default().to_owned();
            let letter = self.after.mail.get(&(id, recipient)).ok_or("a receipt of nothing")?;
            let state = match letter {
                Letter { dismissed: true, .. } => "dismissed",
                Letter { acknowledged: true, .. } => "acknowledged",
                Letter { seen: true, .. } => "seen",
                Letter { returned: Some(_), .. } => "returned",
                _ => "queued",
            };
            must!(receipt["state"] == json!(state), "{receipt} is {state}");
        }
        Ok(())
    }
}

/// The recipient calls: what a process returned that still lives has arrived, what a dead one returned comes again.
fn arrives(mail: &mut Mail, me: &InstanceId, dead: &HashSet<String>) {
    for ((_, recipient), letter) in mail {
        if recipient == me.as_str()
            && !letter.seen
            && let Some((process, _)) = &letter.returned
        {
            match dead.contains(process) {
                true => letter.returned = None,
                false => letter.seen = true,
            }
        }
    }
}

/// A call was cancelled: what it returned is as if it had not been, unless its reader has said otherwise since.
pub fn taken_back(before: &Seen, after: &Seen, process: &str, number: &str) -> Checked {
    let mut wanted = before.mail.clone();
    for letter in wanted.values_mut() {
        let said = letter.acknowledged || letter.dismissed;
        if letter.returned.as_ref().is_some_and(|(by, call)| by == process && call == number) && !said {
            *letter = Letter::default();
        }
    }
    must!(wanted == after.mail, "a cancelled call left {:?}", after.mail);
    must!(before.tasks == after.tasks && before.context == after.context, "a cancelled call changed more than mail");
    Ok(())
}
