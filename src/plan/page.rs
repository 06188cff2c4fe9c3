//! A file of a plan as it was given: its text, once that is text, and where each line begins.

use crate::model::fields::Spot;
use crate::plan::fault::Fault;

/// A hundred for each task of the largest plan.
const LINES_MAX: usize = 1_000_000;

/// One file, whoever read it.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Where messages say it is. Its last parts may tell what it is, and what is in it is called.
    pub name: &'a str,
    pub bytes: &'a [u8],
}

impl File<'_> {
    /// `backlog` of `tasks/backlog.md`.
    pub(super) fn stem(&self) -> &str {
        stem(self.name)
    }

    /// `md` of `tasks/backlog.md`, in lower case.
    pub(super) fn extension(&self) -> String {
        last(self.name).rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default()
    }

    /// `tasks` of `x/tasks/backlog.md`.
    pub(super) fn folder(&self) -> Option<&str> {
        let (folder, _) = self.name.rsplit_once(['/', '\\'])?;
        Some(last(folder)).filter(|folder| !folder.is_empty())
    }
}

fn last(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

pub(super) fn stem(name: &str) -> &str {
    let last = last(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

pub(super) struct Page<'a> {
    pub(super) file: File<'a>,
    pub(super) text: &'a str,
    /// The first line, from which all others are told.
    spot: Spot,
    line_starts: Vec<usize>,
}

impl<'a> Page<'a> {
    pub(super) fn open(file: File<'a>) -> Result<Page<'a>, Fault> {
        let spot = Spot::new(file.name, 1);
        let line_of = |at: usize| spot.at_line(file.bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1);
        if file.bytes.starts_with(&[0xff, 0xfe]) || file.bytes.starts_with(&[0xfe, 0xff]) {
            return Err(Fault::new(spot, "the file is UTF-16").hint("save it as UTF-8"));
        }
        let text = std::str::from_utf8(file.bytes).map_err(|error| {
            let at = error.valid_up_to();
            let what = format!("the byte 0x{:02x} is no UTF-8", file.bytes[at]);
            Fault::new(line_of(at), what).hint("save it as UTF-8")
        })?;
        let stray = |(at, byte): &(usize, u8)| match byte {
            b'\n' | b'\t' => false,
            b'\r' => file.bytes.get(at + 1) != Some(&b'\n'),
            byte => *byte < 0x20 || *byte == 0x7f,
        };
        if let Some((at, byte)) = file.bytes.iter().copied().enumerate().find(stray) {
            let what = format!("the character `{}`", char::from(byte).escape_default());
            return Err(Fault::new(line_of(at), what).hint("take it out"));
        }
        // Some editors begin every text with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let line_starts: Vec<usize> = line_starts.take(LINES_MAX + 1).collect();
        if line_starts.len() > LINES_MAX {
            return Err(Fault::new(spot, format!("more than {LINES_MAX} lines")).hint("import it in parts"));
        }
        Ok(Page { file, text, spot, line_starts })
    }

    pub(super) fn at_line(&self, line: usize) -> Spot {
        self.spot.at_line(line)
    }

    /// The line, from 1, in which a byte of the text stands.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// The lines with their numbers, without what ends them.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let fault = |bytes: &[u8]| {
            Page::open(File { name: "f", bytes }).err().map(|fault| fault.to_string()).unwrap_or_default()
        };
        assert_eq!(fault(b"a\nb\xff"), "f line 2: the byte 0xff is no UTF-8 (save it as UTF-8)");
        assert_eq!(fault(b"a\n\n\0"), "f line 3: the character `\\u{0}` (take it out)");
        assert_eq!(fault(b"a\r\nb\rc"), "f line 2: the character `\\r` (take it out)");
        assert_eq!(fault(b"\xff\xfea\0"), "f line 1: the file is UTF-16 (save it as UTF-8)");
        assert_eq!(fault("\u{feff}a\r\n\tb\r\n".as_bytes()), "");
    }

    #[test]
    fn a_place_is_known_by_its_line() {
        let page = Page::open(File { name: "a/b/c.D", bytes: b"ab\ncd\n\ne" }).ok().unwrap();
        assert_eq!([0, 2, 3, 6, 7].map(|at| page.line_of(at)), [1, 1, 2, 3, 4]);
        assert_eq!((page.file.stem(), page.file.extension(), page.file.folder()), ("c", "d".to_owned(), Some("b")));
    }
}
