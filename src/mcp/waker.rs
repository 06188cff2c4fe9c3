//! Rings at the session that this server serves, when something came for it while it is idle.

use crate::claude::inbox;
use crate::mcp::calls::Calls;
use crate::mcp::ending::Ending;
use crate::store::doorbell::Hangup;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How soon a store is noticed that somebody else makes: nothing is made here, so there is no bell to hang up before.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn ring_while_served(calls: Arc<Calls>, ending: Ending) {
    let Some(client) = calls.client() else { return };
    let hangup = Hangup::new();
    tokio::spawn(hang_up_at_the_end(ending, hangup.clone()));
    while !hangup.is_hung_up() {
        let (waiting, hung_up) = (calls.clone(), hangup.clone());
        let ring = spawn_blocking(move || waiting.take_ring(&hung_up)).await;
        match (ring, &client.inbox) {
            (Ok(Ok(Some(say))), Some(path)) => {
                if let Err(error) = inbox::say(Path::new(path), &say) {
                    tracing::warn!("cannot ring the session at `{path}`: {error}");
                }
            }
            (Ok(Ok(_)), _) if calls.has_store() => {}
            // There is no store yet, or it is in trouble: whatever comes waits for the session to look.
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

async fn hang_up_at_the_end(ending: Ending, hangup: Hangup) {
    ending.begun().await;
    hangup.hang_up();
}
