//! Parse, run, turn the outcome into an exit code.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    orch_mcp::cli::run(std::env::args_os().collect())
}

/// Waking waiters, file locks and file modes would all need a twin on Windows that nobody has tested yet.
#[cfg(not(unix))]
fn main() -> ExitCode {
    use std::io::Write;

    // Nobody can be told that standard error is closed.
    let _ =
        writeln!(std::io::stderr(), "orch-mcp does not run on Windows yet: use it inside WSL, on Linux or on macOS");
    ExitCode::FAILURE
}
