//! TLS from a certificate and a key that the owner has.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

pub(super) fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor> {
    let wrong = |path: &Path, cause: &dyn fmt::Display| {
        Error::new(Kind::Unavailable, format!("cannot use `{}`: {cause}", path.display()))
            .hint("give a certificate chain to `--tls-cert` and its key to `--tls-key`, both in PEM")
    };
    let certificates: Vec<CertificateDer> =
        CertificateDer::pem_file_iter(chain).and_then(Iterator::collect).map_err(|cause| wrong(chain, &cause))?;
    if certificates.is_empty() {
        return Err(wrong(chain, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|cause| wrong(key, &cause))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|cause| wrong(key, &cause))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
