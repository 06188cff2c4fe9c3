//! How far a call is that waits, for a client that asked to be told.

use crate::mcp::calls::Calls;
use crate::mcp::calls::Flight;
use crate::ops::table;
use crate::ops::table::Request;
use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::ProgressToken;
use rmcp::service::RequestContext;
use serde_json::Map;
use serde_json::Value;
use std::time::Duration;

/// Proxies and clients take a call for dead that shows no life for long.
const FIRST_AFTER: Duration = Duration::from_millis(150);
const EVERY: Duration = Duration::from_secs(12);
/// How often one looks how far a job is: whoever watches a bar wants to see it move.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Progress must rise with each notice, also where nothing has moved.
const SIGN_OF_LIFE: f64 = 1e-6;

pub(super) struct Telling {
    token: ProgressToken,
    /// Asks how far the job is that is waited for.
    job: Option<Request>,
    /// A sign of life is wanted though there is no news.
    lives: bool,
    progress: f64,
    words: String,
    looks: u32,
}

impl Telling {
    /// `lives`: whoever is between us and the client ends calls that show no life.
    pub(super) fn of(context: &RequestContext<RoleServer>, request: &Request, lives: bool) -> Option<Telling> {
        let token = context.meta.get_progress_token().filter(|_| request.entry.waits())?;
        let job = job_waited_for(request);
        let telling = Telling { token, job, lives, progress: 0.0, words: String::new(), looks: 0 };
        (lives || telling.job.is_some()).then_some(telling)
    }

    /// How long until there is something to tell next, or to look for.
    pub(super) fn pause(&self) -> Duration {
        match (self.looks, &self.job) {
            (0, _) => FIRST_AFTER,
            (_, Some(_)) => LOOK_EVERY,
            (_, None) => EVERY,
        }
    }

    /// What there is to tell now.
    pub(super) fn next(&mut self, calls: &Calls, flight: &Flight) -> Option<ProgressNotificationParam> {
        let looks_until_sign = if self.job.is_some() { EVERY.as_secs() / LOOK_EVERY.as_secs() } else { 1 };
        let is_due = self.lives && u64::from(self.looks) % looks_until_sign == 0;
        self.looks += 1;
        let seen = self.job.as_ref().and_then(|job| calls.glance(flight, job));
        let Some(seen) = seen else {
            self.progress += if self.job.is_some() { SIGN_OF_LIFE } else { 1.0 };
            return is_due.then(|| self.notice(None, "waiting"));
        };
        let count = |field: &str| seen[field].as_u64().unwrap_or_default();
        let (done, total) = ((count("total") - count("left")) as f64, count("total") as f64);
        let words = words(&seen);
        if words == self.words && !is_due {
            return None;
        }
        self.progress = if done > self.progress { done } else { self.progress + SIGN_OF_LIFE };
        self.words.clone_from(&words);
        Some(self.notice(Some(total), &words))
    }

    fn notice(&self, total: Option<f64>, words: &str) -> ProgressNotificationParam {
        let notice = ProgressNotificationParam::new(self.token.clone(), self.progress).with_message(words);
        match total {
            Some(total) => notice.with_total(total),
            None => notice,
        }
    }
}

fn job_waited_for(request: &Request) -> Option<Request> {
    let job = request.call.arguments().get("job_id").filter(|_| request.entry.name == "wait_for_job")?.clone();
    let mut arguments = Map::new();
    arguments.insert("job_id".to_owned(), job);
    let look = table::find("get_job")?.request(arguments).ok()?;
    Some(Request { instance: request.instance.clone(), ..look })
}

/// As `3 of 8 done, 1 failed; 2 at work`.
fn words(job: &Value) -> String {
    let count = |field: &str| job[field].as_u64().unwrap_or_default();
    let standing = |word: &str| job["by_status"][word].as_u64().unwrap_or_default();
    let mut words = format!("{} of {} done", count("completed"), count("total"));
    for (number, what) in [(count("failed"), "failed"), (standing("blocked"), "blocked")] {
        if number > 0 {
            words.push_str(&format!(", {number} {what}"));
        }
    }
    let at_work = standing("claimed") + standing("in_progress");
    format!("{words}; {at_work} at work")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn how_far_it_is_is_told_in_words() {
        let mut job =
            json!({ "completed": 3, "total": 8, "by_status": { "claimed": 1, "in_progress": 1, "ready": 3 } });
        assert_eq!(words(&job), "3 of 8 done; 2 at work");
        (job["failed"], job["by_status"]["blocked"]) = (json!(1), json!(2));
        assert_eq!(words(&job), "3 of 8 done, 1 failed, 2 blocked; 2 at work");
    }
}
