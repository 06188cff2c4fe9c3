//! TLS, as a server speaks it.

use crate::support::certificate::CERTIFICATE;
use crate::support::certificate::KEY;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::PATIENCE;
use crate::support::web::Server;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::net::TcpStream;
use std::sync::Arc;

fn with_tls() -> Server {
    Server::with(&["--tls-cert", CERTIFICATE, "--tls-key", KEY])
}

fn link(server: &Server) -> Link {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(CERTIFICATE).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    Link::over(Box::new(StreamOwned::new(session, stream)), format!("localhost:{}", server.port))
}

#[test]
fn a_server_speaks_tls_with_the_certificate_it_is_given() {
    let server = with_tls();
    let told = link(&server).ask(&Ask::post("/api/v1/server_status", &json!({})).token(&server.token));
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.header("strict-transport-security").is_some(), "{told:?}");
    let own = format!("https://localhost:{}", server.port);
    assert_eq!(link(&server).ask(&Ask::get("/health").header("Origin", &own)).status, 200);
    let plain = Ask::get("/health").header("Origin", &own.replace("https", "http"));
    assert_eq!(link(&server).ask(&plain).status, 403);
}

#[test]
fn what_is_no_tls_harms_nobody() {
    let server = with_tls();
    let mut kept = link(&server);
    let status = Ask::post("/api/v1/server_status", &json!({})).token(&server.token);
    assert_eq!(kept.ask(&status).status, 200);
    let mut half: Vec<Link> = Vec::new();
    for _ in 0..50 {
        // Somebody who speaks plainly, with a token that then is everybody's: no answer has anything in it.
        let mut plain = server.link();
        plain.send(&status);
        assert!(!String::from_utf8_lossy(&plain.until_closed()).contains("HTTP/1.1 200"));
        let mut garbage = server.link();
        garbage.write(&[0xff; 600]);
        garbage.until_closed();
        let mut hello = server.link();
        hello.write(&[0x16, 0x03, 0x01, 0x02]);
        half.push(hello);
        drop(server.link());
    }
    assert_eq!(kept.ask(&status).status, 200);
    assert_eq!(link(&server).ask(&status).status, 200);
}

#[test]
fn what_is_no_request_is_answered_as_fully_over_tls() {
    let server = with_tls();
    let mut link = link(&server);
    assert_eq!(link.ask(&Ask::get("/health")).status, 200);
    link.write(b"GARBAGE\r\n\r\n");
    let told = link.told().expect("an answer");
    assert_eq!((told.status, told.code().as_str()), (400, "invalid"));
    assert!(told.header("strict-transport-security").is_some() && told.header("x-request-id").is_some(), "{told:?}");
}

#[test]
fn a_certificate_that_is_none_is_told_by_its_name() {
    let home = crate::support::program::Home::new();
    let nothing = home.path("nothing.pem");
    std::fs::write(&nothing, "nothing").unwrap();
    let nothing = nothing.to_str().unwrap();
    for (certificate, key, named) in [
        (nothing, KEY, nothing),
        (CERTIFICATE, nothing, nothing),
        ("/no/such/file.pem", KEY, "/no/such/file.pem"),
        (CERTIFICATE, CERTIFICATE, CERTIFICATE),
    ] {
        let ended =
            home.run(&["serve", "--http", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key, "--json"]);
        let error = ended.expect(6).error();
        assert!(error["message"].as_str().unwrap().contains(named), "{error}");
    }
}
