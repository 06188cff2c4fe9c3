//! What a stand-in that stays is told while it lives: lines of its standard input, and of the socket at which it takes messages.

use crate::launch::simulated::prompt_of;
use serde_json::Value;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread;

#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Prompt(String),
    Interrupt,
    /// Nothing more will come.
    End,
}

/// `typed`: a person types prompts; else they are lines of JSON.
pub fn listen(input: Box<dyn BufRead + Send>, typed: bool, inbox: Option<UnixListener>) -> Receiver<Heard> {
    let (tell, told) = channel();
    if let Some(inbox) = inbox {
        let tell = tell.clone();
        thread::spawn(move || hear_messages(&inbox, &tell));
    }
    thread::spawn(move || {
        for line in input.lines().map_while(Result::ok) {
            let heard = if typed { of_typed(line) } else { of_line(&line) };
            heard.into_iter().for_each(|heard| drop(tell.send(heard)));
        }
        let _ = tell.send(Heard::End);
    });
    told
}

fn of_typed(line: String) -> Option<Heard> {
    match line.trim() {
        "" => None,
        "/exit" => Some(Heard::End),
        _ => Some(Heard::Prompt(line)),
    }
}

fn of_line(line: &str) -> Option<Heard> {
    let json: Value = serde_json::from_str(line).ok()?;
    match json["request"]["subtype"].as_str() {
        Some("interrupt") => Some(Heard::Interrupt),
        _ => prompt_of(line).map(Heard::Prompt),
    }
}

fn hear_messages(inbox: &UnixListener, tell: &Sender<Heard>) {
    for connection in inbox.incoming().flatten() {
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        lines.filter_map(|line| prompt_of(&line)).for_each(|prompt| drop(tell.send(Heard::Prompt(prompt))));
    }
}

/// A socket as the client makes it, named after its process; none where its path would be too long.
pub fn inbox(dir: &Path) -> Option<(PathBuf, UnixListener)> {
    let path = dir.join(format!("{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).ok()?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).ok()?;
    Some((path, listener))
}
