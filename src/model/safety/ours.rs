//! Our own program: which of its commands write where their caller says, and which change what binds sessions.

use crate::model::safety::deeds::Deed;
use crate::model::safety::deeds::has;
use crate::model::safety::deeds::operands;
use crate::model::safety::program::values_of;
use crate::model::safety::shell::Word;

pub(super) const NAME: &str = "orch-mcp";

/// Options whose value is the next word, of all commands and of those below.
const WITH_VALUE: [&str; 19] = [
    "--state-dir",
    "--server",
    "--token-file",
    "--ca",
    "--format",
    "--color",
    "--instance-id",
    "-i",
    "--out",
    "--kind",
    "--job",
    "--specs",
    "--since",
    "--until",
    "--as",
    "--template",
    "--scope",
    "--name",
    "--role",
];

/// No letter is short for it.
const NO_LETTER: char = '\0';

pub(super) fn deeds(words: &[Word]) -> Vec<Deed> {
    let named = operands(words, &WITH_VALUE);
    let Some((command, rest)) = named.split_first() else { return Vec::new() };
    let out = || values_of(words, NO_LETTER, "--out", "").into_iter();
    match command.text.as_str() {
        "report" | "export" | "man" => out().map(Deed::Overwrites).collect(),
        "sync" => rest.iter().map(|folder| Deed::Overwrites((*folder).clone())).collect(),
        // Only a new file.
        "token" => out().map(Deed::Appends).collect(),
        "setup" if !has(words, &["--check", "--dry-run", "--help", "-h"]) => {
            vec![Deed::Decides("changes which hooks and servers sessions have")]
        }
        _ => Vec::new(),
    }
}
