//! Which requests for permission need no human: rules in order, the first that fits decides, and where none does, a human
//! is asked. What a rule allows is decided by the words of the request alone.

use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Item;
use crate::model::fields::Value;
use crate::model::fields::line;
use crate::model::glob;
use crate::model::path::team_path;
use crate::model::safety::At;
use crate::model::safety::Breach;
use crate::model::safety::Safety;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

/// Tools that run a shell command, with what else their input may say of how, and changes nothing of what is allowed.
const SHELL: &str = "Bash";
const OF_SHELL: [&str; 4] = ["command", "description", "timeout", "run_in_background"];

/// Tools that have a shell run what stands in `command`.
pub const RUNS_COMMANDS: [&str; 3] = [SHELL, "Monitor", "PowerShell"];
pub const COMMAND: &str = "command";

/// Tools that are given a file or directory, and in which argument.
const OF_FILES: [(&str, &str); 8] = [
    ("Read", "file_path"),
    ("Edit", "file_path"),
    ("MultiEdit", "file_path"),
    ("Write", "file_path"),
    ("NotebookEdit", "notebook_path"),
    ("Glob", "path"),
    ("Grep", "path"),
    ("LS", "path"),
];

/// The tools of files that change nothing.
const READING: [&str; 4] = ["Read", "Glob", "Grep", "LS"];

/// What decides about workers, or runs by itself: no pattern lets a worker write there. In small letters, as there are
/// disks that tell no other.
const PROTECTED: [&str; 6] = [".git", ".orch", ".claude", ".claude.json", ".mcp.json", "orch.toml"];

/// With one of these a shell does more, or something else, than the words of a command say.
const OF_THE_SHELL: &[char] = &[';', '&', '|', '`', '$', '<', '>', '(', ')', '{', '}', '\\', '!'];

/// By these git, asked to show something, writes a file or runs a program. Git knows its options by their beginnings.
const OF_GIT: [&str; 7] = ["--out", "--ope", "-O", "--ext", "--textc", "--upl", "--exe"];

/// Words that may stand before a command.
const PREFIXES: [&str; 14] =
    ["if", "then", "elif", "else", "while", "until", "do", "time", "env", "command", "exec", "nohup", "eval", "sudo"];

/// Each rule is looked at for each request.
const RULES_MAX: usize = 1_000;

/// What a request for permission is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    tool: String,
    subject: Subject,
    /// What a shell is to run, whichever tool it is that runs it.
    line: Option<String>,
    work_dir: Option<String>,
    worktree: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// As it is given to the shell. Not plain is one whose input says more than we know.
    Command { text: String, is_plain: bool },
    /// By its name in the team: from the top of the worktree, or absolute. `""` is the top itself.
    File(String),
    /// A tool, and whatever else.
    Other,
}

impl Request {
    /// What a worker asks that works in `work_dir`, in the worktree whose top is `worktree`.
    pub fn of(tool: &str, input: &Map<String, Json>, work_dir: Option<&str>, worktree: Option<&str>) -> Request {
        let text = |field: &str| input.get(field).and_then(Json::as_str);
        let subject = match OF_FILES.iter().find(|(of_files, _)| *of_files == tool) {
            _ if tool == SHELL => text(COMMAND).map(|command| Subject::Command {
                text: command.to_owned(),
                is_plain: input.keys().all(|field| OF_SHELL.contains(&field.as_str())),
            }),
            // What is searched for with a glob may lie anywhere.
            Some(("Glob", _)) if text("pattern").is_none_or(|pattern| !is_below(pattern)) => None,
            Some((_, field)) => text(field)
                .or(work_dir.filter(|_| *field == "path"))
                .filter(|path| is_plain(path))
                .and_then(|path| team_path(path, work_dir, worktree))
                .map(|file| {
                    let is_top = worktree.and_then(|top| team_path(top, None, None)).as_ref() == Some(&file);
                    Subject::File(if is_top { String::new() } else { file })
                }),
            None => None,
        };
        Request {
            tool: tool.to_owned(),
            subject: subject.unwrap_or(Subject::Other),
            line: text(COMMAND).filter(|_| RUNS_COMMANDS.contains(&tool)).map(str::to_owned),
            work_dir: work_dir.map(str::to_owned),
            worktree: worktree.map(str::to_owned),
        }
    }
}

/// The argument of a tool that names a file, or a directory.
pub fn argument_of_file(tool: &str) -> Option<&'static str> {
    OF_FILES.iter().find(|(of_files, _)| *of_files == tool).map(|(_, field)| *field)
}

impl Request {
    /// What is the same request again: just that command, or that tool on that file. Of what is not known by its words, the
    /// whole input.
    pub fn likeness(&self, input: &Map<String, Json>) -> Json {
        match &self.subject {
            Subject::Command { text, is_plain: true } => json!({ "command": text }),
            Subject::File(file) => json!({ "file": if file.is_empty() { "." } else { file } }),
            Subject::Command { .. } | Subject::Other => json!({ "input": input }),
        }
    }
}

/// Does the client take it for the path that it looks like? It leaves out what stands around it, and knows `~`.
fn is_plain(path: &str) -> bool {
    !path.starts_with('~') && path.trim() == path && !path.contains(char::is_control)
}

fn is_below(pattern: &str) -> bool {
    is_plain(pattern) && !pattern.starts_with('/') && !pattern.contains("..")
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PolicyDecision")]
pub enum Decision {
    Allow,
    /// With a sentence for the worker.
    Deny(String),
    Ask,
}

impl Decision {
    /// Of two the one that allows less.
    pub fn and(self, other: Decision) -> Decision {
        match (&self, &other) {
            (Decision::Deny(_), _) | (Decision::Ask, Decision::Allow | Decision::Ask) => self,
            _ => other,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    rules: Vec<Rule>,
    #[serde(default)]
    safety: Safety,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "PolicyRule")]
struct Rule {
    decision: Decision,
    tool: String,
    subject: Option<Pattern>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PolicyPattern")]
enum Pattern {
    Command(String),
    Path(String),
}

impl Policy {
    /// From `[policy]`: `rules`, a list of tables.
    pub fn read(fields: &Fields) -> Result<Policy> {
        fields.only("a policy", &["rules"])?;
        let items = fields.read("rules", "a list of tables, such as `{ allow = \"Read\" }`", |value| match value {
            Value::List(items) if items.len() <= RULES_MAX => Some(items),
            _ => None,
        })?;
        let rules = items.into_iter().flatten().map(Rule::read).collect::<Result<_>>()?;
        Ok(Policy { rules, safety: Safety::default() })
    }

    /// What the rules of safety stand against is allowed by no rule that did not mean it.
    pub fn with_safety(self, safety: Safety) -> Policy {
        Policy { safety, ..self }
    }

    pub fn decide(&self, request: &Request) -> Decision {
        let first = self.rules.iter().find(|rule| rule.fits(request));
        let decision = first.map_or(Decision::Ask, |rule| rule.decision.clone());
        match self.breach(request) {
            None => decision,
            // What the team says of it in its own words goes before ours.
            Some(_) if matches!(decision, Decision::Deny(_)) => decision,
            Some(breach) if breach.is_denied => Decision::Deny(breach.refusal()),
            Some(_) if first.is_some_and(Rule::names_a_command) => decision,
            Some(_) => decision.and(Decision::Ask),
        }
    }

    /// Which rule of safety stands against it, if one does.
    pub fn breach(&self, request: &Request) -> Option<Breach> {
        let tops: Vec<&str> = request.worktree.as_deref().into_iter().collect();
        let at = At { dir: request.work_dir.as_deref(), tops: &tops, is_worker: true, ..At::default() };
        self.safety.judge(request.line.as_ref()?, &at)
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Rule {
    fn read(item: &Item) -> Result<Rule> {
        let Value::Table(fields) = &item.value else {
            let error = item.spot.error(format!("a rule is {}, wanted a table", item.value));
            return Err(error.hint("write `{ allow = \"Bash\", command = \"cargo test\" }`"));
        };
        fields.only("a rule", &["allow", "deny", "ask", "command", "path", "say"])?;
        let decisions: Vec<&str> =
            fields.keys().map(|(key, _)| key).filter(|key| ["allow", "deny", "ask"].contains(key)).collect();
        let [word] = decisions[..] else {
            let error = fields.spot.error(format!("a rule says {} of `allow`, `deny` and `ask`", decisions.len()));
            return Err(error.hint("give one of them, with the tool it is for"));
        };
        let Some(tool) = fields.word(word)? else {
            return Err(fields.spot.error(format!("`{word}` names no tool")));
        };
        let subject = Rule::subject(fields, &tool)?;
        let say = fields.text("say")?;
        if let (Some(_), Some(spot)) = (say.as_ref().filter(|_| word != "deny"), fields.spot_of("say")) {
            return Err(spot
                .error("`say` is told to a worker that is denied something")
                .hint("take it out, or write `deny`"));
        }
        let decision = match word {
            "allow" => Decision::Allow,
            "ask" => Decision::Ask,
            _ => Decision::Deny(say.unwrap_or_else(|| denial(&tool, subject.as_ref()))),
        };
        Ok(Rule { decision, tool, subject })
    }

    fn subject(fields: &Fields, tool: &str) -> Result<Option<Pattern>> {
        let is_for = |name: &str| glob::name_matches(tool, name);
        let (command, path) = (pattern(fields, "command")?, pattern(fields, "path")?);
        let of_key = |key: &str, what: &str| {
            let spot = fields.spot_of(key).unwrap_or(&fields.spot);
            Err(spot.error(format!("`{key}` in a rule for `{tool}`, which takes none")).hint(what))
        };
        match (command, path) {
            (Some(_), Some(_)) => {
                let error = fields.spot.error("a rule has `command` and `path`");
                Err(error.hint("write two rules: a shell command is known by its words, a file by its path"))
            }
            (Some(_), None) if !is_for(SHELL) => of_key("command", "`command` is for the tool `Bash`"),
            (None, Some(_)) if !OF_FILES.iter().any(|(name, _)| is_for(name)) => {
                let names: Vec<String> = OF_FILES.iter().map(|(name, _)| format!("`{name}`")).collect();
                of_key("path", &format!("`path` is for the tools {}", names.join(", ")))
            }
            (Some(command), None) => Ok(Some(Pattern::Command(command))),
            (None, Some(path)) => Ok(Some(Pattern::Path(path))),
            (None, None) => Ok(None),
        }
    }

    /// And not just any of them.
    fn names_a_command(&self) -> bool {
        matches!(&self.subject, Some(Pattern::Command(command)) if !command.starts_with(['*', '?']))
    }

    fn fits(&self, request: &Request) -> bool {
        if !glob::name_matches(&self.tool, &request.tool) {
            return false;
        }
        let is_allowed = self.decision == Decision::Allow;
        match (&self.subject, &request.subject) {
            (None, subject) => !is_allowed || !is_protected(&request.tool, subject),
            (Some(Pattern::Command(wanted)), Subject::Command { text, is_plain }) => match is_allowed {
                true => *is_plain && allows(wanted, text),
                false => concerns(wanted, text),
            },
            (Some(Pattern::Path(wanted)), Subject::File(file)) => {
                covers(wanted, file)
                    && (!is_allowed || wanted == file || !is_protected(&request.tool, &request.subject))
            }
            (Some(_), _) => false,
        }
    }
}

fn denial(tool: &str, subject: Option<&Pattern>) -> String {
    let what = match subject {
        Some(Pattern::Command(command)) => format!("`{command}`"),
        Some(Pattern::Path(path)) => format!("`{tool}` on `{path}`"),
        None => format!("`{tool}`"),
    };
    format!("The rules of this team deny {what}. Do without it, or ask with `ask_human`; do not look for a way around.")
}

fn pattern(fields: &Fields, key: &str) -> Result<Option<String>> {
    fields.read(key, "a text of one line that is not empty", line)
}

/// May that command run? It is just the one that the rule names, or one of those that begin with its words, or that its
/// pattern covers, with nothing in it by which a shell would do something else besides.
fn allows(wanted: &str, command: &str) -> bool {
    if wanted == command {
        return true;
    }
    let stray = |c: char| c.is_control() || OF_THE_SHELL.contains(&c);
    !command.contains(stray) && glob::command_matches(wanted, command) && !has_git_do_more(wanted, command)
}

/// Whoever allows `git log` means what it shows. A rule may name such an option itself.
fn has_git_do_more(wanted: &str, command: &str) -> bool {
    let bare: String = command.chars().filter(|c| !matches!(c, '\'' | '"')).collect();
    let does_more = |word: &str| OF_GIT.iter().any(|option| word.starts_with(option) && !wanted.contains(option));
    bare.starts_with("git ") && bare.split_whitespace().any(does_more)
}

/// Is any part of the command what the rule names, however it is written? Whoever hides it will not be found.
fn concerns(wanted: &str, command: &str) -> bool {
    let bare: String = command.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    let whole = words(&bare);
    let between = |c: char| matches!(c, ';' | '&' | '|' | '\n' | '\r' | '(' | ')' | '{' | '}' | '`' | '!');
    glob::command_matches(wanted, command)
        || glob::command_matches(wanted, &whole)
        || bare.split(between).any(|part| glob::command_matches(wanted, &without_prefix(&words(part))))
}

/// One space between words.
fn words(command: &str) -> String {
    command.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without what may stand before a command: variables that are set for it, words of the shell, programs that run it.
fn without_prefix(command: &str) -> String {
    let is_variable = |word: &str| {
        let name = word.split_once('=').map_or("", |(name, _)| name);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_prefix = |word: &&str| PREFIXES.contains(word) || is_variable(word);
    command.split(' ').skip_while(is_prefix).collect::<Vec<_>>().join(" ")
}

/// A pattern for files of the worktree covers none outside of it, and the other way round.
fn covers(wanted: &str, file: &str) -> bool {
    wanted.starts_with('/') == file.starts_with('/') && glob::covers(wanted, file)
}

fn is_protected(tool: &str, subject: &Subject) -> bool {
    let Subject::File(file) = subject else { return false };
    !READING.contains(&tool) && is_protected_path(file)
}

/// Does it lie in what decides about workers, or is it that itself?
pub fn is_protected_path(path: &str) -> bool {
    path.split('/').any(|name| PROTECTED.contains(&name.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fields::Spot;
    use serde_json::json;

    /// `allow Bash command=git status`, as many as there are lines.
    fn policy(rules: &str) -> Policy {
        let spot = Spot::new("orch.toml", 1);
        let rule = |text: &str| {
            let mut fields = Fields::new(spot.clone());
            let mut insert =
                |key: &str, value: &str| fields.insert(key, Value::Text(value.to_owned()), spot.clone()).unwrap();
            let (head, rest) = text.split_once(" | ").map_or((text, None), |(head, rest)| (head, Some(rest)));
            let (decision, tool) = head.split_once(' ').unwrap();
            insert(decision, tool);
            for pair in rest.into_iter().flat_map(|rest| rest.split(" | ")) {
                let (key, value) = pair.split_once('=').unwrap();
                insert(key, value);
            }
            Item { value: Value::Table(fields), spot: spot.clone() }
        };
        let mut fields = Fields::new(spot.clone());
        let rules = rules.lines().map(|line| rule(line.trim())).collect();
        fields.insert("rules", Value::List(rules), spot.clone()).unwrap();
        Policy::read(&fields).unwrap()
    }

    fn request(tool: &str, input: Json) -> Request {
        Request::of(tool, input.as_object().unwrap(), Some("/repo/src"), Some("/repo"))
    }

    /// With nothing else that stands against it.
    fn shell(rules: &str, command: &str) -> &'static str {
        let spot = Spot::new("orch.toml", 1);
        let mut free = Fields::new(spot.clone());
        for key in ["push", "destructive"] {
            free.insert(key, Value::Text("allow".to_owned()), spot.clone()).unwrap();
        }
        let policy = policy(rules).with_safety(Safety::read(&free).unwrap());
        word(policy.decide(&request("Bash", json!({ "command": command }))))
    }

    fn guarded(rules: &str, command: &str) -> &'static str {
        word(policy(rules).decide(&request("Bash", json!({ "command": command }))))
    }

    fn file(rules: &str, tool: &str, path: &str) -> &'static str {
        word(policy(rules).decide(&request(tool, json!({ "file_path": path }))))
    }

    fn word(decision: Decision) -> &'static str {
        match decision {
            Decision::Allow => "allow",
            Decision::Deny(_) => "deny",
            Decision::Ask => "ask",
        }
    }

    #[test]
    fn what_git_shows_is_allowed_and_not_what_it_does_besides() {
        assert!(allows("git log", "git log --oneline -n 5 main..HEAD"));
        assert!(allows("git log", "git log -p --stat -- src/a.rs"));
        for more in [
            "git log --output=.git/hooks/post-checkout",
            "git log --outpu a",
            "git log '--output=x'",
            "git log --o\"utput\"=x",
            "git log --ext-diff",
        ] {
            assert!(!allows("git log", more), "{more}");
        }
        assert!(!allows("git grep", "git grep -Osh a") && !allows("git *", "git grep --open-files-in-pager=sh a"));
        assert!(allows("git diff --output=a.patch", "git diff --output=a.patch main"), "it is named");
        assert!(allows("cargo", "cargo doc --output-format json"));
    }

    #[test]
    fn a_command_that_does_more_than_its_first_words_is_not_allowed_by_them() {
        for command in [
            "git status; rm -rf /",
            "git status;rm -rf /",
            "git status & rm -rf /",
            "git status && rm -rf /",
            "git status || rm -rf /",
            "git status | sh",
            "git status `rm -rf /`",
            "git status $(rm -rf /)",
            "git status \"$(rm -rf /)\"",
            "git status ${IFS}x",
            "git status $HOME",
            "git status > /etc/passwd",
            "git status >> x",
            "git status < x",
            "git status <(rm x)",
            "git status\nrm -rf /",
            "git status\r\nrm -rf /",
            "git status \\\nrm",
            "git status\tx",
            "git status {a,b}",
            "git status !x",
            "git status \0",
            "git status \u{1b}[2J",
            "git statusx",
            "git  status",
            " git status",
            "\ngit status",
            "git\u{a0}status",
            "x git status",
            "FOO=1 git status",
            "./git status",
            "git",
            "",
        ] {
            assert_eq!(shell("allow Bash | command=git status", command), "ask", "{command:?}");
        }
        for command in ["git *", "*", "git status*"] {
            let rule = format!("allow Bash | command={command}");
            for more in
                ["git status; rm -rf /", "git status && rm", "git status $(x)", "git status\nrm", "git status > x"]
            {
                assert_eq!(shell(&rule, more), "ask", "{command} {more:?}");
            }
        }
    }

    #[test]
    fn a_command_is_allowed_by_its_first_words_by_a_pattern_or_word_for_word() {
        for (rule, command, wanted) in [
            ("git status", "git status", "allow"),
            ("git status", "git status -s 'a b'", "allow"),
            ("cargo *", "cargo test --locked", "allow"),
            ("cargo *", "cargo", "ask"),
            ("cargo t?st", "cargo test", "allow"),
            ("cargo t?st", "cargo test x", "ask"),
            ("npm run lint && npm test", "npm run lint && npm test", "allow"),
            ("npm run lint && npm test", "npm run lint && npm test x", "ask"),
            ("npm run lint && npm test", "npm run lint && npm test; x", "ask"),
        ] {
            assert_eq!(shell(&format!("allow Bash | command={rule}"), command), wanted, "{rule} {command}");
        }
    }

    #[test]
    fn an_input_that_says_more_than_is_known_is_not_allowed_by_its_command() {
        let rules = policy("allow Bash | command=ls");
        let decide = |input| word(rules.decide(&request("Bash", input)));
        assert_eq!(
            decide(json!({ "command": "ls", "description": "d", "timeout": 5, "run_in_background": true })),
            "allow"
        );
        assert_eq!(decide(json!({ "command": "ls", "dangerouslyDisableSandbox": true })), "ask");
        assert_eq!(decide(json!({ "command": ["ls"] })), "ask");
        assert_eq!(decide(json!({})), "ask");
    }

    #[test]
    fn what_is_denied_is_found_in_every_part_of_a_command() {
        for command in [
            "git push",
            "git push --all origin main",
            "cd x && git push",
            "cd x; git push",
            "true || git push &",
            "(git push)",
            "{ git push; }",
            "echo `git push`",
            "echo $(git push)",
            "a\ngit push",
            "git   push",
            "git\tpush",
            "\"git\" push",
            "g\\it pu''sh",
            "GIT_DIR=/x A=1 git push",
            "! git push",
            "if true; then git push; fi",
            "while true; do sudo env A=1 git push; done",
            "eval 'git push'",
        ] {
            for decision in ["deny", "ask"] {
                let rules = format!("{decision} Bash | command=git push\nallow Bash");
                assert_eq!(shell(&rules, command), decision, "{command:?}");
            }
        }
        for command in ["git pushx", "echo git push", "git status", "git stash push"] {
            assert_eq!(shell("deny Bash | command=git push\nallow Bash", command), "allow", "{command}");
        }
        assert_eq!(shell("deny Bash | command=*git push*\nallow Bash", "sh -c 'git push'"), "deny");
    }

    #[test]
    fn a_file_is_known_by_its_true_place() {
        for (rule, path, wanted) in [
            ("src/**", "/repo/src/a.rs", "allow"),
            ("src/**", "a.rs", "allow"),
            ("src/**", "deep/../../src/a.rs", "allow"),
            ("src/**", "../secret", "ask"),
            ("src/**", "/repo/src/../secret", "ask"),
            ("src/**", "/repo/srcs/a", "ask"),
            ("src/**", "/src/a.rs", "ask"),
            ("src/**", "/etc/passwd", "ask"),
            ("src/**", " /etc/passwd", "ask"),
            ("src/**", "~/.ssh/id", "ask"),
            ("src/**", "a\n", "ask"),
            ("**", "/etc/passwd", "ask"),
            ("**", "../../etc/passwd", "ask"),
            ("**", "/repository/a", "ask"),
            ("/etc/**", "etc/passwd", "ask"),
            ("/tmp/**", "/tmp/x", "allow"),
            ("/tmp/**", "/tmp/../etc/passwd", "ask"),
        ] {
            assert_eq!(file(&format!("allow Edit | path={rule}"), "Edit", path), wanted, "{rule} {path}");
        }
    }

    #[test]
    fn nobody_may_write_to_what_decides_about_them_by_a_pattern() {
        for path in [
            ".git/hooks/pre-commit",
            "/repo/.git/config",
            "/repo/.GIT/config",
            "../orch.toml",
            "../.orch/roles/x.md",
            "../.Claude/settings.json",
            "../.mcp.json",
            "deep/.git/config",
        ] {
            for rules in ["allow Write | path=**", "allow *", "allow Write"] {
                assert_eq!(file(rules, "Write", path), "ask", "{rules} {path}");
            }
            assert_eq!(file("deny Write | path=**\nallow *", "Write", path), "deny", "{path}");
            assert_eq!(file("allow *", "Read", path), "allow", "{path}");
        }
        assert_eq!(
            file("allow Write | path=orch.toml", "Write", "/repo/orch.toml"),
            "allow",
            "just that one, by its name"
        );
        assert_eq!(file("allow Write | path=**", "Write", "/repo/src/.gitignore"), "allow");
    }

    #[test]
    fn a_search_is_known_by_where_it_begins() {
        let decide = |rules: &str, tool, input| word(policy(rules).decide(&request(tool, input)));
        assert_eq!(decide("allow Grep | path=src/**", "Grep", json!({ "pattern": "x" })), "allow", "where it works");
        assert_eq!(decide("allow Grep | path=src/**", "Grep", json!({ "pattern": "x", "path": ".." })), "ask");
        assert_eq!(decide("allow Grep | path=**", "Grep", json!({ "pattern": "x", "path": "/repo" })), "allow");
        assert_eq!(decide("allow Grep | path=**", "Grep", json!({ "pattern": "x", "path": "/" })), "ask");
        assert_eq!(decide("allow Glob | path=**", "Glob", json!({ "pattern": "**/*.rs" })), "allow");
        for pattern in ["/etc/*", " /etc/*", "../../**", "~/*"] {
            assert_eq!(decide("allow Glob | path=**", "Glob", json!({ "pattern": pattern })), "ask", "{pattern}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_none_means_ask() {
        let rules =
            "deny WebFetch | say=Stay here.\nask mcp__forge__merge\nallow mcp__forge__*\nallow Read\nallow Bas?";
        let decide = |tool| policy(rules).decide(&request(tool, json!({})));
        assert_eq!(decide("WebFetch"), Decision::Deny("Stay here.".to_owned()));
        for (tool, wanted) in [
            ("mcp__forge__merge", "ask"),
            ("mcp__forge__list", "allow"),
            ("mcp__forge", "ask"),
            ("mcp__forges__list", "ask"),
            ("Read", "allow"),
            ("read", "ask"),
            ("ReadX", "ask"),
            ("Bash", "allow"),
            ("", "ask"),
        ] {
            assert_eq!(word(decide(tool)), wanted, "{tool}");
        }
        assert_eq!(Policy::default().decide(&request("Read", json!({}))), Decision::Ask);
    }

    #[test]
    fn what_safety_stands_against_is_allowed_by_no_rule_that_did_not_mean_it() {
        for (rules, command, wanted) in [
            ("allow *", "rm -rf src", "ask"),
            ("allow Bash", "rm -rf src", "ask"),
            ("allow Bash | command=*", "rm -rf src", "ask"),
            ("allow Bash | command=rm -rf src", "rm -rf src", "allow"),
            ("deny Bash | command=rm", "rm -rf src", "deny"),
            ("allow Bash | command=git push", "git push", "deny"),
            ("allow *", "git push --force origin main", "deny"),
            ("allow *", "git status", "allow"),
        ] {
            assert_eq!(guarded(rules, command), wanted, "{rules}: {command}");
        }
        let monitor = request("Monitor", json!({ "command": "git push" }));
        assert_eq!(word(policy("allow *").decide(&monitor)), "deny", "whichever tool runs it");
    }

    #[test]
    fn whoever_is_denied_is_told_what_to_do_instead() {
        let Decision::Deny(words) =
            policy("deny Bash | command=git push").decide(&request("Bash", json!({ "command": "git push" })))
        else {
            panic!("denied")
        };
        assert!(words.contains("`git push`") && words.contains("`ask_human`"), "{words}");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_named() {
        let spot = |line| Spot::new("orch.toml", line);
        let read = |pairs: &[(&str, &str)]| {
            let mut rule = Fields::new(spot(3));
            for (key, value) in pairs {
                rule.insert(key, Value::Text((*value).to_owned()), spot(4)).unwrap();
            }
            Rule::read(&Item { value: Value::Table(rule), spot: spot(3) }).map(drop)
        };
        for (pairs, message) in [
            (&[][..], "line 3: a rule says 0 of `allow`, `deny` and `ask`"),
            (&[("allow", "Read"), ("deny", "Read")], "line 3: a rule says 2 of `allow`, `deny` and `ask`"),
            (&[("alow", "Read")], "line 4: a rule has no key `alow`"),
            (&[("allow", "")], "line 4: `allow` is the text ``, wanted one word"),
            (&[("allow", "Read"), ("command", "x")], "line 4: `command` in a rule for `Read`, which takes none"),
            (&[("allow", "Bash"), ("path", "x")], "line 4: `path` in a rule for `Bash`, which takes none"),
            (&[("allow", "*"), ("path", "x"), ("command", "x")], "line 3: a rule has `command` and `path`"),
            (
                &[("allow", "Bash"), ("command", "a\nb")],
                "line 4: `command` is the text `a\\nb`, wanted a text of one line",
            ),
            (&[("allow", "Bash"), ("say", "x")], "line 4: `say` is told to a worker that is denied something"),
        ] {
            let error = read(pairs).expect_err(message);
            assert!(error.message.starts_with(&format!("orch.toml {message}")), "{error}");
        }
        let text = Item { value: Value::Text("allow".to_owned()), spot: spot(3) };
        assert_eq!(
            Rule::read(&text).expect_err("no table").message,
            "orch.toml line 3: a rule is the text `allow`, wanted a table"
        );
    }
}
