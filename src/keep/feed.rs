//! From the FIFO of a run to the standard input of its child: whole lines of JSON, and nothing else.

use rustix::fs::CWD;
use rustix::fs::Mode;
use rustix::fs::mkfifoat;
use rustix::io::Errno;
use serde::de::IgnoredAny;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ChildStdin;

/// A prompt with an image in it is shorter.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// With as much before it unread, the child hears no more until it has read some; whoever writes waits.
const WAITING_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Feed {
    pub(super) fifo: File,
    pub(super) to: ChildStdin,
    lines: Lines,
    /// What the child has not taken yet.
    waiting: Vec<u8>,
    taken: usize,
}

/// What becomes of what comes in.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// The line is too long, and what is left of it is passed over.
    passing_over: bool,
}

/// Makes the FIFO, before anybody can want to write to it.
pub(super) fn fifo(path: &Path) -> io::Result<File> {
    match mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR) {
        Err(Errno::EXIST) | Ok(()) => {}
        Err(cause) => return Err(cause.into()),
    }
    // For both, so that it does not end with the last writer.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

impl Feed {
    /// `first` is a line that the child is given before all others.
    pub(super) fn new(fifo: File, to: ChildStdin, first: Option<&str>) -> io::Result<Feed> {
        rustix::io::ioctl_fionbio(&to, true)?;
        let waiting = first.map(|line| format!("{line}\n").into_bytes()).unwrap_or_default();
        Ok(Feed { fifo, to, lines: Lines::default(), waiting, taken: 0 })
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() - self.taken < WAITING_BYTES_MAX
    }

    pub(super) fn has_more(&self) -> bool {
        self.taken < self.waiting.len()
    }

    /// Takes what has come in: how many lines were left out.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> usize {
        match self.fifo.read(buffer) {
            Ok(read) => self.lines.take(&buffer[..read], &mut self.waiting),
            Err(_) => 0,
        }
    }

    /// Gives the child what it takes. An error is the end: it reads no more.
    pub(super) fn give(&mut self) -> io::Result<()> {
        while self.has_more() {
            match self.to.write(&self.waiting[self.taken..]) {
                Ok(written) => self.taken += written,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(cause) => return Err(cause),
            }
        }
        // An idle keeper holds no memory for what has passed.
        (self.waiting, self.taken) = (Vec::new(), 0);
        Ok(())
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8], whole: &mut Vec<u8>) -> usize {
        let mut left_out = 0;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.passing_over {
                self.begun.extend_from_slice(part);
            }
            if self.begun.len() > LINE_BYTES_MAX {
                (self.begun, self.passing_over) = (Vec::new(), true);
                left_out += 1;
            }
            if part.ends_with(b"\n") {
                left_out += self.end_line(whole);
            }
        }
        left_out
    }

    /// The client gives up at a line that it cannot read. What lost its end with its writer is never JSON.
    fn end_line(&mut self, whole: &mut Vec<u8>) -> usize {
        let line = std::mem::take(&mut self.begun);
        let skipped = std::mem::take(&mut self.passing_over);
        if skipped || line.trim_ascii().is_empty() {
            return 0;
        }
        if serde_json::from_slice::<IgnoredAny>(&line).is_err() {
            return 1;
        }
        whole.extend_from_slice(&line);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_json_pass() {
        let mut lines = Lines::default();
        let mut whole = Vec::new();
        let mut left_out = 0;
        for part in ["\n{\"a\":1}\n\n{\"b\"", ":2}\n{\"cut", "\n{\"c\":3}\n", "words\n", "{\"d\":"] {
            left_out += lines.take(part.as_bytes(), &mut whole);
        }
        assert_eq!(String::from_utf8(whole).unwrap(), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
        assert_eq!(left_out, 2);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut lines = Lines::default();
        let mut whole = Vec::new();
        let endless = vec![b'1'; LINE_BYTES_MAX / 2 + 1];
        let left_out: usize = (0..5).map(|_| lines.take(&endless, &mut whole)).sum();
        assert_eq!((left_out, lines.begun.len()), (1, 0));
        lines.take(b"1\n{}\n", &mut whole);
        assert_eq!(whole, b"{}\n");
    }
}
