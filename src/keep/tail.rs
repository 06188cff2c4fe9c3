//! Follows a file that grows, line by line; where another stands in its place, that one.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Read at one look; the rest at the next.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a line may have that is looked at.
const LINE_BYTES_MAX: usize = 1024 * 1024;

pub struct Tail {
    path: PathBuf,
    /// Which file, and how far it was read.
    at: Option<(u64, u64)>,
    /// The beginning of a line that has not ended.
    rest: Vec<u8>,
}

impl Tail {
    pub fn of(path: PathBuf) -> Tail {
        Tail { path, at: None, rest: Vec::new() }
    }

    /// The lines that have ended since the last look; nothing where the file has not grown.
    pub fn read(&mut self) -> Option<Vec<String>> {
        let mut file = File::open(&self.path).ok()?;
        let found = file.metadata().ok()?;
        let at = match self.at {
            Some((inode, at)) if inode == found.ino() && at <= found.len() => at,
            _ => {
                self.rest.clear();
                0
            }
        };
        self.at = Some((found.ino(), at));
        if found.len() == at {
            return None;
        }
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut bytes = Vec::new();
        file.take(READ_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        self.at = Some((found.ino(), at + bytes.len() as u64));
        self.rest.extend(bytes);
        let mut read = std::mem::take(&mut self.rest);
        // What follows the last line's end is the beginning of the next.
        self.rest = read.split_off(read.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
        let lines = read.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Some(lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }
}
