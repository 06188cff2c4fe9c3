//! A desk elsewhere: calls go to a server over HTTP, come back with the same answers, and happen once whatever the line
//! between does.

mod answer;
mod asking;
mod connect;
mod desk;
mod line;

pub use connect::must_hold_certificates;
pub use desk::RemoteDesk;
pub use desk::process;

use crate::config::Server;
use crate::config::Token;
use crate::error::Error;
use crate::error::Kind;
use std::path::PathBuf;
use std::time::Duration;

/// How to get there, and what to show at the door.
#[derive(Clone, Debug)]
pub struct Way {
    pub server: Server,
    pub token: Option<Token>,
    /// Who may vouch for the server, beside those whom this machine trusts.
    pub ca: Option<PathBuf>,
}

impl Way {
    fn unreachable(&self, cause: &str) -> Error {
        Error::new(Kind::Unavailable, format!("`{}` cannot be reached: {cause}", self.server.url()))
            .hint("is it running there? `orch-mcp config` says where the address came from")
    }

    fn no_http(&self) -> Error {
        self.unreachable("what answers there does not speak HTTP").hint("if it speaks TLS, its address is `https://…`")
    }

    /// Of a call that may have been carried out.
    fn lost(&self, cause: &str, key: Option<&str>) -> Error {
        let url = self.server.url();
        match key {
            Some(key) => Error::new(
                Kind::Unavailable,
                format!("`{url}` was lost before it answered ({cause}), and may have done what it was asked"),
            )
            .hint(format!("repeat it with `idempotency_key` `{key}`, and it is done once")),
            None => self.unreachable(cause),
        }
    }
}

/// Why there is no answer yet.
#[derive(Debug)]
enum Trouble {
    /// It did not get there, or not all of it.
    NotSent(String),
    /// It may have got there.
    Lost(String),
    /// The server has too much to do.
    Later(Error),
    /// No, and no again.
    Final(Error),
    /// Whoever asked does not wait any more.
    HungUp,
}

/// How long somebody is willing to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With a server that has answered before: it may be starting again.
    pub lost: Duration,
    /// With one that nobody has seen yet.
    pub never_seen: Duration,
}

impl Patience {
    /// Of commands and sessions.
    pub const COMMAND: Patience = Patience { lost: Duration::from_secs(10), never_seen: Duration::from_secs(3) };

    /// Of somebody who is held up.
    pub fn of(all: Duration) -> Patience {
        Patience { lost: all, never_seen: all }
    }
}
