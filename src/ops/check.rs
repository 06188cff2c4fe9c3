//! Arguments as they come, checked against the schema: an error names the field and says what was wanted.

use crate::error::Error;
use crate::error::Result;
use crate::model::nearest::nearest;
use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::Operation;
use crate::ops::table::Request;
use serde_json::Map;
use serde_json::Value;

/// What stands in the store, in an answer and in words for another process stands deeper there, and no reader of JSON
/// follows deeper than 127.
const DEPTH_MAX: usize = 100;

/// Longest idempotency key.
pub const KEY_CHARS_MAX: usize = 200;

pub fn request(entry: &'static Entry, mut arguments: Map<String, Value>) -> Result<Request> {
    let schema = entry.input_schema();
    // Absent and null mean the same to every caller we know.
    arguments.retain(|_, value| !value.is_null());
    mend(schema, &mut arguments);
    check_object(entry.name, "", schema, &arguments)?;
    if arguments.values().any(holds_nul) {
        return Err(Error::invalid(format!("`{}` takes no text with a NUL character in it", entry.name)));
    }
    if let Some((field, _)) = arguments.iter().find(|(_, value)| is_deeper(value, DEPTH_MAX)) {
        return Err(Error::invalid(format!("`{field}` may hold lists and objects {DEPTH_MAX} deep")));
    }
    let instance = match entry.names_own_instance() {
        true => None,
        // The older tools took an empty string for "nobody in particular".
        false => take_text(&mut arguments, "instance_id").filter(|instance| !instance.is_empty()),
    };
    let idempotency_key = match entry.effect {
        Effect::Write => take_text(&mut arguments, "idempotency_key"),
        Effect::Read | Effect::Mark => None,
    };
    if let Some(key) = &idempotency_key
        && (key.is_empty() || key.chars().count() > KEY_CHARS_MAX)
    {
        return Err(Error::invalid(format!("`idempotency_key` must have 1 to {KEY_CHARS_MAX} characters")));
    }
    Ok(Request { entry, call: entry.read(arguments)?, instance, idempotency_key, expect_version: None })
}

/// As `request` will look at them, but with nothing mended: a program writes a number as a number, and what it is told of
/// the arguments is then all that there is to know.
pub fn exactly(entry: &Entry, arguments: &mut Map<String, Value>) -> Result<()> {
    let schema = entry.input_schema();
    make_whole(schema, arguments);
    check_object(entry.name, "", schema, arguments)?;
    let choices = |field: &str| schema.get("properties")?.get(field)?.get("enum")?.as_array();
    let is_other = |(field, value): &(&String, &Value)| {
        !value.is_null() && choices(field).is_some_and(|choices| !choices.contains(value))
    };
    match arguments.iter().find(is_other) {
        Some((field, value)) => {
            Err(Error::invalid(format!("`{field}` is a number among its choices, not the text {}", shown(value))))
        }
        None => Ok(()),
    }
}

/// JSON knows one kind of number: `60.0` is `60`.
fn make_whole(schema: &Map<String, Value>, arguments: &mut Map<String, Value>) {
    let property = |field: &str| schema.get("properties")?.get(field);
    let wanted = |field: &str| property(field)?.get("type")?.as_str();
    for (field, value) in arguments.iter_mut() {
        if let (Value::Object(inner), Some(Value::Object(schema))) = (&mut *value, property(field)) {
            make_whole(schema, inner);
        }
    }
    for (field, value) in arguments.iter_mut().filter(|(_, value)| value.is_f64()) {
        let number = value.as_f64().filter(|number| wanted(field) == Some("integer") && number.fract() == 0.0);
        // Beyond these, numbers of that kind are too far apart to mean one whole number.
        if let Some(number) = number.filter(|number| (0.0..=9_007_199_254_740_992.0).contains(number)) {
            *value = (number as u64).into();
        }
    }
}

/// Models write a number as text, and the number of an id without its word: both can mean only one thing.
fn mend(schema: &Map<String, Value>, arguments: &mut Map<String, Value>) {
    make_whole(schema, arguments);
    for (field, value) in arguments {
        let wanted = schema.get("properties").and_then(|all| all.get(field)).and_then(|one| one.get("type"));
        let is_reference = field.ends_with("_id") || matches!(field.as_str(), "parent" | "reply_to" | "cursor");
        match (wanted.and_then(Value::as_str), &*value) {
            (Some("integer"), Value::String(text)) => {
                if let Ok(number) = text.parse::<u64>() {
                    *value = number.into();
                }
            }
            (Some("string"), Value::Number(number)) if is_reference => *value = number.to_string().into(),
            _ => {}
        }
    }
}

/// Databases end a text there, or refuse it.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_deeper(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(items) => most == 0 || items.iter().any(|item| is_deeper(item, most - 1)),
        Value::Object(fields) => most == 0 || fields.values().any(|field| is_deeper(field, most - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

pub fn read<O: Operation>(arguments: Map<String, Value>) -> Result<O> {
    O::deserialize(&arguments).map_err(|error| unreadable::<O>("", &arguments, &error))
}

/// What no schema says, such as the form of an id. The field to blame is the one without which nothing else is wrong.
fn unreadable<O: Operation>(path: &str, arguments: &Map<String, Value>, error: &serde_json::Error) -> Error {
    let is_to_blame = |field: &&String| {
        let mut rest = arguments.clone();
        rest.remove(*field);
        let lacking = format!("missing field `{field}`");
        O::deserialize(&rest).err().is_none_or(|error| error.to_string() == lacking)
    };
    match arguments.keys().find(is_to_blame) {
        Some(field) => Error::invalid(format!("`{}`: {error}", join(path, field))),
        None => Error::invalid(format!("`{}`: {error}", if path.is_empty() { O::NAME } else { path })),
    }
}

/// The arguments of one operation inside those of another, by their path there.
pub fn nested<O: Operation>(operation: &str, path: &str, mut arguments: Map<String, Value>) -> Result<O> {
    let entry =
        crate::ops::table::find(O::NAME).ok_or_else(|| Error::internal("an operation is missing in the table"))?;
    arguments.retain(|_, value| !value.is_null());
    make_whole(entry.input_schema(), &mut arguments);
    check_object(operation, path, entry.input_schema(), &arguments)?;
    O::deserialize(&arguments).map_err(|error| unreadable::<O>(path, &arguments, &error))
}

fn take_text(arguments: &mut Map<String, Value>, field: &str) -> Option<String> {
    match arguments.remove(field) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn check_object(operation: &str, path: &str, schema: &Map<String, Value>, given: &Map<String, Value>) -> Result<()> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (field, value) in given {
        match properties.get(field) {
            Some(_) if value.is_null() => {}
            Some(wanted) => check_value(operation, &join(path, field), wanted, value)?,
            None => return Err(unknown(named(operation, path), field, properties)),
        }
    }
    for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if given.get(required).is_none_or(Value::is_null) {
            return Err(Error::invalid(format!("`{}` needs `{required}`", named(operation, path)))
                .hint(described(required, properties)));
        }
    }
    Ok(())
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn check_value(operation: &str, path: &str, wanted: &Value, given: &Value) -> Result<()> {
    let wrong = |what: String| Err(Error::invalid(format!("`{path}` must be {what}, not {}", shown(given))));
    if let Some(Value::Array(choices)) = wanted.get("enum") {
        // A number among the choices may come as text, from clients that know only text.
        let as_text = |choice: &Value| choice.as_i64().map(|number| number.to_string());
        let fits = choices.contains(given)
            || given.as_str().is_some_and(|text| choices.iter().any(|choice| as_text(choice).as_deref() == Some(text)));
        if !fits {
            let words: Vec<String> =
                choices.iter().map(|choice| choice.as_str().map_or(choice.to_string(), str::to_owned)).collect();
            return wrong(format!("one of {}", words.join(", ")));
        }
        return Ok(());
    }
    match wanted.get("type").and_then(Value::as_str) {
        Some("string") if !given.is_string() => wrong("text".to_owned()),
        Some("integer") if given.as_u64().is_none() => wrong("a whole number from 0".to_owned()),
        Some("number") if !given.is_number() => wrong("a number".to_owned()),
        Some("boolean") if !given.is_boolean() => wrong("true or false".to_owned()),
        Some("array") => match (given, wanted.get("items")) {
            (Value::Array(items), Some(item)) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, given)| check_value(operation, &format!("{path}[{index}]"), item, given)),
            (Value::Array(_), None) => Ok(()),
            _ => wrong("a list".to_owned()),
        },
        Some("object") => match (given, wanted.as_object()) {
            (Value::Object(given), Some(wanted)) if wanted.contains_key("properties") => {
                check_object(operation, path, wanted, given)
            }
            (Value::Object(_), _) => Ok(()),
            _ => wrong("an object".to_owned()),
        },
        _ => Ok(()),
    }
}

/// The kind of a value, and the value where it is short: enough to recognise it by, too little to flood anybody.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 {
        return format!("`{text}`");
    }
    match value {
        Value::String(_) => "a long text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        _ => "that",
    }
    .to_owned()
}

/// What lacks a field, or has one too many: whoever wrote a list knows its elements by their place in it.
fn named<'a>(operation: &'a str, path: &'a str) -> &'a str {
    if path.is_empty() { operation } else { path }
}

fn unknown(holder: &str, field: &str, properties: &Map<String, Value>) -> Error {
    let error = Error::invalid(format!("`{holder}` has no `{field}`"));
    match nearest(field, properties.keys().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!(
            "it takes {}",
            properties.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        )),
    }
}

fn described(field: &str, properties: &Map<String, Value>) -> String {
    match properties.get(field).and_then(|property| property.get("description")).and_then(Value::as_str) {
        Some(description) => format!("`{field}`: {description}"),
        None => format!("add `{field}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::table::find;
    use serde_json::json;

    fn refusal(operation: &str, arguments: Value) -> String {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        match find(operation).unwrap().request(arguments) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => format!("{}; {}", error.message, error.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn an_error_names_the_field_and_what_was_wanted() {
        for (operation, arguments, expected) in [
            ("push_task", json!({ "title": "t" }), "accepted"),
            ("push_task", json!({ "title": "t", "priority": 0, "instance_id": "" }), "accepted"),
            ("push_task", json!({ "title": "t", "assignee": null }), "accepted"),
            ("push_task", json!({ "title": "t", "parent": 7, "lease_secs": "60" }), "accepted"),
            ("push_task", json!({ "title": "t", "lease_secs": 60.0 }), "accepted"),
            ("launch_workers", json!({ "role": "r", "limits": { "minutes": 60.0 } }), "accepted"),
            ("push_task", json!({ "title": "t", "lease_secs": 60.5 }), "`lease_secs` must be a whole number from 0"),
            ("push_task", json!({ "title": "t", "lease_secs": 1e300 }), "`lease_secs` must be a whole number from 0"),
            ("push_task", json!({}), "`push_task` needs `title`"),
            ("push_task", json!({ "title": 5 }), "`title` must be text, not `5`"),
            (
                "push_task",
                json!({ "title": "t", "priority": "urgent" }),
                "`priority` must be one of critical, high, medium, low, 0, 1, 2, not `\"urgent\"`",
            ),
            (
                "push_task",
                json!({ "title": "t", "lables": ["x"] }),
                "`push_task` has no `lables`; did you mean `labels`?",
            ),
            ("push_task", json!({ "title": "t", "labels": "x" }), "`labels` must be a list, not `\"x\"`"),
            ("push_task", json!({ "title": "t", "metadata": { "a": ["\0"] } }), "`push_task` takes no text with a NUL"),
            ("complete_task", json!({ "task_id": "7", "evidence": { "commit": null } }), "accepted"),
            ("claim_task", json!({ "lease_secs": -1 }), "`lease_secs` must be a whole number from 0, not `-1`"),
            ("complete_task", json!({ "task_id": "x7" }), "`task_id`: not a task id such as `task-0000000012`"),
        ] {
            let found = refusal(operation, arguments.clone());
            assert!(found.starts_with(expected), "{operation} {arguments}: {found}");
        }
    }
}
