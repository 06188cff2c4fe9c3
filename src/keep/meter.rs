//! The meter of a run: its client says over loopback what each request cost, while it goes on, and that is written down.

use crate::claude::telemetry;
use crate::claude::telemetry::Metering;
use crate::claude::telemetry::PATH;
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
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

/// The client is beside us. Whoever else comes in holds it up no longer than that.
const PATIENCE: Duration = Duration::from_secs(2);
const HEAD_BYTES_MAX: u64 = 16 * 1024;
const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// More than a session of days makes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub struct Meter {
    metering: Metering,
    address: SocketAddr,
    word: String,
    is_over: Arc<AtomicBool>,
    ear: JoinHandle<()>,
}

impl Meter {
    pub fn begin(metering: Metering, host: &Host, run: &RunDir) -> io::Result<Meter> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let word = format!("{:016x}{:016x}", host.random(), host.random());
        let is_over = Arc::new(AtomicBool::new(false));
        let (mut page, known, over) = (append(&run.spent())?, word.clone(), is_over.clone());
        let ear = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                // Who is no client of ours, or gives up in the middle, has told nothing.
                let _ = hear(&stream, &known, &mut page);
            }
        });
        Ok(Meter { metering, address, word, is_over, ear })
    }

    /// What its client must find in its environment.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.metering.variables(self.address, &self.word)
    }

    /// What came in before is written down: whoever knocks is heard in the order in which they came.
    pub fn end(self) {
        self.is_over.store(true, Ordering::SeqCst);
        if TcpStream::connect_timeout(&self.address, PATIENCE).is_ok() {
            let _ = self.ear.join();
        }
    }
}

/// One request on a connection, which is closed after its answer.
fn hear(stream: &TcpStream, word: &str, page: &mut File) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.take(HEAD_BYTES_MAX));
    let status = match head(&mut reader)? {
        Head { path, .. } if path != PATH => "404 Not Found",
        Head { word: Some(told), .. } if told != word => "401 Unauthorized",
        Head { word: None, .. } => "401 Unauthorized",
        Head { length: None, .. } => "411 Length Required",
        Head { length: Some(length), .. } if length > BODY_BYTES_MAX => "413 Content Too Large",
        Head { length: Some(length), .. } => {
            reader.get_mut().set_limit(length);
            let mut body = vec![0; length as usize];
            reader.read_exact(&mut body)?;
            write_down(&body, page)?;
            "200 OK"
        }
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    (&mut &*stream).write_all(answer.as_bytes())
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
