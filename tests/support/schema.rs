//! Says what in a value breaks its JSON schema: as much of the language as our own schemas use, and no more.

use serde_json::Map;
use serde_json::Value;

/// Every breach, by its place in the value. A word that is not known here is a breach too: it would go unchecked.
pub fn breaches(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "$", &mut found);
    found
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let schema = match schema {
        Value::Bool(true) => return,
        Value::Object(schema) => schema,
        _ => return found.push(format!("{path}: nothing may be here, and here is {value}")),
    };
    for (word, wanted) in schema {
        let holds = match word.as_str() {
            "title" | "description" | "examples" | "properties" => true,
            "type" => is_of_type(wanted, value),
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "format" => is_of_format(wanted.as_str().unwrap(), value),
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| is_numbered_id(wanted.as_str().unwrap(), text)),
            "required" => wanted.as_array().unwrap().iter().all(|name| has(value, name.as_str().unwrap())),
            "anyOf" | "oneOf" => {
                let fitting = wanted.as_array().unwrap().iter().filter(|choice| breaches(choice, value).is_empty());
                let count = fitting.count();
                if word == "oneOf" { count == 1 } else { count > 0 }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(wanted, item, &format!("{path}[{index}]"), found);
                }
                true
            }
            "additionalProperties" => {
                let named = schema.get("properties").and_then(Value::as_object);
                for (name, field) in value.as_object().into_iter().flatten() {
                    if !named.is_some_and(|named| named.contains_key(name)) {
                        check(wanted, field, &format!("{path}.{name}"), found);
                    }
                }
                true
            }
            _ => false,
        };
        if !holds {
            found.push(format!("{path}: `{word}` wants {wanted}, and here is {value}"));
        }
    }
    let no_properties = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&no_properties);
    for (name, wanted) in properties {
        if let Some(field) = value.get(name) {
            check(wanted, field, &format!("{path}.{name}"), found);
        }
    }
}

fn has(value: &Value, name: &str) -> bool {
    value.as_object().is_none_or(|fields| fields.contains_key(name))
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    let is = |wanted: &str| match wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match wanted {
        Value::Array(choices) => choices.iter().filter_map(Value::as_str).any(is),
        wanted => wanted.as_str().is_some_and(is),
    }
}

fn is_of_format(format: &str, value: &Value) -> bool {
    match format {
        "date-time" => value.as_str().is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok()),
        "uint" | "uint32" | "uint64" => value.as_number().is_none_or(|number| number.is_u64()),
        "int64" => value.as_number().is_none_or(|number| number.is_i64()),
        _ => false,
    }
}

/// The one form of pattern that answers have: `^task-[0-9]{10,19}$`.
fn is_numbered_id(pattern: &str, text: &str) -> bool {
    let prefix = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix("[0-9]{10,19}$"));
    prefix
        .and_then(|prefix| text.strip_prefix(prefix))
        .is_some_and(|digits| (10..=19).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}
