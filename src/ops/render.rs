//! Answers for people: tables and short lines, and long texts cut to what fits with a word on how to get the rest.

use serde_json::Value;
use std::fmt;
use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

/// Columns of a table get no wider than this each, so that a row stays one line on an ordinary terminal.
const CELL_WIDTH_MAX: usize = 60;

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

/// The text on one line of at most `width` columns.
pub fn one_line(text: &str, width: usize) -> String {
    let mut line = String::new();
    let mut used = 0;
    for c in text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }) {
        let next = c.width().unwrap_or(0);
        if used + next > width {
            // Room for the mark: take back what stands in its column.
            while used + 1 > width {
                used -= line.pop().and_then(UnicodeWidthChar::width).unwrap_or(1);
            }
            line.push('…');
            return line;
        }
        used += next;
        line.push(c);
    }
    line
}

/// The beginning of a text, and its whole length in characters if something was left out.
pub fn clip(text: &str, chars: usize) -> (String, Option<u64>) {
    match text.char_indices().nth(chars) {
        None => (text.to_owned(), None),
        Some((end, _)) => (text[..end].to_owned(), Some(text.chars().count() as u64)),
    }
}

/// One page of a long text.
#[derive(Debug)]
pub struct TextPage {
    pub text: String,
    pub next_offset: Option<u64>,
    pub total_chars: u64,
}

/// Characters in one page of a long text: far below what a client cuts off, few enough to read.
pub const TEXT_PAGE_CHARS: usize = 8_000;

pub fn text_page(text: &str, offset: u64) -> TextPage {
    let total_chars = text.chars().count() as u64;
    let page: String = text.chars().skip(offset as usize).take(TEXT_PAGE_CHARS).collect();
    let end = offset.saturating_add(page.chars().count() as u64);
    TextPage { text: page, next_offset: (end < total_chars).then_some(end), total_chars }
}

/// The JSON value, unless its text is longer than `bytes`: then its length.
pub fn clip_json(value: &Value, bytes: usize) -> Result<Value, u64> {
    let length = value.to_string().len();
    if length <= bytes { Ok(value.clone()) } else { Err(length as u64) }
}

/// As many of the items as fit into `bytes` together, and how many there are in all if some were left out.
pub fn clip_list(items: &[String], bytes: usize) -> (Vec<String>, Option<u64>) {
    let mut used = 0;
    let kept: Vec<String> = items
        .iter()
        .take_while(|item| {
            used += item.len() + 3;
            used <= bytes
        })
        .cloned()
        .collect();
    let left_out = (kept.len() < items.len()).then_some(items.len() as u64);
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_breaks_its_row() {
        assert_eq!(one_line("a\nb\tc", 10), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("日本語", 4), "日…");
        assert_eq!(one_line("日本", 4), "日本");
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
