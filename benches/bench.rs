//! Speed, cost and scale, each beside the raw limit of this machine in the same run: one table for README.
//!
//! `cargo bench --bench bench -- [--quick | --full] [--json] [ROW]...`

mod backlog;
mod bare;
mod calls;
mod child;
mod clock;
mod crowd;
mod disk;
mod fleet;
mod hooks;
mod jobs;
mod samples;
mod scale;
mod server;
mod starts;
mod table;
mod team;
mod wakes;
mod web;

use std::process::ExitCode;
use table::Row;

/// How much of it to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// One short round of each: does it run at all, and is anything far off?
    Quick,
    /// Everything that fits into about three minutes.
    Usual,
    /// With a million tasks and ten million events.
    Full,
}

impl Effort {
    /// How often two sides are measured in turn; the median of these counts.
    pub fn rounds(self) -> usize {
        match self {
            Effort::Quick => 1,
            Effort::Usual | Effort::Full => 3,
        }
    }

    /// A number of repetitions, or a tenth of it.
    pub fn times(self, usual: usize) -> usize {
        match self {
            Effort::Quick => usual.div_ceil(10),
            Effort::Usual | Effort::Full => usual,
        }
    }
}

type Measure = fn(Effort) -> Vec<Row>;

const ROWS: &[(&str, Measure)] = &[
    ("start", starts::server),
    ("one-shot", starts::one_shot),
    ("memory", starts::memory),
    ("read", calls::read),
    ("push", calls::push),
    ("crowd", crowd::claim_and_complete),
    ("backlog", backlog::claim),
    ("plan", backlog::plan),
    ("job", jobs::job),
    ("wake", wakes::wake),
    ("idle", wakes::idle),
    ("hook", hooks::hooks),
    ("ring", hooks::ring),
    ("fleet", fleet::supervisor),
    ("web", web::web),
    ("scale", scale::million),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(part) = child::part(&arguments) {
        child::play(part);
        return ExitCode::SUCCESS;
    }
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let effort = match (given("--quick"), given("--full")) {
        (true, _) => Effort::Quick,
        (_, true) => Effort::Full,
        _ => Effort::Usual,
    };
    // Cargo itself passes `--bench`.
    let named: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| ROWS.iter().all(|(row, _)| row != **name)) {
        let known: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
        table::aside(&format!("no row `{unknown}`; there are: {}", known.join(", ")));
        return ExitCode::from(2);
    }
    let mut rows = Vec::new();
    for (name, measure) in ROWS {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            table::aside(&format!("{name} …"));
            rows.extend(measure(effort));
        }
    }
    table::print(&rows, given("--json"));
    ExitCode::SUCCESS
}
