//! The end of a session: said by whoever notices it first, heard by everyone.

use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone)]
pub(super) struct Ending(Arc<watch::Sender<bool>>);

impl Ending {
    pub(super) fn new() -> Ending {
        Ending(Arc::new(watch::Sender::new(false)))
    }

    pub(super) fn begin(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the end has begun, at once if it already has.
    pub(super) async fn begun(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|ending| *ending).await;
    }
}
