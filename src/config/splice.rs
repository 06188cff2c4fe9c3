//! `orch.toml`, changed where it stands: what somebody wants said of a table is put in, and every other byte stays as it is.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use serde_json::Map;
use serde_json::Value;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// What a table is to say.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name, part by part.
    pub table: Vec<String>,
    /// Keys below it, part by part, with their values.
    pub entries: Vec<(Vec<String>, Value)>,
}

#[derive(Clone, Debug)]
pub struct Spliced {
    pub text: String,
    /// The lines that differ, those of before with `-`, those of now with `+`.
    pub diff: String,
}

/// A piece of the text, and what stands there instead.
struct Edit {
    at: Range<usize>,
    text: String,
}

pub fn splice(text: &str, wanted: &[Wanted]) -> Result<Spliced> {
    let root = parse(text)?;
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (mut edits, mut blocks) = (Vec::new(), String::new());
    let mut expected = plain_table(&root);
    for one in wanted {
        let found = table_at(&root, &one.table);
        for (key, value) in &one.entries {
            let whole: Vec<String> = one.table.iter().chain(key).cloned().collect();
            let before = plain_at(&expected, &whole).cloned();
            if before.as_ref() == Some(value) {
                continue;
            }
            put(&mut expected, &whole, value).ok_or_else(|| by_hand(one))?;
            if let Some(table) = found {
                edits.push(edit(text, table, key, value, end).ok_or_else(|| by_hand(one))?);
            }
        }
        if found.is_none() {
            blocks.push_str(&format!("{end}{}", block(one).replace('\n', end)));
        }
    }
    if !blocks.is_empty() {
        let needs_end = !text.is_empty() && !text.ends_with('\n');
        let blocks = if text.is_empty() { blocks[end.len()..].to_owned() } else { blocks };
        edits
            .push(Edit { at: text.len()..text.len(), text: if needs_end { format!("{end}{blocks}") } else { blocks } });
    }
    edits.sort_by_key(|edit| edit.at.start);
    let new = carry_out(text, &edits);
    // However it was written: what it says now is what it said, and what was wanted. Else nothing of it is used.
    let is_as_wanted = parse(&new).is_ok_and(|root| plain_table(&root) == expected);
    match wanted.first().filter(|_| !is_as_wanted) {
        Some(first) => Err(by_hand(first)),
        None => Ok(Spliced { diff: edits.iter().map(|edit| shown(text, edit)).collect(), text: new }),
    }
}

fn parse(text: &str) -> Result<DeTable<'_>> {
    DeTable::parse(text).map(Spanned::into_inner).map_err(|cause| {
        let line = text.get(..cause.span().map_or(0, |span| span.start)).unwrap_or(text).matches('\n').count() + 1;
        Error::invalid(format!("orch.toml line {line}: this is no TOML: {}", cause.message())).hint("correct that line")
    })
}

fn by_hand(wanted: &Wanted) -> Error {
    let message = format!("`[{}]` is written in a way that nothing can be put into", wanted.table.join("."));
    Error::new(Kind::Refused, message).hint(format!("write this by hand, then repeat: {}", block(wanted).trim_end()))
}

/// The change of one key. `None` where there is no place for it.
fn edit(text: &str, table: &DeTable<'_>, key: &[String], value: &Value, end: &str) -> Option<Edit> {
    let (first, rest) = key.split_first()?;
    match table.get(first.as_str()).map(|found| (found, found.get_ref())) {
        Some((_, DeValue::Table(inner))) if !rest.is_empty() => edit(text, inner, rest, value, end),
        Some((found, _)) if rest.is_empty() => Some(Edit { at: found.span(), text: rendered(value) }),
        Some(_) => None,
        None => insertion(text, table, &format!("{} = {}", dotted(key), rendered(value)), end),
    }
}

/// Behind the last key of the table, in the same manner.
fn insertion(text: &str, table: &DeTable<'_>, words: &str, end: &str) -> Option<Edit> {
    let mut keys: Vec<(usize, usize)> = table
        .iter()
        .filter_map(|(key, value)| Some((key.span().start, leaf_end(text, key.span().start, value)?)))
        .collect();
    keys.sort_unstable();
    let before = |at: usize| text.get(line_begin(text, at)..at);
    let usable = |at: &usize| before(*at).is_some_and(|before| !before.contains(['[', '=', '{']));
    if let Some((at, leaf_end)) = keys.iter().rev().find(|(at, _)| usable(at)) {
        let line = format!("{}{words}", before(*at)?);
        let at = line_end(text, *leaf_end);
        let is_ended = text[..at].ends_with('\n');
        let line = if is_ended { format!("{line}{end}") } else { format!("{end}{line}") };
        return Some(Edit { at: at..at, text: line });
    }
    // Within braces, where a line may not end.
    let (at, _) = keys.first().filter(|(at, _)| before(*at).is_some_and(|before| before.contains('{')))?;
    Some(Edit { at: *at..*at, text: format!("{words}, ") })
}

/// Where the value ends of which the key begins at `key`, or what is told of it on that line.
fn leaf_end(text: &str, key: usize, value: &Spanned<DeValue<'_>>) -> Option<usize> {
    let DeValue::Table(inner) = value.get_ref() else { return Some(value.span().end) };
    let here = inner.iter().filter(|(inner, _)| line_begin(text, inner.span().start) == line_begin(text, key));
    here.filter_map(|(inner, value)| leaf_end(text, inner.span().start, value)).max()
}

fn line_begin(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Behind the end of the line.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

fn carry_out(text: &str, edits: &[Edit]) -> String {
    let (mut new, mut at) = (String::new(), 0);
    for edit in edits {
        new.push_str(text.get(at..edit.at.start).unwrap_or_default());
        new.push_str(&edit.text);
        at = edit.at.end;
    }
    new.push_str(&text[at..]);
    new
}

fn shown(text: &str, edit: &Edit) -> String {
    let (begin, end) = (line_begin(text, edit.at.start), edit.at.end.max(line_begin(text, edit.at.end)));
    let is_within_a_line = !edit.at.is_empty() || begin != edit.at.start;
    let end = if is_within_a_line { line_end(text, end) } else { end };
    let before = &text[begin..end];
    let after = format!("{}{}{}", &text[begin..edit.at.start], edit.text, &text[edit.at.end..end]);
    let (mut before, mut after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    while before.last().is_some_and(|last| after.last() == Some(last)) {
        before.pop();
        after.pop();
    }
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let marked = |mark: char, lines: &[&str]| lines.iter().map(|line| format!("{mark}{line}\n")).collect::<String>();
    marked('-', &before[same..]) + &marked('+', &after[same..])
}

/// As a person would write it.
fn block(wanted: &Wanted) -> String {
    let lines = wanted.entries.iter().map(|(key, value)| format!("{} = {}\n", dotted(key), rendered(value)));
    format!("[{}]\n{}", dotted(&wanted.table), lines.collect::<String>())
}

fn dotted(key: &[String]) -> String {
    let is_bare = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let part = |part: &String| if is_bare(part) { part.clone() } else { text_of(part) };
    key.iter().map(part).collect::<Vec<_>>().join(".")
}

fn rendered(value: &Value) -> String {
    match value {
        Value::String(text) => text_of(text),
        Value::Array(items) => format!("[{}]", items.iter().map(rendered).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| format!("{} = {}", dotted(std::slice::from_ref(key)), rendered(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn text_of(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

fn table_at<'a, 'text>(root: &'a DeTable<'text>, path: &[String]) -> Option<&'a DeTable<'text>> {
    path.iter().try_fold(root, |table, part| table.get(part.as_str())?.get_ref().as_table())
}

fn plain_at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| value.get(part))
}

fn put(value: &mut Value, path: &[String], new: &Value) -> Option<()> {
    let (last, above) = path.split_last()?;
    let mut table = value.as_object_mut()?;
    for part in above {
        table = table.entry(part.clone()).or_insert_with(|| Value::Object(Map::new())).as_object_mut()?;
    }
    table.insert(last.clone(), new.clone());
    Some(())
}

/// What it says, without how and where.
fn plain_table(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect::<Map<_, _>>().into()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Boolean(whether) => (*whether).into(),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.into(),
            Err(_) => number.as_str().into(),
        },
        DeValue::Float(number) => number.as_str().into(),
        DeValue::Datetime(date) => date.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| plain(item.get_ref())).collect(),
        DeValue::Table(table) => plain_table(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(table: &[&str], entries: &[(&[&str], Value)]) -> Wanted {
        let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let entries = entries.iter().map(|(key, value)| (owned(key), value.clone())).collect();
        Wanted { table: owned(table), entries }
    }

    fn api(entries: &[(&[&str], Value)]) -> Wanted {
        wanted(&["repos", "api"], entries)
    }

    #[track_caller]
    fn check(text: &str, wanted: Wanted, new: &str, diff: &str) {
        let done = splice(text, std::slice::from_ref(&wanted)).unwrap();
        assert_eq!(done.text, new);
        assert_eq!(done.diff, diff);
        let again = splice(&done.text, &[wanted]).unwrap();
        assert_eq!((again.text.as_str(), again.diff.as_str()), (new, ""), "a second time changes nothing");
    }

    #[test]
    fn a_new_table_comes_last() {
        let all = || api(&[(&["path"], json!("~/a")), (&["commands", "c++"], json!({"shell": "a \"b\"\n\\"}))]);
        let block = "[repos.api]\npath = \"~/a\"\ncommands.\"c++\" = { shell = \"a \\\"b\\\"\\n\\\\\" }\n";
        let marked = block.lines().map(|line| format!("+{line}\n")).collect::<String>();
        check("", all(), block, &marked);
        check("# mine\n", all(), &format!("# mine\n\n{block}"), &format!("+\n{marked}"));
        let crlf = format!("a = 1\r\n\r\n{}", block.replace('\n', "\r\n"));
        check("a = 1\r\n", all(), &crlf, &format!("+\n{marked}"));
        let done = splice("x = 1", &[all()]).unwrap();
        assert_eq!(done.text, format!("x = 1\n\n{block}"));
    }

    #[test]
    fn a_key_is_changed_where_it_stands_and_a_new_one_stands_beside_the_last() {
        let text = "# top\n[repos.api] # the api\n  path = \"a\" # here\n  tags = [ # some\n    \"x\",\n  ]\n\n[land]\ncheck = \"x\"\n";
        check(
            text,
            api(&[(&["path"], json!("b"))]),
            &text.replace("\"a\"", "\"b\""),
            "-  path = \"a\" # here\n+  path = \"b\" # here\n",
        );
        let added = text.replace("  ]\n", "  ]\n  language = \"go\"\n");
        check(text, api(&[(&["language"], json!("go"))]), &added, "+  language = \"go\"\n");
        let with_tags = text.replace("[ # some\n    \"x\",\n  ]", "[\"x\", \"y\"]");
        let diff = "-  tags = [ # some\n-    \"x\",\n-  ]\n+  tags = [\"x\", \"y\"]\n";
        check(text, api(&[(&["tags"], json!(["x", "y"]))]), &with_tags, diff);
    }

    #[test]
    fn tables_may_be_written_in_every_manner() {
        let language = || api(&[(&["language"], json!("go"))]);
        check(
            "[repos]\napi.path = \"a\"",
            language(),
            "[repos]\napi.path = \"a\"\napi.language = \"go\"",
            "+api.language = \"go\"\n",
        );
        check(
            "[repos]\napi = { path = \"a\" }\n",
            language(),
            "[repos]\napi = { language = \"go\", path = \"a\" }\n",
            "-api = { path = \"a\" }\n+api = { language = \"go\", path = \"a\" }\n",
        );
        let command = || api(&[(&["commands", "test"], json!("x"))]);
        check(
            "[repos.api]\npath = \"a\"\n[repos.api.commands]\nbuild = \"b\"\n",
            command(),
            "[repos.api]\npath = \"a\"\n[repos.api.commands]\nbuild = \"b\"\ntest = \"x\"\n",
            "+test = \"x\"\n",
        );
        check(
            "[repos.api]\ncommands.build = \"b\"\n[land]\n",
            command(),
            "[repos.api]\ncommands.build = \"b\"\ncommands.test = \"x\"\n[land]\n",
            "+commands.test = \"x\"\n",
        );
        check(
            "[repos.api]\ncommands.build = \"b\"\n[land]\n",
            language(),
            "[repos.api]\ncommands.build = \"b\"\nlanguage = \"go\"\n[land]\n",
            "+language = \"go\"\n",
        );
    }

    #[test]
    fn what_has_no_place_is_refused_with_what_to_write() {
        let error = splice("[repos.api.commands]\nbuild = \"b\"\n", &[api(&[(&["path"], json!("a"))])]).unwrap_err();
        assert_eq!(error.message, "`[repos.api]` is written in a way that nothing can be put into");
        assert!(error.hint.unwrap().ends_with("[repos.api]\npath = \"a\""));
        assert!(splice("repos = 5", &[api(&[(&["path"], json!("a"))])]).is_err());
        assert!(splice("x = ", &[]).unwrap_err().message.starts_with("orch.toml line 1: this is no TOML"));
    }
}
