//! JSON as it stands in a file: where each value begins and ends, so that one can be changed and all else stays.

use std::collections::HashSet;
use std::fmt;

/// No settings file is nested deeper, and a hostile one must not use up the stack.
const DEPTH_MAX: usize = 200;

/// Nor does any hold more values: each takes more memory than a hostile file takes bytes for it.
const VALUES_MAX: usize = 2_000_000;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub start: usize,
    pub end: usize,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Text(String),
    /// A number or a word: nobody here asks for its value.
    Bare,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub key: String,
    pub key_start: usize,
    pub value: Node,
}

impl Node {
    pub fn is_object(&self) -> bool {
        matches!(self.shape, Shape::Object(_))
    }

    pub fn members(&self) -> &[Member] {
        if let Shape::Object(members) = &self.shape { members } else { &[] }
    }

    pub fn elements(&self) -> &[Node] {
        if let Shape::Array(elements) = &self.shape { elements } else { &[] }
    }

    pub fn member(&self, key: &str) -> Option<&Node> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    pub fn text(&self) -> Option<&str> {
        if let Shape::Text(text) = &self.shape { Some(text) } else { None }
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Object(_) => "an object",
            Shape::Array(_) => "a list",
            Shape::Text(_) => "a text",
            Shape::Bare => "a number or a word",
        }
    }
}

/// Why a file is left as it is, and where in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub at: usize,
    pub what: String,
}

impl Fault {
    pub fn new(at: usize, what: impl fmt::Display) -> Fault {
        Fault { at, what: what.to_string() }
    }

    /// Line and column, both from 1.
    pub fn place(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Strict: what a lenient reader would take in two ways is a fault.
pub fn parse(text: &str) -> Result<Node, Fault> {
    if text.starts_with('\u{feff}') {
        return Err(Fault::new(0, "a byte order mark, which JSON does not have"));
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), text, at: 0, values: 0 };
    scanner.space();
    let node = scanner.value(0)?;
    scanner.space();
    match scanner.peek() {
        None => Ok(node),
        Some(_) => Err(scanner.unexpected("the end of the file")),
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    values: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => "the end of the file".to_owned(),
            Some('/') => "a comment, which JSON does not have".to_owned(),
            Some(found) if found.is_control() => format!("`{}`", found.escape_debug()),
            Some(found) => format!("`{found}`"),
        };
        Fault::new(self.at, format!("{found}, where {wanted} should be"))
    }

    fn take(&mut self, byte: u8, wanted: &str) -> Result<(), Fault> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected(wanted));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::new(self.at, format!("more than {DEPTH_MAX} levels")));
        }
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(Fault::new(self.at, format!("more than {VALUES_MAX} values")));
        }
        let start = self.at;
        let shape = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Shape::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { start, end: self.at, shape })
    }

    fn object(&mut self, depth: usize) -> Result<Shape, Fault> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        let mut keys = HashSet::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Shape::Object(members));
        }
        loop {
            self.space();
            let key_start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected(if members.is_empty() { "a name or `}`" } else { "a name" }));
            }
            let key = self.string()?;
            if !keys.insert(key.clone()) {
                return Err(Fault::new(key_start, format!("`{}` for the second time", key.escape_debug())));
            }
            self.space();
            self.take(b':', "`:`")?;
            self.space();
            let value = self.value(depth + 1)?;
            members.push(Member { key, key_start, value });
            self.space();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Shape::Object(members));
            }
            self.take(b',', "`,` or `}`")?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Shape, Fault> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Shape::Array(elements));
        }
        loop {
            self.space();
            elements.push(self.value(depth + 1)?);
            self.space();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Shape::Array(elements));
            }
            self.take(b',', "`,` or `]`")?;
        }
    }

    /// The text of a string. Half a surrogate pair stays the escape that it is.
    fn string(&mut self) -> Result<String, Fault> {
        let opened = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let run = self.at;
            while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            text.push_str(&self.text[run..self.at]);
            match self.peek() {
                None => return Err(Fault::new(opened, "a text that does not end")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) => return Err(Fault::new(self.at, "a control character inside of a text")),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Fault> {
        let begun = self.at;
        self.at += 2;
        let plain = match self.bytes.get(begun + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(begun, text),
            _ => return Err(Fault::new(begun, "an escape that JSON does not have")),
        };
        text.push(plain);
        Ok(())
    }

    fn unicode(&mut self, begun: usize, text: &mut String) -> Result<(), Fault> {
        let unit = self.hex(self.at).ok_or_else(|| Fault::new(begun, "an escape without four hexadecimal digits"))?;
        self.at += 4;
        if let Some(c) = char::from_u32(unit) {
            text.push(c);
            return Ok(());
        }
        let low = if self.bytes[self.at..].starts_with(b"\\u") { self.hex(self.at + 2) } else { None };
        match low {
            Some(low @ 0xdc00..=0xdfff) if unit < 0xdc00 => {
                let c = char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
                text.extend(c);
                self.at += 6;
            }
            _ => text.push_str(&self.text[begun..self.at]),
        }
        Ok(())
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }

    fn number(&mut self) -> Result<Shape, Fault> {
        let start = self.at;
        let fault = || Fault::new(start, "a number that JSON does not have");
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || zero && whole > 1 {
            return Err(fault());
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(fault());
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(fault());
            }
        }
        Ok(Shape::Bare)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self) -> Result<Shape, Fault> {
        let rest = &self.bytes[self.at..];
        match ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word.as_bytes())) {
            Some(word) => {
                self.at += word.len();
                Ok(Shape::Bare)
            }
            None => Err(self.unexpected("a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault(text: &str) -> (usize, usize, String) {
        let fault = parse(text).expect_err(text);
        let (line, column) = fault.place(text);
        (line, column, fault.what)
    }

    #[test]
    fn what_is_accepted_is_what_json_is() {
        for text in [
            "{}",
            " [1, -0, 2.50, 1e400, 1E-7, 12345678901234567890123] ",
            r#"{"a": {"b": [true, false, null, "x"]}, "": 1}"#,
            r#""\u00e9 \ud83d\ude00 \" \\ \/ \b\f\n\r\t""#,
            r#"{"\ud800": 1, "\udc00\ud800": "\ud800x"}"#,
            "\t{\r\n\"a\" : 1\r\n}\r\n",
        ] {
            parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        }
        for text in [
            "",
            " ",
            "{",
            "[",
            "\"",
            "{]",
            "[1 2]",
            "{\"a\" 1}",
            "{\"a\":}",
            "{a: 1}",
            "'a'",
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "0x1",
            "nul",
            "NaN",
            "tru e",
            "{} {}",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12",
            "\"\n\"",
            "\u{a0}1",
            "\"\\",
            "[1,,2]",
            "{,}",
            "\"\\u+123\"",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text:?}");
        }
    }

    /// A scanner that took what others refuse would splice into something else than it thinks.
    #[test]
    fn whatever_is_done_to_a_text_another_reader_agrees() {
        let text = "{\"k\\u00e9\": [ -1.5e7, true,null , {\"\\\"\": \"\\n\u{e9}\"}, [], {} ]\n}";
        assert!(parse(text).is_ok());
        let agrees = |text: &str| {
            let other = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(parse(text).is_ok(), other, "{text}");
        };
        for (at, c) in text.char_indices() {
            agrees(&text[..at]);
            let rest = &text[at + c.len_utf8()..];
            agrees(&format!("{}{rest}", &text[..at]));
            for new in "\"\\{}[]:,-+.eE019utf/ \n\u{1}\u{a0}".chars() {
                agrees(&format!("{}{new}{rest}", &text[..at]));
                agrees(&format!("{}{new}{}", &text[..at], &text[at..]));
            }
        }
    }

    #[test]
    fn a_fault_is_named_with_its_line_and_column() {
        assert_eq!(
            fault("{\n  // no\n}"),
            (2, 3, "a comment, which JSON does not have, where a name or `}` should be".into())
        );
        assert_eq!(fault("{\"a\": 1,\n}"), (2, 1, "`}`, where a name should be".into()));
        assert_eq!(fault("[1,]"), (1, 4, "`]`, where a value should be".into()));
        assert_eq!(fault("{\"é\": \"x\" \"b\"}"), (1, 11, "`\"`, where `,` or `}` should be".into()));
        assert_eq!(fault("\u{feff}{}").0, 1);
        assert_eq!(fault("{\"a\": 1, \"\\u0061\": 2}"), (1, 10, "`a` for the second time".into()));
        assert_eq!(fault(&"[".repeat(100_000)).2, "more than 200 levels");
        assert_eq!(fault(&format!("[{}1]", "1,".repeat(VALUES_MAX))).2, "more than 2000000 values");
        assert_eq!(fault(""), (1, 1, "the end of the file, where a value should be".into()));
    }

    #[test]
    fn a_value_is_found_where_it_stands() {
        let text = r#"{"a": [1, {"b": "x\u0079"}]}"#;
        let root = parse(text).expect("JSON");
        let inner = &root.member("a").expect("there").elements()[1];
        assert_eq!(&text[inner.start..inner.end], r#"{"b": "x\u0079"}"#);
        assert_eq!(inner.member("b").and_then(Node::text), Some("xy"));
    }
}
