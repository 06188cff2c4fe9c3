//! The last words of a session, from the end of the transcript that its client writes.

use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;

/// The end of a transcript in which something was said, mostly.
const TAIL_BYTES: u64 = 256 * 1024;

/// What the assistant said last, if that can be read.
pub fn last_words(path: &Path) -> Option<String> {
    // Opening what is not a file could wait forever.
    if !path.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
    tail.split(|byte| *byte == b'\n').rev().find_map(words)
}

fn words(line: &[u8]) -> Option<String> {
    let entry: Value = serde_json::from_slice(line).ok()?;
    if entry["type"] != "assistant" {
        return None;
    }
    let blocks = entry["message"]["content"].as_array()?;
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    let text = texts.join(" ");
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_found_behind_all_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        let said = |text: &str| {
            format!(r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
        };
        let tool = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash"}]}}"#;
        let user = r#"{"type":"user","message":{"content":"no"}}"#;
        std::fs::write(&path, [&said("early"), &said("late"), tool, user, "{garbage"].join("\n")).unwrap();
        assert_eq!(last_words(&path).as_deref(), Some("late"));
        std::fs::write(&path, format!("{}\n{}", said("late"), "x".repeat(TAIL_BYTES as usize))).unwrap();
        assert_eq!(last_words(&path), None);
        assert_eq!(last_words(dir.path()), None);
    }
}
