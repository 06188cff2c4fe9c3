//! Who is connected: strangers make room for each other, and never take that of those who are known.

use crate::host::Stopwatch;
use crate::http::visitor::Peer;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Connections that have not shown yet who they are. Whoever is known keeps their connection; of strangers the oldest
/// goes when there are too many, so that a new one always gets its moment to say who it is.
const STRANGERS_MAX: usize = 1024;
const STRANGERS_OF_PEER_MAX: usize = 512;
/// That moment. Until the oldest has had it, whoever comes waits outside.
const MOMENT: Duration = Duration::from_millis(100);

/// Of one principal, and in all.
const KNOWN_OF_ONE_MAX: usize = 512;
const KNOWN_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Connections(Mutex<State>);

#[derive(Default)]
struct State {
    strangers: VecDeque<Arc<Connection>>,
    known: HashMap<String, usize>,
}

pub(super) struct Connection {
    pub(super) peer: Peer,
    came: Stopwatch,
    is_known: AtomicBool,
    /// Somebody newer needs its place.
    pub(super) must_go: Notify,
    principal: Mutex<Option<String>>,
}

impl Connections {
    /// Somebody comes, and finds room in a moment.
    pub(super) async fn enter(&self, peer: Peer) -> Arc<Connection> {
        loop {
            match self.enter_now(peer, MOMENT) {
                Some(connection) => return connection,
                None => sleep(MOMENT / 10).await,
            }
        }
    }

    fn enter_now(&self, peer: Peer, moment: Duration) -> Option<Arc<Connection>> {
        let connection = Arc::new(Connection {
            peer,
            came: Stopwatch::start(),
            is_known: AtomicBool::new(false),
            must_go: Notify::new(),
            principal: Mutex::default(),
        });
        let mut state = self.lock();
        let of_peer = state.strangers.iter().filter(|other| other.peer == peer).count();
        let oldest = if of_peer >= STRANGERS_OF_PEER_MAX {
            state.strangers.iter().position(|other| other.peer == peer)
        } else if state.strangers.len() >= STRANGERS_MAX {
            Some(0)
        } else {
            None
        };
        if oldest.is_some_and(|oldest| state.strangers[oldest].came.so_far() < moment) {
            return None;
        }
        if let Some(gone) = oldest.and_then(|oldest| state.strangers.remove(oldest)) {
            gone.must_go.notify_one();
        }
        state.strangers.push_back(connection.clone());
        Some(connection)
    }

    /// They showed who they are. Says no where that principal, or everybody together, has too many connections.
    pub(super) fn is_known(&self, connection: &Arc<Connection>, principal: &str) -> bool {
        if connection.is_known.load(Ordering::Relaxed) {
            return true;
        }
        let mut state = self.lock();
        let in_all: usize = state.known.values().sum();
        let own = state.known.get(principal).copied().unwrap_or_default();
        if own >= KNOWN_OF_ONE_MAX || in_all >= KNOWN_MAX {
            return false;
        }
        state.known.insert(principal.to_owned(), own + 1);
        state.strangers.retain(|other| !Arc::ptr_eq(other, connection));
        *connection.principal.lock().unwrap_or_else(PoisonError::into_inner) = Some(principal.to_owned());
        connection.is_known.store(true, Ordering::Relaxed);
        true
    }

    pub(super) fn leave(&self, connection: &Arc<Connection>) {
        let mut state = self.lock();
        state.strangers.retain(|other| !Arc::ptr_eq(other, connection));
        let principal = connection.principal.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(principal) = principal
            && let Some(count) = state.known.get_mut(&principal)
        {
            *count -= 1;
            if *count == 0 {
                state.known.remove(&principal);
            }
        }
    }

    /// Of strangers, and of those who are known.
    pub(super) fn count(&self) -> (usize, usize) {
        let state = self.lock();
        (state.strangers.len(), state.known.values().sum())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_known.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::net::Ipv4Addr;

    fn peer(last: u8) -> Peer {
        Peer::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)))
    }

    fn enter(connections: &Connections, peer: Peer) -> Arc<Connection> {
        connections.enter_now(peer, Duration::ZERO).expect("the oldest had its moment")
    }

    #[test]
    fn nobody_goes_before_they_had_their_moment() {
        let connections = Connections::default();
        let first = enter(&connections, peer(1));
        let _others: Vec<_> = (1..STRANGERS_OF_PEER_MAX).map(|_| enter(&connections, peer(1))).collect();
        assert!(connections.enter_now(peer(1), Duration::from_secs(3600)).is_none());
        assert!(connections.enter_now(peer(2), Duration::from_secs(3600)).is_some());
        connections.is_known(&first, "amy");
        assert!(connections.enter_now(peer(1), Duration::from_secs(3600)).is_some());
    }

    #[test]
    fn of_too_many_strangers_the_oldest_goes_and_nobody_who_is_known() {
        let connections = Connections::default();
        let friend = enter(&connections, peer(1));
        assert!(connections.is_known(&friend, "amy"));
        let first = enter(&connections, peer(2));
        let others: Vec<_> = (0..STRANGERS_MAX * 2).map(|n| enter(&connections, peer(3 + (n % 4) as u8))).collect();
        assert_eq!(connections.count(), (STRANGERS_MAX, 1));
        assert!(!friend.is_stranger() && first.is_stranger());
        let newest = others.last().expect("there are some");
        assert!(connections.lock().strangers.iter().any(|other| Arc::ptr_eq(other, newest)));
        assert!(!connections.lock().strangers.iter().any(|other| Arc::ptr_eq(other, &first)));
    }

    #[test]
    fn one_address_drives_out_its_own_strangers_first() {
        let connections = Connections::default();
        let other = enter(&connections, peer(1));
        let _flood: Vec<_> = (0..STRANGERS_OF_PEER_MAX * 2).map(|_| enter(&connections, peer(2))).collect();
        assert!(connections.lock().strangers.iter().any(|one| Arc::ptr_eq(one, &other)));
    }

    #[test]
    fn whoever_leaves_is_counted_no_more() {
        let connections = Connections::default();
        let one = enter(&connections, peer(1));
        connections.is_known(&one, "amy");
        connections.is_known(&one, "amy");
        connections.leave(&one);
        connections.leave(&one);
        assert_eq!(connections.count(), (0, 0));
        assert!(connections.lock().known.is_empty());
    }
}
