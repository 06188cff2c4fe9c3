//! How many claims lapsed since the server began: told by the events, whichever process noticed it.

use crate::http::api::Api;
use crate::ops::Caller;
use crate::ops::table;
use serde_json::json;
use tokio::sync::Mutex;

const KIND: &str = "task.lapsed";
/// Looked through at one time; the rest at the next.
const PAGES_MAX: usize = 200;

#[derive(Default)]
pub(super) struct Lapses(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    /// Events up to here are counted.
    until: Option<u64>,
    count: u64,
}

impl Lapses {
    pub(super) async fn count(&self, api: &Api) -> u64 {
        let mut counted = self.0.lock().await;
        for _ in 0..PAGES_MAX {
            let arguments = match counted.until {
                Some(until) => json!({ "kind": KIND, "cursor": until, "limit": 30 }),
                None => json!({ "limit": 1 }),
            };
            let nobody = Caller::anonymous(api.desk.host().clone());
            let Ok(request) = table::own_request("list_events", arguments) else { break };
            let Ok(page) = api.call(request, nobody).await else {
                // What is no longer kept is counted no more.
                counted.until = None;
                break;
            };
            let found = page.data["events"].as_array().map_or(0, Vec::len) as u64;
            let is_first = counted.until.is_none();
            counted.until = page.data["cursor"].as_u64();
            if is_first || found == 0 {
                break;
            }
            counted.count += found;
        }
        counted.count
    }
}
