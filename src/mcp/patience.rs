//! An answer that is long in coming: proxies and clients give up on a request whose headers do not come, so they come, and a
//! comment line now and then, until the answer does.

use crate::mcp::body::Body;
use crate::mcp::body::streamed;
use bytes::Bytes;
use http::HeaderValue;
use http::Response;
use http::header::CACHE_CONTROL;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No header comes later than this.
const HEADERS_WITHIN: Duration = Duration::from_millis(200);
const COMMENT_EVERY: Duration = Duration::from_secs(12);

pub(super) async fn answered(answer: impl Future<Output = Response<Body>> + Send + 'static) -> Response<Body> {
    let mut answer = Box::pin(answer);
    if let Ok(response) = timeout(HEADERS_WITHIN, &mut answer).await {
        return response;
    }
    let (events, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        let gone = events.clone();
        // Dropped with the stream: then the call is cancelled.
        tokio::select! {
            () = pass_on(answer, events) => {}
            () = gone.closed() => {}
        }
    });
    let mut response = Response::new(streamed(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn pass_on(mut answer: impl Future<Output = Response<Body>> + Unpin, events: mpsc::Sender<Frame<Bytes>>) {
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
        // Whatever its status would have been, a message of the protocol tells it too.
        let Ok(whole) = body.collect().await;
        let mut event = b"event: message\ndata: ".to_vec();
        event.extend_from_slice(&whole.to_bytes());
        event.extend_from_slice(b"\n\n");
        let _ = events.send(Frame::data(Bytes::from(event))).await;
        return;
    }
    while let Some(Ok(frame)) = body.frame().await {
        if events.send(frame).await.is_err() {
            return;
        }
    }
}
