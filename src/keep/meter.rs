//! The meter of a run: its client says over loopback what each request cost, while it goes on, and that is written down.

use crate::claude::telemetry;
use crate::claude::telemetry::Metering;
use crate::claude::telemetry::PATH;
use crate::host::Deadline;
use crate::host::Host;
use crate::keep::run::RunDir;
use crate::keep::run::append;
use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

/// The client is beside us, and says who it is in one breath.
const HEAD_WITHIN: Duration = Duration::from_millis(500);
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// At once. Strangers may take all of them, but none for longer than that.
const HEARD_MAX: usize = 16;
/// When the run is over, what came in before is heard for so long.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

const HEAD_BYTES_MAX: u64 = 16 * 1024;
const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// More than a session of days makes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub struct Meter {
    metering: Metering,
    address: SocketAddr,
    word: String,
    ear: Arc<Ear>,
}

/// What all who listen share.
struct Ear {
    page: Mutex<File>,
    state: Mutex<Listening>,
    changed: Condvar,
}

#[derive(Default)]
struct Listening {
    heard: usize,
    /// The run is over.
    is_over: bool,
    /// Nobody comes in any more.
    is_closed: bool,
}

impl Meter {
    pub fn begin(metering: Metering, host: &Host, run: &RunDir) -> io::Result<Meter> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let word = format!("{:016x}{:016x}", host.random(), host.random());
        let page = Mutex::new(append(&run.spent())?);
        let ear = Arc::new(Ear { page, state: Mutex::default(), changed: Condvar::new() });
        let (known, listens) = (word.clone(), ear.clone());
        thread::spawn(move || listens.listen(&listener, &known));
        Ok(Meter { metering, address, word, ear })
    }

    /// What its client must find in its environment.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.metering.variables(self.address, &self.word)
    }

    /// What came in before is written down: whoever knocks is let in in the order in which they came.
    pub fn end(self) {
        self.ear.state().is_over = true;
        if TcpStream::connect_timeout(&self.address, ENDS_WITHIN).is_ok() {
            let goes_on = |state: &mut Listening| state.heard > 0 || !state.is_closed;
            drop(self.ear.changed.wait_timeout_while(self.ear.state(), ENDS_WITHIN, goes_on));
        }
    }
}

impl Ear {
    fn listen(self: Arc<Ear>, listener: &TcpListener, word: &str) {
        for stream in listener.incoming().flatten() {
            let Some(turn) = Turn::take(&self) else { break };
            let word = word.to_owned();
            // Who is no client of ours, or gives up in the middle, has told nothing.
            thread::spawn(move || drop(hear(&stream, &word, &turn.0.page)));
        }
        self.change(|state| state.is_closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Listening)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, Listening> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that is heard.
struct Turn(Arc<Ear>);

impl Turn {
    /// `None` once the run is over.
    fn take(ear: &Arc<Ear>) -> Option<Turn> {
        let is_full = |state: &mut Listening| state.heard >= HEARD_MAX && !state.is_over;
        let mut state = ear.changed.wait_while(ear.state(), is_full).unwrap_or_else(PoisonError::into_inner);
        if state.is_over {
            return None;
        }
        state.heard += 1;
        Some(Turn(ear.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.change(|state| state.heard -= 1);
    }
}

/// Reads until a moment, however little comes at once.
struct InTime<'a> {
    stream: &'a TcpStream,
    until: Deadline,
}

impl Read for InTime<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.left();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

/// One request on a connection, which is closed after its answer.
fn hear(mut stream: &TcpStream, word: &str, page: &Mutex<File>) -> io::Result<()> {
    stream.set_write_timeout(Some(HEAD_WITHIN))?;
    let in_time = InTime { stream, until: Deadline::after(HEAD_WITHIN) };
    let mut reader = BufReader::new(in_time.take(HEAD_BYTES_MAX));
    let status = match head(&mut reader)? {
        Head { path, .. } if path != PATH => "404 Not Found",
        Head { word: Some(told), .. } if told != word => "401 Unauthorized",
        Head { word: None, .. } => "401 Unauthorized",
        Head { length: None, .. } => "411 Length Required",
        Head { length: Some(length), .. } if length > BODY_BYTES_MAX => "413 Content Too Large",
        Head { length: Some(length), .. } => {
            reader.get_mut().set_limit(length);
            reader.get_mut().get_mut().until = Deadline::after(BODY_WITHIN);
            let mut body = vec![0; length as usize];
            reader.read_exact(&mut body)?;
            write_down(&body, &mut page.lock().unwrap_or_else(PoisonError::into_inner))?;
            "200 OK"
        }
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    stream.write_all(answer.as_bytes())
}

#[derive(Default)]
struct Head {
    path: String,
    word: Option<String>,
    length: Option<u64>,
}

fn head(reader: &mut impl BufRead) -> io::Result<Head> {
    let mut head = Head::default();
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if let Some(rest) = line.strip_prefix("POST ") {
        head.path = rest.split(' ').next().unwrap_or_default().to_owned();
    }
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let Some((name, value)) = line.split_once(':') else { return Ok(head) };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => head.word = Some(value.trim().to_owned()),
            "content-length" => head.length = value.trim().parse().ok(),
            _ => {}
        }
    }
}

fn write_down(body: &[u8], page: &mut File) -> io::Result<()> {
    let mut lines = String::new();
    for request in telemetry::requests(body) {
        lines += &serde_json::to_string(&request)?;
        lines.push('\n');
    }
    if lines.is_empty() || page.metadata()?.len() > FILE_BYTES_MAX {
        return Ok(());
    }
    page.write_all(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Stopwatch;

    #[test]
    fn strangers_hold_up_neither_the_client_nor_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().expect("its directory");
        let meter = Meter::begin(Metering::Alone, &Host::System, &run).expect("a meter");
        // Whoever says nothing, and whoever never stops.
        let strangers: Vec<TcpStream> =
            (0..3 * HEARD_MAX).map(|_| TcpStream::connect(meter.address).expect("let in")).collect();
        strangers.iter().for_each(|mut stranger| drop(stranger.write_all(b"POST /v1/logs HTTP/1.1\r\nx")));
        let attribute = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{value}}}"#);
        let attributes = attribute("cost_usd", r#"{"doubleValue":0.5}"#);
        let body = format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{{"stringValue":"claude_code.api_request"}},"attributes":[{attributes}]}}]}}]}}]}}"#
        );
        let mut client = TcpStream::connect(meter.address).expect("let in");
        let head = format!("POST {PATH} HTTP/1.1\r\nauthorization: {}\r\n", meter.word);
        client.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).expect("told");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let strangers: Vec<TcpStream> =
            strangers.iter().map(|_| TcpStream::connect(meter.address).expect("let in")).collect();
        let began = Stopwatch::start();
        meter.end();
        assert!(began.so_far() < 4 * ENDS_WITHIN, "{:?}", began.so_far());
        assert!(std::fs::read_to_string(run.spent()).expect("a page").contains("0.5"));
        drop(strangers);
    }
}
