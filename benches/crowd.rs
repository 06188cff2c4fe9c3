//! Many processes that claim and complete at once, beside as many that fight for bare SQLite.

use crate::Effort;
use crate::bare::Bare;
use crate::child::Child;
use crate::child::listen;
use crate::child::tell;
use crate::clock::MILLI;
use crate::clock::SECOND;
use crate::clock::nanos;
use crate::clock::sleep_until;
use crate::clock::timed;
use crate::disk;
use crate::samples::Samples;
use crate::samples::median;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use crate::team::push_many;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

/// More than all of them together complete in one round.
const TASKS: usize = 30_000;

/// What all processes of one round reached.
struct Round {
    commits_per_second: f64,
    p99_millis: f64,
    most_millis: f64,
    /// The least served process, as a part of the most served one.
    fairness: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    AtHand,
    Slower,
}

pub fn claim_and_complete(effort: Effort) -> Vec<Row> {
    let crowds = [(8, Disk::AtHand), (8, Disk::Slower), (64, Disk::AtHand), (64, Disk::Slower)];
    crowds.into_iter().flat_map(|(processes, disk)| compare(effort, processes, disk)).collect()
}

fn compare(effort: Effort, processes: usize, disk: Disk) -> Vec<Row> {
    let ground = Ground::new();
    let lead = Member::join(&ground.state(), "lead", "lead");
    Bare::open(&ground.bare()).insert_many(1_000);
    let seconds = if effort == Effort::Quick { 1 } else { 2 };
    let (mut ours, mut bare, mut missing) = (Vec::new(), Vec::new(), TASKS);
    for _ in 0..effort.rounds() {
        push_many(&lead, missing, |number| json!({ "title": format!("task {number}") }));
        let before = completed(&lead);
        ours.push(round("claimer", &ground.state(), disk, processes, seconds));
        missing = (completed(&lead) - before) as usize;
        bare.push(round("bare-claimer", &ground.bare(), disk, processes, seconds));
    }
    let middle = |rounds: &[Round], what: fn(&Round) -> f64| median(rounds.iter().map(what));
    let ratio = median(ours.iter().zip(&bare).map(|(ours, bare)| ours.commits_per_second / bare.commits_per_second));
    let beside = "bare SQLite, FULL, busy timeout";
    let crowd = match disk {
        Disk::AtHand => format!("{processes} processes claim, complete"),
        Disk::Slower => format!("{processes} processes, each sync {} longer", disk::LONGER_IN_WORDS),
    };
    let row = |what: &str, unit, value: fn(&Round) -> f64| {
        Row::new(format!("{crowd}: {what}"), middle(&ours, value), unit).beside(beside, middle(&bare, value))
    };
    let mut p99 = row("p99 of a call", Unit::Millis, |round| round.p99_millis);
    if processes == 64 {
        p99 = p99.target(Target::AtMost(60.0));
    }
    let commits = row("durable commits", Unit::PerSecond, |round| round.commits_per_second)
        .ratio(ratio)
        .target(Target::RatioAtLeast(1.5));
    let longest = row("longest call", Unit::Millis, |round| round.most_millis);
    let fairness = row("least / most served", Unit::Fraction, |round| round.fairness).target(Target::AtLeast(0.5));
    match disk {
        Disk::AtHand => vec![commits, p99, longest, fairness],
        Disk::Slower => vec![commits, fairness],
    }
}

fn completed(lead: &Member) -> u64 {
    lead.call("server_status", json!({}))["tasks"]["completed"].as_u64().expect("it is a count")
}

const SLOWER: &str = "slower";

fn on_the_disk_of(arguments: &[String]) {
    if arguments.iter().any(|argument| argument == SLOWER) {
        disk::become_slower();
    }
}

/// All of them at once, for some seconds.
fn round(part: &str, on: &Path, disk: Disk, processes: usize, seconds: u64) -> Round {
    let on = on.to_str().expect("the path is text");
    let arguments = if disk == Disk::Slower { vec![on, SLOWER] } else { vec![on] };
    let mut children: Vec<Child> = (0..processes).map(|_| Child::start(part, &arguments)).collect();
    children.iter_mut().for_each(|child| drop(child.hear()));
    let from = nanos() + 100 * MILLI;
    let until = from + seconds * SECOND;
    children.iter_mut().for_each(|child| child.say(&json!([from, until]).to_string()));
    let done: Vec<Value> = children.into_iter().map(Child::finish).collect();
    let calls: Samples = done.iter().flat_map(|done| numbers(&done["calls"])).collect();
    let served: Vec<u64> = done.iter().filter_map(|done| done["in_time"].as_u64()).collect();
    let (least, most) = (served.iter().min(), served.iter().max());
    Round {
        commits_per_second: served.iter().sum::<u64>() as f64 / seconds as f64,
        p99_millis: calls.p99().millis(),
        most_millis: calls.most().millis(),
        fairness: *least.expect("there are processes") as f64 / *most.expect("there are processes") as f64,
    }
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// The child's side of a round: how long each call took, and how many were over in time.
fn work(mut call: impl FnMut() -> bool) {
    tell("ready");
    let times = numbers(&serde_json::from_str(&listen()).expect("the parent says when"));
    let [from, until] = times[..] else { panic!("a beginning and an end") };
    sleep_until(from);
    let (mut calls, mut in_time) = (Vec::new(), 0);
    while nanos() < until {
        let (done, took) = timed(&mut call);
        calls.push(took);
        in_time += u64::from(done && nanos() < until);
    }
    tell(&json!({ "calls": calls, "in_time": in_time }).to_string());
}

/// Claims the next task, then completes it, and so on.
pub fn claimer(arguments: &[String]) {
    on_the_disk_of(arguments);
    let worker = Member::join(Path::new(&arguments[0]), &format!("worker-{}", std::process::id()), "general");
    let mut held: Option<String> = None;
    work(|| {
        held = match held.take() {
            Some(id) => {
                worker.call("complete_task", json!({ "task_id": id, "result": "done" }));
                None
            }
            None => {
                let claim = worker.call("claim_task", json!({}));
                Some(claim["task"]["id"].as_str().expect("there is more than enough to claim").to_owned())
            }
        };
        true
    });
}

pub fn bare_claimer(arguments: &[String]) {
    on_the_disk_of(arguments);
    let mut bare = Bare::open(Path::new(&arguments[0]));
    work(|| bare.take());
}
