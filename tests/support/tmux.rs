//! A terminal for a program that needs one: a tmux that is nobody else's.

use orch_mcp::host::Deadline;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What runs in it may be a fleet.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says loudly what is left out.
pub fn has_tmux(test: &str) -> bool {
    let found = Command::new("tmux").arg("-V").output().is_ok_and(|told| told.status.success());
    if !found {
        let line = format!("\nSKIPPED: {test}: there is no tmux\n");
        // Not by a macro, whose words are caught and shown only when the test fails.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
    found
}

pub struct Tmux {
    dir: TempDir,
    path: PathBuf,
}

impl Tmux {
    /// A shell in it runs the script, with this command's directory and environment.
    pub fn open(like: &Command, script: &str) -> Tmux {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let tmux = Tmux { path: dir.path().join("tmux"), dir };
        let mut open =
            tmux.command(&["new-session", "-d", "-x", "100", "-y", "30", "-s", "one", "--", "sh", "-c", script]);
        open.current_dir(like.get_current_dir().unwrap_or(Path::new("/")));
        // It is told to the server that this starts.
        open.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert!(open.status().unwrap().success());
        tmux
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&self.path).args(["-f", "/dev/null"]).args(arguments);
        tmux.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        tmux.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("TMUX_TMPDIR", self.dir.path());
        tmux
    }

    pub fn screen(&self) -> String {
        String::from_utf8(self.command(&["capture-pane", "-p", "-t", "one"]).output().unwrap().stdout).unwrap()
    }

    #[track_caller]
    pub fn until_shows(&self, text: &str) {
        let mut last = String::new();
        let deadline = Deadline::after(PATIENCE);
        while !last.contains(text) {
            assert!(!deadline.passed(), "`{text}` is not shown:\n{last}");
            last = self.screen();
        }
    }

    #[track_caller]
    pub fn until_hides(&self, text: &str) {
        let deadline = Deadline::after(PATIENCE);
        while self.screen().contains(text) {
            assert!(!deadline.passed(), "`{text}` is still shown:\n{}", self.screen());
        }
    }

    /// As if somebody dragged its corner.
    pub fn resizes(&self, columns: usize, rows: usize) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        assert!(self.command(&["resize-window", "-t", "one", "-x", &columns, "-y", &rows]).status().unwrap().success());
    }

    /// Keys by their names, or text as it is typed.
    pub fn presses(&self, key: &str) {
        assert!(self.command(&["send-keys", "-t", "one", key]).status().unwrap().success());
    }

    pub fn types(&self, text: &str) {
        assert!(self.command(&["send-keys", "-t", "one", "-l", text]).status().unwrap().success());
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}
