//! Sessions of the real client: without a terminal, by its lines of JSON, and in a terminal, by its screen.

use crate::e2e::stage::PATIENCE;
use crate::e2e::stage::Stage;
use crate::support::program::Running;
use crate::support::program::finish;
use orch_mcp::host::Deadline;
use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::process::ChildStdin;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;

/// How much of a line is shown when a test failed: enough to know it, and to see its error.
const SHOWN_MAX: usize = 400;

pub struct Session {
    running: Running,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    errors: Receiver<String>,
    /// All that it said so far.
    pub heard: Vec<Value>,
    /// How much of it was asked for.
    taken: usize,
}

impl Session {
    pub fn start(claude: &mut Command) -> Session {
        let mut running = Running::start(claude.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (tell, lines) = channel();
        let output = BufReader::new(running.child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Some notes of the client are not JSON, and are not for us.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let (tell, errors) = channel();
        let mut output = running.child.stderr.take().unwrap();
        thread::spawn(move || {
            let mut said = String::new();
            let _ = output.read_to_string(&mut said);
            let _ = tell.send(said);
        });
        let input = running.child.stdin.take();
        Session { running, input, lines, errors, heard: Vec::new(), taken: 0 }
    }

    /// A line of the user.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        let line = json!({ "type": "user", "message": { "role": "user", "content": text } });
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").and_then(|()| input.flush()).unwrap();
    }

    /// The end of its next turn.
    #[track_caller]
    pub fn result(&mut self) -> Value {
        self.line("the end of a turn", |line| line["type"] == "result")
    }

    /// The next such line after the one that was asked for last.
    #[track_caller]
    pub fn line(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Deadline::after(PATIENCE);
        loop {
            while self.taken < self.heard.len() {
                self.taken += 1;
                if wanted(&self.heard[self.taken - 1]) {
                    return self.heard[self.taken - 1].clone();
                }
            }
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) => self.heard.push(line),
                Err(end) => panic!("{what} did not come ({end}); {}", self.told()),
            }
        }
    }

    /// The last end of a turn that it told.
    #[track_caller]
    pub fn last_result(&self) -> &Value {
        self.heard.iter().rfind(|line| line["type"] == "result").expect("a turn has ended")
    }

    #[track_caller]
    pub fn id(&self) -> String {
        let with_id = self.heard.iter().rfind(|line| line["session_id"].is_string()).expect("it said who it is");
        with_id["session_id"].as_str().unwrap().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// The user has nothing more to say.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// The same, and the session ends as it should.
    #[track_caller]
    pub fn close(&mut self) {
        self.close_input();
        let status = self.ends();
        assert!(status.success(), "{status}; {}\n{}", self.told(), self.errors());
    }

    /// How it ended, with all that it said until then.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let Some(status) = self.running.ends_within(PATIENCE) else {
            panic!("the client does not end; {}", self.told())
        };
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => return status,
                Err(RecvTimeoutError::Timeout) => panic!("somebody keeps the output of the ended client"),
            }
        }
    }

    /// What it said, for whoever looks into a test that failed.
    pub fn told(&self) -> String {
        let short = |line: &Value| line.to_string().chars().take(SHOWN_MAX).collect::<String>();
        format!("it said:\n{}", self.heard.iter().map(short).collect::<Vec<_>>().join("\n"))
    }

    /// What it wrote to standard error, once it has ended.
    fn errors(&self) -> String {
        self.errors.recv_timeout(PATIENCE).unwrap_or_default()
    }
}

/// A session in a terminal, which is one of a tmux server of its own.
pub struct Terminal<'a> {
    stage: &'a Stage,
    name: String,
}

impl<'a> Terminal<'a> {
    /// Starts the client in it, and returns once it can be typed to.
    #[track_caller]
    pub fn open(stage: &'a Stage, name: &str, claude: &Command) -> Terminal<'a> {
        let terminal = Terminal { stage, name: name.to_owned() };
        let mut tmux = terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", "--"]);
        tmux.arg(claude.get_program()).args(claude.get_args());
        for (name, value) in claude.get_envs() {
            if let Some(value) = value {
                tmux.env(name, value);
            }
        }
        finish(&mut tmux, "").expect(0);
        terminal.until_shows("❯");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        self.stage.dress(tmux.args(["-L", &self.name]).args(arguments));
        tmux
    }

    /// The process of the client in it.
    #[track_caller]
    pub fn client(&self) -> Pid {
        let said = finish(&mut self.tmux(&["list-panes", "-F", "#{pane_pid}"]), "").expect(0).out;
        Pid::from_raw(said.trim().parse().unwrap()).unwrap()
    }

    #[track_caller]
    pub fn screen(&self) -> String {
        finish(&mut self.tmux(&["capture-pane", "-p"]), "").expect(0).out
    }

    #[track_caller]
    pub fn until_shows(&self, text: &str) {
        self.stage.eventually(&format!("`{text}` on the screen"), || self.screen().contains(text).then_some(()));
    }

    pub fn key(&self, key: &str) {
        finish(&mut self.tmux(&["send-keys", key]), "").expect(0);
    }

    /// Types a line, looks that it stands there, and sends it off.
    #[track_caller]
    pub fn types(&self, line: &str) {
        finish(&mut self.tmux(&["send-keys", "-l", line]), "").expect(0);
        self.until_shows(line);
        self.key("Enter");
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        finish(&mut self.tmux(&["kill-server"]), "");
    }
}
