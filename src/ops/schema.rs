//! The JSON schema of an operation's arguments, cut down to what a model needs to make the call.

use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::Operation;
use schemars::generate::SchemaSettings;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

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

/// Takes out what costs bytes and tells a caller nothing: names of Rust types, formats, nulls beside a type, defaults
/// that mean "absent".
fn simplify(schema: &mut Value) {
    // Any value at all. The protocol's older revisions, and the clients made for them, know no other way to say it.
    if *schema == Value::Bool(true) {
        *schema = json!({});
    }
    let Value::Object(map) = schema else { return };
    for noise in ["$schema", "title", "format", "minimum", "maximum", "default", "additionalProperties"] {
        map.remove(noise);
    }
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
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(simplify),
            ("anyOf" | "oneOf", Value::Array(choices)) => choices.iter_mut().for_each(simplify),
            ("items", inner) => simplify(inner),
            _ => {}
        }
    }
}
