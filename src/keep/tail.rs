//! Follows a file that grows, line by line; and over to the next one, where it is turned over. The one follower of such files.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// Read at once.
const CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// A line that has not ended by then is cut, and heard in pieces.
const LINE_BYTES_MAX: usize = 1024 * 1024;

pub struct Tail {
    newest: PathBuf,
    /// What the newest was turned over to, if it is.
    before: Option<PathBuf>,
    /// How much of the end counts at the first look; all of it, unless said.
    at_first: Option<u64>,
    /// How much is read in one look; all that is there, unless said.
    in_a_look: u64,
    /// Which file, and how far it was read.
    at: Option<(u64, u64)>,
    /// The beginning of a line that has not ended.
    rest: Vec<u8>,
    /// It is the middle of one that was cut.
    goes_on: bool,
    /// It began before what counts.
    is_skipped: bool,
}

/// A line, or a piece of one that is too long.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    pub text: &'a str,
    /// It stands in the newest file, and not in the one that was turned over.
    pub in_newest: bool,
    /// At which byte of its file it begins.
    pub place: u64,
    /// What came before it was of the same line.
    pub goes_on: bool,
    /// When its file was written last, in milliseconds.
    pub written: i64,
}

/// A file that is open, and what was known of it when it was opened.
struct Found {
    file: File,
    inode: u64,
    length: u64,
    written: i64,
    is_newest: bool,
}

impl Found {
    fn open(path: &Path, is_newest: bool) -> Option<Found> {
        let file = File::open(path).ok()?;
        let about = file.metadata().ok()?;
        let written = about.mtime() * 1000 + about.mtime_nsec() / 1_000_000;
        Some(Found { inode: about.ino(), length: about.len(), written, is_newest, file })
    }
}

impl Tail {
    /// From its beginning on.
    pub fn of(newest: PathBuf, before: Option<PathBuf>) -> Tail {
        Tail {
            newest,
            before,
            at_first: None,
            in_a_look: u64::MAX,
            at: None,
            rest: Vec::new(),
            goes_on: false,
            is_skipped: false,
        }
    }

    /// From so many bytes before its end on, and no more of them in one look: what is collected has an end.
    pub fn of_end(newest: PathBuf, before: Option<PathBuf>, bytes: u64) -> Tail {
        Tail { at_first: Some(bytes), in_a_look: bytes, ..Tail::of(newest, before) }
    }

    /// Has each line heard that has ended since the last look, in their order. Says whether there was anything.
    pub fn read(&mut self, mut hear: impl FnMut(Heard)) -> bool {
        // The newest is opened first: should it be turned over now, it is still the one that was meant.
        let newest = Found::open(&self.newest, true);
        let before = self.before.as_deref().and_then(|path| Found::open(path, false));
        if let (None, Some(bytes)) = (self.at, self.at_first) {
            self.begin(newest.as_ref(), before.as_ref(), bytes);
        }
        let at = self.at.map(|(inode, _)| inode);
        let in_newest = newest.as_ref().is_some_and(|newest| at == Some(newest.inode));
        // What was turned over is read to its end first, be it at the first look or behind our back.
        let before = before.filter(|before| at == Some(before.inode) || !in_newest);
        let mut room = self.in_a_look;
        let mut grew = false;
        for found in before.into_iter().chain(newest) {
            let (read, is_all) = self.read_file(found, room, &mut hear);
            grew |= read > 0;
            room -= read;
            if !is_all {
                break;
            }
        }
        grew
    }

    /// Where the last so many bytes begin.
    fn begin(&mut self, newest: Option<&Found>, before: Option<&Found>, bytes: u64) {
        let behind = newest.map_or(0, |newest| newest.length);
        let (found, behind) = match (newest, before) {
            (_, Some(before)) if behind < bytes => (before, behind),
            (Some(newest), _) => (newest, 0),
            (None, _) => return,
        };
        let at = (found.length + behind).saturating_sub(bytes).min(found.length);
        (self.at, self.is_skipped) = (Some((found.inode, at)), at > 0);
    }

    /// How much was read, and whether that was all.
    fn read_file(&mut self, mut found: Found, room: u64, hear: &mut impl FnMut(Heard)) -> (u64, bool) {
        let begins = match self.at {
            Some((inode, at)) if inode == found.inode && at <= found.length => at,
            _ => {
                (self.rest, self.goes_on, self.is_skipped) = (Vec::new(), false, false);
                0
            }
        };
        let mut at = begins;
        self.at = Some((found.inode, at));
        // No further than it reached when we came: some never stop writing.
        let end = found.length.min(begins.saturating_add(room));
        while at < end && found.file.seek(SeekFrom::Start(at)).is_ok() {
            let mut bytes = Vec::new();
            match (&mut found.file).take(CHUNK_BYTES.min(end - at)).read_to_end(&mut bytes) {
                Ok(read @ 1..) => at += read as u64,
                _ => break,
            }
            self.at = Some((found.inode, at));
            self.hear(&bytes, at, &found, hear);
        }
        (at - begins, at == found.length)
    }

    /// What was read up to that byte.
    fn hear(&mut self, bytes: &[u8], to: u64, found: &Found, hear: &mut impl FnMut(Heard)) {
        self.rest.extend(bytes);
        let read = std::mem::take(&mut self.rest);
        let mut place = to - read.len() as u64;
        let mut tell = |line: &[u8], place: u64, goes_on: bool| {
            let text = String::from_utf8_lossy(line);
            let text = text.trim_end_matches('\n');
            if !text.is_empty() {
                hear(Heard { text, in_newest: found.is_newest, place, goes_on, written: found.written });
            }
        };
        for line in read.split_inclusive(|byte| *byte == b'\n') {
            let has_ended = line.ends_with(b"\n");
            if !has_ended && line.len() < LINE_BYTES_MAX {
                self.rest = line.to_vec();
                return;
            }
            if !self.is_skipped {
                tell(line, place, self.goes_on);
            }
            self.is_skipped &= !has_ended;
            self.goes_on = !has_ended;
            place += line.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_read_to_its_end_and_on_over_its_turning_over() {
        let dir = tempfile::tempdir().unwrap();
        let (newest, before) = (dir.path().join("new"), dir.path().join("old"));
        let mut tail = Tail::of(newest.clone(), Some(before.clone()));
        let mut lines = || {
            let mut lines = Vec::new();
            tail.read(|heard| lines.push(heard.text.to_owned()));
            lines
        };
        assert_eq!(lines(), Vec::<String>::new());
        fs::write(&newest, "one\ntw").unwrap();
        assert_eq!(lines(), ["one"]);
        fs::write(&newest, "one\ntwo\nthree\n").unwrap();
        assert_eq!(lines(), ["two", "three"]);
        assert_eq!(lines(), Vec::<String>::new());
        fs::write(&newest, "one\ntwo\nthree\nfour\n").unwrap();
        fs::rename(&newest, &before).unwrap();
        fs::write(&newest, "five\n").unwrap();
        assert_eq!(lines(), ["four", "five"]);
        let large = "x".repeat(3 * CHUNK_BYTES as usize / 2) + "\nend\n";
        fs::write(&newest, "five\n".to_owned() + &large).unwrap();
        assert_eq!(lines().last().unwrap(), "end");
        let mut anew = Tail::of(newest, Some(before));
        let mut all = Vec::new();
        assert!(anew.read(|heard| all.push(heard.text.len())));
        assert_eq!((all.len(), all[0], *all.last().unwrap()), (8, 3, 3));
    }

    /// Whoever wants the end of something long is not to wait for all of it, nor to hold it.
    #[test]
    fn the_end_begins_with_a_whole_line_in_whichever_file_that_is() {
        let dir = tempfile::tempdir().unwrap();
        let (newest, before) = (dir.path().join("new"), dir.path().join("old"));
        fs::write(&before, "one\ntwo\nthree\n").unwrap();
        fs::write(&newest, "four\nfive\n").unwrap();
        let end = |bytes: u64| {
            let mut tail = Tail::of_end(newest.clone(), Some(before.clone()), bytes);
            let mut lines = Vec::new();
            tail.read(|heard| lines.push((heard.text.to_owned(), heard.in_newest, heard.place)));
            lines
        };
        let line = |text: &str, in_newest: bool, place: u64| (text.to_owned(), in_newest, place);
        assert_eq!(end(7), [line("five", true, 5)]);
        assert_eq!(end(12), [line("four", true, 0), line("five", true, 5)]);
        assert_eq!(end(17), [line("three", false, 8), line("four", true, 0), line("five", true, 5)]);
        assert_eq!(end(1000).first(), Some(&line("one", false, 0)));
    }

    #[test]
    fn a_look_has_an_end_and_the_next_one_goes_on_there() {
        let dir = tempfile::tempdir().unwrap();
        let (newest, before) = (dir.path().join("new"), dir.path().join("old"));
        fs::write(&newest, "").unwrap();
        let mut tail = Tail::of_end(newest.clone(), Some(before.clone()), 8);
        let mut lines = || {
            let mut lines = Vec::new();
            tail.read(|heard| lines.push(heard.text.to_owned()));
            lines
        };
        assert_eq!(lines(), [""; 0]);
        fs::write(&newest, "one\ntwo\nthree\n").unwrap();
        assert_eq!(lines(), ["one", "two"]);
        fs::rename(&newest, &before).unwrap();
        fs::write(&newest, "four\n").unwrap();
        assert_eq!(lines(), ["three"]);
        assert_eq!(lines(), ["four"]);
        assert_eq!(lines(), [""; 0]);
    }

    /// Between two looks both files may have become others.
    #[test]
    fn what_was_turned_over_twice_is_read_from_the_beginning_of_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let [newest, before, first] = ["new", "old", "first"].map(|name| dir.path().join(name));
        fs::write(&newest, "one\n").unwrap();
        let mut tail = Tail::of(newest.clone(), Some(before.clone()));
        assert!(tail.read(|_| {}));
        // It is kept elsewhere, so that no other file gets its number.
        fs::rename(&newest, first).unwrap();
        fs::write(&before, "two\n").unwrap();
        fs::write(&newest, "three\n").unwrap();
        let mut lines = Vec::new();
        tail.read(|heard| lines.push(heard.text.to_owned()));
        assert_eq!(lines, ["two", "three"]);
    }

    #[test]
    fn a_line_that_does_not_end_is_heard_in_pieces_and_held_in_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let newest = dir.path().join("new");
        let mut tail = Tail::of(newest.clone(), None);
        let mut pieces = || {
            let mut pieces = Vec::new();
            tail.read(|heard| pieces.push((heard.text.len(), heard.place, heard.goes_on)));
            pieces
        };
        let long = "x".repeat(LINE_BYTES_MAX);
        fs::write(&newest, "a\n".to_owned() + &long).unwrap();
        assert_eq!(pieces(), [(1, 0, false), (LINE_BYTES_MAX, 2, false)]);
        fs::write(&newest, "a\n".to_owned() + &long + "end\nb\n").unwrap();
        let after = 2 + LINE_BYTES_MAX as u64;
        assert_eq!(pieces(), [(3, after, true), (1, after + 4, false)]);
    }
}
