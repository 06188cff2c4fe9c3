//! `orch-mcp hook rewake`: waits beside an idle session, and wakes it by ending.

use crate::cli::hook::work::Work;
use crate::error::Result;
use crate::host::Host;
use crate::ops::Caller;
use crate::ops::WAIT_SECS_MAX;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::thread;
use std::time::Duration;

/// How soon the death of the client is noticed that would never end us.
const CLIENT_CHECK_EVERY: Duration = Duration::from_secs(1);

/// What to say when it is time to wake the session; `None` where nobody is to be woken from here.
pub fn until_it_rings(work: &Work) -> Result<Option<String>> {
    // A client that nobody sits before waits for all of its hooks before it ends.
    let Some(client) = work.caller.client.as_ref().filter(|_| work.config.claude.attended) else { return Ok(None) };
    let hangup = Hangup::new();
    hang_up_with(client.process.clone(), hangup.clone());
    let nobody = Caller::anonymous(Host::System);
    let armed =
        json!({ "client": client.process, "rung": "rewake", "process": Host::System.process_of(std::process::id()) });
    if work.call_as(&nobody, "arm_rung", armed, &hangup)?.data["armed"] != true {
        return Ok(None);
    }
    let mut known = Value::Null;
    while !hangup.is_hung_up() {
        let wanted =
            json!({ "client": client.process, "rung": "rewake", "known": known, "timeout_seconds": WAIT_SECS_MAX });
        let ring = work.call_as(&nobody, "take_ring", wanted, &hangup)?;
        known = ring.data["bearing"]["instance"].clone();
        if let Some(say) = ring.data["say"].as_str() {
            return Ok(Some(say.to_owned()));
        }
        // The session is over, or the client speaks for nobody we know.
        if known.is_null() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Ends the wait when the client is gone.
fn hang_up_with(client: String, hangup: Hangup) {
    thread::spawn(move || {
        while !Host::System.is_gone(&client) {
            thread::sleep(CLIENT_CHECK_EVERY);
        }
        hangup.hang_up();
    });
}
