//! Where the real client plays: a home, a project and a scripted model of its own, and nothing of the tester's.
//!
//! The tests here are left out of `cargo test` and run with `just e2e`. The client is what ORCH_E2E_CLAUDE names, else
//! what `tests/e2e/install` has put below `target/claude`. Without it a test says SKIPPED and passes; it fails where
//! ORCH_E2E_REQUIRED is set.

use crate::e2e::session::Session;
use crate::support::program::Ended;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use crate::support::program::finish;
use crate::support::program::finish_within;
use orch_mcp::host::Deadline;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use serde_json::json;
use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A turn of the client takes two seconds; no machine that others use too makes half a minute of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at all processes of the machine.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Where a bare machine has `python3`, `git` and `tmux`.
const TOOLS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// What the client takes for a key; it is shown to nobody but our model.
const KEY: &str = "dummy-key";

fn client() -> Result<PathBuf, String> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/claude/node_modules/.bin/claude");
    let client = env::var_os("ORCH_E2E_CLAUDE").map_or(installed, PathBuf::from);
    if !client.exists() {
        return Err(format!("no Claude Code at `{}`; `just e2e` installs it", client.display()));
    }
    for tool in ["python3", "git", "tmux"] {
        if !TOOLS.iter().any(|dir| Path::new(dir).join(tool).exists()) {
            return Err(format!("no `{tool}` in {TOOLS:?}"));
        }
    }
    Ok(client)
}

pub fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// What README has people type into a shell that begins like this, without its comments.
pub fn commands_of_readme(beginning: &str) -> Vec<String> {
    let lines = readme();
    let lines = lines.lines().filter(|line| line.starts_with(beginning));
    let commands: Vec<String> = lines.map(|line| line.split(" #").next().unwrap().trim_end().to_owned()).collect();
    assert!(!commands.is_empty(), "README has nobody type `{beginning}`");
    commands
}

pub struct Stage {
    client: PathBuf,
    port: String,
    /// Ends with the stage, and before its directory.
    _model: Running,
    dir: TempDir,
}

impl Stage {
    /// A project under git, an untouched home, and a model that plays these roles; nothing where there is no client.
    pub fn set<const N: usize>(roles: [Value; N]) -> Option<Stage> {
        match client() {
            Ok(client) => Some(Stage::with(client, &json!(roles.to_vec()))),
            Err(why) => {
                assert!(env::var_os("ORCH_E2E_REQUIRED").is_none(), "{why}");
                let line = format!("\nSKIPPED: {}: {why}\n", thread::current().name().unwrap_or_default());
                // Not by a macro, whose words are caught and shown only when the test fails.
                let _ = std::io::stderr().write_all(line.as_bytes());
                None
            }
        }
    }

    fn with(client: PathBuf, roles: &Value) -> Stage {
        // The path of a socket must be short, and that of the usual place need not be.
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        for below in ["home/.claude", "project", "tmp", "bin", "model"] {
            fs::create_dir_all(dir.path().join(below)).unwrap();
        }
        symlink(PROGRAM, dir.path().join("bin/orch-mcp")).unwrap();
        symlink(&client, dir.path().join("bin/claude")).unwrap();
        let played = dir.path().join("model");
        fs::write(played.join("script.json"), roles.to_string()).unwrap();
        let mut model = Command::new("python3");
        model.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fake_model.py"));
        model.args(["--script".as_ref(), played.join("script.json").as_os_str()]);
        model.args(["--dir".as_ref(), played.as_os_str()]).env_clear().env("PATH", TOOLS.join(":"));
        let model = Running::start(model.stdin(Stdio::null()).process_group(0));
        let port = eventually_within(PATIENCE, "a model that listens", || fs::read_to_string(played.join("port")).ok());
        let stage = Stage { client, port, _model: model, dir };
        stage.write("home/.claude.json", &stage.answered_before().to_string());
        stage.shell(
            "git init --quiet --initial-branch main && git config user.email t@localhost && git config user.name t",
        );
        stage
    }

    /// What the client would ask at its first start, and whether the project and its server are trusted.
    fn answered_before(&self) -> Value {
        let project = self.path("project").display().to_string();
        json!({
            "hasCompletedOnboarding": true,
            "theme": "dark",
            "customApiKeyResponses": { "approved": [KEY], "rejected": [] },
            "projects": { project: { "hasTrustDialogAccepted": true, "enabledMcpjsonServers": ["orch-mcp"] } },
        })
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
    }

    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Nothing of the tester's environment, in the project.
    pub fn dress(&self, command: &mut Command) {
        command.env_clear().current_dir(self.path("project")).envs(self.environment());
    }

    /// All that whoever plays here knows of the world.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let below = |name: &str| self.path(name).display().to_string();
        let mut all = vec![
            ("HOME", below("home")),
            ("PATH", format!("{}:{}", below("bin"), TOOLS.join(":"))),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            ("ANTHROPIC_API_KEY", KEY.to_owned()),
            ("ANTHROPIC_BASE_URL", format!("http://127.0.0.1:{}", self.port)),
        ];
        all.extend(["TMPDIR", "CLAUDE_CODE_TMPDIR", "TMUX_TMPDIR"].map(|name| (name, below("tmp"))));
        let quiet = ["DISABLE_AUTOUPDATER", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING"];
        let quiet = quiet.into_iter().chain(["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"]);
        all.extend(quiet.map(|name| (name, "1".to_owned())));
        all
    }

    /// The client with these arguments.
    pub fn claude(&self, arguments: &[&str]) -> Command {
        let mut claude = Command::new(&self.client);
        self.dress(claude.args(arguments).process_group(0));
        claude
    }

    /// One turn to its end, `claude -p`: the session, with all it said.
    #[track_caller]
    pub fn print(&self, claude: Command, prompt: &str) -> Session {
        let mut session = self.begin(claude, prompt);
        session.ends();
        session
    }

    /// `claude -p`, which is not waited for.
    pub fn begin(&self, mut claude: Command, prompt: &str) -> Session {
        claude.args(["-p", prompt, "--output-format", "stream-json", "--verbose"]);
        Session::start(claude.stdin(Stdio::null()))
    }

    /// A session that lives as long as its input is open, and is spoken to line by line.
    pub fn stream(&self, mut claude: Command) -> Session {
        claude.args(["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]);
        Session::start(claude.stdin(Stdio::piped()))
    }

    /// Wires the project, so that everybody's sessions in it join.
    #[track_caller]
    pub fn wire(&self) {
        self.orch(&["setup", "claude-code", "--scope", "project"]).expect(0);
    }

    /// Our own program, called by a person in the project.
    #[track_caller]
    pub fn orch(&self, arguments: &[&str]) -> Ended {
        let mut program = Command::new(PROGRAM);
        self.dress(program.args(arguments));
        finish(&mut program, "")
    }

    /// The data of what it answers when it must do what it is asked.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Value {
        self.orch(arguments).expect(0).data()
    }

    /// What a person types into a shell in the project, and what it prints.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        let mut shell = Command::new("/bin/sh");
        self.dress(shell.args(["-ec", script]));
        finish_within(PATIENCE, &mut shell, "").expect(0).out
    }

    /// Everything that the model was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        let log = fs::read_to_string(self.path("model/log.jsonl")).unwrap_or_default();
        // The last line may not be whole yet.
        log.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| Request(serde_json::from_str(line).unwrap()))
            .collect()
    }

    /// The first such request, as soon as it has come.
    #[track_caller]
    pub fn request(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        self.eventually(what, || self.requests().into_iter().find(&wanted))
    }

    #[track_caller]
    pub fn eventually<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        eventually_within(PATIENCE, what, look)
    }

    /// Lets a held step of the script go on.
    pub fn release(&self, name: &str) {
        self.write(&format!("model/release-{name}"), "");
    }

    /// The processes that were started on this stage, by whomever: they have its home.
    pub fn processes(&self) -> Vec<(Pid, String)> {
        let home = format!("HOME={}\0", self.path("home").display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let (Some(pid), Ok(environ)) = (pid, fs::read(entry.path().join("environ"))) else { continue };
            if String::from_utf8_lossy(&environ).contains(&home) {
                let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        found
    }

    /// Returns once nothing that was started here is left.
    #[track_caller]
    pub fn until_empty(&self) {
        let deadline = Deadline::after(PATIENCE);
        let mut left = self.processes();
        while !left.is_empty() {
            assert!(!deadline.passed(), "these are left: {left:#?}");
            thread::park_timeout(BETWEEN_LOOKS);
            left = self.processes();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            for request in self.requests() {
                let _ = writeln!(std::io::stderr(), "{}", request.short());
            }
        }
        // What is ended here may just have started something.
        while let left = self.processes()
            && !left.is_empty()
        {
            for (pid, _) in left {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// What the client asked of the model.
#[derive(Debug)]
pub struct Request(Value);

impl Request {
    /// The whole conversation in words, without the client's own instructions to the model.
    pub fn words(&self) -> String {
        let messages = self.0["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().filter_map(|message| message["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// For whoever looks into a test that failed.
    fn short(&self) -> String {
        let news: String = self.news().chars().rev().take(1500).collect();
        let news: String = news.chars().rev().collect();
        let (session, step, reply) = (self.session(), &self.0["step"], &self.0["reply"]);
        format!("--- {session}, step {step}: …{news}\n    the model: {reply}")
    }

    /// What came since the model spoke last.
    pub fn news(&self) -> String {
        let messages = self.0["messages"].as_array().cloned().unwrap_or_default();
        let spoken = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
        messages[spoken..].iter().filter_map(|message| message["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    pub fn session(&self) -> &str {
        self.0["session"].as_str().unwrap_or_default()
    }

    /// Did an agent under the session ask?
    pub fn is_of_agent(&self) -> bool {
        self.0["agent"].as_str().is_some_and(|agent| !agent.is_empty())
    }

    /// The number of the script's step that answers it; none for what the client asks on the side.
    pub fn step(&self) -> Option<u64> {
        self.0["step"].as_u64()
    }

    /// What our hook told the session when it last began, and all that followed.
    #[track_caller]
    pub fn brief(&self) -> String {
        let words = self.words();
        let told = words.rsplit_once("SessionStart hook additional context: ");
        told.unwrap_or_else(|| panic!("nothing was told: {words}")).1.to_owned()
    }

    /// The results of tools that it brings.
    pub fn results(&self) -> Vec<Value> {
        self.0["results"].as_array().cloned().unwrap_or_default()
    }

    /// The structured result of the one tool that was called before, which must have done what it was asked.
    #[track_caller]
    pub fn result(&self) -> Value {
        let results = self.results();
        assert!(results.len() == 1 && results[0]["is_error"] == false, "{results:#?}");
        results[0]["structured"].clone()
    }

    /// Is this name told to the model, be it as a tool or as one that it may load?
    pub fn offers(&self, tool: &str) -> bool {
        let listed = self.0["tools"].as_array().is_some_and(|tools| tools.iter().any(|offered| offered == tool));
        listed || self.words().contains(tool)
    }
}
