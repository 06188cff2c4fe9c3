//! The skills keep pace with the program: every tool, argument, command, flag, error code and file that they name exists.

use crate::support::program::PROGRAM;
use orch_mcp::error::Kind;
use orch_mcp::ops::OPERATIONS;
use orch_mcp::ops::table::find;
use serde_json::Map;
use serde_json::Value;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Of a skill that is loaded, only the beginning survives when a long talk is made shorter.
const SKILL_LINES_MAX: usize = 150;
/// All descriptions stand in every session's context.
const DESCRIPTION_CHARS_MAX: usize = 350;
/// A reference longer than this begins with a list of its contents.
const LINES_WITHOUT_CONTENTS_MAX: usize = 100;

/// What is in answers, and not in any schema.
const ANSWERED: &[&str] = &[
    "also_holding",
    "timed_out",
    "ready_for_others",
    "total_chars",
    "holder_name",
    "used_up",
    "eta_unknown",
    "held_up_by",
    "critical_path",
];
/// Names of tests and functions in worked examples.
const OF_EXAMPLES: &[&str] = &["write_rows", "rows_match"];

/// What older orchestrators had a skill or a playbook for.
const COVERED: &[&str] = &[
    "orchestrating-work/references/jobs.md",
    "orchestrating-work/references/planning.md",
    "orchestrating-work/references/new-feature.md",
    "orchestrating-work/references/bug-fix.md",
    "orchestrating-work/references/release.md",
    "orchestrating-work/references/test-suite.md",
    "orchestrating-work/references/parallel-work.md",
    "orchestrating-work/references/status-report.md",
    "working-as-a-worker/references/planning-a-task.md",
    "working-as-a-worker/references/building.md",
    "working-as-a-worker/references/verifying.md",
    "working-as-a-worker/references/traceability.md",
    "reviewing-results/references/code-review.md",
    "reviewing-results/references/chain-review.md",
    "reviewing-results/references/acceptance.md",
    "asking-and-answering/references/shared-context.md",
    "troubleshooting/references/error-codes.md",
    "troubleshooting/references/wiring.md",
];

struct Page {
    path: PathBuf,
    text: String,
}

/// A fenced block: its language and its lines.
struct Block {
    language: String,
    text: String,
}

impl Page {
    fn read(path: PathBuf) -> Page {
        let text = fs::read_to_string(&path).unwrap();
        Page { path, text }
    }

    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().display().to_string()
    }

    fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The text outside of fences, line by line, and the fenced blocks.
    fn parts(&self) -> (Vec<&str>, Vec<Block>) {
        let (mut prose, mut blocks) = (Vec::new(), Vec::<Block>::new());
        let mut inside = false;
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), inside) {
                (Some(language), false) => {
                    blocks.push(Block { language: language.to_owned(), text: String::new() });
                    inside = true;
                }
                (Some(_), true) => inside = false,
                (None, true) => {
                    let block = blocks.last_mut().unwrap();
                    block.text.push_str(line.trim_start());
                    block.text.push('\n');
                }
                (None, false) => prose.push(line),
            }
        }
        assert!(!inside, "{}: a fence is not closed", self.name());
        (prose, blocks)
    }

    /// What stands in backticks outside of fences.
    fn quoted(&self) -> Vec<&str> {
        let (prose, _) = self.parts();
        let mut quoted = Vec::new();
        for line in prose {
            let pieces: Vec<&str> = line.split('`').collect();
            assert!(pieces.len() % 2 == 1, "{}: a quotation goes beyond its line: {line}", self.name());
            quoted.extend(pieces.into_iter().skip(1).step_by(2));
        }
        quoted
    }

    /// The commands in it: in backticks, and as lines of a shell.
    fn commands(&self) -> Vec<String> {
        let (_, blocks) = self.parts();
        let shells = blocks.iter().filter(|block| block.language == "sh").flat_map(|block| block.text.lines());
        let lines = shells.map(|line| line.split(" #").next().unwrap());
        let all = lines.chain(self.quoted());
        all.filter(|line| line.starts_with("orch-mcp ")).map(str::to_owned).collect()
    }

    /// The targets of its links.
    fn links(&self) -> Vec<&str> {
        self.text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect()
    }

    /// The calls of its worked examples: blocks of `text` hold `tool {arguments}`, one after another, and nothing else.
    fn calls(&self) -> Vec<(String, Map<String, Value>)> {
        let mut calls = Vec::new();
        let (_, blocks) = self.parts();
        for block in blocks.iter().filter(|block| block.language == "text") {
            let mut rest = block.text.trim();
            while !rest.is_empty() {
                let (tool, after) = rest.split_once(' ').unwrap_or_else(|| panic!("{}: no call: {rest}", self.name()));
                let mut values = serde_json::Deserializer::from_str(after).into_iter::<Map<String, Value>>();
                let arguments = values.next().expect("something follows the name of a tool");
                let arguments = arguments.unwrap_or_else(|error| panic!("{}: `{tool}`: {error}", self.name()));
                rest = after[values.byte_offset()..].trim();
                calls.push((tool.to_owned(), arguments));
            }
        }
        calls
    }
}

struct Skill {
    folder: PathBuf,
    page: Page,
    references: Vec<Page>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("skills")
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn skills() -> Vec<Skill> {
    let folders = listed(&root());
    assert!(!folders.is_empty());
    let skill = |folder: PathBuf| {
        let names: Vec<PathBuf> = listed(&folder);
        assert_eq!(
            names,
            [folder.join("SKILL.md"), folder.join("references")],
            "what else is there is found by nobody"
        );
        let references = listed(&folder.join("references")).into_iter().map(Page::read).collect();
        Skill { page: Page::read(folder.join("SKILL.md")), references, folder }
    };
    folders.into_iter().map(skill).collect()
}

fn pages() -> Vec<Page> {
    skills().into_iter().flat_map(|skill| std::iter::once(skill.page).chain(skill.references)).collect()
}

/// What the program prints as its help.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// All words of a schema that a skill may quote: names of arguments and values of enumerations.
pub fn words_of(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                words.extend(properties.keys().cloned());
            }
            for key in ["enum", "const"] {
                let values = fields.get(key).into_iter().flat_map(|value| match value {
                    Value::Array(values) => values.clone(),
                    value => vec![value.clone()],
                });
                words.extend(values.filter_map(|value| value.as_str().map(str::to_owned)));
            }
            fields.values().for_each(|value| words_of(value, words));
        }
        Value::Array(values) => values.iter().for_each(|value| words_of(value, words)),
        _ => {}
    }
}

pub fn is_snake_case(word: &str) -> bool {
    word.contains('_') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn a_skill_can_be_read_by_every_client() {
    for skill in skills() {
        let page = &skill.page;
        let mut parts = page.text.splitn(3, "---\n");
        assert_eq!(parts.next(), Some(""), "{}", page.name());
        let front: Vec<(&str, &str)> =
            parts.next().unwrap().lines().map(|line| line.split_once(": ").unwrap()).collect();
        let [("name", name), ("description", description)] = front.as_slice() else {
            panic!("{}: only name and description are known everywhere: {front:?}", page.name());
        };
        assert_eq!(skill.folder.file_name().unwrap(), *name);
        assert!(description.chars().count() <= DESCRIPTION_CHARS_MAX, "{name}: {}", description.chars().count());
        // It says when to take it, and when not to.
        assert!(description.contains(". Use when ") && description.contains(". Not for "), "{name}");
        // Unquoted, this would be something else to a reader of YAML.
        assert!(!description.contains(": ") && !description.contains(" #"), "{name}");
        assert!(description.starts_with(|c: char| c.is_ascii_alphabetic()), "{name}");
    }
}

#[test]
fn a_skill_is_short_and_a_long_reference_begins_with_its_contents() {
    for skill in skills() {
        assert!(skill.page.lines() <= SKILL_LINES_MAX, "{} has {} lines", skill.page.name(), skill.page.lines());
        for page in &skill.references {
            let has_contents = page.text.lines().take(5).any(|line| line == "## Contents");
            assert!(page.lines() <= LINES_WITHOUT_CONTENTS_MAX || has_contents, "{}", page.name());
        }
    }
}

#[test]
fn every_link_leads_to_a_reference_and_every_reference_is_linked() {
    for skill in skills() {
        let names = |page: &Page| page.path.file_name().unwrap().to_str().unwrap().to_owned();
        let references: BTreeSet<String> = skill.references.iter().map(names).collect();
        let linked: BTreeSet<String> = skill
            .page
            .links()
            .iter()
            .map(|link| link.strip_prefix("references/").unwrap_or_else(|| panic!("{}: {link}", skill.page.name())))
            .map(str::to_owned)
            .collect();
        assert_eq!(linked, references, "{}", skill.page.name());
        for page in &skill.references {
            for link in page.links() {
                assert!(references.contains(link), "{}: {link}", page.name());
            }
        }
    }
}

#[test]
fn nothing_that_older_orchestrators_taught_is_missing() {
    let there: BTreeSet<String> = pages().iter().map(Page::name).collect();
    for page in COVERED {
        assert!(there.contains(*page), "there is no {page}");
    }
}

#[test]
fn every_tool_that_a_skill_names_exists() {
    let mut known = BTreeSet::new();
    for entry in OPERATIONS {
        known.insert(entry.name.to_owned());
        words_of(&Value::Object(entry.input_schema().clone()), &mut known);
    }
    known.extend(ANSWERED.iter().chain(OF_EXAMPLES).map(|word| (*word).to_owned()));
    known.extend(Kind::ALL.iter().map(|kind| kind.code().to_owned()));
    let mut named = BTreeSet::new();
    for page in pages() {
        for word in page.quoted().into_iter().filter(|word| is_snake_case(word)) {
            assert!(known.contains(word), "{}: what is `{word}`?", page.name());
            named.insert(word.to_owned());
        }
    }
    // The words that are let through are needed.
    for word in ANSWERED.iter().chain(OF_EXAMPLES) {
        assert!(named.contains(*word), "no skill names `{word}`");
        assert!(find(word).is_none(), "`{word}` is there by now");
    }
}

#[test]
fn every_call_in_an_example_is_one_that_the_tool_takes() {
    let mut seen = 0;
    for page in pages() {
        for (tool, arguments) in page.calls() {
            let name = format!("{}: `{tool}`", page.name());
            seen += 1;
            let entry = find(&tool).unwrap_or_else(|| panic!("{name}: no such tool"));
            let checked = entry.request(arguments.clone());
            assert!(checked.is_ok(), "{name}: {}", checked.err().unwrap().message);
            if tool == "push_tasks" {
                check_plan(&name, arguments["tasks"].as_array().unwrap());
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Each task of a plan is one that could be pushed, and depends on one before it.
fn check_plan(name: &str, tasks: &[Value]) {
    let mut refs = Vec::new();
    for task in tasks {
        let mut task = task.as_object().unwrap().clone();
        let local = task.remove("ref");
        for dependency in task.get("depends_on").and_then(Value::as_array).into_iter().flatten() {
            assert!(refs.contains(dependency), "{name}: {dependency}");
        }
        let checked = find("push_task").unwrap().request(task);
        assert!(checked.is_ok(), "{name}: {}", checked.err().unwrap().message);
        refs.extend(local);
    }
}

#[test]
fn every_block_is_a_shell_or_calls() {
    for page in pages() {
        for block in page.parts().1 {
            assert!(["sh", "text"].contains(&block.language.as_str()), "{}: `{}`", page.name(), block.language);
        }
    }
}

#[test]
fn every_command_that_a_skill_names_exists_and_takes_its_flags() {
    let all = help(&["--help"]);
    let is_there = |command: &str| all.lines().any(|line| line.split_whitespace().next() == Some(command));
    let mut helps: HashMap<String, String> = HashMap::new();
    let mut seen = 0;
    for page in pages() {
        for line in page.commands() {
            let mut words = line.split_whitespace().skip(1);
            let mut command = words.next().unwrap();
            let flags: Vec<&str> = line.split_whitespace().filter(|word| word.starts_with("--")).collect();
            seen += 1;
            if command == "help" {
                command = words.next().unwrap();
            }
            if command.starts_with("--") {
                assert!(flags.iter().all(|flag| all.contains(flag)), "{}: {line}", page.name());
                continue;
            }
            if command == "<command>" {
                continue;
            }
            assert!(is_there(command), "{}: {line}", page.name());
            let help = helps.entry(command.to_owned()).or_insert_with(|| help(&["help", command]));
            assert!(flags.iter().all(|flag| help.contains(flag)), "{}: {line}", page.name());
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_setting_that_a_skill_names_is_read() {
    let settings = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/environment.rs")).unwrap();
    for page in pages() {
        for rest in page.text.split("ORCH_").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
            let name = format!("ORCH_{}", &rest[..end]);
            assert!(settings.contains(&format!("\"{name}\"")), "{}: {name}", page.name());
        }
    }
}

#[test]
fn every_skill_says_what_to_do_on_each_error() {
    for skill in skills() {
        let pages = || std::iter::once(&skill.page).chain(&skill.references);
        for kind in Kind::ALL {
            let is_told = pages().any(|page| page.quoted().contains(&kind.code()));
            assert!(is_told, "{} does not speak of `{}`", skill.page.name(), kind.code());
        }
    }
}

#[test]
fn a_skill_holds_nothing_that_will_be_wrong_elsewhere_or_later() {
    // The first two are put together here, so that this file does not hold them.
    let forbidden = [concat!("TO", "DO"), concat!("FIX", "ME"), "mcp__", "http://", "https://", "\t"];
    for page in pages() {
        for word in forbidden {
            assert!(!page.text.contains(word), "{}: {word:?}", page.name());
        }
        let is_date = |word: &str| {
            let digits = |part: Option<&str>, count| {
                part.is_some_and(|part| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit()))
            };
            let mut parts = word.split('-');
            digits(parts.next(), 4) && digits(parts.next(), 2) && parts.next().is_some()
        };
        let mut words = page.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        assert!(!words.any(is_date), "{}: a date", page.name());
    }
}
