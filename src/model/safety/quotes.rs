//! What stands in quotes, and what a shell fills in.

use crate::model::safety::said;
use crate::model::safety::shell::Filling;
use crate::model::safety::shell::Reader;
use crate::model::safety::shell::Step;
use crate::model::safety::shell::Word;

/// The variable of all that a script was given.
pub(super) const GIVEN: &str = "@";

/// What stands for a directory that `mktemp` made.
const MADE_FOR_NOW: &str = "/tmp/made-by-mktemp";

impl Reader<'_> {
    pub(super) fn double_quoted(&mut self, word: &mut Word, end: Option<char>) {
        while let Some(c) = self.peek() {
            match c {
                c if Some(c) == end => {
                    self.next();
                    return;
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => word.text.push(c),
                        Some(c) => word.text.extend(['\\', c]),
                    }
                }
                '$' => self.dollar(word, true),
                '`' => {
                    self.next();
                    self.backquoted(word);
                }
                c => {
                    self.next();
                    word.text.push(c);
                }
            }
        }
        if end.is_some() {
            self.give_up();
            word.is_open = true;
        }
    }

    pub(super) fn dollar(&mut self, word: &mut Word, is_quoted: bool) {
        let begin = self.at;
        self.next();
        match self.peek() {
            Some('(') => {
                self.next();
                let from = self.steps.len();
                if !self.takes("(") || !self.arithmetic() {
                    self.inside(Some(')'));
                }
                let inside = self.text.get(begin + 2..self.at.saturating_sub(1)).unwrap_or_default();
                return said_by(word, inside, &self.steps[from..]);
            }
            Some('{') => self.braces(),
            Some('\'') if !is_quoted => {
                self.next();
                word.is_quoted = true;
                return self.escaped(word);
            }
            // A quote with another language's words.
            Some('"') if !is_quoted => return,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.next();
                }
            }
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => drop(self.next()),
            _ => return word.text.push('$'),
        }
        let written = &self.text[begin..self.at];
        let begins = word.text.is_empty() || word.text.ends_with('=');
        match written {
            "$HOME" | "${HOME}" if begins => word.text.push('~'),
            "$PWD" | "${PWD}" if begins => word.text.push('.'),
            written => {
                let name = whole_variable(written).map(|name| Filling::Variable(name.to_owned()));
                word.leaves_open(written, name);
            }
        }
    }

    /// `${…}`, in which commands may be substituted.
    fn braces(&mut self) {
        self.next();
        let mut open = 1_usize;
        while let Some(c) = self.next() {
            match c {
                '}' => open -= 1,
                '{' => open += 1,
                '\\' => drop(self.next()),
                '`' => self.backquoted(&mut Word::default()),
                '$' if self.takes("(") => self.inside(Some(')')),
                '\'' => match self.rest().find('\'') {
                    Some(length) => self.at += length + 1,
                    None => return self.give_up(),
                },
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
        self.give_up();
    }

    pub(super) fn backquoted(&mut self, word: &mut Word) {
        let mut inside = String::new();
        while let Some(c) = self.next() {
            match c {
                '`' => {
                    let from = self.steps.len();
                    self.apart(&inside, true);
                    return said_by(word, &inside, &self.steps[from..]);
                }
                '\\' => match self.next() {
                    Some(c @ ('`' | '\\' | '$')) => inside.push(c),
                    Some(c) => inside.extend(['\\', c]),
                    None => {}
                },
                c => inside.push(c),
            }
        }
        self.give_up();
        word.leaves_open("$", None);
    }

    /// `$'…'`
    fn escaped(&mut self, word: &mut Word) {
        while let Some(c) = self.next() {
            match c {
                '\'' => return,
                '\\' => {
                    let escaped = self.next().map(|c| match c {
                        'n' => Some('\n'),
                        't' => Some('\t'),
                        'x' => self.number(16, 2),
                        'u' => self.number(16, 4),
                        'U' => self.number(16, 8),
                        '0'..='7' => {
                            self.at -= 1;
                            self.number(8, 3)
                        }
                        c => Some(c),
                    });
                    word.text.extend(escaped.flatten());
                }
                c => word.text.push(c),
            }
        }
        self.give_up();
        word.is_open = true;
    }

    fn number(&mut self, radix: u32, digits: usize) -> Option<char> {
        let length = self.rest().bytes().take(digits).take_while(|byte| (*byte as char).is_digit(radix)).count();
        let number = u32::from_str_radix(&self.text[self.at..self.at + length], radix).ok();
        self.at += length;
        number.and_then(char::from_u32)
    }
}

/// What a command in the line says, where that is plain. Else it is not known, and a word all the same.
fn said_by(word: &mut Word, command: &str, steps: &[Step]) {
    let begins = word.text.is_empty() || word.text.ends_with('=');
    // Only a short one is plain.
    let words: Vec<&str> = command.split_whitespace().take(6).collect();
    match words[..] {
        ["pwd"] | ["pwd", "-P"] if begins => word.text.push('.'),
        ["git", "rev-parse", "--show-toplevel"] => word.leaves_open("$", Some(Filling::Top)),
        ["which", name] | ["command", "-v", name] | ["type", "-p", name]
            if name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) =>
        {
            word.text.push_str(name);
        }
        ["mktemp", ref options @ ..]
            if begins && options.iter().all(|one| ["-d", "-q", "--directory"].contains(one)) =>
        {
            word.text.push_str(MADE_FOR_NOW);
        }
        _ => match said::by(steps).filter(|_| begins) {
            Some(said) => word.leaves_open(&said, Some(Filling::Said)),
            None => word.leaves_open("$", None),
        },
    }
}

/// The name, where that is all that stands there. Which item of a list nobody counts.
pub(super) fn whole_variable(written: &str) -> Option<&str> {
    let bare = written.strip_prefix('"').and_then(|inside| inside.strip_suffix('"')).unwrap_or(written);
    let name = bare.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')).unwrap_or(name);
    let name = name.strip_suffix(']').and_then(|list| list.split_once('[')).map_or(name, |(list, _)| list);
    if ["@", "*"].contains(&name) || name.starts_with("@:") {
        return Some(GIVEN);
    }
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}
