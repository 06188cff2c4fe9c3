//! Tokens under which something is still under way: once one is revoked or expires, that ends too.

use crate::http::api::ended;
use crate::mcp::Web;
use crate::ops::LocalDesk;
use crate::ops::token::lapsed;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// A new request is asked for its token anyway; what is open hears of it soon after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// By the id of the token, who is to be told.
#[derive(Default)]
pub(super) struct Expiries(Mutex<HashMap<String, watch::Sender<bool>>>);

/// Of one token. Whoever came without one has none that could lapse.
pub(super) struct Expiry(Option<watch::Receiver<bool>>);

impl Expiries {
    pub(super) fn of(&self, token: Option<&str>) -> Expiry {
        Expiry(token.map(|id| self.lock().entry(id.to_owned()).or_insert_with(|| watch::channel(false).0).subscribe()))
    }

    /// Until the end: looks whether the tokens are still good under which something is under way.
    pub(super) async fn look(self: Arc<Expiries>, desk: Arc<LocalDesk>, web: Arc<Web>) {
        loop {
            sleep(LOOK_EVERY).await;
            let mut ids = self.under_way();
            ids.extend(web.tokens_of_sessions());
            ids.sort_unstable();
            ids.dedup();
            if ids.is_empty() {
                continue;
            }
            let desk = desk.clone();
            match spawn_blocking(move || lapsed(&desk, ids)).await {
                Ok(Ok(lapsed)) => {
                    self.end(&lapsed);
                    web.end_sessions_of(&lapsed).await;
                }
                Ok(Err(error)) => tracing::warn!("cannot tell whether tokens are still good: {error}"),
                Err(stopped) => tracing::warn!("cannot tell whether tokens are still good: {stopped}"),
            }
        }
    }

    fn under_way(&self) -> Vec<String> {
        let mut told = self.lock();
        told.retain(|_, tell| tell.receiver_count() > 0);
        told.keys().cloned().collect()
    }

    fn end(&self, lapsed: &[String]) {
        let mut told = self.lock();
        for id in lapsed {
            if let Some(tell) = told.remove(id) {
                tell.send_replace(true);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expiry {
    /// Returns once the token opens the door no more.
    pub(super) async fn comes(mut self) {
        match &mut self.0 {
            Some(told) if told.has_changed().is_ok() || *told.borrow() => ended(told).await,
            _ => std::future::pending().await,
        }
    }
}

impl Clone for Expiry {
    fn clone(&self) -> Expiry {
        Expiry(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn only_what_came_with_that_token_ends() {
        let expiries = Expiries::default();
        let (mine, same, theirs, by_socket) =
            (expiries.of(Some("a")), expiries.of(Some("a")), expiries.of(Some("b")), expiries.of(None));
        assert_eq!(expiries.under_way().len(), 2);
        expiries.end(&["a".to_owned()]);
        mine.comes().await;
        same.clone().comes().await;
        for other in [theirs, by_socket] {
            assert!(timeout(LOOK_EVERY * 100, other.comes()).await.is_err());
        }
        drop(same);
        assert!(expiries.under_way().is_empty(), "nobody is asked about for whom nothing is under way");
    }
}
