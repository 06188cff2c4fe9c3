//! Who sends a request, as far as the door found out.

use crate::model::access::Principal;
use std::net::IpAddr;

/// From where a connection comes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Peer {
    Address(IpAddr),
    /// A process of the owner's on this machine: its user was checked when it came.
    Socket,
}

#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub principal: Principal,
}
