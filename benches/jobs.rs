//! A job of ten thousand tasks: made in one call, done by sixteen, and asked all the while how far it is.

use crate::Effort;
use crate::clock::timed;
use crate::samples::Samples;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use serde_json::Value;
use serde_json::json;
use std::thread;

const TASKS: usize = 10_000;
/// Each task waits for two of the layer before.
const LAYER: usize = 500;
const WORKERS: usize = 16;

pub fn job(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    let lead = Member::join(&ground.state(), "lead", "lead");
    let tasks: Vec<Value> = (0..effort.times(TASKS)).map(task).collect();
    let count = tasks.len();
    let (made, nanos) = timed(|| lead.call("create_job", json!({ "goal": "all of it", "tasks": tasks })));
    let made_secs = nanos as f64 / 1e9;
    let look = || timed(|| lead.call("get_job", json!({ "job_id": made["job"]["id"] })));
    // On an idle machine, beside a job of one task: what depends on the size shows.
    let small =
        lead.call("create_job", json!({ "goal": "some of it", "tasks": [{ "title": "one", "role": "nobody" }] }));
    let (mut idle, mut idle_small, mut busy) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..effort.times(200) {
        idle.add(look().1);
        idle_small.add(timed(|| lead.call("get_job", json!({ "job_id": small["job"]["id"] }))).1);
    }
    let ((), nanos) = timed(|| {
        thread::scope(|scope| {
            let state = ground.state();
            let workers: Vec<_> = (0..WORKERS)
                .map(|number| {
                    let state = state.clone();
                    scope.spawn(move || work(&Member::join(&state, &format!("worker-{number}"), "general")))
                })
                .collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                busy.add(look().1);
            }
        });
    });
    let done = look().0;
    assert_eq!((&done["state"], &done["completed"]), (&json!("completed"), &json!(count)), "all of it is done");
    vec![
        Row::new(format!("a job of {count} tasks in layers, made in one call"), made_secs, Unit::Seconds)
            .target(Target::AtMost(1.0)),
        Row::new("`get_job` of it, p50", idle.p50().micros(), Unit::Micros)
            .beside("of a job of one task", idle_small.p50().micros())
            .target(Target::AtMost(10_000.0)),
        Row::new("while 16 work at it, p50", busy.p50().millis(), Unit::Millis).target(Target::AtMost(10.0)),
        Row::new("the same, p99", busy.p99().millis(), Unit::Millis).target(Target::AtMost(10.0)),
        Row::new("its tasks claimed and completed", count as f64 / (nanos as f64 / 1e9), Unit::PerSecond),
    ]
}

fn task(number: usize) -> Value {
    let before = number.checked_sub(LAYER).map(|same_place| [same_place, same_place / LAYER * LAYER]);
    let mut needs: Vec<String> = before.into_iter().flatten().map(|needed| needed.to_string()).collect();
    needs.dedup();
    json!({ "ref": number.to_string(), "title": format!("task {number}"), "depends_on": needs })
}

fn work(me: &Member) {
    loop {
        let claim = me.call("claim_task", json!({}));
        match claim["task"]["id"].as_str() {
            Some(task) => drop(me.call("complete_task", json!({ "task_id": task, "result": "done" }))),
            None if claim["waiting"]["claimed"] == 0 => return,
            None => drop(me.call("wait_for_task", json!({ "timeout_seconds": 1 }))),
        }
    }
}
