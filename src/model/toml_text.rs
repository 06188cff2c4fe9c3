//! TOML that people write, turned into named values, each with its line.

use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Item;
use crate::model::fields::LineStarts;
use crate::model::fields::Spot;
use crate::model::fields::Value;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// `file` is what messages call it.
pub fn parse(file: &str, text: &str) -> Result<Fields> {
    let lines = Lines { text, starts: LineStarts::of(text), spot: Spot::new(file, 1) };
    let root = DeTable::parse(text).map_err(|cause| {
        let spot = lines.at(cause.span().map_or(0, |span| span.start));
        spot.error(format!("this is no TOML: {}", cause.message())).hint("correct that line")
    })?;
    lines.fields(root.get_ref(), lines.spot.clone())
}

/// Turns places in the text into lines.
struct Lines<'a> {
    text: &'a str,
    starts: LineStarts,
    spot: Spot,
}

impl Lines<'_> {
    fn at(&self, byte: usize) -> Spot {
        self.spot.at_line(self.starts.line(byte))
    }

    /// Where what stands in these quotes begins: a line break right behind three of them does not belong to it.
    fn inside(&self, begin: usize) -> Spot {
        let rest = self.text.get(begin..).unwrap_or_default();
        let inside = ["\"\"\"", "'''"].iter().find_map(|quotes| rest.strip_prefix(quotes));
        let is_below = inside.is_some_and(|inside| inside.starts_with(['\n', '\r']));
        let spot = self.at(begin);
        spot.at_line(spot.line + usize::from(is_below))
    }

    fn fields(&self, table: &DeTable<'_>, spot: Spot) -> Result<Fields> {
        let mut all: Vec<_> = table.iter().collect();
        all.sort_by_key(|(key, _)| key.span().start);
        let mut fields = Fields::new(spot);
        for (key, value) in all {
            let spot = self.at(key.span().start);
            let inside = self.inside(value.span().start);
            fields.insert_text(key.get_ref(), self.value(value, &spot)?, spot, inside)?;
        }
        Ok(fields)
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, spot: &Spot) -> Result<Value> {
        let too_large = || spot.error("a number that is too large").hint("give a smaller one");
        Ok(match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                Value::Whole(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| too_large())?)
            }
            DeValue::Float(number) => Value::Fraction(number.as_str().parse().map_err(|_| too_large())?),
            DeValue::Boolean(whether) => Value::Whether(*whether),
            DeValue::Datetime(date) => {
                let error = spot.error(format!("the date {date}, and nothing here takes one"));
                return Err(error.hint("put it in quotes, or take it out"));
            }
            DeValue::Array(items) => {
                let item = |item: &Spanned<DeValue<'_>>| {
                    let spot = self.at(item.span().start);
                    Ok(Item { value: self.value(item, &spot)?, spot })
                };
                Value::List(items.iter().map(item).collect::<Result<_>>()?)
            }
            DeValue::Table(table) => Value::Table(self.fields(table, spot.clone())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_toml_or_no_value_of_ours_is_named_with_its_line() {
        for (text, message) in [
            ("a = 1\na = 2", "f line 2: this is no TOML: "),
            ("[launch]\n\nx = ", "f line 3: this is no TOML: "),
            ("x", "f line 1: this is no TOML: "),
            ("[launch\n", "f line 1: this is no TOML: "),
            ("x = \"\u{1b}\"", "f line 1: this is no TOML: "),
            ("[a]\nx = 2026-01-01", "f line 2: the date 2026-01-01, and nothing here takes one"),
            ("[a]\nx = 99999999999999999999", "f line 2: a number that is too large"),
        ] {
            let error = parse("f", text).expect_err(text);
            assert!(error.message.starts_with(message) && error.hint.is_some(), "{text}: {error:?}");
        }
        parse("f", &format!("x = {}", "[".repeat(10_000))).expect_err("deep as it is, it is refused");
    }

    #[test]
    fn tables_of_a_list_begin_where_they_are_written() {
        let fields = parse("f", "a = 1\n\n[[s]]\nx = 1\n# and\n[[s]]\n\nx = 2\n").expect("it is TOML");
        let tables = fields.tables("s", "a table").expect("it is a list").expect("it is there");
        let lines = |fields: &&Fields| (fields.spot.line, fields.spot_of("x").expect("it is there").line);
        assert_eq!(tables.iter().map(lines).collect::<Vec<_>>(), [(3, 4), (6, 8)]);
    }

    /// An error in a text of many lines names the line of the file.
    #[test]
    fn a_text_begins_where_its_first_letter_stands() {
        for (text, line) in [
            ("x = \"a\"", 1),
            ("\nx = \"\"\"\na\"\"\"", 3),
            ("\nx = '''\r\na'''", 3),
            ("\nx = '''a\nb'''", 2),
            ("x = [\n1]", 1),
        ] {
            let fields = parse("f", text).expect("it is TOML");
            assert_eq!(fields.spot_of_text("x").map(|spot| spot.line), Some(line), "{text:?}");
        }
    }
}
