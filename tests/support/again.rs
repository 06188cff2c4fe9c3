//! This test binary once more, as another process: for tests whose processes are killed, stopped or limited.
//!
//! What the process is to do is an ignored test, which does nothing unless it is told what by the environment. It
//! speaks on its standard error, as the test harness speaks on the other.

use orch_mcp::error::Error;
use orch_mcp::host::Host;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::table::find;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use serde_json::Value;
use std::env;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::Stdio;

const WORK: &str = "ORCH_TEST_WORK";

/// Another process; it ends with this value.
pub struct Again {
    child: Child,
    says: BufReader<ChildStderr>,
}

impl Again {
    /// Runs the ignored test of this name with this work to do.
    pub fn start(test: &str, work: &Value) -> Again {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(WORK, work.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stderr.take().unwrap());
        Again { child, says }
    }

    /// The next line that it says; `None` once it has ended, even if it ended in the middle of one.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.strip_suffix('\n').map(str::to_owned)
    }

    /// It must say this next.
    #[track_caller]
    pub fn expect(&mut self, wanted: &str) {
        let heard = self.hear();
        if heard.as_deref() != Some(wanted) {
            panic!("heard {heard:?}, not `{wanted}`; then {:#?}", self.hear_all());
        }
    }

    /// What it waits for in `heed` has come.
    pub fn go(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It ends at once, without a word; what it had said before can still be heard.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// All that it still says until it has ended.
    pub fn hear_all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Until it has ended by itself: says what it said on its way.
    pub fn finish(mut self) -> Vec<String> {
        self.go();
        let said = self.hear_all();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {said:#?}");
        said
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// In the other process: what it is to do.
pub fn work() -> Option<Value> {
    env::var(WORK).ok().map(|work| serde_json::from_str(&work).unwrap())
}

/// In the other process: say something to the first one.
pub fn say(line: &str) {
    // In one piece, so that whoever is killed has said all of it or nothing.
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).ok();
}

/// In the other process: wait until the first one says go, or has ended.
pub fn heed() {
    std::io::stdin().read_line(&mut String::new()).ok();
}

/// Somebody who works on a store that real processes share, by the real clock.
pub struct Member {
    desk: LocalDesk,
    caller: Caller,
}

impl Member {
    pub fn at(dir: &Path) -> Member {
        let host = Host::System;
        let caller = Caller { process: host.process(), ..Caller::anonymous(host.clone()) };
        Member { desk: LocalDesk::new(LazyStore::new(Place::at(dir), host, Default::default())), caller }
    }

    pub fn call(&self, operation: &str, arguments: Value) -> Result<Value, Error> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let request = find(operation).unwrap().request(arguments)?;
        self.desk.execute(&request, &self.caller, &Hangup::new()).map(|reply| reply.data)
    }

    #[track_caller]
    pub fn ok(&self, operation: &str, arguments: Value) -> Value {
        self.call(operation, arguments.clone()).unwrap_or_else(|error| panic!("{operation} {arguments}: {error:?}"))
    }
}
