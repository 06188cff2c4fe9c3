//! The door: is this address meant for us, does a page of somebody else's send this, and who is it?

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::http::visitor::Peer;
use crate::http::visitor::Visitor;
use crate::model::access::Access;
use crate::model::access::Principal;
use crate::ops::LocalDesk;
use crate::ops::token::Secret;
use crate::ops::token::admit;
use crate::ops::token::admit_at_once;
use http::HeaderMap;
use http::header;
use http::request::Parts;
use http::uri::Authority;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// By which names we are called, and which pages may call us.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// `name:port`, in lower case; without a port where that is the scheme's own.
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Names {
    /// The names of this machine to itself, and those that were told.
    pub(super) fn new(port: u16, tls: bool, hosts: &[String], origins: &[String]) -> Names {
        let scheme = if tls { "https" } else { "http" };
        let own_port = if tls { 443 } else { 80 };
        let mut all = Vec::new();
        let mut add = |name: &str| {
            all.push(format!("{name}:{port}"));
            if port == own_port {
                all.push(name.to_owned());
            }
        };
        ["127.0.0.1", "localhost", "[::1]"].into_iter().for_each(&mut add);
        for host in hosts.iter().map(|host| host.to_ascii_lowercase()) {
            match host.parse::<Authority>() {
                // Named with its port, it is behind something that listens there.
                Ok(authority) if authority.port().is_some() => all.push(host),
                _ => {
                    all.push(host.clone());
                    all.push(format!("{host}:{port}"));
                }
            }
        }
        let of_hosts = all.iter().map(|host| format!("{scheme}://{host}"));
        // A proxy in front of us may speak TLS where we do not.
        let proxied = hosts.iter().map(|host| format!("https://{}", host.to_ascii_lowercase()));
        let told = origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        Names { origins: of_hosts.chain(proxied).chain(told).collect(), hosts: all }
    }

    /// Refuses what a page of somebody else's, or a name of somebody else's that leads here, could send.
    pub(super) fn check(&self, parts: &Parts, peer: Peer) -> Result<()> {
        // No browser reaches the socket.
        if matches!(peer, Peer::Socket | Peer::Worker) {
            return Ok(());
        }
        let mut named = parts.headers.get_all(header::HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default().to_ascii_lowercase(),
            _ => return Err(Error::invalid("a request must name its `Host` once")),
        };
        let in_target = parts.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
        if !self.hosts.contains(&host) || in_target.is_some_and(|authority| !self.hosts.contains(&authority)) {
            return Err(Error::new(Kind::Forbidden, "this server does not answer to that `Host`")
                .hint("call it by a name that was told to `serve` with `--host`, or, on its own machine, by its loopback address"));
        }
        for origin in parts.headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
            if !self.origins.contains(&origin) {
                return Err(Error::new(Kind::Forbidden, "pages of that `Origin` may not call this server")
                    .hint("start it with `--origin URL` if they should"));
            }
        }
        // A browser that says so tells the truth; whoever is no browser does not say so.
        let site = text(&parts.headers, "sec-fetch-site");
        if matches!(site, Some("cross-site" | "same-site")) && parts.headers.get(header::ORIGIN).is_none() {
            return Err(Error::new(Kind::Forbidden, "pages of other sites may not call this server"));
        }
        Ok(())
    }
}

/// Who shows which token. Of the socket it is known without one.
pub(super) async fn visitor(desk: &Arc<LocalDesk>, headers: &HeaderMap, peer: Peer) -> Result<Option<Visitor>> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    match (shown.next(), shown.next(), peer) {
        (None, _, Peer::Socket) => Ok(Some(Visitor { principal: Principal::owner(), token: None })),
        (None, _, Peer::Worker) => {
            let principal = Principal { access: Access::Lead, ..Principal::owner() };
            Ok(Some(Visitor { principal, token: None }))
        }
        (Some(shown), None, _) => {
            let Some(secret) = shown.to_str().ok().and_then(bearer).and_then(Secret::read) else { return Ok(None) };
            let token = Some(secret.id.clone());
            let admitted = match admit_at_once(desk, &secret) {
                Some(admitted) => admitted?,
                None => {
                    let desk = desk.clone();
                    spawn_blocking(move || admit(&desk, &secret)).await.map_err(Error::internal)??
                }
            };
            Ok(admitted.map(|principal| Visitor { principal, token }))
        }
        _ => Ok(None),
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a header says of whoever sends it, in UTF-8 as names are. One that says nothing is none, as where a client fills it
/// from a variable that is not set; one that cannot be read is an error, or somebody would act as somebody else.
pub(super) fn said(headers: &HeaderMap, name: &'static str) -> Result<Option<String>> {
    let mut all = headers.get_all(name).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let text = std::str::from_utf8(first.as_bytes()).map(str::trim);
    match (text, all.next()) {
        (Ok(""), None) => Ok(None),
        (Ok(text), None) => Ok(Some(text.to_owned())),
        _ => Err(Error::invalid(format!("the header `{name}` must stand there once, in UTF-8"))),
    }
}

/// A header's text, where it stands there once.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim).filter(|value| !value.is_empty()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use std::net::IpAddr;
    use std::net::Ipv4Addr;

    fn check(names: &Names, headers: &[(&str, &str)]) -> bool {
        let request =
            headers.iter().fold(Request::builder().uri("/mcp"), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).expect("the headers are headers").into_parts();
        names.check(&parts, Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))).is_ok()
    }

    #[test]
    fn only_names_of_ours_are_answered_to() {
        let names = Names::new(3100, false, &["Team.example".to_owned(), "proxy.example:443".to_owned()], &[]);
        for good in [
            "127.0.0.1:3100",
            "localhost:3100",
            "[::1]:3100",
            "LOCALHOST:3100",
            "team.example",
            "team.example:3100",
            "proxy.example:443",
        ] {
            assert!(check(&names, &[("host", good)]), "{good}");
        }
        for bad in ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:3100", "", "127.0.0.1:3100 "] {
            assert!(!check(&names, &[("host", bad)]), "{bad}");
        }
        assert!(!check(&names, &[]));
        assert!(!check(&names, &[("host", "127.0.0.1:3100"), ("host", "evil.example")]));
    }

    #[test]
    fn only_pages_of_ours_may_call() {
        let names = Names::new(3100, false, &["team.example".to_owned()], &["https://board.example/".to_owned()]);
        let from = |origin: &str| check(&names, &[("host", "localhost:3100"), ("origin", origin)]);
        for good in ["http://localhost:3100", "http://127.0.0.1:3100", "https://team.example", "https://board.example"]
        {
            assert!(from(good), "{good}");
        }
        for bad in ["null", "http://localhost", "http://localhost:3101", "https://evil.example", "http://board.example"]
        {
            assert!(!from(bad), "{bad}");
        }
        assert!(!check(&names, &[("host", "localhost:3100"), ("sec-fetch-site", "cross-site")]));
        assert!(check(&names, &[("host", "localhost:3100"), ("sec-fetch-site", "none")]));
    }

    #[test]
    fn a_token_comes_in_one_header_and_nowhere_else() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
