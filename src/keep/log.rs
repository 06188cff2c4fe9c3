//! A file that grows with what a child prints, and no further: of too much it keeps the newest.

use crate::host::Host;
use crate::host::Stopwatch;
use crate::keep::run::append;
use crate::keep::run::times_of;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// A person who looks back at a day of work wants it no finer.
const BETWEEN_STAMPS: Duration = Duration::from_millis(100);

pub(super) struct Log {
    host: Host,
    times: File,
    stamped: Option<Stopwatch>,
    path: PathBuf,
    before: PathBuf,
    /// Beyond this a file is turned over, once its last line has ended.
    bytes_of_file: u64,
    file: File,
    bytes: u64,
    ends_line: bool,
}

/// A line that has not ended by then is cut.
const OF_FILE_MAX: u64 = 2;

impl Log {
    pub(super) fn open(host: &Host, [path, before]: [PathBuf; 2], bytes_of_file: u64) -> io::Result<Log> {
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        let times = append(&times_of(&path))?;
        Ok(Log {
            host: host.clone(),
            times,
            stamped: None,
            path,
            before,
            bytes_of_file: bytes_of_file.max(1),
            file,
            bytes,
            ends_line: true,
        })
    }

    /// A full disk loses what is printed while it is full; whoever prints is not held up by it.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let is_full = self.bytes >= self.bytes_of_file && self.ends_line;
            if (is_full || self.bytes >= self.bytes_of_file * OF_FILE_MAX) && self.turn_over().is_err() {
                return;
            }
            self.stamp();
            let (now, rest) = bytes.split_at(self.fits(bytes));
            if self.file.write_all(now).is_err() {
                return;
            }
            self.bytes += now.len() as u64;
            self.ends_line = now.ends_with(b"\n");
            bytes = rest;
        }
    }

    /// When what comes now came. Without it nothing is lost but that.
    fn stamp(&mut self) {
        if self.stamped.is_none_or(|last| last.so_far() >= BETWEEN_STAMPS) {
            self.stamped = Some(Stopwatch::start());
            let _ = writeln!(self.times, "{} {}", self.bytes, self.host.wall().millis());
        }
    }

    /// How much of it goes into this file: up to the first line that ends beyond the file's measure.
    fn fits(&self, bytes: &[u8]) -> usize {
        let measure = self.bytes_of_file.saturating_sub(self.bytes) as usize;
        if bytes.len() <= measure {
            return bytes.len();
        }
        let from = measure.saturating_sub(1);
        let line = bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| from + at + 1);
        line.min((self.bytes_of_file * OF_FILE_MAX - self.bytes) as usize)
    }

    /// A line of ours.
    pub(super) fn note(&mut self, text: &str) {
        let before = if self.ends_line { "" } else { "\n" };
        self.write(format!("{before}orch-mcp: {text}\n").as_bytes());
    }

    fn turn_over(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, &self.before)?;
        let _ = std::fs::rename(times_of(&self.path), times_of(&self.before));
        self.times = append(&times_of(&self.path))?;
        self.stamped = None;
        self.file = append(&self.path)?;
        self.bytes = 0;
        self.ends_line = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn log(bytes_max: u64) -> (tempfile::TempDir, [PathBuf; 2], Log) {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a.log"), dir.path().join("a.1.log")];
        let log = Log::open(&Host::manual(1), paths.clone(), bytes_max).unwrap();
        (dir, paths, log)
    }

    #[test]
    fn the_newest_lines_are_kept_whole() {
        let (_dir, [path, before], mut log) = log(50);
        let lines: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        for part in lines.as_bytes().chunks(133) {
            log.write(part);
        }
        let kept = fs::read_to_string(before).unwrap() + &fs::read_to_string(path).unwrap();
        assert!(kept.len() <= 120 && kept.len() > 50, "{kept}");
        assert!(kept.ends_with("line 998\nline 999\n"), "{kept}");
        assert!(kept.lines().all(|line| line.starts_with("line ")), "{kept}");
    }

    #[test]
    fn one_endless_line_is_bounded_too() {
        let (_dir, [path, before], mut log) = log(25);
        for _ in 0..100 {
            log.write(&[b'x'; 33]);
        }
        log.write(b"end");
        let kept = fs::read_to_string(before).unwrap() + &fs::read_to_string(path).unwrap();
        assert!(kept.len() <= 100 && kept.ends_with("xend"), "{kept}");
    }

    #[test]
    fn a_note_stands_on_a_line_of_its_own() {
        let (_dir, [path, _], mut log) = log(1000);
        log.write(b"half");
        log.note("hello");
        log.note("again");
        assert_eq!(fs::read_to_string(path).unwrap(), "half\norch-mcp: hello\norch-mcp: again\n");
    }
}
