//! What the server did and has under way, as Prometheus reads it.

use crate::ops::Entry;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Upper bounds of what is counted together, in seconds.
const BUCKETS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 5.0, 60.0];

#[derive(Default)]
pub(super) struct Metrics {
    /// By operation and the code of its outcome.
    calls: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    times: Mutex<BTreeMap<&'static str, Times>>,
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

#[derive(Default)]
struct Times {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    pub(super) fn call(&self, entry: &'static Entry, code: &'static str, took: Duration) {
        *lock(&self.calls).entry((entry.name, code)).or_default() += 1;
        // How long somebody was willing to wait says nothing about us.
        if entry.waits() {
            return;
        }
        let secs = took.as_secs_f64();
        let mut times = lock(&self.times);
        let times = times.entry(entry.name).or_default();
        times.count += 1;
        times.sum += secs;
        for (count, _) in times.counts.iter_mut().zip(BUCKETS).filter(|(_, most)| secs <= *most) {
            *count += 1;
        }
    }

    pub(super) fn request(&self, route: &'static str, status: u16) {
        *lock(&self.requests).entry((route, status)).or_default() += 1;
    }

    /// `gauges`: what stands at this moment, by name, with what it is.
    pub(super) fn text(&self, gauges: &[(&str, &str, f64)]) -> String {
        let mut text = String::new();
        let mut line = |words: std::fmt::Arguments<'_>| {
            let _ = text.write_fmt(words);
            text.push('\n');
        };
        line(format_args!(
            "# HELP orch_http_requests_total Requests, by route and status.\n# TYPE orch_http_requests_total counter"
        ));
        for ((route, status), count) in lock(&self.requests).iter() {
            line(format_args!("orch_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"));
        }
        line(format_args!("# HELP orch_calls_total Calls of operations, by outcome.\n# TYPE orch_calls_total counter"));
        for ((operation, code), count) in lock(&self.calls).iter() {
            line(format_args!("orch_calls_total{{operation=\"{operation}\",outcome=\"{code}\"}} {count}"));
        }
        line(format_args!(
            "# HELP orch_call_seconds How long calls took that did not wait.\n# TYPE orch_call_seconds histogram"
        ));
        for (operation, times) in lock(&self.times).iter() {
            for (count, most) in times.counts.iter().zip(BUCKETS) {
                line(format_args!("orch_call_seconds_bucket{{operation=\"{operation}\",le=\"{most}\"}} {count}"));
            }
            line(format_args!("orch_call_seconds_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {}", times.count));
            line(format_args!("orch_call_seconds_sum{{operation=\"{operation}\"}} {}", times.sum));
            line(format_args!("orch_call_seconds_count{{operation=\"{operation}\"}} {}", times.count));
        }
        for (name, about, value) in gauges {
            let base = name.split('{').next().unwrap_or(name);
            line(format_args!("# HELP {base} {about}\n# TYPE {base} gauge\n{name} {value}"));
        }
        text
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
