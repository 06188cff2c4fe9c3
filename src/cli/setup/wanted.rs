//! What a client is to be told of us, as plain values: the server, the permission to call it, the hooks.

use crate::claude::wiring;
use serde_json::Value;
use serde_json::json;

/// Our name in every file of a client.
pub(in crate::cli) const SERVER: &str = "orch-mcp";
/// Allows all of our tools.
pub(super) const RULE: &str = "mcp__orch-mcp";

/// All tools: a client of today lists them by name and reads of those that it needs.
const SERVE: &[&str] = &["serve", "--profile", "full"];

/// How the program is to be called, and as whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Calling {
    /// The absolute path of the program.
    pub(super) program: String,
    pub(super) state_dir: Option<String>,
    /// Instead of a store on this machine.
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) name: Option<String>,
    pub(super) role: Option<String>,
}

/// A server elsewhere, as a command line names it. The token stands in a file of the user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::cli) struct Elsewhere {
    pub(in crate::cli) url: String,
    pub(super) ca: Option<String>,
    pub(in crate::cli) plain_http: bool,
}

impl Elsewhere {
    pub(in crate::cli) fn words(&self) -> Vec<String> {
        let mut words = vec!["--server".to_owned(), self.url.clone()];
        words.extend(self.ca.iter().flat_map(|file| ["--ca".to_owned(), file.clone()]));
        words.extend(self.plain_http.then(|| PLAIN_HTTP.to_owned()));
        words
    }

    /// As the entry of a server of ours says it.
    pub(in crate::cli) fn of_server(entry: &Value) -> Option<Elsewhere> {
        let words = entry["args"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Elsewhere::of_words(&words.collect::<Vec<String>>()).or_else(|| Elsewhere::of_environment(&entry["env"]))
    }

    pub(in crate::cli) fn of_words(words: &[String]) -> Option<Elsewhere> {
        let plain_http = words.iter().any(|word| word == PLAIN_HTTP);
        Some(Elsewhere { url: flag_of(words, "--server")?, ca: flag_of(words, "--ca"), plain_http })
    }

    fn of_environment(env: &Value) -> Option<Elsewhere> {
        let text = |name: &str| env[name].as_str().map(str::to_owned);
        let plain_http = text("ORCH_PLAIN_HTTP").as_deref() == Some("1");
        Some(Elsewhere { url: text("ORCH_SERVER")?, ca: text("ORCH_CA"), plain_http })
    }

    /// What leads a process there that is told by its environment.
    pub(super) fn variables(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("ORCH_SERVER", Some(self.url.clone())),
            ("ORCH_CA", self.ca.clone()),
            ("ORCH_PLAIN_HTTP", self.plain_http.then(|| "1".to_owned())),
        ]
    }
}

const PLAIN_HTTP: &str = "--plain-http";

/// One thing that a file is to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Server(Server),
    Permission,
    /// These, and no others of ours.
    Hooks(Vec<Hook>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    /// The names that lead to it, its own last.
    pub(super) path: Vec<String>,
    /// What it must say, name by name; what else it says is its owner's.
    pub(super) fields: Vec<(&'static str, Value)>,
    /// Variables that are ours: to be set, or not to be there.
    pub(super) env: Vec<(&'static str, Option<String>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hook {
    pub(super) event: &'static str,
    pub(super) matcher: Option<&'static str>,
    pub(super) handler: Value,
}

impl Calling {
    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let state_dir = self.state_dir.iter().flat_map(|dir| ["--state-dir".to_owned(), dir.clone()]);
        let elsewhere = self.elsewhere.iter().flat_map(Elsewhere::words);
        state_dir.chain(elsewhere).chain(words.iter().map(|word| (*word).to_owned())).collect()
    }

    /// The server of Claude Code, below the names in `path`.
    pub(super) fn server(&self, path: &[&str]) -> Part {
        let path = path.iter().copied().chain([SERVER]).map(str::to_owned).collect();
        let fields =
            vec![("type", json!("stdio")), ("command", json!(self.program)), ("args", json!(self.arguments(SERVE)))];
        Part::Server(Server { path, fields, env: Vec::new() })
    }

    /// The server of Claude Desktop, which starts it in no project: so the variables say what team it joins.
    pub(super) fn desktop_server(&self) -> Part {
        let nowhere = [("ORCH_SERVER", None), ("ORCH_CA", None), ("ORCH_PLAIN_HTTP", None)];
        let mut env = vec![("ORCH_STATE_DIR", self.state_dir.clone())];
        env.extend(self.elsewhere.as_ref().map_or(nowhere, Elsewhere::variables));
        env.extend([("ORCH_INSTANCE", self.name.clone()), ("ORCH_ROLE", self.role.clone())]);
        Part::Server(Server {
            path: vec!["mcpServers".to_owned(), SERVER.to_owned()],
            fields: vec![("command", json!(self.program)), ("args", json!(SERVE))],
            env,
        })
    }

    /// All our hooks. `joins` says that a session becomes one of the team also where there is no store yet.
    pub(super) fn hooks(&self, joins: bool) -> Part {
        Part::Hooks(wiring::HANDLERS.iter().map(|handler| self.hook(handler, joins)).collect())
    }

    fn hook(&self, handler: &wiring::Handler, joins: bool) -> Hook {
        let mut words = vec!["hook", handler.word()];
        if handler.word() == "session-start" {
            words.extend(joins.then_some("--join"));
            words.extend(self.name.iter().flat_map(|name| ["--name", name]));
            words.extend(self.role.iter().flat_map(|role| ["--role", role]));
        }
        let written = handler.entry(&self.program, &self.arguments(&words));
        Hook { event: handler.event(), matcher: handler.matcher, handler: written }
    }
}

/// The word behind `hook`, where this handler is a call of ours and nothing besides.
pub(super) fn word_of(handler: &Value) -> Option<String> {
    let words = call(handler)?;
    let hook = words.iter().position(|word| word == "hook")?;
    Some(words.get(hook + 1).cloned().unwrap_or_default())
}

/// The value of a flag in a call of ours.
pub(super) fn flag_of(words: &[String], flag: &str) -> Option<String> {
    words.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1].clone())
}

/// The arguments of a handler that calls our hook.
pub(super) fn call(handler: &Value) -> Option<Vec<String>> {
    program_and_arguments(handler).map(|(_, arguments)| arguments)
}

/// How a handler calls our hook.
pub(in crate::cli) fn program_and_arguments(handler: &Value) -> Option<(String, Vec<String>)> {
    let command = handler.get("command")?.as_str()?;
    if let Some(args) = handler.get("args") {
        let words: Vec<String> = args.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let calls = is_program(command) && words.iter().any(|word| word == "hook");
        return calls.then(|| (command.to_owned(), words));
    }
    // For a shell. Where it does more than to call us, it is somebody's own.
    if is_more_than_a_call(command) {
        return None;
    }
    let words = shell_words(command);
    let program = words.iter().position(|word| is_program(word))?;
    let rest = words[program + 1..].to_vec();
    let calls =
        rest.first().is_some_and(|word| word == "hook") || program == 0 && rest.iter().any(|word| word == "hook");
    calls.then(|| (words[program].clone(), rest))
}

/// A line for a shell that calls our hook among other things.
pub(in crate::cli) fn calls_among_other_things(handler: &Value) -> bool {
    let command = handler.get("command").and_then(Value::as_str).unwrap_or_default();
    handler.get("args").is_none()
        && is_more_than_a_call(command)
        && shell_words(command).windows(2).any(|pair| is_program(&pair[0]) && pair[1] == "hook")
}

fn is_program(word: &str) -> bool {
    word.rsplit('/').next() == Some(SERVER)
}

fn is_more_than_a_call(command: &str) -> bool {
    command.trim().contains(['\n', ';', '&', '|', '<', '>', '`', '(', ')', '{', '}', '$'])
}

/// Words between spaces, a quoted one whole.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')') => words.push(String::new()),
            _ => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claude::event::Event;

    fn calling() -> Calling {
        Calling { program: "/opt/orch-mcp".to_owned(), ..Calling::default() }
    }

    fn hooks(calling: &Calling, joins: bool) -> Vec<Hook> {
        let Part::Hooks(hooks) = calling.hooks(joins) else { panic!("hooks") };
        hooks
    }

    #[test]
    fn every_event_has_its_hook_and_two_have_one_that_waits() {
        let hooks = hooks(&calling(), true);
        assert_eq!(hooks.len(), 13);
        assert_eq!(hooks[0].handler["args"], json!(["hook", "session-start", "--join"]));
        assert_eq!(
            hooks[5].handler,
            json!({"type": "command", "command": "/opt/orch-mcp", "args": ["hook", "stop"], "timeout": 5})
        );
        assert_eq!(hooks[3].matcher, Some("Bash|Edit|Monitor|NotebookEdit|PowerShell|Write"));
        let waits: Vec<_> = hooks.iter().filter(|hook| hook.handler["asyncRewake"] == true).collect();
        assert_eq!(waits.iter().map(|hook| hook.event).collect::<Vec<_>>(), ["SessionStart", "Stop"]);
        assert!(waits.iter().all(|hook| hook.handler["timeout"] == 604_800));
        for hook in &hooks {
            assert!(word_of(&hook.handler).is_some_and(|word| Event::words().any(|known| known == word)), "{hook:?}");
        }
    }

    #[test]
    fn flags_stand_in_the_arguments() {
        let flags = Calling {
            state_dir: Some("/s".to_owned()),
            name: Some("amy".to_owned()),
            role: Some("lead dev".to_owned()),
            ..calling()
        };
        let start = &hooks(&flags, false)[0].handler;
        let words = ["--state-dir", "/s", "hook", "session-start", "--name", "amy", "--role", "lead dev"];
        assert_eq!(start["args"], json!(words));
        let words = call(start).expect("ours");
        assert_eq!(flag_of(&words, "--role").as_deref(), Some("lead dev"));
        assert_eq!(hooks(&flags, false)[5].handler["args"], json!(["--state-dir", "/s", "hook", "stop"]));
        let Part::Server(server) = flags.server(&["mcpServers"]) else { panic!("a server") };
        assert_eq!(server.fields[2].1, json!(["--state-dir", "/s", "serve", "--profile", "full"]));
    }

    #[test]
    fn a_server_elsewhere_stands_in_every_call_and_is_read_again() {
        let elsewhere =
            Elsewhere { url: "http://team:3100".to_owned(), ca: Some("/c/ca.pem".to_owned()), plain_http: true };
        let calling = Calling { elsewhere: Some(elsewhere.clone()), ..calling() };
        let words = ["--server", "http://team:3100", "--ca", "/c/ca.pem", "--plain-http", "hook", "stop"];
        let stop = &hooks(&calling, false)[5].handler;
        assert_eq!(stop["args"], json!(words));
        assert_eq!(Elsewhere::of_words(&call(stop).expect("ours")), Some(elsewhere.clone()));
        let Part::Server(desktop) = calling.desktop_server() else { panic!("a server") };
        let env: Value = desktop.env.iter().filter_map(|(name, value)| Some((*name, json!(value.as_ref()?)))).collect();
        assert_eq!(Elsewhere::of_environment(&env), Some(elsewhere));
    }

    #[test]
    fn ours_is_told_from_what_only_looks_like_it() {
        for (handler, word) in [
            (json!({"type": "command", "command": "/old/orch-mcp", "args": ["hook", "stop"]}), Some("stop")),
            (json!({"command": "orch-mcp", "args": ["--state-dir", "/s", "hook", "stop"]}), Some("stop")),
            (json!({"command": "orch-mcp hook stop"}), Some("stop")),
            (json!({"command": "  '/a b/orch-mcp' --state-dir /s hook stop"}), Some("stop")),
            (json!({"command": "exec /usr/bin/orch-mcp hook session-end"}), Some("session-end")),
            (json!({"command": "/x/orch-mcp", "args": ["serve"]}), None),
            (json!({"command": "/x/orch-mcp-hook", "args": ["hook", "stop"]}), None),
            (json!({"command": "/orch-mcp/notify", "args": ["hook"]}), None),
            (json!({"command": "my-orch-mcp hook stop"}), None),
            (json!({"command": "log it; orch-mcp hook stop"}), None),
            (json!({"command": "echo what orch-mcp did to a hook"}), None),
            (json!({"command": 7, "args": ["hook"]}), None),
            (json!({"command": "orch-mcp", "args": "hook"}), None),
            (json!({"type": "http", "url": "http://orch-mcp/hook"}), None),
            (json!("orch-mcp hook stop"), None),
        ] {
            assert_eq!(word_of(&handler).as_deref(), word, "{handler}");
        }
        assert!(calls_among_other_things(&json!({"command": "orch-mcp hook stop || true"})));
        assert!(calls_among_other_things(&json!({"command": "[ -x /a ] && (orch-mcp hook stop)"})));
        assert!(!calls_among_other_things(&json!({"command": "orch-mcp hook stop"})));
    }
}
