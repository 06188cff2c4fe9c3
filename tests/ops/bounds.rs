//! Whatever the description of an operation excludes is refused.

use super::idempotency::arguments;
use super::idempotency::stage;
use super::*;
use orch_mcp::ops::OPERATIONS;

/// Values just outside of what the description of a field allows.
fn excluded(field: &Value) -> Vec<Value> {
    // What may be left out is described by a choice.
    let inner = field["anyOf"].as_array().and_then(|choices| choices.first()).unwrap_or(field);
    let text = |length: u64| json!("x".repeat(length as usize));
    let list = |length: u64| json!(vec!["x"; length as usize]);
    let mut values = Vec::new();
    values.extend(inner["minLength"].as_u64().filter(|least| *least > 0).map(|least| text(least - 1)));
    values.extend(inner["maxLength"].as_u64().map(|most| text(most + 1)));
    values.extend(inner["minItems"].as_u64().filter(|least| *least > 0).map(|least| list(least - 1)));
    values.extend(inner["maxItems"].as_u64().map(|most| list(most + 1)));
    values.extend(inner["minimum"].as_i64().map(|least| json!(least - 1)));
    values.extend(inner["maximum"].as_u64().filter(|most| *most < u64::MAX).map(|most| json!(most + 1)));
    values.extend(inner["enum"].as_array().map(|_| json!("x")));
    values
}

/// The arguments alone, and with a text in each other field: what is beside a field may carry it past its bound.
fn beside(schema: &Value, field: &str, arguments: &Value) -> Vec<Value> {
    let others = schema["properties"].as_object().unwrap().iter().filter(|(name, other)| {
        let is_plain_text = other["type"] == json!("string") || other["type"] == json!(["string", "null"]);
        *name != field && is_plain_text && other["enum"].is_null() && arguments[name].is_null()
    });
    let with = others.map(|(name, _)| {
        let mut arguments = arguments.clone();
        arguments[name] = json!("x");
        arguments
    });
    std::iter::once(arguments.clone()).chain(with).collect()
}

#[test]
fn what_a_description_excludes_is_refused() {
    let (_world, bob) = stage();
    let (mut tried, mut accepted) = (0, Vec::new());
    for entry in OPERATIONS {
        let schema = Value::Object(entry.whole_input_schema());
        let least = arguments(entry.name);
        for (field, described) in schema["properties"].as_object().unwrap() {
            for value in excluded(described) {
                for mut arguments in beside(&schema, field, &least) {
                    arguments[field] = value.clone();
                    tried += 1;
                    if bob.call(entry.name, arguments).is_ok() {
                        accepted.push(format!("{} {field}: {:.80}", entry.name, value.to_string()));
                    }
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
    assert_eq!(accepted, Vec::<String>::new());
}
