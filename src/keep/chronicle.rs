//! What a worker printed, line by line and each with its time: from the files of its run, and on as they grow.

use crate::claude::limit::Here;
use crate::claude::stream;
use crate::claude::stream::Told;
use crate::host::Host;
use crate::keep::run::RunDir;
use crate::keep::run::times_of;
use crate::keep::tail::Heard;
use crate::keep::tail::Tail;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// What is read in one look, and at the first of the end: more lines than anybody asks for.
const TAIL_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    Output,
    Errors,
    /// What its client tells of a hook.
    Hook,
}

impl Source {
    pub fn word(self) -> &'static str {
        match self {
            Source::Output => "output",
            Source::Errors => "errors",
            Source::Hook => "hook",
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
    began_at: Timestamp,
    reads: [Reads; 2],
}

struct Reads {
    source: Source,
    files: [PathBuf; 2],
    tail: Tail,
    marks: Marks,
    /// Is what goes on a line of the client's?
    in_json: bool,
}

/// What was heard, until it is known when it came.
struct Piece {
    text: String,
    in_newest: bool,
    place: u64,
    goes_on: bool,
}

impl Piece {
    fn of(heard: Heard) -> Piece {
        let Heard { text, in_newest, place, goes_on, .. } = heard;
        Piece { text: text.to_owned(), in_newest, place, goes_on }
    }
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
        let reads = [(Source::Output, run.stream()), (Source::Errors, run.errors())].map(|(source, files)| {
            let [newest, before] = files.clone();
            let tail = Tail::of_end(newest, Some(before), TAIL_BYTES);
            Reads { source, files, tail, marks: Marks::default(), in_json: false }
        });
        Chronicle { number, began_at, reads }
    }

    /// What has come since the last look, in its order; of very much the older part, and the rest at the next look.
    pub fn read(&mut self, host: &Host) -> Vec<Line> {
        let mut lines = Vec::new();
        for reads in &mut self.reads {
            reads.read(host, self.began_at, &mut lines);
        }
        // Stable: what one stream said stays in its order.
        lines.sort_by_key(|line| line.at);
        lines
    }
}

impl Reads {
    fn read(&mut self, host: &Host, began_at: Timestamp, lines: &mut Vec<Line>) {
        let mut heard: Vec<Piece> = Vec::new();
        self.tail.read(|one| heard.push(Piece::of(one)));
        // When it came was written down before it was.
        for of_file in heard.chunk_by(|one, other| one.in_newest == other.in_newest) {
            let [newest, before] = &self.files;
            self.marks.read(&times_of(if of_file[0].in_newest { newest } else { before }));
            for Piece { text, place, goes_on, .. } in of_file {
                self.in_json = if *goes_on { self.in_json } else { self.source == Source::Output && is_json(text) };
                let at = self.marks.time_at(*place).unwrap_or(began_at);
                let told = if self.in_json { of_client(text, *goes_on, host) } else { of_others(self.source, text) };
                lines.extend(told.map(|(source, text)| Line { at, source, text }));
            }
        }
    }
}

fn is_json(line: &str) -> bool {
    line.starts_with('{')
}

/// In words. What is cut tells nothing.
fn of_client(line: &str, goes_on: bool, host: &Host) -> Option<(Source, String)> {
    if goes_on {
        return None;
    }
    let told = stream::tell(line, &Here { now: host.wall(), zone: TimeZone::system() });
    let source = if matches!(told, Told::Hooked { .. }) { Source::Hook } else { Source::Output };
    told.words().map(|words| (source, words))
}

fn of_others(source: Source, line: &str) -> Option<(Source, String)> {
    let line = line.trim_end();
    (!line.is_empty()).then(|| (source, line.to_owned()))
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
    use std::fs;

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

    /// Whoever wants the newest lines gets them, however much of either file there is.
    #[test]
    fn the_newest_lines_are_told_where_both_files_are_longer_than_a_look() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        let host = Host::manual(1);
        let [newest, before] = run.stream();
        let lines = |name: &str| (0..900_000).map(|n| format!("{name} {n:06}\n")).collect::<String>();
        let (old, new) = (lines("old"), lines("new"));
        assert!(new.len() as u64 > 2 * TAIL_BYTES);
        fs::write(&before, old).unwrap();
        fs::write(&newest, new).unwrap();
        fs::write(times_of(&before), "0 1000\n").unwrap();
        fs::write(times_of(&newest), "0 2000\n9000000 3000\n").unwrap();
        let mut chronicle = Chronicle::new(run, 1, host.wall());
        let told = chronicle.read(&host);
        let last = told.last().unwrap();
        assert_eq!((last.text.as_str(), last.at.millis()), ("new 899999", 3000));
        assert!(told.iter().all(|line| line.text.starts_with("new ")), "{:?}", told.first());
        assert!(told.len() as u64 * 11 <= TAIL_BYTES);
        assert_eq!(chronicle.read(&host), []);
    }

    #[test]
    fn of_a_line_of_the_clients_that_is_too_long_nothing_is_told_and_the_next_is() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        let host = Host::manual(1);
        let [newest, _] = run.stream();
        let mut chronicle = Chronicle::new(run, 1, host.wall());
        let mut texts = |host: &Host| chronicle.read(host).into_iter().map(|line| line.text).collect::<Vec<_>>();
        let long = format!("{{\"type\":\"assistant\",\"x\":\"{}", "x".repeat(1 << 20));
        fs::write(&newest, &long).unwrap();
        assert_eq!(texts(&host), [""; 0]);
        fs::write(&newest, long + "\"}\nplain words\n").unwrap();
        assert_eq!(texts(&host), ["plain words"]);
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
