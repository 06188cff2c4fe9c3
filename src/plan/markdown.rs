//! The little of Markdown that plans are made of: headings, bold fields, items, fences; and how a text that looks like
//! one of these is written so that it stays a text.

use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::page::Page;

/// No line is longer, even one that names a thousand dependencies.
const LINE_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// Does it stand in a fence, where nothing means anything?
    pub(super) is_code: bool,
}

/// All lines of a page, the fences found.
pub(super) fn lines<'a>(page: &Page<'a>, faults: &mut Faults) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut open: Option<(Fence, usize)> = None;
    for (number, text) in page.lines() {
        if text.len() > LINE_BYTES_MAX {
            let what = format!("a line of {} bytes; it may have {LINE_BYTES_MAX}", text.len());
            faults.push(Fault::new(page.at_line(number), what).hint("break it"));
        }
        let is_code = open.is_some();
        match (&open, Fence::of(text)) {
            (None, Some(fence)) => open = Some((fence, number)),
            (Some((opened, _)), Some(fence)) if fence.closes(opened) => open = None,
            _ => {}
        }
        lines.push(Line { number, text: text.trim_end(), is_code: is_code || open.is_some() });
    }
    if let Some((_, number)) = open {
        let fault = Fault::new(page.at_line(number), "a code fence that has no end");
        faults.push(fault.hint("end it, or put a `\\` before it"));
    }
    lines
}

#[derive(Clone, Copy)]
struct Fence {
    sign: char,
    length: usize,
    is_bare: bool,
}

impl Fence {
    fn of(line: &str) -> Option<Fence> {
        let line = line.trim_start();
        let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = line.trim_start_matches(sign);
        let length = line.len() - rest.len();
        let is_fence = length >= 3 && !(sign == '`' && rest.contains('`'));
        is_fence.then(|| Fence { sign, length, is_bare: rest.trim().is_empty() })
    }

    fn closes(self, opened: &Fence) -> bool {
        self.is_bare && self.sign == opened.sign && self.length >= opened.length
    }
}

/// `### Title` is 3 and the title.
pub(super) fn heading(line: &str) -> Option<(usize, &str)> {
    let bare = line.trim_start_matches(' ');
    let rest = bare.trim_start_matches('#');
    let level = bare.len() - rest.len();
    let is_heading =
        line.len() - bare.len() <= 3 && (1..=6).contains(&level) && (rest.is_empty() || rest.starts_with(' '));
    is_heading.then(|| (level, rest.trim()))
}

/// `- **Name**: value`, with or without the `- `, the colon inside or outside.
pub(super) fn field(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).map_or(line, str::trim_start);
    let (name, rest) = line.strip_prefix("**")?.split_once("**")?;
    let (name, value) = match name.trim_end().strip_suffix(':') {
        Some(name) => (name, rest),
        None => (name, rest.trim_start().strip_prefix(':')?),
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let name = name.trim();
    (!name.is_empty() && name.chars().count() <= 40 && name.chars().all(is_name)).then(|| (name, value.trim()))
}

/// An item of a list: how far in it stands, and what it says.
pub(super) fn item(line: &str) -> Option<(usize, &str)> {
    let bare = line.trim_start();
    let indent = columns(&line[..line.len() - bare.len()]);
    let digits = bare.len() - bare.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = match digits {
        0 => bare.strip_prefix(['-', '*', '+'])?,
        1..=9 => bare[digits..].strip_prefix(['.', ')'])?,
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| (indent, rest.trim()))
}

/// `[x] text` of an item: whether it is ticked, and the text.
pub(super) fn tick(item: &str) -> Option<(bool, &str)> {
    let (mark, rest) = item.strip_prefix('[')?.split_once(']')?;
    let ticked = match mark {
        " " | "" => false,
        "x" | "X" => true,
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| (ticked, rest.trim()))
}

/// A tab goes on to the next multiple of four, as Markdown has it.
pub(super) fn columns(blanks: &str) -> usize {
    blanks.chars().fold(0, |column, c| if c == '\t' { column / 4 * 4 + 4 } else { column + 1 })
}

/// A text as it is written where lines mean something: a line that `means` something gets a `\`, and so does one that
/// begins with a `\` because of this. What stands in a fence that is closed is left.
pub(super) fn escape(text: &str, means: impl Fn(&str) -> bool) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut code_until = 0;
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            escaped.push('\n');
        }
        if at < code_until {
            escaped.push_str(line);
            continue;
        }
        if let Some(fence) = Fence::of(line) {
            let closes = |line: &&str| Fence::of(line).is_some_and(|other| other.closes(&fence));
            if let Some(close) = lines[at + 1..].iter().position(closes) {
                code_until = at + close + 2;
                escaped.push_str(line);
                continue;
            }
        }
        let (indent, rest) = split_indent(line);
        if is_meant(line, &means) {
            escaped.push_str(indent);
            escaped.push('\\');
            escaped.push_str(rest);
        } else {
            escaped.push_str(line);
        }
    }
    escaped
}

/// The line that was escaped so.
pub(super) fn unescape(line: &str, means: impl Fn(&str) -> bool) -> String {
    let (indent, rest) = split_indent(line);
    match rest.strip_prefix('\\') {
        Some(unescaped) if is_meant(line, &means) => format!("{indent}{unescaped}"),
        _ => line.to_owned(),
    }
}

fn split_indent(line: &str) -> (&str, &str) {
    line.split_at(line.len() - line.trim_start().len())
}

/// Without its `\`, does the line mean something?
fn is_meant(line: &str, means: impl Fn(&str) -> bool) -> bool {
    let (indent, rest) = split_indent(line);
    let bare = rest.trim_start_matches('\\');
    if bare.len() == rest.len() {
        return Fence::of(line).is_some() || means(line);
    }
    let bare = format!("{indent}{bare}");
    Fence::of(&bare).is_some() || means(&bare)
}

const NOTHING: &[&str] = &["none", "-", "—", "–", "n/a", "unassigned", "nobody", "nothing"];

/// The value of a field as it is written: what would be read as nothing, or as quoted, is quoted.
pub(super) fn quote(value: &str) -> String {
    let is_quoted = value.starts_with('`') && value.ends_with('`');
    if is_quoted || is_nothing(value) { format!("`{value}`") } else { value.to_owned() }
}

pub(super) fn unquote(value: &str) -> Option<String> {
    if value.is_empty() || is_nothing(value) {
        return None;
    }
    let inner = (value.len() >= 2).then(|| value.strip_prefix('`')?.strip_suffix('`')).flatten();
    Some(inner.unwrap_or(value).trim().to_owned()).filter(|value| !value.is_empty())
}

fn is_nothing(value: &str) -> bool {
    NOTHING.contains(&value.to_lowercase().as_str())
}

/// Several values of one field.
pub(super) fn join<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let escaped = |value: &str| quote(&value.replace('\\', "\\\\").replace(',', "\\,"));
    values.map(escaped).collect::<Vec<_>>().join(", ")
}

pub(super) fn split(values: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = values.chars();
    while let Some(c) = chars.next() {
        match (c, pieces.last_mut()) {
            (',', _) => pieces.push(String::new()),
            ('\\', Some(piece)) => match chars.next() {
                Some(next @ (',' | '\\')) => piece.push(next),
                Some(next) => piece.extend(['\\', next]),
                None => piece.push('\\'),
            },
            (c, Some(piece)) => piece.push(c),
            (_, None) => {}
        }
    }
    pieces.iter().filter_map(|piece| unquote(piece.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_markdown_are_read_as_people_write_them() {
        assert_eq!(heading("### [a] b "), Some((3, "[a] b")));
        assert_eq!([heading("#a"), heading("    # a"), heading("####### a"), heading("a # b")], [None; 4]);
        for line in ["**Depends On**: a", "- **Depends On**: a", "* **Depends On:** a", "**Depends On :**  a"] {
            assert_eq!(field(line), Some(("Depends On", "a")), "{line}");
        }
        for line in ["**bold** text: x", "** **: x", "**a**", "a **b**: c", "**a.b**: c"] {
            assert_eq!(field(line), None, "{line}");
        }
        assert_eq!(item("\t- a"), Some((4, "a")));
        assert_eq!(item("  12. a"), Some((2, "a")));
        assert_eq!([item("-a"), item("1a"), item("—"), item("**a**")], [None; 4]);
        assert_eq!(
            [tick("[ ] a"), tick("[X] a"), tick("[-] a"), tick("[x]a")],
            [Some((false, "a")), Some((true, "a")), None, None]
        );
    }

    #[test]
    fn whatever_a_text_says_it_is_read_as_it_was_written() {
        let means = |line: &str| heading(line).is_some();
        let lines = [
            "# a", "\\# a", "\\\\# a", "  ## b", "a", "\\a", "```", "```x", "~~~~", "~~~", "\\```", "", "# c", "```",
            "    # d",
        ];
        // All rotations and all prefixes: fences open and close in every way.
        for from in 0..lines.len() {
            for length in 1..=lines.len() {
                let text: Vec<&str> = lines.iter().cycle().skip(from).take(length).copied().collect();
                let text = text.join("\n");
                let escaped = escape(&text, means);
                let page = Page::open(crate::plan::File { name: "f", bytes: escaped.as_bytes() }).ok().unwrap();
                let mut faults = Faults::default();
                let read: Vec<String> = super::lines(&page, &mut faults)
                    .iter()
                    .map(|line| {
                        assert!(line.is_code || heading(line.text).is_none(), "{text:?} {escaped:?}");
                        if line.is_code { line.text.to_owned() } else { unescape(line.text, means) }
                    })
                    .collect();
                assert_eq!(read.join("\n"), text.trim_end_matches('\n'), "{escaped:?}");
                assert!(faults.is_empty(), "{escaped:?}");
            }
        }
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        for values in [&["a", "b,c", "\\", "a\\,b"][..], &["none"], &["`", "``", "`x`", "-"], &[]] {
            let joined = join(values.iter().copied());
            assert_eq!(split(&joined), values, "{joined}");
        }
        assert_eq!(split("None"), [""; 0]);
        assert_eq!(split("`task-001`, task-002,"), ["task-001", "task-002"]);
    }
}
