//! What a request brings: a body in JSON, as much as there is room for, in the time that there is.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::http::answer;
use crate::mcp::Body;
use crate::model::percent::decoded;
use crate::ops::quota::Quota;
use crate::ops::quota::Share;
use bytes::Bytes;
use bytes::BytesMut;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header;
use http::request::Parts;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Map;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest body, as long as the longest line on standard input.
pub(super) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(30);

/// Bodies that are on their way at one time, in all, and of one principal: as much as is there of them, whatever they say.
const ROOM_BYTES: usize = 64 * 1024 * 1024;
const ROOM_OF_ONE_BYTES: usize = ROOM_BYTES / 4;

pub(super) struct Intake(Arc<Quota<String>>);

impl Default for Intake {
    fn default() -> Intake {
        Intake(Quota::new(ROOM_OF_ONE_BYTES, ROOM_BYTES))
    }
}

enum Arrived {
    Whole(Bytes),
    TooLong,
    NoRoom,
}

async fn collect(mut incoming: Incoming, mut room: Share<String>) -> Result<Arrived, hyper::Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Ok(Arrived::TooLong);
        }
        if !room.grow(data.len()) {
            return Ok(Arrived::NoRoom);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Arrived::Whole(bytes.freeze()))
}

impl Intake {
    /// The body, or the answer of a request whose body cannot be had.
    pub(super) async fn read(
        &self,
        principal: &str,
        parts: &Parts,
        incoming: Incoming,
    ) -> Result<Bytes, Box<Response<Body>>> {
        let refuse = |status, error: Error| Err(Box::new(answer::refusal(status, &error)));
        let told = incoming.size_hint().upper();
        if told == Some(0) {
            // Nothing is changed by something that a page of another site could send.
            return match parts.method == Method::POST
                && !is_json(parts)
                && parts.headers.contains_key(header::CONTENT_TYPE)
            {
                true => refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, not_json()),
                false => Ok(Bytes::new()),
            };
        }
        if !is_json(parts) {
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, not_json());
        }
        if told.is_some_and(|told| told > BODY_BYTES_MAX as u64) {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, too_long());
        }
        match timeout(WITHIN, collect(incoming, self.0.nothing_yet(principal.to_owned()))).await {
            Ok(Ok(Arrived::Whole(body))) => Ok(body),
            Ok(Ok(Arrived::TooLong)) => refuse(StatusCode::PAYLOAD_TOO_LARGE, too_long()),
            Ok(Ok(Arrived::NoRoom)) => Err(Box::new(answer::too_many("bytes on their way"))),
            Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, Error::invalid("the body ended before it was whole")),
            Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, Error::new(Kind::Busy, "the body was too long in coming")),
        }
    }
}

fn is_json(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(answer::JSON)
}

fn not_json() -> Error {
    Error::invalid("the body must be JSON, and say so").hint("send `Content-Type: application/json`")
}

fn too_long() -> Error {
    Error::invalid(format!("a body may have {BODY_BYTES_MAX} bytes")).hint("keep long texts in files, and name them")
}

/// The arguments of an operation; no body is none.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err(Error::invalid("the body must be a JSON object: `{\"title\": …}`")),
        Err(error) => Err(Error::invalid(format!("the body is not JSON: {error}"))),
    }
}

/// The pairs of a query, decoded.
pub(super) fn query(query: &str) -> Result<Vec<(String, String)>> {
    let wrong = || Error::invalid("the query is not well formed: a `%` begins two hexadecimal digits of UTF-8");
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name, true)?, decoded(value, true)?))
    });
    pairs.map(|pair| pair.ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_or_refused() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query("a=1&b=x+y%2Fz&c").ok(), Some(vec![pair("a", "1"), pair("b", "x y/z"), pair("c", "")]));
        assert_eq!(query("").ok(), Some(vec![]));
        for wrong in ["a=%", "a=%zz", "a=%ff", "%+1=2"] {
            assert!(query(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arguments_are_an_object_or_nothing() {
        assert_eq!(object(b"").ok(), Some(Map::new()));
        assert!(object(b"{\"a\":1}").is_ok());
        for wrong in [" \n", "\x0c", "[]", "1", "{", "null", "\"{}\""] {
            assert!(object(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
