//! What a command prints, where its own words tell: names of files, or what stands below them.

use crate::model::safety::deeds::flag;
use crate::model::safety::deeds::has;
use crate::model::safety::deeds::is_all;
use crate::model::safety::deeds::operands;
use crate::model::safety::program;
use crate::model::safety::shell::Step;
use crate::model::safety::shell::Word;

/// As many places as are looked at.
const PLACES_MAX: usize = 64;
/// Longer it is no list of names.
const BYTES_MAX: usize = 16 * 1024;

/// Options of `grep` and `rg` whose value is the next word.
const OF_GREP: [&str; 14] =
    ["-e", "-f", "-m", "-A", "-B", "-C", "-d", "-D", "-g", "-t", "-T", "--regexp", "--file", "--glob"];

/// Each says what it is given to read, or less, or the same in other words.
const FILTERS: [&str; 13] =
    ["grep", "egrep", "fgrep", "rg", "head", "tail", "sort", "uniq", "tac", "cut", "tr", "awk", "sed"];

pub(super) fn says(words: &[Word], input: Option<&str>) -> Option<String> {
    let (first, rest) = words.split_first()?;
    match program::name_of(first) {
        "echo" | "printf" if rest.iter().all(|word| !word.is_open) => {
            let is_option = |word: &&Word| matches!(word.text.as_str(), "-n" | "-e" | "-ne" | "-en" | "--");
            let texts: Vec<&str> = rest.iter().skip_while(is_option).map(|word| word.text.as_str()).collect();
            Some(texts.join(" ").replace("\\n", "\n"))
        }
        "cat" | "tee" if rest.iter().all(|word| word.text.starts_with('-')) || input.is_some() => {
            input.map(str::to_owned)
        }
        // Names in there, or what lies below. Of what lies here nothing is told.
        "ls" => lies_below(rest.iter().filter(|word| !word.text.starts_with('-'))),
        "find" | "fd" => lies_below(rest.iter().take_while(|word| !word.text.starts_with(['-', '(', '!']))),
        "git" if rest.first().is_some_and(|word| word.text == "ls-files") => {
            lies_below(rest[1..].iter().filter(|word| !word.text.starts_with('-')))
        }
        "git" if rest.first().is_some_and(|word| word.text == "grep") => searched(&rest[1..]),
        "grep" | "egrep" | "fgrep" | "rg" | "ag" | "ack" if input.is_none() => searched(rest),
        name if FILTERS.contains(&name) => input.map(str::to_owned),
        _ => None,
    }
}

/// A search names the files that it was sent to.
fn searched(rest: &[Word]) -> Option<String> {
    let named = operands(rest, &OF_GREP);
    let has_no_pattern = flag(rest, 'e') || flag(rest, 'f') || has(rest, &["--regexp", "--file", "--files"]);
    lies_below(named.into_iter().skip(usize::from(!has_no_pattern)))
}

fn lies_below<'a>(places: impl Iterator<Item = &'a Word>) -> Option<String> {
    let below: Vec<String> = places
        .filter(|word| !is_all(&word.text) && !word.is_open)
        .take(PLACES_MAX)
        .map(|word| format!("{}/*", word.text.trim_end_matches('/')))
        .collect();
    (!below.is_empty()).then(|| below.join("\n"))
}

/// What commands print that stand in a shell of their own, from where it begins to where it ends.
pub(super) fn by(steps: &[Step]) -> Option<String> {
    let mut depth = 0_usize;
    let mut all = String::new();
    let mut last: Option<String> = None;
    for step in steps {
        match step {
            Step::Enter => depth += 1,
            Step::Leave => depth -= 1,
            Step::Unreadable => return None,
            Step::Command(command) if depth == 1 => {
                let own = command.words.iter().take_while(|word| program::is_variable(word)).count();
                let input = match command.is_piped {
                    true => last.take(),
                    false => {
                        add(&mut all, last.take());
                        command.input.clone()
                    }
                };
                last = says(&command.words[own..], input.as_deref());
            }
            Step::Command(_) | Step::Each(_) => {}
        }
    }
    add(&mut all, last);
    (!all.is_empty() && all.len() <= BYTES_MAX).then_some(all)
}

fn add(all: &mut String, said: Option<String>) {
    let Some(said) = said else { return };
    if !all.is_empty() {
        all.push('\n');
    }
    all.push_str(&said);
}
