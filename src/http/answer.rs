//! Answers as HTTP says them: the envelope of all faces, the status of each kind of error, and headers that go with all.

use crate::error::Error;
use crate::error::Kind;
use crate::http::listen::HEADER_BYTES_MAX;
use crate::http::listen::HEADERS_MAX;
use crate::mcp::Body;
use crate::mcp::told;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use http_body::Frame;

pub(super) use crate::mcp::answer::JSON;
pub(super) use crate::mcp::answer::json;
pub(super) use crate::mcp::answer::refusal;
pub(super) use crate::mcp::answer::typed;

/// With each kind of error a status; whoever reads the code knows more.
pub(super) fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid | Kind::NoIdentity => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict | Kind::StaleClaim => StatusCode::CONFLICT,
        Kind::CursorExpired => StatusCode::GONE,
        Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Busy | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub(super) fn error(error: &Error) -> Response<Body> {
    refusal(status_of(error.kind), error)
}

pub(super) fn too_many(what: &str) -> Response<Body> {
    let error = Error::new(Kind::Busy, format!("{what}: as many as there may be")).hint("call again in a moment");
    refusal(StatusCode::TOO_MANY_REQUESTS, &error)
}

pub(super) fn not_allowed(allowed: &str) -> Response<Body> {
    let error = Error::invalid("there is something at this address, and it does not take this method")
        .hint(format!("use {allowed}"));
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, &error);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

pub(super) fn nothing_here(path: &str) -> Response<Body> {
    let shown: String = path.chars().take(100).collect();
    let error = Error::not_found(format!("there is nothing at `{shown}`")).hint("`/openapi.json` tells what there is");
    refusal(StatusCode::NOT_FOUND, &error)
}

/// What there is to say of bytes that are no request.
pub(super) fn garbled(status: StatusCode) -> Error {
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Error::invalid("the head of the request is longer than it may be, or has too many headers")
                .hint(format!("send at most {HEADERS_MAX} headers, and {HEADER_BYTES_MAX} bytes with the first line"))
        }
        StatusCode::URI_TOO_LONG => {
            Error::invalid("the address is longer than it may be").hint("send what is long in a body")
        }
        _ => Error::invalid("what came is no request of HTTP/1.1: its first line or one of its headers is malformed")
            .hint("send `METHOD /path HTTP/1.1` and then headers; `https://` is only for a server that was given `--tls-cert`"),
    }
}

/// An answer whose headers are on their way before it is there.
pub(super) fn later(answer: impl Future<Output = String> + Send + 'static) -> Response<Body> {
    let body = told(1, |frames| async move {
        let _ = frames.send(Frame::data(Bytes::from(answer.await))).await;
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// What no answer goes without. Nothing here is a page, or part of one, or to be kept by anybody on its way.
pub(super) fn guard(headers: &mut HeaderMap, request: &str, tls: bool) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if let Ok(request) = HeaderValue::from_str(request) {
        headers.insert("x-request-id", request);
    }
}
