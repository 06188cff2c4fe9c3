//! The tool that a client asks before it uses another: what it asks is taken as it comes, and the answer has the one form
//! that it reads.

use crate::error::Error;
use crate::error::Result;
use crate::mcp::calls::Call;
use crate::mcp::tools::PERMISSION_CHARS_MAX;
use crate::ops::Entry;
use crate::ops::Outcome;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// A newer client may tell more than we know of.
pub(super) fn taken(entry: &Entry, mut arguments: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(known)) = entry.input_schema().get("properties") {
        arguments.retain(|field, _| known.contains_key(field));
    }
    arguments
}

/// Asks, and waits. Whoever waits no more has taken the question back.
pub(super) fn asked(call: &Call, request: &Request) -> Result<Reply> {
    let reply = call.execute(request)?;
    if reply.outcome == Outcome::TimedOut {
        let taken_back = json!({ "question_id": reply.data["question_id"], "instance_id": request.instance });
        if let Err(error) = call.ask("withdraw_question", taken_back) {
            tracing::debug!("a question stays that nobody waits for: {error}");
        }
    }
    Ok(reply)
}

/// Just this text, and no structure beside it. What may be done is given back whole, however long it is.
pub(super) fn answer(reply: Result<Reply>, input: &Value) -> CallToolResult {
    let answer = match reply {
        Ok(reply) if reply.data["behavior"] == "allow" => allowed(input),
        Ok(reply) => denied(reply.data["message"].as_str().unwrap_or_default()),
        Err(error) => denied(&words(&error)),
    };
    CallToolResult::success(vec![ContentBlock::text(answer.to_string())])
}

/// Also what went wrong allows nothing.
pub(super) fn failure(error: &Error) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(denied(&words(error)).to_string())])
}

fn allowed(input: &Value) -> Value {
    let allowed = json!({ "behavior": "allow", "updatedInput": input });
    let chars = allowed.to_string().chars().count();
    match chars <= PERMISSION_CHARS_MAX {
        true => allowed,
        false => denied(&format!(
            "This is allowed, but its {chars} characters are more than the {PERMISSION_CHARS_MAX} that can be asked about at \
             once. Do it in parts."
        )),
    }
}

fn denied(why: &str) -> Value {
    json!({ "behavior": "deny", "message": why })
}

fn words(error: &Error) -> String {
    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("Nobody could be asked, so this is denied: {}{hint}", error.message)
}
