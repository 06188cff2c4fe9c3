//! What was said of a task since it was told what to do, in its description: the newest words, and those before them as
//! long as there is room.

use crate::error::Result;
use crate::model::task::TEXT_BYTES_MAX;
use crate::ops::render;
use crate::ops::task::push;

/// What begins each part that a description grows by.
const SENT_BACK: &str = "\n\n## Sent back (";
const UNBLOCKED: &str = "\n\n## Unblocked";

/// It was found wanting: by whom, and why.
pub fn sent_back(description: &str, by: &str, words: &str) -> Result<String> {
    with_part(description, &format!("{SENT_BACK}{by})\n"), words)
}

/// It was blocked, and this is how it may go on.
pub fn unblocked(description: &str, reason: Option<&str>, note: &str) -> Result<String> {
    let reason = render::one_line(reason.unwrap_or("no reason was given"), 600);
    with_part(description, &format!("{UNBLOCKED}\n\nIt was blocked: {reason}\n"), note)
}

fn with_part(description: &str, heading: &str, words: &str) -> Result<String> {
    let newest = |words: &str| format!("{heading}\n{}\n", render::quoted(words));
    let mut starts: Vec<usize> =
        [SENT_BACK, UNBLOCKED].iter().flat_map(|part| description.match_indices(part)).map(|(at, _)| at).collect();
    starts.sort_unstable();
    let (first, said) = description.split_at(starts.first().copied().unwrap_or(description.len()));
    let room = TEXT_BYTES_MAX.saturating_sub(first.len());
    // Marks of a quote may make words of many short lines several times as long.
    let mut newest_words = newest(words);
    let mut kept = words.len();
    while newest_words.len() > room && kept > 0 {
        kept /= 2;
        newest_words = newest(&render::short(words, kept));
    }
    let room = room.saturating_sub(newest_words.len());
    let before = starts.iter().map(|at| &said[at - first.len()..]).find(|before| before.len() <= room).unwrap_or("");
    push::checked_description(&format!("{first}{before}{newest_words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_keeps_what_was_wanted_first_and_the_newest_words() {
        let mut description = "Build it".to_owned();
        for round in 1..=40 {
            let words = format!("word {round}\u{2028}# no heading\n").repeat(400);
            description = sent_back(&description, &format!("task-1, round {round}"), &words).unwrap();
        }
        assert!(description.starts_with("Build it\n\n## Sent back (task-1, round "));
        assert!(description.contains("round 40)\n\n> word 40\n> # no heading\n"));
        assert!(description.len() <= TEXT_BYTES_MAX);
        assert!(!description.contains("word 1\n"), "the oldest goes first");
        let full = "x".repeat(TEXT_BYTES_MAX - 500);
        let told = sent_back(&full, "task-1, round 1", &"\n".repeat(60_000)).unwrap();
        assert!(told.starts_with(&full) && told.contains("## Sent back (task-1, round 1)"));
    }
}
