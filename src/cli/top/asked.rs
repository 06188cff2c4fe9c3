//! A question as it is read whole: wrapped to the screen, so that nobody allows what they could not see.

use crate::model::safe;
use crate::model::time::Timestamp;
use crate::ops::question::QuestionView;
use crate::ops::render;
use unicode_width::UnicodeWidthChar;

/// Beside the lines of a question: one on each side.
const MARGIN: usize = 2;

/// All of a question in rows of that width.
pub(super) fn rows(question: &QuestionView, now: Timestamp, width: usize) -> Vec<String> {
    let about = question.task_id.map(|task| format!(" about {}", task.short())).unwrap_or_default();
    let age = render::lasting(now.millis() - question.asked_at.millis());
    let mut told = vec![format!("{}  {} asks{about}, {age} ago", question.id.short(), question.from), String::new()];
    told.extend(question.told());
    told.iter().flat_map(|line| wrapped(line, width)).collect()
}

/// The line in rows, harmless to a terminal. Words stay whole where they fit.
pub(super) fn wrapped(line: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(MARGIN).max(1);
    let safe = safe::for_people(line);
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in safe.split_inclusive(' ') {
        let word = word.replace(['\t', '\n'], " ");
        let wide = |text: &str| text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
        if used > 0 && used + wide(word.trim_end()) > room {
            rows.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used + columns > room {
                // What ends a word needs no room of its own.
                if c == ' ' {
                    continue;
                }
                rows.push(String::new());
                used = 0;
            }
            used += columns;
            rows.last_mut().expect("there is one from the beginning").push(c);
        }
    }
    rows.into_iter().map(|row| format!(" {}", row.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_wrapped_between_words_and_nothing_of_it_is_lost() {
        assert_eq!(wrapped("cargo test --all", 13), [" cargo test", " --all"]);
        assert_eq!(wrapped("abcdefghij kl", 6), [" abcd", " efgh", " ij", " kl"]);
        assert_eq!(wrapped("", 10), [" "]);
        assert_eq!(wrapped("日本語", 6), [" 日本", " 語"]);
    }
}
