//! Where a server elsewhere is: `https://`, `http://` within this machine, or a Unix socket.

use crate::config::Setting;
use crate::config::Source;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use std::net::IpAddr;
use std::path::PathBuf;

const WANTED: &str = "`https://host`, `http://127.0.0.1:3100` or `unix:/path/to/http.sock`";

/// A server that speaks for a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: String,
    pub address: Address,
    /// What stands before every path, where something in front of the server sorts by that.
    pub base: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Host { name: String, port: u16, tls: bool },
    Socket(PathBuf),
}

pub(super) fn read(text: Setting<Option<String>>, plain_http: bool) -> Result<Setting<Option<Server>>> {
    let source = text.source;
    let name = match source {
        Source::Flag(name) | Source::Variable(name) => name,
        Source::File(_) | Source::Default => "",
    };
    let value = text.value.map(|text| Server::parse(&text, name, plain_http)).transpose()?;
    Ok(Setting { value, source })
}

impl Server {
    /// One that was told by another setting.
    pub fn named(url: &str, plain_http: bool) -> Result<Server> {
        Server::parse(url, "--server", plain_http)
    }

    /// `name` is what it was given by: what is wrong may hold a secret, so it is not repeated.
    fn parse(text: &str, name: &str, plain_http: bool) -> Result<Server> {
        let refuse = |why: &str| Err(Error::invalid(format!("`{name}` {why}")).hint(format!("give {WANTED}")));
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            return match path.is_absolute() {
                true => Ok(Server {
                    url: format!("unix:{}", path.display()),
                    address: Address::Socket(path),
                    base: String::new(),
                }),
                false => refuse("names no socket by its absolute path"),
            };
        }
        if text.contains(['@', '?', '#']) {
            return refuse("holds a user, a query or a fragment, and an address has none: a token goes into a file");
        }
        let Ok(uri) = text.parse::<http::Uri>() else { return refuse("is no URL") };
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return refuse("is no URL of a server"),
        };
        let host = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase());
        let Some(host) = host.filter(|host| !host.is_empty()) else { return refuse("names no host") };
        let port = match uri.authority().map(|authority| authority.as_str().rsplit_once(':')) {
            // What follows the last colon of an address in brackets is a part of it.
            Some(Some((_, port))) if !port.ends_with(']') => match port.parse() {
                Ok(0) | Err(_) => return refuse("names a port that is none"),
                Ok(port) => port,
            },
            _ if tls => 443,
            _ => 80,
        };
        let base = uri.path().trim_end_matches('/').to_owned();
        let scheme = if tls { "https" } else { "http" };
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let url = match port == if tls { 443 } else { 80 } {
            true => format!("{scheme}://{shown}{base}"),
            false => format!("{scheme}://{shown}:{port}{base}"),
        };
        if !tls && !is_loopback(&host) && !plain_http {
            let message = format!("`{url}` is another machine, and everybody on the way could read the token");
            return Err(Error::new(Kind::Refused, message)
                .hint("use `https://`, or a tunnel (`ssh -L`); if the network is yours alone, say `--plain-http`"));
        }
        Ok(Server { url, address: Address::Host { name: host, port, tls }, base })
    }

    /// As it may be shown: it holds no secret.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Nobody reaches it but from this machine.
    pub fn is_here(&self) -> bool {
        match &self.address {
            Address::Host { name, .. } => is_loopback(name),
            Address::Socket(_) => true,
        }
    }

    /// The name of its token's file.
    pub fn file_name(&self) -> String {
        let name = match &self.address {
            Address::Host { name, port, .. } => format!("{name}_{port}"),
            Address::Socket(path) => format!("unix{}", path.display()),
        };
        name.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'), "_")
    }
}

pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Server> {
        Server::parse(text, "ORCH_SERVER", false)
    }

    #[test]
    fn an_address_is_read_and_shown_in_one_way() {
        for (text, url, file) in [
            ("https://Team.example/", "https://team.example", "team.example_443"),
            ("https://team.example:8443/orch/", "https://team.example:8443/orch", "team.example_8443"),
            ("http://127.0.0.1:3100", "http://127.0.0.1:3100", "127.0.0.1_3100"),
            ("http://localhost", "http://localhost", "localhost_80"),
            ("http://[::1]:3100", "http://[::1]:3100", "__1_3100"),
            ("https://[fe80::2]", "https://[fe80::2]", "fe80__2_443"),
            ("unix:/run/orch/http.sock", "unix:/run/orch/http.sock", "unix_run_orch_http.sock"),
            ("unix:///run/http.sock", "unix:/run/http.sock", "unix_run_http.sock"),
        ] {
            let server = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((server.url(), server.file_name().as_str()), (url, file), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for text in [
            "https://amy:sesame@team.example",
            "https://team.example/?token=sesame",
            "https://team.example/#sesame",
            "team.example",
            "ftp://sesame",
            "https://",
            "https://sesame:port",
            "https://sesame:0",
            "unix:sesame.sock",
            "",
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind, Kind::Invalid, "{text}");
            assert!(error.message.contains("`ORCH_SERVER`") && !error.message.contains("sesame"), "{text}: {error}");
        }
    }

    #[test]
    fn nobody_on_the_way_may_read_along_unless_that_is_said() {
        assert_eq!(parse("http://team.example:3100").map_err(|error| error.kind), Err(Kind::Refused));
        assert_eq!(parse("http://127.0.0.1.example").map_err(|error| error.kind), Err(Kind::Refused));
        assert!(Server::parse("http://team.example:3100", "--server", true).is_ok());
        assert!(parse("http://127.8.0.1").is_ok_and(|server| server.is_here()));
        assert!(parse("https://team.example").is_ok_and(|server| !server.is_here()));
    }
}
