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
    /// How its server is started.
    command: Command,
    /// `None` from its end to the next call, which starts it anew, as the real client does.
    server: Option<Server>,
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
        let server = Some(Server::start(&mut command)?);
        Ok(Client { command, server })
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

    /// Whatever was under way when a server ends is lost, and nobody knows whether it was done.
    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        let server = match self.server.take() {
            Some(server) => server,
            None => Server::start(&mut self.command)?,
        };
        let answer = self.server.insert(server).ask(method, params);
        if answer.as_ref().is_err_and(is_lost) {
            self.server = None;
        }
        answer
    }
}

/// The server is gone, and with it what was asked.
pub fn is_lost(error: &Error) -> bool {
    error.kind == Kind::Unavailable
}

fn gone() -> Error {
    Error::new(Kind::Unavailable, "Connection closed")
}

/// One process of the server, from its greeting to its end.
struct Server {
    process: Child,
    /// `None` once it was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    calls: u64,
}

impl Server {
    fn start(command: &mut Command) -> Result<Server> {
        let mut process = command
            .spawn()
            .map_err(|cause| Error::new(Kind::Unavailable, format!("the server cannot be started: {cause}")))?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let output = output.ok_or_else(|| Error::internal("the server has no output"))?;
        let mut server = Server { process, input, output: BufReader::new(output), calls: 0 };
        let greeting = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "simulated", "version": "1" },
        });
        server.ask("initialize", greeting)?;
        server.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(server)
    }

    fn tell(&mut self, message: &Value) -> Result<()> {
        let input = self.input.as_mut().ok_or_else(gone)?;
        writeln!(input, "{message}").and_then(|()| input.flush()).map_err(|_| gone())
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let id = self.calls;
        self.tell(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(|_| gone())? == 0 {
                return Err(gone());
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

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the end of the server.
        self.input.take();
        let _ = self.process.wait();
    }
}
