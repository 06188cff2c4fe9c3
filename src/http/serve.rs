//! The server from its start to its end.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::http::api::Api;
use crate::http::connection::Connections;
use crate::http::door::Names;
use crate::http::expiry::Expiries;
use crate::http::intake::Intake;
use crate::http::introduce::Introduced;
use crate::http::lapses::Lapses;
use crate::http::limits::CALLS_IN_ALL_MAX;
use crate::http::limits::Limits;
use crate::http::listen;
use crate::http::listen::House;
use crate::http::metrics::Requests;
use crate::http::owner;
use crate::http::readiness::Readiness;
use crate::http::router::Router;
use crate::http::tls;
use crate::http::wrong::Wrong;
use crate::mcp::Service;
use crate::mcp::Web;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::table;
use crate::store::doorbell::Hangup;
use crate::store::place::Place;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio::time::timeout;

/// Threads beside those of the calls.
const OTHER_THREADS_MAX: usize = 64;
const WORKERS_MAX: usize = 4;
/// For answers that are on their way, and for whoever waited to get theirs.
const GOODBYES_WITHIN: Duration = Duration::from_millis(800);
/// For taking down the doorbells that are kept in the store.
const DEPARTURE_WITHIN: Duration = Duration::from_millis(400);
const TIDY_EVERY: Duration = Duration::from_secs(100);

/// What a server is asked to be.
#[derive(Clone, Debug)]
pub struct Settings {
    pub address: SocketAddr,
    /// The names it is called by, beside those of this machine to itself.
    pub hosts: Vec<String>,
    /// Pages that may call it.
    pub origins: Vec<String>,
    /// Certificate chain and key, in PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub service: Service,
}

/// Where it is heard, once it is.
#[derive(Clone, Debug)]
pub struct Heard {
    pub url: String,
    pub socket: Option<PathBuf>,
    pub token_file: PathBuf,
}

/// How many readers stand on the store beside the one that writes.
pub fn readers() -> usize {
    workers() + 1
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, WORKERS_MAX)
}

/// Serves until the process is told to end. `heard` is told once it listens.
pub fn serve(
    desk: LocalDesk,
    place: &Place,
    settings: Settings,
    heard: impl FnOnce(&Heard) -> Result<()>,
) -> Result<()> {
    must_be_guarded(&desk, &settings)?;
    make_room_for_connections();
    owner::ensure(&desk, &place.owner_token())?;
    let tls = settings.tls.as_ref().map(|(chain, key)| tls::acceptor(chain, key)).transpose()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers())
        .max_blocking_threads(CALLS_IN_ALL_MAX + OTHER_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    let outcome = runtime.block_on(async {
        let listener = listen::at_address(settings.address).await?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let (stop, stopped) = watch::channel(false);
        let desk = Arc::new(desk);
        let nobody = Caller { process: Host::System.process(), ..Caller::anonymous(desk.host().clone()) };
        let web = Web::new(desk.clone(), nobody, settings.service);
        let expiries = Arc::new(Expiries::default());
        let router = Arc::new(Router {
            api: Arc::new(Api { desk: desk.clone(), stop: stopped.clone() }),
            web: web.clone(),
            names: Names::new(address.port(), tls.is_some(), &settings.hosts, &settings.origins),
            tls: tls.is_some(),
            connections: Connections::default(),
            limits: Limits::default(),
            intake: Intake::default(),
            introduced: Introduced::default(),
            wrong: Wrong::default(),
            requests: Requests::default(),
            lapses: Lapses::default(),
            expiries: expiries.clone(),
            readiness: Readiness::default(),
        });
        router.lapses.count(&router.api).await;
        let (inside, mut all_left) = mpsc::channel(1);
        let house = House { stop: stopped, _inside: inside };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let socket = place.socket();
        let socket = match listen::at_socket(&socket) {
            Ok(listener) => {
                tokio::spawn(listen::accept_unix(listener, router.clone(), house.clone()));
                Some(socket)
            }
            Err(error) => {
                tracing::warn!("not heard at `{}`: {error}", socket.display());
                None
            }
        };
        tokio::spawn(listen::accept_tcp(listener, tls, router, house));
        tokio::spawn(web.clone().sweep());
        tokio::spawn(expiries.look(desk.clone(), web.clone()));
        tokio::spawn(tidy(desk.clone()));
        let told = heard(&Heard {
            url: format!("{scheme}://{address}"),
            socket: socket.clone(),
            token_file: place.owner_token(),
        });
        // Where nobody could be told, it ends at once, and in the same way, so that it leaves nothing behind.
        if told.is_ok() {
            told_to_end().await;
        }
        // First whoever waits gets their answer, while there is still somebody to give it to.
        web.end_begins();
        stop.send_replace(true);
        // Each connection closes once its answers are sent; when the last has, nobody holds the door any more.
        let _ = tokio::join!(web.end(), timeout(GOODBYES_WITHIN, all_left.recv()));
        if let Some(socket) = socket {
            let _ = std::fs::remove_file(socket);
        }
        if timeout(DEPARTURE_WITHIN, spawn_blocking(move || desk.leave())).await.is_err() {
            tracing::warn!("the store is busy: it keeps the doorbells of this server until another clears them away");
        }
        told
    });
    runtime.shutdown_background();
    outcome
}

/// A connection is an open file, and the system's first word on how many there may be is mostly a low one.
fn make_room_for_connections() {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err() {
        tracing::warn!("there may be no more than {:?} open files, and so connections", limit.current);
    }
}

/// What others can reach wants more than what only this machine can.
fn must_be_guarded(desk: &LocalDesk, settings: &Settings) -> Result<()> {
    if settings.address.ip().is_loopback() {
        return Ok(());
    }
    let refuse = |why: &str, hint: &str| {
        Err(Error::new(Kind::Refused, format!("{} can be reached by others, and {why}", settings.address)).hint(hint))
    };
    if settings.hosts.is_empty() {
        return refuse(
            "no name was told by which they may call it",
            "name each with `--host team.example`; what is called by another name is refused",
        );
    }
    let nobody = Caller::anonymous(desk.host().clone());
    let tokens = desk.execute(&table::own_request("list_tokens", json!({}))?, &nobody, &Hangup::new())?;
    let others = tokens.data["tokens"].as_array().into_iter().flatten();
    if others.filter(|token| token["name"] != crate::model::access::OWNER).count() == 0 {
        return refuse("there is no token for anybody", "make one first: `orch-mcp token create --role worker`");
    }
    Ok(())
}

async fn tidy(desk: Arc<LocalDesk>) {
    loop {
        sleep(TIDY_EVERY).await;
        let desk = desk.clone();
        let _ = spawn_blocking(move || desk.tidy()).await;
    }
}

async fn told_to_end() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = kinds.map(signal);
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (interrupt, terminate, hangup) else {
        tracing::warn!("signals end this process without ceremony: they cannot be caught");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
