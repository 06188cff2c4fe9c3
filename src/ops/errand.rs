//! A call and its answer in words, for a process that carries it out in the place of the one that was called.

use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::model::id::InstanceId;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::act::Act;
use crate::ops::act::Done;
use crate::ops::table;
use crate::ops::table::Kept;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

/// A call in words.
#[derive(Deserialize, Serialize)]
pub struct Words {
    pub operation: String,
    pub arguments: Value,
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_version: Option<u64>,
    pub caller: Caller,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaves: Option<String>,
}

impl Words {
    pub fn of(request: &Request, caller: &Caller) -> Words {
        Words {
            operation: request.entry.name.to_owned(),
            arguments: request.call.arguments(),
            key: request.idempotency_key.clone(),
            expect_version: request.expect_version,
            caller: caller.clone(),
            leaves: None,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Done {
        reply: Kept,
        unread: Option<u32>,
        me: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    Refused(Error),
}

pub fn words(act: &Act) -> Vec<u8> {
    let words = Words::of(act.request, act.caller);
    Words { leaves: act.leaves.map(str::to_owned), ..words }.bytes()
}

/// Somebody else's call.
pub struct Errand {
    request: Request,
    caller: Caller,
    leaves: Option<String>,
}

impl Errand {
    pub fn read(words: &[u8], host: &Host) -> Result<Errand> {
        let words: Words = serde_json::from_slice(words).map_err(Error::internal)?;
        let entry = table::find_own(&words.operation).filter(|entry| entry.effect != Effect::Read);
        let entry: &'static Entry = entry.ok_or_else(|| Error::internal("an errand that changes nothing"))?;
        let request = Request {
            entry,
            call: entry.read(without_nulls(words.arguments))?,
            // Whom it named is known of the caller.
            instance: None,
            idempotency_key: words.key,
            expect_version: words.expect_version,
        };
        let caller = Caller { host: host.clone(), ..words.caller };
        Ok(Errand { request, caller, leaves: words.leaves })
    }

    pub fn act(&self) -> Act<'_> {
        Act { request: &self.request, caller: &self.caller, leaves: self.leaves.as_deref() }
    }
}

/// A call of another machine, of which nothing is believed yet: its arguments are checked as those of anybody.
pub fn from_elsewhere(words: &[u8]) -> Result<(Request, Caller)> {
    let words: Words = serde_json::from_slice(words)
        .map_err(|error| Error::invalid(format!("this is no call of an orch-mcp of the same version: {error}")))?;
    let entry = table::find_own(&words.operation)
        .ok_or_else(|| Error::not_found(format!("no operation `{}`", words.operation)))?;
    let mut arguments = without_nulls(words.arguments);
    if let Some(key) = words.key {
        arguments.insert("idempotency_key".to_owned(), key.into());
    }
    let request = Request {
        instance: words.caller.explicit.clone(),
        expect_version: words.expect_version,
        ..entry.request(arguments)?
    };
    Ok((request, words.caller))
}

/// Of a call that came from there.
pub fn answer_elsewhere(done: Result<Reply>, me: Option<InstanceId>) -> Option<Vec<u8>> {
    // What is told to a person may name what the data leaves out.
    let text = done.as_ref().ok().and_then(Reply::text_beyond_data);
    in_words(done.map(|reply| Done { reply, me }), text)
}

/// Absent and null mean the same.
fn without_nulls(arguments: Value) -> Map<String, Value> {
    let Value::Object(mut arguments) = arguments else { return Map::new() };
    arguments.retain(|_, value| !value.is_null());
    arguments
}

/// `None` where there are no words for it.
pub fn answer(done: Result<Done>) -> Option<Vec<u8>> {
    in_words(done, None)
}

fn in_words(done: Result<Done>, text: Option<String>) -> Option<Vec<u8>> {
    let answer = match done {
        Ok(Done { reply, me }) => {
            Answer::Done { reply: reply.kept(), unread: reply.unread, me: me.map(|me| me.to_string()), text }
        }
        Err(error) => Answer::Refused(error),
    };
    serde_json::to_vec(&answer).ok()
}

pub fn read_answer(words: &[u8], request: &Request) -> Result<Done> {
    match serde_json::from_slice(words).map_err(Error::internal)? {
        Answer::Done { reply, unread, me, text } => {
            let mut reply = request.entry.replay(reply)?;
            if let Some(text) = text {
                reply = reply.told(text);
            }
            reply.unread = unread;
            Ok(Done { reply, me: me.map(InstanceId::from_stored) })
        }
        Answer::Refused(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Whoever does the work of another would otherwise change what was not to be changed.
    #[test]
    fn words_carry_all_that_a_call_says() {
        let arguments = json!({ "task_id": "task-7", "idempotency_key": "k" }).as_object().cloned().unwrap_or_default();
        let request = table::find("cancel_task").unwrap().request(arguments).unwrap();
        let request = Request { expect_version: Some(5), ..request };
        let caller = Caller { explicit: Some("ann".to_owned()), ..Caller::anonymous(Host::System) };
        let said = words(&Act { request: &request, caller: &caller, leaves: Some("bell") });
        let heard = Errand::read(&said, &Host::System).unwrap();
        assert_eq!(heard.request.call.arguments(), request.call.arguments());
        assert_eq!((heard.request.expect_version, heard.request.idempotency_key.as_deref()), (Some(5), Some("k")));
        assert_eq!((heard.caller.explicit.as_deref(), heard.leaves.as_deref()), (Some("ann"), Some("bell")));
        let (from_elsewhere, _) = from_elsewhere(&said).unwrap();
        assert_eq!((from_elsewhere.expect_version, from_elsewhere.instance.as_deref()), (Some(5), Some("ann")));
    }

    #[test]
    fn an_answer_in_words_keeps_its_version() {
        let arguments = json!({ "key": "k", "value": 1 }).as_object().cloned().unwrap_or_default();
        let request = table::find("set_context").unwrap().request(arguments).unwrap();
        let kept: Kept =
            serde_json::from_value(json!({ "data": { "key": "k", "version": 3 }, "ids": ["k"], "version": 3 }))
                .unwrap();
        let reply = request.entry.replay(kept).unwrap();
        let said = answer(Ok(Done { reply, me: None })).unwrap();
        assert_eq!(read_answer(&said, &request).unwrap().reply.version, Some(3));
    }
}
