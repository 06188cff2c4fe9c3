//! A server over HTTP as a real process, and clients of it that may say anything.

use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::STATELESS_VERSION;
use crate::support::program::keep_log;
use crate::support::program::lines_of;
use orch_mcp::host::Deadline;
use serde_json::Value;
use serde_json::json;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

/// Nothing we wait for takes as long, however busy the machine is. It only ends a test that would hang.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server at a port of its own. It is over when this is dropped.
pub struct Server {
    pub home: Home,
    pub process: Running,
    pub port: u16,
    /// The owner's.
    pub token: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    pub fn start() -> Server {
        Server::at(Home::new(), "127.0.0.1:0", &[], "info")
    }

    pub fn with(more: &[&str]) -> Server {
        Server::at(Home::new(), "127.0.0.1:0", more, "info")
    }

    #[track_caller]
    pub fn at(home: Home, address: &str, more: &[&str], log_level: &str) -> Server {
        let mut command = home.program(&["serve", "--http", address, "--json"]);
        command.args(more).env("ORCH_LOG", log_level);
        let mut process = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let log = Arc::new(Mutex::new(String::new()));
        keep_log(process.child.stderr.take().unwrap(), log.clone());
        let said = lines_of(process.child.stdout.take().unwrap()).recv_timeout(PATIENCE);
        let said = said.unwrap_or_else(|error| panic!("{error}: {}", log.lock().unwrap()));
        let ready: Value = serde_json::from_str(&said).unwrap();
        let (url, file) = (ready["data"]["url"].as_str().unwrap(), ready["data"]["token_file"].as_str().unwrap());
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        let token = std::fs::read_to_string(file).unwrap().trim().to_owned();
        Server { home, process, port, token, log }
    }

    /// Ends it without a word, and starts another on the same state at the same port.
    pub fn killed_and_started_again(self) -> Server {
        let Server { home, mut process, port, .. } = self;
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        Server::at(home, &format!("127.0.0.1:{port}"), &[], "info")
    }

    /// A token for somebody, as the owner makes it.
    #[track_caller]
    pub fn token(&self, role: &str, name: &str) -> String {
        let made = self.home.ok(&["token", "create", "--role", role, "--name", name, "--json"]);
        made["token"].as_str().unwrap().to_owned()
    }

    pub fn link(&self) -> Link {
        Link::open(self.port)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, ask: &Ask) -> Told {
        self.link().ask(ask)
    }

    #[track_caller]
    pub fn call(&self, token: &str, operation: &str, arguments: Value) -> Told {
        self.ask(&Ask::post(&format!("/api/v1/{operation}"), &arguments).token(token))
    }

    /// The data of a call that must do what it is asked.
    #[track_caller]
    pub fn ok(&self, token: &str, operation: &str, arguments: Value) -> Value {
        let told = self.call(token, operation, arguments);
        assert_eq!(told.status, 200, "{operation}: {told:?}");
        told.json()["data"].take()
    }

    /// The number of the newest event: it stands still while nothing happens.
    #[track_caller]
    pub fn newest_event(&self) -> u64 {
        self.ok(&self.token, "server_status", json!({}))["newest_event"].as_u64().unwrap()
    }

    /// One of the numbers that it tells of itself.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.ask(&Ask::get("/metrics").token(&self.token)).text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Memory that is really there, in MiB.
    pub fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// A request, as far as it is one.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Ask {
    pub fn new(method: &str, target: &str) -> Ask {
        Ask { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    pub fn get(target: &str) -> Ask {
        Ask::new("GET", target)
    }

    pub fn post(target: &str, body: &Value) -> Ask {
        Ask::new("POST", target).header("Content-Type", "application/json").body(body.to_string())
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn token(self, token: &str) -> Ask {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Ask {
        self.body = Some(body.into());
        self
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// `host` is named where the request does not do so itself.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            text += &format!("Host: {host}\r\n");
        }
        if let Some(body) = &self.body
            && !self.has("content-length")
            && !self.has("transfer-encoding")
        {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        // A header without a name is one that is to be left out.
        for (name, value) in self.headers.iter().filter(|(_, value)| value != LEFT_OUT) {
            text += &format!("{name}: {value}\r\n");
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// The value of a header that a request must not have, though all others do.
pub const LEFT_OUT: &str = "\0";

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Told {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the error that it is.
    #[track_caller]
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

pub trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// An event of a stream of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
}

/// A connection.
pub struct Link {
    stream: BufReader<Box<dyn Wire>>,
    host: String,
    /// What came of a stream of events and is not read yet.
    unread: String,
}

impl Link {
    pub fn open(port: u16) -> Link {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Link::over(Box::new(stream), format!("127.0.0.1:{port}"))
    }

    pub fn to_socket(path: &std::path::Path) -> Link {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Link::over(Box::new(stream), "localhost".to_owned())
    }

    pub fn over(stream: Box<dyn Wire>, host: String) -> Link {
        Link { stream: BufReader::new(stream), host, unread: String::new() }
    }

    /// Says whether it could be written.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).and_then(|()| self.stream.get_mut().flush()).is_ok()
    }

    pub fn send(&mut self, ask: &Ask) -> bool {
        let bytes = ask.bytes(&self.host);
        self.write(&bytes)
    }

    #[track_caller]
    pub fn ask(&mut self, ask: &Ask) -> Told {
        self.try_ask(ask).unwrap_or_else(|| panic!("the connection closed without an answer to {ask:?}"))
    }

    /// `None` where the connection ends instead.
    pub fn try_ask(&mut self, ask: &Ask) -> Option<Told> {
        self.send(ask);
        let head = self.head()?;
        if ask.method == "HEAD" { Some(head) } else { self.rest_of(head) }
    }

    /// An answer to whatever was written.
    pub fn told(&mut self) -> Option<Told> {
        let head = self.head()?;
        self.rest_of(head)
    }

    /// As far as its headers; `None` where the connection ends instead.
    pub fn head(&mut self) -> Option<Told> {
        loop {
            let first = self.line()?;
            let mut told = Told { status: first.split(' ').nth(1)?.parse().ok()?, ..Told::default() };
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap();
                told.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if told.status != 100 {
                return Some(told);
            }
        }
    }

    fn rest_of(&mut self, mut told: Told) -> Option<Told> {
        if let Some(length) = told.header("content-length") {
            told.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut told.body).ok()?;
        } else if told.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                told.body.extend(chunk);
            }
        }
        Some(told)
    }

    /// The next part of a body in chunks; `None` at its end, or that of the connection.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line()?, 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// The next event of a stream of them, comments left out; `None` at its end.
    #[track_caller]
    pub fn event(&mut self) -> Option<Event> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            assert!(!deadline.passed(), "the stream goes on, and nothing comes of it but comments");
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                let event = event_of(&block);
                if !event.data.is_empty() {
                    return Some(event);
                }
            }
            let chunk = self.chunk()?;
            self.unread += &String::from_utf8(chunk).unwrap();
        }
    }

    /// Everything up to the end of the connection; fails where that does not come.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("the connection is not closed: {error}"),
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }
}

fn event_of(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(':') {
            Some(("event", name)) => event.name = name.trim().to_owned(),
            Some(("id", id)) => event.id = id.trim().to_owned(),
            Some(("data", data)) => event.data += data.trim(),
            _ => {}
        }
    }
    event
}

pub fn events_of(body: &str) -> Vec<Event> {
    body.split("\n\n").map(event_of).filter(|event| !event.data.is_empty()).collect()
}

/// A client of MCP at `/mcp`.
pub struct Mcp {
    pub link: Link,
    pub token: String,
    pub era: Era,
    pub session: Option<String>,
}

impl Mcp {
    #[track_caller]
    pub fn open(port: u16, token: &str, era: Era) -> Mcp {
        let mut client = Mcp { link: Link::open(port), token: token.to_owned(), era, session: None };
        client.greet();
        client
    }

    #[track_caller]
    pub fn greet(&mut self) {
        if let Era::Handshake(version) = self.era {
            let told = self.post(&initialize(version));
            assert_eq!(told.status, 200, "{told:?}");
            self.session = Some(told.header("mcp-session-id").expect("a session has an id").to_owned());
            let told = self.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            assert_eq!(told.status, 202, "{told:?}");
        }
    }

    /// What posts this message, as one of this client's.
    pub fn asks(&self, message: &Value) -> Ask {
        let mut ask = Ask::post("/mcp", message).token(&self.token).header("Accept", ACCEPT);
        match self.era {
            Era::Stateless => {
                ask = ask.header("MCP-Protocol-Version", STATELESS_VERSION);
                ask = ask.header("Mcp-Method", message["method"].as_str().unwrap_or_default());
                if let Some(name) = message["params"]["name"].as_str().or(message["params"]["uri"].as_str()) {
                    ask = ask.header("Mcp-Name", name);
                }
            }
            Era::Handshake(version) => {
                if let Some(session) = &self.session {
                    ask = ask.header("Mcp-Session-Id", session).header("MCP-Protocol-Version", version);
                }
            }
        }
        ask
    }

    #[track_caller]
    pub fn post(&mut self, message: &Value) -> Told {
        let ask = self.asks(message);
        self.link.ask(&ask)
    }

    pub fn message(&self, id: u64, method: &str, mut params: Value) -> Value {
        self.era.complete(&mut params);
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// The whole response to a request.
    #[track_caller]
    pub fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        let message = self.message(id, method, params);
        let told = self.post(&message);
        response_in(&told, id)
    }

    /// What a tool answers.
    #[track_caller]
    pub fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        let response = self.ask(id, "tools/call", json!({ "name": tool, "arguments": arguments }));
        response["result"]["structuredContent"].clone()
    }
}

pub const ACCEPT: &str = "application/json, text/event-stream";

pub fn initialize(version: &str) -> Value {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

/// The response in an answer, which may be one or a stream with one in it.
#[track_caller]
pub fn response_in(told: &Told, id: u64) -> Value {
    let is_it = |message: &Value| message["id"] == id && message.get("method").is_none();
    if told.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
        let messages = events_of(&told.text()).into_iter().filter_map(|event| serde_json::from_str(&event.data).ok());
        return messages.into_iter().find(is_it).unwrap_or_else(|| panic!("no answer to {id} in {}", told.text()));
    }
    let message = told.json();
    assert!(is_it(&message), "{told:?}");
    message
}

/// A client of the older transport.
pub struct Sse {
    pub stream: Link,
    pub posts: Link,
    /// Where it posts.
    pub target: String,
    pub token: String,
}

impl Sse {
    #[track_caller]
    pub fn open(port: u16, token: &str) -> Sse {
        let mut stream = Link::open(port);
        stream.send(&Ask::get("/sse").token(token).header("Accept", "text/event-stream"));
        let head = stream.head().expect("an answer");
        assert_eq!(head.status, 200, "{head:?}");
        let endpoint = stream.event().expect("the endpoint comes first");
        assert_eq!(endpoint.name, "endpoint");
        let mut client = Sse { stream, posts: Link::open(port), target: endpoint.data, token: token.to_owned() };
        client.post(&initialize("2024-11-05"));
        client.response(0);
        client.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    #[track_caller]
    pub fn post(&mut self, message: &Value) {
        let told = self.posts.ask(&Ask::post(&self.target, message).token(&self.token));
        assert_eq!(told.status, 202, "{told:?}");
    }

    #[track_caller]
    pub fn response(&mut self, id: u64) -> Value {
        loop {
            let event = self.stream.event().expect("the stream goes on");
            let message: Value = serde_json::from_str(&event.data).unwrap();
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
        }
    }

    #[track_caller]
    pub fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        self.post(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }));
        self.response(id)["result"]["structuredContent"].take()
    }
}
