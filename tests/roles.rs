//! The roles that come with the program: all are compiled in, and speak of tools and arguments that there are.

use crate::skills::is_snake_case;
use crate::skills::words_of;
use crate::support::dice::Dice;
use orch_mcp::model::role::BUILT_IN;
use orch_mcp::model::role::Role;
use orch_mcp::ops::OPERATIONS;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

fn files_in(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

#[test]
fn every_role_that_has_a_file_is_compiled_in() {
    let named: BTreeSet<String> = BUILT_IN.iter().map(|(name, _)| format!("{name}.md")).collect();
    let files: BTreeSet<String> =
        files_in("roles").iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(named, files);
}

#[test]
fn roles_speak_of_tools_and_arguments_that_there_are() {
    let mut known: BTreeSet<String> = OPERATIONS.iter().map(|entry| entry.name.to_owned()).collect();
    for entry in OPERATIONS {
        words_of(&Value::Object(entry.input_schema().clone()), &mut known);
    }
    // What an answer says, and the variables of prompts, which are checked when a role is read.
    known.insert("stale_claim".to_owned());
    let mut seen = 0;
    for path in files_in("roles").into_iter().chain(files_in("roles/ways")) {
        let text = fs::read_to_string(&path).unwrap();
        for word in text.split('`').skip(1).step_by(2).filter(|word| is_snake_case(word)) {
            assert!(known.contains(word), "{}: there is no `{word}`", path.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

/// Somebody edits a role, and slips.
#[test]
fn whatever_stands_in_a_role_reading_it_ends_in_a_role_or_in_a_sentence() {
    let mut dice = Dice::new(5);
    let pieces = [
        "", "{{", "}}", "{{#", "{{/", ": ", "- ", "[", "]", "\"", "'", "\\", "\n", "---\n", "#", "é", "\u{202e}", "0",
        "\0", "\t",
    ];
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let (name, text) = *dice.pick(&BUILT_IN);
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..=dice.below(3) {
            // Half of the slips are in the head, which is short.
            let most = if dice.chance(50) { letters.len().min(400) } else { letters.len() };
            let at = dice.below(most);
            let end = letters.len().min(at + dice.below(4));
            letters.splice(at..end, dice.pick(&pieces).chars());
        }
        let text: String = letters.into_iter().collect();
        match Role::read(name, "f", &text, None) {
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
