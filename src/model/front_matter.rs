//! The head of a Markdown file between `---` lines: a small part of YAML, and every word of it means the same there.

use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Item;
use crate::model::fields::Spot;
use crate::model::fields::Value;

const FENCE: &str = "---";

/// A file in its two parts.
pub struct Parts<'a> {
    pub fields: Fields,
    pub body: &'a str,
    /// Where the body begins.
    pub body_spot: Spot,
}

/// `file` is what messages call it.
pub fn parse<'a>(file: &str, text: &'a str) -> Result<Parts<'a>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut head = Head { fields: Fields::new(Spot::new(file, 1)), list: None };
    let mut rest = text;
    let mut number = 0;
    loop {
        let spot = Spot::new(file, number + 1);
        if rest.is_empty() {
            let found = if number == 0 { "the file is empty" } else { "its front matter has no end" };
            return Err(spot.error(found).hint(format!("begin and end the front matter with a line `{FENCE}`")));
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.strip_suffix('\r').unwrap_or(line);
        number += 1;
        rest = after;
        match (number, line == FENCE) {
            (1, true) => {}
            (1, false) => {
                let error = spot.error("the front matter is missing");
                return Err(
                    error.hint(format!("let the first line be `{FENCE}`, then `key: value` lines, then `{FENCE}`"))
                );
            }
            (_, true) => {
                head.end_list()?;
                return Ok(Parts { fields: head.fields, body: rest, body_spot: Spot::new(file, number + 1) });
            }
            (_, false) => head.line(line, spot)?,
        }
    }
}

/// What has been read so far.
struct Head {
    fields: Fields,
    /// A key without a value, whose items may follow.
    list: Option<(String, Vec<Item>, Spot)>,
}

impl Head {
    fn line(&mut self, line: &str, spot: Spot) -> Result<()> {
        if line.contains('\t') {
            return Err(spot.error("a tab").hint("indent and separate with spaces"));
        }
        if let Some(c) = line.chars().find(|c| c.is_control()) {
            return Err(spot.error(format!("the character `{}`", c.escape_debug())).hint("take it out"));
        }
        let words = line.trim();
        if words.is_empty() || words.starts_with('#') {
            return Ok(());
        }
        if let Some(item) = item(words) {
            return self.item(item, spot);
        }
        self.end_list()?;
        if line.starts_with(' ') {
            let hint =
                "a key stands at the beginning of its line, and has no keys below it; a list goes on with `- item`";
            return Err(spot.error("an indented line that is no item of a list").hint(hint));
        }
        let Some((key, value)) = key_and_value(words) else {
            return Err(spot
                .error(format!("`{}` is no `key: value`", words.escape_debug()))
                .hint("write `key: value`"));
        };
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if key.is_empty() || !key.chars().all(is_key) {
            let message = format!("`{}` is no key", key.escape_debug());
            return Err(spot.error(message).hint("a key is one word of letters, digits, `_` and `-`"));
        }
        let value = without_comment(value);
        if value.is_empty() {
            if let Some(first) = self.fields.spot_of(key) {
                let message = format!("`{key}` stands here for the second time, the first is line {}", first.line);
                return Err(spot.error(message).hint("keep one of them"));
            }
            self.list = Some((key.to_owned(), Vec::new(), spot));
            return Ok(());
        }
        self.fields.insert(key, whole_value(value, &spot)?, spot)
    }

    fn item(&mut self, text: &str, spot: Spot) -> Result<()> {
        let Some((_, items, _)) = &mut self.list else {
            return Err(spot.error("an item of no list").hint("items follow a line `key:`"));
        };
        let text = without_comment(text);
        if text.is_empty() || text.starts_with('[') || item(text).is_some() {
            return Err(spot
                .error("an item that is no single value")
                .hint("write one text, number, `true` or `false`"));
        }
        items.push(Item { value: whole_value(text, &spot)?, spot });
        Ok(())
    }

    fn end_list(&mut self) -> Result<()> {
        let Some((key, items, spot)) = self.list.take() else { return Ok(()) };
        if items.is_empty() {
            let error = spot.error(format!("`{key}` has no value"));
            return Err(error.hint("give one, or `[]` for an empty list, or take the line out"));
        }
        self.fields.insert(&key, Value::List(items), spot)
    }
}

fn item(words: &str) -> Option<&str> {
    if words == "-" { Some("") } else { words.strip_prefix("- ").map(str::trim_start) }
}

fn key_and_value(words: &str) -> Option<(&str, &str)> {
    let at = words.find(": ").or_else(|| words.find(':').filter(|at| at + 1 == words.len()))?;
    Some((words[..at].trim_end(), words[at + 1..].trim_start()))
}

/// A comment begins at a `#` behind a space, outside of quotes. What is quoted takes care of itself.
fn without_comment(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    if value.starts_with(['"', '\'', '[']) {
        return value;
    }
    value.split_once(" #").map_or(value, |(value, _)| value.trim_end())
}

/// A value and nothing behind it but a comment.
fn whole_value(text: &str, spot: &Spot) -> Result<Value> {
    let (value, rest) = match text.strip_prefix('[') {
        Some(items) => inline_list(items, spot)?,
        None => scalar(text, false, spot)?,
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(value);
    }
    Err(spot
        .error(format!("`{}` behind the end of a value", rest.escape_debug()))
        .hint("put the whole value into quotes"))
}

/// What stands between brackets, and what follows them.
fn inline_list<'a>(text: &'a str, spot: &Spot) -> Result<(Value, &'a str)> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(rest) = rest.strip_prefix(']') {
            return Ok((Value::List(items), rest));
        }
        if rest.is_empty() {
            return Err(spot.error("a list without its `]`").hint("end it on the same line, or write `- item` lines"));
        }
        let (value, after) = scalar(rest, true, spot)?;
        items.push(Item { value, spot: spot.clone() });
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with(']') || rest.is_empty() => {}
            None => {
                return Err(spot
                    .error("items without a `,` between them")
                    .hint("put items with quotes wholly into quotes"));
            }
        }
    }
}

/// One value from the beginning of a text, and what follows it.
fn scalar<'a>(text: &'a str, in_list: bool, spot: &Spot) -> Result<(Value, &'a str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return double_quoted(quoted, spot);
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        return single_quoted(quoted, spot);
    }
    let end = if in_list { text.find([',', ']']).unwrap_or(text.len()) } else { text.len() };
    let (word, rest) = text.split_at(end);
    Ok((plain(word.trim_end(), in_list, spot)?, rest))
}

/// What YAML reads as something else than this text is to be quoted, so that no two readers disagree.
fn plain(word: &str, in_list: bool, spot: &Spot) -> Result<Value> {
    match word {
        "true" => return Ok(Value::Whether(true)),
        "false" => return Ok(Value::Whether(false)),
        _ => {}
    }
    if let Some(number) = number(word) {
        return number
            .ok_or_else(|| spot.error(format!("the number `{word}` is too large")).hint("write a smaller one"));
    }
    let first = word.chars().next().unwrap_or(' ');
    let marks = "-?:,[]{}#&*!|>'\"%@`~";
    let is_other =
        ["yes", "no", "on", "off", "null", "true", "false"].iter().any(|other| word.eq_ignore_ascii_case(other));
    let is_odd_number =
        first.is_ascii_digit() || (matches!(first, '+' | '.') && word.len() > 1 && word.as_bytes()[1].is_ascii_digit());
    let stray = word.contains(": ")
        || word.ends_with(':')
        || word.contains(" #")
        || (in_list && word.contains(['[', '{', '}']));
    if word.is_empty() || marks.contains(first) || is_other || is_odd_number || stray {
        let message = format!("`{}` may be read as something else than a text", word.escape_debug());
        return Err(spot.error(message).hint(format!("if it is a text, put it into quotes: `\"{word}\"`")));
    }
    Ok(Value::Text(word.to_owned()))
}

/// `12`, `-3`, `2.50`; the inner `None` says that it is one that nobody can keep.
fn number(word: &str) -> Option<Option<Value>> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let no_octal = |text: &str| text == "0" || !text.starts_with('0');
    match digits.split_once('.') {
        None if all_digits(digits) && no_octal(digits) => Some(word.parse().ok().map(Value::Whole)),
        Some((whole, part)) if all_digits(whole) && no_octal(whole) && all_digits(part) => {
            Some(word.parse().ok().map(Value::Fraction))
        }
        _ => None,
    }
}

fn double_quoted<'a>(text: &'a str, spot: &Spot) -> Result<(Value, &'a str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((Value::Text(value), &text[at + 1..])),
            '\\' => match letters.next().map(|(_, letter)| letter) {
                Some(letter @ ('"' | '\\' | '/')) => value.push(letter),
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                _ => {
                    return Err(spot
                        .error("a `\\` before something else than `\"`, `\\`, `/`, `n`, `t`")
                        .hint("write `\\\\` for one `\\`"));
                }
            },
            letter => value.push(letter),
        }
    }
    Err(spot.error("a `\"` without its end").hint("end it on the same line"))
}

fn single_quoted<'a>(text: &'a str, spot: &Spot) -> Result<(Value, &'a str)> {
    let mut value = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\'') {
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Ok((Value::Text(value), after)),
        }
    }
    Err(spot.error("a `'` without its end").hint("end it on the same line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Result<Fields> {
        Ok(parse("f", &format!("---\n{lines}\n---\nbody"))?.fields)
    }

    /// `word` alone is a text.
    fn shown(value: &Value) -> String {
        match value {
            Value::Text(text) => format!("{text:?}"),
            Value::Whole(number) => number.to_string(),
            Value::Fraction(number) => format!("{number:?}"),
            Value::Whether(whether) => whether.to_string(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| shown(&item.value)).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Table(_) => "table".to_owned(),
        }
    }

    #[test]
    fn values_are_read() {
        for (lines, wanted) in [
            ("a: word", r#""word""#),
            ("a:   two words  ", r#""two words""#),
            ("a: word # why", r#""word""#),
            ("a: it's#1", r#""it's#1""#),
            ("a: http://x/y", r#""http://x/y""#),
            ("a: \"q # : 'x' \\\"y\\\" \\n\" # c", r#""q # : 'x' \"y\" \n""#),
            ("a: 'it''s # \"x\"'", r#""it's # \"x\"""#),
            ("a: ''", r#""""#),
            ("a: 12", "12"),
            ("a: -3", "-3"),
            ("a: 2.50", "2.5"),
            ("a: \"12\"", r#""12""#),
            ("a: true", "true"),
            ("a: []", "[]"),
            ("a: [x, \"y, z\", 'w]', 3, true]", r#"["x" "y, z" "w]" 3 true]"#),
            ("a: [ Bash(git add:*), Read ]  # c", r#"["Bash(git add:*)" "Read"]"#),
            ("a:\n  - Bash(git add -A, x)\n\n  # c\n- \"q\" # c\n  - 5", r#"["Bash(git add -A, x)" "q" 5]"#),
            ("# c\na: x\r", r#""x""#),
        ] {
            let fields = head(lines).unwrap_or_else(|error| panic!("{lines}: {error}"));
            assert_eq!(fields.read("a", "it", |value| Some(shown(value))).unwrap().as_deref(), Some(wanted), "{lines}");
        }
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused_with_its_line() {
        for (lines, line, fault) in [
            ("a: 1\na: 2", 3, "second time"),
            ("a: 1\na:\n - x", 3, "second time"),
            ("a:\tx", 2, "a tab"),
            ("a: \u{1b}[2J", 2, "`\\u{1b}`"),
            ("a", 2, "no `key: value`"),
            ("a:x", 2, "no `key: value`"),
            ("a b: x", 2, "no key"),
            ("  a: x", 2, "indented"),
            ("a: x\n  b: y", 3, "indented"),
            ("a:\n  b: y", 2, "no value"),
            ("a:", 2, "no value"),
            ("- x", 2, "an item of no list"),
            ("a: 1\n- x", 3, "an item of no list"),
            ("a:\n  - - x", 3, "no single value"),
            ("a:\n  -", 3, "no single value"),
            ("a:\n  - [x]", 3, "no single value"),
            ("a: [x", 2, "without its `]`"),
            ("a: [x, [y]]", 2, "something else"),
            ("a: [, x]", 2, "something else"),
            ("a: ['x' y]", 2, "without a `,`"),
            ("a: [x] y", 2, "behind the end"),
            ("a: \"x\" y", 2, "behind the end"),
            ("a: \"x", 2, "without its end"),
            ("a: 'x", 2, "without its end"),
            ("a: \"\\x\"", 2, "a `\\`"),
            ("a: |", 2, "something else"),
            ("a: > x", 2, "something else"),
            ("a: &x y", 2, "something else"),
            ("a: *x", 2, "something else"),
            ("a: !x y", 2, "something else"),
            ("a: {b: c}", 2, "something else"),
            ("a: yes", 2, "something else"),
            ("a: Null", 2, "something else"),
            ("a: ~", 2, "something else"),
            ("a: 0x10", 2, "something else"),
            ("a: 010", 2, "something else"),
            ("a: 1e3", 2, "something else"),
            ("a: 2026-01-01", 2, "something else"),
            ("a: b: c", 2, "something else"),
            ("a: 99999999999999999999", 2, "too large"),
        ] {
            let error = head(lines).expect_err(lines);
            assert!(error.message.starts_with(&format!("f line {line}: ")), "{lines}: {error}");
            assert!(error.message.contains(fault), "{lines}: {error}");
        }
    }

    #[test]
    fn the_rest_of_the_file_is_left_as_it_is() {
        let parts = parse("f", "\u{feff}---\r\na: x\r\n---\r\nOne\r\n---\n\ttwo").unwrap();
        assert_eq!((parts.body, parts.body_spot.line), ("One\r\n---\n\ttwo", 4));
        for (text, fault) in [
            ("", "f line 1: the file is empty"),
            ("# Title\n", "f line 1: the front matter is missing"),
            ("---\na: x\n", "f line 3: its front matter has no end"),
            ("--- \na: x\n---\n", "f line 1: the front matter is missing"),
        ] {
            assert_eq!(parse("f", text).map(|_| ()).expect_err(text).message, fault);
        }
    }
}
