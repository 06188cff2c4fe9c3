//! What the server did and has under way, as Prometheus reads it.

use crate::ops::meter::Counts;
use crate::ops::meter::SECONDS;
use crate::ops::meter::Spread;
use crate::ops::meter::TOGETHER;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Requests by route and status.
#[derive(Default)]
pub(super) struct Requests(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl Requests {
    pub(super) fn count(&self, route: &'static str, status: u16) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
    }

    fn told(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A page of metrics, family by family.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn family(&mut self, name: &str, kind: &str, about: &str) {
        self.0 += &format!("# HELP {name} {about}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(label, word)| format!("{label}=\"{word}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0 += &format!("{name}{labels} {value}\n");
    }

    /// One that has no labels.
    pub(super) fn gauge(&mut self, name: &str, about: &str, value: impl Display) {
        self.family(name, "gauge", about);
        self.sample(name, &[], value);
    }

    fn spread<const N: usize>(
        &mut self,
        name: &str,
        labels: &[(&str, &dyn Display)],
        spread: &Spread<N>,
        bounds: &[f64; N],
    ) {
        let bucket = format!("{name}_bucket");
        for (count, most) in spread.at_most.iter().zip(bounds) {
            self.sample(&bucket, &[labels, &[("le", most)]].concat(), count);
        }
        self.sample(&bucket, &[labels, &[("le", &"+Inf")]].concat(), spread.count);
        self.sample(&format!("{name}_sum"), labels, spread.sum);
        self.sample(&format!("{name}_count"), labels, spread.count);
    }

    pub(super) fn requests(&mut self, requests: &Requests) {
        self.family("orch_http_requests_total", "counter", "HTTP requests that were answered, by the route that they took and the status of the answer. What came and was no request counts as route `other`.");
        for ((route, status), count) in requests.told() {
            self.sample("orch_http_requests_total", &[("route", &route), ("status", &status)], count);
        }
    }

    pub(super) fn calls(&mut self, counts: &Counts) {
        self.family("orch_calls_total", "counter", "Calls of operations that ended, whichever way they came, by outcome: done, nothing_ready, timed_out, absent, or the code of the error.");
        for ((operation, outcome), count) in &counts.calls {
            self.sample("orch_calls_total", &[("operation", operation), ("outcome", outcome)], count);
        }
        self.family("orch_call_seconds", "histogram", "Seconds from the arrival of a call to its answer, with its time in line. Operations that wait for something to happen are left out.");
        for (operation, spread) in &counts.seconds {
            self.spread("orch_call_seconds", &[("operation", operation)], spread, &SECONDS);
        }
        let about = "Seconds that a transaction took that carries out calls of this server, from the turn to write to the end of its sync.";
        self.family("orch_store_write_seconds", "histogram", about);
        self.spread("orch_store_write_seconds", &[], &counts.writes, &SECONDS);
        self.family("orch_store_writes_together", "histogram", "Calls of this server that one transaction carried out. Its count is that of commits, its sum that of calls: the one by the other is the size of a group.");
        self.spread("orch_store_writes_together", &[], &counts.together, &TOGETHER);
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_introduced_once_and_its_samples_follow() {
        let mut page = Page::default();
        let requests = Requests::default();
        requests.count("/mcp", 200);
        requests.count("/mcp", 200);
        requests.count("/mcp", 404);
        page.requests(&requests);
        page.calls(&Counts::default());
        page.gauge("orch_x", "Something.", 3);
        let text = page.text();
        assert!(text.contains("orch_http_requests_total{route=\"/mcp\",status=\"200\"} 2\n"), "{text}");
        assert!(text.contains("orch_store_writes_together_bucket{le=\"+Inf\"} 0\n"), "{text}");
        let introduced: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let mut once = introduced.clone();
        once.dedup();
        assert_eq!(introduced, once);
    }
}
