//! Which client there is: the one question that is asked of it besides its work.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::repo::bounded;
use crate::repo::bounded::Ended;
use crate::repo::bounded::LastWords;
use crate::repo::bounded::Streams;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// It loads much before it says a word.
const PATIENCE: Duration = Duration::from_secs(30);
const SAID_BYTES_MAX: usize = 1 << 10;

/// What it says of its version.
pub fn version(client: &Path) -> Result<String> {
    let mut command = Command::new(client);
    command.arg("--version").stdin(Stdio::null());
    let failed = |why: String| {
        Error::new(Kind::Unavailable, format!("`{} --version` {why}", client.display()))
            .hint("install Claude Code anew, or say with `--client` where it is")
    };
    let running = bounded::start(command, Streams::Together).map_err(|cause| failed(format!("failed: {cause}")))?;
    let mut said = LastWords::new(SAID_BYTES_MAX);
    let (ended, _) = running.wait(PATIENCE, &mut |_, bytes| said.add(bytes));
    let said = said.text();
    match (ended, said.lines().next()) {
        (Ended::Code(0), Some(line)) => Ok(line.to_owned()),
        (Ended::TooLong, _) => Err(failed(format!("said nothing within {} s", PATIENCE.as_secs()))),
        (_, line) => Err(failed(format!("failed: {}", line.unwrap_or("it said nothing")))),
    }
}
