//! An operation called over HTTP: on a thread where it may block, hung up when its caller goes away, and then taken back.

use crate::error::Error;
use crate::error::Result;
use crate::mcp::Body;
use crate::mcp::told;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::store::doorbell::Hangup;
use bytes::Bytes;
use http::HeaderValue;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A comment line now and then, so that nobody between takes the stream for dead.
const COMMENT_EVERY: Duration = Duration::from_secs(10);

/// Carries operations out for whoever came through the door.
pub(super) struct Api {
    pub(super) desk: Arc<LocalDesk>,
    /// The server ends: whoever waits gets their answer.
    pub(super) stop: watch::Receiver<bool>,
}

/// A call whose answer is not on its way yet. Dropped before, nobody gets it.
struct Under {
    desk: Arc<LocalDesk>,
    caller: Caller,
    hangup: Hangup,
    /// `None` once it is done.
    work: Option<JoinHandle<Result<Reply>>>,
}

impl Drop for Under {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.hangup.hang_up();
        let (desk, caller) = (self.desk.clone(), self.caller.clone());
        tokio::spawn(async move {
            // Whoever is hung up still looks once more, and may take something then.
            let _ = work.await;
            let taken_back = spawn_blocking(move || desk.take_back(&caller)).await;
            if let Ok(Err(error)) = taken_back {
                tracing::warn!("could not take back what a client did not wait for: {error}");
            }
        });
    }
}

impl Api {
    /// Each call has a number of its own, whatever clients call theirs.
    pub(super) fn number() -> String {
        static CALLS: AtomicU64 = AtomicU64::new(1);
        format!("http:{}", CALLS.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) async fn call(&self, request: Request, caller: Caller) -> Result<Reply> {
        match self.desk.read_at_once(&request, &caller).transpose() {
            Some(reply) => reply,
            None => self.on_a_thread(request, caller).await,
        }
    }

    async fn on_a_thread(&self, request: Request, caller: Caller) -> Result<Reply> {
        let hangup = Hangup::new();
        let desk = self.desk.clone();
        let (asks, hung_up) = (caller.clone(), hangup.clone());
        let work = spawn_blocking(move || desk.execute(&request, &asks, &hung_up));
        let mut under = Under { desk: self.desk.clone(), caller, hangup: hangup.clone(), work: Some(work) };
        let mut stop = self.stop.clone();
        let done = {
            let Some(work) = &mut under.work else { return Err(Error::internal("a call that was not begun")) };
            tokio::select! {
                biased;
                done = &mut *work => done,
                () = ended(&mut stop) => {
                    hangup.hang_up();
                    work.await
                }
            }
        };
        under.work = None;
        match done {
            Ok(reply) => reply,
            // A panic; what it left half done is in a transaction that was dropped.
            Err(stopped) => Err(Error::internal(stopped)),
        }
    }
}

/// Returns once the server is told to end.
pub(super) async fn ended(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// An answer that may be long in coming, as a stream of comments with the answer at its end.
pub(super) fn awaited(answer: impl Future<Output = String> + Send + 'static) -> Response<Body> {
    // Dropped with the stream: then the call is hung up.
    event_stream(told(1, |events| async move {
        let mut answer = Box::pin(answer);
        loop {
            let (event, last) = match timeout(COMMENT_EVERY, &mut answer).await {
                Ok(text) => (format!("event: answer\ndata: {text}\n\n"), true),
                Err(_) => (": wait\n\n".to_owned(), false),
            };
            if events.send(Frame::data(Bytes::from(event))).await.is_err() || last {
                return;
            }
        }
    }))
}

pub(super) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
