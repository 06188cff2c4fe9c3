//! The wire: messages in and lines out as a transport that senses the end, bounds what is under way and keeps order.

use crate::mcp::calls::Calls;
use crate::mcp::calls::Flight;
use crate::mcp::calls::Room;
use crate::mcp::calls::lock;
use crate::mcp::ending::Ending;
use crate::mcp::lines::Heard;
use crate::mcp::lines::Input;
use crate::mcp::lines::Lines;
use crate::mcp::web::Leave;
use rmcp::RoleServer;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::model::ClientNotification;
use rmcp::model::ClientRequest;
use rmcp::model::GetExtensions;
use rmcp::model::JsonRpcMessage;
use rmcp::model::JsonRpcRequest;
use rmcp::model::RequestId;
use rmcp::model::ServerJsonRpcMessage;
use rmcp::transport::Transport;
use rustix::fs::FileType;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(super) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// A message from a client of many, with the leave to have one more under way.
pub(super) struct Posted {
    pub(super) heard: Heard,
    pub(super) leave: Leave,
}

enum Source {
    Lines(Lines),
    Posts(mpsc::Receiver<Posted>),
}

impl Source {
    /// The next message. Dropping the future loses nothing.
    async fn next(&mut self) -> (Heard, Option<Leave>) {
        match self {
            Source::Lines(lines) => (lines.next().await, None),
            Source::Posts(posts) => match posts.recv().await {
                Some(Posted { heard, leave }) => (heard, Some(leave)),
                None => (Heard::End, None),
            },
        }
    }
}

/// Calls whose answers the client took, with nothing to show that it read them: no call came after.
type Unread = Arc<std::sync::Mutex<Vec<RequestId>>>;

pub(super) struct Wire {
    source: Source,
    output: Arc<Mutex<Output>>,
    calls: Arc<Calls>,
    ending: Ending,
    /// Has a session begun? Before, only requests make sense, and rmcp gives up at anything else.
    begun: Arc<AtomicBool>,
    /// Requests whose answers are not written yet. Each holds its slot until then, so that a client that does not
    /// read its answers is not read either.
    in_flight: HashMap<RequestId, Arc<Flight>>,
    /// A request that waits for a slot.
    at_the_door: Option<(JsonRpcRequest<ClientRequest>, Option<Leave>)>,
    /// An error that is being written.
    owed: Option<JoinHandle<()>>,
    /// `None` where the process ends with the session: what it returned last is known by that to be unread.
    unread: Option<Unread>,
}

impl Wire {
    /// Of a process that has no other.
    pub(super) fn new((input, output): (Input, Output), calls: Arc<Calls>, ending: Ending) -> Wire {
        Wire::over(Source::Lines(Lines::new(input)), output, calls, ending, None)
    }

    /// Of a server that lives on. The output is flushed once the client took what was written.
    pub(super) fn posted(posts: mpsc::Receiver<Posted>, output: Output, calls: Arc<Calls>, ending: Ending) -> Wire {
        Wire::over(Source::Posts(posts), output, calls, ending, Some(Unread::default()))
    }

    fn over(source: Source, output: Output, calls: Arc<Calls>, ending: Ending, unread: Option<Unread>) -> Wire {
        Wire {
            source,
            output: Arc::new(Mutex::new(output)),
            calls,
            ending,
            begun: Arc::default(),
            in_flight: HashMap::new(),
            at_the_door: None,
            owed: None,
            unread,
        }
    }

    /// To be set once a session has begun.
    pub(super) fn begun(&self) -> Arc<AtomicBool> {
        self.begun.clone()
    }

    /// The next message that rmcp should see. Dropping the future loses nothing: all that is half done is in `self`.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(owed) = &mut self.owed {
                let _ = owed.await;
                self.owed = None;
            }
            if let Some(request) = self.admit().await {
                return Some(request);
            }
            let (heard, leave) = self.source.next().await;
            match heard {
                Heard::Message(message) => match *message {
                    JsonRpcMessage::Request(request) => self.at_the_door = Some((request, leave)),
                    message => {
                        self.note_cancellation(&message);
                        if self.begun.load(Ordering::Relaxed) {
                            return Some(message);
                        }
                    }
                },
                Heard::Nothing => {}
                Heard::Wrong(error) => self.owed = Some(self.reply(error)),
                Heard::End => return None,
            }
        }
    }

    /// Lets the request at the door in as soon as there is a slot for it.
    async fn admit(&mut self) -> Option<ClientJsonRpcMessage> {
        let (request, _) = self.at_the_door.as_ref()?;
        // A subscription lives as long as the session; it would take its room away for good.
        let is_subscription = matches!(request.request, ClientRequest::SubscriptionsListenRequest(_));
        let slot = if is_subscription { None } else { self.calls.slot().await };
        let (mut request, leave) = self.at_the_door.take()?;
        if let (ClientRequest::CallToolRequest(_), Some(unread)) = (&request.request, &self.unread) {
            lock(unread).clear();
        }
        let room: Option<Room> = if is_subscription { None } else { Some(Box::new((slot, leave))) };
        let flight = self.calls.arrive(request.id.to_string(), room);
        request.request.extensions_mut().insert(flight.clone());
        self.in_flight.insert(request.id.clone(), flight);
        Some(JsonRpcMessage::Request(request))
    }

    /// Done here rather than in a handler, so that the next request finds it done.
    fn note_cancellation(&mut self, message: &ClientJsonRpcMessage) {
        if let JsonRpcMessage::Notification(notification) = message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(id) = &cancelled.params.request_id
        {
            self.calls.cancel(id.to_string(), self.in_flight.remove(id));
        }
    }

    fn reply(&self, error: Value) -> JoinHandle<()> {
        let (output, ending) = (self.output.clone(), self.ending.clone());
        tokio::spawn(async move {
            let _ = write(&output, &ending, error.to_string().into_bytes()).await;
        })
    }
}

/// What the client did not read comes again, as the server that returned it lives on.
impl Drop for Wire {
    fn drop(&mut self) {
        let Some(unread) = self.unread.as_ref().filter(|_| Handle::try_current().is_ok()) else { return };
        for id in std::mem::take(&mut *lock(unread)) {
            self.calls.cancel(id.to_string(), None);
        }
        for (_, flight) in self.in_flight.drain() {
            self.calls.call_off(flight);
        }
    }
}

/// What is on its way to the client, until it is written.
struct Answer {
    calls: Arc<Calls>,
    unread: Option<Unread>,
    /// Which request it answers; `None` once it is written, or where it answers none.
    of: Option<(RequestId, Arc<Flight>)>,
}

impl Answer {
    /// From here on it may be read, and a call that comes after that may be heard of before its writer is.
    fn new(calls: Arc<Calls>, unread: Option<Unread>, of: Option<(RequestId, Arc<Flight>)>) -> Answer {
        if let (Some((id, _)), Some(unread)) = (&of, &unread) {
            lock(unread).push(id.clone());
        }
        Answer { calls, unread, of }
    }

    fn was_taken(mut self) {
        self.of = None;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let Some(unread) = self.unread.as_ref().filter(|_| Handle::try_current().is_ok()) else { return };
        if let Some((id, flight)) = self.of.take() {
            lock(unread).retain(|other| *other != id);
            self.calls.call_off(flight);
        }
    }
}

impl Transport<RoleServer> for Wire {
    type Error = io::Error;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let answered = match &message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let of = answered.and_then(|id| self.in_flight.remove_entry(id));
        let answer = Answer::new(self.calls.clone(), self.unread.clone(), of);
        let (output, ending) = (self.output.clone(), self.ending.clone());
        async move {
            write(&output, &ending, serde_json::to_vec(&message)?).await?;
            answer.was_taken();
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let ending = self.ending.clone();
        let message = tokio::select! {
            biased;
            () = ending.begun() => None,
            message = self.next() => message,
        };
        if message.is_none() {
            // Whoever waits gets their answer now, while there is still somebody to write it to.
            self.ending.begin();
            self.in_flight.values().for_each(|flight| flight.hang_up());
        }
        message
    }

    /// Each message was flushed as it was written, and whoever is gone needs no more.
    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one message. A client that cannot be written to is gone.
async fn write(output: &Mutex<Output>, ending: &Ending, mut message: Vec<u8>) -> io::Result<()> {
    message.push(b'\n');
    let mut output = output.lock().await;
    let written = match output.write_all(&message).await {
        Ok(()) => output.flush().await,
        Err(error) => Err(error),
    };
    if let Err(error) = &written {
        tracing::info!("cannot write to the client: {error}");
        ending.begin();
    }
    written
}

/// The standard streams, driven without a thread for each read and write wherever that can be had. rmcp knows how for
/// pipes; clients that run on Node or Bun hand out sockets.
pub(super) fn standard_streams() -> (Input, Output) {
    if let (Some(input), Some(output)) = (socket(io::stdin()), socket(io::stdout())) {
        return (Box::new(input), Box::new(output));
    }
    let (input, output) = rmcp::transport::stdio_pipes();
    (Box::new(input), Box::new(output))
}

fn socket(stream: impl AsFd) -> Option<tokio::net::UnixStream> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&stream).ok()?.st_mode);
    if kind != FileType::Socket {
        return None;
    }
    let socket = UnixStream::from(stream.as_fd().try_clone_to_owned().ok()?);
    socket.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(socket).ok()
}
