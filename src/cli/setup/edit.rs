//! A document of which single values are changed, in the style in which it is written.

use crate::model::json;
use crate::model::json::Fault;
use crate::model::json::Node;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::ser::Formatter;
use serde_json::ser::PrettyFormatter;
use serde_json::ser::Serializer;
use std::io;
use std::ops::Range;

/// A document that says nothing about its style gets this.
const INDENT: &str = "  ";

/// One step on the way to a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    At(usize),
}

/// Text and where its values stand. Every change is one splice, after which it is read again.
#[derive(Clone, Debug)]
pub(super) struct Document {
    text: String,
    root: Node,
}

/// How a new value is written.
enum Style {
    Lines {
        base: String,
    },
    /// With or without spaces behind `:` and `,`.
    OneLine {
        spaced: bool,
    },
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Document, Fault> {
        Ok(Document { text: text.to_owned(), root: json::parse(text)? })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    pub(super) fn find(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, step| match step {
            Step::Key(key) => node.member(key),
            Step::At(index) => node.elements().get(*index),
        })
    }

    pub(super) fn raw(&self, node: &Node) -> &str {
        &self.text[node.start..node.end]
    }

    /// The value, if it survives being read: a number may be too large.
    pub(super) fn value(&self, node: &Node) -> Option<Value> {
        serde_json::from_str(self.raw(node)).ok()
    }

    /// Puts a value where the path leads. Objects that are missing on the way are made.
    pub(super) fn set(&mut self, path: &[Step], value: &Value) -> Result<(), Fault> {
        if let Some(node) = self.find(path) {
            let span = node.start..node.end;
            let new = self.written(value, &self.style_of(node));
            return self.splice(span, &new);
        }
        let known = (0..path.len()).rev().find(|length| self.find(&path[..*length]).is_some()).unwrap_or(0);
        let Some(Step::Key(key)) = path.get(known).copied() else { return Err(Fault::new(0, "no place for a value")) };
        let inside = path[known + 1..].iter().rev().fold(value.clone(), |inside, step| match step {
            Step::Key(key) => Value::Object(Map::from_iter([((*key).to_owned(), inside)])),
            Step::At(_) => Value::Array(vec![inside]),
        });
        self.add(&path[..known], Some(key), &inside)
    }

    /// Puts a value behind the others of a list, which is made if it is missing.
    pub(super) fn push(&mut self, path: &[Step], value: &Value) -> Result<(), Fault> {
        match self.find(path) {
            Some(_) => self.add(path, None, value),
            None => self.set(path, &Value::Array(vec![value.clone()])),
        }
    }

    /// Puts text that stood in another document, as it is, where there is a value already.
    pub(super) fn set_raw(&mut self, path: &[Step], raw: &str) -> Result<(), Fault> {
        let span = self.find(path).map(|node| node.start..node.end);
        span.map_or(Ok(()), |span| self.splice(span, raw))
    }

    /// Takes a value out, with its name and its comma.
    pub(super) fn remove(&mut self, path: &[Step]) -> Result<(), Fault> {
        let Some((last, above)) = path.split_last() else { return Ok(()) };
        let Some(container) = self.find(above) else { return Ok(()) };
        let index = match last {
            Step::Key(key) => container.members().iter().position(|member| member.key == *key),
            Step::At(index) => Some(*index),
        };
        let children = children(container);
        let span = match index.filter(|index| *index < children.len()) {
            None => return Ok(()),
            Some(0) if children.len() == 1 => container.start + 1..container.end - 1,
            Some(0) => children[0].start..children[1].start,
            Some(index) => children[index - 1].end..children[index].end,
        };
        self.splice(span, "")
    }

    /// A new child behind the others of an object or a list.
    fn add(&mut self, path: &[Step], key: Option<&str>, value: &Value) -> Result<(), Fault> {
        let Some(container) = self.find(path) else { return Err(Fault::new(0, "no place for a value")) };
        let children = children(container);
        let newline = self.newline();
        let (span, style, before, after) = match children.as_slice() {
            [] => {
                let inside = container.start + 1..container.end - 1;
                if self.is_one_line() {
                    (inside, Style::OneLine { spaced: self.is_spaced() }, String::new(), String::new())
                } else {
                    let outer = self.indent_at(container.start);
                    let base = format!("{outer}{}", self.unit());
                    let before = format!("{newline}{base}");
                    (inside, Style::Lines { base }, before, format!("{newline}{outer}"))
                }
            }
            [.., last] => {
                let gap = self.space_before(last.start);
                let span = last.end..last.end;
                match gap.rsplit_once('\n') {
                    Some((_, base)) => {
                        (span, Style::Lines { base: base.to_owned() }, format!(",{newline}{base}"), String::new())
                    }
                    None => {
                        let spaced = self.is_spaced();
                        (span, Style::OneLine { spaced }, if spaced { ", " } else { "," }.to_owned(), String::new())
                    }
                }
            }
        };
        let named = key.map_or_else(String::new, |key| {
            let colon = if matches!(style, Style::OneLine { spaced: false }) { ":" } else { ": " };
            format!("{}{colon}", Value::from(key))
        });
        let new = format!("{before}{named}{}{after}", self.written(value, &style));
        self.splice(span, &new)
    }

    fn splice(&mut self, span: Range<usize>, new: &str) -> Result<(), Fault> {
        let mut text = self.text.clone();
        text.replace_range(span, new);
        *self = Document::parse(&text)?;
        Ok(())
    }

    fn written(&self, value: &Value, style: &Style) -> String {
        match style {
            Style::Lines { base } => {
                let pretty = serialized(value, PrettyFormatter::with_indent(self.unit().as_bytes()));
                pretty.replace('\n', &format!("{}{base}", self.newline()))
            }
            Style::OneLine { spaced: true } => one_line(value),
            Style::OneLine { spaced: false } => value.to_string(),
        }
    }

    /// The style for what stands in the place of this value.
    fn style_of(&self, node: &Node) -> Style {
        let filled = !children(node).is_empty();
        if self.is_one_line() || filled && !self.raw(node).contains('\n') {
            return Style::OneLine { spaced: self.is_spaced() };
        }
        Style::Lines { base: self.indent_at(node.start) }
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// All of it on one line, and something in it.
    fn is_one_line(&self) -> bool {
        !children(&self.root).is_empty() && !self.raw(&self.root).contains('\n')
    }

    /// Does a space stand between names and values?
    fn is_spaced(&self) -> bool {
        let first = self.root.members().first();
        first.is_none_or(|member| self.text[..member.value.start].ends_with(|c: char| c.is_ascii_whitespace()))
    }

    /// What one level is indented by: the space before the first value that stands on a line of its own.
    fn unit(&self) -> String {
        let first = children(&self.root).first().map(|child| self.space_before(child.start));
        let indent = first.and_then(|space| space.rsplit_once('\n')).map(|(_, indent)| indent);
        indent.filter(|indent| !indent.is_empty()).unwrap_or(INDENT).to_owned()
    }

    /// The space that begins the line on which this stands.
    fn indent_at(&self, at: usize) -> String {
        let line = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        self.text[line..].chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
    }

    fn space_before(&self, at: usize) -> &str {
        let before = &self.text[..at];
        &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..]
    }
}

/// Where the members or elements stand, names included.
fn children(node: &Node) -> Vec<Range<usize>> {
    let members = node.members().iter().map(|member| member.key_start..member.value.end);
    members.chain(node.elements().iter().map(|element| element.start..element.end)).collect()
}

fn serialized(value: &Value, formatter: impl Formatter) -> String {
    let mut bytes = Vec::new();
    // A value that is held in memory can be written to memory.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// On one line, with a space behind each `:` and `,`.
pub(super) fn one_line(value: &Value) -> String {
    serialized(value, OneLine)
}

struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::Step::At;
    use super::Step::Key;
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn set(text: &str, path: &[Step], value: Value) -> String {
        let mut document = Document::parse(text).expect("JSON");
        document.set(path, &value).expect("set");
        document.text().to_owned()
    }

    #[track_caller]
    fn removed(text: &str, path: &[Step]) -> String {
        let mut document = Document::parse(text).expect("JSON");
        document.remove(path).expect("removed");
        document.text().to_owned()
    }

    #[test]
    fn a_new_value_is_written_as_its_neighbours_are() {
        let path = [Key("m"), Key("o")];
        let value = || json!({"c": "x", "a": ["y"], "e": {}});
        for (before, after) in [
            (
                "{}",
                "{\n  \"m\": {\n    \"o\": {\n      \"c\": \"x\",\n      \"a\": [\n        \"y\"\n      ],\n      \"e\": {}\n    }\n  }\n}",
            ),
            ("{\"b\":1}\n", "{\"b\":1,\"m\":{\"o\":{\"c\":\"x\",\"a\":[\"y\"],\"e\":{}}}}\n"),
            ("{\"b\": 1}", "{\"b\": 1, \"m\": {\"o\": {\"c\": \"x\", \"a\": [\"y\"], \"e\": {}}}}"),
            ("{\"m\":{}}", "{\"m\":{\"o\":{\"c\":\"x\",\"a\":[\"y\"],\"e\":{}}}}"),
            (
                "{\r\n\t\"m\": {}\r\n}\r\n",
                "{\r\n\t\"m\": {\r\n\t\t\"o\": {\r\n\t\t\t\"c\": \"x\",\r\n\t\t\t\"a\": [\r\n\t\t\t\t\"y\"\r\n\t\t\t],\r\n\t\t\t\"e\": {}\r\n\t\t}\r\n\t}\r\n}\r\n",
            ),
            (
                "{\n    \"m\": {\n        \"z\": 1\n    }\n}\n",
                "{\n    \"m\": {\n        \"z\": 1,\n        \"o\": {\n            \"c\": \"x\",\n            \"a\": [\n                \"y\"\n            ],\n            \"e\": {}\n        }\n    }\n}\n",
            ),
            (
                "{\n  \"m\": {\"z\": 1}\n}",
                "{\n  \"m\": {\"z\": 1, \"o\": {\"c\": \"x\", \"a\": [\"y\"], \"e\": {}}}\n}",
            ),
        ] {
            let found = set(before, &path, value());
            assert_eq!(found, after, "{before}");
            assert_eq!(serde_json::from_str::<Value>(&found).expect("JSON")["m"]["o"], value());
        }
    }

    #[test]
    fn what_is_put_in_and_taken_out_leaves_no_trace() {
        let big = r#"{ "n": 1e400, "big": 12345678901234567890123, "e": "\u00e9\/\ud800", "m": {"k": [ ] } }"#;
        for text in ["{\"a\": 1}", "{\n\t\"a\": [\n\t\t1 ]\n}\n", "{\"a\":1,\"b\":2}", big, "{\n  \"a\":1 }  \n\n"] {
            let with = set(text, &[Key("ours")], json!({"a": [1, 2]}));
            assert_ne!(with, text);
            assert_eq!(removed(&with, &[Key("ours")]), text);
        }
        let mut list = Document::parse("{\"l\": [\n  1\n]}").expect("JSON");
        list.push(&[Key("l")], &json!("x")).expect("pushed");
        assert_eq!(list.text(), "{\"l\": [\n  1,\n  \"x\"\n]}");
        list.remove(&[Key("l"), At(1)]).expect("removed");
        assert_eq!(list.text(), "{\"l\": [\n  1\n]}");
    }

    #[test]
    fn the_first_the_middle_and_the_only_value_can_go() {
        assert_eq!(removed("{\"a\": 1, \"b\": 2}", &[Key("a")]), "{\"b\": 2}");
        assert_eq!(removed("[\n 1,\n 2,\n 3\n]", &[At(1)]), "[\n 1,\n 3\n]");
        assert_eq!(removed("{ \"a\": 1 }", &[Key("a")]), "{}");
        assert_eq!(removed("{\"a\": 1}", &[Key("b")]), "{\"a\": 1}");
        assert_eq!(removed("[1]", &[At(3)]), "[1]");
    }

    #[test]
    fn a_value_is_replaced_where_it_stands() {
        assert_eq!(
            set("{\n  \"a\": {\n    \"b\": 1\n  }\n}", &[Key("a")], json!({"c": 2})),
            "{\n  \"a\": {\n    \"c\": 2\n  }\n}"
        );
        assert_eq!(set("{\n  \"a\": [1, 2]\n}", &[Key("a")], json!([3])), "{\n  \"a\": [3]\n}");
        assert_eq!(set("{\"a\":\"old\"}", &[Key("a")], json!("n\u{e9}w")), "{\"a\":\"n\u{e9}w\"}");
    }
}
