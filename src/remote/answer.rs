//! What a server answers: words, at once or at the end of a stream; or a status that says why not.

use crate::error::Error;
use crate::error::Kind;
use crate::remote::Trouble;
use crate::remote::Way;
use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderMap;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// More than any answer of ours.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Enough for what a status says besides.
const REASON_BYTES_MAX: usize = 64 * 1024;

/// The words, or why there are none; and whether the connection is good for another call.
pub(super) async fn read(
    response: Response<Incoming>,
    way: &Way,
    silence: Duration,
) -> Result<(Result<Vec<u8>, Trouble>, bool), Trouble> {
    let (parts, body) = response.into_parts();
    if parts.status != StatusCode::OK {
        // Only part of it may have come, which is as good as none.
        let reason = whole(body, REASON_BYTES_MAX).await.unwrap_or_default();
        return Ok((Err(refusal(parts.status, &parts.headers, &reason, way)), false));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    match kind {
        kind if kind.starts_with(b"text/event-stream") => Ok((last_event(body, silence).await, false)),
        kind if kind.starts_with(b"application/json") => Ok((Ok(whole(body, BYTES_MAX).await?), true)),
        _ => Ok((Err(Trouble::Final(way.unreachable("what answers there is no orch-mcp"))), false)),
    }
}

async fn whole(mut body: Incoming, most: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|cause| Trouble::Lost(cause.to_string()))?;
        bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if bytes.len() > most {
            return Err(Trouble::Lost("the answer has no end".to_owned()));
        }
    }
    Ok(bytes)
}

/// The words behind `event: answer`. Comments before it say that somebody is still there.
async fn last_event(mut body: Incoming, silence: Duration) -> Result<Vec<u8>, Trouble> {
    let mut stream = Stream::default();
    loop {
        let next = timeout(silence, body.frame()).await;
        let next = next.map_err(|_| Trouble::Lost(format!("it says nothing for {} s", silence.as_secs_f32())))?;
        let Some(frame) = next else { return Err(Trouble::Lost("the answer has no end".to_owned())) };
        let frame = frame.map_err(|cause| Trouble::Lost(cause.to_string()))?;
        if let Some(words) = frame.data_ref().and_then(|bytes| stream.take(bytes)) {
            return Ok(words);
        }
        if stream.bytes.len() > BYTES_MAX {
            return Err(Trouble::Lost("the answer has no end".to_owned()));
        }
    }
}

/// As much of a stream of events as has come and is not understood yet.
#[derive(Default)]
struct Stream {
    bytes: BytesMut,
    /// How much of it holds no end of a line.
    seen: usize,
    is_answer: bool,
    data: Vec<u8>,
}

impl Stream {
    fn take(&mut self, more: &[u8]) -> Option<Vec<u8>> {
        self.bytes.extend_from_slice(more);
        while let Some(end) = self.bytes[self.seen..].iter().position(|byte| *byte == b'\n') {
            let line = self.bytes.split_to(self.seen + end + 1);
            self.seen = 0;
            if let Some(words) = self.line(line.trim_ascii_end()) {
                return Some(words);
            }
        }
        self.seen = self.bytes.len();
        None
    }

    fn line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.is_answer).then_some(data);
        }
        if let Some(name) = line.strip_prefix(b"event:") {
            self.is_answer = name.trim_ascii() == b"answer";
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
        None
    }
}

/// What a status means for whoever asked.
fn refusal(status: StatusCode, headers: &HeaderMap, reason: &[u8], way: &Way) -> Trouble {
    let url = way.server.url();
    let said: Option<Error> = serde_json::from_slice::<Value>(reason)
        .ok()
        .and_then(|mut reason| serde_json::from_value(reason["error"].take()).ok());
    let said_or = |kind, message: String| match &said {
        Some(said) => Error { kind, ..said.clone() },
        None => Error::new(kind, message),
    };
    match status {
        StatusCode::UNAUTHORIZED => {
            let error = match &way.token {
                Some(token) => {
                    Error::new(Kind::Unauthorized, format!("`{url}` does not take the token from {}", token.from))
                        .hint("it may be revoked, expired or another server's: ask whoever runs the server for one")
                }
                None => Error::new(Kind::Unauthorized, format!("`{url}` wants a token, and none was found")).hint(
                    "name its file with `--token-file`, or set ORCH_TOKEN; `orch-mcp token create` makes one there",
                ),
            };
            Trouble::Final(error)
        }
        StatusCode::FORBIDDEN => {
            let error = said_or(Kind::Forbidden, format!("`{url}` does not let this call in"));
            let hint =
                error.hint.clone().unwrap_or_else(|| "ask whoever runs the server, or what is in front of it".into());
            Trouble::Final(error.hint(hint))
        }
        StatusCode::TOO_MANY_REQUESTS if said.as_ref().is_some_and(|said| said.kind == Kind::Unauthorized) => {
            let from = way.token.as_ref().map_or("nowhere", |token| &token.from);
            let message = format!("`{url}` has been shown too many tokens that open nothing; yours is from {from}");
            Trouble::Final(Error::new(Kind::Unauthorized, message).hint("mend the token, then wait a minute"))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let error = said_or(Kind::Busy, format!("`{url}` has too much to do ({status})"));
            let hint = error.hint.clone().unwrap_or_else(|| "call again in a moment".to_owned());
            Trouble::Later(error.hint(hint))
        }
        // Of what stands in front of the server: nobody knows what became of the call.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => {
            Trouble::Lost(format!("it answers {status}"))
        }
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST if said.is_some() => {
            Trouble::Final(said_or(Kind::Invalid, String::new()))
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let error = Error::invalid(format!("`{url}` takes no call that long"));
            Trouble::Final(error.hint("send less at once, or put it into a file and send its name"))
        }
        status if status.is_redirection() => {
            let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            let error = way.unreachable(&format!("it leads to `{to}`, and a token is shown to nobody else"));
            Trouble::Final(error.hint("give the address that it leads to"))
        }
        status if status.is_server_error() => {
            let error = way.unreachable(&format!("it answers {status}"));
            Trouble::Final(error.hint("its log has the cause"))
        }
        status => {
            let error = way.unreachable(&format!("what answers there is no orch-mcp of this version ({status})"));
            Trouble::Final(error.hint("`orch-mcp doctor` compares the versions; the address has no `/mcp` at its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_however_a_stream_is_cut() {
        let text =
            b": wait\n\nevent: other\ndata: {}\n\n: wait\r\n\r\nevent: answer\r\ndata: {\"a\":\"\xc3\xb6\"}\r\n\r\n";
        for cut in 0..text.len() {
            let mut stream = Stream::default();
            let (first, second) = text.split_at(cut);
            assert_eq!(stream.take(first), None, "{cut}");
            assert_eq!(stream.take(second).as_deref(), Some("{\"a\":\"ö\"}".as_bytes()), "{cut}");
        }
    }
}
