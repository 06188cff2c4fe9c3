//! After a power cut: what was acknowledged is there, and nothing that never was.

use crate::sim::check::Checked;
use crate::sim::check::must;
use crate::sim::seen::Seen;
use crate::sim::truth::Truth;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::task::State;

/// After a power cut everything is as it was acknowledged, but for marks: receipts, presence, and what time alone did.
pub fn recovered(acknowledged: &Seen, found: &Seen, truth: &Truth) -> Checked {
    found.check()?;
    must!(found.tasks.keys().eq(acknowledged.tasks.keys()), "other tasks are there");
    for (id, was) in &acknowledged.tasks {
        let is = &found.tasks[id];
        let mut wanted = was.clone();
        wanted.lease_until = is.lease_until;
        wanted.due = is.due;
        wanted.version = is.version;
        wanted.updated_at = is.updated_at;
        let lapsed_anew =
            matches!(was.state, State::Pending | State::Failed) && is.state.is_held() && was.token == is.token;
        must!(wanted == *is || lapsed_anew, "{id} was {was:?}, and is {is:?}");
    }
    must!(found.mail.keys().eq(acknowledged.mail.keys()), "other mail is there");
    for (key, was) in &acknowledged.mail {
        let is = &found.mail[key];
        must!((was.acknowledged, was.dismissed) == (is.acknowledged, is.dismissed), "{key:?} was {was:?}, is {is:?}");
    }
    must!(found.context == acknowledged.context, "context was {:?}", acknowledged.context);
    let brief = |seen: &Seen| -> Vec<(InstanceId, String, u32)> {
        seen.instances.values().map(|one| (one.id.clone(), one.name.clone(), one.incarnation)).collect()
    };
    must!(brief(found) == brief(acknowledged), "other instances are there");
    must!(found.events.1 >= truth.durable_event, "events up to {} were durable", truth.durable_event);
    Ok(())
}
