//! Follows a file that grows, line by line; and over to the next one, where it is turned over.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// Read at once.
const CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// What a line may have that is looked at.
const LINE_BYTES_MAX: usize = 1024 * 1024;

pub struct Tail {
    newest: PathBuf,
    /// What the newest was turned over to, if it is.
    before: Option<PathBuf>,
    /// Which file, and how far it was read.
    at: Option<(u64, u64)>,
    /// The beginning of a line that has not ended.
    rest: Vec<u8>,
}

impl Tail {
    pub fn of(newest: PathBuf, before: Option<PathBuf>) -> Tail {
        Tail { newest, before, at: None, rest: Vec::new() }
    }

    /// Has each line hear that has ended since the last look, with the moment (in milliseconds) when its file was written last.
    /// Says whether there was anything.
    pub fn read(&mut self, mut hear: impl FnMut(&str, i64)) -> bool {
        let mut grew = false;
        if let Some(before) = self.before.clone() {
            // What was turned over is read to its end first, be it at the first look or behind our back.
            let inode = std::fs::metadata(&before).ok().map(|found| found.ino());
            if inode.is_some() && (self.at.is_none() || self.at.map(|(inode, _)| inode) == inode) {
                grew |= self.read_file(&before, &mut hear);
            }
        }
        let newest = self.newest.clone();
        self.read_file(&newest, &mut hear) || grew
    }

    fn read_file(&mut self, path: &Path, hear: &mut impl FnMut(&str, i64)) -> bool {
        let Ok(mut file) = File::open(path) else { return false };
        let Ok(found) = file.metadata() else { return false };
        let mut at = match self.at {
            Some((inode, at)) if inode == found.ino() && at <= found.len() => at,
            _ => {
                self.rest.clear();
                0
            }
        };
        self.at = Some((found.ino(), at));
        let begins = at;
        let written = found.mtime() * 1000 + found.mtime_nsec() / 1_000_000;
        // No further than it reached when we came: some never stop writing.
        while at < found.len() && file.seek(SeekFrom::Start(at)).is_ok() {
            let mut bytes = Vec::new();
            let chunk = CHUNK_BYTES.min(found.len() - at);
            match (&mut file).take(chunk).read_to_end(&mut bytes) {
                Ok(read @ 1..) => at += read as u64,
                _ => break,
            }
            self.at = Some((found.ino(), at));
            self.hear(bytes, written, hear);
        }
        at > begins
    }

    fn hear(&mut self, bytes: Vec<u8>, written: i64, hear: &mut impl FnMut(&str, i64)) {
        self.rest.extend(bytes);
        let mut read = std::mem::take(&mut self.rest);
        // What follows the last line's end is the beginning of the next.
        self.rest = read.split_off(read.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
        for line in read.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            hear(&String::from_utf8_lossy(line), written);
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
            tail.read(|line, _| lines.push(line.to_owned()));
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
        assert!(anew.read(|line, _| all.push(line.len())));
        assert_eq!((all.len(), all[0], *all.last().unwrap()), (7, 3, 3));
    }
}
