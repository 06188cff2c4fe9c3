//! A line that breaks when it is told to: requests go through it one at a time on each connection, and some of them do not
//! arrive, or their answers do not.

use std::collections::VecDeque;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

/// What happens to the next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It does not arrive.
    Swallowed,
    /// It is carried out, and so many bytes of the answer come.
    Answered(usize),
    /// It is carried out, nothing of the answer comes, and the line stays as long as anybody waits.
    Silent,
}

#[derive(Default)]
struct Plan {
    to: String,
    fates: VecDeque<Fate>,
    /// What was asked, in words.
    asked: Vec<String>,
    /// Requests that were broken.
    broken: usize,
    /// Connections under way.
    open: Vec<TcpStream>,
}

pub struct Proxy {
    pub url: String,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    pub fn to(address: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan { to: address.to_owned(), ..Plan::default() }));
        let planned = plan.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let plan = planned.clone();
                thread::spawn(move || through(client, &plan));
            }
        });
        Proxy { url, plan }
    }

    /// What becomes of the requests that come next.
    pub fn next(&self, fates: &[Fate]) {
        self.plan.lock().unwrap().fates = fates.iter().copied().collect();
    }

    /// From now on it leads there, and whoever is on the line is cut off.
    pub fn lead_to(&self, address: &str) {
        let mut plan = self.plan.lock().unwrap();
        plan.to = address.to_owned();
        for open in plan.open.drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    pub fn broken(&self) -> usize {
        self.plan.lock().unwrap().broken
    }

    /// The operations that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.plan.lock().unwrap().asked.clone()
    }
}

fn through(mut client: TcpStream, plan: &Mutex<Plan>) {
    let to = {
        let mut plan = plan.lock().unwrap();
        plan.open.push(client.try_clone().unwrap());
        plan.to.clone()
    };
    let Ok(mut server) = TcpStream::connect(to) else { return };
    plan.lock().unwrap().open.push(server.try_clone().unwrap());
    while let Some(request) = whole(&mut client) {
        // As a tunnel would be called by a name that the server knows.
        let (near, far) = (client.local_addr().unwrap().to_string(), server.peer_addr().unwrap().to_string());
        let request = request.replacen(&near, &far, 1);
        let fate = {
            let mut plan = plan.lock().unwrap();
            let operation = request.split("\"operation\":\"").nth(1).and_then(|rest| rest.split('"').next());
            plan.asked.push(operation.unwrap_or_default().to_owned());
            let fate = plan.fates.pop_front();
            plan.broken += usize::from(fate.is_some());
            fate
        };
        match fate {
            Some(Fate::Swallowed) => break,
            Some(Fate::Answered(bytes)) => {
                server.write_all(request.as_bytes()).unwrap();
                let answer = answer(&mut server);
                let _ = client.write_all(&answer[..bytes.min(answer.len().saturating_sub(1))]);
                break;
            }
            Some(Fate::Silent) => {
                server.write_all(request.as_bytes()).unwrap();
                answer(&mut server);
                let _ = more(&mut client, &mut Vec::new());
                break;
            }
            None => {
                if server.write_all(request.as_bytes()).is_err() || !pass_on(&mut server, &mut client) {
                    break;
                }
            }
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// A request with its body, whose length our client always tells.
fn whole(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0usize) {
                return Some(text);
            }
        }
        more(stream, &mut bytes)?;
    }
}

/// The whole answer, of which one knows by what stands in it.
fn answer(server: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !is_answered(&bytes) && more(server, &mut bytes).is_some() {}
    bytes
}

fn is_answered(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}

/// Each piece as it comes, up to the end of the answer. False where the line is broken.
fn pass_on(server: &mut TcpStream, client: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    // Whoever hangs up closes the line, which the server is to hear at once.
    let (watched, other) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let done = Arc::new(Mutex::new(false));
    let watching = done.clone();
    thread::spawn(move || {
        let gone = matches!(watched.peek(&mut [0]), Ok(0) | Err(_));
        if gone && !*watching.lock().unwrap() {
            let _ = other.shutdown(Shutdown::Both);
        }
    });
    while !is_answered(&bytes) {
        let before = bytes.len();
        if more(server, &mut bytes).is_none() || client.write_all(&bytes[before..]).is_err() {
            return false;
        }
    }
    *done.lock().unwrap() = true;
    true
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(0) | Err(_) => None,
        Ok(length) => {
            bytes.extend_from_slice(&piece[..length]);
            Some(())
        }
    }
}
