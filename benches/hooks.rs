//! What a Claude session pays for its hooks, and how soon an idle one is rung.

use crate::Effort;
use crate::clock::timed;
use crate::samples::Samples;
use crate::server::command;
use crate::starts::populate;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Ground;
use crate::team::Member;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

const AT_MOST_MS: f64 = 20.0;

/// A session whose client is this process.
struct Session {
    state: PathBuf,
    inbox: PathBuf,
}

impl Session {
    fn begin(ground: &Ground) -> Session {
        let state = ground.state();
        let inbox = state.with_file_name(format!("{}.sock", std::process::id()));
        let session = Session { state, inbox };
        session.hook(&["session-start", "--name", "sitter"], json!({ "source": "startup" }));
        session
    }

    fn told(&self, command: &mut Command) {
        command
            .env("CLAUDECODE", "1")
            .env("CLAUDE_CODE_SESSION_ID", "s1")
            .env("CLAUDE_PID", std::process::id().to_string())
            .env("CLAUDE_CODE_MESSAGING_SOCKET", &self.inbox)
            .env("CLAUDE_PROJECT_DIR", "/tmp");
    }

    /// How long it takes, as a whole process.
    fn hook(&self, arguments: &[&str], fields: Value) -> u64 {
        let mut input = json!({ "session_id": "s1", "cwd": "/tmp" });
        input.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let mut hook = command(&self.state);
        self.told(hook.arg("hook").args(arguments));
        let hook = hook.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let (status, nanos) = timed(|| {
            let mut hook = hook.spawn().expect("the program can be started");
            let mut stdin = hook.stdin.take().expect("it was asked for");
            stdin.write_all(input.to_string().as_bytes()).expect("it listens");
            drop(stdin);
            hook.wait().expect("it ends")
        });
        assert!(status.success(), "{arguments:?}");
        nanos
    }
}

/// Each beside a process that does nothing.
pub fn hooks(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    populate(&ground.state());
    let session = Session::begin(&ground);
    let other = Member::join(&ground.state(), "other", "builder");
    let edit = json!({ "tool_name": "Edit", "tool_input": { "file_path": "/tmp/some/file.rs" } });
    let (mut nothing, mut quiet, mut mail, mut edits, mut stops) = Default::default();
    for _ in 0..effort.times(100) {
        let add = |samples: &mut Samples, nanos| samples.add(nanos);
        add(&mut nothing, do_nothing());
        add(&mut stops, session.hook(&["stop"], json!({})));
        session.hook(&["user-prompt-submit"], json!({}));
        add(&mut quiet, session.hook(&["post-tool-batch"], json!({})));
        other.call("send_message", json!({ "to_name": "sitter", "content": "news", "instance_id": "other" }));
        add(&mut mail, session.hook(&["post-tool-batch"], json!({})));
        add(&mut edits, session.hook(&["pre-tool-use"], edit.clone()));
    }
    let row = |what: &str, samples: &Samples| {
        Row::new(format!("hook: {what}, whole process, p95"), samples.p95().millis(), Unit::Millis)
            .beside("`true`", nothing.p95().millis())
            .target(Target::AtMost(AT_MOST_MS))
    };
    vec![
        row("a step that brings nothing", &quiet),
        row("a step that brings mail", &mail),
        row("may this file be edited?", &edits),
        row("the end of a turn", &stops),
    ]
}

fn do_nothing() -> u64 {
    timed(|| Command::new("true").status().expect("`true` is there")).1
}

/// From the call that sends to the line at the idle session's inbox.
pub fn ring(effort: Effort) -> Vec<Row> {
    let ground = Ground::new();
    populate(&ground.state());
    let session = Session::begin(&ground);
    let listener = UnixListener::bind(&session.inbox).expect("nobody is there yet");
    fs::set_permissions(&session.inbox, Permissions::from_mode(0o600)).expect("it is ours");
    let mut serve = command(&session.state);
    session.told(serve.arg("serve"));
    let mut serve = serve.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program can be started");
    let other = Member::join(&ground.state(), "other", "builder");
    let mut samples = Samples::default();
    for _ in 0..effort.times(100) {
        session.hook(&["stop"], json!({}));
        until_it_waits(&session.state);
        let ((), nanos) = timed(|| {
            other.call("send_message", json!({ "to_name": "sitter", "content": "news", "instance_id": "other" }));
            let (stream, _) = listener.accept().expect("somebody rings");
            BufReader::new(stream).read_line(&mut String::new()).expect("a line comes");
        });
        samples.add(nanos);
        session.hook(&["user-prompt-submit"], json!({}));
    }
    drop(serve.stdin.take());
    serve.wait().expect("it ends with its input");
    vec![
        Row::new("send to the ring at an idle session, p50", samples.p50().millis(), Unit::Millis),
        Row::new("the same, p99", samples.p99().millis(), Unit::Millis),
    ]
}

/// The server has hung up its bell again.
fn until_it_waits(state: &Path) {
    let listens = |bell: fs::DirEntry| bell.metadata().is_ok_and(|found| found.permissions().mode() & 0o400 != 0);
    while !fs::read_dir(state.join("wake")).is_ok_and(|bells| bells.flatten().any(listens)) {
        std::thread::yield_now();
    }
}
