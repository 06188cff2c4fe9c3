//! A server with a store of its own, and users elsewhere who know nothing but its address.

use crate::support::program::Ended;
use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::finish;
use crate::support::program::finish_within;
use serde_json::Value;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Longer than any command tries.
const PATIENCE: Duration = Duration::from_secs(30);

/// `orch-mcp serve --http`, and the machine it runs on.
pub struct Team {
    pub home: Home,
    pub server: Running,
    pub url: String,
    pub token: String,
    flags: Vec<&'static str>,
}

impl Team {
    pub fn new() -> Team {
        Team::with(&[])
    }

    /// One whose server is started with these flags.
    pub fn with(flags: &[&'static str]) -> Team {
        let home = Home::new();
        let (server, url) = serve(&home, flags);
        let token = std::fs::read_to_string(home.state_dir().join("owner.token")).unwrap();
        Team { home, server, url, token: token.trim().to_owned(), flags: flags.to_vec() }
    }

    /// The next server on the same store. It is heard somewhere else.
    pub fn restart(&mut self) {
        self.server.signal(rustix::process::Signal::TERM);
        self.server.ends();
        (self.server, self.url) = serve(&self.home, &self.flags);
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub fn user(&self) -> User {
        User::at(&self.url, &self.token)
    }
}

fn serve(home: &Home, flags: &[&str]) -> (Running, String) {
    let mut command = home.program(&[&["serve", "--http", "127.0.0.1:0", "--json"], flags].concat());
    let mut server = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut line = String::new();
    BufReader::new(server.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let heard: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (server, heard["data"]["url"].as_str().unwrap().to_owned())
}

/// Somebody on another machine, as far as files and variables can tell.
pub struct User {
    pub home: Home,
    pub url: String,
    token: String,
}

impl User {
    pub fn at(url: &str, token: &str) -> User {
        User { home: Home::new(), url: url.to_owned(), token: token.to_owned() }
    }

    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut program = self.home.program_without_state_dir(arguments);
        program.env("ORCH_SERVER", &self.url).env("ORCH_TOKEN", &self.token);
        program
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        finish_within(PATIENCE, &mut self.program(arguments), "")
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Value {
        self.run(arguments).expect(0).data()
    }
}

#[track_caller]
pub fn ok(command: &mut Command) -> Value {
    finish(command, "").expect(0).data()
}
