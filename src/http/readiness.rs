//! Can calls be answered? Anybody may ask, so however many do, the store is asked once in a while.

use crate::host::Deadline;
use crate::http::api::Api;
use crate::ops::Caller;
use crate::ops::table;
use serde_json::json;
use std::time::Duration;
use tokio::sync::Mutex;

const GOOD_FOR: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<(bool, Deadline)>>);

impl Readiness {
    pub(super) async fn ask(&self, api: &Api) -> bool {
        // Whoever asks meanwhile waits here for the same answer, and not each on a thread.
        let mut known = self.0.lock().await;
        if let Some((answers, until)) = *known
            && !until.passed()
        {
            return answers;
        }
        let nobody = Caller::anonymous(api.desk.host().clone());
        let answers = match table::own_request("server_status", json!({})) {
            Ok(request) => api.call(request, nobody).await.is_ok(),
            Err(_) => false,
        };
        *known = Some((answers, Deadline::after(GOOD_FOR)));
        answers
    }
}
