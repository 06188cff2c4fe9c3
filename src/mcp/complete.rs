//! Completion: the ids, names and keys that an argument could mean.

use crate::error::Result;
use crate::mcp::calls::Call;
use crate::mcp::resources;
use rmcp::model::CompleteRequestParams;
use rmcp::model::CompletionInfo;
use serde_json::Value;
use serde_json::json;

/// How many pages of a list are searched: what a person completes is almost always recent.
const PAGES_MAX: usize = 5;

pub(super) fn complete(call: &Call<'_>, params: &CompleteRequestParams) -> Result<CompletionInfo> {
    let typed = params.argument.value.as_str();
    let mut values = match params.r#ref.as_resource_uri() {
        Some(resources::MESSAGES | resources::INBOX) => {
            let name = typed.strip_prefix('@').unwrap_or(typed);
            let known = search(call, "list_instances", json!({}), "instances", &["name", "id"])?;
            known.into_iter().filter(|value| begins_with(value, name)).collect()
        }
        Some(resources::TASK) => {
            let open = search(call, "list_tasks", json!({ "status": "open" }), "tasks", &["id"])?;
            open.into_iter().filter(|id| begins_with(id, typed) || has_number(id, typed)).collect()
        }
        Some(resources::CONTEXT) => search(call, "list_context_keys", json!({ "prefix": typed }), "keys", &["key"])?,
        // The prompts take free text.
        _ => Vec::new(),
    };
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut completion = CompletionInfo::default();
    completion.values = values;
    completion.has_more = Some(has_more);
    Ok(completion)
}

/// The given fields of every record on the first pages of a list.
fn search(call: &Call<'_>, operation: &str, mut arguments: Value, list: &str, fields: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let mut page = call.ask(operation, arguments.clone())?;
        let records = page[list].as_array().map_or(&[][..], Vec::as_slice);
        for field in fields {
            found.extend(records.iter().filter_map(|record| record[*field].as_str()).map(str::to_owned));
        }
        match page.get_mut("cursor") {
            Some(cursor) if !cursor.is_null() => arguments["cursor"] = cursor.take(),
            _ => break,
        }
    }
    Ok(found)
}

fn begins_with(value: &str, typed: &str) -> bool {
    value.to_lowercase().starts_with(&typed.to_lowercase())
}

/// Does the number in an id begin with what was typed? Nobody types the zeros.
fn has_number(id: &str, typed: &str) -> bool {
    let number = id.rsplit('-').next().unwrap_or(id).trim_start_matches('0');
    let typed = typed.strip_prefix("task-").unwrap_or(typed).trim_start_matches('0');
    !typed.is_empty() && number.starts_with(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_by_its_number() {
        assert!(has_number("task-0000000123", "12"));
        assert!(has_number("task-0000000123", "task-12"));
        assert!(has_number("task-0000000123", "0012"));
        assert!(!has_number("task-0000000123", "23"));
        assert!(!has_number("task-0000000123", ""));
    }
}
