//! How the client is started, as a program with its arguments: from what is wanted, without a look at the machine.

use crate::claude::given::PROFILE;
use crate::claude::given::Team;
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;

/// A program as it is to be started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProgramLine {
    pub program: String,
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub set: Vec<(String, String)>,
    pub take_away: Vec<String>,
    pub input: Input,
}

/// What stands at its standard input.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    Nothing,
    File(PathBuf),
    /// Lines that come while it runs.
    Lines,
    /// The same, after a first one.
    LinesAfter(String),
}

/// A worker's client as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// `claude`, or what stands in for it.
    pub client: String,
    pub mode: Mode,
    pub session: Session,
    pub worker: Worker,
    pub team: Team,
    pub model: Option<String>,
    pub permission_mode: Option<String>,
    /// Rules, such as `Bash(git *)`.
    pub allowed: Vec<String>,
    pub disallowed: Vec<String>,
    pub turns_max: Option<u32>,
    pub budget_usd: Option<f64>,
    /// What the client's own instructions to the model are followed by.
    pub system_prompt_file: Option<PathBuf>,
    pub settings: Option<PathBuf>,
    /// With it, no other server is connected.
    pub mcp: Option<PathBuf>,
    /// The tool that is asked for permissions, as the client names it: `mcp__orch-mcp__…`.
    pub permission_tool: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// One prompt, worked off to its end.
    Task(Prompt),
    /// Fed line by line (`said`), for as long as its input is open. What it begins with is the first of them.
    LongLived(Prompt),
    /// A full session at a terminal.
    Terminal(Option<Prompt>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Session {
    Fresh,
    /// With an id of our own, a UUID.
    New(String),
    Resumed(String),
}

/// Who the session joins the team as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Worker {
    pub name: String,
    pub role: Option<String>,
}

/// A prompt that stands in a file, too, since not every way to the client takes any text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prompt {
    text: String,
    file: PathBuf,
}

impl Prompt {
    pub fn new(text: &str, file: impl Into<PathBuf>) -> Prompt {
        Prompt { text: literal(text), file: file.into() }
    }

    /// What must be written into its file.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Does the client's terminal hand it to the model as it is? It drops what nobody can see, and takes what begins with a
    /// slash for a command, also behind blanks.
    fn fits_terminal(&self) -> bool {
        let plain = |byte: u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
        let is_command = self.text.trim_start().starts_with('/');
        self.text.bytes().all(plain) && !is_command && self.text.len() <= ARGUMENT_BYTES_MAX
    }
}

/// Linux takes no argument of more than 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 120 * 1024;

/// What a client that is run from inside a session would take for its own: the whole list that Claude Code 2.1.329 sets for
/// what it starts. Other variables of its name are the user's settings and credentials, and stay.
const OF_A_SESSION: [&str; 20] = [
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_NOTES_DIR",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_SESSION_ATTENDED",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_EFFORT",
    "CLAUDE_ENV_FILE",
    "CLAUDE_JOB_DIR",
    "CLAUDE_PID",
    "CLAUDE_PLUGIN_DATA",
    "CLAUDE_PLUGIN_ROOT",
    "CLAUDE_PROJECT_DIR",
    "COREPACK_ENABLE_AUTO_PIN",
    "NoDefaultCurrentDirectoryInExePath",
];

/// The terminal around us is not the worker's.
const OF_A_TERMINAL: [&str; 2] = ["TMUX", "TMUX_PANE"];

/// A client that is to work for us.
pub fn line(wanted: &Wanted) -> ProgramLine {
    let (set, mut take_away) = environment(wanted);
    if !matches!(wanted.mode, Mode::Terminal(_)) {
        take_away.extend(OF_A_TERMINAL.map(str::to_owned));
    }
    let mut arguments = print_flags(&wanted.mode);
    arguments.extend(flags(wanted));
    let mut input = Input::Nothing;
    match &wanted.mode {
        Mode::Task(prompt) => input = Input::File(prompt.file.clone()),
        Mode::LongLived(prompt) => input = Input::LinesAfter(said(&prompt.text)),
        Mode::Terminal(prompt) => arguments.extend(prompt.iter().flat_map(at_terminal)),
    }
    ProgramLine { program: wanted.client.clone(), arguments, set, take_away, input }
}

/// A line for the standard input of a long-lived client.
pub fn said(text: &str) -> String {
    json!({ "type": "user", "message": { "role": "user", "content": literal(text) } }).to_string()
}

/// A line that ends the turn of a long-lived client, whose session stays. A signal would end both.
pub fn interruption(number: u64) -> String {
    let request = json!({ "subtype": "interrupt" });
    json!({ "type": "control_request", "request_id": format!("orch-{number}"), "request": request }).to_string()
}

/// Text that begins with a slash is a command to the client, and is none behind a new line.
fn literal(text: &str) -> String {
    if text.starts_with('/') { format!("\n{text}") } else { text.to_owned() }
}

fn print_flags(mode: &Mode) -> Vec<String> {
    let input: &[&str] = match mode {
        Mode::Task(_) => &[],
        Mode::LongLived(_) => &["--input-format=stream-json"],
        Mode::Terminal(_) => return Vec::new(),
    };
    let output = ["--output-format=stream-json", "--verbose", "--include-hook-events"];
    ["--print"].iter().chain(input).chain(&output).map(|&word| word.to_owned()).collect()
}

/// Each value in one word with its flag: so none is taken for another flag, whatever it begins with, and no flag swallows
/// what follows.
fn flags(wanted: &Wanted) -> Vec<String> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let (id, resumed) = match &wanted.session {
        Session::Fresh => (None, None),
        Session::New(id) => (Some(id.clone()), None),
        Session::Resumed(id) => (None, Some(id.clone())),
    };
    // Whoever sits there is asked by the client itself.
    let at_terminal = matches!(wanted.mode, Mode::Terminal(_));
    let once = [
        ("--session-id", id),
        ("--resume", resumed),
        ("--name", Some(wanted.worker.name.clone())),
        ("--model", wanted.model.clone()),
        ("--permission-mode", wanted.permission_mode.clone()),
        ("--permission-prompt-tool", wanted.permission_tool.clone().filter(|_| !at_terminal)),
        ("--max-turns", wanted.turns_max.map(|turns| turns.to_string())),
        ("--max-budget-usd", wanted.budget_usd.map(|usd| usd.to_string())),
        ("--append-system-prompt-file", path(&wanted.system_prompt_file)),
        ("--settings", path(&wanted.settings)),
        ("--mcp-config", path(&wanted.mcp)),
    ];
    let once = once.into_iter().filter_map(|(flag, value)| Some(format!("{flag}={}", value?)));
    let alone = wanted.mcp.iter().map(|_| "--strict-mcp-config".to_owned());
    let allowed = wanted.allowed.iter().map(|rule| format!("--allowedTools={rule}"));
    let disallowed = wanted.disallowed.iter().map(|rule| format!("--disallowedTools={rule}"));
    once.chain(alone).chain(allowed).chain(disallowed).collect()
}

/// The prompt itself, or where it stands.
fn at_terminal(prompt: &Prompt) -> Vec<String> {
    if prompt.fits_terminal() {
        return vec!["--".to_owned(), prompt.text.clone()];
    }
    let sentence = format!("Your task stands in the file `{}`: read all of it, then do it.", prompt.file.display());
    vec![format!("--allowedTools={}", may_read(&prompt.file)), "--".to_owned(), sentence]
}

/// The rule that a file outside of the project may be read, in which a name has no way to say what means something to rules.
/// (`--add-dir` would not do: a terminal asks a person whether that directory is to be trusted.)
fn may_read(file: &Path) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    let pattern: String = file.display().to_string().chars().map(|c| if is_plain(&c) { c } else { '?' }).collect();
    format!("Read(/{pattern})")
}

fn environment(wanted: &Wanted) -> (Vec<(String, String)>, Vec<String>) {
    let own = [
        ("ORCH_INSTANCE", Some(wanted.worker.name.clone())),
        ("ORCH_ROLE", wanted.worker.role.clone()),
        ("ORCH_PROFILE", Some(PROFILE.to_owned())),
    ];
    let mut set = Vec::new();
    let mut take_away: Vec<String> = OF_A_SESSION.iter().map(|&name| name.to_owned()).collect();
    for (name, value) in own.into_iter().chain(wanted.team.variables()) {
        match value {
            Some(value) => set.push((name.to_owned(), value)),
            None => take_away.push(name.to_owned()),
        }
    }
    (set, take_away)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(mode: Mode) -> Wanted {
        Wanted {
            client: "claude".to_owned(),
            mode,
            session: Session::Fresh,
            worker: Worker { name: "amy".to_owned(), role: None },
            team: Team::Here { state_dir: "/s".to_owned() },
            model: None,
            permission_mode: None,
            allowed: Vec::new(),
            disallowed: Vec::new(),
            turns_max: None,
            budget_usd: None,
            system_prompt_file: None,
            settings: None,
            mcp: None,
            permission_tool: None,
        }
    }

    fn prompt(text: &str) -> Prompt {
        Prompt::new(text, "/r/prompt.md")
    }

    fn terminal(text: &str) -> Vec<String> {
        line(&wanted(Mode::Terminal(Some(prompt(text))))).arguments
    }

    #[test]
    fn each_mode_has_its_way_for_the_prompt() {
        let task = line(&wanted(Mode::Task(prompt("-x"))));
        let prints = ["--print", "--output-format=stream-json", "--verbose", "--include-hook-events", "--name=amy"];
        assert_eq!(task.arguments, prints);
        assert_eq!(task.input, Input::File("/r/prompt.md".into()));
        let long_lived = line(&wanted(Mode::LongLived(prompt("begin"))));
        assert_eq!(long_lived.arguments[1], "--input-format=stream-json");
        assert_eq!(long_lived.input, Input::LinesAfter(said("begin")));
        assert_eq!(terminal("-x --help\n$(y)"), ["--name=amy", "--", "-x --help\n$(y)"]);
        assert_eq!(line(&wanted(Mode::Terminal(None))).arguments, ["--name=amy"]);
    }

    #[test]
    fn what_a_terminal_would_change_is_read_from_its_file() {
        let long = "z".repeat(ARGUMENT_BYTES_MAX + 1);
        for text in ["/exit", "\n /exit", "a\u{1b}[31m", "a\u{202e}b", "\u{feff}x", "a\rb", "é", &long] {
            let arguments = terminal(text);
            assert_eq!(arguments[1..3], ["--allowedTools=Read(//r/prompt.md)", "--"], "{text:.10?}");
            assert!(arguments[3].contains("`/r/prompt.md`"), "{text:.10?}");
        }
        assert_eq!(may_read(Path::new("/a (b), c*/é")), "Read(//a??b???c?/?)");
    }

    #[test]
    fn no_prompt_is_a_command_of_the_client() {
        assert_eq!(prompt("/clear now").text(), "\n/clear now");
        assert_eq!(prompt("a /clear").text(), "a /clear");
        let line: serde_json::Value = serde_json::from_str(&said("/exit \"\n\u{1b}")).unwrap();
        assert_eq!(line["message"]["content"], "\n/exit \"\n\u{1b}");
        assert!(!said("a\nb").contains('\n'), "it is one line");
    }

    #[test]
    fn every_wish_is_one_word_with_its_flag() {
        let all = Wanted {
            session: Session::New("u-1".to_owned()),
            model: Some("haiku".to_owned()),
            permission_mode: Some("dontAsk".to_owned()),
            allowed: vec!["Bash(git *)".to_owned(), "Read".to_owned()],
            disallowed: vec!["WebFetch".to_owned()],
            turns_max: Some(5),
            budget_usd: Some(0.5),
            system_prompt_file: Some("/r/role.md".into()),
            settings: Some("/r/settings.json".into()),
            mcp: Some("/r/mcp.json".into()),
            permission_tool: Some("mcp__orch-mcp__x".to_owned()),
            ..wanted(Mode::LongLived(prompt("p")))
        };
        let flags = line(&all).arguments[5..].to_vec();
        let named = [
            "--session-id=u-1",
            "--name=amy",
            "--model=haiku",
            "--permission-mode=dontAsk",
            "--permission-prompt-tool=mcp__orch-mcp__x",
            "--max-turns=5",
            "--max-budget-usd=0.5",
            "--append-system-prompt-file=/r/role.md",
            "--settings=/r/settings.json",
            "--mcp-config=/r/mcp.json",
            "--strict-mcp-config",
            "--allowedTools=Bash(git *)",
            "--allowedTools=Read",
            "--disallowedTools=WebFetch",
        ];
        assert_eq!(flags, named);
        let terminal = line(&Wanted { mode: Mode::Terminal(None), ..all });
        assert!(!terminal.arguments.iter().any(|flag| flag.starts_with("--permission-prompt-tool")));
        let resumed = Wanted { session: Session::Resumed("u-1".to_owned()), ..wanted(Mode::LongLived(prompt("p"))) };
        assert!(line(&resumed).arguments.contains(&"--resume=u-1".to_owned()));
    }

    #[test]
    fn the_worker_knows_who_it_is_and_nothing_of_the_session_around_us() {
        let says =
            |line: &ProgramLine, name: &str| line.set.iter().find(|(set, _)| set == name).map(|(_, to)| to.clone());
        let takes = |line: &ProgramLine, name: &str| line.take_away.iter().any(|taken| taken == name);
        let here = line(&wanted(Mode::LongLived(prompt("p"))));
        assert_eq!(says(&here, "ORCH_INSTANCE").as_deref(), Some("amy"));
        assert_eq!(says(&here, "ORCH_STATE_DIR").as_deref(), Some("/s"));
        assert_eq!(says(&here, "ORCH_PROFILE").as_deref(), Some("worker"));
        for name in
            ["ORCH_ROLE", "ORCH_SERVER", "ORCH_TOKEN", "CLAUDECODE", "CLAUDE_PID", "CLAUDE_CODE_SESSION_ID", "TMUX"]
        {
            assert!(takes(&here, name), "{name}");
        }
        for name in ["CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK"] {
            assert!(!takes(&here, name), "{name}");
        }
        assert!(!takes(&line(&wanted(Mode::Terminal(None))), "TMUX"), "which is its own");
        let team = Team::Elsewhere {
            server: "https://team".to_owned(),
            token_file: Some("/t".to_owned()),
            ca: None,
            plain_http: false,
        };
        let role = Some("executor".to_owned());
        let elsewhere =
            Wanted { team, worker: Worker { name: "bob".to_owned(), role }, ..wanted(Mode::LongLived(prompt("p"))) };
        let elsewhere = line(&elsewhere);
        assert_eq!(says(&elsewhere, "ORCH_SERVER").as_deref(), Some("https://team"));
        assert_eq!(says(&elsewhere, "ORCH_TOKEN_FILE").as_deref(), Some("/t"));
        assert_eq!(says(&elsewhere, "ORCH_ROLE").as_deref(), Some("executor"));
        assert!(takes(&elsewhere, "ORCH_STATE_DIR") && takes(&elsewhere, "ORCH_CA"));
    }
}
