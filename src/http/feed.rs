//! `GET /events`: everything that happens, as it happens. Who comes back with the last number they saw misses nothing and
//! hears nothing twice.

use crate::error::Error;
use crate::error::Kind;
use crate::http::api::Api;
use crate::http::api::ended;
use crate::http::api::event_stream;
use crate::mcp::Body;
use crate::mcp::EventBell;
use crate::mcp::told;
use crate::ops::Caller;
use crate::ops::table;
use bytes::Bytes;
use http::Response;
use http_body::Frame;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// What is on its way to one reader; who reads slowly is told the rest later.
const UNDER_WAY_MAX: usize = 64;

pub(super) struct Feed {
    pub(super) api: Arc<Api>,
    pub(super) bell: EventBell,
    pub(super) caller: Caller,
    /// Tell what came after this; without it, what comes from now on.
    pub(super) after: Option<u64>,
    /// What else was asked for: `subject`, `kind`.
    pub(super) filter: Map<String, Value>,
}

impl Feed {
    /// The first look is made here, so that what is wrong with the request is its answer.
    pub(super) async fn begin(mut self) -> Result<Response<Body>, Error> {
        let mut after = match self.after {
            Some(after) => after,
            None => self.newest().await?,
        };
        let first = self.page(after).await?;
        Ok(event_stream(told(UNDER_WAY_MAX, |events| async move {
            let mut stop = self.api.stop.clone();
            tokio::select! {
                () = self.tell(&mut after, first, events) => {}
                () = ended(&mut stop) => {}
            }
        })))
    }

    async fn tell(&mut self, after: &mut u64, first: Value, events: mpsc::Sender<Frame<Bytes>>) {
        let mut page = first;
        // Read by `EventSource` before anything happens.
        let mut text = "retry: 1000\n\n".to_owned();
        loop {
            for event in page["events"].as_array().into_iter().flatten() {
                let (seq, kind) =
                    (event["seq"].as_u64().unwrap_or_default(), event["kind"].as_str().unwrap_or_default());
                text.push_str(&format!("id: {seq}\nevent: {kind}\ndata: {event}\n\n"));
            }
            if !text.is_empty() && events.send(Frame::data(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
                return;
            }
            let was = *after;
            *after = page["cursor"].as_u64().unwrap_or(was);
            if *after == was || page["events"].as_array().is_none_or(Vec::is_empty) {
                while timeout(COMMENT_EVERY, self.bell.rings()).await.is_err() {
                    if events.send(Frame::data(Bytes::from_static(b":\n\n"))).await.is_err() {
                        return;
                    }
                }
            }
            page = match self.page(*after).await {
                Ok(page) => page,
                // What was missed is told by its code; the reader decides from where to go on.
                Err(error) => {
                    let last = format!("event: error\ndata: {}\n\n", json!({ "error": error }));
                    let _ = events.send(Frame::data(Bytes::from(last))).await;
                    return;
                }
            };
        }
    }

    async fn page(&self, after: u64) -> Result<Value, Error> {
        let mut arguments = self.filter.clone();
        arguments.insert("cursor".to_owned(), after.into());
        self.ask("list_events", arguments).await
    }

    async fn newest(&self) -> Result<u64, Error> {
        let status = self.ask("watch_events", [("timeout_seconds".to_owned(), 0.into())].into_iter().collect()).await?;
        status["cursor"].as_u64().ok_or_else(|| Error::new(Kind::Internal, "the newest event is not known"))
    }

    async fn ask(&self, operation: &str, arguments: Map<String, Value>) -> Result<Value, Error> {
        let entry = table::find(operation).ok_or_else(|| Error::internal(format!("no operation `{operation}`")))?;
        let reply = self.api.call(entry.request(arguments)?, self.caller.clone()).await?;
        Ok(reply.data)
    }
}
