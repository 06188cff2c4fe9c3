//! What the scripted model says, in words: roles with steps. `fake_model.py` plays them.

use serde_json::Value;
use serde_json::json;

/// Whoever is addressed with this mark in the first words plays these steps.
pub fn role<const N: usize>(mark: &str, steps: [Value; N]) -> Value {
    json!({ "match": mark, "steps": steps.to_vec() })
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
