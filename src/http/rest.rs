//! Operations as HTTP asks for them: each at its own address, and the resources that are made of them.

use crate::error::Result;
use crate::http::answer;
use crate::http::api::awaited;
use crate::http::asked;
use crate::http::asked::Found;
use crate::http::asked::Miss;
use crate::http::openapi;
use crate::http::router::Router;
use crate::http::router::accepts_stream;
use crate::http::visitor::Visitor;
use crate::mcp::Body;
use crate::ops::Caller;
use crate::ops::render;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header;
use http::request::Parts;
use serde_json::json;
use std::sync::OnceLock;

impl Router {
    /// `path`: where the operation is to be found, which for old addresses is another one than was asked for.
    pub(super) async fn rest(
        &self,
        parts: &Parts,
        path: &str,
        body: &[u8],
        visitor: &Visitor,
    ) -> Result<Response<Body>> {
        let found = match asked::find(&parts.method, path) {
            Ok(found) => found,
            Err(Miss::Unknown) => return Ok(answer::nothing_here(path)),
            Err(Miss::NotAllowed(allowed)) => return Ok(answer::not_allowed(&allowed)),
            Err(Miss::Refused(error)) => return Err(error),
        };
        let mut arguments = found.arguments(parts.uri.query(), body)?;
        let expect_version = found.conditions(&parts.headers, &mut arguments)?;
        let request = Request { expect_version, ..found.entry.request(arguments)? };
        let caller = self.speaker(parts, visitor, visitor.origin()).await?;
        let caller = Caller { person: Some(visitor.principal.name.clone()), ..caller };
        let leave = self.leave_to_wait(&request, visitor);
        let leave = match leave {
            Ok(leave) => leave,
            Err(crowded) => return Ok(answer::refusal(StatusCode::TOO_MANY_REQUESTS, &crowded)),
        };
        if found.entry.waits() && accepts_stream(parts) {
            let api = self.api.clone();
            return Ok(awaited(async move {
                let _leave = leave;
                match api.call(request, caller).await {
                    Ok(reply) => render::envelope(&reply.data, reply.unread).to_string(),
                    Err(error) => json!({ "error": error }).to_string(),
                }
            }));
        }
        match self.api.call(request, caller).await {
            Ok(reply) => Ok(answered(&found, &reply)),
            Err(error) if asked::condition_failed(&parts.headers, &error) => {
                Ok(answer::refusal(StatusCode::PRECONDITION_FAILED, &error))
            }
            Err(error) => Err(error),
        }
    }

    /// The description of all this.
    pub(super) fn description(&self, parts: &Parts) -> Response<Body> {
        /// Long, and always the same: addresses in it begin where it was found.
        static TEXT: OnceLock<String> = OnceLock::new();
        match parts.method {
            Method::GET | Method::HEAD => {
                let text = TEXT.get_or_init(|| openapi::document("/").to_string());
                answer::typed(StatusCode::OK, answer::JSON, text.as_str())
            }
            _ => answer::not_allowed("GET, HEAD"),
        }
    }
}

fn answered(found: &Found, reply: &Reply) -> Response<Body> {
    let status = found.status(reply);
    if status == StatusCode::NOT_FOUND {
        return answer::error(&asked::absent(reply));
    }
    let mut response = answer::json(status, &render::envelope(&reply.data, reply.unread));
    for (name, value) in [(header::ETAG, asked::etag(reply)), (header::LOCATION, found.location(reply))] {
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
