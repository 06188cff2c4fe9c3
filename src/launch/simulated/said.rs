//! What a stand-in prints: the lines of stream-json that the real client prints, as far as anybody reads them.

use crate::error::Error;
use crate::error::Result;
use serde_json::Value;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// What it pretends that a turn costs.
const DOLLARS_PER_TURN: f64 = 0.01;
const TOKENS_PER_TURN: u64 = 1_000;

pub struct Said<'a> {
    output: &'a mut dyn Write,
    session: String,
    model: String,
    used: u64,
    /// What it told that it spent besides: since its beginning, and since the result before.
    spent: [(f64, u64); 2],
    /// A person looks: words, and no JSON. That is written down in the transcript.
    plain: bool,
    transcript: Option<PathBuf>,
}

impl Said<'_> {
    pub fn new(
        output: &mut dyn Write,
        session: String,
        model: Option<String>,
        plain: bool,
        transcript: Option<PathBuf>,
    ) -> Said<'_> {
        Said {
            output,
            session,
            model: model.unwrap_or_else(|| "simulated".to_owned()),
            used: 0,
            spent: [(0.0, 0); 2],
            plain,
            transcript,
        }
    }

    fn line(&mut self, mut line: Value) -> Result<()> {
        line["session_id"] = self.session.as_str().into();
        if let Some(transcript) = &self.transcript {
            let file = OpenOptions::new().append(true).create(true).open(transcript);
            file.and_then(|mut file| writeln!(file, "{line}")).map_err(Error::internal)?;
        }
        if self.plain {
            return Ok(());
        }
        writeln!(self.output, "{line}").and_then(|()| self.output.flush()).map_err(Error::internal)
    }

    pub fn began(&mut self) -> Result<()> {
        let line = json!({
            "type": "system", "subtype": "init", "model": self.model, "tools": [], "mcp_servers": [],
            "permissionMode": "default",
        });
        self.line(line)
    }

    /// As the client tells it of a hook, and keeps it out of its transcript.
    pub fn hooked(&mut self, event: &str, code: Option<i32>) -> Result<()> {
        if self.plain {
            return Ok(());
        }
        let line = json!({
            "type": "system", "subtype": "hook_response", "hook_name": event, "hook_event": event, "stdout": "",
            "stderr": "", "exit_code": code, "outcome": if code == Some(0) { "success" } else { "error" },
            "session_id": self.session,
        });
        writeln!(self.output, "{line}").and_then(|()| self.output.flush()).map_err(Error::internal)
    }

    fn assistant(&mut self, content: Value) -> Result<()> {
        let message = json!({ "role": "assistant", "model": self.model, "content": [content] });
        self.line(json!({ "type": "assistant", "message": message }))
    }

    pub fn words(&mut self, text: &str) -> Result<()> {
        if self.plain {
            writeln!(self.output, "{text}").and_then(|()| self.output.flush()).map_err(Error::internal)?;
        }
        self.assistant(json!({ "type": "text", "text": text }))
    }

    pub fn uses(&mut self, tool: &str, input: &Value) -> Result<String> {
        self.wants(&format!("mcp__orch-mcp__{tool}"), input)
    }

    /// Any tool. Says the id of the use, which is that of no other, also where a session goes on in another process.
    pub fn wants(&mut self, tool: &str, input: &Value) -> Result<String> {
        self.used += 1;
        let id = format!("toolu_{}_{}_{}", self.session, std::process::id(), self.used);
        self.assistant(json!({ "type": "tool_use", "id": id, "name": tool, "input": input }))?;
        Ok(id)
    }

    /// The end of a turn, well or not.
    pub fn result(&mut self, outcome: std::result::Result<&str, &str>, turns: u64) -> Result<()> {
        let (words, is_error) = match outcome {
            Ok(words) => (words, false),
            Err(words) => (words, true),
        };
        let dollars = |turns: u64, besides: (f64, u64)| turns as f64 * DOLLARS_PER_TURN + besides.0;
        let used = |turns: u64, besides: (f64, u64)| {
            let tokens = turns * TOKENS_PER_TURN + besides.1;
            json!({ self.model.as_str(): { "inputTokens": tokens, "outputTokens": 0, "costUSD": dollars(turns, besides) } })
        };
        let [in_all, lately] = self.spent;
        let line = json!({
            "type": "result", "subtype": "success", "is_error": is_error, "result": words, "num_turns": 1,
            "total_cost_usd": dollars(turns, in_all), "modelUsage": used(turns, in_all),
            "model_usage_since_last_result": used(1, lately), "permission_denials": [],
            "terminal_reason": if is_error { "api_error" } else { "completed" },
        });
        self.spent[1] = (0.0, 0);
        self.line(line)
    }

    /// Says with which model.
    pub fn spends(&mut self, dollars: f64, tokens: u64) -> &str {
        for spent in &mut self.spent {
            *spent = (spent.0 + dollars, spent.1 + tokens);
        }
        &self.model
    }

    /// Somebody ended the turn.
    pub fn interrupted(&mut self) -> Result<()> {
        self.line(json!({
            "type": "result", "subtype": "error_during_execution", "is_error": true, "num_turns": 1,
            "terminal_reason": "aborted_tools", "permission_denials": [],
        }))
    }

    /// As the service tells it whose limit is used up.
    pub fn limited(&mut self, until: Option<&str>, turns: u64) -> Result<()> {
        let words = match until {
            Some(until) => format!("Claude usage limit reached|{until}"),
            None => "Claude usage limit reached".to_owned(),
        };
        self.result(Err(&words), turns)
    }
}
