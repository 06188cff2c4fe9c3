//! What the client says, line by line: bounded, forgiving, and never silent about what it could not use.

use rmcp::model::ClientJsonRpcMessage;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncRead;
use tokio::io::BufReader;

/// The longest message. What is longer does not fit into a task or a message anyhow.
pub(super) const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of both ends of a longer line is kept, to find out which request it was.
const ENDS_BYTES: usize = 256;

/// A buffer that grew beyond this for one long line is given back.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

const NO_JSON: i32 = -32700;

pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

/// What a line turned out to be.
pub(super) enum Heard {
    Message(Box<ClientJsonRpcMessage>),
    /// Nothing that wants an answer.
    Nothing,
    /// Something that can only be answered with this error.
    Wrong(Value),
    End,
}

pub(super) struct Lines {
    input: BufReader<Input>,
    /// What has arrived of the line; of an overlong line, its end.
    line: Vec<u8>,
    /// The beginning of an overlong line.
    beginning: Option<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(input: Input) -> Lines {
        Lines { input: BufReader::new(input), line: Vec::new(), beginning: None }
    }

    /// The next line. Dropping the future loses nothing: what was read stays in `self`.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            let available = match self.input.fill_buf().await {
                Ok(available) => available,
                Err(error) => {
                    tracing::warn!("cannot read from the client: {error}");
                    return Heard::End;
                }
            };
            if available.is_empty() {
                return if self.line.is_empty() { Heard::End } else { self.finish() };
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            keep(&mut self.line, &mut self.beginning, &available[..taken]);
            self.input.consume(taken);
            if end.is_some() {
                return self.finish();
            }
        }
    }

    fn finish(&mut self) -> Heard {
        let heard = match self.beginning.take() {
            None => understand(&self.line),
            Some(beginning) => overlong(&beginning, &self.line),
        };
        self.line.clear();
        self.line.shrink_to(BUFFER_BYTES_KEPT);
        heard
    }
}

/// Adds to the line, or, once it is too long, keeps only its ends.
fn keep(line: &mut Vec<u8>, beginning: &mut Option<Vec<u8>>, bytes: &[u8]) {
    if beginning.is_none() && line.len() + bytes.len() > LINE_BYTES_MAX {
        line.truncate(ENDS_BYTES);
        *beginning = Some(std::mem::take(line));
    }
    line.extend_from_slice(bytes);
    if beginning.is_some() && line.len() > ENDS_BYTES {
        line.drain(..line.len() - ENDS_BYTES);
    }
}

/// One message, whatever stands between the tokens of its JSON.
pub(super) fn understand(line: &[u8]) -> Heard {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Heard::Nothing;
    }
    match serde_json::from_slice(line) {
        Ok(message) => Heard::Message(Box::new(message)),
        Err(error) => match error.classify() {
            Category::Data | Category::Io => unusable(line),
            Category::Syntax | Category::Eof => match whole_letters(line) {
                Some(mended) => understand(&mended),
                None => wrong(NO_JSON, "this line is not JSON", Value::Null),
            },
        },
    }
}

/// JSON, but not a message of the protocol.
fn unusable(line: &[u8]) -> Heard {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    if value.is_array() {
        return wrong(-32600, "batches are not part of this protocol: send one message in a line", Value::Null);
    }
    let wants_answer = value.get("result").is_none() && value.get("error").is_none();
    match value.get("id") {
        Some(id) if wants_answer => {
            wrong(-32600, "this is not a JSON-RPC 2.0 request of the protocol", number_or_text(id))
        }
        None if wants_answer && value.get("method").is_none() => {
            wrong(-32600, "this is not a JSON-RPC 2.0 message: it has no `method`", Value::Null)
        }
        // Neither a notification nor an answer is ever answered.
        _ => Heard::Nothing,
    }
}

fn overlong(beginning: &[u8], end: &[u8]) -> Heard {
    let id = id_at_beginning(beginning).or_else(|| id_at_end(end)).unwrap_or_default();
    wrong(
        -32600,
        &format!("the message is longer than {LINE_BYTES_MAX} bytes: keep long texts in files and name them"),
        id,
    )
}

/// Is that the error of a line that is not even JSON?
pub(super) fn is_no_json(error: &Value) -> bool {
    error["error"]["code"] == NO_JSON
}

fn wrong(code: i32, message: &str, id: Value) -> Heard {
    Heard::Wrong(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
}

fn number_or_text(id: &Value) -> Value {
    if id.is_number() || id.is_string() { id.clone() } else { Value::Null }
}

/// The id of a request, if it stands before anything that could hold another one.
fn id_at_beginning(beginning: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(beginning);
    let (before, after) = text.split_once("\"id\":")?;
    if before.matches(['{', '[']).count() != 1 {
        return None;
    }
    let end = after.find([',', '}'])?;
    serde_json::from_str(after[..end].trim()).ok().map(|id| number_or_text(&id))
}

/// The id of a request, if it is the last thing in it: nothing else can stand before the brace that ends a line.
fn id_at_end(end: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(end);
    let (_, after) = text.trim_end().strip_suffix('}')?.rsplit_once("\"id\":")?;
    serde_json::from_str(after.trim()).ok().map(|id| number_or_text(&id))
}

/// The line with every half of a letter replaced, if there was one: clients that count in UTF-16 cut letters in two,
/// and what they then send is no text that could be stored.
fn whole_letters(line: &[u8]) -> Option<Vec<u8>> {
    let mut mended = line.to_vec();
    let mut at = 0;
    let mut found = false;
    while at + 1 < mended.len() {
        if mended[at] != b'\\' {
            at += 1;
            continue;
        }
        match (escaped(&mended, at), escaped(&mended, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                mended[at + 2..at + 6].copy_from_slice(b"fffd");
                found = true;
                at += 6;
            }
            _ => at += 2,
        }
    }
    found.then_some(mended)
}

/// The number in an escape such as `\ud83d` at this place.
fn escaped(line: &[u8], at: usize) -> Option<u16> {
    let digits = line.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which error, for which id, a line gets; nothing for what is taken or ignored.
    fn error(heard: Heard) -> Option<(i64, Value)> {
        match heard {
            Heard::Wrong(reply) => Some((reply["error"]["code"].as_i64()?, reply["id"].clone())),
            Heard::Message(_) | Heard::Nothing | Heard::End => None,
        }
    }

    #[test]
    fn what_is_no_message_is_answered_only_where_an_answer_can_be_meant() {
        for (line, expected) in [
            ("", None),
            ("   \r\n", None),
            ("hello", Some((-32700, json!(null)))),
            (r#"{"jsonrpc":"2.0","id":1,"method":"#, Some((-32700, json!(null)))),
            ("[]", Some((-32600, json!(null)))),
            ("7", Some((-32600, json!(null)))),
            (r#"{"id":7}"#, Some((-32600, json!(7)))),
            (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, Some((-32600, json!("a")))),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Some((-32600, json!(null)))),
            (r#"{"jsonrpc":"1.0","method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":{},"result":{}}"#, None),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#, None),
        ] {
            assert_eq!(error(understand(line.as_bytes())), expected, "{line}");
        }
    }

    #[test]
    fn an_overlong_request_is_still_recognised_where_it_can_be() {
        let id = |beginning: &str, end: &str| error(overlong(beginning.as_bytes(), end.as_bytes())).map(|(_, id)| id);
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","#, "xxx\"}}}\n"), Some(json!(5)));
        assert_eq!(
            id(r#"{"method":"tools/call","params":{"x":"#, "xxx\"}},\"jsonrpc\":\"2.0\",\"id\":\"b\"}\n"),
            Some(json!("b"))
        );
        assert_eq!(id(r#"{"method":"x","params":{"id":5,"y":"#, "\"id\":6}}\n"), Some(Value::Null));
        assert_eq!(id("\"id\":5", "garbage"), Some(Value::Null));
    }

    #[test]
    fn an_overlong_line_takes_no_room() {
        let (mut line, mut beginning) = (Vec::new(), None);
        for _ in 0..=LINE_BYTES_MAX / 1024 {
            keep(&mut line, &mut beginning, &[b'x'; 1024]);
        }
        assert_eq!(beginning.map(|bytes| bytes.len()), Some(ENDS_BYTES));
        assert_eq!(line.len(), ENDS_BYTES);
    }

    #[test]
    fn half_a_letter_does_not_cost_the_message() {
        for (text, expected) in [
            (r#""a\ud83d""#, Some("a\u{fffd}")),
            (r#""\ude00b""#, Some("\u{fffd}b")),
            (r#""\ud83d\ud83d\ude00""#, Some("\u{fffd}😀")),
            (r#""\\ud83d""#, None),
            (r#""\ud83d\ude00""#, None),
        ] {
            let mended = whole_letters(text.as_bytes()).and_then(|line| serde_json::from_slice::<String>(&line).ok());
            assert_eq!(mended.as_deref(), expected, "{text}");
        }
    }
}
