//! The end of what a worker's newest run printed, in words. A look costs one `stat` while nothing was added.

use crate::claude::limit::Here;
use crate::claude::stream;
use crate::claude::stream::How;
use crate::claude::stream::Told;
use crate::host::Host;
use crate::launch::run::RunDir;
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;

/// What is read of a long output.
const BYTES_MAX: u64 = 256 * 1024;
const LINES_MAX: usize = 500;

/// The output of one worker at a time.
pub(super) struct Output {
    state_dir: PathBuf,
    worker: String,
    read: Option<(PathBuf, u64)>,
    lines: VecDeque<String>,
}

impl Output {
    pub(super) fn of(state_dir: &Path) -> Output {
        Output { state_dir: state_dir.to_owned(), worker: String::new(), read: None, lines: VecDeque::new() }
    }

    /// The lines of the worker as they are now, newest last.
    pub(super) fn lines(&mut self, worker: Option<&str>, host: &Host) -> &[String] {
        let worker = worker.unwrap_or_default();
        if worker != self.worker {
            (self.worker, self.read) = (worker.to_owned(), None);
            self.lines.clear();
        }
        // A file that is gone, or cannot be read, is shown as nothing new.
        let _ = self.look(host);
        self.lines.make_contiguous()
    }

    fn look(&mut self, host: &Host) -> io::Result<()> {
        let Some(run) = newest_run(&self.state_dir.join("workers").join(&self.worker))? else { return Ok(()) };
        let [path, _] = run.stream();
        let mut file = File::open(&path)?;
        let length = file.metadata()?.len();
        let at = match &self.read {
            Some((read, at)) if *read == path && *at <= length => *at,
            _ => {
                self.lines.clear();
                length.saturating_sub(BYTES_MAX)
            }
        };
        if length == at {
            return Ok(());
        }
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        // A line that is being written is read when it has ended.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let here = Here { now: host.wall(), zone: TimeZone::system() };
        for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
            self.lines.extend(words(&stream::tell(line, &here)));
        }
        let surplus = self.lines.len().saturating_sub(LINES_MAX);
        self.lines.drain(..surplus);
        self.read = Some((path, at + whole as u64));
        Ok(())
    }
}

/// Runs are numbered.
fn newest_run(dir: &Path) -> io::Result<Option<RunDir>> {
    let numbers = dir.read_dir()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    Ok(numbers.max().map(|number| RunDir::at(dir.join(number.to_string()))))
}

/// What a person wants to know of a line.
fn words(told: &Told) -> Vec<String> {
    match told {
        Told::Began { model, .. } => vec![format!("a turn begins, with {model}")],
        Told::Works { said, tools } => {
            let said = said.iter().flat_map(|said| said.lines()).filter(|line| !line.trim().is_empty());
            said.map(str::to_owned).chain(tools.iter().map(|tool| format!("> {tool}"))).collect()
        }
        Told::NeedsPermission { tool, .. } => vec![format!("? may it use {tool}")],
        Told::Denied { tool, why } => vec![format!("! it may not use {tool}: {why}")],
        Told::Retries { attempt, attempts_max, why, .. } => {
            vec![format!("~ a request failed, attempt {attempt} of {attempts_max}: {why}")]
        }
        Told::Limited { until } => {
            vec![until.map_or("= limited".to_owned(), |until| format!("= limited until {until}"))]
        }
        Told::Ended(outcome) => {
            let how = match &outcome.how {
                How::Done => "done",
                How::Interrupted => "interrupted",
                How::TurnsMax => "ended at its limit of turns",
                How::BudgetMax => "ended at its limit of dollars",
                How::TooLong => "ended: its session became too long",
                How::Limited { .. } => "ended by a usage limit",
                How::Failed(why) => why,
            };
            vec![format!("{how}: {}", outcome.words.lines().next().unwrap_or_default())]
        }
        Told::Nothing => Vec::new(),
    }
}
