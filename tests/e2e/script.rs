//! What the scripted model says, in words: roles with steps. `fake_model.py` plays them.

use serde_json::Value;
use serde_json::json;

/// Whoever is addressed with this mark in the first words plays these steps.
pub fn role<const N: usize>(mark: &str, steps: [Value; N]) -> Value {
    json!({ "match": mark, "steps": steps.to_vec() })
}

/// The same, but each answer follows from what came since the model spoke last: the first whose regex is found there.
pub fn rules<const N: usize>(mark: &str, rules: [(&str, Value); N]) -> Value {
    json!({ "match": mark, "rules": rules.to_vec() })
}

pub fn says(text: &str) -> Value {
    json!({ "text": text })
}

/// Calls one of our tools, by the name under which `setup` wires us.
pub fn uses(tool: &str, input: Value) -> Value {
    calls(&format!("mcp__orch-mcp__{tool}"), input)
}

/// Calls any tool.
pub fn calls(tool: &str, input: Value) -> Value {
    json!({ "tool_use": { "name": tool, "input": input } })
}

/// Runs a command in the client's shell.
pub fn runs(command: &str) -> Value {
    calls("Bash", json!({ "command": command, "description": "a step of the script" }))
}

/// Writes a whole file with the client's own tool.
pub fn writes(path: &str, content: &str) -> Value {
    calls("Write", json!({ "file_path": path, "content": content }))
}

/// The step is begun, and the model keeps silent until `Stage::release` with this name.
pub fn held(name: &str, mut step: Value) -> Value {
    step["hold"] = json!(name);
    step
}

/// The service takes no more for so long, as it tells those who pay by subscription.
pub fn limited(seconds: u32) -> Value {
    json!({ "limit_secs": seconds })
}

/// The step costs more than a dollar.
pub fn dear(mut step: Value) -> Value {
    step["usage"] = json!({ "output_tokens": 100_000 });
    step
}

/// Completes a task, which may be named by what the model was told.
pub fn completes(id: &str, result: &str) -> Value {
    uses("complete_task", json!({ "task_id": id, "result": result }))
}
