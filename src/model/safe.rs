//! The one filter between text that came from somewhere and what is printed: nothing in a title can steer a terminal,
//! nor break its row.

use std::borrow::Cow;
use unicode_width::UnicodeWidthChar;

/// For people: controls become a visible mark of the same width, characters that nobody can see are left out.
pub fn for_people(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // A line that ends as on Windows is still only a line.
        if c == '\r' && rest.peek() == Some(&'\n') {
            continue;
        }
        match c {
            _ if !steers(c) => safe.push(c),
            _ if c.is_control() => safe.push(char::REPLACEMENT_CHARACTER),
            _ => {}
        }
    }
    Cow::Owned(safe)
}

/// For programs: JSON in which the same characters stand as `\u` escapes. They occur only inside of its strings.
pub fn for_programs(json: String) -> String {
    if !json.contains(steers) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if steers(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Is this a character that a terminal acts on, or that hides or reorders what stands around it?
fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // C0 with ESC, DEL, C1.
        _ if c.is_control() => true,
        _ if c.is_ascii() => false,
        // Soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, Khmer inherent vowels, Mongolian separator.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' => true,
        // Zero-width spaces and joiners, marks of direction; line and paragraph separators; embeddings and overrides.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        // Word joiner, invisible operators, isolates, deprecated format characters.
        '\u{2060}'..='\u{206f}' => true,
        // Hangul fillers, byte order mark, interlinear annotation.
        '\u{3164}' | '\u{ffa0}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        // Format characters of hieroglyphs, shorthand and music.
        '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        // Tags and the supplement of variation selectors: text that only machines read.
        '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
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

    const HOSTILE: &[char] = &[
        '\0',
        '\u{7}',
        '\u{8}',
        '\u{b}',
        '\r',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{2028}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{3164}',
        '\u{feff}',
        '\u{e0041}',
        '\u{e0100}',
    ];

    #[test]
    fn nothing_that_steers_a_terminal_reaches_a_person() {
        for hostile in HOSTILE {
            let safe = for_people(&format!("a{hostile}b")).into_owned();
            assert!(safe == "ab" || safe == "a\u{fffd}b", "{hostile:?} became {safe:?}");
        }
        assert_eq!(for_people("\u{1b}]52;c;aGk=\u{7}"), "\u{fffd}]52;c;aGk=\u{fffd}");
    }

    #[test]
    fn programs_get_the_same_text_in_escapes() {
        for hostile in HOSTILE {
            let value = serde_json::Value::from(format!("a{hostile}b"));
            let safe = for_programs(value.to_string());
            assert!(!safe.contains(steers), "{safe:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("still JSON"), value);
        }
    }

    #[test]
    fn ordinary_text_of_any_language_passes_untouched() {
        for text in ["two\nlines\tand a tab", "Ümlaut 日本語 עברית العربية", "👍🏽 ❤️", ""] {
            assert!(matches!(for_people(text), Cow::Borrowed(_)), "{text}");
            assert_eq!(for_programs(text.to_owned()), text);
        }
        assert_eq!(for_people("one\r\ntwo\r"), "one\ntwo\u{fffd}");
    }
}
