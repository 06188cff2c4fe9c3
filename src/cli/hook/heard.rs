//! What a client tells a hook on its standard input: JSON, of which any part may be missing.

use crate::host::Deadline;
use serde_json::Map;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A batch of tools may have answered with much.
const BYTES_MAX: usize = 32 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub struct Heard(Map<String, Value>);

/// Why nobody can say what the client wanted to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    Late(Duration),
    TooLong,
    NoJson,
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unheard::Late(patience) => write!(f, "it did not come whole within {} s", patience.as_secs_f32()),
            Unheard::TooLong => write!(f, "it is longer than {BYTES_MAX} bytes"),
            Unheard::NoJson => write!(f, "it is no JSON that can be read"),
        }
    }
}

impl Heard {
    /// As soon as it is whole: whoever holds the other end open may never close it.
    pub fn on_stdin(patience: Duration) -> Result<Heard, Unheard> {
        let (tell, told) = channel();
        thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut chunk = vec![0; CHUNK];
            while let Ok(length) = stdin.read(&mut chunk) {
                if tell.send(chunk[..length].to_vec()).is_err() || length == 0 {
                    return;
                }
            }
        });
        let deadline = Deadline::after(patience);
        let mut bytes = Vec::new();
        loop {
            let first = match told.recv_timeout(deadline.left()) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => return Err(Unheard::Late(patience)),
                Err(RecvTimeoutError::Disconnected) => return Err(Unheard::NoJson),
            };
            let mut is_all = first.is_empty();
            bytes.extend_from_slice(&first);
            // All that is there, and then one look: a look at each piece of what is long takes too long in all.
            while !is_all
                && bytes.len() <= BYTES_MAX
                && let Ok(more) = told.try_recv()
            {
                is_all = more.is_empty();
                bytes.extend_from_slice(&more);
            }
            if bytes.len() > BYTES_MAX {
                return Err(Unheard::TooLong);
            }
            if is_all || bytes.trim_ascii_end().ends_with(b"}") {
                match read(&bytes) {
                    Ok(heard) => return Ok(heard),
                    Err(may_go_on) if is_all || !may_go_on => return Err(Unheard::NoJson),
                    Err(_) => {}
                }
            }
            if deadline.passed() {
                return Err(Unheard::Late(patience));
            }
        }
    }

    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field)?.as_str().filter(|text| !text.is_empty())
    }

    pub fn path(&self, field: &str) -> Option<PathBuf> {
        self.text(field).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// It happened in an agent under the session, which has hooks of the session.
    pub fn is_of_subagent(&self) -> bool {
        self.text("agent_id").is_some()
    }
}

/// Or whether it could be whole with more behind it.
fn read(bytes: &[u8]) -> Result<Heard, bool> {
    let plain = match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) if error.is_eof() => Err(error),
        Err(_) => serde_json::from_str(&whole_characters(&String::from_utf8_lossy(bytes))),
    };
    match plain {
        Ok(Value::Object(fields)) => Ok(Heard(fields)),
        Ok(_) => Err(false),
        Err(error) => Err(error.is_eof()),
    }
}

/// A character that a client cut in two is no reason to stop: what is left of it becomes the sign for that.
fn whole_characters(json: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut mended = String::new();
    let (mut done, mut at) = (0, 0);
    while let Some(found) = json[at..].find('\\') {
        at += found;
        match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => {
                mended.push_str(&json[done..at]);
                mended.push_str("\\ufffd");
                at += 6;
                done = at;
            }
            _ => at += 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        }
    }
    if done == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[done..]);
    Cow::Owned(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_was_cut_in_two_stops_nothing() {
        for (json, wanted) in [
            (r#"{"a":"x\ud83d"}"#, "x\u{fffd}"),
            (r#"{"a":"\ude00x"}"#, "\u{fffd}x"),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (r#"{"a":"\ud83d\ude00"}"#, "\u{1f600}"),
            (r#"{"a":"\\ud83d\ud83d"}"#, "\\ud83d\u{fffd}"),
        ] {
            assert_eq!(read(json.as_bytes()).unwrap().text("a"), Some(wanted), "{json}");
        }
        assert_eq!(read(b"{\"a\":\"x\xff\"}").unwrap().text("a"), Some("x\u{fffd}"), "nor one that is no UTF-8");
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_not_whole_yet() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for (json, may_go_on) in [
            ("{\"a\":{}", true),
            ("", true),
            ("{\"a\":\"\\ud83d\",\"b\":{}", true),
            ("{no}", false),
            ("[1]", false),
            (&*deep, false),
        ] {
            assert_eq!(read(json.as_bytes()).map(drop), Err(may_go_on), "{json}");
        }
    }
}
