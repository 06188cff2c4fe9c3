//! Answers for people: tables and short lines, and long texts cut to what fits with a word on how to get the rest.

use crate::host::Host;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use std::fmt;
use unicode_width::UnicodeWidthStr;

pub use crate::model::safe::one_line;

/// Columns of a table get no wider than this each, so that a row stays one line on an ordinary terminal.
const CELL_WIDTH_MAX: usize = 60;

/// The first line of a text, with a sign that there is more of it.
pub fn first_line(text: &str, width: usize) -> String {
    match text.trim().split_once('\n') {
        Some((first, _)) => format!("{} …", one_line(first.trim_end(), width)),
        None => one_line(text, width),
    }
}

/// A table with its heading; every cell is one line.
pub fn table<const N: usize>(f: &mut fmt::Formatter<'_>, heading: [&str; N], rows: &[[String; N]]) -> fmt::Result {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| one_line(cell, CELL_WIDTH_MAX))).collect();
    let mut widths = heading.map(UnicodeWidthStr::width);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut line = |cells: [&str; N]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        writeln!(f, "{}", text.trim_end())
    };
    line(heading)?;
    for row in &rows {
        line(row.each_ref().map(String::as_str))?;
    }
    Ok(())
}

/// Somebody else's words, each line marked as such. Whatever a reader may take for the end of a line is one.
pub fn quoted(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines: Vec<String> =
        text.strip_suffix('\n').unwrap_or(&text).split(ends).map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

/// As people write it, where it is an id with a number: `task-12` for `task-0000000012`.
pub fn short_id(id: &str) -> String {
    let numbered = |id: &str| {
        let (kind, digits) = id.split_once('-')?;
        let is_numbered =
            ["task", "job", "msg", "q"].contains(&kind) && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(format!("{kind}-{}", digits.parse::<i64>().ok().filter(|_| is_numbered)?))
    };
    numbered(id).unwrap_or_else(|| id.to_owned())
}

/// How long ago, in at most four characters.
pub fn age(since: Timestamp) -> String {
    lasting(Host::System.wall().millis() - since.millis())
}

/// So many milliseconds, in at most four characters.
pub fn lasting(millis: i64) -> String {
    let secs = (millis / 1000).max(0);
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m", secs / 60),
        3600..172_800 => format!("{}h", secs / 3600),
        _ => format!("{}d", (secs / 86_400).min(999)),
    }
}

/// A moment on the clock of whoever reads; with its day where that is another than the day of `seen`.
pub fn moment(at: Timestamp, seen: Timestamp) -> String {
    let zone = TimeZone::system();
    let here = |at: Timestamp| Some(jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(zone.clone()));
    match (here(at), here(seen)) {
        (Some(at), Some(seen)) if at.date() == seen.date() => at.strftime("%H:%M").to_string(),
        (Some(at), _) => at.strftime("%b %-d, %H:%M").to_string(),
        (None, _) => at.to_string(),
    }
}

/// A moment on the clock of whoever reads, to the second, with its day.
pub fn local(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Most bytes of an answer, as JSON. Clients cut off what is longer, and a model pays for all of it.
pub const ANSWER_BYTES_MAX: usize = 15_000;

/// What a value takes in an answer.
pub fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.len())
}

/// What a character takes in an answer, where some must be escaped.
fn size_of(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

/// Where a text must end to take no more than so many bytes.
fn end_within(text: &str, bytes: usize) -> usize {
    let mut used = 0;
    let is_too_much = |(_, c): &(usize, char)| {
        used += size_of(*c);
        used > bytes
    };
    text.char_indices().find(is_too_much).map_or(text.len(), |(end, _)| end)
}

/// The beginning of a text, and its whole length in characters if something was left out.
pub fn clip(text: &str, bytes: usize) -> (String, Option<u64>) {
    let end = end_within(text, bytes);
    (text[..end].to_owned(), (end < text.len()).then(|| text.chars().count() as u64))
}

/// A text of one line's worth, with a mark where it was cut.
pub fn short(text: &str, bytes: usize) -> String {
    match clip(text, bytes) {
        (text, None) => text,
        (text, Some(_)) => format!("{text}…"),
    }
}

/// As many of the items as fit together, though at least one, and whether some were left out.
pub fn fit<T: Serialize>(items: Vec<T>, bytes: usize) -> (Vec<T>, bool) {
    let count = items.len();
    let mut used = 0;
    let mut kept = Vec::with_capacity(count);
    for item in items {
        used += size(&item) + 1;
        if used > bytes && !kept.is_empty() {
            break;
        }
        kept.push(item);
    }
    let left_out = kept.len() < count;
    (kept, left_out)
}

/// One page of a long text.
#[derive(Debug)]
pub struct TextPage {
    pub text: String,
    pub next_offset: Option<u64>,
    pub total_chars: u64,
}

/// Bytes of one page of a long text: far below what a client cuts off, few enough to read.
const TEXT_PAGE_BYTES: usize = 8_000;

/// The page that begins so many characters into a text.
pub fn text_page(text: &str, offset: u64) -> TextPage {
    let total_chars = text.chars().count() as u64;
    let start = text.char_indices().nth(offset as usize).map_or(text.len(), |(start, _)| start);
    let rest = &text[start..];
    let page = &rest[..end_within(rest, TEXT_PAGE_BYTES)];
    let end = offset.saturating_add(page.chars().count() as u64);
    TextPage { text: page.to_owned(), next_offset: (end < total_chars).then_some(end), total_chars }
}

/// The JSON value, unless its text is longer than `bytes`: then its length.
pub fn clip_json(value: &Value, bytes: usize) -> Result<Value, u64> {
    let length = value.to_string().len();
    if length <= bytes { Ok(value.clone()) } else { Err(length as u64) }
}

/// Cuts every text of more than `longest` bytes, and says in it how much is gone.
pub fn shorten_texts(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) if text.len() > longest => {
            let kept = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let gone = text[kept..].chars().count();
            text.truncate(kept);
            text.push_str(&format!("… [{gone} characters cut]"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten_texts(item, longest)),
        Value::Object(fields) => fields.values_mut().for_each(|field| shorten_texts(field, longest)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// As many of the items as fit into `bytes` together, and how many there are in all if some were left out.
pub fn clip_list(items: &[String], bytes: usize) -> (Vec<String>, Option<u64>) {
    let mut used = 0;
    let kept: Vec<String> = items
        .iter()
        .take_while(|item| {
            used += size(item) + 1;
            used <= bytes
        })
        .cloned()
        .collect();
    let left_out = (kept.len() < items.len()).then_some(items.len() as u64);
    (kept, left_out)
}

/// The one shape of every answer in JSON, on the command line and over HTTP.
pub fn envelope(data: &Value, unread: Option<u32>) -> Value {
    let mut envelope = json!({ "schema_version": 1, "data": data, "warnings": [] });
    if let Some(unread) = unread {
        envelope["unread"] = unread.into();
    }
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_a_number_are_short_and_others_stay() {
        let short = ["task-0000000012", "q-0000000001", "msg-0000000200", "i-0000000012", "task-x", "build/12"];
        assert_eq!(short.map(short_id), ["task-12", "q-1", "msg-200", "i-0000000012", "task-x", "build/12"]);
    }

    #[test]
    fn ages_have_the_unit_that_fits() {
        assert_eq!([-5, 59_999, 60_000, 7_200_000, 172_800_000].map(lasting), ["0s", "59s", "1m", "2h", "2d"]);
    }

    #[test]
    fn pages_of_a_text_put_together_are_the_text() {
        let text: String = (0..20_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        let (mut whole, mut offset) = (String::new(), Some(0));
        while let Some(from) = offset {
            let page = text_page(&text, from);
            whole.push_str(&page.text);
            offset = page.next_offset;
        }
        assert_eq!(whole, text);
        assert_eq!(text_page("abc", 99).next_offset, None);
    }
}
