//! The wire: a stream of lines in and one out as a transport that senses the end, bounds what is under way and keeps order.

use crate::mcp::calls::Calls;
use crate::mcp::calls::Flight;
use crate::mcp::ending::Ending;
use crate::mcp::lines::Heard;
use crate::mcp::lines::Input;
use crate::mcp::lines::Lines;
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
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

pub(super) type Output = Box<dyn AsyncWrite + Send + Unpin>;

pub(super) struct Wire {
    lines: Lines,
    output: Arc<Mutex<Output>>,
    calls: Arc<Calls>,
    ending: Ending,
    /// Has a session begun? Before, only requests make sense, and rmcp gives up at anything else.
    begun: Arc<AtomicBool>,
    /// Requests whose answers are not written yet. Each holds its slot until then, so that a client that does not
    /// read its answers is not read either.
    in_flight: HashMap<RequestId, Arc<Flight>>,
    /// A request that waits for a slot.
    at_the_door: Option<JsonRpcRequest<ClientRequest>>,
    /// An error that is being written.
    owed: Option<JoinHandle<()>>,
}

impl Wire {
    pub(super) fn new((input, output): (Input, Output), calls: Arc<Calls>, ending: Ending) -> Wire {
        Wire {
            lines: Lines::new(input),
            output: Arc::new(Mutex::new(output)),
            calls,
            ending,
            begun: Arc::default(),
            in_flight: HashMap::new(),
            at_the_door: None,
            owed: None,
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
            match self.lines.next().await {
                Heard::Message(message) => match *message {
                    JsonRpcMessage::Request(request) => self.at_the_door = Some(request),
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
        let request = self.at_the_door.as_ref()?;
        // A subscription lives as long as the session; it would take its slot away for good.
        let slot = match &request.request {
            ClientRequest::SubscriptionsListenRequest(_) => None,
            _ => self.calls.slot().await,
        };
        let mut request = self.at_the_door.take()?;
        let flight = self.calls.arrive(request.id.to_string(), slot);
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

impl Transport<RoleServer> for Wire {
    type Error = io::Error;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let answered = match &message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let flight = answered.and_then(|id| self.in_flight.remove(id));
        let (output, ending) = (self.output.clone(), self.ending.clone());
        async move {
            let written = write(&output, &ending, serde_json::to_vec(&message)?).await;
            drop(flight);
            written
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

    async fn close(&mut self) -> io::Result<()> {
        self.output.lock().await.flush().await
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
