//! An answer that is long in coming: proxies and clients give up on a request whose headers do not come, so they come, and a
//! comment line now and then, until the answer does.

use crate::mcp::body::Body;
use crate::mcp::body::told;
use bytes::Bytes;
use http::HeaderValue;
use http::Response;
use http::header::CACHE_CONTROL;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use http_body_util::BodyExt;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No header comes later than this.
const HEADERS_WITHIN: Duration = Duration::from_millis(200);
const COMMENT_EVERY: Duration = Duration::from_secs(12);

/// `id` is that of the request.
pub(super) async fn answered(
    id: Value,
    answer: impl Future<Output = Response<Body>> + Send + 'static,
) -> Response<Body> {
    let mut answer = Box::pin(answer);
    if let Ok(response) = timeout(HEADERS_WITHIN, &mut answer).await {
        return response;
    }
    // Dropped with the stream: then the call is cancelled.
    let mut response = Response::new(told(1, |events| pass_on(id, answer, events)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn pass_on(
    id: Value,
    mut answer: impl Future<Output = Response<Body>> + Unpin,
    events: mpsc::Sender<Frame<Bytes>>,
) {
    let response = loop {
        match timeout(COMMENT_EVERY, &mut answer).await {
            Ok(response) => break response,
            Err(_) if events.send(Frame::data(Bytes::from_static(b": wait\n\n"))).await.is_err() => return,
            Err(_) => {}
        }
    };
    let is_stream = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event"));
    let mut body = response.into_body();
    if !is_stream {
        let Ok(whole) = body.collect().await;
        let message = as_message(&id, &whole.to_bytes());
        let event = [b"event: message\ndata: ", &message[..], b"\n\n"].concat();
        let _ = events.send(Frame::data(Bytes::from(event))).await;
        return;
    }
    while let Some(Ok(frame)) = body.frame().await {
        if events.send(frame).await.is_err() {
            return;
        }
    }
}

/// The status of an answer that comes so late is 200, whatever it would have been: that cannot be taken back. What went wrong
/// is told by a message of the protocol, which an error is mostly made of anyway; what is none, such as a plain text,
/// becomes one.
fn as_message(id: &Value, body: &Bytes) -> Bytes {
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return body.clone();
    }
    let error = json!({ "code": -32603, "message": String::from_utf8_lossy(body) });
    Bytes::from(json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http_body_util::Full;
    use tokio::time::sleep;

    /// The status and the body of what a client sees of this answer, when it comes late.
    async fn late(status: StatusCode, body: &'static str) -> (StatusCode, String) {
        let response = answered(json!(7), async move {
            sleep(COMMENT_EVERY * 2).await;
            let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())).boxed());
            *response.status_mut() = status;
            response
        })
        .await;
        let status = response.status();
        let Ok(whole) = response.into_body().collect().await;
        (status, String::from_utf8(whole.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_comes_late_is_a_message_all_the_same() {
        let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"there is no method `x`"}}"#;
        let told = late(StatusCode::NOT_FOUND, error).await;
        assert_eq!(told, (StatusCode::OK, format!(": wait\n\nevent: message\ndata: {error}\n\n")));
        let (status, told) = late(StatusCode::INTERNAL_SERVER_ERROR, "two\nlines").await;
        let message = told.strip_prefix(": wait\n\nevent: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let wanted = json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": -32603, "message": "two\nlines" } });
        assert_eq!(status, StatusCode::OK);
        assert_eq!(serde_json::from_str::<Value>(message.unwrap()).unwrap(), wanted, "{told}");
    }
}
