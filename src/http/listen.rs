//! Listening: at an address, with or without TLS, and at a socket of this machine; and each connection until its end.

use crate::descendants::is_of_run;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::http::api::ended;
use crate::http::connection::Arrival;
use crate::http::connection::Connection;
use crate::http::garbled::Dressing;
use crate::http::router::Router;
use crate::http::stall::Impatient;
use crate::http::stall::Stream;
use crate::http::visitor::Peer;
use crate::mcp::watched;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::net::UnixListener;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Between two requests, and from the first byte of one to the end of its headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// Whoever comes says who they are within this time, handshake and all.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
pub(super) const HEADERS_MAX: usize = 64;
pub(super) const HEADER_BYTES_MAX: usize = 32 * 1024;
/// For answers that are on their way when the server stops.
const GOODBYE_WITHIN: Duration = Duration::from_millis(700);
/// After the system had no room for one more connection.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

pub(super) async fn at_address(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        let error = Error::new(Kind::Unavailable, format!("cannot listen at {address}: {cause}"));
        match cause.kind() {
            io::ErrorKind::AddrInUse => {
                error.hint("another server listens there: use that, or choose another port with `--http ADDRESS:PORT`")
            }
            _ => error.hint("choose another address with `--http ADDRESS:PORT`"),
        }
    })
}

/// At a socket that only this user can open. One that nobody listens at any more is taken away.
pub(super) fn at_socket(path: &Path) -> io::Result<UnixListener> {
    if path.symlink_metadata().is_ok() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What every connection has of the server.
#[derive(Clone)]
pub(super) struct House {
    /// It ends.
    pub(super) stop: watch::Receiver<bool>,
    /// Held by whoever is still inside.
    pub(super) _inside: mpsc::Sender<()>,
}

/// Somebody's stay, which ends with their connection, whatever ended that.
struct Stay {
    router: Arc<Router>,
    connection: Arc<Connection>,
    house: House,
}

impl Stay {
    async fn of(peer: Peer, arrival: Arrival, router: Arc<Router>, house: House) -> Stay {
        let connection = router.connections.let_in(peer, arrival).await;
        Stay { router, connection, house }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.router.connections.leave(&self.connection);
    }
}

pub(super) async fn accept_tcp(listener: TcpListener, tls: Option<TlsAcceptor>, router: Arc<Router>, house: House) {
    let mut stop = house.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ended(&mut stop) => return,
        };
        let Ok((stream, address)) = accepted else {
            sleep(AFTER_FAILURE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let peer = Peer::Address(address.ip().to_canonical());
        let Some(arrival) = router.connections.arrive(peer) else { continue };
        let (tls, router, house) = (tls.clone(), router.clone(), house.clone());
        tokio::spawn(async move {
            let stay = Stay::of(peer, arrival, router, house).await;
            let stream: Option<Box<dyn Stream>> = match tls {
                None => Some(Box::new(stream)),
                Some(tls) => shake_hands(tls, stream, &stay.connection).await,
            };
            if let Some(stream) = stream {
                serve(stream, &stay).await;
            }
        });
    }
}

async fn shake_hands(
    tls: TlsAcceptor,
    stream: tokio::net::TcpStream,
    connection: &Connection,
) -> Option<Box<dyn Stream>> {
    tokio::select! {
        shaken = timeout(KNOWN_WITHIN, tls.accept(stream)) => match shaken {
            Ok(Ok(stream)) => Some(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::debug!("no TLS with a client: {error}");
                None
            }
            Err(_) => None,
        },
        () = connection.must_go.notified() => None,
    }
}

pub(super) async fn accept_unix(listener: UnixListener, router: Arc<Router>, house: House) {
    let mut stop = house.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ended(&mut stop) => return,
        };
        let Ok((stream, _)) = accepted else {
            sleep(AFTER_FAILURE).await;
            continue;
        };
        let Some(peer) = ours(&stream) else {
            tracing::warn!("another user tried the socket");
            continue;
        };
        let Some(arrival) = router.connections.arrive(peer) else { continue };
        let (router, house) = (router.clone(), house.clone());
        tokio::spawn(async move {
            let stay = Stay::of(peer, arrival, router, house).await;
            serve(Box::new(stream), &stay).await;
        });
    }
}

/// The same user, who can read the store as well.
fn ours(stream: &UnixStream) -> Option<Peer> {
    let peer = stream.peer_cred().ok().filter(|peer| peer.uid() == rustix::process::geteuid().as_raw())?;
    // What people decide is not for a worker, by whatever program it asks.
    Some(if peer.pid().is_some_and(is_of_run) { Peer::Worker } else { Peer::Socket })
}

async fn serve(stream: Box<dyn Stream>, stay: &Stay) {
    let connection = &stay.connection;
    let mut stop = stay.house.stop.clone();
    let stream = Dressing::new(Impatient::new(stream), stay.router.clone());
    let under_way = stream.under_way();
    let answer = move |request| {
        let (router, connection, under_way) = (stay.router.clone(), connection.clone(), under_way.upgrade());
        async move {
            let response = router.answer(request, &connection).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| watched(body, move |_| drop(under_way))))
        }
    };
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    tokio::pin!(conversation);
    let too_late = async {
        sleep(KNOWN_WITHIN).await;
        if !connection.is_stranger() {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = &mut conversation => ended,
        () = connection.must_go.notified() => return,
        () = too_late => return,
        () = ended(&mut stop) => {
            conversation.as_mut().graceful_shutdown();
            timeout(GOODBYE_WITHIN, conversation).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}
