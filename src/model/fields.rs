//! Named values as somebody wrote them into a file, read strictly: no other names, each once, each of its type. Every
//! error says where.

use crate::error::Error;
use crate::error::Result;
use crate::model::branch::is_branch_name;
use crate::model::nearest::nearest;
use std::fmt;
use std::sync::Arc;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

impl Spot {
    pub fn new(file: &str, line: usize) -> Spot {
        Spot { file: file.into(), line }
    }

    pub fn at_line(&self, line: usize) -> Spot {
        Spot { file: self.file.clone(), line }
    }

    /// What is wrong there.
    pub fn error(&self, what: impl fmt::Display) -> Error {
        Error::invalid(format!("{self}: {what}"))
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)
    }
}

/// Where the lines of a text begin: asked for each value of it, so not counted anew each time.
#[derive(Clone, Debug)]
pub struct LineStarts(Vec<usize>);

impl LineStarts {
    pub fn of(text: &str) -> LineStarts {
        LineStarts(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Whether(bool),
    List(Vec<Item>),
    Table(Fields),
}

/// A value in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub value: Value,
    pub spot: Spot,
}

/// As a message shows it. What is long is cut short by whoever shows the message.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "the text `{}`", text.escape_debug()),
            Value::Whole(number) => write!(f, "the number {number}"),
            Value::Fraction(number) => write!(f, "the number {number}"),
            Value::Whether(whether) => write!(f, "{whether}"),
            Value::List(_) => f.write_str("a list"),
            Value::Table(_) => f.write_str("a table"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    key: String,
    value: Value,
    spot: Spot,
    /// Where the first letter of its text stands.
    text: Spot,
}

/// The fields of one thing, in the order they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    all: Vec<Field>,
    /// Where the thing begins.
    pub spot: Spot,
}

impl Fields {
    pub fn new(spot: Spot) -> Fields {
        Fields { all: Vec::new(), spot }
    }

    pub fn insert(&mut self, key: &str, value: Value, spot: Spot) -> Result<()> {
        let text = spot.clone();
        self.insert_text(key, value, spot, text)
    }

    /// The same for what may begin on another line than its key.
    pub fn insert_text(&mut self, key: &str, value: Value, spot: Spot, text: Spot) -> Result<()> {
        if let Some(first) = self.field(key) {
            let message = format!("`{key}` stands here for the second time, the first is line {}", first.spot.line);
            return Err(spot.error(message).hint("keep one of them"));
        }
        self.all.push(Field { key: key.to_owned(), value, spot, text });
        Ok(())
    }

    /// The same, with what others say of it instead.
    pub fn overridden_by(mut self, others: &Fields) -> Fields {
        self.all.retain(|field| others.field(&field.key).is_none());
        self.all.extend(others.all.iter().cloned());
        self
    }

    /// The same, but for one of them.
    pub fn without(mut self, key: &str) -> Fields {
        self.all.retain(|field| field.key != key);
        self
    }

    /// Refuses a key that is none of these.
    pub fn only(&self, what: &str, known: &[&str]) -> Result<()> {
        let Some(stray) = self.all.iter().find(|field| !known.contains(&field.key.as_str())) else { return Ok(()) };
        let key = stray.key.escape_debug();
        let error = stray.spot.error(format!("{what} has no key `{key}`"));
        let all: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
        let all = all.join(", ");
        Err(match nearest(&stray.key, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`? There are {all}")),
            None => error.hint(format!("there are {all}")),
        })
    }

    /// Each key with its place.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Spot)> {
        self.all.iter().map(|field| (field.key.as_str(), &field.spot))
    }

    pub fn spot_of(&self, key: &str) -> Option<&Spot> {
        self.field(key).map(|field| &field.spot)
    }

    /// Where the first letter of a text stands, which may have many lines.
    pub fn spot_of_text(&self, key: &str) -> Option<&Spot> {
        self.field(key).map(|field| &field.text)
    }

    fn field(&self, key: &str) -> Option<&Field> {
        self.all.iter().find(|field| field.key == key)
    }

    /// The value of a key as `read` understands it; `wanted` says what that is.
    pub fn read<'a, T>(&'a self, key: &str, wanted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(field) = self.field(key) else { return Ok(None) };
        let value = read(&field.value).ok_or_else(|| field.spot.wanted(&format!("`{key}`"), &field.value, wanted))?;
        Ok(Some(value))
    }

    pub fn table(&self, key: &str) -> Result<Option<&Fields>> {
        self.read(key, "a table", |value| match value {
            Value::Table(fields) => Some(fields),
            _ => None,
        })
    }

    /// A line of text that is not empty.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        self.read(key, "a text of one line that is not empty", line)
    }

    /// A line of text that can follow a flag and is taken for no flag itself.
    pub fn word(&self, key: &str) -> Result<Option<String>> {
        self.read(key, "one word that does not begin with `-`", |value| {
            line(value).filter(|text| !text.starts_with('-') && !text.contains(char::is_whitespace))
        })
    }

    /// The name of a branch, as git would take it.
    pub fn branch(&self, key: &str) -> Result<Option<String>> {
        self.read(key, "the name of a branch", |value| line(value).filter(|text| is_branch(text)))
    }

    /// One of some words.
    pub fn one_of<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let found = |value: &Value| match value {
            Value::Text(text) => words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning),
            _ => None,
        };
        self.read(key, &format!("one of {}", known.join(", ")), found).map_err(|error| {
            let typed = self.field(key).and_then(|field| line(&field.value)).unwrap_or_default();
            match nearest(&typed, words.iter().map(|(word, _)| *word)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    pub fn whole(&self, key: &str, least: i64, most: i64) -> Result<Option<i64>> {
        self.read(key, &format!("a whole number from {least} to {most}"), |value| match value {
            Value::Whole(number) if (least..=most).contains(number) => Some(*number),
            _ => None,
        })
    }

    pub fn count(&self, key: &str, least: u32) -> Result<Option<u32>> {
        let count = self.whole(key, least.into(), u32::MAX.into())?;
        Ok(count.and_then(|count| u32::try_from(count).ok()))
    }

    /// An amount of money: above nothing.
    pub fn dollars(&self, key: &str) -> Result<Option<f64>> {
        let amount = |value: &Value| match value {
            Value::Whole(number) => Some(*number as f64),
            Value::Fraction(number) => Some(*number),
            _ => None,
        };
        let wanted = "an amount in dollars above 0, such as `2.50`";
        self.read(key, wanted, |value| amount(value).filter(|number| number.is_finite() && *number > 0.0))
    }

    /// A list, each item as `read` understands it.
    pub fn list<T>(&self, key: &str, wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<Vec<T>>> {
        self.items(key, wanted, read)
    }

    /// A list of tables.
    pub fn tables(&self, key: &str, wanted: &str) -> Result<Option<Vec<&Fields>>> {
        self.items(key, wanted, |value| match value {
            Value::Table(fields) => Some(fields),
            _ => None,
        })
    }

    fn items<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let items = self.read(key, &format!("a list, each item {wanted}"), |value| match value {
            Value::List(items) => Some(items),
            _ => None,
        })?;
        let each = |item: &'a Item| {
            read(&item.value).ok_or_else(|| item.spot.wanted(&format!("an item of `{key}`"), &item.value, wanted))
        };
        items.map(|items| items.iter().map(each).collect()).transpose()
    }
}

impl Spot {
    fn wanted(&self, what: &str, found: &Value, wanted: &str) -> Error {
        self.error(format!("{what} is {found}, wanted {wanted}")).hint("correct it, or take it out")
    }
}

/// What is one line of visible text.
pub fn line(value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let text = text.trim();
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// Nor does it hold a space of any kind, which people overlook.
fn is_branch(name: &str) -> bool {
    is_branch_name(name) && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(all: &[(&str, Value)]) -> Fields {
        let mut fields = Fields::new(Spot::new("f", 1));
        for (at, (key, value)) in all.iter().enumerate() {
            fields.insert(key, value.clone(), Spot::new("f", at + 2)).expect("each once");
        }
        fields
    }

    #[test]
    fn a_stray_key_is_named_with_its_line_and_what_was_meant() {
        let error = fields(&[("model", Value::Whole(1)), ("tolls", Value::Whole(1))])
            .only("a role", &["tools", "model"])
            .expect_err("no such key");
        assert_eq!(error.message, "f line 3: a role has no key `tolls`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `tools`? There are `tools`, `model`"));
    }

    #[test]
    fn each_byte_is_on_its_line() {
        let starts = LineStarts::of("a\n\nb\n");
        assert_eq!([0, 1, 2, 3, 4, 5, 99].map(|byte| starts.line(byte)), [1, 1, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn a_key_stands_once() {
        let mut fields = fields(&[("a", Value::Whole(1))]);
        let error = fields.insert("a", Value::Whole(2), Spot::new("f", 9)).expect_err("twice");
        assert_eq!(error.message, "f line 9: `a` stands here for the second time, the first is line 2");
    }

    #[test]
    fn a_value_of_another_type_is_shown_with_what_was_wanted() {
        let fields =
            fields(&[("a", Value::Text("x".to_owned())), ("b", Value::Whole(5)), ("c", Value::Fraction(f64::NAN))]);
        for (found, message) in [
            (fields.whole("a", 0, 9).map(drop), "f line 2: `a` is the text `x`, wanted a whole number from 0 to 9"),
            (fields.whole("b", 6, 9).map(drop), "f line 3: `b` is the number 5, wanted a whole number from 6 to 9"),
            (fields.text("b").map(drop), "f line 3: `b` is the number 5, wanted a text of one line that is not empty"),
            (
                fields.dollars("c").map(drop),
                "f line 4: `c` is the number NaN, wanted an amount in dollars above 0, such as `2.50`",
            ),
        ] {
            assert_eq!(found.expect_err(message).message, message);
        }
        assert_eq!(fields.whole("none", 0, 9), Ok(None));
        assert_eq!(fields.dollars("b"), Ok(Some(5.0)));
    }

    #[test]
    fn what_could_be_taken_for_a_flag_or_for_two_branches_is_no_branch() {
        for name in ["main", "release/1.2", "orch/task-7", "ümlaut"] {
            assert!(is_branch(name), "{name}");
        }
        for name in
            ["-f", "a..b", "a b", "", "/", "a/", "/a", ".a", "a/.b", "a.lock", "a.", "@", "a@{1}", "a:b", "a\n", "a\\b"]
        {
            assert!(!is_branch(name), "{name:?}");
        }
    }
}
