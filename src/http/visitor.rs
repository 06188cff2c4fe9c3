//! Who sends a request, as far as the door found out.

use crate::model::access::Access;
use crate::model::access::Principal;
use crate::ops::caller::Origin;
use std::net::IpAddr;

/// From where a connection comes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Peer {
    Address(IpAddr),
    /// A process of the owner's on this machine: its user was checked when it came.
    Socket,
    /// The same, of whom a worker of ours is, or started it.
    Worker,
}

#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub principal: Principal,
    /// The id of the token that they showed; whoever comes by the socket shows none.
    pub token: Option<String>,
}

impl Visitor {
    /// A person's token is a person's word. Any program of theirs reaches the socket.
    pub(super) fn origin(&self) -> Origin {
        if self.token.is_some() && self.principal.access == Access::Human { Origin::Human } else { Origin::Agent }
    }
}
