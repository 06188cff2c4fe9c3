//! The program as people run it: real processes that know nothing of the tester's environment and end with the test.

use orch_mcp::host::Deadline;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use rustix::process::kill_process;
use rustix::process::waitid;
use serde_json::Value;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_orch-mcp");

/// Nothing we wait for takes as long, however busy the machine is. It only ends a test that would hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that nobody tells us of.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Looks again and again until there is something to see.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// The same, where more than our own program has to do something.
#[track_caller]
pub fn eventually_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(patience);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(!deadline.passed(), "this never came to be: {what}");
        thread::park_timeout(BETWEEN_LOOKS);
    }
}

/// A user of their own, on whose machine nobody has used the program yet.
pub struct Home {
    dir: TempDir,
}

impl Home {
    pub fn new() -> Home {
        // The path of a socket must be short, and that of the usual place need not be.
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        Home { dir }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Where `program` keeps its state: not there before the first write.
    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// The program, called in the directory `work`, with nothing of our own environment.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut program = self.program_without_state_dir(arguments);
        program.env("ORCH_STATE_DIR", self.state_dir());
        program
    }

    /// The same, left to find its state directory by itself.
    pub fn program_without_state_dir(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(PROGRAM);
        program.args(arguments).env_clear().env("HOME", self.dir.path()).current_dir(self.path("work"));
        program
    }

    /// One command, run to its end with nothing on its standard input.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        finish(&mut self.program(arguments), "")
    }

    /// One command that must do what it is asked: the data of its answer.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Value {
        self.run(arguments).expect(0).data()
    }

    /// What the keys end in that this team makes of its tasks.
    pub fn team_mark(&self) -> String {
        let store = rusqlite::Connection::open(self.state_dir().join("orch.db")).unwrap();
        store.query_row("select mark from team", [], |row| row.get(0)).unwrap()
    }

    pub fn serve(&self) -> Command {
        self.program(&["serve"])
    }

    /// A client's session with a server of its own.
    pub fn session(&self, era: Era) -> Session {
        Session::open(&mut self.serve(), era)
    }

    /// A session that has registered under this name.
    pub fn member(&self, name: &str, era: Era) -> Session {
        let mut session = self.session(era);
        session.call("register_instance", json!({ "name": name }));
        session
    }

    /// How many calls wait on this store, of whatever process.
    pub fn waiting(&self) -> usize {
        let Ok(bells) = std::fs::read_dir(self.state_dir().join("wake")) else { return 0 };
        let listening = |found: std::fs::Metadata| found.permissions().mode() & 0o400 != 0;
        bells.flatten().filter(|bell| bell.metadata().is_ok_and(listening)).count()
    }

    /// Returns once as many calls wait, and not only are about to.
    #[track_caller]
    pub fn until_waiting(&self, calls: usize) {
        eventually("calls that wait", || (self.waiting() == calls).then_some(()));
    }
}

/// A process of ours. It is over when this is dropped, whatever became of the test.
pub struct Running {
    pub child: Child,
    /// Behind a lock only so that threads of a test can share a process.
    ended: Mutex<Receiver<()>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (tell, ended) = channel();
        // The process is only looked at: its number stays its own until `child` is waited for.
        thread::spawn(move || {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let _ = tell.send(());
        });
        Running { child, ended: Mutex::new(ended) }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, if it did in that time.
    pub fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        match self.ended.get_mut().unwrap().recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => None,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Some(self.child.wait().unwrap()),
        }
    }

    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        self.ends_within(PATIENCE).expect("the process ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command left when it had ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ended {
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.status.code(), Some(code), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// The JSON on standard output, which is one line of it.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn data(&self) -> Value {
        let mut envelope = self.json();
        assert_eq!(envelope["schema_version"], 1, "{envelope}");
        assert!(envelope["warnings"].is_array(), "{envelope}");
        envelope["data"].take()
    }

    /// The error on standard error, where standard output has nothing.
    #[track_caller]
    pub fn error(&self) -> Value {
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        let mut said: Value = serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        said["error"].take()
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn finish(command: &mut Command, input: &str) -> Ended {
    finish_within(PATIENCE, command, input)
}

/// The same, where more than our own program has to do something.
#[track_caller]
pub fn finish_within(patience: Duration, command: &mut Command, input: &str) -> Ended {
    let mut running = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let out = all_of(running.child.stdout.take().unwrap());
    let err = all_of(running.child.stderr.take().unwrap());
    // A command that wants no input may be gone before it could be given.
    let _ = running.child.stdin.take().unwrap().write_all(input.as_bytes());
    let status = running.ends_within(patience).expect("the process ends");
    let text = |stream: Receiver<Vec<u8>>| String::from_utf8(stream.recv_timeout(PATIENCE).unwrap()).unwrap();
    Ended { status, out: text(out), err: text(err) }
}

fn all_of(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = tell.send(bytes);
    });
    told
}

/// How a client speaks to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize` first, with this version of the protocol.
    Handshake(&'static str),
    /// 2026-07-28: every request says by itself what its client is.
    Stateless,
}

/// One of each kind, for what could differ between them.
pub const BOTH_ERAS: [Era; 2] = [Era::Handshake("2025-11-25"), Era::Stateless];

pub const STATELESS_VERSION: &str = "2026-07-28";

impl Era {
    /// What a client of this era adds to the parameters of a request.
    pub fn complete(self, params: &mut Value) {
        if self != Era::Stateless {
            return;
        }
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(STATELESS_VERSION);
        meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    }
}

/// A client of `orch-mcp serve`, over pipes.
pub struct Session {
    pub process: Running,
    pub era: Era,
    /// What the server said of itself when the session was opened.
    pub welcome: Value,
    input: Option<Box<dyn Write + Send>>,
    lines: Receiver<String>,
    /// Messages that nobody asked for yet, in the order in which they came.
    heard: Vec<Value>,
    log: Arc<Mutex<String>>,
    requests: u64,
}

impl Session {
    /// Starts a server and says nothing to it yet. The command may be one that runs the server in its turn.
    pub fn silent(command: &mut Command, era: Era) -> Session {
        let mut process = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (input, output) = (process.child.stdin.take().unwrap(), process.child.stdout.take().unwrap());
        Session::with(process, era, Box::new(input), output)
    }

    /// The same over sockets, which is what some clients hand out for pipes.
    pub fn silent_over_sockets(command: &mut Command, era: Era) -> Session {
        let (input, servers_input) = UnixStream::pair().unwrap();
        let (output, servers_output) = UnixStream::pair().unwrap();
        command.stdin(OwnedFd::from(servers_input)).stdout(OwnedFd::from(servers_output)).stderr(Stdio::piped());
        let process = Running::start(command);
        // The command keeps the server's ends open, and the server would never see the end of its input.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Session::with(process, era, Box::new(input), output)
    }

    fn with(
        mut process: Running,
        era: Era,
        input: Box<dyn Write + Send>,
        output: impl Read + Send + 'static,
    ) -> Session {
        let log = Arc::new(Mutex::new(String::new()));
        keep_log(process.child.stderr.take().unwrap(), log.clone());
        Session {
            process,
            era,
            welcome: Value::Null,
            input: Some(input),
            lines: lines_of(output),
            heard: Vec::new(),
            log,
            requests: 0,
        }
    }

    #[track_caller]
    pub fn open(command: &mut Command, era: Era) -> Session {
        let mut session = Session::silent(command, era);
        session.greet();
        session
    }

    /// The first words of a client.
    #[track_caller]
    pub fn greet(&mut self) {
        self.welcome = match self.era {
            Era::Stateless => self.ask("server/discover", json!({})),
            Era::Handshake(version) => {
                let client = json!({ "name": "test", "version": "1" });
                let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
                let welcome = self.ask("initialize", params);
                self.notify("notifications/initialized", json!({}));
                welcome
            }
        };
    }

    /// One line as it is, for what no client would send.
    pub fn write(&mut self, line: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("the input is open");
        // A server that is gone is found out by what it does not answer.
        let _ = input.write_all(line.as_ref()).and_then(|()| input.write_all(b"\n"));
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.write(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// Sends a request and does not wait for its answer.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        self.requests += 1;
        let line = self.request_line(self.requests, method, params);
        self.write(line);
        self.requests
    }

    /// What `request` writes, for clients that write many at once.
    pub fn request_line(&self, id: u64, method: &str, mut params: Value) -> String {
        self.era.complete(&mut params);
        if method == "tools/call" {
            // As the best-known client does on every call.
            params["_meta"]["progressToken"] = json!(id);
            params["_meta"]["claudecode/toolUseId"] = json!(format!("toolu_{id}"));
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
    }

    pub fn begin_call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    pub fn cancel(&mut self, id: u64) {
        self.notify("notifications/cancelled", json!({ "requestId": id }));
    }

    /// The answer to a request, whole.
    #[track_caller]
    pub fn response(&mut self, id: u64) -> Value {
        self.message(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The result of a request that must succeed.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let mut response = self.response(id);
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].take()
    }

    /// The JSON-RPC error of a request that must fail.
    #[track_caller]
    pub fn wrong(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let mut response = self.response(id);
        assert!(response.get("result").is_none(), "{method}: {response}");
        response["error"].take()
    }

    /// The result of a call of a tool, of which it must say whether it failed.
    #[track_caller]
    pub fn outcome(&mut self, id: u64) -> (bool, Value) {
        let mut response = self.response(id);
        let failed = response["result"]["isError"].as_bool().unwrap_or_else(|| panic!("no outcome: {response}"));
        (failed, response["result"]["structuredContent"].take())
    }

    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Value {
        let (failed, answer) = self.outcome(id);
        assert!(!failed, "{answer}");
        answer
    }

    /// What a tool answers that must do what it is asked.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.begin_call(tool, arguments);
        self.answer(id)
    }

    /// The error of a tool that must refuse what it is asked.
    #[track_caller]
    pub fn refused(&mut self, code: &str, tool: &str, arguments: Value) -> Value {
        let id = self.begin_call(tool, arguments);
        let (failed, mut answer) = self.outcome(id);
        assert!(failed, "{tool} was not refused: {answer}");
        assert_eq!(answer["error"]["code"], code, "{answer}");
        answer["error"].take()
    }

    /// Reads a resource: its JSON.
    #[track_caller]
    pub fn read(&mut self, uri: &str) -> Value {
        let mut read = self.ask("resources/read", json!({ "uri": uri }));
        let contents = read["contents"][0].take();
        assert_eq!(contents["uri"], uri);
        assert_eq!(contents["mimeType"], "application/json");
        serde_json::from_str(contents["text"].as_str().unwrap()).unwrap()
    }

    /// The next message, heard before or to come, that is what is wanted. Others stay for whoever wants them.
    #[track_caller]
    pub fn message(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at);
        }
        loop {
            match self.next() {
                Some(message) if wanted(&message) => return message,
                Some(message) => self.heard.push(message),
                None => panic!("the server ended before it said this; its log:\n{}", self.log()),
            }
        }
    }

    #[track_caller]
    fn next(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(of_the_protocol(&line)),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the server says nothing; its log:\n{}", self.log()),
        }
    }

    /// Everything that nobody asked for, up to the end of the server's output.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<Value> {
        while let Some(message) = self.next() {
            self.heard.push(message);
        }
        std::mem::take(&mut self.heard)
    }

    /// What came so far and nobody asked for.
    pub fn unasked(&self) -> &[Value] {
        &self.heard
    }

    /// The client has nothing more to say.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Ends the session as a client does. All that the server still had to say must be of the protocol.
    #[track_caller]
    pub fn end(mut self) -> Vec<Value> {
        self.close_input();
        let rest = self.rest();
        let status = self.process.ends();
        assert!(status.success(), "{status}; its log:\n{}", self.log());
        rest
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// Nothing else may ever stand on the standard output of a server.
#[track_caller]
fn of_the_protocol(line: &str) -> Value {
    let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(message["jsonrpc"], "2.0", "{line}");
    let kinds = ["method", "result", "error"];
    assert_eq!(kinds.iter().filter(|kind| message.get(kind).is_some()).count(), 1, "{line}");
    message
}

pub fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}

/// The next line that has these words; what is said until then is left out.
#[track_caller]
pub fn line_with(told: &Receiver<String>, words: &str, patience: Duration) -> String {
    let deadline = Deadline::after(patience);
    loop {
        match told.recv_timeout(deadline.left()) {
            Ok(line) if line.contains(words) => return line,
            Ok(_) => {}
            Err(why) => panic!("`{words}` was not said: {why}"),
        }
    }
}

pub fn keep_log(stream: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// Everything below a directory, links not followed.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(&entry.path()));
        }
    }
    found
}
