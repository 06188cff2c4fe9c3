//! Tells what a request cost, as the client's telemetry does.

use crate::claude::telemetry::PATH;
use serde_json::json;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// Where it is told, and by which word it is known for its own.
#[derive(Clone, Debug)]
pub struct Meter {
    address: String,
    word: String,
}

impl Meter {
    /// From what stands in the environment.
    pub fn of(endpoint: &str, headers: &str) -> Option<Meter> {
        let address = endpoint.strip_prefix("http://")?.strip_suffix(PATH)?.to_owned();
        let word = headers.strip_prefix("authorization=")?.to_owned();
        Some(Meter { address, word })
    }

    pub fn tell(&self, model: &str, dollars: f64, tokens: u64) -> io::Result<()> {
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let record = json!({
            "body": { "stringValue": "claude_code.api_request" },
            "attributes": [
                text("model", model), text("query_source", "sdk"),
                { "key": "cost_usd", "value": { "doubleValue": dollars } },
                { "key": "input_tokens", "value": { "intValue": tokens } },
            ],
        });
        let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] }).to_string();
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (word, length) = (&self.word, body.len());
        write!(stream, "POST {PATH} HTTP/1.1\r\nauthorization: {word}\r\ncontent-length: {length}\r\n\r\n{body}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other(answer)) }
    }
}
