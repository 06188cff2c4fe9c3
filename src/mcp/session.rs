//! A session from its first line to the end of the process, whoever ends it.

use crate::error::Error;
use crate::error::Result;
use crate::mcp::Profile;
use crate::mcp::calls::CALLS_MAX;
use crate::mcp::calls::Calls;
use crate::mcp::ending::Ending;
use crate::mcp::newsroom::Newsroom;
use crate::mcp::server::Server;
use crate::mcp::subscriptions::Hub;
use crate::mcp::waker::Bell;
use crate::mcp::waker::ring_while_served;
use crate::mcp::wire::Wire;
use crate::mcp::wire::standard_streams;
use crate::ops::Caller;
use crate::ops::Desk;
use rmcp::RoleServer;
use rmcp::service::RunningService;
use rmcp::service::ServerInitializeError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio::time::timeout;

/// Threads beside those of the calls: presence, taking back, and the streams where they cannot be polled.
const OTHER_THREADS_MAX: usize = 8;

/// An idle thread lives long enough that calls one after the other do not each start one.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A session in which nothing happens still says that it is here, well within its lease.
const PRESENCE_EVERY: Duration = Duration::from_secs(100);

/// How soon the death of a client that left its pipe open to others is noticed.
const PARENT_CHECK_EVERY: Duration = Duration::from_secs(1);

/// From the end of input to the end of the process pass two seconds at most: this long for the answers under way,
const ANSWERS_WITHIN: Duration = Duration::from_millis(1200);

/// and this long for saying that the instance is gone.
const DEPARTURE_WITHIN: Duration = Duration::from_millis(400);

/// What a server is asked to be.
#[derive(Clone, Debug)]
pub struct Service {
    /// Chooses the tools that are listed.
    pub profile: Profile,
    /// Tools that are listed besides.
    pub also: Vec<String>,
    /// How long the claims of a session that ended without a word wait for it.
    pub grace_secs: u32,
    /// Ring by notices through the connection too, for a client that listens for them.
    pub channel: bool,
}

/// Serve one client on standard input and output until it ends, the process is told to end, or the client dies.
///
/// `caller` is what is known of every call.
pub fn serve_stdio(desk: Arc<dyn Desk>, caller: Caller, service: Service) -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CALLS_MAX + OTHER_THREADS_MAX)
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .build()
        .map_err(Error::internal)?;
    let outcome = runtime.block_on(session(Arc::new(Calls::new(desk, caller, service.grace_secs)), service));
    // A call that is still at work did not answer in time; the process does not wait for it.
    runtime.shutdown_background();
    outcome
}

async fn session(calls: Arc<Calls>, service: Service) -> Result<()> {
    let ending = Ending::new();
    tokio::spawn(end_on_signals(ending.clone()));
    tokio::spawn(end_with_parent(ending.clone()));
    tokio::spawn(stay_present(calls.clone()));
    tokio::spawn(ring_while_served(calls.clone(), Bell::Inbox, ending.clone()));
    let newsroom = Arc::new(Newsroom::new(calls.clone()));
    let hub = Arc::new(Hub::new(newsroom.clone()));
    let has_channel = service.channel;
    let server = Server::new(calls.clone(), hub, service, ending.clone());
    let transport = Wire::new(standard_streams(), calls.clone(), ending.clone());
    let begun = transport.begun();
    let outcome = match rmcp::serve_server(server, transport).await {
        Ok(running) => {
            // On this runtime the loop that reads on has not run yet, so it finds this set.
            begun.store(true, Ordering::Relaxed);
            if has_channel {
                let bell = Bell::Channel(running.peer().clone());
                tokio::spawn(ring_while_served(calls.clone(), bell, ending.clone()));
            }
            finished(running, &ending).await;
            Ok(())
        }
        Err(reason) => never_begun(reason),
    };
    let departure = spawn_blocking(move || {
        newsroom.close();
        calls.depart();
        calls.leave();
    });
    if timeout(DEPARTURE_WITHIN, departure).await.is_err() {
        tracing::warn!("the store is busy: the instance will be seen as gone when its lease lapses");
    }
    outcome
}

/// Returns when all answers are written, or when it has taken too long after the end began.
pub(super) async fn finished(running: RunningService<RoleServer, Server>, ending: &Ending) {
    let too_long = async {
        ending.begun().await;
        sleep(ANSWERS_WITHIN).await;
    };
    tokio::select! {
        _ = running.waiting() => {}
        () = too_long => tracing::warn!("some calls were still at work when the session ended"),
    }
}

fn never_begun(reason: ServerInitializeError) -> Result<()> {
    match reason {
        // The client went away before it wanted anything.
        ServerInitializeError::ConnectionClosed(_)
        | ServerInitializeError::TransportError { .. }
        | ServerInitializeError::Cancelled => Ok(()),
        reason => Err(Error::invalid(format!("the session could not begin: {reason}"))),
    }
}

async fn end_on_signals(ending: Ending) {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = kinds.map(signal);
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (interrupt, terminate, hangup) else {
        tracing::warn!("signals end this process without ceremony: they cannot be caught");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    ending.begin();
}

/// A client that was killed closes its end of the pipe, unless something it started holds that open.
async fn end_with_parent(ending: Ending) {
    let parent = rustix::process::getppid();
    while rustix::process::getppid() == parent {
        sleep(PARENT_CHECK_EVERY).await;
    }
    ending.begin();
}

async fn stay_present(calls: Arc<Calls>) {
    loop {
        sleep(PRESENCE_EVERY).await;
        let tidied = calls.clone();
        let _ = spawn_blocking(move || tidied.tidy()).await;
        let calls = calls.clone();
        // A panic in it was logged; the next turn tries again.
        let _ = spawn_blocking(move || calls.keep_present()).await;
    }
}
