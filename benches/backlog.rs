//! Claims in front of a long backlog, and a whole plan pushed at once.

use crate::Effort;
use crate::bare::Bare;
use crate::clock::timed;
use crate::samples::Samples;
use crate::samples::median;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use crate::team::push_many;
use crate::team::request;
use crate::team::store;
use orch_mcp::store::Mode;
use orch_mcp::store::Store;
use orch_mcp::store::sqlite::SqliteStore;
use rusqlite::ffi;
use serde_json::Value;
use serde_json::json;
use std::ffi::CStr;
use std::ptr;

/// A store with many tasks in it, and two who claim from it.
pub struct Backlog {
    pub ground: Ground,
    pub tasks: usize,
    pub load_secs: f64,
    /// A role that many tasks are for, and one that only few at the very end are for.
    common: Member,
    rare: Member,
}

/// The last tasks of a backlog are for a role that nobody else has; half of these are ready.
const FOR_RARE_ROLE: usize = 400;

impl Backlog {
    pub fn of(tasks: usize) -> Backlog {
        let ground = Ground::new();
        let state = ground.state();
        let common = Member::join(&state, "common", "builder");
        let rare = Member::join(&state, "rare", "auditor");
        let gate = common.call("push_task", json!({ "title": "never done", "assignee": "@nobody" }));
        let gate = gate["task"]["id"].as_str().expect("a pushed task has an id").to_owned();
        let ((), nanos) = timed(|| push_many(&common, tasks, |number| task(number, tasks, &gate)));
        Backlog { ground, tasks, load_secs: nanos as f64 / 1e9, common, rare }
    }

    /// How long it takes to claim; the task is completed at once, so that the next claim finds the next one.
    pub fn claim(&self, samples: &mut Samples) {
        for member in [&self.common, &self.rare] {
            let (claim, nanos) = timed(|| member.call("claim_task", json!({})));
            samples.add(nanos);
            member.call("complete_task", json!({ "task_id": claim["task"]["id"] }));
        }
    }

    /// The counts that one claim of each leaves in its statements; plans were made by the claim before it.
    fn counted(&self) -> Counts {
        let mut store = store(&self.ground.state());
        let mut counts = Counts::default();
        for member in [&self.common, &self.rare] {
            claim_below(&mut store, member);
            Counts::of(&store);
            claim_below(&mut store, member);
            counts = counts.larger(Counts::of(&store));
        }
        assert!(counts.choice_steps > 0, "the statement that chooses is another one now");
        counts
    }
}

/// Half of all wait, and those are the urgent ones, so that whoever searched for what is ready would pass all of them.
fn task(number: usize, of: usize, gate: &str) -> Value {
    let role = match number % 20 {
        _ if number + FOR_RARE_ROLE >= of => Some("auditor"),
        0..8 => None,
        8..14 => Some("builder"),
        14..18 => Some("tester"),
        _ => Some("reviewer"),
    };
    if number % 2 == 1 {
        return json!({ "title": format!("task {number}"), "role": role, "priority": "critical", "depends_on": [gate] });
    }
    let priority = ["high", "medium", "low"][number / 2 % 3];
    json!({ "title": format!("task {number}"), "role": role, "priority": priority })
}

/// A claim without a desk, so that its connection can be asked what it did.
fn claim_below(store: &mut SqliteStore, member: &Member) {
    let run = |store: &mut SqliteStore, operation: &str, arguments: Value| {
        let mut tx = store.begin(Mode::Durable).expect("the store is free");
        let reply = request(operation, arguments).call.run(&mut *tx, member.caller()).expect("it can be done");
        tx.commit().expect("the disk has room");
        reply.data
    };
    let claim = run(store, "claim_task", json!({}));
    run(store, "release_task", json!({ "task_id": claim["task"]["id"] }));
}

/// What the virtual machine of SQLite did.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Steps of the statement that chooses the task.
    choice_steps: i32,
    prepared_again: i32,
}

impl Counts {
    /// Reads the counts of all statements, and sets them back.
    fn of(store: &SqliteStore) -> Counts {
        let db = store.connection_for_measuring();
        let mut counts = Counts::default();
        // SAFETY: the connection is open and not in use; it owns its statements and their texts, and none is finalised
        // while they are walked through.
        unsafe {
            let mut statement = ffi::sqlite3_next_stmt(db.handle(), ptr::null_mut());
            while !statement.is_null() {
                let count = |what| ffi::sqlite3_stmt_status(statement, what, 1);
                let steps = count(ffi::SQLITE_STMTSTATUS_VM_STEP);
                counts.prepared_again += count(ffi::SQLITE_STMTSTATUS_REPREPARE);
                let sql = CStr::from_ptr(ffi::sqlite3_sql(statement)).to_string_lossy();
                if sql.contains("from task where queue = ") {
                    counts.choice_steps += steps;
                }
                statement = ffi::sqlite3_next_stmt(db.handle(), statement);
            }
        }
        counts
    }

    fn larger(self, other: Counts) -> Counts {
        Counts {
            choice_steps: self.choice_steps.max(other.choice_steps),
            prepared_again: self.prepared_again.max(other.prepared_again),
        }
    }
}

/// Claims in front of ever more tasks: flat, or something searches.
pub fn claim(effort: Effort) -> Vec<Row> {
    let sizes: &[usize] = match effort {
        Effort::Quick | Effort::Usual => &[1_000, 100_000],
        Effort::Full => &[1_000, 100_000, 1_000_000],
    };
    let mut backlogs: Vec<(Backlog, Samples)> =
        sizes.iter().map(|size| (Backlog::of(*size), Samples::default())).collect();
    for _ in 0..effort.times(150) {
        backlogs.iter_mut().for_each(|(backlog, samples)| backlog.claim(samples));
    }
    let shortest = backlogs[0].1.p50().micros();
    let mut rows = Vec::new();
    for (backlog, samples) in &backlogs {
        let row = Row::new(
            format!("claim at a backlog of {}, p50", words(backlog.tasks)),
            samples.p50().micros(),
            Unit::Micros,
        );
        rows.push(match backlog.tasks == sizes[0] {
            true => row,
            false => row.beside("at a backlog of 1e3", shortest).target(Target::RatioAtMost(1.3)),
        });
    }
    let (longest, _) = &backlogs[backlogs.len() - 1];
    let counts = longest.counted();
    rows.push(
        Row::new("VM steps to choose a task there", f64::from(counts.choice_steps), Unit::Count)
            .target(Target::AtMost(500.0)),
    );
    rows.push(
        Row::new("plans prepared again there", f64::from(counts.prepared_again), Unit::Count)
            .target(Target::AtMost(0.0)),
    );
    rows.push(load(longest));
    rows
}

/// How long it took to push all of a backlog, beside as many bare rows.
pub fn load(backlog: &Backlog) -> Row {
    let mut bare = Bare::open(&backlog.ground.bare());
    let ((), nanos) = timed(|| (0..backlog.tasks / 1_000).for_each(|_| bare.insert_many(1_000)));
    Row::new(format!("{} tasks loaded, 10,000 a call", words(backlog.tasks)), backlog.load_secs, Unit::Seconds)
        .beside("bare SQLite, FULL, 1,000 rows a commit", nanos as f64 / 1e9)
        .target(Target::AtMost(120.0 * backlog.tasks as f64 / 1e6))
}

fn words(tasks: usize) -> String {
    format!("1e{}", tasks.ilog10())
}

const PLAN: usize = 10_000;

/// A whole plan in one call, each task after two others.
pub fn plan(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    let lead = Member::join(&ground.state(), "lead", "lead");
    let mut bare = Bare::open(&ground.bare());
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds() {
        let tasks: Vec<Value> = (0..PLAN).map(planned).collect();
        ours.push(timed(|| lead.call("push_tasks", json!({ "tasks": tasks }))).1 as f64 / 1e9);
        raw.push(timed(|| bare.insert_many(PLAN)).1 as f64 / 1e9);
    }
    vec![
        Row::new("push 10,000 tasks with dependencies in one call", median(ours), Unit::Seconds)
            .beside("bare SQLite, 10,000 rows in one commit", median(raw))
            .target(Target::AtMost(1.0)),
    ]
}

fn planned(number: usize) -> Value {
    let before = [number.checked_sub(1), number.checked_sub(7)];
    let depends_on: Vec<String> = before.into_iter().flatten().map(|before| format!("step-{before}")).collect();
    json!({ "ref": format!("step-{number}"), "title": format!("step {number} of the plan"), "depends_on": depends_on })
}
