//! The older HTTP transport: what the client posts comes one by one, what we say goes out as a stream of events, and between
//! them is a session as on standard input and output.

use crate::mcp::body::Body;
use crate::mcp::body::streamed;
use crate::mcp::calls::Calls;
use crate::mcp::ending::Ending;
use crate::mcp::lines::Heard;
use crate::mcp::newsroom::Newsroom;
use crate::mcp::server::Server;
use crate::mcp::session::Service;
use crate::mcp::session::finished;
use crate::mcp::subscriptions::Hub;
use crate::mcp::waits::Waits;
use crate::mcp::web::Leave;
use crate::mcp::wire::Posted;
use crate::mcp::wire::Wire;
use bytes::Bytes;
use http_body::Frame;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::sleep;
use tokio_util::sync::PollSender;

/// A session takes what is posted as fast as it can; one whose client reads no answers takes no more.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// A comment line now and then, so that nobody between takes the stream for dead.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// The end at which a client posts.
pub(super) struct Pipe {
    posts: mpsc::Sender<Posted>,
    ending: Ending,
}

/// What became of a message that was posted.
pub(super) enum Post {
    Taken,
    /// The client must read first.
    NotTaken,
    /// The session has ended.
    Ended,
}

impl Pipe {
    /// Has the session ended?
    pub(super) fn is_closed(&self) -> bool {
        self.ending.has_begun()
    }

    /// `leave` lasts as long as what is asked for is under way.
    pub(super) async fn post(&self, heard: Heard, leave: Leave) -> Post {
        let taken = tokio::select! {
            biased;
            () = self.ending.begun() => return Post::Ended,
            taken = self.posts.send_timeout(Posted { heard, leave }, TAKEN_WITHIN) => taken,
        };
        match taken {
            Ok(()) => Post::Taken,
            Err(SendTimeoutError::Timeout(_)) => Post::NotTaken,
            Err(SendTimeoutError::Closed(_)) => Post::Ended,
        }
    }
}

/// Begins a session whose answers are in the body, and which lives no longer than that.
pub(super) fn open(
    calls: Calls,
    newsroom: Arc<Newsroom>,
    waits: Arc<Waits>,
    service: Service,
    end_of_all: Ending,
    endpoint: &str,
) -> (Pipe, Body) {
    // No more than one of each is on its way: what waits here is neither read by us nor by the client.
    let (posts, posted) = mpsc::channel(1);
    let (events, stream) = mpsc::channel(1);
    let ending = Ending::new();
    // The channel has room for the first event of a stream that nobody reads yet.
    let _ = events.try_send(Frame::data(event("endpoint", endpoint.as_bytes())));
    tokio::spawn(end_with_reader(events.clone(), end_of_all, ending.clone()));
    let pipe = Pipe { posts, ending: ending.clone() };
    let calls = Arc::new(calls);
    tokio::spawn(async move {
        let hub = Arc::new(Hub::new(newsroom));
        let server = Server::new(calls.clone(), hub, service, ending.clone()).served_afar(waits);
        let wire = Wire::posted(posted, Box::new(Events::new(events)), calls, ending.clone());
        let begun = wire.begun();
        if let Ok(running) = rmcp::serve_server(server, wire).await {
            begun.store(true, Ordering::Relaxed);
            finished(running, &ending).await;
        }
        ending.begin();
    });
    (pipe, streamed(stream))
}

/// A client that reads no more ends its session; so does the end of all.
async fn end_with_reader(events: mpsc::Sender<Frame<Bytes>>, all: Ending, ending: Ending) {
    let comment = async {
        loop {
            sleep(COMMENT_EVERY).await;
            let _ = events.send(Frame::data(Bytes::from_static(b":\n\n"))).await;
        }
    };
    tokio::select! {
        () = comment => {}
        () = events.closed() => {}
        () = all.begun() => {}
        () = ending.begun() => {}
    }
    ending.begin();
}

/// Makes an event of every line. What was flushed the reader has taken: what they never took is known not to be read.
struct Events {
    events: PollSender<Frame<Bytes>>,
    line: Vec<u8>,
}

impl Events {
    fn new(events: mpsc::Sender<Frame<Bytes>>) -> Events {
        Events { events: PollSender::new(events), line: Vec::new() }
    }
}

impl AsyncWrite for Events {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        loop {
            // There is room for one, so when there is room again, the one before is taken.
            ready!(self.events.poll_reserve(context)).map_err(gone)?;
            if self.line.is_empty() {
                self.events.abort_send();
                return Poll::Ready(Ok(()));
            }
            let line = std::mem::take(&mut self.line);
            self.events.send_item(Frame::data(event("message", line.trim_ascii_end()))).map_err(gone)?;
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

fn event(name: &str, data: &[u8]) -> Bytes {
    Bytes::from([b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"].concat())
}
