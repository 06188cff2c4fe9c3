//! A client of `orch-mcp serve`: one request after the other, over its standard input and output.

use crate::child::Child;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::process::Command;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_orch-mcp");

pub struct Server {
    child: Child,
    last_id: u64,
}

impl Server {
    pub fn start(state: &Path) -> Server {
        Server { child: Child::of(command(state).arg("serve")), last_id: 0 }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What a client of today asks first.
    pub fn discover(&mut self) -> String {
        self.request("server/discover", json!({}))
    }

    pub fn call(&mut self, tool: &str, arguments: Value) -> String {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    fn request(&mut self, method: &str, mut params: Value) -> String {
        self.last_id += 1;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let request = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        self.child.say(&request.to_string());
        let answer = self.child.hear();
        assert!(answer.contains("\"result\"") && !answer.contains("\"isError\":true"), "{method}: {answer}");
        answer
    }
}

/// The program on a store, with nothing of this process's environment that would change what it does.
pub fn command(state: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    for name in ["ORCH_INSTANCE", "ORCH_ROLE", "ORCH_PROFILE", "ORCH_LOG", "CLAUDE_CODE_SESSION_ID"] {
        command.env_remove(name);
    }
    command.arg("--state-dir").arg(state).env("ORCH_EVENTS_MAX", crate::team::EVENTS_MAX.to_string());
    command
}
