//! Objects of JSON as somebody wrote them into a file, read strictly, with the line of every fault.

use crate::model::json;
use crate::model::json::Member;
use crate::model::json::Node;
use crate::model::json::Shape;
use crate::model::nearest::nearest;
use crate::plan::Place;
use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::fault::either;
use crate::plan::fault::shown;
use crate::plan::page::Page;
use serde_json::Value;

/// Beyond that nobody reads the names of what there is.
const NAMED_MAX: usize = 8;

/// A text of JSON: a whole file, or one line of it.
pub(super) struct Source<'a> {
    page: &'a Page<'a>,
    text: &'a str,
    /// Which one, if it is only one.
    line: Option<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn whole(page: &'a Page<'a>) -> Source<'a> {
        Source { page, text: page.text, line: None }
    }

    /// Each line that is not blank.
    pub(super) fn lines(page: &'a Page<'a>) -> impl Iterator<Item = Source<'a>> {
        let lines = page.lines().filter(|(_, text)| !text.trim().is_empty());
        lines.map(|(line, text)| Source { page, text, line: Some(line) })
    }

    pub(super) fn parse(&self) -> Result<Node, Fault> {
        json::parse(self.text).map_err(|fault| {
            let (line, column) = fault.place(self.text);
            let line = self.line.unwrap_or(line);
            Fault::new(self.page.at_line(line), format!("column {column}: {}", fault.what)).hint("correct the JSON")
        })
    }

    pub(super) fn line_of(&self, node: &Node) -> usize {
        self.line.unwrap_or_else(|| self.page.line_of(node.start))
    }

    pub(super) fn raw(&self, node: &Node) -> &'a str {
        &self.text[node.start..node.end]
    }

    pub(super) fn fault(&self, node: &Node, what: impl std::fmt::Display) -> Fault {
        Fault::new(self.page.at_line(self.line_of(node)), what)
    }

    /// `what`: what is expected to be one.
    pub(super) fn object<'n>(&'n self, node: &'n Node, what: &str, faults: &mut Faults) -> Option<Object<'n>> {
        if !node.is_object() {
            faults.push(self.fault(node, format!("{what} is {}, wanted an object", self.kind(node))));
            return None;
        }
        Some(Object { source: self, node })
    }

    fn kind(&self, node: &Node) -> String {
        match &node.shape {
            Shape::Object(_) => "an object".to_owned(),
            Shape::Array(_) => "a list".to_owned(),
            Shape::Text(text) => format!("the text `{}`", shown(text)),
            Shape::Bare => shown(self.raw(node)),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Object<'n> {
    source: &'n Source<'n>,
    node: &'n Node,
}

impl<'n> Object<'n> {
    pub(super) fn place(&self) -> Place {
        let mut place = Place::new(self.source.page.at_line(self.source.line_of(self.node)));
        if self.source.line.is_none() {
            for member in self.node.members() {
                if let Some(field) = crate::plan::Draft::FIELDS.iter().find(|field| **field == member.key) {
                    place.add(field, self.source.line_of(&member.value));
                }
            }
        }
        place
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.node.member(key).is_some()
    }

    /// What is null is as good as not there.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.member(key).filter(|node| self.source.raw(node) != "null")
    }

    pub(super) fn fault(&self, key: &str, what: impl std::fmt::Display) -> Fault {
        self.source.fault(self.node.member(key).unwrap_or(self.node), what)
    }

    fn wanted(&self, key: &str, node: &Node, wanted: &str, faults: &mut Faults) {
        let what = format!("`{key}` is {}", self.source.kind(node));
        faults.push(self.source.fault(node, what).hint(format!("wanted {wanted}")));
    }

    /// Refuses what has another name than these.
    pub(super) fn only(&self, what: &str, known: &[&str], faults: &mut Faults) {
        let strays = self.node.members().iter().filter(|member| !known.contains(&member.key.as_str()));
        for Member { key, value, .. } in strays {
            if faults.is_full() {
                return;
            }
            let fault = self.source.fault(value, format!("{what} has no field `{}`", shown(key)));
            faults.push(match nearest(key, known.iter().copied()) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None if known.len() <= NAMED_MAX => fault.hint(format!("wanted {}", either(known))),
                None => fault.hint("take it out, or put it into `metadata`"),
            });
        }
    }

    pub(super) fn text(&self, key: &str, faults: &mut Faults) -> Option<String> {
        let node = self.get(key)?;
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            self.wanted(key, node, "a text", faults);
        }
        text
    }

    /// The text, if it is one: for what others may change as they like.
    pub(super) fn text_if_any(&self, key: &str) -> Option<&'n str> {
        self.get(key)?.text()
    }

    /// A text that must be there.
    pub(super) fn needed(&self, key: &str, what: &str, faults: &mut Faults) -> Option<String> {
        if self.get(key).is_none() {
            faults.push(self.fault(key, format!("{what} has no `{key}`")).hint("wanted a text"));
        }
        self.text(key, faults)
    }

    pub(super) fn texts(&self, key: &str, faults: &mut Faults) -> Vec<String> {
        let Some(node) = self.get(key) else { return Vec::new() };
        if !matches!(node.shape, Shape::Array(_)) {
            self.wanted(key, node, "a list of texts", faults);
        }
        let mut texts = Vec::new();
        for element in node.elements() {
            match element.text() {
                Some(text) => texts.push(text.to_owned()),
                None => self.wanted(key, element, "only texts in this list", faults),
            }
        }
        texts
    }

    pub(super) fn whole(&self, key: &str, least: i64, most: i64, faults: &mut Faults) -> Option<i64> {
        let node = self.get(key)?;
        let number = self.whole_if_any(key).filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wanted(key, node, &format!("a whole number from {least} to {most}"), faults);
        }
        number
    }

    pub(super) fn whole_if_any(&self, key: &str) -> Option<i64> {
        self.get(key).filter(|node| node.shape == Shape::Bare).and_then(|node| self.source.raw(node).parse().ok())
    }

    /// A text or a number, as it is written.
    pub(super) fn word(&self, key: &str, wanted: &str, faults: &mut Faults) -> Option<String> {
        let node = self.get(key)?;
        match &node.shape {
            Shape::Text(text) => Some(text.clone()),
            Shape::Bare if self.source.raw(node).starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Some(self.source.raw(node).to_owned())
            }
            _ => {
                self.wanted(key, node, wanted, faults);
                None
            }
        }
    }

    /// A text as `read` understands it.
    pub(super) fn one<T>(
        &self,
        key: &str,
        wanted: &str,
        faults: &mut Faults,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let word = self.word(key, wanted, faults)?;
        let found = read(&word);
        if let (None, Some(node)) = (&found, self.get(key)) {
            self.wanted(key, node, wanted, faults);
        }
        found
    }

    /// The objects of a list; what is none is a fault.
    pub(super) fn objects(&self, key: &str, what: &str, faults: &mut Faults) -> Vec<Object<'n>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        if !matches!(node.shape, Shape::Array(_)) {
            self.wanted(key, node, "a list", faults);
        }
        node.elements().iter().filter_map(|element| self.source.object(element, what, faults)).collect()
    }

    /// The object of that name, if it is one.
    pub(super) fn object_if_any(&self, key: &str) -> Option<Object<'n>> {
        self.get(key).filter(|node| node.is_object()).map(|node| Object { source: self.source, node })
    }

    pub(super) fn map(&self, key: &str, faults: &mut Faults) -> Option<serde_json::Map<String, Value>> {
        let node = self.get(key)?;
        match serde_json::from_str(self.source.raw(node)) {
            Ok(Value::Object(map)) => Some(map),
            Ok(_) => {
                self.wanted(key, node, "an object", faults);
                None
            }
            Err(_) => {
                let what = format!("`{key}` holds a number or a text that is no more than JSON can hold");
                faults.push(self.source.fault(node, what).hint("correct it"));
                None
            }
        }
    }
}
