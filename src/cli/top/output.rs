//! The end of what a worker's newest run printed, in rows. A look costs a few questions about files while nothing was added.

use crate::host::Host;
use crate::keep::chronicle::Chronicle;
use crate::keep::chronicle::Line;
use crate::keep::chronicle::Source;
use crate::keep::run::RunDir;
use std::collections::VecDeque;
use std::path::Path;
use std::path::PathBuf;

const ROWS_MAX: usize = 500;

/// The output of one worker at a time.
pub(super) struct Output {
    state_dir: PathBuf,
    worker: String,
    chronicle: Option<Chronicle>,
    rows: VecDeque<String>,
}

impl Output {
    pub(super) fn of(state_dir: &Path) -> Output {
        Output { state_dir: state_dir.to_owned(), worker: String::new(), chronicle: None, rows: VecDeque::new() }
    }

    /// The rows of the worker as they are now, newest last.
    pub(super) fn rows(&mut self, worker: Option<&str>, host: &Host) -> &[String] {
        let worker = worker.unwrap_or_default();
        let number = newest_run(&self.state_dir.join("workers").join(worker));
        if worker != self.worker || number != self.chronicle.as_ref().map(|chronicle| chronicle.number) {
            let run = |number: u64| RunDir::of(&self.state_dir, worker, &number.to_string());
            self.chronicle = number.map(|number| Chronicle::new(run(number), number, host.wall()));
            worker.clone_into(&mut self.worker);
            self.rows.clear();
        }
        let lines = self.chronicle.iter_mut().flat_map(|chronicle| chronicle.read(host));
        // Of hooks there is more than a person wants to read along; `logs` has it.
        let shown = lines.filter(|line| line.source != Source::Hook);
        self.rows.extend(shown.flat_map(|line| rows(&line)));
        let surplus = self.rows.len().saturating_sub(ROWS_MAX);
        self.rows.drain(..surplus);
        self.rows.make_contiguous()
    }
}

/// Runs are numbered.
fn newest_run(dir: &Path) -> Option<u64> {
    dir.read_dir().ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max()
}

fn rows(line: &Line) -> Vec<String> {
    let mark = if line.source == Source::Errors { "! " } else { "" };
    let rows = line.text.lines().filter(|row| !row.trim().is_empty());
    rows.map(|row| format!("{mark}{row}")).collect()
}
