//! Who is connected: strangers make room for each other, and never take that of those who are known.

use crate::host::Stopwatch;
use crate::http::visitor::Peer;
use crate::ops::quota::Quota;
use crate::ops::quota::Share;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Connections that have not shown yet who they are. Whoever is known keeps their connection; of strangers the oldest
/// goes when there are too many, so that a new one always gets its moment to say who it is.
const STRANGERS_MAX: usize = 1024;
const STRANGERS_OF_PEER_MAX: usize = 512;
/// That moment. Until the oldest has had it, whoever comes waits outside, where there is an end to how many do.
const MOMENT: Duration = Duration::from_millis(100);
const OUTSIDE_OF_PEER_MAX: usize = 1024;
const OUTSIDE_MAX: usize = 1536;

/// Of one principal, and in all.
const KNOWN_OF_ONE_MAX: usize = 512;
const KNOWN_MAX: usize = 1024;

pub(super) struct Connections {
    strangers: Mutex<VecDeque<Arc<Connection>>>,
    known: Arc<Quota<String>>,
    outside: Arc<Quota<Peer>>,
    /// Whoever waits outside, one after the other.
    line: AsyncMutex<()>,
}

impl Default for Connections {
    fn default() -> Connections {
        Connections {
            strangers: Mutex::default(),
            known: Quota::new(KNOWN_OF_ONE_MAX, KNOWN_MAX),
            outside: Quota::new(OUTSIDE_OF_PEER_MAX, OUTSIDE_MAX),
            line: AsyncMutex::default(),
        }
    }
}

/// Somebody came: to whoever opens the door this is done at once, whatever the others do.
pub(super) enum Arrival {
    Inside(Arc<Connection>),
    Outside(Share<Peer>),
}

pub(super) struct Connection {
    pub(super) peer: Peer,
    came: Stopwatch,
    is_known: AtomicBool,
    /// Somebody newer needs its place.
    pub(super) must_go: Notify,
    /// Held as one of those of its principal, once that is known.
    known_as: Mutex<Option<Share<String>>>,
}

impl Connections {
    /// Somebody comes; `None` where too many wait outside already.
    pub(super) fn arrive(&self, peer: Peer) -> Option<Arrival> {
        // Nobody passes by those of their own who wait.
        if self.outside.taken_by(&peer) == 0
            && let Some(connection) = self.enter(peer, MOMENT)
        {
            return Some(Arrival::Inside(connection));
        }
        self.outside.take(peer).map(Arrival::Outside)
    }

    /// They are in as soon as there is room, which is in a moment.
    pub(super) async fn let_in(&self, peer: Peer, arrival: Arrival) -> Arc<Connection> {
        let _outside = match arrival {
            Arrival::Inside(connection) => return connection,
            Arrival::Outside(outside) => outside,
        };
        let _first = self.line.lock().await;
        loop {
            match self.enter(peer, MOMENT) {
                Some(connection) => return connection,
                None => sleep(MOMENT / 10).await,
            }
        }
    }

    fn enter(&self, peer: Peer, moment: Duration) -> Option<Arc<Connection>> {
        let connection = Arc::new(Connection {
            peer,
            came: Stopwatch::start(),
            is_known: AtomicBool::new(false),
            must_go: Notify::new(),
            known_as: Mutex::default(),
        });
        let mut strangers = self.strangers();
        let of_peer = strangers.iter().filter(|other| other.peer == peer).count();
        let oldest = if of_peer >= STRANGERS_OF_PEER_MAX {
            strangers.iter().position(|other| other.peer == peer)
        } else if strangers.len() >= STRANGERS_MAX {
            Some(0)
        } else {
            None
        };
        if oldest.is_some_and(|oldest| strangers[oldest].came.so_far() < moment) {
            return None;
        }
        if let Some(gone) = oldest.and_then(|oldest| strangers.remove(oldest)) {
            gone.must_go.notify_one();
        }
        strangers.push_back(connection.clone());
        Some(connection)
    }

    /// They showed who they are. Says no where that principal, or everybody together, has too many connections.
    pub(super) fn is_known(&self, connection: &Arc<Connection>, principal: &str) -> bool {
        if connection.is_known.load(Ordering::Relaxed) {
            return true;
        }
        let Some(share) = self.known.take(principal.to_owned()) else { return false };
        self.strangers().retain(|other| !Arc::ptr_eq(other, connection));
        *connection.known_as.lock().unwrap_or_else(PoisonError::into_inner) = Some(share);
        connection.is_known.store(true, Ordering::Relaxed);
        true
    }

    pub(super) fn leave(&self, connection: &Arc<Connection>) {
        self.strangers().retain(|other| !Arc::ptr_eq(other, connection));
        connection.known_as.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Of strangers, and of those who are known.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.strangers().len(), self.known.taken())
    }

    fn strangers(&self) -> MutexGuard<'_, VecDeque<Arc<Connection>>> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
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
        connections.enter(peer, Duration::ZERO).expect("the oldest had its moment")
    }

    #[test]
    fn nobody_goes_before_they_had_their_moment() {
        let connections = Connections::default();
        let first = enter(&connections, peer(1));
        let _others: Vec<_> = (1..STRANGERS_OF_PEER_MAX).map(|_| enter(&connections, peer(1))).collect();
        assert!(connections.enter(peer(1), Duration::from_secs(3600)).is_none());
        assert!(connections.enter(peer(2), Duration::from_secs(3600)).is_some());
        connections.is_known(&first, "amy");
        assert!(connections.enter(peer(1), Duration::from_secs(3600)).is_some());
    }

    /// Were it not so, whoever opens the door would stand there with one, and all others behind them.
    #[tokio::test]
    async fn whoever_finds_no_room_waits_outside_and_holds_up_nobody() {
        let connections = Connections::default();
        let flood: Vec<_> = (0..STRANGERS_OF_PEER_MAX).map(|_| enter(&connections, peer(1))).collect();
        // Nobody of them has had their moment, however slow the machine.
        let last = connections.outside.take(peer(1)).expect("there is room outside");
        let waits: Vec<Arrival> = std::iter::from_fn(|| connections.arrive(peer(1))).collect();
        assert_eq!(waits.len(), OUTSIDE_OF_PEER_MAX - 1, "there is an end to it");
        assert!(waits.iter().all(|arrival| matches!(arrival, Arrival::Outside(_))), "nobody passes by who waits");
        assert!(matches!(connections.arrive(peer(2)), Some(Arrival::Inside(_))), "others come in at once");
        drop(waits);
        assert!(flood[0].is_stranger());
        let came = connections.let_in(peer(1), Arrival::Outside(last)).await;
        assert!(came.is_stranger() && connections.outside.taken() == 0);
        assert!(!connections.strangers().iter().any(|other| Arc::ptr_eq(other, &flood[0])), "the oldest went");
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
        assert!(connections.strangers().iter().any(|other| Arc::ptr_eq(other, newest)));
        assert!(!connections.strangers().iter().any(|other| Arc::ptr_eq(other, &first)));
    }

    #[test]
    fn one_address_drives_out_its_own_strangers_first() {
        let connections = Connections::default();
        let other = enter(&connections, peer(1));
        let _flood: Vec<_> = (0..STRANGERS_OF_PEER_MAX * 2).map(|_| enter(&connections, peer(2))).collect();
        assert!(connections.strangers().iter().any(|one| Arc::ptr_eq(one, &other)));
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
    }
}
