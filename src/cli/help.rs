//! The list of commands by noun, for `--help`.

use crate::cli::aliases;
use crate::cli::aliases::Alias;
use crate::cli::commands;
use crate::cli::print;
use crate::ops::Noun;
use crate::ops::OPERATIONS;
use crate::ops::table;
use unicode_width::UnicodeWidthStr;

/// No line of help is wider, also where the terminal is.
pub(super) const WIDTH_MAX: usize = 100;

pub(super) const COMPLETIONS_FOOTER: &str = "\
To have it in every shell:
  bash: add to ~/.bashrc   source <(orch-mcp completions bash)
  zsh:  add to ~/.zshrc    source <(orch-mcp completions zsh)
  fish: orch-mcp completions fish > ~/.config/fish/completions/orch-mcp.fish";

pub(super) const SERVE_FOOTER: &str = "\
With --http, clients come in with a token (`orch-mcp token`); the owner's own stands in `owner.token` of the state
directory, and programs of the same user need none at the socket `http.sock` beside it. An address that others can
reach wants a `--host`, a token besides the owner's, and TLS: here, or in a proxy before it.";

pub(super) const HOOK_FOOTER: &str = "\
It never fails a session: whatever goes wrong, it prints nothing and exits with 0. Where no team is, it does nothing.
`rewake` waits, and exits with 2 to wake the session.";

/// In the order of the help.
const NOUNS: &[Noun] = &[
    Noun::Instances,
    Noun::Tasks,
    Noun::Jobs,
    Noun::Messages,
    Noun::Questions,
    Noun::Workers,
    Noun::Context,
    Noun::Files,
    Noun::Events,
    Noun::Server,
];

/// Commands and what they do, under one heading.
struct Section {
    heading: &'static str,
    commands: Vec<(String, &'static str)>,
}

fn heading(noun: Noun) -> &'static str {
    match noun {
        Noun::Instances => "Instances",
        Noun::Tasks => "Tasks",
        Noun::Jobs => "Jobs",
        Noun::Messages => "Messages",
        Noun::Questions => "Questions to the human",
        Noun::Workers => "Workers",
        Noun::Context => "Context",
        Noun::Files => "Files",
        Noun::Events => "Events",
        Noun::Server => "Server",
    }
}

fn sections() -> Vec<Section> {
    let of_noun = |noun: &Noun| Section {
        heading: heading(*noun),
        commands: OPERATIONS
            .iter()
            .filter(|entry| entry.noun == *noun)
            .map(|entry| (commands::command_name(entry), entry.about))
            .chain(short_words(*noun))
            .collect(),
    };
    let own = commands::OWN.iter().map(|(name, about)| ((*name).to_owned(), *about)).collect();
    NOUNS.iter().map(of_noun).chain([Section { heading: "This program", commands: own }]).collect()
}

fn short_words(noun: Noun) -> impl Iterator<Item = (String, &'static str)> {
    let is_of_noun = move |alias: &Alias| table::find(alias.operation).is_some_and(|entry| entry.noun == noun);
    aliases::short_words()
        .filter(move |(alias, _)| is_of_noun(alias))
        .map(|(alias, about)| (alias.name.to_owned(), about))
}

/// Every command below the noun that it is about.
pub(super) fn commands_by_noun() -> String {
    by_noun(print::terminal_width().unwrap_or(WIDTH_MAX).min(WIDTH_MAX))
}

fn by_noun(width: usize) -> String {
    let sections = sections();
    let column = sections.iter().flat_map(|section| &section.commands).map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for section in &sections {
        text.push_str(&format!("{}:\n", section.heading));
        for (name, about) in &section.commands {
            text.push_str(&format!("  {name:column$}  {}\n", hanging(about, column + 4, width)));
        }
        text.push('\n');
    }
    text
}

/// The text in lines of at most `width`, all but the first indented.
fn hanging(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.width();
        if used > 0 && used + 1 + length > room {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_listed_once_under_its_noun() {
        let listed: Vec<String> =
            sections().into_iter().flat_map(|section| section.commands).map(|(name, _)| name).collect();
        for entry in OPERATIONS {
            let name = commands::command_name(entry);
            assert_eq!(listed.iter().filter(|one| **one == name).count(), 1, "{name}");
        }
        assert_eq!(listed.len(), OPERATIONS.len() + aliases::short_words().count() + commands::OWN.len());
    }

    #[test]
    fn a_long_line_goes_on_under_its_own_column() {
        assert_eq!(hanging("one two three four five six", 4, 24), "one two three four\n    five six");
        assert_eq!(hanging("", 4, 24), "");
        assert!(by_noun(60).lines().all(|line| line.width() <= 60));
    }
}
