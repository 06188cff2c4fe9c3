//! What a run shows of itself, from outside: what it printed, when it last did, and what its processes use.

use crate::claude::limit::Here;
use crate::claude::stream;
use crate::claude::stream::How;
use crate::claude::stream::Told as Line;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::keep::descendants::below;
use crate::keep::descendants::processor_used;
use crate::keep::run::Record;
use crate::keep::run::RunDir;
use crate::launch::nudge::Told;
use crate::launch::plan::Life;
use crate::model::time::Timestamp;
use crate::model::worker::Cost;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Read at one look; the rest at the next.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a line may have that is looked at.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Whether somebody stalls is a matter of minutes.
const PROCESSOR_EVERY: Duration = Duration::from_secs(10);
/// What a process may use in that time that only waits.
const IDLE_USE_MS: u64 = 100;

/// Is a session that stays at work?
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Turn {
    #[default]
    UnderWay,
    /// It ended with a result, and waits for what it is told next.
    Over,
}

/// What its output told until now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub session: Option<String>,
    pub model: Option<String>,
    /// The newest result, and whether it was a good one.
    pub result: Option<(bool, String)>,
    /// The service takes no more: until then, where that was told.
    pub limited: Option<Option<Timestamp>>,
    pub cost: Option<Cost>,
    pub last_words: Option<String>,
    pub turn: Turn,
}

/// What of it was written down before the run has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    pub session: Option<String>,
    pub cost: Option<Cost>,
    pub limit: bool,
}

/// Follows the output of one run.
pub struct Watch {
    pub run: RunDir,
    pub number: u64,
    pub facts: Facts,
    file: Option<(u64, u64)>,
    rest: Vec<u8>,
    grew: Stopwatch,
    /// When its claim was renewed for it.
    pub kept: Stopwatch,
    /// Its hooks have told of a turn.
    pub has_worked: bool,
    /// What it was told while it waited.
    pub told: Told,
    /// The session, the cost and the limit that were written down.
    pub noted: Noted,
    used: Option<u64>,
    worked: Stopwatch,
    /// When the processor's use was looked at: that means to read of every process there is.
    looked: Option<Stopwatch>,
    /// When its process was first seen to run.
    began: Option<Stopwatch>,
}

impl Watch {
    pub fn new(run: RunDir, number: u64) -> Watch {
        Watch {
            run,
            number,
            facts: Facts::default(),
            file: None,
            rest: Vec::new(),
            grew: Stopwatch::start(),
            kept: Stopwatch::start(),
            has_worked: false,
            told: Told::default(),
            noted: Noted::default(),
            used: None,
            worked: Stopwatch::start(),
            looked: None,
            began: None,
        }
    }

    /// How long its process has been seen running.
    pub fn runs(&mut self, life: Life) -> i64 {
        match life {
            Life::None | Life::Prepared => 0,
            Life::Alive | Life::Gone => ago(*self.began.get_or_insert_with(Stopwatch::start)),
        }
    }

    /// How long ago it printed, and how long ago its processes used the processor, where that can be told.
    pub fn signs(&mut self, record: Option<&Record>) -> (i64, Option<i64>) {
        if self.looked.is_none_or(|looked| looked.so_far() >= PROCESSOR_EVERY) {
            self.looked = Some(Stopwatch::start());
            let used = record.and_then(|record| record.child.as_deref()).and_then(processor_ms);
            // What a process uses that only waits is less than that.
            if used.is_some_and(|used| self.used.is_none_or(|before| used > before + IDLE_USE_MS)) {
                self.worked = Stopwatch::start();
            }
            self.used = used;
        }
        (ago(self.grew), self.used.map(|_| ago(self.worked)))
    }

    /// It was told something, and has a turn from now on.
    pub fn hears_from_us(&mut self) {
        (self.facts.turn, self.facts.limited) = (Turn::UnderWay, None);
        self.grew = Stopwatch::start();
    }

    /// Reads on in what was printed.
    pub fn look(&mut self, host: &Host) {
        let [newest, _] = self.run.stream();
        let Ok(mut file) = File::open(&newest) else { return };
        let Ok(found) = file.metadata() else { return };
        let at = match self.file {
            Some((inode, at)) if inode == found.ino() && at <= found.len() => at,
            _ => 0,
        };
        if found.len() == at || file.seek(SeekFrom::Start(at)).is_err() {
            self.file = Some((found.ino(), at));
            return;
        }
        let mut bytes = Vec::new();
        if file.take(READ_BYTES_MAX).read_to_end(&mut bytes).is_err() {
            return;
        }
        self.file = Some((found.ino(), at + bytes.len() as u64));
        self.grew = Stopwatch::start();
        self.rest.extend(bytes);
        let here = Here { now: host.wall(), zone: TimeZone::system() };
        let mut read = std::mem::take(&mut self.rest);
        // What follows the last line's end is the beginning of the next.
        self.rest = read.split_off(read.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        for line in read.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.hear(&String::from_utf8_lossy(line), &here);
        }
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
    }

    fn hear(&mut self, line: &str, here: &Here) {
        match stream::tell(line, here) {
            Line::Began { session, model } => {
                self.facts.session = Some(session);
                self.facts.model = Some(model);
                self.facts.turn = Turn::UnderWay;
            }
            Line::Works { said, .. } => {
                self.facts.last_words = said.or(self.facts.last_words.take());
                self.facts.turn = Turn::UnderWay;
            }
            Line::Limited { until } => self.facts.limited = Some(until),
            Line::Ended(outcome) => self.ended(outcome),
            _ => {}
        }
    }

    fn ended(&mut self, outcome: stream::Outcome) {
        self.facts.turn = Turn::Over;
        if let How::Limited { until } = &outcome.how {
            self.facts.limited = Some(*until);
        } else if outcome.how == How::Done {
            // It went on all the same.
            self.facts.limited = None;
        }
        if let Some(spent) = outcome.spent {
            let cost = self.facts.cost.get_or_insert_default();
            cost.dollars += spent.usd;
            cost.tokens +=
                spent.input_tokens + spent.output_tokens + spent.cache_read_tokens + spent.cache_write_tokens;
            cost.turns += outcome.turns.unwrap_or_default();
        }
        self.facts.model = outcome.model.or(self.facts.model.take());
        self.facts.result = Some((outcome.how == How::Done, outcome.words));
    }
}

fn ago(watch: Stopwatch) -> i64 {
    watch.so_far().as_millis() as i64
}

/// Milliseconds of the processor that a process and all below it have used.
fn processor_ms(process: &str) -> Option<u64> {
    let pid = process.split(['.', '@']).next()?.parse().ok()?;
    Some(processor_used(pid)? + below(pid).into_iter().filter_map(processor_used).sum::<u64>())
}
