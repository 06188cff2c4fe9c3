//! Where values come from: the command line as it was typed, `-` for standard input, `@` for a file.

use crate::error::Error;
use crate::error::Result;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;

/// Longest value that is read from a file or from standard input: enough for ten thousand tasks pushed at once.
const INPUT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Where values come from.
pub(super) struct Input<'a> {
    stdin: &'a mut dyn Read,
    read_for: Option<String>,
    typed: &'a [OsString],
}

impl<'a> Input<'a> {
    pub(super) fn new(stdin: &'a mut dyn Read, typed: &'a [OsString]) -> Input<'a> {
        Input { stdin, read_for: None, typed }
    }

    /// Was this value typed as `--flag=value`? What is read from a command line no longer tells.
    pub(super) fn was_joined(&self, value: &str) -> bool {
        let joined = |word: &OsString| {
            word.to_str().and_then(|word| word.strip_prefix("--")?.split_once('=')).is_some_and(|(_, it)| it == value)
        };
        self.typed.iter().any(joined)
    }

    pub(super) fn read_stdin(&mut self, flag: &str) -> Result<String> {
        if let Some(first) = &self.read_for {
            return Err(Error::invalid(format!(
                "`--{first}` and `--{flag}` both want standard input, which can be read once"
            ))
            .hint("put one of the two values on the command line"));
        }
        self.read_for = Some(flag.to_owned());
        read(&mut self.stdin, flag, "standard input")
    }

    pub(super) fn read_file(&mut self, flag: &str, path: &str) -> Result<String> {
        let mut file = File::open(path).map_err(|error| {
            Error::invalid(format!("`--{flag}` names the file `{path}`, which cannot be read: {error}")).hint(
                "correct the path after `@`; for text that begins with `@`, pass `-` and give it on standard input",
            )
        })?;
        read(&mut file, flag, path)
    }
}

/// All of it, without the line break at its end, which is the writing program's and not the value's.
fn read(from: &mut dyn Read, flag: &str, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let unreadable = |error| Error::invalid(format!("`{name}` cannot be read for `--{flag}`: {error}"));
    from.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Error::invalid(format!("`{name}` holds more than {INPUT_BYTES_MAX} bytes for `--{flag}`"))
            .hint("pass less at once"));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|error| Error::invalid(format!("`{name}` is not text in UTF-8, wanted for `--{flag}`: {error}")))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
