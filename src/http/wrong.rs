//! Whoever shows a token that is none: told so at first, and then only that they come too often.

use crate::error::Error;
use crate::error::Kind;
use crate::host::Deadline;
use crate::http::answer;
use crate::http::visitor::Peer;
use crate::mcp::Body;
use http::Response;
use http::StatusCode;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// A person who mistypes is wrong a few times; a program that guesses, more often.
const WRONG_MAX: u32 = 20;
const WITHIN: Duration = Duration::from_secs(60);
const PEERS_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Wrong(Mutex<HashMap<Peer, (u32, Option<Deadline>)>>);

impl Wrong {
    /// To somebody whose token was good when they came.
    pub(super) fn lapsed() -> Response<Body> {
        answer::error(&Error::new(
            Kind::Unauthorized,
            "this token was revoked, or expired, while it was waited under it",
        ))
    }

    /// Good tokens never come here, so nobody is kept out by what others at the same address do.
    pub(super) fn answer(&self, peer: Peer, showed: bool) -> Response<Body> {
        if showed && self.is_too_often(peer) {
            let error = Error::new(Kind::Unauthorized, "too many tokens that are none").hint("wait a minute");
            let mut response = answer::refusal(StatusCode::TOO_MANY_REQUESTS, &error);
            response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("60"));
            return response;
        }
        let error = match showed {
            true => Error::new(Kind::Unauthorized, "this token opens nothing: it is wrong, expired or revoked"),
            false => Error::new(Kind::Unauthorized, "this server wants a token"),
        };
        let hint = "send `Authorization: Bearer TOKEN`; `orch-mcp token create` makes one";
        answer::error(&error.hint(hint))
    }

    fn is_too_often(&self, peer: Peer) -> bool {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|_, (_, until)| !until.is_some_and(Deadline::passed));
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            return true;
        }
        let (count, until) = peers.entry(peer).or_default();
        until.get_or_insert_with(|| Deadline::after(WITHIN));
        *count += 1;
        *count > WRONG_MAX
    }
}
