//! What a worker printed, line by line and each with its time: from the files of its run, and on as they grow.

use crate::claude::limit::Here;
use crate::claude::stream;
use crate::claude::stream::Told;
use crate::host::Host;
use crate::keep::run::RunDir;
use crate::keep::run::times_of;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is read of a file at the first look: more lines than anybody asks for.
const TAIL_BYTES: u64 = 4 * 1024 * 1024;
/// A line that has not ended by then is cut.
const LINE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    Output,
    Errors,
}

impl Source {
    pub fn word(self) -> &'static str {
        match self {
            Source::Output => "output",
            Source::Errors => "errors",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub at: Timestamp,
    pub source: Source,
    pub text: String,
}

/// Follows what one run prints.
pub struct Chronicle {
    pub number: u64,
    run: RunDir,
    began_at: Timestamp,
    reads: [Reads; 2],
}

struct Reads {
    source: Source,
    /// Which file, and how far it was read.
    at: Option<(u64, u64)>,
    rest: Vec<u8>,
    marks: Marks,
}

/// From which byte on what was printed when, as far as that was read.
#[derive(Default)]
struct Marks {
    /// Which file, and how far it was read.
    at: Option<(u64, u64)>,
    known: Vec<(u64, Timestamp)>,
}

impl Chronicle {
    pub fn new(run: RunDir, number: u64, began_at: Timestamp) -> Chronicle {
        let reads = [Source::Output, Source::Errors].map(|source| Reads {
            source,
            at: None,
            rest: Vec::new(),
            marks: Marks::default(),
        });
        Chronicle { number, run, began_at, reads }
    }

    /// What has come since the last look, in its order.
    pub fn read(&mut self, host: &Host) -> Vec<Line> {
        let mut lines = Vec::new();
        for reads in &mut self.reads {
            let files = match reads.source {
                Source::Output => self.run.stream(),
                Source::Errors => self.run.errors(),
            };
            let [newest, before] = files;
            // What was turned over is read to its end first, be it at the first look or behind our back.
            let turned_over = fs::metadata(&before).ok().map(|found| found.ino());
            if reads.at.is_none() || reads.at.map(|(inode, _)| inode) == turned_over {
                reads.read(&before, host, self.began_at, &mut lines);
            }
            reads.read(&newest, host, self.began_at, &mut lines);
        }
        // Stable: what one stream said stays in its order.
        lines.sort_by_key(|line| line.at);
        lines
    }
}

impl Reads {
    fn read(&mut self, path: &Path, host: &Host, began_at: Timestamp, lines: &mut Vec<Line>) {
        let Ok(mut file) = File::open(path) else { return };
        let Ok(found) = file.metadata() else { return };
        let (at, is_cut) = match self.at {
            Some((inode, at)) if inode == found.ino() && at <= found.len() => (at, false),
            Some(_) => (0, false),
            None => (found.len().saturating_sub(TAIL_BYTES), found.len() > TAIL_BYTES),
        };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(at)).is_err() || file.take(TAIL_BYTES).read_to_end(&mut bytes).is_err() {
            return;
        }
        if self.at.is_none_or(|(inode, _)| inode != found.ino()) {
            self.rest.clear();
        }
        self.at = Some((found.ino(), at + bytes.len() as u64));
        if bytes.is_empty() {
            return;
        }
        let mut begins = at - self.rest.len() as u64;
        let mut read = std::mem::take(&mut self.rest);
        read.extend(bytes);
        self.marks.read(&times_of(path));
        for (place, line) in read.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let starts = begins;
            begins += line.len() as u64;
            if !line.ends_with(b"\n") && line.len() < LINE_BYTES_MAX {
                self.rest = line.to_vec();
            } else if !(is_cut && place == 0) {
                let text = String::from_utf8_lossy(line);
                let at = self.marks.time_at(starts).unwrap_or(began_at);
                let told = told(self.source, text.trim_end(), host);
                lines.extend(told.map(|text| Line { at, source: self.source, text }));
            }
        }
    }
}

/// In words, where it is a line of the client's.
fn told(source: Source, line: &str, host: &Host) -> Option<String> {
    let is_json = source == Source::Output && line.starts_with('{');
    match is_json {
        true => stream::tell(line, &Here { now: host.wall(), zone: TimeZone::system() }).words(),
        false => (!line.is_empty()).then(|| line.to_owned()),
    }
}

impl Marks {
    /// What has come since the last look.
    fn read(&mut self, path: &Path) {
        let Ok(mut file) = File::open(path) else { return };
        let Ok(found) = file.metadata() else { return };
        let at = match self.at {
            Some((inode, at)) if inode == found.ino() && at <= found.len() => at,
            _ => {
                self.known.clear();
                0
            }
        };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(at)).is_err() || file.read_to_end(&mut bytes).is_err() {
            return;
        }
        // A line that has not ended is read again.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.at = Some((found.ino(), at + whole as u64));
        self.learn(&String::from_utf8_lossy(&bytes[..whole]));
    }

    fn learn(&mut self, text: &str) {
        let mark = |line: &str| {
            let (bytes, millis) = line.split_once(' ')?;
            Some((bytes.parse().ok()?, Timestamp::from_millis(millis.parse().ok()?)))
        };
        self.known.extend(text.lines().filter_map(mark));
    }

    /// When the byte at this place came, by the last mark before it. What lies before this place is asked for no more.
    fn time_at(&mut self, place: u64) -> Option<Timestamp> {
        let after = self.known.partition_point(|(bytes, _)| *bytes <= place);
        self.known.drain(..after.saturating_sub(1));
        self.known.first().filter(|(bytes, _)| *bytes <= place).map(|(_, at)| *at)
    }
}

/// The session of the client that ran there, once it has said so.
pub fn session(run: &RunDir, host: &Host) -> Option<String> {
    let here = Here { now: host.wall(), zone: TimeZone::system() };
    let [newest, before] = run.stream();
    [newest, before].iter().find_map(|path| {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(TAIL_BYTES).read_to_end(&mut bytes).ok()?;
        String::from_utf8_lossy(&bytes).lines().find_map(|line| match stream::tell(line, &here) {
            Told::Began { session, .. } if !session.is_empty() => Some(session),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::log::Log;

    #[test]
    fn what_was_printed_is_told_with_its_time_and_goes_on_over_a_file_that_is_turned_over() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        let host = Host::manual(1);
        let began = host.wall();
        let mut log = Log::open(&host, run.stream(), 60).unwrap();
        let mut chronicle = Chronicle::new(run, 1, began);
        let texts = |chronicle: &mut Chronicle| -> Vec<String> {
            let lines = chronicle.read(&host);
            assert!(lines.iter().all(|line| line.at == host.wall() && line.source == Source::Output), "{lines:?}");
            lines.into_iter().map(|line| line.text).collect()
        };
        log.write(b"one\n{\"type\":\"system\",\"subtype\":\"other\"}\nha");
        assert_eq!(texts(&mut chronicle), ["one"]);
        log.write(b"lf\n");
        assert_eq!(texts(&mut chronicle), ["half"]);
        log.write(b"a line that fills the file up\nand one behind it\n");
        assert_eq!(texts(&mut chronicle), ["a line that fills the file up", "and one behind it"]);
        assert_eq!(texts(&mut chronicle), [""; 0]);
    }

    #[test]
    fn a_line_has_the_time_of_the_last_mark_before_it_and_marks_are_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stream.times");
        fs::write(&path, "0 1000\n50 2000\nx\n90 30").unwrap();
        let mut marks = Marks::default();
        assert_eq!(marks.time_at(3), None);
        marks.read(&path);
        assert_eq!(
            [0, 49, 50, 500].map(|place| marks.time_at(place).map(Timestamp::millis)),
            [Some(1000), Some(1000), Some(2000), Some(2000)]
        );
        // What was read is not looked at again.
        let mut text = fs::read(&path).unwrap();
        text[..6].copy_from_slice(b"0 9999");
        text.extend(b"00\n");
        fs::write(&path, &text).unwrap();
        marks.read(&path);
        assert_eq!(marks.time_at(500).map(Timestamp::millis), Some(3000));
        assert_eq!(marks.known.len(), 1);
    }
}
