//! A text with gaps: `{{name}}` is filled with a value, `{{#name}}…{{/name}}` stands only where there is one. Strict, and
//! no more than that: what a value holds is never read again.

use crate::error::Error;
use crate::error::Result;
use crate::model::fields::Spot;
use crate::model::nearest::nearest;
use std::collections::BTreeMap;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A part for a task, and in it a part for each thing that the task may lack: deeper nobody needs.
const DEPTH_MAX: usize = 2;

/// What the gaps are filled with. A name without a value is missing; an empty one is there and says nothing.
pub type Values = BTreeMap<&'static str, String>;

#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
    known: &'static [&'static str],
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Value(Gap),
    Section(Gap, Vec<Piece>),
}

/// A name as it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    pub name: String,
    spot: Spot,
    column: usize,
}

impl Gap {
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        self.spot.error(format!("column {}: {what}", self.column))
    }
}

impl Template {
    /// `spot` is where the text begins, `known` all names that it may use.
    pub fn parse(text: &str, spot: &Spot, known: &'static [&'static str]) -> Result<Template> {
        Reader { text, spot, known, at: 0 }.read().map(|pieces| Template { pieces, known })
    }

    /// What stands in it besides the gaps.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        fn all<'a>(pieces: &'a [Piece], texts: &mut Vec<&'a str>) {
            for piece in pieces {
                match piece {
                    Piece::Text(text) => texts.push(text),
                    Piece::Value(_) => {}
                    Piece::Section(_, pieces) => all(pieces, texts),
                }
            }
        }
        let mut texts = Vec::new();
        all(&self.pieces, &mut texts);
        texts.into_iter()
    }

    pub fn render(&self, values: &Values) -> Result<String> {
        let mut text = String::new();
        self.fill(&self.pieces, values, &mut text)?;
        Ok(text)
    }

    fn fill(&self, pieces: &[Piece], values: &Values, text: &mut String) -> Result<()> {
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(gap) => text.push_str(values.get(gap.name.as_str()).ok_or_else(|| self.missing(gap))?),
                Piece::Section(gap, inner) => {
                    if values.get(gap.name.as_str()).is_some_and(|value| !value.is_empty()) {
                        self.fill(inner, values, text)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn missing(&self, gap: &Gap) -> Error {
        let name = &gap.name;
        gap.error(format!("there is no value for `{{{{{name}}}}}`")).hint(format!(
            "where it may be missing, write `{{{{#{name}}}}}…{{{{/{name}}}}}` around it; {}",
            names(self.known)
        ))
    }

    /// Each gap to be filled, with the names of the parts in which it stands.
    pub fn gaps(&self) -> Vec<(&Gap, Vec<&str>)> {
        let mut found = Vec::new();
        collect(&self.pieces, &mut Vec::new(), &mut found);
        found
    }
}

fn collect<'a>(pieces: &'a [Piece], within: &mut Vec<&'a str>, found: &mut Vec<(&'a Gap, Vec<&'a str>)>) {
    for piece in pieces {
        match piece {
            Piece::Text(_) => {}
            Piece::Value(gap) => found.push((gap, within.clone())),
            Piece::Section(gap, inner) => {
                within.push(&gap.name);
                collect(inner, within, found);
                within.pop();
            }
        }
    }
}

fn names(known: &[&str]) -> String {
    let all: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("the names are {}", all.join(", "))
}

struct Reader<'a> {
    text: &'a str,
    spot: &'a Spot,
    known: &'static [&'static str],
    /// What is before it has been read.
    at: usize,
}

/// Between braces.
enum Tag {
    Value,
    Begin,
    End,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Vec<Piece>> {
        let mut open: Vec<(Gap, Vec<Piece>)> = Vec::new();
        let mut pieces = Vec::new();
        while let Some(found) = self.text[self.at..].find(OPEN) {
            let begin = self.at + found;
            let (tag, gap, end) = self.tag(begin)?;
            let (text_end, next) = match tag {
                Tag::Value => (begin, end),
                Tag::Begin | Tag::End => self.with_its_line(begin, end),
            };
            push_text(&mut pieces, &self.text[self.at..text_end]);
            self.at = next;
            match tag {
                Tag::Value => pieces.push(Piece::Value(gap)),
                Tag::Begin if open.len() == DEPTH_MAX => {
                    let message = format!("`{{{{#{}}}}}` is the part of a part of a part", gap.name);
                    return Err(gap.error(message).hint(format!("nest parts at most {DEPTH_MAX} deep")));
                }
                Tag::Begin => open.push((gap, std::mem::take(&mut pieces))),
                Tag::End => match open.pop() {
                    Some((begun, outer)) if begun.name == gap.name => {
                        let inner = std::mem::replace(&mut pieces, outer);
                        pieces.push(Piece::Section(begun, inner));
                    }
                    Some((begun, _)) => {
                        let message = format!("`{{{{/{}}}}}` ends another part than was begun", gap.name);
                        return Err(gap
                            .error(message)
                            .hint(format!("end `{{{{#{}}}}}` of line {} first", begun.name, begun.spot.line)));
                    }
                    None => {
                        let name = &gap.name;
                        return Err(gap
                            .error(format!("`{{{{/{name}}}}}` ends nothing"))
                            .hint(format!("begin it with `{{{{#{name}}}}}`")));
                    }
                },
            }
        }
        push_text(&mut pieces, &self.text[self.at..]);
        match open.pop() {
            None => Ok(pieces),
            Some((begun, _)) => {
                let name = &begun.name;
                Err(begun.error(format!("`{{{{#{name}}}}}` has no end")).hint(format!("end it with `{{{{/{name}}}}}`")))
            }
        }
    }

    /// What stands in braces at `begin`, and where it ends.
    fn tag(&self, begin: usize) -> Result<(Tag, Gap, usize)> {
        let gap = |name: &str| {
            let before = &self.text[..begin];
            let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
            let line = self.spot.line + before.matches('\n').count();
            Gap {
                name: name.to_owned(),
                spot: self.spot.at_line(line),
                column: before[line_begin..].chars().count() + 1,
            }
        };
        let inside = &self.text[begin + OPEN.len()..];
        let inside = inside.split('\n').next().unwrap_or(inside);
        let Some(len) = inside.find(CLOSE) else {
            let error = gap("").error(format!("`{OPEN}` without `{CLOSE}` on the same line"));
            return Err(error.hint(format!("`{OPEN}` always begins a name; {}", names(self.known))));
        };
        let inside = &inside[..len];
        let (tag, name) = match inside.chars().next() {
            Some('#') => (Tag::Begin, &inside[1..]),
            Some('/') => (Tag::End, &inside[1..]),
            _ => (Tag::Value, inside),
        };
        let gap = gap(name);
        if self.known.contains(&name) {
            return Ok((tag, gap, begin + OPEN.len() + len + CLOSE.len()));
        }
        let error = gap.error(format!("`{{{{{}}}}}` is none of the names", inside.escape_debug()));
        let all = names(self.known);
        Err(match nearest(name.trim(), self.known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{{{{{near}}}}}`? {all}")),
            None => error.hint(all),
        })
    }

    /// The mark of a part that stands alone on its line takes the whole line away.
    fn with_its_line(&self, begin: usize, end: usize) -> (usize, usize) {
        let line_begin = self.text[..begin].rfind('\n').map_or(0, |at| at + 1);
        let before = &self.text[line_begin..begin];
        let after = &self.text[end..];
        let line_end = after.find('\n').map_or(after.len(), |at| at + 1);
        let is_alone = before.trim().is_empty() && after[..line_end].trim().is_empty() && line_begin >= self.at;
        if is_alone { (line_begin, end + line_end) } else { (begin, end) }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["worker", "task", "notes"];

    fn template(text: &str) -> Result<Template> {
        Template::parse(text, &Spot::new("f", 10), KNOWN)
    }

    fn rendered(text: &str, values: &[(&'static str, &str)]) -> Result<String> {
        template(text)?.render(&values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn gaps_are_filled_and_nothing_else_is_touched() {
        for (text, wanted) in [
            ("", ""),
            ("plain } {\"a\":{\"b\":1}} $x {x} %s", "plain } {\"a\":{\"b\":1}} $x {x} %s"),
            ("I am {{worker}}.", "I am amy."),
            ("{{worker}}{{worker}}", "amyamy"),
            ("é {{worker}}}", "é amy}"),
            ("{{#worker}}yes {{worker}}{{/worker}}", "yes amy"),
            ("a{{#notes}} no {{notes}}{{/notes}}b", "ab"),
            ("a{{#task}} no{{/task}}b", "ab"),
            ("a\n{{#worker}}\nb\n{{/worker}}\nc\n", "a\nb\nc\n"),
            ("a\n  {{#task}}  \r\nb\n{{/task}}\nc", "a\nc"),
            ("{{#worker}}\n{{#task}}\nx\n{{/task}}\ny\n{{/worker}}", "y\n"),
            ("a {{#worker}}\nb{{/worker}}", "a \nb"),
        ] {
            assert_eq!(rendered(text, &[("worker", "amy"), ("task", "")]).as_deref(), Ok(wanted), "{text:?}");
        }
        assert_eq!(rendered("[{{task}}]", &[("task", "")]).as_deref(), Ok("[]"), "what is empty is there");
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        for hostile in ["{{notes}}", "{{#worker}}", "{{/worker}}", "{{", "}}", "{{worker}}", "$(id) \u{1b}[2J\0"] {
            let text = "<{{worker}}>{{#worker}}<{{worker}}>{{/worker}}";
            let wanted = format!("<{hostile}><{hostile}>");
            assert_eq!(rendered(text, &[("worker", hostile), ("notes", "secret")]), Ok(wanted));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_the_known_names() {
        for (text, message, hint) in [
            ("a\né {{wroker}}", "f line 11: column 3: `{{wroker}}` is none of the names", "did you mean `{{worker}}`?"),
            ("{{ worker }}", "f line 10: column 1: `{{ worker }}` is none of the names", "did you mean `{{worker}}`?"),
            ("{{}}", "f line 10: column 1: `{{}}` is none of the names", "the names are `worker`"),
            ("{{{worker}}}", "f line 10: column 1: `{{{worker}}` is none of the names", "`worker`"),
            ("{{^worker}}", "f line 10: column 1: `{{^worker}}` is none of the names", "`worker`"),
            ("x {{worker", "f line 10: column 3: `{{` without `}}` on the same line", "`worker`, `task`, `notes`"),
            ("x {{worker\n}}", "f line 10: column 3: `{{` without `}}` on the same line", "begins a name"),
            ("a\n\n{{#worker}}", "f line 12: column 1: `{{#worker}}` has no end", "end it with `{{/worker}}`"),
            ("{{/worker}}", "f line 10: column 1: `{{/worker}}` ends nothing", "begin it with `{{#worker}}`"),
            (
                "{{#worker}}\n{{/task}}",
                "f line 11: column 1: `{{/task}}` ends another part than was begun",
                "end `{{#worker}}` of line 10 first",
            ),
            (
                "{{#worker}}{{#task}}{{#notes}}",
                "f line 10: column 21: `{{#notes}}` is the part of a part of a part",
                "at most 2 deep",
            ),
        ] {
            let error = template(text).expect_err(text);
            assert_eq!(error.message, message);
            assert!(error.hint.as_ref().is_some_and(|found| found.contains(hint)), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_value_that_is_missing_is_an_error_only_where_it_is_wanted() {
        let error = rendered("a\n {{task}}", &[("worker", "amy")]).expect_err("missing");
        assert_eq!(error.message, "f line 11: column 2: there is no value for `{{task}}`");
        assert!(error.hint.is_some_and(|hint| hint.contains("`{{#task}}…{{/task}}`") && hint.contains("`notes`")));
        assert_eq!(rendered("{{#task}}{{task}}{{notes}}{{/task}}", &[]).as_deref(), Ok(""));
    }

    #[test]
    fn each_gap_is_told_with_the_parts_around_it() {
        let template = template("{{worker}}{{#task}}{{#notes}}{{task}}{{/notes}}{{/task}}").unwrap();
        let gaps: Vec<(&str, Vec<&str>)> =
            template.gaps().into_iter().map(|(gap, within)| (gap.name.as_str(), within)).collect();
        assert_eq!(gaps, [("worker", vec![]), ("task", vec!["task", "notes"])]);
    }
}
