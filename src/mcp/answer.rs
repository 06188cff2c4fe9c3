//! An answer of HTTP in one piece, and an error as one: the same from MCP as from all else.

use crate::error::Error;
use crate::mcp::body::Body;
use bytes::Bytes;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Full;
use serde_json::Value;
use serde_json::json;

pub const JSON: &str = "application/json";

pub fn typed(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub fn json(status: StatusCode, value: &Value) -> Response<Body> {
    typed(status, JSON, value.to_string())
}

/// In the envelope of all faces, which clients of MCP understand as well as people do.
pub fn refusal(status: StatusCode, error: &Error) -> Response<Body> {
    let mut response = json(status, &json!({ "error": error }));
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"orch-mcp\""));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
