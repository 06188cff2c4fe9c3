//! The older HTTP transport: what the client posts goes into a pipe, what we say comes out of another as a stream of
//! events, and between them is a session as on standard input and output.

use crate::mcp::body::Body;
use crate::mcp::body::streamed;
use crate::mcp::calls::Calls;
use crate::mcp::ending::Ending;
use crate::mcp::newsroom::Newsroom;
use crate::mcp::server::Server;
use crate::mcp::session::Service;
use crate::mcp::session::finished;
use crate::mcp::subscriptions::Hub;
use crate::mcp::waits::Waits;
use crate::mcp::wire::Wire;
use bytes::Bytes;
use http_body::Frame;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What may be on its way in each direction.
const PIPE_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 16;

/// A session takes what is posted as fast as it can; one whose client reads no answers takes no more.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// A comment line now and then, so that nobody between takes the stream for dead.
const QUIET_AT_MOST: Duration = Duration::from_secs(15);

/// The end at which a client posts.
pub(super) struct Pipe(Mutex<DuplexStream>, mpsc::WeakSender<Frame<Bytes>>);

impl Pipe {
    /// Has the session ended?
    pub(super) fn is_closed(&self) -> bool {
        self.1.upgrade().is_none_or(|events| events.is_closed())
    }

    /// Says whether the session took it.
    pub(super) async fn post(&self, message: &[u8]) -> bool {
        let mut line = message.to_vec();
        line.push(b'\n');
        let write = async {
            let mut pipe = self.0.lock().await;
            pipe.write_all(&line).await.is_ok()
        };
        // A line of which only a part was taken is the end of the session, and nothing else is lost with it.
        timeout(TAKEN_WITHIN, write).await.unwrap_or(false)
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
    let (posted, input) = tokio::io::duplex(PIPE_BYTES);
    let (output, said) = tokio::io::duplex(PIPE_BYTES);
    let (events, stream) = mpsc::channel(EVENTS_MAX);
    let (alive, ending) = (events.downgrade(), Ending::new());
    // The channel has room for the first event of a stream that nobody reads yet.
    let _ = events.try_send(Frame::data(event("endpoint", endpoint)));
    tokio::spawn(tell(said, events, ending.clone()));
    tokio::spawn(end_with(end_of_all, ending.clone()));
    let calls = Arc::new(calls);
    tokio::spawn(async move {
        let hub = Arc::new(Hub::new(newsroom));
        let server = Server::new(calls.clone(), hub, service, ending.clone()).served_afar(waits);
        let wire = Wire::new((Box::new(input), Box::new(output)), calls, ending.clone());
        let begun = wire.begun();
        if let Ok(running) = rmcp::serve_server(server, wire).await {
            begun.store(true, Ordering::Relaxed);
            finished(running, &ending).await;
        }
        ending.begin();
    });
    (Pipe(Mutex::new(posted), alive), streamed(stream))
}

/// Passes on line by line what the session says. A client that reads no more ends its session.
async fn tell(said: DuplexStream, events: mpsc::Sender<Frame<Bytes>>, ending: Ending) {
    let mut lines = BufReader::new(said).lines();
    let gone = events.clone();
    let pass_on = async {
        loop {
            let said = match timeout(QUIET_AT_MOST, lines.next_line()).await {
                Ok(Ok(Some(line))) => event("message", &line),
                Ok(Ok(None) | Err(_)) => return,
                Err(_) => Bytes::from_static(b":\n\n"),
            };
            if events.send(Frame::data(said)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = pass_on => {}
        () = gone.closed() => {}
    }
    ending.begin();
}

async fn end_with(all: Ending, ending: Ending) {
    tokio::select! {
        () = all.begun() => ending.begin(),
        () = ending.begun() => {}
    }
}

fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
