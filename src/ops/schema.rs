//! The JSON schemas of an operation: its arguments, cut down to what a model needs to make the call; its answer, whole.

use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::Operation;
use crate::ops::check::KEY_CHARS_MAX;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// What costs bytes and helps no model: a call that breaks one of these is told so in words.
const NOISE: &[&str] = &[
    "$schema",
    "additionalProperties",
    "default",
    "format",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "not",
    "pattern",
    "title",
];

pub fn of<O: Operation>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<O>().to_value();
    simplify(&mut schema);
    let Value::Object(mut schema) = schema else { return Map::new() };
    let mut cut = Map::new();
    cut.insert("type".to_owned(), json!("object"));
    cut.insert("properties".to_owned(), schema.remove("properties").unwrap_or_else(|| json!({})));
    if let Some(required) = schema.remove("required") {
        cut.insert("required".to_owned(), required);
    }
    cut
}

/// The schema of the arguments with every limit that can be told in advance, for programs.
pub fn whole_of<O: Operation>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<O>().to_value();
    spell_out(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Puts what the names of number formats mean into words that every reader of schemas knows.
pub fn spell_out(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("title");
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    let most = match map.get("format").and_then(Value::as_str) {
        Some("uint8") => Some(u64::from(u8::MAX)),
        Some("uint32") => Some(u64::from(u32::MAX)),
        Some("uint64") => Some(u64::MAX),
        _ => None,
    };
    if let Some(most) = most {
        map.remove("format");
        map.entry("maximum").or_insert(most.into());
    }
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(spell_out),
            ("anyOf" | "oneOf", Value::Array(choices)) => choices.iter_mut().for_each(spell_out),
            ("items", inner) => spell_out(inner),
            _ => {}
        }
    }
}

/// Adds the arguments that every operation takes, with their limits.
pub fn with_common_whole(entry: &Entry, mut schema: Map<String, Value>) -> Map<String, Value> {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        if !properties.contains_key("instance_id") {
            let about = "Who calls, by id or name; without it, the header X-Orch-Instance";
            properties.insert("instance_id".to_owned(), json!({ "type": ["string", "null"], "description": about }));
        }
        if entry.effect == Effect::Write {
            let about = "A repeated call with the same key gets the first answer";
            properties.insert(
                "idempotency_key".to_owned(),
                json!({ "type": ["string", "null"], "minLength": 1, "maxLength": KEY_CHARS_MAX, "description": about }),
            );
        }
    }
    schema
}

/// The schema of an answer, in one piece.
pub fn of_output(output: fn(&mut SchemaGenerator) -> Schema) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = output(&mut settings.into_generator()).to_value();
    tighten(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Makes the schema of something that we write say all that we know of it: what may be left out is never null, as it is
/// left out instead; and what is not named is not there.
pub fn tighten(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    // What an answer would be if it said nothing, and what JSON has only one of.
    map.remove("default");
    map.remove("format").filter(|format| format != "double").map(|format| map.insert("format".to_owned(), format));
    let required = map.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, property) in properties.iter_mut() {
            if !is_required(name) {
                without_null(property);
            }
            tighten(property);
        }
        map.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("anyOf" | "oneOf" | "allOf", Value::Array(choices)) => choices.iter_mut().for_each(tighten),
            ("items", inner) => tighten(inner),
            _ => {}
        }
    }
}

/// Takes null out of what a value may be.
pub fn without_null(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            map.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&json!("null")));
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            map.remove("anyOf");
            for (key, value) in one {
                map.entry(key).or_insert(value);
            }
        }
    }
}

/// Adds the arguments that every operation takes, where it does not give them a meaning of its own.
pub fn with_common(entry: &Entry, mut schema: Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return schema };
    if !properties.contains_key("instance_id") {
        properties.insert("instance_id".to_owned(), json!({ "type": "string" }));
    }
    if entry.effect == Effect::Write {
        properties.insert("idempotency_key".to_owned(), json!({ "type": "string" }));
    }
    schema
}

/// Takes out what costs bytes and tells a caller nothing: names of Rust types, limits, nulls beside a type, defaults
/// that mean "absent".
fn simplify(schema: &mut Value) {
    // Any value at all. The protocol's older revisions, and the clients made for them, know no other way to say it.
    if *schema == Value::Bool(true) {
        *schema = json!({});
    }
    without_null(schema);
    let Value::Object(map) = schema else { return };
    for noise in NOISE {
        map.remove(*noise);
    }
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(simplify),
            ("anyOf" | "oneOf", Value::Array(choices)) => choices.iter_mut().for_each(simplify),
            ("items", inner) => simplify(inner),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::OPERATIONS;
    use crate::ops::table::find;
    use serde_json::Value;
    use serde_json::json;

    fn whole(operation: &str) -> Value {
        find(operation).unwrap().whole_input_schema().into()
    }

    #[test]
    fn the_whole_schema_takes_the_same_arguments() {
        for entry in OPERATIONS {
            let whole = entry.whole_input_schema();
            let names = |schema: &Value| schema.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
            assert_eq!(names(&whole["properties"]), names(&entry.input_schema()["properties"]), "{}", entry.name);
            assert_eq!(whole.get("required"), entry.input_schema().get("required"), "{}", entry.name);
            assert_eq!(whole["additionalProperties"], false, "{}", entry.name);
        }
    }

    #[test]
    fn the_whole_schema_says_the_limits_and_no_names_of_rust() {
        let push = whole("push_task");
        for (path, wanted) in [
            ("/properties/title/maxLength", json!(300)),
            ("/properties/labels/items/minLength", json!(1)),
            ("/properties/lease_secs/minimum", json!(1)),
            ("/properties/parent/type", json!(["string", "null"])),
            ("/properties/not_before/format", json!("date-time")),
            ("/properties/idempotency_key/maxLength", json!(200)),
        ] {
            assert_eq!(push.pointer(path), Some(&wanted), "{path}");
        }
        assert_eq!(whole("list_tasks")["properties"]["limit"]["maximum"], 40);
        assert_eq!(whole("list_events")["properties"]["cursor"]["maximum"], u64::MAX);
        assert_eq!(whole("update_task")["anyOf"][0]["required"], json!(["progress"]));
        for entry in OPERATIONS {
            let text = Value::from(entry.whole_input_schema()).to_string();
            for word in ["$ref", "$defs", "uint", "\"title\":\""] {
                assert!(!text.contains(word), "{}: {word}: {text}", entry.name);
            }
        }
    }
}
