//! What the client tells of its costs while it works: by OpenTelemetry, as records of the requests that it made.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;

pub const SWITCH: &str = "CLAUDE_CODE_ENABLE_TELEMETRY";
pub const EXPORTER: &str = "OTEL_LOGS_EXPORTER";
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
pub const HEADERS: &str = "OTEL_EXPORTER_OTLP_LOGS_HEADERS";

/// Where records are posted to.
pub const PATH: &str = "/v1/logs";

/// How often the client sends what there is.
const EVERY_MS: &str = "2000";

const REQUEST: &str = "claude_code.api_request";

/// One request to the model, and what it cost.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Request {
    pub model: String,
    pub dollars: f64,
    pub tokens: u64,
    /// A step of the session itself, and not of a helper of its or of the client.
    pub is_turn: bool,
}

/// Where a client's telemetry may go.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metering {
    /// To us, and nowhere else.
    Alone,
    /// What the user has set up goes on besides.
    Beside,
}

impl Metering {
    /// From what the user has set in the environment. Whose records go somewhere else already is left alone.
    pub fn of(is_on: bool, records_go_elsewhere: bool) -> Option<Metering> {
        match (is_on, records_go_elsewhere) {
            (true, true) => None,
            (true, false) => Some(Metering::Beside),
            (false, _) => Some(Metering::Alone),
        }
    }

    /// What makes a client send its records there, with a word by which they are known for its own.
    pub fn variables(self, to: SocketAddr, word: &str) -> Vec<(&'static str, String)> {
        let ours = [
            (SWITCH, "1".to_owned()),
            (EXPORTER, "otlp".to_owned()),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json".to_owned()),
            (ENDPOINT, format!("http://{to}{PATH}")),
            (HEADERS, format!("authorization={word}")),
            ("OTEL_LOGS_EXPORT_INTERVAL", EVERY_MS.to_owned()),
        ];
        // What is set and switched off stays off.
        let others = ["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER"].map(|name| (name, "none".to_owned()));
        ours.into_iter().chain(others.into_iter().filter(|_| self == Metering::Alone)).collect()
    }
}

/// The requests that are told of in what was posted. What is none is passed over: a client tells of much else.
pub fn requests(body: &[u8]) -> Vec<Request> {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let scopes = each(&told["resourceLogs"]).flat_map(|resource| each(&resource["scopeLogs"]));
    scopes.flat_map(|scope| each(&scope["logRecords"])).filter_map(request).collect()
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn request(record: &Value) -> Option<Request> {
    if record["body"]["stringValue"] != REQUEST {
        return None;
    }
    let of =
        |name: &str| record["attributes"].as_array()?.iter().find(|one| one["key"] == name).map(|one| &one["value"]);
    let words = |name: &str| of(name).and_then(|value| value["stringValue"].as_str());
    let number = |name: &str| of(name).and_then(as_number).filter(|number| number.is_finite() && *number >= 0.0);
    let tokens = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"];
    let source = words("query_source").unwrap_or_default();
    Some(Request {
        model: words("model").unwrap_or_default().to_owned(),
        dollars: number("cost_usd")?,
        tokens: tokens.into_iter().filter_map(number).sum::<f64>() as u64,
        is_turn: source == "sdk" || source.starts_with("repl"),
    })
}

/// A number comes as one, or as the text of one where it is a whole one.
fn as_number(value: &Value) -> Option<f64> {
    value["doubleValue"].as_f64().or_else(|| match &value["intValue"] {
        Value::String(digits) => digits.parse().ok(),
        number => number.as_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn posted(body: &str, attributes: Value) -> Vec<u8> {
        let attributes: Vec<Value> = attributes
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => json!({ "key": key, "value": { "stringValue": text } }),
                number if number.is_f64() => json!({ "key": key, "value": { "doubleValue": number } }),
                number => json!({ "key": key, "value": { "intValue": number } }),
            })
            .collect();
        let record = json!({ "body": { "stringValue": body }, "attributes": attributes });
        json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] }).to_string().into_bytes()
    }

    #[test]
    fn a_request_is_told_with_its_cost() {
        let told = json!({ "model": "opus", "input_tokens": 100, "output_tokens": 10, "cache_read_tokens": 5,
                           "cache_creation_tokens": 0, "cost_usd": 0.0006, "query_source": "sdk" });
        let expected = Request { model: "opus".to_owned(), dollars: 0.0006, tokens: 115, is_turn: true };
        assert_eq!(requests(&posted(REQUEST, told.clone())), [expected]);
        assert_eq!(requests(&posted("claude_code.user_prompt", told)), []);
    }

    #[test]
    fn what_is_no_telling_is_passed_over() {
        for body in [&b""[..], b"{", b"[1]", b"{\"resourceLogs\": 7}", b"\xff"] {
            assert_eq!(requests(body), []);
        }
        assert_eq!(requests(&posted(REQUEST, json!({ "model": "opus" }))), [], "nobody knows what it cost");
        assert_eq!(requests(&posted(REQUEST, json!({ "cost_usd": -1.0 }))), []);
    }
}
