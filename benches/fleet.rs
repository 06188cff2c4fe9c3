//! What it costs to look after workers that have nothing to do.

use crate::Effort;
use crate::clock::MILLI;
use crate::clock::SECOND;
use crate::clock::nanos;
use crate::clock::sleep_until;
use crate::server::PROGRAM;
use crate::server::command;
use crate::starts::resident;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use orch_mcp::descendants::processor_used;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Child;
use std::process::Stdio;

const WORKERS: usize = 20;

/// By then all of them are idle, on any machine.
const READY_WITHIN: u64 = 120 * SECOND;

/// Idle workers of both kinds: those that are started for a task, and sessions that stay.
pub fn supervisor(effort: Effort) -> Vec<Row> {
    [("workers", "task"), ("sessions that stay", "long")]
        .into_iter()
        .flat_map(|(what, mode)| {
            let ground = Ground::new();
            let state = ground.state();
            let mut launch = begin(&state, mode);
            let until = nanos() + READY_WITHIN;
            while idle(&state) < WORKERS && nanos() < until {
                sleep_until(nanos() + 200 * MILLI);
            }
            let idle = idle(&state);
            let seconds = if effort == Effort::Quick { 5 } else { 30 };
            let used = || processor_used(launch.id() as i32).expect("it lives");
            let (before, from) = (used(), nanos());
            sleep_until(from + seconds * SECOND);
            let percent = 100.0 * (used() - before) as f64 * MILLI as f64 / (nanos() - from) as f64;
            let memory = resident(launch.id());
            ours(&state, &["stop", "--all"]);
            launch.wait().expect("it ends");
            let of = format!("a supervisor of {idle} idle {what}");
            [
                Row::new(format!("{of}, of one core"), percent, Unit::Percent).target(Target::AtMost(1.0)),
                Row::new(format!("{of}, resident memory"), memory, Unit::Mebibytes).target(Target::AtMost(30.0)),
            ]
        })
        .collect()
}

/// In a role of its own: nothing is made in the repository around the build.
fn begin(state: &Path, mode: &str) -> Child {
    let roles = state.join("roles");
    fs::create_dir_all(&roles).expect("a directory");
    fs::write(roles.join("idler.md"), "---\ndescription: Waits\n---\nDo {{task_id}}.\n").expect("a role");
    let settings = format!("[launch]\nworkers_max = {WORKERS}\nspawns_per_minute = 1000\n");
    fs::write(state.join("orch.toml"), settings).expect("settings");
    let client = state.with_file_name("simulated-claude");
    symlink(PROGRAM, &client).expect("a link");
    let mut launch = command(state);
    launch.args(["launch", "--plain", "--role", &format!("idler={WORKERS}"), "--mode", mode, "--client"]).arg(client);
    launch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

fn idle(state: &Path) -> usize {
    let told = ours(state, &["list-workers", "--limit", "100", "--json"]);
    let workers = told["data"]["workers"].as_array().cloned().unwrap_or_default();
    workers.iter().filter(|worker| worker["state"] == "idle").count()
}

fn ours(state: &Path, words: &[&str]) -> Value {
    let said = command(state).args(words).stdin(Stdio::null()).output().expect("it runs");
    serde_json::from_slice(&said.stdout).unwrap_or_default()
}
