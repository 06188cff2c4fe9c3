//! MCP behind a web server: both transports over HTTP, for as many clients as there are, each known by its principal.

use crate::error::Error;
use crate::error::Kind;
use crate::host::unguessable;
use crate::mcp::answer::json;
use crate::mcp::answer::refusal;
use crate::mcp::body::Body;
use crate::mcp::body::watched;
use crate::mcp::calls::Calls;
use crate::mcp::calls::lock;
use crate::mcp::ending::Ending;
use crate::mcp::lines::Heard;
use crate::mcp::lines::is_no_json;
use crate::mcp::lines::understand;
use crate::mcp::newsroom::EventBell;
use crate::mcp::newsroom::Newsroom;
use crate::mcp::patience;
use crate::mcp::pipe;
use crate::mcp::pipe::Pipe;
use crate::mcp::pipe::Post;
use crate::mcp::reader::Reader;
use crate::mcp::server::Server;
use crate::mcp::session::Service;
use crate::mcp::subscriptions::Hub;
use crate::mcp::waits::Waits;
use crate::ops::Caller;
use crate::ops::Desk;
use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::Full;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio::time::timeout;

const SESSION: &str = "mcp-session-id";
/// Which rmcp compares with the message.
const METHOD: &str = "mcp-method";
/// Begins what stands for a session that has no id yet, and no id.
const EXPECTED: &str = "~";

/// A session in which nothing happens lives longer than any wait, and no longer than somebody who comes back needs.
const SESSION_KEPT: Duration = Duration::from_secs(30 * 60);
const INITIALIZED_WITHIN: Duration = Duration::from_secs(20);
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Of one principal; and of all together.
const SESSIONS_MAX: usize = 64;
const SESSIONS_IN_ALL_MAX: usize = 512;

/// From when whoever waits has its answer to when everything ends.
const ANSWERS_WITHIN: Duration = Duration::from_millis(150);
/// And from then on for the watcher to leave nothing of itself in the store.
const CLOSED_WITHIN: Duration = Duration::from_millis(400);

/// A client that lost its connection comes back for its answer after three seconds, as it is told to.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(10);

/// Leave to have one call more under way, until it is dropped.
pub type Leave = Arc<dyn Send + Sync>;

/// Who sends a request, as the web server found out.
#[derive(Clone)]
pub(super) struct Speaker {
    pub(super) caller: Arc<Caller>,
    /// Does the request belong to a session that was begun before?
    pub(super) in_session: bool,
    pub(super) reader: Reader,
    /// Kept as long as the call is under way, whoever waits for its answer.
    _leave: Leave,
}

impl Speaker {
    /// Returns once it is known that nobody comes back for the answer. In a session a connection that ended cancels
    /// nothing: its client may come back for what is said from then on. Without one, rmcp cancels the call.
    pub(super) async fn is_gone(&self) {
        if !self.in_session {
            return std::future::pending().await;
        }
        self.reader.is_gone().await;
        sleep(COMES_BACK_WITHIN).await;
    }
}

#[cfg(not(feature = "conformance"))]
type Served = Server;

#[cfg(not(feature = "conformance"))]
fn served(server: Server) -> Served {
    server
}

/// With what the protocol's own test suite calls by name, around the real server.
#[cfg(feature = "conformance")]
type Served = crate::mcp::fixtures::Fixtures<Server>;

#[cfg(feature = "conformance")]
fn served(server: Server) -> Served {
    Served::around(server)
}

pub struct Web {
    desk: Arc<dyn Desk>,
    service: Service,
    newsroom: Arc<Newsroom>,
    ending: Ending,
    sessions: Arc<LocalSessionManager>,
    streamable: StreamableHttpService<Served, LocalSessionManager>,
    /// Whose session each is: another principal that knows its id has nothing of it.
    owners: Mutex<HashMap<String, Owner>>,
    pipes: Mutex<HashMap<String, (String, Arc<Pipe>)>>,
    /// Counts what sessions are asked for, and those that are about to begin.
    expected: AtomicU64,
    waits: Arc<Waits>,
    stop: tokio_util::sync::CancellationToken,
}

/// Whose a session is.
struct Owner {
    principal: String,
    /// The id of the token that was shown for it last.
    token: Option<String>,
    /// When, among all requests, it was used last.
    used: u64,
    /// Requests and streams of it that are open.
    open: Arc<()>,
}

/// As much of a message as says what it is.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow)]
    method: Option<std::borrow::Cow<'a, str>>,
}

/// As much of it as says which it is.
#[derive(Deserialize)]
struct Numbered {
    id: Value,
}

impl Web {
    /// `caller` is what is known of calls that nobody in particular makes.
    pub fn new(desk: Arc<dyn Desk>, caller: Caller, service: Service) -> Arc<Web> {
        let ending = Ending::new();
        let own = Arc::new(Calls::new(desk.clone(), caller.clone(), service.grace_secs));
        let newsroom = Arc::new(Newsroom::new(own));
        let mut sessions = LocalSessionManager::default();
        sessions.session_config.keep_alive = Some(SESSION_KEPT);
        sessions.session_config.init_timeout = Some(INITIALIZED_WITHIN);
        let sessions = Arc::new(sessions);
        let stop = tokio_util::sync::CancellationToken::new();
        // Who may knock at which address is decided before anything comes here.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(usize::MAX)
            .with_json_response(true)
            .with_cancellation_token(stop.clone());
        let (for_each, room, end) = (desk.clone(), newsroom.clone(), ending.clone());
        let waits: Arc<Waits> = Arc::default();
        let for_all = waits.clone();
        let of_sessions = service.clone();
        let make = move || {
            let calls = Arc::new(Calls::new(for_each.clone(), caller.clone(), service.grace_secs).of_one_client());
            Ok(served(
                Server::new(calls, Arc::new(Hub::new(room.clone())), of_sessions.clone(), end.clone())
                    .behind_web(for_all.clone()),
            ))
        };
        let streamable = StreamableHttpService::new(make, sessions.clone(), config);
        let (owners, pipes, expected) = Default::default();
        Arc::new(Web { desk, service, newsroom, ending, sessions, streamable, owners, pipes, expected, waits, stop })
    }

    /// `/mcp`: a message, or the stream of a session.
    pub async fn streamable(
        self: &Arc<Web>,
        request: Request<Bytes>,
        speaker: Arc<Caller>,
        token: Option<String>,
        leave: Leave,
    ) -> Response<Body> {
        let principal = name_of(&speaker);
        let named = request.headers().get(SESSION).map(|id| id.to_str().unwrap_or_default().to_owned());
        let mut in_use = None;
        if let Some(id) = &named {
            match lock(&self.owners).get_mut(id) {
                Some(owner) if owner.principal == principal => {
                    owner.token.clone_from(&token);
                    owner.used = self.expected.fetch_add(1, Ordering::Relaxed);
                    in_use = Some(owner.open.clone());
                }
                _ => return refusal(StatusCode::NOT_FOUND, &no_session()),
            }
        }
        let (mut parts, body) = request.into_parts();
        let ends_session = parts.method == Method::DELETE;
        let has_body = !body.is_empty();
        let begins_session = named.is_none() && is_initialize(&parts.method, &body);
        // The id of a session is in the headers of its first answer, which so cannot come before it.
        let takes_long = (!begins_session && may_take_long(&parts)).then(|| id_in(&body));
        let place = match begins_session.then(|| self.place(&principal)).transpose() {
            Ok(place) => place,
            Err(full) => return refusal(StatusCode::TOO_MANY_REQUESTS, &full),
        };
        let (reader, reading) = Reader::new();
        parts.extensions.insert(Speaker { caller: speaker, in_session: named.is_some(), reader, _leave: leave });
        let request = Request::from_parts(parts, Full::new(body));
        let service = self.streamable.clone();
        let answer = async move { service.handle(request).await };
        let mut response = match (place, takes_long) {
            (Some(place), _) => self.begun(place, token, answer).await,
            (None, Some(id)) => patience::answered(id, answer).await,
            (None, None) => answer.await,
        };
        if has_body && response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // It is JSON, which was checked at the door, or is meant to be.
            return no_message();
        }
        if response.status() == StatusCode::NOT_ACCEPTABLE {
            let error = Error::invalid("MCP answers in JSON or in a stream of events, and a client takes both")
                .hint("send `Accept: application/json, text/event-stream`; plain calls are at `/api/v1/…`");
            return refusal(StatusCode::NOT_ACCEPTABLE, &error);
        }
        if ends_session && response.status() == StatusCode::ACCEPTED {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        if let Some(id) = named.filter(|_| ends_session || response.status() == StatusCode::INTERNAL_SERVER_ERROR)
            && !self.is_alive(&id).await
        {
            lock(&self.owners).remove(&id);
            if !ends_session {
                return refusal(StatusCode::NOT_FOUND, &no_session());
            }
        }
        let ends = move |took_all| {
            drop(in_use);
            reading.ends(took_all);
        };
        response.map(|body| watched(body, ends))
    }

    /// The answer of a request that begins a session. Its client may hang up at any moment of that: then the session has its
    /// place all the same, and ends at once, as nobody knows its id.
    async fn begun(
        self: &Arc<Web>,
        place: Place,
        token: Option<String>,
        answer: impl Future<Output = Response<Body>> + Send + 'static,
    ) -> Response<Body> {
        let web = self.clone();
        let beginning = tokio::spawn(async move {
            let response = answer.await;
            let id = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
            let Some(id) = id.filter(|_| response.status().is_success()) else { return response };
            place.take(&id, token);
            let ends = move |took_all: bool| {
                if !took_all {
                    web.forget(id);
                }
            };
            response.map(|body| watched(body, ends))
        });
        beginning.await.unwrap_or_else(|stopped| refusal(StatusCode::INTERNAL_SERVER_ERROR, &Error::internal(stopped)))
    }

    fn forget(&self, id: String) {
        lock(&self.owners).remove(&id);
        let sessions = self.sessions.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { sessions.close_session(&Arc::from(id)).await.ok() });
        }
    }

    /// `/sse`: a session of the older transport, whose messages come to `/messages`.
    pub fn open_pipe(self: &Arc<Web>, speaker: Arc<Caller>) -> Response<Body> {
        let principal = name_of(&speaker);
        let _place = match self.place(&principal) {
            Ok(place) => place,
            Err(full) => return refusal(StatusCode::TOO_MANY_REQUESTS, &full),
        };
        let mut id = [0; 16];
        if let Err(cause) = unguessable(&mut id) {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, &Error::internal(cause));
        }
        let id = format!("{:032x}", u128::from_be_bytes(id));
        let calls = Calls::new(self.desk.clone(), Caller::clone(&speaker), self.service.grace_secs).of_one_client();
        let endpoint = format!("/messages?sessionId={id}");
        let (pipe, body) = pipe::open(
            calls,
            self.newsroom.clone(),
            self.waits.clone(),
            self.service.clone(),
            self.ending.clone(),
            &endpoint,
        );
        lock(&self.pipes).insert(id, (principal, Arc::new(pipe)));
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// `/messages?sessionId=…`: a message for such a session.
    pub async fn post_to_pipe(&self, id: &str, body: &[u8], speaker: &Caller, leave: Leave) -> Response<Body> {
        let pipe =
            lock(&self.pipes).get(id).filter(|(owner, _)| *owner == name_of(speaker)).map(|(_, pipe)| pipe.clone());
        let Some(pipe) = pipe else { return refusal(StatusCode::NOT_FOUND, &no_session()) };
        let heard = match understand(body) {
            Heard::Wrong(error) if is_no_json(&error) => {
                return refusal(StatusCode::BAD_REQUEST, &Error::invalid("the body is not JSON"));
            }
            heard => heard,
        };
        match pipe.post(heard, leave).await {
            Post::Taken => {}
            Post::NotTaken => {
                let error = Error::new(Kind::Busy, "this session takes no more messages until its answers are read");
                return refusal(StatusCode::TOO_MANY_REQUESTS, &error.hint("read its stream, then post again"));
            }
            Post::Ended => return refusal(StatusCode::NOT_FOUND, &no_session()),
        }
        let mut response = Response::new(Full::new(Bytes::from_static(b"Accepted")).boxed());
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    /// How much waits, over MCP and otherwise.
    pub fn waits(&self) -> &Arc<Waits> {
        &self.waits
    }

    /// Rings at every event.
    pub fn event_bell(&self) -> EventBell {
        self.newsroom.event_bell()
    }

    /// Sessions that live, of both transports.
    pub fn sessions(&self) -> usize {
        lock(&self.owners).len() + lock(&self.pipes).values().filter(|(_, pipe)| !pipe.is_closed()).count()
    }

    /// These tokens are good no more, and so are the sessions for which they were shown.
    pub async fn end_sessions_of(&self, tokens: &[String]) {
        let is_theirs = |owner: &Owner| owner.token.as_ref().is_some_and(|token| tokens.contains(token));
        let ended: Vec<String> = lock(&self.owners).extract_if(|_, owner| is_theirs(owner)).map(|(id, _)| id).collect();
        for id in ended {
            if let Err(error) = self.sessions.close_session(&Arc::from(id)).await {
                tracing::warn!("a session whose token was revoked could not be ended: {error}");
            }
        }
    }

    /// The tokens for which sessions live.
    pub fn tokens_of_sessions(&self) -> Vec<String> {
        lock(&self.owners).values().filter_map(|owner| owner.token.clone()).collect()
    }

    /// Until the end: forgets the sessions that ended by themselves.
    pub async fn sweep(self: Arc<Web>) {
        loop {
            sleep(SWEEP_EVERY).await;
            let known: Vec<String> = lock(&self.owners).keys().cloned().collect();
            for id in known {
                if !id.starts_with(EXPECTED) && !self.is_alive(&id).await {
                    lock(&self.owners).remove(&id);
                }
            }
            lock(&self.pipes).retain(|_, (_, pipe)| !pipe.is_closed());
        }
    }

    /// Whoever waits gets their answer now, and then all sessions end.
    pub async fn end(&self) {
        self.ending.begin();
        sleep(ANSWERS_WITHIN).await;
        self.stop.cancel();
        let newsroom = self.newsroom.clone();
        if timeout(CLOSED_WITHIN, spawn_blocking(move || newsroom.close())).await.is_err() {
            tracing::warn!("the store is busy: it keeps the doorbell of this server until another clears it away");
        }
    }

    pub fn end_begins(&self) {
        self.ending.begin();
    }

    async fn is_alive(&self, id: &str) -> bool {
        self.sessions.has_session(&Arc::from(id)).await.unwrap_or(false)
    }

    /// Room for one session more, kept for it until it is there. Many may begin at once.
    fn place(self: &Arc<Web>, principal: &str) -> Result<Place, Error> {
        let mut owners = lock(&self.owners);
        let mut pipes = lock(&self.pipes);
        pipes.retain(|_, (_, pipe)| !pipe.is_closed());
        let all = owners.values().map(|owner| &owner.principal).chain(pipes.values().map(|(owner, _)| owner));
        let (own, in_all) = all.fold((0, 0), |(own, all), owner| (own + usize::from(owner == principal), all + 1));
        // Clients mostly leave without a word. One that comes back to a session that had to go begins another.
        let is_idle = |owner: &Owner| owner.principal == principal && Arc::strong_count(&owner.open) == 1;
        let is_full = own >= SESSIONS_MAX || in_all >= SESSIONS_IN_ALL_MAX;
        let idle = owners.iter().filter(|(id, owner)| !id.starts_with(EXPECTED) && is_idle(owner));
        if is_full && let Some(id) = idle.min_by_key(|(_, owner)| owner.used).map(|(id, _)| id.clone()) {
            owners.remove(&id);
            let sessions = self.sessions.clone();
            tokio::spawn(async move { sessions.close_session(&Arc::from(id)).await.ok() });
        } else if is_full {
            return Err(Error::new(Kind::Busy, "there are as many sessions as there may be")
                .hint("end sessions that you no longer need; they end by themselves when nobody uses them"));
        }
        let name = format!("{EXPECTED}{}", self.expected.fetch_add(1, Ordering::Relaxed));
        let owner = Owner { principal: principal.to_owned(), token: None, used: 0, open: Arc::default() };
        owners.insert(name.clone(), owner);
        Ok(Place { web: self.clone(), name, principal: principal.to_owned() })
    }
}

/// The place of a session that begins.
struct Place {
    web: Arc<Web>,
    name: String,
    principal: String,
}

impl Place {
    fn take(self, session: &str, token: Option<String>) {
        let used = self.web.expected.fetch_add(1, Ordering::Relaxed);
        let owner = Owner { principal: self.principal.clone(), token, used, open: Arc::default() };
        lock(&self.web.owners).insert(session.to_owned(), owner);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.web.owners).remove(&self.name);
    }
}

fn name_of(speaker: &Caller) -> String {
    speaker.principal.as_ref().map(|principal| principal.name.clone()).unwrap_or_default()
}

/// Of all requests without a session only a tool's call may. Any other is told by its status and its headers too, such as the
/// id of a session that begins, and these cannot be sent before they are known.
fn may_take_long(parts: &Parts) -> bool {
    parts.method == Method::POST && parts.headers.get(METHOD).is_some_and(|method| method == "tools/call")
}

fn is_initialize(method: &Method, body: &[u8]) -> bool {
    *method == Method::POST
        && serde_json::from_slice::<Glance>(body).is_ok_and(|glance| glance.method.as_deref() == Some("initialize"))
}

fn id_in(body: &[u8]) -> Value {
    serde_json::from_slice::<Numbered>(body).map(|message| message.id).unwrap_or_default()
}

fn no_session() -> Error {
    Error::not_found("there is no such session; it may have ended").hint("begin a new one")
}

/// As JSON-RPC says it.
fn no_message() -> Response<Body> {
    let error =
        serde_json::json!({ "code": -32700, "message": "the body is no message of JSON-RPC, of which it must be one" });
    json(StatusCode::BAD_REQUEST, &serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::mcp::Profile;
    use crate::ops::table;
    use crate::store::doorbell::Hangup;
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::task::yield_now;

    /// Nobody is at it.
    struct Empty;

    impl Desk for Empty {
        fn execute(&self, _: &table::Request, _: &Caller, _: &Hangup) -> Result<table::Reply, Error> {
            Err(Error::internal("nobody is here"))
        }

        fn read_at_once(&self, _: &table::Request, _: &Caller) -> Result<Option<table::Reply>, Error> {
            Ok(None)
        }

        fn take_back(&self, _: &Caller) -> Result<(), Error> {
            Ok(())
        }

        fn has_store(&self) -> bool {
            false
        }

        fn tidy(&self) -> Result<(), Error> {
            Ok(())
        }

        fn leave(&self) {}
    }

    async fn begin(web: Arc<Web>) -> Response<Body> {
        let params = serde_json::json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        });
        let message = serde_json::json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let request = Request::post("/mcp").header(CONTENT_TYPE, "application/json");
        let request = request.header("host", "localhost").header("accept", "application/json, text/event-stream");
        let request = request.body(Bytes::from(message.to_string())).expect("it is a request");
        web.streamable(request, Arc::new(Caller::anonymous(Host::System)), None, Arc::new(())).await
    }

    #[tokio::test]
    async fn whoever_hangs_up_while_their_session_begins_leaves_none_behind() {
        let service = Service { profile: Profile::Full, also: Vec::new(), grace_secs: 0, channel: false };
        let web = Web::new(Arc::new(Empty), Caller::anonymous(Host::System), service);
        // Each a step later than the one before; the last when the answer is there, and not read.
        let mut answered = 0;
        for step in 0..SESSIONS_MAX * 4 {
            let mut begins = Box::pin(begin(web.clone()));
            for _ in 0..step % 32 {
                if poll_fn(|context| Poll::Ready(begins.as_mut().poll(context).is_ready())).await {
                    answered += 1;
                    break;
                }
                yield_now().await;
            }
        }
        assert!(answered > 0, "the steps reach as far as the answer");
        let all_gone = async {
            while web.sessions() > 0 || !web.sessions.sessions.read().await.is_empty() {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), all_gone).await.expect("none of them stays, known or not");
        let begun = begin(web.clone()).await;
        assert_eq!(begun.status(), StatusCode::OK);
        let _ = begun.into_body().collect().await;
        assert_eq!((web.sessions(), web.sessions.sessions.read().await.len()), (1, 1));
    }

    /// Sent before the answer is there, the headers of a session's first answer would be without its id, and an error's
    /// status would be 200.
    #[test]
    fn nothing_but_a_tool_may_take_long() {
        let posted = |named: Option<&str>| {
            let request = Request::post("/mcp");
            let request = named.into_iter().fold(request, |request, name| request.header(METHOD, name));
            request.body(()).expect("the headers are headers").into_parts().0
        };
        assert!(may_take_long(&posted(Some("tools/call"))));
        for quick in [None, Some("initialize"), Some("server/discover"), Some("tools/list")] {
            assert!(!may_take_long(&posted(quick)), "{quick:?}");
        }
    }
}
