//! What variables hold that the line itself has set.

use crate::model::safety::quotes::GIVEN;
use crate::model::safety::shell::Filling;
use crate::model::safety::shell::Hole;
use crate::model::safety::shell::Word;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// What variables are filled with, in all: a line could double them again and again.
const FILLED_BYTES_MAX: usize = 64 * 1024;
const VALUE_BYTES_MAX: usize = 4 * 1024;
const VALUES_MAX: usize = 64;

/// A variable that was set more than once, or in parts, may hold any of it: which branch was taken nobody knows.
#[derive(Default)]
pub(super) struct Variables {
    /// Without any value nobody knows it.
    all: BTreeMap<String, Vec<String>>,
    /// They hold all of their values, and not one of them.
    lists: BTreeSet<String>,
    /// What they hold was only told by what a command prints.
    hearsay: BTreeSet<String>,
    filled: usize,
}

impl Variables {
    /// `NAME=value`, or `NAME+=value`.
    pub(super) fn set_by(&mut self, word: &Word) {
        let Some((name, value)) = word.text.split_once('=') else { return };
        if let Some(list) = &word.list {
            return self.set_list(name.trim_end_matches('+'), list.clone());
        }
        if word.is_hearsay() {
            self.hearsay.insert(name.trim_end_matches('+').to_owned());
        }
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

    pub(super) fn set_list(&mut self, name: &str, list: Vec<Word>) {
        self.lists.insert(name.to_owned());
        for word in self.filled(list, None) {
            self.set(name, &word.text);
        }
    }

    pub(super) fn set_one(&mut self, name: &str, word: &Word) {
        if word.is_hearsay() {
            self.hearsay.insert(name.to_owned());
        }
        self.set(name, &word.text);
    }

    /// `set -- …`
    pub(super) fn set_given(&mut self, words: &[Word]) {
        let is_option = |word: &Word| word.text.starts_with(['-', '+']);
        let given = match words.iter().position(|word| word.text == "--") {
            Some(at) => &words[at + 1..],
            None if words.first().is_some_and(is_option) => return,
            None => words,
        };
        for (at, word) in given.iter().enumerate().take(VALUES_MAX) {
            self.set(&(at + 1).to_string(), &word.text);
        }
        self.set_list(GIVEN, given.to_vec());
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
            // Without quotes it falls apart.
            if word.is_hearsay() && !word.is_quoted && !is_first && word.holes.len() == 1 {
                let part = |text| {
                    let mut part = Word::default();
                    part.leaves_open(text, Some(Filling::Said));
                    part
                };
                all.extend(word.text.split_whitespace().map(part));
                continue;
            }
            let is_list = word.variable.as_ref().is_some_and(|name| self.lists.contains(name));
            let is_open = word.variable.as_ref().is_some_and(|name| self.hearsay.contains(name));
            let values = word.variable.as_ref().and_then(|name| self.all.get(name)).filter(|values| !values.is_empty());
            match values {
                // A program that is one of several is none that is known.
                Some(values) if is_first && values.len() > 1 && !is_list => all.push(word),
                Some(values) => {
                    let size: usize = values.iter().map(|value| value.len() + 1).sum();
                    if self.filled + size > FILLED_BYTES_MAX {
                        all.push(word);
                        continue;
                    }
                    self.filled += size;
                    match word.is_quoted {
                        true => {
                            let whole = |value: &String| Word { is_quoted: true, is_open, ..Word::plain(value) };
                            all.extend(values.iter().map(whole));
                        }
                        false => {
                            let parts = values.iter().flat_map(|value| value.split_whitespace());
                            all.extend(parts.map(|part| Word { is_open, ..Word::plain(part) }));
                        }
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
                Some(Filling::Said) | None => Vec::new(),
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
                is_open |= value.is_none()
                    || matches!(&hole.filling, Some(Filling::Variable(name)) if self.hearsay.contains(name));
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
