//! Connections to a server: made when there is need of one, kept for the next call, and given up when they have been idle.

use crate::config::Address;
use crate::error::Error;
use crate::error::Kind;
use crate::host::Deadline;
use crate::remote::Trouble;
use crate::remote::Way;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::InvalidMessage;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How many wait for the next calls: as many as a session has calls at once, mostly.
const IDLE_MAX: usize = 8;
/// What has been idle for longer, the server may be about to close.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// Of one attempt, with its handshakes.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// Of a certificate's names, as many as somebody reads.
const NAMES_MAX: usize = 5;

/// One connection. Closed when it is dropped, whatever is under way on it.
pub(super) struct Wire {
    pub(super) sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    /// It has carried a call before.
    pub(super) is_used: bool,
    good_until: Deadline,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Wire>>,
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Pool {
    /// One that is there, or a new one.
    pub(super) async fn wire(&self, way: &Way) -> Result<Wire, Trouble> {
        if let Some(wire) = self.take() {
            return Ok(wire);
        }
        timeout(CONNECTS_WITHIN, self.connect(way))
            .await
            .unwrap_or_else(|_| Err(Trouble::NotSent(format!("no answer within {} s", CONNECTS_WITHIN.as_secs()))))
    }

    fn take(&self) -> Option<Wire> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|wire| !wire.sender.is_closed() && !wire.good_until.passed());
        // The one used last is the least likely to be closed just now.
        let at = idle.iter().rposition(|wire| wire.sender.is_ready())?;
        Some(idle.remove(at))
    }

    pub(super) fn give_back(&self, mut wire: Wire) {
        wire.is_used = true;
        wire.good_until = Deadline::after(IDLE_FOR);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !wire.sender.is_closed() {
            idle.push(wire);
        }
    }

    async fn connect(&self, way: &Way) -> Result<Wire, Trouble> {
        let failed = |cause: io::Error| Trouble::NotSent(cause.to_string());
        match &way.server.address {
            Address::Socket(path) => wired(UnixStream::connect(path).await.map_err(failed)?).await,
            Address::Host { name, port, tls: false } => wired(tcp(name, *port).await.map_err(failed)?).await,
            Address::Host { name, port, tls: true } => {
                let config = self.tls(way).map_err(Trouble::Final)?;
                let server = ServerName::try_from(name.clone())
                    .map_err(|_| Trouble::Final(way.unreachable("its name is none that a certificate could have")))?;
                let stream = tcp(name, *port).await.map_err(failed)?;
                match TlsConnector::from(config).connect(server, stream).await {
                    Ok(stream) => wired(stream).await,
                    Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                        Err(Trouble::Final(distrusted(way, &cause)))
                    }
                    Err(cause) => Err(failed(cause)),
                }
            }
        }
    }

    /// Whom this machine trusts, read once.
    fn tls(&self, way: &Way) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        // What of them cannot be read vouches for nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &way.ca {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|cause| no_certificates(path, &cause))?;
            }
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.tls.get_or_init(|| Arc::new(config)).clone())
    }
}

/// Whether somebody who vouches can be read from there is known before anybody is asked.
pub fn must_hold_certificates(path: &Path) -> Result<(), Error> {
    certificates(path).map(drop)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(no_certificates(path, &"none is in it")),
        Err(cause) => Err(no_certificates(path, &cause)),
    }
}

fn no_certificates(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("`{}` cannot be read as certificates in PEM: {cause}", path.display()))
        .hint("name the certificate of whoever vouches for the server with `--ca`")
}

fn distrusted(way: &Way, cause: &io::Error) -> Error {
    let url = way.server.url();
    let cause = cause.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let certificate = match cause {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            return Error::new(Kind::Unavailable, format!("`{url}` does not speak TLS"))
                .hint("its address is `http://…`, if it is this machine's");
        }
        Some(rustls::Error::InvalidCertificate(certificate)) => certificate,
        cause => return way.unreachable(&cause.map_or_else(String::new, ToString::to_string)),
    };
    let (why, hint) = blamed(certificate, way);
    Error::new(Kind::Unavailable, format!("`{url}` is not trusted: {why}")).hint(hint)
}

/// What is wrong with a certificate, and what helps.
fn blamed(certificate: &CertificateError, way: &Way) -> (String, String) {
    match certificate {
        // Somebody of the same name as who vouches for it is known here, and did not sign it: that is no other case.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => match &way.ca {
            None => (
                "nobody whom this machine trusts vouches for its certificate".to_owned(),
                "name its certificate, or that of whoever vouches for it, with `--ca FILE`".to_owned(),
            ),
            Some(path) => (
                format!(
                    "neither `{}` nor anybody whom this machine trusts vouches for its certificate",
                    path.display()
                ),
                "name with `--ca FILE` what whoever runs the server gave to `--tls-cert`, or who signed that"
                    .to_owned(),
            ),
        },
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "its certificate has no name".to_owned(),
            "make it with `subjectAltName=DNS:NAME`: what its subject is called is none".to_owned(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => (
            "its certificate is for another name".to_owned(),
            format!("call it by a name in its certificate: {}", names(presented)),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("its certificate has expired".to_owned(), "whoever runs the server renews it".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet".to_owned(),
            "compare the clock here with that of whoever made it".to_owned(),
        ),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "its certificate is one that vouches for others, and so cannot be its own".to_owned(),
            "make the server's certificate with `basicConstraints=critical,CA:FALSE`, then name it with `--ca FILE`"
                .to_owned(),
        ),
        other => (other.to_string(), "ask whoever runs the server for another certificate".to_owned()),
    }
}

/// They come as `DnsName("team.example")` and `IpAddress(10.0.0.1)`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let name = name.split_once('(').map_or(name.as_str(), |(_, name)| name);
        format!("`{}`", name.trim_end_matches(')').trim_matches('"'))
    };
    presented.iter().take(NAMES_MAX).map(bare).collect::<Vec<String>>().join(", ")
}

/// `localhost` is this machine, whoever answers for names.
async fn tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    let stream = match name {
        "localhost" => match TcpStream::connect((IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await {
            Ok(stream) => stream,
            Err(_) => TcpStream::connect((IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await?,
        },
        name => TcpStream::connect((name, port)).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn wired<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Result<Wire, Trouble> {
    let greeted = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = greeted.map_err(|cause| Trouble::NotSent(cause.to_string()))?;
    let driver = tokio::spawn(async move {
        // Whoever waits for an answer on it is told the same.
        if let Err(cause) = connection.await {
            tracing::debug!("a connection ended: {cause}");
        }
    });
    Ok(Wire { sender, driver: driver.abort_handle(), is_used: false, good_until: Deadline::after(IDLE_FOR) })
}
