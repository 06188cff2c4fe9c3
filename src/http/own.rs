//! `POST /call`: how this program elsewhere calls, with all that it knows of who calls there.

use crate::error::Error;
use crate::error::Result;
use crate::host::ELSEWHERE;
use crate::http::api::Api;
use crate::http::visitor::Visitor;
use crate::model::access::Access;
use crate::ops::Caller;
use crate::ops::caller::Origin;
use crate::ops::errand;
use crate::ops::table;
use crate::ops::table::Request;
use serde_json::Value;
use std::sync::Arc;

const NAME_BYTES_MAX: usize = 1024;

/// The call, and its caller as far as they may be believed.
pub(super) fn read(body: &[u8], visitor: &Visitor, api: &Api) -> Result<(Request, Caller)> {
    let host = api.desk.host().clone();
    let (request, told) = errand::from_elsewhere(&as_things_elsewhere(body, &visitor.principal.name)?)?;
    // Kept and compared: what is longer is no name of anything.
    let client = told.client.as_ref();
    let names = [Some(&told.process), Some(&told.call), told.session.as_ref(), client.map(|client| &client.process)];
    let inbox = client.and_then(|client| client.inbox.as_ref());
    if names.into_iter().chain([inbox, told.person.as_ref()]).flatten().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(Error::invalid(format!(
            "names of processes, calls and sessions have at most {NAME_BYTES_MAX} bytes"
        )));
    }
    // Nobody here can look for that process, so each call of it is the proof that it lives.
    host.hear_of(&told.process);
    // That a person typed this is believed of whoever has a person's token.
    let typed = told.origin == Origin::Human && visitor.principal.access == Access::Human;
    let origin = if typed { Origin::Human } else { Origin::Agent };
    // Only on the owner's own machine is a person whoever they say.
    let person = match visitor.principal.is_owner() {
        true => told.person,
        false => Some(visitor.principal.name.clone()),
    };
    Ok((request, Caller { host, person, principal: Some(visitor.principal.clone()), origin, ..told }))
}

/// What another machine says of its processes and sessions is true there: here none of them is looked for, and none can be
/// taken for one of ours, or for that of another principal.
fn as_things_elsewhere(body: &[u8], principal: &str) -> Result<Vec<u8>> {
    let mut words: Value = serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("this is no call of an orch-mcp of the same version: {error}")))?;
    let is_ours = words["operation"].as_str().is_some_and(|name| table::find(name).is_none());
    let mut named = vec!["/caller/process", "/caller/client/process", "/caller/session"];
    if is_ours {
        named.extend(["/arguments/process", "/arguments/client"]);
    }
    for place in named {
        if let Some(Value::String(thing)) = words.pointer_mut(place)
            && !thing.is_empty()
        {
            thing.push_str(&format!("{ELSEWHERE}{principal}"));
        }
    }
    serde_json::to_vec(&words).map_err(Error::internal)
}

/// The answer in words; a refusal too.
pub(super) async fn answer(api: Arc<Api>, request: Request, caller: Caller) -> String {
    let entry = request.entry;
    let recent = api.desk.clone();
    let done = api.call(request, caller.clone()).await;
    let me = recent.known_behind(&caller);
    let words = match errand::answer_elsewhere(done, me) {
        Some(words) => String::from_utf8(words).map_err(Error::internal),
        None => Err(Error::internal(format!("the answer of `{}` has no words", entry.name))),
    };
    words.unwrap_or_else(|error| serde_json::json!({ "refused": error }).to_string())
}
