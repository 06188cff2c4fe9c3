//! What variables hold that the line itself has set.

use crate::model::safety::shell::Filling;
use crate::model::safety::shell::Hole;
use crate::model::safety::shell::Word;
use std::collections::BTreeMap;

/// What variables are filled with, in all: a line could double them again and again.
const FILLED_BYTES_MAX: usize = 64 * 1024;
const VALUE_BYTES_MAX: usize = 4 * 1024;
const VALUES_MAX: usize = 64;

/// A variable that was set more than once, or in parts, may hold any of it: which branch was taken nobody knows.
#[derive(Default)]
pub(super) struct Variables {
    /// Without any value nobody knows it.
    all: BTreeMap<String, Vec<String>>,
    filled: usize,
}

impl Variables {
    /// `NAME=value`, or `NAME+=value`.
    pub(super) fn set_by(&mut self, word: &Word) {
        let Some((name, value)) = word.text.split_once('=') else { return };
        match name.strip_suffix('+') {
            _ if word.is_open && value.starts_with('$') => self.forget(name.trim_end_matches('+')),
            Some(name) => {
                let before = self.all.get(name).cloned().unwrap_or_default();
                if before.is_empty() {
                    return self.forget(name);
                }
                for one in before {
                    self.set(name, &(one + value));
                }
            }
            None => self.set(name, value),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let is_known = self.all.get(name).is_none_or(|values| !values.is_empty());
        let values = self.all.entry(name.to_owned()).or_default();
        if !is_known || values.len() >= VALUES_MAX || value.len() > VALUE_BYTES_MAX {
            values.clear();
        } else if !values.iter().any(|one| one == value) {
            values.push(value.to_owned());
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.all.insert(name.to_owned(), Vec::new());
    }

    /// A word for each of the values that it may have. `top` is that of the worktree.
    pub(super) fn filled(&mut self, words: Vec<Word>, top: Option<&str>) -> Vec<Word> {
        let mut all = Vec::with_capacity(words.len());
        for word in words {
            if word.holes.is_empty() {
                all.push(word);
                continue;
            }
            let is_first = all.is_empty();
            let values = word.variable.as_ref().and_then(|name| self.all.get(name)).filter(|values| !values.is_empty());
            match values {
                // A program that is one of several is none that is known.
                Some(values) if is_first && values.len() > 1 => all.push(word),
                Some(values) => {
                    let size: usize = values.iter().map(|value| value.len() + 1).sum();
                    if self.filled + size > FILLED_BYTES_MAX {
                        all.push(word);
                        continue;
                    }
                    self.filled += size;
                    match word.is_quoted {
                        true => all.extend(values.iter().map(|value| Word { is_quoted: true, ..Word::plain(value) })),
                        false => all.extend(values.iter().flat_map(|value| value.split_whitespace()).map(Word::plain)),
                    }
                }
                None => self.fill_in(word, top, &mut all),
            }
        }
        all
    }

    /// Variables within a longer word. Of several that may be one of many only the first is followed.
    fn fill_in(&mut self, word: Word, top: Option<&str>, all: &mut Vec<Word>) {
        let values = |hole: &Hole| -> Vec<&str> {
            match &hole.filling {
                Some(Filling::Variable(name)) => self.all.get(name).into_iter().flatten().map(String::as_str).collect(),
                Some(Filling::Top) => top.into_iter().collect(),
                None => Vec::new(),
            }
        };
        let of_holes: Vec<Vec<&str>> = word.holes.iter().map(values).collect();
        let several = of_holes.iter().position(|values| values.len() > 1);
        let count = several.map_or(1, |at| of_holes[at].len());
        let size: usize = of_holes.iter().flatten().map(|value| value.len() + 1).sum::<usize>() + word.text.len();
        if of_holes.iter().all(Vec::is_empty) || self.filled + size * count > FILLED_BYTES_MAX {
            return all.push(word);
        }
        let mut filled = 0;
        for nth in 0..count {
            let mut text = String::new();
            let (mut done, mut is_open) = (0, false);
            for (at, hole) in word.holes.iter().enumerate() {
                text.push_str(&word.text[done..hole.at]);
                let value = if several == Some(at) { of_holes[at].get(nth) } else { of_holes[at].last() };
                is_open |= value.is_none();
                text.push_str(value.copied().unwrap_or(&word.text[hole.at..hole.at + hole.length]));
                done = hole.at + hole.length;
            }
            text.push_str(&word.text[done..]);
            filled += text.len() + 1;
            all.push(Word { text, is_open, is_quoted: word.is_quoted, ..Word::default() });
        }
        self.filled += filled;
    }
}
