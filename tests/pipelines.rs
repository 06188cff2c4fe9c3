//! The pipelines that come with the program: all are compiled in, speak of tools and arguments that there are, and become
//! tasks that the queue takes.

use crate::skills::is_snake_case;
use crate::skills::words_of;
use crate::support::again::Member;
use crate::support::dice::Dice;
use orch_mcp::model::pipeline::BUILT_IN;
use orch_mcp::model::pipeline::Issue;
use orch_mcp::model::pipeline::Pipeline;
use orch_mcp::ops::OPERATIONS;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn pipelines() -> impl Iterator<Item = Pipeline> {
    BUILT_IN.iter().map(|(name, text)| Pipeline::read(name, name, text).unwrap_or_else(|error| panic!("{error}")))
}

fn tasks(pipeline: &Pipeline) -> Vec<Map<String, Value>> {
    let issue = |key: &str| Issue {
        key: key.to_owned(),
        title: "It is slow".to_owned(),
        body: "Since Monday.".to_owned(),
        ..Issue::default()
    };
    pipeline.expand(&[issue("#1"), issue("#2")]).unwrap()
}

#[test]
fn every_pipeline_that_has_a_file_is_compiled_in() {
    let named: BTreeSet<String> = BUILT_IN.iter().map(|(name, _)| format!("{name}.toml")).collect();
    let dir = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).unwrap();
    let files = dir.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    assert_eq!(named, files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect());
}

#[test]
fn stages_speak_of_tools_and_arguments_and_stages_that_there_are() {
    let mut known: BTreeSet<String> = OPERATIONS.iter().map(|entry| entry.name.to_owned()).collect();
    for entry in OPERATIONS {
        words_of(&Value::Object(entry.input_schema().clone()), &mut known);
    }
    // A verdict, which is checked where it is read.
    known.insert("activate_next".to_owned());
    let mut seen = 0;
    for pipeline in pipelines() {
        let stages: BTreeSet<&str> = pipeline.stages.iter().map(|stage| stage.name.as_str()).collect();
        for task in tasks(&pipeline) {
            let description = task["description"].as_str().unwrap();
            for word in description.split('`').skip(1).step_by(2).filter(|word| is_snake_case(word)) {
                let is_known = known.contains(word) || stages.contains(word);
                assert!(is_known, "{} {}: there is no `{word}`", pipeline.name, task["title"]);
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

/// Whoever begins with what the README shows has a pipeline.
#[test]
fn the_file_that_the_readme_shows_is_one() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(text, _)| text);
    let text = blocks.find(|text| text.contains("[[stage]]")).expect("README shows one");
    let pipeline = Pipeline::read("interface", "README.md", text).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&str> = pipeline.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["propose", "change", "change-review", "tell"]);
    assert!(BUILT_IN.iter().all(|(name, _)| readme.contains(&format!("| `{name}` |"))), "and names all of ours");
}

#[test]
fn the_queue_takes_what_comes_of_every_pipeline() {
    let dir = tempfile::tempdir().unwrap();
    let member = Member::at(dir.path());
    for pipeline in pipelines() {
        let mut tasks = tasks(&pipeline);
        let count = tasks.len();
        for task in &mut tasks {
            // What a stage adds to a task is no part of a plan that anybody pushes.
            assert!(task.remove("stage").is_some());
            task.remove("budget");
        }
        let pushed = member.ok("push_tasks", json!({ "tasks": tasks }));
        assert_eq!(pushed["count"], count, "{}", pipeline.name);
    }
}

/// Somebody edits a pipeline, and slips.
#[test]
fn whatever_stands_in_a_pipeline_reading_it_ends_in_a_pipeline_or_in_a_sentence() {
    let mut dice = Dice::new(5);
    let pieces = [
        "",
        "{{",
        "}}",
        "{{#",
        "{{/",
        " = ",
        "[",
        "]",
        "[[",
        "\"",
        "'''",
        "\\",
        "\n",
        "[[stage]]\n",
        "#",
        "é",
        "\u{202e}",
        "0",
        "\0",
        "{",
        "}",
        "true",
        ",",
    ];
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let (name, text) = *dice.pick(&BUILT_IN);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for _ in 0..=dice.below(3) {
            let at = dice.below(lines.len());
            // Half of the slips are in what is no prompt.
            let line = match lines.iter().skip(at).position(|line| line.contains(" = ") || line.starts_with('[')) {
                Some(further) if dice.chance(50) => &mut lines[at + further],
                _ => &mut lines[at],
            };
            let mut letters: Vec<char> = line.chars().collect();
            let at = dice.below(letters.len() + 1);
            let end = letters.len().min(at + dice.below(4));
            letters.splice(at..end, dice.pick(&pieces).chars());
            *line = letters.into_iter().collect();
        }
        match Pipeline::read(name, "f", &lines.join("\n")) {
            Ok(_) => whole += 1,
            Err(error) => {
                refused += 1;
                assert!(error.message.starts_with("f line ") && error.hint.is_some(), "{error:?}");
                assert!(!error.message.contains(|c: char| c.is_control()), "{error:?}");
            }
        }
    }
    assert!(whole > 100 && refused > 100, "{whole} {refused}");
}
