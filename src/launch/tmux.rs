//! The one file that runs the `tmux` program: sessions of workers, on a socket that is ours alone. Nobody else's server is
//! ever spoken to, and no session is ended from here: a session ends with the run in it.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::digest::digest;
use crate::repo::bounded;
use crate::repo::bounded::Ended;
use crate::repo::bounded::LastWords;
use crate::repo::bounded::Streams;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
const SAID_BYTES_MAX: usize = 2 << 10;

/// macOS has room for 104 bytes in the address of a socket.
const SOCKET_BYTES_MAX: usize = 100;

/// Until somebody attaches, whose terminal then says how large it is.
const COLUMNS: &str = "160";
const ROWS: &str = "50";

/// What a worker leaves behind on its screen, to scroll back in.
const HISTORY_LINES: &str = "50000";

/// The server of the team with this state directory.
#[derive(Clone, Debug)]
pub struct Tmux {
    socket: Socket,
    dir: PathBuf,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Socket {
    At(PathBuf),
    /// In tmux's own directory, where ours has too long a name for the address of a socket.
    Named(String),
}

impl Tmux {
    pub fn of(state_dir: &Path) -> Tmux {
        let path = state_dir.join("tmux");
        let socket = match path.as_os_str().len() <= SOCKET_BYTES_MAX {
            true => Socket::At(path),
            false => Socket::Named(format!("orch-{:016x}", digest(&state_dir.to_string_lossy()))),
        };
        Tmux { socket, dir: state_dir.to_owned() }
    }

    /// Which tmux there is, in its own words.
    pub fn version(&self) -> Result<String> {
        let mut command = Command::new("tmux");
        command.arg("-V");
        run(command).map(|said| said.trim().to_owned())
    }

    /// Opens a session in which this program runs, whose arguments reach it as they are.
    pub fn open(&self, worker: &str, program: &OsStr, arguments: &[&OsStr]) -> Result<()> {
        let mut command = self.command();
        // The settings of a user are for the user's sessions.
        command.arg("-f/dev/null").arg("start-server");
        for (option, value) in [
            // A server that runs already knows the environment of whoever started it.
            ("update-environment", "*"),
            ("history-limit", HISTORY_LINES),
            // A client takes a key that follows an escape for a part of it.
            ("escape-time", "20"),
        ] {
            command.args([";", "set-option", "-g", option, value]);
        }
        command.args([";", "new-session", "-d", "-x", COLUMNS, "-y", ROWS, "-s", &session(worker), "--"]);
        command.arg(program).args(arguments).current_dir(&self.dir);
        run(command).map(drop)
    }

    /// The key that ends a turn of the client.
    pub fn press_escape(&self, worker: &str) -> Result<()> {
        let mut command = self.command();
        command.args(["send-keys", "-t", &target(worker), "Escape"]);
        run(command).map(drop)
    }

    /// Its session on a person's terminal.
    pub fn attach(&self, worker: &str) -> Command {
        let mut command = self.command();
        command.arg("-u").args(["attach-session", "-E", "-t", &target(worker)]);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        match &self.socket {
            Socket::At(path) => command.arg("-S").arg(path),
            Socket::Named(name) => command.arg("-L").arg(name),
        };
        // Where the user's servers are is no matter of ours, and one is not inside of another.
        for name in ["TMUX", "TMUX_PANE", "TMUX_TMPDIR"] {
            command.env_remove(name);
        }
        command
    }
}

/// What a session may be called without meaning anything to tmux.
fn session(worker: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if worker.chars().all(is_plain) {
        return format!("claude-{worker}");
    }
    let plain: String = worker.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    // Two names may look alike by now.
    format!("claude-{plain}-{:08x}", digest(worker) as u32)
}

/// That session, and none whose name begins likewise.
fn target(worker: &str) -> String {
    format!("={}:", session(worker))
}

fn run(mut command: Command) -> Result<String> {
    command.stdin(Stdio::null());
    let running = bounded::start(command, Streams::Together).map_err(|cause| {
        let error = Error::new(Kind::Unavailable, format!("`tmux` cannot be started: {cause}"));
        match cause.kind() {
            io::ErrorKind::NotFound => error.hint("install tmux, or launch with `--mode long`, which needs none"),
            _ => error,
        }
    })?;
    let mut said = LastWords::new(SAID_BYTES_MAX);
    let (ended, _) = running.wait(PATIENCE, &mut |_, bytes| said.add(bytes));
    let said = said.text();
    match ended {
        Ended::Code(0) => Ok(said),
        _ => Err(Error::new(Kind::Unavailable, format!("`tmux` failed: {said}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_worker_means_anything_to_tmux() {
        assert_eq!(session("executor-1"), "claude-executor-1");
        let hostile = session("a.b c#{x}");
        assert!(hostile.starts_with("claude-a_b_c__x_-"), "{hostile}");
        assert_ne!(session("a.b"), session("a b"));
        assert_eq!(target("executor-1"), "=claude-executor-1:");
    }

    #[test]
    fn a_socket_has_a_short_address_however_long_the_path_is() {
        assert_eq!(Tmux::of(Path::new("/s")).socket, Socket::At("/s/tmux".into()));
        let long = PathBuf::from("/s".repeat(60));
        let Socket::Named(name) = Tmux::of(&long).socket else { panic!("it is too long") };
        assert_eq!(name.len(), 21);
    }
}
