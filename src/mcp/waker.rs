//! Rings at the session that this server serves, when something came for it while it is idle.

use crate::claude::inbox;
use crate::mcp::calls::Calls;
use crate::mcp::ending::Ending;
use crate::model::rung::Rung;
use crate::store::doorbell::Hangup;
use rmcp::Peer;
use rmcp::RoleServer;
use rmcp::model::CustomNotification;
use rmcp::model::ServerNotification;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How soon a store is noticed that somebody else makes: nothing is made here, so there is no bell to hang up before.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The capability, and the notice, by which a client that was asked to listen for such takes words for its session.
pub(super) const CHANNEL: &str = "claude/channel";

/// By what this server can ring.
pub(super) enum Bell {
    /// The socket at which the client takes messages.
    Inbox,
    /// A notice through the connection itself.
    Channel(Peer<RoleServer>),
}

impl Bell {
    fn rung(&self) -> Rung {
        match self {
            Bell::Inbox => Rung::Inbox,
            Bell::Channel(_) => Rung::Channel,
        }
    }

    async fn ring(&self, inbox: Option<&str>, say: &str) -> Result<(), String> {
        match self {
            Bell::Inbox => {
                let path = inbox.ok_or("the client takes no messages at a socket")?;
                inbox::say(Path::new(path), say).map_err(|error| format!("`{path}`: {error}"))
            }
            Bell::Channel(peer) => {
                let method = format!("notifications/{CHANNEL}");
                let notice = CustomNotification::new(method, Some(json!({ "content": say })));
                let sent = peer.send_notification(ServerNotification::CustomNotification(notice)).await;
                sent.map_err(|error| error.to_string())
            }
        }
    }
}

pub(super) async fn ring_while_served(calls: Arc<Calls>, bell: Bell, ending: Ending) {
    let Some(client) = calls.client() else { return };
    let hangup = Hangup::new();
    tokio::spawn(hang_up_at_the_end(ending, hangup.clone()));
    while !hangup.is_hung_up() {
        let (waiting, rung, hung_up) = (calls.clone(), bell.rung(), hangup.clone());
        match spawn_blocking(move || waiting.take_ring(rung, &hung_up)).await {
            Ok(Ok(Some(say))) => {
                if let Err(error) = bell.ring(client.inbox.as_deref(), &say).await {
                    tracing::warn!("cannot ring the session: {error}");
                }
            }
            Ok(Ok(None)) if calls.has_store() => {}
            // There is no store yet, or it is in trouble: whatever comes waits for the session to look.
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

async fn hang_up_at_the_end(ending: Ending, hangup: Hangup) {
    ending.begun().await;
    hangup.hang_up();
}
