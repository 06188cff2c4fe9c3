//! What a client tells a hook on its standard input: JSON, of which any part may be missing.

use crate::host::Deadline;
use serde_json::Map;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A client writes it before it does anything else.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

/// A batch of tools may have answered with much.
const BYTES_MAX: usize = 32 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub struct Heard(Map<String, Value>);

impl Heard {
    /// As soon as it is whole: whoever holds the other end open may never close it.
    pub fn on_stdin() -> Option<Heard> {
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
        let deadline = Deadline::after(HEARD_WITHIN);
        let mut bytes = Vec::new();
        loop {
            let first = told.recv_timeout(deadline.left()).ok()?;
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
            let may_be_whole = is_all || bytes.trim_ascii_end().ends_with(b"}");
            if may_be_whole && let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) {
                return Some(Heard(fields));
            }
            if is_all || bytes.len() > BYTES_MAX || deadline.passed() {
                return None;
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
