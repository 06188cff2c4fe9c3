//! Certificates and keys that are for tests and for nothing else. They are good until 2126.

/// Of `localhost` and 127.0.0.1.
pub const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/tls/certificate.pem");
pub const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/tls/key.pem");

/// Of team.example, *.team.example and 10.0.0.7. Whoever signed it has the same name as who signed the other, and another key.
pub const NAMESAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/tls/namesake.pem");
pub const NAMESAKE_KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/tls/namesake-key.pem");
