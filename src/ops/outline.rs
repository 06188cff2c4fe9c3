//! A JSON value as people read it: a line for each field and each item, what is within them indented.

use serde_json::Value;

pub fn outline(value: &Value) -> String {
    lines(value).join("\n")
}

fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().flat_map(|(name, value)| field(name, value)).collect()
        }
        Value::Array(items) if !items.is_empty() => items.iter().flat_map(|item| indented("- ", lines(item))).collect(),
        Value::String(text) if !text.is_empty() => text.lines().map(str::to_owned).collect(),
        value => vec![value.to_string()],
    }
}

fn field(name: &str, value: &Value) -> Vec<String> {
    let has_parts = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    match lines(value).as_slice() {
        [line] if !has_parts => vec![format!("{name}: {line}")],
        inner => std::iter::once(format!("{name}:")).chain(indented("  ", inner.to_vec())).collect(),
    }
}

fn indented(first: &str, lines: Vec<String>) -> Vec<String> {
    let lead = |at: usize| if at == 0 { first } else { "  " };
    lines.into_iter().enumerate().map(|(at, line)| format!("{}{line}", lead(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_and_each_item_has_its_line() {
        let plan = json!({ "tasks": [
            { "acceptance": ["it shines"], "description": "one\ntwo", "title": "A" },
            { "depends_on": [], "priority": 7, "title": "" },
        ], "why": null });
        let wanted = "tasks:\n  - acceptance:\n      - it shines\n    description:\n      one\n      two\n    title: A\n  \
                      - depends_on: []\n    priority: 7\n    title: \"\"\nwhy: null";
        assert_eq!(outline(&plan), wanted);
        assert_eq!(outline(&json!("x\ny")), "x\ny");
        assert_eq!(outline(&json!([[1, 2], {}])), "- - 1\n  - 2\n- {}");
        assert_eq!(outline(&json!("\n")), "");
    }
}
