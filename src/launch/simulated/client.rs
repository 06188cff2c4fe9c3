//! The smallest client of MCP over standard input and output: one call after the other.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use serde_json::Value;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

pub struct Client {
    server: Child,
    /// `None` once it was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    calls: u64,
}

impl Client {
    /// Starts the first server of a configuration as clients have it, and greets it. `told`: variables that say whose it is.
    pub fn start(config: &Path, told: &[(&str, String)]) -> Result<Client> {
        let text = std::fs::read_to_string(config)
            .map_err(|cause| Error::invalid(format!("cannot read `{}`: {cause}", config.display())))?;
        let config: Value = serde_json::from_str(&text).map_err(|cause| Error::invalid(format!("{cause}")))?;
        let server = config["mcpServers"].as_object().and_then(|servers| servers.values().next());
        let server = server.ok_or_else(|| Error::invalid("the configuration names no server"))?;
        let mut command = Command::new(server["command"].as_str().unwrap_or_default());
        command.args(server["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
        for (name, value) in server["env"].as_object().into_iter().flatten() {
            command.env(name, value.as_str().unwrap_or_default());
        }
        command.envs(told.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command
            .spawn()
            .map_err(|cause| Error::new(Kind::Unavailable, format!("the server cannot be started: {cause}")))?;
        let (input, output) = (server.stdin.take(), server.stdout.take());
        let output = output.ok_or_else(|| Error::internal("the server has no output"))?;
        let mut client = Client { server, input, output: BufReader::new(output), calls: 0 };
        let greeting = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "simulated", "version": "1" },
        });
        client.ask("initialize", greeting)?;
        client.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(client)
    }

    /// The structured answer of a tool; what is refused is an error.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Result<Value> {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }))?;
        let text = || answer["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        if answer["isError"] == true {
            return Err(Error::new(Kind::Refused, text()));
        }
        match &answer["structuredContent"] {
            Value::Null => Ok(serde_json::from_str(&text()).unwrap_or_default()),
            data => Ok(data.clone()),
        }
    }

    /// The names of the tools that are listed.
    pub fn tools(&mut self) -> Result<Vec<String>> {
        let listed = self.ask("tools/list", json!({}))?;
        let tools = listed["tools"].as_array().into_iter().flatten();
        Ok(tools.filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect())
    }

    fn tell(&mut self, message: &Value) -> Result<()> {
        let gone = || Error::new(Kind::Unavailable, "the server is gone");
        let input = self.input.as_mut().ok_or_else(gone)?;
        writeln!(input, "{message}").and_then(|()| input.flush()).map_err(|_| gone())
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let id = self.calls;
        self.tell(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(Error::internal)? == 0 {
                return Err(Error::new(Kind::Unavailable, "the server is gone"));
            }
            let Ok(mut answer) = serde_json::from_str::<Value>(&line) else { continue };
            if answer["id"] != id {
                continue;
            }
            if let Some(error) = answer.get("error") {
                return Err(Error::new(Kind::Refused, error["message"].as_str().unwrap_or_default()));
            }
            return Ok(answer["result"].take());
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The end of its input is the end of the server.
        self.input.take();
        let _ = self.server.wait();
    }
}
