//! Old text to new text: what is ours is brought to the wanted form or taken out, and nothing else moves.

use crate::cli::setup::edit::Document;
use crate::cli::setup::edit::Step;
use crate::cli::setup::edit::Step::At;
use crate::cli::setup::edit::Step::Key;
use crate::cli::setup::wanted;
use crate::cli::setup::wanted::Elsewhere;
use crate::cli::setup::wanted::Hook;
use crate::cli::setup::wanted::Part;
use crate::cli::setup::wanted::RULE;
use crate::cli::setup::wanted::Server;
use crate::model::json::Fault;
use crate::model::json::Node;
use crate::model::json::Shape;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

const ALLOW: [Step; 2] = [Key("permissions"), Key("allow")];
const HOOKS: [Step; 1] = [Key("hooks")];

/// One thing that is ours, before and after.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// What holds it, as one would say it: `hooks.Stop`.
    pub(super) place: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub(super) text: String,
    pub(super) changes: Vec<Change>,
    /// What was left alone, and somebody should know of.
    pub(super) notes: Vec<String>,
}

/// The text with every part in it as it is wanted.
pub(super) fn merge(text: &str, parts: &[Part]) -> Result<Merged, Fault> {
    let mut work = Work::on(text)?;
    for part in parts {
        match part {
            Part::Server(server) => work.merge_server(server)?,
            Part::Permission => work.merge_permission()?,
            Part::Hooks(hooks) => work.merge_hooks(hooks, None)?,
        }
    }
    Ok(work.done())
}

/// The text without what is ours. What of it stood in `original` already, comes back; and what holds nothing more goes,
/// unless it stood there.
pub(super) fn strip(text: &str, parts: &[Part], original: Option<&str>) -> Result<Merged, Fault> {
    let original = original.and_then(|original| Document::parse(original).ok());
    let mut work = Work::on(text)?;
    for part in parts {
        match part {
            Part::Server(server) => work.strip_server(server, original.as_ref())?,
            Part::Permission => work.strip_permission(original.as_ref())?,
            Part::Hooks(_) => work.merge_hooks(&[], original.as_ref())?,
        }
    }
    Ok(work.done())
}

/// What an earlier setup wrote that could be asked for again: arguments of the server and of the hook that begins.
pub(super) fn said(text: &str, parts: &[Part]) -> Said {
    let mut said = Said::default();
    let Ok(document) = Document::parse(text) else { return said };
    for part in parts {
        match part {
            Part::Server(server) => {
                let entry = document.find(&keys(&server.path)).and_then(|node| document.value(node));
                let entry = entry.unwrap_or_default();
                let words: Vec<String> = entry["args"].as_array().into_iter().flatten().filter_map(text_of).collect();
                said.state_dir = wanted::flag_of(&words, "--state-dir").or(text_of(&entry["env"]["ORCH_STATE_DIR"]));
                said.elsewhere = Elsewhere::of_server(&entry);
                said.name = text_of(&entry["env"]["ORCH_INSTANCE"]);
                said.role = text_of(&entry["env"]["ORCH_ROLE"]);
            }
            Part::Permission => {}
            Part::Hooks(_) => {
                let handlers = found_hooks(&document).into_iter().map(|found| found.handler);
                let begins = |handler: &Value| wanted::word_of(handler).as_deref() == Some("session-start");
                if let Some(words) = handlers.filter(begins).find_map(|handler| wanted::call(&handler)) {
                    said.name = wanted::flag_of(&words, "--name");
                    said.role = wanted::flag_of(&words, "--role");
                }
            }
        }
    }
    said
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) state_dir: Option<String>,
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) name: Option<String>,
    pub(super) role: Option<String>,
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn keys(path: &[String]) -> Vec<Step<'_>> {
    path.iter().map(|key| Key(key)).collect()
}

/// A handler of ours, and where it stands.
struct Found {
    event: String,
    group: usize,
    index: usize,
    matcher: Option<String>,
    handler: Value,
}

impl Found {
    fn path(&self) -> [Step<'_>; 5] {
        [Key("hooks"), Key(&self.event), At(self.group), Key("hooks"), At(self.index)]
    }

    fn is_for(&self, hook: &Hook) -> bool {
        let matcher = self.matcher.as_deref().filter(|matcher| !matches!(*matcher, "" | "*"));
        self.event == hook.event
            && matcher == hook.matcher
            && wanted::word_of(&self.handler) == wanted::word_of(&hook.handler)
    }

    fn shown(&self) -> Value {
        group(self.matcher.as_deref(), &self.handler)
    }
}

fn group(matcher: Option<&str>, handler: &Value) -> Value {
    let mut group = Map::new();
    if let Some(matcher) = matcher {
        group.insert("matcher".to_owned(), json!(matcher));
    }
    group.insert("hooks".to_owned(), json!([handler]));
    Value::Object(group)
}

/// Every handler in the file, in its order.
fn handlers(document: &Document) -> impl Iterator<Item = Found> + '_ {
    let events = document.find(&HOOKS).map(Node::members).unwrap_or_default();
    events.iter().flat_map(move |event| {
        event.value.elements().iter().enumerate().flat_map(move |(group, node)| {
            let handlers = node.member("hooks").map(Node::elements).unwrap_or_default();
            handlers.iter().enumerate().filter_map(move |(index, handler)| {
                Some(Found {
                    event: event.key.clone(),
                    group,
                    index,
                    matcher: node.member("matcher").and_then(Node::text).map(str::to_owned),
                    handler: document.value(handler)?,
                })
            })
        })
    })
}

fn found_hooks(document: &Document) -> Vec<Found> {
    handlers(document).filter(|found| wanted::call(&found.handler).is_some()).collect()
}

struct Work {
    document: Document,
    changes: Vec<Change>,
    notes: Vec<String>,
}

impl Work {
    fn on(text: &str) -> Result<Work, Fault> {
        let document = Document::parse(text)?;
        must_be("the file", document.root(), true)?;
        Ok(Work { document, changes: Vec::new(), notes: Vec::new() })
    }

    fn done(self) -> Merged {
        Merged { text: self.document.text().to_owned(), changes: self.changes, notes: self.notes }
    }

    fn told(&mut self, place: impl Into<String>, before: Option<Value>, after: Option<Value>) {
        self.changes.push(Change { place: place.into(), before, after });
    }

    fn value_at(&self, path: &[Step]) -> Option<Value> {
        self.document.find(path).and_then(|node| self.document.value(node))
    }

    /// Everything on the way, as far as it is there, must be an object.
    fn must_lead(&self, path: &[Step]) -> Result<(), Fault> {
        for length in 1..=path.len() {
            let Some(node) = self.document.find(&path[..length]) else { return Ok(()) };
            must_be(&named(&path[..length]), node, true)?;
        }
        Ok(())
    }

    fn merge_server(&mut self, server: &Server) -> Result<(), Fault> {
        let path = keys(&server.path);
        let (_, above) = path.split_last().unwrap_or((&At(0), &[]));
        self.must_lead(above)?;
        let found = self.document.find(&path);
        let before = self.value_at(&path);
        let is_there = found.is_some();
        // One that is elsewhere, or that says nothing we could keep, is written anew.
        let is_kept = found.is_some_and(|node| {
            let text = |key| node.member(key).and_then(Node::text);
            node.is_object() && text("type").is_none_or(|kind| kind == "stdio") && node.member("url").is_none()
        });
        if is_kept {
            self.complete_server(&path, server)?;
        } else {
            self.document.set(&path, &whole(server))?;
        }
        let after = self.value_at(&path);
        if before != after || !is_there {
            let member = |value: Option<Value>| value.map(|value| json!({ wanted::SERVER: value }));
            self.told(named(above), member(before), member(after));
        }
        Ok(())
    }

    fn complete_server(&mut self, path: &[Step], server: &Server) -> Result<(), Fault> {
        let with = |key| [path, &[Key(key)]].concat();
        for (key, value) in &server.fields {
            let field = with(key);
            if self.value_at(&field).as_ref() != Some(value) {
                self.document.set(&field, value)?;
            }
        }
        let env = with("env");
        if !self.document.find(&env).is_some_and(Node::is_object) {
            self.document.set(&env, &json!({}))?;
        }
        for (name, value) in &server.env {
            let variable = [&env[..], &[Key(name)]].concat();
            match value {
                Some(value) if self.value_at(&variable) != Some(json!(value)) => {
                    self.document.set(&variable, &json!(value))?;
                }
                Some(_) => {}
                None => self.document.remove(&variable)?,
            }
        }
        Ok(())
    }

    fn strip_server(&mut self, server: &Server, original: Option<&Document>) -> Result<(), Fault> {
        let path = keys(&server.path);
        let (_, above) = path.split_last().unwrap_or((&At(0), &[]));
        self.must_lead(above)?;
        let Some(before) = self.document.find(&path).map(|node| self.document.value(node)) else { return Ok(()) };
        match original.and_then(|original| Some(original.raw(original.find(&path)?).to_owned())) {
            Some(raw) => self.document.set_raw(&path, &raw)?,
            None => {
                self.document.remove(&path)?;
                for length in (1..path.len()).rev() {
                    self.prune(&path[..length], original)?;
                }
            }
        }
        let after = self.value_at(&path);
        if before != after {
            let member = |value: Option<Value>| value.map(|value| json!({ wanted::SERVER: value }));
            self.told(named(above), member(before), member(after));
        }
        Ok(())
    }

    fn rules(&self) -> Result<Vec<usize>, Fault> {
        self.must_lead(&ALLOW[..1])?;
        let Some(allow) = self.document.find(&ALLOW) else { return Ok(Vec::new()) };
        must_be(&named(&ALLOW), allow, false)?;
        let ours = |(index, rule): (usize, &Node)| (rule.text() == Some(RULE)).then_some(index);
        Ok(allow.elements().iter().enumerate().filter_map(ours).collect())
    }

    fn merge_permission(&mut self) -> Result<(), Fault> {
        let rules = self.rules()?;
        for index in rules.iter().skip(1).rev() {
            self.document.remove(&[&ALLOW[..], &[At(*index)]].concat())?;
            self.told(named(&ALLOW), Some(json!(RULE)), None);
        }
        if rules.is_empty() {
            self.document.push(&ALLOW, &json!(RULE))?;
            self.told(named(&ALLOW), None, Some(json!(RULE)));
        }
        let denied = [Key("permissions"), Key("deny")];
        let is_ours = |rule: &Node| rule.text().is_some_and(|rule| rule == RULE || rule.starts_with("mcp__orch-mcp__"));
        if self.document.find(&denied).is_some_and(|rules| rules.elements().iter().any(is_ours)) {
            self.notes.push("`permissions.deny` names tools of orch-mcp, and goes over what is allowed".to_owned());
        }
        Ok(())
    }

    fn strip_permission(&mut self, original: Option<&Document>) -> Result<(), Fault> {
        let rules = self.rules()?;
        let is_rule = |rule: &&Node| rule.text() == Some(RULE);
        let stood = original.and_then(|original| original.find(&ALLOW));
        let stood = stood.map_or(0, |rules| rules.elements().iter().filter(is_rule).count());
        let is_there = !rules.is_empty();
        for index in rules.iter().skip(stood).rev() {
            self.document.remove(&[&ALLOW[..], &[At(*index)]].concat())?;
            self.told(named(&ALLOW), Some(json!(RULE)), None);
        }
        if is_there {
            self.prune(&ALLOW, original)?;
            self.prune(&ALLOW[..1], original)?;
        }
        Ok(())
    }

    fn merge_hooks(&mut self, hooks: &[Hook], original: Option<&Document>) -> Result<(), Fault> {
        self.must_lead(&HOOKS)?;
        for hook in hooks {
            if let Some(event) = self.document.find(&[Key("hooks"), Key(hook.event)]) {
                must_be(&format!("hooks.{}", hook.event), event, false)?;
            }
        }
        let mut missing: Vec<&Hook> = hooks.iter().collect();
        let mut steps = Vec::new();
        for found in found_hooks(&self.document) {
            let place = missing.iter().position(|hook| found.is_for(hook));
            steps.push((found, place.map(|place| missing.remove(place))));
        }
        let touched = !steps.is_empty();
        // From the last, so that what stands before keeps its place.
        let told = self.changes.len();
        for (found, hook) in steps.iter().rev() {
            self.settle(found, *hook)?;
        }
        self.changes[told..].reverse();
        for hook in missing {
            let event = [Key("hooks"), Key(hook.event)];
            let new = group(hook.matcher, &hook.handler);
            self.document.push(&event, &new)?;
            self.told(named(&event), None, Some(new));
        }
        if touched {
            for (found, _) in &steps {
                self.prune(&[Key("hooks"), Key(&found.event)], original)?;
            }
            self.prune(&HOOKS, original)?;
        }
        let disabled = self.document.find(&[Key("disableAllHooks")]);
        if !hooks.is_empty() && disabled.is_some_and(|node| self.document.raw(node) == "true") {
            self.notes.push("`disableAllHooks` is set: no hook is called, and sessions register themselves".to_owned());
        }
        if handlers(&self.document).any(|found| wanted::calls_among_other_things(&found.handler)) {
            self.notes.push("a hook calls `orch-mcp hook` among other things; it is left as it is".to_owned());
        }
        Ok(())
    }

    /// Brings one handler that is ours to the wanted form, or takes it out where it is not wanted.
    fn settle(&mut self, found: &Found, hook: Option<&Hook>) -> Result<(), Fault> {
        let path = found.path();
        match hook {
            Some(hook) if hook.handler == found.handler => return Ok(()),
            Some(hook) => {
                self.document.set(&path, &hook.handler)?;
                let after = group(found.matcher.as_deref(), &hook.handler);
                self.told(named(&path[..2]), Some(found.shown()), Some(after));
            }
            None => {
                self.document.remove(&path)?;
                self.told(named(&path[..2]), Some(found.shown()), None);
                let group = self.document.find(&path[..3]);
                let is_empty = group.is_some_and(|group| {
                    let known = |key: &str| matches!(key, "hooks" | "matcher");
                    group.members().iter().all(|member| known(&member.key))
                        && group.member("hooks").is_some_and(|hooks| hooks.elements().is_empty())
                });
                if is_empty {
                    self.document.remove(&path[..3])?;
                }
            }
        }
        Ok(())
    }

    /// Takes out what holds nothing more, unless it stood there before us.
    fn prune(&mut self, path: &[Step], original: Option<&Document>) -> Result<(), Fault> {
        let is_empty = self.document.find(path).is_some_and(|node| match &node.shape {
            Shape::Object(members) => members.is_empty(),
            Shape::Array(elements) => elements.is_empty(),
            Shape::Text(_) | Shape::Bare => false,
        });
        if is_empty && original.is_none_or(|original| original.find(path).is_none()) {
            self.document.remove(path)?;
        }
        Ok(())
    }
}

/// An entry that is not there yet.
fn whole(server: &Server) -> Value {
    let mut entry: Map<String, Value> =
        server.fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let set = |(name, value): &(&str, Option<String>)| Some(((*name).to_owned(), json!(value.as_ref()?)));
    entry.insert("env".to_owned(), server.env.iter().filter_map(set).collect::<Map<_, _>>().into());
    Value::Object(entry)
}

fn must_be(name: &str, node: &Node, object: bool) -> Result<(), Fault> {
    let (fits, wanted) = match object {
        true => (node.is_object(), "an object"),
        false => (matches!(node.shape, Shape::Array(_)), "a list"),
    };
    if fits { Ok(()) } else { Err(Fault::new(node.start, format!("{name} is {}, wanted {wanted}", node.kind()))) }
}

/// A path as one would write it: `projects["/work"].mcpServers`.
fn named(path: &[Step]) -> String {
    let mut name = String::new();
    for step in path {
        match step {
            Key(key) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(key);
            }
            Key(key) => name.push_str(&format!("[{}]", Value::from(*key))),
            At(index) => name.push_str(&format!("[{index}]")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::setup::wanted::Calling;

    fn calling() -> Calling {
        Calling { program: "/opt/orch-mcp".to_owned(), ..Calling::default() }
    }

    fn settings() -> Vec<Part> {
        vec![Part::Permission, calling().hooks(true)]
    }

    fn server() -> Vec<Part> {
        vec![calling().server(&["projects", "/a \"b\"", "mcpServers"])]
    }

    #[track_caller]
    fn merged(text: &str, parts: &[Part]) -> String {
        let done = merge(text, parts).unwrap_or_else(|fault| panic!("{fault:?}"));
        let again = merge(&done.text, parts).expect("JSON");
        assert!(again.changes.is_empty() && again.text == done.text, "a second time changes nothing: {}", again.text);
        done.text
    }

    #[track_caller]
    fn stripped(text: &str, parts: &[Part], original: Option<&str>) -> String {
        strip(text, parts, original).unwrap_or_else(|fault| panic!("{fault:?}")).text
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    /// Handlers of ours, each with its event.
    fn ours(text: &str) -> Vec<(String, Value)> {
        let document = Document::parse(text).expect("JSON");
        found_hooks(&document).into_iter().map(|found| (found.event, found.handler)).collect()
    }

    const RICH: &str = r#"{
    "model" : "opus",
    "n": [1e400, 12345678901234567890123, 2.50],
    "e": "\u00e9\/\ud800",
    "permissions": { "deny": ["Bash(rm:*)"], "allow": ["Bash(ls:*)"] },
    "hooks": {
        "Stop": [ { "hooks": [ { "type": "command", "command": "say done" } ], "extra": true } ],
        "PreToolUse": [
            {
                "matcher": "Bash|Edit|Monitor|NotebookEdit|PowerShell|Write",
                "hooks": [
                    { "type": "command", "command": "lint", "timeout": 1.0 }
                ]
            }
        ],
        "Unknown": "whatever"
    },
    "unknown": { }
}
"#;

    #[test]
    fn what_is_put_into_a_rich_file_and_taken_out_again_leaves_it_as_it_was() {
        for text in [RICH.to_owned(), RICH.replace('\n', "\r\n"), RICH.replace("    ", "\t")] {
            let with = merged(&text, &settings());
            assert_eq!(stripped(&with, &settings(), None), text);
            assert_eq!(ours(&with).len(), 13);
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let kept = line.trim_end().trim_end_matches(['}', ']', ' ', ',']);
                assert!(with.contains(kept), "{kept}");
            }
            let with = merged(&text, &server());
            assert_eq!(stripped(&with, &server(), None), text);
        }
    }

    #[test]
    fn what_was_empty_before_stays_so() {
        let text = "{\n  \"permissions\": {\n    \"allow\": []\n  },\n  \"hooks\": {\n    \"Stop\": []\n  }\n}";
        assert_eq!(stripped(&merged(text, &settings()), &settings(), Some(text)), text);
        let text = "{\n  \"projects\": {\n    \"/a \\\"b\\\"\": {\n      \"mcpServers\": {}\n    }\n  }\n}";
        assert_eq!(stripped(&merged(text, &server()), &server(), Some(text)), text);
        assert_eq!(stripped(&merged("{}\n", &settings()), &settings(), None), "{}\n");
    }

    #[test]
    fn hooks_of_ours_in_a_wrong_form_are_brought_to_the_right_one() {
        let right = merged("{}", &settings());
        let all = ours(&right);
        let stop = r#"{"type":"command","command":"/opt/orch-mcp","args":["hook","stop"],"timeout":5}"#;
        let old = |handlers: &str| {
            format!(
                r#"{{"hooks":{{"Stop":[{{"hooks":[{handlers}]}}],"PostToolUse":[{{"hooks":[{{"command":"orch-mcp hook gone"}}]}}]}}}}"#
            )
        };
        for handlers in [
            stop.to_owned(),
            format!("{stop},{stop}"),
            stop.replace("/opt", "/old/bin"),
            stop.replace('5', "60"),
            r#"{"type":"command","command":"/x/orch-mcp hook stop"}"#.to_owned(),
            stop.replace("stop", "no-such-event"),
        ] {
            let found = merged(&old(&handlers), &settings());
            let mut now = ours(&found);
            now.sort_by_key(|(event, handler)| format!("{event} {handler}"));
            let mut wanted = all.clone();
            wanted.sort_by_key(|(event, handler)| format!("{event} {handler}"));
            assert_eq!(now, wanted, "{handlers}");
            assert!(value(&found)["hooks"].get("PostToolUse").is_none(), "what is empty now is gone");
        }
    }

    #[test]
    fn others_in_a_group_of_ours_stay_and_so_do_longer_commands() {
        let text = r#"{"hooks": {"Stop": [{"matcher": "*", "hooks": [
            {"command": "a"}, {"command": "/old/orch-mcp", "args": ["hook", "stop"]}, {"command": "b"},
            {"command": "orch-mcp hook stop; date"}]}]}, "disableAllHooks": true}"#;
        let done = merge(text, &settings()).expect("JSON");
        let handlers = &value(&done.text)["hooks"]["Stop"][0]["hooks"];
        let commands: Vec<_> = handlers.as_array().into_iter().flatten().map(|one| one["command"].clone()).collect();
        assert_eq!(commands, ["a", "/opt/orch-mcp", "b", "orch-mcp hook stop; date"]);
        assert_eq!(done.notes.len(), 2);
        let none = merged(&done.text, &[Part::Permission, Part::Hooks(Vec::new())]);
        assert_eq!(value(&none)["hooks"]["Stop"][0]["hooks"].as_array().map(Vec::len), Some(3));
        assert_eq!(value(&none)["hooks"].as_object().map(Map::len), Some(1));
    }

    #[test]
    fn a_hook_under_a_wrong_matcher_moves() {
        let text = r#"{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"command":"/opt/orch-mcp","args":["hook","pre-tool-use"]}]}]}}"#;
        let groups = value(&merged(text, &settings()))["hooks"]["PreToolUse"].take();
        assert_eq!(groups.as_array().map(Vec::len), Some(1));
        assert_eq!(groups[0]["matcher"], "Bash|Edit|Monitor|NotebookEdit|PowerShell|Write");
    }

    #[test]
    fn a_server_keeps_what_its_owner_said_and_loses_what_is_old() {
        let parts = vec![calling().server(&["mcpServers"])];
        let text = r#"{"mcpServers":{"orch-mcp":{"alwaysLoad":true,"command":"/old","args":["x"],"env":{"ORCH_LOG":"debug"}},"z":{}}}"#;
        assert_eq!(
            value(&merged(text, &parts))["mcpServers"]["orch-mcp"],
            json!({"alwaysLoad": true, "command": "/opt/orch-mcp", "args": ["serve", "--profile", "full"], "env": {"ORCH_LOG": "debug"}, "type": "stdio"})
        );
        for elsewhere in [r#"{"type":"http","url":"http://x"}"#, r#""orch-mcp""#, "null", r#"{"url":"x"}"#] {
            let text = format!(r#"{{"mcpServers":{{"orch-mcp":{elsewhere}}}}}"#);
            let with = merged(&text, &parts);
            assert_eq!(
                value(&with)["mcpServers"]["orch-mcp"],
                json!({"type": "stdio", "command": "/opt/orch-mcp", "args": ["serve", "--profile", "full"], "env": {}})
            );
            assert_eq!(stripped(&with, &parts, Some(&text)), text, "what stood there comes back");
        }
        let desktop = |name: Option<&str>| {
            Calling { state_dir: Some("/s".to_owned()), name: name.map(str::to_owned), ..calling() }.desktop_server()
        };
        let named = merged("{}", &[desktop(Some("amy"))]);
        assert_eq!(
            value(&named)["mcpServers"]["orch-mcp"]["env"],
            json!({"ORCH_STATE_DIR": "/s", "ORCH_INSTANCE": "amy"})
        );
        let unnamed = merged(&named, &[desktop(None)]);
        assert_eq!(value(&unnamed)["mcpServers"]["orch-mcp"]["env"], json!({"ORCH_STATE_DIR": "/s"}));
    }

    #[test]
    fn a_permission_stands_once() {
        let text =
            r#"{"permissions":{"allow":["mcp__orch-mcp","x","mcp__orch-mcp"],"deny":["mcp__orch-mcp__push_task"]}}"#;
        let done = merge(text, &[Part::Permission]).expect("JSON");
        assert_eq!(value(&done.text)["permissions"]["allow"], json!(["mcp__orch-mcp", "x"]));
        assert_eq!((done.changes.len(), done.notes.len()), (1, 1));
        let original = r#"{"permissions":{"allow":["mcp__orch-mcp"]}}"#;
        assert_eq!(stripped(original, &[Part::Permission], Some(original)), original, "it stood there before us");
    }

    #[test]
    fn what_is_not_of_the_shape_it_should_have_is_refused_with_its_place() {
        for (text, what) in [
            ("[]", "the file is a list, wanted an object"),
            ("{\n \"hooks\": []}", "hooks is a list, wanted an object"),
            (r#"{"hooks": {"Stop": {}}}"#, "hooks.Stop is an object, wanted a list"),
            (r#"{"permissions": "all"}"#, "permissions is a text, wanted an object"),
            (r#"{"permissions": {"allow": true}}"#, "permissions.allow is a number or a word, wanted a list"),
            (r#"{"projects": []}"#, "projects is a list, wanted an object"),
            (r#"{"projects": {"/a \"b\"": 1}}"#, r#"projects["/a \"b\""] is a number or a word, wanted an object"#),
        ] {
            let parts = [settings(), server()].concat();
            assert_eq!(merge(text, &parts).expect_err(text).what, what);
        }
        let at = merge("{\n \"hooks\": []}", &settings()).expect_err("refused").place("{\n \"hooks\": []}");
        assert_eq!(at, (2, 11));
    }

    #[test]
    fn what_was_asked_for_once_is_known_again() {
        let asked = Calling {
            state_dir: Some("/s".to_owned()),
            name: Some("amy".to_owned()),
            role: Some("lead dev".to_owned()),
            ..calling()
        };
        let known = Said {
            state_dir: Some("/s".to_owned()),
            elsewhere: None,
            name: Some("amy".to_owned()),
            role: Some("lead dev".to_owned()),
        };
        let parts = [asked.desktop_server()];
        assert_eq!(said(&merged("{}", &parts), &parts), known);
        let parts = [asked.server(&["mcpServers"]), Part::Permission, asked.hooks(true)];
        assert_eq!(said(&merged("{}", &parts), &parts), known);
        assert_eq!(said("{}", &parts), Said::default());
        assert_eq!(said("{", &parts), Said::default());
    }
}
