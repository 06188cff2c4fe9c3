//! Whoever waits for a job at the command line waits as long as it takes, and sees on a bar how far it is.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::error::Error;
use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::model::job::State;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::Entry;
use crate::ops::Outcome;
use crate::ops::WAIT_SECS_MAX;
use crate::ops::job::asks;
use crate::ops::render;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::ops::table::own_request;
use crate::store::doorbell::Hangup;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const CELLS: u64 = 30;
/// Where the job cannot be seen, one looks again after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
const TIMEOUT: &str = "timeout_seconds";

/// Does this command wait for a job, so that there is something to watch meanwhile?
pub(super) fn waits_for_a_job(entry: &Entry) -> bool {
    matches!(entry.name, "wait_for_job" | "quick_delegate")
}

/// For whoever decides by it what to do next: only a job that was completed has gone well.
pub(super) fn exit_code(reply: &Reply) -> u8 {
    let went_wrong = match reply.data["because"].as_str() {
        Some("ended") => reply.data["job"]["state"] != State::Completed.word(),
        Some("stuck" | "failure" | "late" | "question") => true,
        _ => false,
    };
    if went_wrong { exit::FAILED } else { exit::of_outcome(reply.outcome) }
}

/// What is waited for, by whom, and until when: without a word from them, as long as it takes.
struct Waiting {
    desk: Arc<dyn Desk>,
    caller: Caller,
    instance: Option<String>,
    deadline: Option<Deadline>,
}

impl Run<'_> {
    pub(super) fn wait_for_a_job(&self, entry: &'static Entry, mut arguments: Map<String, Value>) -> Result<Reply> {
        let secs = arguments.get(TIMEOUT).and_then(Value::as_u64);
        arguments.insert(TIMEOUT.to_owned(), 0.into());
        let request = entry.request(arguments)?;
        let waiting = Waiting {
            desk: desk::of(&self.config, Host::System)?,
            caller: self.config.caller(Host::System),
            instance: request.instance.clone(),
            deadline: secs.map(|secs| Deadline::after(Duration::from_secs(secs))),
        };
        // What is to be waited for is made, or looked at, by the first call.
        let first = waiting.desk.execute(&request, &waiting.caller, &Hangup::new())?;
        if first.outcome != Outcome::TimedOut || waiting.is_over() {
            return Ok(first);
        }
        let job = first.data["job"]["id"].clone();
        let mut go_on = match entry.name {
            "wait_for_job" => request.call.arguments(),
            _ => json!({ "job_id": job, "collect": true }),
        };
        if go_on["cursor"].is_null() {
            go_on["cursor"] = first.data["cursor"].clone();
        }
        if !self.printer.shows_progress() {
            return waiting.wait(go_on);
        }
        let over = Hangup::new();
        let reply = thread::scope(|scope| {
            let watching = scope.spawn(|| waiting.watch(&job, &over, |bar| self.printer.progress(bar)));
            let reply = waiting.wait(go_on);
            over.hang_up();
            drop(watching.join());
            reply
        });
        self.printer.end_of_progress();
        reply
    }
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(Deadline::passed)
    }

    /// As long as one call may wait.
    fn a_while(&self) -> u64 {
        let left = self.deadline.map_or(u64::MAX, |deadline| deadline.left().as_secs() + 1);
        left.min(WAIT_SECS_MAX.into())
    }

    fn ask(&self, arguments: &Value, hangup: &Hangup) -> Result<Reply> {
        let request = own_request("wait_for_job", arguments.clone())?;
        let request = Request { instance: self.instance.clone(), ..request };
        self.desk.execute(&request, &self.caller, hangup)
    }

    fn wait(&self, mut arguments: Value) -> Result<Reply> {
        let fields = arguments.as_object_mut().ok_or_else(|| Error::internal("arguments are no object"))?;
        fields.retain(|_, value| !value.is_null());
        loop {
            arguments[TIMEOUT] = self.a_while().into();
            let reply = self.ask(&arguments, &Hangup::new())?;
            if reply.outcome != Outcome::TimedOut || self.is_over() {
                return Ok(reply);
            }
        }
    }

    /// Shows how far the job is, at once and whenever something of it moves.
    fn watch(&self, job: &Value, over: &Hangup, show: impl Fn(&str)) {
        let mut look = json!({ "job_id": job, "until": "progress", TIMEOUT: 0 });
        while !over.is_hung_up() {
            let Ok(reply) = self.ask(&look, over) else {
                thread::park_timeout(LOOK_AGAIN_AFTER);
                continue;
            };
            show(&bar(&reply.data["job"]));
            if !matches!(reply.data["because"].as_str(), None | Some("progress")) {
                return;
            }
            look["cursor"] = reply.data["cursor"].clone();
            look[TIMEOUT] = WAIT_SECS_MAX.into();
        }
    }
}

/// As `job-7 [######------------------------]  20 %  2 of 10 done, 1 failed, 3 at work, q-1 asks you`.
fn bar(job: &Value) -> String {
    let count = |field: &str| job[field].as_u64().unwrap_or_default();
    let percent = count("percent").min(100);
    let full = (percent * CELLS / 100) as usize;
    let failed = count("failed");
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let id = render::short_id(job["id"].as_str().unwrap_or_default());
    let asked = job["asks"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let asks = asks(asked.map(render::short_id));
    let at_work = match count("at_work") {
        0 if count("left") == 0 || !asks.is_empty() => String::new(),
        0 => ", nobody works at it".to_owned(),
        some => format!(", {some} at work"),
    };
    format!(
        "{id} [{}{}] {percent:3} %  {} of {} done{failed}{at_work}{asks}",
        "#".repeat(full),
        "-".repeat(CELLS as usize - full),
        count("completed"),
        count("total"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_the_job_is_far() {
        let job = |percent: u64, failed: u64| {
            bar(&json!({ "id": "job-0000000007", "percent": percent, "completed": 2, "total": 10, "failed": failed }))
        };
        assert_eq!(job(20, 1), format!("job-7 [######{}]  20 %  2 of 10 done, 1 failed", "-".repeat(24)));
        assert_eq!(job(100, 0), format!("job-7 [{}] 100 %  2 of 10 done", "#".repeat(30)));
    }

    #[test]
    fn it_says_who_works_and_what_waits_for_you() {
        for (more, said) in [
            (json!({ "left": 3, "at_work": 2 }), "2 of 10 done, 2 at work"),
            (json!({ "left": 3 }), "2 of 10 done, nobody works at it"),
            (json!({ "left": 3, "asks": ["q-0000000001"] }), "2 of 10 done, q-1 asks you"),
            (
                json!({ "left": 3, "at_work": 1, "asks": ["q-1", "q-2"] }),
                "2 of 10 done, 1 at work, q-1 and q-2 ask you",
            ),
            (json!({ "left": 0 }), "2 of 10 done"),
        ] {
            let mut job = json!({ "id": "job-7", "percent": 20, "completed": 2, "total": 10 });
            job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert!(bar(&job).ends_with(said), "{}", bar(&job));
        }
    }
}
