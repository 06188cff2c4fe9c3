//! This program again, as one of many processes: each plays a part, all begin when they are told to.

use crate::calls;
use crate::crowd;
use crate::wakes;
use serde_json::Value;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::process;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

const FLAG: &str = "--part";

/// The part that the command line gives this process, and what it needs for it.
pub fn part(arguments: &[String]) -> Option<(&str, &[String])> {
    match arguments {
        [flag, part, rest @ ..] if flag == FLAG => Some((part, rest)),
        _ => None,
    }
}

pub fn play((part, arguments): (&str, &[String])) {
    match part {
        "echo" => calls::echo(),
        "claimer" => crowd::claimer(arguments),
        "bare-claimer" => crowd::bare_claimer(arguments),
        "waiters" => wakes::waiters(arguments),
        "bare-waiter" => wakes::bare_waiter(arguments),
        "idler" => wakes::idler(arguments),
        part => panic!("no part `{part}`"),
    }
}

/// A process of ours. Ends when this is dropped.
pub struct Child {
    process: process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    pub fn start(part: &str, arguments: &[&str]) -> Child {
        let program = std::env::current_exe().expect("this program has a file");
        Child::of(Command::new(program).args([FLAG, part]).args(arguments))
    }

    pub fn of(command: &mut Command) -> Child {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program can be started");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        Child { process, input, output }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it is closed only at the end");
        input.write_all(line.as_bytes()).and_then(|()| input.write_all(b"\n")).expect("the child listens");
    }

    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the child speaks UTF-8");
        assert!(!line.is_empty(), "a child ended before it answered");
        line
    }

    /// The last word of a child, and its end.
    pub fn finish(mut self) -> Value {
        let last = serde_json::from_str(&self.hear()).expect("the last word is JSON");
        self.input = None;
        self.process.wait().expect("it is our child");
        last
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input = None;
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What a child hears from whoever started it.
pub fn listen() -> String {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("the parent speaks UTF-8");
    line.trim().to_owned()
}

/// What a child says to whoever started it.
pub fn tell(line: &str) {
    let mut output = io::stdout().lock();
    output
        .write_all(line.as_bytes())
        .and_then(|()| output.write_all(b"\n"))
        .and_then(|()| output.flush())
        .expect("the parent listens");
}
