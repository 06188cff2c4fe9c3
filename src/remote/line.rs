//! The line to a server: one thread does all the talking, and as many threads as like wait for their answers.

use crate::config::Address;
use crate::error::Error;
use crate::error::Result;
use crate::remote::Trouble;
use crate::remote::Way;
use crate::remote::answer;
use crate::remote::connect::Pool;
use crate::store::doorbell::Hangup;
use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::header;
use http_body_util::Full;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

const AGENT: &str = concat!("orch-mcp/", env!("CARGO_PKG_VERSION"));

/// For an answer on a connection that has been idle.
const USED_WITHIN: Duration = Duration::from_secs(5);

/// What is asked, in words.
pub(super) struct Question {
    pub(super) words: Vec<u8>,
    /// The answer may be long in coming: the server says now and then that it is still there.
    pub(super) waits: bool,
    /// Of an answer that is not long in coming; of one that is, each sign of life.
    pub(super) within: Duration,
}

pub(super) struct Line {
    shared: Arc<Shared>,
    engine: Mutex<Option<Engine>>,
}

struct Shared {
    way: Way,
    pool: Pool,
}

/// The thread that talks. It ends when this is dropped.
struct Engine {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

enum Event {
    Answer(Result<Vec<u8>, Trouble>),
    HungUp,
}

impl Line {
    pub(super) fn new(way: Way) -> Line {
        Line { shared: Arc::new(Shared { way, pool: Pool::default() }), engine: Mutex::default() }
    }

    pub(super) fn way(&self) -> &Way {
        &self.shared.way
    }

    /// Asks once.
    pub(super) fn ask(&self, question: Question, hangup: &Hangup) -> Result<Vec<u8>, Trouble> {
        let (tell, told) = channel();
        let shared = self.shared.clone();
        let hung_up = tell.clone();
        let task = self.handle().map_err(Trouble::Final)?.spawn(async move {
            // Whoever hung up hears nothing any more.
            let _ = tell.send(Event::Answer(shared.exchange(question).await));
        });
        let _attached = hangup.tell(move || {
            let _ = hung_up.send(Event::HungUp);
        });
        match told.recv() {
            Ok(Event::Answer(answer)) => answer,
            Ok(Event::HungUp) => {
                // With it goes its connection, so that the server hears of it too.
                task.abort();
                Err(Trouble::HungUp)
            }
            Err(_) => Err(Trouble::Lost("the thread that talks ended".to_owned())),
        }
    }

    fn handle(&self) -> Result<Handle> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*engine {
            return Ok(engine.handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("line".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
                // A name that is still being looked up holds nobody up.
                runtime.shutdown_background();
            })
            .map_err(Error::internal)?;
        *engine = Some(Engine { handle: handle.clone(), _stop: stop });
        Ok(handle)
    }
}

impl Shared {
    async fn exchange(&self, question: Question) -> Result<Vec<u8>, Trouble> {
        let (waits, within) = (question.waits, question.within);
        let request = self.request(question).map_err(Trouble::Final)?;
        let mut wire = self.pool.wire(&self.way).await?;
        let silent = || Trouble::Lost(format!("it says nothing for {} s", within.as_secs_f32()));
        // What was idle may lead nowhere by now, which nobody tells us.
        let begins_within = if wire.is_used { within.min(USED_WITHIN) } else { within };
        let asked = timeout(begins_within, wire.sender.send_request(request)).await.map_err(|_| silent())?;
        let response = asked.map_err(|cause| match cause {
            cause if cause.is_parse() => Trouble::Final(self.way.no_http()),
            cause if cause.is_canceled() => Trouble::NotSent(cause.to_string()),
            cause => Trouble::Lost(cause.to_string()),
        })?;
        let reading = answer::read(response, &self.way, within);
        let words = if waits { reading.await } else { timeout(within, reading).await.map_err(|_| silent())? };
        let (words, is_whole) = words?;
        if is_whole {
            self.pool.give_back(wire);
        }
        words
    }

    fn request(&self, question: Question) -> Result<Request<Full<Bytes>>> {
        let host = match &self.way.server.address {
            Address::Socket(_) => "localhost".to_owned(),
            Address::Host { name, port, .. } if name.contains(':') => format!("[{name}]:{port}"),
            Address::Host { name, port, .. } => format!("{name}:{port}"),
        };
        let accept = if question.waits { "text/event-stream" } else { "application/json" };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/call", self.way.server.base))
            .header(header::HOST, host)
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.way.token {
            let mut shown = HeaderValue::from_str(&format!("Bearer {}", token.words())).map_err(Error::internal)?;
            shown.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, shown);
        }
        request.body(Full::new(Bytes::from(question.words))).map_err(Error::internal)
    }
}
