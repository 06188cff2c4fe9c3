//! `POST /call`: how this program elsewhere calls, with all that it knows of who calls there.

use crate::error::Error;
use crate::error::Result;
use crate::http::api::Api;
use crate::http::visitor::Visitor;
use crate::model::access::Access;
use crate::ops::Caller;
use crate::ops::caller::Origin;
use crate::ops::errand;
use crate::ops::table::Request;
use std::sync::Arc;

/// The call, and its caller as far as they may be believed.
pub(super) fn read(body: &[u8], visitor: &Visitor, api: &Api) -> Result<(Request, Caller)> {
    let host = api.desk.host().clone();
    let (request, told) = errand::from_elsewhere(body)?;
    // That a person typed this is believed of whoever has a person's token.
    let typed = told.origin == Origin::Human && visitor.principal.access == Access::Human;
    let origin = if typed { Origin::Human } else { Origin::Agent };
    Ok((request, Caller { host, principal: Some(visitor.principal.clone()), origin, ..told }))
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
